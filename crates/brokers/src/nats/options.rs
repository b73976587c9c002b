//! The options of a table.

use flott_api::options::{ConfigOption, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::source::Boundedness;
use flott_api::{Error, Result, Schema};
use flott_formats::Format;

use super::DESCRIPTION;
use super::client::Identity;
use super::protocol::{is_filter, is_subject, overlap};
use crate::access::{Access, Secret};
use crate::messages::format_of;
use crate::payloads::sink_parallelism;

const PORT: u16 = 4222;
const RETRY_MS: u64 = 60_000;

/// Beside those of [`Access`](crate::access::Access).
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::number("port", "Its port.").or("4222"),
    ConfigOption::text("token", "Comes instead of a user. NKeys, JWT and files of credentials are not supported."),
    ConfigOption::duration(
        "connection.max-retry-timeout",
        "How long what fails is tried again before the job fails.",
    )
    .or("60 s"),
    ConfigOption::text(
        "stream",
        "The stream, which is needed to read; if it is given, a message that another stream would take is refused, too.",
    ),
    ConfigOption::text(
        "subject",
        "To read: filters with wildcards, parted by `;`, each a split of its own; they must not overlap. Without it all of the stream is one split. To write: one subject.",
    ),
    ConfigOption::text("format", "Also formats of changes such as `debezium-json`.").needed(),
    ConfigOption::choice(
        "scan.startup.mode",
        &["earliest-offset", "latest-offset", "sequence", "timestamp"],
        "Where reading begins, unless a checkpoint says it.",
    )
    .or("earliest-offset"),
    ConfigOption::number("scan.startup.sequence", "The first message, with `sequence`."),
    ConfigOption::number("scan.startup.timestamp-millis", "Milliseconds since the epoch, with `timestamp`."),
    ConfigOption::choice("scan.bounded.mode", &["unbounded", "latest-offset", "sequence"], "Where reading ends.")
        .or("unbounded"),
    ConfigOption::number("scan.bounded.sequence", "The last message that is read, with `sequence`."),
    ConfigOption::choice(
        "scan.lost-messages",
        &["fail", "log"],
        "What happens if limits of the stream, or a purge, removed messages before they were read: `log` goes on with a warning. With a filter it is always a warning, for what is gone need not have been of its subjects.",
    )
    .or("fail"),
    SINK_PARALLELISM,
];

/// Where reading begins that begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Startup {
    Earliest,
    Latest,
    Sequence(u64),
    TimestampMs(i64),
}

/// Where reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bounded {
    Never,
    /// Behind the last message that there is at the begin.
    Latest,
    /// Behind this one.
    Sequence(u64),
}

/// All options, checked.
pub(super) struct NatsOptions {
    pub(super) identity: Identity,
    pub(super) retry_ms: u64,
    pub(super) stream: Option<String>,
    /// Filters to read, or the one subject to write.
    pub(super) subjects: Vec<String>,
    pub(super) format: Box<dyn Format>,
    pub(super) startup: Startup,
    pub(super) bounded: Bounded,
    /// Whether messages that are gone before they were read fail the job.
    pub(super) fail_on_loss: bool,
    pub(super) sink_parallelism: Option<u32>,
}

impl NatsOptions {
    /// Reads them.
    ///
    /// # Errors
    /// If one is wrong, unknown or missing, or the format cannot hold the columns.
    pub(super) fn read(options: &Options, schema: &Schema) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        let access = Access::read(&reader, PORT, PORT)?;
        let token = reader.text("token").map(Secret::new);
        if token.is_some() && access.password.is_some() {
            return Err(Error::invalid("options 'token' and 'password' contradict")
                .with_detail("A client comes as a user, or with a token."));
        }
        if access.password.is_some() && access.username.is_none() {
            return Err(Error::invalid("option 'password' without option 'username'"));
        }
        let Millis(retry_ms) = reader.value_or("connection.max-retry-timeout", Millis(RETRY_MS))?;
        let stream = reader.text("stream").map(stream_name).transpose()?;
        let format = format_of(&reader, "nats")?;
        let read = NatsOptions {
            identity: Identity { access, token },
            retry_ms,
            stream,
            subjects: subjects(&reader)?,
            startup: startup(&reader)?,
            bounded: bounded(&reader)?,
            fail_on_loss: reader.choice("scan.lost-messages", &[("fail", true), ("log", false)], true)?,
            sink_parallelism: sink_parallelism(&reader)?,
            format,
        };
        reader.finish()?;
        read.format.check(schema)?;
        Ok(read)
    }

    /// Whether reading it ends.
    pub(super) fn boundedness(&self) -> Boundedness {
        if self.bounded == Bounded::Never { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    /// The stream that is read.
    ///
    /// # Errors
    /// If none is named.
    pub(super) fn stream_to_read(&self) -> Result<&str> {
        self.stream.as_deref().ok_or_else(|| {
            Error::invalid("connector 'nats' needs option 'stream' to read").with_hint("Add 'stream' = '...'.")
        })
    }

    /// The subject that is written, unless each row says its own.
    ///
    /// # Errors
    /// If there is none, or it is a filter.
    pub(super) fn subject_to_write(&self, in_rows: bool) -> Result<Option<&str>> {
        match (self.subjects.as_slice(), in_rows) {
            (_, true) => Ok(None),
            ([subject], false) if is_subject(subject) => Ok(Some(subject)),
            ([], false) => Err(Error::invalid("connector 'nats' needs option 'subject' to write")
                .with_hint("Add 'subject' = '...', or a column with METADATA FROM 'subject'.")),
            _ => Err(Error::invalid("option 'subject' is no single subject to write to")
                .with_hint("Name one without wildcards, or add a column with METADATA FROM 'subject'.")),
        }
    }
}

fn stream_name(name: &str) -> Result<String> {
    let good = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || ".*>/\\".contains(c));
    if good { Ok(name.to_owned()) } else { Err(Error::invalid(format!("option 'stream' = '{name}' names no stream"))) }
}

