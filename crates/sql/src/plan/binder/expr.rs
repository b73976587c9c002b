//! Expressions: syntax to [`Expr`], each node with its type, each coercion a cast.

use flott_api::error::Location;
use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, Expr as Ast, Ident,
    Spanned, Subscript, TrimWhereField, UnaryOperator, Value as AstValue, ValueWithSpan,
};

use super::aggregate::Aggregates;
use super::{Binder, literal, refuse, syntax};
use crate::parser::ast::ident_location;
use crate::parser::ast::view::{IsJson, map_items, symmetric_low};
use crate::plan::PlanContext;
use crate::plan::scope::{self, Scope, at_span};

/// How deep an expression may be: each level costs stack.
const DEPTH_MAX: usize = 256;

/// Binds the expressions of one clause.
pub(super) struct ExprBinder<'a> {
    /// Where functions of users are found.
    pub(super) cx: &'a dyn PlanContext,
    pub(super) scope: &'a Scope,
    /// The clause, for messages: `WHERE`.
    pub(super) clause: &'static str,
    /// Where aggregates go; without it they are refused.
    pub(super) aggregates: Option<&'a mut Aggregates>,
    /// The columns that were named, and where.
    pub(super) places: Vec<(usize, Location)>,
    pub(super) depth: usize,
    /// The functions of users whose bodies are being bound, for one that calls itself.
    pub(super) functions: Vec<String>,
}

impl Binder<'_> {
    /// A binder for a clause without aggregates.
    pub(super) fn exprs<'a>(&'a self, scope: &'a Scope, clause: &'static str) -> ExprBinder<'a> {
        ExprBinder::new(self.cx, scope, clause)
    }

    /// A binder for a clause with aggregates.
    pub(super) fn exprs_with_aggregates<'a>(
        &'a self,
        scope: &'a Scope,
        clause: &'static str,
        aggregates: &'a mut Aggregates,
    ) -> ExprBinder<'a> {
        ExprBinder { aggregates: Some(aggregates), ..self.exprs(scope, clause) }
    }
}

impl<'a> ExprBinder<'a> {
    /// A binder for a clause without aggregates.
    pub(super) fn new(cx: &'a dyn PlanContext, scope: &'a Scope, clause: &'static str) -> Self {
        ExprBinder { cx, scope, clause, aggregates: None, places: Vec::new(), depth: 0, functions: Vec::new() }
    }

    /// Types an expression.
    pub(super) fn bind(&mut self, ast: &Ast) -> Result<Expr> {
        if self.depth == DEPTH_MAX {
            let error = Error::invalid(format!("expression is nested deeper than {DEPTH_MAX} levels"));
            return Err(at_span(error, ast.span()));
        }
        self.depth += 1;
        let bound = self.bind_node(ast).map_err(|e| if e.location().is_none() { at_span(e, ast.span()) } else { e });
        self.depth -= 1;
        bound
    }

    /// Types an expression that must be a truth value.
    pub(super) fn condition(&mut self, ast: &Ast) -> Result<Expr> {
        let bound = self.bind(ast)?;
        if matches!(bound.ty().kind, TypeKind::Boolean) {
            return Ok(bound);
        }
        let error = Error::invalid(format!("{} has a condition of type {}", self.clause, bound.ty().kind))
            .with_hint("A condition must be a BOOLEAN: compare the value with something.");
        Err(at_span(error, ast.span()))
    }

    fn bind_node(&mut self, ast: &Ast) -> Result<Expr> {
        match ast {
            Ast::Identifier(name) => self.identifier(std::slice::from_ref(name)),
            Ast::CompoundIdentifier(parts) => self.identifier(parts),
            Ast::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Ast::Nested(inner) => self.bind(inner),
            Ast::Value(value) => literal::value(&value.value),
            Ast::TypedString(typed) => literal::typed(typed),
            Ast::Interval(interval) => literal::interval(interval),
            Ast::UnaryOp { op, expr } => self.unary(*op, expr),
            Ast::BinaryOp { left, op, right } => self.binary(ast, left, op, right),
            Ast::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Ast::Cast { kind, expr, data_type, array, format } => {
                if *array || format.is_some() {
                    return Err(Error::unsupported("CAST with FORMAT or ARRAY"));
                }
                self.cast(kind, expr, data_type)
            }
            Ast::Function(function) => self.function(function),
            Ast::Prefixed { prefix: _, value: _ } => match map_items(ast) {
                Some(items) => self.call_on("map", &items.iter().collect::<Vec<_>>()),
                None => Err(refuse::expression(ast)),
            },
            Ast::Tuple(values) => self.call_on("row", &values.iter().collect::<Vec<_>>()),
            Ast::Array(Array { elem, named: _ }) => self.call_on("array", &elem.iter().collect::<Vec<_>>()),
            _ => self.predicate(ast),
        }
    }

