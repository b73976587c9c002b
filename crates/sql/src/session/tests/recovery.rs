//! What a job is told of checkpoints, and what is asked for before it starts.

use expect_test::expect;

use super::{Outcome, check, run, session, session_over};
use crate::parser::parse_script;

const TABLES: &str = "CREATE TABLE a (x INT) WITH ('connector' = 'datagen');
CREATE TABLE b (x INT) WITH ('connector' = 'print');
";

/// The configuration of the last job of a script.
fn configuration(options: &[(&str, &str)], script: &str) -> std::collections::BTreeMap<String, String> {
    let mut session = session_over(&Default::default(), options).unwrap();
    let mut last = None;
    for parsed in parse_script(&format!("{TABLES}{script}")) {
        if let Outcome::Job(job) = session.execute(&parsed.unwrap().statement).unwrap() {
            last = Some(job.graph.configuration);
        }
    }
    last.unwrap()
}

const ON: &str = "SET 'execution.checkpointing.interval' = '10 s'; SET 'state.checkpoints.dir' = '/c';
SET 'execution.state-recovery.path' = 'latest'; SET 'restart-strategy' = 'fixed-delay';
SET 's3.access-key' = 'name'; SET 's3.secret-key' = 'hush'; SET 's3.endpoint' = 'http://host';
SET 'fs.oss.accessKeyId' = 'name'; SET 'fs.oss.accessKeySecret' = 'hush'; SET 'fs.oss.endpoint' = 'http://host';
SET 'fs.azure.account.key.acme.dfs.core.windows.net' = 'hush'; SET 'fs.cosn.bucket.region' = 'x';
SET 'fs.gs.storage.root.url' = 'http://host';
";

#[test]
fn an_insert_is_told_of_checkpoints_and_no_secrets() {
    let told = configuration(&[], &format!("{ON} INSERT INTO b SELECT x FROM a;"));
    let value = |key: &str| told.get(key).map(String::as_str);
    assert_eq!(value("execution.checkpointing.interval"), Some("10 s"));
    assert_eq!(value("execution.checkpointing.dir"), Some("/c"));
    assert_eq!(value("execution.state-recovery.path"), Some("latest"));
    assert_eq!(value("restart-strategy.type"), Some("fixed-delay"));
    // What nobody set is there with Flink's default.
    for option in crate::config::OPTIONS.iter().filter(|o| o.key.starts_with("execution.checkpointing.")) {
        assert_eq!(
            value(option.key).is_some(),
            option.default.is_some() || ON.contains(option.key) || option.key.ends_with(".dir")
        );
    }
    assert!(told.keys().all(|key| !key.starts_with("s3.") && !key.starts_with("fs.")), "{told:?}");
    assert!(told.values().all(|value| value != "hush"));
}

#[test]
fn a_query_that_is_shown_takes_no_checkpoints() {
    let told = configuration(&[], &format!("{ON} SELECT x FROM a;"));
    assert_eq!(told.get("execution.checkpointing.interval"), None);
    assert_eq!(told.get("execution.state-recovery.path"), None);
    assert_eq!(told["restart-strategy.type"], "none");
}

#[test]
fn checkpoints_need_a_place() {
    let script = format!(
        "{TABLES}SET 'execution.checkpointing.interval' = '10 s';
INSERT INTO b SELECT x FROM a;
SELECT x FROM a;
EXPLAIN INSERT INTO b SELECT x FROM a;
SET 'execution.checkpointing.interval' = '0';
INSERT INTO b SELECT x FROM a;
SET 'execution.state-recovery.path' = 'latest';
INSERT INTO b SELECT x FROM a;
SET 'execution.checkpointing.dir' = '/c';
SET 'execution.checkpointing.interval' = '10 s';
INSERT INTO b SELECT x FROM a;"
    );
    let answers = run(&mut session(), &script);
    assert!(
        answers.contains(
            "option 'execution.checkpointing.interval' is set, but 'execution.checkpointing.dir' is not\n  Flink"
        ),
        "{answers}"
    );
    assert_eq!(answers.matches("\ninsert into").count(), 2, "{answers}");
    assert!(
        answers.contains(
            "option 'execution.state-recovery.path' is 'latest', but 'execution.checkpointing.dir' is not set"
        )
    );
    assert!(answers.contains("== "), "a plan is shown all the same: {answers}");
}

#[test]
fn a_savepoint_needs_a_place() {
    check(
        "STOP JOB '00000000000000000000000000000001';
STOP JOB '00000000000000000000000000000001' WITH SAVEPOINT;
SET 'state.savepoints.dir' = 's3://bucket/saved';
STOP JOB '00000000000000000000000000000001' WITH SAVEPOINT;
STOP JOB '00000000000000000000000000000001' WITH SAVEPOINT WITH DRAIN;
STOP JOB 'x' WITH SAVEPOINT;
",
        &expect![[r#"
            StopJob { job: JobId(1), savepoint: None, drain: false }
            2:10: a savepoint needs option 'execution.checkpointing.savepoint-dir'
              SET 'execution.checkpointing.savepoint-dir' = 'file:///path/to/a/folder', or a folder in a bucket.
            OK, but option 'state.savepoints.dir' is now called 'execution.checkpointing.savepoint-dir'
            StopJob { job: JobId(1), savepoint: Some("s3://bucket/saved"), drain: false }
            StopJob { job: JobId(1), savepoint: Some("s3://bucket/saved"), drain: true }
            6:10: 'x' is no job id
              A job id has 32 hex digits.
        "#]],
    );
}

#[test]
fn secrets_are_not_shown() {
    check(
        "SET 's3.secret-key' = 'hush'; SET 's3.access-key' = 'name'; SET;
SET 's3.secret-kee' = 'hush';
",
        &expect![[r#"
            OK
            OK
            [key | value | origin]
            s3.access-key | name | SET
            s3.secret-key | **** | SET
            2:5: there is no option 's3.secret-kee'
              Did you mean 's3.secret-key'?
        "#]],
    );
}
