//! `OVER`: each row with calls over the rows of its partition, which come in their order.
//!
//! Flink counterpart: `OverAggregate` of batch mode. With a frame of rows each row has the values behind it. With a frame
//! of a range, rows that are equal in the order see each other, so they wait until all of them have come; without an order
//! these are all rows of the partition. `ROW_NUMBER`, `RANK`, `DENSE_RANK` and `LAG` go by rows in any frame. A frame that
//! begins some rows before is one whose oldest row is taken back with each new one.

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_ord::partition::partition;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::{take, take_record_batch};
use flott_api::aggregate::Change;
use flott_api::{Error, Result};
use flott_graph::spec::{AggregateCall, OverFrame, SortField};
use flott_operators::aggregate::groups::{Groups, Plan, Rows};
use flott_state::hot::{GroupEntries, MapViewOptions};

use crate::columns;
use crate::error::released;
use crate::exec::Transform;
use crate::ordered::{Runs, picked};

/// Calls that go by rows, whatever the frame.
const BY_ROWS: [&str; 4] = ["dense_rank", "lag", "rank", "row_number"];

/// See the module.
pub(crate) struct Over {
    plan: Plan,
    partition: Vec<usize>,
    order: Vec<usize>,
    frame: OverFrame,
    /// For each call whether it goes by rows.
    by_rows: Vec<bool>,
    output: SchemaRef,
    runs: Runs,
    groups: Groups,
    /// Rows that wait for those that are equal to them.
    waiting: Vec<RecordBatch>,
    /// The rows of the partition that are in the frame of the next one.
    tail: Option<RecordBatch>,
}

/// What an `OVER` is told.
#[derive(Clone)]
pub(crate) struct OverParts {
    pub(crate) input: flott_api::Schema,
    pub(crate) partition: Vec<usize>,
    pub(crate) order: Vec<SortField>,
    pub(crate) frame: OverFrame,
    pub(crate) calls: Vec<AggregateCall>,
    pub(crate) output: SchemaRef,
}

impl Over {
    /// Before the first row.
    pub(crate) fn new(parts: OverParts) -> Result<Self> {
        let OverParts { input, partition, order, frame, calls, output } = parts;
        if let OverFrame::Range { preceding_ms: Some(_) } = frame {
            return Err(Error::unsupported("an OVER with a RANGE of an interval in batch mode")
                .with_hint("SET 'execution.runtime-mode' = 'streaming'."));
        }
        let retract = matches!(frame, OverFrame::Rows { preceding: Some(_) });
        let plan = Plan::new(&input, &[], &calls, MapViewOptions { retract, ttl_ms: 0 })?;
        let mut groups = plan.groups()?;
        groups.grow(1);
        Ok(Over {
            groups,
            plan,
            partition,
            order: order.iter().map(|field| field.column).collect(),
            by_rows: calls.iter().map(|c| BY_ROWS.contains(&c.function.name.as_str())).collect(),
            frame,
            output,
            runs: Runs::default(),
            waiting: Vec::new(),
            tail: None,
        })
    }

    /// Rows of which no equal ones are to come.
    fn complete(&mut self, rows: &RecordBatch) -> Result<Vec<RecordBatch>> {
        let mut out = Vec::new();
        for run in self.runs.cut(&picked(rows, &self.partition), rows.num_rows())? {
            if run.begins {
                self.groups = self.plan.groups()?;
                self.groups.grow(1);
                self.tail = None;
            }
            let rows = rows.slice(run.rows.start, run.rows.len());
            let values = match self.frame {
                OverFrame::Rows { preceding: Some(preceding) } => self.moving(&rows, preceding)?,
                OverFrame::Rows { preceding: None } => self.running(&rows, None)?,
                OverFrame::Range { .. } => {
                    self.running(&rows, None).and_then(|values| self.of_last_peers(&rows, values))?
                }
            };
            let all = rows.columns().iter().cloned().chain(values).collect();
            out.push(columns::batch(&self.output, all, rows.num_rows()).map_err(released)?);
        }
        Ok(out)
    }

    /// The values behind each row.
    fn running(&mut self, rows: &RecordBatch, changes: Option<&[Change]>) -> Result<Vec<ArrayRef>> {
        let groups = vec![0; rows.num_rows()];
        let rows = Rows { columns: rows, groups: &groups, changes, now_ms: 0 };
        Ok(self.groups.running(&self.plan, &rows)?.into_iter().map(|running| running.after).collect())
    }

