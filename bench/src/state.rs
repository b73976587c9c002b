//! `flott-bench state [rows] [folder]`: the state store alone, on files of a local folder.
//!
//! Rows have keys of 16 bytes and values of 40 (a time, two small numbers, 16 random bytes) and come in random order, in
//! batches of 8192. Rates are told per second of the processor, over all threads, so that they hold for one core whatever
//! else the machine does; the seconds of the clock stand beside them.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::ids::Subtask;
use flott_api::object::{ObjectStatus, ObjectStore, PutMode, PutOutcome};
use flott_api::state::{EntryBatch, KeyBatch, StateDescriptor, StateNumber, StateStore, WriteKind};
use flott_api::{BoxFuture, Error, Result};
use flott_state::handle::StoreSnapshot;
use flott_state::store::{BlockCache, SegmentStore, StoreOptions};

const BATCH_ROWS: u64 = 8192;
const KEY_GROUPS: u32 = 128;
/// Memtables of 32 MB that no compaction follows yet.
const ROWS_BEFORE_COMPACTION: u64 = 1_000_000;
const FETCH_KEYS: u64 = 10_000;
const FETCHES: u64 = 20;
const CACHE_BYTES: usize = 1 << 30;
/// A tick of `/proc/self/stat`, on every Linux.
const TICK_NANOS: u64 = 10_000_000;

/// Measures all of it; the report.
pub(crate) async fn measure(environment: &Environment, rows: u64, folder: &Path) -> Result<String> {
    let mut report = format!("state store: {rows} rows of 16 + 40 bytes, memtables of 32 MB\n\n");
    let bench = Bench { environment: environment.clone(), folder: folder.to_owned() };
    let generated = bench.timed(bench.write(None, ROWS_BEFORE_COMPACTION)).await?.1;
    let store = bench.open("small-", &[], CACHE_BYTES)?;
    let small = bench.timed(bench.write(Some(&store), ROWS_BEFORE_COMPACTION)).await?.1;
    let per_row = small.cpu_seconds.max(0.01) - generated.cpu_seconds;
    line(&mut report, "write without compaction, rows/s", ROWS_BEFORE_COMPACTION as f64 / per_row, &small);
    drop(store);

    let store = bench.open("all-", &[], CACHE_BYTES)?;
    let (snapshot, all) = bench.timed(bench.write(Some(&store), rows)).await?;
    let share = rows as f64 / ROWS_BEFORE_COMPACTION as f64;
    line(
        &mut report,
        "write with compaction, rows/s",
        rows as f64 / (all.cpu_seconds - generated.cpu_seconds * share),
        &all,
    );
    let merging = all.cpu_seconds - (per_row + generated.cpu_seconds) * share;
    let metrics = store.metrics();
    line(&mut report, "compaction, MB/s", metrics.compacted_bytes as f64 / 1e6 / merging.max(0.01), &all);
    _ = writeln!(
        report,
        "{} files of {} MB; {} MB written in all, {} MB of them by compaction\n",
        metrics.files,
        metrics.file_bytes / 1_000_000,
        metrics.written_bytes / 1_000_000,
        metrics.compacted_bytes / 1_000_000
    );
    drop(store);
    bench.fetches(&mut report, &snapshot, rows).await?;
    Ok(report)
}

fn line(report: &mut String, what: &str, rate: f64, taken: &Taken) {
    _ = writeln!(
        report,
        "{what:<44} {rate:>12.0}   cpu {:>7.2} s  wall {:>7.2} s",
        taken.cpu_seconds, taken.wall_seconds
    );
}

struct Taken {
    cpu_seconds: f64,
    wall_seconds: f64,
}

struct Bench {
    environment: Environment,
    folder: PathBuf,
}

impl Bench {
    fn open(&self, prefix: &str, restored: &[StoreSnapshot], cache_bytes: usize) -> Result<Arc<SegmentStore>> {
        let objects = Arc::new(Folder { root: self.folder.clone() });
        let subtask = (Subtask { index: 0, parallelism: 1 }, 0..KEY_GROUPS);
        let cache = BlockCache::new(cache_bytes);
        let options = StoreOptions::new(objects, self.environment.clone(), prefix.to_owned(), subtask, cache);
        let store = SegmentStore::open(options, restored)?;
        store.declare(&StateDescriptor {
            name: "measured".to_owned(),
            key: "BIGINT".to_owned(),
            parts: Vec::new(),
            version: 1,
            namespaced: false,
            ttl_ms: 0,
        })?;
        Ok(store)
    }

    async fn timed<T>(&self, work: impl Future<Output = Result<T>>) -> Result<(T, Taken)> {
        let (cpu, wall) = (cpu_nanos(), self.environment.clock.monotonic_ns());
        let value = work.await?;
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let wall_seconds = seconds(self.environment.clock.monotonic_ns() - wall);
        Ok((value, Taken { cpu_seconds: seconds(cpu_nanos() - cpu), wall_seconds }))
    }

