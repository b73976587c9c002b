//! Scripts: where they come from, what runs beside what, how failures end them.

use crate::flott::{run, run_with_input};

/// A bounded table with three rows.
const NUMBERS: &str = "CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '3', \
    'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '3');";
/// A table that prints.
const SHOWN: &str = "CREATE TABLE shown (n BIGINT) WITH ('connector' = 'print');";
/// A division by zero in the third row.
const FAILING: &str = "SELECT 1 / (3 - n) FROM numbers";

#[test]
fn scripts_come_from_files_standard_input_and_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let (init, script) = (folder.path().join("init.sql"), folder.path().join("script.sql"));
    std::fs::write(&init, "CREATE VIEW v AS SELECT 42 AS answer;").unwrap();
    std::fs::write(&script, "-- a comment; with a semicolon\nSELECT answer FROM v;").unwrap();
    let (init, script) = (init.to_str().unwrap(), script.to_str().unwrap());
    let expected = "op,answer\n+I,42\n";
    let from_file = run(&["run", "-i", init, "--output", "csv", script]);
    assert_eq!((from_file.code, from_file.stdout.as_str()), (Some(0), expected), "{from_file:?}");
    let from_stdin = run_with_input(&["run", "-i", init, "--output", "csv", "-"], "SELECT answer FROM v");
    assert_eq!((from_stdin.code, from_stdin.stdout.as_str()), (Some(0), expected), "{from_stdin:?}");
    let create = "CREATE VIEW v AS SELECT 42 AS answer";
    let repeated = run(&["run", "--output", "csv", "-e", create, "-e", "SELECT answer FROM v"]);
    assert_eq!((repeated.code, repeated.stdout.as_str()), (Some(0), expected), "{repeated:?}");
}

#[test]
fn a_script_that_is_not_there_is_the_users_mistake() {
    let ran = run(&["run", "/nowhere/x.sql"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("error: script '/nowhere/x.sql' cannot be read: "), "{ran:?}");
}

#[test]
fn a_statement_without_rows_says_so_beside_the_results() {
    let ran = run(&["run", "-e", SHOWN]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert_eq!(ran.stderr, "[INFO] Execute statement succeeded.\n");
}

#[test]
fn an_insert_is_submitted_and_awaited_at_the_end() {
    let sql = format!("{NUMBERS}{SHOWN} INSERT INTO shown SELECT n * 10 FROM numbers;");
    let ran = run(&["run", "-e", &sql]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "+I[10]\n+I[20]\n+I[30]\n"), "{ran:?}");
    let id = ran.stderr.lines().find_map(|line| line.strip_prefix("Job ID: ")).unwrap();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
}

#[test]
fn inserts_run_side_by_side_unless_they_are_to_wait() {
    // The first one never ends: only if the script goes on can the second one fail it.
    let endless = "CREATE TABLE endless (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');
        CREATE TABLE nothing (n BIGINT) WITH ('connector' = 'blackhole');";
    let sql = format!("{endless} INSERT INTO nothing SELECT n FROM endless; SELECT nope FROM endless;");
    let ran = run(&["run", "-e", &sql]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.ends_with("1 job cancelled\n"), "{ran:?}");
    let sync =
        format!("SET 'table.dml-sync' = 'true'; {NUMBERS}{SHOWN} INSERT INTO shown SELECT n FROM numbers; SHOW JOBS;");
    let ran = run(&["run", "--output", "csv", "-e", &sync]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("+I[1]\n+I[2]\n+I[3]\njob id,"), "{ran:?}");
    assert!(ran.stdout.contains(",FINISHED,"), "{ran:?}");
}

#[test]
fn a_statement_set_is_one_job() {
    let sql = format!(
        "{NUMBERS}{SHOWN} EXECUTE STATEMENT SET BEGIN INSERT INTO shown SELECT n FROM numbers;
        INSERT INTO shown SELECT n + 10 FROM numbers; END;"
    );
    let ran = run(&["run", "-e", &sql]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["+I[11]", "+I[12]", "+I[13]", "+I[1]", "+I[2]", "+I[3]"]);
    assert_eq!(ran.stderr.matches("Job ID: ").count(), 1);
}

#[test]
fn a_failing_query_ends_the_script_with_1() {
    let ran = run(&["run", "-e", &format!("{NUMBERS} {FAILING}; SELECT 'never';")]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("error: "), "{ran:?}");
    assert!(!ran.stdout.contains("never"), "{ran:?}");
}

#[test]
fn a_failing_job_does_not_stop_the_others() {
    let sql = format!("{NUMBERS}{SHOWN} INSERT INTO shown {FAILING}; INSERT INTO shown SELECT n + 100 FROM numbers;");
    let ran = run(&["run", "-e", &sql]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        ran.stderr.matches("error: job 'insert-into_default_catalog.default_database.shown'").count(),
        1,
        "{ran:?}"
    );
    for row in ["+I[101]", "+I[102]", "+I[103]"] {
        assert!(ran.stdout.contains(row), "{ran:?}");
    }
}

#[test]
fn quit_ends_a_script() {
    let ran = run(&["run", "--output", "csv", "-e", "SELECT 1 AS a; QUIT; SELECT 2 AS a;"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "op,a\n+I,1\n"), "{ran:?}");
}

#[test]
fn jobs_can_be_described_and_stopped_by_their_id() {
    let ran = run(&["run", "-e", "DESCRIBE JOB '00000000000000000000000000000000'"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("job '00000000000000000000000000000000' does not exist"), "{ran:?}");
    let ran = run(&["run", "-e", "STOP JOB 'x'"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("'x' is no job id"), "{ran:?}");
}

#[test]
fn a_bounded_query_spills_within_its_memory_and_commits_once() {
    let folder = tempfile::tempdir().unwrap();
    let (out, spilled) = (folder.path().join("out"), folder.path().join("spilled"));
    std::fs::create_dir(&spilled).unwrap();
    let sql = format!(
        "SET 'execution.runtime-mode' = 'batch'; SET 'table.dml-sync' = 'true';
         SET 'taskmanager.memory.managed.size' = '32 mb'; SET 'io.tmp.dirs' = '{}';
         CREATE TABLE s (n BIGINT, t STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '150000',
           'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '150000', 'fields.t.length' = '300');
         CREATE TABLE f (n BIGINT, l INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
         INSERT INTO f SELECT a.n, CHAR_LENGTH(b.t) FROM s AS a JOIN s AS b ON a.n = b.n ORDER BY a.n DESC;",
        spilled.display(),
        out.display()
    );
    let ran = run(&["run", "-e", &sql]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let files: Vec<_> = std::fs::read_dir(&out).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let rows = std::fs::read_to_string(&files[0]).unwrap();
    let expected: String = (1..=150_000).rev().map(|n| format!("{n},300\n")).collect();
    assert!(rows == expected, "the rows are others, or in another order");
    let left: Vec<_> = std::fs::read_dir(&spilled).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
