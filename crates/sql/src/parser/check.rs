//! What sqlparser reads and Flink does not: refused here, by name and place.
//!
//! The lists say what is allowed; anything else is an error, so a modifier is never dropped. Names are looked at, too: an
//! unquoted reserved word is none, and neither is a string.

use std::ops::ControlFlow;

use flott_api::error::Location;
use sqlparser::ast::{
    AccessExpr, Cte, Distinct, Expr, Fetch, FunctionArg, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator,
    LimitClause, NamedWindowExpr, ObjectName, OrderByKind, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned, Subscript, TableAlias, TableFactor,
    TableSampleKind, TableSampleMethod, TableSampleModifier, TableVersion, TableWithJoins, Value, ValueWithSpan, Visit,
    Visitor, WildcardAdditionalOptions,
};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Span;

use super::ast::view;
use super::error::{PResult, fail, reserved_word};
use super::reserved;

mod expr;

/// Refuses what is not Flink's in a query or expression.
pub(crate) fn check<T: Visit>(tree: &T) -> PResult<()> {
    match tree.visit(&mut Check) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Refuses what is not Flink's in the arguments of a procedure.
pub(crate) fn check_arguments(args: &Vec<FunctionArg>) -> PResult<()> {
    args.iter().try_for_each(|arg| expr::check_argument(arg, &Span::empty))?;
    check(args)
}

struct Check;

fn flow(result: PResult<()>) -> ControlFlow<Box<ParserError>> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

impl Visitor for Check {
    type Break = Box<ParserError>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        flow(check_query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        flow(check_select(select))
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        flow(relation_name(relation))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        flow(check_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        flow(expr::check_expr(expr))
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        let good = matches!(
            value.value,
            Value::Number(..)
                | Value::SingleQuotedString(_)
                | Value::HexStringLiteral(_)
                | Value::Boolean(_)
                | Value::Null
        );
        flow(if good { Ok(()) } else { Err(refuse(&format!("literal {value}"), value.span)) })
    }
}

/// The place where a span begins.
fn at(span: Span) -> Location {
    Location { line: span.start.line, column: span.start.column }
}

fn refuse(what: &str, span: Span) -> ParserError {
    fail(format!("{what} is not Flink SQL"), at(span), "")
}

/// Fails with the name of the thing unless it is good. The span is costly to find, and found only then.
fn allow(good: bool, what: &str, span: impl FnOnce() -> Span) -> PResult<()> {
    if good { Ok(()) } else { Err(refuse(what, span())) }
}

/// A name that the user gives or uses.
pub(crate) fn check_name(ident: &Ident) -> PResult<()> {
    match ident.quote_style {
        Some('`') => Ok(()),
        None if reserved::is_reserved(&ident.value) => Err(reserved_word(&ident.value, at(ident.span))),
        None => Ok(()),
        Some(_) => {
            let hint = format!("Names take backticks: `{}`.", ident.value);
            Err(fail(format!("string '{}' is no name", ident.value), at(ident.span), hint))
        }
    }
}

fn check_names<'a>(idents: impl IntoIterator<Item = &'a Ident>) -> PResult<()> {
    idents.into_iter().try_for_each(check_name)
}

fn relation_name(name: &ObjectName) -> PResult<()> {
    for part in &name.0 {
        match part.as_ident() {
            Some(ident) => check_name(ident)?,
            None => return Err(refuse("hint", name.span())),
        }
    }
    Ok(())
}

fn check_query(query: &Query) -> PResult<()> {
    let span = || query.body.span();
    allow(query.locks.is_empty() && query.for_clause.is_none(), "FOR behind a query", span)?;
    let plain = query.settings.is_none() && query.format_clause.is_none() && query.pipe_operators.is_empty();
    allow(plain, "this form of a query", span)?;
    if let Some(with) = &query.with {
        with.cte_tables.iter().try_for_each(check_cte)?;
    }
    if let Some(order_by) = &query.order_by {
        allow(matches!(order_by.kind, OrderByKind::Expressions(_)), "ORDER BY ALL", || order_by.span())?;
        allow(order_by.interpolate.is_none(), "INTERPOLATE", || order_by.span())?;
        if let OrderByKind::Expressions(keys) = &order_by.kind {
            allow(keys.iter().all(|k| k.with_fill.is_none()), "WITH FILL", || order_by.span())?;
        }
    }
    let limit_by =
        matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit_by, .. }) if !limit_by.is_empty());
    let comma = matches!(query.limit_clause, Some(LimitClause::OffsetCommaLimit { .. }));
    allow(!limit_by && !comma, "LIMIT with a list", span)?;
    let ties = matches!(query.fetch, Some(Fetch { with_ties: true, .. } | Fetch { percent: true, .. }));
    allow(!ties, "FETCH with PERCENT or WITH TIES", span)?;
    check_set(&query.body)
}

