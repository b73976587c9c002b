//! Joins of `FROM`: which rows are pairs, and what a table that stands behind others may read of them.

use flott_api::expr::Expr;
use flott_api::{Error, Result, TypeKind};
use flott_graph::spec::{JoinKind, TableFunction};
use sqlparser::ast::{
    Expr as Ast, Function, FunctionArgumentList, FunctionArguments, Ident, JoinConstraint, JoinOperator, ObjectName,
    Spanned, TableAlias, TableFactor, TableVersion,
};

use super::from::alias_name;
use super::query::renamed;
use super::{Binder, call, combine, refuse, syntax};
use crate::parser::ast::view::TableCall;
use crate::plan::TimeAttribute;
use crate::plan::rel::{self, Column, Correlate, LookupHints, Multi, Op, Rel, TemporalJoin, unnested};
use crate::plan::scope::{Scope, at_span};

/// The tables so far.
type Tables = (Rel, Scope);

impl Binder<'_> {
    /// Joins the tables so far with another one.
    pub(super) fn bind_join(&self, left: Tables, factor: &TableFactor, operator: &JoinOperator) -> Result<Tables> {
        let located = |e| at_span(e, factor.span());
        let (kind, constraint) = join_kind(operator).map_err(located)?;
        if let TableFactor::UNNEST { .. } = factor {
            let outer = is_outer(kind).map_err(located)?;
            let tables = self.bind_unnest(left, factor, outer).map_err(located)?;
            return self.lateral(tables, constraint).map_err(located);
        }
        if let Some(call) = TableCall::of(factor).filter(|call| call.lateral) {
            let outer = is_outer(kind).map_err(located)?;
            let tables = self.bind_user_table(left, &call, outer).map_err(located)?;
            return self.lateral(tables, constraint).map_err(located);
        }
        if let TableFactor::Derived { lateral: true, subquery, alias, sample } = factor {
            refuse::clause(sample.is_some(), "TABLESAMPLE")?;
            return self.join_lateral(left, (subquery, alias.as_ref()), (kind, constraint)).map_err(located);
        }
        let (left, left_scope) = left;
        let Right { rel: right, scope: right_scope, way } = self.right(kind, factor, &left_scope).map_err(located)?;
        let shared = shared_names(constraint, &left_scope, &right_scope)?;
        let width = left.columns.len();
        let mut scope = left_scope.clone().beside(right_scope.clone()).map_err(located)?;
        let condition = match constraint {
            JoinConstraint::On(ast) => Some(self.on(ast, &scope)?),
            JoinConstraint::None => None,
            JoinConstraint::Using(_) | JoinConstraint::Natural => {
                let pairs = shared.iter().map(|name| pair(name, (&left_scope, &right_scope), width));
                let equal = pairs.map(|p| call("=", p?.into())).collect::<Result<Vec<_>>>()?;
                if equal.is_empty() { None } else { Some(combine("and", equal)?) }
            }
        };
        let rel = match way {
            Way::Temporal(times) => {
                self.note_temporal_join(&left_scope, &right_scope);
                left.temporal_join(right, TemporalJoin { kind, condition, times })
            }
            Way::Plain => {
                let ttl = self.ttl_of_sides(&left_scope, &right_scope);
                let join = rel::Join { ttl, ..rel::Join::new(kind, condition) };
                match self.is_multi_join(&left_scope, &right_scope) {
                    true => left.apart().joined(right.apart(), rel::Join { multi: Multi::Yes, ..join }),
                    false => left.joined(right, join),
                }
            }
            Way::Lookup(hints) => {
                left.joined(right, rel::Join { lookup: Some(hints), ..rel::Join::new(kind, condition) })
            }
        };
        scope.retype(&rel.columns);
        for name in &shared {
            let [left, right] = pair(name, (&left_scope, &right_scope), width)?.map(|e| retyped(e, &rel));
            let of = left.columns().into_iter().chain(right.columns()).collect();
            let value = match kind {
                JoinKind::Right => right,
                JoinKind::Full => call("coalesce", vec![left, right])?,
                _ => left,
            };
            scope.share(name, value, of);
        }
        Ok((rel, scope))
    }

    /// What a table is joined with, and by which rules.
    fn right(&self, kind: JoinKind, factor: &TableFactor, left: &Scope) -> Result<Right> {
        let Some((period, table)) = as_of(factor) else {
            let (rel, scope) = self.table_factor(factor)?;
            return Ok(Right { rel, scope, way: Way::Plain });
        };
        match self.period(kind, period, left)? {
            None => {
                let (rel, scope) = self.lookup_table(&table)?;
                let way = Way::Lookup(self.lookup_hint_of(&scope)?);
                Ok(Right { rel, scope, way })
            }
            Some(time) => {
                let (rel, scope) = self.table_factor(&table)?;
                let way = Way::Temporal([time, rowtime_of(&rel)?]);
                Ok(Right { rel, scope, way })
            }
        }
    }

    /// The rowtime column of the left that `FOR SYSTEM_TIME AS OF` names; nothing if it is processing time.
    fn period(&self, kind: JoinKind, period: &Ast, left: &Scope) -> Result<Option<usize>> {
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return Err(Error::invalid(format!("FOR SYSTEM_TIME AS OF in a {} join", print_kind(kind)))
                .with_detail("Each row of the left is joined, so only INNER and LEFT joins have a meaning."));
        }
        let period = self.expression(period, left, "FOR SYSTEM_TIME AS OF")?;
        if !matches!(period.ty().kind, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_)) {
            return Err(Error::invalid(format!("FOR SYSTEM_TIME AS OF a value of type {}", period.ty().kind))
                .with_detail("The system time period specification expects Timestamp type."));
        }
        if period.columns().is_empty() {
            return Err(Error::unsupported("time travel: FOR SYSTEM_TIME AS OF a constant"));
        }
        let column = match &period {
            Expr::Column { index, .. } => Some((*index, left.columns[*index].time)),
            _ => None,
        };
        match column {
            Some((time, Some(TimeAttribute::Rowtime))) => Ok(Some(time)),
            Some((_, Some(TimeAttribute::Proctime))) => Ok(None),
            _ => Err(Error::invalid("FOR SYSTEM_TIME AS OF what is no time attribute").with_detail(
                "Temporal table join currently only supports 'FOR SYSTEM_TIME AS OF' left table's time attribute field.",
            )),
        }
    }

    fn on(&self, ast: &Ast, scope: &Scope) -> Result<Expr> {
        let bound = self.exprs(scope, "ON").condition(ast)?;
        self.folded(bound)
    }

    /// A table function behind the tables whose columns it reads, under a condition.
    fn lateral(&self, (rel, scope): Tables, constraint: &JoinConstraint) -> Result<Tables> {
        let condition = match constraint {
            JoinConstraint::None => return Ok((rel, scope)),
            JoinConstraint::On(ast) => self.on(ast, &scope)?,
            JoinConstraint::Using(_) | JoinConstraint::Natural => {
                return Err(Error::unsupported("USING and NATURAL with a table function").with_hint("Write ON."));
            }
        };
        let Rel { op: Op::Correlate(mut correlate), inputs, columns } = rel else {
            return Err(Error::internal("a table function is no correlation"));
        };
        correlate.condition = Some(condition);
        Ok((Rel { op: Op::Correlate(correlate), inputs, columns }, scope))
    }

    /// A table function of the user, called for each row of the tables so far.
    pub(super) fn bind_user_table(&self, (left, scope): Tables, call: &TableCall<'_>, outer: bool) -> Result<Tables> {
        refuse::clause(call.with_ordinality, "WITH ORDINALITY")?;
        let found = self.exprs(&scope, "LATERAL TABLE").user_function(call.name)?;
        let found = found.ok_or_else(|| {
            Error::invalid(format!("there is no table function '{}' that LATERAL TABLE could call", call.name))
                .with_hint("CREATE FUNCTION f AS 'module.f' LANGUAGE PYTHON makes one of Python's @udtf.")
        })?;
        let bound = self.exprs(&scope, "LATERAL TABLE").table_call(&as_function(call), &found)?;
        let bound = self.folded(bound)?;
        let columns = match &bound {
            Expr::Call { function, .. } => function.user.as_ref().map(|user| user.columns()).transpose()?,
            _ => None,
        };
        let columns = columns.ok_or_else(|| Error::internal("a table function of a user is no call"))?;
        let columns = columns.iter().map(|field| Column::new(&field.name, field.ty.clone())).collect();
        let own = Rel::values(Vec::new(), columns);
        let own = call.alias.map_or(Ok(own.clone()), |alias| renamed(own, alias))?.columns;
        let qualifier = call.alias.iter().map(|a| alias_name(&a.name)).collect();
        let function = TableFunction::User { call: bound };
        let rel = left.correlate(Correlate { function, condition: None, outer }, own.clone());
        let mut scope = scope.beside(Scope::new(own, qualifier))?;
        // A single row without a FROM has a column that has no name.
        scope.retype(&rel.columns[rel.columns.len() - scope.columns.len()..]);
        Ok((rel, scope))
    }

    /// `UNNEST` of a collection that the tables so far have.
    pub(super) fn bind_unnest(&self, left: Tables, factor: &TableFactor, outer: bool) -> Result<Tables> {
        let TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } = factor else {
            return Err(Error::internal("a table function that is none"));
        };
        refuse::clause(*with_offset || with_offset_alias.is_some(), "WITH OFFSET")?;
        let [collection] = array_exprs.as_slice() else {
            return Err(Error::unsupported("UNNEST of several collections"));
        };
        let (left, scope) = left;
        let value = self.expression(collection, &scope, "UNNEST")?;
        let Some(columns) = unnested(value.ty(), *with_ordinality) else {
            return Err(at_span(
                Error::invalid(format!("UNNEST of a value of type {}", value.ty().kind))
                    .with_hint("It takes an ARRAY, a MAP or a MULTISET."),
                collection.span(),
            ));
        };
        let own = named(Rel::values(Vec::new(), columns), alias.as_ref())?.columns;
        let qualifier = alias.iter().map(|a| alias_name(&a.name)).collect();
        let function = TableFunction::Unnest { collection: value, with_ordinality: *with_ordinality };
        let rel = left.correlate(Correlate { function, condition: None, outer }, own.clone());
        let mut scope = scope.beside(Scope::new(own, qualifier))?;
        // A single row without a FROM has a column that has no name.
        scope.retype(&rel.columns[rel.columns.len() - scope.columns.len()..]);
        Ok((rel, scope))
    }
}

