//! A segment of a store: a file, or the same bytes in memory, read piece by piece when they are wanted.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use flott_api::Result;

use super::block::Block;
use super::cache::{Cached, CachedFile};
use super::format::damaged;
use super::index::{BlockRef, Directory, FOOTER_BYTES, Footer, Part, PartIndex};
use super::io::Io;
use super::sketch::Sketch;
use super::writer::EncodedSegment;
use crate::handle::StateFile;

/// What is read at first: footer and directory of nearly every file.
const TAIL_BYTES: u64 = 16 << 10;
/// Reading so many bytes for nothing costs less than another request.
const GAP_BYTES_MAX: u64 = 4 << 10;

/// The indexes of a new file may push out so much of the cache.
const WARM_PART: usize = 16;

/// Paths of files that nobody uses any more.
pub(super) type Discarded = Arc<Mutex<Vec<String>>>;

/// Where its bytes are.
#[derive(Clone, Debug)]
enum Source {
    File(StateFile),
    Memory(Bytes),
}

pub(super) struct Segment {
    source: Source,
    /// For which key groups it counts.
    groups: Range<u32>,
    /// What the cache has of it.
    cached: CachedFile,
    directory: OnceLock<Arc<Directory>>,
    /// What is known of its keys, if it was written here.
    sketch: Option<Sketch>,
    /// For how many keys somebody has looked into it.
    looks: AtomicU64,
    /// Whether the store has no more use for it. Its path is discarded when the last reader lets go.
    retired: AtomicBool,
    discarded: Discarded,
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let (true, Source::File(file)) = (self.retired.load(Ordering::Relaxed), &self.source) {
            self.discarded.lock().unwrap_or_else(PoisonError::into_inner).push(file.path.clone());
        }
    }
}

impl Segment {
    /// A file of a checkpoint; its key groups are cut already.
    pub(super) fn restored(io: &Io, file: StateFile, discarded: &Discarded) -> Arc<Self> {
        let groups = file.key_groups.clone();
        Arc::new(Self::new(io, Source::File(file), groups, discarded))
    }

    /// Inline state of a checkpoint.
    pub(super) fn inline(io: &Io, bytes: Bytes, groups: Range<u32>, discarded: &Discarded) -> Arc<Self> {
        Arc::new(Self::new(io, Source::Memory(bytes), groups, discarded))
    }

    /// A file that was just written.
    pub(super) fn written(
        io: &Io,
        file: StateFile,
        (directory, sketch): (Directory, Sketch),
        discarded: &Discarded,
    ) -> Arc<Self> {
        let groups = file.key_groups.clone();
        let mut segment = Self::new(io, Source::File(file), groups, discarded);
        segment.directory = OnceLock::from(Arc::new(directory));
        segment.sketch = Some(sketch);
        Arc::new(segment)
    }

    /// What was just encoded and stays in memory.
    pub(super) fn kept(io: &Io, encoded: EncodedSegment, groups: Range<u32>, discarded: &Discarded) -> Arc<Self> {
        let mut segment = Self::new(io, Source::Memory(encoded.bytes), groups, discarded);
        segment.directory = OnceLock::from(Arc::new(encoded.directory));
        Arc::new(segment)
    }

    fn new(io: &Io, source: Source, groups: Range<u32>, discarded: &Discarded) -> Self {
        Segment {
            source,
            groups,
            cached: io.cache.file(),
            directory: OnceLock::new(),
            sketch: None,
            looks: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            discarded: Arc::clone(discarded),
        }
    }

    /// For which key groups it counts.
    pub(super) fn groups(&self) -> &Range<u32> {
        &self.groups
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        match &self.source {
            Source::File(file) => file.size,
            Source::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// As a checkpoint names it; nothing if it lies in memory.
    pub(super) fn file(&self) -> Option<&StateFile> {
        match &self.source {
            Source::File(file) => Some(file),
            Source::Memory(_) => None,
        }
    }

    /// Its bytes, if they lie in memory.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match &self.source {
            Source::File(_) => None,
            Source::Memory(bytes) => Some(bytes),
        }
    }

