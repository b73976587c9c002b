//! What the events of a `nexmark` table are, whoever reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use bytes::Bytes;
use flott_api::ids::Subtask;
use flott_api::options::Options;
use flott_api::source::{ReadEvent, ReaderContext, Split, SplitEnumerator, SplitReader};
use flott_api::testing::{FakeWorld, ready, source_contract};
use futures::FutureExt as _;

use super::columns::{Generator, NexmarkColumn};
use super::ranges::RANGE_EVENTS;
use super::*;

fn options(pairs: &[(&str, &str)]) -> Options {
    Options(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>())
}

fn generator(pairs: &[(&str, &str)]) -> Generator {
    use NexmarkColumn::{Auction, Bid, EventType, Person};
    let read = NexmarkOptions::read(&options(pairs)).unwrap();
    Generator::new(&read, vec![EventType, Person, Auction, Bid], &[], schema().arrow())
}

fn kinds(batch: &RecordBatch) -> [usize; 3] {
    let kinds = batch.column(0).as_primitive::<Int32Type>();
    std::array::from_fn(|kind| kinds.values().iter().filter(|k| **k == kind as i32).count())
}

#[test]
fn the_mix_is_the_suites() {
    let batch = generator(&[]).batch(0, 5000).unwrap();
    assert_eq!(kinds(&batch), [100, 300, 4600]);
    for (column, rows) in [(1, 100), (2, 300), (3, 4600)] {
        assert_eq!(batch.num_rows() - batch.column(column).null_count(), rows);
    }
    let only_bids = [("person.proportion", "1"), ("auction.proportion", "1"), ("bid.proportion", "8")];
    assert_eq!(kinds(&generator(&only_bids).batch(0, 1000).unwrap()), [100, 100, 800]);
}

#[test]
fn an_event_does_not_depend_on_how_it_is_read() {
    let g = generator(&[]);
    let whole = g.batch(8000, 400).unwrap();
    assert_eq!(g.batch(8100, 7).unwrap(), whole.slice(100, 7));
    let read = NexmarkOptions::read(&options(&[])).unwrap();
    let bid_schema = schema().project(&[3]).arrow();
    let bids = Generator::new(&read, vec![NexmarkColumn::Bid], &[], bid_schema).batch(8000, 400).unwrap();
    assert_eq!(bids.column(0), whole.column(3));
}

#[test]
fn a_field_does_not_depend_on_which_others_are_read() {
    use NexmarkColumn::{Auction, Bid, Person};
    let read = NexmarkOptions::read(&options(&[])).unwrap();
    let (columns, schema) = (vec![Person, Auction, Bid], schema().project(&[1, 2, 3]).arrow());
    let whole = Generator::new(&read, columns.clone(), &[], Arc::clone(&schema)).batch(8000, 4000).unwrap();
    let fields_of = |column: usize| whole.column(column).as_struct().num_columns();
    for column in 0..3 {
        for field in 0..fields_of(column) {
            let mut read_fields = vec![Some(Vec::new()); 3];
            read_fields[column] = Some(vec![field]);
            let generator = Generator::new(&read, columns.clone(), &read_fields, Arc::clone(&schema));
            let narrow = generator.batch(8000, 4000).unwrap();
            let (all, one) = (whole.column(column).as_struct(), narrow.column(column).as_struct());
            assert_eq!(all.nulls(), one.nulls());
            let taken = |rows: &arrow_array::StructArray| {
                arrow_select::filter::filter(
                    rows.column(field),
                    &arrow_array::BooleanArray::new(rows.nulls().unwrap().inner().clone(), None),
                )
                .unwrap()
            };
            assert_eq!(&taken(all), &taken(one), "field {field} of column {column}");
        }
    }
}

#[test]
fn bids_refer_to_persons_and_auctions_near_them() {
    let batch = generator(&[]).batch(100_000, 5000).unwrap();
    let bids = batch.column(3).as_struct();
    let (auction, bidder) = (bids.column(0).as_primitive::<Int64Type>(), bids.column(1).as_primitive::<Int64Type>());
    let hot = (0..5000).filter(|i| bids.is_valid(*i) && auction.value(*i) % 100 == 0).count();
    assert!((2200..2700).contains(&hot), "about half of all bids go to a hot auction, not {hot}");
    for i in (0..5000).filter(|i| bids.is_valid(*i)) {
        assert!((6800..=7400).contains(&auction.value(i)), "auction {}", auction.value(i));
        assert!((2000..=3200).contains(&bidder.value(i)), "bidder {}", bidder.value(i));
    }
    let extra = bids.column(6).as_string::<i32>();
    let bytes: usize = (0..5000).map(|i| extra.value(i).len()).sum();
    assert!((60 * 4600..76 * 4600).contains(&bytes), "68 bytes a bid on average, not {}", bytes / 4600);
}