/// Whether a row without any of the function stays: it is called for each row of the left.
fn is_outer(kind: JoinKind) -> Result<bool> {
    match kind {
        JoinKind::Inner => Ok(false),
        JoinKind::Left => Ok(true),
        _ => Err(Error::invalid(format!("a table function in a {} join", print_kind(kind)))
            .with_detail("It is called for each row of the left, so only INNER and LEFT joins have a meaning.")),
    }
}

/// The call as one that stands in an expression.
fn as_function(call: &TableCall<'_>) -> Function {
    let args = FunctionArgumentList { duplicate_treatment: None, args: call.args.to_vec(), clauses: Vec::new() };
    Function {
        name: call.name.clone(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

/// What stands on the right of a join.
struct Right {
    rel: Rel,
    scope: Scope,
    way: Way,
}

/// How it is joined.
enum Way {
    Plain,
    /// By these rowtime columns of the left and of the right.
    Temporal([usize; 2]),
    /// It is looked up in.
    Lookup(LookupHints),
}

/// The only rowtime column of a table that has versions.
fn rowtime_of(right: &Rel) -> Result<usize> {
    let is_rowtime = |column: &Column| column.time == Some(TimeAttribute::Rowtime);
    let mut times = (0..right.columns.len()).filter(|c| is_rowtime(&right.columns[*c]));
    match (times.next(), times.next()) {
        (Some(of_right), None) => Ok(of_right),
        (found, _) => Err(Error::invalid("FOR SYSTEM_TIME AS OF over a table that has no versions")
            .with_detail(format!(
                "Event-time temporal join needs one rowtime column in the table; it has {}.",
                if found.is_some() { "several" } else { "none" }
            ))
            .with_hint("Declare WATERMARK FOR column AS .. and PRIMARY KEY (..) NOT ENFORCED.")),
    }
}

/// What `FOR SYSTEM_TIME AS OF` says, and the table without it.
fn as_of(factor: &TableFactor) -> Option<(&Ast, TableFactor)> {
    let TableFactor::Table { version: Some(TableVersion::ForSystemTimeAsOf(period)), .. } = factor else { return None };
    let mut table = factor.clone();
    if let TableFactor::Table { version, .. } = &mut table {
        *version = None;
    }
    Some((period, table))
}

/// The columns under their alias: one that stands for the only column names it.
fn named(rel: Rel, alias: Option<&TableAlias>) -> Result<Rel> {
    match alias {
        Some(alias) if alias.columns.is_empty() && rel.columns.len() == 1 && rel.columns[0].name == "EXPR$0" => {
            Ok(rel.renamed(&[alias_name(&alias.name)]))
        }
        Some(alias) => renamed(rel, alias),
        None => Ok(rel),
    }
}

fn join_kind(operator: &JoinOperator) -> Result<(JoinKind, &JoinConstraint)> {
    let (kind, constraint) = match operator {
        JoinOperator::Join(c) | JoinOperator::Inner(c) => (JoinKind::Inner, c),
        JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (JoinKind::Left, c),
        JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (JoinKind::Right, c),
        JoinOperator::FullOuter(c) => (JoinKind::Full, c),
        JoinOperator::CrossJoin(c @ JoinConstraint::None) => return Ok((JoinKind::Inner, c)),
        JoinOperator::CrossJoin(_) => return Err(Error::invalid("a CROSS JOIN with a condition")),
        JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) => {
            return Err(Error::unsupported("SEMI JOIN").with_hint("Write WHERE .. IN or EXISTS."));
        }
        JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) => {
            return Err(Error::unsupported("ANTI JOIN").with_hint("Write WHERE .. NOT IN or NOT EXISTS."));
        }
        JoinOperator::CrossApply | JoinOperator::OuterApply => return Err(Error::unsupported("APPLY")),
        JoinOperator::AsOf { .. } => return Err(Error::unsupported("ASOF JOIN")),
        JoinOperator::StraightJoin(_) => return Err(Error::unsupported("STRAIGHT_JOIN")),
        JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
            return Err(Error::unsupported("ARRAY JOIN").with_hint("Write CROSS JOIN UNNEST(..)."));
        }
    };
    match constraint {
        JoinConstraint::None => Err(Error::invalid(format!("a {} join without a condition", print_kind(kind)))
            .with_hint("Add ON or USING, or write CROSS JOIN.")),
        constraint => Ok((kind, constraint)),
    }
}

