//! The JSON functions with clauses of their own. A clause becomes a literal argument; what `RETURNING` says becomes a
//! null of that type.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result};
use sqlparser::ast::{Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, JsonNullClause};

use super::call::{argument, clause_name};
use super::expr::{ExprBinder, call};
use super::{literal, syntax};
use crate::parser::ast::view::{IsJson, JsonBehaviour, JsonCall, JsonWrapper};

/// Whether a function of that name has clauses of its own.
pub(super) fn has_clauses(name: &str) -> bool {
    matches!(name, "json_exists" | "json_value" | "json_query" | "json_object" | "json_array" | "json")
}

impl ExprBinder<'_> {
    /// Types a call of one of the functions.
    pub(super) fn json_call(
        &mut self,
        name: &str,
        function: &Function,
        args: &[FunctionArg],
        clauses: &[FunctionArgumentClause],
    ) -> Result<Expr> {
        match name {
            "json_object" => self.json_object(args, clauses),
            "json_array" => self.json_array(args, clauses),
            "json" => Err(Error::invalid("JSON stands outside of JSON_OBJECT and JSON_ARRAY")
                .with_hint("It puts JSON into them as it is: JSON_OBJECT('a' VALUE JSON('{}')).")),
            _ => match JsonCall::of(function)? {
                Some(written) => self.json_lookup(name, &written),
                None => Err(Error::invalid(format!("function '{}' takes a JSON text and a path", name.to_uppercase()))),
            },
        }
    }

    /// `input IS [NOT] JSON kind`
    pub(super) fn is_json(&mut self, written: &IsJson<'_>) -> Result<Expr> {
        let name = format!("is_json_{}", written.kind.to_lowercase());
        let test = self.call_on(&name, &[written.input])?;
        if written.negated { call("not", vec![test]) } else { Ok(test) }
    }

    fn json_lookup(&mut self, name: &str, written: &JsonCall<'_>) -> Result<Expr> {
        let mut args = vec![self.bind(written.input)?, self.bind(written.path)?];
        if name == "json_exists" {
            args.push(literal::string(word(written.on_error.as_ref(), "FALSE")));
            return call(name, args);
        }
        let returning = written.returning.as_ref().map_or(Ok(LogicalType::string()), syntax::returned_type)?;
        args.push(Expr::literal(Value::Null, returning.clone().with_nullable(true)));
        if name == "json_query" {
            args.push(literal::string(match written.wrapper {
                None | Some(JsonWrapper::Without) => "WITHOUT",
                Some(JsonWrapper::Conditional) => "CONDITIONAL",
                Some(JsonWrapper::Unconditional) => "UNCONDITIONAL",
            }));
        }
        for behaviour in [written.on_empty.as_ref(), written.on_error.as_ref()] {
            args.push(literal::string(word(behaviour, "NULL")));
            if name == "json_value" {
                args.push(match behaviour {
                    Some(JsonBehaviour::Default(value)) => self.bind(value)?,
                    _ => Expr::literal(Value::Null, returning.clone().with_nullable(true)),
                });
            }
        }
        call(name, args)
    }

    fn json_object(&mut self, args: &[FunctionArg], clauses: &[FunctionArgumentClause]) -> Result<Expr> {
        let mut entries = Vec::with_capacity(2 * args.len());
        for arg in args {
            let FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(value), operator: _ } = arg else {
                return Err(Error::invalid("JSON_OBJECT takes names with values").with_hint("Write KEY k VALUE v."));
            };
            entries.push(self.bind(name)?);
            entries.push(self.json_item(value)?);
        }
        let raw = entries.iter().skip(1).step_by(2).map(is_json).collect();
        made("json_object", on_null(clauses, "NULL")?, raw, entries)
    }

    fn json_array(&mut self, args: &[FunctionArg], clauses: &[FunctionArgumentClause]) -> Result<Expr> {
        if args.is_empty() && !clauses.is_empty() {
            return Err(Error::invalid("JSON_ARRAY says what becomes of nulls, and has no values"));
        }
        let items: Vec<Expr> =
            args.iter().map(|a| self.json_item(argument(a, "json_array")?)).collect::<Result<_>>()?;
        let raw = items.iter().map(is_json).collect();
        made("json_array", on_null(clauses, "ABSENT")?, raw, items)
    }

    /// A value of an object or array; only here `JSON(..)` has a meaning.
    fn json_item(&mut self, ast: &Ast) -> Result<Expr> {
        match ast {
            Ast::Nested(inner) => self.json_item(inner),
            Ast::Function(function) if super::call::function_name(&function.name).is_ok_and(|n| n == "json") => {
                let (args, _, clauses) = super::call::arguments(&function.args)?;
                if let Some(clause) = clauses.first() {
                    return Err(Error::unsupported(clause_name(clause)));
                }
                let args = args.iter().map(|a| self.bind(argument(a, "json")?)).collect::<Result<_>>()?;
                call("json", args)
            }
            ast => self.bind(ast),
        }
    }
}

/// Arguments of a call that makes JSON before its names and values.
const CLAUSES: usize = 2;

/// The first arguments of a call that makes JSON: what becomes of nulls, and which values are JSON already.
fn made(name: &str, on_null: &str, raw: String, values: Vec<Expr>) -> Result<Expr> {
    let clauses = [literal::string(on_null), literal::string(&raw)];
    call(name, clauses.into_iter().chain(values).collect())
}

fn is_json(value: &Expr) -> char {
    flag(value, &|_| false)
}

fn flag(value: &Expr, column: &dyn Fn(usize) -> bool) -> char {
    if flott_functions::is_json_call(value, column) { '1' } else { '0' }
}

/// The expression with its calls of `JSON_OBJECT` and `JSON_ARRAY` told which columns are JSON.
pub(in crate::plan) fn with_json_columns(expr: Expr, column: &dyn Fn(usize) -> bool) -> Expr {
    expr.transform(&mut |e| match e {
        Expr::Call { function, mut args, ty } => {
            let step = match function.name.as_str() {
                "json_object" => 2,
                "json_array" => 1,
                _ => return Expr::Call { function, args, ty },
            };
            let raw: String = args.iter().skip(CLAUSES + step - 1).step_by(step).map(|v| flag(v, column)).collect();
            args[CLAUSES - 1] = literal::string(&raw);
            Expr::Call { function, args, ty }
        }
        other => other,
    })
}

fn on_null(clauses: &[FunctionArgumentClause], default: &'static str) -> Result<&'static str> {
    let mut found = default;
    for clause in clauses {
        found = match clause {
            FunctionArgumentClause::JsonNullClause(JsonNullClause::NullOnNull) => "NULL",
            FunctionArgumentClause::JsonNullClause(JsonNullClause::AbsentOnNull) => "ABSENT",
            other => return Err(Error::unsupported(clause_name(other))),
        };
    }
    Ok(found)
}

/// The words of an `ON EMPTY` or `ON ERROR` clause.
fn word(behaviour: Option<&JsonBehaviour<'_>>, default: &'static str) -> &'static str {
    match behaviour {
        None => default,
        Some(JsonBehaviour::Null) => "NULL",
        Some(JsonBehaviour::Error) => "ERROR",
        Some(JsonBehaviour::Default(_)) => "DEFAULT",
        Some(JsonBehaviour::EmptyArray) => "EMPTY ARRAY",
        Some(JsonBehaviour::EmptyObject) => "EMPTY OBJECT",
        Some(JsonBehaviour::True) => "TRUE",
        Some(JsonBehaviour::False) => "FALSE",
        Some(JsonBehaviour::Unknown) => "UNKNOWN",
    }
}
