//! The rules that may change a plan: this list and no other. Each has a reason, and tests in `tests/optimize.rs`; that of
//! windows in `tests/windows.rs`, those of orders in `tests/orders.rs`, that of processes in `session/tests/beside.rs`.
//!
//! Not in the list, because they are wrong on changelogs or for functions of each row's time: limit push-down,
//! single-distinct-to-group-by, unions-to-filter, plan-time evaluation of stable functions, sharing of volatile calls,
//! and moving filters across a watermark (they would change it).

mod beside;
mod empty;
mod filter;
mod fold;
mod join;
mod json;
mod logic;
mod merge;
mod multi_join;
mod prune;
mod rank;
mod reduce;
mod semi;
mod window;

use flott_api::Result;
use flott_api::expr::Expr;
use flott_functions::{Volatility, volatility};

pub(super) use multi_join::marked;
pub(super) use reduce::{Squared, aggregate_of};

use super::rel::{Multi, Op, Rel};

/// A rule of the list.
pub(super) struct Rule {
    /// Its name, for tests.
    pub(super) name: &'static str,
    /// Why it is worth having and why it is right.
    pub(super) reason: &'static str,
    /// Applies it to a whole tree; the text is the session's zone.
    pub(super) apply: fn(Rel, &str) -> Result<Rel>,
}

/// The rule whose form of bounded rows refuses nothing.
const KEEP_FIRST_ROWS: &str = "keep the first rows";
/// The rule that is of no use where nothing is remembered.
const MULTI_JOIN: &str = "join several inputs at once";

/// The list, in the order of application.
pub(super) const RULES: [Rule; 17] = [
    Rule {
        name: "put JSON into JSON",
        reason: "what JSON_OBJECT and JSON_ARRAY give is no text to such a call around it, be it in an inner query",
        apply: json::nest,
    },
    Rule {
        name: "fold constants",
        reason: "immutable functions of constants give the same for every row; stable and volatile ones are left alone",
        apply: fold::fold,
    },
    Rule {
        name: "simplify logic",
        reason: "TRUE in AND, a condition twice and x = x cost work for every row; nothing that may fail is added",
        apply: logic::simplify,
    },
    Rule {
        name: "drop what is empty",
        reason: "a filter that is never true has no rows, whatever it reads; Flink knows a count of them while planning",
        apply: empty::empty,
    },
    Rule {
        name: "reduce aggregates",
        reason: "a variance runs as a sum of squares and a count; SUM and AVG share a sum and a count where that is less",
        apply: reduce::reduce,
    },
    Rule {
        name: "merge projections and filters",
        reason: "one Calc instead of several; an expression is never evaluated more often than before, volatile ones stay",
        apply: merge::merge,
    },
    Rule {
        name: "push filters down",
        reason: "rows are dropped before work is done on them; across projections, unions, joins, and groups whose keys they read",
        apply: filter::push_down,
    },
    Rule {
        name: "choose rows early",
        reason: "IN and EXISTS keep rows of one table: below an inner join they save the pairs of the others",
        apply: semi::sink,
    },
    Rule {
        name: KEEP_FIRST_ROWS,
        reason: "a bounded ROW_NUMBER needs no number for every row: what is behind the last one changes nothing",
        apply: rank::top_n,
    },
    Rule {
        name: "compute join keys below",
        reason: "rows are sent and kept by columns: what is compared is one, and computed once a row instead of once a pair",
        apply: join::keys_below,
    },
    Rule {
        name: "offer filters to sources",
        reason: "a source may skip files and row groups; the filter stays in the plan, so the source may be careless",
        apply: filter::offer,
    },
    Rule {
        name: "aggregate by window",
        reason: "a group by window_start and window_end is complete when the watermark passes: it only inserts",
        apply: window::aggregate,
    },
    Rule {
        name: "push filters down again",
        reason: "a window aggregation gives its columns in an order of its own; a filter goes below what puts them back",
        apply: filter::push_down,
    },
    Rule {
        name: "take calls of processes out of joins",
        reason: "whoever joins cannot wait for a process; it is called for the pairs, or below for the rows of one side",
        apply: beside::out_of_joins,
    },
    Rule {
        name: MULTI_JOIN,
        reason: "joins by a key that all share need not remember what is between them; only where it was asked for",
        apply: multi_join::gather,
    },
    Rule {
        name: "prune columns",
        reason: "columns that nobody reads are not read; time columns of watermarks and windows are always needed",
        apply: prune::prune,
    },
    Rule {
        name: "merge projections and filters again",
        reason: "pruning leaves projections that do nothing",
        apply: merge::merge,
    },
];