fn check_cte(cte: &Cte) -> PResult<()> {
    check_name(&cte.alias.name)?;
    check_names(cte.alias.columns.iter().map(|c| &c.name))?;
    let plain =
        cte.from.is_none() && cte.materialized.is_none() && cte.alias.columns.iter().all(|c| c.data_type.is_none());
    allow(plain, "this form of WITH", || cte.alias.name.span)
}

/// Walks down the left side of set operations, which may be long.
fn check_set(body: &SetExpr) -> PResult<()> {
    let mut body = body;
    loop {
        match body {
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                if *op == SetOperator::Minus {
                    return Err(fail("MINUS is not Flink SQL", at(right.span()), "Write EXCEPT."));
                }
                let plain =
                    matches!(set_quantifier, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None);
                allow(plain, "set operation by name", || right.span())?;
                check_set(right)?;
                body = left;
            }
            SetExpr::Values(values) => return allow(!values.value_keyword, "VALUE", || body.span()),
            SetExpr::Select(_) | SetExpr::Query(_) => return Ok(()),
            // sqlparser throws away two tokens behind the name, and the quotes of the name.
            SetExpr::Table(table) => {
                let name = table.table_name.as_deref().unwrap_or_default();
                let hint = format!("Write SELECT * FROM {name}.");
                return Err(fail("TABLE as a query is not supported", at(body.span()), hint));
            }
            _ => return Err(refuse("a writing statement inside a query", body.span())),
        }
    }
}

fn check_select(select: &Select) -> PResult<()> {
    let span = || select.select_token.0.span;
    match &select.distinct {
        Some(Distinct::On(_)) => return Err(refuse("DISTINCT ON", span())),
        Some(Distinct::Distinct | Distinct::All) | None => {}
    }
    allow(select.top.is_none(), "TOP", span)?;
    allow(select.select_modifiers.is_none() && select.prewhere.is_none(), "this form of SELECT", span)?;
    allow(select.exclude.is_none(), "EXCLUDE", span)?;
    allow(select.into.is_none(), "SELECT INTO", span)?;
    allow(select.lateral_views.is_empty(), "LATERAL VIEW", span)?;
    let sorts = select.cluster_by.is_empty() && select.distribute_by.is_empty() && select.sort_by.is_empty();
    allow(sorts, "CLUSTER BY, DISTRIBUTE BY or SORT BY", span)?;
    allow(select.connect_by.is_empty(), "CONNECT BY", span)?;
    allow(select.value_table_mode.is_none(), "SELECT AS", span)?;
    allow(matches!(select.flavor, SelectFlavor::Standard), "FROM before SELECT", span)?;
    let late = select.qualify.is_some() && !select.named_window.is_empty() && !select.window_before_qualify;
    allow(!late, "WINDOW behind QUALIFY", span)?;
    check_group_by(&select.group_by, span())?;
    select.projection.iter().try_for_each(check_item)?;
    for window in &select.named_window {
        check_name(&window.0)?;
        if let NamedWindowExpr::NamedWindow(other) = &window.1 {
            check_name(other)?;
        }
    }
    select.from.iter().try_for_each(check_joins)
}

fn check_group_by(group_by: &GroupByExpr, span: Span) -> PResult<()> {
    match group_by {
        GroupByExpr::All(_) => Err(fail("GROUP BY ALL is not Flink SQL", at(span), "Name the columns to group by.")),
        GroupByExpr::Expressions(_, modifiers) => allow(modifiers.is_empty(), "GROUP BY .. WITH", || span),
    }
}

fn check_item(item: &SelectItem) -> PResult<()> {
    match item {
        SelectItem::UnnamedExpr(_) => Ok(()),
        SelectItem::ExprWithAlias { alias, .. } => check_name(alias),
        SelectItem::ExprWithAliases { .. } => Err(refuse("a list of aliases", item.span())),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
            Err(refuse("* behind an expression", item.span()))
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            relation_name(name)?;
            check_wildcard(options, || item.span())
        }
        SelectItem::Wildcard(options) => check_wildcard(options, || item.span()),
    }
}

fn check_wildcard(options: &WildcardAdditionalOptions, span: impl FnOnce() -> Span) -> PResult<()> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none();
    allow(plain, "a modifier of *", span)
}

fn check_joins(table: &TableWithJoins) -> PResult<()> {
    table.joins.iter().try_for_each(check_join)
}

