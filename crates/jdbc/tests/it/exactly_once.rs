//! Writing tables, exactly once.

use flott_api::ids::JobId;
use flott_api::sink::Sink;
use flott_api::testing::{batch, sink_contract};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};

use crate::server::{mariadb, postgres};
use crate::sink::{TABLES, rows_of, sink_world, staged, staging_tables, users};
use crate::world::{World, field};

const EXACTLY_ONCE: [(&str, &str); 2] =
    [("sink.delivery-guarantee", "exactly-once"), ("sink.buffer-flush.interval", "0")];

fn users_batch(table: &str) -> ChangeBatch {
    batch(&Schema::new(users().to_vec()), table)
}

fn appended_rows_are_there_once(world: &dyn Fn() -> World<'static>) {
    let batches = [users_batch("+I | 1 | a\n+I | 1 | a\n+I | 2 | NULL"), users_batch("+I | 3 | it's\n+I | 1 | a")];
    sink_contract(&|| sink_world(world().with(&EXACTLY_ONCE), "events", &[]), &batches, &rows_of);
}

#[test]
fn appended_rows_are_there_once_in_postgres() {
    let Some(server) = postgres("appended_rows_are_there_once_in_postgres") else { return };
    appended_rows_are_there_once(&|| World::new(server, TABLES));
}

#[test]
fn appended_rows_are_there_once_in_mariadb() {
    let Some(server) = mariadb("appended_rows_are_there_once_in_mariadb") else { return };
    appended_rows_are_there_once(&|| World::new(server, TABLES));
}

#[test]
fn appended_rows_are_there_once_in_sqlite() {
    appended_rows_are_there_once(&|| World::file(TABLES));
}

#[test]
fn changes_are_seen_with_their_checkpoint_in_postgres() {
    let Some(server) = postgres("changes_are_seen_with_their_checkpoint_in_postgres") else { return };
    changes_are_seen_with_their_checkpoint(World::new(server, TABLES));
}

#[test]
fn changes_are_seen_with_their_checkpoint_in_mariadb() {
    let Some(server) = mariadb("changes_are_seen_with_their_checkpoint_in_mariadb") else { return };
    changes_are_seen_with_their_checkpoint(World::new(server, TABLES));
}

#[test]
fn changes_are_seen_with_their_checkpoint_in_sqlite() {
    changes_are_seen_with_their_checkpoint(World::file(TABLES));
}

fn changes_are_seen_with_their_checkpoint(world: World<'_>) {
    let world = world.with(&EXACTLY_ONCE);
    let spec = world.sink_spec("users", &users(), &[0]);
    let mut committer = world.sink(&spec).committer(&world.environment).unwrap().unwrap();
    let commit = |committer: &mut Box<dyn flott_api::sink::Committer>, parts| {
        flott_api::testing::ready(committer.commit(None, parts)).unwrap();
    };
    flott_api::testing::ready(committer.recover(JobId(7), &[])).unwrap();
    let mut writer = world.writer(&spec);
    writer.put(users_batch("+I | 1 | a\n+I | 2 | b\n+I | 3 | c")).unwrap();
    // Written in two statements, and still one checkpoint.
    let many: Vec<String> = (10..200).map(|n| format!("+I | {n} | x")).collect();
    writer.put(users_batch(&many.join("\n"))).unwrap();
    writer.put(users_batch("-D | 3 | c\n+U | 2 | z")).unwrap();
    let first = writer.checkpoint().unwrap();
    assert!(world.sql("SELECT * FROM users").is_empty());
    writer.put(users_batch("-D | 1 | a\n+U | 2 | y")).unwrap();
    let second = writer.checkpoint().unwrap();
    commit(&mut committer, first.clone());
    assert_eq!(world.sql("SELECT * FROM users WHERE id < 10 ORDER BY id"), ["1|a", "2|z"]);
    assert_eq!(world.sql("SELECT count(*) FROM users"), ["192"]);
    commit(&mut committer, second.clone());
    commit(&mut committer, first);
    commit(&mut committer, second);
    assert_eq!(world.sql("SELECT * FROM users WHERE id < 10 ORDER BY id"), ["2|y"]);
    assert_eq!(staged(&world), 0);
    assert!(writer.checkpoint().unwrap().is_empty(), "without rows there is nothing to commit");
}

