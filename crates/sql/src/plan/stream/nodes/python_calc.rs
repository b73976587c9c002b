//! Appends what functions give that run in a process beside the job.

use flott_api::Result;
use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{PythonCalcSpec, Spec};

use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::rel::PythonCalc;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

impl StreamOp for PythonCalc {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        vec![Alternative::asking(inputs, wanted)]
    }

    /// The keys whose columns all go on.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        let position = |column: &usize| self.forwarded.iter().position(|f| f == column);
        let through = |key: &Vec<usize>| key.iter().map(position).collect::<Option<Vec<usize>>>();
        inputs.iter().flat_map(|input| &input.upsert_keys).filter_map(through).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let columns = text.node.inputs.first().map(|input| input.columns.as_slice()).unwrap_or_default();
        let forwarded = self.forwarded.iter().filter_map(|f| columns.get(*f).map(|c| Expr::column(*f, c.ty.clone())));
        let exprs: Vec<Expr> = forwarded.chain(self.calls.iter().cloned()).collect();
        format!("PythonCalc(select=[{}])", print::select(&exprs, text.input(), &text.own, text.style))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = PythonCalcSpec {
            input: wiring.input(0),
            forwarded: self.forwarded.clone(),
            calls: self.function_calls()?,
            output: wiring.output(),
            session_zone: wiring.session_zone(),
        };
        let read = wiring.meanings(0);
        let forwarded = self.forwarded.iter().map(|column| read[*column].clone());
        let columns = forwarded.chain(self.calls.iter().map(|call| meaning::expression(call, read))).collect();
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.calls.iter().collect()
    }
}
