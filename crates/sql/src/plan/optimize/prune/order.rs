//! Pruning of what goes by an order: the columns of the order and of partitions stay, and a key of updates, by which a
//! Top-N tells rows apart.

use super::{Needed, Places, at, moved_call, places_of, pruned, surviving};
use crate::plan::rel::{Column, Op, Over, Rank, Rel, Sort};
use flott_api::expr::Expr;
use flott_graph::spec::{RankRange, SortField};

pub(super) fn pruned_over(over: Over, input: Rel, columns: &[Column], needed: &Needed) -> (Rel, Places) {
    let width = input.columns.len();
    let kept: Vec<usize> = (0..over.calls.len()).filter(|call| needed.contains(&(width + call))).collect();
    let mut below: Needed = needed.iter().copied().filter(|&c| c < width).collect();
    let calls: Vec<_> = kept.iter().map(|&call| over.calls[call].clone()).collect();
    if calls.is_empty() {
        // Nobody reads a value: the rows come as they are.
        let (input, mut places) = pruned(input, &below);
        places.resize(columns.len(), None);
        return (input, places);
    }
    let over = Over { calls, ..over };
    below.extend(over.reads());
    let (input, mut places) = narrowed(input, &below);
    let over = Over {
        partition: over.partition.iter().map(|&c| at(&places, c)).collect(),
        order: moved_order(&over.order, &places),
        frame: over.frame,
        calls: over.calls.into_iter().map(|call| moved_call(call, &places)).collect(),
    };
    let mut own = surviving(&columns[..width], &places, &input);
    let first = own.len();
    own.extend(kept.iter().map(|&call| columns[width + call].clone()));
    places.extend(places_of(&kept, columns.len() - width).into_iter().map(|place| place.map(|p| first + p)));
    (Rel { op: Op::Over(Box::new(over)), inputs: vec![input], columns: own }, places)
}

pub(super) fn pruned_rank(rank: Rank, input: Rel, columns: &[Column], needed: &Needed) -> (Rel, Places) {
    let width = input.columns.len();
    let emit_rank = rank.emit_rank && needed.contains(&width);
    let mut below: Needed = needed.iter().copied().filter(|&c| c < width).collect();
    below.extend(rank.reads());
    below.extend(key(&input));
    let (input, mut places) = narrowed(input, &below);
    let range = match rank.range {
        RankRange::Variable { end_column } => RankRange::Variable { end_column: at(&places, end_column) },
        constant @ RankRange::Constant { .. } => constant,
    };
    let rank = Rank {
        partition: rank.partition.iter().map(|&c| at(&places, c)).collect(),
        order: moved_order(&rank.order, &places),
        range,
        emit_rank,
    };
    let mut own = surviving(&columns[..width], &places, &input);
    let first = own.len();
    own.extend(columns[width..].iter().filter(|_| emit_rank).cloned());
    places.extend((width..columns.len()).map(|_| emit_rank.then_some(first)));
    (Rel { op: Op::Rank(Box::new(rank)), inputs: vec![input], columns: own }, places)
}

pub(super) fn pruned_sort(sort: Sort, input: Rel, columns: &[Column], needed: &Needed) -> (Rel, Places) {
    let mut below = needed.clone();
    below.extend(sort.order.iter().map(|o| o.column));
    if sort.limit.is_some() {
        below.extend(key(&input));
    }
    let (input, places) = narrowed(input, &below);
    let own = surviving(columns, &places, &input);
    let sort = Sort { order: moved_order(&sort.order, &places), limit: sort.limit };
    (Rel { op: Op::Sort(Box::new(sort)), inputs: vec![input], columns: own }, places)
}

/// The relation with just these columns: its rows are sent and kept.
fn narrowed(rel: Rel, needed: &Needed) -> (Rel, Places) {
    let width = rel.columns.len();
    let (rel, places) = pruned(rel, needed);
    let kept: Vec<usize> = needed.iter().copied().filter(|&c| places[c].is_some()).collect();
    if kept.is_empty() || kept.len() == rel.columns.len() {
        return (rel, places);
    }
    let order: Vec<usize> = kept.iter().map(|&c| at(&places, c)).collect();
    (rel.pick(&order), places_of(&kept, width))
}

fn moved_order(order: &[SortField], places: &Places) -> Vec<SortField> {
    order.iter().map(|field| SortField { column: at(places, field.column), ..*field }).collect()
}

/// The columns that tell rows apart which are updated; none if it is not known here.
fn key(rel: &Rel) -> Vec<usize> {
    let of_input = || rel.inputs.first().map(key).unwrap_or_default();
    match &rel.op {
        Op::Aggregate { keys, .. } => (0..keys.len()).collect(),
        Op::Filter { .. } | Op::Limit { .. } | Op::Over(_) | Op::Rank(_) | Op::Sort(_) | Op::Watermark { .. } => {
            of_input()
        }
        Op::Project { exprs } => {
            let place =
                |column: usize| exprs.iter().position(|e| matches!(e, Expr::Column { index, .. } if *index == column));
            of_input().into_iter().map(place).collect::<Option<Vec<_>>>().unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
