//! `CASE` and `COALESCE`: a branch is evaluated only for the rows that take it, and the results are
//! put together by row.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use flott_api::{Error, Result};

use super::rows::Rows;
use super::select::{Choice, select};
use super::{EvalContext, Node};
use crate::operand::Operand;

/// `CASE WHEN .. THEN .. ELSE .. END`.
pub(super) struct Case {
    branches: Vec<(Node, Node)>,
    otherwise: Node,
    /// All conditions may be evaluated for every row, and the results are there already.
    at_once: bool,
}

/// The first argument that is not null.
pub(super) struct Coalesce {
    pub(super) args: Vec<Node>,
}

impl Case {
    pub(super) fn new(branches: Vec<(Node, Node)>, otherwise: Node) -> Case {
        let ready = |result: &Node| result.is_cheap();
        let at_once = branches.iter().all(|(c, r)| !c.fallible() && ready(r)) && ready(&otherwise);
        Case { branches, otherwise, at_once }
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Node> {
        self.branches.iter().flat_map(|(c, r)| [c, r]).chain([&self.otherwise])
    }

    pub(super) fn evaluate(&self, rows: &Rows<'_>, cx: &EvalContext) -> Result<Operand> {
        if self.at_once
            && let Some(selected) = self.select(rows, cx)?
        {
            return Ok(selected);
        }
        let mut merge = Merge::new(rows, cx);
        for (condition, result) in &self.branches {
            let (truths, positions) = merge.evaluate_open(condition)?;
            let truths = truths_of(&truths)?;
            let taken = merge.split(|i| {
                let i = positions.of(i);
                truths.is_valid(i) && truths.value(i)
            });
            if let Some(all) = merge.place(result, taken)? {
                return Ok(all);
            }
            if merge.done() {
                break;
            }
        }
        let rest = merge.split(|_| true);
        match merge.place(&self.otherwise, rest)? {
            Some(all) => Ok(all),
            None => merge.finish(),
        }
    }

    /// All results by all conditions, if they are numbers or times.
    fn select(&self, rows: &Rows<'_>, cx: &EvalContext) -> Result<Option<Operand>> {
        let otherwise = self.otherwise.evaluate(rows, cx)?;
        if !otherwise.array.data_type().is_primitive() {
            return Ok(None);
        }
        let mut choices = Vec::with_capacity(self.branches.len());
        for (condition, result) in &self.branches {
            let truths = condition.evaluate(rows, cx)?;
            if truths.constant {
                return Ok(None);
            }
            choices.push(Choice { taken: taken(truths_of(&truths)?), result: result.evaluate(rows, cx)? });
        }
        select(&choices, &otherwise, rows.len())
    }
}

/// Where a condition holds; null is not true.
fn taken(truths: &BooleanArray) -> BooleanBuffer {
    match truths.nulls() {
        Some(nulls) => truths.values() & nulls.inner(),
        None => truths.values().clone(),
    }
}

impl Coalesce {
    pub(super) fn evaluate(&self, rows: &Rows<'_>, cx: &EvalContext) -> Result<Operand> {
        let mut merge = Merge::new(rows, cx);
        for (index, arg) in self.args.iter().enumerate() {
            let last = index + 1 == self.args.len();
            let (operand, positions) = merge.evaluate_open(arg)?;
            let nulls = operand.array.logical_nulls();
            if merge.untouched() && (last || nulls.as_ref().is_none_or(|n| n.null_count() == 0)) {
                return Ok(operand);
            }
            let valid = |i: usize| nulls.as_ref().is_none_or(|n| n.is_valid(i));
            let taken = merge.split_with_places(|i| (last || valid(positions.of(i))).then(|| positions.of(i)));
            merge.add(operand.array, &taken);
            if merge.done() {
                break;
            }
        }
        merge.finish()
    }
}

fn truths_of(operand: &Operand) -> Result<&BooleanArray> {
    operand.array.as_boolean_opt().ok_or_else(|| Error::internal("a condition of CASE is no truth value"))
}

/// Where the value of an open row lies in an operand.
enum Places {
    /// A constant.
    First,
    /// An operand with all rows; which of them are open.
    All(Option<Vec<u32>>),
    /// An operand with the open rows only.
    Open,
}

impl Places {
    fn of(&self, open_index: usize) -> usize {
        match self {
            Places::First => 0,
            Places::All(Some(open)) => open[open_index] as usize,
            Places::All(None) | Places::Open => open_index,
        }
    }
}

/// A result that is put together from parts, row by row.
struct Merge<'r, 'a> {
    rows: &'r Rows<'a>,
    cx: &'r EvalContext,
    /// The rows without a result; none means all.
    open: Option<Vec<u32>>,
    parts: Vec<ArrayRef>,
    /// Per row the part and the position in it.
    picks: Vec<(usize, usize)>,
}

impl<'r, 'a> Merge<'r, 'a> {
    fn new(rows: &'r Rows<'a>, cx: &'r EvalContext) -> Self {
        Merge { rows, cx, open: None, parts: Vec::new(), picks: Vec::new() }
    }

