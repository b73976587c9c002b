//! Ways to cut a collection that FerretDB does not know, against a double.

use bson::{Bson, Document, doc};
use flott_api::types::Field;
use flott_api::{LogicalType, TypeKind};

use crate::double::{Answer, Double, error, found};
use crate::world::{Table, field, users};

fn plan(double: &Double, options: &[(&str, &str)]) -> Table {
    let fields = vec![field("_id", TypeKind::Int), Field::new("name", LogicalType::string())];
    Table::new(double.port, fields, &[]).with(&[("collection", "c")]).with(options)
}

#[test]
fn a_large_collection_is_cut_by_split_vector() {
    let double = Double::new(|command| match command {
        c if c.contains_key("collStats") => {
            Answer::Is(doc! { "ok": 1, "size": 1_i64 << 40, "count": 1000, "sharded": false })
        }
        c if c.contains_key("splitVector") => {
            Answer::Is(doc! { "ok": 1, "splitKeys": [{ "_id": 100 }, { "_id": 200 }] })
        }
        _ => found(vec![doc! { "_id": 1, "name": "a" }]),
    });
    let table = plan(&double, &[("scan.cursor.no-timeout", "true"), ("scan.partition.size", "3mb")]);
    let spec = table.source_spec();
    let splits = table.splits(&spec).unwrap();
    assert_eq!(splits.len(), 3);
    let asked = doc! { "splitVector": "flott.c", "keyPattern": { "_id": 1 }, "maxChunkSize": 3 };
    assert_eq!(double.asked("splitVector"), [asked]);
    assert_eq!(table.reading(&spec, splits).unwrap().rest().unwrap().len(), 3);
    let questions = double.asked("find");
    let last = &questions[2];
    let behind = ["string", "object", "binData", "objectId", "bool", "date", "timestamp"];
    let behind = behind.map(Bson::from).to_vec();
    assert_eq!(
        *last,
        doc! {
            "find": "c",
            "filter": { "$or": [{ "_id": { "$gte": 200 } }, { "_id": { "$type": behind } }] },
            "allowDiskUse": true,
            "batchSize": last.get("batchSize").unwrap().clone(),
            "noCursorTimeout": true,
            "projection": { "_id": 1, "name": 1 },
            "sort": { "_id": 1 },
        }
    );
}

#[test]
fn who_may_not_split_is_told_what_else_there_is() {
    let double = Double::new(|command| match command {
        c if c.contains_key("collStats") => Answer::Is(doc! { "ok": 1, "size": 1_i64 << 40, "count": 1000 }),
        _ => error(13, "not authorized on admin to execute command splitVector"),
    });
    let table = plan(&double, &[]);
    let told = table.splits(&table.source_spec()).unwrap_err();
    assert!(told.message().contains("not authorized on admin"), "{told}");
    assert!(told.hint().unwrap().contains("'sample'"), "{told:?}");
    let sharded = Double::new(|command| match command {
        c if c.contains_key("collStats") => Answer::Is(doc! { "ok": 1, "sharded": true }),
        _ => found(Vec::new()),
    });
    let told = |strategy| {
        let table = plan(&sharded, &[("scan.partition.strategy", strategy)]);
        table.splits(&table.source_spec()).unwrap_err().message().to_owned()
    };
    assert_eq!(told("split-vector"), "table 'c.d.t': collection 'flott.c' is sharded");
    assert_eq!(told("sharded"), "table 'c.d.t': collection 'flott.c' is not sharded");
}

#[test]
fn samples_are_bounds() {
    let double = Double::new(|command| match command {
        c if c.contains_key("collStats") => Answer::Is(doc! { "ok": 1, "size": 1_000_000, "count": 1000 }),
        c if c.contains_key("aggregate") => found((0..9).map(|n| doc! { "_id": n * 10 }).collect()),
        _ => found(Vec::new()),
    });
    let sizes =
        [("scan.partition.strategy", "sample"), ("scan.partition.size", "340000"), ("scan.partition.samples", "3")];
    let table = plan(&double, &sizes);
    assert_eq!(table.splits(&table.source_spec()).unwrap().len(), 3, "bounds are 30 and 60");
    let asked = &double.asked("aggregate")[0];
    let pipeline =
        vec![doc! { "$sample": { "size": 9_i64 } }, doc! { "$project": { "_id": 1 } }, doc! { "$sort": { "_id": 1 } }];
    assert_eq!(asked.get_array("pipeline").unwrap(), &pipeline.into_iter().map(Bson::from).collect::<Vec<_>>());
    assert_eq!(asked.get("allowDiskUse"), Some(&Bson::Boolean(true)));
}

fn hashed(command: &Document) -> Answer {
    let chunk = |min: Bson, max: Bson| doc! { "min": { "user": min }, "max": { "user": max } };
    match command.get_str("find") {
        Ok("collections") => found(vec![doc! { "_id": "flott.c", "uuid": "u", "key": { "user": "hashed" } }]),
        Ok("chunks") => found(vec![chunk(Bson::MinKey, 0_i64.into()), chunk(0_i64.into(), Bson::MaxKey)]),
        Ok(_) => {
            let skipped = command.get_i64("skip").or_else(|_| command.get_i32("skip").map(i64::from)).unwrap_or(0);
            found((skipped as i32..3).map(|n| doc! { "_id": n, "name": "x" }).collect())
        }
        Err(_) => Answer::Is(doc! { "ok": 1, "sharded": true, "count": 6, "size": 100 }),
    }
}

#[test]
fn chunks_of_a_sharded_collection_are_read_by_their_index() {
    let double = Double::new(hashed);
    let table = plan(&double, &[]).of(users());
    let spec = table.source_spec();
    let splits = table.splits(&spec).unwrap();
    assert_eq!(splits.len(), 2);
    let mut reading = table.reading(&spec, splits[1..].to_vec()).unwrap();
    assert_eq!(reading.next().unwrap().unwrap().len(), 3);
    let behind = reading.reader.snapshot().unwrap();
    let asked = &double.asked("find")[2];
    assert_eq!(asked.get_document("min").unwrap(), &doc! { "user": 0_i64 });
    assert_eq!(asked.get_document("max").unwrap(), &doc! { "user": Bson::MaxKey });
    assert_eq!(asked.get_document("hint").unwrap(), &doc! { "user": "hashed" });
    assert!(!asked.contains_key("sort") && asked.get_document("filter").unwrap().is_empty(), "{asked}");
    // As many as were read are left out.
    assert!(table.reading(&spec, behind).unwrap().rest().unwrap().is_empty());
    let asked = double.asked("find").pop().unwrap();
    assert!(matches!(asked.get("skip"), Some(Bson::Int64(3) | Bson::Int32(3))), "{asked}");
}
