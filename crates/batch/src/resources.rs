//! What a bounded query may take: memory that its operators share, and a folder for what does not fit.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion_execution::TaskContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use flott_api::{BATCH_ROWS_MAX, Result};
use flott_graph::spec::{BatchNode, BatchOp, BatchPlan};

use crate::error::released;
use crate::pool::SharingPool;

/// The part of the memory that a sort keeps free to merge what it spilled.
const MERGE_PART: usize = 32;
/// It keeps no more free than this.
const MERGE_BYTES_MAX: usize = 10 << 20;
/// For so many bytes of memory there is one row in a batch: with little memory several operators need a few batches each.
const BYTES_PER_ROW: usize = 16 << 10;
/// A batch has this many rows at least, if there are as many.
const BATCH_ROWS_MIN: usize = 64;

/// What a query may take, in all.
pub(crate) fn memory_bytes(plan: &BatchPlan, default_bytes: usize) -> usize {
    plan.memory_bytes.map_or(default_bytes, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// How many rows the batches have that operators hold.
pub(crate) fn batch_rows(bytes: usize) -> usize {
    (bytes / BYTES_PER_ROW).clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX)
}

/// How many nodes hold rows or groups while they work.
fn holders(node: &BatchNode) -> usize {
    let own = match node.op {
        BatchOp::Aggregate { .. } | BatchOp::Join { .. } | BatchOp::Sort { .. } => 1,
        // They sort.
        BatchOp::Over { .. } | BatchOp::Rank { .. } | BatchOp::PythonAggregate(_) => 1,
        _ => 0,
    };
    own + node.inputs.iter().map(holders).sum::<usize>()
}

/// The context in which a plan runs with so much memory.
///
/// # Errors
/// If there is no folder to spill to.
pub(crate) fn task_context(plan: &BatchPlan, bytes: usize) -> Result<Arc<TaskContext>> {
    let mode = match &plan.spill_directory {
        Some(folder) => DiskManagerMode::Directories(vec![PathBuf::from(folder)]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(SharingPool::new(bytes, holders(&plan.root) > 1)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(u64::MAX))
        .build_arc()
        .map_err(released)?;
    let config = SessionConfig::new()
        .with_batch_size(batch_rows(bytes))
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