    /// Predicates, and functions with a syntax of their own.
    fn predicate(&mut self, ast: &Ast) -> Result<Expr> {
        match ast {
            Ast::IsTrue(e) => self.call_on("is true", &[e]),
            Ast::IsNotTrue(e) => self.call_on("is not true", &[e]),
            Ast::IsFalse(e) => self.call_on("is false", &[e]),
            Ast::IsNotFalse(e) => self.call_on("is not false", &[e]),
            Ast::IsUnknown(e) => self.call_on("is unknown", &[e]),
            Ast::IsNotUnknown(e) => self.call_on("is not unknown", &[e]),
            Ast::IsNull(e) => self.call_on("is null", &[e]),
            Ast::IsNotNull(e) => self.call_on("is not null", &[e]),
            Ast::IsDistinctFrom(a, b) => self.call_on("is distinct from", &[a, b]),
            Ast::IsNotDistinctFrom(a, b) => self.call_on("is not distinct from", &[a, b]),
            Ast::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Ast::Between { expr, negated, low, high } => self.between(expr, low, high, *negated),
            Ast::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like("like", *negated, expr, pattern, escape_char.as_ref())
            }
            Ast::SimilarTo { negated, expr, pattern, escape_char } => {
                self.like("similar", *negated, expr, pattern, escape_char.as_ref())
            }
            Ast::AnyOp { left, compare_op, right, is_some: _ } => {
                self.quantified((ast, left), compare_op, right, false)
            }
            Ast::AllOp { left, compare_op, right } => self.quantified((ast, left), compare_op, right, true),
            _ => self.special(ast),
        }
    }

    fn special(&mut self, ast: &Ast) -> Result<Expr> {
        match ast {
            Ast::Extract { field, syntax: _, expr } => {
                let unit = unit_literal(field);
                let value = self.bind(expr)?;
                call("extract", vec![unit, value])
            }
            Ast::Ceil { expr, field } => self.round_to("ceil", expr, field),
            Ast::Floor { expr, field } => self.round_to("floor", expr, field),
            Ast::Position { expr, r#in } => self.call_on("position", &[expr, r#in]),
            Ast::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                let args: Vec<&Ast> = [Some(expr), substring_from.as_ref(), substring_for.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(Box::as_ref)
                    .collect();
                if substring_from.is_none() {
                    return Err(Error::unsupported("SUBSTRING without FROM"));
                }
                self.call_on("substring", &args)
            }
            Ast::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                self.trim(*trim_where, trim_what.as_deref(), expr)
            }
            Ast::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let args = [Some(expr), Some(overlay_what), Some(overlay_from), overlay_for.as_ref()];
                self.call_on("overlay", &args.into_iter().flatten().map(Box::as_ref).collect::<Vec<_>>())
            }
            other => Err(refuse::expression(other)),
        }
    }

    fn identifier(&mut self, parts: &[Ident]) -> Result<Expr> {
        // The untyped truth value is a word, not a column, unless there is such a column.
        if let [word] = parts
            && word.quote_style.is_none()
            && word.value.eq_ignore_ascii_case("UNKNOWN")
            && !self.scope.columns.iter().any(|c| c.name == word.value)
        {
            return Ok(Expr::literal(Value::Null, LogicalType::new(TypeKind::Boolean)));
        }
        let bound = self.scope.resolve(parts)?;
        if let (Some(&index), Some(first)) = (bound.columns().first(), parts.first()) {
            self.places.push((index, ident_location(first)));
        }
        Ok(bound)
    }

    /// `a[1]`, `m['k']`, `f(x).field`.
    fn access(&mut self, root: &Ast, chain: &[AccessExpr]) -> Result<Expr> {
        let mut value = self.bind(root)?;
        for access in chain {
            value = match access {
                AccessExpr::Dot(Ast::Identifier(name)) => scope::field_access(value, name)?,
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = self.bind(index)?;
                    call("item", vec![value, index])?
                }
                AccessExpr::Dot(_) => return Err(Error::unsupported("this access to a field")),
                AccessExpr::Subscript(Subscript::Slice { .. }) => {
                    return Err(Error::unsupported("a slice of an array"));
                }
            };
        }
        Ok(value)
    }

    fn unary(&mut self, op: UnaryOperator, expr: &Ast) -> Result<Expr> {
        match op {
            UnaryOperator::Plus => self.bind(expr),
            UnaryOperator::Not => self.call_on("not", &[expr]),
            UnaryOperator::Minus => match expr {
                // The smallest integer has no positive twin.
                Ast::Value(ValueWithSpan { value: AstValue::Number(text, false), .. }) => literal::number(text, true),
                _ => self.call_on("negate", &[expr]),
            },
            other => Err(Error::unsupported(format!("the operator '{other}'"))),
        }
    }

    fn binary(&mut self, ast: &Ast, left: &Ast, op: &BinaryOperator, right: &Ast) -> Result<Expr> {
        let name = match op {
            BinaryOperator::And | BinaryOperator::Or => return self.chain(ast, op),
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::StringConcat => "||",
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            BinaryOperator::Overlaps => return self.overlaps(left, right),
            BinaryOperator::Custom(words) if words.is_empty() || words.ends_with(" TO") => {
                return self.difference(left, words, right);
            }
            other => match IsJson::of(ast) {
                Some(written) => return self.is_json(&written),
                None => return Err(Error::unsupported(format!("the operator '{other}'"))),
            },
        };
        self.call_on(name, &[left, right])
    }

    /// `a AND b AND c`: the tree of a long chain is as deep as the chain is long, ours is balanced.
    fn chain(&mut self, ast: &Ast, op: &BinaryOperator) -> Result<Expr> {
        let (mut operands, mut rest) = (Vec::new(), ast);
        while let Ast::BinaryOp { left, op: this, right } = rest
            && this == op
        {
            operands.push(right.as_ref());
            rest = left;
        }
        operands.push(rest);
        let bound = operands.into_iter().rev().map(|o| self.bind(o)).collect::<Result<Vec<_>>>()?;
        combine(if *op == BinaryOperator::And { "and" } else { "or" }, bound)
    }

    pub(super) fn in_list(&mut self, expr: &Ast, list: &[Ast], negated: bool) -> Result<Expr> {
        let value = self.bind(expr)?;
        let items = list.iter().map(|item| self.bind(item)).collect::<Result<Vec<_>>>()?;
        let constant = |e: &Expr| matches!(literal_value(e), Some(value) if *value != Value::Null);
        if items.len() > 1 && items.iter().all(constant) {
            return negate(call("in", std::iter::once(value).chain(items).collect())?, negated);
        }
        let equals = |item| call("=", vec![value.clone(), item]);
        negate(combine("or", items.into_iter().map(equals).collect::<Result<_>>()?)?, negated)
    }

    fn between(&mut self, expr: &Ast, low: &Ast, high: &Ast, negated: bool) -> Result<Expr> {
        let symmetric = symmetric_low(low);
        let value = self.bind(expr)?;
        let (low, high) = (self.bind(symmetric.unwrap_or(low))?, self.bind(high)?);
        let within = |low: Expr, high: Expr| {
            combine("and", vec![call(">=", vec![value.clone(), low])?, call("<=", vec![value.clone(), high])?])
        };
        let test = match symmetric {
            None => within(low, high)?,
            Some(_) => combine("or", vec![within(low.clone(), high.clone())?, within(high, low)?])?,
        };
        negate(test, negated)
    }

    fn like(
        &mut self,
        name: &str,
        negated: bool,
        expr: &Ast,
        pattern: &Ast,
        escape: Option<&ValueWithSpan>,
    ) -> Result<Expr> {
        let mut args = vec![self.bind(expr)?, self.bind(pattern)?];
        if let Some(escape) = escape {
            args.push(literal::value(&escape.value)?);
        }
        negate(call(name, args)?, negated)
    }

    fn round_to(&mut self, name: &str, expr: &Ast, field: &CeilFloorKind) -> Result<Expr> {
        let mut args = vec![self.bind(expr)?];
        match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {}
            CeilFloorKind::DateTimeField(unit) => args.push(unit_literal(unit)),
            CeilFloorKind::Scale(_) => return Err(Error::unsupported(format!("{} with a scale", name.to_uppercase()))),
        }
        call(name, args)
    }

    /// `TRIM(x)`, `TRIM(LEADING 'a' FROM x)`.
    fn trim(&mut self, side: Option<TrimWhereField>, what: Option<&Ast>, expr: &Ast) -> Result<Expr> {
        let text = self.bind(expr)?;
        if side.is_none() && what.is_none() {
            return call("trim", vec![text]);
        }
        let side = match side {
            None | Some(TrimWhereField::Both) => "BOTH",
            Some(TrimWhereField::Leading) => "LEADING",
            Some(TrimWhereField::Trailing) => "TRAILING",
        };
        let what = what.map_or_else(|| Ok(literal::string(" ")), |w| self.bind(w))?;
        call("trim", vec![literal::string(side), what, text])
    }

    /// `IF(condition, a, b)`
    pub(super) fn if_call(&mut self, args: &[&Ast]) -> Result<Expr> {
        let [condition, then, otherwise] = args else {
            return Err(Error::invalid(format!("function 'IF' takes 3 arguments, not {}", args.len())));
        };
        let test = self.condition(condition)?;
        let (then, otherwise) = (self.bind(then)?, self.bind(otherwise)?);
        if [&then, &otherwise].iter().any(|e| e.ty().kind == TypeKind::Null) {
            return Err(illegal_null());
        }
        // Flink's type of IF does not know that a condition that is null chooses the second value.
        let nullable = test.ty().nullable;
        let mut case = case_of(vec![(test, then)], otherwise, "the results of IF")?;
        if let Expr::Case { ty, .. } = &mut case {
            ty.nullable |= nullable;
        }
        Ok(case)
    }

    fn case(&mut self, operand: Option<&Ast>, conditions: &[CaseWhen], otherwise: Option<&Ast>) -> Result<Expr> {
        let operand = operand.map(|o| self.bind(o)).transpose()?;
        let mut branches = Vec::with_capacity(conditions.len());
        for CaseWhen { condition, result } in conditions {
            let test = match &operand {
                Some(operand) => {
                    let value = self.bind(condition)?;
                    call("=", vec![operand.clone(), value]).map_err(|e| at_span(e, condition.span()))?
                }
                None => self.condition(condition)?,
            };
            branches.push((test, self.bind(result)?));
        }
        let otherwise = otherwise.map_or_else(|| Ok(literal::null()), |o| self.bind(o))?;
        case_of(branches, otherwise, "the results of CASE")
    }

    fn cast(&mut self, kind: &CastKind, expr: &Ast, data_type: &DataType) -> Result<Expr> {
        let try_cast = match kind {
            CastKind::Cast => false,
            CastKind::TryCast => true,
            CastKind::SafeCast | CastKind::DoubleColon => return Err(Error::unsupported("this form of CAST")),
        };
        let target = syntax::cast_type(data_type)?;
        let input = self.bind(expr)?;
        let nullable = try_cast || input.ty().nullable;
        let ty = target.with_nullable(nullable);
        if input.ty().kind == TypeKind::Null {
            return Ok(Expr::literal(Value::Null, ty.with_nullable(true)));
        }
        flott_functions::explicit_cast(input.ty(), &ty, try_cast)?;
        if input.ty().same_kind(&ty) && !try_cast && !self.is_time_attribute(&input) {
            return Ok(input);
        }
        Ok(Expr::Cast { input: Box::new(input), ty, try_cast })
    }

    /// Whether a cast to the same type says something: that the column shall be an ordinary timestamp.
    fn is_time_attribute(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column { index, .. } => self.scope.columns.get(*index).is_some_and(|c| c.time.is_some()),
            _ => false,
        }
    }

    /// A call of a function on expressions.
    pub(super) fn call_on(&mut self, name: &str, args: &[&Ast]) -> Result<Expr> {
        let args = args.iter().map(|a| self.bind(a)).collect::<Result<Vec<_>>>()?;
        call(name, args)
    }
}

