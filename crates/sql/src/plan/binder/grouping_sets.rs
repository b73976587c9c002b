//! What rows are grouped by: plain keys, `GROUPING SETS`, `CUBE` and `ROLLUP`, and the functions that tell the groups of
//! one set from those of another.
//!
//! With several sets each row goes once into a group of each: `Expand` copies it, with null for the keys that a set lacks
//! and the number of the set behind them, which is one more key. The number says which keys are lacking (Flink's `$e`).

use flott_api::error::Location;
use flott_api::expr::{Expr, FunctionId, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::ExpandColumn;
use sqlparser::ast::{Expr as Ast, FunctionArg, Spanned};

use super::call::argument;
use super::expr::{ExprBinder, call};
use crate::plan::rel::Rel;
use crate::plan::scope::{Scope, at_span};

/// Expressions that look like these calls until there are groups.
const GROUPING: &str = "$grouping";
const GROUP_ID: &str = "$group_id";

/// A cube of twelve keys.
const SETS_MAX: usize = 4096;
/// The number of a set has a bit for each, and some for sets that stand there several times.
const KEYS_MAX: usize = 48;

/// The keys of a grouping.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) exprs: Vec<Expr>,
    /// Positions of the keys of each set.
    sets: Vec<Vec<usize>>,
}

impl Keys {
    /// No key at all.
    pub(super) fn none() -> Keys {
        Keys { exprs: Vec::new(), sets: vec![Vec::new()] }
    }

    /// One set of these keys.
    pub(super) fn plain(exprs: Vec<Expr>) -> Keys {
        Keys { sets: vec![(0..exprs.len()).collect()], exprs }
    }

    /// Whether every group has a key, so that there is none without rows.
    pub(super) fn is_grouped(&self) -> bool {
        self.sets.iter().all(|set| !set.is_empty())
    }

    /// Whether a row is in more than one group.
    pub(super) fn is_expanded(&self) -> bool {
        self.sets.len() > 1
    }

    /// How many columns the keys are behind the grouping.
    pub(super) fn width(&self) -> usize {
        self.exprs.len() + usize::from(self.is_expanded())
    }

    /// Adds keys to every set.
    pub(super) fn extend(&mut self, keys: impl IntoIterator<Item = Expr>) -> Result<()> {
        let all = keys.into_iter().map(|key| self.key(key)).collect::<Result<Vec<_>>>()?;
        self.times(vec![all])
    }

    /// Each set with each of these: a list of sets beside another one.
    fn times(&mut self, others: Vec<Vec<usize>>) -> Result<()> {
        if self.sets.len().saturating_mul(others.len()) > SETS_MAX {
            return Err(Error::invalid(format!("GROUP BY has more than {SETS_MAX} grouping sets")));
        }
        let with = |set: &Vec<usize>, other: &Vec<usize>| {
            let new = other.iter().enumerate().filter(|(at, key)| !set.contains(key) && !other[..*at].contains(key));
            set.iter().chain(new.map(|(_, key)| key)).copied().collect::<Vec<_>>()
        };
        let product = self.sets.iter().flat_map(|set| others.iter().map(move |other| with(set, other)));
        self.sets = product.collect();
        Ok(())
    }

    fn key(&mut self, key: Expr) -> Result<usize> {
        if let Some(known) = self.exprs.iter().position(|k| *k == key) {
            return Ok(known);
        }
        if self.exprs.len() == KEYS_MAX {
            return Err(Error::invalid(format!("GROUP BY has more than {KEYS_MAX} keys")));
        }
        self.exprs.push(key);
        Ok(self.exprs.len() - 1)
    }

    /// Whether a set lacks the key, so that it may be null.
    fn may_lack(&self, key: usize) -> bool {
        self.sets.iter().any(|set| !set.contains(&key))
    }

    /// The columns of the scope as the groups have them: keys that a set lacks may be null, and are no time.
    pub(super) fn scope_of_groups(&self, mut scope: Scope) -> Result<Scope> {
        for (at, key) in self.exprs.iter().enumerate().filter(|(at, _)| self.may_lack(*at)) {
            match key {
                Expr::Column { index, .. } => {
                    if let Some(column) = scope.columns.get_mut(*index) {
                        (column.ty.nullable, column.time, column.window) = (true, None, None);
                    }
                }
                key if key.ty().nullable => {}
                _ => {
                    return Err(Error::unsupported(format!(
                        "a key that is never null and not in all sets, number {}",
                        at + 1
                    ))
                    .with_hint("Compute it in a query in FROM, and group by its column."));
                }
            }
        }
        Ok(scope)
    }

