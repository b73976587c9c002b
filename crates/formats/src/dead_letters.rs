//! Dead letters: records that do not fit, kept as rows instead of failing the job.
//!
//! Such a row is null in all columns of the table; behind these it has the record's bytes, what is wrong with it, and
//! where it lies. Rows that fit are null there.

use flott_api::options::{ConfigOption, OptionReader, OptionTable};
use flott_api::types::LENGTH_MAX;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

use crate::column::{Column, Values};

/// How many columns they have.
pub(crate) const WIDTH: usize = 3;

/// The option of formats whose records may not fit.
pub(crate) const OPTIONS: OptionTable = &[ConfigOption::text(
    "dead-letter.table",
    "The table that records go to which do not fit: see [dead letters](dead_letters.md).",
)];
/// That of formats which can also leave them out.
pub(crate) const IGNORE: OptionTable =
    &[ConfigOption::flag("ignore-parse-errors", "Whether records that do not fit are left out and counted.")
        .or("false")];

/// Their columns: the record, what is wrong with it, its place.
pub(crate) fn fields() -> [Field; WIDTH] {
    let nullable = |name: &str, kind| Field::new(name, LogicalType::new(kind));
    [
        nullable("raw", TypeKind::Varbinary(LENGTH_MAX)),
        nullable("cause", TypeKind::Varchar(LENGTH_MAX)),
        nullable("place", TypeKind::BigInt),
    ]
}

/// The table that the option under `prefix` names. A record is either kept or dropped.
pub(crate) fn table(options: &OptionReader<'_>, prefix: &str, drops: bool) -> Result<Option<String>> {
    let key = format!("{prefix}dead-letter.table");
    let Some(name) = options.text(&key) else { return Ok(None) };
    if name.trim().is_empty() {
        return Err(Error::invalid(format!("option '{key}' is empty")).with_hint("Name a table, or remove the option."));
    }
    if drops {
        return Err(Error::invalid(format!("options '{key}' and '{prefix}ignore-parse-errors' contradict"))
            .with_detail("A record that does not fit is kept in a table, or dropped.")
            .with_hint("Remove one of them."));
    }
    Ok(Some(name.to_owned()))
}

/// The columns of dead letters. They end at the last one: rows behind it that fit are added when something follows.
pub(crate) struct DeadLetters {
    columns: [Column; WIDTH],
    /// Bytes of the input that were taken before the window.
    pub(crate) taken: u64,
    /// How many there were since they were last counted.
    pub(crate) count: u64,
}

impl DeadLetters {
    /// None yet.
    pub(crate) fn new() -> Self {
        DeadLetters { columns: fields().map(|f| Column::new(&f.ty)), taken: 0, count: 0 }
    }

    /// Says what row `row`, which is behind all before, was, and whether there was room for it.
    pub(crate) fn push(&mut self, row: usize, record: &[u8], cause: &str, place: u64) -> bool {
        self.fill(row);
        let [raw, said, place_of] = &mut self.columns;
        if !raw.push_bytes(record) || !said.push_bytes(cause.as_bytes()) {
            self.truncate(row);
            return false;
        }
        if let Values::Int64(places) = &mut place_of.values {
            places.push(place as i64);
            place_of.pushed();
        }
        self.count += 1;
        true
    }

    /// Forgets the rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|c| c.truncate(rows));
    }

    /// The columns of all rows.
    pub(crate) fn filled(&mut self, rows: usize) -> &mut [Column; WIDTH] {
        self.fill(rows);
        &mut self.columns
    }

    fn fill(&mut self, rows: usize) {
        for column in &mut self.columns {
            (column.len()..rows).for_each(|_| column.push_null());
        }
    }
}

#[cfg(test)]
mod tests;
