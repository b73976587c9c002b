//! Rule: columns that nobody reads are not computed and, where the source can, not read.

mod join;
mod order;

use std::collections::BTreeSet;

use flott_api::expr::{Expr, Value};
use flott_api::table::ChangelogMode;
use flott_api::{LogicalType, Result, RowKind, TypeKind};
use flott_graph::spec::{AggregateCall, WindowKind};

use super::remapped;
use crate::plan::rel::{Column, Op, Rel, Scan, WindowAggregate, WindowColumn};

type Needed = BTreeSet<usize>;

/// Where each column of a node went; nothing for one that is gone.
type Places = Vec<Option<usize>>;

/// Prunes the whole tree; all columns of the root are needed, in their order.
pub(super) fn prune(rel: Rel, _: &str) -> Result<Rel> {
    let all: Vec<usize> = (0..rel.columns.len()).collect();
    Ok(exactly(rel, &all))
}

/// The relation with just these columns, in this order.
fn exactly(rel: Rel, columns: &[usize]) -> Rel {
    let names: Vec<String> = columns.iter().map(|&c| rel.columns[c].name.clone()).collect();
    let (rel, places) = pruned(rel, &columns.iter().copied().collect());
    let order: Vec<usize> = columns.iter().filter_map(|&c| places[c]).collect();
    if order.len() == rel.columns.len() && order.iter().enumerate().all(|(i, &o)| i == o) {
        return rel;
    }
    rel.pick(&order).renamed(&names)
}

fn pruned(rel: Rel, needed: &Needed) -> (Rel, Places) {
    let Rel { op, mut inputs, columns } = rel;
    match op {
        Op::Scan(scan) => pruned_scan(*scan, columns, needed),
        Op::Union => {
            // At least one column, so that there are rows.
            let kept = kept(needed, columns.len());
            let inputs = inputs.into_iter().map(|input| exactly(input, &kept)).collect();
            let places = places_of(&kept, columns.len());
            (Rel { op: Op::Union, inputs, columns: pick(&columns, &kept) }, places)
        }
        Op::Join(join) => join::pruned_join(*join, inputs, &columns, needed),
        Op::MultiJoin(join) => join::pruned_multi_join(*join, inputs, &columns, needed),
        Op::TemporalJoin(join) => join::pruned_temporal_join(*join, inputs, &columns, needed),
        Op::Correlate(correlate) => join::pruned_correlate(*correlate, inputs, &columns, needed),
        // A function sees all columns of its tables.
        op @ Op::Process(_) => {
            let whole = |input: Rel| {
                let all: Vec<usize> = (0..input.columns.len()).collect();
                exactly(input, &all)
            };
            let places = (0..columns.len()).map(Some).collect();
            (Rel { op, inputs: inputs.into_iter().map(whole).collect(), columns }, places)
        }
        op => match inputs.pop() {
            Some(input) => pruned_one(op, input, columns, needed),
            None => {
                let places = (0..columns.len()).map(Some).collect();
                (Rel { op, inputs, columns }, places)
            }
        },
    }
}

