//! Compaction: many files become fewer, beside the writers, one merge at a time.
//!
//! Files that share no key are one run: a look needs at most one of them. What is merged is always a stretch of
//! neighbouring runs, so the order of ages holds. A stretch may be merged when it has some runs of one size and none that
//! is larger, and is merged when that pays: when much of it would be left out, when looks have gone through its runs so
//! often that one run instead had cost less, or when there are very many. What was only written is not written again.
//! Everything is merged when much of it is deletions; and a run of which a rescale has left less
//! than half is written anew. Deletions and clears are dropped when nothing older may have what they hide.

use std::ops::Range;
use std::sync::Arc;

use flott_api::{BoxFuture, ErrorKind, Result};

use super::fetch::read_directories;
use super::flush;
use super::format::cut;
use super::io::Counters;
use super::layers::Shared;
use super::merge::{Clears, Input, Merger};
use super::rewrite::{Rewrite, Rules};
use super::segment::Segment;
use super::sketch::different;
use super::stream::{Aged, BlockStream, END, Reading, runs};

/// So many runs of one size are merged if that pays,
const RUNS_MIN: usize = 4;
/// and so many whether it pays or not: a restore reads a part of each.
const RUNS_KEPT: usize = 5;
/// A look for one key in one more run costs as much as to merge so many bytes.
const BYTES_PER_LOOK: u64 = 32;
/// More are never merged at once: each needs a block in memory and a comparison per entry.
const RUNS_MAX: usize = 12;
/// Runs are of one size if they fall into the same power of this.
const TIER_GROWTH: u64 = 4;

/// Starts looking for something to compact.
pub(super) fn start(shared: &Arc<Shared>) {
    let files = shared.lock().segments.iter().filter(|segment| segment.file().is_some()).count();
    if files > 0 {
        shared.start("state compaction", |layers| &mut layers.compaction, run);
    }
}

fn run(shared: Arc<Shared>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        while shared.lock().compaction.goes_on() {
            match compact(&shared).await {
                Ok(false) => {}
                Ok(true) => shared.lock().compaction.want(),
                Err(error) => {
                    tracing::error!(%error, "state cannot be compacted");
                    let mut layers = shared.lock();
                    layers.compaction.give_up();
                    // Storage that fails is tried again after the next flush; a damaged file stays damaged.
                    if !matches!(error.kind(), ErrorKind::External { .. }) {
                        layers.failure = Some(error);
                    }
                    return;
                }
            }
        }
    })
}

/// Compacts once, if there is anything to be compacted.
async fn compact(shared: &Arc<Shared>) -> Result<bool> {
    let segments = Arc::clone(&shared.lock().segments);
    let files = aged(&segments).filter(|aged| aged.segment.file().is_some()).collect::<Vec<_>>();
    read_directories(&shared.io, &segments).await?;
    let runs = runs(&files);
    let sizes: Vec<Size> = runs.iter().map(|run| size_of_run(run)).collect();
    let unit_bytes = shared.settings.memtable_bytes as u64;
    let is_checkpointed = shared.lock().is_checkpointed;
    // What a clear hides, or what has expired, is known only when it is read. And of a checkpoint a restore reads a part of each
    // file: few files pay there, whatever a merge would leave out.
    let is_known = !is_checkpointed
        && files.iter().all(|aged| aged.segment.known_directory().is_some_and(|d| d.clears.is_empty()))
        && shared.lock().states.ttl_ms().iter().all(|ttl_ms| *ttl_ms <= 0);
    let pays = |range: &Range<usize>| !is_known || pays(&runs[range.clone()], &sizes[range.clone()], unit_bytes);
    let Some(chosen) = choose(&sizes, unit_bytes, pays) else {
        return Ok(false);
    };
    let rewrite = merge(shared, &runs[chosen.clone()], &files);
    let mut written = Vec::new();
    let done = write_all(shared, rewrite, &mut written).await;
    done.inspect_err(|_| written.iter().for_each(|segment| segment.retire()))?;
    let inputs = runs[chosen].concat();
    install(shared, &inputs, written);
    Ok(true)
}

fn aged(segments: &[Arc<Segment>]) -> impl Iterator<Item = Aged> {
    (0..).zip(segments).map(|(age, segment)| Aged { segment: Arc::clone(segment), age })
}

