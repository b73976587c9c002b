//! Appends the columns of a window to each row.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result, RowKind};
use flott_graph::spec::{Spec, WindowKind, WindowTableFunctionSpec};

use super::Distribution;
use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

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

impl WindowTableFunction {
    /// Whether a row may have several windows, or come late: then a new row does not stand where the old one stood.
    fn moves_rows(&self) -> bool {
        !matches!(self.window, WindowKind::Tumble { .. })
    }

    fn is_session(&self) -> bool {
        !self.window.is_aligned()
    }
}

impl StreamOp for WindowTableFunction {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        need_time(inputs, self.time)?;
        Ok(united(inputs))
    }

    /// An update that may be in another window than what it replaces needs its `-U`.
    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        let replaces = |input: &Node| input.changelog.contains(RowKind::UpdateAfter) && !input.upsert_keys.is_empty();
        if wanted == Updates::OnlyAfter && self.moves_rows() && inputs.iter().any(replaces) {
            return Vec::new();
        }
        vec![Alternative::asking(inputs, wanted)]
    }

    /// Each of a row's windows makes a row of it.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        let of = |input: &Node| {
            let bounds = if self.moves_rows() { 2 } else { 0 };
            let width = input.columns.len();
            let with = |key: &Vec<usize>| key.iter().copied().chain(width..width + bounds).collect();
            input.upsert_keys.iter().map(with).collect::<Vec<_>>()
        };
        inputs.iter().flat_map(of).collect()
    }

    fn distribution(&self) -> Vec<Distribution> {
        if self.is_session() { vec![Distribution::by(self.window.keys())] } else { Vec::new() }
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let window = print::window_text(&self.window, &text.input()[self.time], text.input());
        format!("WindowTableFunction(window=[{window}])")
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let time = wiring.window_time(self.time);
        let zone = wiring.window_zone(&time);
        let (input, output, window) = (wiring.input(0), wiring.output(), self.window.clone());
        let read = wiring.meanings(0);
        let text = meaning::window_text(&self.window, &read[self.time]);
        let meaning = format!("{}\n{text} {zone}", wiring.keys_meaning(0, self.window.keys()));
        let spec = WindowTableFunctionSpec { input, time, window, zone, output };
        let bounds = ["start", "end", "time"].map(|bound| format!("{text}.{bound}"));
        let columns = read.iter().cloned().chain(bounds).collect();
        if self.is_session() {
            return Ok(Wired { role: spec.role()?, stateful: true, meaning, columns });
        }
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }
}
