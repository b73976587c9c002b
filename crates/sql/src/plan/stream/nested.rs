//! Fields of rows that nobody reads: a source that can leave them out is told so (Flink's nested projection).
//!
//! The columns stay as they are, rows with all their fields; what stands in a field that nobody reads is open. So nothing
//! but the source changes, and what several pipelines read of one table is one read.

use std::collections::{BTreeSet, HashMap};

use flott_api::expr::Expr;

use super::nodes::{Calc, Watermark};
use super::share::identity;
use super::{Node, Op, Pipeline};
use crate::plan::rel::Scan;

/// What is read of a column.
#[derive(Clone, Debug)]
enum Read {
    /// These fields of its rows; none at first.
    Fields(BTreeSet<usize>),
    /// All of it.
    Whole,
}

impl Read {
    const NOTHING: Read = Read::Fields(BTreeSet::new());

    fn and(&mut self, other: Read) {
        match (&mut *self, other) {
            (Read::Fields(fields), Read::Fields(more)) => fields.extend(more),
            (_, Read::Whole) => *self = Read::Whole,
            (Read::Whole, Read::Fields(_)) => {}
        }
    }
}

type Reads = HashMap<String, Vec<Read>>;

/// Tells the sources of all pipelines which fields are read.
pub(in crate::plan) fn narrow(mut pipelines: Vec<Pipeline>) -> Vec<Pipeline> {
    let mut reads = Reads::new();
    for pipeline in &pipelines {
        collect(&pipeline.root, &vec![Read::Whole; pipeline.root.columns.len()], &mut reads);
    }
    for pipeline in &mut pipelines {
        tell(&mut pipeline.root, &reads);
    }
    pipelines
}

/// Scans that read the same: what they read is one.
fn key(scan: &Scan) -> String {
    format!("{} {:?} {:?}", identity(scan), scan.projection, scan.metadata)
}

/// What is read of the columns of a node comes down to what is read of sources.
fn collect(node: &Node, read: &[Read], reads: &mut Reads) {
    match (&node.op, node.inputs.as_slice()) {
        (Op::Source(scan), _) => {
            let all = reads.entry(key(scan)).or_insert_with(|| vec![Read::NOTHING; read.len()]);
            all.iter_mut().zip(read).for_each(|(all, more)| all.and(more.clone()));
        }
        (Op::Calc(Calc { condition, exprs }), [input]) => {
            let mut below = vec![Read::NOTHING; input.columns.len()];
            condition.iter().for_each(|e| add(e, &mut below));
            for (expr, read) in exprs.iter().zip(read) {
                match expr {
                    Expr::Column { index, .. } => below[*index].and(read.clone()),
                    expr => add(expr, &mut below),
                }
            }
            collect(input, &below, reads);
        }
        (Op::Watermark(Watermark { rowtime, watermark, .. }), [input]) => {
            let mut below = read.to_vec();
            below[*rowtime] = Read::Whole;
            add(watermark, &mut below);
            collect(input, &below, reads);
        }
        (_, inputs) => inputs.iter().for_each(|input| collect(input, &vec![Read::Whole; input.columns.len()], reads)),
    }
}

/// Adds what an expression reads.
fn add(expr: &Expr, below: &mut [Read]) {
    match expr {
        Expr::Column { index, .. } => below[*index] = Read::Whole,
        Expr::Field { input, index, .. } => match input.as_ref() {
            Expr::Column { index: column, .. } => below[*column].and(Read::Fields(BTreeSet::from([*index]))),
            input => add(input, below),
        },
        expr => expr.children().into_iter().for_each(|e| add(e, below)),
    }
}

fn tell(node: &mut Node, reads: &Reads) {
    if let Op::Source(scan) = &mut node.op
        && scan.description.push_downs.nested_projection
        && let Some(read) = reads.get(&key(scan))
    {
        let fields = |read: &Read| match read {
            Read::Fields(fields) => Some(fields.iter().copied().collect()),
            Read::Whole => None,
        };
        scan.read_fields = read.iter().map(fields).collect();
    }
    node.inputs.iter_mut().for_each(|input| tell(input, reads));
}
