//! Looking up keys: those of a batch are one question.
//!
//! What comes back is compared with the keys again: a field may be of another type than its column, and a collection may
//! have a collation by which more texts are equal.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use async_trait::async_trait;
use bson::{Bson, Document, RawBsonRef, doc};
use flott_api::env::Environment;
use flott_api::lookup::{Found, LookupSpec, LookupTable};
use flott_api::{Error, Result, Schema};
use flott_state::key::EncodedKeys;
use foldhash::fast::RandomState;
use futures::StreamExt as _;
use hashbrown::{HashMap, HashSet};

use crate::bounds::all_of;
use crate::client::{Asked, Attempt, Link};
use crate::decode::Decoder;
use crate::encode::{Rows, as_object_id, decoded};
use crate::filter::conditions;
use crate::kinds::is_plain;
use crate::options::MongoOptions;
use crate::scan::projection;

/// A question is a document, which has at most 16 MB.
const QUESTION_BYTES_MAX: usize = 8 << 20;
/// A server plans each key of several columns by itself.
const KEYS_MAX: usize = 1000;

/// A collection that is looked up in.
pub(crate) struct MongoLookup {
    link: Link,
    shared: Arc<Shared>,
}

struct Shared {
    table: String,
    output: Schema,
    /// The columns of the key, in its order.
    key: Schema,
    /// Their places among those that are wanted.
    places: Vec<usize>,
    conditions: Vec<Document>,
    fetch_rows: u32,
}

impl MongoLookup {
    /// The collection of a specification; nothing is connected yet.
    ///
    /// # Errors
    /// If it cannot be asked for a column of the key.
    pub(crate) fn new(options: &MongoOptions, spec: &LookupSpec, environment: &Environment) -> Result<Self> {
        let output = spec.table.output_schema();
        let field = |at: &usize| output.fields.get(*at).cloned();
        let fields: Option<Vec<_>> = spec.keys.iter().map(field).collect();
        let fields = fields.ok_or_else(|| Error::internal("a key that is looked up is no wanted column"))?;
        if let Some(field) = fields.iter().find(|f| !is_plain(&f.name) || !crate::kinds::is_key(&f.ty.kind)) {
            let message = format!("a lookup by column '{}' of type {} of connector 'mongodb'", field.name, field.ty);
            return Err(Error::unsupported(message).with_detail(
                "A key is a single value, in a field whose name has no point and begins with no dollar.",
            ));
        }
        let shared = Shared {
            table: spec.table.table.clone(),
            key: Schema::new(fields),
            places: spec.keys.clone(),
            conditions: conditions(&spec.table.filters, &spec.table.schema.fields),
            fetch_rows: options.scan.fetch_rows,
            output,
        };
        let link = Link::new(&options.place, environment, options.lookup_retry);
        Ok(MongoLookup { link, shared: Arc::new(shared) })
    }
}

impl Shared {
    /// The questions for keys, each of which is asked for once.
    fn questions(&self, keys: &RecordBatch) -> Result<Vec<Document>> {
        let rows = Rows::new(keys, &self.key)?;
        let (mut seen, mut encoded) = (HashSet::<Vec<u8>, RandomState>::default(), Vec::new());
        let (mut questions, mut parts, mut bytes) = (Vec::new(), Vec::new(), 0);
        for row in 0..keys.num_rows() {
            encoded.clear();
            let mut ends = Vec::with_capacity(self.key.len());
            for column in 0..self.key.len() {
                rows.encode(column, row, &mut encoded)?;
                ends.push(encoded.len());
            }
            if !seen.insert(encoded.clone()) {
                continue;
            }
            if bytes + encoded.len() > QUESTION_BYTES_MAX || (self.key.len() > 1 && parts.len() == KEYS_MAX) {
                questions.push(self.question(std::mem::take(&mut parts)));
                bytes = 0;
            }
            // Names and types come with each.
            bytes += encoded.len() + self.key.fields.iter().map(|f| f.name.len() + 48).sum::<usize>();
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let values = starts.zip(&ends).map(|(start, end)| decoded(&encoded[start..*end]));
            parts.push(values.collect::<Result<Vec<_>>>()?);
        }
        if !parts.is_empty() {
            questions.push(self.question(parts));
        }
        Ok(questions)
    }

