//! `AND` and `OR`: three-valued, and the right side is not run for rows that the left side decides
//! if a row could make it fail (`x <> 0 AND 1 / x > 1`).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use flott_api::{Error, Result};

use super::rows::Rows;
use super::{EvalContext, Node};
use crate::operand::Operand;

/// One `AND` or `OR`.
pub(super) struct Logic {
    left: Node,
    right: Node,
    and: bool,
    /// The columns of the right side, if it must run on undecided rows only.
    guarded: Option<Vec<usize>>,
}

impl Logic {
    /// A chain of operands, left to right.
    pub(super) fn chain(nodes: Vec<Node>, and: bool) -> Result<Node> {
        let chained = nodes.into_iter().reduce(|left, right| Node::Logic(Box::new(Logic::new(left, right, and))));
        chained.ok_or_else(|| Error::internal("AND and OR take arguments"))
    }

    fn new(left: Node, right: Node, and: bool) -> Logic {
        let guarded = right.fallible().then(|| {
            let mut columns = Vec::new();
            right.columns(&mut columns);
            columns.sort_unstable();
            columns.dedup();
            columns
        });
        Logic { left, right, and, guarded }
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Node> {
        [&self.left, &self.right].into_iter()
    }

    pub(super) fn evaluate(&self, rows: &Rows<'_>, cx: &EvalContext) -> Result<Operand> {
        let left = self.left.evaluate(rows, cx)?;
        let truths = boolean(&left)?;
        let undecided = self.undecided(truths);
        if undecided.is_empty() {
            return Ok(left);
        }
        if left.constant {
            let right = self.right.evaluate(rows, cx)?;
            return self.combine(&left, &right, rows.len());
        }
        match &self.guarded {
            Some(columns) if undecided.len() < truths.len() => {
                let some = rows.take(&undecided, columns)?;
                let right = self.right.evaluate(&some, cx)?.into_array(some.len())?;
                Ok(Operand::column(Arc::new(self.scatter(truths, &undecided, right.as_boolean()))))
            }
            _ => self.combine(&left, &self.right.evaluate(rows, cx)?, rows.len()),
        }
    }

    /// The rows where the left side alone does not tell.
    fn undecided(&self, left: &BooleanArray) -> Vec<u32> {
        if left.null_count() == 0 && self.guarded.is_none() {
            // Only whether there are any matters then.
            let decided = if self.and { left.false_count() } else { left.true_count() };
            return vec![0; usize::from(decided < left.len())];
        }
        let deciding = !self.and;
        (0..left.len() as u32).filter(|&i| left.is_null(i as usize) || left.value(i as usize) != deciding).collect()
    }

    fn combine(&self, left: &Operand, right: &Operand, rows: usize) -> Result<Operand> {
        let constant = left.constant && right.constant;
        let rows = if constant { 1 } else { rows };
        let (left, right) = (left.clone().into_array(rows)?, right.clone().into_array(rows)?);
        let (left, right) = (boolean_array(&left)?, boolean_array(&right)?);
        let result = match self.and {
            true => arrow_arith::boolean::and_kleene(left, right)?,
            false => arrow_arith::boolean::or_kleene(left, right)?,
        };
        Ok(Operand { array: Arc::new(result), constant })
    }

    fn scatter(&self, left: &BooleanArray, undecided: &[u32], right: &BooleanArray) -> BooleanArray {
        let mut values = vec![!self.and; left.len()];
        let mut valid = vec![true; left.len()];
        for (i, &row) in undecided.iter().enumerate() {
            let row = row as usize;
            // The left side is null or neutral here.
            let right_decides = right.is_valid(i) && right.value(i) != self.and;
            values[row] = self.and != right_decides;
            valid[row] = right_decides || (left.is_valid(row) && right.is_valid(i));
        }
        BooleanArray::new(BooleanBuffer::from(values), Some(NullBuffer::from(valid)))
    }
}

fn boolean(operand: &Operand) -> Result<&BooleanArray> {
    boolean_array(&operand.array)
}

fn boolean_array(array: &dyn Array) -> Result<&BooleanArray> {
    array.as_boolean_opt().ok_or_else(|| Error::internal("AND and OR take truth values"))
}
