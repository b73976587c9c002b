//! Calls of functions of users.

use flott_api::expr::Expr;
use flott_api::function::UserFunction;
use flott_api::{Error, Result};

use super::{Call, Compiler, Node};
use crate::operand::{Args, Operand};
use crate::registry::{Kernel, Volatility};

impl Compiler<'_> {
    /// A call of a function that its language runs within expressions.
    pub(super) fn user(&self, name: &str, function: &UserFunction, args: &[Expr]) -> Result<Node> {
        let environment = self
            .environment
            .ok_or_else(|| Error::internal(format!("function '{name}' of a user was called while planning")))?;
        let function_kernel = environment.functions.get(function.language)?.kernel(name, function, environment)?;
        let kernel: Kernel = Box::new(move |args: &Args<'_>| {
            let arrays = args.operands.iter().cloned().map(|o: Operand| o.into_array(args.rows));
            function_kernel.call(&arrays.collect::<Result<Vec<_>>>()?, args.rows)
        });
        // It is not computed here, be it of constants alone: a job calls it, and once a batch is often enough.
        let volatility = if function.deterministic { Volatility::Stable } else { Volatility::Volatile };
        let args = args.iter().map(|a| self.typed(a, a.ty())).collect::<Result<_>>()?;
        Ok(Node::Call(Call { kernel, args, volatility, fallible: true }))
    }
}
