//! `GROUP BY` over rows that come group by group: what a bounded query does.
//!
//! Functions of rows are sent the rows of a batch with what they remember of the group that goes on, as in a stream. Functions of
//! pandas are sent a group when all of its rows have come, several groups at once where they are small; until then its rows are
//! held. **State layout**: none; a bounded query begins anew.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use flott_api::aggregate::Change;
use flott_api::function::{CallForm, FunctionCall};
use flott_api::{Error, Result};
use flott_graph::spec::{PythonGroupAggregateSpec, aggregate_calls};
use flott_state::hot::{GroupEntries, MapViewOptions};

use super::{Function, signs};
use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::beside::{Beside, Caller, bounds, unnamed};
use crate::emit::record_batch;
use crate::group_aggregate::joined;

/// Rows of one group behind each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which rows of the batch.
    pub rows: Range<usize>,
    /// Whether its first row is the first one of its group.
    pub begins: bool,
}

/// See the module.
pub struct SortedGroups {
    plan: Plan,
    spec: PythonGroupAggregateSpec,
    output: SchemaRef,
    beside: Beside,
    groups: Groups,
    functions: Functions,
    /// The group whose rows may go on: its number and its keys, a row each.
    open: Option<(u32, Vec<ArrayRef>)>,
}

/// The functions that run there.
enum Functions {
    /// Of rows, with their values of the group that may go on.
    OfRows { functions: Vec<Function>, values: Vec<ArrayRef> },
    /// Of pandas, by their places among the calls, with the rows of the group that may go on.
    OfColumns { calls: Vec<usize>, held: Vec<Piece> },
}

/// Rows that are held: arguments, and what they do to each function.
struct Piece {
    arguments: Vec<ArrayRef>,
    signs: Vec<ArrayRef>,
    rows: usize,
}

/// Rows of a batch with their groups.
struct Numbered<'a> {
    rows: &'a RecordBatch,
    runs: &'a [Run],
    /// The group of each run.
    groups: Vec<u32>,
    /// What the rows do to each function.
    changes: Vec<Vec<Change>>,
}

impl SortedGroups {
    /// Before the first row. What comes out is of the schema, whose types may promise less than those of the specification.
    ///
    /// # Errors
    /// If there are no functions that run beside the job, or they do not fit together.
    pub fn new(spec: PythonGroupAggregateSpec, output: SchemaRef) -> Result<Self> {
        let groups = &spec.groups;
        let options = MapViewOptions { retract: false, ttl_ms: 0 };
        let plan = Plan::with_beside(&groups.input, &groups.keys, &groups.aggregates, options)?;
        let calls: Vec<(usize, FunctionCall)> = aggregate_calls(&groups.aggregates);
        let by_columns = calls.iter().filter(|(_, call)| call.function.form == CallForm::Batch).count();
        let functions = match by_columns {
            0 => {
                let functions = calls.iter().map(Function::of).collect::<Result<_>>()?;
                Functions::OfRows { functions, values: Vec::new() }
            }
            all if all == calls.len() => {
                Functions::OfColumns { calls: calls.iter().map(|(place, _)| *place).collect(), held: Vec::new() }
            }
            _ => return Err(Error::internal("an aggregation has functions of rows and of pandas")),
        };
        let calls: Vec<FunctionCall> = calls.into_iter().map(|(_, call)| call).collect();
        let beside = Beside::new(&calls, &groups.input)?;
        Ok(SortedGroups { groups: plan.groups()?, plan, output, beside, functions, open: None, spec })
    }

