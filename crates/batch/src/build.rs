//! The tree of DataFusion's operators for a plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::SortOptions;
use arrow_select::take::take_record_batch;
use datafusion_physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion_physical_plan::empty::EmptyExec;
use datafusion_physical_plan::filter::FilterExec;
use datafusion_physical_plan::limit::GlobalLimitExec;
use datafusion_physical_plan::projection::ProjectionExec;
use datafusion_physical_plan::sorts::sort::SortExec;
use flott_api::expr::Expr;
use flott_api::source::{Boundedness, ReaderContext};
use flott_api::table::{SourceSpec, TableFactory};
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result, Schema};
use flott_functions::literal_array;
use flott_graph::spec::{
    AggregateCall, BatchNode, BatchOp, CorrelateSpec, ExpandSpec, MlPredictTableFunctionSpec, SortField,
    WindowTableFunctionSpec,
};
use flott_operators::correlate::Correlate;
use flott_operators::expand::Expand;
use flott_operators::ml_predict_table_function::Model;
use flott_operators::window_table_function::WindowTableFunction;
use futures::stream;

use crate::error::released;
use crate::exec::{Begin, BeginWaiting, Open, Own, Transform};
use crate::expression::Compiler;
use crate::join::{JoinParts, joined};
use crate::ordered::{Rank, Runs};
use crate::over::{Over, OverParts};
use crate::waiting::Predicted;
use crate::{aggregate, columns, scan};

/// The connectors that a plan may read, by identifier.
pub(crate) type Tables = BTreeMap<&'static str, Arc<dyn TableFactory>>;

pub(crate) type Tree = Arc<dyn ExecutionPlan>;

/// Builds trees for one run.
pub(crate) struct Builder<'a> {
    pub(crate) compiler: Compiler,
    pub(crate) tables: &'a Tables,
    pub(crate) reader: ReaderContext,
    /// How many rows a batch has that a sort takes up at once.
    pub(crate) batch_rows: usize,
}

