//! Merges what is older and newer into new segments: the work of a flush and of a compaction.

use std::ops::Range;

use flott_api::{Error, Result};

use super::block::Codec;
use super::format::state_of;
use super::io::Io;
use super::merge::{Merger, Step};
use super::stream::BlockStream;
use super::writer::{EncodedSegment, SegmentWriter};

/// The time of the last change, before every value.
const TIME_BYTES: usize = 8;

/// What becomes of an entry.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The key groups of the segments that are written.
    pub(super) groups: Range<u32>,
    /// Whether something older may have what is deleted or cleared here.
    pub(super) something_is_older: bool,
    /// By state: how long an entry lives after its last change; 0 for ever.
    pub(super) ttl_ms: Vec<i64>,
    pub(super) now_ms: i64,
    pub(super) block_bytes: usize,
    pub(super) codec: Codec,
    pub(super) segment_bytes_max: usize,
    /// Bytes of all that is merged, about.
    pub(super) input_bytes: usize,
}

impl Rules {
    fn writer(&self) -> SegmentWriter {
        // With filters and indexes a segment is a little larger than its bound.
        let bound = self.segment_bytes_max + self.segment_bytes_max / 8;
        SegmentWriter::new(self.block_bytes, self.codec, self.input_bytes.min(bound))
    }

    /// Whether an entry's time is over.
    #[inline]
    fn is_expired(&self, key: &[u8], value: &[u8]) -> bool {
        let ttl_ms = self.ttl_ms.get(state_of(key) as usize).copied().unwrap_or(0);
        if ttl_ms <= 0 {
            return false;
        }
        let Some(time) = value.first_chunk::<TIME_BYTES>() else { return false };
        let time_ms = i64::from_le_bytes(*time);
        time_ms > 0 && time_ms.saturating_add(ttl_ms) <= self.now_ms
    }
}

/// A merge on its way.
pub(super) struct Rewrite {
    /// Nothing at its end, or while it runs elsewhere.
    work: Option<Work>,
    /// What feeds each input; nothing for those in memory.
    streams: Vec<Option<BlockStream>>,
}

struct Work {
    merger: Merger,
    rules: Rules,
    writer: SegmentWriter,
}

enum Pause {
    Dry(usize),
    Full(EncodedSegment),
    Done(Option<EncodedSegment>),
}

/// A segment of those that a merge gives.
pub(super) struct Rewritten {
    pub(super) segment: EncodedSegment,
    /// Whether nothing follows.
    pub(super) last: bool,
}

impl Rewrite {
    pub(super) fn new(merger: Merger, streams: Vec<Option<BlockStream>>, rules: Rules) -> Self {
        let writer = rules.writer();
        Rewrite { work: Some(Work { merger, rules, writer }), streams }
    }

    /// The next segment; the later ones are the older ones, because the last says what is cleared in what is older.
    pub(super) async fn next(&mut self, io: &Io) -> Result<Option<Rewritten>> {
        while let Some(mut work) = self.work.take() {
            let (mut work, pause) = io
                .blocking(move || {
                    let pause = work.run()?;
                    Ok((work, pause))
                })
                .await?;
            match pause {
                Pause::Dry(input) => {
                    let stream = self.streams[input].as_mut();
                    let stream = stream.ok_or_else(|| Error::internal("an input in memory has run dry"))?;
                    work.merger.feed(input, stream.next(io).await?);
                    self.work = Some(work);
                }
                Pause::Full(segment) => {
                    self.work = Some(work);
                    return Ok(Some(Rewritten { segment, last: false }));
                }
                Pause::Done(segment) => return Ok(segment.map(|segment| Rewritten { segment, last: true })),
            }
        }
        Ok(None)
    }
}

impl Work {
    fn run(&mut self) -> Result<Pause> {
        loop {
            let input = match self.merger.step() {
                Step::Entry(input) => input,
                Step::Dry(input) => return Ok(Pause::Dry(input)),
                Step::End => return self.finish().map(Pause::Done),
            };
            if self.writer.byte_len() >= self.rules.segment_bytes_max {
                let writer = std::mem::replace(&mut self.writer, self.rules.writer());
                return writer.finish(Vec::new(), self.rules.groups.clone()).map(Pause::Full);
            }
            if let Some((key, value)) = self.merger.uncleared(input) {
                let value = value.filter(|value| !self.rules.is_expired(key, value));
                if value.is_some() || self.rules.something_is_older {
                    self.writer.push(key, value)?;
                }
            }
            self.merger.pop(input);
        }
    }

    fn finish(&mut self) -> Result<Option<EncodedSegment>> {
        let clears =
            if self.rules.something_is_older { self.merger.clears().merged(&self.rules.groups) } else { Vec::new() };
        if self.writer.is_empty() && clears.is_empty() {
            return Ok(None);
        }
        let writer = std::mem::replace(&mut self.writer, SegmentWriter::new(0, Codec::Plain, 0));
        writer.finish(clears, self.rules.groups.clone()).map(Some)
    }
}
