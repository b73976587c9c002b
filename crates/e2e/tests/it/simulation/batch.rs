//! Batch mode beside streams: both come to the same rows; and what a query that goes wrong leaves.

use super::recorded::{BATCH_MODE, bounded, cancelled, statements, undisturbed};
use crate::known::oracle;
use crate::scripts::{fold, recorded};

fn with_data(sql: &str) -> String {
    sql.replace("${DATA}", oracle().join("../data").to_str().unwrap())
}

/// Nexmark's q6: it runs in batch mode only, in Flink too, since its OVER is over updates.
#[test]
fn q6_runs_in_batch_mode_on_what_a_stream_comes_to() {
    let script = oracle().join("batch/nexmark.sql");
    let sql = with_data(&std::fs::read_to_string(&script).unwrap());
    let answers = recorded(&std::fs::read_to_string(script.with_extension("out")).unwrap());
    let all = statements(&sql);
    let number = all.iter().position(|text| text.starts_with("SELECT seller")).unwrap();
    let stream: Vec<&str> = all[..=number].iter().copied().filter(|text| *text != BATCH_MODE).collect();
    assert_eq!(stream.len(), number, "the script sets the mode once");
    let flink = fold(&answers[number].changes);
    assert!(answers[number].changes.len() > 50, "{} rows", answers[number].changes.len());
    assert_eq!(fold(&bounded(&stream).unwrap()), flink);
    // A stream of both refuses the last step, and comes to the same winning bids before it.
    let refusal = undisturbed(&stream, 6, 1).unwrap_err();
    assert_eq!(refusal, "an OVER that is ordered by 2 columns is not supported yet");
    let (_, winning) = all[number].split_once(" FROM (").unwrap();
    let winning = format!("SELECT seller, id, price, `dateTime` FROM ({winning}");
    let winning: Vec<&str> = stream[..stream.len() - 1].iter().copied().chain([winning.as_str()]).collect();
    let rows = fold(&bounded(&winning).unwrap());
    for parallelism in [1, 3] {
        assert_eq!(fold(&undisturbed(&winning, 6, parallelism).unwrap().0), rows, "parallelism {parallelism}");
    }
}

const LETTERS: &str = "CREATE TABLE t (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv',
    'format' = 'csv', 'csv.null-literal' = '')";

#[test]
fn a_cancelled_query_commits_nothing() {
    let table = with_data(LETTERS);
    let query = [BATCH_MODE, table.as_str(), "SELECT k, COUNT(*) FROM t GROUP BY k"];
    // A row comes every five milliseconds: in the middle of reading, and when all is over.
    assert_eq!(cancelled(&query, 22).unwrap(), (Vec::new(), true));
    let (rows, was_under_way) = cancelled(&query, 10_000).unwrap();
    assert_eq!((rows.len(), was_under_way), (4, false));
}

#[test]
fn a_bad_record_is_named_as_in_a_stream() {
    let table = with_data(
        "CREATE TABLE t (x INT, v STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/bad.csv', 'format' = 'csv')",
    );
    let query = [table.as_str(), "SELECT x FROM t"];
    let in_batch = bounded(&query).unwrap_err();
    // In front of it stands the operator, which is the whole query in batch mode.
    let record = |error: &str| error[error.find("file '").unwrap()..].to_owned();
    assert_eq!(record(&in_batch), record(&undisturbed(&query, 1, 1).unwrap_err()));
    assert!(in_batch.contains("bad.csv', line 2, column 1"), "{in_batch}");
    let grouped = [table.as_str(), "SELECT v, SUM(x) AS s FROM t GROUP BY v"];
    assert_eq!(record(&bounded(&grouped).unwrap_err()), record(&in_batch), "through a group, too");
}

#[test]
fn the_final_rows_of_a_stream_are_those_of_batch_mode() {
    let table = with_data(LETTERS);
    for query in [
        "SELECT k, SUM(x) AS s, COUNT(DISTINCT x) AS d FROM t GROUP BY k",
        "SELECT a.k, b.x FROM t AS a LEFT JOIN t AS b ON a.x = b.x AND b.k <> 'a'",
        "SELECT k, x FROM (SELECT k, x, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x DESC) AS n FROM t) WHERE n <= 2",
        "SELECT x FROM t EXCEPT SELECT x + 1 FROM t",
    ] {
        let query = [table.as_str(), query];
        let (stream, _) = undisturbed(&query, 1, 1).unwrap();
        assert_eq!(fold(&bounded(&query).unwrap()), fold(&stream), "{}", query[1]);
    }
}