impl Builder<'_> {
    /// The tree of a node.
    ///
    /// # Errors
    /// If the plan does not fit together, or names what this Flott does not have.
    pub(crate) fn tree(&self, node: &BatchNode) -> Result<Tree> {
        let mut inputs = node.inputs.iter().map(|input| self.tree(input)).collect::<Result<Vec<_>>>()?;
        let output = columns::loose(&node.output);
        if let BatchOp::Union = node.op {
            return Ok(Own::concat(inputs, output));
        }
        let second = if inputs.len() > 1 { inputs.pop() } else { None };
        match (&node.op, inputs.pop(), second) {
            (BatchOp::Scan(spec), None, None) => self.scan(spec, &node.output),
            (BatchOp::Values { rows }, None, None) => values(rows, &node.output),
            (BatchOp::Join { kind, keys, nulls_meet, condition }, Some(left), Some(right)) => {
                let parts = JoinParts { kind: *kind, keys, nulls_meet: *nulls_meet, condition: condition.as_ref() };
                joined(&parts, in_pieces(left, self.batch_rows), in_pieces(right, self.batch_rows), &self.compiler)
            }
            (op, Some(input), None) => self.over_one(op, node, input),
            _ => Err(Error::internal("a node of a batch plan has other inputs than it needs")),
        }
    }

    fn over_one(&self, op: &BatchOp, node: &BatchNode, input: Tree) -> Result<Tree> {
        let read = node.inputs.first().map(|input| &input.output);
        let read = read.ok_or_else(|| Error::internal("a node of a batch plan without an input"))?;
        match op {
            BatchOp::Filter { condition } => {
                let condition = self.compiler.expression(condition, &input.schema())?;
                FilterExec::try_new(condition, input).map(tree).map_err(released)
            }
            BatchOp::Project { exprs } => self.project(exprs, input),
            BatchOp::Aggregate { keys, calls } => aggregated(keys, calls, read, input),
            BatchOp::Expand(spec) => expanded(spec, input, node),
            BatchOp::Window(spec) => self.windowed(spec, input, node),
            BatchOp::Correlate(spec) => self.correlated(spec, input, node),
            BatchOp::Predict(spec) => self.predicted(spec, input, node),
            BatchOp::PythonCalc(_) | BatchOp::PythonCorrelate(_) | BatchOp::PythonAggregate(_) => {
                self.beside(op, input, node)
            }
            BatchOp::Sort { order, limit } => Ok(self.sorted(order, *limit, input)),
            BatchOp::Limit { offset, limit } => Ok(limited(input, *offset, *limit)),
            BatchOp::Rank { partition, order, range, emit_rank } => {
                let by = [by_columns(partition), order.clone()].concat();
                // Without partitions nothing behind the last number is needed.
                let limit = partition.is_empty().then_some((0, range.1));
                let (partition, range, emit_rank) = (partition.clone(), *range, *emit_rank);
                let output = columns::loose(&node.output);
                let schema = Arc::clone(&output);
                let begin: Begin = Arc::new(move || {
                    let (partition, output) = (partition.clone(), Arc::clone(&output));
                    Ok(Box::new(Rank { partition, range, emit_rank, output, runs: Runs::default(), number: 0 }))
                });
                Ok(Own::transform("Rank", self.sorted(&by, limit, input), schema, begin))
            }
            BatchOp::Over { partition, order, frame, calls } => {
                let by = [by_columns(partition), order.clone()].concat();
                let parts = OverParts {
                    input: read.clone(),
                    partition: partition.clone(),
                    order: order.clone(),
                    frame: *frame,
                    calls: calls.clone(),
                    output: columns::loose(&node.output),
                };
                // What cannot run is refused before the first row is read.
                Over::new(parts.clone())?;
                let (output, input) = (Arc::clone(&parts.output), self.sorted(&by, None, input));
                if parts.calls.iter().any(|call| call.function.user.is_some()) {
                    return self.over_beside(parts, input);
                }
                let begin: Begin = Arc::new(move || Ok(Box::new(Over::new(parts.clone())?)));
                Ok(Own::transform("OverAggregate", input, output, begin))
            }
            _ => Err(Error::internal("a node of a batch plan has an input and needs none")),
        }
    }

    pub(crate) fn sorted(&self, order: &[SortField], limit: Option<(u64, u64)>, input: Tree) -> Tree {
        sorted(order, limit, in_pieces(input, self.batch_rows))
    }

    fn scan(&self, spec: &SourceSpec, output: &Schema) -> Result<Tree> {
        let factory = self
            .tables
            .get(spec.connector.as_str())
            .ok_or_else(|| Error::invalid(format!("connector '{}' is not part of this Flott", spec.connector)))?;
        let source = factory.source(spec)?;
        if source.boundedness() == Boundedness::Unbounded {
            return Err(Error::invalid(format!(
                "table '{}' is unbounded and cannot be read in batch mode",
                spec.table
            )));
        }
        let schema = columns::loose(output);
        let (spec, cx, leaf) = (spec.clone(), self.reader.clone(), Arc::clone(&schema));
        let open: Open = Arc::new(move || scan::rows(source.as_ref(), &spec, Arc::clone(&leaf), &cx));
        Ok(Own::leaf("TableSourceScan", schema, open))
    }

    fn project(&self, exprs: &[Expr], input: Tree) -> Result<Tree> {
        let schema = input.schema();
        let named = exprs.iter().enumerate().map(|(i, expr)| {
            let expr = self.compiler.expression(expr, &schema)?;
            Ok((expr, columns::name(i)))
        });
        ProjectionExec::try_new(named.collect::<Result<Vec<_>>>()?, input).map(tree).map_err(released)
    }

    fn windowed(&self, spec: &WindowTableFunctionSpec, input: Tree, node: &BatchNode) -> Result<Tree> {
        let windows = Arc::new(WindowTableFunction::new(spec.clone())?);
        let schema = columns::loose(&node.output);
        let (output, now_ms) = (Arc::clone(&schema), self.compiler.now_ms);
        let begin: Begin = Arc::new(move || {
            let (windows, output) = (Arc::clone(&windows), Arc::clone(&output));
            Ok(Box::new(PerBatch(move |rows: RecordBatch| {
                let mut expansion = windows.begin(ChangeBatch::inserts(rows), now_ms)?;
                let mut out = Vec::new();
                while let Some(rows) = windows.next(&mut expansion)? {
                    out.push(columns::relabelled(&output, rows.rows()).map_err(released)?);
                }
                Ok(out)
            })))
        });
        Ok(Own::transform("WindowTableFunction", input, schema, begin))
    }

    fn correlated(&self, spec: &CorrelateSpec, input: Tree, node: &BatchNode) -> Result<Tree> {
        let correlate = Arc::new(Correlate::new(spec.clone(), &self.compiler.environment)?);
        let schema = columns::loose(&node.output);
        let (output, moment) = (Arc::clone(&schema), self.compiler.moment());
        let begin: Begin = Arc::new(move || {
            let (correlate, output) = (Arc::clone(&correlate), Arc::clone(&output));
            Ok(Box::new(PerBatch(move |rows: RecordBatch| {
                let (mut open, mut out) = (vec![ChangeBatch::inserts(rows)], Vec::new());
                while let Some(rows) = correlate.next(&mut open, &moment)? {
                    out.push(columns::relabelled(&output, rows.rows()).map_err(released)?);
                }
                Ok(out)
            })))
        });
        Ok(Own::transform("Correlate", input, schema, begin))
    }

    fn predicted(&self, spec: &MlPredictTableFunctionSpec, input: Tree, node: &BatchNode) -> Result<Tree> {
        let model = Arc::new(Model::open(spec, &self.compiler.environment)?);
        let schema = columns::loose(&node.output);
        let (output, moment) = (Arc::clone(&schema), self.compiler.moment());
        let begin: BeginWaiting = Arc::new(move || {
            let (model, output) = (Arc::clone(&model), Arc::clone(&output));
            Ok(Box::new(Predicted { model, output, moment }))
        });
        Ok(Own::wait("MLPredictTableFunction", input, schema, begin))
    }
}

