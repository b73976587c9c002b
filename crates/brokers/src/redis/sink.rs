//! Writing: the rows of a batch are one pipeline, which is answered before the next one is taken. There is nothing to wait
//! for at a checkpoint.

use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::types::Field;
use flott_api::{ChangeBatch, Error, Result};
use flott_formats::{Encoded, Encoder, EncoderSpec, TextCells};
use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::connection::Server;
use super::keys::Keys;
use super::options::{Command, RedisOptions};
use super::resp::Commands;

/// So many bytes of commands are sent before their answers are taken.
const PIPELINE_BYTES_MAX: usize = 256 << 10;

/// A table to write.
pub(super) struct RedisSink {
    shared: Arc<Shared>,
}

struct Shared {
    options: RedisOptions,
    spec: SinkSpec,
}

impl RedisSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(options: RedisOptions, spec: &SinkSpec) -> Result<Self> {
        if let Some(key) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'redis' cannot write metadata '{key}'")));
        }
        if spec.overwrite || !spec.partition_keys.is_empty() {
            return Err(Error::invalid(format!("table '{}' of connector 'redis' has no partitions", spec.table)));
        }
        if !spec.changelog.is_insert_only() && !options.command.is_keyed() {
            let command = options.command.name();
            let message = format!("table '{}' with 'command' = '{command}' takes no updates and deletions", spec.table);
            return Err(Error::invalid(message).with_hint("Use 'command' = 'HSET' or 'SET' with a PRIMARY KEY."));
        }
        Ok(RedisSink { shared: Arc::new(Shared { options, spec: spec.clone() }) })
    }
}

impl Sink for RedisSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let Shared { options, spec } = &*self.shared;
        let server = Server::new(options, options.sink_retries, &cx.environment);
        let encoder = match &options.format {
            Some(format) => {
                let schema = spec.schema.project(&options.values);
                Some(format.encoder(&EncoderSpec { schema, line_ends: false })?)
            }
            None => None,
        };
        let shared = Arc::clone(&self.shared);
        let environment = cx.environment;
        Ok(Box::new(RedisWriter { shared, server, encoder, opened: false, encoded: Encoded::default(), environment }))
    }

    fn committer(&self, _: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct RedisWriter {
    shared: Arc<Shared>,
    server: Server,
    encoder: Option<Box<dyn Encoder>>,
    opened: bool,
    encoded: Encoded,
    environment: Environment,
}

/// What the rows of a batch are written from.
struct Source<'a> {
    options: &'a RedisOptions,
    cells: Vec<(TextCells, &'a Field)>,
    encoded: Option<&'a Encoded>,
}

impl Source<'_> {
    /// The one value of a row; whether there is one, and not a null.
    fn value(&self, row: usize, commands: &mut Commands) -> bool {
        match (self.encoded, self.cells.first()) {
            (Some(encoded), _) => {
                let start = if row == 0 { 0 } else { encoded.ends[row - 1] };
                commands.argument(&encoded.bytes[start..encoded.ends[row]]);
                true
            }
            (None, Some((cells, _))) => commands.argument_with(|out| cells.write(row, out)),
            (None, None) => false,
        }
    }

    /// Names and texts of the columns that are not null; how many.
    fn fields(&self, row: usize, commands: &mut Commands) -> usize {
        let mut count = 0;
        for (cells, field) in &self.cells {
            commands.argument(field.name.as_bytes());
            if commands.argument_with(|out| cells.write(row, out)) {
                count += 1;
            } else {
                commands.take_back();
            }
        }
        count
    }

    /// The hash of a key becomes this row: what is null there is no field. A row of nulls is no hash.
    fn hash(&self, key: &[u8], row: usize, commands: &mut Commands) {
        commands.argument(b"HSET");
        commands.argument(key);
        let set = self.fields(row, commands);
        if set > 0 {
            commands.end()
        } else {
            commands.forget()
        }
        if set < self.cells.len() {
            commands.argument(b"HDEL");
            commands.argument(key);
            let mut scratch = Vec::new();
            for (cells, field) in &self.cells {
                scratch.clear();
                if !cells.write(row, &mut scratch) {
                    commands.argument(field.name.as_bytes());
                }
            }
            commands.end();
        }
        if let Some(ttl_ms) = self.options.ttl_ms {
            commands.push(&[b"PEXPIRE", key, ttl_ms.to_string().as_bytes()]);
        }
    }

    fn string(&self, key: &[u8], row: usize, commands: &mut Commands) {
        commands.argument(b"SET");
        commands.argument(key);
        if !self.value(row, commands) {
            // A null is no string.
            commands.forget();
            commands.push(&[b"DEL", key]);
            return;
        }
        if let Some(ttl_ms) = self.options.ttl_ms {
            commands.argument(b"PX");
            commands.argument(ttl_ms.to_string().as_bytes());
        }
        commands.end();
    }

    /// Appends a row.
    ///
    /// # Errors
    /// If it has no value.
    fn append(&self, row: usize, commands: &mut Commands) -> Result<()> {
        let options = self.options;
        commands.argument(options.command.name().as_bytes());
        commands.argument(options.key.as_bytes());
        if options.command != Command::XAdd {
            if !self.value(row, commands) {
                let command = options.command.name();
                return Err(Error::data(format!("a value for {command} is null"))
                    .with_hint("Filter such rows, or use 'format' = 'json'."));
            }
        } else {
            if let Some(most) = options.stream_length_max {
                commands.argument(b"MAXLEN");
                commands.argument(b"~");
                commands.argument(most.to_string().as_bytes());
            }
            commands.argument(b"*");
            if self.fields(row, commands) == 0 {
                return Err(Error::data("a row for XADD has nothing but nulls"));
            }
        }
        commands.end();
        Ok(())
    }
}