    /// Starts the process, before the first rows.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn begin(&mut self, caller: &Caller) -> Result<()> {
        self.beside.open(caller, &self.spec.groups.input, &self.spec.session_zone);
        self.beside.start().await
    }

    /// Takes up rows, which are those of the runs, and gives the groups that are complete.
    ///
    /// # Errors
    /// If a function fails, or its process is gone.
    pub async fn push(&mut self, rows: &RecordBatch, runs: &[Run]) -> Result<Option<RecordBatch>> {
        let Some(first) = runs.first() else { return Ok(None) };
        let numbered = self.numbered(rows, runs)?;
        let mut complete: Vec<u32> = self.open.iter().map(|(group, _)| *group).filter(|_| first.begins).collect();
        complete.extend(&numbered.groups[..runs.len() - 1]);
        let values = match &mut self.functions {
            Functions::OfRows { functions, values } => {
                rows_pushed(functions, values, &mut self.beside, &mut self.groups, &numbered).await?
            }
            Functions::OfColumns { held, .. } => columns_pushed(held, &mut self.beside, &numbered).await?,
        };
        let firsts = UInt32Array::from_iter_values(runs.iter().map(|run| run.rows.start as u32));
        let keys = self.plan.keys(rows).iter().map(|k| Ok(take(k, &firsts, None)?)).collect::<Result<Vec<_>>>()?;
        let open = keys.iter().map(|k| k.slice(runs.len() - 1, 1)).collect();
        let keys = keys.iter().map(|k| k.slice(0, runs.len() - 1)).collect();
        let before = self.open.replace((numbered.groups[runs.len() - 1], open)).filter(|_| first.begins);
        let keys = behind(before.map(|(_, keys)| keys), keys)?;
        self.given(keys, &complete, values)
    }

    /// There are no more rows.
    ///
    /// # Errors
    /// As [`push`](SortedGroups::push).
    pub async fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let last = match self.open.take() {
            Some((group, keys)) => {
                let values = match &mut self.functions {
                    Functions::OfRows { values, .. } => std::mem::take(values),
                    Functions::OfColumns { held, .. } => {
                        let rows = held.iter().map(|piece| piece.rows).sum();
                        windowed(std::mem::take(held), &mut self.beside, &[rows]).await?
                    }
                };
                self.given(keys, &[group], values)?
            }
            // All rows are one group, also if there are none.
            None if self.spec.groups.keys.is_empty() => {
                self.groups.grow(1);
                let values = self.of_nothing().await?;
                self.given(Vec::new(), &[0], values)?
            }
            None => None,
        };
        self.beside.close().await?;
        Ok(last)
    }

    /// What it remembers.
    pub fn memory_bytes(&self) -> usize {
        let bytes = |columns: &[ArrayRef]| columns.iter().map(|c| c.get_array_memory_size()).sum::<usize>();
        let held = match &self.functions {
            Functions::OfRows { values, .. } => bytes(values),
            // They are copied into one when they are complete.
            Functions::OfColumns { held, .. } => {
                2 * held.iter().map(|piece| bytes(&piece.arguments) + bytes(&piece.signs)).sum::<usize>()
            }
        };
        self.groups.memory_bytes() + held
    }

    /// Folds rows into what is aggregated here.
    fn numbered<'a>(&mut self, rows: &'a RecordBatch, runs: &'a [Run]) -> Result<Numbered<'a>> {
        let open = self.open.as_ref().map(|(group, _)| *group);
        let mut free = (0u32..).filter(|group| Some(*group) != open);
        let group = |run: &Run| if run.begins { free.next() } else { open };
        let groups = runs.iter().map(group).collect::<Option<Vec<u32>>>();
        let groups = groups.ok_or_else(|| Error::internal("a group goes on that has not begun"))?;
        self.groups.grow(groups.iter().max().map_or(0, |group| *group as usize + 1));
        let pairs = runs.iter().zip(&groups);
        let of_rows: Vec<u32> = pairs.flat_map(|(run, group)| std::iter::repeat_n(*group, run.rows.len())).collect();
        self.groups.count(&of_rows, None);
        let folded = Rows { columns: rows, groups: &of_rows, changes: None, now_ms: 0 };
        let changes = self.groups.fold_here(&self.plan, &folded)?;
        Ok(Numbered { rows, runs, groups, changes })
    }

    /// The rows of complete groups, which are forgotten; with the values of the functions.
    fn given(
        &mut self,
        keys: Vec<ArrayRef>,
        complete: &[u32],
        of_functions: Vec<ArrayRef>,
    ) -> Result<Option<RecordBatch>> {
        if complete.is_empty() {
            return Ok(None);
        }
        let mut values = self.groups.values(&self.plan, complete)?;
        let places: Vec<usize> = match &self.functions {
            Functions::OfRows { functions, .. } => functions.iter().map(|function| function.call).collect(),
            Functions::OfColumns { calls, .. } => calls.clone(),
        };
        for (place, own) in places.into_iter().zip(of_functions) {
            values[place] = own;
        }
        complete.iter().for_each(|group| self.groups.clear(*group));
        record_batch(&self.output, keys.into_iter().chain(values).collect(), complete.len()).map(Some)
    }

    /// The values of functions over no rows: they are sent a row that does nothing.
    async fn of_nothing(&mut self) -> Result<Vec<ArrayRef>> {
        let input = &self.spec.groups.input;
        let arguments = self.beside.sent().iter().map(|column| new_null_array(&input.fields[*column].ty.arrow(), 1));
        let arguments: Vec<ArrayRef> = arguments.collect();
        match &self.functions {
            Functions::OfRows { functions, .. } => {
                let nothing = vec![vec![Change::Skip]; functions.len()];
                let sent = sent(functions, arguments, &[0], &nothing, |_| Ok(None))?;
                let given = self.beside.aggregate(sent).await?;
                checked(functions, &given, 1)?;
                Ok(given.chunks_exact(3).map(|given| given[2].clone()).collect())
            }
            Functions::OfColumns { calls, .. } => {
                let signs = calls.iter().map(|_| signs(&[Change::Skip])).collect();
                windowed(vec![Piece { arguments, signs, rows: 1 }], &mut self.beside, &[1]).await
            }
        }
    }
}

