//! Splits of a `nexmark` table: interleaved blocks of event numbers, or ranges of them.
//!
//! In real time, split `s` of `n` holds blocks `s`, `s + n`, `s + 2n`, .. so that all splits move through event time
//! together, whoever reads them. As fast as it goes, splits are short [ranges](super::ranges). A reader always reads the
//! earliest block that it has.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{Clock, Environment};
use flott_api::source::{Boundedness, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};

use super::columns::{Generator, NexmarkColumn};
use super::options::NexmarkOptions;
use super::ranges::Ranges;
use crate::fixed_splits::FixedSplits;

/// Events of a block, which is read at once.
pub(super) const BLOCK_EVENTS: u64 = BATCH_ROWS_MAX as u64;
/// How many splits there are: enough for any number of readers that one machine has.
const SPLITS: u64 = 64;
/// The version of a split's bytes: it, the split's number, the number of its next event, how far the pace had come, and, of
/// a range, where it ends.
const SPLIT_VERSION_RANGE: u8 = 3;
/// Of interleaved blocks.
const SPLIT_VERSION: u8 = 2;
/// The first version had no pace.
const SPLIT_VERSION_UNPACED: u8 = 1;
/// A rate-limited reader does not wake up more often than this.
const WAIT_MS_MIN: i64 = 1;

/// A `nexmark` table to be read.
pub(super) struct NexmarkSource {
    options: NexmarkOptions,
    generator: Generator,
}