fn pruned_one(op: Op, input: Rel, columns: Vec<Column>, needed: &Needed) -> (Rel, Places) {
    match op {
        Op::Filter { condition } => {
            let mut below = needed.clone();
            below.extend(condition.columns());
            let (input, places) = pruned(input, &below);
            (input.filter(moved(condition, &places)), places)
        }
        Op::Limit { offset, limit } => {
            let (input, places) = pruned(input, needed);
            (input.limit(offset, limit), places)
        }
        Op::Project { exprs } => {
            let kept = kept(needed, exprs.len());
            let below = kept.iter().flat_map(|&k| exprs[k].columns()).collect();
            let (input, places) = pruned(input, &below);
            let exprs = kept.iter().map(|&k| moved(exprs[k].clone(), &places)).collect();
            let own = places_of(&kept, columns.len());
            (Rel { op: Op::Project { exprs }, inputs: vec![input], columns: pick(&columns, &kept) }, own)
        }
        Op::Watermark { rowtime, watermark, options } => {
            let mut below = needed.clone();
            below.insert(rowtime);
            below.extend(watermark.columns());
            let (input, places) = pruned(input, &below);
            let (rowtime, watermark) = (at(&places, rowtime), moved(watermark, &places));
            let op = Op::Watermark { rowtime, watermark, options };
            let columns = surviving(&columns, &places, &input);
            (Rel { op, inputs: vec![input], columns }, places)
        }
        Op::Aggregate { keys, calls, ttl } => {
            let (rel, places) = pruned_aggregate(keys, calls, input, &columns, needed);
            (rel.keeping(ttl), places)
        }
        Op::Over(over) => order::pruned_over(*over, input, &columns, needed),
        Op::Rank(rank) => order::pruned_rank(*rank, input, &columns, needed),
        Op::Sort(sort) => order::pruned_sort(*sort, input, &columns, needed),
        Op::WindowAggregate(aggregate) => pruned_window_aggregate(*aggregate, input, &columns, needed),
        Op::Window { time, window } => pruned_window(time, window, input, (&columns, needed)),
        // A change has all columns of its row, what is copied has those that a grouping reads, a pattern has all, as in
        // Flink: what is kept of a match must not depend on what is selected; and so has what a model is asked for.
        op
        @ (Op::ToChangelog { .. } | Op::FromChangelog { .. } | Op::Expand { .. } | Op::Match(_) | Op::Predict(_)) => {
            let all: Vec<usize> = (0..input.columns.len()).collect();
            let places = (0..columns.len()).map(Some).collect();
            (Rel { op, inputs: vec![exactly(input, &all)], columns }, places)
        }
        op @ (Op::Scan(_)
        | Op::Values { .. }
        | Op::Union
        | Op::Join(_)
        | Op::MultiJoin(_)
        | Op::TemporalJoin(_)
        | Op::Process(_)
        | Op::PythonCalc(_)
        | Op::PythonCorrelate(_)
        | Op::Correlate(_)) => {
            let places = (0..columns.len()).map(Some).collect();
            (Rel { op, inputs: vec![input], columns }, places)
        }
    }
}

fn pruned_aggregate(
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
    input: Rel,
    columns: &[Column],
    needed: &Needed,
) -> (Rel, Places) {
    let first = keys.len();
    let mut kept: Vec<usize> = (0..columns.len()).filter(|c| *c < first || needed.contains(c)).collect();
    if kept.is_empty() {
        kept.push(0);
    }
    let calls: Vec<_> = kept.iter().filter(|&&c| c >= first).map(|&c| calls[c - first].clone()).collect();
    let mut below: Needed = keys.iter().copied().collect();
    below.extend(calls.iter().flat_map(|c| c.args.iter().copied().chain(c.filter)));
    let (mut input, places) = pruned(input, &below);
    if below.is_empty() && input.columns.len() > 1 {
        // Only the number of rows matters: no column needs to travel.
        let zero = Expr::literal(Value::Int(0), LogicalType::not_null(TypeKind::Int));
        input = input.project(vec![(zero, "$f0".to_owned())]);
    }
    let keys = keys.iter().map(|&k| at(&places, k)).collect();
    let calls = calls.into_iter().map(|c| moved_call(c, &places)).collect();
    let own = places_of(&kept, columns.len());
    (Rel { op: Op::Aggregate { keys, calls, ttl: None }, inputs: vec![input], columns: pick(columns, &kept) }, own)
}

fn pruned_window(
    time: usize,
    window: WindowKind,
    input: Rel,
    (columns, needed): (&[Column], &Needed),
) -> (Rel, Places) {
    let width = input.columns.len();
    let mut below: Needed = needed.iter().copied().filter(|&c| c < width).collect();
    below.insert(time);
    below.extend(window.keys());
    let (input, mut places) = pruned(input, &below);
    let first = input.columns.len();
    places.extend((0..columns.len() - width).map(|i| Some(first + i)));
    let (time, window) = (at(&places, time), moved_window(window, &places));
    let mut own = surviving(&columns[..width], &places[..width], &input);
    own.extend(columns[width..].iter().map(|column| {
        let of = column.window.clone().map(|w| WindowColumn { window: window.clone(), ..w });
        Column { window: of, ..column.clone() }
    }));
    (Rel { op: Op::Window { time, window }, inputs: vec![input], columns: own }, places)
}

/// The windows with the keys of sessions where they are now.
fn moved_window(window: WindowKind, places: &Places) -> WindowKind {
    match window {
        WindowKind::Session { gap_ms, keys } => {
            WindowKind::Session { gap_ms, keys: keys.iter().map(|&k| at(places, k)).collect() }
        }
        aligned => aligned,
    }
}

