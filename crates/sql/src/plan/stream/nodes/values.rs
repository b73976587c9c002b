//! Constant rows.

use flott_api::Result;
use flott_api::expr::Value;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{Spec, ValuesSpec};

use crate::plan::print::{self, Style};
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Values {
    /// A value a column.
    pub(in crate::plan) rows: Vec<Vec<Value>>,
}

impl StreamOp for Values {
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        Ok(ChangelogMode::INSERT_ONLY)
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let columns = &text.node.columns;
        let ty = match text.style {
            Style::Infix => String::new(),
            Style::Logical | Style::Prefix => format!("type=[{}], ", print::record(columns)),
        };
        format!("Values({ty}tuples=[{}])", print::tuples(&self.rows, columns))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = ValuesSpec { rows: self.rows.clone(), output: wiring.output() };
        let columns = (0..wiring.node.columns.len()).map(|i| format!("values.{i}")).collect();
        Ok(Wired { role: spec.role()?, stateful: false, meaning: String::new(), columns })
    }
}
