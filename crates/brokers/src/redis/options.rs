//! The options of a table.

use flott_api::lookup::LookupCache;
use flott_api::options::{ConfigOption, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::{Error, Result, Schema};
use flott_formats::{Format, Layout, has_text};

use super::DESCRIPTION;
use crate::access::Access;

const PORT: u16 = 6379;
const RETRIES: u32 = 3;
const COMMANDS: [(&str, Command); 6] = [
    ("HSET", Command::HSet),
    ("LPUSH", Command::LPush),
    ("PUBLISH", Command::Publish),
    ("RPUSH", Command::RPush),
    ("SET", Command::Set),
    ("XADD", Command::XAdd),
];

/// Beside those of [`Access`](crate::access::Access).
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::number("port", "Its port.").or("6379"),
    ConfigOption::text(
        "redis-mode",
        "Only `single`: `cluster` and `sentinel` are refused, and so is a server that says that a key is elsewhere.",
    ),
    ConfigOption::number("database", "Its number.").or("0"),
    ConfigOption::choice("command", &["HSET", "SET", "LPUSH", "RPUSH", "PUBLISH", "XADD"], "What a row is: see above.")
        .or("HSET"),
    ConfigOption::text("key", "The list, the channel or the stream; needed for those."),
    ConfigOption::text("key.prefix", "What stands before the columns of a key."),
    ConfigOption::text("key.delimiter", "What stands between them.").or(":"),
    ConfigOption::text("format", "The format of a value, where it is no hash and no stream's entry."),
    ConfigOption::duration("ttl", "A row of `HSET` or `SET` goes so long behind its last write."),
    ConfigOption::number("lookup.max-retries", "How often a lookup is tried again, a second longer each time.").or("3"),
    ConfigOption::number("sink.max-retries", "How often a batch is tried again, a second longer each time.").or("3"),
    ConfigOption::number("sink.stream.max-length", "A stream keeps about so many entries (`MAXLEN ~`)."),
    SINK_PARALLELISM,
];

/// How a row lies in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// A hash, with a field for each column that is not of the key.
    HSet,
    /// A string.
    Set,
    /// At the front of a list.
    LPush,
    /// At the end of a list.
    RPush,
    /// A message of a channel.
    Publish,
    /// An entry of a stream.
    XAdd,
}

impl Command {
    /// As Redis writes it.
    pub(super) fn name(self) -> &'static str {
        COMMANDS.iter().find(|(_, command)| *command == self).map_or("", |(name, _)| *name)
    }

    /// Whether a row has a key of its own, so that a later one replaces it.
    pub(super) fn is_keyed(self) -> bool {
        matches!(self, Command::HSet | Command::Set)
    }
}

/// What is to be known of a table to read its options.
pub(super) struct Table<'a> {
    pub(super) options: &'a Options,
    pub(super) schema: &'a Schema,
    /// Places of the primary key's columns.
    pub(super) primary_key: &'a [usize],
}

/// All options, checked.
pub(super) struct RedisOptions {
    pub(super) access: Access,
    pub(super) database: u32,
    pub(super) command: Command,
    /// Of strings, entries of lists and messages; without one there is one column, and its text is it.
    pub(super) format: Option<Box<dyn Format>>,
    /// The list, channel or stream.
    pub(super) key: String,
    pub(super) prefix: String,
    pub(super) delimiter: String,
    pub(super) ttl_ms: Option<u64>,
    /// About so many entries a stream keeps.
    pub(super) stream_length_max: Option<u64>,
    pub(super) lookup_cache: LookupCache,
    pub(super) lookup_retries: u32,
    pub(super) sink_retries: u32,
    pub(super) sink_parallelism: Option<u32>,
    /// The columns that are not of the key, or all of a table without one.
    pub(super) values: Vec<usize>,
}

impl RedisOptions {
    /// Reads them.
    ///
    /// # Errors
    /// If one is wrong, unknown or missing, or does not fit to the columns.
    pub(super) fn read(table: &Table<'_>) -> Result<Self> {
        let reader = DESCRIPTION.reader(table.options);
        mode(&reader)?;
        let command = reader.choice("command", &COMMANDS, Command::HSet)?;
        let format = reader.text("format").map(|name| named_format(name, &reader)).transpose()?;
        let lookup_cache = LookupCache::read(&reader, LookupCache::None)?;
        if matches!(lookup_cache, LookupCache::Full(_)) {
            return Err(Error::invalid("option 'lookup.cache' has the value 'FULL'")
                .with_detail("A table of Redis is not read as a whole.")
                .with_hint("It may be 'NONE' or 'PARTIAL'."));
        }
        let ttl = reader.value::<Millis>("ttl")?;
        let options = RedisOptions {
            access: Access::read(&reader, PORT, PORT)?,
            database: reader.value_or("database", 0)?,
            command,
            format,
            key: named_key(&reader, command)?,
            prefix: reader.text("key.prefix").unwrap_or_default().to_owned(),
            delimiter: reader.text("key.delimiter").unwrap_or(":").to_owned(),
            ttl_ms: ttl.map(|Millis(ms)| ms),
            stream_length_max: reader.value("sink.stream.max-length")?,
            lookup_cache,
            lookup_retries: reader.value_or("lookup.max-retries", RETRIES)?,
            sink_retries: reader.value_or("sink.max-retries", RETRIES)?,
            sink_parallelism: reader.value("sink.parallelism")?,
            values: (0..table.schema.len()).filter(|i| !table.primary_key.contains(i)).collect(),
        };
        reader.finish()?;
        options.check_key(table)?;
        options.check_values(table)?;
        options.check_numbers()?;
        Ok(options)
    }

