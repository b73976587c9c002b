//! Chaining: which operators run in one task. Deterministic, so that every process cuts the same
//! graph the same way.

use std::collections::BTreeMap;

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
/// and the only one into its consumer, and the consumer has no keyed state.
pub fn chain(graph: &JobGraph, chaining_enabled: bool) -> (Vec<Task>, Vec<TaskEdge>) {
    let chained: Vec<bool> = graph.edges.iter().map(|e| chaining_enabled && is_chainable(graph, e)).collect();
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
    use crate::Node;

    fn graph(nodes: &[(u32, bool)], edges: &[(u32, u32, Partitioning)]) -> JobGraph {
        let node = |(parallelism, stateful): &(u32, bool)| Node {
            uid: OperatorUid("u".into()),
            name: "n".into(),
            parallelism: *parallelism,
            max_parallelism: 128,
            role: Role::Operator { kind: "k".into(), spec: serde_json::Value::Null },
            output: Schema::default(),
            stateful: *stateful,
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
    fn a_fork_and_a_union_are_cut() {
        let fork = graph(&[(1, false); 3], &[(0, 1, Forward), (0, 2, Forward)]);
        assert_eq!(cut(&fork), [vec![0], vec![1], vec![2]]);
        let union = graph(&[(1, false); 3], &[(0, 2, Forward), (1, 2, Forward)]);
        assert_eq!(cut(&union), [vec![0], vec![1], vec![2]]);
        let uneven = graph(&[(1, false), (2, false)], &[(0, 1, Rebalance)]);
        assert_eq!(cut(&uneven), [vec![0], vec![1]]);
    }
}
