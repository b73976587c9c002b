//! Top-N: the first rows of each partition by a sort key, kept as rows come and go.
//!
//! Flink counterpart: `Rank`, and without partition columns `SortLimit` and `Limit`. The three strategies are Flink's:
//! over insertions (`AppendOnlyTopN`, `AppendOnlyFirstN`), over upserts that only rise (`UpdatableTopN`), over any
//! changelog (`RetractableTopN`); of the first two a single row has a way of its own (`FastTop1`). With the rank in
//! the output, or an offset, every row that moves is updated, rank by rank; without, a row that falls out is deleted
//! before the new one is inserted. Where Flink looks at 100 rows because the number is a column, this looks at as many
//! as the column says.
//!
//! **State layout**: state `rows`, by the partition columns. Its parts are the rows in order
//! ([`SortedRows`]: those within the ranks, or all of them under `Retract`), or for the first rows by processing time how
//! many there were; and the number of rows if it is a column. A partition expires as a whole, when it was not changed for
//! its time to live; in Flink the rows of each sort key do.
//!
//! Over insertions a batch's sort keys are compared with the last row of their partitions first, and what is behind it is not
//! looked at again.
//!
//! `RANK` and `DENSE_RANK` as a limit are not supported, as in Flink.

mod changes;
mod state;
mod steps;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext};
use flott_api::state::KeyedContainer;
use flott_api::{ChangeBatch, Error, Result, RowKind, TypeKind};
use flott_graph::spec::{RankRange, RankSpec, RankStrategy};
use flott_state::hot::{GroupEntries, GroupTable, KeyedState, KeyedStateOptions, TtlOptions};

use crate::emit::emit;
use crate::factory::FromSpec;
use crate::sorting::key_order;
use changes::Changes;
use state::{RankRows, Remembered};
use steps::Ranking;

const STATE: &str = "rows";

/// See the module.
pub struct Rank {
    partition: Vec<usize>,
    ranking: Ranking,
    /// Which column has the number of rows, if one has.
    end_column: Option<usize>,
    empty: RankRows,
    options: KeyedStateOptions,
    output: SchemaRef,
    emit_rank: bool,
    emit_update_before: bool,
    /// Is there from `open` on.
    state: Option<KeyedState<RankRows>>,
}

impl FromSpec for Rank {
    type Spec = RankSpec;

