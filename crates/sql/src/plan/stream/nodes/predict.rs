//! Appends what a model answers for each row.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{MlPredictTableFunctionSpec, Spec};

use crate::plan::lower::meaning;
use crate::plan::print::{self, Style};
use crate::plan::rel::Predict;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring};

impl StreamOp for Predict {
    /// What is asked again need not be answered as before: an old row could not be taken back.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        match inputs.iter().find(|input| !input.changelog.is_insert_only()) {
            None => Ok(ChangelogMode::INSERT_ONLY),
            Some(input) => Err(Error::invalid(format!("{} does not take the updates of its table", self.call.name))
                .with_detail(format!("They come from {}. A model need not answer twice the same.", print::node(input)))
                .with_hint("Give it what is only appended to: a log, or an aggregation in windows.")),
        }
    }

    /// A row may become several.
    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        // Flink shows the call as a logical one in all plans.
        let (call, row) = (print::invocation(&self.call, Style::Prefix), print::record(&text.node.columns));
        format!("MLPredictTableFunction(invocation=[{call}], rowType=[{row}])")
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = MlPredictTableFunctionSpec {
            input: wiring.input(0),
            model: self.model.clone(),
            arguments: self.arguments.clone(),
            asynchronous: self.asynchronous,
            output: wiring.output(),
            session_zone: wiring.session_zone(),
        };
        let read = wiring.meanings(0);
        let asked: Vec<String> = self.arguments.iter().map(|argument| meaning::expression(argument, read)).collect();
        let answer = |name: &str| format!("{name} of {}({})", self.model.model, asked.join(", "));
        let own = self.model.output.fields.iter().map(|field| answer(&field.name));
        let columns = read.iter().cloned().chain(own).collect();
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.arguments.iter().collect()
    }
}