/// What is to be known of a run to choose.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Without what a rescale has cut away, about.
    bytes: u64,
    entries: u64,
    deletions: u64,
    /// For how many keys somebody has looked into it.
    looks: u64,
    /// Whether a rescale has left less than half of it.
    is_cut: bool,
}

fn size_of_run(run: &[Aged]) -> Size {
    let (mut size, mut all_bytes) = (Size::default(), 0);
    for segment in run.iter().map(|aged| &aged.segment) {
        let (Some(file), Some(directory)) = (segment.file(), segment.known_directory()) else { continue };
        let (left, written) = (segment.groups().len() as u64, directory.groups.len().max(1) as u64);
        all_bytes += file.size;
        size.bytes += (u128::from(file.size) * u128::from(left) / u128::from(written)) as u64;
        size.entries += file.entries;
        size.deletions += directory.deletions;
        size.looks += segment.looks();
    }
    size.is_cut = size.bytes < all_bytes / 2;
    size
}

/// Whether a merge of these runs gives more than it costs.
fn pays(runs: &[Vec<Aged>], sizes: &[Size], unit_bytes: u64) -> bool {
    let segments = || runs.iter().flatten().map(|aged| &aged.segment);
    let Some(plain_bytes) = segments().map(|segment| Some(segment.sketch()?.plain_bytes)).sum::<Option<u64>>() else {
        return true;
    };
    let sum = |of: fn(&Size) -> u64| sizes.iter().map(of).sum::<u64>();
    let left = different(segments().filter_map(|segment| segment.sketch())).saturating_sub(sum(|size| size.deletions));
    let are_small = plain_bytes < sizes.len() as u64 * unit_bytes / 2;
    let are_looked_into = sum(|size| size.looks).saturating_mul(BYTES_PER_LOOK) >= sum(|size| size.bytes);
    are_small || are_looked_into || left <= sum(|size| size.entries) / 4 * 3
}

/// The runs to merge, the newest first; nothing if they may stay.
fn choose(runs: &[Size], unit_bytes: u64, pays: impl Fn(&Range<usize>) -> bool) -> Option<Range<usize>> {
    let tier = |run: &Size| (run.bytes / unit_bytes.max(1)).max(1).ilog(TIER_GROWTH);
    let largest = runs.iter().map(tier).max()?;
    (0..=largest)
        .find_map(|bound| stretch(runs, bound, tier, &pays))
        .or_else(|| is_mostly_deleted(runs).then_some(0..runs.len()))
        .or_else(|| runs.iter().position(|run| run.is_cut).map(|at| at..at + 1))
}

/// Neighbours that are no larger than the bound and of which enough are as large.
fn stretch(
    runs: &[Size],
    bound: u32,
    tier: impl Fn(&Size) -> u32,
    pays: impl Fn(&Range<usize>) -> bool,
) -> Option<Range<usize>> {
    let mut start = 0;
    while start < runs.len() {
        let length = runs[start..].iter().take_while(|run| tier(run) <= bound).count();
        let as_large = runs[start..start + length].iter().filter(|run| tier(run) == bound).count();
        if as_large >= RUNS_MIN {
            // The oldest ones: what is deleted leaves sooner.
            let end = start + length;
            let oldest = start.max(end.saturating_sub(RUNS_MAX))..end;
            if as_large >= RUNS_KEPT || pays(&oldest) {
                return Some(oldest);
            }
        }
        start += length + 1;
    }
    None
}

fn is_mostly_deleted(runs: &[Size]) -> bool {
    let (entries, deletions): (u64, u64) = runs.iter().fold((0, 0), |(e, d), r| (e + r.entries, d + r.deletions));
    (2..=RUNS_MAX).contains(&runs.len()) && deletions * 2 >= entries
}

