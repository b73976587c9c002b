//! What a bounded query may take: memory that its operators share fairly, and a folder for what does not fit.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion_execution::TaskContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::memory_pool::FairSpillPool;
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use flott_api::{BATCH_ROWS_MAX, Result};
use flott_graph::spec::BatchPlan;

use crate::error::released;

/// The part of the memory that a sort keeps free to merge what it spilled.
const MERGE_PART: usize = 8;
/// It keeps no more free than this.
const MERGE_BYTES_MAX: usize = 10 << 20;

/// The context in which a plan runs; `default_bytes` is its memory if the job does not say.
///
/// # Errors
/// If there is no folder to spill to.
pub(crate) fn task_context(plan: &BatchPlan, default_bytes: usize) -> Result<Arc<TaskContext>> {
    let bytes = plan.memory_bytes.map_or(default_bytes, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let mode = match &plan.spill_directory {
        Some(folder) => DiskManagerMode::Directories(vec![PathBuf::from(folder)]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(bytes)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(u64::MAX))
        .build_arc()
        .map_err(released)?;
    let config = SessionConfig::new()
        .with_batch_size(BATCH_ROWS_MAX)
        .with_target_partitions(1)
        .with_sort_spill_reservation_bytes((bytes / MERGE_PART).min(MERGE_BYTES_MAX));
    let context = TaskContext::new(
        None,
        "batch".to_owned(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        runtime,
    );
    Ok(Arc::new(context))
}