/// Rows in batches that are not longer than that. They are copied: a slice would count as much as what it is cut from.
pub(crate) fn in_pieces(input: Tree, rows: usize) -> Tree {
    if rows >= BATCH_ROWS_MAX {
        return input;
    }
    let schema = input.schema();
    let begin: Begin = Arc::new(move || {
        Ok(Box::new(PerBatch(move |batch: RecordBatch| {
            let all = batch.num_rows();
            if all <= rows {
                return Ok(vec![batch]);
            }
            let piece = |from: usize| {
                let places = UInt64Array::from_iter_values(from as u64..rows.min(all - from) as u64 + from as u64);
                Ok(take_record_batch(&batch, &places)?)
            };
            (0..all).step_by(rows).map(piece).collect()
        })))
    });
    Own::transform("Pieces", input, schema, begin)
}

/// A transformation that remembers nothing.
struct PerBatch<F>(F);

impl<F: FnMut(RecordBatch) -> Result<Vec<RecordBatch>> + Send> Transform for PerBatch<F> {
    fn push(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        (self.0)(rows)
    }
}

fn tree(plan: impl ExecutionPlan + 'static) -> Tree {
    Arc::new(plan)
}

fn values(rows: &[Vec<flott_api::expr::Value>], output: &Schema) -> Result<Tree> {
    let schema = columns::loose(output);
    let columns = output.fields.iter().enumerate().map(|(i, field)| {
        let cells = rows.iter().map(|row| {
            let value = row.get(i).ok_or_else(|| Error::internal("a constant row is too short"))?;
            literal_array(value, &field.ty, 1)
        });
        let cells = cells.collect::<Result<Vec<_>>>()?;
        let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
        match cells.as_slice() {
            [] => Ok(arrow_array::new_empty_array(&field.ty.arrow())),
            cells => Ok(arrow_select::concat::concat(cells)?),
        }
    });
    let batch = columns::batch(&schema, columns.collect::<Result<Vec<_>>>()?, rows.len()).map_err(released)?;
    let open: Open = Arc::new(move || {
        let all = batch.num_rows();
        let pieces: Vec<_> = (0..all)
            .step_by(BATCH_ROWS_MAX)
            .map(|from| Ok(batch.slice(from, BATCH_ROWS_MAX.min(all - from))))
            .collect();
        Ok(Box::pin(stream::iter(pieces)))
    });
    Ok(Own::leaf("Values", schema, open))
}