/// A CASE of typed parts.
fn case_of(branches: Vec<(Expr, Expr)>, otherwise: Expr, what: &str) -> Result<Expr> {
    let types: Vec<&LogicalType> = branches.iter().map(|(_, r)| r.ty()).chain([otherwise.ty()]).collect();
    let ty = common(&types, what)?;
    let branches = branches.into_iter().map(|(test, result)| (test, coerce(result, &ty))).collect();
    Ok(Expr::Case { branches, otherwise: Box::new(coerce(otherwise, &ty)), ty })
}

/// A unit such as `DAY` as functions take it: a literal.
pub(super) fn unit_literal(unit: &DateTimeField) -> Expr {
    literal::string(&unit.to_string().to_ascii_uppercase())
}

/// A call of a function on typed arguments; puts in the casts that it needs.
pub(in crate::plan) fn call(name: &str, args: Vec<Expr>) -> Result<Expr> {
    let types: Vec<LogicalType> = args.iter().map(|a| a.ty().clone()).collect();
    let literals: Vec<Option<&Value>> = args.iter().map(literal_value).collect();
    let resolved = flott_functions::resolve_with_literals(name, &types, &literals)?;
    let args = args.into_iter().zip(&resolved.args).map(|(arg, ty)| coerce(arg, ty)).collect();
    Ok(Expr::Call { function: resolved.id, args, ty: resolved.ty })
}