/// Of each row, whether no later one has its key.
fn last_of_keys(keys: &Keys) -> Vec<bool> {
    let mut seen: HashSet<&[u8], RandomState> = HashSet::default();
    let mut last = vec![false; keys.len()];
    for row in (0..keys.len()).rev() {
        last[row] = seen.insert(keys.get(row));
    }
    last
}

impl RedisWriter {
    async fn write_rows(&mut self, batch: &ChangeBatch) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Shared { options, spec } = &*shared;
        let keyed = options.command.is_keyed();
        let columns: Vec<(usize, &Field)> = spec.primary_key.iter().map(|i| (*i, &spec.schema.fields[*i])).collect();
        let keys = if keyed { Keys::of(batch.rows(), &columns, options)? } else { Keys::default() };
        if let Some(row) = keys.first_ambiguous() {
            let key = String::from_utf8_lossy(keys.get(row)).into_owned();
            return Err(Error::data(format!("the key '{key}' would be that of another row, too"))
                .with_detail(format!("A column of it holds '{}', which parts the columns.", options.delimiter))
                .with_hint("Choose another 'key.delimiter'."));
        }
        self.encode(batch).await?;
        let cells = options.values.iter().map(|i| {
            let field = &spec.schema.fields[*i];
            Ok((TextCells::new(batch.rows().column(*i), &field.ty)?, field))
        });
        let cells = if self.encoder.is_some() { Vec::new() } else { cells.collect::<Result<_>>()? };
        let source = Source { options, cells, encoded: self.encoder.as_ref().map(|_| &self.encoded) };
        let last = last_of_keys(&keys);
        let mut commands = Commands::default();
        for row in (0..batch.len()).filter(|row| !keyed || last[*row]) {
            match options.command {
                _ if keyed && batch.kind(row).is_retract() => commands.push(&[b"DEL", keys.get(row)]),
                Command::HSet => source.hash(keys.get(row), row, &mut commands),
                Command::Set => source.string(keys.get(row), row, &mut commands),
                _ => source.append(row, &mut commands)?,
            }
            if commands.bytes.len() >= PIPELINE_BYTES_MAX {
                self.server.ask(&commands).await?;
                commands.clear();
            }
        }
        if commands.count > 0 {
            self.server.ask(&commands).await?;
        }
        Ok(())
    }

    async fn encode(&mut self, batch: &ChangeBatch) -> Result<()> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        if !self.opened {
            encoder.open(&self.environment).await?;
            self.opened = true;
        }
        self.encoded.bytes.clear();
        self.encoded.ends.clear();
        let rows = batch.rows().project(&self.shared.options.values)?;
        // Rows that delete are encoded, too, and not looked at: there is one record for each row.
        encoder.encode(&ChangeBatch::inserts(rows), &mut self.encoded)?;
        if self.encoded.ends.len() != batch.len() {
            return Err(Error::internal(format!("{} rows gave {} records", batch.len(), self.encoded.ends.len())));
        }
        Ok(())
    }
}

#[async_trait]
impl SinkWriter for RedisWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.write_rows(&batch).await;
        written.map_err(|e| e.context(format!("table '{}'", self.shared.spec.table)))
    }

    async fn prepare_commit(&mut self, _: bool) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}
