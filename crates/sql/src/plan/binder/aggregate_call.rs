//! Calls of aggregates: what may be written in them, and which function each form means.
//!
//! `ORDER BY` inside a call is refused: Flink's planner takes it and gives the rows in the order in which they came.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::{
    Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArgumentClause, JsonNullClause, NullTreatment,
};

use super::call::{argument, clause_name};
use super::expr::{ExprBinder, call};

/// What SQL may call, by its name there.
const AGGREGATES: [&str; 28] = [
    "$sum0",
    "array_agg",
    "avg",
    "bitmap_and_agg",
    "bitmap_and_cardinality_agg",
    "bitmap_build_agg",
    "bitmap_build_cardinality_agg",
    "bitmap_or_agg",
    "bitmap_or_cardinality_agg",
    "bitmap_xor_agg",
    "bitmap_xor_cardinality_agg",
    "collect",
    "count",
    "first_value",
    "json_arrayagg",
    "json_objectagg",
    "last_value",
    "listagg",
    "max",
    "min",
    "percentile",
    "single_value",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
];

/// Whether it is the name of an aggregate, in lower case.
pub(super) fn is_aggregate(name: &str) -> bool {
    name == "variance" || AGGREGATES.contains(&name)
}

/// A call as it was written.
pub(super) struct Written<'a> {
    pub(super) args: &'a [FunctionArg],
    pub(super) distinct: bool,
    pub(super) filter: Option<&'a Ast>,
    /// Behind the arguments.
    pub(super) clauses: &'a [FunctionArgumentClause],
    /// Behind the call.
    pub(super) nulls: Option<NullTreatment>,
}

impl ExprBinder<'_> {
    /// Types a call of an aggregate, and gives a reference to it.
    pub(super) fn aggregate(&mut self, name: &str, written: &Written<'_>) -> Result<Expr> {
        let upper = name.to_uppercase();
        if self.aggregates.is_none() {
            return Err(Error::invalid(format!("aggregate function '{upper}' in {}", self.clause))
                .with_hint("Aggregates belong in SELECT and HAVING."));
        }
        // Arguments are of one row: an aggregate in them has no meaning.
        let mut rows = ExprBinder::new(self.cx, self.scope, "an aggregate");
        let args = rows.written_arguments(name, written)?;
        let filter = written.filter.map(|f| rows.condition(f)).transpose()?;
        if args.is_empty() && name != "count" {
            return Err(Error::invalid(format!("function '{upper}' takes 1 argument, not 0")));
        }
        let function = meant(name, written)?;
        let args = arguments_of(name, args)?;
        match &mut self.aggregates {
            Some(aggregates) => aggregates.add(function, args, filter, written.distinct),
            None => Err(Error::internal("an aggregate without a place")),
        }
    }

    /// Binds what stands between the parentheses.
    pub(super) fn written_arguments(&mut self, name: &str, written: &Written<'_>) -> Result<Vec<Expr>> {
        match written.args {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name == "count" => Ok(Vec::new()),
            args if name == "json_objectagg" => self.key_and_value(args),
            args => args.iter().map(|a| self.bind(argument(a, name)?)).collect(),
        }
    }

    /// `[KEY] k VALUE v`
    fn key_and_value(&mut self, args: &[FunctionArg]) -> Result<Vec<Expr>> {
        match args {
            [FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(value), operator: _ }] => {
                Ok(vec![self.bind(name)?, self.bind(value)?])
            }
            _ => Err(Error::invalid("JSON_OBJECTAGG takes a key and a value").with_hint("Write KEY k VALUE v.")),
        }
    }
}

