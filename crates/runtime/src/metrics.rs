//! What a job has counted so far, under Flink's names.

use std::sync::Arc;

use flott_api::ids::{OperatorUid, Subtask};
use flott_api::metrics::{OperatorMetrics, TaskMetrics};
use flott_graph::NodeId;

use crate::plan::Plan;

/// The counters of all instances of a job, kept beyond their end.
#[derive(Debug, Default)]
pub(crate) struct JobMetrics {
    pub(crate) operators: Vec<OperatorEntry>,
    pub(crate) tasks: Vec<TaskEntry>,
}

/// One operator instance.
#[derive(Debug)]
pub(crate) struct OperatorEntry {
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) uid: OperatorUid,
    pub(crate) subtask: Subtask,
    pub(crate) metrics: Arc<OperatorMetrics>,
}

/// One subtask.
#[derive(Debug)]
pub(crate) struct TaskEntry {
    pub(crate) name: String,
    pub(crate) subtask: Subtask,
    pub(crate) metrics: Arc<TaskMetrics>,
}

/// All counters of a job at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Each operator instance; producers before consumers.
    pub operators: Vec<OperatorSnapshot>,
    /// Each subtask.
    pub tasks: Vec<TaskSnapshot>,
}

/// One operator instance. Bytes are those of the columns' values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorSnapshot {
    /// Its node in the job graph.
    pub node: NodeId,
    /// The operator's name.
    pub name: String,
    /// The operator's lasting name.
    pub uid: OperatorUid,
    /// Which instance.
    pub subtask: Subtask,
    /// `numRecordsIn`
    pub num_records_in: u64,
    /// `numRecordsOut`
    pub num_records_out: u64,
    /// `numBytesIn`
    pub num_bytes_in: u64,
    /// `numBytesOut`
    pub num_bytes_out: u64,
    /// `numLateRecordsDropped`
    pub num_late_records_dropped: u64,
    /// `numRecordsInErrors`
    pub num_records_in_errors: u64,
    /// `currentInputWatermark`; `i64::MIN` before the first.
    pub current_input_watermark: i64,
    /// `currentOutputWatermark`; `i64::MIN` before the first.
    pub current_output_watermark: i64,
}

/// One subtask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSnapshot {
    /// The names of its operators, joined as Flink does: `Source: a -> b`.
    pub name: String,
    /// Which instance.
    pub subtask: Subtask,
    /// `accumulateBusyTimeMs`, in nanoseconds.
    pub busy_ns: u64,
    /// `accumulateIdleTimeMs`, in nanoseconds.
    pub idle_ns: u64,
    /// `accumulateBackPressuredTimeMs`, in nanoseconds.
    pub back_pressured_ns: u64,
}

impl JobMetrics {
    /// Counters for everything in a plan; they go on through restarts.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut metrics = JobMetrics::default();
        for task in &plan.tasks {
            for index in 0..task.parallelism {
                let subtask = Subtask { index, parallelism: task.parallelism };
                let name = plan.task_name(task);
                metrics.tasks.push(TaskEntry { name, subtask, metrics: Arc::default() });
                metrics.operators.extend(task.nodes.iter().map(|id| OperatorEntry::of(plan, *id, subtask)));
            }
        }
        metrics
    }

    /// Those of one subtask's operators.
    pub(crate) fn of_operators(&self, nodes: &[NodeId], subtask: Subtask) -> Vec<Arc<OperatorMetrics>> {
        let find = |node: &NodeId| self.operators.iter().find(|o| o.node == *node && o.subtask == subtask);
        nodes.iter().map(|n| find(n).map(|o| Arc::clone(&o.metrics)).unwrap_or_default()).collect()
    }

    /// Those of a subtask, by its number in the job.
    pub(crate) fn of_task(&self, worker: usize) -> Arc<TaskMetrics> {
        Arc::clone(&self.tasks[worker].metrics)
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot {
            operators: self.operators.iter().map(OperatorEntry::snapshot).collect(),
            tasks: self.tasks.iter().map(TaskEntry::snapshot).collect(),
        }
    }
}

impl OperatorEntry {
    fn of(plan: &Plan, id: NodeId, subtask: Subtask) -> Self {
        let node = plan.graph.node(id);
        OperatorEntry { node: id, name: node.name.clone(), uid: node.uid.clone(), subtask, metrics: Arc::default() }
    }

    fn snapshot(&self) -> OperatorSnapshot {
        let m = &self.metrics;
        OperatorSnapshot {
            node: self.node,
            name: self.name.clone(),
            uid: self.uid.clone(),
            subtask: self.subtask,
            num_records_in: m.num_records_in.get(),
            num_records_out: m.num_records_out.get(),
            num_bytes_in: m.num_bytes_in.get(),
            num_bytes_out: m.num_bytes_out.get(),
            num_late_records_dropped: m.num_late_records_dropped.get(),
            num_records_in_errors: m.num_records_in_errors.get(),
            current_input_watermark: m.current_input_watermark.get(),
            current_output_watermark: m.current_output_watermark.get(),
        }
    }
}

impl TaskEntry {
    fn snapshot(&self) -> TaskSnapshot {
        TaskSnapshot {
            name: self.name.clone(),
            subtask: self.subtask,
            busy_ns: self.metrics.busy_ns.get(),
            idle_ns: self.metrics.idle_ns.get(),
            back_pressured_ns: self.metrics.back_pressured_ns.get(),
        }
    }
}