#[test]
fn the_rate_sets_event_time_and_never_turns_back() {
    let base = 1_436_918_400_000;
    let even = generator(&[("first-event.rate", "1000")]);
    assert_eq!([even.timestamp(0), even.timestamp(1500)], [base, base + 1500]);
    for shape in ["SQUARE", "sine"] {
        let pairs =
            [("first-event.rate", "10"), ("next-event.rate", "100"), ("rate.period", "10 s"), ("rate.shape", shape)];
        let g = generator(&pairs);
        let times: Vec<i64> = (0..3000).map(|event| g.timestamp(event)).collect();
        assert!(times.is_sorted(), "{shape}");
        // 10 a second and 100 a second in turn: about 550 events in ten seconds.
        let after_a_period = times[550] - base;
        assert!((9_000..=11_000).contains(&after_a_period), "{shape}: {after_a_period}");
    }
    let dates = even.batch(0, 50).unwrap();
    let bid_times = dates.column(3).as_struct().column(5).as_primitive::<TimestampMillisecondType>().clone();
    assert_eq!(bid_times.value(49), base + 49);
}

#[test]
fn options_and_columns_are_strict() {
    let error = NexmarkOptions::read(&options(&[("event.num", "5")])).unwrap_err();
    assert_eq!(error.hint(), Some("Did you mean 'events.num'?"));
    assert!(NexmarkOptions::read(&options(&[("auction.proportion", "0")])).is_err());
    let wrong = Schema::new(vec![Field::new("event_type", LogicalType::string())]);
    assert_eq!(check_schema("c.d.t", &wrong).unwrap_err().detail(), Some("It is declared as STRING, and is INT."));
    assert!(check_schema("c.d.t", &schema().project(&[3, 0])).is_ok());
}

fn spec(pairs: &[(&str, &str)]) -> SourceSpec {
    SourceSpec {
        connector: "nexmark".into(),
        table: "c.d.t".into(),
        options: options(pairs),
        schema: schema(),
        projection: vec![0, 3],
        read_fields: Vec::new(),
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".into(),
    }
}

fn reader(source: &dyn Source, world: &Arc<FakeWorld>) -> Box<dyn SplitReader> {
    let cx = ReaderContext {
        subtask: Subtask { index: 0, parallelism: 1 },
        environment: world.environment(),
        metrics: Arc::default(),
    };
    source.reader(cx).unwrap()
}

fn splits(source: &dyn Source, world: &Arc<FakeWorld>) -> Vec<Split> {
    all_splits(source.enumerator(&world.environment(), None).unwrap().as_mut())
}

fn all_splits(enumerator: &mut dyn SplitEnumerator) -> Vec<Split> {
    let mut splits = Vec::new();
    loop {
        let found = ready(enumerator.discover()).unwrap();
        splits.extend(found.splits);
        if found.finished {
            return splits;
        }
    }
}

/// The auctions of all bids that a reader gives, in order; stops after `batches`.
fn auctions(reader: &mut dyn SplitReader, splits_left: &mut usize, batches: usize) -> Vec<i64> {
    let mut all = Vec::new();
    let mut read = 0;
    while *splits_left > 0 && read < batches {
        match ready(reader.next()).unwrap() {
            ReadEvent::Finished { .. } => *splits_left -= 1,
            ReadEvent::Batch { batch, .. } => {
                read += 1;
                let bids = batch.rows().column(1).as_struct();
                let ids = bids.column(0).as_primitive::<Int64Type>();
                all.extend((0..batch.len()).filter(|i| bids.is_valid(*i)).map(|i| ids.value(i)));
            }
        }
    }
    all
}