    /// The same keys over columns that may be null.
    pub(super) fn over(mut self, scope: &Scope) -> Keys {
        for key in &mut self.exprs {
            if let Expr::Column { index, ty } = key
                && let Some(column) = scope.columns.get(*index)
            {
                ty.nullable |= column.ty.nullable;
            }
        }
        self
    }

    /// The sets in Flink's order, in which the copies of a row go out: by the keys that they have, where keys are in the
    /// order of their columns.
    pub(super) fn in_order(mut self) -> Keys {
        let column = |key: usize| match &self.exprs[key] {
            Expr::Column { index, .. } => *index,
            _ => usize::MAX,
        };
        let mut by_column: Vec<usize> = (0..self.exprs.len()).collect();
        by_column.sort_by_key(|key| column(*key));
        self.sets
            .sort_by_key(|set| by_column.iter().fold(0_u64, |bits, key| bits << 1 | u64::from(!set.contains(key))));
        self
    }

    /// The number of each set: a bit for each key that it lacks, the first key's highest, and above them how often the
    /// set stands before it.
    fn ids(&self) -> Vec<i64> {
        let keys = self.exprs.len();
        let lacking = |set: &Vec<usize>| {
            (0..keys).filter(|key| !set.contains(key)).fold(0, |bits: i64, key| bits | 1 << (keys - 1 - key))
        };
        let all: Vec<i64> = self.sets.iter().map(lacking).collect();
        let before = |at: usize| all[..at].iter().filter(|bits| **bits == all[at]).count() as i64;
        (0..all.len()).map(|at| all[at] | before(at) << keys).collect()
    }

    /// The rows with a copy for each set, if there are several; the keys are their first columns, and behind all is the
    /// number of the set.
    pub(super) fn expand(&self, rel: Rel) -> Rel {
        if !self.is_expanded() {
            return rel;
        }
        let keys = self.exprs.len();
        let width = rel.columns.len();
        let copy = |(set, id): (&Vec<usize>, i64)| {
            let column = |at: usize| match at < keys && !set.contains(&at) {
                true => ExpandColumn::Null,
                false => ExpandColumn::Input(at),
            };
            (0..width).map(column).chain([ExpandColumn::Id(id)]).collect()
        };
        let projections = self.sets.iter().zip(self.ids()).map(copy).collect();
        rel.expand(projections)
    }

    /// What a call of these functions is over the groups; nothing if it is none.
    pub(super) fn over_groups(&self, expr: &Expr, places: &[(usize, Location)]) -> Option<Result<Expr>> {
        let Expr::Call { function, args, .. } = expr else { return None };
        match function.name.as_str() {
            GROUPING => Some(self.lacking(args, places)),
            GROUP_ID => Some(self.by_set(|id| id >> self.exprs.len())),
            _ => None,
        }
    }

    /// A bit for each argument, whether the group's set lacks it.
    fn lacking(&self, args: &[Expr], places: &[(usize, Location)]) -> Result<Expr> {
        let keys = args.iter().map(|arg| self.exprs.iter().position(|key| key == arg).ok_or(arg));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|arg| not_a_key(arg, places))?;
        let last = self.exprs.len();
        self.by_set(|id| keys.iter().fold(0, |bits, key| bits << 1 | (id >> (last - 1 - key)) & 1))
    }

    /// A value that the number of the set decides.
    fn by_set(&self, value: impl Fn(i64) -> i64) -> Result<Expr> {
        let ids = self.ids();
        let values: Vec<i64> = ids.iter().map(|id| value(*id)).collect();
        let Some((last, before)) = values.split_last() else { return Err(Error::internal("a grouping without a set")) };
        if before.iter().all(|value| value == last) {
            return Ok(number(*last));
        }
        let id = || Expr::column(self.exprs.len(), bigint());
        let branch = |(set, value): (&i64, &i64)| Ok((call("=", vec![id(), number(*set)])?, number(*value)));
        let branches = ids.iter().zip(before).map(branch).collect::<Result<Vec<_>>>()?;
        Ok(Expr::Case { branches, otherwise: Box::new(number(*last)), ty: bigint() })
    }
}

