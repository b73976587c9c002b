//! Cuts calls of functions that run in a process beside the job, such as those in Python, out of what is around them.
//!
//! Flink counterpart: the rules that make a `PythonCalc`. What such calls take is computed below them, what is made of their
//! results above; calls within calls go to the process together. As in Flink they are made for every row that passes the
//! part of the condition that needs none of them, also where they stand in a branch of a `CASE`. It is done to the optimised
//! tree, so that streams and bounded queries call alike; the optimiser has taken calls out of joins before.

use std::collections::BTreeSet;

use flott_api::expr::{Expr, FunctionId};
use flott_api::function::CallForm;
use flott_api::{Error, Result};
use flott_graph::spec::{AggregateCall, TableFunction};

use super::optimize::{conjuncts, is_immutable, remapped};
use super::print;
use super::rel::{Column, Correlate, Op, PythonCalc, PythonCorrelate, Rel};

/// The column of a result until all columns below it are known: this and its number.
const RESULTS: usize = 1 << 32;

/// The tree with the calls as nodes of their own, for bounded rows or a stream.
///
/// # Errors
/// If a call stands where nothing cuts it out.
pub(super) fn cut(rel: Rel, bounded: bool) -> Result<Rel> {
    let Rel { op, mut inputs, columns } = rel;
    match op {
        Op::Project { exprs } => {
            // A filter below a projection is one Calc with it.
            let condition = match inputs.pop() {
                Some(Rel { op: Op::Filter { condition }, inputs: below, .. }) => {
                    inputs = below;
                    Some(condition)
                }
                other => {
                    inputs.extend(other);
                    None
                }
            };
            calc(Calc { condition, exprs: Some(exprs) }, cut(only(inputs)?, bounded)?, columns)
        }
        Op::Filter { condition } => {
            calc(Calc { condition: Some(condition), exprs: None }, cut(only(inputs)?, bounded)?, columns)
        }
        Op::Correlate(of) if matches!(of.function, TableFunction::User { .. }) => {
            correlate(*of, cut(only(inputs)?, bounded)?, columns)
        }
        op => {
            let inputs = inputs.into_iter().map(|input| cut(input, bounded)).collect::<Result<_>>()?;
            check(&op, bounded)?;
            Ok(Rel { op, inputs, columns })
        }
    }
}

/// The input of what has one.
fn only(mut inputs: Vec<Rel>) -> Result<Rel> {
    inputs.pop().ok_or_else(|| Error::internal("a node reads nothing"))
}

/// What a filter and a projection do; without expressions all columns stay as they are.
struct Calc {
    condition: Option<Expr>,
    exprs: Option<Vec<Expr>>,
}

impl Calc {
    fn over(self, input: Rel, columns: Vec<Column>) -> Rel {
        let input = match self.condition {
            Some(condition) => input.filter(condition),
            None => input,
        };
        match self.exprs {
            Some(exprs) => Rel { op: Op::Project { exprs }, inputs: vec![input], columns },
            None => Rel { columns, ..input },
        }
    }
}

/// A Calc over a node, cut if it must be.
fn calc(calc: Calc, input: Rel, columns: Vec<Column>) -> Result<Rel> {
    if !calc.condition.iter().chain(calc.exprs.iter().flatten()).any(calls_beside) {
        return Ok(calc.over(input, columns));
    }
    let all = || columns.iter().enumerate().map(|(c, of)| Expr::column(c, of.ty.clone())).collect();
    let exprs = calc.exprs.unwrap_or_else(all);
    let parts = calc.condition.into_iter().flat_map(conjuncts);
    let (late, early): (Vec<Expr>, Vec<Expr>) = parts.partition(calls_beside);
    let conditions = late.len();
    let mut above: Vec<Expr> = late.into_iter().chain(exprs).collect();
    let mut rel = cut_once(input, early, &mut above)?;
    while above.iter().any(calls_beside) {
        rel = cut_once(rel, Vec::new(), &mut above)?;
    }
    let exprs = above.split_off(conditions);
    let is_there = |(at, expr): (usize, &Expr)| matches!(expr, Expr::Column { index, .. } if *index == at);
    if above.is_empty() && exprs.len() == rel.columns.len() && exprs.iter().enumerate().all(is_there) {
        return Ok(Rel { columns, ..rel });
    }
    Ok(Calc { condition: conjunction(above), exprs: Some(exprs) }.over(rel, columns))
}