    fn check_key(&self, table: &Table<'_>) -> Result<()> {
        let name = self.command.name();
        match (self.command.is_keyed(), table.primary_key.is_empty()) {
            (true, true) => {
                return Err(Error::invalid(format!("a table with 'command' = '{name}' needs a PRIMARY KEY"))
                    .with_detail("Its columns make the key of Redis.")
                    .with_hint("Add PRIMARY KEY (..) NOT ENFORCED."));
            }
            (false, false) => {
                return Err(Error::invalid(format!("a table with 'command' = '{name}' has a PRIMARY KEY"))
                    .with_detail("What is appended stays: nothing keeps a key from coming twice."));
            }
            _ => {}
        }
        let textless = table.primary_key.iter().map(|i| &table.schema.fields[*i]).find(|f| !has_text(&f.ty));
        if let Some(field) = textless {
            return Err(Error::unsupported(format!("column '{}' of type {} as a key of Redis", field.name, field.ty)));
        }
        let other = [("key.prefix", !self.prefix.is_empty()), ("ttl", self.ttl_ms.is_some())];
        match other.iter().find(|(_, given)| *given && !self.command.is_keyed()) {
            Some((option, _)) => Err(unused(option, name)),
            None => Ok(()),
        }
    }

    fn check_values(&self, table: &Table<'_>) -> Result<()> {
        let name = self.command.name();
        let values = table.schema.project(&self.values);
        if values.is_empty() {
            return Err(Error::invalid("a table of connector 'redis' has no columns beside its key"));
        }
        if matches!(self.command, Command::HSet | Command::XAdd) {
            if self.format.is_some() {
                return Err(unused("format", name));
            }
        } else if let Some(format) = &self.format {
            return format.check(&values);
        } else if values.len() > 1 {
            return Err(Error::invalid(format!("a table with 'command' = '{name}' needs option 'format'"))
                .with_detail(format!("It has {} columns for one value of Redis.", values.len()))
                .with_hint("Add 'format' = 'json', or use 'command' = 'HSET'."));
        }
        let textless = values.fields.iter().find(|f| !has_text(&f.ty));
        textless.map_or(Ok(()), |field| {
            Err(Error::unsupported(format!("column '{}' of type {} as a text in Redis", field.name, field.ty))
                .with_hint("Use 'command' = 'SET' with 'format' = 'json'."))
        })
    }

    fn check_numbers(&self) -> Result<()> {
        let zero = |option: &str| Err(Error::invalid(format!("option '{option}' must be more than nothing")));
        if self.ttl_ms == Some(0) {
            return zero("ttl");
        }
        if self.sink_parallelism == Some(0) {
            return zero("sink.parallelism");
        }
        match self.stream_length_max {
            Some(0) => zero("sink.stream.max-length"),
            Some(_) if self.command != Command::XAdd => Err(unused("sink.stream.max-length", self.command.name())),
            _ => Ok(()),
        }
    }
}

fn mode(reader: &OptionReader<'_>) -> Result<()> {
    match reader.text("redis-mode") {
        None => Ok(()),
        Some(mode) if mode.eq_ignore_ascii_case("single") => Ok(()),
        Some(mode @ ("cluster" | "sentinel")) => {
            Err(Error::unsupported(format!("option 'redis-mode' = '{mode}' of connector 'redis'"))
                .with_hint("It speaks with one server."))
        }
        Some(mode) => Err(Error::invalid(format!("option 'redis-mode' has the value '{mode}'"))
            .with_detail("It may be 'single'; 'cluster' and 'sentinel' are not supported yet.")),
    }
}

fn named_key(reader: &OptionReader<'_>, command: Command) -> Result<String> {
    if command.is_keyed() {
        return reader.text("key").map_or(Ok(String::new()), |_| {
            Err(unused("key", command.name())
                .with_hint("The key is made of the primary key's columns; see 'key.prefix'."))
        });
    }
    reader.required("key").map(str::to_owned)
}

fn named_format(name: &str, reader: &OptionReader<'_>) -> Result<Box<dyn Format>> {
    let format = flott_formats::format(name, reader, "")?;
    if let Layout::File(_) = format.layout() {
        return Err(Error::invalid(format!("format '{name}' cannot be used for values of Redis"))
            .with_detail("It holds a whole file and no single rows."));
    }
    if !format.changelog().is_insert_only() {
        return Err(Error::invalid(format!("format '{name}' cannot be used for values of Redis: it holds changes")));
    }
    if format.dead_letter_table().is_some() {
        return Err(Error::unsupported(format!("option '{name}.dead-letter.table' of connector 'redis'")));
    }
    Ok(format)
}

fn unused(option: &str, command: &str) -> Error {
    Error::invalid(format!("option '{option}' means nothing with 'command' = '{command}'"))
}

#[cfg(test)]
mod tests;
