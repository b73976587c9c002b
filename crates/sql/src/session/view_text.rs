//! The text of a view: its query with every name in full, so that it means the same in any session, in Flink's layout.
//!
//! Flink prints the query that its validator made. Ours is the user's tree with tables, and where that is certain
//! columns, in full. Each step is checked by reading the text back; where one changes what the query means, the plainer
//! text is kept.

use std::ops::ControlFlow;

use flott_api::Result;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, LimitClause, OrderByKind, Query, Select, SelectItem, SetExpr, SetOperator,
    SetQuantifier, TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::Session;
use super::text::{quote_names, unit};
use crate::catalog::Relation;
use crate::parser::ast::view::{expr_sql, query_sql};
use crate::parser::parse_query;
use crate::plan::{self, PlanContext};

/// The text that a catalog keeps.
pub(super) fn expanded(session: &Session, query: &Query) -> Result<String> {
    let full = plan::expand_query(session, query)?;
    let plain = query_sql(&full);
    let mut pretty = full;
    if !qualify(session, &mut pretty)? {
        return Ok(plain);
    }
    quote_names(&mut pretty);
    let one_line = query_sql(&pretty);
    let text = layout(&pretty).unwrap_or_else(|| one_line.clone());
    let same_tree = parse_query(&text).ok() == parse_query(&one_line).ok();
    let means = |text: &str| parse_query(text).and_then(|query| plan::bind_query(session, &query));
    match (same_tree, means(&text), means(&plain)) {
        (true, Ok(pretty), Ok(plain)) if pretty == plain => Ok(text),
        _ => Ok(plain),
    }
}

/// Writes the table's name before every column; says whether it could.
fn qualify(session: &Session, query: &mut Query) -> Result<bool> {
    if query.with.is_some() {
        return Ok(false);
    }
    qualify_body(session, &mut query.body)
}

fn qualify_body(session: &Session, body: &mut SetExpr) -> Result<bool> {
    match body {
        SetExpr::Select(select) => qualify_select(session, select),
        SetExpr::SetOperation { left, right, .. } => Ok(qualify_body(session, left)? && qualify_body(session, right)?),
        SetExpr::Query(query) => qualify(session, query),
        _ => Ok(false),
    }
}

fn qualify_select(session: &Session, select: &mut Select) -> Result<bool> {
    let [from] = select.from.as_mut_slice() else { return Ok(select.from.is_empty()) };
    if !from.joins.is_empty() || select.qualify.is_some() || !select.named_window.is_empty() {
        return Ok(false);
    }
    let found = match &mut from.relation {
        TableFactor::Table { name, alias: Some(alias), args: None, .. } if alias.columns.is_empty() => {
            let name: Vec<String> = name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.clone()).collect();
            columns_of(session, &name)?.map(|columns| (alias.name.clone(), columns))
        }
        TableFactor::Derived { subquery, alias: Some(alias), .. } if alias.columns.is_empty() => {
            if !qualify(session, subquery)? {
                return Ok(false);
            }
            let fields = plan::bind_query(session, subquery)?.schema().fields;
            Some((alias.name.clone(), fields.into_iter().map(|f| f.name).collect()))
        }
        _ => None,
    };
    let Some((alias, columns)) = found else { return Ok(false) };
    expand_wildcards(&alias, &columns, &mut select.projection);
    let mut visitor = Qualify { alias: &alias, columns: &columns };
    let parts = [
        VisitMut::visit(&mut select.projection, &mut visitor),
        VisitMut::visit(&mut select.selection, &mut visitor),
        VisitMut::visit(&mut select.group_by, &mut visitor),
        VisitMut::visit(&mut select.having, &mut visitor),
    ];
    Ok(parts.iter().all(ControlFlow::is_continue))
}

/// The columns of a table or view; none where the connector gives them.
fn columns_of(session: &Session, name: &[String]) -> Result<Option<Vec<String>>> {
    let columns: Vec<String> = match session.relation(name)? {
        Some((_, Relation::Table(table))) => table.columns.into_iter().map(|c| c.name).collect(),
        Some((_, Relation::View(view))) => view.schema.fields.into_iter().map(|f| f.name).collect(),
        None => return Ok(None),
    };
    Ok((!columns.is_empty()).then_some(columns))
}

fn expand_wildcards(alias: &Ident, columns: &[String], items: &mut Vec<SelectItem>) {
    let is_plain = |item: &SelectItem| matches!(item, SelectItem::Wildcard(options) if is_bare(options));
    if !items.iter().any(is_plain) {
        return;
    }
    let all = |_| columns.iter().map(|c| SelectItem::UnnamedExpr(column(alias, vec![Ident::with_quote('`', c)])));
    let old = std::mem::take(items);
    for item in old {
        if is_plain(&item) { items.extend(all(())) } else { items.push(item) }
    }
}