/// The node that calls a table function for each row of another one. What its arguments need is computed below it.
fn correlate(correlate: Correlate, input: Rel, columns: Vec<Column>) -> Result<Rel> {
    let Correlate { function, condition, outer } = correlate;
    condition.iter().try_for_each(refuse_in_join)?;
    let Expr::Call { function, args, ty } = function.argument().clone() else {
        return Err(Error::internal("a table function of a user is no call"));
    };
    let width = input.columns.len();
    let mut above: Vec<Expr> = input.columns.iter().enumerate().map(|(c, of)| Expr::column(c, of.ty.clone())).collect();
    above.extend(args);
    let mut rel = input;
    while above[width..].iter().any(|arg| calls_beside(arg) && !is_ready(arg)) {
        rel = cut_once(rel, Vec::new(), &mut above)?;
    }
    let call = Expr::Call { function, args: above.split_off(width), ty };
    let kept: Vec<usize> = above.iter().flat_map(Expr::columns).collect();
    let mut arguments = Vec::new();
    arguments_of(&call, &mut arguments);
    let (input, forwarded, at) = below(rel, Vec::new(), &kept, &arguments);
    let call = over_columns(call, &arguments, &at);
    let op = PythonCorrelate { call, forwarded, condition, outer };
    Ok(Rel { op: Op::PythonCorrelate(Box::new(op)), inputs: vec![input], columns })
}

/// A call whose arguments are columns now.
fn over_columns(call: Expr, arguments: &[Expr], at: &[usize]) -> Expr {
    let argument = |e: &Expr| arguments.iter().position(|a| a == e).map(|i| Expr::column(at[i], e.ty().clone()));
    call.replace(&mut |e| if is_beside(e) { None } else { argument(e) })
}

/// Whether a function of an expression runs in a process.
pub(super) fn calls_beside(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |e| found |= is_beside(e));
    found
}

/// Whether it is a call of such a function.
pub(super) fn is_beside(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { function, .. } if function.user.as_ref().is_some_and(|u| u.language.runs_beside()))
}

/// Whether it is a call that a process can make of columns: its arguments need no process, or are such calls themselves.
fn is_ready(expr: &Expr) -> bool {
    let Expr::Call { args, .. } = expr else { return false };
    is_beside(expr) && args.iter().all(|arg| !calls_beside(arg) || is_ready(arg))
}

/// The node that makes all calls that can be made over a node; `above` then reads its columns.
fn cut_once(input: Rel, early: Vec<Expr>, above: &mut [Expr]) -> Result<Rel> {
    let mut calls: Vec<Expr> = Vec::new();
    for expr in above.iter_mut() {
        *expr = expr.clone().replace(&mut |e| {
            is_ready(e).then(|| Expr::column(RESULTS + place(&mut calls, e, is_immutable(e)), e.ty().clone()))
        });
    }
    if calls.is_empty() {
        return Err(Error::internal("no call beside the job can be made"));
    }
    let read = |exprs: &[Expr]| exprs.iter().flat_map(Expr::columns).collect::<BTreeSet<_>>();
    let kept: Vec<usize> = read(above).into_iter().filter(|column| *column < RESULTS).collect();
    let mut arguments = Vec::new();
    calls.iter().for_each(|call| arguments_of(call, &mut arguments));

    let (input, forwarded, at) = below(input, early, &kept, &arguments);
    let calls: Vec<Expr> = calls.into_iter().map(|call| over_columns(call, &arguments, &at)).collect();
    let results = calls.iter().enumerate().map(|(i, call)| Column::new(format!("f{i}"), call.ty().clone()));
    let own = named(input.columns.clone());
    let columns = named(forwarded.iter().map(|column| own[*column].clone()).chain(results).collect());
    for expr in above.iter_mut() {
        let new = |column: usize| match column.checked_sub(RESULTS) {
            Some(result) => kept.len() + result,
            None => kept.binary_search(&column).unwrap_or(column),
        };
        *expr = remapped(expr.clone(), &new);
    }
    Ok(Rel { op: Op::PythonCalc(PythonCalc { forwarded, calls }), inputs: vec![input], columns })
}

/// What a node gives to the calls over it: itself, where the columns that go on are, and where the arguments are. Where
/// something must be computed or left out first, a Calc does it.
fn below(input: Rel, early: Vec<Expr>, kept: &[usize], arguments: &[Expr]) -> (Rel, Vec<usize>, Vec<usize>) {
    let column = |e: &Expr| match e {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    };
    if early.is_empty()
        && let Some(at) = arguments.iter().map(column).collect::<Option<Vec<usize>>>()
    {
        return (input, kept.to_vec(), at);
    }
    let mut exprs: Vec<Expr> = kept.iter().map(|c| Expr::column(*c, input.columns[*c].ty.clone())).collect();
    let at = arguments.iter().map(|argument| place(&mut exprs, argument, true)).collect();
    let own = named(input.columns.clone());
    let of = |(i, e): (usize, &Expr)| match column(e) {
        Some(index) => own[index].clone(),
        None => Column::new(format!("f{}", i - kept.len()), e.ty().clone()),
    };
    let columns = named(exprs.iter().enumerate().map(of).collect());
    let rel = Calc { condition: conjunction(early), exprs: Some(exprs) }.over(input, columns);
    (rel, (0..kept.len()).collect(), at)
}

/// Where an expression is in a list, which it is added to if it is not there or may not be shared.
fn place(exprs: &mut Vec<Expr>, expr: &Expr, shared: bool) -> usize {
    if let Some(at) = exprs.iter().position(|e| e == expr).filter(|_| shared) {
        return at;
    }
    exprs.push(expr.clone());
    exprs.len() - 1
}

