//! The end of a pipeline: where its rows go, and what that place needs of them.

use std::collections::BTreeMap;

use flott_api::options::Options;
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};

use super::{Node, Op};
use crate::parser::ast::ConflictAction;
use crate::plan::Settings;
use crate::plan::context::UpsertMaterialize;
use crate::plan::rel::Column;

/// Where the rows go.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Sink {
    /// `catalog.database.table`, for people.
    pub(in crate::plan) name: String,
    /// The connector's identifier.
    pub(in crate::plan) connector: String,
    /// Its options, without `connector`.
    pub(in crate::plan) options: Options,
    /// The columns as declared: physical ones, then metadata.
    pub(in crate::plan) columns: Vec<Column>,
    /// Keys of the metadata columns at the end.
    pub(in crate::plan) metadata: Vec<String>,
    /// Names of the partition columns.
    pub(in crate::plan) partition_keys: Vec<String>,
    /// `PARTITION (k = v)`.
    pub(in crate::plan) static_partition: BTreeMap<String, String>,
    /// Positions of the primary key.
    pub(in crate::plan) primary_key: Vec<usize>,
    /// The row kinds it takes.
    pub(in crate::plan) accepts: ChangelogMode,
    /// Whether it takes `-U` whatever the query gives: a changelog that is written down.
    pub(in crate::plan) needs_update_before: bool,
    /// `sink.parallelism`
    pub(in crate::plan) parallelism: Option<u32>,
    /// `INSERT OVERWRITE`
    pub(in crate::plan) overwrite: bool,
    /// `ON CONFLICT DO ..`
    pub(in crate::plan) on_conflict: Option<ConflictAction>,
    /// Whether the changes are turned into those of its key before it gets them.
    pub(in crate::plan) materialize: bool,
    /// `table.local-time-zone`
    pub(in crate::plan) session_zone: String,
}

/// The connector that takes the result of a query.
pub(in crate::plan) const COLLECT: &str = "$collect";

impl Sink {
    /// The sink of a query's result.
    pub(in crate::plan) fn collect(columns: &[Column], id: &str, settings: &Settings) -> Self {
        Sink {
            name: "*anonymous_collect*".to_owned(),
            connector: COLLECT.to_owned(),
            options: Options(BTreeMap::from([("id".to_owned(), id.to_owned())])),
            columns: columns.to_vec(),
            metadata: Vec::new(),
            partition_keys: Vec::new(),
            static_partition: BTreeMap::new(),
            primary_key: Vec::new(),
            accepts: ChangelogMode::ALL,
            needs_update_before: false,
            parallelism: None,
            overwrite: false,
            on_conflict: None,
            materialize: false,
            session_zone: settings.session_zone.clone(),
        }
    }

    /// The sink that `EXPLAIN` of a query assumes: nobody asks for `-U`.
    pub(in crate::plan) fn nowhere(columns: &[Column], settings: &Settings) -> Self {
        Sink { accepts: ChangelogMode::UPSERT, ..Sink::collect(columns, "", settings) }
    }

    /// Whether it shows a query's result instead of writing a table.
    pub(in crate::plan) fn is_collect(&self) -> bool {
        self.connector == COLLECT
    }

    /// Whether updates come by another key than the table's, and what is done about it.
    ///
    /// # Errors
    /// If nobody says what is to be done, or what is said cannot be done.
    pub(in crate::plan) fn settle_conflicts(&mut self, root: &Node, settings: &Settings) -> Result<()> {
        if let Some(action) = self.on_conflict {
            self.check_action(action, root)?;
        }
        let is_upsert_sink = !self.is_collect() && !self.primary_key.is_empty() && !self.needs_update_before;
        let by_its_key = root.upsert_keys.iter().any(|key| key.iter().all(|k| self.primary_key.contains(k)));
        let conflicts = is_upsert_sink && !root.changelog.is_insert_only() && !by_its_key;
        self.materialize = match settings.sinks.upsert_materialize {
            UpsertMaterialize::None => false,
            UpsertMaterialize::Force => is_upsert_sink,
            UpsertMaterialize::Auto if !conflicts => false,
            UpsertMaterialize::Auto if self.on_conflict.is_none() && settings.sinks.require_on_conflict => {
                return Err(self.conflict(root));
            }
            UpsertMaterialize::Auto => true,
        };
        Ok(())
    }

    /// Whether `ON CONFLICT` has a meaning here. Changes that are solved by watermark need one of every table.
    fn check_action(&self, action: ConflictAction, root: &Node) -> Result<()> {
        let why = if root.changelog.is_insert_only() {
            Some("only gets insertions from this query")
        } else {
            self.needs_update_before.then_some("takes the -U of updates")
        };
        if let Some(why) = why {
            return Err(Error::invalid(format!("ON CONFLICT has no meaning for table '{}'", self.name))
                .with_detail(format!("It is for tables that take updates by their key; this one {why}.")));
        }
        let sources = if action == ConflictAction::Deduplicate { Vec::new() } else { without_watermark(root) };
        if sources.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format!("ON CONFLICT DO {action} needs the watermarks of all tables that the query reads"))
            .with_detail(format!("These have none: {}.", sources.join(", ")))
            .with_hint(
                "Add a WATERMARK to them, or say ON CONFLICT DO DEDUPLICATE: then the newest row wins, at once.",
            ))
    }

    fn conflict(&self, root: &Node) -> Error {
        let names = |columns: &[Column], key: &[usize]| {
            key.iter().map(|&k| columns[k].name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let have: Vec<String> = root.upsert_keys.iter().map(|k| format!("({})", names(&root.columns, k))).collect();
        let have = if have.is_empty() { "no key".to_owned() } else { have.join(" or ") };
        Error::invalid(format!("the query updates table '{}' by another key than its primary key", self.name))
            .with_detail(format!(
                "The query updates by {have}, the table by ({}): two rows of the query may be one of the table.",
                names(&self.columns, &self.primary_key)
            ))
            .with_hint(
                "Make the primary key of the table the key of the query, or add ON CONFLICT DO DEDUPLICATE (the newest \
                 row wins, and all rows are kept as state), ON CONFLICT DO NOTHING (the first one wins) or ON CONFLICT \
                 DO ERROR.",
            )
    }

    /// The row kinds that it is sent.
    pub(in crate::plan) fn sent(&self, root: &Node) -> ChangelogMode {
        if self.materialize { ChangelogMode::UPSERT } else { root.changelog }
    }
}

/// The tables that are read without a watermark, each as often as it is read.
fn without_watermark(node: &Node) -> Vec<String> {
    match &node.op {
        Op::Watermark(_) => Vec::new(),
        Op::Source(scan) => vec![scan.path.to_string()],
        _ => node.inputs.iter().flat_map(without_watermark).collect(),
    }
}