fn is_bare(options: &WildcardAdditionalOptions) -> bool {
    options.to_string().is_empty()
}

fn column(alias: &Ident, rest: Vec<Ident>) -> Expr {
    let first = Ident::with_quote('`', alias.value.clone());
    Expr::CompoundIdentifier(std::iter::once(first).chain(rest).collect())
}

struct Qualify<'a> {
    alias: &'a Ident,
    columns: &'a [String],
}

impl Qualify<'_> {
    fn is_column(&self, name: &Ident) -> bool {
        self.columns.contains(&name.value)
    }
}

impl VisitorMut for Qualify<'_> {
    type Break = ();

    /// Names in a subquery may be those of another table: too uncertain.
    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            && call.name.to_string().to_uppercase().starts_with("TIMESTAMP")
            && unit(expr).is_none()
        {
            // Its unit has the name of a column and was taken for one.
            return ControlFlow::Break(());
        }
        let new = match &*expr {
            Expr::Identifier(name) if self.is_column(name) => column(self.alias, vec![name.clone()]),
            Expr::CompoundIdentifier(parts)
                if parts.first().is_some_and(|p| p.value != self.alias.value && self.is_column(p)) =>
            {
                column(self.alias, parts.clone())
            }
            _ => return ControlFlow::Continue(()),
        };
        *expr = new;
        ControlFlow::Continue(())
    }
}

/// A line per clause, as Flink prints a query; none for what has another form.
fn layout(query: &Query) -> Option<String> {
    if query.with.is_some() || query.fetch.is_some() {
        return None;
    }
    let mut text = body(&query.body)?;
    if let Some(order) = &query.order_by {
        let OrderByKind::Expressions(keys) = &order.kind else { return None };
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        text.push_str(&format!("\nORDER BY {}", keys.join(", ")));
    }
    match &query.limit_clause {
        None => {}
        Some(limit @ LimitClause::LimitOffset { .. }) => text.push_str(&format!("\n{}", limit.to_string().trim())),
        Some(_) => return None,
    }
    Some(text)
}

fn body(of: &SetExpr) -> Option<String> {
    match of {
        SetExpr::Select(select) => select_text(select),
        SetExpr::SetOperation { left, op, set_quantifier, right } => {
            let op = match op {
                SetOperator::Union => "UNION",
                SetOperator::Intersect => "INTERSECT",
                SetOperator::Except | SetOperator::Minus => "EXCEPT",
            };
            let all = match set_quantifier {
                SetQuantifier::All => " ALL",
                SetQuantifier::None => "",
                _ => return None,
            };
            Some(format!("{}\n{op}{all}\n{}", body(left)?, body(right)?))
        }
        _ => None,
    }
}

fn select_text(select: &Select) -> Option<String> {
    let distinct = match &select.distinct {
        None => "",
        Some(Distinct::Distinct) => "DISTINCT ",
        Some(_) => return None,
    };
    let items: Vec<String> = select.projection.iter().map(item).collect();
    let mut text = format!("SELECT {distinct}{}", items.join(", "));
    if !select.from.is_empty() {
        text.push_str(&format!("\n{}", from_text(select)?));
    }
    if let Some(condition) = &select.selection {
        text.push_str(&format!("\nWHERE {}", expr_sql(condition)));
    }
    match &select.group_by {
        GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => {
            let keys: Vec<String> = keys.iter().map(expr_sql).collect();
            text.push_str(&if keys.is_empty() { String::new() } else { format!("\nGROUP BY {}", keys.join(", ")) });
        }
        _ => return None,
    }
    if let Some(condition) = &select.having {
        text.push_str(&format!("\nHAVING {}", expr_sql(condition)));
    }
    Some(text)
}

fn item(item: &SelectItem) -> String {
    match item {
        SelectItem::UnnamedExpr(expr) => expr_sql(expr),
        SelectItem::ExprWithAlias { expr, alias } => format!("{} AS {alias}", expr_sql(expr)),
        other => other.to_string(),
    }
}

/// `FROM ..`, with what our parser keeps in a form of its own written out.
fn from_text(select: &Select) -> Option<String> {
    let mut query = parse_query("SELECT 1 FROM t").ok()?;
    let SetExpr::Select(only) = query.body.as_mut() else { return None };
    only.from.clone_from(&select.from);
    query_sql(&query).strip_prefix("SELECT 1 ").map(str::to_owned)
}