fn merge(shared: &Shared, chosen: &[Vec<Aged>], files: &[Aged]) -> Rewrite {
    let inputs: Vec<Aged> = chosen.concat();
    let start = inputs.iter().map(|aged| aged.segment.groups().start).min().unwrap_or(0);
    let end = inputs.iter().map(|aged| aged.segment.groups().end).max().unwrap_or(start);
    let groups = start..end;
    let oldest = inputs.iter().map(|aged| aged.age).max().unwrap_or(0);
    let older = files.iter().filter(|aged| aged.age > oldest);
    let something_is_older = older.into_iter().any(|aged| !cut(aged.segment.groups(), &groups).is_empty());
    let settings = &shared.settings;
    let (ttl_ms, codec) = {
        let layers = shared.lock();
        (layers.states.ttl_ms(), flush::codec_of(&layers))
    };
    let rules = Rules {
        groups,
        something_is_older,
        ttl_ms,
        now_ms: shared.io.environment.clock.now_ms(),
        block_bytes: settings.block_bytes,
        codec,
        segment_bytes_max: settings.segment_bytes_max,
        input_bytes: inputs.iter().map(|aged| aged.segment.size() as usize).sum(),
    };
    let clears = Clears::new(inputs.iter().flat_map(Aged::clears).collect());
    let stream = |run: &Vec<Aged>| Some(BlockStream::new(run.clone(), Vec::new()..END.to_vec(), Reading::Once));
    let merger = Merger::new(chosen.iter().map(|_| Input::blocks()).collect(), clears);
    Rewrite::new(merger, chosen.iter().map(stream).collect(), rules)
}

async fn write_all(shared: &Arc<Shared>, mut rewrite: Rewrite, written: &mut Vec<Arc<Segment>>) -> Result<()> {
    while let Some(next) = rewrite.next(&shared.io).await? {
        Counters::add(&shared.io.counters.compacted_bytes, next.segment.bytes.len());
        written.push(flush::put(shared, next.segment).await?);
    }
    Ok(())
}

/// Puts what was written into the place of what was merged. Flushes may have come before it, nothing between.
fn install(shared: &Shared, inputs: &[Aged], written: Vec<Arc<Segment>>) {
    let mut layers = shared.lock();
    let is_input = |segment: &Arc<Segment>| inputs.iter().any(|input| Arc::ptr_eq(&input.segment, segment));
    let place = layers.segments.iter().position(is_input).unwrap_or(0);
    let mut segments: Vec<Arc<Segment>> = layers.segments.iter().filter(|s| !is_input(s)).cloned().collect();
    segments.splice(place..place, written);
    layers.segments = Arc::new(segments);
    inputs.iter().for_each(|input| input.segment.retire());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(bytes: &[u64]) -> Vec<Size> {
        bytes.iter().map(|bytes| Size { bytes: *bytes, entries: 100, ..Size::default() }).collect()
    }

    fn chosen(runs: &[Size]) -> Option<Range<usize>> {
        choose(runs, 10, |_| true)
    }

    #[test]
    fn what_pays_not_is_merged_when_there_are_very_many() {
        assert_eq!(choose(&runs(&[10; RUNS_KEPT - 1]), 10, |_| false), None);
        assert_eq!(choose(&runs(&[10; RUNS_KEPT]), 10, |_| false), Some(RUNS_KEPT.saturating_sub(RUNS_MAX)..RUNS_KEPT));
        // What is behind the runs that may stay is not forgotten.
        let sizes = runs(&[10, 10, 10, 10, 640, 10, 10, 10, 10]);
        assert_eq!(choose(&sizes, 10, |range| range.start > 3), Some(5..9));
    }

    #[test]
    fn neighbours_of_one_size_are_merged() {
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&runs(&[10, 10, 10])), None);
        assert_eq!(chosen(&runs(&[5, 12, 30, 10])), Some(0..4));
        assert_eq!(chosen(&runs(&[10, 10, 40, 50, 60, 159])), Some(0..6));
        assert_eq!(chosen(&runs(&[10, 10, 640, 40, 50, 60, 159, 640])), Some(3..7));
        assert_eq!(chosen(&runs(&[10, 640, 10, 640, 10, 640, 10])), None);
        assert_eq!(chosen(&runs(&[10; 20])), Some(8..20));
    }

    #[test]
    fn deletions_and_what_a_rescale_left_are_rewritten() {
        let mut deleted = runs(&[10, 640]);
        deleted[0].deletions = 100;
        assert_eq!(chosen(&deleted), Some(0..2));
        deleted[0].deletions = 99;
        assert_eq!(chosen(&deleted), None);
        assert_eq!(chosen(&deleted[..1]), None);
        let mut cut = runs(&[10, 640]);
        cut[1].is_cut = true;
        assert_eq!(chosen(&cut), Some(1..2));
    }
}
