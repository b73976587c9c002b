//! Batch mode (`execution.runtime-mode`): the relational tree as the plan of a bounded job.
//!
//! The tree is bound and optimised as for a stream, then becomes a [`BatchPlan`], which a source of its own runs. So the
//! sink, its constraints, commits and errors are those of a streaming job; there are no changes, and rows come in the
//! order of a final `ORDER BY`. Time attributes are plain columns: watermarks go before anything is optimised.
//!
//! **Does not:** join by time, cut sessions, find patterns, or turn rows into changes; all refused by name.

use std::collections::BTreeMap;

use flott_api::expr::Expr;
use flott_api::options::Options;
use flott_api::source::Boundedness;
use flott_api::table::{ChangelogMode, PushDowns, SourceDescription, SourceSpec};
use flott_api::{Error, Result, Schema, TypeKind};
use flott_graph::spec::{
    AggregateCall, BatchNode, BatchOp, BatchPlan, CorrelateSpec, ExpandSpec, GroupAggregateSpec,
    MlPredictTableFunctionSpec, PythonCalcSpec, PythonCorrelateSpec, PythonGroupAggregateSpec, RankRange, WindowKind,
    WindowTableFunctionSpec, WindowTime,
};

use super::optimize::{self, conjuncts};
use super::rel::{self, Column, Op, Rel, Scan, TimeAttribute, check_orders, schema};
use super::stream::{Node, Op as StreamOp, Pairing, Pipeline, Sink};
use super::{Settings, beside, binder};
use crate::catalog::ObjectPath;

/// Plans the way of a bounded relation's rows to a sink.
pub(super) fn plan(settings: &Settings, rel: Rel, sink: Sink) -> Result<Pipeline> {
    check_orders(&rel)?;
    let logical = rel.clone();
    let rel = optimize::optimize_bounded(without_watermarks(rel), &settings.session_zone)?;
    let rel = beside::cut(rel, true)?;
    let columns: Vec<Column> = rel.columns.iter().map(|c| Column { window: None, time: None, ..c.clone() }).collect();
    let plan = BatchPlan {
        root: Lowering { settings }.node(rel)?,
        session_zone: settings.session_zone.clone(),
        memory_bytes: settings.batch.memory_bytes,
        spill_directory: settings.batch.spill_directory.clone(),
    };
    let root = Node {
        op: StreamOp::Source(Box::new(scan_of(&plan, &columns, &sink)?)),
        inputs: Vec::new(),
        columns,
        changelog: ChangelogMode::INSERT_ONLY,
        upsert_keys: Vec::new(),
    };
    // There are no changes: what ON CONFLICT says is not looked at, as in Flink.
    Ok(Pipeline { logical, root, sink, dead_letters_of: None })
}

/// The connectors, formats and providers of models that a job's batch plans need.
pub(super) fn factories(pipelines: &[Pipeline]) -> Result<Vec<String>> {
    let mut factories = Vec::new();
    for pipeline in pipelines {
        let Some(plan) = plan_of(&pipeline.root)? else { continue };
        for spec in plan.root.scans() {
            factories.push(spec.connector.clone());
            factories.extend(spec.options.0.get("format").cloned());
        }
        factories.extend(plan.root.models().into_iter().map(|model| model.provider.clone()));
    }
    Ok(factories)
}

/// The plan that a source runs; nothing if it is a table, or another node.
pub(super) fn plan_of(node: &Node) -> Result<Option<BatchPlan>> {
    let StreamOp::Source(scan) = &node.op else { return Ok(None) };
    let text = scan.options.0.get(BatchPlan::OPTION).filter(|_| scan.connector == BatchPlan::CONNECTOR);
    text.map(|text| BatchPlan::from_text(text)).transpose()
}

/// The source that runs the plan. It reads for one sink: two queries that look alike may hold a random number.
fn scan_of(plan: &BatchPlan, columns: &[Column], sink: &Sink) -> Result<Scan> {
    let options = Options(BTreeMap::from([(BatchPlan::OPTION.to_owned(), plan.to_text()?)]));
    Ok(Scan {
        path: ObjectPath { catalog: "batch".to_owned(), database: "query".to_owned(), object: sink.name.clone() },
        connector: BatchPlan::CONNECTOR.to_owned(),
        options,
        schema: schema(columns),
        projection: (0..columns.len()).collect(),
        read_fields: Vec::new(),
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        description: SourceDescription {
            changelog: ChangelogMode::INSERT_ONLY,
            boundedness: Boundedness::Bounded,
            metadata: Vec::new(),
            push_downs: PushDowns::default(),
            parallelism: Some(1),
            dead_letters: None,
        },
        lookup: None,
    })
}

