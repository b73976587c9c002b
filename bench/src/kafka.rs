//! `flott-bench kafka [rows]`: topics of a real Kafka, read and written on one core.
//!
//! A broker runs on the first core that there is, what is measured on the last. Records are JSON of seven columns and somewhat
//! more than 200 bytes, in four partitions. They are read as bytes, read as rows, and filtered into another topic. Where
//! `FLOTT_FLINK` is the folder of Flink's jars and `FLINK_EXTRA_JARS` names that of its connector, Flink runs the same statements
//! behind each measurement of ours. The best of some runs counts on either side; every run must have all rows.

use std::path::Path;

use flott_api::{Error, Result};

use crate::flink::{Flink, answers_of};
use crate::line::{Cost, Line, Other};
use crate::run;

/// Rows unless the command line says otherwise: a gigabyte.
pub(crate) const ROWS: u64 = 5_000_000;
/// Of the broker.
pub(crate) const SETTINGS: [&str; 1] = ["num.partitions=4"];
/// What is measured.
pub(crate) const NAMES: [&str; 3] = [BYTES, JSON, FILTERED];

const BYTES: &str = "bytes";
const JSON: &str = "json";
const FILTERED: &str = "json to json, three of four";
const RUNS: usize = 3;
const COLUMNS: &str =
    "id BIGINT, customer STRING, price DECIMAL(10, 2), score DOUBLE, moment TIMESTAMP(3), is_new BOOLEAN, note STRING";
const SELECTED: &str = "id, 'customer ' || CAST(MOD(id, 100000) AS STRING), CAST(MOD(id, 10000) AS DECIMAL(10, 2)), \
    CAST(id AS DOUBLE) / 7, CAST(TO_TIMESTAMP_LTZ(id * 1000, 3) AS TIMESTAMP(3)), MOD(id, 3) = 0, \
    'what a customer writes about flight ' || CAST(MOD(id, 7777) AS STRING) || ', in a sentence or two'";

/// What the table of the report begins with.
pub(crate) fn title(rows: u64) -> String {
    let flink = if Flink::is_asked() { Line::FLINK_TITLE } else { "" };
    format!("Kafka: {rows} records in four partitions, one core; the best of {RUNS} runs\n\n{}{flink}\n", Line::TITLE)
}

/// Writes the topic that is read.
pub(crate) fn fill(port: u16, rows: u64) -> Result<()> {
    let script = format!(
        "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', \
           'rows-per-second' = '1000000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{}');
{}
INSERT INTO events SELECT {SELECTED} FROM numbers;",
        rows - 1,
        table("events", "events", COLUMNS, "json", port)
    );
    run::script(&script, 1).map(drop)
}

/// Lines of the report.
pub(crate) fn one(name: &str, port: u16, rows: u64, folder: &Path) -> Result<String> {
    let flink = Flink::of_environment(&folder.join("flink-classes"))?;
    let read = run::script(&reading("events", "line BYTES", "raw", port), 1)?;
    expected("the topic", read.rows, rows)?;
    let (way, out) = match name {
        FILTERED => ("filter", rows - rows.div_ceil(4)),
        _ => ("read", rows),
    };
    let script = |topic: &str| match name {
        BYTES => Ok(reading("events", "line BYTES", "raw", port)),
        JSON => Ok(reading("events", COLUMNS, "json", port)),
        FILTERED => Ok(filtering(topic, port)),
        _ => Err(Error::invalid(format!("'{name}' is not measured"))),
    };
    let mut costs = Vec::new();
    for _ in 0..RUNS {
        let run = run::script(&script("flott")?, 1)?;
        if name != FILTERED {
            expected("Flott", run.rows, out)?;
        }
        costs.push(Cost { seconds: run.seconds, cpu_seconds: run.cpu_seconds });
    }
    let theirs = match &flink {
        None => Other::Unasked,
        Some(flink) => {
            let answers = answers_of(flink, folder, &script("flink")?, RUNS)?;
            if name != FILTERED {
                answers.iter().try_for_each(|answer| expected("Flink", answer.rows, out))?;
            }
            Other::Took(read.bytes, Cost::least(answers.iter().map(|answer| answer.cost)))
        }
    };
    if name == FILTERED {
        for topic in ["flott", "flink"].into_iter().take(1 + usize::from(flink.is_some())) {
            let written = run::script(&reading(topic, "line BYTES", "raw", port), 1)?;
            expected(topic, written.rows, out * RUNS as u64)?;
        }
    }
    let ours = Cost::least(costs.into_iter());
    Ok(Line { name: name.to_owned(), way, rows, bytes: read.bytes, ours, flink: theirs }.to_string())
}

fn expected(whose: &str, rows: u64, expected: u64) -> Result<()> {
    if rows == expected {
        return Ok(());
    }
    Err(Error::internal(format!("{whose}: {rows} rows instead of {expected}")))
}

fn table(name: &str, topic: &str, columns: &str, format: &str, port: u16) -> String {
    format!(
        "CREATE TABLE {name} ({columns}) WITH ('connector' = 'kafka', 'topic' = '{topic}', \
           'properties.bootstrap.servers' = '127.0.0.1:{port}', 'format' = '{format}', \
           'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');"
    )
}

fn reading(topic: &str, columns: &str, format: &str, port: u16) -> String {
    format!(
        "{}
CREATE TABLE gone ({columns}) WITH ('connector' = 'measure');
INSERT INTO gone SELECT * FROM records;",
        table("records", topic, columns, format, port)
    )
}

fn filtering(topic: &str, port: u16) -> String {
    format!(
        "{}
{}
INSERT INTO passed SELECT * FROM records WHERE MOD(id, 4) <> 0;",
        table("records", "events", COLUMNS, "json", port),
        table("passed", topic, COLUMNS, "json", port)
    )
}