    /// Rows that are equal in the order have the value behind the last one of them.
    fn of_last_peers(&self, rows: &RecordBatch, values: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
        let compared = picked(rows, &self.order);
        let peers = match compared.as_slice() {
            [] => std::iter::once(0..rows.num_rows()).collect(),
            compared => partition(compared)?.ranges(),
        };
        let last: UInt64Array =
            peers.into_iter().flat_map(|run| std::iter::repeat_n(run.end as u64 - 1, run.len())).collect();
        let of_last = |(values, by_rows): (ArrayRef, &bool)| match by_rows {
            true => Ok(values),
            false => Ok(take(&values, &last, None)?),
        };
        values.into_iter().zip(&self.by_rows).map(of_last).collect()
    }

    /// The values of a frame that takes its oldest row back with each new one.
    fn moving(&mut self, rows: &RecordBatch, preceding: u64) -> Result<Vec<ArrayRef>> {
        let all = match self.tail.take() {
            Some(tail) => concat_batches(&rows.schema(), [&tail, rows])?,
            None => rows.clone(),
        };
        let (first, preceding) = (all.num_rows() - rows.num_rows(), usize::try_from(preceding).unwrap_or(usize::MAX));
        let (mut places, mut changes, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for row in first..all.num_rows() {
            if let Some(oldest) = row.checked_sub(preceding.saturating_add(1)) {
                places.push(oldest as u64);
                changes.push(Change::Retract);
            }
            added.push(places.len() as u64);
            places.push(row as u64);
            changes.push(Change::Add);
        }
        let places = UInt64Array::from(places);
        let columns = all.columns().iter().map(|c| take(c, &places, None)).collect::<Result<Vec<_>, _>>()?;
        let steps = columns::batch(&all.schema(), columns, places.len()).map_err(released)?;
        let added = UInt64Array::from(added);
        let values = self.running(&steps, Some(&changes))?;
        let kept = preceding.saturating_add(1).min(all.num_rows());
        self.tail = Some(all.slice(all.num_rows() - kept, kept));
        values.iter().map(|values| Ok(take(values, &added, None)?)).collect()
    }

    /// How many of these rows have met all that are equal to them; nothing if all are equal to those that wait.
    fn met(&self, rows: &RecordBatch) -> Result<Option<usize>> {
        let by = [self.partition.as_slice(), self.order.as_slice()].concat();
        if by.is_empty() {
            return Ok(None);
        }
        // Rows that wait are equal to each other: the last one stands for all of them.
        let waits = self.waiting.last().map(|waits| waits.slice(waits.num_rows() - 1, 1));
        let all = match &waits {
            Some(waits) => concat_batches(&rows.schema(), [waits, rows])?,
            None => rows.clone(),
        };
        let last = partition(&picked(&all, &by))?.ranges().last().map_or(0, |run| run.start);
        Ok(last.checked_sub(usize::from(waits.is_some())).filter(|met| *met > 0 || waits.is_some()))
    }

    /// All that waits, in one.
    fn waited(&mut self) -> Result<Option<RecordBatch>> {
        let waiting = std::mem::take(&mut self.waiting);
        let Some(first) = waiting.first() else { return Ok(None) };
        Ok(Some(concat_batches(&first.schema(), &waiting)?))
    }
}

impl Transform for Over {
    fn push(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        let OverFrame::Range { .. } = self.frame else { return self.complete(&rows) };
        if rows.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let Some(met) = self.met(&rows)? else {
            self.waiting.push(rows);
            return Ok(Vec::new());
        };
        if met > 0 {
            self.waiting.push(rows.slice(0, met));
        }
        let complete = self.waited()?;
        // Copied, so that the rows before them are let go.
        let rest = UInt64Array::from_iter_values(met as u64..rows.num_rows() as u64);
        self.waiting = vec![take_record_batch(&rows, &rest)?];
        complete.map_or_else(|| Ok(Vec::new()), |rows| self.complete(&rows))
    }

    fn finish(&mut self) -> Result<Vec<RecordBatch>> {
        self.waited()?.map_or_else(|| Ok(Vec::new()), |rows| self.complete(&rows))
    }

    fn memory_bytes(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(RecordBatch::get_array_memory_size).sum();
        let tail = self.tail.as_ref().map_or(0, RecordBatch::get_array_memory_size);
        // What waits is copied into one when it is complete.
        2 * waiting + tail + self.groups.memory_bytes()
    }
}