    /// Writes all rows and takes a checkpoint; without a store it only makes the rows.
    async fn write(&self, store: Option<&Arc<SegmentStore>>, rows: u64) -> Result<StoreSnapshot> {
        let mut batch = EntryBatch::default();
        for start in (0..rows).step_by(BATCH_ROWS as usize) {
            batch.clear();
            for row in start..rows.min(start + BATCH_ROWS) {
                batch.push(WriteKind::Put, |k| put_key(k, row), |v| put_value(v, row));
            }
            if let Some(store) = store {
                store.write(StateNumber(0), &batch).await?;
            }
        }
        let Some(store) = store else { return Ok(StoreSnapshot::default()) };
        let snapshot = store.checkpoint().await?;
        // Merging goes on behind the last write.
        let mut before = None;
        while before.replace(store.metrics()) != Some(store.metrics()) {
            self.environment.clock.sleep_ms(2_000).await;
        }
        drop(snapshot);
        store.checkpoint().await
    }

    async fn fetches(&self, report: &mut String, snapshot: &StoreSnapshot, rows: u64) -> Result<()> {
        let absent = rows..rows * 2;
        for (what, among) in [("present", 0..rows), ("absent", absent)] {
            // Blocks of every fetch are other ones; at the end most of the cache is used.
            let store = self.open("read-", std::slice::from_ref(snapshot), CACHE_BYTES)?;
            for (state, seeds) in [("cold", 0..FETCHES), ("warm", 0..FETCHES)] {
                let batches: Vec<KeyBatch> = seeds.map(|seed| keys(seed, &among)).collect();
                let (found, taken) = self.timed(look(&store, &batches)).await?;
                let count = batches.iter().map(KeyBatch::len).sum::<usize>();
                let expected = if what == "present" { count } else { 0 };
                if found != expected {
                    return Err(Error::internal(format!("{found} of {count} {what} keys were found")));
                }
                let rate = count as f64 / taken.cpu_seconds.max(0.01);
                line(report, &format!("fetch of 10000 {what} keys, {state}, keys/s"), rate, &taken);
            }
            _ = writeln!(report, "  read {} MB", store.metrics().read_bytes / 1_000_000);
        }
        Ok(())
    }
}

async fn look(store: &Arc<SegmentStore>, batches: &[KeyBatch]) -> Result<usize> {
    let mut found = 0;
    for batch in batches {
        found += store.fetch(StateNumber(0), batch).await?.iter().flatten().count();
    }
    Ok(found)
}

fn keys(seed: u64, among: &Range<u64>) -> KeyBatch {
    let rows = (0..FETCH_KEYS).map(|n| among.start + mix(seed << 32 | n) % (among.end - among.start));
    let mut keys: Vec<Vec<u8>> = rows
        .map(|row| {
            let mut key = Vec::new();
            put_key(&mut key, row);
            key
        })
        .collect();
    keys.sort();
    keys.dedup();
    let mut batch = KeyBatch::default();
    keys.iter().for_each(|key| batch.push(key));
    batch
}

fn put_key(out: &mut Vec<u8>, row: u64) {
    let (a, b) = (mix(row), mix(row ^ 0x5555_5555_0000_0000));
    out.extend_from_slice(&((a % u64::from(KEY_GROUPS)) as u16).to_be_bytes());
    out.extend_from_slice(&a.to_be_bytes());
    out.extend_from_slice(&b.to_be_bytes()[..6]);
}

fn put_value(out: &mut Vec<u8>, row: u64) {
    out.extend_from_slice(&1_767_225_600_000i64.to_le_bytes());
    out.extend_from_slice(&(row % 1000).to_le_bytes());
    out.extend_from_slice(&(row % 7).to_le_bytes());
    out.extend_from_slice(&mix(row + 1).to_le_bytes());
    out.extend_from_slice(&mix(row + 2).to_le_bytes());
}

/// SplitMix64 (Sebastiano Vigna, public domain).
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// User and system time of all threads of this process.
pub(crate) fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses, the 12th and 13th field.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * TICK_NANOS
}

/// Objects as files of a folder, no more than a measurement needs.
struct Folder {
    root: PathBuf,
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |e| Error::external(format!("file '{path}' cannot be used")).with_source(e)
}

impl Folder {
    fn read(&self, path: &str, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let path = self.root.join(path);
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(&path)(e)),
        };
        let read = |range: &Range<u64>| {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut bytes, range.start).map_err(failed(&path))?;
            Ok(bytes.into())
        };
        ranges.iter().map(read).collect::<Result<_>>().map(Some)
    }
}

impl ObjectStore for Folder {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, _: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        let path = self.root.join(path);
        Box::pin(async move { std::fs::write(&path, &bytes).map_err(failed(&path)).map(|()| PutOutcome::Stored) })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        let path = self.root.join(path);
        Box::pin(async move { std::fs::read(&path).map_err(failed(&path)).map(|bytes| Some(bytes.into())) })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move { self.read(path, ranges) })
    }

    fn list<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        Box::pin(async { Err(Error::unsupported("a listing of measured files")) })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        let path = self.root.join(path);
        Box::pin(async move { std::fs::remove_file(&path).map_err(failed(&path)) })
    }

    fn copy<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Err(Error::unsupported("a copy of measured files")) })
    }
}
