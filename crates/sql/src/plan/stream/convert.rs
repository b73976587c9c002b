//! Relational nodes to stream nodes, bottom-up, with exchanges and the row kinds that each may give if nobody asks for
//! less.

use flott_api::expr::Expr;
use flott_api::{Error, Result, RowKind};
use flott_graph::spec::JoinKind;

use super::nodes::{
    Calc, ChangelogNormalize, Distribution, Exchange, Expand, FromChangelog, GroupAggregate, Interval, IntervalJoin,
    Join, Limit, LookupJoin, MultiJoin, Rank, TemporalJoin, TemporalSort, ToChangelog, Union, Values, Watermark,
    WindowJoin, WindowRank, WindowTableFunction,
};
use super::{Node, Op, StreamOp, interval};
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
        rel::Op::Watermark { rowtime, watermark, options } => {
            let per_split = inputs.iter().any(watermarks_by_split);
            Op::Watermark(Watermark { rowtime, watermark, per_split, options: *options })
        }
        rel::Op::Aggregate { keys, calls, ttl } => {
            // Groups change at any time: what was time in a key is a value.
            let columns = columns.into_iter().map(|c| Column { time: None, window: None, ..c }).collect();
            let op = GroupAggregate { ttl, ..GroupAggregate::whole(keys, calls) };
            return gathering(Op::GroupAggregate(op), inputs, columns);
        }
        rel::Op::Expand { projections } => Op::Expand(Expand { projections }),
        rel::Op::Window { time, window } => Op::WindowTableFunction(WindowTableFunction { time, window }),
        rel::Op::WindowAggregate(aggregate) => Op::WindowAggregate(aggregate),
        rel::Op::Join(join) => return joined(*join, inputs, columns),
        rel::Op::MultiJoin(join) => {
            let widths: Vec<usize> = inputs.iter().map(|input| input.columns.len()).collect();
            let op = Op::MultiJoin(Box::new(MultiJoin::new(*join, &widths)));
            return gathering(op, inputs, untimed(columns));
        }
        rel::Op::Match(matched) => {
            let columns = matched.timed(columns);
            return gathering(Op::Match(matched), inputs, columns);
        }
        rel::Op::TemporalJoin(join) => return versioned(*join, inputs, columns),
        rel::Op::Correlate(correlate) => Op::Correlate(correlate),
        rel::Op::Over(_) | rel::Op::Rank(_) | rel::Op::Sort(_) => return in_order(op, inputs, columns),
        rel::Op::Predict(predict) => {
            let columns = passed_on(columns, &inputs);
            return gathering(Op::Predict(predict), inputs, columns);
        }
        rel::Op::PythonCalc(calc) => {
            let columns = forwarded(&calc.forwarded, columns, &inputs);
            return Node::new(Op::PythonCalc(calc), inputs, columns);
        }
        rel::Op::PythonCorrelate(correlate) => return Node::new(Op::PythonCorrelate(correlate), inputs, columns),
        rel::Op::Process(process) => {
            let columns = process.timed(columns, inputs.iter().map(|input| input.columns.as_slice()));
            return gathering(Op::Process(process), inputs, columns);
        }
        rel::Op::ToChangelog { names, call } => Op::ToChangelog(ToChangelog { names, call }),
        rel::Op::FromChangelog { op, names, call } => Op::FromChangelog(FromChangelog { op, names, call }),
        rel::Op::Union => Op::Union(Union),
        rel::Op::Limit { offset, limit } => Op::Limit(Limit { offset, limit }),
    };
    normalized(gathering(op, inputs, columns)?)
}

/// A join of rows with what a table was at their time.
fn versioned(join: rel::TemporalJoin, inputs: Vec<Node>, columns: Vec<Column>) -> Result<Node> {
    let parts = join.condition.iter().cloned().flat_map(conjuncts).collect();
    let op = TemporalJoin::new(join, parts, &inputs)?;
    // A version is as old as it may be: only the left's times are in order.
    let width = inputs.first().map_or(0, |left| left.columns.len());
    let mut columns = timed(columns, &inputs);
    columns.iter_mut().skip(width).for_each(|column| column.time = None);
    gathering(Op::TemporalJoin(Box::new(op)), inputs, columns)
}

/// The kind of join that a condition allows.
fn joined(join: rel::Join, inputs: Vec<Node>, columns: Vec<Column>) -> Result<Node> {
    if let [left, right] = inputs.as_slice()
        && let Some(lookup) = LookupJoin::of(&join, left, right)?
    {
        let columns = looked_up(columns, &inputs);
        let left = inputs.into_iter().take(1).collect();
        return gathering(Op::LookupJoin(Box::new(lookup)), left, columns);
    }
    let width = inputs.first().map_or(0, |left| left.columns.len());
    let parts: Vec<Expr> = join.condition.iter().cloned().flat_map(conjuncts).collect();
    if let [left, right] = inputs.as_slice()
        && let Some((bounds, rest)) = rel::window_join(&parts, &left.columns, &right.columns)
    {
        let columns = windowed(columns, join.kind, &inputs);
        let op = WindowJoin::new(join.kind, bounds, (rest, width))?;
        return gathering(Op::WindowJoin(Box::new(op)), inputs, columns);
    }
    if let Some((interval, rest)) = interval_of(join.kind, &parts, &inputs)? {
        let op = Op::IntervalJoin(Box::new(IntervalJoin::new(join, interval, (rest, width))?));
        let columns = timed(columns, &inputs);
        return gathering(op, inputs, columns);
    }
    let op = Op::Join(Box::new(Join::new(join, parts, width)?));
    gathering(op, inputs, untimed(columns))
}

