//! Scans of one table by several pipelines become equal, so that the table is read once: each reads the columns of all.
//!
//! Only scans with the same options and pushed filters: another filter may mean other files.

use std::collections::HashMap;

use flott_api::expr::Expr;

use super::nodes::{Calc, Union};
use super::{Node, Op, Pipeline, StreamOp};
use crate::plan::optimize::remapped;
use crate::plan::rel::{Column, Scan};

/// Makes the scans of all pipelines equal where that is worth it.
pub(in crate::plan) fn share(mut pipelines: Vec<Pipeline>) -> Vec<Pipeline> {
    let mut widest: HashMap<String, (Scan, Vec<Column>)> = HashMap::new();
    for pipeline in &pipelines {
        collect(&pipeline.root, &mut widest);
    }
    for pipeline in &mut pipelines {
        let root = std::mem::replace(&mut pipeline.root, placeholder());
        pipeline.root = widened(root, &widest);
    }
    pipelines
}

fn placeholder() -> Node {
    let changelog = flott_api::table::ChangelogMode::INSERT_ONLY;
    Node { op: Op::Union(Union), inputs: Vec::new(), columns: Vec::new(), changelog, upsert_keys: Vec::new() }
}

/// What makes two scans the same read.
pub(in crate::plan) fn identity(scan: &Scan) -> String {
    format!("{} {:?} {:?}", scan.path, scan.options, scan.filters)
}

fn collect(node: &Node, widest: &mut HashMap<String, (Scan, Vec<Column>)>) {
    node.inputs.iter().for_each(|input| collect(input, widest));
    let Op::Source(scan) = &node.op else { return };
    match widest.get_mut(&identity(scan)) {
        Some((all, columns)) => unite(all, columns, scan, &node.columns),
        None => {
            widest.insert(identity(scan), (scan.as_ref().clone(), node.columns.clone()));
        }
    }
}

/// Adds the columns of another scan; physical ones stay in the table's order.
fn unite(all: &mut Scan, columns: &mut Vec<Column>, other: &Scan, other_columns: &[Column]) {
    for (physical, column) in other.projection.iter().zip(other_columns) {
        if let Err(place) = all.projection.binary_search(physical) {
            all.projection.insert(place, *physical);
            columns.insert(place, column.clone());
        }
    }
    for (metadata, column) in other.metadata.iter().zip(&other_columns[other.projection.len()..]) {
        if !all.metadata.contains(metadata) {
            all.metadata.push(metadata.clone());
            columns.push(column.clone());
        }
    }
}

/// The tree with the widest scans; what read a narrower one finds its columns again.
fn widened(mut node: Node, widest: &HashMap<String, (Scan, Vec<Column>)>) -> Node {
    if let (Op::Calc(Calc { condition, exprs }), [input]) = (&mut node.op, node.inputs.as_mut_slice())
        && let Some((source, places)) = wider(input, widest)
    {
        let moved = |e: Expr| remapped(e, &|c| places[c]);
        *condition = condition.take().map(moved);
        *exprs = std::mem::take(exprs).into_iter().map(moved).collect();
        *input = source;
        return node;
    }
    if let Some((source, places)) = wider(&node, widest) {
        let exprs = places.iter().map(|&p| Expr::column(p, source.columns[p].ty.clone())).collect();
        return Node { op: Op::Calc(Calc { condition: None, exprs }), inputs: vec![source], ..node };
    }
    node.inputs = node.inputs.into_iter().map(|input| widened(input, widest)).collect();
    node
}

/// The scan of more columns that takes this one's place, and where this one's columns are in it.
fn wider(node: &Node, widest: &HashMap<String, (Scan, Vec<Column>)>) -> Option<(Node, Vec<usize>)> {
    let Op::Source(scan) = &node.op else { return None };
    let (all, columns) = widest.get(&identity(scan)).filter(|(all, _)| all != scan.as_ref())?;
    let physical = scan.projection.iter().map(|p| all.projection.iter().position(|q| q == p));
    let first = all.projection.len();
    let metadata = scan.metadata.iter().map(|m| all.metadata.iter().position(|n| n == m).map(|i| first + i));
    let places = physical.chain(metadata).collect::<Option<Vec<usize>>>()?;
    let op = Op::Source(Box::new(all.clone()));
    let source = Node {
        upsert_keys: op.upsert_keys(&[]),
        op,
        inputs: Vec::new(),
        columns: columns.clone(),
        changelog: node.changelog,
    };
    Some((source, places))
}
