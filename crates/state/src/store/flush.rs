//! Flushes memtables beside the writers, and completes checkpoints.
//!
//! Small state goes into the checkpoint itself: it is encoded as a file would be, and stays in memory until the next
//! flush takes it along. A flush never takes what was written after a checkpoint that still waits.

use std::sync::Arc;

use flott_api::{BoxFuture, Error, Result};

use super::block::Codec;
use super::compaction;
use super::layers::{Layers, Sealed, Shared, again};
use super::memtable::Memtable;
use super::merge::{Clears, Input, Merger};
use super::rewrite::{Rewrite, Rules};
use super::segment::Segment;
use super::stream::{Aged, BlockStream, END, Reading};
use super::writer::EncodedSegment;
use crate::handle::StateFile;

/// What is flushed together.
struct Flush {
    /// The newest first.
    tables: Vec<Sealed>,
    /// Older than the memtables.
    memory: Vec<Arc<Segment>>,
    /// Whether files lie below.
    something_is_older: bool,
    /// Whether it may stay in memory if it is small.
    may_be_inline: bool,
    codec: Codec,
}

/// Starts flushing, if there is anything to flush.
pub(super) fn start(shared: &Arc<Shared>) {
    shared.start("state flush", |layers| &mut layers.flush, run);
}

fn run(shared: Arc<Shared>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        while let Some(flush) = next(&shared) {
            let done = write(&shared, &flush).await;
            match done {
                Ok(segments) => install(&shared, flush, segments),
                Err(error) => return fail(&shared, error),
            }
            compaction::start(&shared);
        }
    })
}

/// Completes the checkpoints that need no more, and says what is to be done next.
fn next(shared: &Shared) -> Option<Flush> {
    let mut layers = shared.lock();
    loop {
        let (bound, memory) = (layers.checkpoints.front().map(|pending| pending.upto), memory_of(&layers));
        let tables = layers.sealed.iter().filter(|sealed| bound.is_none_or(|bound| sealed.number <= bound));
        let tables: Vec<Sealed> = tables.cloned().collect();
        if !tables.is_empty() || bound.is_some() && memory.len() > 1 {
            let something_is_older = layers.segments.len() > memory.len();
            layers.flush.want();
            let codec = codec_of(&layers);
            return Some(Flush { tables, memory, something_is_older, may_be_inline: bound.is_some(), codec });
        }
        if let Some(pending) = layers.checkpoints.pop_front() {
            let snapshot = layers.snapshot(&shared.settings.key_groups, &pending);
            // Whoever gave the checkpoint up needs no answer.
            drop(pending.reply.send(Ok(snapshot)));
        } else if !layers.flush.goes_on() {
            return None;
        }
    }
}

/// Compressing takes as long as all the rest of a flush or a merge. So what leaves memory for want of room is compressed
/// only if there are checkpoints: then all of it is part of the next one, and may have a long way to go.
pub(super) fn codec_of(layers: &Layers) -> Codec {
    if layers.is_checkpointed { Codec::Lz4 } else { Codec::Plain }
}

fn memory_of(layers: &Layers) -> Vec<Arc<Segment>> {
    layers.segments.iter().filter(|segment| segment.bytes().is_some()).cloned().collect()
}

async fn write(shared: &Arc<Shared>, flush: &Flush) -> Result<Vec<Arc<Segment>>> {
    let rewrite = merge(shared, flush).await?;
    let mut segments = Vec::new();
    let written = write_all(shared, flush.may_be_inline, rewrite, &mut segments).await;
    written.inspect_err(|_| segments.iter().for_each(|segment| segment.retire()))?;
    Ok(segments)
}

async fn write_all(
    shared: &Arc<Shared>,
    may_be_inline: bool,
    mut rewrite: Rewrite,
    segments: &mut Vec<Arc<Segment>>,
) -> Result<()> {
    let (io, settings) = (&shared.io, &shared.settings);
    while let Some(next) = rewrite.next(io).await? {
        let small = next.segment.bytes.len() <= settings.inline_bytes_max;
        if may_be_inline && small && next.last && segments.is_empty() {
            let groups = settings.key_groups.clone();
            segments.push(Segment::kept(io, next.segment, groups, &shared.discarded));
        } else {
            segments.push(put(shared, next.segment).await?);
        }
    }
    Ok(())
}

