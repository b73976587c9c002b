//! `flott-bench formats [rows]`: what it costs to write files in each format and to read them again, on one core.
//!
//! Rows of six columns (a number, a text, a decimal, a double, a timestamp and a truth value) go through whole jobs, so that the
//! same statements measure another engine on the same files: what writes them, and what reads them into nothing. The
//! first line makes the rows and writes nothing; its time is taken off what writing takes. Each measurement is a process
//! of its own. The files stay until all are read.

use std::path::Path;

use flott_api::{Error, Result};

use crate::large::bytes_below;
use crate::run;

/// Rows unless the command line says otherwise.
pub(crate) const ROWS: u64 = 3_000_000;

const FORMATS: [&str; 9] =
    ["csv", "json", "debezium-json", "canal-json", "maxwell-json", "ogg-json", "avro", "parquet", "orc"];
/// The columns, and how they are made.
const COLUMNS: &str = "id BIGINT, name STRING, price DECIMAL(10, 2), score DOUBLE, moment TIMESTAMP(3), is_new BOOLEAN";
const SELECTED: &str = "id, 'customer ' || CAST(MOD(id, 100000) AS STRING), CAST(MOD(id, 10000) AS DECIMAL(10, 2)), \
    CAST(id AS DOUBLE) / 7, CAST(TO_TIMESTAMP_LTZ(id * 1000, 3) AS TIMESTAMP(3)), MOD(id, 3) = 0";
const NOTHING: &str = "nothing";

/// The names of all measurements.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(NOTHING).chain(FORMATS)
}

/// What the table of the report begins with.
pub(crate) fn title(rows: u64) -> String {
    format!(
        "{rows} rows written and read, parallelism 1\n\nformat            MB   written/s   MB/s      read/s   MB/s\n"
    )
}

/// A line of the report.
pub(crate) fn one(format: &str, rows: u64, folder: &Path) -> Result<String> {
    if !names().any(|name| name == format) {
        return Err(Error::invalid(format!("format '{format}' is not measured")));
    }
    let made = run::script(&written(NOTHING, rows, folder), 1)?.seconds;
    if format == NOTHING {
        return Ok(format!("{NOTHING:<13} {:>6} {:>10.2}M\n", "", rows as f64 / made / 1e6));
    }
    let written = (run::script(&written(format, rows, folder), 1)?.seconds - made).max(f64::EPSILON);
    let megabytes = bytes_below(folder)? as f64 / 1e6;
    let read = run::script(&read(format, folder), 1)?;
    if read.rows != rows {
        return Err(Error::internal(format!("{} of {rows} rows of {format} were read", read.rows)));
    }
    Ok(format!(
        "{format:<13} {megabytes:>6.0} {:>10.2}M {:>6.0} {:>10.2}M {:>6.0}\n",
        rows as f64 / written / 1e6,
        megabytes / written,
        rows as f64 / read.seconds / 1e6,
        megabytes / read.seconds
    ))
}

/// The script that writes the files; with `nothing` for a format it makes the rows only.
fn written(format: &str, rows: u64, folder: &Path) -> String {
    let sink = match format {
        NOTHING => "'measure'".to_owned(),
        _ => of_files(format, folder),
    };
    format!(
        "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', \
           'rows-per-second' = '1000000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{}');
CREATE TABLE files ({COLUMNS}) WITH ('connector' = {sink});
INSERT INTO files SELECT {SELECTED} FROM numbers;",
        rows - 1
    )
}

/// The script that reads them.
fn read(format: &str, folder: &Path) -> String {
    format!(
        "CREATE TABLE files ({COLUMNS}) WITH ('connector' = {});
CREATE TABLE gone ({COLUMNS}) WITH ('connector' = 'measure');
INSERT INTO gone SELECT * FROM files;",
        of_files(format, folder)
    )
}

fn of_files(format: &str, folder: &Path) -> String {
    format!("'filesystem', 'path' = 'file://{}', 'format' = '{format}'", folder.join("files").display())
}
