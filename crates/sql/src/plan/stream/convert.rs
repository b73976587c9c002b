//! Relational nodes to stream nodes, bottom-up, with the row kinds that each may give if nobody asks for less.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result, RowKind};

use super::{Node, Op, keys};
use crate::plan::rel::{self, Rel};

/// The stream node of a relation.
pub(super) fn convert(rel: Rel) -> Result<Node> {
    let Rel { op, inputs, columns } = rel;
    // A filter below a projection is one Calc.
    if let (rel::Op::Project { exprs }, [Rel { op: rel::Op::Filter { condition }, inputs: below, .. }]) =
        (&op, inputs.as_slice())
    {
        let input = below.iter().cloned().map(convert).collect::<Result<Vec<_>>>()?;
        return node(Op::Calc { condition: Some(condition.clone()), exprs: exprs.clone() }, input, columns);
    }
    let inputs = inputs.into_iter().map(convert).collect::<Result<Vec<_>>>()?;
    let op = match op {
        rel::Op::Scan(scan) => Op::Source(scan),
        rel::Op::Values { rows } => Op::Values(rows),
        rel::Op::Filter { condition } => {
            let exprs = columns.iter().enumerate().map(|(i, c)| Expr::column(i, c.ty.clone())).collect();
            Op::Calc { condition: Some(condition), exprs }
        }
        rel::Op::Project { exprs } => Op::Calc { condition: None, exprs },
        rel::Op::Watermark { rowtime, watermark } => Op::Watermark { rowtime, watermark },
        rel::Op::Aggregate { keys, calls } => Op::GroupAggregate { keys, calls },
        rel::Op::Window { time, window } => Op::Window { time, window },
        rel::Op::WindowAggregate(aggregate) => Op::WindowAggregate(aggregate),
        rel::Op::Union => Op::Union,
        rel::Op::Limit { offset, limit } => Op::Limit { offset, limit },
    };
    let made = node(op, inputs, columns)?;
    normalized(made)
}

fn node(op: Op, inputs: Vec<Node>, columns: Vec<rel::Column>) -> Result<Node> {
    let changelog = changelog(&op, &inputs)?;
    let upsert_keys = keys::upsert_keys(&op, &inputs);
    Ok(Node { op, inputs, columns, changelog, upsert_keys })
}

/// The kinds that a node may give, with `-U` wherever there is `+U`.
fn changelog(op: &Op, inputs: &[Node]) -> Result<ChangelogMode> {
    let input = inputs.iter().fold(ChangelogMode::INSERT_ONLY, |mode, node| mode.union(node.changelog));
    Ok(match op {
        Op::Source(scan) => scan.description.changelog,
        Op::Values(_) => ChangelogMode::INSERT_ONLY,
        Op::Calc { .. } | Op::Union | Op::Exchange(_) => input,
        // The watermark of an update is as good as that of an insert.
        Op::Watermark { .. } => input,
        Op::GroupAggregate { .. } if input.is_insert_only() => ChangelogMode::ALL.without(RowKind::Delete),
        Op::GroupAggregate { .. } | Op::ChangelogNormalize { .. } => ChangelogMode::ALL,
        Op::Window { .. } => insert_only(input, "a window over a table with updates")?,
        Op::WindowAggregate(_) => insert_only(input, "a window aggregation over a table with updates")?,
        Op::Limit { .. } => insert_only(input, "LIMIT over a table with updates")?,
        Op::DropUpdateBefore => input.without(RowKind::UpdateBefore),
    })
}

fn insert_only(input: ChangelogMode, what: &str) -> Result<ChangelogMode> {
    if input.is_insert_only() { Ok(input) } else { Err(Error::unsupported(what)) }
}

/// A source that leaves `-U` out is completed before anything reads it.
fn normalized(source: Node) -> Result<Node> {
    let Op::Source(scan) = &source.op else { return Ok(source) };
    let mode = source.changelog;
    if !mode.contains(RowKind::UpdateAfter) || mode.contains(RowKind::UpdateBefore) {
        return Ok(source);
    }
    let positions: Option<Vec<usize>> =
        scan.primary_key.iter().map(|k| scan.projection.iter().position(|p| p == k)).collect();
    match positions {
        Some(keys) if !keys.is_empty() => {
            let columns = source.columns.clone();
            node(Op::ChangelogNormalize { keys }, vec![source], columns)
        }
        _ => Err(Error::invalid(format!("table '{}' gives updates and has no primary key", scan.path))
            .with_hint("Declare its PRIMARY KEY (..) NOT ENFORCED.")),
    }
}
