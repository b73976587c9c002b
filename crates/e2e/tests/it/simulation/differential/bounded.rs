//! The same query in batch mode, over the rows that the tables have in the end.

use super::generate::{Change, Table, TableKind};
use super::{Case, differs};
use crate::simulation::recorded::bounded;

/// What batch mode does not take, and says so; the last one is refused by Flink there, too.
const REFUSED: [&str; 4] = [
    "MATCH_RECOGNIZE in batch mode",
    "a temporal join in batch mode",
    "a SESSION window in batch mode",
    "DISTINCT in this call with OVER",
];

impl Table {
    /// A table that has from the beginning what this one has in the end.
    pub(super) fn in_the_end(&self) -> Table {
        if self.kind != TableKind::Changing {
            return self.clone();
        }
        let begins = |(life, row)| Change { life, before: None, after: Some(row) };
        Table { kind: TableKind::Inserted, changes: (1..).zip(self.rows()).map(begins).collect() }
    }
}

impl Case {
    /// Nothing if batch mode gives the rows, and why it refuses the query, or gives others, if it does.
    pub(super) fn in_batch_mode(&self, folder: &str, expected: &[String]) -> Result<Option<String>, String> {
        let tables: Vec<_> = self.tables.iter().map(Table::rows).collect();
        if self.query.aggregates_nothing(&tables) {
            return Ok(Some("an aggregate of no rows, which is a row in batch mode".to_owned()));
        }
        let mut script = self.definitions(folder, true);
        script.push(format!("{};", self.query.sql()));
        let script: Vec<&str> = script.iter().map(String::as_str).collect();
        match bounded(&script) {
            Ok(changes) if changes.iter().all(|change| change.starts_with("+I")) => {
                differs(&changes, expected).map_or(Ok(None), Err)
            }
            Ok(changes) => Err(format!("gives changes: {changes:?}")),
            Err(error) => {
                let known = REFUSED.iter().find(|why| error.contains(*why));
                known.map(|why| Some((*why).to_owned())).ok_or(error)
            }
        }
    }
}