/// Adds the arguments of a call that need no process, and of the calls in it.
fn arguments_of(call: &Expr, found: &mut Vec<Expr>) {
    for arg in call.children() {
        match is_beside(arg) {
            true => arguments_of(arg, found),
            false => drop(place(found, arg, true)),
        }
    }
}

fn conjunction(parts: Vec<Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|a, b| {
        let ty = a.ty().clone().with_nullable(a.ty().nullable || b.ty().nullable);
        Expr::call("and", vec![a, b], ty)
    })
}

/// Two columns of one name are told apart.
fn named(columns: Vec<Column>) -> Vec<Column> {
    let names = print::unique(columns.iter().map(|c| &c.name));
    columns.into_iter().zip(names).map(|(c, name)| Column { name, ..c }).collect()
}

/// Refuses what nothing cuts out.
fn check(op: &Op, bounded: bool) -> Result<()> {
    match op {
        Op::Watermark { watermark, .. } => refuse(watermark),
        Op::Join(join) => join.condition.iter().try_for_each(refuse_in_join),
        Op::TemporalJoin(join) => join.condition.iter().try_for_each(refuse_in_join),
        Op::MultiJoin(join) => join.steps.iter().flat_map(|step| &step.condition).try_for_each(refuse_in_join),
        Op::Correlate(correlate) => {
            refuse(correlate.function.argument())?;
            correlate.condition.iter().try_for_each(refuse_in_join)
        }
        Op::Match(matched) => matched.expressions().try_for_each(|e| refuse(&e.expr)),
        Op::Predict(predict) => predict.arguments.iter().try_for_each(refuse),
        Op::Aggregate { calls, .. } => check_forms(calls, bounded),
        Op::WindowAggregate(windows) => refuse_windows(&windows.calls),
        _ => Ok(()),
    }
}

/// The first call in an expression that runs beside the job.
fn first_beside(expr: &Expr) -> Option<&FunctionId> {
    let mut found = None;
    expr.visit(&mut |e| match e {
        Expr::Call { function, .. } if is_beside(e) => found = found.or(Some(function)),
        _ => {}
    });
    found
}

fn language(function: &FunctionId) -> String {
    function.user.as_ref().map(|user| user.language.to_string()).unwrap_or_default()
}

fn refuse(expr: &Expr) -> Result<()> {
    let Some(function) = first_beside(expr) else { return Ok(()) };
    Err(Error::unsupported(format!("function '{}' in {} in this place", function.called(), language(function)))
        .with_detail("It can stand in SELECT and WHERE, in ON, and in what is grouped, ordered or aggregated.")
        .with_hint("Compute it in a subquery first: (SELECT .., f(x) AS y FROM t)."))
}

fn refuse_in_join(condition: &Expr) -> Result<()> {
    let Some(function) = first_beside(condition) else { return Ok(()) };
    let what = format!("function '{}' in {} in this condition of a join", function.called(), language(function));
    Err(Error::unsupported(what)
        .with_detail(
            "An inner join calls it for its pairs; others for rows of one side, and not of one that is looked up in.",
        )
        .with_hint("Give the function columns of one side, or join by something else and filter above."))
}

fn called_by_the_column(call: &AggregateCall) -> Option<bool> {
    call.function.user.as_ref().map(|user| user.form == CallForm::Batch)
}

/// Functions of pandas want all rows of a group, and a process takes its rows in one way.
fn check_forms(calls: &[AggregateCall], bounded: bool) -> Result<()> {
    let of_pandas = calls.iter().find(|call| called_by_the_column(call) == Some(true));
    let of_rows = calls.iter().find(|call| called_by_the_column(call) == Some(false));
    match (of_pandas, of_rows) {
        (Some(call), _) if !bounded => {
            let what = format!("aggregate function '{}' of pandas with GROUP BY in a stream", call.function.called());
            Err(Error::unsupported(what)
                .with_detail("It is given all rows of a group at once, and in a stream a group has no end.")
                .with_hint("SET 'execution.runtime-mode' = 'batch', or declare it without func_type='pandas'."))
        }
        (Some(pandas), Some(rows)) => {
            let (pandas, rows) = (pandas.function.called(), rows.function.called());
            let what = format!("aggregate function '{pandas}' of pandas beside '{rows}' of rows in one GROUP BY");
            Err(Error::unsupported(what).with_hint("Aggregate in two subqueries, and join them by the keys."))
        }
        _ => Ok(()),
    }
}

fn refuse_windows(calls: &[AggregateCall]) -> Result<()> {
    let Some(call) = calls.iter().find(|call| call.function.user.is_some()) else { return Ok(()) };
    Err(Error::unsupported(format!("aggregate function '{}' over windows in a stream", call.function.called()))
        .with_detail("There, functions of users aggregate groups without windows.")
        .with_hint(
            "Group by the window as a value: in a subquery, CAST(window_start AS TIMESTAMP(3)). Batch mode can do it.",
        ))
}
