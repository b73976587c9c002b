//! Files to batches, stripe by stripe. A stripe belongs to the range in which it begins; of it only the streams of the
//! columns that are asked for are read.

mod bits;
mod column;
mod ints;
mod plan;
mod stream;
mod text;

#[cfg(test)]
mod index_tests;

use std::collections::BTreeSet;
use std::io::SeekFrom;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flott_api::env::ReadFile;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Field, Result};

use self::column::{ColumnReader, StripeStreams};
use self::plan::{FileTypes, Plan};
use self::stream::{Chunks, Stream};
use super::codec::{CHUNK_BYTES, CHUNK_BYTES_MAX, Codec, Opener};
use super::proto::{Footer, PostScript, StripeFooter, StripePlace, Type, stream as kinds};
use crate::column::Columns;
use crate::protobuf::wire::Taken;
use crate::{DecoderSpec, FileReader};

/// What is read at first from the end of a file: most footers lie within.
const TAIL_BYTES: u64 = 16 << 10;
/// Streams that are not further apart are read at once.
const GAP_BYTES: u64 = 32 << 10;
/// What a batch should have, by what its stripe has compressed.
const BATCH_BYTES: usize = 16 << 20;

/// Reads the stripes of a range.
pub(super) struct OrcReader {
    file: Box<dyn ReadFile>,
    chunks: Chunks,
    /// The stripes that are to be read yet, the last first.
    stripes: Vec<StripePlace>,
    /// How many columns the file has.
    types: usize,
    fields: Vec<Field>,
    plans: Vec<Plan>,
    wanted: BTreeSet<u64>,
    columns: Columns,
    /// The stripe that is being read.
    open: Option<Stripe>,
    /// Rows that were emitted before a restart.
    skip: u64,
}

/// A stripe that is being read.
struct Stripe {
    readers: Vec<ColumnReader>,
    offset: u64,
    rows: u64,
    batch_rows: usize,
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::data(format!("the ORC file is damaged: {what}"))
}

fn unread(e: std::io::Error) -> Error {
    Error::external("the ORC file cannot be read").with_source(e)
}

/// The bytes of a part of a file, which must lie in it.
fn part(file: &mut dyn ReadFile, from: u64, length: u64) -> Result<Bytes> {
    file.seek(SeekFrom::Start(from)).map_err(unread)?;
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| damaged("a part of it is too long"))?];
    file.read_exact(&mut bytes).map_err(unread)?;
    Ok(Bytes::from(bytes))
}

/// What the end of a file says.
struct Tail {
    footer: Footer,
    chunks: Chunks,
}

impl Tail {
    fn read(file: &mut dyn ReadFile) -> Result<Self> {
        let length = file.seek(SeekFrom::End(0)).map_err(unread)?;
        let mut tail = part(file, length - length.min(TAIL_BYTES), length.min(TAIL_BYTES))?;
        let Some((last, rest)) = tail.split_last() else { return Err(damaged("it is empty")) };
        let Some(start) = rest.len().checked_sub(usize::from(*last)) else { return Err(no_orc()) };
        let end = PostScript::read(&rest[start..]).ok().filter(|end| end.magic == super::MAGIC).ok_or_else(no_orc)?;
        let codec =
            Codec::of(end.codec).ok_or_else(|| Error::unsupported(format!("codec {} of the ORC file", end.codec)))?;
        let behind = rest.len() as u64 - start as u64 + 1;
        if end.footer > length - behind {
            return Err(damaged("its footer is longer than the file"));
        }
        let needed = behind + end.footer;
        if needed > tail.len() as u64 {
            tail = part(file, length - needed, needed)?;
        }
        let footer_at = tail.len() - needed as usize;
        let footer = tail.slice(footer_at..footer_at + end.footer as usize);
        let chunk_bytes = usize::try_from(end.chunk.unwrap_or(CHUNK_BYTES as u64)).unwrap_or(usize::MAX);
        if codec != Codec::None && chunk_bytes > CHUNK_BYTES_MAX {
            return Err(damaged(format!("a chunk of {chunk_bytes} bytes cannot be")));
        }
        let chunks: Chunks = Arc::new(Mutex::new(Opener::new(codec, chunk_bytes)));
        let message = Stream::message(footer, &chunks).and_then(|message| Footer::read(&message));
        let footer = message.map_err(|e| damaged(format!("its footer: {e}")))?;
        check(&footer, length - needed)?;
        Ok(Tail { footer, chunks })
    }
}