#[test]
fn any_number_of_readers_gives_the_same_events_and_a_snapshot_goes_on() {
    let world = FakeWorld::at(0);
    let source = Nexmark.source(&spec(&[("events.num", "100000")])).unwrap();
    let all = splits(source.as_ref(), &world);
    let mut alone = reader(source.as_ref(), &world);
    alone.add_splits(all.clone()).unwrap();
    let expected = auctions(alone.as_mut(), &mut all.len(), usize::MAX);
    assert_eq!(expected.len(), 92_000);

    let mut shared = Vec::new();
    for part in all.chunks(all.len() / 2 + 1) {
        let mut one = reader(source.as_ref(), &world);
        one.add_splits(part.to_vec()).unwrap();
        shared.extend(auctions(one.as_mut(), &mut part.len(), usize::MAX));
    }
    let sorted = |mut ids: Vec<i64>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted(shared), sorted(expected.clone()));

    let mut first = reader(source.as_ref(), &world);
    first.add_splits(all.clone()).unwrap();
    let mut left = all.len();
    let mut before = auctions(first.as_mut(), &mut left, 5);
    let mut second = reader(source.as_ref(), &world);
    second.add_splits(first.snapshot().unwrap()).unwrap();
    before.extend(auctions(second.as_mut(), &mut left, usize::MAX));
    assert_eq!(before, expected);
}

#[test]
fn a_restored_enumerator_goes_on_behind_the_last_range() {
    let world = FakeWorld::at(0);
    let source = Nexmark.source(&spec(&[("events.num", "100000")])).unwrap();
    let all = splits(source.as_ref(), &world);
    assert_eq!(all.len() as u64, 100_000_u64.div_ceil(RANGE_EVENTS));
    let mut first = source.enumerator(&world.environment(), None).unwrap();
    let one = |enumerator: &mut dyn SplitEnumerator| ready(enumerator.discover()).unwrap().splits;
    let given = [one(first.as_mut()), one(first.as_mut())].concat();
    assert_eq!(given, all[..2]);
    first.add_back(vec![given[0].clone()]);
    let snapshot = first.snapshot().unwrap();
    let mut second = source.enumerator(&world.environment(), Some(snapshot)).unwrap();
    assert_eq!(all_splits(second.as_mut()), [&all[..1], &all[2..]].concat());
    assert!(source.enumerator(&world.environment(), Some(Bytes::from_static(b"{"))).is_err());
}

#[test]
fn what_was_begun_with_interleaved_blocks_goes_on_with_them() {
    let world = FakeWorld::at(0);
    let table = |pairs: &[(&str, &str)]| Nexmark.source(&spec(pairs)).unwrap();
    let limited = table(&[("events.num", "100000"), ("rate-limited", "true")]);
    let before = limited.enumerator(&world.environment(), None).unwrap().snapshot().unwrap();
    let source = table(&[("events.num", "100000")]);
    let blocks = all_splits(source.enumerator(&world.environment(), Some(before)).unwrap().as_mut());
    assert_eq!(blocks, splits(limited.as_ref(), &world));
    let read = |splits: &[Split]| {
        let mut reader = reader(source.as_ref(), &world);
        reader.add_splits(splits.to_vec()).unwrap();
        auctions(reader.as_mut(), &mut splits.len(), usize::MAX)
    };
    assert_eq!(read(&blocks), read(&splits(source.as_ref(), &world)));
}

#[test]
fn a_table_that_is_kept_alive_has_no_last_range() {
    let world = FakeWorld::at(0);
    let source = Nexmark.source(&spec(&[("events.num", "17000"), ("keep-alive", "true")])).unwrap();
    let mut enumerator = source.enumerator(&world.environment(), None).unwrap();
    let mut reader = reader(source.as_ref(), &world);
    for _ in 0..2 {
        let found = ready(enumerator.discover()).unwrap();
        assert!(!found.finished);
        reader.add_splits(found.splits).unwrap();
    }
    assert!(enumerator.discover().now_or_never().is_none());
    assert_eq!(auctions(reader.as_mut(), &mut 2, usize::MAX).len(), 15_640);
    assert!(reader.next().now_or_never().is_none());
}

#[test]
fn a_damaged_split_is_named() {
    let source = Nexmark.source(&spec(&[])).unwrap();
    let mut reader = reader(source.as_ref(), &FakeWorld::at(0));
    let damaged = Split { id: "7".into(), state: vec![9, 9].into() };
    let error = reader.add_splits(vec![damaged]).unwrap_err();
    assert_eq!(error.message(), "split '7' of a nexmark table cannot be read");
}

