//! Servers that end, users that are refused.

use std::time::Duration;

use flott_api::ErrorKind;
use flott_api::ids::JobId;
use flott_api::sink::Sink;
use flott_api::testing::batch;
use flott_api::types::Field;
use flott_api::{ChangeBatch, Schema, TypeKind};

use crate::server::{own, postgres};
use crate::sink::{TABLES, users};
use crate::world::{World, field};

fn users_batch(table: &str) -> ChangeBatch {
    batch(&Schema::new(users().to_vec()), table)
}

fn pause(millis: u64) {
    #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
    std::thread::sleep(Duration::from_millis(millis));
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let Some(server) = postgres("a_wrong_password_is_told_and_not_shown") else { return };
    let world = World::new(server, TABLES).with(&[("password", "hush-hush")]);
    let error = world.read(&world.source_spec("users", &users())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("password authentication failed for user \"flott\" (28P01)"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hush-hush"), "{error:?}");
    let mut writer = world.writer(&world.sink_spec("users", &users(), &[0]));
    writer.put(users_batch("+I | 1 | a")).unwrap();
    let error = writer.checkpoint().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hush-hush"), "{error:?}");
}

#[test]
fn what_is_missing_in_the_database_is_named() {
    let Some(server) = postgres("what_is_missing_in_the_database_is_named") else { return };
    let world = World::new(server, TABLES);
    let told = |table: &str, fields: &[Field]| {
        let error = world.read(&world.source_spec(table, fields)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        format!("{} {}", error.message(), error.detail().or(error.hint()).unwrap_or_default())
    };
    assert!(told("nothing", &users()).contains("has no table 'nothing'"));
    let column = told("users", &[field("nome", TypeKind::Int)]);
    assert_eq!(
        column,
        "table 'c.d.users': table users of the database has no column 'nome' Its columns are: id, name."
    );
    let misfit = told("users", &[field("id", TypeKind::SmallInt)]);
    assert_eq!(
        misfit,
        "table 'c.d.users': column 'id' is of type integer in the database and cannot be SMALLINT here \
        Declare it as INT, and CAST it in the query."
    );
    let nowhere = World::new(server, TABLES).with(&[("url", "jdbc:postgresql://127.0.0.1:1/db")]);
    let error = nowhere.read(&nowhere.source_spec("users", &users())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: true }, "{error}");
}

/// The server ends while rows wait; it comes back while they are tried again.
#[test]
fn a_sink_outlives_a_server_that_was_killed() {
    let Some(mut server) = own("postgres", "a_sink_outlives_a_server_that_was_killed") else { return };
    let (mut writer, mut hasty, database) = {
        let flushed = ("sink.buffer-flush.interval", "0");
        let world = World::new(&server, TABLES).with(&[flushed, ("sink.max-retries", "8")]);
        let writer = world.writer(&world.sink_spec("users", &users(), &[0]));
        let world = world.with(&[("sink.max-retries", "1")]);
        (writer, world.writer(&world.sink_spec("users", &users(), &[0])), world.database)
    };
    writer.put(users_batch("+I | 1 | a")).unwrap();
    writer.checkpoint().unwrap();
    writer.put(users_batch("+I | 2 | b\n-D | 1 | a")).unwrap();
    server.kill();
    let writing = std::thread::scope(|scope| {
        let writing = scope.spawn(|| writer.checkpoint().map(drop));
        pause(1500);
        server.restart();
        writing.join().unwrap()
    });
    writing.unwrap();
    assert_eq!(server.sql(&database, "SELECT * FROM users"), ["2|b"]);
    // And if it stays away, that is said, in time.
    hasty.put(users_batch("+I | 3 | c")).unwrap();
    server.kill();
    let error = hasty.checkpoint().unwrap_err();
    assert_eq!((error.kind(), error.detail()), (ErrorKind::External { retry: true }, Some("It was tried once more.")));
}

/// The server is killed between staging and commit, and during the commit, again and again; in the end every row is there
/// once.
#[test]
fn a_commit_outlives_a_server_that_was_killed() {
    let Some(mut server) = own("postgres", "a_commit_outlives_a_server_that_was_killed") else { return };
    let options =
        [("sink.delivery-guarantee", "exactly-once"), ("sink.buffer-flush.interval", "0"), ("sink.max-retries", "8")];
    let (database, runtime, environment, sink) = {
        let world = World::new(&server, TABLES).with(&options);
        let sink = world.sink(&world.sink_spec("events", &users(), &[]));
        (world.database.clone(), world.runtime.clone(), world.environment.clone(), sink)
    };
    let mut committer = sink.committer(&environment).unwrap().unwrap();
    flott_api::testing::ready(committer.recover(JobId(7), &[])).unwrap();
    let cx = flott_api::sink::WriterContext {
        job: JobId(7),
        restored: Vec::new(),
        subtask: flott_api::ids::Subtask { index: 0, parallelism: 1 },
        environment: environment.clone(),
        metrics: std::sync::Arc::default(),
    };
    let mut writer = sink.writer(cx).unwrap();
    const ROUNDS: usize = 4;
    const ROWS: usize = 20_000;
    for round in 0..ROUNDS {
        for part in 0..4 {
            let rows = (0..ROWS / 4).map(|n| format!("+I | {} | r{round}", (round * 4 + part) * (ROWS / 4) + n));
            let rows = users_batch(&rows.collect::<Vec<_>>().join("\n"));
            flott_api::testing::ready(writer.write(rows)).unwrap();
        }
        let prepared = flott_api::testing::ready(writer.prepare_commit(false)).unwrap();
        std::thread::scope(|scope| {
            let committing = scope.spawn(|| flott_api::testing::ready(committer.commit(None, prepared.clone())));
            // Sooner and later within the commit.
            pause(7 * round as u64);
            server.kill();
            server.restart();
            committing.join().unwrap().unwrap();
        });
        // As a restored process does.
        flott_api::testing::ready(committer.commit(None, prepared)).unwrap();
    }
    let count = server.sql(&database, "SELECT count(*), count(DISTINCT id) FROM events");
    assert_eq!(count, [format!("{0}|{0}", ROUNDS * ROWS)]);
    drop(runtime);
}
