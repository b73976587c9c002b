//! Builds job graphs.

use std::collections::BTreeMap;

use flott_api::ids::OperatorUid;
use flott_api::options::Options;
use flott_api::table::{ChangelogMode, SinkSpec, SourceSpec};
use flott_graph::{Edge, JobGraph, Node, NodeId, Partitioning, Role};

use super::rows::schema;

pub(crate) struct GraphBuilder {
    pub(crate) graph: JobGraph,
}

impl GraphBuilder {
    pub(crate) fn new() -> Self {
        GraphBuilder {
            graph: JobGraph {
                name: "test".into(),
                nodes: Vec::new(),
                edges: Vec::new(),
                factories: Vec::new(),
                artifacts: Vec::new(),
                configuration: BTreeMap::new(),
            },
        }
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.graph.configuration.insert(key.into(), value.into());
    }

    fn node(&mut self, name: &str, parallelism: u32, role: Role) -> NodeId {
        let output = if matches!(role, Role::Sink(_)) { flott_api::Schema::default() } else { schema() };
        self.graph.nodes.push(Node {
            uid: OperatorUid(name.into()),
            name: name.into(),
            parallelism,
            max_parallelism: 128,
            role,
            output,
            stateful: false,
            alignment: None,
        });
        NodeId(self.graph.nodes.len() as u32 - 1)
    }

    /// A source whose script is that of its name.
    pub(crate) fn source(&mut self, name: &str, parallelism: u32) -> NodeId {
        let spec = SourceSpec {
            connector: "fake".into(),
            table: name.into(),
            options: Options::default(),
            schema: schema(),
            projection: vec![0],
            read_fields: Vec::new(),
            metadata: Vec::new(),
            filters: Vec::new(),
            limit: None,
            partition_keys: Vec::new(),
            primary_key: Vec::new(),
            session_zone: "UTC".into(),
        };
        self.node(name, parallelism, Role::Source(spec))
    }

    /// An operator whose kind is its name.
    pub(crate) fn operator(&mut self, name: &str, parallelism: u32) -> NodeId {
        let role = Role::Operator { kind: name.into(), spec: serde_json::Value::Null };
        self.node(name, parallelism, role)
    }

    pub(crate) fn sink(&mut self, table: &str, parallelism: u32) -> NodeId {
        let spec = SinkSpec {
            connector: "fake".into(),
            table: table.into(),
            options: Options::default(),
            schema: schema(),
            metadata: Vec::new(),
            partition_keys: Vec::new(),
            static_partition: BTreeMap::new(),
            primary_key: Vec::new(),
            changelog: ChangelogMode::ALL,
            overwrite: false,
            session_zone: "UTC".into(),
        };
        self.node(table, parallelism, Role::Sink(spec))
    }

    pub(crate) fn edge(&mut self, from: NodeId, to: NodeId, partitioning: Partitioning) {
        self.input(from, to, 0, partitioning);
    }

    pub(crate) fn input(&mut self, from: NodeId, to: NodeId, input: u32, partitioning: Partitioning) {
        self.graph.edges.push(Edge { from, to, input, partitioning });
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.graph.to_bytes().unwrap()
    }
}