/// The columns of a join: two of one name are told apart, and rows that waited for each other are in no order of time.
fn untimed(columns: Vec<Column>) -> Vec<Column> {
    let names = print::unique(columns.iter().map(|c| &c.name));
    columns.into_iter().zip(names).map(|(c, name)| Column { name, time: None, window: None, ..c }).collect()
}

fn interval_of(kind: JoinKind, parts: &[Expr], inputs: &[Node]) -> Result<Option<(Interval, Vec<Expr>)>> {
    let [left, right] = inputs else { return Ok(None) };
    interval::of_join(kind, parts, [&left.columns, &right.columns])
}

/// The columns of a join by time: two of one name are told apart, and what is time in an input is time behind it.
fn timed(columns: Vec<Column>, inputs: &[Node]) -> Vec<Column> {
    let names = print::unique(columns.iter().map(|c| &c.name));
    let times = inputs.iter().flat_map(|input| &input.columns).map(|c| c.time);
    let named = columns.into_iter().zip(names).zip(times);
    named.map(|((column, name), time)| Column { name, time, window: None, ..column }).collect()
}

/// The columns of a lookup: those of the left are what they were, those of the table are values.
fn looked_up(columns: Vec<Column>, inputs: &[Node]) -> Vec<Column> {
    let left = inputs.first().map(|left| left.columns.as_slice()).unwrap_or_default();
    let mut columns = timed(columns, inputs);
    columns.iter_mut().skip(left.len()).for_each(|column| column.time = None);
    columns.iter_mut().zip(left).for_each(|(column, of_left)| column.window.clone_from(&of_left.window));
    columns
}

/// The columns of a join of windows: times are times behind it, and what cannot be without its window has it.
fn windowed(columns: Vec<Column>, kind: JoinKind, inputs: &[Node]) -> Vec<Column> {
    let width = inputs.first().map_or(0, |left| left.columns.len());
    let windows = inputs.iter().flat_map(|input| &input.columns).map(|c| c.window.clone()).enumerate();
    let may_miss = |at: usize| if at < width { kind.keeps_right() } else { kind.keeps_left() };
    let windows = windows.map(|(at, window)| window.filter(|_| !may_miss(at)));
    timed(columns, inputs).into_iter().zip(windows).map(|(column, window)| Column { window, ..column }).collect()
}

/// The columns of the input with others behind them: what is time in the input is time behind it.
fn passed_on(mut columns: Vec<Column>, inputs: &[Node]) -> Vec<Column> {
    for (column, below) in columns.iter_mut().zip(inputs.iter().flat_map(|input| &input.columns)) {
        column.time = below.time;
    }
    columns
}

/// What goes by an order. Its rows are those of the input, whose columns carry time there if they do in the input.
fn in_order(op: rel::Op, inputs: Vec<Node>, mut columns: Vec<Column>) -> Result<Node> {
    for (column, below) in columns.iter_mut().zip(inputs.iter().flat_map(|input| &input.columns)) {
        column.time = below.time;
        column.window.clone_from(&below.window);
    }
    let op = match op {
        rel::Op::Over(over) => Op::OverAggregate(over),
        rel::Op::Rank(rank) => match inputs.first().map(|input| WindowRank::of(&rank, input)).transpose()?.flatten() {
            Some(of_window) => Op::WindowRank(Box::new(of_window)),
            None => Op::Rank(Box::new(Rank::top_n(*rank))),
        },
        rel::Op::Sort(sort) => match sort.limit {
            Some(limit) => Op::Rank(Box::new(Rank::sort_limit(sort.order, limit)?)),
            None => Op::TemporalSort(TemporalSort { order: sort.order }),
        },
        _ => return Err(Error::internal("a node without an order")),
    };
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

/// Columns of the input with others behind them: what they carry there, they carry here.
fn forwarded(columns_below: &[usize], mut columns: Vec<Column>, inputs: &[Node]) -> Vec<Column> {
    for (column, below) in columns.iter_mut().zip(columns_below) {
        if let [input] = inputs {
            column.time = input.columns[*below].time;
            column.window.clone_from(&input.columns[*below].window);
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

/// Whether rows come from a source whose splits each have a time of their own, row by row.
fn watermarks_by_split(node: &Node) -> bool {
    match &node.op {
        // What cannot be read leaves the source beside its rows, which go to a task of their own then.
        Op::Source(scan) => scan.description.push_downs.watermark && scan.description.dead_letters.is_none(),
        Op::Calc(_) => node.inputs.iter().any(watermarks_by_split),
        _ => false,
    }
}
