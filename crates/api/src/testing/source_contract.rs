//! What every source promises: from any snapshot it goes on exactly where it was, with as many readers as there are then.
//!
//! A connector's test gives a bounded source; it is read whole, then cut at every event, restored and read to its end, and
//! then restored behind every event.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::env::Environment;
use crate::ids::Subtask;
use crate::source::{ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader};

use super::text::lines;
use super::world::ready;

/// The rows of each split, in order. A split's rows keep their order; those of several have none between them.
type Rows = BTreeMap<String, Vec<String>>;

/// Cuts the reading of a bounded source at every event. `environment` gives a new world each time, in which the same
/// happens.
///
/// # Panics
/// If a row is lost, doubled or out of order within its split.
pub fn source_contract(source: &dyn Fn() -> Box<dyn Source>, environment: &dyn Fn() -> Environment) {
    let contract = Contract { source, environment };
    let mut whole = Rows::new();
    let events = contract.read(&mut whole, usize::MAX, None, 1).events;
    assert!(events > 1, "a source without rows shows nothing");
    for cut in 0..=events {
        let readers_after = [1, 2, 3][cut % 3];
        let mut rows = Rows::new();
        let checkpoint = contract.read(&mut rows, cut, None, [1, 2][cut % 2]);
        contract.read(&mut rows, usize::MAX, Some(checkpoint), readers_after);
        same(&rows, &whole, &format!("cut behind event {cut} of {events}"));
    }
    contract.a_restart_behind_every_event(&whole, events);
    contract.splits_that_nobody_has(&whole);
}

struct Contract<'a> {
    source: &'a dyn Fn() -> Box<dyn Source>,
    environment: &'a dyn Fn() -> Environment,
}

/// What a checkpoint has of a source.
struct Checkpoint {
    enumerator: Bytes,
    splits: Vec<Split>,
    /// How many events came before it.
    events: usize,
}

fn same(found: &Rows, expected: &Rows, when: &str) {
    for (split, rows) in expected {
        let none = Vec::new();
        let found = found.get(split).unwrap_or(&none);
        let differs = found.iter().zip(rows).position(|(f, e)| f != e).unwrap_or(found.len().min(rows.len()));
        assert!(
            found == rows,
            "{when}: split '{split}' has {} rows and not {}, and row {differs} is {:?} and not {:?}",
            found.len(),
            rows.len(),
            found.get(differs),
            rows.get(differs)
        );
    }
    assert_eq!(found.len(), expected.len(), "{when}: there are other splits");
}

impl Contract<'_> {
    fn reader(&self, environment: &Environment, index: u32, parallelism: u32) -> Box<dyn SplitReader> {
        let (environment, metrics) = (environment.clone(), Arc::default());
        let subtask = Subtask { index, parallelism };
        (self.source)().reader(ReaderContext { subtask, environment, metrics }).expect("a reader")
    }

    /// Reads so many events, in turn from so many readers, from the beginning or a checkpoint.
    fn read(&self, rows: &mut Rows, events_max: usize, from: Option<Checkpoint>, parallelism: u32) -> Checkpoint {
        let (restored, mut splits) = match from {
            Some(checkpoint) => (Some(checkpoint.enumerator), checkpoint.splits),
            None => (None, Vec::new()),
        };
        let environment = (self.environment)();
        let mut enumerator = (self.source)().enumerator(&environment, restored).expect("an enumerator");
        let held = |i| Held { reader: self.reader(&environment, i, parallelism), splits: 0 };
        let mut readers: VecDeque<Held> = (0..parallelism).map(held).collect();
        let mut events = 0;
        // A cut at 0 comes before anything was found.
        if events_max > 0 {
            splits.extend(all_splits(enumerator.as_mut()));
        }
        for (i, split) in splits.into_iter().enumerate() {
            let held = &mut readers[i % parallelism as usize];
            held.splits += 1;
            held.reader.add_splits(vec![split]).expect("takes a split");
        }
        while events < events_max && readers.iter().any(|h| h.splits > 0) {
            readers.rotate_left(1);
            let held = &mut readers[0];
            if held.splits == 0 {
                continue;
            }
            match ready(held.reader.next()).expect("reads") {
                ReadEvent::Batch { split, batch } => rows.entry(split).or_default().extend(lines(&batch)),
                ReadEvent::Finished { split } => {
                    rows.entry(split).or_default();
                    held.splits -= 1;
                }
            }
            events += 1;
        }
        let splits = readers.iter_mut().flat_map(|h| h.reader.snapshot().expect("positions")).collect();
        Checkpoint { enumerator: enumerator.snapshot().expect("a snapshot"), splits, events }
    }

    fn a_restart_behind_every_event(&self, whole: &Rows, events: usize) {
        let mut rows = Rows::new();
        let mut checkpoint = self.read(&mut rows, 1, None, 1);
        // A paced source may give a row at a time, but a reader that comes no further must not read for ever.
        let steps_max = events + whole.values().map(Vec::len).sum::<usize>();
        for _ in 0..steps_max {
            if checkpoint.events == 0 {
                break;
            }
            checkpoint = self.read(&mut rows, 1, Some(checkpoint), 1);
        }
        same(&rows, whole, "a restart behind every event");
    }

    /// Splits that a failed reader gave back are in the enumerator's next snapshot, and handed out again from it.
    fn splits_that_nobody_has(&self, whole: &Rows) {
        let mut enumerator = (self.source)().enumerator(&(self.environment)(), None).expect("an enumerator");
        let splits = all_splits(enumerator.as_mut());
        enumerator.add_back(splits);
        let enumerator = enumerator.snapshot().expect("a snapshot");
        let mut rows = Rows::new();
        let from = Checkpoint { enumerator, splits: Vec::new(), events: 0 };
        self.read(&mut rows, usize::MAX, Some(from), 1);
        same(&rows, whole, "splits that were given back");
    }
}

/// What a bounded source is found to be, without waiting.
fn all_splits(enumerator: &mut dyn SplitEnumerator) -> Vec<Split> {
    let mut splits = Vec::new();
    loop {
        let discovery = ready(enumerator.discover()).expect("finds splits");
        let by_demand = enumerator.open_splits_max() < u64::MAX && !discovery.splits.is_empty();
        assert!(
            discovery.finished || by_demand,
            "a bounded source is found at once, or split by split where it says so"
        );
        splits.extend(discovery.splits);
        if discovery.finished {
            return splits;
        }
    }
}

struct Held {
    reader: Box<dyn SplitReader>,
    splits: usize,
}