/// The tree without watermarks, and without what streams know of windows: in batch mode nothing waits for time, so the
/// bounds of a window are columns like others, to group and to join by.
fn without_watermarks(mut rel: Rel) -> Rel {
    rel.columns.iter_mut().for_each(|column| column.window = None);
    rel.inputs = rel.inputs.into_iter().map(without_watermarks).collect();
    if !matches!(rel.op, Op::Watermark { .. }) {
        return rel;
    }
    let columns = rel.columns;
    match rel.inputs.pop() {
        Some(input) => Rel { columns, ..input },
        None => Rel { columns, ..rel },
    }
}

struct Lowering<'a> {
    settings: &'a Settings,
}

impl Lowering<'_> {
    fn node(&self, rel: Rel) -> Result<BatchNode> {
        let Rel { op, inputs, columns } = rel;
        let output = schema(&columns);
        let op = match op {
            Op::Scan(scan) => BatchOp::Scan(Box::new(self.scan(*scan)?)),
            Op::Values { rows } => BatchOp::Values { rows },
            Op::Filter { condition } => BatchOp::Filter { condition },
            Op::Project { exprs } => BatchOp::Project { exprs },
            // No state outlives a bounded query.
            Op::Aggregate { keys, calls, ttl: _ } => self.aggregate(keys, calls, only(&inputs)?, &output),
            Op::Expand { projections } => BatchOp::Expand(Box::new(ExpandSpec {
                input: only(&inputs)?.schema(),
                projections,
                output: output.clone(),
            })),
            Op::Window { time, window } => {
                let input = only(&inputs)?;
                BatchOp::Window(Box::new(self.window(input, &WindowTime::Rowtime(time), window, &columns)?))
            }
            Op::WindowAggregate(_) => return Err(Error::internal("a bounded query aggregates by windows of a stream")),
            Op::MultiJoin(_) => return Err(Error::internal("a bounded query joins as a stream does")),
            Op::Join(join) => joined(*join, only(&inputs)?.columns.len())?,
            Op::Correlate(correlate) => BatchOp::Correlate(Box::new(CorrelateSpec {
                input: only(&inputs)?.schema(),
                function: correlate.function,
                condition: correlate.condition,
                outer: correlate.outer,
                output: output.clone(),
                session_zone: self.settings.session_zone.clone(),
            })),
            Op::Over(over) => {
                BatchOp::Over { partition: over.partition, order: over.order, frame: over.frame, calls: over.calls }
            }
            Op::Rank(rank) => ranked(*rank)?,
            Op::Sort(sort) => BatchOp::Sort { order: sort.order, limit: sort.limit },
            Op::Union => BatchOp::Union,
            Op::Limit { offset, limit } => BatchOp::Limit { offset, limit },
            Op::Match(_) => return Err(unsupported("MATCH_RECOGNIZE")),
            Op::Predict(predict) => BatchOp::Predict(Box::new(MlPredictTableFunctionSpec {
                input: only(&inputs)?.schema(),
                model: predict.model,
                arguments: predict.arguments,
                asynchronous: predict.asynchronous,
                output: output.clone(),
                session_zone: self.settings.session_zone.clone(),
            })),
            Op::PythonCalc(calc) => self.calls(calc, only(&inputs)?, &output)?,
            Op::PythonCorrelate(correlate) => self.rows_of_calls(*correlate, only(&inputs)?, &output)?,
            Op::Process(_) => return Err(unsupported("a process table function")),
            Op::TemporalJoin(_) => return Err(unsupported("a temporal join")),
            Op::ToChangelog { .. } => return Err(unsupported("TO_CHANGELOG")),
            Op::FromChangelog { .. } => return Err(unsupported("FROM_CHANGELOG")),
            Op::Watermark { .. } => return Err(Error::internal("a bounded query has a watermark")),
        };
        let inputs = inputs.into_iter().map(|input| self.node(input)).collect::<Result<_>>()?;
        Ok(BatchNode { op, inputs, output })
    }

    fn calls(&self, calc: rel::PythonCalc, input: &Rel, output: &Schema) -> Result<BatchOp> {
        Ok(BatchOp::PythonCalc(Box::new(PythonCalcSpec {
            input: input.schema(),
            calls: calc.function_calls()?,
            forwarded: calc.forwarded,
            output: output.clone(),
            session_zone: self.settings.session_zone.clone(),
        })))
    }

    fn rows_of_calls(&self, correlate: rel::PythonCorrelate, input: &Rel, output: &Schema) -> Result<BatchOp> {
        Ok(BatchOp::PythonCorrelate(Box::new(PythonCorrelateSpec {
            input: input.schema(),
            call: correlate.function_call()?,
            forwarded: correlate.forwarded,
            condition: correlate.condition,
            outer: correlate.outer,
            output: output.clone(),
            session_zone: self.settings.session_zone.clone(),
        })))
    }

    fn aggregate(&self, keys: Vec<usize>, calls: Vec<AggregateCall>, input: &Rel, output: &Schema) -> BatchOp {
        if calls.iter().all(|call| call.function.user.is_none()) {
            return BatchOp::Aggregate { keys, calls };
        }
        let groups = GroupAggregateSpec {
            input: input.schema(),
            keys,
            aggregates: calls,
            input_changelog: ChangelogMode::INSERT_ONLY,
            emit_update_before: false,
            state_ttl_ms: 0,
            mini_batch_rows_max: None,
            output: output.clone(),
        };
        let session_zone = self.settings.session_zone.clone();
        BatchOp::PythonAggregate(Box::new(PythonGroupAggregateSpec { groups, session_zone }))
    }

    /// What is read must end, and only insert, as in Flink.
    fn scan(&self, scan: Scan) -> Result<SourceSpec> {
        if scan.description.boundedness == Boundedness::Unbounded {
            return Err(Error::invalid(format!("table '{}' is unbounded and cannot be read in batch mode", scan.path))
                .with_hint("Bound it by an option of its connector, or SET 'execution.runtime-mode' = 'streaming'."));
        }
        if !scan.description.changelog.is_insert_only() {
            return Err(Error::invalid(format!(
                "table '{}' gives changes and cannot be read in batch mode",
                scan.path
            ))
            .with_detail(format!("Its source gives {}, and batch mode needs [I].", scan.description.changelog))
            .with_hint("SET 'execution.runtime-mode' = 'streaming'."));
        }
        Ok(SourceSpec {
            connector: scan.connector,
            table: scan.path.to_string(),
            options: scan.options,
            schema: scan.schema,
            projection: scan.projection,
            read_fields: scan.read_fields,
            metadata: scan.metadata,
            filters: scan.filters,
            limit: scan.limit,
            partition_keys: scan.partition_keys,
            primary_key: scan.primary_key,
            session_zone: self.settings.session_zone.clone(),
        })
    }

    fn window(
        &self,
        input: &Rel,
        time: &WindowTime,
        window: WindowKind,
        columns: &[Column],
    ) -> Result<WindowTableFunctionSpec> {
        let by_the_clock = || unsupported("a window over processing time");
        let WindowTime::Rowtime(column) = *time else { return Err(by_the_clock()) };
        let time_column = input.columns.get(column).ok_or_else(|| Error::internal("a window without its time"))?;
        if time_column.time == Some(TimeAttribute::Proctime) {
            return Err(by_the_clock());
        }
        if let WindowKind::Session { .. } = window {
            return Err(unsupported("a SESSION window"));
        }
        let is_local = matches!(time_column.ty.kind, TypeKind::TimestampLtz(_));
        let zone = if is_local { self.settings.session_zone.clone() } else { "UTC".to_owned() };
        Ok(WindowTableFunctionSpec { input: input.schema(), time: time.clone(), window, zone, output: schema(columns) })
    }
}

