//! Calls of functions that run in a process beside the job.

use flott_api::expr::Expr;
use flott_api::function::{CallArgument, FunctionCall};
use flott_api::{Error, Result};

/// Calls for each row: columns of the input, then their results.
#[derive(Clone, Debug, PartialEq)]
pub struct PythonCalc {
    /// The columns that go on, before the results.
    pub forwarded: Vec<usize>,
    /// Calls of columns, and of other calls.
    pub calls: Vec<Expr>,
}

/// Each row joined with those that a table function gives for it: columns of the input, then of the function.
#[derive(Clone, Debug, PartialEq)]
pub struct PythonCorrelate {
    /// The call, of columns and of other calls.
    pub call: Expr,
    /// The columns of the input that go on, before those of the function.
    pub forwarded: Vec<usize>,
    /// Which pairs count, over the columns that go on and then of the function.
    pub condition: Option<Expr>,
    /// Whether a row without a pair comes with nulls.
    pub outer: bool,
}

impl PythonCalc {
    /// What the process is told of the calls.
    ///
    /// # Errors
    /// If one is no call of columns; a bug.
    pub fn function_calls(&self) -> Result<Vec<FunctionCall>> {
        self.calls.iter().map(call).collect()
    }
}

impl PythonCorrelate {
    /// What the process is told of the call.
    ///
    /// # Errors
    /// If it is no call of columns; a bug.
    pub fn function_call(&self) -> Result<FunctionCall> {
        call(&self.call)
    }
}

/// What the process is told of a call.
fn call(expr: &Expr) -> Result<FunctionCall> {
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
