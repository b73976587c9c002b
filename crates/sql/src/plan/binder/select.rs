//! `SELECT`: FROM, WHERE, GROUP BY, HAVING, windows, QUALIFY, the list, DISTINCT; in the order in which they mean something.

use std::borrow::Cow;

use flott_api::expr::Expr;
use flott_api::{Error, Result, TypeKind};
use flott_graph::spec::SortField;
use sqlparser::ast::{
    Distinct, Expr as Ast, FunctionArguments, GroupByExpr, GroupByWithModifier, NamedWindowDefinition, OrderByExpr,
    Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, Spanned, WildcardAdditionalOptions,
};

use super::aggregate::{Aggregates, Grouping, OverRows};
use super::expr::illegal_null;
use super::grouped_values::has_grouped_values;
use super::grouping_sets::Keys;
use super::order::{Aliases, Ordered, field_of, need_order, ordinal};
use super::over::{Overs, has_over, over_windows};
use super::subquery::Tables;
use super::{Binder, refuse, syntax};
use crate::plan::rel::Rel;
use crate::plan::scope::{Scope, at_span};

/// The clauses of a SELECT that mean something here.
pub(super) struct Clauses<'a> {
    distinct: bool,
    pub(super) projection: &'a [SelectItem],
    selection: Option<&'a Ast>,
    pub(super) group_by: &'a [Ast],
    pub(super) having: Option<&'a Ast>,
    windows: &'a [NamedWindowDefinition],
    pub(super) qualify: Option<&'a Ast>,
}

/// The list over what it reads, and what is computed for it.
struct Listed {
    rel: Rel,
    items: Vec<(Expr, String)>,
    qualify: Option<Expr>,
    overs: Overs,
}

