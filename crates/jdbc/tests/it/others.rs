//! MariaDB and SQLite: types, reading, lookups, and what they cannot take.

use expect_test::expect;
use flott_api::lookup::{LookupCache, LookupSpec};
use flott_api::testing::{batch, source_contract};
use flott_api::types::Field;
use flott_api::{LogicalType, Schema, TypeKind};

use crate::server::mariadb;
use crate::world::{World, field};

const MARIADB_TYPES: &str = "(k int PRIMARY KEY, b tinyint(1), t tinyint, s smallint, i mediumint, l int unsigned,
    u bigint unsigned, r float, d double, n decimal(20, 4), v varchar(9), x text, e enum('one', 'two'), j json, y varbinary(9),
    day date, tm time(3), ts datetime(6), tz timestamp(3) NULL)";
const SQLITE_TYPES: &str = "(k INTEGER PRIMARY KEY, b BOOLEAN, t INT, s INT, i INT, l INT, u NUMERIC, r REAL, d REAL,
    n DECIMAL(20, 4), v TEXT, x TEXT, e TEXT, j TEXT, y BLOB, day DATE, tm TIME, ts DATETIME, tz TIMESTAMP)";
const ROWS: &str =
    "(1, 1, -128, -32768, 8388607, 4294967295, 1844674407370955161, 1.5, -0.1, -12345.6789, 'äöü', 'it''s', 'one',
    '{\"a\": 1}', X'6162', '1969-12-31', '23:59:59.999', '1969-12-31 23:59:59.999999', '2024-02-29 12:00:00.123'),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, 0, 0, 0, 0, 0, 0, 0, 12345678.5, 0.0001, '', '', 'two', '[]', X'', '9999-12-31', '00:00:00', '1000-01-01 00:00:00',
     '1970-01-02 00:00:00')";

fn types() -> Vec<Field> {
    let text = |name| Field::new(name, LogicalType::string());
    vec![
        field("k", TypeKind::Int),
        field("b", TypeKind::Boolean),
        field("t", TypeKind::TinyInt),
        field("s", TypeKind::SmallInt),
        field("i", TypeKind::Int),
        field("l", TypeKind::BigInt),
        field("u", TypeKind::Decimal { precision: 20, scale: 0 }),
        field("r", TypeKind::Float),
        field("d", TypeKind::Double),
        field("n", TypeKind::Decimal { precision: 20, scale: 4 }),
        text("v"),
        text("x"),
        text("e"),
        text("j"),
        Field::new("y", LogicalType::bytes()),
        field("day", TypeKind::Date),
        field("tm", TypeKind::Time(3)),
        field("ts", TypeKind::Timestamp(6)),
        field("tz", TypeKind::TimestampLtz(3)),
    ]
}

/// What is read is written into a second table, whose rows are then the same to the database.
fn types_go_in_and_out(world: &World<'_>) -> String {
    let batches = world.batches(&world.source_spec("types", &types())).unwrap();
    let mut writer = world.writer(&world.sink_spec("copy", &types(), &[0]));
    for batch in &batches {
        writer.put(batch.clone()).unwrap();
    }
    writer.checkpoint().unwrap();
    let all = |table: &str| world.sql(&format!("SELECT * FROM {table} ORDER BY k"));
    let read = |table: &str| world.read(&world.source_spec(table, &types())).unwrap();
    assert_eq!(read("copy"), read("types"));
    if !world.database.ends_with(".db") {
        assert_eq!(all("copy"), all("types"));
    }
    batches.iter().flat_map(flott_api::testing::lines).collect::<Vec<_>>().join("\n")
}

