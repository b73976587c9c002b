//! The connector as a whole, in a world whose clock moves when somebody sleeps.

use flott_api::source::ReadEvent;
use flott_api::table::{SourceSpec, TableFactory};
use flott_api::testing::{lines, ready, source_contract};
use flott_api::{Error, Field, LogicalType, Schema, TypeKind};

use super::Datagen;
use crate::testing::{environment, options, read_all, reader_context};

fn spec(columns: &[(&str, TypeKind)], pairs: &[(&str, &str)]) -> SourceSpec {
    let schema = Schema::new(columns.iter().map(|(n, k)| Field::new(*n, LogicalType::new(k.clone()))).collect());
    SourceSpec {
        connector: "datagen".to_owned(),
        table: "c.d.t".to_owned(),
        options: options(pairs),
        projection: (0..schema.len()).collect(),
        read_fields: Vec::new(),
        schema,
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".to_owned(),
    }
}

fn rows(spec: &SourceSpec) -> Vec<String> {
    read_all(&*Datagen.source(spec).unwrap(), &environment(), usize::MAX).unwrap()
}

fn refused(columns: &[(&str, TypeKind)], pairs: &[(&str, &str)]) -> Error {
    Datagen.source(&spec(columns, pairs)).err().unwrap()
}

#[test]
fn sequences_count_and_end_the_table() {
    let pairs = [("fields.a.kind", "sequence"), ("fields.a.start", "1"), ("fields.a.end", "3")];
    assert_eq!(rows(&spec(&[("a", TypeKind::Int)], &pairs)), ["+I | 1", "+I | 2", "+I | 3"]);
    let text = spec(&[("a", TypeKind::Varchar(9)), ("b", TypeKind::Boolean)], &pairs);
    assert_eq!(rows(&text).len(), 3);
    assert!(rows(&text)[2].starts_with("+I | 3 | "));
    let decimal = TypeKind::Decimal { precision: 5, scale: 2 };
    assert_eq!(rows(&spec(&[("a", decimal)], &pairs))[0], "+I | 1.00");
}

#[test]
fn random_values_lie_in_their_range() {
    let pairs =
        [("number-of-rows", "20000"), ("fields.a.min", "5"), ("fields.a.max", "6"), ("rows-per-second", "1000000")];
    let found = rows(&spec(&[("a", TypeKind::Int)], &pairs));
    assert_eq!(found.len(), 20_000);
    assert!(found.iter().all(|r| r == "+I | 5" || r == "+I | 6"));
    let fives = found.iter().filter(|r| *r == "+I | 5").count();
    assert!((9_000..11_000).contains(&fives), "{fives}");
    let nulls = rows(&spec(&[("a", TypeKind::Int)], &[("number-of-rows", "5"), ("fields.a.null-rate", "1")]));
    assert_eq!(nulls, ["+I | NULL"; 5]);
}

#[test]
fn every_type_is_made() {
    let int = || Box::new(LogicalType::new(TypeKind::Int));
    let columns = [
        ("a", TypeKind::TinyInt),
        ("b", TypeKind::BigInt),
        ("c", TypeKind::Float),
        ("d", TypeKind::Double),
        ("e", TypeKind::Decimal { precision: 38, scale: 5 }),
        ("f", TypeKind::Char(3)),
        ("g", TypeKind::Varchar(u32::MAX >> 1)),
        ("h", TypeKind::Binary(2)),
        ("i", TypeKind::Date),
        ("j", TypeKind::Time(0)),
        ("k", TypeKind::Timestamp(3)),
        ("l", TypeKind::TimestampLtz(9)),
        ("m", TypeKind::Timestamp(6)),
        ("n", TypeKind::Array(int())),
        ("o", TypeKind::Map(int(), int())),
        ("p", TypeKind::Multiset(int())),
        ("q", TypeKind::Row(vec![Field::new("x", *int())])),
    ];
    let pairs = [("number-of-rows", "3"), ("fields.q.x.min", "7"), ("fields.q.x.max", "7"), ("fields.n.length", "1")];
    let found = rows(&spec(&columns, &pairs));
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|r| r.ends_with("(7)")), "{found:?}");
}

