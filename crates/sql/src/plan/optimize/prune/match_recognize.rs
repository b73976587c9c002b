//! Pruning of row patterns. Measures stay, read or not: what is kept of a row, and so its state, must not depend on what is
//! selected.

use super::{Places, at, pruned};
use crate::plan::rel::{Column, Match, Op, Rel};

pub(super) fn pruned_match(matched: Match, input: Rel, columns: Vec<Column>) -> (Rel, Places) {
    let (input, places) = pruned(input, &matched.reads().into_iter().collect());
    let matched = matched.moved(&|column| at(&places, column));
    let own = (0..columns.len()).map(Some).collect();
    (Rel { op: Op::Match(Box::new(matched)), inputs: vec![input], columns }, own)
}
