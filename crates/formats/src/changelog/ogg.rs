//! `'format' = 'ogg-json'`, of Oracle GoldenGate: `I` is `+I`, `U` is `-U` and `+U`, `D` is `-D`. `T` (a truncated
//! table) does not fit, as in Flink, which has no change that says so.

use super::metadata::{Metadata, Reading};
use super::{Dialect, Frames, Operation};

pub(super) const DIALECT: Dialect = Dialect {
    name: "ogg-json",
    parts: &["op_type", "before", "after", "table", "primary_keys", "current_ts", "op_ts"],
    operations: &[("I", Operation::Insert), ("U", Operation::Update), ("D", Operation::Delete)],
    many_rows: false,
    only_changed: false,
    hint: "; a Postgres table needs REPLICA IDENTITY FULL",
    filters: &[],
    wraps: false,
    metadata: &[
        Metadata::new("table", 3, Reading::Text),
        Metadata::new("primary-keys", 4, Reading::List),
        Metadata::new("ingestion-timestamp", 5, Reading::IsoMicros),
        Metadata::new("event-timestamp", 6, Reading::Sql),
    ],
    frames: Frames {
        insert: [r#"{"before":null,"after":"#, r#","op_type":"I"}"#],
        delete: [r#"{"before":"#, r#","after":null,"op_type":"D"}"#],
        short_insert: [r#"{"after":"#, r#","op_type":"I"}"#],
        short_delete: [r#"{"before":"#, r#","op_type":"D"}"#],
    },
};