fn only(inputs: &[Rel]) -> Result<&Rel> {
    inputs.first().ok_or_else(|| Error::internal("a node of a bounded query without an input"))
}

fn unsupported(what: &str) -> Error {
    Error::unsupported(format!("{what} in batch mode")).with_hint("SET 'execution.runtime-mode' = 'streaming'.")
}

/// Equal columns are keys. Either nulls are equal to each other in all of them or in none: the others are a condition.
fn joined(join: rel::Join, left_width: usize) -> Result<BatchOp> {
    if join.lookup.is_some() {
        return Err(unsupported("a lookup join"));
    }
    let parts: Vec<Expr> = join.condition.into_iter().flat_map(conjuncts).collect();
    let pairings = parts.into_iter().map(|part| Ok((Pairing::of(vec![part.clone()], left_width)?, part)));
    let pairings = pairings.collect::<Result<Vec<_>>>()?;
    let nulls_meet = !pairings.iter().any(|(pairing, _)| pairing.nulls_meet == [false]);
    let (mut keys, mut rest) = ([Vec::new(), Vec::new()], Vec::new());
    for (pairing, part) in pairings {
        if pairing.nulls_meet == [nulls_meet] && has_flat_types(&part) {
            let [left, right] = pairing.keys;
            keys[0].extend(left);
            keys[1].extend(right);
        } else {
            rest.push(part);
        }
    }
    let condition = if rest.is_empty() { None } else { Some(binder::combine("and", rest)?) };
    Ok(BatchOp::Join { kind: join.kind, keys, nulls_meet, condition })
}

/// Whether the compared columns lie in Arrow in one flat form.
fn has_flat_types(equality: &Expr) -> bool {
    let types: Vec<_> = equality.children().into_iter().map(|e| e.ty().arrow()).collect();
    types.iter().all(|ty| !ty.is_nested() && *ty == types[0])
}

fn ranked(rank: rel::Rank) -> Result<BatchOp> {
    let RankRange::Constant { start, end } = rank.range else {
        return Err(unsupported("a ROW_NUMBER that a column bounds"));
    };
    Ok(BatchOp::Rank { partition: rank.partition, order: rank.order, range: (start, end), emit_rank: rank.emit_rank })
}
