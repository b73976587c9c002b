//! Pruning of joins: a column is read of its side if somebody above or the condition reads it.

use flott_api::expr::Expr;

use super::{Needed, Places, at, exactly, kept, moved, places_of, pruned};
use crate::plan::rel::{Column, Correlate, Join, MultiJoin, Op, Rel, TemporalJoin};

pub(super) fn pruned_join(join: Join, mut inputs: Vec<Rel>, columns: &[Column], needed: &Needed) -> (Rel, Places) {
    let (Some(right), Some(left)) = (inputs.pop(), inputs.pop()) else {
        let places = (0..columns.len()).map(Some).collect();
        return (Rel { op: Op::Join(Box::new(join)), inputs, columns: columns.to_vec() }, places);
    };
    let width = left.columns.len();
    let mut below = needed.clone();
    below.extend(join.condition.iter().flat_map(|c| c.columns()));
    let of_left: Needed = below.iter().copied().filter(|&c| c < width).collect();
    let of_right: Needed = below.iter().filter(|&&c| c >= width).map(|&c| c - width).collect();
    let (left, mut places) = narrowed(left, &of_left);
    let (right, right_places) = narrowed(right, &of_right);
    let left_width = left.columns.len();
    places.extend(right_places.into_iter().map(|place| place.map(|p| p + left_width)));
    let condition = join.condition.clone().map(|c| moved(c, &places));
    let mut rel = left.joined(right, Join { condition, ..join });
    keep_types(&mut rel, columns, &places);
    places.truncate(columns.len());
    (rel, places)
}

pub(super) fn pruned_multi_join(
    mut join: MultiJoin,
    inputs: Vec<Rel>,
    columns: &[Column],
    needed: &Needed,
) -> (Rel, Places) {
    let mut below = needed.clone();
    below.extend(join.steps.iter().flat_map(|step| &step.condition).flat_map(Expr::columns));
    let (mut first, mut narrow, mut places) = (0, Vec::with_capacity(inputs.len()), Places::new());
    for input in inputs {
        let width = input.columns.len();
        let own: Needed = below.range(first..first + width).map(|c| c - first).collect();
        let before = narrow.iter().map(|input: &Rel| input.columns.len()).sum::<usize>();
        let (input, own) = narrowed(input, &own);
        places.extend(own.into_iter().map(|place| place.map(|p| p + before)));
        narrow.push(input);
        first += width;
    }
    for step in &mut join.steps {
        step.condition = step.condition.take().map(|c| moved(c, &places));
    }
    let own = narrow.iter().flat_map(|input| input.columns.clone()).collect();
    let mut rel = Rel { op: Op::MultiJoin(Box::new(join)), inputs: narrow, columns: own };
    keep_types(&mut rel, columns, &places);
    (rel, places)
}

/// The times are needed, too.
pub(super) fn pruned_temporal_join(
    join: TemporalJoin,
    inputs: Vec<Rel>,
    columns: &[Column],
    needed: &Needed,
) -> (Rel, Places) {
    let TemporalJoin { kind, condition, times: [left, right] } = join;
    let width = inputs.first().map_or(0, |left| left.columns.len());
    let mut below = needed.clone();
    below.extend([left, width + right]);
    let (rel, places) = pruned_join(Join::new(kind, condition), inputs, columns, &below);
    let width_left = rel.inputs.first().map_or(0, |left| left.columns.len());
    let times = [at(&places, left), at(&places, width + right) - width_left];
    let rel = match rel.op {
        Op::Join(join) => {
            let Join { kind, condition, .. } = *join;
            Rel { op: Op::TemporalJoin(Box::new(TemporalJoin { kind, condition, times })), ..rel }
        }
        _ => rel,
    };
    (rel, places)
}

/// A side with the columns that are needed and no other: its rows are sent and kept.
fn narrowed(side: Rel, needed: &Needed) -> (Rel, Places) {
    let width = side.columns.len();
    let kept = kept(needed, width);
    (exactly(side, &kept), places_of(&kept, width))
}

pub(super) fn pruned_correlate(
    mut correlate: Correlate,
    mut inputs: Vec<Rel>,
    columns: &[Column],
    needed: &Needed,
) -> (Rel, Places) {
    let Some(input) = inputs.pop() else {
        let places = (0..columns.len()).map(Some).collect();
        return (Rel { op: Op::Correlate(Box::new(correlate)), inputs, columns: columns.to_vec() }, places);
    };
    let width = input.columns.len();
    let mut below: Needed = needed.clone();
    below.extend(correlate.condition.iter().flat_map(|c| c.columns()));
    let mut below: Needed = below.into_iter().filter(|&c| c < width).collect();
    below.extend(correlate.function.argument().columns());
    let (input, mut places) = pruned(input, &below);
    let first = input.columns.len();
    places.extend((0..columns.len() - width).map(|i| Some(first + i)));
    correlate.condition = correlate.condition.map(|c| moved(c, &places));
    let argument = moved(correlate.function.argument().clone(), &places);
    correlate.function = correlate.function.with_argument(argument);
    let mut rel = input.correlate(correlate, columns[width..].to_vec());
    keep_types(&mut rel, columns, &places);
    (rel, places)
}

/// The columns are what they were, wherever they are now.
fn keep_types(rel: &mut Rel, columns: &[Column], places: &Places) {
    for (before, column) in columns.iter().enumerate().filter(|(c, _)| places[*c].is_some()) {
        rel.columns[at(places, before)] = column.clone();
    }
}
