//! Submits a job: checks its graph and its configuration, and starts its master.

use std::sync::Arc;

use flott_api::ids::JobId;
use flott_api::state::StateMemory;
use flott_api::{Error, Result};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::coordinator::settings::{CheckpointSettings, RestartSettings, StateBackend};
use crate::job::{REQUESTS_MAX, Shared};
use crate::master::Preparation;
use crate::metrics::JobMetrics;
use crate::plan::Plan;
use crate::{JobHandle, Plugins};

/// What besides its graph makes a job.
#[derive(Clone, Copy, Debug)]
pub struct SubmitOptions {
    /// Its number among the jobs of its name in this session, from 1: each has a checkpoint directory of its own.
    pub ordinal: u32,
}

impl Default for SubmitOptions {
    fn default() -> Self {
        SubmitOptions { ordinal: 1 }
    }
}

/// Starts a job. Must be called within the tokio runtime that the environment's spawner uses.
///
/// # Errors
/// If the graph is damaged or not runnable, or an option is wrong. What only its master or a subtask can
/// find fails the job.
pub fn submit(graph_bytes: &[u8], plugins: &Plugins, options: SubmitOptions) -> Result<JobHandle> {
    let (handle, preparation) = preparation(graph_bytes, plugins, options)?;
    let shared = &preparation.shared;
    tracing::info!(job = %shared.id, name = shared.name, "the job has started");
    let span = tracing::info_span!("job", id = %shared.id);
    plugins.environment.spawner.spawn("master", Box::pin(preparation.run().instrument(span))).detach();
    Ok(handle)
}

/// A job before anything of it runs.
pub(crate) fn preparation(
    graph_bytes: &[u8],
    plugins: &Plugins,
    options: SubmitOptions,
) -> Result<(JobHandle, Preparation)> {
    let plan = Plan::from_bytes(graph_bytes)?;
    let checkpointing = CheckpointSettings::read(&plan.graph.configuration)?;
    if checkpointing.interval_ms.is_some() && checkpointing.directory.is_none() {
        return Err(Error::invalid(
            "checkpoints are switched on, and there is no 'execution.checkpointing.dir' for them",
        )
        .with_hint("Set it to a folder, as in 'file:///var/lib/flott/checkpoints', or to a bucket."));
    }
    let restart = RestartSettings::read(&plan.graph.configuration, checkpointing.interval_ms.is_some())?;
    let limit_bytes = plan.configuration.state_bytes_max.unwrap_or(plugins.state_bytes_max);
    let memory = StateMemory::new(limit_bytes, checkpointing.backend != Some(StateBackend::Hashmap));
    let shared = Arc::new(Shared::new(new_id(plugins), plan.graph.name.clone(), Arc::new(JobMetrics::of(&plan))));
    let (sender, requests) = mpsc::channel(REQUESTS_MAX);
    let handle = JobHandle::new(Arc::clone(&shared), sender, Arc::clone(&memory));
    let preparation = Preparation {
        shared,
        plan,
        plugins: plugins.clone(),
        requests,
        checkpointing,
        restart,
        memory,
        ordinal: options.ordinal,
    };
    Ok((handle, preparation))
}

fn new_id(plugins: &Plugins) -> JobId {
    let rng = &plugins.environment.rng;
    JobId(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()))
}
