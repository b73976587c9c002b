//! Appends the columns of a window to each row.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{Spec, WindowKind, WindowTableFunctionSpec};

use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct WindowTableFunction {
    /// The time column.
    pub(in crate::plan) time: usize,
    /// The windows.
    pub(in crate::plan) window: WindowKind,
}

/// A window is cut on a time attribute. A column may have lost that on the way.
pub(super) fn need_time(inputs: &[Node], time: usize) -> Result<()> {
    let column = inputs.first().and_then(|input| input.columns.get(time));
    match column {
        Some(column) if column.time.is_none() => {
            Err(Error::invalid(format!("column '{}' is no time attribute here", column.name))
                .with_detail("A regular join keeps rows for any time, so what comes out of it is in no order of time."))
        }
        _ => Ok(()),
    }
}

impl StreamOp for WindowTableFunction {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        need_time(inputs, self.time)?;
        match united(inputs) {
            mode if mode.is_insert_only() => Ok(mode),
            _ => Err(Error::unsupported("a window over a table with updates")),
        }
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        inputs.iter().flat_map(|input| input.upsert_keys.clone()).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let window = print::window_text(&self.window, &text.input()[self.time], text.input());
        format!("WindowTableFunction(window=[{window}])")
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let time = wiring.window_time(self.time);
        let zone = wiring.window_zone(&time);
        let (input, output, window) = (wiring.input(0), wiring.output(), self.window.clone());
        let spec = WindowTableFunctionSpec { input, time, window, zone, output };
        let read = wiring.meanings(0);
        let window = meaning::window_text(&self.window, &read[self.time]);
        let bounds = ["start", "end", "time"].map(|bound| format!("{window}.{bound}"));
        let columns = read.iter().cloned().chain(bounds).collect();
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }
}