fn subjects(reader: &OptionReader<'_>) -> Result<Vec<String>> {
    let Some(text) = reader.text("subject") else { return Ok(Vec::new()) };
    let all: Vec<String> = text.split(';').map(|part| part.trim().to_owned()).collect();
    if let Some(bad) = all.iter().find(|part| !is_filter(part)) {
        return Err(Error::invalid(format!("option 'subject' has '{bad}', which is no subject"))
            .with_hint("It is parts between points, such as 'orders.eu' or 'orders.>'; several are parted by ';'."));
    }
    for (at, one) in all.iter().enumerate() {
        if let Some(other) = all[at + 1..].iter().find(|other| overlap(one, other)) {
            return Err(Error::invalid(format!("option 'subject' has '{one}' and '{other}', which overlap"))
                .with_detail("A message of both would be read twice."));
        }
    }
    Ok(all)
}

/// A number that goes with one mode, and must be there then.
fn of_mode<T: flott_api::options::FromOption>(reader: &OptionReader<'_>, key: &str, wanted: bool) -> Result<Option<T>> {
    match (reader.value::<T>(key)?, wanted) {
        (None, true) => Err(Error::invalid(format!("option '{key}' is missing"))),
        (Some(_), false) => Err(Error::invalid(format!("option '{key}' means nothing with this mode"))),
        (value, _) => Ok(value),
    }
}

fn startup(reader: &OptionReader<'_>) -> Result<Startup> {
    let modes = ["earliest-offset", "latest-offset", "sequence", "timestamp"].map(|mode| (mode, mode));
    let mode = reader.choice("scan.startup.mode", &modes, "earliest-offset")?;
    let sequence = of_mode::<u64>(reader, "scan.startup.sequence", mode == "sequence")?;
    let timestamp = of_mode::<i64>(reader, "scan.startup.timestamp-millis", mode == "timestamp")?;
    Ok(match (mode, sequence, timestamp) {
        (_, Some(sequence), _) => Startup::Sequence(sequence.max(1)),
        (_, _, Some(timestamp)) => Startup::TimestampMs(timestamp),
        ("latest-offset", ..) => Startup::Latest,
        _ => Startup::Earliest,
    })
}

fn bounded(reader: &OptionReader<'_>) -> Result<Bounded> {
    let modes = ["unbounded", "latest-offset", "sequence"].map(|mode| (mode, mode));
    let mode = reader.choice("scan.bounded.mode", &modes, "unbounded")?;
    let sequence = of_mode::<u64>(reader, "scan.bounded.sequence", mode == "sequence")?;
    Ok(match (mode, sequence) {
        (_, Some(sequence)) => Bounded::Sequence(sequence),
        ("latest-offset", _) => Bounded::Latest,
        _ => Bounded::Never,
    })
}

#[cfg(test)]
mod tests {
    use flott_api::{Field, LogicalType};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> std::result::Result<NatsOptions, String> {
        let mut all = vec![("host", "h"), ("format", "json"), ("stream", "s")];
        all.extend_from_slice(pairs);
        let options = Options(all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let schema = Schema::new(vec![Field::new("a", LogicalType::string())]);
        NatsOptions::read(&options, &schema).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn options_are_read() {
        let options =
            read(&[("subject", "a.>; b.*"), ("scan.startup.mode", "sequence"), ("scan.startup.sequence", "7")]);
        let options = options.unwrap();
        assert_eq!((options.subjects.len(), options.startup), (2, Startup::Sequence(7)));
        assert_eq!(options.boundedness(), Boundedness::Unbounded);
        assert!(options.subject_to_write(false).is_err() && options.subject_to_write(true).unwrap().is_none());
        let options = read(&[("scan.bounded.mode", "latest-offset"), ("subject", "a")]).unwrap();
        assert_eq!((options.bounded, options.subject_to_write(false).unwrap()), (Bounded::Latest, Some("a")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("subject", "a.>;a.b")], "option 'subject' has 'a.>' and 'a.b', which overlap"),
            (&[("subject", "a..b")], "option 'subject' has 'a..b', which is no subject"),
            (&[("stream", "a.b")], "option 'stream' = 'a.b' names no stream"),
            (&[("scan.startup.mode", "sequence")], "option 'scan.startup.sequence' is missing"),
            (&[("scan.bounded.sequence", "7")], "option 'scan.bounded.sequence' means nothing with this mode"),
            (&[("token", "t"), ("password", "p"), ("username", "u")], "options 'token' and 'password' contradict"),
            (&[("format", "parquet")], "format 'parquet' cannot be used for messages of connector 'nats'"),
            (&[("nkey", "n")], "connector 'nats' has no option 'nkey'"),
        ];
        for (pairs, message) in cases {
            assert_eq!(read(pairs).err().unwrap(), message);
        }
    }
}
