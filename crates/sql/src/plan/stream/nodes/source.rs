//! Reads a table.

use flott_api::table::{ChangelogMode, SourceSpec};
use flott_api::{Result, RowKind};
use flott_graph::Role;

use crate::plan::lower::{meaning, uid};
use crate::plan::print;
use crate::plan::rel::Scan;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring};

impl StreamOp for Scan {
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        Ok(self.description.changelog)
    }

    /// It gives what its connector gives: without `-U` it cannot make any; a needless one is dropped behind it.
    fn alternatives(&self, _: &[Node], wanted: Updates) -> Vec<Alternative> {
        let mode = self.description.changelog;
        let upserts = mode.contains(RowKind::UpdateAfter) && !mode.contains(RowKind::UpdateBefore);
        if upserts && wanted == Updates::BeforeAndAfter {
            return Vec::new();
        }
        vec![Alternative { asks: Vec::new(), becomes: None }]
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        let key: Option<Vec<usize>> =
            self.primary_key.iter().map(|k| self.projection.iter().position(|p| p == k)).collect();
        key.filter(|k| !k.is_empty()).into_iter().collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        print::source(self, &text.own)
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        Ok(Wired {
            role: Role::Source(spec_of(self, wiring.session_zone())),
            stateful: false,
            meaning: uid::of_source(&self.path.to_string(), &self.connector, &self.options),
            columns: meaning::of_scan(self),
        })
    }
}

/// What a subtask reads the table from.
pub(super) fn spec_of(scan: &Scan, session_zone: String) -> SourceSpec {
    SourceSpec {
        connector: scan.connector.clone(),
        table: scan.path.to_string(),
        options: scan.options.clone(),
        schema: scan.schema.clone(),
        projection: scan.projection.clone(),
        read_fields: scan.read_fields.clone(),
        metadata: scan.metadata.clone(),
        filters: scan.filters.clone(),
        limit: scan.limit,
        partition_keys: scan.partition_keys.clone(),
        primary_key: scan.primary_key.clone(),
        session_zone,
    }
}
