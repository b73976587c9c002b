//! Rule: a group by the start and end of a window becomes a window aggregation.
//!
//! Right above the window function the aggregation cuts the windows itself, on the time column. Elsewhere (a window of a
//! window, a filter by `window_end`) it cuts the same windows on `window_time`, the last millisecond of the row's window.

use flott_api::expr::Expr;
use flott_api::{Error, Result};
use flott_graph::spec::{AggregateCall, WindowKind, WindowProperty, WindowTime};

use super::bottom_up;
use crate::plan::rel::{Column, Op, Rel, TimeAttribute, WindowAggregate, WindowColumn, groups_by_window};

/// Rewrites every aggregate by window.
pub(super) fn aggregate(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| match (&rel.op, rel.inputs.as_slice()) {
        (Op::Aggregate { keys, .. }, [input]) => match groups_by_window(&input.columns, keys) {
            Some(window) => window_aggregate(rel, &window),
            None => Ok(rel),
        },
        _ => Ok(rel),
    })
}

/// Where a column of the aggregate's input is found below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Column(usize),
    Property(WindowProperty),
}

/// The aggregate's input without its window, and where its columns went.
struct Input {
    rel: Rel,
    slots: Vec<Slot>,
    /// Where the columns are that an aggregate may read; nothing for one that the window would make.
    reads: Vec<Option<usize>>,
    time: WindowTime,
}

impl Input {
    /// An input whose windows are made above it.
    fn windowless(rel: Rel, slots: Vec<Slot>, time: WindowTime) -> Input {
        let reads = slots.iter().map(|slot| match slot {
            Slot::Column(index) => Some(*index),
            Slot::Property(_) => None,
        });
        Input { reads: reads.collect(), rel, slots, time }
    }
}

fn window_aggregate(rel: Rel, window: &WindowColumn) -> Result<Rel> {
    let Rel { op, mut inputs, columns } = rel;
    let (Op::Aggregate { keys, calls }, Some(input)) = (op, inputs.pop()) else {
        return Err(Error::internal("a window aggregation of something else than an aggregate"));
    };
    let reads: Vec<usize> = calls.iter().flat_map(|c| c.args.iter().copied().chain(c.filter)).collect();
    let input = match absorbed(&input, window).filter(|found| reads.iter().all(|&i| found.reads[i].is_some())) {
        Some(found) => found,
        None => attached(input, window)?,
    };
    build(input, &window.window, &keys, calls, columns)
}

fn is_column(slot: Slot) -> bool {
    matches!(slot, Slot::Column(_))
}

/// The node, and a projection that gives keys and results in the aggregate's order.
fn build(
    input: Input,
    window: &WindowKind,
    keys: &[usize],
    calls: Vec<AggregateCall>,
    columns: Vec<Column>,
) -> Result<Rel> {
    let made_above = || Error::internal("an aggregate of a column that its window makes");
    let position = |i: usize| input.reads[i].ok_or_else(made_above);
    let mut plain = Vec::new();
    let mut properties = Vec::new();
    for &key in keys {
        match input.slots[key] {
            Slot::Column(index) => plain.push(index),
            Slot::Property(property) => properties.push(property),
        }
    }
    let call = |mut call: AggregateCall| -> Result<AggregateCall> {
        call.args = call.args.iter().map(|&a| position(a)).collect::<Result<_>>()?;
        call.filter = call.filter.map(position).transpose()?;
        Ok(call)
    };
    let calls = calls.into_iter().map(call).collect::<Result<Vec<_>>>()?;
    // Keys, results, properties: where each column of the aggregate is among them.
    let (mut next_plain, mut next_property) = (0, plain.len() + calls.len());
    let mut order = Vec::with_capacity(columns.len());
    for &key in keys {
        let next = if is_column(input.slots[key]) { &mut next_plain } else { &mut next_property };
        order.push(*next);
        *next += 1;
    }
    order.extend((0..calls.len()).map(|i| plain.len() + i));
    let mut own = columns.clone();
    for (column, &place) in columns.iter().zip(&order) {
        own[place] = column.clone();
    }
    let names: Vec<String> = columns.into_iter().map(|c| c.name).collect();
    let aggregate = WindowAggregate { time: input.time, window: window.clone(), keys: plain, calls, properties };
    let rel = Rel { op: Op::WindowAggregate(Box::new(aggregate)), inputs: vec![input.rel], columns: own };
    Ok(rel.pick(&order).renamed(&names))
}

/// The input of the window function with what stands above it, if none of that reads the window.
fn absorbed(rel: &Rel, window: &WindowColumn) -> Option<Input> {
    let input = rel.inputs.first();
    match &rel.op {
        Op::Window { time, window: kind } if *kind == window.window => {
            let rel = input?.clone();
            let width = rel.columns.len();
            let properties = [WindowProperty::Start, WindowProperty::End, WindowProperty::Time].map(Slot::Property);
            let slots = (0..width).map(Slot::Column).chain(properties).collect();
            let time = match window.time {
                TimeAttribute::Rowtime => WindowTime::Rowtime(*time),
                TimeAttribute::Proctime => WindowTime::Proctime,
            };
            Some(Input::windowless(rel, slots, time))
        }
        Op::Filter { condition } => {
            let found = absorbed(input?, window)?;
            let condition = below(condition.clone(), &found.slots)?;
            Some(Input { rel: found.rel.filter(condition), ..found })
        }
        Op::Project { exprs } => absorbed_projection(exprs, &rel.columns, absorbed(input?, window)?),
        _ => None,
    }
}

