//! What is said of checkpoints on the command line and in a script.

use crate::flott::run;

const TABLES: &str = "CREATE TABLE a (x INT) WITH ('connector' = 'datagen', 'number-of-rows' = '3');
CREATE TABLE b (x INT) WITH ('connector' = 'blackhole');
CREATE TABLE c (x INT) WITH ('connector' = 'blackhole');";

#[test]
fn checkpoints_need_a_folder() {
    let sql = format!("{TABLES} INSERT INTO b SELECT x FROM a;");
    let ran = run(&["run", "-D", "execution.checkpointing.interval=1 s", "-e", &sql]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("'execution.checkpointing.dir' is not"), "{ran:?}");
    assert!(ran.stderr.contains("  hint: SET 'execution.checkpointing.dir' = "), "{ran:?}");
    let ran = run(&["run", "--from", "latest", "-e", &sql]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let ran = run(&["run", "-D", "execution.checkpointing.interval=1 s", "-e", "SELECT 1"]);
    assert_eq!(ran.code, Some(0), "a query takes none: {ran:?}");
}

#[test]
fn wrong_values_and_two_paths_are_refused() {
    let ran = run(&["run", "-D", "execution.checkpointing.num-retained=0", "-e", "SELECT 1"]);
    assert_eq!(ran.code, Some(2));
    let expected = "error: option 'execution.checkpointing.num-retained' cannot be '0'\n";
    assert!(ran.stderr.starts_with(expected), "{ran:?}");
    let ran = run(&["run", "--from", "/a", "-D", "execution.state-recovery.path=/b", "-e", "SELECT 1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("set the same option"), "{ran:?}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let secret = "-Ds3.secret-key=hush";
    let ran = run(&["options", secret]);
    assert_eq!(ran.code, Some(0));
    let line = ran.stdout.lines().find(|line| line.starts_with("s3.secret-key")).unwrap();
    assert!(line.contains("****"), "{line}");
    let sql = "SET; SET 's3.secret-kee' = 'hush';";
    for ran in
        [ran, run(&["run", secret, "-e", sql]), run(&["run", "-e", "SET 's3.secret-key' = 'hush'; SET; NOPE 1;"])]
    {
        assert!(!ran.stdout.contains("hush") && !ran.stderr.contains("hush"), "{ran:?}");
    }
}

#[test]
fn a_savepoint_needs_a_folder_and_a_job() {
    let stop = "STOP JOB '00000000000000000000000000000001' WITH SAVEPOINT;";
    let ran = run(&["run", "-e", stop]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("a savepoint needs option 'execution.checkpointing.savepoint-dir'"), "{ran:?}");
    let ran = run(&["run", "-D", "state.savepoints.dir=/s", "-e", stop]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("job '00000000000000000000000000000001' does not exist"), "{ran:?}");
}

#[test]
fn a_checkpoint_that_is_looked_into_must_be_there() {
    for arguments in [&["state", "list", "/nowhere/chk-1"][..], &["state", "show", "/nowhere/chk-1"]] {
        let ran = run(arguments);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains("/nowhere/chk-1"), "{ran:?}");
    }
}