    fn untouched(&self) -> bool {
        self.open.is_none()
    }

    fn done(&self) -> bool {
        self.open.as_ref().is_some_and(Vec::is_empty)
    }

    fn open_len(&self) -> usize {
        self.open.as_ref().map_or(self.rows.len(), Vec::len)
    }

    /// Evaluates a node for the open rows, or for all if that does no harm.
    fn evaluate_open(&self, node: &Node) -> Result<(Operand, Places)> {
        let (operand, gathered) = match &self.open {
            Some(open) if node.fallible() => (self.gathered(node, open)?, true),
            _ => (node.evaluate(self.rows, self.cx)?, false),
        };
        let places = match operand.constant {
            true => Places::First,
            false if gathered => Places::Open,
            false => Places::All(self.open.clone()),
        };
        Ok((operand, places))
    }

    fn gathered(&self, node: &Node, rows: &[u32]) -> Result<Operand> {
        let mut columns = Vec::new();
        node.columns(&mut columns);
        columns.sort_unstable();
        columns.dedup();
        node.evaluate(&self.rows.take(rows, &columns)?, self.cx)
    }

    /// Takes the open rows for which `takes` (by position among the open ones) holds.
    fn split(&mut self, mut takes: impl FnMut(usize) -> bool) -> Vec<u32> {
        self.split_with_places(|i| takes(i).then_some(0)).into_iter().map(|(row, _)| row).collect()
    }

    /// The same, each with the place of its value.
    fn split_with_places(&mut self, mut place: impl FnMut(usize) -> Option<usize>) -> Vec<(u32, usize)> {
        let (mut taken, mut rest) = (Vec::new(), Vec::new());
        for i in 0..self.open_len() {
            let row = self.open.as_ref().map_or(i as u32, |open| open[i]);
            match place(i) {
                Some(place) => taken.push((row, place)),
                None => rest.push(row),
            }
        }
        self.open = Some(rest);
        taken
    }

    /// Evaluates a result for the rows that take it. If these are all rows, that is the answer.
    fn place(&mut self, node: &Node, taken: Vec<u32>) -> Result<Option<Operand>> {
        if taken.is_empty() {
            return match self.parts.is_empty() && self.rows.len() == 0 {
                true => node.evaluate(self.rows, self.cx).map(Some),
                false => Ok(None),
            };
        }
        if taken.len() == self.rows.len() {
            return node.evaluate(self.rows, self.cx).map(Some);
        }
        let whole = node.is_cheap();
        let operand = if whole { node.evaluate(self.rows, self.cx)? } else { self.gathered(node, &taken)? };
        let place = |i: usize, row: u32| match (operand.constant, whole) {
            (true, _) => 0,
            (false, true) => row as usize,
            (false, false) => i,
        };
        let placed: Vec<_> = taken.iter().enumerate().map(|(i, &row)| (row, place(i, row))).collect();
        self.add(operand.array.clone(), &placed);
        Ok(None)
    }

    fn add(&mut self, part: ArrayRef, taken: &[(u32, usize)]) {
        self.picks.resize(self.rows.len(), (0, 0));
        for &(row, place) in taken {
            self.picks[row as usize] = (self.parts.len(), place);
        }
        self.parts.push(part);
    }

    fn finish(self) -> Result<Operand> {
        let parts: Vec<&dyn Array> = self.parts.iter().map(AsRef::as_ref).collect();
        if parts.is_empty() {
            return Err(Error::internal("a CASE has no result"));
        }
        Ok(Operand::column(arrow_select::interleave::interleave(&parts, &self.picks)?))
    }
}
