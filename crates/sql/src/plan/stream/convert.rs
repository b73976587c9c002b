//! Relational nodes to stream nodes, bottom-up, with exchanges and the row kinds that each may give if nobody asks for
//! less.

use flott_api::expr::Expr;
use flott_api::{Error, Result, RowKind};

use super::nodes::{
    Calc, ChangelogNormalize, Distribution, Exchange, FromChangelog, GroupAggregate, Join, Limit, ToChangelog, Union,
    Values, Watermark, WindowTableFunction,
};
use super::{Node, Op, StreamOp};
use crate::plan::optimize::conjuncts;
use crate::plan::print;
use crate::plan::rel::{self, Column, Rel};

/// The stream node of a relation.
pub(super) fn convert(rel: Rel) -> Result<Node> {
    let Rel { op, inputs, columns } = rel;
    // A filter below a projection is one Calc.
    if let (rel::Op::Project { exprs }, [Rel { op: rel::Op::Filter { condition }, inputs: below, .. }]) =
        (&op, inputs.as_slice())
    {
        let input = below.iter().cloned().map(convert).collect::<Result<Vec<_>>>()?;
        let columns = projected(exprs, &input, columns);
        let calc = Calc { condition: Some(condition.clone()), exprs: exprs.clone() };
        return Node::new(Op::Calc(calc), input, columns);
    }
    let inputs = inputs.into_iter().map(convert).collect::<Result<Vec<_>>>()?;
    let op = match op {
        rel::Op::Scan(scan) => Op::Source(scan),
        rel::Op::Values { rows } => Op::Values(Values { rows }),
        rel::Op::Filter { condition } => {
            let calc = Calc { condition: Some(condition), ..Calc::identity(&columns) };
            let columns = projected(&calc.exprs, &inputs, columns);
            return Node::new(Op::Calc(calc), inputs, columns);
        }
        rel::Op::Project { exprs } => {
            let columns = projected(&exprs, &inputs, columns);
            return Node::new(Op::Calc(Calc { condition: None, exprs }), inputs, columns);
        }
        rel::Op::Watermark { rowtime, watermark } => Op::Watermark(Watermark { rowtime, watermark }),
        rel::Op::Aggregate { keys, calls } => Op::GroupAggregate(GroupAggregate { keys, calls }),
        rel::Op::Window { time, window } => Op::WindowTableFunction(WindowTableFunction { time, window }),
        rel::Op::WindowAggregate(aggregate) => Op::WindowAggregate(aggregate),
        rel::Op::Join(join) => return joined(*join, inputs, columns),
        rel::Op::Match(matched) => Op::Match(matched),
        rel::Op::Correlate(correlate) => Op::Correlate(correlate),
        rel::Op::ToChangelog { names } => Op::ToChangelog(ToChangelog { names }),
        rel::Op::FromChangelog { op, names } => Op::FromChangelog(FromChangelog { op, names }),
        rel::Op::Union => Op::Union(Union),
        rel::Op::Limit { offset, limit } => Op::Limit(Limit { offset, limit }),
    };
    normalized(gathering(op, inputs, columns)?)
}

/// The kind of join that a condition allows.
fn joined(join: rel::Join, inputs: Vec<Node>, columns: Vec<Column>) -> Result<Node> {
    let width = inputs.first().map_or(0, |left| left.columns.len());
    let parts = join.condition.iter().cloned().flat_map(conjuncts).collect();
    let op = Op::Join(Box::new(Join::new(join, parts, width)?));
    // Two columns of one name are told apart, and rows that waited for each other are in no order of time.
    let names = print::unique(columns.iter().map(|c| &c.name));
    let columns = columns.into_iter().zip(names).map(|(c, name)| Column { name, time: None, window: None, ..c });
    let columns = columns.collect();
    gathering(op, inputs, columns)
}

/// The columns of a projection: what is time in a column is so only if it is in the input.
fn projected(exprs: &[Expr], inputs: &[Node], mut columns: Vec<Column>) -> Vec<Column> {
    for (column, expr) in columns.iter_mut().zip(exprs) {
        if let (Expr::Column { index, .. }, [input]) = (expr, inputs) {
            column.time = input.columns[*index].time;
            column.window.clone_from(&input.columns[*index].window);
        }
    }
    columns
}

/// The node over inputs whose rows meet as it needs them.
fn gathering(op: Op, inputs: Vec<Node>, columns: Vec<Column>) -> Result<Node> {
    let wanted = op.distribution().into_iter().chain(std::iter::repeat(Distribution::Any));
    let inputs = inputs.into_iter().zip(wanted).map(|(input, distribution)| match distribution {
        Distribution::Any => input,
        distribution => input.behind(Op::Exchange(Exchange { distribution })),
    });
    let inputs = inputs.collect();
    Node::new(op, inputs, columns)
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
            gathering(Op::ChangelogNormalize(ChangelogNormalize { keys }), vec![source], columns)
        }
        _ => Err(Error::invalid(format!("table '{}' gives updates and has no primary key", scan.path))
            .with_hint("Declare its PRIMARY KEY (..) NOT ENFORCED.")),
    }
}
