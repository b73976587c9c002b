//! Messages to rows: decodes keys and values, and puts them together with what a record tells.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt32Array, new_null_array};
use arrow_select::take::take;
use flott_api::env::Environment;
use flott_api::{ChangeBatch, Error, Result, RowKind, RowKinds};
use flott_formats::{DecodeError, Decoder};

use super::Shared;
use super::layout::Output;
use super::messages::Messages;
use crate::client::TopicPartition;

/// Decodes the records of a reader.
pub(super) struct RowReader {
    shared: Arc<Shared>,
    environment: Environment,
    value: Box<dyn Decoder>,
    key: Option<Box<dyn Decoder>>,
}

/// Rows, and what follows from them.
pub(super) struct Rows {
    pub(super) batch: Option<ChangeBatch>,
    /// For each row its message.
    pub(super) messages: Vec<u32>,
    /// A record that does not fit: it fails the job when the rows before it are out.
    pub(super) failure: Option<Error>,
    pub(super) skipped: u64,
}

/// What a decoder gave for some messages.
struct Decoded {
    rows: Option<ChangeBatch>,
    /// For each message how many rows it gave; for those without bytes nothing.
    counts: Vec<Option<u32>>,
    failure: Option<(usize, Error)>,
    /// For each message with bytes which it was.
    decoded: Vec<u32>,
}

impl RowReader {
    /// A reader of rows of this table.
    ///
    /// # Errors
    /// If a format cannot hold its columns.
    pub(super) fn new(shared: Arc<Shared>, environment: &Environment) -> Result<Self> {
        let value = shared.options.value.format.decoder(&shared.layout.value)?;
        let key = match (&shared.options.key, &shared.layout.key) {
            (Some(format), Some(spec)) => Some(format.format.decoder(spec)?),
            _ => None,
        };
        Ok(RowReader { shared, environment: environment.clone(), value, key })
    }

    /// Fetches what these messages need from elsewhere, such as a schema. To be awaited before they are read.
    ///
    /// # Errors
    /// If it cannot be had.
    pub(super) async fn prepare(&mut self, messages: &Messages) -> Result<()> {
        let values: Vec<&[u8]> = messages.all.iter().filter_map(|m| messages.value(m)).collect();
        self.value.prepare(&self.environment, &values).await?;
        if let Some(key) = &mut self.key {
            let keys: Vec<&[u8]> = messages.all.iter().filter_map(|m| messages.key(m)).collect();
            key.prepare(&self.environment, &keys).await?;
        }
        Ok(())
    }

    /// The rows of these messages of a partition.
    ///
    /// # Errors
    /// If they cannot be decoded for another reason than a record.
    pub(super) fn read(&mut self, partition: &TopicPartition, messages: &Messages) -> Result<Rows> {
        let values: Vec<Option<&[u8]>> = messages.all.iter().map(|m| messages.value(m)).collect();
        let place = |at: usize, what: &str| record_error(partition, messages, at, what);
        let mut value = decode(&mut *self.value, &values, &place)?;
        let mut key = None;
        if let Some(decoder) = &mut self.key {
            let until = value.failure.as_ref().map_or(messages.all.len(), |(at, _)| *at);
            let keys: Vec<Option<&[u8]>> = messages.all[..until].iter().map(|m| messages.key(m)).collect();
            let place = |at: usize, what: &str| record_error(partition, messages, at, &format!("key: {what}"));
            key = Some(decode(&mut **decoder, &keys, &place)?);
        }
        if self.shared.layout.value.dead_letters {
            name_origins(&mut value, partition, messages)?;
        }
        let skipped = self.value.take_skipped() + self.key.as_mut().map_or(0, |key| key.take_skipped());
        let failed = [value.failure.take(), key.as_mut().and_then(|key| key.failure.take())];
        let failure = failed.into_iter().flatten().min_by_key(|(at, _)| *at);
        let until = failure.as_ref().map_or(messages.all.len(), |(at, _)| *at);
        let joined = self.join(&value, key.as_ref(), until);
        let batch = self.assemble(&joined, &value, key.as_ref(), partition, messages)?;
        Ok(Rows { batch, messages: joined.messages, failure: failure.map(|(_, e)| e), skipped })
    }

