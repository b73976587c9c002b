//! Row groups to batches.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use ::parquet::errors::Result as ParquetResult;
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use flott_api::env::ReadFile;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Field, Result};

use super::convert::from_file;
use super::damaged;
use crate::{DecoderSpec, FileReader};

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

impl ChunkReader for Pieces {
    type T = io::BufReader<Piece>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(io::BufReader::new(Piece { pieces: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.saturating_add(length as u64) > self.length {
            return Err(::parquet::errors::ParquetError::EOF("a piece lies behind the end of the file".to_owned()));
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
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(pieces, options).map_err(damaged)?;
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
        let reader = builder.with_projection(mask).with_row_groups(groups).with_offset(skip);
        let reader = reader.with_batch_size(BATCH_ROWS_MAX).build().map_err(damaged)?;
        Ok(ParquetReader {
            reader,
            places: roots.iter().map(|r| r.and_then(|root| read.binary_search(&root).ok())).collect(),
            schema: output.arrow(),
            fields: output.fields,
        })
    }
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
        let Some(read) = self.reader.next() else { return Ok(None) };
        let read = read.map_err(|e| Error::data("the parquet file cannot be read").with_source(e))?;
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
