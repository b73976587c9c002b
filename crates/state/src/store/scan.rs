//! Reads entries in order, a page at a time.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::Result;
use flott_api::state::{ScanPage, StateNumber};

use super::fetch::read_directories;
use super::format::{full_key, successor};
use super::index::Clear;
use super::layers::Shared;
use super::merge::{Clears, Input, Merger, Step};
use super::stream::{Aged, BlockStream, END, Reading, runs};

/// What a page is merged from.
struct Sources {
    inputs: Vec<Input>,
    streams: Vec<Option<BlockStream>>,
    clears: Vec<(Clear, u32)>,
    /// The page ends above this key: behind it the active memtable was not copied out.
    upto: Option<Bytes>,
}

/// Entries from `from` on whose keys begin with `prefix`, about `entries_max` of them.
pub(super) async fn scan(
    shared: &Shared,
    state: StateNumber,
    prefix: &[u8],
    from: &[u8],
    entries_max: usize,
) -> Result<ScanPage> {
    let end = successor(&full_key(state, prefix)).unwrap_or_else(|| END.to_vec());
    let mut range = full_key(state, from.max(prefix))..end;
    loop {
        let page = page(shared, &range, entries_max.max(1)).await?;
        match &page.next {
            // All that was looked at is deleted.
            Some(next) if page.entries.is_empty() => range.start = full_key(state, next),
            _ => return Ok(page),
        }
    }
}

async fn page(shared: &Shared, range: &Range<Vec<u8>>, entries_max: usize) -> Result<ScanPage> {
    let Sources { inputs, mut streams, clears, upto } = sources(shared, range, entries_max).await?;
    let mut merger = Merger::new(inputs, Clears::new(clears));
    let mut started = vec![false; streams.len()];
    let mut page = ScanPage::default();
    loop {
        let input = match merger.step() {
            Step::Entry(input) => input,
            Step::End => break,
            Step::Dry(input) => {
                if let Some(stream) = &mut streams[input] {
                    merger.feed(input, stream.next(&shared.io).await?);
                }
                if !std::mem::replace(&mut started[input], true) {
                    merger.seek(input, &range.start);
                }
                continue;
            }
        };
        let (key, value) = merger.entry(input);
        if key >= range.end.as_slice() {
            break;
        }
        if upto.as_ref().is_some_and(|upto| key > upto) {
            break;
        }
        if page.entries.len() == entries_max {
            page.next = Some(short(key));
            break;
        }
        if let Some(value) = value {
            page.entries.push((short(key), Bytes::copy_from_slice(value)));
        }
        merger.pop(input);
    }
    if let (None, Some(upto)) = (&page.next, upto) {
        // The active memtable may have more before whatever comes next.
        page.next = Some([short(&upto).as_ref(), &[0]].concat().into());
    }
    Ok(page)
}

/// The key without its state.
fn short(key: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&key[2..])
}

async fn sources(shared: &Shared, range: &Range<Vec<u8>>, entries_max: usize) -> Result<Sources> {
    let groups = &shared.settings.key_groups;
    let (rows, clears, sealed, segments) = {
        let mut layers = shared.lock();
        let rows = layers.active.rows(range, entries_max);
        (rows, layers.active.clears(groups), layers.sealed.clone(), Arc::clone(&layers.segments))
    };
    let (rows, all) = rows;
    let upto = if all { None } else { rows.last().map(|row| row.0.clone()) };
    let mut clears: Vec<(Clear, u32)> = clears.into_iter().map(|clear| (clear, 0)).collect();
    let (mut inputs, mut streams) = (vec![Input::Rows { rows, at: 0, age: 0 }], vec![None]);
    let mut age = 1;
    for sealed in sealed {
        clears.extend(sealed.table.clears(groups).into_iter().map(|clear| (clear, age)));
        let mut input = Input::memtable(sealed.table, age);
        input.seek(&range.start);
        inputs.push(input);
        streams.push(None);
        age += 1;
    }
    read_directories(&shared.io, &segments).await?;
    let aged: Vec<Aged> = (age..).zip(segments.iter().cloned()).map(|(age, segment)| Aged { segment, age }).collect();
    clears.extend(aged.iter().flat_map(Aged::clears));
    for run in runs(&aged) {
        inputs.push(Input::blocks());
        streams.push(Some(BlockStream::new(run, range.clone(), Reading::Cached)));
    }
    Ok(Sources { inputs, streams, clears, upto })
}
