//! Reading collections.

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use expect_test::expect;
use flott_api::expr::{Expr, Value};
use flott_api::table::TableFactory;
use flott_api::testing::source_contract;
use flott_api::types::Field;
use flott_api::{LogicalType, TypeKind};
use flott_mongodb::MongoDb;

use crate::server::ferretdb;
use crate::world::{Table, field, users};

fn text(name: &str) -> Field {
    Field::new(name, LogicalType::string())
}

fn numbers(count: i32) -> Vec<Document> {
    // Not in the order in which they are read.
    (0..count).rev().map(|n| doc! { "_id": n, "name": format!("name{n}") }).collect()
}

#[test]
fn every_type_is_read_from_a_document() {
    let Some(server) = ferretdb("every_type_is_read_from_a_document") else { return };
    let inner = TypeKind::Row(vec![field("x", TypeKind::Int), text("y")]);
    let fields = vec![
        text("_id"),
        field("b", TypeKind::Boolean),
        field("i", TypeKind::Int),
        field("l", TypeKind::BigInt),
        field("d", TypeKind::Double),
        text("s"),
        Field::new("y", LogicalType::bytes()),
        field("t", TypeKind::TimestampLtz(3)),
        field("ts", TypeKind::Timestamp(6)),
        field("r", inner),
        field("a", TypeKind::Array(Box::new(LogicalType::new(TypeKind::Int)))),
        field("m", TypeKind::Map(Box::new(LogicalType::string()), Box::new(LogicalType::new(TypeKind::BigInt)))),
        text("j"),
    ];
    let table = Table::new(server.port, fields, &[]);
    let id = ObjectId::parse_str("63932a00da01604af329e33c").unwrap();
    let time = bson::DateTime::from_millis(1_709_200_800_123);
    let bytes = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: b"ab".to_vec() };
    table.insert(&[
        doc! { "_id": id, "b": true, "i": i32::MIN, "l": i64::MAX, "d": -0.5, "s": "äöü", "y": bytes, "t": time, "ts": time,
            "r": { "y": "in", "x": 7, "z": 0 }, "a": [1, Bson::Null, 3], "m": { "k": 5_i64 },
            "j": { "o": id, "n": [1, 2.5, "x"] }, "more": "not asked for" },
        doc! { "_id": 5, "b": Bson::Null },
    ]);
    expect![[r#"
        +I | 5 | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL
        +I | 63932a00da01604af329e33c | true | -2147483648 | 9223372036854775807 | -0.5 | äöü | ab | 1709200800123 | 1709200800123000 | (7, in) | [1, NULL, 3] | [(k, 5)] | {"o": {"$oid": "63932a00da01604af329e33c"}, "n": [1, 2.5, "x"]}"#]]
    .assert_eq(&table.read().unwrap().join("\n"));
    // A part of the columns, in another order, and none.
    let mut spec = table.source_spec();
    spec.projection = vec![2, 0];
    assert_eq!(table.read_spec(&spec).unwrap(), ["+I | NULL | 5", "+I | -2147483648 | 63932a00da01604af329e33c"]);
    spec.projection = Vec::new();
    assert_eq!(table.reading(&spec, table.splits(&spec).unwrap()).unwrap().next().unwrap().unwrap().len(), 2);
    // What does not fit is told, with its place.
    let error = table.of(vec![field("s", TypeKind::Int)]).read().unwrap_err();
    let place =
        "field 's' is a string that cannot be INT in the document with _id ObjectId(\"63932a00da01604af329e33c\")";
    assert_eq!(error.message(), format!("table 'c.d.t': {place}"));
    let inner = TypeKind::Row(vec![field("y", TypeKind::Int)]);
    assert!(table.of(vec![field("r", inner)]).read().unwrap_err().message().contains("field 'r.y' is a string"));
}

#[test]
fn a_collection_is_read_whole_or_in_pages() {
    let Some(server) = ferretdb("a_collection_is_read_whole_or_in_pages") else { return };
    let table = Table::new(server.port, users(), &[]).with(&[("scan.fetch-size", "1000")]);
    assert!(table.read().unwrap().is_empty(), "a collection that is not there has no documents");
    table.insert(&numbers(2500));
    let whole: Vec<String> = (0..2500).map(|n| format!("+I | {n} | name{n}")).collect();
    assert_eq!(table.read().unwrap(), whole, "so small a collection is one split by default");
    let pages = [("scan.partition.strategy", "pagination"), ("scan.partition.record-size", "900")];
    let paged = table.clone().with(&pages);
    assert_eq!(paged.splits(&paged.source_spec()).unwrap().len(), 3);
    assert_eq!(paged.read().unwrap(), whole);
    // A limit is asked for once.
    let mut spec = paged.source_spec();
    spec.limit = Some(3);
    assert_eq!(paged.splits(&spec).unwrap().len(), 1);
    assert_eq!(paged.read_spec(&spec).unwrap(), whole[..3]);
}

#[test]
fn ids_of_several_types_are_read_once_each() {
    let Some(server) = ferretdb("ids_of_several_types_are_read_once_each") else { return };
    let pages = [("scan.partition.strategy", "pagination"), ("scan.partition.record-size", "2")];
    let table = Table::new(server.port, vec![text("_id")], &[]).with(&pages);
    let ids: [Bson; 9] = [
        1.into(),
        2.5.into(),
        7_i64.into(),
        "a".into(),
        "b".into(),
        doc! { "k": 1 }.into(),
        ObjectId::from_bytes([9; 12]).into(),
        true.into(),
        bson::DateTime::from_millis(5).into(),
    ];
    table.insert(&ids.map(|id| doc! { "_id": id }));
    let whole = table.read().unwrap();
    assert_eq!(whole.len(), 9, "{whole:?}");
    assert_eq!((whole[0].as_str(), whole[5].as_str()), ("+I | 1", "+I | {\"k\": 1}"));
    // From behind each of them.
    let single = table.clone().with(&[("scan.partition.strategy", "single"), ("scan.fetch-size", "1")]);
    for behind in 1..9 {
        let spec = single.source_spec();
        let mut reading = single.reading(&spec, single.splits(&spec).unwrap()).unwrap();
        (0..behind).for_each(|_| assert_eq!(reading.next().unwrap().unwrap().len(), 1));
        let splits = reading.reader.snapshot().unwrap();
        assert_eq!(single.reading(&spec, splits).unwrap().rest().unwrap(), whole[behind..], "behind {behind}");
    }
}

#[test]
fn a_source_goes_on_where_it_was() {
    let Some(server) = ferretdb("a_source_goes_on_where_it_was") else { return };
    let pages =
        [("scan.partition.strategy", "pagination"), ("scan.partition.record-size", "25"), ("scan.fetch-size", "7")];
    let table = Table::new(server.port, users(), &[]).with(&pages);
    table.insert(&numbers(60));
    source_contract(&|| table.source(), &|| table.environment.clone());
}

#[test]
fn a_restored_source_does_not_mind_what_has_changed_before() {
    let Some(server) = ferretdb("a_restored_source_does_not_mind_what_has_changed_before") else { return };
    let table = Table::new(server.port, users(), &[]).with(&[("scan.fetch-size", "10")]);
    table.insert(&numbers(30));
    let spec = table.source_spec();
    let mut reading = table.reading(&spec, table.splits(&spec).unwrap()).unwrap();
    assert_eq!(reading.next().unwrap().unwrap().len(), 10);
    let splits = reading.reader.snapshot().unwrap();
    drop(reading);
    table.runtime.block_on(table.collection().delete_many(doc! { "_id": { "$lt": 10 } }).into_future()).unwrap();
    table.insert(&[doc! { "_id": -5 }, doc! { "_id": -6 }]);
    let rest = table.reading(&spec, splits).unwrap().rest().unwrap();
    assert_eq!(rest, (10..30).map(|n| format!("+I | {n} | name{n}")).collect::<Vec<_>>());
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::call(name, args, LogicalType::new(TypeKind::Boolean))
}

#[test]
fn filters_go_to_the_server_and_lose_no_row() {
    let Some(server) = ferretdb("filters_go_to_the_server_and_lose_no_row") else { return };
    let table = Table::new(server.port, vec![field("_id", TypeKind::Int), field("n", TypeKind::Int), text("s")], &[]);
    let id = ObjectId::parse_str("63932a00da01604af329e33c").unwrap();
    table.insert(&[
        doc! { "_id": 1, "n": 5, "s": "x" },
        doc! { "_id": 2, "n": 5.9, "s": id },
        doc! { "_id": 3, "n": "5", "s": 5 },
        doc! { "_id": 4, "n": 7_i64, "s": Bson::Null },
        doc! { "_id": 5, "n": Bson::Null, "s": ["x"] },
        doc! { "_id": 6 },
    ]);
    let read = |filter: Expr| {
        let mut spec = table.source_spec();
        spec.filters = vec![filter];
        table.read_spec(&spec).unwrap().iter().map(|row| row[5..6].to_owned()).collect::<Vec<_>>().join("")
    };
    let n = || Expr::column(1, LogicalType::new(TypeKind::Int));
    let s = || Expr::column(2, LogicalType::string());
    let int = |value| Expr::literal(Value::Int(value), LogicalType::not_null(TypeKind::Int));
    let word = |value: &str| Expr::literal(Value::String(value.to_owned()), LogicalType::string());
    assert_eq!(read(call("=", vec![n(), int(5)])), "123", "they are 5 when they are read");
    assert_eq!(read(call(">", vec![n(), int(6)])), "234", "a little more comes, which the planner's own filter drops");
    assert_eq!(read(call("=", vec![s(), word("63932a00da01604af329e33c")])), "2");
    assert_eq!(read(call("=", vec![s(), word("5")])), "3");
    assert_eq!(read(call("=", vec![s(), word("x")])), "15", "an array that has it may be read too");
    assert_eq!(read(call("is not null", vec![n()])), "1234");
    assert_eq!(read(call("in", vec![n(), int(7), int(8)])), "34");
    assert_eq!(read(call("<>", vec![n(), int(5)])), "123456", "it stays here");
    let either = call("or", vec![call("=", vec![n(), int(7)]), call("=", vec![s(), word("x")])]);
    assert_eq!(read(either), "1345");
    let never = table.clone().with(&[("filter.handling.policy", "never")]);
    assert!(!MongoDb.describe_source(&never.context()).unwrap().push_downs.filter);
    assert!(MongoDb.describe_source(&table.context()).unwrap().push_downs.filter);
}

#[test]
fn names_with_points_are_read_from_whole_documents() {
    let Some(server) = ferretdb("names_with_points_are_read_from_whole_documents") else { return };
    let table = Table::new(server.port, vec![field("a", TypeKind::Int), field("a.b", TypeKind::Int)], &[]);
    table.insert(&[doc! { "_id": 1, "a": 2 }]);
    assert_eq!(table.read().unwrap(), ["+I | 2 | NULL"]);
}
