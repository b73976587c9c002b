//! Looking up keys: those of a batch in one pipeline.

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::lookup::{Found, LookupSpec, LookupTable};
use flott_api::types::Field;
use flott_api::{Error, Result};
use flott_formats::{DecodeError, Decoder, DecoderSpec, TextColumn};

use super::connection::Server;
use super::keys::Keys;
use super::options::{Command, RedisOptions};
use super::resp::{Commands, Reply};

/// So many keys are asked for at once: the answers are held until all are there.
const KEYS_MAX: usize = 1024;

/// A table that is looked up in.
pub(super) struct RedisLookup {
    options: RedisOptions,
    table: String,
    server: Server,
    environment: Environment,
    schema: SchemaRef,
    /// Of the primary key's columns, in their order: the place among the keys that are asked for.
    key_places: Vec<usize>,
    key_fields: Vec<Field>,
    /// Where each wanted column comes from.
    outputs: Vec<Output>,
    values: Vec<Field>,
    decoder: Option<Box<dyn Decoder>>,
}

enum Output {
    /// The key that was asked for, at this place.
    Key(usize),
    /// What was found, at this place among the wanted values.
    Value(usize),
}

impl RedisLookup {
    /// The table of a specification; nothing is connected yet.
    ///
    /// # Errors
    /// If not the whole key is asked for.
    pub(super) fn new(options: RedisOptions, spec: &LookupSpec, environment: &Environment) -> Result<Self> {
        let table = &spec.table;
        // The columns of the table that the keys are.
        let asked: Vec<usize> = spec.keys.iter().filter_map(|key| table.projection.get(*key).copied()).collect();
        let place = |column: &usize| asked.iter().position(|asked| asked == column);
        let key_places: Option<Vec<usize>> = table.primary_key.iter().map(place).collect();
        let whole = key_places.filter(|places| places.len() == asked.len()).ok_or_else(|| {
            let names: Vec<&str> = table.primary_key.iter().map(|i| table.schema.fields[*i].name.as_str()).collect();
            Error::invalid(format!("a lookup in table '{}' does not name the whole key and nothing else", table.table))
                .with_detail(format!("Redis knows rows only by their key: {}.", names.join(", ")))
                .with_hint("Compare all of these columns with =, and filter by others in an outer query.")
        })?;
        let (mut outputs, mut wanted) = (Vec::new(), Vec::new());
        for column in &table.projection {
            outputs.push(match place(column) {
                Some(key) => Output::Key(key),
                None => {
                    wanted.push(*column);
                    Output::Value(wanted.len() - 1)
                }
            });
        }
        let field = |column: &usize| table.schema.fields[*column].clone();
        let decoder = match &options.format {
            Some(format) => {
                let of_values = |column: &usize| options.values.iter().position(|value| value == column);
                let projection = wanted.iter().filter_map(of_values).collect();
                let schema = table.schema.project(&options.values);
                Some(format.decoder(&DecoderSpec { schema, projection, metadata: Vec::new(), dead_letters: false })?)
            }
            None => None,
        };
        Ok(RedisLookup {
            server: Server::new(&options, options.lookup_retries, environment),
            table: table.table.clone(),
            environment: environment.clone(),
            schema: table.output_schema().arrow(),
            key_places: whole,
            key_fields: table.primary_key.iter().map(field).collect(),
            outputs,
            values: wanted.iter().map(field).collect(),
            decoder,
            options,
        })
    }

    /// The values of keys that there are, each with the number of its key.
    async fn find(&mut self, keys: &Keys) -> Result<(Vec<u32>, Vec<ArrayRef>)> {
        let mut columns: Vec<TextColumn> = self.values.iter().map(|f| TextColumn::new(&f.ty)).collect();
        let (mut found, mut texts) = (Vec::new(), Vec::new());
        let wanted: Vec<u32> = (0..keys.len() as u32).filter(|row| !keys.is_ambiguous(*row as usize)).collect();
        for part in wanted.chunks(KEYS_MAX) {
            if self.options.command == Command::HSet {
                self.hashes(keys, part, &mut found, &mut columns).await?;
            } else {
                self.strings(keys, part, &mut found, &mut texts).await?;
            }
        }
        if self.options.command == Command::HSet {
            return Ok((found, columns.iter_mut().map(TextColumn::take).collect::<Result<_>>()?));
        }
        if self.decoder.is_some() {
            return self.decode(keys, &found, &texts).await;
        }
        for (row, text) in found.iter().zip(&texts) {
            self.put(keys.get(*row as usize), &mut columns, 0, Some(text))?;
        }
        Ok((found, columns.iter_mut().map(TextColumn::take).collect::<Result<_>>()?))
    }

    /// Adds a value; there is a column only if it is wanted.
    fn put(&self, key: &[u8], columns: &mut [TextColumn], at: usize, text: Option<&Bytes>) -> Result<()> {
        let (Some(column), Some(field)) = (columns.get_mut(at), self.values.get(at)) else { return Ok(()) };
        if text.is_none() && !field.ty.nullable {
            return Err(self.misfit(key, format!("column '{}' is missing, and declared NOT NULL", field.name)));
        }
        if !column.push(text.map(|text| &text[..])) {
            return Err(self.misfit(key, format!("the value of column '{}' is no {}", field.name, field.ty)));
        }
        Ok(())
    }

