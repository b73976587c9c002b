//! The first rows of each partition, of all rows (`ORDER BY .. LIMIT`), and the first or last row by time, which is a
//! deduplication.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result, RowKind};
use flott_graph::Role;
use flott_graph::spec::{
    DeduplicateKeep, DeduplicateSpec, DeduplicateTime, RankRange, RankSpec, RankStrategy, SortField, Spec,
};

use super::Distribution;
use crate::plan::TimeAttribute;
use crate::plan::print;
use crate::plan::rel;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring};
use crate::plan::stream::trend::{Trend, trend};
use crate::plan::stream::{Node, Op};

/// More keys than this are not kept.
const KEYS_MAX: usize = 8;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Rank {
    /// What is ranked.
    pub(in crate::plan) of: rel::Rank,
    /// Whether it is `ORDER BY .. LIMIT`, which Flink shows under another name.
    pub(in crate::plan) sort_limit: bool,
    /// What may be assumed of the input, once that is settled.
    strategy: Option<RankStrategy>,
}

/// The first or the last row of each key.
struct Deduplicate {
    time: DeduplicateTime,
    keep: DeduplicateKeep,
}

impl Rank {
    /// The first rows of each partition.
    pub(in crate::plan) fn top_n(of: rel::Rank) -> Self {
        Rank { of, sort_limit: false, strategy: None }
    }

    /// `ORDER BY .. LIMIT`: some rows behind the first ones.
    pub(in crate::plan) fn sort_limit(order: Vec<SortField>, (offset, rows): (u64, u64)) -> Result<Self> {
        let range = range_of(offset, rows)?;
        let of = rel::Rank { partition: Vec::new(), order, range, emit_rank: false };
        Ok(Rank { of, sort_limit: true, strategy: None })
    }

    /// The time that is the whole order.
    fn time(&self, input: &Node) -> Option<(TimeAttribute, SortField)> {
        match self.of.order.as_slice() {
            [field] => input.columns[field.column].time.map(|time| (time, *field)),
            _ => None,
        }
    }

    /// Whether one row of each partition is kept.
    pub(in crate::plan::stream) fn keeps_one(&self) -> bool {
        self.of.range == RankRange::Constant { start: 1, end: 1 } && !self.of.emit_rank && !self.sort_limit
    }

    /// The deduplication that it is, if it is one.
    fn deduplicate(&self, input: &Node) -> Option<Deduplicate> {
        let (time, field) = self.time(input).filter(|_| self.keeps_one())?;
        let grows_only = input.changelog.is_insert_only();
        let (time, keep) = match (time, field.descending) {
            (TimeAttribute::Proctime, true) => (DeduplicateTime::Proctime, DeduplicateKeep::Last),
            _ if !grows_only => return None,
            (TimeAttribute::Proctime, false) => (DeduplicateTime::Proctime, DeduplicateKeep::First),
            (TimeAttribute::Rowtime, true) => (DeduplicateTime::Rowtime(field.column), DeduplicateKeep::Last),
            (TimeAttribute::Rowtime, false) => {
                (DeduplicateTime::Rowtime(field.column), DeduplicateKeep::FirstOnWatermark)
            }
        };
        Some(Deduplicate { time, keep })
    }

    /// Whether it is the first row by time of each partition, which never changes.
    pub(in crate::plan::stream) fn keeps_first_by_time(&self, input: &Node) -> bool {
        let keep = self.deduplicate(input).map(|d| d.keep);
        matches!(keep, Some(DeduplicateKeep::First | DeduplicateKeep::FirstOnWatermark))
    }

    /// Rows carry no processing time: only the order in which they come is known.
    fn check_order(&self, input: &Node) -> Result<()> {
        let by_proctime = |field: &SortField| input.columns[field.column].time == Some(TimeAttribute::Proctime);
        let Some(field) = self.of.order.iter().find(|field| by_proctime(field)) else { return Ok(()) };
        let alone = self.of.order.len() == 1 && !field.descending && input.changelog.is_insert_only();
        if alone || self.deduplicate(input).is_some() {
            return Ok(());
        }
        Err(Error::unsupported("a Top-N by processing time and more, or descending, or of updated rows")
            .with_detail(format!("The order has the column '{}'.", input.columns[field.column].name))
            .with_hint("Order by the processing time alone, ascending; or take the last row: descending, rn = 1."))
    }

    /// The strategies that are right over this input, best first: Flink's `RankProcessStrategy`.
    fn strategies(&self, input: &Node) -> Vec<RankStrategy> {
        if input.changelog.is_insert_only() {
            return match self.time(input) {
                Some((TimeAttribute::Proctime, _)) => vec![RankStrategy::AppendFirst],
                _ => vec![RankStrategy::AppendFast],
            };
        }
        let of_partition = |key: &&Vec<usize>| self.of.partition.iter().all(|column| key.contains(column));
        let gets_better = |field: &SortField| match trend(input, field.column) {
            Trend::Stays => true,
            Trend::Rises => field.descending,
            Trend::Falls => !field.descending,
            Trend::Any => false,
        };
        // A row that goes lets one in that is remembered by nobody else.
        let stay = !input.changelog.contains(RowKind::Delete);
        match input.upsert_keys.iter().find(of_partition) {
            Some(keys) if stay && self.of.order.iter().all(gets_better) => {
                vec![RankStrategy::UpdateFast { keys: keys.clone() }, RankStrategy::Retract]
            }
            _ => vec![RankStrategy::Retract],
        }
    }

    fn strategy(&self, input: &Node) -> RankStrategy {
        let settled = self.strategy.clone();
        settled.or_else(|| self.strategies(input).pop()).unwrap_or(RankStrategy::Retract)
    }