impl Binder<'_> {
    /// Binds a SELECT.
    pub(super) fn bind_select(&self, select: &Select) -> Result<Rel> {
        Ok(self.bind_ordered_select(select, &[])?.rel)
    }

    /// Binds a SELECT and the keys of its `ORDER BY`.
    pub(super) fn bind_ordered_select(&self, select: &Select, order_by: &[OrderByExpr]) -> Result<Ordered> {
        // Queries nest in FROM: this is all that stays on the stack for each.
        self.with_hints_of(select, || {
            let tables = self.bind_from(&select.from)?;
            self.select_from(tables, select, order_by)
        })
    }

    /// What passes `WHERE`.
    fn where_of(&self, tables: Tables, clauses: &Clauses<'_>) -> Result<Tables> {
        match clauses.selection {
            Some(condition) => self.bind_where(tables, condition),
            None => Ok(tables),
        }
    }

    /// Binds all of a SELECT but `FROM`.
    pub(super) fn select_from(&self, tables: Tables, select: &Select, order_by: &[OrderByExpr]) -> Result<Ordered> {
        let clauses = clauses(select)?;
        if has_grouped_values(&clauses) {
            return self.select_with_grouped_values(self.where_of(tables, &clauses)?, (select, &clauses), order_by);
        }
        let written = tables.1.clone();
        let tables = self.where_of(tables, &clauses)?;
        let ((mut rel, mut scope), projection) = self.item_values(tables, clauses.projection)?;
        let mut aggregates = Aggregates::default();
        aggregates.overs = Overs::naming(clauses.windows, self.settings.batch.is_on)?;
        let mut keys;
        (rel, keys) = self.group_keys(rel, &scope, clauses.group_by, &mut aggregates)?;
        scope = keys.scope_of_groups(scope)?;
        keys = keys.over(&scope).in_order();
        aggregates.grouped = keys.is_grouped();
        let mut items = self.items(&projection, &scope, &mut aggregates)?;
        let width = items.len();
        let having = clauses.having.map(|h| self.having(h, &scope, &mut aggregates)).transpose()?;
        let aliases = Aliases::of(&projection);
        let qualify =
            clauses.qualify.map(|q| self.qualify(&aliases.expanded(q), &scope, &mut aggregates)).transpose()?;
        let order = self.order(order_by, &aliases, (&scope, &mut aggregates), (&mut items, width))?;
        let grouped = !clauses.group_by.is_empty() || having.is_some() || !aggregates.is_empty();
        let ttl = if grouped || clauses.distinct { self.ttl_of_groups(&written) } else { None };
        if aggregates.tells_groups_apart && !grouped {
            return Err(Error::invalid("GROUPING or GROUP_ID in a query without groups").with_hint("Add GROUP BY."));
        }
        let has_nothing = keys.exprs.is_empty() && aggregates.is_empty();
        refuse::clause(grouped && has_nothing, "a grouping without keys and aggregates")?;
        let listed = match grouped {
            true => {
                let grouping = Grouping { scope: &scope, keys, aggregates, ttl: ttl.clone() };
                self.grouped(rel, grouping, (items, qualify), having)?
            }
            false => {
                let items = items.into_iter().map(|item| (item.expr, item.name)).collect();
                Listed { rel, items, qualify: qualify.map(|q| q.expr), overs: aggregates.overs }
            }
        };
        let rel = self.listed(listed, grouped)?;
        if !clauses.distinct {
            return Ok(Ordered { rel, width, keys: order });
        }
        if rel.columns.len() > width {
            return Err(Error::invalid("ORDER BY has a value that SELECT DISTINCT does not give")
                .with_hint("Add it to the list."));
        }
        let ttl = ttl.filter(|_| !grouped);
        Ok(Ordered { rel: distinct(rel).keeping(ttl), width, keys: order })
    }

    /// The list, and below it the windows and what `QUALIFY` says of them.
    fn listed(&self, listed: Listed, grouped: bool) -> Result<Rel> {
        let Listed { rel, items, qualify, overs } = listed;
        let (mut rel, columns) = overs.apply(rel);
        if let Some(condition) = qualify {
            rel = rel.filter(self.folded(over_windows(condition, &columns))?);
        }
        let items: Vec<(Expr, String)> = items.into_iter().map(|(e, name)| (over_windows(e, &columns), name)).collect();
        let unchanged = grouped
            && items.len() == rel.columns.len()
            && items.iter().zip(&rel.columns).enumerate().all(|(i, ((e, name), column))| {
                matches!(e, Expr::Column { index, .. } if *index == i) && *name == column.name
            });
        Ok(if unchanged { rel } else { rel.project(items) })
    }

    fn grouped(
        &self,
        rel: Rel,
        mut grouping: Grouping<'_>,
        (items, qualify): (Vec<OverRows>, Option<OverRows>),
        having: Option<OverRows>,
    ) -> Result<Listed> {
        let exprs = items
            .iter()
            .map(|item| Ok((self.folded(grouping.over_groups(item)?)?, item.name.clone())))
            .collect::<Result<Vec<_>>>()?;
        let condition = having.map(|h| self.folded(grouping.over_groups(&h)?)).transpose()?;
        let qualify = qualify.map(|q| grouping.over_groups(&q)).transpose()?;
        let overs = std::mem::take(&mut grouping.aggregates.overs).over_groups(&grouping)?;
        let mut rel = grouping.apply(rel, &items);
        if let Some(condition) = condition {
            rel = rel.filter(condition);
        }
        Ok(Listed { rel, items: exprs, qualify, overs })
    }

    fn having(&self, having: &Ast, scope: &Scope, aggregates: &mut Aggregates) -> Result<OverRows> {
        let mut binder = self.exprs_with_aggregates(scope, "HAVING", aggregates);
        let expr = binder.condition(having)?;
        Ok(OverRows { expr, name: String::new(), places: binder.places })
    }

    fn qualify(&self, condition: &Ast, scope: &Scope, aggregates: &mut Aggregates) -> Result<OverRows> {
        let mut binder = self.exprs_with_aggregates(scope, "QUALIFY", aggregates);
        let expr = binder.condition(condition)?;
        let places = std::mem::take(&mut binder.places);
        if !has_over(&expr) {
            let error = Error::invalid("QUALIFY has no call with OVER").with_hint("Use WHERE, or HAVING.");
            return Err(at_span(error, condition.span()));
        }
        Ok(OverRows { expr, name: String::new(), places })
    }

    /// The keys of the order, as columns of the list; what it does not have is added to it.
    fn order(
        &self,
        order_by: &[OrderByExpr],
        aliases: &Aliases<'_>,
        (scope, aggregates): (&Scope, &mut Aggregates),
        (items, width): (&mut Vec<OverRows>, usize),
    ) -> Result<Vec<SortField>> {
        let mut fields = Vec::with_capacity(order_by.len());
        for key in order_by {
            let column = match ordinal(&key.expr, width)? {
                Some(column) => column,
                None => {
                    let ast = aliases.expanded(&key.expr);
                    let mut binder = self.exprs_with_aggregates(scope, "ORDER BY", aggregates);
                    let expr = binder.bind(&ast)?;
                    let places = std::mem::take(&mut binder.places);
                    items.iter().position(|item| item.expr == expr).unwrap_or_else(|| {
                        let name = default_name(&ast).unwrap_or_else(|| format!("EXPR${}", items.len()));
                        items.push(OverRows { expr, name, places });
                        items.len() - 1
                    })
                }
            };
            need_order(items[column].expr.ty(), &key.expr)?;
            fields.push(field_of(key, column)?);
        }
        Ok(fields)
    }

    /// The list with columns for the queries in it that stand for values, and the tables with these.
    fn item_values<'a>(
        &self,
        mut tables: Tables,
        items: &'a [SelectItem],
    ) -> Result<(Tables, Vec<Cow<'a, SelectItem>>)> {
        let mut replaced = Vec::with_capacity(items.len());
        for item in items {
            let (ast, alias) = match item {
                SelectItem::UnnamedExpr(ast) => (ast, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
                _ => {
                    replaced.push(Cow::Borrowed(item));
                    continue;
                }
            };
            let (with_values, ast) = self.with_values(tables, ast)?;
            tables = with_values;
            replaced.push(match (ast, alias) {
                (Cow::Borrowed(_), _) => Cow::Borrowed(item),
                (Cow::Owned(ast), None) => Cow::Owned(SelectItem::UnnamedExpr(ast)),
                (Cow::Owned(expr), Some(alias)) => Cow::Owned(SelectItem::ExprWithAlias { expr, alias: alias.clone() }),
            });
        }
        Ok((tables, replaced))
    }

    /// The expressions of GROUP BY; a window of the older syntax becomes a node below.
    fn group_keys(
        &self,
        mut rel: Rel,
        scope: &Scope,
        group_by: &[Ast],
        aggregates: &mut Aggregates,
    ) -> Result<(Rel, Keys)> {
        let mut keys = Keys::none();
        for ast in group_by {
            if let Some(call) = super::window::group_window(ast) {
                if aggregates.group_window.is_some() {
                    let error = Error::invalid("GROUP BY has two windows").with_hint("Only one can be grouped by.");
                    return Err(at_span(error, ast.span()));
                }
                let (windowed, window) =
                    self.bind_group_window(rel, scope, call).map_err(|e| at_span(e, ast.span()))?;
                rel = windowed;
                keys.extend(window.columns.iter().cloned())?;
                aggregates.group_window = Some(window);
                continue;
            }
            // Over the rows, like the items: both are folded after they were compared.
            self.exprs(scope, "GROUP BY").group_by(ast, &mut keys)?;
        }
        Ok((rel, keys))
    }

    /// The list, with every `*` spelled out.
    fn items(
        &self,
        items: &[Cow<'_, SelectItem>],
        scope: &Scope,
        aggregates: &mut Aggregates,
    ) -> Result<Vec<OverRows>> {
        let mut out: Vec<OverRows> = Vec::with_capacity(items.len());
        for item in items.iter().map(Cow::as_ref) {
            match item {
                SelectItem::UnnamedExpr(ast) => {
                    let mut item = self.item(ast, format!("EXPR${}", out.len()), scope, aggregates)?;
                    // UNKNOWN looks like a column and is a value.
                    if let (Some(name), false) = (default_name(ast), matches!(item.expr, Expr::Literal { .. })) {
                        item.name = name;
                    }
                    out.push(item);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    out.push(self.item(expr, alias.value.clone(), scope, aggregates)?);
                }
                SelectItem::ExprWithAliases { .. } => return Err(Error::unsupported("several aliases of one column")),
                SelectItem::Wildcard(options) => {
                    refuse_wildcard_options(options)?;
                    self.wildcard(scope, &mut out).map_err(|e| at_span(e, item.span()))?;
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    refuse_wildcard_options(options)?;
                    let columns = match kind {
                        SelectItemQualifiedWildcardKind::ObjectName(name) => {
                            let parts = syntax::name_parts(name)?;
                            scope.all_of(&parts.iter().map(String::as_str).collect::<Vec<_>>())
                        }
                        SelectItemQualifiedWildcardKind::Expr(_) => None,
                    };
                    let Some(columns) = columns else {
                        return Err(at_span(Error::invalid(format!("'{item}' names no table of FROM")), item.span()));
                    };
                    out.extend(columns.into_iter().map(plain_item));
                }
            }
        }
        Ok(out)
    }

    fn item(&self, ast: &Ast, name: String, scope: &Scope, aggregates: &mut Aggregates) -> Result<OverRows> {
        let mut binder = self.exprs_with_aggregates(scope, "SELECT", aggregates);
        let expr = binder.bind(ast)?;
        if expr.ty().kind == TypeKind::Null {
            return Err(at_span(illegal_null(), ast.span()));
        }
        let places = std::mem::take(&mut binder.places);
        // A key must stay as it was compared: only what cannot be a key is folded here.
        Ok(OverRows { expr, name, places })
    }

    fn wildcard(&self, scope: &Scope, out: &mut Vec<OverRows>) -> Result<()> {
        if scope.columns.is_empty() {
            return Err(Error::invalid("'*' without FROM"));
        }
        out.extend(scope.all().into_iter().map(plain_item));
        Ok(())
    }
}

/// A column of `*`.
fn plain_item((expr, name): (Expr, String)) -> OverRows {
    OverRows { expr, name, places: Vec::new() }
}

/// All columns as keys.
pub(super) fn distinct(rel: Rel) -> Rel {
    let keys = (0..rel.columns.len()).collect();
    rel.aggregate(keys, Vec::new())
}

/// The name that a column or field has without an alias.
pub(super) fn default_name(ast: &Ast) -> Option<String> {
    match ast {
        Ast::Identifier(name) if super::subquery::is_value(name) => None,
        Ast::Identifier(name) => Some(name.value.clone()),
        Ast::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()),
        Ast::Nested(inner) => default_name(inner),
        // CURRENT_TIMESTAMP is written like a column.
        Ast::Function(function) if function.args == FunctionArguments::None => Some(function.name.to_string()),
        _ => None,
    }
}