fn no_orc() -> Error {
    Error::data("the file is no ORC file").with_hint("Check the format, and that no other files lie in the folder.")
}

/// Checks that the stripes lie before `end`, and have the rows of the file.
fn check(footer: &Footer, end: u64) -> Result<()> {
    FileTypes(&footer.types).check().map_err(damaged)?;
    let mut rows = 0_u64;
    for stripe in &footer.stripes {
        let parts = [stripe.index, stripe.data, stripe.footer];
        let behind = parts.iter().try_fold(stripe.offset, |at, part| at.checked_add(*part));
        if behind.is_none_or(|behind| behind > end) {
            return Err(damaged(format!("the stripe at byte {} is longer than the file", stripe.offset)));
        }
        rows = rows.saturating_add(stripe.rows);
    }
    if rows != footer.rows {
        return Err(damaged(format!("its stripes have {rows} rows, and it says {}", footer.rows)));
    }
    Ok(())
}

/// Files whose writer knew no names have numbers: then columns are found by their place.
fn named(types: &mut [Type], fields: &[Field]) {
    let Some(row) = types.first_mut() else { return };
    let number = |name: &String| name.strip_prefix("_col").is_some_and(|n| n.parse::<u32>().is_ok());
    if !row.names.is_empty() && row.names.iter().all(number) {
        row.names.iter_mut().zip(fields).for_each(|(name, field)| name.clone_from(&field.name));
    }
}

impl OrcReader {
    /// Opens the file.
    ///
    /// # Errors
    /// If it is no ORC file, or does not have the columns.
    pub(super) fn new(mut file: Box<dyn ReadFile>, spec: &DecoderSpec, range: Range<u64>, skip: u64) -> Result<Self> {
        let Tail { mut footer, chunks } = Tail::read(&mut *file)?;
        let output = spec.output_schema();
        named(&mut footer.types, &spec.schema.fields);
        let plans = FileTypes(&footer.types).plan(&output.fields)?;
        let mut wanted = BTreeSet::new();
        plans.iter().for_each(|plan| plan.columns(&mut wanted));
        let mut stripes = footer.stripes;
        stripes.retain(|stripe| range.contains(&stripe.offset));
        stripes.reverse();
        let (columns, types) = (Columns::new(&output), footer.types.len());
        let fields = output.fields;
        Ok(OrcReader { file, chunks, stripes, types, fields, plans, wanted, columns, open: None, skip })
    }

    /// Opens the next stripe that has rows to emit.
    fn next_stripe(&mut self) -> Result<Option<Stripe>> {
        while let Some(place) = self.stripes.pop() {
            if place.rows > self.skip {
                let of = |e: Error| e.context(format!("stripe at byte {}", place.offset));
                return self.open_stripe(place).map(Some).map_err(of);
            }
            self.skip -= place.rows;
        }
        Ok(None)
    }

