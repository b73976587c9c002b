//! `GROUP BY` of a window in two phases: where rows are, and where their groups are.
//!
//! What is sent between them has the keys, the time of one row of the slice, and one column of bytes. Flink has the end of the
//! slice and a column for each thing that an aggregate remembers; `EXPLAIN` names them as Flink does.

use flott_api::table::ChangelogMode;
use flott_api::{Result, Schema};
use flott_graph::spec::{LocalWindowAggregateSpec, Spec, WindowAggregateSpec, WindowProperty, WindowTime};

use super::Distribution;
use super::two_phases::{put_together, sent};
use super::window_aggregate::window_key;
use super::window_table_function::need_time;
use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::rel::{WindowAggregate, property_name};
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring};

/// The first phase. Gives keys, time, bytes.
#[derive(Clone, Debug)]
pub(in crate::plan) struct LocalWindowAggregate {
    /// What both phases compute.
    pub(in crate::plan) whole: WindowAggregate,
    /// What the rows may be.
    pub(in crate::plan) rows_changelog: ChangelogMode,
}

/// The second phase. Gives keys, results, window properties.
#[derive(Clone, Debug)]
pub(in crate::plan) struct GlobalWindowAggregate {
    /// The first one.
    pub(in crate::plan) local: LocalWindowAggregate,
    /// The columns of the rows there.
    pub(in crate::plan) rows: Schema,
}

impl LocalWindowAggregate {
    fn retracts(&self) -> bool {
        !self.rows_changelog.is_insert_only()
    }

    fn is_attached(&self) -> bool {
        matches!(self.whole.time, WindowTime::Attached(_))
    }

    /// What the slice is called between the phases: `$slice_end`.
    fn slice(&self) -> &'static str {
        if self.is_attached() { "$window_end" } else { "$slice_end" }
    }

    /// The time as the second phase finds it: behind the keys.
    fn time_between(&self) -> WindowTime {
        let place = self.whole.keys.len();
        if self.is_attached() { WindowTime::Attached(place) } else { WindowTime::Rowtime(place) }
    }
}

impl StreamOp for LocalWindowAggregate {
    /// What comes are states, of which none is taken back; that there may be rows in them that were is what Flink says here.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        if let WindowTime::Rowtime(time) = self.whole.time {
            need_time(inputs, time)?;
        }
        Ok(self.rows_changelog)
    }

    /// A key comes with every batch.
    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let whole = &self.whole;
        let time = whole.time.column().map_or("proctime", |time| &text.input()[time]);
        let window = match self.is_attached() {
            true => print::attached_end_text(&whole.window, time),
            false => print::window_text(&whole.window, time, text.input()),
        };
        let keys = print::picked(&whole.keys, text.input()).into_iter().map(str::to_owned);
        let sent = sent(&whole.calls, self.retracts(), text.input());
        let sent = sent.into_iter().map(|(call, name)| format!("{call} AS {name}"));
        let slice = format!("slice_end('w$) AS {}", self.slice());
        let select = keys.chain(sent).chain([slice]).collect::<Vec<_>>().join(", ");
        format!("LocalWindowAggregate({}window=[{window}], select=[{select}])", text.group_by(&whole.keys))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let whole = &self.whole;
        let spec = LocalWindowAggregateSpec {
            zone: wiring.window_zone(&whole.time),
            input: wiring.input(0),
            time: whole.time.clone(),
            window: whole.window.clone(),
            keys: whole.keys.clone(),
            aggregates: whole.calls.clone(),
            input_changelog: self.rows_changelog,
            output: wiring.output(),
        };
        // The bytes are what all aggregates are made of, in order.
        let read = wiring.meanings(0);
        let keys = whole.keys.iter().map(|key| read[*key].clone());
        let time = meaning::time_text(&whole.time, read).to_owned();
        let columns = keys.chain([time]).chain(whole.calls.iter().map(|call| meaning::call(call, read))).collect();
        Ok(Wired { role: spec.role()?, stateful: false, meaning: String::new(), columns })
    }
}

impl StreamOp for GlobalWindowAggregate {
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        Ok(ChangelogMode::INSERT_ONLY)
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        window_key(&self.local.whole)
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::by(&(0..self.local.whole.keys.len()).collect::<Vec<_>>())]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let (whole, slice) = (&self.local.whole, self.local.slice());
        let window = match self.local.is_attached() {
            true => print::attached_end_text(&whole.window, slice),
            false => print::slice_text(&whole.window, slice),
        };
        let names: Vec<String> = self.rows.fields.iter().map(|f| f.name.clone()).collect();
        let calls = put_together(&whole.calls, self.local.retracts(), &names).into_iter().map(|(call, _)| call);
        let short = |property: &WindowProperty| property_name(*property).trim_start_matches("window_");
        let properties = whole.properties.iter().map(|property| format!("{}('w$)", short(property)));
        let (keys, rest) = text.own.split_at(whole.keys.len());
        let results = calls.chain(properties).zip(rest).map(|(value, name)| format!("{value} AS {name}"));
        let select = keys.iter().cloned().chain(results).collect::<Vec<_>>().join(", ");
        let positions: Vec<usize> = (0..keys.len()).collect();
        format!("GlobalWindowAggregate({}window=[{window}], select=[{select}])", text.group_by(&positions))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let (whole, between) = (&self.local.whole, self.local.time_between());
        let keys: Vec<usize> = (0..whole.keys.len()).collect();
        let zone = wiring.window_zone(&between);
        let read = wiring.meanings(0);
        let window = meaning::window_text(&whole.window, meaning::time_text(&between, read));
        let meaning = format!("{}\n{window} {zone}", wiring.keys_meaning(0, &keys));
        let spec = WindowAggregateSpec {
            zone,
            input: self.rows.clone(),
            time: whole.time.clone(),
            window: whole.window.clone(),
            keys: whole.keys.clone(),
            aggregates: whole.calls.clone(),
            input_changelog: self.local.rows_changelog,
            in_phases: true,
            properties: whole.properties.clone(),
            output: wiring.output(),
        };
        let (own, calls) = read.split_at(keys.len());
        let properties = whole.properties.iter().map(|property| format!("{window}.{property:?}"));
        let columns = own.iter().chain(calls.iter().skip(1)).cloned().chain(properties).collect();
        Ok(Wired { role: spec.role()?, stateful: true, meaning, columns })
    }
}