/// Applies all rules.
pub(super) fn optimize(rel: Rel, zone: &str) -> Result<Rel> {
    RULES.iter().try_fold(rel, |rel, rule| {
        tracing::trace!(rule = rule.name, reason = rule.reason, "optimise");
        (rule.apply)(rel, zone)
    })
}

/// Applies all rules to rows that end.
pub(super) fn optimize_bounded(rel: Rel, zone: &str) -> Result<Rel> {
    RULES.iter().try_fold(marked(rel, Multi::No), |rel, rule| match rule.name {
        KEEP_FIRST_ROWS => rank::top_n_of_bounded(rel, zone),
        MULTI_JOIN => Ok(rel),
        _ => (rule.apply)(rel, zone),
    })
}

/// A projection and the projection below it as one, where that is right.
pub(super) fn merge_top(rel: Rel) -> Result<Rel> {
    merge::merge_node(rel)
}

/// Rewrites every node, inputs first.
fn bottom_up(mut rel: Rel, rewrite: &mut impl FnMut(Rel) -> Result<Rel>) -> Result<Rel> {
    rel.inputs = rel.inputs.into_iter().map(|input| bottom_up(input, rewrite)).collect::<Result<_>>()?;
    rewrite(rel)
}

/// The expression over the input of a projection instead of over its result.
fn through_projection(expr: Expr, exprs: &[Expr]) -> Expr {
    // Children are rewritten first, so a substituted expression would be visited again: the columns are replaced top-down.
    match expr {
        Expr::Column { index, .. } => exprs[index].clone(),
        Expr::Literal { .. } => expr,
        Expr::Call { function, args, ty } => {
            let args = args.into_iter().map(|a| through_projection(a, exprs)).collect();
            Expr::Call { function, args, ty }
        }
        Expr::Case { branches, otherwise, ty } => {
            let through = |e: Expr| through_projection(e, exprs);
            let branches = branches.into_iter().map(|(test, result)| (through(test), through(result))).collect();
            Expr::Case { branches, otherwise: Box::new(through_projection(*otherwise, exprs)), ty }
        }
        Expr::Cast { input, ty, try_cast } => {
            Expr::Cast { input: Box::new(through_projection(*input, exprs)), ty, try_cast }
        }
        Expr::Field { input, index, ty } => {
            Expr::Field { input: Box::new(through_projection(*input, exprs)), index, ty }
        }
    }
}

/// The expression with other positions of the same columns.
pub(super) fn remapped(expr: Expr, position: &impl Fn(usize) -> usize) -> Expr {
    expr.transform(&mut |e| match e {
        Expr::Column { index, ty } => Expr::Column { index: position(index), ty },
        other => other,
    })
}

/// Whether the expression gives the same for the same row, whenever and however often it is evaluated.
pub(super) fn is_immutable(expr: &Expr) -> bool {
    let mut immutable = true;
    expr.visit(&mut |e| {
        if let Expr::Call { function, .. } = e {
            immutable &= volatility(function) == Volatility::Immutable;
        }
    });
    immutable
}

/// The operands of a conjunction.
pub(super) fn conjuncts(condition: Expr) -> Vec<Expr> {
    match condition {
        Expr::Call { function, args, .. } if function.name == "and" => args.into_iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// The conjunction of conditions.
fn all_of(conditions: Vec<Expr>) -> Result<Expr> {
    super::binder::combine("and", conditions)
}

/// Whether a projection gives its input unchanged but for names.
fn is_identity(rel: &Rel) -> bool {
    let (Op::Project { exprs }, [input]) = (&rel.op, rel.inputs.as_slice()) else { return false };
    exprs.len() == input.columns.len()
        && exprs.iter().enumerate().all(|(i, e)| matches!(e, Expr::Column { index, .. } if *index == i))
}
