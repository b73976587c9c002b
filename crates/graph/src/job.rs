//! The job graph and its versioned bytes.

use std::collections::BTreeMap;

use flott_api::function::Artifact;
use flott_api::ids::OperatorUid;
use flott_api::table::{SinkSpec, SourceSpec};
use flott_api::{Error, Result, Schema};
use serde::{Deserialize, Serialize};

use crate::json;

/// The version of the bytes that [`JobGraph::to_bytes`] writes.
pub const FORMAT_VERSION: u16 = 1;

/// A job: operators and the edges between them, in no deeper form than names and specifications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobGraph {
    /// The job's name (`pipeline.name`).
    pub name: String,
    /// The operators; a node's position is its [`NodeId`]. Inputs come before their consumers.
    pub nodes: Vec<Node>,
    /// The edges.
    pub edges: Vec<Edge>,
    /// Identifiers of the factories that are needed to run it: connectors and formats.
    pub factories: Vec<String>,
    /// Files that must be at hand on every machine.
    pub artifacts: Vec<Artifact>,
    /// The effective configuration that the runtime reads (`execution.*`, `pipeline.*`, ..).
    pub configuration: BTreeMap<String, String>,
}

/// A node's position in [`JobGraph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// An operator, a source or a sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its lasting name.
    pub uid: OperatorUid,
    /// Its name for people, as Flink shows it: `Calc[2]`.
    pub name: String,
    /// How many instances.
    pub parallelism: u32,
    /// How many key groups.
    pub max_parallelism: u32,
    /// What it does.
    pub role: Role,
    /// What it emits; empty for a sink.
    pub output: Schema,
    /// Whether it has keyed state, and so must be the head of its chain.
    pub stateful: bool,
    /// Of a source that waits for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<WatermarkAlignment>,
}

/// Sources of one group do not read further ahead in event time than a drift of the slowest of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkAlignment {
    /// `scan.watermark.alignment.group`: a name within the job.
    pub group: String,
    /// `scan.watermark.alignment.max-drift`. Milliseconds of event time.
    pub max_drift_ms: i64,
    /// `scan.watermark.alignment.update-interval`: how often the source hears how far it may read. Milliseconds, not 0.
    pub update_interval_ms: u64,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Role {
    /// Reads a table.
    Source(SourceSpec),
    /// Computes. A node without inputs (`Values`) emits its rows in `finish`.
    Operator {
        /// One of the kinds in [`crate::spec`].
        kind: String,
        /// The specification as JSON.
        spec: serde_json::Value,
    },
    /// Writes a table.
    Sink(SinkSpec),
}

/// Rows go from one node to one input of another. Several edges may end in the same input: that is
/// `UNION ALL`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The producer.
    pub from: NodeId,
    /// The consumer.
    pub to: NodeId,
    /// Which of the consumer's inputs.
    pub input: u32,
    /// Which subtask gets which row.
    pub partitioning: Partitioning,
}

/// Which subtask gets which row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partitioning {
    /// Subtask i to subtask i; parallelism is equal on both sides.
    Forward,
    /// By the key group of these columns.
    Hash {
        /// Positions of the key's columns.
        columns: Vec<usize>,
    },
    /// Batches in turn to all.
    Rebalance,
    /// Batches in turn to some: producers and consumers are grouped.
    Rescale,
    /// All of subtask i to subtask i modulo the parallelism of the consumer: whatever a producer says stays in order.
    Pinned,
    /// Everything to everyone.
    Broadcast,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u16,
    graph: T,
}

impl JobGraph {
    /// The graph as bytes.
    ///
    /// # Errors
    /// If it cannot be written; a bug.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&Versioned { version: FORMAT_VERSION, graph: self })
            .map_err(|e| Error::internal("a job graph cannot be written").with_source(e))
    }

    /// The graph of these bytes.
    ///
    /// # Errors
    /// If they are of another version or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Header {
            version: u16,
        }
        let damaged = |e: serde_json::Error| Error::corrupt("a job graph cannot be read").with_source(e);
        let header: Header = json::read(bytes).map_err(damaged)?;
        if header.version != FORMAT_VERSION {
            return Err(Error::invalid(format!("a job graph has version {}", header.version))
                .with_detail(format!("This Flott reads version {FORMAT_VERSION}.")));
        }
        Ok(json::read::<Versioned<JobGraph>>(bytes).map_err(damaged)?.graph)
    }

    /// A node.
    ///
    /// # Panics
    /// If there is none; ids come from the graph itself.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// All node ids, producers before consumers.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// The edges that end in a node.
    pub fn inputs(&self, node: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |e| e.to == node)
    }

    /// The edges that begin in a node.
    pub fn outputs(&self, node: NodeId) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |e| e.from == node)
    }
}

