//! The first rows of each window and partition, when the window is over; and the first or last row by time, which is a
//! deduplication.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::Role;
use flott_graph::spec::{RankRange, SortField, Spec, WindowDeduplicateSpec, WindowRankSpec};

use super::Distribution;
use crate::plan::TimeAttribute;
use crate::plan::print;
use crate::plan::rel::{Rank, WindowBounds, window_bounds};
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct WindowRank {
    /// The partition's columns besides the bounds of the window.
    keys: Vec<usize>,
    order: Vec<SortField>,
    /// The first and the last rank.
    ranks: (u64, u64),
    emit_rank: bool,
    bounds: WindowBounds,
    /// The rowtime of a deduplication.
    deduplicates: Option<usize>,
}

impl WindowRank {
    /// The ranking of windows that a ranking is; nothing if its partitions are not those of a window.
    ///
    /// # Errors
    /// If it ranks windows in a way that is not supported.
    pub(in crate::plan) fn of(rank: &Rank, input: &Node) -> Result<Option<WindowRank>> {
        let Some(bounds) = window_bounds(&input.columns, &rank.partition) else { return Ok(None) };
        let RankRange::Constant { start, end } = rank.range else {
            return Err(Error::unsupported("a Top-N of windows up to a rank in a column"));
        };
        if bounds.window.time == TimeAttribute::Proctime {
            return Err(Error::unsupported("a Top-N of windows of processing time"));
        }
        if !input.changelog.is_insert_only() {
            return Err(Error::unsupported("a Top-N of windows of a table with updates"));
        }
        let time = |field: &SortField| input.columns[field.column].time;
        if let Some(field) = rank.order.iter().find(|field| time(field) == Some(TimeAttribute::Proctime)) {
            return Err(Error::unsupported("a Top-N of windows by processing time")
                .with_detail(format!("The order has the column '{}'.", input.columns[field.column].name)));
        }
        let deduplicates = match rank.order.as_slice() {
            [field] if (start, end) == (1, 1) && !rank.emit_rank && time(field).is_some() => Some(field.column),
            _ => None,
        };
        let keys = rank.partition.iter().copied().filter(|key| ![bounds.start, bounds.end].contains(key)).collect();
        let (order, emit_rank) = (rank.order.clone(), rank.emit_rank);
        Ok(Some(WindowRank { keys, order, ranks: (start, end), emit_rank, bounds, deduplicates }))
    }

    fn keeps_last(&self) -> bool {
        self.order.first().is_some_and(|field| field.descending)
    }

    fn role(&self, wiring: &Wiring<'_>) -> Result<Role> {
        let (input, window_end, keys) = (wiring.input(0), self.bounds.end, self.keys.clone());
        let zone = wiring.zone_of(self.bounds.window.is_local);
        if let Some(rowtime) = self.deduplicates {
            let keep_last = self.keeps_last();
            return WindowDeduplicateSpec { input, window_end, zone, keys, rowtime, keep_last }.role();
        }
        let spec = WindowRankSpec {
            input,
            window_end,
            zone,
            keys,
            order: self.order.clone(),
            rank_start: self.ranks.0,
            rank_end: self.ranks.1,
            emit_rank: self.emit_rank,
            output: wiring.output(),
        };
        spec.role()
    }
}

impl StreamOp for WindowRank {
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        Ok(ChangelogMode::INSERT_ONLY)
    }

    /// Of a window and partition one row is named by them alone, and any row by its rank.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        let width = inputs.first().map_or(0, |input| input.columns.len());
        let rank = self.emit_rank.then_some(width);
        let key = || [self.bounds.start, self.bounds.end].into_iter().chain(self.keys.iter().copied()).chain(rank);
        let is_named = self.emit_rank || self.ranks.0 == self.ranks.1;
        is_named.then(|| key().collect()).into_iter().collect()
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::by(&self.keys)]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let window = print::attached_text(&self.bounds, text.input());
        let keys = text.picked(&self.keys);
        if let Some(rowtime) = self.deduplicates {
            let keep = if self.keeps_last() { "LastRow" } else { "FirstRow" };
            let time = &text.input()[rowtime];
            return format!(
                "WindowDeduplicate(window=[{window}], keep=[{keep}], partitionKeys=[{keys}], orderKey=[{time}], \
                 order=[ROWTIME])"
            );
        }
        format!(
            "WindowRank(window=[{window}], rankType=[ROW_NUMBER], rankRange=[rankStart={}, rankEnd={}], \
             partitionBy=[{keys}], orderBy=[{}], select=[{}])",
            self.ranks.0,
            self.ranks.1,
            print::order(&self.order, text.input()),
            text.own.join(", ")
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let read = wiring.meanings(0);
        let order = print::order(&self.order, read);
        let keys = wiring.keys_meaning(0, &self.keys);
        let rank = self.emit_rank.then(|| format!("row_number({keys}; {order})"));
        let columns = read.iter().cloned().chain(rank).collect();
        let meaning = format!("{keys}\n{order}\n{}", read[self.bounds.end]);
        Ok(Wired { role: self.role(wiring)?, stateful: true, meaning, columns })
    }
}