    /// Which rows there are.
    fn join(&self, value: &Decoded, key: Option<&Decoded>, until: usize) -> Joined {
        let layout = &self.shared.layout;
        if !layout.upsert
            && let Some(joined) = Joined::one_by_one(value, key, until)
        {
            return joined;
        }
        let mut joined = Joined::default();
        let has_kinds = layout.upsert || value.rows.as_ref().is_some_and(|rows| rows.kinds().is_some());
        let (mut value_at, mut key_at) = (0, 0);
        for message in 0..until {
            let value_rows = value.counts[message];
            let key_rows = key.map(|key| key.counts[message]);
            let (first_key, keys) = match key_rows {
                // Without a key format each value is a row.
                None => (None, 1),
                Some(Some(count)) => (Some(key_at), count),
                // A record without a key: a row with a null, or none at all, as Flink has it.
                Some(None) => (None, u32::from(layout.null_key_is_row)),
            };
            let key_of = |i: u32| first_key.map(|first| first + i);
            match value_rows {
                Some(count) => {
                    for row in value_at..value_at + count {
                        let kind = match &value.rows {
                            _ if layout.upsert => RowKind::UpdateAfter,
                            Some(rows) => rows.kind(row as usize),
                            None => RowKind::Insert,
                        };
                        (0..keys).for_each(|i| joined.push(message, Some(row), key_of(i), kind));
                    }
                }
                None if layout.upsert => {
                    (0..keys).for_each(|i| joined.push(message, None, key_of(i), RowKind::Delete));
                }
                None if layout.null_value_is_row => {
                    (0..keys).for_each(|i| joined.push(message, None, key_of(i), RowKind::Insert));
                }
                // Flink's other formats give no row for it.
                None => {}
            }
            value_at += value_rows.unwrap_or_default();
            key_at += key_rows.flatten().unwrap_or_default();
        }
        if !has_kinds {
            joined.kinds.clear();
        }
        joined
    }

