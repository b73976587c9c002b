//! Looking up keys.

use bson::oid::ObjectId;
use bson::{Document, doc};
use flott_api::testing::batch;
use flott_api::types::Field;
use flott_api::{ChangeBatch, LogicalType, Schema, TypeKind};

use crate::server::{ferretdb, own, pause};
use crate::world::{Table, field, users};

fn text(name: &str) -> Field {
    Field::new(name, LogicalType::string())
}

fn keys(fields: &[Field], table: &str) -> ChangeBatch {
    batch(&Schema::new(fields.to_vec()), table)
}

#[test]
fn a_batch_of_keys_is_answered_in_their_order() {
    let Some(server) = ferretdb("a_batch_of_keys_is_answered_in_their_order") else { return };
    let fields = vec![field("id", TypeKind::Int), text("region"), text("name")];
    let table = Table::new(server.port, fields, &[]);
    let documents = (1..=3000).map(|n| doc! { "id": n, "region": "eu", "name": format!("name{n}") });
    let mut documents: Vec<Document> = documents.collect();
    documents.push(doc! { "id": 1, "region": "us", "name": "other1" });
    documents.push(doc! { "id": 2.0, "region": "us", "name": "a double" });
    table.insert(&documents);
    let mut lookup = table.lookup(&[0, 1, 2], &[0, 1]).unwrap();
    let asked =
        keys(&table.fields[..2], "+I | 3 | eu\n+I | 1 | us\n+I | 9 | us\n+I | 1 | eu\n+I | 3 | eu\n+I | 2 | us");
    assert_eq!(
        table.find(&mut *lookup, asked.rows()).unwrap(),
        [
            "0: +I | 3 | eu | name3",
            "1: +I | 1 | us | other1",
            "3: +I | 1 | eu | name1",
            "4: +I | 3 | eu | name3",
            "5: +I | 2 | us | a double",
        ]
    );
    // By a part of the key, so that there are several rows; other columns in another order.
    let mut lookup = table.lookup(&[2, 0], &[1]).unwrap();
    let asked = keys(&table.fields[..1], "+I | 1\n+I | 5001\n+I | 2");
    let mut found = table.find(&mut *lookup, asked.rows()).unwrap();
    found.sort();
    assert_eq!(found, ["0: +I | name1 | 1", "0: +I | other1 | 1", "2: +I | a double | 2", "2: +I | name2 | 2"]);
    // Many keys at once, by one column and by two.
    let many: Vec<String> = (1..=4000).rev().map(|n| format!("+I | {n}")).collect();
    let found = table.find(&mut *lookup, keys(&table.fields[..1], &many.join("\n")).rows()).unwrap();
    assert_eq!((found.len(), found[0].as_str()), (3002, "1000: +I | name3000 | 3000"));
    let mut lookup = table.lookup(&[0, 1], &[0, 1]).unwrap();
    let many: Vec<String> = (1..=1500).map(|n| format!("+I | {n} | eu")).collect();
    assert_eq!(table.find(&mut *lookup, keys(&table.fields[..2], &many.join("\n")).rows()).unwrap().len(), 1500);
}

#[test]
fn texts_find_object_ids_too() {
    let Some(server) = ferretdb("texts_find_object_ids_too") else { return };
    let table = Table::new(server.port, vec![text("_id"), field("n", TypeKind::Int)], &[0]);
    let id = ObjectId::parse_str("63932a00da01604af329e33c").unwrap();
    table.insert(&[doc! { "_id": id, "n": 1 }, doc! { "_id": "plain", "n": 2 }]);
    let mut lookup = table.lookup(&[0, 1], &[0]).unwrap();
    let asked = keys(&table.fields[..1], "+I | plain\n+I | 63932a00da01604af329e33c\n+I | 63932a00da01604af329e33d");
    assert_eq!(
        table.find(&mut *lookup, asked.rows()).unwrap(),
        ["0: +I | plain | 2", "1: +I | 63932a00da01604af329e33c | 1"]
    );
    let array = TypeKind::Array(Box::new(LogicalType::string()));
    let odd = table.of(vec![field("a", array)]);
    assert!(odd.lookup(&[0], &[0]).err().unwrap().message().contains("a lookup by column 'a'"));
}

#[test]
fn a_lookup_outlives_a_server_that_was_killed() {
    let Some(mut server) = own("a_lookup_outlives_a_server_that_was_killed", |_| Vec::new()) else { return };
    let uri = format!("mongodb://127.0.0.1:{}/?serverSelectionTimeoutMS=300", server.port);
    let table = Table::at(&uri, users(), &[0]);
    let table = table.with(&[("lookup.max-retries", "60"), ("lookup.retry.interval", "10 ms")]);
    table.insert(&[doc! { "_id": 2, "name": "b" }]);
    let mut lookup = table.lookup(&[0, 1], &[0]).unwrap();
    let asked = keys(&users()[..1], "+I | 2");
    assert_eq!(table.find(&mut *lookup, asked.rows()).unwrap().len(), 1);
    let rows = asked.rows().clone();
    server.kill();
    let asking = table.runtime.spawn(async move { lookup.lookup(&rows).await });
    pause(500);
    assert!(!asking.is_finished(), "it is asked again");
    server.restart();
    assert_eq!(table.runtime.block_on(asking).unwrap().unwrap().keys, [0]);
    // And if it stays away, that is said.
    let hasty = table.clone().with(&[("lookup.max-retries", "1")]);
    let mut lookup = hasty.lookup(&[0, 1], &[0]).unwrap();
    server.kill();
    let error = hasty.find(&mut *lookup, asked.rows()).unwrap_err();
    assert_eq!(error.detail(), Some("It was tried once more."), "{error}");
}