fn absorbed_projection(exprs: &[Expr], columns: &[Column], input: Input) -> Option<Input> {
    let mut kept: Vec<(Expr, String)> = Vec::new();
    let mut slots = Vec::with_capacity(exprs.len());
    for (expr, column) in exprs.iter().zip(columns) {
        let property = match expr {
            Expr::Column { index, .. } => Some(input.slots[*index]).filter(|slot| !is_column(*slot)),
            _ => None,
        };
        slots.push(match property {
            Some(slot) => slot,
            None => {
                kept.push((below(expr.clone(), &input.slots)?, column.name.clone()));
                Slot::Column(kept.len() - 1)
            }
        });
    }
    let time = input.time.moved(|time| {
        let index = kept.iter().position(|(e, _)| matches!(e, Expr::Column { index, .. } if *index == time));
        index.unwrap_or_else(|| {
            kept.push((input.rel.column(time), input.rel.columns[time].name.clone()));
            kept.len() - 1
        })
    });
    if kept.is_empty() {
        // Rows need a column to be counted by.
        kept.push((input.rel.column(0), input.rel.columns[0].name.clone()));
    }
    Some(Input::windowless(input.rel.project(kept), slots, time))
}

/// The expression over the input of the window function; nothing if it reads the window.
fn below(expr: Expr, slots: &[Slot]) -> Option<Expr> {
    let windowless = expr.columns().iter().all(|&c| is_column(slots[c]));
    let position = |c: usize| match slots[c] {
        Slot::Column(index) => index,
        Slot::Property(_) => c,
    };
    windowless.then(|| super::remapped(expr, &position))
}

/// The input as it is, with `window_time` among its columns. Its start and end are made anew from that time.
fn attached(rel: Rel, window: &WindowColumn) -> Result<Input> {
    if window.time == TimeAttribute::Proctime {
        return Err(Error::unsupported("a window of processing time over another window"));
    }
    let slot = |(i, column): (usize, &Column)| match &column.window {
        Some(w) if w.window == window.window && w.property != WindowProperty::Time => Slot::Property(w.property),
        _ => Slot::Column(i),
    };
    let mut slots: Vec<Slot> = rel.columns.iter().enumerate().map(slot).collect();
    let (rel, time) = with_window_time(rel, window)?;
    // A window_time that is a key is a property, too: the same for all rows of a group.
    for (slot, column) in slots.iter_mut().zip(&rel.columns) {
        if column.window.as_ref().is_some_and(|w| w.property == WindowProperty::Time && w.window == window.window) {
            *slot = Slot::Property(WindowProperty::Time);
        }
    }
    let reads = (0..slots.len()).map(Some).collect();
    Ok(Input { rel, slots, reads, time: WindowTime::Rowtime(time) })
}

/// The relation with `window_time` as a column, appended if it is not there.
fn with_window_time(rel: Rel, window: &WindowColumn) -> Result<(Rel, usize)> {
    let wanted = |c: &Column| {
        c.time == Some(TimeAttribute::Rowtime)
            && c.window.as_ref().is_some_and(|w| w.property == WindowProperty::Time && w.window == window.window)
    };
    if let Some(index) = rel.columns.iter().position(wanted) {
        return Ok((rel, index));
    }
    let Rel { op, mut inputs, mut columns } = rel;
    let input = inputs.pop();
    match (op, input) {
        (Op::Filter { condition }, Some(input)) => {
            let (input, time) = with_window_time(input, window)?;
            Ok((input.filter(condition), time))
        }
        (Op::Project { mut exprs }, Some(input)) => {
            let (input, time) = with_window_time(input, window)?;
            exprs.push(input.column(time));
            columns.push(input.columns[time].clone());
            let index = columns.len() - 1;
            Ok((Rel { op: Op::Project { exprs }, inputs: vec![input], columns }, index))
        }
        (Op::WindowAggregate(mut aggregate), Some(input)) => {
            let time = input.columns.iter().enumerate().find_map(|(i, c)| match aggregate.time {
                WindowTime::Rowtime(time) if time == i => Some(c.ty.clone()),
                _ => None,
            });
            let Some(ty) = time else {
                return Err(Error::unsupported("a window of processing time over another window"));
            };
            aggregate.properties.push(WindowProperty::Time);
            let mut column = Column::new("window_time", ty.with_nullable(false));
            column.time = Some(TimeAttribute::Rowtime);
            column.window = Some(WindowColumn { property: WindowProperty::Time, ..window.clone() });
            columns.push(column);
            let index = columns.len() - 1;
            Ok((Rel { op: Op::WindowAggregate(aggregate), inputs: vec![input], columns }, index))
        }
        _ => Err(Error::unsupported("an aggregation by window over this query")),
    }
}