fn bigint() -> LogicalType {
    LogicalType::not_null(TypeKind::BigInt)
}

fn number(value: i64) -> Expr {
    Expr::literal(Value::Int(value), bigint())
}

fn not_a_key(arg: &Expr, places: &[(usize, Location)]) -> Error {
    let error = Error::invalid("an argument of GROUPING is no key").with_hint("Put it into GROUP BY.");
    let place = arg.columns().into_iter().find_map(|column| places.iter().find(|(index, _)| *index == column));
    match place {
        Some((_, location)) => error.at(*location),
        None => error,
    }
}

/// Whether a function tells groups apart, by its name in lower case.
pub(super) fn is_grouping(name: &str) -> bool {
    matches!(name, "grouping" | "grouping_id" | "group_id")
}

impl ExprBinder<'_> {
    /// Binds an element of GROUP BY that is no window.
    pub(super) fn group_by(&mut self, ast: &Ast, keys: &mut Keys) -> Result<()> {
        let sets = match ast {
            Ast::GroupingSets(sets) => self.sets(sets, keys)?,
            Ast::Cube(parts) => subsets(&self.sets(parts, keys)?).map_err(|e| at_span(e, ast.span()))?,
            Ast::Rollup(parts) => prefixes(&self.sets(parts, keys)?),
            // GROUP BY (): no key.
            Ast::Tuple(none) if none.is_empty() => return Ok(()),
            key => return keys.extend([self.bind(key)?]),
        };
        keys.times(sets).map_err(|e| at_span(e, ast.span()))
    }

    /// Lists of keys: sets, or parts of a cube or a rollup.
    fn sets(&mut self, sets: &[Vec<Ast>], keys: &mut Keys) -> Result<Vec<Vec<usize>>> {
        let mut out = Vec::with_capacity(sets.len());
        for set in sets {
            let mut own = Vec::with_capacity(set.len());
            for ast in set {
                own.push(keys.key(self.bind(ast)?)?);
            }
            out.push(own);
        }
        Ok(out)
    }

    /// Types `GROUPING(k, ..)` and `GROUP_ID()`; what they mean is known when the groups are.
    pub(super) fn grouping(&mut self, name: &str, args: &[FunctionArg]) -> Result<Expr> {
        let upper = name.to_uppercase();
        let args = args.iter().map(|a| self.bind(argument(a, name)?)).collect::<Result<Vec<_>>>()?;
        if args.is_empty() != (name == "group_id") {
            let wants = if name == "group_id" { "no arguments" } else { "the keys that it is about" };
            return Err(Error::invalid(format!("function '{upper}' takes {wants}")));
        }
        let Some(aggregates) = &mut self.aggregates else {
            return Err(Error::invalid(format!("function '{upper}' in {}", self.clause))
                .with_hint("It belongs in SELECT, HAVING and ORDER BY of a query with GROUP BY."));
        };
        aggregates.tells_groups_apart = true;
        let function = FunctionId::new(if name == "group_id" { GROUP_ID } else { GROUPING });
        Ok(Expr::Call { function, args, ty: bigint() })
    }
}

/// All subsets of the parts, the whole first.
fn subsets(parts: &[Vec<usize>]) -> Result<Vec<Vec<usize>>> {
    if parts.len() > SETS_MAX.ilog2() as usize {
        return Err(Error::invalid(format!("GROUP BY has more than {SETS_MAX} grouping sets")));
    }
    let last = parts.len();
    let subset = |lacking: usize| {
        let kept = parts.iter().enumerate().filter(|(at, _)| lacking >> (last - 1 - at) & 1 == 0);
        kept.flat_map(|(_, part)| part.iter().copied()).collect()
    };
    Ok((0..1_usize << last).map(subset).collect())
}

/// All parts, then without the last, and so on to none.
fn prefixes(parts: &[Vec<usize>]) -> Vec<Vec<usize>> {
    (0..=parts.len()).rev().map(|kept| parts[..kept].concat()).collect()
}
