//! `'format' = 'debezium-json'`: `c` and `r` are `+I`, `u` is `-U` and `+U`, `d` is `-D`. With
//! `debezium-json.schema-include` the event lies in `payload`.

use super::metadata::{Metadata, Reading};
use super::{Dialect, Frames, Operation};

pub(super) const DIALECT: Dialect = Dialect {
    name: "debezium-json",
    parts: &["op", "before", "after", "schema", "ts_ms", "source"],
    operations: &[
        ("c", Operation::Insert),
        ("r", Operation::Insert),
        ("u", Operation::Update),
        ("d", Operation::Delete),
    ],
    many_rows: false,
    only_changed: false,
    hint: "; a Postgres table needs REPLICA IDENTITY FULL",
    filters: &[],
    wraps: true,
    metadata: &[
        Metadata::new("schema", 3, Reading::Text),
        Metadata::new("ingestion-timestamp", 4, Reading::Millis),
        Metadata::new("source.timestamp", 5, Reading::PropertyMillis("ts_ms")),
        Metadata::new("source.database", 5, Reading::Property("db")),
        Metadata::new("source.schema", 5, Reading::Property("schema")),
        Metadata::new("source.table", 5, Reading::Property("table")),
        Metadata::new("source.properties", 5, Reading::Texts),
    ],
    frames: Frames {
        insert: [r#"{"before":null,"after":"#, r#","op":"c"}"#],
        delete: [r#"{"before":"#, r#","after":null,"op":"d"}"#],
        short_insert: [r#"{"after":"#, r#","op":"c"}"#],
        short_delete: [r#"{"before":"#, r#","op":"d"}"#],
    },
};