fn expanded(spec: &ExpandSpec, input: Tree, node: &BatchNode) -> Result<Tree> {
    let expand = Arc::new(Expand::new(spec.clone())?);
    let schema = columns::loose(&node.output);
    let output = Arc::clone(&schema);
    // Pieces that grow to about a batch.
    let piece = (BATCH_ROWS_MAX / spec.projections.len().max(1)).max(1);
    let begin: Begin = Arc::new(move || {
        let (expand, output) = (Arc::clone(&expand), Arc::clone(&output));
        Ok(Box::new(PerBatch(move |rows: RecordBatch| {
            let pieces = (0..rows.num_rows()).step_by(piece).map(|from| {
                let rows = ChangeBatch::inserts(rows.slice(from, piece.min(rows.num_rows() - from)));
                columns::relabelled(&output, expand.expand(&rows)?.rows()).map_err(released)
            });
            pieces.collect()
        })))
    });
    Ok(Own::transform("Expand", input, schema, begin))
}

fn aggregated(keys: &[usize], calls: &[AggregateCall], read: &Schema, input: Tree) -> Result<Tree> {
    let schema = input.schema();
    if keys.is_empty() && calls.is_empty() {
        // One group without values, whatever there is.
        return values(&[Vec::new()], &Schema::default());
    }
    let group_by = keys.iter().enumerate().map(|(i, key)| (columns::column(&schema, *key), columns::name(i)));
    let group_by = PhysicalGroupBy::new_single(group_by.collect());
    let calls = calls.iter().enumerate();
    let calls = calls.map(|(i, call)| aggregate::expression(call, read, &schema, columns::name(keys.len() + i)));
    let calls = calls.collect::<Result<Vec<_>>>()?;
    let filters = vec![None; calls.len()];
    AggregateExec::try_new(AggregateMode::Single, group_by, calls, filters, input, schema).map(tree).map_err(released)
}

pub(crate) fn by_columns(columns: &[usize]) -> Vec<SortField> {
    columns.iter().map(|&column| SortField { column, descending: false, nulls_last: false }).collect()
}

/// In an order; of rows that are equal in it any comes first.
fn sorted(order: &[SortField], limit: Option<(u64, u64)>, input: Tree) -> Tree {
    let schema = input.schema();
    let fields = order.iter().map(|field| PhysicalSortExpr {
        expr: columns::column(&schema, field.column),
        options: SortOptions { descending: field.descending, nulls_first: !field.nulls_last },
    });
    let sorted = match LexOrdering::new(fields) {
        None => input,
        Some(order) => {
            let fetch = limit.and_then(|(skip, rows)| usize::try_from(skip.saturating_add(rows)).ok());
            if fetch == Some(0) {
                return tree(EmptyExec::new(schema));
            }
            tree(SortExec::new(order, input).with_fetch(fetch))
        }
    };
    match limit {
        Some((skip, rows)) => limited(sorted, skip, rows),
        None => sorted,
    }
}

fn limited(input: Tree, skip: u64, rows: u64) -> Tree {
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    if rows == 0 {
        return tree(EmptyExec::new(input.schema()));
    }
    tree(GlobalLimitExec::new(input, count(skip), Some(count(rows))))
}
