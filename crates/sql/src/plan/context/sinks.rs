//! `table.exec.sink.*`: what is checked and changed before rows reach a sink.

use flott_api::Result;
use flott_api::options::OptionReader;
use flott_graph::spec::{NotNullEnforcer, TypeLengthEnforcer};

/// When changes are turned into those of the sink's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpsertMaterialize {
    /// Where the query's key is another.
    Auto,
    /// Never.
    None,
    /// Before every sink with a primary key.
    Force,
}

/// When rows of one primary key go to one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyedShuffle {
    /// Where the sink has another parallelism than what feeds it.
    Auto,
    /// Nobody asks for it: the order of changes by the query's key is kept, not by the table's.
    None,
    /// Wherever there are several writers.
    Force,
}

/// What holds for all sinks of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// `table.exec.sink.not-null-enforcer`
    pub not_null: NotNullEnforcer,
    /// `table.exec.sink.type-length-enforcer`
    pub type_length: TypeLengthEnforcer,
    /// `table.exec.sink.upsert-materialize`
    pub upsert_materialize: UpsertMaterialize,
    /// `table.exec.sink.require-on-conflict`
    pub require_on_conflict: bool,
    /// `table.exec.sink.keyed-shuffle`
    pub keyed_shuffle: KeyedShuffle,
    /// `table.exec.sink.rowtime-inserter`: whether a query may give a sink one rowtime at most.
    pub one_rowtime: bool,
}

impl SinkSettings {
    pub(super) fn read(reader: &OptionReader<'_>) -> Result<Self> {
        Ok(SinkSettings {
            not_null: reader.choice(
                "table.exec.sink.not-null-enforcer",
                &[("ERROR", NotNullEnforcer::Error), ("DROP", NotNullEnforcer::Drop)],
                NotNullEnforcer::Error,
            )?,
            type_length: reader.choice(
                "table.exec.sink.type-length-enforcer",
                &[
                    ("IGNORE", TypeLengthEnforcer::Ignore),
                    ("TRIM_PAD", TypeLengthEnforcer::TrimPad),
                    ("ERROR", TypeLengthEnforcer::Error),
                ],
                TypeLengthEnforcer::Ignore,
            )?,
            upsert_materialize: reader.choice(
                "table.exec.sink.upsert-materialize",
                &[
                    ("AUTO", UpsertMaterialize::Auto),
                    ("NONE", UpsertMaterialize::None),
                    ("FORCE", UpsertMaterialize::Force),
                ],
                UpsertMaterialize::Auto,
            )?,
            require_on_conflict: reader.value_or("table.exec.sink.require-on-conflict", true)?,
            keyed_shuffle: reader.choice(
                "table.exec.sink.keyed-shuffle",
                &[("AUTO", KeyedShuffle::Auto), ("NONE", KeyedShuffle::None), ("FORCE", KeyedShuffle::Force)],
                KeyedShuffle::Auto,
            )?,
            one_rowtime: reader.choice(
                "table.exec.sink.rowtime-inserter",
                &[("ENABLED", true), ("DISABLED", false)],
                true,
            )?,
        })
    }
}