    fn question(&self, keys: Vec<Vec<Bson>>) -> Document {
        let wanted = match self.key.fields.as_slice() {
            [field] => {
                let values: Vec<Bson> = keys.into_iter().flatten().flat_map(alike).collect();
                doc! { &field.name: { "$in": values } }
            }
            fields => {
                let equal = |(field, value): (&flott_api::Field, Bson)| {
                    let mut values = alike(value);
                    let value = if values.len() == 1 { values.remove(0) } else { doc! { "$in": values }.into() };
                    (field.name.clone(), value)
                };
                let one = |key: Vec<Bson>| Bson::Document(fields.iter().zip(key).map(equal).collect());
                doc! { "$or": keys.into_iter().map(one).collect::<Vec<_>>() }
            }
        };
        let mut all = self.conditions.clone();
        all.push(wanted);
        all_of(all)
    }

    /// Rows that were found, by the keys that they have.
    fn by_key(&self, rows: &RecordBatch, keys: &RecordBatch) -> Result<Found> {
        let (mut of_rows, mut of_keys) = (EncodedKeys::default(), EncodedKeys::default());
        let columns: Vec<ArrayRef> = self.places.iter().map(|at| rows.column(*at).clone()).collect();
        of_rows.encode(&columns, rows.num_rows())?;
        of_keys.encode(keys.columns(), keys.num_rows())?;
        let mut found = HashMap::<&[u8], Vec<u32>, RandomState>::default();
        for row in 0..rows.num_rows() {
            found.entry(of_rows.get(row)).or_default().push(row as u32);
        }
        let (mut taken, mut places) = (Vec::new(), Vec::new());
        for key in 0..keys.num_rows() {
            let rows = found.get(of_keys.get(key)).map(Vec::as_slice).unwrap_or_default();
            taken.extend_from_slice(rows);
            places.resize(places.len() + rows.len(), key as u32);
        }
        Ok(Found { rows: take_record_batch(rows, &UInt32Array::from(taken))?, keys: places })
    }
}

/// A value, and what is read as the same text.
fn alike(value: Bson) -> Vec<Bson> {
    let id = value.as_str().and_then(as_object_id);
    std::iter::once(value).chain(id.map(Bson::from)).collect()
}

#[async_trait]
impl LookupTable for MongoLookup {
    async fn lookup(&mut self, keys: &RecordBatch) -> Result<Found> {
        let context = |e: Error| e.context(format!("a lookup in table '{}'", self.shared.table));
        let mut batches = Vec::new();
        for question in self.shared.questions(keys).map_err(context)? {
            let mut asking = Question { shared: &self.shared, question: &question };
            batches.extend(self.link.run(&mut asking).await.map_err(context)?);
        }
        let rows = concat_batches(&self.shared.output.arrow(), &batches)?;
        self.shared.by_key(&rows, keys)
    }
}

struct Question<'a> {
    shared: &'a Shared,
    question: &'a Document,
}

#[async_trait]
impl Attempt for Question<'_> {
    type Output = Vec<RecordBatch>;

    async fn attempt(&mut self, asked: &Asked<'_>, _: u32) -> Result<Vec<RecordBatch>> {
        let collection = asked.collection();
        let mut find = collection.find(self.question.clone()).batch_size(self.shared.fetch_rows);
        if let Some(wanted) = projection(&self.shared.output) {
            find = find.projection(wanted);
        }
        let mut cursor = asked.answer(find.batch()).await?;
        let (mut decoder, mut batches) = (Decoder::new(&self.shared.output), Vec::new());
        while let Some(batch) = asked.answer(async { cursor.next().await.transpose() }).await? {
            let damaged = || Error::external("an answer of MongoDB is damaged");
            for document in batch.doc_slices().map_err(|_| damaged())? {
                let Ok(RawBsonRef::Document(document)) = document else { return Err(damaged()) };
                decoder.push(document)?;
                if decoder.is_full() {
                    batches.push(decoder.finish()?);
                }
            }
        }
        if decoder.rows() > 0 {
            batches.push(decoder.finish()?);
        }
        Ok(batches)
    }
}
