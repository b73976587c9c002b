//! A job graph cut into tasks, and checked: what is wrong in its bytes is found before anything runs.

use flott_api::key_group::PARALLELISM_MAX;
use flott_api::{Error, Result};
use flott_graph::{Edge, JobGraph, Node, NodeId, Partitioning, Role, Task, TaskEdge, chain};

use crate::configuration::Configuration;

/// How many channels a job may have in one process: an exchange between 512 and 512 subtasks.
const CHANNELS_MAX: usize = 512 * 512;

/// The tasks of a job.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) graph: JobGraph,
    pub(crate) tasks: Vec<Task>,
    pub(crate) edges: Vec<TaskEdge>,
    pub(crate) configuration: Configuration,
}

impl Plan {
    /// Every process that reads the same bytes cuts the same tasks.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let graph = JobGraph::from_bytes(bytes)?;
        check(&graph)?;
        let configuration = Configuration::read(&graph.configuration)?;
        let (tasks, edges) = chain(&graph, configuration.chaining);
        check_channels(&tasks, &edges)?;
        Ok(Plan { graph, tasks, edges, configuration })
    }

    /// A task's name, as Flink shows it.
    pub(crate) fn task_name(&self, task: &Task) -> String {
        let names: Vec<&str> = task.nodes.iter().map(|n| self.graph.node(*n).name.as_str()).collect();
        names.join(" -> ")
    }

    /// The first operator of a task.
    pub(crate) fn head(&self, task: usize) -> &Node {
        self.graph.node(self.tasks[task].nodes[0])
    }

    /// The number of a subtask among all subtasks of the job.
    pub(crate) fn worker(&self, task: usize, subtask: u32) -> usize {
        let before: usize = self.tasks[..task].iter().map(|t| t.parallelism as usize).sum();
        before + subtask as usize
    }

    /// How many subtasks the job has.
    pub(crate) fn workers(&self) -> usize {
        self.worker(self.tasks.len(), 0)
    }

    /// Whether a task gets rows from others.
    pub(crate) fn has_input(&self, task: &Task) -> bool {
        task.nodes.first().is_some_and(|head| self.graph.inputs(*head).next().is_some())
    }
}

fn check(graph: &JobGraph) -> Result<()> {
    if graph.nodes.is_empty() {
        return Err(Error::internal("a job graph is empty"));
    }
    graph.edges.iter().try_for_each(|edge| check_edge(graph, edge))?;
    graph.node_ids().try_for_each(|id| check_node(graph, id, graph.node(id)))
}

fn check_node(graph: &JobGraph, id: NodeId, node: &Node) -> Result<()> {
    let wrong = |what: &str| Err(Error::internal(format!("operator '{}' {what}", node.name)));
    if node.parallelism == 0 || node.parallelism > node.max_parallelism || node.max_parallelism > PARALLELISM_MAX {
        return Err(Error::invalid(format!("operator '{}' has parallelism {}", node.name, node.parallelism))
            .with_detail(format!("It may be 1 to {}.", node.max_parallelism.min(PARALLELISM_MAX))));
    }
    let (inputs, outputs) = (graph.inputs(id).count(), graph.outputs(id).count());
    match &node.role {
        Role::Source(_) if inputs > 0 => wrong("is a source with an input"),
        Role::Sink(_) if outputs > 0 => wrong("is a sink with an output"),
        Role::Sink(_) if inputs == 0 => wrong("is a sink without an input"),
        Role::Operator { .. } | Role::Sink(_) if node.alignment.is_some() => {
            wrong("waits for others and reads nothing")
        }
        _ if node.alignment.as_ref().is_some_and(|a| a.update_interval_ms == 0 || a.max_drift_ms < 0) => {
            wrong("waits for others, and the interval or the drift is none")
        }
        Role::Operator { .. } if inputs == 0 && node.parallelism > 1 => {
            wrong("has no input, and would give its rows several times")
        }
        _ => Ok(()),
    }
}

fn check_edge(graph: &JobGraph, edge: &Edge) -> Result<()> {
    if edge.from >= edge.to || edge.to.0 as usize >= graph.nodes.len() {
        return Err(Error::internal(format!("an edge leads from node {} to node {}", edge.from.0, edge.to.0)));
    }
    let (from, to) = (graph.node(edge.from), graph.node(edge.to));
    let wrong = |what: &str| Err(Error::internal(format!("the edge from '{}' to '{}' {what}", from.name, to.name)));
    match &edge.partitioning {
        Partitioning::Forward if from.parallelism != to.parallelism => wrong("forwards to another parallelism"),
        Partitioning::Hash { columns } if columns.iter().any(|c| *c >= from.output.len()) => {
            wrong("is hashed by a column that does not exist")
        }
        _ => Ok(()),
    }
}

