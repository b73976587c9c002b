//! The language, as planner and operators see it.

use flott_api::env::Environment;
use flott_api::function::{Declaration, FunctionCalls, FunctionHost, FunctionProcess, UserFunction};
use flott_api::{BoxFuture, Result};

use crate::describe::describe;
use crate::process::PythonProcess;
use crate::settings::Defaults;

/// Functions in Python.
#[derive(Clone, Debug)]
pub struct PythonHost {
    defaults: Defaults,
}

impl PythonHost {
    /// With what holds where users say nothing.
    pub fn new(defaults: Defaults) -> Self {
        PythonHost { defaults }
    }
}

impl FunctionHost for PythonHost {
    fn describe(&self, declaration: &Declaration, environment: &Environment) -> Result<UserFunction> {
        describe(declaration, &self.defaults, environment)
    }

    fn start<'a>(
        &'a self,
        calls: &'a FunctionCalls,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Box<dyn FunctionProcess>>> {
        Box::pin(async move {
            let process = PythonProcess::start(calls, &self.defaults, environment).await?;
            Ok(Box::new(process) as Box<dyn FunctionProcess>)
        })
    }
}

#[cfg(test)]
mod tests;