/// Columns behind those that were there before, if there were any.
fn behind(before: Option<Vec<ArrayRef>>, columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
    match before {
        Some(before) => joined([before, columns].into_iter()),
        None => Ok(columns),
    }
}

/// The batch that functions of rows get. What they remember of a group stands in its first row.
fn sent<'a>(
    functions: &[Function],
    mut columns: Vec<ArrayRef>,
    places: &[i32],
    changes: &[Vec<Change>],
    mut remembered: impl FnMut(&Function) -> Result<Option<&'a [u8]>>,
) -> Result<RecordBatch> {
    columns.push(Arc::new(Int32Array::from(places.to_vec())));
    for (function, changes) in functions.iter().zip(changes) {
        columns.push(signs(changes));
        let mut first = remembered(function)?;
        columns.push(function.encoding.decode(places.iter().map(|_| first.take()))?);
    }
    unnamed(columns, places.len())
}

fn checked(functions: &[Function], given: &[ArrayRef], groups: usize) -> Result<()> {
    if given.len() != 3 * functions.len() || given.iter().any(|column| column.len() != groups) {
        return Err(Error::internal("a process gave other groups than it was given"));
    }
    Ok(())
}

/// Functions of rows take up the rows; gives their values of the groups that are complete.
async fn rows_pushed(
    functions: &[Function],
    values: &mut Vec<ArrayRef>,
    beside: &mut Beside,
    entries: &mut Groups,
    numbered: &Numbered<'_>,
) -> Result<Vec<ArrayRef>> {
    let Numbered { rows, runs, groups, changes } = numbered;
    let goes_on = runs.first().is_some_and(|run| !run.begins);
    let of_run = (0i32..).zip(runs.iter());
    let places: Vec<i32> = of_run.flat_map(|(at, run)| std::iter::repeat_n(at, run.rows.len())).collect();
    let mut first = Vec::with_capacity(functions.len());
    for function in functions {
        first.push(if goes_on { Some(entries.accumulators(function.call)?.get(groups[0]).to_vec()) } else { None });
    }
    let mut firsts = first.iter().map(Option::as_deref);
    let sent = sent(functions, beside.picked(rows), &places, changes, |_| Ok(firsts.next().flatten()))?;
    let given = beside.aggregate(sent).await?;
    checked(functions, &given, runs.len())?;
    let mut now = Vec::with_capacity(functions.len());
    for (function, given) in functions.iter().zip(given.chunks_exact(3)) {
        // Only one group goes on.
        let last = runs.len() - 1;
        let bytes = function.encoding.encode_nulls(&given[0].slice(last, 1))?;
        entries.accumulators(function.call)?.set(groups[last], bytes.value(0));
        now.push(given[2].clone());
    }
    let complete = now.iter().map(|values| values.slice(0, runs.len() - 1)).collect();
    let before = std::mem::replace(values, now.iter().map(|values| values.slice(runs.len() - 1, 1)).collect());
    behind(Some(before).filter(|before| !goes_on && !before.is_empty()), complete)
}

