//! A table that says in each row how often it was read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use arrow_array::Int32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::Subtask;
use flott_api::lookup::LookupCache;
use flott_api::options::Options;
use flott_api::source::{Boundedness, Discovery, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::testing::{FakeWorld, ready};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};

use super::*;

#[derive(Default)]
struct Counting(Arc<AtomicI32>);

impl Source for Counting {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &Environment, _: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(Splits(2)))
    }

    fn reader(&self, _: ReaderContext) -> Result<Box<dyn SplitReader>> {
        Ok(Box::new(Reader { splits: Vec::new(), read: self.0.fetch_add(1, Ordering::SeqCst) + 1 }))
    }
}

/// So many splits, one at a time.
struct Splits(u32);

#[async_trait]
impl SplitEnumerator for Splits {
    async fn discover(&mut self) -> Result<Discovery> {
        self.0 -= 1;
        let split = Split { id: self.0.to_string(), state: Bytes::new() };
        Ok(Discovery { splits: vec![split], finished: self.0 == 0 })
    }

    fn add_back(&mut self, _: Vec<Split>) {}

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }
}

struct Reader {
    splits: Vec<String>,
    read: i32,
}

#[async_trait]
impl SplitReader for Reader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.splits.extend(splits.into_iter().flat_map(|s| [s.id.clone(), format!("end of {}", s.id)]));
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        let split = self.splits.remove(0);
        if split.starts_with("end") {
            return Ok(ReadEvent::Finished { split });
        }
        Ok(ReadEvent::Batch {
            split,
            batch: ChangeBatch::inserts(rows(&[(Some(7), self.read), (None, 0), (Some(-8), 8)])),
        })
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        Ok(Vec::new())
    }

    fn pause_split(&mut self, _: &str, _: bool) {}
}

fn int() -> LogicalType {
    LogicalType::new(TypeKind::Int)
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("k", int()), Field::new("v", int())])
}

fn rows(pairs: &[(Option<i32>, i32)]) -> RecordBatch {
    let keys: ArrayRef = Arc::new(Int32Array::from_iter(pairs.iter().map(|p| p.0)));
    let values: ArrayRef = Arc::new(Int32Array::from_iter_values(pairs.iter().map(|p| p.1)));
    RecordBatch::try_new(schema().arrow(), vec![keys, values]).unwrap()
}

fn table(reload: Reload) -> FullTable {
    let table = SourceSpec {
        connector: "counting".to_owned(),
        table: "c.d.t".to_owned(),
        options: Options::default(),
        schema: schema(),
        projection: vec![0, 1],
        read_fields: Vec::new(),
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".to_owned(),
    };
    let spec = LookupSpec { table, keys: vec![0], in_flight_max: None, cache: LookupCache::Full(reload) };
    let (subtask, metrics) = (Subtask { index: 0, parallelism: 1 }, Arc::default());
    let reader = ReaderContext { subtask, environment: FakeWorld::at(0).environment(), metrics };
    FullTable::new(Box::new(Counting::default()), reader, &spec, reload)
}

/// The keys' places and the values that are found.
fn found(table: &mut FullTable, keys: &[i32], now_ms: i64) -> Vec<(u32, i32)> {
    let keys: ArrayRef = Arc::new(Int32Array::from(keys.to_vec()));
    let found = ready(table.find(&RecordBatch::try_from_iter([("k", keys)]).unwrap(), now_ms)).unwrap();
    found.keys.iter().copied().zip(found.rows.column(1).as_primitive::<Int32Type>().values().iter().copied()).collect()
}

#[test]
fn the_rows_of_all_splits_are_found_in_the_order_of_keys() {
    let mut table = table(Reload::Never);
    assert_eq!(found(&mut table, &[-8, 3, 7, -8], 0), [(0, 8), (0, 8), (2, 1), (2, 1), (3, 8), (3, 8)]);
    assert_eq!(found(&mut table, &[], 0), []);
    assert_eq!(found(&mut table, &[7], i64::MAX), [(0, 1), (0, 1)]);
}

#[test]
fn it_is_read_again_when_it_is_due() {
    let mut table = table(Reload::Periodic { interval_ms: 100, fixed_rate: false });
    let mut at = |now_ms| found(&mut table, &[7], now_ms)[0].1;
    assert_eq!([at(50), at(149), at(150), at(151), at(400), at(499), at(500)], [1, 1, 2, 2, 3, 3, 4]);
}
