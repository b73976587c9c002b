//! Calls of functions that users have created.
//!
//! A function in another language stays a call, which carries what the function is.
//!
//! A call of a function in SQL becomes the function's expression, with the arguments in the place of its parameters, so it
//! costs what the expression costs. What is not the same each time (`RAND()`) may therefore stand for a parameter that
//! is used once only.

use std::collections::BTreeMap;

use flott_api::expr::{Expr, FunctionId};
use flott_api::function::{FunctionKind, Language, UserFunction};
use flott_api::options::Options;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};
use flott_functions::{Volatility, implicit_cast, volatility};
use sqlparser::ast::{
    DuplicateTreatment, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Spanned,
};

use super::call::is_built_in;
use super::expr::{ExprBinder, coerce};
use super::syntax;
use crate::catalog::{CatalogFunction, FoundFunction, SqlFunction};
use crate::plan::expand::parse_expression;
use crate::plan::rel::Column;
use crate::plan::scope::{Scope, at_span};

/// How many nodes an expression may have that a call becomes: functions that call others twice double it each time.
const NODES_MAX: usize = 10_000;

impl ExprBinder<'_> {
    /// The function of a user that a name means.
    pub(super) fn user_function(&self, name: &ObjectName) -> Result<Option<FoundFunction>> {
        let parts = syntax::name_parts(name)?;
        let is_built_in = parts.len() == 1 && is_built_in(&parts[0].to_lowercase());
        self.cx.function(&parts, is_built_in)
    }

    /// A call of a function of a user.
    pub(super) fn user_call(&mut self, call: &Function, found: &FoundFunction) -> Result<Expr> {
        let name = found.path.to_string();
        match &found.function {
            CatalogFunction::Sql(function) => self.sql_call(call, &name, function),
            CatalogFunction::External(function) if function.kind == FunctionKind::Table => {
                Err(Error::invalid(format!("function '{name}' gives rows and no value"))
                    .with_hint(format!("Join with it: FROM t, LATERAL TABLE({name}(..)).")))
            }
            CatalogFunction::External(function) if function.kind == FunctionKind::Aggregate => {
                self.user_aggregate(call, &name, function)
            }
            CatalogFunction::External(function) => self.external_call(call, &name, function),
        }
    }

    /// A call of an aggregate function in another language.
    fn user_aggregate(&mut self, call: &Function, name: &str, function: &UserFunction) -> Result<Expr> {
        if let Some(over) = &call.over {
            return self.user_over(call, (name, function), over);
        }
        if self.aggregates.is_none() {
            return Err(Error::invalid(format!("aggregate function '{name}' in {}", self.clause))
                .with_hint("Aggregates belong in SELECT and HAVING."));
        }
        let mut bare = Function { filter: None, ..call.clone() };
        let mut distinct = false;
        if let FunctionArguments::List(list) = &mut bare.args {
            distinct = list.duplicate_treatment.take() == Some(DuplicateTreatment::Distinct);
        }
        let mut rows = ExprBinder::new(self.cx, self.scope, "an aggregate");
        let args = rows.user_arguments(&bare, name, function)?;
        let filter = call.filter.as_ref().map(|filter| rows.condition(filter)).transpose()?;
        if distinct && args.is_empty() {
            return Err(Error::invalid(format!("function '{name}' of DISTINCT nothing")));
        }
        let ty = function.returns.clone();
        let function = FunctionId::of_user(name, self.configured(function)?);
        match &mut self.aggregates {
            Some(aggregates) => Ok(aggregates.add_user(function, (args, filter, distinct), ty)),
            None => Err(Error::internal("an aggregate without a place")),
        }
    }

    /// A function as it is called under the configuration.
    pub(super) fn configured(&self, function: &UserFunction) -> Result<UserFunction> {
        let mut function = function.clone();
        if function.language == Language::Python {
            let configuration = self.cx.configuration();
            let said = std::mem::take(&mut function.options);
            function.options = python_configuration(&configuration);
            function.options.extend(said);
        }
        Ok(function)
    }

    /// A call of a table function in another language.
    pub(super) fn table_call(&mut self, call: &Function, found: &FoundFunction) -> Result<Expr> {
        let name = found.path.to_string();
        match &found.function {
            CatalogFunction::External(function) if function.kind == FunctionKind::Table => {
                self.external_call(call, &name, function)
            }
            _ => Err(Error::invalid(format!("function '{name}' gives a value and no rows"))
                .with_hint("Call it where a value may stand, as in SELECT.")),
        }
    }

    /// A call of a function in another language.
    fn external_call(&mut self, call: &Function, name: &str, function: &UserFunction) -> Result<Expr> {
        let args = self.user_arguments(call, name, function)?;
        let has_null = !function.null_call && args.iter().any(|arg| arg.ty().nullable);
        let ty = function.returns.clone().with_nullable(function.returns.nullable || has_null);
        let function = self.configured(function)?;
        Ok(Expr::Call { function: FunctionId::of_user(name, function), args, ty })
    }

    /// The arguments of a call as the function takes them.
    pub(super) fn user_arguments(&mut self, call: &Function, name: &str, function: &UserFunction) -> Result<Vec<Expr>> {
        match &function.parameters {
            Some(parameters) => self.arguments_of(call, name, parameters),
            None => self.arguments_as_they_are(call, name),
        }
    }

    /// The arguments of a function that takes whatever it is given.
    fn arguments_as_they_are(&mut self, call: &Function, name: &str) -> Result<Vec<Expr>> {
        let mut args = Vec::new();
        for (named, ast) in written(call, name)? {
            if let Some(named) = named {
                return Err(Error::invalid(format!("function '{name}' has no parameter '{named}'"))
                    .with_detail("It does not say how its parameters are called."));
            }
            let bound = self.bind(ast)?;
            if bound.ty().kind == TypeKind::Null {
                return Err(at_span(super::expr::illegal_null(), ast.span()));
            }
            args.push(bound);
        }
        Ok(args)
    }

    /// The expression of a function in SQL.
    fn sql_call(&mut self, call: &Function, name: &str, function: &SqlFunction) -> Result<Expr> {
        let args = self.arguments_of(call, name, &function.parameters.fields)?;
        let body = self.body(name, function)?;
        for (index, parameter) in function.parameters.fields.iter().enumerate() {
            if uses(&body, index) > 1 && is_volatile(&args[index]) {
                return Err(Error::unsupported(format!(
                    "RAND() and the like for parameter '{}' of '{name}'",
                    parameter.name
                ))
                .with_detail("The function uses it more than once, and would see several values.")
                .with_hint("Compute the value in a subquery first."));
            }
        }
        let result = body.replace(&mut |e| match e {
            Expr::Column { index, .. } => Some(args[*index].clone()),
            _ => None,
        });
        if nodes(&result) > NODES_MAX {
            return Err(Error::invalid(format!("function '{name}' is too large with the functions that it calls"))
                .with_detail(format!("It may have {NODES_MAX} nodes.")));
        }
        Ok(result)
    }

    /// The arguments in the order of the parameters, as values of their types.
    fn arguments_of(&mut self, call: &Function, name: &str, parameters: &[Field]) -> Result<Vec<Expr>> {
        let written = written(call, name)?;
        if written.len() != parameters.len() {
            let (takes, given) = (parameters.len(), written.len());
            return Err(Error::invalid(format!("function '{name}' takes {takes} arguments, not {given}"))
                .with_hint(format!("It is {}.", signature(name, parameters))));
        }
        let mut args: Vec<Option<Expr>> = vec![None; parameters.len()];
        for (place, (named, ast)) in written.into_iter().enumerate() {
            let index = match &named {
                None => place,
                Some(named) => parameters.iter().position(|p| p.name == *named).ok_or_else(|| {
                    Error::invalid(format!("function '{name}' has no parameter '{named}'"))
                        .with_hint(format!("It is {}.", signature(name, parameters)))
                })?,
            };
            let bound = self.bind(ast)?;
            let taken = taken(bound, &parameters[index], name).map_err(|e| at_span(e, ast.span()))?;
            if args[index].replace(taken).is_some() {
                return Err(Error::invalid(format!("parameter '{}' is given twice", parameters[index].name)));
            }
        }
        args.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| Error::internal("a parameter without an argument"))
    }

    /// The body of a function over its parameters.
    fn body(&self, name: &str, function: &SqlFunction) -> Result<Expr> {
        let columns = function.parameters.fields.iter().map(|f| Column::new(&f.name, f.ty.clone())).collect();
        let scope = Scope::of_columns(columns);
        if self.functions.iter().any(|open| open == name) {
            return Err(Error::invalid(format!("function '{name}' would call itself")));
        }
        let functions = self.functions.iter().map(String::as_str).chain([name]).map(str::to_owned).collect();
        let new = ExprBinder::new(self.cx, &scope, "the body of a function");
        let mut binder = ExprBinder { depth: self.depth, functions, ..new };
        let bound = parse_expression(&function.body).and_then(|ast| binder.bind(&ast));
        // A place in the catalog's text is no place in the user's statement.
        let bound = bound.map_err(|e| e.with_location(None).context(format!("function '{name}'")))?;
        let ty = function.returns.clone();
        Ok(match bound {
            // A time attribute that went through a function is one no longer.
            Expr::Column { .. } => Expr::Cast { input: Box::new(bound), ty, try_cast: false },
            other => coerce(other, &ty),
        })
    }
}

