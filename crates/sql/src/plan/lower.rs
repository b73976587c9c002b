//! Stream plan to job graph: parallelism, edges, specifications, lasting names.
//!
//! Equal parts of several pipelines become one: a table that two inserts read is read once. Parts with volatile functions
//! are not shared.

mod best_pairs;
pub(super) mod meaning;
mod sinks;
mod time;
pub(super) mod uid;

use std::collections::{HashMap, HashSet};

use flott_api::expr::Expr;
use flott_api::table::{ChangelogMode, SourceSpec};
use flott_api::{Error, Result, Schema};
use flott_graph::{Edge, JobGraph, Node as JobNode, NodeId, Partitioning, Role};

use super::rel::{Column, schema};
use super::stream::{Calc, Distribution, Node, Op, Pipeline, StreamOp, Wired, Wiring};
use super::{PlanContext, PlannedJob, Settings, dead_letters, print};
use time::AtSource;
use uid::{Naming, Uids};

/// Makes one job of all pipelines.
pub(super) fn lower(_: &dyn PlanContext, settings: &Settings, pipelines: Vec<Pipeline>) -> Result<PlannedJob> {
    let mut lowering = Lowering::new(settings);
    let schema = pipelines.first().map(|p| schema(&p.sink.columns)).unwrap_or_default();
    for pipeline in &pipelines {
        lowering.pipeline(pipeline)?;
    }
    let mut graph = lowering.graph;
    best_pairs::tell_joins(&mut graph)?;
    graph.name = settings.job_name.clone().unwrap_or_else(|| default_name(&pipelines));
    graph.factories.sort_unstable();
    graph.factories.dedup();
    dead_letters::check_read_once(&graph)?;
    Ok(PlannedJob { graph, schema, warnings: Vec::new() })
}

