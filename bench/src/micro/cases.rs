//! The queries whose operators are measured, and their tables.

use std::fmt::Write as _;

use super::rows::KEYS;

/// A query, and which operators of its plan it is about.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) operators: &'static [&'static str],
    pub(super) settings: &'static [(&'static str, &'static str)],
    pub(super) query: &'static str,
}

impl Case {
    /// Whether this is a part of its name, or of the name of one of its operators.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.contains(name) || self.operators.iter().any(|operator| operator.contains(name))
    }
}

/// Tables that are fed: facts and others, which only grow; versions of keys by time; and changes by key.
pub(super) const TABLES: &str = "
CREATE TABLE facts (id BIGINT, k BIGINT, w BIGINT, few BIGINT, v BIGINT, name STRING, line STRING, ts TIMESTAMP(3),
  pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'fed');
CREATE TABLE others (id BIGINT, k BIGINT, w BIGINT, few BIGINT, v BIGINT, line STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'fed');
CREATE TABLE thirds (w BIGINT, v BIGINT) WITH ('connector' = 'fed');
CREATE TABLE versions (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND,
  PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'fed');
CREATE TABLE changes (k BIGINT, v BIGINT, line STRING, PRIMARY KEY (k) NOT ENFORCED)
  WITH ('connector' = 'fed', 'changelog' = 'upsert');
CREATE TABLE by_v (k BIGINT, v BIGINT, PRIMARY KEY (v) NOT ENFORCED) WITH ('connector' = 'measure');
CREATE TABLE whole (k BIGINT NOT NULL, v BIGINT NOT NULL) WITH ('connector' = 'measure');
";

const BUNDLED: &[(&str, &str)] = &[
    ("table.exec.mini-batch.enabled", "true"),
    ("table.exec.mini-batch.allow-latency", "2 s"),
    ("table.exec.mini-batch.size", "50000"),
];
const ONE_PHASE: &[(&str, &str)] = &[
    ("table.exec.mini-batch.enabled", "true"),
    ("table.exec.mini-batch.allow-latency", "2 s"),
    ("table.exec.mini-batch.size", "50000"),
    ("table.optimizer.agg-phase-strategy", "ONE_PHASE"),
];
const SPLIT: &[(&str, &str)] = &[
    ("table.exec.mini-batch.enabled", "true"),
    ("table.exec.mini-batch.allow-latency", "2 s"),
    ("table.exec.mini-batch.size", "50000"),
    ("table.optimizer.distinct-agg.split.enabled", "true"),
    ("table.optimizer.distinct-agg.split.min-parallelism", "1"),
];
const MULTI: &[(&str, &str)] = &[("table.optimizer.multi-join.enabled", "true")];

const fn case(name: &'static str, operators: &'static [&'static str], query: &'static str) -> Case {
    with(&[], name, operators, query)
}

const fn with(
    settings: &'static [(&'static str, &'static str)],
    name: &'static str,
    operators: &'static [&'static str],
    query: &'static str,
) -> Case {
    Case { name, operators, settings, query }
}

