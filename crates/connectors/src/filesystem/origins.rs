//! Where records come from that do not fit, as people say it: `file 'x.csv', line 3`.
//!
//! Reading need not count lines for it: the file is read a second time, as far as the last such record.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use flott_api::env::Environment;
use flott_api::{ChangeBatch, Error, Result};

use super::compression::{Compression, Lines};

/// Names the places of a file.
pub(super) struct Origins {
    environment: Environment,
    path: String,
    /// Where the decoder begins to count.
    begin: Option<u64>,
    /// As far as lines were counted; nothing before the first dead letter.
    lines: Option<Lines>,
}

impl Origins {
    /// Nothing is counted yet.
    pub(super) fn new(environment: &Environment, path: &str) -> Self {
        Origins { environment: environment.clone(), path: path.to_owned(), begin: None, lines: None }
    }

    /// Says where the first byte lies that the decoder gets; only the first call counts.
    pub(super) fn begin(&mut self, offset: u64) {
        self.begin.get_or_insert(offset);
    }

    /// The batch with the origins of its dead letters instead of their places, which are its last column.
    pub(super) fn named(&mut self, batch: ChangeBatch) -> Result<ChangeBatch> {
        let (rows, schema) = (batch.rows(), batch.rows().schema());
        let (Some((places, others)), Some((_, fields))) = (rows.columns().split_last(), schema.fields().split_last())
        else {
            return Err(Error::internal("a batch has no places of dead letters"));
        };
        let origin = Arc::new(Field::new("origin", DataType::Utf8, true));
        let fields: Vec<_> = fields.iter().cloned().chain([origin]).collect();
        let columns = others.iter().cloned().chain([self.texts(places)]).collect();
        let named = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        batch.with_rows(named)
    }

    fn texts(&mut self, places: &ArrayRef) -> ArrayRef {
        if places.null_count() == places.len() {
            return Arc::new(StringArray::new_null(places.len()));
        }
        let mut texts = StringBuilder::new();
        for place in places.as_primitive::<Int64Type>() {
            texts.append_option(place.map(|place| self.text(place as u64)));
        }
        Arc::new(texts.finish())
    }

    fn text(&mut self, place: u64) -> String {
        let offset = self.begin.unwrap_or_default() + place;
        if self.lines.is_none() {
            self.lines = lines(&self.environment, &self.path);
        }
        said(&self.path, offset, self.lines.as_mut())
    }
}

/// `file 'x.csv', line 3`
pub(super) fn place(environment: &Environment, path: &str, offset: u64) -> String {
    said(path, offset, lines(environment, path).as_mut())
}

/// With the line if the file can be read once more, else with the byte.
fn said(path: &str, offset: u64, lines: Option<&mut Lines>) -> String {
    match lines.and_then(|lines| lines.at(offset).ok()) {
        Some(line) => format!("file '{path}', line {line}"),
        None => format!("file '{path}', byte {offset}"),
    }
}

fn lines(environment: &Environment, path: &str) -> Option<Lines> {
    let (files, inside) = environment.files.resolve(path).ok()?;
    let file = files.open(&inside).ok()?;
    Some(Lines::of(Compression::of(path).decode(file).ok()?))
}
