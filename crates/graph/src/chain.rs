//! Chaining: which operators run in one task. Deterministic, so that every process cuts the same
//! graph the same way.

use std::collections::BTreeMap;

use crate::spec::{Spec, WatermarkAssignerSpec};
use crate::{Edge, JobGraph, NodeId, Partitioning, Role};

/// Operators that call each other directly, in order; each feeds only the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its operators, the head first.
    pub nodes: Vec<NodeId>,
    /// How many subtasks.
    pub parallelism: u32,
}

/// An edge between tasks, over channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEdge {
    /// Position of the producing task.
    pub from: usize,
    /// Position of the consuming task.
    pub to: usize,
    /// The edge of the job graph: from the producer's last operator to the consumer's head.
    pub edge: Edge,
}

/// Cuts a graph into tasks. An edge is chained if it forwards, is the only one out of its producer
/// and the only one into its consumer, and the consumer has no keyed state. What computes a watermark by
/// split, or of a source that waits for others, is in the source's task, chaining or not: there the splits are known.
pub fn chain(graph: &JobGraph, chaining_enabled: bool) -> (Vec<Task>, Vec<TaskEdge>) {
    let before_time = if chaining_enabled { Vec::new() } else { before_time(graph) };
    let is_chained = |e: &Edge| (chaining_enabled || before_time[e.from.0 as usize]) && is_chainable(graph, e);
    let chained: Vec<bool> = graph.edges.iter().map(is_chained).collect();
    let mut tasks: Vec<Task> = Vec::new();
    let mut task_of: BTreeMap<NodeId, usize> = BTreeMap::new();
    for id in graph.node_ids() {
        let into = graph.edges.iter().zip(&chained).find(|(e, chained)| **chained && e.to == id);
        let task = match into.and_then(|(e, _)| task_of.get(&e.from)) {
            Some(task) => *task,
            None => {
                tasks.push(Task { nodes: Vec::new(), parallelism: graph.node(id).parallelism });
                tasks.len() - 1
            }
        };
        tasks[task].nodes.push(id);
        task_of.insert(id, task);
    }
    let open = graph.edges.iter().zip(&chained).filter(|(_, chained)| !**chained);
    let edges = open.map(|(e, _)| TaskEdge { from: task_of[&e.from], to: task_of[&e.to], edge: e.clone() });
    let edges = edges.collect();
    (tasks, edges)
}

/// Of each node, whether its rows go to a watermark that must know their source's splits.
fn before_time(graph: &JobGraph) -> Vec<bool> {
    let mut found = vec![false; graph.nodes.len()];
    for id in graph.node_ids() {
        let Role::Operator { kind, spec } = &graph.node(id).role else { continue };
        if kind != WatermarkAssignerSpec::KIND {
            continue;
        }
        let above = |node: &NodeId| graph.inputs(*node).next().map(|edge| edge.from).filter(|from| from < node);
        let path: Vec<NodeId> = std::iter::successors(above(&id), above).collect();
        let per_split = spec.get("per_split").and_then(serde_json::Value::as_bool).unwrap_or(false);
        if per_split || path.iter().any(|node| graph.node(*node).alignment.is_some()) {
            path.iter().for_each(|node| found[node.0 as usize] = true);
        }
    }
    found
}

fn is_chainable(graph: &JobGraph, edge: &Edge) -> bool {
    let (from, to) = (graph.node(edge.from), graph.node(edge.to));
    edge.partitioning == Partitioning::Forward
        && from.parallelism == to.parallelism
        && !to.stateful
        && !matches!(to.role, Role::Source(_))
        && graph.outputs(edge.from).count() == 1
        && graph.inputs(edge.to).count() == 1
}

#[cfg(test)]
mod tests {
    use flott_api::Schema;
    use flott_api::ids::OperatorUid;

    use super::*;
    use crate::{Node, WatermarkAlignment};

    fn graph(nodes: &[(u32, bool)], edges: &[(u32, u32, Partitioning)]) -> JobGraph {
        let node = |(parallelism, stateful): &(u32, bool)| Node {
            uid: OperatorUid("u".into()),
            name: "n".into(),
            parallelism: *parallelism,
            max_parallelism: 128,
            role: Role::Operator { kind: "k".into(), spec: serde_json::Value::Null },
            output: Schema::default(),
            stateful: *stateful,
            alignment: None,
        };
        JobGraph {
            name: "j".into(),
            nodes: nodes.iter().map(node).collect(),
            edges: edges
                .iter()
                .map(|(f, t, p)| Edge { from: NodeId(*f), to: NodeId(*t), input: 0, partitioning: p.clone() })
                .collect(),
            factories: Vec::new(),
            artifacts: Vec::new(),
            configuration: BTreeMap::new(),
        }
    }

    fn cut(g: &JobGraph) -> Vec<Vec<u32>> {
        chain(g, true).0.iter().map(|t| t.nodes.iter().map(|n| n.0).collect()).collect()
    }

    use Partitioning::{Forward, Rebalance};

    #[test]
    fn forward_edges_are_chained_up_to_state_and_exchanges() {
        let g = graph(
            &[(2, false), (2, false), (2, true), (2, false)],
            &[(0, 1, Forward), (1, 2, Partitioning::Hash { columns: vec![0] }), (2, 3, Forward)],
        );
        assert_eq!(cut(&g), [vec![0, 1], vec![2, 3]]);
        assert_eq!(chain(&g, true).1.len(), 1);
        assert_eq!(chain(&g, false).0.len(), 4);
        let stateful = graph(&[(1, false), (1, true)], &[(0, 1, Forward)]);
        assert_eq!(cut(&stateful), [vec![0], vec![1]]);
    }

    #[test]
    fn a_source_that_waits_is_chained_up_to_its_watermark() {
        let mut g = graph(&[(2, false); 4], &[(0, 1, Forward), (1, 2, Forward), (2, 3, Forward)]);
        let group = "g".to_owned();
        g.nodes[0].alignment = Some(WatermarkAlignment { group, max_drift_ms: 0, update_interval_ms: 1 });
        let time = |per_split: bool| Role::Operator {
            kind: WatermarkAssignerSpec::KIND.to_owned(),
            spec: serde_json::json!({ "per_split": per_split }),
        };
        let cut = |g: &JobGraph| chain(g, false).0.iter().map(|task| task.nodes.len()).collect::<Vec<_>>();
        g.nodes[2].role = time(false);
        assert_eq!((cut(&g), chain(&g, true).0.len()), (vec![3, 1], 1));
        g.nodes[0].alignment = None;
        assert_eq!(cut(&g), [1; 4]);
        g.nodes[2].role = time(true);
        assert_eq!(cut(&g), [3, 1]);
    }

    #[test]
    fn a_fork_and_a_union_are_cut() {
        let fork = graph(&[(1, false); 3], &[(0, 1, Forward), (0, 2, Forward)]);
        assert_eq!(cut(&fork), [vec![0], vec![1], vec![2]]);
        let union = graph(&[(1, false); 3], &[(0, 2, Forward), (1, 2, Forward)]);
        assert_eq!(cut(&union), [vec![0], vec![1], vec![2]]);
        let uneven = graph(&[(1, false), (2, false)], &[(0, 1, Rebalance)]);
        assert_eq!(cut(&uneven), [vec![0], vec![1]]);
    }
}