/// An exchange has a channel for each pair of subtasks, so a high parallelism would take all memory.
fn check_channels(tasks: &[Task], edges: &[TaskEdge]) -> Result<()> {
    let channels = |edge: &TaskEdge| {
        let (from, to) = (tasks[edge.from].parallelism as usize, tasks[edge.to].parallelism as usize);
        match edge.edge.partitioning {
            Partitioning::Forward | Partitioning::Rescale => from.max(to),
            Partitioning::Hash { .. } | Partitioning::Rebalance | Partitioning::Pinned | Partitioning::Broadcast => {
                from * to
            }
        }
    };
    let all: usize = edges.iter().map(channels).sum();
    if all <= CHANNELS_MAX {
        return Ok(());
    }
    let parallelism = tasks.iter().map(|t| t.parallelism).max().unwrap_or(0);
    Err(Error::invalid(format!("the job would have {all} channels between its subtasks"))
        .with_detail(format!("Its parallelism is {parallelism}; in one process it may have {CHANNELS_MAX} channels."))
        .with_hint("Lower 'parallelism.default', or the parallelism of its sources and sinks."))
}

#[cfg(test)]
mod tests {
    use flott_graph::WatermarkAlignment;

    use super::*;
    use crate::testing::graph::GraphBuilder;

    fn message(build: impl FnOnce(&mut GraphBuilder)) -> String {
        let mut builder = GraphBuilder::new();
        build(&mut builder);
        Plan::from_bytes(&builder.bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_graph_is_refused_before_it_runs() {
        assert_eq!(message(|_| {}), "a job graph is empty");
        let text = message(|b| {
            let (from, to) = (b.source("s", 1), b.operator("o", 2));
            b.edge(from, to, Partitioning::Forward);
        });
        assert_eq!(text, "the edge from 's' to 'o' forwards to another parallelism");
        let text = message(|b| {
            let (from, to) = (b.source("s", 1), b.operator("o", 2));
            b.edge(from, to, Partitioning::Hash { columns: vec![3] });
        });
        assert_eq!(text, "the edge from 's' to 'o' is hashed by a column that does not exist");
        let text = message(|b| {
            b.operator("v", 2);
        });
        assert_eq!(text, "operator 'v' has no input, and would give its rows several times");
        let waits = |update_interval_ms, max_drift_ms, source| {
            message(|b| {
                if source {
                    b.source("w", 1)
                } else {
                    b.operator("w", 1)
                };
                let group = "g".to_owned();
                b.graph.nodes[0].alignment = Some(WatermarkAlignment { group, max_drift_ms, update_interval_ms });
            })
        };
        assert_eq!(waits(1, 0, false), "operator 'w' waits for others and reads nothing");
        for (interval, drift) in [(0, 1), (1, -1)] {
            let text = "operator 'w' waits for others, and the interval or the drift is none";
            assert_eq!(waits(interval, drift, true), text);
        }
        let text = message(|b| {
            b.source("s", 0);
        });
        assert_eq!(text, "operator 's' has parallelism 0");
        let text = message(|b| {
            b.sink("k", 1);
        });
        assert_eq!(text, "operator 'k' is a sink without an input");
    }

    #[test]
    fn an_exchange_that_would_take_all_memory_is_refused() {
        let exchange = |b: &mut GraphBuilder, parallelism| {
            let (from, to) = (b.source("s", parallelism), b.operator("o", parallelism));
            b.edge(from, to, Partitioning::Hash { columns: vec![0] });
            b.graph.nodes.iter_mut().for_each(|n| n.max_parallelism = PARALLELISM_MAX);
        };
        let text = message(|b| exchange(b, PARALLELISM_MAX));
        assert_eq!(text, "the job would have 1073741824 channels between its subtasks");
        let mut fits = GraphBuilder::new();
        exchange(&mut fits, 512);
        assert!(Plan::from_bytes(&fits.bytes()).is_ok());
    }

    #[test]
    fn any_bytes_are_an_error_and_no_panic() {
        for bytes in [&b""[..], b"{", b"{\"version\":1}", b"[]"] {
            assert!(Plan::from_bytes(bytes).is_err());
        }
    }
}