    pub(super) fn path(&self) -> &str {
        self.file().map_or("inline state", |file| &file.path)
    }

    /// Says that the store has no more use for it.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// What is known of its keys without a look.
    pub(super) fn sketch(&self) -> Option<&Sketch> {
        self.sketch.as_ref()
    }

    /// Notes for how many keys somebody looks into it.
    pub(super) fn note_looks(&self, keys: usize) {
        self.looks.fetch_add(keys as u64, Ordering::Relaxed);
    }

    /// For how many keys somebody has looked into it.
    pub(super) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Its directory, if it was read already.
    pub(super) fn known_directory(&self) -> Option<&Arc<Directory>> {
        self.directory.get()
    }

    /// Its directory.
    pub(super) async fn directory(&self, io: &Io) -> Result<Arc<Directory>> {
        if let Some(directory) = self.directory.get() {
            return Ok(Arc::clone(directory));
        }
        let read = Arc::new(self.read_directory(io).await?);
        Ok(Arc::clone(self.directory.get_or_init(|| read)))
    }

    async fn read_directory(&self, io: &Io) -> Result<Directory> {
        let (path, size) = (self.path(), self.size());
        if size < FOOTER_BYTES as u64 {
            return Err(damaged(path, "it is too short"));
        }
        let tail_start = size.saturating_sub(TAIL_BYTES);
        let tail = self.read_one(io, tail_start..size).await?;
        let footer = Footer::read(path, &tail, size, self.file().map(|file| file.checksum))?;
        let section = footer.directory;
        let bytes = if section.offset >= tail_start {
            let start = (section.offset - tail_start) as usize;
            tail.slice(start..start + section.length as usize)
        } else {
            self.read_one(io, section.range()).await?
        };
        let parsed = section.check(&bytes).and_then(|()| Directory::read(&bytes, size));
        parsed.map_err(|why| damaged(path, why))
    }

    async fn read_one(&self, io: &Io, range: Range<u64>) -> Result<Bytes> {
        let mut found = self.read(io, std::slice::from_ref(&range)).await?;
        found.pop().ok_or_else(|| damaged(self.path(), "it is cut off"))
    }

    async fn read(&self, io: &Io, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match &self.source {
            Source::File(file) => io.read(&file.path, ranges).await,
            Source::Memory(bytes) => {
                let slices = ranges.iter().map(|range| slice(bytes, range));
                slices.collect::<Option<_>>().ok_or_else(|| damaged(self.path(), "it is cut off"))
            }
        }
    }