fn check_join(join: &Join) -> PResult<()> {
    let span = || join.relation.span();
    allow(!join.global, "GLOBAL JOIN", span)?;
    let what = match &join.join_operator {
        JoinOperator::CrossJoin(JoinConstraint::None) => return Ok(()),
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on) => {
            return match on {
                JoinConstraint::Using(columns) => columns.iter().try_for_each(relation_name),
                _ => Ok(()),
            };
        }
        JoinOperator::AsOf { .. } => "ASOF JOIN",
        JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) | JoinOperator::Semi(_) => "SEMI JOIN",
        JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) | JoinOperator::Anti(_) => "ANTI JOIN",
        JoinOperator::CrossApply | JoinOperator::OuterApply => "APPLY",
        _ => "this join",
    };
    let hint = match what {
        "SEMI JOIN" => "Write WHERE EXISTS (SELECT ..), or IN.",
        "ANTI JOIN" => "Write WHERE NOT EXISTS (SELECT ..).",
        "ASOF JOIN" => "Write JOIN .. FOR SYSTEM_TIME AS OF.",
        _ => "",
    };
    Err(fail(format!("{what} is not Flink SQL"), at(span()), hint))
}

fn check_alias(alias: &Option<TableAlias>) -> PResult<()> {
    let Some(alias) = alias else { return Ok(()) };
    check_name(&alias.name)?;
    check_names(alias.columns.iter().map(|c| &c.name))?;
    let typed = alias.columns.iter().any(|c| c.data_type.is_some());
    allow(!typed && alias.at.is_none(), "a type in an alias", || alias.name.span)
}

fn check_factor(factor: &TableFactor) -> PResult<()> {
    let span = || factor.span();
    match factor {
        TableFactor::Table { alias, version, sample, .. } => {
            check_alias(alias)?;
            check_table(factor)?;
            check_version(version, factor)?;
            check_sample(sample, factor)
        }
        TableFactor::Derived { alias, sample, .. } => {
            check_alias(alias)?;
            check_sample(sample, factor)
        }
        TableFactor::TableFunction { expr, alias } => {
            check_alias(alias)?;
            allow(matches!(expr, Expr::Function(_)), "TABLE of something that is no function call", span)
        }
        TableFactor::Function { name, alias, .. } => {
            check_alias(alias)?;
            let table = ["TABLE", "UNNEST"].iter().any(|n| name.to_string().eq_ignore_ascii_case(n));
            let message = format!("expected TABLE, UNNEST or '(' after LATERAL, found '{name}'");
            if table { Ok(()) } else { Err(fail(message, at(name.span()), "Write LATERAL TABLE(f(..)).")) }
        }
        TableFactor::NestedJoin { table_with_joins, alias } => {
            check_alias(alias)?;
            check_joins(table_with_joins)
        }
        TableFactor::UNNEST { alias, .. } | TableFactor::Pivot { alias, .. } | TableFactor::Unpivot { alias, .. } => {
            check_alias(alias)
        }
        TableFactor::MatchRecognize { alias, measures, .. } => {
            check_alias(alias)?;
            check_names(measures.iter().map(|m| &m.alias))
        }
        _ => Err(refuse("this kind of table", span())),
    }
}

fn check_table(factor: &TableFactor) -> PResult<()> {
    let span = || factor.span();
    let TableFactor::Table { args, with_hints, partitions, json_path, index_hints, with_ordinality, .. } = factor
    else {
        return Ok(());
    };
    let plain = partitions.is_empty() && json_path.is_none() && index_hints.is_empty();
    allow(plain, "a modifier of a table", span)?;
    allow(!with_ordinality || args.is_some(), "WITH ORDINALITY behind a table", span)?;
    allow(args.as_ref().is_none_or(|a| a.settings.is_none()), "SETTINGS", span)?;
    for hint in with_hints {
        view::Hint::of(hint).map_err(|e| fail(e.message(), at(span()), e.hint().unwrap_or_default()))?;
    }
    Ok(())
}

fn check_version(version: &Option<TableVersion>, factor: &TableFactor) -> PResult<()> {
    let good = matches!(version, None | Some(TableVersion::ForSystemTimeAsOf(_)));
    if good {
        Ok(())
    } else {
        Err(fail("table version is not Flink SQL", at(factor.span()), "Write FOR SYSTEM_TIME AS OF."))
    }
}

fn check_sample(sample: &Option<TableSampleKind>, factor: &TableFactor) -> PResult<()> {
    let Some(TableSampleKind::AfterTableAlias(sample) | TableSampleKind::BeforeTableAlias(sample)) = sample else {
        return Ok(());
    };
    let method = matches!(sample.name, None | Some(TableSampleMethod::Bernoulli | TableSampleMethod::System));
    let plain =
        sample.modifier == TableSampleModifier::TableSample && sample.bucket.is_none() && sample.offset.is_none();
    let unit = sample.quantity.as_ref().is_none_or(|q| q.unit.is_none());
    allow(method && plain && unit, "this form of sampling", || factor.span())
}