fn print_kind(kind: JoinKind) -> String {
    crate::plan::print::join_kind(kind).to_uppercase()
}

/// The names of `USING`, or those that both sides have.
fn shared_names(constraint: &JoinConstraint, left: &Scope, right: &Scope) -> Result<Vec<String>> {
    match constraint {
        JoinConstraint::Using(names) => names.iter().map(using_name).collect(),
        JoinConstraint::Natural => {
            let rights = right.names();
            let mut names: Vec<String> = Vec::new();
            for column in &left.columns {
                if rights.contains(&column.name) && !names.contains(&column.name) {
                    names.push(column.name.clone());
                }
            }
            Ok(names)
        }
        JoinConstraint::On(_) | JoinConstraint::None => Ok(Vec::new()),
    }
}

fn using_name(name: &ObjectName) -> Result<String> {
    match syntax::name_parts(name)?.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(Error::invalid(format!("'{name}' in USING has a qualifier"))),
    }
}

/// The column of a name on both sides, over both.
fn pair(name: &str, (left, right): (&Scope, &Scope), left_width: usize) -> Result<[Expr; 2]> {
    let name = [Ident::new(name)];
    let right = right.resolve(&name)?.transform(&mut |e| match e {
        Expr::Column { index, ty } => Expr::Column { index: index + left_width, ty },
        other => other,
    });
    Ok([left.resolve(&name)?, right])
}

/// The expression with the types that columns have behind the join.
fn retyped(expr: Expr, rel: &Rel) -> Expr {
    expr.transform(&mut |e| match e {
        Expr::Column { index, .. } => rel.column(index),
        other => other,
    })
}