#[test]
fn a_restart_goes_on_with_the_same_rows() {
    let table = spec(&[("a", TypeKind::BigInt)], &[("number-of-rows", "30000"), ("scan.parallelism", "3")]);
    let source = Datagen.source(&table).unwrap();
    let straight = read_all(&*source, &environment(), usize::MAX).unwrap();
    assert_eq!(straight.len(), 30_000);
    let mut restarted = read_all(&*source, &environment(), 1).unwrap();
    let mut straight = straight;
    straight.sort();
    restarted.sort();
    assert_eq!(restarted, straight);
}

#[test]
fn the_contract_of_sources_is_kept() {
    let columns = [("a", TypeKind::BigInt), ("b", TypeKind::Varchar(9)), ("c", TypeKind::Double)];
    let sequence = [("fields.a.kind", "sequence"), ("fields.a.start", "1"), ("fields.a.end", "2500")];
    for parallelism in ["1", "3"] {
        let pairs = [&sequence[..], &[("scan.parallelism", parallelism), ("rows-per-second", "3000")]].concat();
        let table = spec(&columns, &pairs);
        source_contract(&|| Datagen.source(&table).unwrap(), &environment);
    }
}

/// How many splits there are is settled by the first start.
#[test]
fn another_parallelism_after_a_restore_changes_no_row() {
    let sequence = [("fields.a.kind", "sequence"), ("fields.a.start", "1"), ("fields.a.end", "500")];
    let at = |parallelism| {
        let pairs = [&sequence[..], &[("scan.parallelism", parallelism)]].concat();
        Datagen.source(&spec(&[("a", TypeKind::BigInt)], &pairs)).unwrap()
    };
    let world = environment();
    let snapshot = at("2").enumerator(&world, None).unwrap().snapshot().unwrap();
    let source = at("5");
    let splits = ready(source.enumerator(&world, Some(snapshot)).unwrap().discover()).unwrap().splits;
    assert_eq!(splits.len(), 2);
    let mut reader = source.reader(reader_context(&world, &std::sync::Arc::default())).unwrap();
    reader.add_splits(splits).unwrap();
    let (mut rows, mut finished) = (Vec::new(), 0);
    while finished < 2 {
        match ready(reader.next()).unwrap() {
            ReadEvent::Batch { batch, .. } => rows.extend(lines(&batch)),
            ReadEvent::Finished { .. } => finished += 1,
        }
    }
    rows.sort();
    let mut expected: Vec<String> = (1..=500).map(|i| format!("+I | {i}")).collect();
    expected.sort();
    assert_eq!(rows, expected);
}

#[test]
fn rows_come_at_their_rate() {
    let table = spec(&[("a", TypeKind::Int)], &[("number-of-rows", "101"), ("rows-per-second", "10")]);
    let world = environment();
    let before = world.clock.now_ms();
    assert_eq!(read_all(&*Datagen.source(&table).unwrap(), &world, usize::MAX).unwrap().len(), 101);
    let passed = world.clock.now_ms() - before;
    assert!((9_900..11_000).contains(&passed), "{passed}");
}

#[test]
fn wrong_options_are_refused() {
    let int = [("a", TypeKind::Int)];
    assert_eq!(refused(&int, &[("fields.a.mn", "1")]).hint(), Some("Did you mean 'fields.a.min'?"));
    assert!(refused(&int, &[("fields.a.min", "5"), ("fields.a.max", "4")]).message().contains("more than"));
    assert!(refused(&int, &[("fields.a.kind", "sequence")]).message().contains("needs option 'fields.a.start'"));
    assert!(refused(&int, &[("rows-per-second", "0")]).message().contains("at least 1"));
    assert!(refused(&[("a", TypeKind::Varchar(3))], &[("fields.a.length", "5")]).message().contains("between 1 and 3"));
    assert!(refused(&[("a", TypeKind::Char(3))], &[("fields.a.length", "5")]).message().contains("no option"));
}
