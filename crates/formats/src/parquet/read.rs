//! Row groups to batches.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use ::parquet::file::reader::{ChunkReader, Length};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use flott_api::env::ReadFile;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Field, Result};

use super::convert::from_file;
use super::damaged;
use super::footer::{self, Flaw};
use crate::{DecoderSpec, FileReader};

/// Nearly all headers of pages are shorter.
const HEADER_BYTES: u64 = 8 << 10;
/// Longer ones are read without a look at them before.
const HEADER_BYTES_MAX: u64 = 16 << 20;

/// The file, as the parquet library wants it: pieces from anywhere.
#[derive(Clone)]
struct Pieces {
    file: Arc<Mutex<Box<dyn ReadFile>>>,
    length: u64,
}

struct Piece {
    pieces: Pieces,
    at: u64,
}

impl Read for Piece {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.pieces.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.length
    }
}

/// Reads the header of a page, which is looked at first; not before it is read, for the library also makes readers that
/// it does not use, anywhere in a page.
struct HeaderReader {
    pieces: Pieces,
    start: u64,
    opened: Option<io::Chain<io::Cursor<Bytes>, Piece>>,
}

impl HeaderReader {
    fn open(&self) -> ParquetResult<io::Chain<io::Cursor<Bytes>, Piece>> {
        let rest = self.pieces.length.saturating_sub(self.start);
        let mut window = rest.min(HEADER_BYTES);
        loop {
            let bytes = self.pieces.get_bytes(self.start, window as usize)?;
            match footer::check_page_header(&bytes) {
                Err(Flaw::Wrong) => return Err(ParquetError::General("the header of a page is damaged".to_owned())),
                Err(Flaw::Ended) if window < rest.min(HEADER_BYTES_MAX) => window = rest.min(window * 8),
                // The library would look for its end for as long as it says to go on.
                Err(Flaw::Ended) if window == rest => {
                    return Err(ParquetError::EOF("the header of a page is cut".to_owned()));
                }
                Ok(()) | Err(Flaw::Ended) => {
                    let behind = Piece { pieces: self.pieces.clone(), at: self.start + window };
                    return Ok(io::Cursor::new(bytes).chain(behind));
                }
            }
        }
    }
}

impl Read for HeaderReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.open().map_err(io::Error::other)?,
        };
        let read = opened.read(buffer);
        self.opened = Some(opened);
        read
    }
}

impl ChunkReader for Pieces {
    type T = HeaderReader;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(HeaderReader { pieces: self.clone(), start, opened: None })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.saturating_add(length as u64) > self.length {
            return Err(ParquetError::EOF("a piece lies behind the end of the file".to_owned()));
        }
        let mut bytes = vec![0; length];
        Piece { pieces: self.clone(), at: start }.read_exact(&mut bytes)?;
        Ok(Bytes::from(bytes))
    }
}

/// Reads the row groups of a range.
pub(super) struct ParquetReader {
    reader: ParquetRecordBatchReader,
    /// For each column that is emitted, its place in what the library reads, if the file has it.
    places: Vec<Option<usize>>,
    fields: Vec<Field>,
    schema: SchemaRef,
}

impl ParquetReader {
    /// Opens the file.
    ///
    /// # Errors
    /// If it is no parquet file.
    pub(super) fn new(mut file: Box<dyn ReadFile>, spec: &DecoderSpec, range: Range<u64>, skip: u64) -> Result<Self> {
        let length = file.seek(SeekFrom::End(0));
        let length = length.map_err(|e| Error::external("the file has no end to seek").with_source(e))?;
        let pieces = Pieces { file: Arc::new(Mutex::new(file)), length };
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = footer::metadata(&pieces)?;
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(&metadata))?;
        check_places(&metadata, length)?;
        let metadata = guarded(|| ArrowReaderMetadata::try_new(Arc::new(metadata), options))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(pieces, metadata);
        let output = spec.output_schema();
        let in_file: Vec<String> =
            builder.parquet_schema().root_schema().get_fields().iter().map(|f| f.name().to_owned()).collect();
        let root = |field: &Field| in_file.iter().position(|name| *name == field.name);
        let roots: Vec<Option<usize>> = output.fields.iter().map(root).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().flatten().copied());
        let mut read: Vec<usize> = roots.iter().flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        let groups = groups_in(builder.metadata(), &range);
        let skip = usize::try_from(skip).map_err(|_| Error::corrupt("a position in a parquet file is too large"))?;
        let builder = builder.with_projection(mask).with_row_groups(groups).with_offset(skip);
        let reader = guarded(|| builder.with_batch_size(BATCH_ROWS_MAX).build())?;
        Ok(ParquetReader {
            reader,
            places: roots.iter().map(|r| r.and_then(|root| read.binary_search(&root).ok())).collect(),
            schema: output.arrow(),
            fields: output.fields,
        })
    }
}

/// Calls the library, which reads what somebody wrote. It returns errors for much that can be wrong with a file, but
/// panics where it relies on what a damaged one says (sizes, levels, counts); that is as much an error of the file. After
/// one the reader is not used again, so nothing half done is seen.
fn guarded<T>(work: impl FnOnce() -> ParquetResult<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_or_else(
        |panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(Error::data("the parquet file is damaged").with_source(text))
        },
        |done| done.map_err(damaged),
    )
}

/// Checks what readers take for granted: that columns lie in the file, and that there are no fewer rows than none.
///
/// # Errors
/// Names the row group and the column.
pub(super) fn check_places(metadata: &ParquetMetaData, length: u64) -> Result<()> {
    let within = |column: &ColumnChunkMetaData| {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let start = u64::try_from(start.min(column.data_page_offset())).ok()?;
        let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
        (end <= length && column.num_values() >= 0).then_some(())
    };
    for (number, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            let rows = group.num_rows();
            return Err(Error::data(format!("the parquet file is damaged: row group {number} has {rows} rows")));
        }
        if let Some(column) = group.columns().iter().find(|column| within(column).is_none()) {
            let column = column.column_path().string();
            let what = format!("column '{column}' of row group {number} does not lie in it");
            return Err(Error::data(format!("the parquet file is damaged: {what}")));
        }
    }
    Ok(())
}

/// A row group belongs to the range in which it begins.
fn groups_in(metadata: &ParquetMetaData, range: &Range<u64>) -> Vec<usize> {
    let begins = |group: usize| {
        let columns = metadata.row_group(group).columns().iter();
        columns.map(|c| c.byte_range().0).min().unwrap_or(0)
    };
    (0..metadata.num_row_groups()).filter(|group| range.contains(&begins(*group))).collect()
}

impl FileReader for ParquetReader {
    fn next_batch(&mut self) -> Result<Option<ChangeBatch>> {
        let next = || self.reader.next().transpose().map_err(ParquetError::from);
        let Some(read) = guarded(next)? else { return Ok(None) };
        let rows = read.num_rows();
        let column = |(field, place): (&Field, &Option<usize>)| match place {
            Some(place) => {
                from_file(read.column(*place), &field.ty).map_err(|e| e.context(format!("column '{}'", field.name)))
            }
            None => Ok(new_null_array(&field.ty.arrow(), rows)),
        };
        let columns = self.fields.iter().zip(&self.places).map(column).collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(Some(ChangeBatch::inserts(batch)))
    }
}