    fn misfit(&self, key: &[u8], what: String) -> Error {
        Error::data(format!("key '{}': {what}", String::from_utf8_lossy(key)))
    }

    async fn hashes(
        &mut self,
        keys: &Keys,
        part: &[u32],
        found: &mut Vec<u32>,
        columns: &mut [TextColumn],
    ) -> Result<()> {
        let mut replies = Vec::new();
        if !self.values.is_empty() {
            let mut commands = Commands::default();
            for row in part {
                commands.argument(b"HMGET");
                commands.argument(keys.get(*row as usize));
                self.values.iter().for_each(|field| commands.argument(field.name.as_bytes()));
                commands.end();
            }
            replies = self.server.ask(&commands).await?;
        }
        let is_empty = |at: usize| match replies.get(at) {
            Some(Reply::Array(fields)) => fields.iter().all(|f| *f == Reply::Bulk(None)),
            _ => true,
        };
        // A hash that is not there looks like one without these fields.
        let doubtful: Vec<usize> = (0..part.len()).filter(|at| is_empty(*at)).collect();
        let mut commands = Commands::default();
        doubtful.iter().for_each(|at| commands.push(&[b"EXISTS", keys.get(part[*at] as usize)]));
        let exist = if doubtful.is_empty() { Vec::new() } else { self.server.ask(&commands).await? };
        let mut exist = exist.into_iter();
        for (at, row) in part.iter().enumerate() {
            let doubted = is_empty(at);
            if doubted && exist.next() != Some(Reply::Integer(1)) {
                continue;
            }
            let none = Vec::new();
            let fields = match replies.get(at) {
                Some(Reply::Array(fields)) => fields,
                _ => &none,
            };
            found.push(*row);
            for (column, reply) in fields.iter().enumerate() {
                let Reply::Bulk(text) = reply else { return Err(senseless()) };
                self.put(keys.get(*row as usize), columns, column, text.as_ref())?;
            }
        }
        Ok(())
    }

    async fn strings(&mut self, keys: &Keys, part: &[u32], found: &mut Vec<u32>, texts: &mut Vec<Bytes>) -> Result<()> {
        let mut commands = Commands::default();
        commands.argument(b"MGET");
        part.iter().for_each(|row| commands.argument(keys.get(*row as usize)));
        commands.end();
        let Some(Reply::Array(replies)) = self.server.ask(&commands).await?.pop() else { return Err(senseless()) };
        if replies.len() != part.len() {
            return Err(senseless());
        }
        for (row, reply) in part.iter().zip(replies) {
            if let Reply::Bulk(Some(text)) = reply {
                found.push(*row);
                texts.push(text);
            }
        }
        Ok(())
    }

    /// Values of a format. One that gives no row, as the format's options may have it, is not found.
    async fn decode(&mut self, keys: &Keys, found: &[u32], texts: &[Bytes]) -> Result<(Vec<u32>, Vec<ArrayRef>)> {
        let misfit = |row: u32, what: &str| {
            Error::data(format!("key '{}': {what}", String::from_utf8_lossy(keys.get(row as usize))))
        };
        let Some(decoder) = &mut self.decoder else { return Err(Error::internal("a table has no format")) };
        let messages: Vec<&[u8]> = texts.iter().map(|text| &text[..]).collect();
        decoder.prepare(&self.environment, &messages).await?;
        let mut counts = Vec::with_capacity(messages.len());
        match decoder.decode_messages(&messages, &mut counts) {
            Ok(()) => {}
            Err(DecodeError::Record(bad)) => return Err(misfit(found.get(bad.at).copied().unwrap_or(0), &bad.what)),
            Err(DecodeError::Other(e)) => return Err(e),
        }
        let rows = found.iter().zip(counts).flat_map(|(row, count)| (0..count).map(|_| *row)).collect();
        if decoder.rows() == 0 {
            let none = |f: &Field| arrow_array::new_empty_array(&f.ty.arrow());
            return Ok((rows, self.values.iter().map(none).collect()));
        }
        let batch = decoder.take()?;
        Ok((rows, batch.rows().columns().to_vec()))
    }
}

fn senseless() -> Error {
    Error::external("an answer of Redis makes no sense")
}

#[async_trait]
impl LookupTable for RedisLookup {
    async fn lookup(&mut self, keys: &RecordBatch) -> Result<Found> {
        let columns: Vec<(usize, &Field)> = self.key_places.iter().copied().zip(&self.key_fields).collect();
        let texts = Keys::of(keys, &columns, &self.options)?;
        let found = self.find(&texts).await;
        let (found, values) = found.map_err(|e| e.context(format!("a lookup in table '{}'", self.table)))?;
        let places = UInt32Array::from(found.clone());
        let column = |output: &Output| match output {
            Output::Key(at) => Ok(take(keys.column(*at), &places, None)?),
            Output::Value(at) => {
                values.get(*at).cloned().ok_or_else(|| Error::internal("a wanted column was not looked up"))
            }
        };
        let columns = self.outputs.iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(found.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(Found { rows, keys: found })
    }
}
