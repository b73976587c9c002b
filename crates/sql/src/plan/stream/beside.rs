//! Cuts a Calc where it calls functions that run in a process beside the job, such as those in Python.
//!
//! Flink counterpart: the rules that make a `PythonCalc`. What such calls take is computed below them, what is made of their
//! results above; calls within calls go to the process together. As in Flink they are made for every row that passes the
//! part of the condition that needs none of them, also where they stand in a branch of a `CASE`.

use std::collections::BTreeSet;

use flott_api::expr::Expr;
use flott_api::{Error, Result};

use super::nodes::{Calc, PythonCalc, PythonCorrelate};
use super::{Node, Op, StreamOp};
use crate::plan::optimize::{conjuncts, is_immutable, remapped};
use crate::plan::print;
use crate::plan::rel::{Column, Correlate};

/// The column of a result until all columns below it are known: this and its number.
const RESULTS: usize = 1 << 32;

/// A Calc over a node, cut if it must be.
pub(super) fn calc(calc: Calc, input: Node, columns: Vec<Column>) -> Result<Node> {
    let Calc { condition, exprs } = calc;
    if !condition.iter().chain(&exprs).any(calls_beside) {
        return Node::new(Op::Calc(Calc { condition, exprs }), vec![input], columns);
    }
    let parts = condition.into_iter().flat_map(conjuncts);
    let (late, early): (Vec<Expr>, Vec<Expr>) = parts.partition(calls_beside);
    let conditions = late.len();
    let mut above: Vec<Expr> = late.into_iter().chain(exprs).collect();
    let mut node = cut(input, early, &mut above)?;
    while above.iter().any(calls_beside) {
        node = cut(node, Vec::new(), &mut above)?;
    }
    let exprs = above.split_off(conditions);
    let is_there = |(at, expr): (usize, &Expr)| matches!(expr, Expr::Column { index, .. } if *index == at);
    if above.is_empty() && exprs.len() == node.columns.len() && exprs.iter().enumerate().all(is_there) {
        return Ok(Node { columns, ..node });
    }
    Node::new(Op::Calc(Calc { condition: conjunction(above), exprs }), vec![node], columns)
}

/// The node that calls a table function for each row of another one. What its arguments need is computed below it.
pub(super) fn correlate(correlate: Correlate, input: Node, columns: Vec<Column>) -> Result<Node> {
    let Correlate { function, condition, outer } = correlate;
    let Expr::Call { function, args, ty } = function.argument().clone() else {
        return Err(Error::internal("a table function of a user is no call"));
    };
    let width = input.columns.len();
    let mut above: Vec<Expr> = input.columns.iter().enumerate().map(|(c, of)| Expr::column(c, of.ty.clone())).collect();
    above.extend(args);
    let mut node = input;
    while above[width..].iter().any(|arg| calls_beside(arg) && !is_ready(arg)) {
        node = cut(node, Vec::new(), &mut above)?;
    }
    let call = Expr::Call { function, args: above.split_off(width), ty };
    let kept: Vec<usize> = above.iter().flat_map(Expr::columns).collect();
    let mut arguments = Vec::new();
    arguments_of(&call, &mut arguments);
    let (input, forwarded, at) = below(node, Vec::new(), &kept, &arguments)?;
    let call = over_columns(call, &arguments, &at);
    let op = PythonCorrelate { call, forwarded, condition, outer };
    Node::new(Op::PythonCorrelate(Box::new(op)), vec![input], columns)
}

/// A call whose arguments are columns now.
fn over_columns(call: Expr, arguments: &[Expr], at: &[usize]) -> Expr {
    let argument = |e: &Expr| arguments.iter().position(|a| a == e).map(|i| Expr::column(at[i], e.ty().clone()));
    call.replace(&mut |e| if is_beside(e) { None } else { argument(e) })
}

/// Whether a function of an expression runs in a process.
fn calls_beside(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |e| found |= is_beside(e));
    found
}

fn is_beside(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { function, .. } if function.user.as_ref().is_some_and(|u| u.language.runs_beside()))
}

