//! Batches to row groups.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::file::properties::WriterProperties;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use flott_api::{ChangeBatch, Error, Field, Result};

use super::ParquetOptions;
use super::convert::{file_schema, to_file};
use crate::{Encoded, Encoder, EncoderSpec};

/// Where the library writes, and the encoder takes from.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one file.
pub(super) struct ParquetEncoder {
    options: ParquetOptions,
    writer: ArrowWriter<Shared>,
    shared: Shared,
    schema: SchemaRef,
    fields: Vec<Field>,
}

fn failed(e: ::parquet::errors::ParquetError) -> Error {
    Error::internal("the parquet file cannot be written").with_source(e)
}

impl ParquetEncoder {
    /// An encoder of these columns.
    ///
    /// # Errors
    /// If the library refuses the columns.
    pub(super) fn new(options: ParquetOptions, spec: &EncoderSpec) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(options.compression)
            .set_data_page_size_limit(options.page_bytes)
            .set_dictionary_enabled(options.dictionary)
            .set_created_by("flott".to_owned())
            .set_coerce_types(true)
            .build();
        let (schema, shared) = (file_schema(&spec.schema), Shared::default());
        let writer_options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(shared.clone(), schema.clone(), writer_options);
        let fields = spec.schema.fields.clone();
        Ok(ParquetEncoder { options, writer: writer.map_err(failed)?, shared, schema, fields })
    }

    fn hand_over(&mut self, out: &mut Encoded) {
        let mut written = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A row group is large.
        if out.bytes.is_empty() {
            std::mem::swap(&mut out.bytes, &mut written);
        } else {
            out.bytes.append(&mut written);
        }
    }
}

impl Encoder for ParquetEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let column = |(array, field): (&ArrayRef, &Field)| {
            to_file(array, &field.ty).map_err(|e| e.context(format!("column '{}'", field.name)))
        };
        let columns = batch.rows().columns().iter().zip(&self.fields).map(column).collect::<Result<Vec<_>>>()?;
        let rows = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.writer.write(&rows).map_err(failed)?;
        if self.writer.in_progress_size() as u64 >= self.options.row_group_bytes {
            self.writer.flush().map_err(failed)?;
        }
        self.hand_over(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Encoded) -> Result<()> {
        self.writer.finish().map_err(failed)?;
        self.hand_over(out);
        Ok(())
    }

    fn held_bytes(&self) -> usize {
        self.writer.in_progress_size()
    }
}
