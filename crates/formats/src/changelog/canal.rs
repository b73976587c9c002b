//! `'format' = 'canal-json'`: `INSERT` is `+I`, `UPDATE` is `-U` and `+U`, `DELETE` is `-D`, `CREATE` is skipped. `data`
//! has the rows of a statement; `old` has for each what changed, also what was null.
//!
//! `canal-json.database.include` and `canal-json.table.include` are patterns that the whole name must match; events of
//! others are skipped.

use super::metadata::{Metadata, Reading};
use super::{Dialect, Frames, Operation};

const INSERT: [&str; 2] = [r#"{"data":["#, r#"],"type":"INSERT"}"#];
const DELETE: [&str; 2] = [r#"{"data":["#, r#"],"type":"DELETE"}"#];

pub(super) const DIALECT: Dialect = Dialect {
    name: "canal-json",
    parts: &["type", "old", "data", "database", "table", "sqlType", "pkNames", "ts", "es"],
    operations: &[
        ("INSERT", Operation::Insert),
        ("UPDATE", Operation::Update),
        ("DELETE", Operation::Delete),
        ("CREATE", Operation::Nothing),
    ],
    many_rows: true,
    only_changed: true,
    hint: "",
    filters: &[("database.include", 3), ("table.include", 4)],
    wraps: false,
    metadata: &[
        Metadata::new("database", 3, Reading::Text),
        Metadata::new("table", 4, Reading::Text),
        Metadata::new("sql-type", 5, Reading::Numbers),
        Metadata::new("pk-names", 6, Reading::List),
        Metadata::new("ingestion-timestamp", 7, Reading::Millis),
        Metadata::new("event-timestamp", 8, Reading::Millis),
    ],
    frames: Frames { insert: INSERT, delete: DELETE, short_insert: INSERT, short_delete: DELETE },
};