    fn from_spec(spec: RankSpec) -> Result<Self> {
        if spec.output.len() != spec.input.len() + usize::from(spec.emit_rank) {
            return Err(Error::internal("a ranking does not give its input and its rank"));
        }
        if spec.partition.iter().any(|c| *c >= spec.input.len()) {
            return Err(Error::internal("a ranking is partitioned by a column that its input does not have"));
        }
        let schema = spec.input.arrow();
        let order = key_order(&spec.order);
        let names = if let RankStrategy::UpdateFast { keys } = &spec.strategy { keys.clone() } else { Vec::new() };
        let remembered = Remembered {
            rows: spec.strategy != RankStrategy::AppendFirst,
            end: matches!(spec.range, RankRange::Variable { .. }),
        };
        let empty = RankRows::new(schema.clone(), order, names, remembered)?;
        let key_types: Vec<_> = spec.partition.iter().map(|c| spec.input.fields[*c].ty.clone()).collect();
        // Refuses what cannot be kept now and not with the first row.
        GroupTable::new(key_types.iter().map(flott_api::LogicalType::arrow).collect())?;
        Ok(Rank {
            options: KeyedStateOptions {
                name: STATE.to_owned(),
                keys: key_types,
                parts: state::parts(&spec, remembered),
                ttl: TtlOptions::after(spec.state_ttl_ms),
            },
            end_column: end_column(&spec)?,
            ranking: Ranking::new(&spec)?,
            partition: spec.partition,
            empty,
            output: spec.output.arrow(),
            emit_rank: spec.emit_rank,
            emit_update_before: spec.emit_update_before,
            state: None,
        })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

/// The column that has the number of rows.
fn end_column(spec: &RankSpec) -> Result<Option<usize>> {
    let RankRange::Variable { end_column } = spec.range else { return Ok(None) };
    match spec.input.fields.get(end_column).map(|f| &f.ty.kind) {
        Some(TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt) => Ok(Some(end_column)),
        Some(other) => Err(Error::unsupported(format!("a number of rows of type {other}"))
            .with_detail("The column that limits ROW_NUMBER() must be SMALLINT, INT or BIGINT.")),
        None => Err(Error::internal("the number of rows is a column that the input does not have")),
    }
}

impl flott_api::operator::Stateful for Rank {
    fn prefetch(&self, _: usize, batch: &ChangeBatch) -> Result<()> {
        let state = self.state.as_ref().ok_or_else(not_open)?;
        state.prefetch(&self.keys(batch), batch.len())
    }

    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.state.iter_mut().map(|s| s as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for Rank {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.state = Some(KeyedState::open(cx, &self.options, self.empty.fresh()?)?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let output = self.rank(&batch, cx.processing_time_ms).await?;
        emit(output, cx).await
    }
}

fn not_open() -> Error {
    Error::internal("a ranking was not opened")
}

impl Rank {
    fn keys(&self, batch: &ChangeBatch) -> Vec<ArrayRef> {
        self.partition.iter().map(|k| batch.rows().column(*k).clone()).collect()
    }

    async fn rank(&mut self, batch: &ChangeBatch, now_ms: i64) -> Result<ChangeBatch> {
        if !self.ranking.retracts() && batch.kinds().is_some_and(|k| k.iter().any(RowKind::is_retract)) {
            return Err(Error::internal("a ranking that remembers only some rows got a retraction"));
        }
        let keys = self.keys(batch);
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let groups = state.assign(&keys, batch.len(), now_ms).await?;
        state.entries_mut().begin(batch.rows(), self.end_column)?;
        let wanted = self.wanted(&groups, now_ms);
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let touched: Vec<u32> = rows_of(&groups, &wanted, true).collect();
        state.touch(&touched)?;
        state.read(&rows_of(&groups, &wanted, false).collect::<Vec<_>>(), now_ms)?;
        let changes = self.changes(batch, &groups, &wanted, now_ms)?;
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let output = changes.batch(&state.entries().rows, batch.marks(), self.emit_rank.then_some(&self.output))?;
        if self.ranking.retracts() && self.end_column.is_none() {
            forget_empty(state, touched)?;
        }
        state.expire(now_ms)?;
        Ok(output)
    }

    /// Which rows may change anything, as things are before the batch; over insertions they only get worse.
    fn wanted(&self, groups: &[u32], now_ms: i64) -> Vec<bool> {
        let Some(state) = self.state.as_ref() else { return Vec::new() };
        let wanted = |(row, group): (usize, &u32)| {
            state.is_expired(*group, now_ms) || self.ranking.may_enter(state.entries(), *group, row)
        };
        groups.iter().enumerate().map(wanted).collect()
    }

    fn changes(&mut self, batch: &ChangeBatch, groups: &[u32], wanted: &[bool], now_ms: i64) -> Result<Changes> {
        let state = self.state.as_mut().ok_or_else(not_open)?;
        let mut changes = Changes::new(self.ranking.start, self.emit_update_before, batch.len());
        for (row, group) in groups.iter().enumerate() {
            changes.next();
            if !wanted[row] {
                continue;
            }
            if state.is_expired(*group, now_ms) {
                state.entries_mut().clear(*group);
            }
            let retracts = batch.kind(row).is_retract();
            if self.ranking.step(state.entries_mut(), (*group, row), retracts, &mut changes)? {
                state.set_changed(*group, now_ms);
            }
        }
        Ok(changes)
    }
}

fn rows_of<'a>(groups: &'a [u32], wanted: &'a [bool], which: bool) -> impl Iterator<Item = u32> + 'a {
    groups.iter().zip(wanted).filter(move |(_, w)| **w == which).map(|(g, _)| *g)
}

/// Forgets the partitions that have no rows now.
fn forget_empty(state: &mut KeyedState<RankRows>, mut groups: Vec<u32>) -> Result<()> {
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        if state.entries().rows.is_empty(group) {
            state.remove(group)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
