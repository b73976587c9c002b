//! A join whose pairs only matter if they are the best of a partition is told so, and leaves the others out before it
//! copies their columns: the Top-1 of an auction's bids drops nearly all of them.
//!
//! That holds for an inner join of insertions whose one reader is a `Rank` that keeps the first row of insertions for
//! ever, behind nothing but a choice of columns. It is done in the finished graph, where it is known who reads what.

use flott_api::expr::Expr;
use flott_api::{Error, Result};
use flott_graph::spec::{
    CalcSpec, JoinBest, JoinInput, JoinKind, JoinSpec, RankRange, RankSpec, RankStrategy, SortField, Spec,
};
use flott_graph::{JobGraph, NodeId, Role};

/// Tells all such joins.
pub(super) fn tell_joins(graph: &mut JobGraph) -> Result<()> {
    for at in 0..graph.nodes.len() {
        let Some(rank) = spec_of::<RankSpec>(&graph.nodes[at].role)?.filter(keeps_best) else { continue };
        let best = JoinBest { partition: rank.partition, order: rank.order };
        if let Some((join, spec)) = join_below(graph, NodeId(at as u32), best)? {
            graph.nodes[join.0 as usize].role = spec.role()?;
        }
    }
    Ok(())
}

/// Whether a row that is not better than one before it changes nothing.
fn keeps_best(rank: &RankSpec) -> bool {
    let first = rank.range == RankRange::Constant { start: 1, end: 1 };
    first && rank.strategy == RankStrategy::AppendFast && rank.state_ttl_ms == 0 && !rank.order.is_empty()
}

/// The join that only this node reads, told what matters.
fn join_below(graph: &JobGraph, reader: NodeId, best: JoinBest) -> Result<Option<(NodeId, JoinSpec)>> {
    let (mut node, mut best) = (reader, best);
    loop {
        let mut incoming = graph.edges.iter().filter(|e| e.to == node);
        let (Some(edge), None) = (incoming.next(), incoming.next()) else { return Ok(None) };
        node = edge.from;
        if graph.edges.iter().filter(|e| e.from == node).count() != 1 {
            return Ok(None);
        }
        let role = &graph.node(node).role;
        if let Some(join) = spec_of::<JoinSpec>(role)? {
            let inserts = [&join.left, &join.right].iter().all(|side| side.rows == JoinInput::InsertOnly);
            let is_told = join.kind == JoinKind::Inner && inserts;
            return Ok(is_told.then_some((node, JoinSpec { best: Some(best), ..join })));
        }
        let Some(calc) = spec_of::<CalcSpec>(role)? else { return Ok(None) };
        match chosen(&calc, &best) {
            Some(before) => best = before,
            None => return Ok(None),
        }
    }
}

/// The same over the input of a projection; nothing if that does more than choose columns.
fn chosen(calc: &CalcSpec, best: &JoinBest) -> Option<JoinBest> {
    let is_plain = |e: &Expr| matches!(e, Expr::Column { .. } | Expr::Literal { .. });
    if calc.condition.is_some() || !calc.projection.iter().all(is_plain) {
        return None;
    }
    let column = |at: usize| match calc.projection.get(at) {
        Some(Expr::Column { index, .. }) => Some(*index),
        _ => None,
    };
    let field = |f: &SortField| Some(SortField { column: column(f.column)?, ..*f });
    Some(JoinBest {
        partition: best.partition.iter().map(|c| column(*c)).collect::<Option<_>>()?,
        order: best.order.iter().map(field).collect::<Option<_>>()?,
    })
}

/// The specification of a node, if it is of this kind.
fn spec_of<S: Spec>(role: &Role) -> Result<Option<S>> {
    match role {
        Role::Operator { kind, spec } if kind == S::KIND => serde_json::from_value(spec.clone())
            .map(Some)
            .map_err(|e| Error::internal(format!("the specification of a '{kind}' cannot be read")).with_source(e)),
        _ => Ok(None),
    }
}
