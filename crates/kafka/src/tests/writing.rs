//! Writing: at least once, by keys, with deletions, and what a row says beside its columns.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Int32Array, ListArray, RecordBatch, StringArray, StructArray, TimestampMillisecondArray,
};
use arrow_buffer::OffsetBuffer;
use flott_api::ids::Subtask;
use flott_api::sink::{Sink, WriterContext};
use flott_api::testing::batch;
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};

use super::broker::shared;
use super::table::{JOB, TestTable};
use crate::options::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn deletions_are_records_without_a_value() {
    let Some(broker) = shared("deletions_are_records") else { return };
    let more = [("key.format", "json"), ("value.format", "json")];
    let mut table = TestTable::json(broker, "upserts", &more);
    table.kind = Kind::Upsert;
    table.primary_key = vec![0];
    table.options.0.remove("format");
    table.options.0.remove("scan.startup.mode");
    table.write("+I | 1 | a\n+I | 2 | b\n+U | 1 | c\n-D | 2 | b").await;
    let mut rows = table.read_with(&[]).await.unwrap();
    rows.sort();
    assert_eq!(rows, ["+U | 1 | a", "+U | 1 | c", "+U | 2 | b", "-D | 2 | NULL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_change_often_are_written_less_often() {
    let Some(broker) = shared("keys_that_change_often") else { return };
    let more = [
        ("key.format", "json"),
        ("value.format", "json"),
        ("sink.buffer-flush.max-rows", "100"),
        ("sink.buffer-flush.interval", "1 h"),
    ];
    let mut table = TestTable::json(broker, "reduced", &more);
    table.kind = Kind::Upsert;
    table.primary_key = vec![0];
    table.options.0.remove("format");
    table.options.0.remove("scan.startup.mode");
    table.write("+I | 1 | a\n+I | 2 | b\n+U | 1 | c\n+U | 1 | d\n-D | 2 | b").await;
    let mut rows = table.read_with(&[]).await.unwrap();
    rows.sort();
    assert_eq!(rows, ["+U | 1 | d", "-D | 2 | NULL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_says_its_time_its_headers_and_its_topic() {
    let Some(broker) = shared("a_row_says") else { return };
    let table = TestTable::json(broker, "said-1;said-2", &[]);
    let sink = table.sink(&["timestamp", "headers", "topic"]).unwrap();
    let environment = table.environment.clone();
    let subtask = Subtask { index: 0, parallelism: 1 };
    let cx = WriterContext { job: JOB, restored: Vec::new(), subtask, environment, metrics: Arc::default() };
    let mut writer = sink.writer(cx).unwrap();
    writer
        .write(said(&[(1, 1_704_067_200_123, &[("x", Some(b"12")), ("y", None)], "said-1"), (2, 0, &[], "said-2")]))
        .await
        .unwrap();
    writer.prepare_commit(false).await.unwrap();
    let error = writer.write(said(&[(3, 0, &[], "other")])).await.unwrap_err();
    assert_eq!(error.message(), "metadata column 'topic' is 'other'");
    let mut rows = table.read_with(&["topic", "timestamp", "headers"]).await.unwrap();
    rows.sort();
    assert_eq!(rows, ["+I | 1 | n | said-1 | 1704067200123 | [(x, 12)]", "+I | 2 | n | said-2 | 0 | []"]);
}

/// A row with its time, its headers and its topic.
type Said<'a> = (i32, i64, &'a [(&'a str, Option<&'a [u8]>)], &'a str);

fn said(rows: &[Said<'_>]) -> ChangeBatch {
    let schema = {
        let mut schema = super::table::columns();
        let written = crate::sink::sink_metadata();
        let of = |key: &str| Field::new(key, written.iter().find(|c| c.key == key).unwrap().ty.clone());
        schema.fields.extend([of("timestamp"), of("headers"), of("topic")]);
        schema.arrow()
    };
    let arrow_schema::DataType::List(entry) = schema.field(3).data_type() else { panic!("a list") };
    let arrow_schema::DataType::Struct(fields) = entry.data_type() else { panic!("entries") };
    let all: Vec<_> = rows.iter().flat_map(|row| row.2).collect();
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(all.iter().map(|(name, _)| name)));
    let values: ArrayRef = Arc::new(all.iter().map(|(_, value)| *value).collect::<BinaryArray>());
    let entries = StructArray::new(fields.clone(), vec![names, values], None);
    let lengths = OffsetBuffer::from_lengths(rows.iter().map(|row| row.2.len()));
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.1)).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "n"))),
        Arc::new(times),
        Arc::new(ListArray::new(entry.clone(), lengths, Arc::new(entries), None)),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    ChangeBatch::inserts(RecordBatch::try_new(schema, columns).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_key_lie_in_one_partition_in_order() {
    let Some(broker) = shared("records_of_one_key") else { return };
    let keyed = [("key.format", "raw"), ("key.fields", "name"), ("properties.batch.size", "500")];
    let table = TestTable::json(broker, "ordered", &keyed);
    broker.create(&table.environment, "ordered", 4).await;
    let mut writer = table.writer();
    for round in 0..20 {
        let rows: Vec<String> = (0..50).map(|i| format!("+I | {} | key {}", round * 50 + i, i % 7)).collect();
        writer.write(batch(&table.schema, &rows.join("\n"))).await.unwrap();
    }
    writer.prepare_commit(true).await.unwrap();
    let rows = table.read_with(&["partition"]).await.unwrap();
    assert_eq!(rows.len(), 1000);
    for key in 0..7 {
        let of_key: Vec<&String> = rows.iter().filter(|row| row.contains(&format!("| key {key} |"))).collect();
        let partition = of_key[0].rsplit('|').next().unwrap();
        assert!(of_key.iter().all(|row| row.ends_with(partition)), "key {key} has one partition");
        let ids: Vec<i32> = of_key.iter().map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap()).collect();
        assert!(ids.is_sorted(), "key {key} is in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_refused() {
    let Some(broker) = shared("a_record_that_is_too_large") else { return };
    let table = TestTable::json(broker, "large", &[("properties.max.request.size", "2000")]);
    let table =
        TestTable { schema: Schema::new(vec![Field::new("t", LogicalType::new(TypeKind::Varchar(9999)))]), ..table };
    let mut writer = table.writer();
    let error = writer.write(batch(&table.schema, &format!("+I | {}", "x".repeat(3000)))).await.unwrap_err();
    assert!(error.message().starts_with("a record has 3"), "{error:?}");
}