    /// Reads ranges that ascend, near ones together. What comes back shares its memory.
    async fn read_near(&self, io: &Io, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut spans: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match spans.last_mut() {
                Some(last) if range.start >= last.start && range.start <= last.end + GAP_BYTES_MAX => {
                    last.end = last.end.max(range.end);
                }
                _ => spans.push(range.clone()),
            }
        }
        let found = self.read(io, &spans).await?;
        let mut at = 0;
        let mut pick = |range: &Range<u64>| {
            while !(spans.get(at)?.start <= range.start && range.end <= spans[at].end) {
                at += 1;
            }
            slice(found.get(at)?, &(range.start - spans[at].start..range.end - spans[at].start))
        };
        let picked = ranges.iter().map(&mut pick).collect::<Option<Vec<_>>>();
        picked.ok_or_else(|| damaged(self.path(), "it is cut off"))
    }

    /// The indexes of some parts, which ascend.
    pub(super) async fn parts(&self, io: &Io, directory: &Directory, wanted: &[usize]) -> Result<Vec<Arc<PartIndex>>> {
        let cached = |part: &usize| self.cached.part(directory.parts[*part].index.offset);
        let mut found: Vec<Option<Arc<PartIndex>>> = wanted.iter().map(cached).collect();
        let missing: Vec<usize> = (0..wanted.len()).filter(|i| found[*i].is_none()).collect();
        if !missing.is_empty() {
            let parts = missing.iter().map(|i| &directory.parts[wanted[*i]]);
            // All filters lie before all indexes.
            let filters = parts.clone().map(|part| part.filter.range());
            let ranges: Vec<_> = filters.chain(parts.clone().map(|part| part.index.range())).collect();
            let read = self.read_near(io, &ranges).await?;
            let (filters, indexes) = read.split_at(missing.len());
            for ((part, place), (filter, index)) in parts.zip(&missing).zip(filters.iter().zip(indexes)) {
                found[*place] = Some(self.keep_part(part, filter, index)?);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Puts the indexes of a segment that was just written into the cache, if they are a small part of it: they need
    /// not be read again.
    pub(super) fn warm(&self, io: &Io, bytes: &Bytes) -> Result<()> {
        let parts = self.directory.get().map_or(&[][..], |directory| &directory.parts);
        let index_bytes = parts.iter().map(|p| (p.filter.length + p.index.length) as usize).sum::<usize>();
        if index_bytes > io.cache.limit_bytes() / WARM_PART {
            return Ok(());
        }
        for part in parts {
            let (filter, index) = (slice(bytes, &part.filter.range()), slice(bytes, &part.index.range()));
            let (Some(filter), Some(index)) = (filter, index) else {
                return Err(damaged(self.path(), "it is cut off"));
            };
            self.keep_part(part, &filter, &index)?;
        }
        Ok(())
    }

    fn keep_part(&self, part: &Part, filter: &[u8], index: &[u8]) -> Result<Arc<PartIndex>> {
        let read = PartIndex::read(part, index, Bytes::copy_from_slice(filter), self.size());
        let read = Arc::new(read.map_err(|why| damaged(self.path(), why))?);
        self.cached.insert(part.index.offset, Cached::Part(Arc::clone(&read)));
        Ok(read)
    }

    /// Blocks, which ascend, by way of the cache.
    pub(super) async fn blocks(&self, io: &Io, wanted: &[BlockRef<'_>]) -> Result<Vec<Arc<Block>>> {
        let cached = |block: &BlockRef<'_>| self.cached.block(block.section().offset);
        let mut found: Vec<Option<Arc<Block>>> = wanted.iter().map(cached).collect();
        let missing: Vec<usize> = (0..wanted.len()).filter(|i| found[*i].is_none()).collect();
        if !missing.is_empty() {
            let ranges: Vec<_> = missing.iter().map(|i| wanted[*i].section().range()).collect();
            let read = self.read_near(io, &ranges).await?;
            for (place, bytes) in missing.into_iter().zip(&read) {
                let entry = wanted[place];
                let block = Arc::new(self.decode(entry, bytes, false)?);
                self.cached.insert(entry.section().offset, Cached::Block(Arc::clone(&block)));
                found[place] = Some(block);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Stored blocks one behind the other, past the cache: what a merge reads and only once.
    pub(super) async fn stored_blocks(&self, io: &Io, index: &PartIndex, wanted: Range<usize>) -> Result<Vec<Bytes>> {
        let ranges: Vec<_> = wanted.map(|at| index.block(at).section().range()).collect();
        self.read_near(io, &ranges).await
    }

    /// Checks and reads a stored block.
    pub(super) fn decode(&self, entry: BlockRef<'_>, stored: &Bytes, owned: bool) -> Result<Block> {
        let block = entry.section().check(stored).and_then(|()| Block::decode(stored, owned));
        let block = block.map_err(|why| damaged(self.path(), why))?;
        if block.key(block.len() - 1) != entry.last_key() {
            return Err(damaged(self.path(), "a block is not the one that its index means"));
        }
        Ok(block)
    }

    /// Bytes of memory, without what lies in the cache.
    pub(super) fn memory_bytes(&self) -> usize {
        let directory = self.directory.get().map_or(0, |directory| directory.memory_bytes());
        let sketch = self.sketch.as_ref().map_or(0, Sketch::memory_bytes);
        size_of::<Segment>() + directory + sketch + self.bytes().map_or(0, Bytes::len)
    }
}

fn slice(bytes: &Bytes, range: &Range<u64>) -> Option<Bytes> {
    let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
    (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
}
