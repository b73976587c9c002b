//! Writing collections.

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use flott_api::sink::SinkWriter;
use flott_api::table::{ChangelogMode, TableFactory};
use flott_api::testing::{SinkWorld, lines, sink_contract};
use flott_api::types::Field;
use flott_api::{ChangeBatch, ErrorKind, LogicalType, TypeKind};
use flott_mongodb::MongoDb;

use crate::server::ferretdb;
use crate::world::{Table, field, users};

fn text(name: &str) -> Field {
    Field::new(name, LogicalType::string())
}

#[test]
fn rows_without_a_key_are_inserted() {
    let Some(server) = ferretdb("rows_without_a_key_are_inserted") else { return };
    let table = Table::new(server.port, vec![field("n", TypeKind::BigInt), text("s")], &[]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a\n+I | 1 | a\n+I | NULL | NULL")).unwrap();
    writer.checkpoint().unwrap();
    let found = table.documents();
    let ids: std::collections::HashSet<ObjectId> = found.iter().map(|d| d.get_object_id("_id").unwrap()).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    let rest =
        |d: &Document| d.iter().filter(|(k, _)| *k != "_id").map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
    assert_eq!(
        found.iter().map(rest).collect::<Vec<_>>(),
        [["n=1", "s=\"a\""], ["n=1", "s=\"a\""], ["n=null", "s=null"]]
    );
    let described = MongoDb.describe_sink(&table.context()).unwrap();
    assert_eq!(described.changelog, ChangelogMode::INSERT_ONLY);
}

#[test]
fn a_key_is_the_id_by_flinks_rules() {
    let Some(server) = ferretdb("a_key_is_the_id_by_flinks_rules") else { return };
    let table = Table::new(server.port, vec![text("_id"), field("n", TypeKind::Int)], &[0]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | plain | 1\n+I | 63932a00da01604af329e33c | 2")).unwrap();
    writer.checkpoint().unwrap();
    let id = ObjectId::parse_str("63932a00da01604af329e33c").unwrap();
    assert_eq!(table.documents(), [doc! { "_id": "plain", "n": 1 }, doc! { "_id": id, "n": 2 }]);
    // A single column beside, and several ones as a document; their columns stay fields.
    let single = Table::new(server.port, vec![field("k", TypeKind::BigInt), text("s")], &[0]);
    let mut writer = single.writer();
    writer.put(single.rows("+I | 5 | x")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(single.documents(), [doc! { "_id": 5_i64, "k": 5_i64, "s": "x" }]);
    let several = Table::new(server.port, vec![text("a"), text("s"), field("b", TypeKind::Int)], &[2, 0]);
    let mut writer = several.writer();
    writer.put(several.rows("+I | x | 1 | 7\n+U | x | 2 | 7\n+I | y | 3 | 7\n-D | y | 3 | 7\n+I | z | 4 | 8")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(
        several.documents(),
        [
            doc! { "_id": { "b": 7, "a": "x" }, "a": "x", "s": "2", "b": 7 },
            doc! { "_id": { "b": 8, "a": "z" }, "a": "z", "s": "4", "b": 8 },
        ]
    );
    // A document of nothing but its key.
    let keys = Table::new(server.port, vec![field("_id", TypeKind::Int)], &[0]);
    let mut writer = keys.writer();
    writer.put(keys.rows("+I | 1\n+I | 2")).unwrap();
    writer.checkpoint().unwrap();
    writer.put(keys.rows("+I | 1\n-D | 2")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(keys.documents(), [doc! { "_id": 1 }]);
}

#[test]
fn updates_and_deletions_of_a_key() {
    let Some(server) = ferretdb("updates_and_deletions_of_a_key") else { return };
    let table = Table::new(server.port, users(), &[0]);
    table.insert(&[doc! { "_id": 1, "name": "old", "other": "stays" }, doc! { "_id": 2 }, doc! { "_id": 3 }]);
    let mut writer = table.writer();
    writer.put(table.rows("+U | 1 | new\n-D | 2 | x\n-D | 3 | x\n+I | 3 | again\n+I | 4 | a")).unwrap();
    writer.put(table.rows("-D | 4 | a\n-D | 9 | never")).unwrap();
    writer.checkpoint().unwrap();
    let expected = [doc! { "_id": 1, "name": "new", "other": "stays" }, doc! { "_id": 3, "name": "again" }];
    assert_eq!(table.documents(), expected, "fields of nobody here stay, as in Flink");
    assert_eq!(MongoDb.describe_sink(&table.context()).unwrap().changelog, ChangelogMode::UPSERT);
}

#[test]
fn what_names_the_shard_is_in_the_condition() {
    let Some(server) = ferretdb("what_names_the_shard_is_in_the_condition") else { return };
    let mut table = Table::new(server.port, vec![field("_id", TypeKind::Int), text("region"), text("s")], &[0]);
    table.partition_keys = vec!["region".to_owned()];
    table.insert(&[doc! { "_id": 1, "region": "eu", "s": "old" }]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | eu | new\n+I | 2 | us | b\n-D | 2 | us | b\n+I | 3 | us | c")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(
        table.documents(),
        [doc! { "_id": 1, "region": "eu", "s": "new" }, doc! { "_id": 3, "region": "us", "s": "c" }]
    );
    // It is part of what names the document.
    writer.put(table.rows("-D | 1 | us | x")).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(table.documents().len(), 2);
}

#[test]
fn nested_values_come_back_as_they_were() {
    let Some(server) = ferretdb("nested_values_come_back_as_they_were") else { return };
    let int = || Box::new(LogicalType::new(TypeKind::Int));
    let row = TypeKind::Row(vec![field("x", TypeKind::Int), field("l", TypeKind::Array(int()))]);
    let fields = vec![
        field("_id", TypeKind::Int),
        field("r", row),
        field("m", TypeKind::Map(Box::new(LogicalType::string()), int())),
        field("t", TypeKind::TimestampLtz(3)),
        Field::new("y", LogicalType::bytes()),
        field("f", TypeKind::Float),
    ];
    let table = Table::new(server.port, fields, &[0]);
    table.insert(&[doc! { "_id": 1, "r": { "x": 1, "l": [1, Bson::Null] }, "m": { "a": 1, "b": Bson::Null },
        "t": bson::DateTime::from_millis(-5), "y": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![7] },
        "f": 0.5 }]);
    let spec = table.source_spec();
    let read = table.reading(&spec, table.splits(&spec).unwrap()).unwrap().next().unwrap().unwrap();
    let before = table.documents();
    table.runtime.block_on(table.collection().delete_many(doc! {}).into_future()).unwrap();
    let mut writer = table.writer();
    writer.put(read).unwrap();
    writer.checkpoint().unwrap();
    assert_eq!(table.documents(), before);
}

#[test]
fn many_rows_are_several_requests() {
    let Some(server) = ferretdb("many_rows_are_several_requests") else { return };
    let table = Table::new(server.port, users(), &[0]).with(&[("sink.buffer-flush.max-rows", "0")]);
    let mut writer = table.writer();
    let long = "x".repeat(3 << 20);
    for n in 0..6 {
        writer.put(table.rows(&format!("+I | {n} | {n}{long}"))).unwrap();
    }
    writer.checkpoint().unwrap();
    let found = table.documents();
    assert_eq!(found.len(), 6, "they have more bytes than a request may");
    assert!(found[5].get_str("name").unwrap().starts_with("5xx"));
}

#[test]
fn rows_do_not_wait_longer_than_they_may() {
    let Some(server) = ferretdb("rows_do_not_wait_longer_than_they_may") else { return };
    let table = Table::new(server.port, users(), &[0]).with(&[("sink.buffer-flush.interval", "100 ms")]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    (0..3000).take_while(|_| table.documents().is_empty()).for_each(|_| crate::server::pause(20));
    assert_eq!(table.documents(), [doc! { "_id": 1, "name": "a" }], "nobody has asked for a checkpoint");
    drop(writer);
}

fn contract(table: &Table) {
    let batches = [table.rows("+I | 1 | a\n+I | 2 | b"), table.rows("+I | 3 | c"), table.rows("+I | 4 | d")];
    let world = || {
        table.runtime.block_on(table.collection().delete_many(doc! {}).into_future()).unwrap();
        let (of_sink, of_rows) = (table.clone(), table.clone());
        SinkWorld {
            sink: Box::new(move || Box::new(of_sink.sink())),
            environment: table.environment.clone(),
            visible: Box::new(move || of_rows.read().unwrap()),
            hidden: Box::new(|| 0),
        }
    };
    sink_contract(&world, &batches, &|batches: &[ChangeBatch]| batches.iter().flat_map(lines).collect());
}

#[test]
fn the_contract_holds_with_a_key_and_without() {
    let Some(server) = ferretdb("the_contract_holds_with_a_key_and_without") else { return };
    contract(&Table::new(server.port, users(), &[0]));
    contract(&Table::new(server.port, vec![field("n", TypeKind::Int), text("s")], &[]));
}

#[test]
fn what_cannot_be_written_is_told() {
    let Some(server) = ferretdb("what_cannot_be_written_is_told") else { return };
    let strict = Field::new("n", LogicalType::not_null(TypeKind::Int));
    let table = Table::new(server.port, vec![field("k", TypeKind::Int), strict], &[0]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | NULL")).unwrap();
    let error = writer.checkpoint().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(error.message(), "table 'c.d.t': column 'n' is NOT NULL, but a null is written into it");
    let mut writer = table.writer();
    writer.put(table.rows("+I | NULL | 1")).unwrap();
    assert_eq!(writer.checkpoint().unwrap_err().message(), "table 'c.d.t': column 'k' of the key is null");
    // Another index than that of the ids.
    let table = Table::new(server.port, vec![field("n", TypeKind::Int)], &[]);
    table.insert(&[doc! { "_id": 1, "n": 5 }]);
    let index = mongodb::IndexModel::builder().keys(doc! { "n": 1 });
    let unique = mongodb::options::IndexOptions::builder().unique(true).build();
    let index = index.options(unique).build();
    table.runtime.block_on(table.collection().create_index(index).into_future()).unwrap();
    let mut writer = table.writer();
    writer.put(table.rows("+I | 5")).unwrap();
    let error = writer.checkpoint().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    assert!(error.message().contains("duplicate key"), "{error}");
    flott_api::testing::ready(writer.abort());
}
