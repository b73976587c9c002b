//! Joins each row with those that a table function gives for it.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind};
use flott_graph::spec::{CorrelateSpec, Spec};

use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::rel::Correlate;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// What is told of a call and the rows that it becomes.
pub(super) fn described(call: &str, outer: bool, condition: Option<&Expr>, text: &Text<'_>) -> String {
    let kind = if outer { "LEFT" } else { "INNER" };
    let own = text.own.join(",");
    let row = print::record(&text.node.columns);
    let condition = condition.map(|c| print::expr(c, &text.own, text.style));
    let condition = condition.map(|c| format!(", condition=[{c}]")).unwrap_or_default();
    format!(
        "invocation=[{call}], correlate=[table({call})], select=[{own}], rowType=[{row}], joinType=[{kind}]{condition}"
    )
}

/// The condition may drop what an old row gave and keep what the new one gives.
pub(super) fn ways(inputs: &[Node], wanted: Updates, condition: Option<&Expr>) -> Vec<Alternative> {
    let updates = inputs.iter().any(|input| input.changelog.contains(RowKind::UpdateAfter));
    if wanted == Updates::OnlyAfter && updates && condition.is_some() {
        return Vec::new();
    }
    vec![Alternative::asking(inputs, wanted)]
}

impl StreamOp for Correlate {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        ways(inputs, wanted, self.condition.as_ref())
    }

    /// A row may become several.
    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let call = print::table_function(&self.function, text.input(), text.style);
        format!("Correlate({})", described(&call, self.outer, self.condition.as_ref(), text))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = CorrelateSpec {
            input: wiring.input(0),
            function: self.function.clone(),
            condition: self.condition.clone(),
            outer: self.outer,
            output: wiring.output(),
            session_zone: wiring.session_zone(),
        };
        let read = wiring.meanings(0);
        let call = meaning::expression(self.function.argument(), read);
        let own = (read.len()..wiring.node.columns.len()).map(|i| format!("rows of {call}.{i}"));
        Ok(Wired { columns: read.iter().cloned().chain(own).collect(), ..wiring.passing_on(spec.role()?) })
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.condition.iter().chain([self.function.argument()]).collect()
    }
}