    /// The columns of the order that rows are compared by.
    fn compared(&self, input: &Node) -> Vec<SortField> {
        let has_value = |field: &&SortField| input.columns[field.column].time != Some(TimeAttribute::Proctime);
        self.of.order.iter().filter(has_value).copied().collect()
    }

    fn role(&self, input: &Node, wiring: &Wiring<'_>) -> Result<Role> {
        if let Some(Deduplicate { time, keep }) = self.deduplicate(input) {
            let spec = DeduplicateSpec {
                input: wiring.input(0),
                keys: self.of.partition.clone(),
                time,
                proctime_columns: proctime_columns(input),
                keep,
                input_changelog: wiring.input_changelog(0),
                emit_update_before: wiring.emit_update_before(),
                emit_insert: wiring.settings.deduplicate_insert,
                state_ttl_ms: wiring.settings.state_ttl_ms,
            };
            return spec.role();
        }
        let spec = RankSpec {
            input: wiring.input(0),
            partition: self.of.partition.clone(),
            order: self.compared(input),
            strategy: self.strategy(input),
            range: self.of.range,
            emit_rank: self.of.emit_rank,
            emit_update_before: wiring.emit_update_before(),
            state_ttl_ms: wiring.settings.state_ttl_ms,
            output: wiring.output(),
        };
        spec.role()
    }
}

/// The ranks of so many rows behind the first ones.
pub(super) fn range_of(offset: u64, rows: u64) -> Result<RankRange> {
    match offset.checked_add(rows) {
        Some(end) if end <= i64::MAX as u64 => Ok(RankRange::Constant { start: offset + 1, end }),
        _ => Err(Error::invalid("LIMIT and OFFSET are too large together")),
    }
}

fn proctime_columns(input: &Node) -> Vec<usize> {
    let columns = input.columns.iter().enumerate();
    columns.filter(|(_, c)| c.time == Some(TimeAttribute::Proctime)).map(|(i, _)| i).collect()
}

fn only(inputs: &[Node]) -> Result<&Node> {
    inputs.first().ok_or_else(|| Error::internal("a ranking without an input"))
}

impl StreamOp for Rank {
    /// The first row by time is never replaced.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        let input = only(inputs)?;
        self.check_order(input)?;
        let keep = self.deduplicate(input).map(|d| d.keep);
        Ok(match keep {
            Some(DeduplicateKeep::First | DeduplicateKeep::FirstOnWatermark) => ChangelogMode::INSERT_ONLY,
            Some(DeduplicateKeep::Last) | None => ChangelogMode::ALL,
        })
    }

    fn alternatives(&self, inputs: &[Node], _: Updates) -> Vec<Alternative> {
        let Some(input) = inputs.first() else { return Vec::new() };
        let way = |strategy: RankStrategy| {
            let asked = match strategy {
                RankStrategy::UpdateFast { .. } => Updates::OnlyAfter,
                RankStrategy::AppendFirst | RankStrategy::AppendFast | RankStrategy::Retract => Updates::BeforeAndAfter,
            };
            let settled = Rank { strategy: Some(strategy), ..self.clone() };
            let becomes = Some(Op::Rank(Box::new(settled)));
            Alternative { becomes, ..Alternative::asking(inputs, asked) }
        };
        self.strategies(input).into_iter().map(way).collect()
    }

    /// Keys of the input still name a row. One row of a partition is named by it, and any row by its rank.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        if self.keeps_one() {
            return vec![self.of.partition.clone()];
        }
        let width = inputs.first().map_or(0, |input| input.columns.len());
        let by_rank = self.of.emit_rank.then(|| self.of.partition.iter().copied().chain([width]).collect());
        let of_input = inputs.iter().flat_map(|input| input.upsert_keys.iter().cloned());
        by_rank.into_iter().chain(of_input).take(KEYS_MAX).collect()
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::by(&self.of.partition)]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let Some(input) = text.node.inputs.first() else { return "Rank".to_owned() };
        let strategy = match self.strategy(input) {
            RankStrategy::AppendFirst | RankStrategy::AppendFast => "AppendFastStrategy".to_owned(),
            RankStrategy::UpdateFast { keys } => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                format!("UpdateFastStrategy[{}]", keys.join(","))
            }
            RankStrategy::Retract => "RetractStrategy".to_owned(),
        };
        let order = print::order(&self.of.order, text.input());
        if let (RankRange::Constant { start, end }, true) = (self.of.range, self.sort_limit) {
            let (offset, rows) = (start - 1, end - (start - 1));
            return format!("SortLimit(orderBy=[{order}], offset=[{offset}], fetch=[{rows}], strategy=[{strategy}])");
        }
        let range = match self.of.range {
            RankRange::Constant { start, end } => format!("rankStart={start}, rankEnd={end}"),
            RankRange::Variable { end_column } => format!("rankEnd={}", text.input()[end_column]),
        };
        let rowtime = |field: &SortField| input.columns[field.column].time == Some(TimeAttribute::Rowtime);
        let order = if self.of.order.first().is_some_and(rowtime) { format!("ROWTIME {order}") } else { order };
        format!(
            "Rank(strategy=[{strategy}], rankType=[ROW_NUMBER], rankRange=[{range}], partitionBy=[{}], \
             orderBy=[{order}], select=[{}])",
            text.picked(&self.of.partition),
            text.own.join(", ")
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let input = only(&wiring.node.inputs)?;
        let read = wiring.meanings(0);
        let order = print::order(&self.of.order, read);
        let keys = wiring.keys_meaning(0, &self.of.partition);
        let rank = self.of.emit_rank.then(|| format!("row_number({keys}; {order})"));
        let columns = read.iter().cloned().chain(rank).collect();
        let meaning = format!("{keys}\n{order}");
        Ok(Wired { role: self.role(input, wiring)?, stateful: true, meaning, columns })
    }
}
