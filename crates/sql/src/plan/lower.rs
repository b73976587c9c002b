//! Stream plan to job graph: parallelism, edges, specifications, lasting names.
//!
//! Equal parts of several pipelines become one: a table that two inserts read is read once. Parts with volatile functions
//! are not shared.

mod meaning;
mod sinks;
mod uid;

use std::collections::HashMap;

use flott_api::table::{ChangelogMode, SourceSpec};
use flott_api::{Error, Result, RowKind, Schema, TypeKind};
use flott_graph::spec::{
    CalcSpec, ChangelogNormalizeSpec, DropUpdateBeforeSpec, GroupAggregateSpec, LimitSpec, Spec, ValuesSpec,
    WatermarkAssignerSpec, WindowAggregateSpec, WindowTableFunctionSpec, WindowTime,
};
use flott_graph::{Edge, JobGraph, Node as JobNode, NodeId, Partitioning, Role};

use super::rel::{Column, Scan, schema};
use super::stream::{Distribution, Node, Op, Pipeline};
use super::{PlanContext, PlannedJob, Settings, print};
use flott_api::expr::Expr;
use uid::{Naming, Uids};

/// Makes one job of all pipelines.
pub(super) fn lower(_: &dyn PlanContext, settings: &Settings, pipelines: Vec<Pipeline>) -> Result<PlannedJob> {
    let mut lowering = Lowering::new(settings);
    let schema = pipelines.first().map(|p| schema(&p.sink.columns)).unwrap_or_default();
    for pipeline in &pipelines {
        lowering.pipeline(pipeline)?;
    }
    let mut graph = lowering.graph;
    graph.name = settings.job_name.clone().unwrap_or_else(|| default_name(&pipelines));
    graph.factories.sort_unstable();
    graph.factories.dedup();
    Ok(PlannedJob { graph, schema, warnings: Vec::new() })
}

/// The job's name, as Flink makes it.
fn default_name(pipelines: &[Pipeline]) -> String {
    match pipelines {
        [one] if one.sink.is_collect() => "collect".to_owned(),
        all => {
            let names: Vec<&str> = all.iter().map(|p| p.sink.name.as_str()).collect();
            format!("insert-into_{}", names.join(","))
        }
    }
}

struct Lowering<'a> {
    settings: &'a Settings,
    graph: JobGraph,
    uids: Uids,
    /// Nodes by what they are and read.
    shared: HashMap<String, NodeId>,
    /// Whether equal parts may be shared here.
    sharing: bool,
    /// The table that the pipeline in work writes.
    sink: String,
}

/// Rows on their way to the next node.
struct Flow {
    producers: Vec<NodeId>,
    /// What an exchange asks for.
    distribution: Option<Distribution>,
    /// For an edge that must keep the order of updates.
    changelog: ChangelogMode,
    upsert_keys: Vec<Vec<usize>>,
    /// What each column means.
    meaning: Vec<String>,
}

/// A node to be added.
struct Added<'n> {
    role: Role,
    name: String,
    parallelism: u32,
    output: Schema,
    stateful: bool,
    /// What gives its state meaning, besides what it reads.
    meaning: String,
    of: &'n Node,
}

impl<'a> Lowering<'a> {
    fn new(settings: &'a Settings) -> Self {
        let graph = JobGraph {
            name: String::new(),
            nodes: Vec::new(),
            edges: Vec::new(),
            factories: Vec::new(),
            artifacts: Vec::new(),
            configuration: settings.configuration.0.clone(),
        };
        Lowering { settings, graph, uids: Uids::default(), shared: HashMap::new(), sharing: true, sink: String::new() }
    }

    /// The rows of a node.
    fn flow(&mut self, node: &Node) -> Result<Flow> {
        match &node.op {
            Op::Union => self.union(node),
            Op::Exchange(distribution) => {
                let flow = self.flow(&node.inputs[0])?;
                Ok(Flow { distribution: Some(distribution.clone()), ..flow })
            }
            _ => self.operator(node),
        }
    }