#[test]
fn types_go_in_and_out_of_mariadb() {
    let Some(server) = mariadb("types_go_in_and_out_of_mariadb") else { return };
    let sql = format!(
        "CREATE TABLE types {MARIADB_TYPES}; CREATE TABLE copy {MARIADB_TYPES};
        SET time_zone = '+00:00'; INSERT INTO types VALUES {ROWS}"
    );
    expect![[r#"
        +I | 1 | true | -128 | -32768 | 8388607 | 4294967295 | 1844674407370955161 | 1.5 | -0.1 | -12345.6789 | äöü | it's | one | {"a": 1} | ab | -1 | 86399999 | -1 | 1709208000123
        +I | 2 | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL
        +I | 3 | false | 0 | 0 | 0 | 0 | 0 | 0 | 12345678.5 | 0.0001 | '' | '' | two | [] | '' | 2932896 | 0 | -30610224000000000 | 86400000"#]].assert_eq(&types_go_in_and_out(&World::new(server, &sql)));
}

#[test]
fn types_go_in_and_out_of_sqlite() {
    let sql =
        format!("CREATE TABLE types {SQLITE_TYPES}; CREATE TABLE copy {SQLITE_TYPES}; INSERT INTO types VALUES {ROWS}");
    expect![[r#"
        +I | 1 | true | -128 | -32768 | 8388607 | 4294967295 | 1844674407370955161 | 1.5 | -0.1 | -12345.6789 | äöü | it's | one | {"a": 1} | ab | -1 | 86399999 | -1 | 1709208000123
        +I | 2 | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL
        +I | 3 | false | 0 | 0 | 0 | 0 | 0 | 0 | 12345678.5 | 0.0001 | '' | '' | two | [] | '' | 2932896 | 0 | -30610224000000000 | 86400000"#]].assert_eq(&types_go_in_and_out(&World::file(&sql)));
}

const USERS: &str = "CREATE TABLE users (id int, region varchar(4), name text, PRIMARY KEY (id, region));
    INSERT INTO users (id, region, name)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, 'eu', 'name' FROM n;
    INSERT INTO users VALUES (1, 'us', 'other'), (1000, 'eu', 'thousand'), (2000, 'eu', 'more')";

fn users() -> [Field; 3] {
    let text = LogicalType::string;
    [field("id", TypeKind::Int), Field::new("region", text()), Field::new("name", text())]
}

fn keys_are_found(world: &World<'_>) {
    let spec = |keys| {
        let table = world.source_spec("users", &users());
        LookupSpec { table, keys, in_flight_max: Some(2), cache: LookupCache::None }
    };
    let mut table = world.lookup(&spec(vec![0, 1]));
    let keys = Schema::new(users()[..2].to_vec());
    let asked = batch(&keys, "+I | 3 | eu\n+I | 1 | us\n+I | 9 | us\n+I | 1 | EU\n+I | 3 | eu");
    let found = world.find(&mut *table, asked.rows()).unwrap();
    assert_eq!(found, ["0: +I | 3 | eu | name", "1: +I | 1 | us | other", "4: +I | 3 | eu | name"]);
    // More keys than one statement has.
    let mut table = world.lookup(&spec(vec![0]));
    let many: Vec<String> = (1..=2000).rev().chain([2000]).map(|n| format!("+I | {n}")).collect();
    let asked = batch(&Schema::new(users()[..1].to_vec()), &many.join("\n"));
    let found = world.find(&mut *table, asked.rows()).unwrap();
    assert_eq!(found.len(), 904);
    assert_eq!(found[0], "0: +I | 2000 | eu | more");
    assert_eq!(found[903], "2000: +I | 2000 | eu | more");
}

#[test]
fn keys_are_found_in_mariadb() {
    let Some(server) = mariadb("keys_are_found_in_mariadb") else { return };
    keys_are_found(&World::new(server, USERS));
}

/// For the database they are one key; each is asked for in a statement of its own.
#[test]
fn a_key_has_its_own_rows_alone_in_mariadb() {
    let Some(server) = mariadb("a_key_has_its_own_rows_alone_in_mariadb") else { return };
    let sql = "CREATE TABLE people (name varchar(9) PRIMARY KEY, age int); INSERT INTO people VALUES ('Ann', 30)";
    let world = World::new(server, sql);
    let fields = [Field::new("name", LogicalType::string()), field("age", TypeKind::Int)];
    let table = world.source_spec("people", &fields);
    let spec = LookupSpec { table, keys: vec![0], in_flight_max: Some(2), cache: LookupCache::None };
    let many: Vec<String> = std::iter::once("Ann".to_owned())
        .chain((1..1000).map(|n| format!("n{n}")))
        .chain(["ann".to_owned()])
        .map(|name| format!("+I | {name}"))
        .collect();
    let asked = batch(&Schema::new(fields[..1].to_vec()), &many.join("\n"));
    assert_eq!(world.find(&mut *world.lookup(&spec), asked.rows()).unwrap(), ["0: +I | Ann | 30"]);
}

#[test]
fn keys_are_found_in_sqlite() {
    keys_are_found(&World::file(USERS));
}

const PARTITION: [(&str, &str); 4] = [
    ("scan.partition.column", "id"),
    ("scan.partition.num", "3"),
    ("scan.partition.lower-bound", "1"),
    ("scan.partition.upper-bound", "20000"),
];
const MANY: &str = "CREATE TABLE users (id int PRIMARY KEY, region varchar(4), name text);
    INSERT INTO users (id, region, name)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, 'eu', 'name' FROM n";

#[test]
fn a_source_of_mariadb_goes_on_where_it_was() {
    let Some(server) = mariadb("a_source_of_mariadb_goes_on_where_it_was") else { return };
    let many = format!("SET max_recursive_iterations = 100000; {MANY}");
    let world = World::new(server, &many).with(&PARTITION);
    let spec = world.source_spec("users", &users());
    source_contract(&|| world.source(&spec), &|| world.environment.clone());
    assert_eq!(world.read(&spec).unwrap().len(), 20_000);
}

#[test]
fn a_source_of_sqlite_goes_on_where_it_was() {
    let world = World::file(MANY).with(&PARTITION);
    let spec = world.source_spec("users", &users());
    source_contract(&|| world.source(&spec), &|| world.environment.clone());
    assert_eq!(world.read(&spec).unwrap().len(), 20_000);
}

#[test]
fn what_mariadb_cannot_take_is_told() {
    let Some(server) = mariadb("what_mariadb_cannot_take_is_told") else { return };
    let world = World::new(server, "CREATE TABLE t (id int PRIMARY KEY, name varchar(3) NOT NULL, f float)");
    let place = server.url(&world.database).replace("jdbc:", "");
    let told = |table: &str, fields: &[Field], rows: &str| {
        let mut writer = world.writer(&world.sink_spec(table, fields, &[0]));
        writer
            .put(batch(&Schema::new(fields.to_vec()), rows))
            .and_then(|()| writer.checkpoint())
            .unwrap_err()
            .to_string()
    };
    let named = [field("id", TypeKind::Int), Field::new("name", LogicalType::string())];
    let read = |fields: &[Field]| world.read(&world.source_spec("t", fields)).unwrap_err().to_string();
    let refused = World::new(server, "SELECT 1").with(&[("password", "hush-hush")]);
    let messages = [
        told("t", &named, "+I | 1 | NULL"),
        told("t", &named, "+I | 1 | long"),
        told("nothing", &named, "+I | 1 | a"),
        read(&[field("id", TypeKind::TinyInt)]),
        read(&[field("nome", TypeKind::TinyInt)]),
        refused.read(&refused.source_spec("t", &named)).unwrap_err().to_string(),
    ];
    let place2 = server.url(&refused.database).replace("jdbc:", "");
    expect![[r#"
        table 'c.d.t': <place>: Column 'name' cannot be null (1048)
        table 'c.d.t': <place>: Data too long for column 'name' at row 1 (1406)
        table 'c.d.nothing': <place> has no table 'nothing'
        table 'c.d.t': column 'id' is of type int(11) in the database and cannot be TINYINT here
        table 'c.d.t': table `t` of the database has no column 'nome'
        table 'c.d.t': <place>: Access denied for user 'flott'@'127.0.0.1' (using password: YES) (1045)"#]]
    .assert_eq(&messages.join("\n").replace(&place, "<place>").replace(&place2, "<place>"));
}