fn literal_value(expr: &Expr) -> Option<&Value> {
    match expr {
        Expr::Literal { value, .. } => Some(value),
        _ => None,
    }
}

/// The expression as that type: a cast where the kinds differ. Nullability stays the expression's.
pub(super) fn coerce(expr: Expr, ty: &LogicalType) -> Expr {
    if let Expr::Literal { value: Value::Null, .. } = expr {
        return Expr::literal(Value::Null, ty.clone().with_nullable(true));
    }
    if expr.ty().same_kind(ty) {
        return expr;
    }
    let ty = ty.clone().with_nullable(expr.ty().nullable);
    match expr {
        Expr::Literal { value, ty: from } if is_same_value(&from.kind, &ty.kind) => Expr::literal(value, ty),
        expr => Expr::Cast { input: Box::new(expr), ty, try_cast: false },
    }
}

/// Whether a constant of one type is the same constant of the other: it needs no cast.
fn is_same_value(from: &TypeKind, to: &TypeKind) -> bool {
    match (from, to) {
        (TypeKind::Int, TypeKind::BigInt) => true,
        (TypeKind::Char(have), TypeKind::Varchar(room)) => have <= room,
        (TypeKind::Decimal { precision: have, scale }, TypeKind::Decimal { precision: room, scale: same }) => {
            scale == same && have <= room
        }
        _ => false,
    }
}