    /// Several producers for whatever comes next. Their rows must have one form.
    fn union(&mut self, node: &Node) -> Result<Flow> {
        let mut producers: Vec<NodeId> = Vec::new();
        let mut meanings = Vec::new();
        for input in &node.inputs {
            let input = relabelled(input.clone(), &node.columns);
            let mut flow = self.flow(&input)?;
            if flow.producers.iter().any(|p| producers.contains(p)) {
                // Two edges between the same two nodes cannot be told apart: the second side is computed anew.
                let sharing = std::mem::replace(&mut self.sharing, false);
                flow = self.flow(&input)?;
                self.sharing = sharing;
            }
            producers.extend(flow.producers);
            meanings.push(flow.meaning);
        }
        Ok(Flow {
            producers,
            distribution: None,
            changelog: node.changelog,
            upsert_keys: node.upsert_keys.clone(),
            meaning: meaning::of_union(&meanings),
        })
    }

    fn operator(&mut self, node: &Node) -> Result<Flow> {
        let inputs = node.inputs.iter().map(|input| self.flow(input)).collect::<Result<Vec<_>>>()?;
        let parallelism = self.parallelism(node, &inputs);
        let read = inputs.first().map(|flow| flow.meaning.as_slice()).unwrap_or_default();
        let columns = meaning::columns(node, read);
        let (role, stateful, meaning) = self.role(node, read)?;
        let added = Added {
            role,
            name: print::node(node),
            parallelism,
            output: schema(&node.columns),
            stateful,
            meaning,
            of: node,
        };
        let id = self.add(added, &inputs)?;
        Ok(Flow {
            producers: vec![id],
            distribution: None,
            changelog: node.changelog,
            upsert_keys: node.upsert_keys.clone(),
            meaning: columns,
        })
    }

    /// A node's parallelism: its own, one for what must meet, or that of what it reads.
    fn parallelism(&self, node: &Node, inputs: &[Flow]) -> u32 {
        if let Op::Source(scan) = &node.op {
            return scan.description.parallelism.unwrap_or(self.settings.parallelism);
        }
        let Some(input) = inputs.first() else { return 1 };
        match &input.distribution {
            Some(Distribution::Single) => 1,
            Some(Distribution::Hash(_)) => self.settings.parallelism,
            None => {
                // A source may have a parallelism of its own; what follows goes back to the job's.
                let of = |id: &NodeId| match &self.graph.node(*id).role {
                    Role::Source(_) => self.settings.parallelism,
                    _ => self.graph.node(*id).parallelism,
                };
                input.producers.iter().map(of).max().unwrap_or(1)
            }
        }
    }

    /// What the node does, whether it has keyed state, and what gives that state meaning.
    fn role(&self, node: &Node, read: &[String]) -> Result<(Role, bool, String)> {
        let input = node.inputs.first();
        let from = input.map(|i| schema(&i.columns)).unwrap_or_default();
        let output = schema(&node.columns);
        let zone = self.settings.session_zone.clone();
        let emit_update_before = node.changelog.contains(RowKind::UpdateBefore);
        let state_ttl_ms = self.settings.state_ttl_ms;
        let named = |keys: &[usize]| keys_meaning(keys, read, &from);
        Ok(match &node.op {
            Op::Source(scan) => {
                let meaning = uid::of_source(&scan.path.to_string(), &scan.connector, &scan.options);
                (Role::Source(source_spec(scan, &zone)), false, meaning)
            }
            Op::Values(rows) => (ValuesSpec { rows: rows.clone(), output }.role()?, false, String::new()),
            Op::Calc { condition, exprs } => {
                let (condition, projection) = (condition.clone(), exprs.clone());
                let spec = CalcSpec { input: from, condition, projection, output, session_zone: zone };
                (spec.role()?, false, String::new())
            }
            Op::Watermark { rowtime, watermark } => {
                let spec = WatermarkAssignerSpec {
                    input: from,
                    rowtime: *rowtime,
                    watermark: watermark.clone(),
                    interval_ms: self.settings.watermark_interval_ms,
                    idle_timeout_ms: self.settings.idle_timeout_ms,
                    session_zone: zone,
                };
                (spec.role()?, false, String::new())
            }
            Op::GroupAggregate { keys, calls } => {
                let meaning = named(keys);
                let spec = GroupAggregateSpec {
                    input: from,
                    keys: keys.clone(),
                    aggregates: calls.clone(),
                    input_changelog: input.map_or(ChangelogMode::INSERT_ONLY, |i| i.changelog),
                    emit_update_before,
                    state_ttl_ms,
                    output,
                };
                (spec.role()?, true, meaning)
            }
            Op::ChangelogNormalize { keys } => {
                let meaning = named(keys);
                let spec = ChangelogNormalizeSpec { input: from, keys: keys.clone(), emit_update_before, state_ttl_ms };
                (spec.role()?, true, meaning)
            }
            Op::DropUpdateBefore => (DropUpdateBeforeSpec {}.role()?, false, String::new()),
            Op::Limit { offset, limit } => {
                let spec = LimitSpec { offset: *offset, limit: *limit, input: from };
                (spec.role()?, true, String::new())
            }
            Op::Window { .. } | Op::WindowAggregate(_) => self.window_role(node, read, from, output)?,
            Op::Union | Op::Exchange(_) => return Err(Error::internal("a union or an exchange is no operator")),
        })
    }