/// Puts a segment into a file of its own.
pub(super) async fn put(shared: &Arc<Shared>, encoded: EncodedSegment) -> Result<Arc<Segment>> {
    let (path, groups) = (shared.next_path(), encoded.directory.groups.clone());
    let size = encoded.bytes.len() as u64;
    let (entries, checksum) = (encoded.entries, encoded.checksum);
    shared.io.put(&path, encoded.bytes.clone()).await?;
    let file = StateFile { path, size, entries, key_groups: groups, checksum };
    let segment = Segment::written(&shared.io, file, (encoded.directory, encoded.sketch), &shared.discarded);
    segment.warm(&shared.io, &encoded.bytes)?;
    Ok(segment)
}

async fn merge(shared: &Arc<Shared>, flush: &Flush) -> Result<Rewrite> {
    let (io, settings) = (&shared.io, &shared.settings);
    let (mut clears, mut streams) = (Vec::new(), Vec::new());
    for (age, sealed) in flush.tables.iter().enumerate() {
        clears.extend(sealed.table.clears(&settings.key_groups).into_iter().map(|clear| (clear, age as u32)));
        streams.push(None);
    }
    for (age, segment) in (flush.tables.len() as u32..).zip(&flush.memory) {
        segment.directory(io).await?;
        let aged = Aged { segment: Arc::clone(segment), age };
        clears.extend(aged.clears());
        streams.push(Some(BlockStream::new(vec![aged], Vec::new()..END.to_vec(), Reading::Once)));
    }
    let tables = flush.tables.iter().map(|sealed| sealed.table.memory_bytes());
    let input_bytes = tables.sum::<usize>() + flush.memory.iter().map(|segment| segment.size() as usize).sum::<usize>();
    let (tables, memory) = (flush.tables.clone(), flush.memory.len());
    // Sorting is the larger part of the work.
    let sort = move || {
        let tables = (0..).zip(tables).map(|(age, sealed)| Input::memtable(sealed.table, age));
        Ok(tables.chain((0..memory).map(|_| Input::blocks())).collect())
    };
    let merger = Merger::new(io.blocking(sort).await?, Clears::new(clears));
    let rules = Rules {
        groups: settings.key_groups.clone(),
        something_is_older: flush.something_is_older,
        // Only a compaction judges what has expired.
        ttl_ms: Vec::new(),
        now_ms: 0,
        block_bytes: settings.block_bytes,
        codec: flush.codec,
        segment_bytes_max: settings.segment_bytes_max,
        input_bytes,
    };
    Ok(Rewrite::new(merger, streams, rules))
}

fn install(shared: &Shared, flush: Flush, mut segments: Vec<Arc<Segment>>) {
    let mut layers = shared.lock();
    layers.sealed.retain(|sealed| flush.tables.iter().all(|table| table.number != sealed.number));
    let stays = |segment: &&Arc<Segment>| flush.memory.iter().all(|flushed| !Arc::ptr_eq(flushed, segment));
    segments.extend(layers.segments.iter().filter(stays).cloned());
    layers.segments = Arc::new(segments);
    if let (false, Some(sealed)) = (flush.may_be_inline, flush.tables.into_iter().next()) {
        // Whoever reads it at the moment keeps it.
        layers.spare = Arc::into_inner(sealed.table).map(Memtable::emptied);
    }
    layers.wake_writers();
}

/// What was to be flushed stays where it is; whoever waits is told, or whoever comes next.
fn fail(shared: &Shared, error: Error) {
    tracing::error!(%error, "state cannot be flushed");
    let mut layers = shared.lock();
    layers.flush.give_up();
    for pending in std::mem::take(&mut layers.checkpoints) {
        // Whoever gave the checkpoint up needs no answer.
        drop(pending.reply.send(Err(again(&error))));
    }
    layers.failure = Some(error);
    layers.wake_writers();
}
