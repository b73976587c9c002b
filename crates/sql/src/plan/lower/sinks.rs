//! The end of a pipeline: the constraint enforcer and the sink.

use flott_api::table::SinkSpec;
use flott_api::{Error, Result, Schema, TypeKind};
use flott_graph::Role;
use flott_graph::spec::{
    ConstraintEnforcerSpec, SinkConflict, SinkUpsertMaterializerSpec, Spec, TypeLengthEnforcer,
    WatermarkCompactingSinkMaterializerSpec, WatermarkTimestampAssignerSpec,
};

use super::{Flow, Lowering, meaning};
use crate::parser::ast::ConflictAction;
use crate::plan::context::KeyedShuffle;
use crate::plan::print;
use crate::plan::rel::{Column, TimeAttribute, schema};
use crate::plan::stream::{Distribution, Node, Op, Pipeline, Sink};

impl Lowering<'_> {
    /// Adds a pipeline up to its sink.
    pub(super) fn pipeline(&mut self, pipeline: &Pipeline) -> Result<()> {
        let sink = &pipeline.sink;
        self.one_rowtime(&pipeline.root, sink)?;
        self.sink.clone_from(&sink.name);
        let root = declared(pipeline.root.clone(), sink);
        let mut flow = self.flow(&root)?;
        let declared = schema(&sink.columns);
        if self.needs_enforcer(&declared, sink) {
            flow = self.enforcer(flow, &root, declared.clone(), sink)?;
        }
        let parallelism = sink.parallelism.unwrap_or_else(|| self.widest(&flow));
        if sink.materialize {
            flow = self.materializer(flow, &root, declared.clone(), (sink, parallelism))?;
        }
        if self.shuffles_by_key(&flow, sink, parallelism) {
            flow.distribution = Distribution::by(&sink.primary_key);
        }
        let edges = self.edges(std::slice::from_ref(&flow), parallelism);
        self.graph.factories.push(sink.connector.clone());
        self.graph.factories.extend(sink.options.0.get("format").cloned());
        let spec = sink_spec(sink, declared, &root);
        let id =
            self.push(Role::Sink(spec), print::sink(sink, &sink.columns), parallelism, Schema::default(), false)?;
        let meaning = match &pipeline.dead_letters_of {
            Some(of) => format!("{}\ndead letters of {of}", sink.name),
            None => sink.name.clone(),
        };
        self.name(id, meaning, &edges);
        self.connect(id, edges);
        Ok(())
    }

    /// Whether an exchange before the sink brings rows of one key together. Behind a materializer they are.
    fn shuffles_by_key(&self, flow: &Flow, sink: &Sink, parallelism: u32) -> bool {
        let may = !sink.primary_key.is_empty() && !sink.materialize && parallelism > 1;
        may && match self.settings.sinks.keyed_shuffle {
            KeyedShuffle::Auto => self.widest(flow) != parallelism,
            KeyedShuffle::None => false,
            KeyedShuffle::Force => true,
        }
    }

    /// Rows have one time.
    fn one_rowtime(&self, root: &Node, sink: &Sink) -> Result<()> {
        let names = print::unique(root.columns.iter().map(|c| &c.name));
        let is_rowtime = |(column, _): &(&Column, _)| matches!(column.time, Some(TimeAttribute::Rowtime));
        let rowtimes: Vec<&str> =
            root.columns.iter().zip(&names).filter(is_rowtime).map(|(_, name)| name.as_str()).collect();
        if sink.is_collect() || !self.settings.sinks.one_rowtime || rowtimes.len() < 2 {
            return Ok(());
        }
        Err(Error::invalid(format!("the query gives table '{}' more than one rowtime column", sink.name))
            .with_detail(format!("They are {}; a row of a table has one time.", rowtimes.join(", ")))
            .with_hint(
                "CAST all but one to TIMESTAMP or TIMESTAMP_LTZ, or set 'table.exec.sink.rowtime-inserter' to 'DISABLED'.",
            ))
    }

    fn widest(&self, flow: &Flow) -> u32 {
        flow.producers.iter().map(|&p| self.graph.node(p).parallelism).max().unwrap_or(1)
    }

    fn needs_enforcer(&self, declared: &Schema, sink: &Sink) -> bool {
        let bounded = |kind: &TypeKind| match kind {
            TypeKind::Char(_) | TypeKind::Binary(_) => true,
            TypeKind::Varchar(n) | TypeKind::Varbinary(n) => *n != flott_api::types::LENGTH_MAX,
            _ => false,
        };
        let lengths = self.settings.sinks.type_length != TypeLengthEnforcer::Ignore;
        !sink.is_collect() && declared.fields.iter().any(|f| !f.ty.nullable || lengths && bounded(&f.ty.kind))
    }

    /// Turns the query's changes into those of the sink's key.
    fn materializer(&mut self, flow: Flow, root: &Node, input: Schema, sink: (&Sink, u32)) -> Result<Flow> {
        let (sink, parallelism) = sink;
        let kinds: Vec<&TypeKind> = input.fields.iter().map(|f| &f.ty.kind).collect();
        let meaning = meaning::keys(&sink.primary_key, &flow.meaning, &kinds);
        let conflict = match sink.on_conflict {
            Some(ConflictAction::Nothing) => Some(SinkConflict::Nothing),
            Some(ConflictAction::Error) => Some(SinkConflict::Error),
            Some(ConflictAction::Deduplicate) | None => None,
        };
        let flow = if conflict.is_some() { self.stamped(flow, &input, sink)? } else { flow };
        let role = self.materializer_role(root, &input, sink, conflict)?;
        let flow = Flow { distribution: Distribution::by(&sink.primary_key), ..flow };
        let edges = self.edges(std::slice::from_ref(&flow), parallelism);
        let name = format!("SinkMaterializer[{}]", print::names(&sink.columns).join(", "));
        let id = self.push(role, name, parallelism, input, true)?;
        self.name(id, meaning, &edges);
        self.connect(id, edges);
        Ok(Flow {
            producers: vec![id],
            distribution: Distribution::Any,
            changelog: sink.sent(root),
            upsert_keys: vec![sink.primary_key.clone()],
            meaning: flow.meaning,
        })
    }

    fn materializer_role(
        &self,
        root: &Node,
        input: &Schema,
        sink: &Sink,
        conflict: Option<SinkConflict>,
    ) -> Result<Role> {
        let upsert_key = root.upsert_keys.iter().min_by_key(|key| key.len()).cloned();
        let (primary_key, state_ttl_ms) = (sink.primary_key.clone(), self.settings.state_ttl_ms);
        let input = input.clone();
        match conflict {
            None => SinkUpsertMaterializerSpec { input, primary_key, upsert_key, state_ttl_ms }.role(),
            Some(conflict) => WatermarkCompactingSinkMaterializerSpec {
                output: input,
                primary_key,
                upsert_key,
                conflict,
                state_ttl_ms,
                session_zone: self.settings.session_zone.clone(),
            }
            .role(),
        }
    }

    /// Puts the watermark beside each row, before rows of several subtasks meet.
    fn stamped(&mut self, flow: Flow, input: &Schema, sink: &Sink) -> Result<Flow> {
        let spec = WatermarkTimestampAssignerSpec { input: input.clone() };
        let parallelism = self.widest(&flow);
        let edges = self.edges(std::slice::from_ref(&flow), parallelism);
        let name = "WatermarkTimestampAssigner".to_owned();
        let id = self.push(spec.role()?, name, parallelism, spec.output(), false)?;
        self.name(id, sink.name.clone(), &edges);
        self.connect(id, edges);
        Ok(Flow { producers: vec![id], distribution: Distribution::Any, ..flow })
    }

    fn enforcer(&mut self, flow: Flow, root: &Node, input: Schema, sink: &Sink) -> Result<Flow> {
        let constrained: Vec<&str> = input.fields.iter().filter(|f| !f.ty.nullable).map(|f| f.name.as_str()).collect();
        let name = format!("ConstraintEnforcer[NotNullEnforcer(fields=[{}])]", constrained.join(", "));
        let spec = ConstraintEnforcerSpec {
            input: input.clone(),
            table: sink.name.clone(),
            not_null: self.settings.sinks.not_null,
            type_length: self.settings.sinks.type_length,
        };
        let parallelism = self.widest(&flow);
        let edges = self.edges(std::slice::from_ref(&flow), parallelism);
        let id = self.push(spec.role()?, name, parallelism, input, false)?;
        self.name(id, sink.name.clone(), &edges);
        self.connect(id, edges);
        Ok(Flow {
            producers: vec![id],
            distribution: Distribution::Any,
            changelog: root.changelog,
            upsert_keys: root.upsert_keys.clone(),
            meaning: flow.meaning,
        })
    }
}

/// The root with the sink's types where they differ in name only: `CHAR(3)` that goes into a `STRING`.
fn declared(mut root: Node, sink: &Sink) -> Node {
    if let Op::Calc(_) = root.op {
        for (own, wanted) in root.columns.iter_mut().zip(&sink.columns) {
            let nullable = own.ty.nullable || wanted.ty.nullable;
            own.ty = wanted.ty.clone().with_nullable(nullable);
        }
    }
    root
}

fn sink_spec(sink: &Sink, schema: Schema, root: &Node) -> SinkSpec {
    SinkSpec {
        connector: sink.connector.clone(),
        table: sink.name.clone(),
        options: sink.options.clone(),
        schema,
        metadata: sink.metadata.clone(),
        partition_keys: sink.partition_keys.clone(),
        static_partition: sink.static_partition.clone(),
        primary_key: sink.primary_key.clone(),
        changelog: sink.sent(root),
        overwrite: sink.overwrite,
        session_zone: sink.session_zone.clone(),
    }
}