#[cfg(test)]
mod tests {
    use flott_api::expr::{Expr, Value};
    use flott_api::options::Options;
    use flott_api::table::ChangelogMode;
    use flott_api::{LogicalType, TypeKind};

    use super::*;
    use crate::spec::{CalcSpec, Spec};

    fn empty() -> JobGraph {
        JobGraph {
            name: "j".into(),
            nodes: Vec::new(),
            edges: Vec::new(),
            factories: vec!["print".into()],
            artifacts: Vec::new(),
            configuration: BTreeMap::new(),
        }
    }

    fn node(name: &str, role: Role) -> Node {
        let output = Schema::new(vec![flott_api::Field::new("a", LogicalType::not_null(TypeKind::BigInt))]);
        let uid = OperatorUid(format!("uid of {name}"));
        let (name, alignment) = (name.into(), None);
        Node { uid, name, parallelism: 2, max_parallelism: 128, role, output, stateful: false, alignment }
    }

    fn every_role() -> Vec<Node> {
        let a = || Expr::column(0, LogicalType::not_null(TypeKind::BigInt));
        let schema = node("", Role::Operator { kind: String::new(), spec: serde_json::Value::Null }).output;
        let source = SourceSpec {
            connector: "c".into(),
            table: "x.y.z".into(),
            options: Options([("k".to_owned(), "v\u{1F600}".to_owned())].into()),
            schema: schema.clone(),
            projection: vec![0],
            read_fields: Vec::new(),
            metadata: vec![("m".into(), LogicalType::string())],
            filters: vec![Expr::call(">", vec![a(), a()], LogicalType::not_null(TypeKind::Boolean))],
            limit: Some(u64::MAX),
            partition_keys: vec!["a".into()],
            primary_key: Vec::new(),
            session_zone: "UTC".into(),
        };
        let calc = CalcSpec {
            input: schema.clone(),
            condition: Some(Expr::literal(Value::double(f64::NAN), LogicalType::new(TypeKind::Double))),
            projection: vec![Expr::literal(Value::Decimal(i128::MIN), LogicalType::decimal(38, 0)), a()],
            output: schema.clone(),
            session_zone: "Europe/Berlin".into(),
        };
        let sink = SinkSpec {
            connector: "c".into(),
            table: "x.y.s".into(),
            options: Options::default(),
            schema,
            metadata: Vec::new(),
            partition_keys: Vec::new(),
            static_partition: [("p".to_owned(), "1".to_owned())].into(),
            primary_key: vec![0],
            changelog: ChangelogMode::UPSERT,
            overwrite: true,
            session_zone: "UTC".into(),
        };
        vec![node("s", Role::Source(source)), node("c", calc.role().unwrap()), node("k", Role::Sink(sink))]
    }

    #[test]
    fn a_graph_survives_its_bytes_with_every_role_and_edge() {
        let mut graph = empty();
        graph.nodes = every_role();
        let group = "g".to_owned();
        graph.nodes[0].alignment = Some(WatermarkAlignment { group, max_drift_ms: 0, update_interval_ms: 1 });
        let hash = Partitioning::Hash { columns: vec![0, 7] };
        let all = [
            Partitioning::Forward,
            hash,
            Partitioning::Rebalance,
            Partitioning::Rescale,
            Partitioning::Pinned,
            Partitioning::Broadcast,
        ];
        let edge = |partitioning| Edge { from: NodeId(0), to: NodeId(1), input: 0, partitioning };
        graph.edges = all.into_iter().map(edge).collect();
        graph.artifacts.push(Artifact { uri: "file:///x".into(), sha256: "00".into() });
        graph.configuration.insert("pipeline.name".into(), "n".into());
        let read = JobGraph::from_bytes(&graph.to_bytes().unwrap()).unwrap();
        assert_eq!(read, graph);
        let Role::Operator { kind, spec } = &read.nodes[1].role else { panic!("an operator became something else") };
        assert_eq!(kind, CalcSpec::KIND);
        let calc = CalcSpec::from_bytes(&serde_json::to_vec(spec).unwrap()).unwrap();
        assert_eq!(calc.role().unwrap(), graph.nodes[1].role);
    }

    #[test]
    fn another_version_is_refused_by_number() {
        let text = String::from_utf8(empty().to_bytes().unwrap()).unwrap();
        let newer = text.replacen("\"version\":1", "\"version\":9", 1);
        let error = JobGraph::from_bytes(newer.as_bytes()).unwrap_err();
        assert_eq!(error.message(), "a job graph has version 9");
    }

    #[test]
    fn damaged_bytes_are_corrupt() {
        let mut bytes = empty().to_bytes().unwrap();
        bytes.truncate(bytes.len() / 2);
        assert_eq!(JobGraph::from_bytes(&bytes).unwrap_err().kind(), flott_api::ErrorKind::Corrupt);
    }
}