/// The type that all of these can be cast to without asking.
pub(super) fn common(types: &[&LogicalType], what: &str) -> Result<LogicalType> {
    let found = flott_functions::common_type(types).filter(|ty| ty.kind != TypeKind::Null);
    found.ok_or_else(|| {
        if types.iter().all(|t| t.kind == TypeKind::Null) {
            return illegal_null();
        }
        let mut names: Vec<String> = Vec::new();
        for ty in types.iter().filter(|t| t.kind != TypeKind::Null).map(|t| t.kind.to_string()) {
            if !names.contains(&ty) {
                names.push(ty);
            }
        }
        Error::invalid(format!("{what} have no common type"))
            .with_detail(format!("The types are {}.", names.join(", ")))
            .with_hint("Cast them to one type.")
    })
}

/// `NULL` where its type cannot be known.
pub(super) fn illegal_null() -> Error {
    Error::invalid("illegal use of NULL").with_hint("Write CAST(NULL AS type) to say which type is meant.")
}

/// `a op b op c`, balanced.
pub(in crate::plan) fn combine(op: &str, mut operands: Vec<Expr>) -> Result<Expr> {
    while operands.len() > 1 {
        let mut next = Vec::with_capacity(operands.len().div_ceil(2));
        let mut pairs = operands.into_iter();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => call(op, vec![left, right])?,
                None => left,
            });
        }
        operands = next;
    }
    operands.pop().ok_or_else(|| Error::internal(format!("'{op}' without operands")))
}

fn negate(expr: Expr, negated: bool) -> Result<Expr> {
    if negated { call("not", vec![expr]) } else { Ok(expr) }
}