#[test]
fn rows_wait_for_real_time_where_that_is_asked_for() {
    let world = FakeWorld::at(0);
    let limited = [("events.num", "10000"), ("first-event.rate", "1000"), ("rate-limited", "true")];
    let source = Nexmark.source(&spec(&limited)).unwrap();
    let mut reader = reader(source.as_ref(), &world);
    reader.add_splits(splits(source.as_ref(), &world)).unwrap();
    // The fake clock moves on when somebody waits for it.
    let clock = world.environment().clock;
    let mut rows = 0;
    let mut batches = 0;
    while rows < 10_000 {
        if let ReadEvent::Batch { batch, .. } = ready(reader.next()).unwrap() {
            rows += batch.len() as i64;
            batches += 1;
            // A thousand events a second, the first of them at once.
            assert!((rows - 1..rows + 6).contains(&clock.now_ms()), "{rows} rows after {} ms", clock.now_ms());
        }
    }
    assert_eq!(rows, 10_000);
    assert!(batches > 1000, "rows come as their time comes, not a block at a time: {batches}");
}

#[test]
fn with_a_base_time_of_its_own_no_row_comes_before_its_time() {
    let live = [("events.num", "100"), ("first-event.rate", "1000"), ("rate-limited", "true"), ("base-time", "1500")];
    for (start_ms, first_ms) in [(1000, 1500), (1500, 1500), (9000, 9000)] {
        let world = FakeWorld::at(start_ms);
        let source = Nexmark.source(&spec(&live)).unwrap();
        let mut reader = reader(source.as_ref(), &world);
        reader.add_splits(splits(source.as_ref(), &world)).unwrap();
        let ReadEvent::Batch { .. } = ready(reader.next()).unwrap() else { panic!() };
        let now_ms = world.environment().clock.now_ms();
        assert!((first_ms..first_ms + 3).contains(&now_ms), "from {start_ms} ms on the first row came at {now_ms} ms");
    }
}

#[test]
fn the_contract_of_sources_is_kept() {
    let paced = [("events.num", "200"), ("rate-limited", "true"), ("first-event.rate", "1000")];
    for (options, projection) in [(&[("events.num", "17000")][..], vec![0]), (&paced, vec![0, 3])] {
        let table = SourceSpec { projection, ..spec(options) };
        source_contract(&|| Nexmark.source(&table).unwrap(), &|| FakeWorld::at(0).environment());
    }
}

#[test]
fn a_restored_reader_keeps_the_pace_and_does_not_begin_it_anew() {
    let limited = [("events.num", "100000"), ("first-event.rate", "1000"), ("rate-limited", "true")];
    let source = Nexmark.source(&spec(&limited)).unwrap();
    let world = FakeWorld::at(0);
    let mut before = reader(source.as_ref(), &world);
    before.add_splits(splits(source.as_ref(), &world)).unwrap();
    let mut rows = 0;
    while rows < 50_000 {
        let ReadEvent::Batch { batch, .. } = ready(before.next()).unwrap() else { panic!() };
        rows += batch.len();
    }
    let positions = before.snapshot().unwrap();
    // Two readers after it, some time later. One has splits that begin later: it waits for their time.
    for (part, waits_ms) in [(&positions[..7], 0..10), (&positions[7..], 7_000..8_000)] {
        let world = FakeWorld::at(1_000_000);
        let mut after = reader(source.as_ref(), &world);
        after.add_splits(part.to_vec()).unwrap();
        let ReadEvent::Batch { .. } = ready(after.next()).unwrap() else { panic!() };
        let waited_ms = world.environment().clock.now_ms() - 1_000_000;
        assert!(waits_ms.contains(&waited_ms), "{waited_ms} ms");
    }
}

#[test]
fn splits_of_the_first_version_are_read() {
    let source = Nexmark.source(&spec(&[("events.num", "100")])).unwrap();
    let mut reader = reader(source.as_ref(), &FakeWorld::at(0));
    let state = [&[1_u8][..], &0_u64.to_le_bytes(), &60_u64.to_le_bytes()].concat();
    reader.add_splits(vec![Split { id: "0".into(), state: state.into() }]).unwrap();
    let ReadEvent::Batch { batch, .. } = ready(reader.next()).unwrap() else { panic!() };
    assert_eq!(batch.len(), 40);
}
