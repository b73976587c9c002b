//! The options of a table.

use flott_api::options::{ConfigOption, Millis, OptionTable, Options, SINK_PARALLELISM};
use flott_api::source::Boundedness;
use flott_api::{Error, Result, Schema};
use flott_formats::Format;

use super::DESCRIPTION;
use crate::access::{Access, Secret};
use crate::messages::format_of;
use crate::payloads::sink_parallelism;

const PORT: u16 = 5672;
const PORT_TLS: u16 = 5671;
const RETRY_MS: u64 = 60_000;
const PREFETCH: u32 = 10_000;
const NAME_BYTES_MAX: usize = 255;

/// Beside those of [`Access`](crate::access::Access).
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::number("port", "Its port; `5672`, with TLS `5671`."),
    ConfigOption::text("virtual-host", "Where the queues are.").or("/"),
    ConfigOption::duration("connection.max-retry-timeout", "How long what fails is tried again before the job fails.")
        .or("60 s"),
    ConfigOption::text(
        "queue",
        "To read: queues, parted by `;`, each a split of its own. To write: the one queue, if no exchange is named.",
    ),
    ConfigOption::text("exchange", "Where is written; else the nameless one."),
    ConfigOption::text("routing-key", "With what; else the name of the queue."),
    ConfigOption::text("format", "Also formats of changes such as `debezium-json`.").needed(),
    ConfigOption::choice(
        "scan.acknowledge",
        &["checkpoint", "receipt"],
        "With `receipt` the broker forgets a message when it has sent it.",
    )
    .or("checkpoint"),
    ConfigOption::flag(
        "scan.correlation-ids",
        "Whether a message is known again by its correlation id; each needs one of its own.",
    )
    .or("false"),
    ConfigOption::number("scan.prefetch-count", "So many messages of a queue may wait for their checkpoint.")
        .or("10000"),
    ConfigOption::choice(
        "scan.bounded.mode",
        &["unbounded", "latest-offset"],
        "`latest-offset`: as many messages as the queue has at the begin; needs `scan.correlation-ids`.",
    )
    .or("unbounded"),
    ConfigOption::choice(
        "sink.unroutable",
        &["fail", "drop"],
        "What happens with a message that no queue takes: `drop` loses it.",
    )
    .or("fail"),
    SINK_PARALLELISM,
];

/// All options, checked.
pub(super) struct RabbitOptions {
    pub(super) access: Access,
    pub(super) virtual_host: String,
    pub(super) retry_ms: u64,
    pub(super) queues: Vec<String>,
    pub(super) format: Box<dyn Format>,
    /// So many messages are under way, or wait for their checkpoint.
    pub(super) prefetch: u16,
    /// Whether messages are acknowledged when they are sent, and not when their checkpoint is complete.
    pub(super) on_receipt: bool,
    /// Whether a message is known again by its correlation id.
    pub(super) correlation_ids: bool,
    pub(super) bounded: bool,
    pub(super) exchange: String,
    pub(super) routing_key: Option<String>,
    /// Whether a message that no queue takes fails the job.
    pub(super) fail_unroutable: bool,
    pub(super) sink_parallelism: Option<u32>,
}

impl RabbitOptions {
    /// Reads them.
    ///
    /// # Errors
    /// If one is wrong, unknown or missing, or the format cannot hold the columns.
    pub(super) fn read(options: &Options, schema: &Schema) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        let access = Access::read(&reader, PORT, PORT_TLS)?;
        if access.password.is_some() && access.username.is_none() {
            return Err(Error::invalid("option 'password' without option 'username'"));
        }
        let Millis(retry_ms) = reader.value_or("connection.max-retry-timeout", Millis(RETRY_MS))?;
        let prefetch = reader.value_or("scan.prefetch-count", PREFETCH)?;
        let prefetch = u16::try_from(prefetch).ok().filter(|count| *count > 0);
        let queues = reader.text("queue").unwrap_or_default().split(';').map(|name| name.trim().to_owned());
        let read = RabbitOptions {
            access,
            virtual_host: reader.text("virtual-host").unwrap_or("/").to_owned(),
            retry_ms,
            queues: queues.filter(|name| !name.is_empty()).collect(),
            format: format_of(&reader, "rabbitmq")?,
            prefetch: prefetch.ok_or_else(|| Error::invalid("option 'scan.prefetch-count' must be from 1 to 65535"))?,
            on_receipt: reader.choice("scan.acknowledge", &[("checkpoint", false), ("receipt", true)], false)?,
            correlation_ids: reader.value_or("scan.correlation-ids", false)?,
            bounded: reader.choice("scan.bounded.mode", &[("unbounded", false), ("latest-offset", true)], false)?,
            exchange: reader.text("exchange").unwrap_or_default().to_owned(),
            routing_key: reader.text("routing-key").map(str::to_owned),
            fail_unroutable: reader.choice("sink.unroutable", &[("fail", true), ("drop", false)], true)?,
            sink_parallelism: sink_parallelism(&reader)?,
        };
        reader.finish()?;
        read.format.check(schema)?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<()> {
        let names = self.queues.iter().chain([&self.exchange, &self.virtual_host]).chain(&self.routing_key);
        if let Some(long) = names.into_iter().find(|name| name.len() > NAME_BYTES_MAX) {
            return Err(Error::invalid(format!("'{long}' is too long for a name of RabbitMQ")));
        }
        for (at, queue) in self.queues.iter().enumerate() {
            if self.queues[at + 1..].contains(queue) {
                return Err(Error::invalid(format!("option 'queue' names '{queue}' twice")));
            }
        }
        if self.on_receipt && self.correlation_ids {
            return Err(Error::invalid("options 'scan.correlation-ids' and 'scan.acknowledge' = 'receipt' contradict")
                .with_detail("What was acknowledged does not come again, so there is nothing to know again."));
        }
        if self.bounded && !self.correlation_ids {
            return Err(Error::invalid("option 'scan.bounded.mode' = 'latest-offset' needs 'scan.correlation-ids'")
                .with_detail(
                    "Without them messages that come again cannot be told from those that are still to come.",
                ));
        }
        Ok(())
    }