    fn window_role(&self, node: &Node, read: &[String], input: Schema, output: Schema) -> Result<(Role, bool, String)> {
        let columns = node.inputs.first().map(|i| i.columns.as_slice()).unwrap_or_default();
        match &node.op {
            Op::Window { time, window } => {
                let time = window_time(columns, *time);
                let zone = self.window_zone(&input, &time);
                let spec = WindowTableFunctionSpec { input, time, window: window.clone(), zone, output };
                Ok((spec.role()?, false, String::new()))
            }
            Op::WindowAggregate(aggregate) => {
                let zone = self.window_zone(&input, &aggregate.time);
                let window = meaning::window_text(&aggregate.window, meaning::time_text(&aggregate.time, read));
                let meaning = format!("{}\n{window} {zone}", keys_meaning(&aggregate.keys, read, &input));
                let spec = WindowAggregateSpec {
                    zone,
                    input,
                    time: aggregate.time.clone(),
                    window: aggregate.window.clone(),
                    keys: aggregate.keys.clone(),
                    aggregates: aggregate.calls.clone(),
                    input_changelog: node.inputs.first().map_or(ChangelogMode::INSERT_ONLY, |i| i.changelog),
                    properties: aggregate.properties.clone(),
                    output,
                };
                Ok((spec.role()?, true, meaning))
            }
            _ => Err(Error::internal("a node without window")),
        }
    }

    /// Where days begin: a `TIMESTAMP` is a clock on a wall and has no zone.
    fn window_zone(&self, input: &Schema, time: &WindowTime) -> String {
        match time {
            WindowTime::Rowtime(i) if !matches!(input.fields[*i].ty.kind, TypeKind::TimestampLtz(_)) => {
                "UTC".to_owned()
            }
            WindowTime::Rowtime(_) | WindowTime::Proctime => self.settings.session_zone.clone(),
        }
    }

    /// Adds a node and its edges, or finds an equal one.
    fn add(&mut self, added: Added<'_>, inputs: &[Flow]) -> Result<NodeId> {
        let edges = self.edges(inputs, added.parallelism)?;
        let fingerprint = self.fingerprint(&added, &edges)?;
        if let Some(id) = fingerprint.as_ref().and_then(|f| self.shared.get(f)) {
            return Ok(*id);
        }
        let id = self.push(added.role, added.name, added.parallelism, added.output, added.stateful)?;
        self.name(id, added.meaning, &edges);
        self.connect(id, edges);
        if let Some(fingerprint) = fingerprint {
            self.shared.insert(fingerprint, id);
        }
        Ok(id)
    }

    fn push(&mut self, role: Role, name: String, parallelism: u32, output: Schema, stateful: bool) -> Result<NodeId> {
        let max_parallelism = self.settings.max_parallelism;
        if parallelism > max_parallelism {
            return Err(Error::invalid(format!(
                "the parallelism {parallelism} exceeds the {max_parallelism} key groups"
            ))
            .with_detail(format!("It is that of {name}."))
            .with_hint("Set 'pipeline.max-parallelism'."));
        }
        if let Role::Source(SourceSpec { connector, options, .. }) = &role {
            self.graph.factories.push(connector.clone());
            self.graph.factories.extend(options.0.get("format").cloned());
        }
        let id = NodeId(self.graph.nodes.len() as u32);
        let uid = flott_api::ids::OperatorUid(String::new());
        self.graph.nodes.push(JobNode { uid, name, parallelism, max_parallelism, role, output, stateful });
        Ok(id)
    }

    /// Gives a node its lasting name.
    fn name(&mut self, id: NodeId, meaning: String, edges: &[(NodeId, Partitioning)]) {
        let reads: Vec<NodeId> = edges.iter().map(|(from, _)| *from).collect();
        let naming = Naming { meaning, apart: self.sink.clone() };
        self.graph.nodes[id.0 as usize].uid = self.uids.name(&self.graph, id, &naming, &reads);
    }

