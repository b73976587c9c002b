//! `GROUP BY` of a window and more.

use flott_api::Result;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{Spec, WindowAggregateSpec, WindowKind, WindowProperty, WindowTime};

use super::Distribution;
use super::window_table_function::need_time;
use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::rel::{WindowAggregate, property_name};
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring};

/// The key of the results: without what tells its window a result has none, as there is one for every window.
pub(super) fn window_key(aggregate: &WindowAggregate) -> Vec<Vec<usize>> {
    // Windows that grow have one start.
    let grows = matches!(aggregate.window, WindowKind::Cumulate { .. });
    let tells = |property: &WindowProperty| *property != WindowProperty::Start || !grows;
    if !aggregate.properties.iter().any(tells) {
        return Vec::new();
    }
    let (keys, first) = (aggregate.keys.len(), aggregate.keys.len() + aggregate.calls.len());
    vec![(0..keys).chain((0..aggregate.properties.len()).map(|i| first + i)).collect()]
}

impl StreamOp for WindowAggregate {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        if let WindowTime::Rowtime(time) = self.time {
            need_time(inputs, time)?;
        }
        // A window comes out once, whatever its rows became until then.
        Ok(ChangelogMode::INSERT_ONLY)
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        window_key(self)
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::by(&self.keys)]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let time = self.time.column().map_or("proctime", |time| &text.input()[time]);
        let retract = text.node.inputs.iter().any(|input| !input.changelog.is_insert_only());
        let mut select = text.results(&self.keys, &self.calls, retract);
        let short = |property: WindowProperty| property_name(property).trim_start_matches("window_");
        let properties = self.properties.iter().zip(&text.own[select.len()..]);
        let properties: Vec<String> = properties.map(|(p, name)| format!("{}('w$) AS {name}", short(*p))).collect();
        select.extend(properties);
        let (name, window) = match self.time {
            _ if self.of_group => ("GroupWindowAggregate", print::group_window_text(&self.window, time)),
            WindowTime::Attached(end) => {
                ("WindowAggregate", print::attached_end_text(&self.window, &text.input()[end]))
            }
            _ => ("WindowAggregate", print::window_text(&self.window, time, text.input())),
        };
        format!("{name}({}window=[{window}], select=[{}])", text.group_by(&self.keys), select.join(", "))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let zone = wiring.window_zone(&self.time);
        let read = wiring.meanings(0);
        let window = meaning::window_text(&self.window, meaning::time_text(&self.time, read));
        let meaning = format!("{}\n{window} {zone}", wiring.keys_meaning(0, &self.keys));
        let spec = WindowAggregateSpec {
            zone,
            input: wiring.input(0),
            time: self.time.clone(),
            window: self.window.clone(),
            keys: self.keys.clone(),
            aggregates: self.calls.clone(),
            input_changelog: wiring.input_changelog(0),
            in_phases: false,
            properties: self.properties.clone(),
            output: wiring.output(),
        };
        let columns = meaning::of_window_aggregate(self, read);
        Ok(Wired { role: spec.role()?, stateful: true, meaning, columns })
    }
}