/// The job's name, as Flink makes it.
fn default_name(pipelines: &[Pipeline]) -> String {
    let of_user: Vec<&Pipeline> = pipelines.iter().filter(|p| p.dead_letters_of.is_none()).collect();
    match of_user.as_slice() {
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
    /// The identifiers of process table functions.
    functions: HashSet<String>,
    /// Whether equal parts may be shared here.
    sharing: bool,
    /// The table that the pipeline in work writes.
    sink: String,
    /// The watermark in work, if it is made in the task of its source.
    at_source: Option<AtSource>,
    /// What has the parallelism of its source.
    in_source_task: HashSet<NodeId>,
}

/// Rows on their way to the next node.
struct Flow {
    producers: Vec<NodeId>,
    /// What an exchange asks for.
    distribution: Distribution,
    /// For an edge that must keep the order of updates.
    changelog: ChangelogMode,
    upsert_keys: Vec<Vec<usize>>,
    /// What each column means.
    meaning: Vec<String>,
}

/// An edge to a node that is being added.
#[derive(Debug)]
struct Incoming {
    from: NodeId,
    input: u32,
    partitioning: Partitioning,
}

/// A node to be added.
struct Added<'n> {
    wired: Wired,
    name: String,
    parallelism: u32,
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
        Lowering {
            settings,
            graph,
            uids: Uids::default(),
            shared: HashMap::new(),
            functions: HashSet::new(),
            sharing: true,
            sink: String::new(),
            at_source: None,
            in_source_task: HashSet::new(),
        }
    }

    /// The rows of a node.
    fn flow(&mut self, node: &Node) -> Result<Flow> {
        match &node.op {
            Op::Union(_) => self.union(node),
            Op::Exchange(exchange) => {
                let flow = self.flow(&node.inputs[0])?;
                Ok(Flow { distribution: exchange.distribution.clone(), ..flow })
            }
            _ => match AtSource::of(node)? {
                None => self.operator(node),
                Some(at_source) => {
                    let before = self.at_source.replace(at_source);
                    let flow = self.operator(node);
                    self.at_source = before;
                    flow
                }
            },
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
            distribution: Distribution::Any,
            changelog: node.changelog,
            upsert_keys: node.upsert_keys.clone(),
            meaning: meaning::of_union(&meanings),
        })
    }

    fn operator(&mut self, node: &Node) -> Result<Flow> {
        let inputs = self.flows(&node.inputs)?;
        let parallelism = self.parallelism(node, &inputs);
        let read: Vec<Vec<String>> = inputs.iter().map(|flow| flow.meaning.clone()).collect();
        let wired = node.op.wire(&Wiring { settings: self.settings, node, read: &read })?;
        if let Op::LookupJoin(lookup) = &node.op {
            self.graph.factories.push(lookup.connector().to_owned());
        }
        if let Op::Predict(predict) = &node.op {
            self.graph.factories.push(predict.model.provider.clone());
        }
        let added = Added { wired, name: print::node(node), parallelism, of: node };
        let meaning = added.wired.columns.iter().cloned().map(meaning::shortened).collect();
        let id = self.add(added, &inputs)?;
        Ok(Flow {
            producers: vec![id],
            distribution: Distribution::Any,
            changelog: node.changelog,
            upsert_keys: node.upsert_keys.clone(),
            meaning,
        })
    }

    /// The rows of a node's inputs. Two edges between the same two nodes cannot be told apart: then the second input is
    /// computed anew.
    fn flows(&mut self, inputs: &[Node]) -> Result<Vec<Flow>> {
        let mut flows: Vec<Flow> = Vec::with_capacity(inputs.len());
        for input in inputs {
            let mut flow = self.flow(input)?;
            if flows.iter().any(|f| f.producers.iter().any(|p| flow.producers.contains(p))) {
                let sharing = std::mem::replace(&mut self.sharing, false);
                flow = self.flow(input)?;
                self.sharing = sharing;
            }
            flows.push(flow);
        }
        Ok(flows)
    }

    /// A node's parallelism: its own, one for what must meet, or that of what it reads.
    fn parallelism(&self, node: &Node, inputs: &[Flow]) -> u32 {
        if let Op::Source(scan) = &node.op {
            return scan.description.parallelism.unwrap_or(self.settings.parallelism);
        }
        let Some(input) = inputs.first() else { return 1 };
        if let (Some(_), Some(below)) = (&self.at_source, input.producers.first()) {
            return self.graph.node(*below).parallelism;
        }
        match &input.distribution {
            Distribution::Single => 1,
            Distribution::Hash(_) => self.settings.parallelism,
            Distribution::Any => {
                // A source may have a parallelism of its own; what follows goes back to the job's.
                let of = |id: &NodeId| match &self.graph.node(*id).role {
                    Role::Source(_) => self.settings.parallelism,
                    _ if self.in_source_task.contains(id) => self.settings.parallelism,
                    _ => self.graph.node(*id).parallelism,
                };
                input.producers.iter().map(of).max().unwrap_or(1)
            }
        }
    }

    /// Adds a node and its edges, or finds an equal one.
    fn add(&mut self, added: Added<'_>, inputs: &[Flow]) -> Result<NodeId> {
        let edges = self.edges(inputs, added.parallelism);
        let fingerprint = self.fingerprint(&added, &edges)?;
        if let Some(id) = fingerprint.as_ref().and_then(|f| self.shared.get(f)) {
            return Ok(*id);
        }
        self.check_uid(added.of)?;
        self.artifacts(added.of);
        let Wired { role, stateful, meaning, .. } = added.wired;
        let id = self.push(role, added.name, added.parallelism, schema(&added.of.columns), stateful)?;
        if let Some(at_source) = &self.at_source {
            self.in_source_task.insert(id);
            if matches!(added.of.op, Op::Source(_)) {
                self.graph.nodes[id.0 as usize].alignment = at_source.alignment.clone();
            }
        }
        self.name(id, meaning, &edges);
        self.connect(id, edges);
        if let Some(fingerprint) = fingerprint {
            self.shared.insert(fingerprint, id);
        }
        Ok(id)
    }

    /// The files that the functions of users in a node need.
    fn artifacts(&mut self, node: &Node) {
        for expr in node.op.expressions() {
            expr.visit(&mut |e| {
                let Expr::Call { function, .. } = e else { return };
                for artifact in function.user.iter().flat_map(|user| &user.artifacts) {
                    if !self.graph.artifacts.contains(artifact) {
                        self.graph.artifacts.push(artifact.clone());
                    }
                }
            });
        }
    }

    /// No two process table functions of a job have one `uid`. Parts that are computed twice are no two.
    fn check_uid(&mut self, node: &Node) -> Result<()> {
        let call = match &node.op {
            Op::Process(process) => &process.call,
            Op::ToChangelog(op) => &op.call,
            Op::FromChangelog(op) => &op.call,
            _ => return Ok(()),
        };
        let Some(uid) = call.uid.as_ref().filter(|_| self.sharing) else { return Ok(()) };
        if self.functions.insert(uid.clone()) {
            return Ok(());
        }
        Err(Error::invalid(format!("two process table functions have the unique identifier '{uid}'"))
            .with_detail("It is the name by which the state of a function is found again.")
            .with_hint(format!("Name them: {}(.., uid => 'my-id').", call.name)))
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
        let alignment = None;
        self.graph.nodes.push(JobNode { uid, name, parallelism, max_parallelism, role, output, stateful, alignment });
        Ok(id)
    }

    /// Gives a node its lasting name.
    fn name(&mut self, id: NodeId, meaning: String, edges: &[Incoming]) {
        let reads: Vec<NodeId> = edges.iter().map(|edge| edge.from).collect();
        let naming = Naming { meaning, apart: self.sink.clone() };
        self.graph.nodes[id.0 as usize].uid = self.uids.name(&self.graph, id, &naming, &reads);
    }

    fn connect(&mut self, to: NodeId, edges: Vec<Incoming>) {
        let edge = |Incoming { from, input, partitioning }| Edge { from, to, input, partitioning };
        self.graph.edges.extend(edges.into_iter().map(edge));
    }

    /// What may be shared, as text; nothing for what may not.
    fn fingerprint(&self, added: &Added<'_>, edges: &[Incoming]) -> Result<Option<String>> {
        if is_volatile(added.of) || !(self.sharing || is_read_once(added.of)) {
            return Ok(None);
        }
        let Some(apart) = self.at_source.as_ref().map_or(Some(""), AtSource::apart) else { return Ok(None) };
        let role = serde_json::to_string(&added.wired.role);
        let role = role.map_err(|e| Error::internal("a node cannot be written").with_source(e))?;
        Ok(Some(format!("{role} {} {edges:?} {apart}", added.parallelism)))
    }

    /// The edges from all producers to a node of some parallelism.
    fn edges(&self, inputs: &[Flow], parallelism: u32) -> Vec<Incoming> {
        let mut edges = Vec::new();
        for (flow, input) in inputs.iter().zip(0..) {
            for &from in &flow.producers {
                edges.push(Incoming { from, input, partitioning: self.partitioning(flow, from, parallelism) });
            }
        }
        edges
    }

    fn partitioning(&self, flow: &Flow, from: NodeId, parallelism: u32) -> Partitioning {
        let same = self.graph.node(from).parallelism == parallelism;
        match &flow.distribution {
            Distribution::Hash(columns) => Partitioning::Hash { columns: columns.clone() },
            _ if same => Partitioning::Forward,
            Distribution::Single => Partitioning::Rebalance,
            Distribution::Any if flow.changelog.is_insert_only() => Partitioning::Rebalance,
            // Changes of one row must stay in order.
            Distribution::Any => match flow.upsert_keys.first().filter(|key| !key.is_empty()) {
                Some(_) if parallelism == 1 => Partitioning::Rebalance,
                Some(key) => Partitioning::Hash { columns: key.clone() },
                // All changes of a row come from one subtask, wherever that is.
                None => Partitioning::Pinned,
            },
        }
    }
}

/// The node with these types: nullability may differ between the inputs of a union.
fn relabelled(mut node: Node, columns: &[Column]) -> Node {
    if node.columns.iter().zip(columns).all(|(a, b)| a.ty == b.ty) {
        return node;
    }
    if let Op::Calc(_) = node.op {
        for (own, wanted) in node.columns.iter_mut().zip(columns) {
            own.ty = wanted.ty.clone();
        }
        return node;
    }
    let calc = Op::Calc(Calc::identity(&node.columns));
    Node { columns: columns.to_vec(), ..node.behind(calc) }
}

/// Whether a node is the one reader of a table: what is computed anew begins behind it.
fn is_read_once(node: &Node) -> bool {
    matches!(&node.op, Op::Source(scan) if scan.description.dead_letters.is_some())
}

pub(super) fn is_volatile(node: &Node) -> bool {
    !node.op.expressions().into_iter().all(super::optimize::is_immutable)
}