fn pruned_window_aggregate(
    aggregate: WindowAggregate,
    input: Rel,
    columns: &[Column],
    needed: &Needed,
) -> (Rel, Places) {
    let WindowAggregate { time, window, keys, calls, properties, of_group } = aggregate;
    let (first_call, first_property) = (keys.len(), keys.len() + calls.len());
    let mut kept: Vec<usize> = (0..columns.len()).filter(|c| *c < first_call || needed.contains(c)).collect();
    if kept.is_empty() {
        kept.push(columns.len() - 1);
    }
    let is_call = |c: &usize| (first_call..first_property).contains(c);
    let calls: Vec<_> = kept.iter().filter(|c| is_call(c)).map(|&c| calls[c - first_call].clone()).collect();
    let properties = kept.iter().filter(|&&c| c >= first_property).map(|&c| properties[c - first_property]).collect();
    let mut below: Needed = keys.iter().copied().collect();
    below.extend(calls.iter().flat_map(|c| c.args.iter().copied().chain(c.filter)));
    below.extend(time.column());
    let (input, places) = pruned(input, &below);
    let time = time.moved(|column| at(&places, column));
    let window = moved_window(window, &places);
    let keys = keys.iter().map(|&k| at(&places, k)).collect();
    let calls = calls.into_iter().map(|c| moved_call(c, &places)).collect();
    let own = places_of(&kept, columns.len());
    let op = Op::WindowAggregate(Box::new(WindowAggregate { time, window, keys, calls, properties, of_group }));
    (Rel { op, inputs: vec![input], columns: pick(columns, &kept) }, own)
}

fn pruned_scan(mut scan: Scan, columns: Vec<Column>, needed: &Needed) -> (Rel, Places) {
    let width = columns.len();
    let mut kept: Vec<usize> = (0..width).collect();
    if scan.description.push_downs.projection {
        let keys = keys_to_keep(&scan);
        kept.retain(|c| needed.contains(c) || scan.projection.get(*c).is_some_and(|p| keys.contains(p)));
        if kept.is_empty() {
            kept.push(cheapest(&columns));
        }
    }
    let physical = scan.projection.len();
    scan.metadata = kept.iter().filter(|&&c| c >= physical).map(|&c| scan.metadata[c - physical].clone()).collect();
    scan.projection = kept.iter().filter(|&&c| c < physical).map(|&c| scan.projection[c]).collect();
    let columns = pick(&columns, &kept);
    (Rel { op: Op::Scan(Box::new(scan)), inputs: Vec::new(), columns }, places_of(&kept, width))
}

/// The key of a table with updates: normalisation and exchanges go by it.
fn keys_to_keep(scan: &Scan) -> Vec<usize> {
    let mode: ChangelogMode = scan.description.changelog;
    let updates = mode.contains(RowKind::UpdateAfter) || mode.contains(RowKind::Delete);
    if updates { scan.primary_key.clone() } else { Vec::new() }
}

/// Which column to read where only the number of rows matters: one of fixed width if there is one.
fn cheapest(columns: &[Column]) -> usize {
    let fixed = |c: &Column| {
        let kind = &c.ty.kind;
        kind.is_numeric() || kind.is_datetime() || *kind == TypeKind::Boolean
    };
    columns.iter().position(fixed).unwrap_or(0)
}

/// The needed columns, or the first if none is.
fn kept(needed: &Needed, width: usize) -> Vec<usize> {
    let kept: Vec<usize> = needed.iter().copied().filter(|&c| c < width).collect();
    if kept.is_empty() { vec![0] } else { kept }
}

fn places_of(kept: &[usize], width: usize) -> Places {
    (0..width).map(|c| kept.iter().position(|&k| k == c)).collect()
}

fn pick<T: Clone>(items: &[T], kept: &[usize]) -> Vec<T> {
    kept.iter().map(|&k| items[k].clone()).collect()
}

/// The columns of a node that passes its input on, in the order of the input that is left.
fn surviving(columns: &[Column], places: &[Option<usize>], input: &Rel) -> Vec<Column> {
    let mut own = input.columns.clone();
    for (column, place) in columns.iter().zip(places) {
        if let Some(place) = place {
            own[*place] = column.clone();
        }
    }
    own
}

fn at(places: &[Option<usize>], column: usize) -> usize {
    // A column that was asked for is there.
    places[column].unwrap_or(column)
}

fn moved(expr: Expr, places: &Places) -> Expr {
    remapped(expr, &|c| at(places, c))
}

fn moved_call(mut call: AggregateCall, places: &Places) -> AggregateCall {
    call.args = call.args.iter().map(|&a| at(places, a)).collect();
    call.filter = call.filter.map(|f| at(places, f));
    call
}
