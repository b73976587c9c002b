//! Appends what functions give that run in a process beside the job.

use flott_api::expr::Expr;
use flott_api::function::{CallArgument, FunctionCall};
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{PythonCalcSpec, Spec};

use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct PythonCalc {
    /// The columns that go on, before the results.
    pub(in crate::plan) forwarded: Vec<usize>,
    /// Calls of columns, and of other calls.
    pub(in crate::plan) calls: Vec<Expr>,
}

/// What the process is told of a call.
pub(super) fn call(expr: &Expr) -> Result<FunctionCall> {
    let Expr::Call { function, args, .. } = expr else {
        return Err(Error::internal("what runs beside the job is no call"));
    };
    let user = function.user.as_deref().ok_or_else(|| Error::internal("a built-in function runs beside the job"))?;
    let argument = |arg: &Expr| match arg {
        Expr::Column { index, .. } => Ok(CallArgument::Column(*index)),
        other => call(other).map(|call| CallArgument::Call(Box::new(call))),
    };
    let args = args.iter().map(argument).collect::<Result<_>>()?;
    Ok(FunctionCall { name: function.called().to_owned(), function: user.clone(), args })
}

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
            calls: self.calls.iter().map(call).collect::<Result<_>>()?,
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