/// All of them.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    case("numbers", &["calc", "watermark-assigner"], "SELECT id, v * 2 + 1, ts FROM facts WHERE v > 100"),
    case("texts", &["calc"], "SELECT id, UPPER(line), SPLIT_INDEX(line, '/', 2) FROM facts WHERE line LIKE '%item=1%'"),
    case("array", &["correlate"], "SELECT id, x FROM facts CROSS JOIN UNNEST(ARRAY[v, v + 1]) AS t (x)"),
    case("grouping sets", &["expand"], "SELECT k, few, COUNT(*) FROM facts GROUP BY GROUPING SETS ((k), (few))"),
    case("sums", &["group-aggregate"], "SELECT k, COUNT(*), SUM(v), MAX(v) FROM facts GROUP BY k"),
    case("sums by text", &["group-aggregate"], "SELECT name, COUNT(*), SUM(v) FROM facts GROUP BY name"),
    case("one group", &["group-aggregate"], "SELECT COUNT(*), SUM(v), MAX(v) FROM facts"),
    case("distinct", &["group-aggregate"], "SELECT few, COUNT(DISTINCT w) FROM facts GROUP BY few"),
    case("of updates", &["group-aggregate"], "SELECT n, COUNT(*), MAX(k) FROM (SELECT k, COUNT(*) AS n FROM facts GROUP BY k) GROUP BY n"),
    with(ONE_PHASE, "bundled sums", &["group-aggregate"], "SELECT k, COUNT(*), LISTAGG(line) FROM facts GROUP BY k"),
    with(BUNDLED, "two phases", &["mini-batch-assigner", "local-group-aggregate", "global-group-aggregate"], "SELECT k, COUNT(*), SUM(v), MAX(v) FROM facts GROUP BY k"),
    with(SPLIT, "split distinct", &["local-group-aggregate", "incremental-group-aggregate", "global-group-aggregate"], "SELECT few, COUNT(DISTINCT w), SUM(v) FROM facts GROUP BY few"),
    case("tumble", &["window-aggregate"], "SELECT k, window_end, COUNT(*), SUM(v) FROM TABLE(TUMBLE(TABLE facts, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY k, window_start, window_end"),
    case("hop", &["window-aggregate"], "SELECT k, window_end, COUNT(*), SUM(v) FROM TABLE(HOP(TABLE facts, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end"),
    case("cumulate", &["window-aggregate"], "SELECT k, window_end, COUNT(*), SUM(v) FROM TABLE(CUMULATE(TABLE facts, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end"),
    case("session", &["window-aggregate"], "SELECT k, window_end, COUNT(*), SUM(v) FROM TABLE(SESSION(TABLE facts PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY k, window_start, window_end"),
    case("windows of rows", &["window-table-function"], "SELECT id, window_end FROM TABLE(HOP(TABLE facts, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND))"),
    case("sessions of rows", &["window-table-function"], "SELECT id, window_end FROM TABLE(SESSION(TABLE facts PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' SECOND))"),
    case("window top 3", &["window-rank"], "SELECT * FROM (SELECT few, v, line, window_end, ROW_NUMBER() OVER (PARTITION BY few, window_start, window_end ORDER BY v DESC) AS n FROM TABLE(TUMBLE(TABLE facts, DESCRIPTOR(ts), INTERVAL '5' SECOND))) WHERE n <= 3"),
    case("window last", &["window-deduplicate"], "SELECT * FROM (SELECT k, v, line, window_end, ROW_NUMBER() OVER (PARTITION BY k, window_start, window_end ORDER BY ts DESC) AS n FROM TABLE(TUMBLE(TABLE facts, DESCRIPTOR(ts), INTERVAL '5' SECOND))) WHERE n = 1"),
    case("window join", &["window-join"], "SELECT a.w, a.line, b.line FROM (SELECT * FROM TABLE(TUMBLE(TABLE facts, DESCRIPTOR(ts), INTERVAL '5' SECOND))) a JOIN (SELECT * FROM TABLE(TUMBLE(TABLE others, DESCRIPTOR(ts), INTERVAL '5' SECOND))) b ON a.w = b.w AND a.window_start = b.window_start AND a.window_end = b.window_end"),
    case("last 10 rows", &["over-aggregate"], "SELECT k, SUM(v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) FROM facts"),
    case("last second", &["over-aggregate"], "SELECT few, SUM(v) OVER (PARTITION BY few ORDER BY ts RANGE BETWEEN INTERVAL '1' SECOND PRECEDING AND CURRENT ROW) FROM facts"),
    case("all before", &["over-aggregate"], "SELECT k, SUM(v) OVER (PARTITION BY k ORDER BY pt ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM facts"),
    case("top 10", &["rank"], "SELECT * FROM (SELECT few, v, line, ROW_NUMBER() OVER (PARTITION BY few ORDER BY w DESC) AS n FROM facts) WHERE n <= 10"),
    case("top 10 of updates", &["rank"], "SELECT * FROM (SELECT k, total, ROW_NUMBER() OVER (ORDER BY total DESC) AS n FROM (SELECT k, SUM(v) AS total FROM facts GROUP BY k)) WHERE n <= 10"),
    case("first row", &["deduplicate"], "SELECT id, k, line FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY pt) AS n FROM facts) WHERE n = 1"),
    case("last row", &["deduplicate"], "SELECT id, k, line FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS n FROM facts) WHERE n = 1"),
    case("join", &["join"], "SELECT a.w, a.line, b.line FROM facts a JOIN others b ON a.w = b.w"),
    case("left join", &["join"], "SELECT a.w, a.line, b.line FROM facts a LEFT JOIN others b ON a.w = b.w"),
    case("join of updates", &["join"], "SELECT a.k, a.n, b.n FROM (SELECT k, COUNT(*) AS n FROM facts GROUP BY k) a JOIN (SELECT k, COUNT(*) AS n FROM others GROUP BY k) b ON a.k = b.k"),
    case("semi join", &["join"], "SELECT id, w FROM facts WHERE w IN (SELECT w FROM others)"),
    with(MULTI, "three at once", &["multi-join"], "SELECT a.w, a.line, b.line, c.v FROM facts a JOIN others b ON a.w = b.w JOIN thirds c ON a.w = c.w"),
    case("interval", &["interval-join"], "SELECT a.w, a.line, b.line FROM facts a JOIN others b ON a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL '5' SECOND AND a.ts"),
    case("versions", &["temporal-join"], "SELECT f.id, f.v * r.v FROM facts AS f JOIN versions FOR SYSTEM_TIME AS OF f.ts AS r ON f.k = r.k"),
    case("table in memory", &["lookup-join"], "SELECT f.id, l.label FROM facts AS f JOIN labels FOR SYSTEM_TIME AS OF f.pt AS l ON f.k = l.k"),
    case("upserts", &["changelog-normalize"], "SELECT k, v, line FROM changes"),
    case("sink by another key", &["sink-upsert-materializer"], "INSERT INTO by_v SELECT k, MAX(v) AS v FROM facts GROUP BY k ON CONFLICT DO DEDUPLICATE"),
    case("not null", &["constraint-enforcer"], "INSERT INTO whole SELECT k, v FROM facts"),
    case("pattern", &["match-recognize"], "SELECT * FROM facts MATCH_RECOGNIZE (PARTITION BY few ORDER BY ts MEASURES A.id AS a, LAST(B.id) AS b, C.id AS c AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+ C) DEFINE A AS A.v < 500, B AS B.v >= 500, C AS C.v < 250)"),
    case("by time", &["temporal-sort"], "SELECT id, ts FROM facts ORDER BY ts"),
    case("limit", &["limit"], "SELECT id, line FROM facts LIMIT 100000"),
    case("changelog of updates", &["to-changelog"], "SELECT * FROM TO_CHANGELOG(input => (SELECT k, COUNT(*) AS n FROM facts GROUP BY k))"),
];

/// The lines of the table that is looked up in: one of each key.
pub(super) fn labels() -> String {
    (0..KEYS).fold(String::new(), |mut lines, key| {
        _ = writeln!(lines, "{key},label-{key}");
        lines
    })
}
