//! Joins are told which pairs matter to the ranking that reads them.

use flott_graph::Role;
use flott_graph::spec::{JoinSpec, Spec};

use super::World;

/// What the joins of a job are told, by the names of columns; nothing where all pairs matter.
fn told(world: &World, sql: &str) -> Vec<String> {
    let graph = world.job(sql).unwrap().graph;
    let joins = graph.nodes.iter().filter_map(|node| match &node.role {
        Role::Operator { kind, spec } if kind == JoinSpec::KIND => Some(spec.to_string()),
        _ => None,
    });
    let shown = |join: JoinSpec| {
        let fields = || join.left.input.fields.iter().chain(&join.right.input.fields);
        let name = |column: usize| fields().nth(column).unwrap().name.clone();
        let Some(best) = &join.best else { return String::new() };
        let order = best.order.iter().map(|f| name(f.column) + if f.descending { " DESC" } else { "" });
        let partition = best.partition.iter().map(|c| name(*c)).collect::<Vec<_>>().join(", ");
        format!("{partition} by {}", order.collect::<Vec<_>>().join(", "))
    };
    joins.map(|spec| shown(JoinSpec::from_bytes(spec.as_bytes()).unwrap())).collect()
}

fn top(rows: u32, order: &str, from: &str) -> String {
    let number = format!("ROW_NUMBER() OVER (PARTITION BY x.a ORDER BY {order}) AS n");
    let ranked = format!("SELECT x.a AS a, x.b AS b, y.b AS c, {number} FROM {from}");
    format!("SELECT a, b, c FROM ({ranked}) WHERE n <= {rows}")
}

const JOIN: &str = "t x JOIN app y ON x.a = y.a AND x.c > y.a";

#[test]
fn the_best_pair_is_told_by_columns_of_the_join() {
    assert_eq!(told(&World::new(), &top(1, "x.c DESC, y.b", JOIN)), ["a by c DESC, b"]);
}

#[test]
fn all_pairs_matter_where_more_than_the_best_one_may_come_out() {
    let world = World::new();
    let unlike = [
        top(2, "x.c DESC", JOIN),
        top(1, "x.c + 1 DESC", JOIN),
        top(1, "x.c DESC", "t x LEFT JOIN app y ON x.a = y.a"),
        top(1, "x.id DESC", "cdc x JOIN app y ON x.w = y.a").replace("x.a", "x.w").replace("x.b", "x.v"),
        format!("SELECT x.a, y.b FROM {JOIN}"),
    ];
    for sql in unlike {
        assert_eq!(told(&world, &sql), [""], "{sql}");
    }
    let mut expiring = World::new();
    expiring.and("SET 'table.exec.state.ttl' = '3 h';");
    assert_eq!(told(&expiring, &top(1, "x.c DESC", JOIN)), [""]);
}

#[test]
fn what_somebody_else_reads_too_comes_whole() {
    let joined = format!("SELECT x.a, x.b, x.c, y.b AS d FROM {JOIN}");
    let ranked = format!("SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY c DESC) AS n FROM ({joined})");
    let best = format!("SELECT a, b, c, d FROM ({ranked}) WHERE n = 1");
    let all = told(&World::new(), &format!("{best} UNION ALL {joined}"));
    assert_eq!(all.iter().filter(|told| told.is_empty()).count(), 1, "{all:?}");
}
