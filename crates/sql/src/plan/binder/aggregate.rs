//! Aggregates: collected while SELECT and HAVING are bound over the rows, then everything is rewritten over the groups.

use flott_api::error::Location;
use flott_api::expr::{Expr, FunctionId};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::{AggregateCall, WindowProperty};

use super::expr::{coerce, illegal_null};
use super::grouping_sets::Keys;
use super::over::{OVERS_FROM, Overs};
use crate::plan::rel::{Rel, StateTtl};
use crate::plan::scope::Scope;

/// References to aggregates look like columns from here on, far behind all real ones.
const CALLS_FROM: usize = 1 << 24;

/// The aggregates of one SELECT.
#[derive(Default)]
pub(super) struct Aggregates {
    calls: Vec<Call>,
    /// Whether there is a group key: without one, SUM of a column that is never null may still be null.
    pub(super) grouped: bool,
    /// `GROUP BY TUMBLE(..)`.
    pub(super) group_window: Option<GroupWindow>,
    /// The calls with `OVER`, over what comes of the aggregates.
    pub(super) overs: Overs,
    /// Whether GROUPING or GROUP_ID is called.
    pub(super) tells_groups_apart: bool,
}

/// An aggregate over the rows.
#[derive(Debug, PartialEq)]
struct Call {
    function: FunctionId,
    args: Vec<Expr>,
    filter: Option<Expr>,
    distinct: bool,
    ty: LogicalType,
}

/// A window of the older syntax, whose columns stand behind those of the input.
pub(super) struct GroupWindow {
    /// The function: `TUMBLE`.
    pub(super) function: &'static str,
    /// Its bound arguments.
    pub(super) args: Vec<Expr>,
    /// `window_start`, `window_end` and `window_time`.
    pub(super) columns: [Expr; 3],
}

impl GroupWindow {
    /// The column of a property.
    pub(super) fn property(&self, property: WindowProperty) -> Expr {
        let [start, end, time] = &self.columns;
        match property {
            WindowProperty::Start => start.clone(),
            WindowProperty::End => end.clone(),
            WindowProperty::Time => time.clone(),
        }
    }
}

impl Aggregates {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds an aggregate, or finds an equal one, and gives a reference to it.
    pub(super) fn add(&mut self, name: &str, args: Vec<Expr>, filter: Option<Expr>, distinct: bool) -> Result<Expr> {
        let types: Vec<LogicalType> = args.iter().map(|a| a.ty().clone()).collect();
        let takes_null = matches!(name, "bitmap_build_agg" | "bitmap_build_cardinality_agg");
        if !takes_null && types.iter().any(|t| t.kind == TypeKind::Null) {
            return Err(illegal_null());
        }
        let resolved = flott_functions::aggregate_type(name, &types, distinct)?;
        let args = args.into_iter().zip(&resolved.args).map(|(a, ty)| coerce(a, ty)).collect();
        let may_be_empty = flott_functions::is_null_of_nothing(name) && (!self.grouped || filter.is_some());
        let ty = resolved.ty.clone().with_nullable(resolved.ty.nullable || may_be_empty);
        Ok(self.reference(Call { function: resolved.id, args, filter, distinct, ty }))
    }

    /// The same for an aggregate function of a user.
    pub(super) fn add_user(
        &mut self,
        function: FunctionId,
        (args, filter, distinct): (Vec<Expr>, Option<Expr>, bool),
        ty: LogicalType,
    ) -> Expr {
        self.reference(Call { function, args, filter, distinct, ty })
    }

    fn reference(&mut self, call: Call) -> Expr {
        let ty = call.ty.clone();
        let index = self.calls.iter().position(|c| *c == call).unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        Expr::column(CALLS_FROM + index, ty)
    }
}

/// An expression of SELECT or HAVING, bound over the rows.
pub(super) struct OverRows {
    pub(super) expr: Expr,
    /// Its name in the result.
    pub(super) name: String,
    /// The columns that it names, and where.
    pub(super) places: Vec<(usize, Location)>,
}

/// The rows before and the names behind a grouping.
pub(super) struct Grouping<'a> {
    pub(super) scope: &'a Scope,
    pub(super) keys: Keys,
    pub(super) aggregates: Aggregates,
    /// How long groups are kept, if a hint says so.
    pub(super) ttl: Option<StateTtl>,
}

