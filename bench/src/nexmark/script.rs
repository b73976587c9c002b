//! The script of a query: the suite's table and views, a sink that counts, and the insert.

use std::fmt::Write as _;
use std::path::Path;

use super::queries::{Hashed, Query};

/// Events a second of event time, as the suite's source has it: ten thousand.
const RATE: u64 = 10_000;
/// How both sides bundle, as the suite sets Flink.
const SETTINGS: &[(&str, &str)] = &[
    ("table.exec.mini-batch.enabled", "true"),
    ("table.exec.mini-batch.allow-latency", "2 s"),
    ("table.exec.mini-batch.size", "50000"),
    ("table.optimizer.distinct-agg.split.enabled", "true"),
];
/// Events a second, and events, of a table that has nothing to say and keeps a job alive for half a minute: so windows of
/// processing time close that would be dropped with the job.
const PATIENCE: (u64, u64) = (10, 300);
/// Keys of the table that q13 looks up in.
const SIDE_KEYS: u64 = 10_000;

/// Who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Flott,
    Flink,
}

/// How it is run.
#[derive(Clone, Debug)]
pub(crate) struct How<'a> {
    pub(crate) events: u64,
    /// Whether the result is hashed.
    pub(crate) hash: bool,
    /// Rows come as at this rate in real time, from this moment on.
    pub(crate) live: Option<Live<'a>>,
    /// Where the file that is looked up in lies.
    pub(crate) folder: &'a Path,
    /// More settings, on both sides.
    pub(crate) settings: &'a [(&'a str, &'a str)],
}

/// A run in real time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live<'a> {
    /// Events a second.
    pub(crate) rate: u64,
    /// When the first event is, in milliseconds since the epoch.
    pub(crate) base_ms: i64,
    /// Latencies count of rows from this moment on.
    pub(crate) from_ms: i64,
    /// The column with a row's time.
    pub(crate) column: &'a str,
    /// How long behind this time a row cannot come before.
    pub(crate) own_ms: i64,
}

/// Writes the table that q13 looks up in.
pub(crate) fn side_input() -> String {
    (0..SIDE_KEYS).fold(String::new(), |mut lines, key| {
        _ = writeln!(lines, "{key},value-{key}");
        lines
    })
}

/// The script of a query.
pub(crate) fn script(query: &Query, engine: Engine, how: &How<'_>) -> String {
    let mut script = String::new();
    // A job in real time gives each row at once.
    let bundled = if how.live.is_some() { &[] } else { SETTINGS };
    for (key, value) in bundled.iter().chain(how.settings) {
        _ = writeln!(script, "SET '{key}' = '{value}';");
    }
    tables(&mut script, engine, how);
    let (sink, select) = match &query.result {
        Hashed::Over(sink, over) if how.hash => ((*sink).to_owned(), (*over).to_owned()),
        Hashed::Key(key) if how.hash => (keyed(query.sink, key), query.select.to_owned()),
        _ => (query.sink.to_owned(), query.select.to_owned()),
    };
    let mut options = if how.hash { ", 'hash' = 'true'".to_owned() } else { String::new() };
    if let Some(live) = &how.live {
        let Live { column, own_ms, from_ms, .. } = live;
        _ = write!(
            options,
            ", 'latency.column' = '{column}', 'latency.own' = '{own_ms}', 'latency.from' = '{from_ms}'"
        );
    }
    _ = write!(
        script,
        "CREATE TABLE sink ({sink}) WITH ('connector' = 'measure'{options});\nINSERT INTO sink {select};\n"
    );
    script
}