    fn connect(&mut self, to: NodeId, edges: Vec<(NodeId, Partitioning)>) {
        let edge = |(from, partitioning)| Edge { from, to, input: 0, partitioning };
        self.graph.edges.extend(edges.into_iter().map(edge));
    }

    /// What may be shared, as text; nothing for what may not.
    fn fingerprint(&self, added: &Added<'_>, edges: &[(NodeId, Partitioning)]) -> Result<Option<String>> {
        if !self.sharing || is_volatile(added.of) {
            return Ok(None);
        }
        let role = serde_json::to_string(&added.role);
        let role = role.map_err(|e| Error::internal("a node cannot be written").with_source(e))?;
        Ok(Some(format!("{role} {} {edges:?}", added.parallelism)))
    }

    /// The edges from all producers to a node of some parallelism.
    fn edges(&self, inputs: &[Flow], parallelism: u32) -> Result<Vec<(NodeId, Partitioning)>> {
        let mut edges = Vec::new();
        for flow in inputs {
            for &from in &flow.producers {
                edges.push((from, self.partitioning(flow, from, parallelism)?));
            }
        }
        Ok(edges)
    }

    fn partitioning(&self, flow: &Flow, from: NodeId, parallelism: u32) -> Result<Partitioning> {
        let same = self.graph.node(from).parallelism == parallelism;
        match &flow.distribution {
            Some(Distribution::Hash(columns)) => Ok(Partitioning::Hash { columns: columns.clone() }),
            _ if same => Ok(Partitioning::Forward),
            Some(Distribution::Single) => Ok(Partitioning::Rebalance),
            None if flow.changelog.is_insert_only() || parallelism == 1 => Ok(Partitioning::Rebalance),
            None => match flow.upsert_keys.first() {
                // Changes of one row must stay in order.
                Some(key) if !key.is_empty() => Ok(Partitioning::Hash { columns: key.clone() }),
                _ => Err(Error::unsupported("a change of parallelism for updates without a key").with_detail(format!(
                    "{} gives updates and runs with another parallelism than what reads it.",
                    self.graph.node(from).name
                ))),
            },
        }
    }
}

/// The node with these types: nullability may differ between the inputs of a union.
fn relabelled(mut node: Node, columns: &[Column]) -> Node {
    if node.columns.iter().zip(columns).all(|(a, b)| a.ty == b.ty) {
        return node;
    }
    if let Op::Calc { .. } = node.op {
        for (own, wanted) in node.columns.iter_mut().zip(columns) {
            own.ty = wanted.ty.clone();
        }
        return node;
    }
    let exprs = node.columns.iter().enumerate().map(|(i, c)| Expr::column(i, c.ty.clone())).collect();
    Node {
        op: Op::Calc { condition: None, exprs },
        columns: columns.to_vec(),
        changelog: node.changelog,
        upsert_keys: node.upsert_keys.clone(),
        inputs: vec![node],
    }
}

fn is_volatile(node: &Node) -> bool {
    let immutable = |e: &Expr| super::optimize::is_immutable(e);
    match &node.op {
        Op::Calc { condition, exprs } => !condition.iter().chain(exprs).all(immutable),
        Op::Watermark { watermark, .. } => !immutable(watermark),
        _ => false,
    }
}

fn window_time(columns: &[Column], time: usize) -> WindowTime {
    match columns.get(time).and_then(|c| c.time) {
        Some(super::TimeAttribute::Proctime) => WindowTime::Proctime,
        _ => WindowTime::Rowtime(time),
    }
}

/// What the keys of state mean.
fn keys_meaning(keys: &[usize], read: &[String], input: &Schema) -> String {
    let kinds: Vec<&TypeKind> = input.fields.iter().map(|f| &f.ty.kind).collect();
    meaning::keys(keys, read, &kinds)
}

fn source_spec(scan: &Scan, zone: &str) -> SourceSpec {
    SourceSpec {
        connector: scan.connector.clone(),
        table: scan.path.to_string(),
        options: scan.options.clone(),
        schema: scan.schema.clone(),
        projection: scan.projection.clone(),
        metadata: scan.metadata.clone(),
        filters: scan.filters.clone(),
        limit: scan.limit,
        partition_keys: scan.partition_keys.clone(),
        session_zone: zone.to_owned(),
    }
}
