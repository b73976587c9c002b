//! Cuts a plan into regions: what is connected by channels, or writes the same table.

use flott_graph::Role;

use crate::plan::Plan;

/// The tasks of each region, ascending.
pub(crate) fn regions(plan: &Plan) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..plan.tasks.len()).collect();
    for edge in &plan.edges {
        unite(&mut leader, edge.from, edge.to);
    }
    let tables: Vec<Option<&str>> = (0..plan.tasks.len()).map(|t| table(plan, t)).collect();
    for task in 0..tables.len() {
        // A table has one committer, which must know all of its writers when one of them is started again.
        let first = tables.iter().position(|t| t.is_some() && *t == tables[task]);
        first.into_iter().for_each(|first| unite(&mut leader, first, task));
    }
    let mut regions: Vec<Vec<usize>> = vec![Vec::new(); leader.len()];
    for task in 0..leader.len() {
        regions[leader_of(&leader, task)].push(task);
    }
    regions.retain(|tasks| !tasks.is_empty());
    regions
}

/// The table that a task writes.
fn table(plan: &Plan, task: usize) -> Option<&str> {
    match &plan.graph.node(*plan.tasks[task].nodes.last()?).role {
        Role::Sink(spec) => Some(&spec.table),
        _ => None,
    }
}

fn leader_of(leader: &[usize], mut task: usize) -> usize {
    while leader[task] != task {
        task = leader[task];
    }
    task
}

fn unite(leader: &mut [usize], a: usize, b: usize) {
    let (a, b) = (leader_of(leader, a), leader_of(leader, b));
    leader[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests {
    use flott_graph::Partitioning::Rebalance;

    use super::*;
    use crate::testing::graph::GraphBuilder;

    #[test]
    fn pipelines_without_a_channel_or_a_table_in_common_are_regions_of_their_own() {
        let mut g = GraphBuilder::new();
        let (a, b, c) = (g.source("a", 1), g.source("b", 1), g.source("c", 1));
        let (k, l, k_again) = (g.sink("k", 2), g.sink("l", 2), g.sink("k", 2));
        for (from, to) in [(a, k), (b, l), (c, k_again)] {
            g.edge(from, to, Rebalance);
        }
        let plan = Plan::from_bytes(&g.bytes()).unwrap();
        let regions = regions(&plan);
        let names = |tasks: &Vec<usize>| tasks.iter().map(|t| plan.head(*t).name.as_str()).collect::<String>();
        assert_eq!(regions.iter().map(names).collect::<Vec<_>>(), ["ackk", "bl"]);
    }
}