/// The script of one job with all of these queries, over events without end. Its readers wait for each other: one that is
/// ahead of the other in event time fills the windows that the other has not come to.
pub(crate) fn soak_script(queries: &[&Query], folder: &Path) -> String {
    let mut script = String::new();
    let how = How { events: 0, hash: false, live: None, folder, settings: &[] };
    tables(&mut script, Engine::Flott, &how);
    _ = writeln!(
        script,
        "ALTER TABLE nexmark SET ('scan.watermark.alignment.group' = 'soak', 'scan.watermark.alignment.max-drift' = '20 s',
  'scan.watermark.alignment.update-interval' = '50 ms');"
    );
    for query in queries {
        _ = writeln!(script, "CREATE TABLE {}_sink ({}) WITH ('connector' = 'measure');", query.name, query.sink);
    }
    script.push_str("BEGIN STATEMENT SET;\n");
    for query in queries {
        _ = writeln!(script, "INSERT INTO {}_sink {};", query.name, query.select);
    }
    script.push_str("END;\n");
    script
}

fn tables(script: &mut String, engine: Engine, how: &How<'_>) {
    let rate = how.live.map_or(RATE, |live| live.rate);
    let base = how
        .live
        .map_or(String::new(), |live| format!(",\n  'rate-limited' = 'true', 'base-time' = '{}'", live.base_ms));
    let side = match engine {
        Engine::Flott => "'connector' = 'filesystem', 'format' = 'csv'",
        Engine::Flink => "'connector' = 'side-input'",
    };
    _ = write!(
        script,
        "CREATE TABLE nexmark (
  event_type INT,
  person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING,
    `dateTime` TIMESTAMP(3), extra STRING>,
  auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
    `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
    `dateTime` TIMESTAMP(3), extra STRING>,
  `dateTime` AS CASE
    WHEN event_type = 0 THEN person.`dateTime`
    WHEN event_type = 1 THEN auction.`dateTime`
    ELSE bid.`dateTime` END,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH (
  'connector' = 'nexmark', 'events.num' = '{events}',
  'first-event.rate' = '{rate}', 'next-event.rate' = '{rate}'{base}
);
CREATE VIEW person AS
SELECT person.id, person.name, person.emailAddress, person.creditCard, person.city, person.state, `dateTime`,
  person.extra FROM nexmark WHERE event_type = 0;
CREATE VIEW auction AS
SELECT auction.id, auction.itemName, auction.description, auction.initialBid, auction.reserve, `dateTime`,
  auction.expires, auction.seller, auction.category, auction.extra FROM nexmark WHERE event_type = 1;
CREATE VIEW bid AS
SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`, bid.extra FROM nexmark WHERE event_type = 2;
CREATE VIEW bid_now AS SELECT *, PROCTIME() AS p_time FROM bid;
CREATE TABLE patience WITH ('events.num' = '{patience}', 'rate-limited' = 'true',
  'first-event.rate' = '{slow}', 'next-event.rate' = '{slow}') LIKE nexmark (OVERWRITING OPTIONS);
CREATE VIEW bid_until_closed AS SELECT bidder, PROCTIME() AS p_time FROM (
  SELECT bidder FROM bid UNION ALL SELECT bid.bidder FROM patience WHERE bid.bidder < 0);
CREATE TABLE side_input (`key` BIGINT, `value` STRING) WITH ({side}, 'path' = '{folder}/side_input.csv');
",
        events = how.events,
        slow = PATIENCE.0,
        patience = PATIENCE.1,
        folder = how.folder.display(),
    );
}

/// The sink's columns with a primary key, whose columns are never null.
fn keyed(sink: &str, key: &str) -> String {
    let columns = key.split(", ").fold(sink.to_owned(), |columns, column| {
        let bigint = format!("{column} BIGINT");
        // The first that is named so and not within another name.
        let at = columns.match_indices(&bigint).find(|(at, _)| *at == 0 || columns[..*at].ends_with([' ', '\n']));
        at.map_or(columns.clone(), |(at, _)| {
            format!("{}{bigint} NOT NULL{}", &columns[..at], &columns[at + bigint.len()..])
        })
    });
    format!("{columns}, PRIMARY KEY ({key}) NOT ENFORCED")
}