    /// Who comes: as RabbitMQ's own clients, a guest if nobody else.
    pub(super) fn identity(&self) -> (&str, &str) {
        let user = self.access.username.as_deref().unwrap_or("guest");
        (user, self.access.password.as_ref().map_or("guest", Secret::reveal))
    }

    /// Whether reading it ends.
    pub(super) fn boundedness(&self) -> Boundedness {
        if self.bounded { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    /// What is needed to read.
    ///
    /// # Errors
    /// If something is missing.
    pub(super) fn check_source(&self) -> Result<()> {
        if self.queues.is_empty() {
            return Err(
                Error::invalid("connector 'rabbitmq' needs option 'queue' to read").with_hint("Add 'queue' = '...'.")
            );
        }
        Ok(())
    }

    /// The routing key that is written, unless each row says its own: with the nameless exchange it is the queue.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn key_to_write(&self, in_rows: bool) -> Result<Option<&str>> {
        match (&self.routing_key, self.queues.as_slice()) {
            _ if in_rows => Ok(None),
            (Some(key), _) => Ok(Some(key)),
            (None, [queue]) if self.exchange.is_empty() => Ok(Some(queue)),
            _ => Err(Error::invalid(
                "connector 'rabbitmq' needs option 'queue', or 'exchange' and 'routing-key', to write",
            )
            .with_hint("Name one queue, or add a column with METADATA FROM 'routing-key'.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use flott_api::{Field, LogicalType};

    use super::*;

    #[test]
    fn options_are_read_and_what_makes_no_sense_is_refused() {
        let read = |pairs: &[(&str, &str)]| {
            let mut all = vec![("host", "h"), ("format", "json"), ("queue", "a")];
            all.extend_from_slice(pairs);
            let options = Options(all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
            let schema = Schema::new(vec![Field::new("a", LogicalType::string())]);
            RabbitOptions::read(&options, &schema).map_err(|e| e.message().to_owned())
        };
        let options = read(&[]).unwrap();
        assert_eq!((options.identity(), options.prefetch), (("guest", "guest"), 10_000));
        assert_eq!((options.virtual_host.as_str(), options.key_to_write(false).unwrap()), ("/", Some("a")));
        let exchange = read(&[("exchange", "e")]).unwrap();
        assert!(exchange.key_to_write(false).is_err() && exchange.key_to_write(true).unwrap().is_none());
        let refused = |pairs: &[(&str, &str)]| read(pairs).err().unwrap();
        assert_eq!(refused(&[("queue", "a;b;a")]), "option 'queue' names 'a' twice");
        assert_eq!(refused(&[("scan.prefetch-count", "0")]), "option 'scan.prefetch-count' must be from 1 to 65535");
        let bounded = "option 'scan.bounded.mode' = 'latest-offset' needs 'scan.correlation-ids'";
        assert_eq!(refused(&[("scan.bounded.mode", "latest-offset")]), bounded);
        let both = "options 'scan.correlation-ids' and 'scan.acknowledge' = 'receipt' contradict";
        assert_eq!(refused(&[("scan.acknowledge", "receipt"), ("scan.correlation-ids", "true")]), both);
        assert_eq!(refused(&[("uri", "amqp://h")]), "connector 'rabbitmq' has no option 'uri'");
    }
}
