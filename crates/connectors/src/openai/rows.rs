//! Answers as rows of the model's output: a text or a vector, and metadata of errors.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field};
use flott_api::model::{ModelSpec, Predictions};
use flott_api::{LogicalType, Result, TypeKind};

use super::answer::{Answer, Failure};
use crate::web::headers::{Headers, headers_type};

/// A column of metadata: null in a row that has an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    /// What went wrong.
    ErrorString,
    /// The status of the answer.
    HttpStatusCode,
    /// The headers of the answer.
    HttpHeadersMap,
}

/// Metadata by key.
pub(super) const METADATA: [(&str, Metadata); 3] = [
    ("error-string", Metadata::ErrorString),
    ("http-status-code", Metadata::HttpStatusCode),
    ("http-headers-map", Metadata::HttpHeadersMap),
];

impl Metadata {
    pub(super) fn ty(self) -> LogicalType {
        match self {
            Metadata::ErrorString => LogicalType::string(),
            Metadata::HttpStatusCode => LogicalType::new(TypeKind::Int),
            Metadata::HttpHeadersMap => headers_type(),
        }
    }
}

/// Rows that grow.
pub(super) struct Rows<'s> {
    spec: &'s ModelSpec,
    /// What each column is; nothing for the answer.
    columns: Vec<Option<Metadata>>,
    texts: StringBuilder,
    vectors: ListBuilder<Float32Builder>,
    errors: StringBuilder,
    statuses: Int32Builder,
    headers: Headers,
    inputs: Vec<u32>,
}

impl<'s> Rows<'s> {
    pub(super) fn new(spec: &'s ModelSpec) -> Self {
        let of = |key: &Option<String>| {
            let known = METADATA.iter().find(|(known, _)| key.as_deref() == Some(known));
            known.map(|(_, metadata)| *metadata)
        };
        let element = Field::new("element", DataType::Float32, true);
        Rows {
            spec,
            columns: spec.metadata.iter().map(of).collect(),
            texts: StringBuilder::new(),
            vectors: ListBuilder::new(Float32Builder::new()).with_field(element),
            errors: StringBuilder::new(),
            statuses: Int32Builder::new(),
            headers: Headers::default(),
            inputs: Vec::new(),
        }
    }

    /// The rows of an input that has an answer.
    pub(super) fn push(&mut self, input: u32, answer: Answer) {
        let rows = match answer {
            Answer::Texts(texts) => {
                texts.iter().for_each(|text| self.texts.append_value(text));
                texts.len()
            }
            Answer::Vectors(vectors) => {
                for vector in &vectors {
                    self.vectors.values().append_slice(vector);
                    self.vectors.append(true);
                }
                vectors.len()
            }
        };
        for _ in 0..rows {
            self.errors.append_null();
            self.statuses.append_null();
            self.headers.push(None);
            self.inputs.push(input);
        }
    }

    /// The row of an input that has none: it comes only if there are columns that say why.
    pub(super) fn fail(&mut self, input: u32, failure: &Failure) {
        if self.columns.iter().all(Option::is_none) {
            return;
        }
        self.texts.append_null();
        self.vectors.append(false);
        self.errors.append_value(&failure.what);
        self.statuses.append_option(failure.status.map(i32::from));
        self.headers.push(failure.status.map(|_| failure.headers.as_slice()));
        self.inputs.push(input);
    }

    pub(super) fn finish(mut self) -> Result<Predictions> {
        let (texts, vectors): (ArrayRef, ArrayRef) = (Arc::new(self.texts.finish()), Arc::new(self.vectors.finish()));
        let mut columns = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter().zip(&self.spec.output.fields) {
            columns.push(match column {
                None if matches!(field.ty.kind, TypeKind::Array(_)) => Arc::clone(&vectors),
                None => Arc::clone(&texts),
                Some(Metadata::ErrorString) => Arc::new(self.errors.finish_cloned()) as ArrayRef,
                Some(Metadata::HttpStatusCode) => Arc::new(self.statuses.finish_cloned()),
                Some(Metadata::HttpHeadersMap) => self.headers.array(&field.ty)?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.inputs.len()));
        let rows = RecordBatch::try_new_with_options(self.spec.output.arrow(), columns, &options)?;
        Ok(Predictions { rows, inputs: self.inputs })
    }
}