    fn open_stripe(&mut self, place: StripePlace) -> Result<Stripe> {
        let data_end = place.offset + place.index + place.data;
        let footer = part(&mut *self.file, data_end, place.footer)?;
        let footer = Stream::message(footer, &self.chunks).and_then(|message| StripeFooter::read(&message));
        let footer = footer.map_err(|e| damaged(format!("its footer: {e}")))?;
        if footer.encodings.len() != self.types {
            return Err(damaged("it has not one encoding for each column"));
        }
        let mut at = place.offset;
        let mut wanted = Vec::new();
        for stream in &footer.streams {
            let end = at.checked_add(stream.length).filter(|end| *end <= data_end);
            let end = end.ok_or_else(|| damaged("its streams are longer than it is"))?;
            let index = matches!(stream.kind, kinds::ROW_INDEX..);
            if !index && self.wanted.contains(&stream.column) {
                wanted.push((stream.column, stream.kind, at..end));
            }
            at = end;
        }
        let streams = pieces(&mut *self.file, &wanted)?;
        let bytes: usize = streams.iter().map(|(.., bytes)| bytes.len()).sum();
        let chunks = Arc::clone(&self.chunks);
        let mut streams = StripeStreams { streams, encodings: footer.encodings, zone: footer.zone, chunks };
        let reader = |plan: &Plan| ColumnReader::open(plan, &mut streams);
        let readers = self.plans.iter().map(reader).collect::<Taken<Vec<_>>>().map_err(damaged)?;
        let row_bytes = bytes / usize::try_from(place.rows).unwrap_or(usize::MAX).max(1);
        let batch_rows = (BATCH_BYTES / row_bytes.max(1)).clamp(1, BATCH_ROWS_MAX);
        Ok(Stripe { readers, offset: place.offset, rows: place.rows, batch_rows })
    }
}

/// Reads streams that lie near each other at once.
fn pieces(file: &mut dyn ReadFile, wanted: &[(u64, u64, Range<u64>)]) -> Result<Vec<(u64, u64, Bytes)>> {
    let mut found = Vec::with_capacity(wanted.len());
    let mut rest = wanted;
    while let Some((_, _, first)) = rest.first() {
        let near = |pair: &[(u64, u64, Range<u64>)]| pair[1].2.start - pair[0].2.end <= GAP_BYTES;
        let count = 1 + rest.windows(2).take_while(|pair| near(pair)).count();
        let (together, behind) = rest.split_at(count);
        let end = together.last().map_or(first.end, |(_, _, last)| last.end);
        let bytes = part(file, first.start, end - first.start)?;
        let of =
            |range: &Range<u64>| bytes.slice((range.start - first.start) as usize..(range.end - first.start) as usize);
        found.extend(together.iter().map(|(column, kind, range)| (*column, *kind, of(range))));
        rest = behind;
    }
    Ok(found)
}

impl Stripe {
    /// Reads the next rows, and says how many they are.
    fn read(&mut self, fields: &[Field], columns: &mut Columns) -> Result<usize> {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX).min(self.batch_rows);
        for ((reader, field), column) in self.readers.iter_mut().zip(fields).zip(&mut columns.columns) {
            reader
                .read(rows, None, column)
                .map_err(|e| damaged(e).context(format!("stripe at byte {}, column '{}'", self.offset, field.name)))?;
        }
        columns.added(rows);
        self.rows -= rows as u64;
        Ok(rows)
    }
}

impl FileReader for OrcReader {
    fn next_batch(&mut self) -> Result<Option<ChangeBatch>> {
        loop {
            let mut stripe = match self.open.take() {
                Some(stripe) => stripe,
                None => match self.next_stripe()? {
                    Some(stripe) => stripe,
                    None => return Ok(None),
                },
            };
            let rows = stripe.read(&self.fields, &mut self.columns)?;
            self.open = Some(stripe).filter(|stripe| stripe.rows > 0);
            if let Some(missing) = self.columns.missing(0) {
                return Err(Error::data(missing));
            }
            let batch = self.columns.take()?;
            let skipped = self.skip.min(rows as u64) as usize;
            self.skip -= skipped as u64;
            if skipped < rows {
                return Ok(Some(ChangeBatch::inserts(batch.slice(skipped, rows - skipped))));
            }
        }
    }
}