/// The arguments with their names, if they have one.
fn written<'a>(call: &'a Function, name: &str) -> Result<Vec<(Option<String>, &'a Ast)>> {
    let Function { name: _, uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group } = call;
    let FunctionArguments::List(list) = args else {
        return Err(Error::invalid(format!("function '{name}' has no arguments")));
    };
    let is_plain = !uses_odbc_syntax
        && *parameters == FunctionArguments::None
        && filter.is_none()
        && null_treatment.is_none()
        && over.is_none()
        && within_group.is_empty()
        && list.duplicate_treatment.is_none()
        && list.clauses.is_empty();
    if !is_plain {
        return Err(Error::invalid(format!("function '{name}' is no aggregate"))
            .with_hint("Only aggregates take DISTINCT, FILTER, OVER and the like."));
    }
    let argument = |arg: &'a FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(ast)) => Ok((None, ast)),
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(ast), .. } => Ok((Some(name.value.clone()), ast)),
        _ => Err(Error::invalid(format!("function '{name}' takes values and nothing else"))),
    };
    list.args.iter().map(argument).collect()
}

/// An argument as a value of its parameter.
fn taken(arg: Expr, parameter: &Field, name: &str) -> Result<Expr> {
    if implicit_cast(arg.ty(), &parameter.ty) {
        // Whether it may be null is the parameter's business: the body was typed with that.
        return Ok(coerce(arg, &parameter.ty));
    }
    let error = Error::invalid(format!(
        "parameter '{}' of function '{name}' is {}, not {}",
        parameter.name,
        parameter.ty,
        arg.ty()
    ));
    Err(match arg.ty().nullable && !parameter.ty.nullable {
        true => error.with_hint("Say what is to stand for null: COALESCE(x, ..)."),
        false => error.with_hint(format!("Use CAST(.. AS {}).", parameter.ty.kind)),
    })
}