/// Functions of pandas are given the groups that are complete; the rows of the last one are held.
async fn columns_pushed(held: &mut Vec<Piece>, beside: &mut Beside, numbered: &Numbered<'_>) -> Result<Vec<ArrayRef>> {
    let Numbered { rows, runs, changes, .. } = numbered;
    let signs: Vec<ArrayRef> = changes.iter().map(|changes| signs(changes)).collect();
    let all = Piece { arguments: beside.picked(rows), signs, rows: rows.num_rows() };
    let begun = runs.first().is_none_or(|run| run.begins);
    let (last, complete) = (runs.len() - 1, &runs[..runs.len() - 1]);
    if last == 0 && !begun {
        held.push(all);
        return Ok(Vec::new());
    }
    let mut lengths: Vec<usize> = complete.iter().map(|run| run.rows.len()).collect();
    let before: usize = held.iter().map(|piece| piece.rows).sum();
    match lengths.first_mut().filter(|_| !begun) {
        Some(first) => *first += before,
        None if before > 0 => lengths.insert(0, before),
        None => {}
    }
    let (whole, open) = all.parted(runs[last].rows.start)?;
    let mut pieces = std::mem::replace(held, vec![open]);
    pieces.extend(whole);
    if lengths.is_empty() { Ok(Vec::new()) } else { windowed(pieces, beside, &lengths).await }
}

impl Piece {
    /// The rows before one, if there are any, and those from there on, which are copied so that the others are let go.
    fn parted(self, at: usize) -> Result<(Option<Piece>, Piece)> {
        if at == 0 {
            return Ok((None, self));
        }
        let part = |columns: &[ArrayRef], from: usize, rows: usize| -> Vec<ArrayRef> {
            columns.iter().map(|column| column.slice(from, rows)).collect()
        };
        let copied = |columns: &[ArrayRef]| -> Result<Vec<ArrayRef>> {
            let rest = UInt32Array::from_iter_values(at as u32..self.rows as u32);
            columns.iter().map(|column| Ok(take(column, &rest, None)?)).collect()
        };
        let rest = Piece { arguments: copied(&self.arguments)?, signs: copied(&self.signs)?, rows: self.rows - at };
        let whole = Piece { arguments: part(&self.arguments, 0, at), signs: part(&self.signs, 0, at), rows: at };
        Ok((Some(whole), rest))
    }
}

/// The values of functions of pandas over groups of these lengths, whose rows are those of the pieces.
async fn windowed(pieces: Vec<Piece>, beside: &mut Beside, lengths: &[usize]) -> Result<Vec<ArrayRef>> {
    let rows = pieces.iter().map(|piece| piece.rows).sum();
    let mut columns = joined(pieces.iter().map(|piece| piece.arguments.clone()))?;
    let mut end = 0;
    let windows = lengths.iter().map(|length| {
        let from = end;
        end += length;
        from..end
    });
    columns.extend(bounds(windows, rows)?);
    columns.extend(joined(pieces.iter().map(|piece| piece.signs.clone()))?);
    let given = beside.aggregate(unnamed(columns, rows)?).await?;
    if given.iter().any(|column| column.len() != lengths.len()) {
        return Err(Error::internal("a process gave other groups than it was given"));
    }
    Ok(given)
}

#[cfg(test)]
mod tests;
