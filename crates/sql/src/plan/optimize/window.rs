//! Rule: a group by the start and end of a window becomes a window aggregation.
//!
//! Right above the window function the aggregation cuts the windows itself, on the time column. Elsewhere (a window of a
//! window, a filter by `window_end`) rows come with their window, and are aggregated by its end. Sessions are then
//! groups like others, as are windows of processing time, and sessions of other keys than those of the aggregation: as
//! in Flink.

use flott_api::expr::Expr;
use flott_api::{Error, Result};
use flott_graph::spec::{AggregateCall, ExpandColumn, WindowKind, WindowProperty, WindowTime};

use super::{bottom_up, conjuncts};
use crate::plan::rel::{
    Column, Op, Rel, TimeAttribute, WindowAggregate, WindowBounds, WindowColumn, window_bounds, window_join,
};

/// Rewrites every aggregate by window.
pub(super) fn aggregate(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| {
        let rel = with_windows(rel);
        match (&rel.op, rel.inputs.as_slice()) {
            (Op::Aggregate { keys, .. }, [input]) => match window_bounds(&input.columns, keys) {
                Some(bounds) => window_aggregate(rel, &bounds),
                None => Ok(windowless(rel)),
            },
            _ => Ok(rel),
        }
    })
}

/// The columns as they come of the inputs as these are now: which of them are bounds of windows.
fn with_windows(mut rel: Rel) -> Rel {
    let below = |input: usize, column: usize| {
        let column = rel.inputs.get(input).and_then(|input| input.columns.get(column));
        column.and_then(|column| column.window.clone())
    };
    let windows: Vec<Option<WindowColumn>> = match &rel.op {
        Op::Project { exprs } => exprs
            .iter()
            .map(|expr| match expr {
                Expr::Column { index, .. } => below(0, *index),
                _ => None,
            })
            .collect(),
        Op::Filter { .. }
        | Op::Limit { .. }
        | Op::Sort(_)
        | Op::Over(_)
        | Op::Rank(_)
        | Op::Correlate(_)
        | Op::Watermark { .. } => (0..rel.columns.len()).map(|c| below(0, c)).collect(),
        Op::Expand { projections } => {
            let stays = |c: usize| projections.iter().all(|copy| copy.get(c) == Some(&ExpandColumn::Input(c)));
            (0..rel.columns.len()).map(|c| below(0, c).filter(|_| stays(c))).collect()
        }
        Op::Join(join) => {
            let parts: Vec<Expr> = join.condition.iter().cloned().flat_map(conjuncts).collect();
            let columns: Vec<&[Column]> = rel.inputs.iter().map(|input| input.columns.as_slice()).collect();
            let width = columns.first().map_or(0, |left| left.len());
            match columns.as_slice() {
                // What may come without its window is no table of windows.
                [left, right] if window_join(&parts, left, right).is_some() => (0..rel.columns.len())
                    .map(|c| match c.checked_sub(width) {
                        None if join.kind.keeps_right() => None,
                        None => below(0, c),
                        Some(_) if join.kind.keeps_left() => None,
                        Some(c) => below(1, c),
                    })
                    .collect(),
                _ if join.lookup.is_some() => {
                    (0..rel.columns.len()).map(|c| below(0, c).filter(|_| c < width)).collect()
                }
                _ => vec![None; rel.columns.len()],
            }
        }
        Op::MultiJoin(_)
        | Op::TemporalJoin(_)
        | Op::Match(_)
        | Op::Predict(_)
        | Op::Process(_)
        | Op::PythonCalc(_)
        | Op::PythonCorrelate(_)
        | Op::Union
        | Op::ToChangelog { .. }
        | Op::FromChangelog { .. } => {
            vec![None; rel.columns.len()]
        }
        Op::Scan(_) | Op::Values { .. } | Op::Aggregate { .. } | Op::Window { .. } | Op::WindowAggregate(_) => {
            return rel;
        }
    };
    rel.columns.iter_mut().zip(windows).for_each(|(column, window)| column.window = window);
    rel
}

/// A relation whose columns bound no window.
fn windowless(mut rel: Rel) -> Rel {
    rel.columns.iter_mut().for_each(|column| column.window = None);
    rel
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
    /// The columns by which sessions are told apart.
    partition: Vec<usize>,
}

impl Input {
    /// An input whose windows are made above it.
    fn windowless(rel: Rel, slots: Vec<Slot>, (time, partition): (WindowTime, Vec<usize>)) -> Input {
        let reads = slots.iter().map(|slot| match slot {
            Slot::Column(index) => Some(*index),
            Slot::Property(_) => None,
        });
        Input { reads: reads.collect(), rel, slots, time, partition }
    }

