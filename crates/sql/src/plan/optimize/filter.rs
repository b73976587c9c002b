//! Rules: filters move towards the sources, and sources are told of them.

use flott_api::Result;
use flott_api::expr::Expr;

use super::{all_of, bottom_up, conjuncts, is_immutable, join, remapped, through_projection};
use crate::plan::rel::{Op, Rel};

/// Moves filters below projections, unions, joins and groups.
pub(super) fn push_down(rel: Rel, _: &str) -> Result<Rel> {
    let Rel { op, mut inputs, columns } = rel;
    let Op::Filter { condition } = op else {
        let rel = join::sides_below(Rel { op, inputs, columns })?;
        let inputs = rel.inputs.into_iter().map(|input| push_down(input, "")).collect::<Result<_>>()?;
        return Ok(Rel { inputs, ..rel });
    };
    let Some(input) = inputs.pop() else { return Ok(Rel { op: Op::Filter { condition }, inputs, columns }) };
    match input.op {
        Op::Project { exprs } if may_move(&condition, &exprs) => {
            let condition = through_projection(condition, &exprs);
            let lowest = input.inputs.into_iter().map(|i| push_down(i.filter(condition.clone()), ""));
            Ok(Rel { op: Op::Project { exprs }, inputs: lowest.collect::<Result<_>>()?, columns: input.columns })
        }
        Op::Union if is_immutable(&condition) => {
            let inputs = input.inputs.into_iter().map(|i| push_down(i.filter(condition.clone()), ""));
            Ok(Rel { op: Op::Union, inputs: inputs.collect::<Result<_>>()?, columns })
        }
        // Two filters become one, so that both can move on.
        Op::Filter { condition: inner } => {
            let mut all = conjuncts(inner);
            all.extend(conjuncts(condition));
            let below = input.inputs.into_iter().next();
            match below {
                Some(below) => push_down(below.filter(all_of(all)?), ""),
                None => Ok(Rel { op: Op::Filter { condition: all_of(all)? }, inputs, columns }),
            }
        }
        op @ Op::Aggregate { .. } => below_groups(condition, Rel { op, ..input }),
        op @ (Op::Over(_) | Op::Rank(_)) => below_partitions(condition, Rel { op, ..input }),
        Op::Join(_) | Op::Correlate(_) => {
            let (rel, above) = join::filter_below(condition, input)?;
            let rel = push_down(rel, "")?;
            Ok(if above.is_empty() { rel } else { rel.filter(all_of(above)?) })
        }
        op => {
            let below = Rel { op, ..input };
            Ok(Rel { op: Op::Filter { condition }, inputs: vec![push_down(below, "")?], columns })
        }
    }
}

/// A condition on keys chooses groups, so it may choose their rows. A window's bounds stay: they are known above it.
fn below_groups(condition: Expr, aggregate: Rel) -> Result<Rel> {
    let Rel { op: Op::Aggregate { keys, calls, ttl }, inputs, columns } = aggregate else {
        return Ok(aggregate.filter(condition));
    };
    let on_keys = |e: &Expr| {
        let read = e.columns();
        is_immutable(e) && !read.is_empty() && read.iter().all(|&c| c < keys.len() && columns[c].window.is_none())
    };
    let (below, above): (Vec<Expr>, Vec<Expr>) = conjuncts(condition).into_iter().partition(on_keys);
    let below = below.into_iter().map(|e| remapped(e, &|c| keys[c])).collect::<Vec<_>>();
    let inputs = inputs.into_iter().map(|input| {
        if below.is_empty() { push_down(input, "") } else { push_down(input.filter(all_of(below.clone())?), "") }
    });
    let inputs = inputs.collect::<Result<_>>()?;
    let rel = Rel { op: Op::Aggregate { keys, calls, ttl }, inputs, columns };
    Ok(if above.is_empty() { rel } else { rel.filter(all_of(above)?) })
}

/// A condition on the columns of a partition chooses partitions, so it may choose their rows.
fn below_partitions(condition: Expr, rel: Rel) -> Result<Rel> {
    let partition = match &rel.op {
        Op::Over(over) => over.partition.clone(),
        Op::Rank(rank) => rank.partition.clone(),
        _ => Vec::new(),
    };
    let of_partition = |e: &Expr| {
        let read = e.columns();
        is_immutable(e) && !read.is_empty() && read.iter().all(|c| partition.contains(c))
    };
    let (below, above): (Vec<Expr>, Vec<Expr>) = conjuncts(condition).into_iter().partition(of_partition);
    let Rel { op, inputs, columns } = rel;
    let inputs = inputs.into_iter().map(|input| {
        if below.is_empty() { push_down(input, "") } else { push_down(input.filter(all_of(below.clone())?), "") }
    });
    let rel = Rel { op, inputs: inputs.collect::<Result<_>>()?, columns };
    Ok(if above.is_empty() { rel } else { rel.filter(all_of(above)?) })
}

/// A condition may be evaluated below a projection if what it reads there is the same each time.
fn may_move(condition: &Expr, exprs: &[Expr]) -> bool {
    is_immutable(condition) && condition.columns().iter().all(|&c| is_immutable(&exprs[c]))
}

/// Tells sources of the filters right above them.
pub(super) fn offer(rel: Rel, _: &str) -> Result<Rel> {
    bottom_up(rel, &mut |mut rel| {
        if let (Op::Filter { condition }, [input]) = (&rel.op, rel.inputs.as_mut_slice())
            && let Op::Scan(scan) = &mut input.op
            && scan.description.push_downs.filter
        {
            let physical = scan.projection.clone();
            let reads_rows = |e: &Expr| e.columns().iter().all(|&c| c < physical.len());
            let offered = conjuncts(condition.clone()).into_iter().filter(|e| is_immutable(e) && reads_rows(e));
            scan.filters.extend(offered.map(|e| remapped(e, &|c| physical[c])));
        }
        Ok(rel)
    })
}
