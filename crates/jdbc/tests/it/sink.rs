//! Writing tables, at least once.

use std::sync::Arc;

use expect_test::expect;
use flott_api::env::Environment;
use flott_api::sink::{Committer, Sink, SinkWriter, WriterContext};
use flott_api::testing::{SinkWorld, batch, lines, sink_contract};
use flott_api::types::Field;
use flott_api::{ChangeBatch, LogicalType, Result, Schema, TypeKind};

use crate::server::{mariadb, postgres};
use crate::world::{Home, World, field};

pub(crate) const TABLES: &str = "
    CREATE TABLE events (id int, name varchar(99));
    CREATE TABLE users (id int PRIMARY KEY, name varchar(9) NOT NULL);
    CREATE TABLE pairs (a int NOT NULL, b varchar(9) NOT NULL, PRIMARY KEY (a, b))";

pub(crate) fn users() -> [Field; 2] {
    [field("id", TypeKind::Int), Field::new("name", LogicalType::string())]
}

fn users_batch(table: &str) -> ChangeBatch {
    batch(&Schema::new(users().to_vec()), table)
}

pub(crate) fn rows_of(batches: &[ChangeBatch]) -> Vec<String> {
    batches.iter().flat_map(lines).map(|l| l.trim_start_matches("+I | ").replace(" | ", "|")).collect()
}

/// A sink of a table, with the eyes of the database itself.
pub(crate) fn sink_world(world: World<'static>, table: &'static str, key: &[usize]) -> SinkWorld {
    let sink: Arc<dyn Sink> = Arc::new(world.sink(&world.sink_spec(table, &users(), key)));
    let world = Arc::new(world);
    let (environment, of) = (world.environment.clone(), Arc::clone(&world));
    SinkWorld {
        sink: Box::new(move || Box::new(Again(sink.clone()))),
        environment,
        visible: Box::new(move || of.sql(&format!("SELECT id, COALESCE(name, 'NULL') FROM {table}"))),
        hidden: Box::new(move || staged(&world)),
    }
}

/// All rows that are staged, in whichever table.
pub(crate) fn staged(world: &World<'_>) -> usize {
    let count = |table: &String| world.sql(&format!("SELECT count(*) FROM {table}"))[0].parse::<usize>().unwrap();
    staging_tables(world).iter().map(count).sum()
}

pub(crate) fn staging_tables(world: &World<'_>) -> Vec<String> {
    world.sql(match &world.home {
        Home::File(_) => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'flott@_staged%' ESCAPE '@'"
        }
        Home::Server(server) if server.first_database() == "postgres" => {
            "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'flott@_staged%' ESCAPE '@'"
        }
        Home::Server(_) => {
            "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'flott@_staged%' ESCAPE '@' \
             AND table_schema = DATABASE()"
        }
    })
}

fn every_row_is_appended(world: &dyn Fn() -> World<'static>) {
    let batches = [users_batch("+I | 1 | a\n+I | 1 | a\n+I | 2 | NULL"), users_batch("+I | 3 | it's \\ ok")];
    let world = || sink_world(world().with(&[("sink.buffer-flush.interval", "0")]), "events", &[]);
    sink_contract(&world, &batches, &rows_of);
}

#[test]
fn every_row_is_appended_to_postgres() {
    let Some(server) = postgres("every_row_is_appended_to_postgres") else { return };
    every_row_is_appended(&|| World::new(server, TABLES));
}

#[test]
fn every_row_is_appended_to_mariadb() {
    let Some(server) = mariadb("every_row_is_appended_to_mariadb") else { return };
    every_row_is_appended(&|| World::new(server, TABLES));
}

#[test]
fn every_row_is_appended_to_sqlite() {
    every_row_is_appended(&|| World::file(TABLES));
}

/// The same sink once more.
struct Again(Arc<dyn Sink>);

impl Sink for Again {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        self.0.writer(cx)
    }

    fn committer(&self, environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        self.0.committer(environment)
    }
}

#[test]
fn a_row_replaces_that_of_its_key_in_postgres() {
    let Some(server) = postgres("a_row_replaces_that_of_its_key_in_postgres") else { return };
    a_row_replaces_that_of_its_key(World::new(server, TABLES));
}

#[test]
fn a_row_replaces_that_of_its_key_in_mariadb() {
    let Some(server) = mariadb("a_row_replaces_that_of_its_key_in_mariadb") else { return };
    a_row_replaces_that_of_its_key(World::new(server, TABLES));
}

#[test]
fn a_row_replaces_that_of_its_key_in_sqlite() {
    a_row_replaces_that_of_its_key(World::file(TABLES));
}