#[test]
fn rows_that_somebody_took_away_are_missed() {
    let Some(server) = postgres("rows_that_somebody_took_away_are_missed") else { return };
    let world = World::new(server, TABLES).with(&EXACTLY_ONCE);
    let spec = world.sink_spec("events", &users(), &[]);
    let mut committer = world.sink(&spec).committer(&world.environment).unwrap().unwrap();
    let mut writer = world.writer(&spec);
    writer.put(users_batch("+I | 1 | a")).unwrap();
    let parts = writer.checkpoint().unwrap();
    let table = staging_tables(&world);
    world.sql(&format!("DELETE FROM {}", table[0]));
    let error = flott_api::testing::ready(committer.commit(None, parts)).unwrap_err();
    assert!(error.message().contains("are gone from table flott_staged_"), "{error}");
}

#[test]
fn keys_of_mariadb_are_as_different_staged_as_they_are_in_the_table() {
    let Some(server) = mariadb("keys_of_mariadb_are_as_different_staged_as_they_are_in_the_table") else { return };
    let named = [Field::new("name", LogicalType::string()), field("age", TypeKind::Int)];
    let rows = |text: &str| batch(&Schema::new(named.to_vec()), text);
    // The last row of each key, and of what the database takes for one.
    for (collation, expected) in [("utf8mb4_bin", vec!["A|2", "a|1"]), ("utf8mb4_general_ci", vec!["A|2"])] {
        let table = format!("CREATE TABLE people (name varchar(9) COLLATE {collation} PRIMARY KEY, age int)");
        let world = World::new(server, &table).with(&EXACTLY_ONCE);
        let spec = world.sink_spec("people", &named, &[0]);
        let mut committer = world.sink(&spec).committer(&world.environment).unwrap().unwrap();
        let mut writer = world.writer(&spec);
        writer.put(rows("+I | a | 1")).unwrap();
        writer.put(rows("+I | A | 2")).unwrap();
        flott_api::testing::ready(committer.commit(None, writer.checkpoint().unwrap())).unwrap();
        let mut found = world.sql("SELECT name, age FROM people");
        found.sort();
        assert_eq!(found, expected, "{collation}");
    }
}

#[test]
fn what_no_checkpoint_has_can_be_discarded() {
    let Some(server) = postgres("what_no_checkpoint_has_can_be_discarded") else { return };
    let world = World::new(server, TABLES).with(&EXACTLY_ONCE);
    let spec = world.sink_spec("events", &users(), &[]);
    let mut committer = world.sink(&spec).committer(&world.environment).unwrap().unwrap();
    let mut writer = world.writer(&spec);
    writer.put(users_batch("+I | 1 | a")).unwrap();
    let first = writer.checkpoint().unwrap();
    writer.put(users_batch("+I | 2 | b")).unwrap();
    let second = writer.checkpoint().unwrap();
    flott_api::testing::ready(committer.discard(second)).unwrap();
    assert_eq!(staged(&world), 1);
    flott_api::testing::ready(committer.commit(None, first)).unwrap();
    assert_eq!(world.sql("SELECT * FROM events"), ["1|a"]);
}

#[test]
fn mariadb_is_asked_whether_it_can() {
    let Some(server) = mariadb("mariadb_is_asked_whether_it_can") else { return };
    let sql = "CREATE TABLE plain (id int PRIMARY KEY, name text) ENGINE = MyISAM;
        CREATE TABLE keyless (id int, name text, UNIQUE KEY (id, name(3)));
        CREATE TABLE prefixed (id varchar(9), name text, UNIQUE KEY (id(2)))";
    let world = World::new(server, sql).with(&EXACTLY_ONCE);
    let told = |world: &World<'_>, table: &str| {
        let mut writer = world.writer(&world.sink_spec(table, &users(), &[0]));
        writer.put(users_batch("+I | 1 | a")).and_then(|()| writer.checkpoint()).unwrap_err().to_string()
    };
    let plain = told(&world, "plain");
    assert!(plain.contains("table 'plain' is kept by MyISAM, which has no transactions"), "{plain}");
    let keyless = told(&world, "keyless");
    assert!(keyless.contains("table 'keyless' has no unique key of id"), "{keyless}");
    let prefixed = told(&world, "prefixed");
    assert!(prefixed.contains("table 'prefixed' has no unique key of id"), "{prefixed}");
}