/// Whether it is a call that a process can make of columns: its arguments need no process, or are such calls themselves.
fn is_ready(expr: &Expr) -> bool {
    let Expr::Call { args, .. } = expr else { return false };
    is_beside(expr) && args.iter().all(|arg| !calls_beside(arg) || is_ready(arg))
}

/// The node that makes all calls that can be made over a node; `above` then reads its columns.
fn cut(input: Node, early: Vec<Expr>, above: &mut [Expr]) -> Result<Node> {
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

    let (input, forwarded, at) = below(input, early, &kept, &arguments)?;
    let calls: Vec<Expr> = calls.into_iter().map(|call| over_columns(call, &arguments, &at)).collect();
    let results = calls.iter().enumerate().map(|(i, call)| Column::new(format!("f{i}"), call.ty().clone()));
    let columns = named(forwarded.iter().map(|column| input.columns[*column].clone()).chain(results).collect());
    for expr in above.iter_mut() {
        let new = |column: usize| match column.checked_sub(RESULTS) {
            Some(result) => kept.len() + result,
            None => kept.binary_search(&column).unwrap_or(column),
        };
        *expr = remapped(expr.clone(), &new);
    }
    Node::new(Op::PythonCalc(PythonCalc { forwarded, calls }), vec![input], columns)
}

/// What a node gives to the calls over it: itself, where the columns that go on are, and where the arguments are. Where
/// something must be computed or left out first, a Calc does it.
fn below(input: Node, early: Vec<Expr>, kept: &[usize], arguments: &[Expr]) -> Result<(Node, Vec<usize>, Vec<usize>)> {
    let column = |e: &Expr| match e {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    };
    if early.is_empty()
        && let Some(at) = arguments.iter().map(column).collect::<Option<Vec<usize>>>()
    {
        return Ok((input, kept.to_vec(), at));
    }
    let mut exprs: Vec<Expr> = kept.iter().map(|c| Expr::column(*c, input.columns[*c].ty.clone())).collect();
    let at = arguments.iter().map(|argument| place(&mut exprs, argument, true)).collect();
    let of = |(i, e): (usize, &Expr)| match column(e) {
        Some(index) => input.columns[index].clone(),
        None => Column::new(format!("f{}", i - kept.len()), e.ty().clone()),
    };
    let columns = named(exprs.iter().enumerate().map(of).collect());
    let node = Node::new(Op::Calc(Calc { condition: conjunction(early), exprs }), vec![input], columns)?;
    Ok((node, (0..kept.len()).collect(), at))
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

/// Refuses such calls where nothing cuts them out.
pub(super) fn check(node: &Node) -> Result<()> {
    if let Op::WindowAggregate(windows) = &node.op
        && let Some(call) = windows.calls.iter().find(|call| call.function.user.is_some())
    {
        return Err(Error::unsupported(format!("aggregate function '{}' over windows", call.function.called()))
            .with_detail("Functions of users aggregate groups without windows.")
            .with_hint("Group by the window as a value: in a subquery, CAST(window_start AS TIMESTAMP(3))."));
    }
    let within = match &node.op {
        Op::PythonCalc(_) => Vec::new(),
        // Its arguments may be calls.
        Op::PythonCorrelate(op) => op.condition.iter().collect(),
        op => op.expressions(),
    };
    for expr in within {
        let mut refused = None;
        expr.visit(&mut |e| match e {
            Expr::Call { function, .. } if is_beside(e) => refused = refused.or(Some(function)),
            _ => {}
        });
        if let Some(function) = refused {
            let language = function.user.as_ref().map(|user| user.language.to_string()).unwrap_or_default();
            return Err(Error::unsupported(format!("function '{}' in {language} in this place", function.called()))
                .with_detail("It can stand in SELECT and WHERE, and in what is grouped, ordered or aggregated.")
                .with_hint("Compute it in a subquery first: (SELECT .., f(x) AS y FROM t)."));
        }
    }
    node.inputs.iter().try_for_each(check)
}