fn a_row_replaces_that_of_its_key(world: World<'_>) {
    let world = world.with(&[("sink.buffer-flush.max-rows", "1000"), ("sink.buffer-flush.interval", "0")]);
    let mut writer = world.writer(&world.sink_spec("users", &users(), &[0]));
    writer.put(users_batch("+I | 1 | a\n+I | 2 | b\n-U | 1 | a\n+U | 1 | c\n+I | 3 | d\n-D | 3 | d")).unwrap();
    assert!(world.sql("SELECT * FROM users").is_empty(), "nothing is written before there is enough of it");
    assert!(writer.checkpoint().unwrap().is_empty());
    assert_eq!(world.sql("SELECT * FROM users ORDER BY id"), ["1|c", "2|b"]);
    writer.put(users_batch("-D | 1 | c\n+U | 2 | e\n+I | 4 | f")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(world.sql("SELECT * FROM users ORDER BY id"), ["2|e", "4|f"]);
    // All columns are the key.
    let pair = [field("a", TypeKind::Int), Field::new("b", LogicalType::string())];
    let mut writer = world.writer(&world.sink_spec("pairs", &pair, &[0, 1]));
    writer.put(batch(&Schema::new(pair.to_vec()), "+I | 1 | x\n+I | 1 | y\n+I | 1 | x")).unwrap();
    writer.checkpoint().unwrap();
    writer.put(batch(&Schema::new(pair.to_vec()), "+I | 1 | x\n-D | 1 | y")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(world.sql("SELECT * FROM pairs"), ["1|x"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the flush lives by the real clock")]
fn rows_are_written_when_there_are_many_or_they_have_waited() {
    let Some(server) = postgres("rows_are_written_when_there_are_many_or_they_have_waited") else { return };
    let world = World::new(server, TABLES)
        .with(&[("sink.buffer-flush.max-rows", "2"), ("sink.buffer-flush.interval", "300 ms")]);
    let mut writer = world.writer(&world.sink_spec("users", &users(), &[0]));
    writer.put(users_batch("+I | 1 | a\n+I | 2 | b")).unwrap();
    assert_eq!(world.sql("SELECT count(*) FROM users"), ["2"]);
    writer.put(users_batch("+I | 3 | c")).unwrap();
    for _ in 0..100 {
        if world.sql("SELECT count(*) FROM users") == ["3"] {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the row was not written by itself");
}

#[test]
fn every_type_is_written_as_it_is_read() {
    let Some(server) = postgres("every_type_is_written_as_it_is_read") else { return };
    let types =
        "(k int, b boolean, s smallint, l bigint, r real, d double precision, n numeric(20, 4), v varchar(9), y bytea,
        day date, tm time(3), ts timestamp(6), tz timestamptz, u uuid, j jsonb)";
    let world = World::new(server, &format!("CREATE TABLE types {types}; CREATE TABLE copy {types};
        INSERT INTO types VALUES (1, true, -32768, -9223372036854775808, 1.5, -0.1, -12345.6789, 'äöü', '\\x00ff', '1969-12-31',
         '23:59:59.999', '1969-12-31 23:59:59.999999', '2024-02-29 12:00:00.123456+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
         '{{\"a\": 1}}'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
         (3, false, 0, 9223372036854775807, 'Infinity', 'NaN', 10000, '', '', '9999-12-31', '00:00:00', '0001-01-01 00:00:00',
          '1900-01-01 00:00:00+00', '00000000-0000-0000-0000-000000000000', '[]'),
         (4, false, 1, 2, 3, 4, 0.0001, 'x', 'x', '2000-02-29', '12:00', '2000-01-01', '2000-01-01', NULL, '1')"));
    let text = |name| Field::new(name, LogicalType::string());
    let fields = [
        field("k", TypeKind::Int),
        field("b", TypeKind::Boolean),
        field("s", TypeKind::SmallInt),
        field("l", TypeKind::BigInt),
        field("r", TypeKind::Float),
        field("d", TypeKind::Double),
        field("n", TypeKind::Decimal { precision: 20, scale: 4 }),
        text("v"),
        Field::new("y", LogicalType::bytes()),
        field("day", TypeKind::Date),
        field("tm", TypeKind::Time(3)),
        field("ts", TypeKind::Timestamp(6)),
        field("tz", TypeKind::TimestampLtz(6)),
        text("u"),
        text("j"),
    ];
    let mut writer = world.writer(&world.sink_spec("copy", &fields, &[]));
    for batch in world.batches(&world.source_spec("types", &fields)).unwrap() {
        writer.put(batch).unwrap();
    }
    writer.checkpoint().unwrap();
    let all = |table: &str| world.sql(&format!("SELECT * FROM {table} ORDER BY k"));
    assert_eq!(all("copy"), all("types"));
    assert_eq!(all("copy").len(), 4);
}

#[test]
fn what_a_table_cannot_take_is_told() {
    let Some(server) = postgres("what_a_table_cannot_take_is_told") else { return };
    let world = World::new(server, TABLES);
    let told = |table: &str, fields: &[Field], rows: &str| {
        let mut writer = world.writer(&world.sink_spec(table, fields, &[0]));
        writer
            .put(batch(&Schema::new(fields.to_vec()), rows))
            .and_then(|()| writer.checkpoint())
            .unwrap_err()
            .to_string()
    };
    let place = server.url(&world.database).replace("jdbc:", "");
    let messages = [
        told("users", &users(), "+I | 1 | NULL"),
        told("users", &users(), "+I | 1 | much too long"),
        told("users", &[field("id", TypeKind::Boolean), field("name", TypeKind::Boolean)], "+I | true | true"),
        told("users", &[field("id", TypeKind::Int), field("nome", TypeKind::Int)], "+I | 1 | 1"),
        told("events", &users(), "+I | 1 | a"),
        told("nothing", &users(), "+I | 1 | a"),
    ];
    expect![[r#"
        table 'c.d.users': <place>: null value in column "name" of relation "users" violates not-null constraint (23502)
        table 'c.d.users': <place>: value too long for type character varying(9) (22001)
        table 'c.d.users': <place>: column "id" is of type integer but expression is of type boolean (42804)
        table 'c.d.users': table users of the database has no column 'nome'
        table 'c.d.events': <place>: there is no unique or exclusion constraint matching the ON CONFLICT specification (42P10)
        table 'c.d.nothing': <place> has no table 'nothing'"#]].assert_eq(&messages.join("\n").replace(&place, "<place>"));
}