    fn assemble(
        &self,
        joined: &Joined,
        value: &Decoded,
        key: Option<&Decoded>,
        partition: &TopicPartition,
        messages: &Messages,
    ) -> Result<Option<ChangeBatch>> {
        let count = joined.messages.len();
        if count == 0 {
            return Ok(None);
        }
        let schema = &self.shared.layout.schema;
        let mut columns = Vec::with_capacity(self.shared.layout.outputs.len());
        let key_column = |at: usize, place: usize| {
            let rows = key.and_then(|key| key.rows.as_ref());
            column(rows, at, joined.key_rows.as_ref(), schema.field(place).data_type(), count)
        };
        for (place, output) in self.shared.layout.outputs.iter().enumerate() {
            columns.push(match output {
                Output::Key(at) => key_column(*at, place)?,
                Output::Value { at, key } => {
                    let ty = schema.field(place).data_type();
                    let values = column(value.rows.as_ref(), *at, joined.value_rows.as_ref(), ty, count)?;
                    match key {
                        Some(key) if joined.has_deletions() => joined.or_of_key(values, &key_column(*key, place)?)?,
                        _ => values,
                    }
                }
                Output::Metadata(metadata) => metadata.column(partition, messages, &joined.messages)?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        let kinds = (!joined.kinds.is_empty()).then(|| RowKinds::new(joined.kinds.clone()));
        let kinds = kinds.filter(|kinds| !kinds.is_insert_only());
        ChangeBatch::new(rows, kinds).map(Some)
    }
}

/// Rows of messages: for each the row of the value and the one of the key.
#[derive(Default)]
struct Joined {
    messages: Vec<u32>,
    /// Nothing if they are all rows in order.
    value_rows: Option<Vec<Option<u32>>>,
    key_rows: Option<Vec<Option<u32>>>,
    /// Empty if all are insertions.
    kinds: Vec<RowKind>,
}

impl Joined {
    /// The common case: each message is one value with one key at most.
    fn one_by_one(value: &Decoded, key: Option<&Decoded>, until: usize) -> Option<Self> {
        let one = |counts: &[Option<u32>]| counts[..until].iter().all(|count| *count == Some(1));
        let has_kinds = value.rows.as_ref().is_some_and(|rows| rows.kinds().is_some());
        if has_kinds || !one(&value.counts) || key.is_some_and(|key| !one(&key.counts)) {
            return None;
        }
        Some(Joined { messages: (0..until as u32).collect(), ..Joined::default() })
    }

    fn push(&mut self, message: usize, value: Option<u32>, key: Option<u32>, kind: RowKind) {
        self.messages.push(message as u32);
        self.value_rows.get_or_insert_default().push(value);
        self.key_rows.get_or_insert_default().push(key);
        self.kinds.push(kind);
    }

    fn has_deletions(&self) -> bool {
        self.value_rows.as_ref().is_some_and(|rows| rows.iter().any(Option::is_none))
    }

    /// The value's column, and that of the key where there is no value.
    fn or_of_key(&self, values: ArrayRef, keys: &ArrayRef) -> Result<ArrayRef> {
        let Some(rows) = &self.value_rows else { return Ok(values) };
        let no_value: arrow_array::BooleanArray = rows.iter().map(|row| Some(row.is_none())).collect();
        Ok(arrow_select::zip::zip(&no_value, keys, &values)?)
    }
}

/// A column of what was decoded, in the order of the joined rows.
fn column(
    decoded: Option<&ChangeBatch>,
    at: usize,
    rows: Option<&Vec<Option<u32>>>,
    ty: &arrow_schema::DataType,
    count: usize,
) -> Result<ArrayRef> {
    let Some(decoded) = decoded else { return Ok(new_null_array(ty, count)) };
    let values = decoded.rows().column(at);
    match rows {
        None if values.len() == count => Ok(Arc::clone(values)),
        // Behind these a record does not fit.
        None => Ok(values.slice(0, count)),
        Some(rows) => Ok(take(values, &UInt32Array::from(rows.clone()), None)?),
    }
}

fn decode(decoder: &mut dyn Decoder, bytes: &[Option<&[u8]>], place: &dyn Fn(usize, &str) -> Error) -> Result<Decoded> {
    let with_bytes = bytes.iter().enumerate().filter_map(|(at, bytes)| Some((at as u32, (*bytes)?)));
    let (decoded, present): (Vec<u32>, Vec<&[u8]>) = with_bytes.unzip();
    let (mut rows, mut failure) = (Vec::with_capacity(present.len()), None);
    match decoder.decode_messages(&present, &mut rows) {
        Ok(()) => {}
        Err(DecodeError::Record(bad)) => {
            let at = decoded.get(bad.at).map_or(0, |at| *at as usize);
            failure = Some((at, place(at, &bad.what)));
        }
        Err(DecodeError::Other(e)) => return Err(e),
    }
    let mut counts = vec![None; bytes.len()];
    for (at, count) in decoded.iter().zip(&rows) {
        counts[*at as usize] = Some(*count);
    }
    let rows = if decoder.rows() > 0 { Some(decoder.take()?) } else { None };
    Ok(Decoded { rows, counts, failure, decoded })
}

fn record_error(partition: &TopicPartition, messages: &Messages, at: usize, what: &str) -> Error {
    let offset = messages.all.get(at).map_or(-1, |message| message.record.offset);
    Error::data(format!("{partition}, offset {offset}: {what}"))
}

/// The last column of dead letters says which message it was; for people it is a place in Kafka.
fn name_origins(value: &mut Decoded, partition: &TopicPartition, messages: &Messages) -> Result<()> {
    let Some(batch) = value.rows.take() else { return Ok(()) };
    let (rows, schema) = (batch.rows(), batch.rows().schema());
    let (Some((places, others)), Some((_, fields))) = (rows.columns().split_last(), schema.fields().split_last())
    else {
        return Err(Error::internal("a batch has no places of dead letters"));
    };
    let text = |place: Option<i64>| {
        let at = value.decoded.get(usize::try_from(place?).ok()?)?;
        let offset = messages.all.get(*at as usize)?.record.offset;
        Some(format!("{partition}, offset {offset}"))
    };
    let texts: StringArray = places.as_primitive::<Int64Type>().iter().map(text).collect();
    let origin = Arc::new(arrow_schema::Field::new("origin", arrow_schema::DataType::Utf8, true));
    let fields: Vec<_> = fields.iter().cloned().chain([origin]).collect();
    let columns = others.iter().cloned().chain([Arc::new(texts) as ArrayRef]).collect();
    let named = RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), columns)?;
    value.rows = Some(batch.with_rows(named)?);
    Ok(())
}
