//! Reading tables.

use expect_test::expect;
use flott_api::expr::{Expr, Value};
use flott_api::table::TableFactory;
use flott_api::testing::source_contract;
use flott_api::types::Field;
use flott_api::{LogicalType, TypeKind};
use flott_jdbc::Jdbc;

use crate::server::postgres;
use crate::world::{World, field};

const TYPES: &str = "
    CREATE TABLE types (b boolean, s smallint, i integer, l bigint, r real, d double precision, n numeric(20, 4),
        t text, v varchar(9), c char(4), y bytea, day date, tm time(3), ts timestamp(6), tz timestamptz, u uuid, j jsonb);
    INSERT INTO types VALUES
        (true, -32768, 2147483647, -9223372036854775808, 1.5, -0.1, 12345.6789, 'äöü', 'v', 'c', '\\x6162', '1969-12-31',
         '23:59:59.999', '1969-12-31 23:59:59.999999', '2024-02-29 12:00:00+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
         '{\"a\": 1}'),
        (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (false, 0, 0, 0, 0, 'NaN', -0.0001, '', '', '', '', '0001-01-01', '00:00:00', '2000-01-01 00:00:00',
         '1970-01-01 00:00:00+00', '00000000-0000-0000-0000-000000000000', '[]')";

fn types() -> Vec<Field> {
    vec![
        field("b", TypeKind::Boolean),
        field("s", TypeKind::SmallInt),
        field("i", TypeKind::Int),
        field("l", TypeKind::BigInt),
        field("r", TypeKind::Float),
        field("d", TypeKind::Double),
        field("n", TypeKind::Decimal { precision: 20, scale: 4 }),
        Field::new("t", LogicalType::string()),
        field("v", TypeKind::Varchar(9)),
        field("c", TypeKind::Char(4)),
        Field::new("y", LogicalType::bytes()),
        field("day", TypeKind::Date),
        field("tm", TypeKind::Time(3)),
        field("ts", TypeKind::Timestamp(6)),
        field("tz", TypeKind::TimestampLtz(3)),
        Field::new("u", LogicalType::string()),
        Field::new("j", LogicalType::string()),
    ]
}

#[test]
fn every_type_is_read_as_it_lies_there() {
    let Some(server) = postgres("every_type_is_read_as_it_lies_there") else { return };
    let world = World::new(server, TYPES);
    expect![[r#"
        +I | true | -32768 | 2147483647 | -9223372036854775808 | 1.5 | -0.1 | 12345.6789 | äöü | v | c    | ab | -1 | 86399999 | -1 | 1709200800000 | a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 | {"a": 1}
        +I | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL
        +I | false | 0 | 0 | 0 | 0 | NaN | -0.0001 | '' | '' |      | '' | -719162 | 0 | 946684800000000 | 0 | 00000000-0000-0000-0000-000000000000 | []"#]].assert_eq(&world.read(&world.source_spec("types", &types())).unwrap().join("\n"));
    // Wider than the column, and rounded.
    let wide = [
        field("s", TypeKind::BigInt),
        field("i", TypeKind::Decimal { precision: 9, scale: 0 }),
        field("r", TypeKind::Double),
        field("n", TypeKind::Decimal { precision: 7, scale: 1 }),
        field("ts", TypeKind::Timestamp(3)),
        field("s", TypeKind::TinyInt),
    ];
    let message = world.read(&world.source_spec("types", &wide)).unwrap_err().message().to_owned();
    assert_eq!(message, "table 'c.d.types': column 's' has a value that is too large for its type here");
    expect![[r#"
        +I | -32768 | NULL | 1.5 | 12345.7 | -1
        +I | NULL | NULL | NULL | NULL | NULL
        +I | 0 | 0 | 0 | 0.0 | 946684800000"#]]
    .assert_eq(&world.read(&world.source_spec("types", &wide[..5])).unwrap().join("\n"));
}

const NUMBERS: &str = "
    CREATE TABLE numbers (id bigint, name text);
    INSERT INTO numbers SELECT n, 'name' || n FROM generate_series(1, 20000) AS n;
    INSERT INTO numbers VALUES (NULL, 'none')";

fn numbers() -> [Field; 2] {
    [field("id", TypeKind::BigInt), Field::new("name", LogicalType::string())]
}

const PARTITION: [(&str, &str); 4] = [
    ("scan.partition.column", "id"),
    ("scan.partition.num", "3"),
    ("scan.partition.lower-bound", "2"),
    ("scan.partition.upper-bound", "19999"),
];

#[test]
fn a_table_is_read_whole_or_in_ranges() {
    let Some(server) = postgres("a_table_is_read_whole_or_in_ranges") else { return };
    let world = World::new(server, NUMBERS);
    assert_eq!(world.read(&world.source_spec("numbers", &numbers())).unwrap().len(), 20_001);
    for more in [vec![("scan.fetch-size", "7000")], vec![("scan.auto-commit", "false")]] {
        let world = World::new(server, NUMBERS).with(&more);
        assert_eq!(world.read(&world.source_spec("numbers", &numbers())).unwrap().len(), 20_001, "{more:?}");
    }
    // Bounds leave out what lies beyond them, as in Flink.
    let world = world.with(&PARTITION);
    let mut spec = world.source_spec("numbers", &numbers());
    let rows = world.read(&spec).unwrap();
    assert_eq!(rows.len(), 19_998);
    assert!(rows.contains(&"+I | 2 | name2".to_owned()) && !rows.contains(&"+I | 1 | name1".to_owned()));
    spec.projection = Vec::new();
    let rows: usize = world.batches(&spec).unwrap().iter().map(flott_api::ChangeBatch::len).sum();
    assert_eq!(rows, 19_998, "rows without columns are counted");
    spec.projection = vec![1];
    spec.limit = Some(2);
    assert_eq!(
        world.read(&spec).unwrap(),
        ["+I | name2", "+I | name3", "+I | name6668", "+I | name6669", "+I | name13334", "+I | name13335"]
    );
}

#[test]
fn a_source_goes_on_where_it_was() {
    let Some(server) = postgres("a_source_goes_on_where_it_was") else { return };
    let world = World::new(server, NUMBERS).with(&PARTITION);
    let spec = world.source_spec("numbers", &numbers());
    source_contract(&|| world.source(&spec), &|| world.environment.clone());
}

#[test]
fn filters_go_to_the_database() {
    let Some(server) = postgres("filters_go_to_the_database") else { return };
    let world = World::new(server, NUMBERS);
    let mut spec = world.source_spec("numbers", &numbers());
    let id = Expr::column(0, LogicalType::new(TypeKind::BigInt));
    let bound = Expr::literal(Value::Int(19_998), LogicalType::not_null(TypeKind::BigInt));
    let boolean = LogicalType::new(TypeKind::Boolean);
    spec.filters = vec![Expr::call(">", vec![id, bound], boolean.clone())];
    assert_eq!(world.read(&spec).unwrap(), ["+I | 19999 | name19999", "+I | 20000 | name20000"]);
    let text = Expr::literal(Value::String("no'ne".to_owned()), LogicalType::string());
    spec.filters.push(Expr::call("=", vec![Expr::column(1, LogicalType::string()), text], boolean));
    assert!(world.read(&spec).unwrap().is_empty());
    // A text that the column's own type does not know is no error, but no value of it either.
    let types = World::new(server, TYPES);
    let mut spec = types.source_spec("types", &types_read());
    let text = |at, text: &str| {
        let value = Expr::literal(Value::String(text.to_owned()), LogicalType::string());
        Expr::call("=", vec![Expr::column(at, LogicalType::string()), value], LogicalType::new(TypeKind::Boolean))
    };
    spec.filters = vec![text(0, "no uuid")];
    assert!(types.read(&spec).unwrap().is_empty());
    spec.filters = vec![text(0, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), text(1, "{\"a\": 1}")];
    assert_eq!(types.read(&spec).unwrap().len(), 1);
    let never = world.with(&[("filter.handling.policy", "never")]);
    let described = Jdbc.describe_source(&never.context("numbers", &numbers())).unwrap();
    assert!(!described.push_downs.filter);
}

fn types_read() -> Vec<Field> {
    types().into_iter().filter(|f| f.name == "u" || f.name == "j").collect()
}

#[test]
fn names_are_found_by_any_case() {
    let Some(server) = postgres("names_are_found_by_any_case") else { return };
    let world = World::new(
        server,
        "CREATE SCHEMA s; CREATE TABLE s.Users (userId int, \"Odd\"\"Name\" int);
        INSERT INTO s.users VALUES (1, 2); CREATE TABLE \"Quoted\" (a int); INSERT INTO \"Quoted\" VALUES (3); CREATE TABLE \"odd name\" (a int)",
    );
    let fields = [field("userId", TypeKind::Int), field("Odd\"Name", TypeKind::Int)];
    assert_eq!(world.read(&world.source_spec("s.Users", &fields)).unwrap(), ["+I | 1 | 2"]);
    assert_eq!(world.read(&world.source_spec("Quoted", &[field("a", TypeKind::Int)])).unwrap(), ["+I | 3"]);
    assert!(world.read(&world.source_spec("odd name", &[field("a", TypeKind::Int)])).unwrap().is_empty());
    let world = world.with(&[("url", "")]);
    assert!(world.read(&world.source_spec("s.users", &fields)).is_err());
}
