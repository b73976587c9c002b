//! `flott-bench lookups [rows]`: lookup joins with a table of a real PostgreSQL, on one core.
//!
//! The database runs on the first core that there is, what is measured on the last. With a cache, one key of ten is in it
//! nowhere and is asked for; without, every key is. Where `FLOTT_FLINK` is the folder of Flink's jars and `FLINK_EXTRA_JARS`
//! names those of its JDBC connector and of PostgreSQL's driver, Flink runs the same statements behind each measurement of ours.

use std::path::Path;

use flott_api::{Error, Result};

use crate::flink::{Flink, answers_of};
use crate::line::{Cost, Line, Other};
use crate::run;

/// Rows unless the command line says otherwise.
pub(crate) const ROWS: u64 = 1_000_000;
/// What is measured.
pub(crate) const NAMES: [&str; 2] = [CACHED, ASKED];

const CACHED: &str = "one of ten not in the cache";
const ASKED: &str = "no cache, a tenth of the rows";
const RUNS: usize = 3;
const CUSTOMERS: &str = "id BIGINT, name STRING, city STRING, PRIMARY KEY (id) NOT ENFORCED";

/// What the table of the report begins with.
pub(crate) fn title(rows: u64) -> String {
    let flink = if Flink::is_asked() { Line::FLINK_TITLE } else { "" };
    format!("Lookup joins with PostgreSQL: {rows} rows, one core; the best of {RUNS} runs\n\n{}{flink}\n", Line::TITLE)
}

/// Makes the table.
pub(crate) fn fill(port: u16, rows: u64) -> Result<()> {
    let failed = |e: tokio_postgres::Error| Error::external("the table cannot be made").with_source(e);
    let threads = |e: std::io::Error| Error::external("no thread can be started").with_source(e);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(threads)?;
    runtime.block_on(async {
        let address = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
        let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.map_err(failed)?;
        let statements = format!(
            "CREATE TABLE customers (id BIGINT PRIMARY KEY, name TEXT, city TEXT);
             INSERT INTO customers SELECT n, 'customer ' || n, 'city ' || n % 1000 FROM generate_series(0, {rows}) n;
             ANALYZE customers;"
        );
        let filling = client.batch_execute(&statements);
        tokio::select! {
            filled = filling => filled.map_err(failed),
            ended = connection => ended.map_err(failed),
        }
    })
}

/// Lines of the report.
pub(crate) fn one(name: &str, port: u16, rows: u64, folder: &Path) -> Result<String> {
    let flink = Flink::of_environment(&folder.join("flink-classes"))?;
    let (rows, script) = match name {
        CACHED => (rows, joining(rows, port, CACHED_KEY, CACHE)),
        ASKED => (rows / 10, joining(rows / 10, port, "id", "")),
        _ => return Err(Error::invalid(format!("'{name}' is not measured"))),
    };
    let mut costs = Vec::new();
    for _ in 0..RUNS {
        let run = run::script(&script, 1)?;
        expected("Flott", run.rows, rows)?;
        costs.push(Cost { seconds: run.seconds, cpu_seconds: run.cpu_seconds });
    }
    let theirs = match &flink {
        None => Other::Unasked,
        Some(flink) => {
            let answers = answers_of(flink, folder, &script, RUNS)?;
            answers.iter().try_for_each(|answer| expected("Flink", answer.rows, rows))?;
            Other::Took(0, Cost::least(answers.iter().map(|answer| answer.cost)))
        }
    };
    let ours = Cost::least(costs.into_iter());
    Ok(Line { name: name.to_owned(), way: "lookup", rows, bytes: 0, ours, flink: theirs }.to_string())
}

/// Nine of ten keys are of few.
const CACHED_KEY: &str = "CASE WHEN MOD(id, 10) = 0 THEN id ELSE MOD(id, 1000) END";
const CACHE: &str = ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '50000'";

fn expected(whose: &str, rows: u64, expected: u64) -> Result<()> {
    if rows == expected {
        return Ok(());
    }
    Err(Error::internal(format!("{whose}: {rows} rows instead of {expected}")))
}

fn joining(rows: u64, port: u16, key: &str, cache: &str) -> String {
    format!(
        "CREATE TABLE numbers (id BIGINT, moment AS PROCTIME()) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', \
           'rows-per-second' = '1000000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{}');
CREATE TABLE customers ({CUSTOMERS}) WITH ('connector' = 'jdbc', \
   'url' = 'jdbc:postgresql://127.0.0.1:{port}/postgres', 'table-name' = 'customers', 'username' = 'postgres', \
   'password' = 'none'{cache});
CREATE TABLE gone (id BIGINT, name STRING, city STRING) WITH ('connector' = 'measure');
INSERT INTO gone SELECT n.customer, c.name, c.city FROM (SELECT {key} AS customer, moment FROM numbers) AS n
  JOIN customers FOR SYSTEM_TIME AS OF n.moment AS c ON n.customer = c.id;",
        rows - 1
    )
}