/// Takes a SELECT apart; what means nothing here is refused.
pub(super) fn clauses(select: &Select) -> Result<Clauses<'_>> {
    let Select {
        select_token: _,
        // `with_hints_of` reads them.
        optimizer_hints: _,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having,
        named_window,
        qualify,
        window_before_qualify,
        value_table_mode,
        flavor,
    } = select;
    refuse::clause(select_modifiers.as_ref().is_some_and(|m| m.is_any_set()), "a modifier behind SELECT")?;
    refuse::clause(top.is_some(), "TOP")?;
    refuse::clause(exclude.is_some(), "EXCLUDE")?;
    refuse::clause(into.is_some(), "SELECT INTO")?;
    refuse::clause(!lateral_views.is_empty(), "LATERAL VIEW")?;
    refuse::clause(prewhere.is_some(), "PREWHERE")?;
    refuse::clause(!connect_by.is_empty(), "CONNECT BY")?;
    refuse::clause(!cluster_by.is_empty(), "CLUSTER BY")?;
    refuse::clause(!distribute_by.is_empty(), "DISTRIBUTE BY")?;
    refuse::clause(!sort_by.is_empty(), "SORT BY")?;
    refuse::clause(!named_window.is_empty() && qualify.is_some() && !window_before_qualify, "WINDOW behind QUALIFY")?;
    refuse::clause(value_table_mode.is_some(), "SELECT AS VALUE and AS STRUCT")?;
    refuse::clause(*flavor != SelectFlavor::Standard, "FROM before SELECT")?;
    Ok(Clauses {
        distinct: is_distinct(distinct.as_ref())?,
        projection,
        selection: selection.as_ref(),
        group_by: group_expressions(group_by)?,
        having: having.as_ref(),
        windows: named_window,
        qualify: qualify.as_ref(),
    })
}