/// The function that a call means with its clauses.
pub(super) fn meant(name: &str, written: &Written<'_>) -> Result<&'static str> {
    let is_json = matches!(name, "json_arrayagg" | "json_objectagg");
    if is_json && (written.distinct || written.filter.is_some()) {
        return Err(Error::invalid(format!("DISTINCT or FILTER with '{}'", name.to_uppercase()))
            .with_hint("Take the rows apart in a subquery."));
    }
    let (mut nulls, mut json) = (written.nulls, None);
    for clause in written.clauses {
        match clause {
            FunctionArgumentClause::IgnoreOrRespectNulls(treatment) if nulls.is_none() => nulls = Some(*treatment),
            FunctionArgumentClause::JsonNullClause(clause) if is_json && json.is_none() => json = Some(clause),
            other => return Err(Error::unsupported(clause_name(other))),
        }
    }
    if nulls.is_some() && name != "array_agg" {
        return Err(Error::invalid(format!("IGNORE NULLS or RESPECT NULLS with '{}'", name.to_uppercase()))
            .with_hint("Only ARRAY_AGG says what becomes of nulls."));
    }
    Ok(match (name, json) {
        ("array_agg", _) if nulls == Some(NullTreatment::IgnoreNulls) => "array_agg_ignore_nulls",
        ("json_arrayagg", None | Some(JsonNullClause::AbsentOnNull)) => "json_arrayagg_absent_on_null",
        ("json_arrayagg", Some(JsonNullClause::NullOnNull)) => "json_arrayagg_null_on_null",
        ("json_objectagg", None | Some(JsonNullClause::NullOnNull)) => "json_objectagg_null_on_null",
        ("json_objectagg", Some(JsonNullClause::AbsentOnNull)) => "json_objectagg_absent_on_null",
        // Two names of one function each.
        ("stddev", _) => "stddev_samp",
        ("variance", _) => "var_samp",
        _ => AGGREGATES.iter().find(|known| **known == name).copied().unwrap_or_default(),
    })
}

/// The arguments as the function takes them.
pub(super) fn arguments_of(name: &str, mut args: Vec<Expr>) -> Result<Vec<Expr>> {
    match (name, args.as_slice()) {
        ("listagg", [_, delimiter]) => check_delimiter(delimiter)?,
        ("percentile", [_, places, ..]) => check_places(places)?,
        ("json_arrayagg" | "json_objectagg", [.., value]) => {
            let value = json_of(value)?;
            args.pop();
            args.push(value);
        }
        _ => {}
    }
    Ok(args)
}

fn check_delimiter(delimiter: &Expr) -> Result<()> {
    match delimiter {
        Expr::Literal { value: Value::String(_), .. } => Ok(()),
        _ => Err(Error::invalid("the second argument of LISTAGG is no text literal")
            .with_hint("Values are separated by the same text everywhere: LISTAGG(x, ', ').")),
    }
}

/// A literal, or an array of literals, between 0 and 1.
fn check_places(places: &Expr) -> Result<()> {
    let places = match places {
        Expr::Call { function, args, .. } if function.name == "array" => args.as_slice(),
        one => std::slice::from_ref(one),
    };
    let is_place = |place: &Expr| literal_number(place).is_some_and(|p| (0.0..=1.0).contains(&p));
    if places.iter().all(is_place) {
        return Ok(());
    }
    Err(Error::invalid("the second argument of PERCENTILE is no literal between 0 and 1")
        .with_hint("Write PERCENTILE(x, 0.5), or PERCENTILE(x, ARRAY[0.25, 0.75])."))
}

fn literal_number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal { value: Value::Int(v), .. } => Some(*v as f64),
        Expr::Literal { value: Value::DoubleBits(bits), .. } => Some(f64::from_bits(*bits)),
        Expr::Literal { value: Value::Decimal(v), ty: LogicalType { kind: TypeKind::Decimal { scale, .. }, .. } } => {
            Some(*v as f64 / 10_f64.powi(i32::from(*scale)))
        }
        Expr::Cast { input, .. } => literal_number(input),
        _ => None,
    }
}

/// What is JSON already stays; anything else becomes it.
fn json_of(value: &Expr) -> Result<Expr> {
    match flott_functions::is_json_call(value, &|_| false) {
        true => Ok(value.clone()),
        false => call("json_string", vec![value.clone()]),
    }
}
