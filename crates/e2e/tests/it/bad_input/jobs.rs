//! Jobs that fail or are ended while they are busy: everybody leaves, and nothing half done is seen.

use flott_runtime::{JobOutcome, JobStatus};

use super::world::{World, said};

const GENERATED: &str = "CREATE TABLE g (i INT, s STRING) WITH (
    'connector' = 'datagen', 'fields.i.kind' = 'sequence', 'fields.i.start' = '-20000', 'fields.i.end' = '2000000000');
    CREATE TABLE b (i INT) WITH ('connector' = 'blackhole');
    CREATE TABLE o (i INT) WITH (
      'connector' = 'filesystem', 'path' = '${DIR}/out', 'format' = 'csv');";

#[test]
fn a_failing_row_names_the_operator_and_the_cause() {
    let refusal = World::new().refused(&format!("{GENERATED} INSERT INTO b SELECT 1 / i FROM g;"));
    assert_eq!(refusal, "operator 'Calc(select=[(1 / i) AS EXPR$0])', subtask (1/1): division by zero");
    let cast = World::new().refused(&format!("{GENERATED} INSERT INTO b SELECT CAST(s AS INT) FROM g;"));
    assert!(cast.starts_with("operator 'Calc(select=[CAST(s AS INTEGER) AS "), "{cast}");
}

#[test]
fn a_failing_subtask_ends_all_others_and_no_file_is_seen() {
    let mut world = World::new();
    let refusal = world.refused(&format!(
        "{GENERATED} SET 'parallelism.default' = '4';
         INSERT INTO o SELECT CAST(10 / MAX(i) AS INT) FROM g GROUP BY MOD(i, 1000);"
    ));
    // The sink cannot take updates; that is said before anything runs.
    assert!(refusal.contains("'default_catalog.default_database.o'"), "{refusal}");
    assert!(world.names("out").is_empty());
    let refusal = world.refused("INSERT INTO o SELECT 10 / i FROM g;");
    assert!(refusal.ends_with("/4): division by zero"), "{refusal}");
    assert_eq!(world.names("out"), Vec::<String>::new());
    let refusal = world.refused("INSERT INTO b SELECT MAX(10 / i) FROM g GROUP BY MOD(i, 1000);");
    assert!(refusal.ends_with("/4): division by zero"), "{refusal}");
}

#[test]
fn one_failing_insert_of_a_set_ends_the_others() {
    let mut world = World::new();
    let refusal = world.refused(&format!(
        "{GENERATED} EXECUTE STATEMENT SET BEGIN
           INSERT INTO o SELECT i FROM g;
           INSERT INTO b SELECT 10 / i FROM g;
         END;"
    ));
    assert!(refusal.ends_with("division by zero"), "{refusal}");
    assert_eq!(world.names("out"), Vec::<String>::new());
}

#[test]
fn an_endless_job_is_cancelled_at_once() {
    let mut world = World::new();
    for insert in ["INSERT INTO b SELECT i FROM g;", "INSERT INTO b SELECT COUNT(*) FROM g GROUP BY s;"] {
        let insert = insert.replace("COUNT(*)", "CAST(COUNT(*) AS INT)");
        let tables = GENERATED.replace("TABLE", "TABLE IF NOT EXISTS");
        let job = world.start(&format!("{tables} SET 'parallelism.default' = '4'; {insert}"));
        world.until(|| job.metrics().operators.iter().any(|o| o.num_records_out > 10_000));
        job.cancel();
        assert_eq!(world.wait(&job).unwrap(), JobOutcome::Cancelled);
    }
}

#[test]
fn a_job_that_waits_for_rows_is_cancelled_at_once() {
    let mut world = World::new();
    let job = world.start(
        "CREATE TABLE g (i INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1');
         CREATE TABLE b (i INT) WITH ('connector' = 'blackhole');
         SET 'parallelism.default' = '4';
         INSERT INTO b SELECT * FROM g;",
    );
    assert_eq!(job.status(), JobStatus::Running);
    job.cancel();
    assert_eq!(world.wait(&job).unwrap(), JobOutcome::Cancelled);
    assert_eq!(world.wait(&job).unwrap(), JobOutcome::Cancelled);
}

#[test]
fn a_job_whose_handle_is_dropped_leaves_no_file() {
    let mut world = World::new();
    let job = world.start(&format!("{GENERATED} INSERT INTO o SELECT i FROM g;"));
    world.until(|| !world.names("out").is_empty());
    drop(job);
    // Nobody can wait for it any more; its files go when its subtasks have ended.
    world.until(|| world.names("out").is_empty());
}

#[test]
fn a_job_of_too_many_subtasks_is_refused_by_its_option() {
    let refusal = World::new().refused(&format!(
        "{GENERATED} SET 'parallelism.default' = '32768';
         INSERT INTO b SELECT CAST(COUNT(*) AS INT) FROM g GROUP BY s;"
    ));
    assert!(refusal.contains("channels between its subtasks"), "{refusal}");
    assert!(refusal.contains("Lower 'parallelism.default'"), "{refusal}");
}

#[test]
fn a_string_that_grows_without_bound_is_refused() {
    let refusal = World::new().refused(
        "CREATE TABLE b (i INT) WITH ('connector' = 'blackhole');
         INSERT INTO b SELECT CHAR_LENGTH(REPEAT(s, 2000000000)) FROM (VALUES ('abc')) t(s);",
    );
    assert!(refusal.contains("longer than 2 GiB"), "{refusal}");
}

#[test]
fn patterns_take_no_exponential_time() {
    let mut world = World::new();
    let text = "a".repeat(3000);
    let like = format!("{}b", "%a".repeat(1000));
    let printed = world
        .run(&format!(
            "CREATE TABLE p (a BOOLEAN, b BOOLEAN, c STRING) WITH ('connector' = 'print');
             INSERT INTO p SELECT s LIKE '{like}', REGEXP(s, '(a+)+$b'), REGEXP_REPLACE(s || '!', '(a|aa)+$', 'x')
             FROM (VALUES ('{text}')) t(s);"
        ))
        .unwrap();
    assert_eq!(printed, [format!("+I[false, false, {text}!]")]);
    for (pattern, cause) in [("[", "A set of characters does not end"), ("(((a{1,999}){1,999}){1,999})", "too large")] {
        let refusal = World::new().refused(&format!(
            "CREATE TABLE p (a BOOLEAN) WITH ('connector' = 'print');
             INSERT INTO p SELECT REGEXP(s, '{pattern}') FROM (VALUES ('a')) t(s);"
        ));
        assert!(refusal.contains(cause), "{refusal}");
    }
}

#[test]
fn everybody_who_waits_hears_of_the_failure() {
    let mut world = World::new();
    let job = world.start(&format!("{GENERATED} INSERT INTO b SELECT 1 / i FROM g;"));
    let first = said(&world.wait(&job).unwrap_err());
    assert_eq!(said(&world.wait(&job).unwrap_err()), first);
    assert_eq!(job.status(), JobStatus::Failed);
}
