//! `flott-bench joins [rows]`: several inputs joined by one key, as a chain of joins and as one (`MultiJoin`).
//!
//! Each input has so many rows with a text each, and several rows of every key, far from each other: so all inputs
//! grow together, and what a chain remembers between its joins is larger than what comes in. Each measurement is a process
//! of its own; the state is what a checkpoint writes when all rows have come.

use std::path::Path;

use flott_api::{Error, Result};

use crate::large::{HASHMAP, World, block_on, bytes_below};
use crate::run;

/// Rows of each input unless the command line says otherwise.
pub(crate) const ROWS: u64 = 1_000_000;
/// How long what was let through may take behind its last row.
const SETTLE_MS: u64 = 1_000;

/// A query to measure.
struct Query {
    name: &'static str,
    inputs: usize,
    /// Rows of each key in each input.
    rows_per_key: u64,
}

const QUERIES: [Query; 3] = [
    Query { name: "3x2", inputs: 3, rows_per_key: 2 },
    Query { name: "4x2", inputs: 4, rows_per_key: 2 },
    Query { name: "3x4", inputs: 3, rows_per_key: 4 },
];
const WAYS: [(&str, bool); 2] = [("chain", false), ("multi", true)];

/// The names of all measurements.
pub(crate) fn names() -> impl Iterator<Item = String> {
    QUERIES.iter().flat_map(|query| WAYS.iter().map(move |(way, _)| format!("{}-{way}", query.name)))
}

/// What the table of the report begins with.
pub(crate) fn title(rows: u64) -> String {
    format!(
        "joins of inputs of {rows} rows by one key, as inputs x rows of a key in each; parallelism 1\n\n\
         join         rows in/s    rows out   peak MB   checkpoint MB\n"
    )
}

/// A line of the report.
pub(crate) fn one(name: &str, rows: u64, folder: &Path) -> Result<String> {
    let mut all = QUERIES.iter().flat_map(|query| WAYS.iter().map(move |way| (query, way)));
    let found = all.find(|(query, (way, _))| name == format!("{}-{way}", query.name));
    let (query, (_, is_multi)) = found.ok_or_else(|| Error::invalid(format!("there is no join '{name}'")))?;
    let source = format!(
        "'datagen', 'number-of-rows' = '{rows}', 'rows-per-second' = '1000000000', 'fields.id.kind' = 'sequence', \
         'fields.id.start' = '0', 'fields.id.end' = '{}'",
        rows - 1
    );
    let ran = run::script(&query.script(*is_multi, &source, rows), 1)?;
    let bytes = query.state_bytes(*is_multi, rows, folder)?;
    Ok(format!(
        "{name:<10} {:>10.2}M {:>11} {:>9} {:>15.1}\n",
        (rows * query.inputs as u64) as f64 / ran.seconds / 1e6,
        ran.rows,
        ran.peak_kib / 1024,
        bytes as f64 / 1e6
    ))
}

impl Query {
    /// What a checkpoint writes behind all rows.
    fn state_bytes(&self, is_multi: bool, rows: u64, folder: &Path) -> Result<u64> {
        block_on(async {
            let world = World::new();
            let job = world.start(&HASHMAP, &self.script(is_multi, "'paced'", rows), folder, None)?;
            world.let_through(rows);
            let keys = rows / self.rows_per_key;
            world.wait(&job, keys * self.rows_per_key.pow(self.inputs as u32)).await?;
            world.clock().sleep_ms(SETTLE_MS).await;
            job.checkpoint().await?;
            let bytes = bytes_below(folder)?;
            job.cancel();
            job.wait().await?;
            Ok(bytes)
        })
    }

    fn script(&self, is_multi: bool, connector: &str, rows: u64) -> String {
        let keys = rows / self.rows_per_key;
        let table = |at: usize| {
            format!(
                "CREATE TABLE t{at} (id BIGINT, k AS MOD(id, {keys}), txt AS CONCAT('row ', CAST(id AS STRING)))
  WITH ('connector' = {connector});\n"
            )
        };
        let tables: String = (0..self.inputs).map(table).collect();
        let columns: Vec<String> = (0..self.inputs).map(|at| format!("t{at}.txt")).collect();
        let joins: String = (1..self.inputs).map(|at| format!(" JOIN t{at} ON t{at}.k = t{}.k", at - 1)).collect();
        let sink: Vec<String> = (0..self.inputs).map(|at| format!("c{at} STRING")).collect();
        format!(
            "SET 'table.optimizer.multi-join.enabled' = '{is_multi}';
{tables}CREATE TABLE joined ({}) WITH ('connector' = 'measure');
INSERT INTO joined SELECT {} FROM t0{joins};",
            sink.join(", "),
            columns.join(", ")
        )
    }
}
