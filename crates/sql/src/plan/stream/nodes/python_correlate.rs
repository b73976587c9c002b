//! Joins each row with those that a table function gives for it in a process beside the job.

use flott_api::Result;
use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{PythonCorrelateSpec, Spec};

use super::correlate;
use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::rel::PythonCorrelate;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

impl StreamOp for PythonCorrelate {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        correlate::ways(inputs, wanted, self.condition.as_ref())
    }

    /// A row may become several.
    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let call = print::expr(&self.call, text.input(), text.style);
        format!("PythonCorrelate({})", correlate::described(&call, self.outer, self.condition.as_ref(), text))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let call = self.function_call()?;
        let read = wiring.meanings(0);
        let told = meaning::expression(&self.call, read);
        let own = (0..call.function.columns()?.len()).map(|i| format!("rows of {told}.{i}"));
        let columns = self.forwarded.iter().map(|column| read[*column].clone()).chain(own).collect();
        let spec = PythonCorrelateSpec {
            input: wiring.input(0),
            call,
            forwarded: self.forwarded.clone(),
            condition: self.condition.clone(),
            outer: self.outer,
            output: wiring.output(),
            session_zone: wiring.session_zone(),
        };
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }

    /// The call is none that must be cut out.
    fn expressions(&self) -> Vec<&Expr> {
        let Expr::Call { args, .. } = &self.call else { return Vec::new() };
        self.condition.iter().chain(args).collect()
    }
}