fn is_distinct(distinct: Option<&Distinct>) -> Result<bool> {
    match distinct {
        None | Some(Distinct::All) => Ok(false),
        Some(Distinct::Distinct) => Ok(true),
        Some(Distinct::On(_)) => Err(Error::unsupported("DISTINCT ON")),
    }
}

fn group_expressions(group_by: &GroupByExpr) -> Result<&[Ast]> {
    match group_by {
        GroupByExpr::All(_) => Err(Error::unsupported("GROUP BY ALL")),
        GroupByExpr::Expressions(keys, modifiers) => match modifiers.first() {
            None => Ok(keys),
            Some(GroupByWithModifier::Rollup) => Err(Error::unsupported("WITH ROLLUP")),
            Some(GroupByWithModifier::Cube) => Err(Error::unsupported("WITH CUBE")),
            Some(GroupByWithModifier::Totals) => Err(Error::unsupported("WITH TOTALS")),
            Some(GroupByWithModifier::GroupingSets(_)) => Err(Error::unsupported("GROUPING SETS")),
        },
    }
}

fn refuse_wildcard_options(options: &WildcardAdditionalOptions) -> Result<()> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    refuse::clause(opt_ilike.is_some(), "'*' with ILIKE")?;
    refuse::clause(opt_exclude.is_some(), "'*' with EXCLUDE")?;
    refuse::clause(opt_except.is_some(), "'*' with EXCEPT")?;
    refuse::clause(opt_replace.is_some(), "'*' with REPLACE")?;
    refuse::clause(opt_rename.is_some(), "'*' with RENAME")?;
    refuse::clause(opt_alias.is_some(), "'*' with an alias")
}