impl NexmarkSource {
    /// The source of a specification.
    pub(super) fn new(spec: &SourceSpec) -> Result<Self> {
        let options = NexmarkOptions::read(&spec.options)?;
        let output = spec.output_schema();
        let columns = output.fields.iter().map(|f| {
            NexmarkColumn::named(&f.name)
                .ok_or_else(|| Error::internal(format!("nexmark is asked for a column '{}'", f.name)))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let generator = Generator::new(&options, columns, &spec.read_fields, output.arrow());
        Ok(NexmarkSource { options, generator })
    }
}

impl Source for NexmarkSource {
    fn boundedness(&self) -> Boundedness {
        self.options.boundedness()
    }

    fn enumerator(&self, _: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        let ranges = match &restored {
            Some(snapshot) => Ranges::restored(&self.options, snapshot)?,
            None => (!self.options.rate_limited).then(|| Ranges::new(&self.options)),
        };
        if let Some(ranges) = ranges {
            return Ok(Box::new(ranges));
        }
        let unread = || (0..SPLITS).map(|split| Position::of_blocks(split).encode()).collect();
        Ok(Box::new(FixedSplits::new(restored, || Ok(unread()))?))
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let clock = self.options.rate_limited.then(|| Arc::clone(&cx.environment.clock));
        Ok(Box::new(NexmarkReader {
            generator: self.generator.clone(),
            events: self.options.events_num.unwrap_or(u64::MAX),
            keep_alive: self.options.keep_alive,
            pace_from_ms: self.options.base_time_ms,
            is_real_time: self.options.is_real_time,
            splits: Vec::new(),
            clock,
            started_ns: None,
        }))
    }
}

/// How far a split has been read.
#[derive(Clone, Copy)]
pub(super) struct Position {
    split: u64,
    /// The number of the next event to read.
    event: u64,
    /// Up to which event time a rate-limited reader had let events through.
    paced_ms: i64,
    /// Where it ends, if it is a range.
    end: Option<u64>,
    paused: bool,
}

impl Position {
    /// A split of interleaved blocks, unread.
    fn of_blocks(split: u64) -> Self {
        Position { split, event: split * BLOCK_EVENTS, paced_ms: i64::MIN, end: None, paused: false }
    }

    /// A range of events, unread.
    pub(super) fn of_range(split: u64, events: Range<u64>) -> Self {
        Position { split, event: events.start, paced_ms: i64::MIN, end: Some(events.end), paused: false }
    }

    pub(super) fn encode(&self) -> Split {
        let mut state = vec![if self.end.is_some() { SPLIT_VERSION_RANGE } else { SPLIT_VERSION }];
        for number in [self.split, self.event, self.paced_ms as u64].into_iter().chain(self.end) {
            state.extend_from_slice(&number.to_le_bytes());
        }
        Split { id: self.split.to_string(), state: state.into() }
    }

    /// Where the block ends that is being read.
    fn block_end(&self) -> u64 {
        let end = (self.event / BLOCK_EVENTS + 1).saturating_mul(BLOCK_EVENTS);
        end.min(self.end.unwrap_or(u64::MAX))
    }

    /// Goes on behind so many events: in this block, or at the split's next one.
    fn advance(&mut self, count: u64) {
        let end = self.block_end();
        self.event += count;
        if self.event == end && self.end.is_none() {
            self.event = end.saturating_add((SPLITS - 1) * BLOCK_EVENTS);
        }
    }
}

struct NexmarkReader {
    generator: Generator,
    /// Numbers from here on do not exist.
    events: u64,
    keep_alive: bool,
    /// The event time at which the pace begins.
    pace_from_ms: i64,
    /// Whether events must not come before their time.
    is_real_time: bool,
    splits: Vec<Position>,
    /// The clock to be held back by, if rate-limited.
    clock: Option<Arc<dyn Clock>>,
    started_ns: Option<u64>,
}

impl NexmarkReader {
    /// Up to which event time events may be read.
    fn paced_ms(&self) -> i64 {
        let (Some(clock), Some(started_ns)) = (&self.clock, self.started_ns) else { return self.pace_from_ms };
        let passed_ms = (clock.monotonic_ns() as i64 - started_ns as i64) / 1_000_000;
        self.pace_from_ms.saturating_add(passed_ms)
    }

    /// How many of these events may be read now: all of them, or those whose time has come in real time. Waits for the
    /// first. Cancel-safe: nothing moves.
    async fn due(&mut self, events: Range<u64>) -> u64 {
        let all = events.end - events.start;
        let Some(clock) = &self.clock else { return all };
        let early_ms = self.pace_from_ms.saturating_sub(clock.now_ms()).max(0) as u64;
        let early_ms = if self.is_real_time { early_ms } else { 0 };
        self.started_ns.get_or_insert_with(|| clock.monotonic_ns() + early_ms * 1_000_000);
        loop {
            let now_ms = self.paced_ms();
            let due = partition_point(events.clone(), |event| self.generator.timestamp(event) <= now_ms);
            if due > events.start {
                return due - events.start;
            }
            let wait_ms = self.generator.timestamp(events.start) - now_ms;
            clock.sleep_ms(wait_ms.max(WAIT_MS_MIN) as u64).await;
        }
    }
}

/// The first event for which `is_before` does not hold; it holds for none behind it.
fn partition_point(mut events: Range<u64>, is_before: impl Fn(u64) -> bool) -> u64 {
    while events.start < events.end {
        let middle = events.start + (events.end - events.start) / 2;
        if is_before(middle) {
            events.start = middle + 1;
        } else {
            events.end = middle;
        }
    }
    events.start
}

#[async_trait]
impl SplitReader for NexmarkReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let position = decode(&split)?;
            if self.started_ns.is_none() {
                // All readers of a restored job go on from where the furthest of their splits was.
                self.pace_from_ms = self.pace_from_ms.max(position.paced_ms);
            }
            self.splits.push(position);
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        let earliest = self.splits.iter().enumerate().filter(|(_, p)| !p.paused).min_by_key(|(_, p)| p.event);
        let Some((index, position)) = earliest else { return std::future::pending().await };
        let (split, first) = (position.split, position.event);
        let end = position.block_end().min(self.events);
        if first >= end {
            if self.keep_alive && position.end.is_none() {
                return std::future::pending().await;
            }
            self.splits.swap_remove(index);
            return Ok(ReadEvent::Finished { split: split.to_string() });
        }
        let count = self.due(first..end).await;
        let rows = self.generator.batch(first, count as usize)?;
        self.splits[index].advance(count);
        Ok(ReadEvent::Batch { split: split.to_string(), batch: ChangeBatch::inserts(rows) })
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        let paced_ms = self.paced_ms();
        Ok(self.splits.iter().map(|p| Position { paced_ms, ..*p }.encode()).collect())
    }

    fn pause_split(&mut self, split: &str, paused: bool) {
        for position in self.splits.iter_mut().filter(|p| p.split.to_string() == split) {
            position.paused = paused;
        }
    }
}

fn decode(split: &Split) -> Result<Position> {
    let damaged = || Error::corrupt(format!("split '{}' of a nexmark table cannot be read", split.id));
    let (version, rest) = split.state.split_first().ok_or_else(damaged)?;
    let (numbers, end) = rest.as_chunks::<8>();
    let numbers: Vec<u64> = numbers.iter().map(|n| u64::from_le_bytes(*n)).collect();
    let (split, event, paced, range_end) = match (*version, numbers.as_slice()) {
        (SPLIT_VERSION_RANGE, [split, event, paced, end]) => (*split, *event, *paced, Some(*end)),
        (SPLIT_VERSION, [split, event, paced]) => (*split, *event, *paced, None),
        (SPLIT_VERSION_UNPACED, [split, event]) => (*split, *event, i64::MIN as u64, None),
        _ => return Err(damaged()),
    };
    if !end.is_empty() {
        return Err(damaged());
    }
    Ok(Position { split, event, paced_ms: paced as i64, end: range_end, paused: false })
}
