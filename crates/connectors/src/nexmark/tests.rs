//! What the events of a `nexmark` table are, whoever reads them.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use flott_api::options::Options;

use super::columns::{Generator, NexmarkColumn};
use super::*;

fn options(pairs: &[(&str, &str)]) -> Options {
    Options(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>())
}

fn generator(pairs: &[(&str, &str)]) -> Generator {
    use NexmarkColumn::{Auction, Bid, EventType, Person};
    let read = NexmarkOptions::read(&options(pairs)).unwrap();
    Generator::new(&read, vec![EventType, Person, Auction, Bid], schema().arrow())
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
    let bids = Generator::new(&read, vec![NexmarkColumn::Bid], bid_schema).batch(8000, 400).unwrap();
    assert_eq!(bids.column(0), whole.column(3));
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