    /// Whether its windows are those of an aggregation by these columns and calls.
    fn serves(&self, window: &WindowColumn, keys: &[usize], calls: &[AggregateCall]) -> bool {
        let mut reads = calls.iter().flat_map(|c| c.args.iter().copied().chain(c.filter));
        let key = |k: &usize| match self.slots[*k] {
            Slot::Column(index) => Some(index),
            Slot::Property(_) => None,
        };
        let keys: Vec<usize> = keys.iter().filter_map(key).collect();
        let aligned = window.window.is_aligned() || window.of_group;
        let same = || keys.len() == self.partition.len() && keys.iter().all(|key| self.partition.contains(key));
        reads.all(|column| self.reads[column].is_some()) && (aligned || same())
    }
}

fn window_aggregate(rel: Rel, bounds: &WindowBounds) -> Result<Rel> {
    let (Op::Aggregate { keys, calls, .. }, [input]) = (&rel.op, rel.inputs.as_slice()) else {
        return Err(Error::internal("a window aggregation of something else than an aggregate"));
    };
    let window = &bounds.window;
    let found = absorbed(input, window).filter(|found| found.serves(window, keys, calls));
    let found = found.filter(|_| window.time == TimeAttribute::Proctime || calls.iter().all(|c| fits(c, window)));
    if found.is_none() && window.of_group && !window.window.is_aligned() {
        return Err(Error::internal("a GROUP BY of a window is not right above its rows"));
    }
    if found.is_none() && (window.time == TimeAttribute::Proctime || !window.window.is_aligned()) {
        return Ok(windowless(rel));
    }
    check_slices(window)?;
    let Rel { op: Op::Aggregate { keys, calls, .. }, mut inputs, columns } = rel else {
        return Err(Error::internal("a window aggregation of something else than an aggregate"));
    };
    let input = match (found, inputs.pop()) {
        (Some(found), _) => found,
        (None, Some(input)) => attached(input, bounds),
        (None, None) => return Err(Error::internal("a window aggregation without an input")),
    };
    build(input, window, &keys, calls, columns)
}

/// Whether windows can be aggregated by the parts that they share: what leaves a window that slides is taken back. Where it
/// cannot be, each row is given once for each of its windows. (Values by order are refused there, as by Flink.)
fn fits(call: &AggregateCall, window: &WindowColumn) -> bool {
    let name = call.function.name.as_str();
    let slides = ["avg", "count", "first_value", "last_value", "max", "min", "sum", "$sum0"].contains(&name);
    slides || name.starts_with("bitmap_") || !matches!(window.window, WindowKind::Hop { .. })
}

/// Windows are aggregated by the parts that they share: all of one length, without gaps.
fn check_slices(window: &WindowColumn) -> Result<()> {
    match window.window {
        WindowKind::Hop { size_ms, slide_ms, .. } if !window.of_group && size_ms % slide_ms != 0 => {
            Err(Error::invalid("the size of windows that are aggregated must be a multiple of their slide")
                .with_detail(format!("The size is {size_ms} ms, and the slide {slide_ms} ms.")))
        }
        _ => Ok(()),
    }
}

fn is_column(slot: Slot) -> bool {
    matches!(slot, Slot::Column(_))
}

/// The node, and a projection that gives keys and results in the aggregate's order.
fn build(
    input: Input,
    window: &WindowColumn,
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
    let of_group = window.of_group;
    let window = match &window.window {
        WindowKind::Session { gap_ms, .. } => WindowKind::Session { gap_ms: *gap_ms, keys: plain.clone() },
        aligned => aligned.clone(),
    };
    let aggregate = WindowAggregate { time: input.time, window, keys: plain, calls, properties, of_group };
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
            let partition = kind.keys().to_vec();
            Some(Input::windowless(rel, slots, (time, partition)))
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
    let mut carry = |column: usize| {
        let index = kept.iter().position(|(e, _)| matches!(e, Expr::Column { index, .. } if *index == column));
        index.unwrap_or_else(|| {
            kept.push((input.rel.column(column), input.rel.columns[column].name.clone()));
            kept.len() - 1
        })
    };
    let (time, partition) = (input.time, input.partition);
    let time = time.moved(&mut carry);
    let partition = partition.into_iter().map(carry).collect();
    if kept.is_empty() {
        // Rows need a column to be counted by.
        kept.push((input.rel.column(0), input.rel.columns[0].name.clone()));
    }
    Some(Input::windowless(input.rel.project(kept), slots, (time, partition)))
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

/// The input as it is: its rows come with their window.
fn attached(rel: Rel, bounds: &WindowBounds) -> Input {
    // The properties of the window are made anew from its end: they are the same for all rows of a group.
    let slot = |(i, column): (usize, &Column)| match &column.window {
        Some(w) if w.is_alike(&bounds.window) => Slot::Property(w.property),
        _ => Slot::Column(i),
    };
    let slots: Vec<Slot> = rel.columns.iter().enumerate().map(slot).collect();
    let reads = (0..slots.len()).map(Some).collect();
    Input { rel, slots, reads, time: WindowTime::Attached(bounds.end), partition: Vec::new() }
}
