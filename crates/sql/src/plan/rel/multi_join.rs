//! Several relations joined at once, by a key that all of them share.

use flott_api::expr::Expr;

use super::Join;
use crate::plan::optimize::conjuncts;

/// How several inputs are joined, from left to right.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiJoin {
    /// How each input but the first is joined with those before it; conditions are over the columns of all inputs, one
    /// behind the other.
    pub steps: Vec<Join>,
}

/// Two columns that a condition says are equal, the one further left first; each as an input and a place there.
pub type Equality = [(usize, usize); 2];

impl MultiJoin {
    /// The columns of each input that are equal in all rows of a result that have them; the inputs have so many columns.
    /// In every step a column of the input is compared with one that is in the key already, so that rows without equal
    /// keys never meet. The order is that of the first input's columns.
    pub fn keys(&self, widths: &[usize]) -> Vec<Vec<usize>> {
        let equalities: Vec<Vec<Equality>> = self.steps.iter().map(|step| equalities(step, widths)).collect();
        let mut keys: Vec<Vec<usize>> = vec![Vec::new(); widths.len()];
        for first in 0..widths.first().copied().unwrap_or(0) {
            if let Some(key) = chained(first, &equalities)
                && !key.iter().zip(&keys).any(|(column, others)| others.contains(column))
            {
                keys.iter_mut().zip(key).for_each(|(keys, column)| keys.push(column));
            }
        }
        keys
    }

    /// Whether the inputs, which have so many columns, share a key.
    pub fn has_key(&self, widths: &[usize]) -> bool {
        self.keys(widths).first().is_some_and(|keys| !keys.is_empty())
    }
}

/// The column of each input that is equal to a column of the first.
fn chained(first: usize, equalities: &[Vec<Equality>]) -> Option<Vec<usize>> {
    let mut key = vec![first];
    for (step, equalities) in equalities.iter().enumerate() {
        let own = step + 1;
        let next = equalities
            .iter()
            .find_map(|[left, right]| (right.0 == own && key.get(left.0) == Some(&left.1)).then_some(right.1));
        key.push(next?);
    }
    Some(key)
}

/// What a step says is equal.
fn equalities(step: &Join, widths: &[usize]) -> Vec<Equality> {
    let parts = step.condition.iter().cloned().flat_map(conjuncts);
    parts.filter_map(|part| equality(&part, widths)).collect()
}

/// The columns of two inputs that a condition says are equal.
pub fn equality(part: &Expr, widths: &[usize]) -> Option<Equality> {
    let Expr::Call { function, args, .. } = part else { return None };
    let [Expr::Column { index: a, .. }, Expr::Column { index: b, .. }] = args.as_slice() else { return None };
    if function.name != "=" {
        return None;
    }
    let (left, right) = (place(*a.min(b), widths)?, place(*a.max(b), widths)?);
    (left.0 < right.0).then_some([left, right])
}

/// The input that a column of all is of, and its place there.
fn place(mut column: usize, widths: &[usize]) -> Option<(usize, usize)> {
    for (input, width) in widths.iter().enumerate() {
        if column < *width {
            return Some((input, column));
        }
        column -= width;
    }
    None
}
