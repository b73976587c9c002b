//! Rule: JSON that an inner query makes is put into the JSON of an outer one as it is, and not as a text.
//!
//! Flink decides it when it makes code: of both projections it has made one by then, unless groups, joins, limits or
//! the like stand between them. Here projections stay apart where an expression would be evaluated twice, so it is decided by where
//! a column comes from.

use flott_api::Result;
use flott_api::expr::Expr;
use flott_functions::is_json_call;
use flott_graph::spec::AggregateCall;

use super::bottom_up;
use crate::plan::binder::with_json_columns;
use crate::plan::rel::{Op, Rel};

/// Tells every call of the tree which of its values are JSON.
pub(super) fn nest(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |rel| Ok(nested(rel)))
}

fn nested(rel: Rel) -> Rel {
    let Rel { op, mut inputs, columns } = rel;
    let op = match (op, inputs.as_mut_slice()) {
        (Op::Project { exprs }, [input]) => {
            Op::Project { exprs: exprs.into_iter().map(|expr| told(expr, input)).collect() }
        }
        (Op::Filter { condition }, [input]) => Op::Filter { condition: told(condition, input) },
        (Op::Aggregate { keys, calls, ttl }, [input]) => {
            collect(&keys, &calls, input);
            Op::Aggregate { keys, calls, ttl }
        }
        (op, _) => op,
    };
    Rel { op, inputs, columns }
}

fn told(expr: Expr, input: &Rel) -> Expr {
    with_json_columns(expr, &|index| is_json(input, index))
}

/// Whether a column is what a call makes that could stand where the column is read.
fn is_json(rel: &Rel, index: usize) -> bool {
    match (&rel.op, rel.inputs.as_slice()) {
        (Op::Project { exprs }, [input]) => {
            exprs.get(index).is_some_and(|expr| is_json_call(expr, &|column| is_json(input, column)))
        }
        (Op::Filter { .. }, [input]) => is_json(input, index),
        (Op::Union, inputs) => !inputs.is_empty() && inputs.iter().all(|input| is_json(input, index)),
        _ => false,
    }
}

/// What `JSON_ARRAYAGG` and `JSON_OBJECTAGG` collect has been made JSON of; where it is JSON, it is taken as it is.
fn collect(keys: &[usize], calls: &[AggregateCall], projection: &mut Rel) {
    let (Op::Project { exprs }, [below]) = (&mut projection.op, projection.inputs.as_slice()) else { return };
    for place in calls.iter().filter(|call| collects_json(call)).filter_map(|call| call.args.last()) {
        let reads = |call: &AggregateCall| call.args.contains(place) && !collects_json(call);
        if keys.contains(place) || calls.iter().any(reads) {
            continue;
        }
        let value = match exprs.get(*place) {
            Some(Expr::Call { function, args, .. }) if function.name == "json_string" => args.first(),
            _ => None,
        };
        if let Some(json) = value.filter(|v| is_json_call(v, &|column| is_json(below, column))).cloned() {
            exprs[*place] = json;
        }
    }
}

fn collects_json(call: &AggregateCall) -> bool {
    call.function.name.starts_with("json_")
}
