//! `'format' = 'maxwell-json'`: `insert` is `+I`, `update` is `-U` and `+U`, `delete` is `-D`. The row is in `data`; `old`
//! has only what changed, also what was null.

use super::metadata::{Metadata, Reading};
use super::{Dialect, Frames, Operation};

const INSERT: [&str; 2] = [r#"{"data":"#, r#","type":"insert"}"#];
const DELETE: [&str; 2] = [r#"{"data":"#, r#","type":"delete"}"#];

pub(super) const DIALECT: Dialect = Dialect {
    name: "maxwell-json",
    parts: &["type", "old", "data", "database", "table", "primary_key_columns", "ts"],
    operations: &[("insert", Operation::Insert), ("update", Operation::Update), ("delete", Operation::Delete)],
    many_rows: false,
    only_changed: true,
    hint: "",
    filters: &[],
    wraps: false,
    metadata: &[
        Metadata::new("database", 3, Reading::Text),
        Metadata::new("table", 4, Reading::Text),
        Metadata::new("primary-key-columns", 5, Reading::List),
        Metadata::new("ingestion-timestamp", 6, Reading::Seconds),
    ],
    frames: Frames { insert: INSERT, delete: DELETE, short_insert: INSERT, short_delete: DELETE },
};