/// A function as its creator wrote it: `f(a INT, b STRING)`.
fn signature(name: &str, parameters: &[Field]) -> String {
    let parameter = |f: &Field| format!("{} {}", f.name, f.ty);
    let parameters: Vec<String> = parameters.iter().map(parameter).collect();
    format!("{name}({})", parameters.join(", "))
}

/// What the configuration says to the host of functions in Python.
pub(crate) fn python_configuration(options: &Options) -> BTreeMap<String, String> {
    let concerns = options.0.iter().filter(|(key, _)| is_for_python(key));
    concerns.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether the host of functions in Python reads such a key.
pub(crate) fn is_for_python(key: &str) -> bool {
    ["python.", "table.exec.async-scalar."].iter().any(|prefix| key.starts_with(prefix))
}

fn uses(body: &Expr, parameter: usize) -> usize {
    let mut uses = 0;
    body.visit(&mut |e| uses += usize::from(matches!(e, Expr::Column { index, .. } if *index == parameter)));
    uses
}

fn nodes(expr: &Expr) -> usize {
    let mut nodes = 0;
    expr.visit(&mut |_| nodes += 1);
    nodes
}

fn is_volatile(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |e| {
        found |= matches!(e, Expr::Call { function, .. } if volatility(function) == Volatility::Volatile);
    });
    found
}

/// The type of a body, as what it returns.
///
/// # Errors
/// If it is null alone, or of another type than what is said.
pub(in crate::plan) fn returned(body: &Expr, said: Option<&LogicalType>) -> Result<LogicalType> {
    let Some(said) = said else {
        return match body.ty().kind {
            TypeKind::Null => Err(super::expr::illegal_null()),
            _ => Ok(body.ty().clone()),
        };
    };
    if implicit_cast(body.ty(), said) {
        return Ok(said.clone());
    }
    Err(Error::invalid(format!("the function RETURNS {said}, and its expression is {}", body.ty()))
        .with_hint(format!("Use CAST(.. AS {}).", said.kind)))
}