impl Grouping<'_> {
    /// Groups `rel`: gives keys, then aggregates. `names` are the result's names of expressions, for a plan that reads well.
    pub(super) fn apply(&self, rel: Rel, items: &[OverRows]) -> Rel {
        let mut inputs: Vec<(Expr, String)> = Vec::new();
        for key in &self.keys.exprs {
            self.input(&mut inputs, key, items);
        }
        // A copy of a row lacks keys, and nothing of what the aggregates read.
        let shared = if self.keys.is_expanded() { inputs.len() } else { 0 };
        let mut input = |expr: &Expr| match find(&inputs[shared..], expr) {
            Some(at) => shared + at,
            None => self.add(&mut inputs, expr, items),
        };
        let mut calls = Vec::with_capacity(self.aggregates.calls.len());
        for (i, call) in self.aggregates.calls.iter().enumerate() {
            let args = call.args.iter().map(&mut input).collect();
            let filter = call.filter.as_ref().map(&mut input);
            let (function, distinct, ty) = (call.function.clone(), call.distinct, call.ty.clone());
            let name = result_name(&Expr::column(CALLS_FROM + i, ty.clone()), items, i);
            calls.push((AggregateCall { function, args, filter, distinct, ty }, name));
        }
        // COUNT(*) alone reads no column.
        let rel = if inputs.is_empty() { rel } else { rel.project(inputs) };
        let rel = self.keys.expand(rel);
        let number = self.keys.is_expanded().then(|| rel.columns.len() - 1);
        rel.aggregate((0..self.keys.exprs.len()).chain(number).collect(), calls).keeping(self.ttl.clone())
    }

    /// The position of an expression in the projection before the grouping.
    fn input(&self, inputs: &mut Vec<(Expr, String)>, expr: &Expr, items: &[OverRows]) -> usize {
        find(inputs, expr).unwrap_or_else(|| self.add(inputs, expr, items))
    }

    fn add(&self, inputs: &mut Vec<(Expr, String)>, expr: &Expr, items: &[OverRows]) -> usize {
        let name = match expr {
            Expr::Column { index, .. } if *index < self.scope.columns.len() => self.scope.columns[*index].name.clone(),
            _ => result_name(expr, items, inputs.len()),
        };
        let is_taken = inputs.iter().any(|(_, taken)| *taken == name);
        let name = if is_taken { format!("$f{}", inputs.len()) } else { name };
        inputs.push((expr.clone(), name));
        inputs.len() - 1
    }

    /// The expression over the groups.
    pub(super) fn over_groups(&self, item: &OverRows) -> Result<Expr> {
        self.rewrite(item.expr.clone(), &item.places)
    }

    /// The same of a part of an expression that names columns at these places.
    pub(super) fn rewrite(&self, expr: Expr, places: &[(usize, Location)]) -> Result<Expr> {
        if let Some(key) = self.keys.exprs.iter().position(|k| *k == expr) {
            return Ok(Expr::column(key, expr.ty().clone()));
        }
        if let Some(told_apart) = self.keys.over_groups(&expr, places) {
            return told_apart;
        }
        let each = |e: Expr| self.rewrite(e, places);
        Ok(match expr {
            Expr::Column { index, .. } if index >= OVERS_FROM => expr,
            Expr::Column { index, ty } if index >= CALLS_FROM => {
                Expr::column(self.keys.width() + index - CALLS_FROM, ty)
            }
            Expr::Column { index, .. } => return Err(self.not_grouped(index, places)),
            Expr::Literal { .. } => expr,
            Expr::Call { function, args, ty } => {
                let args = args.into_iter().map(each).collect::<Result<Vec<_>>>()?;
                Expr::Call { function, args, ty }
            }
            Expr::Case { branches, otherwise, ty } => {
                let branch = |(test, result)| Ok((each(test)?, each(result)?));
                let branches = branches.into_iter().map(branch).collect::<Result<Vec<_>>>()?;
                let otherwise = Box::new(self.rewrite(*otherwise, places)?);
                Expr::Case { branches, otherwise, ty }
            }
            Expr::Cast { input, ty, try_cast } => Expr::Cast { input: Box::new(each(*input)?), ty, try_cast },
            Expr::Field { input, index, ty } => Expr::Field { input: Box::new(each(*input)?), index, ty },
        })
    }

    fn not_grouped(&self, index: usize, places: &[(usize, Location)]) -> Error {
        let name = self.scope.columns.get(index).map_or("window", |c| c.name.as_str());
        let error = Error::invalid(format!("column '{name}' is not grouped"))
            .with_hint("Put it into GROUP BY, or into an aggregate such as MAX.");
        match places.iter().find(|(i, _)| *i == index) {
            Some((_, location)) => error.at(*location),
            None => error,
        }
    }
}

/// The name that an expression has in the result, or one that no user writes.
fn result_name(expr: &Expr, items: &[OverRows], index: usize) -> String {
    let named = items.iter().find(|item| item.expr == *expr);
    named.map_or_else(|| format!("$f{index}"), |item| item.name.clone())
}

fn find(inputs: &[(Expr, String)], expr: &Expr) -> Option<usize> {
    inputs.iter().position(|(known, _)| known == expr)
}
