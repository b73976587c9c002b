//! The options of a table.

use flott_api::options::{ConfigOption, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::{Error, Result, Schema};
use flott_formats::Format;

use super::DESCRIPTION;
use super::packet::{is_filter, is_topic};
use crate::access::Access;
use crate::messages::format_of;
use crate::payloads::sink_parallelism;

const PORT: u16 = 1883;
const PORT_TLS: u16 = 8883;
const RETRY_MS: u64 = 60_000;
const QOS: [(&str, u8); 2] = [("0", 0), ("1", 1)];

/// Beside those of [`Access`](crate::access::Access).
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::number("port", "Its port; `1883`, with TLS `8883`."),
    ConfigOption::duration("connection.max-retry-timeout", "How long what fails is tried again before the job fails.")
        .or("60 s"),
    ConfigOption::text(
        "topic",
        "To read: filters with `+` and `#`, parted by `;`; shared subscriptions (`$share/..`) are refused. To write: one topic, unless rows say theirs.",
    ),
    ConfigOption::text(
        "client-id",
        "The name of the session that the broker keeps, which is needed to read with QoS 1; each table that is read needs its own. A sink adds `-sink-` and its number.",
    ),
    ConfigOption::text("format", "The format of messages.").needed(),
    ConfigOption::choice("scan.qos", &["0", "1"], "`2` is refused.").or("1"),
    ConfigOption::choice("scan.acknowledge", &["checkpoint", "receipt"], "When a message is acknowledged.")
        .or("checkpoint"),
    ConfigOption::choice("sink.qos", &["0", "1"], "`2` is refused.").or("1"),
    ConfigOption::flag("sink.retain", "Whether the broker keeps the last message of a topic.").or("false"),
    SINK_PARALLELISM,
];

/// All options, checked.
pub(super) struct MqttOptions {
    pub(super) access: Access,
    pub(super) retry_ms: u64,
    /// Filters to read, or the one topic to write.
    pub(super) topics: Vec<String>,
    pub(super) client_id: Option<String>,
    pub(super) format: Box<dyn Format>,
    pub(super) scan_qos: u8,
    /// Whether messages are acknowledged when they come, and not when their checkpoint is complete.
    pub(super) on_receipt: bool,
    pub(super) sink_qos: u8,
    pub(super) retain: bool,
    pub(super) sink_parallelism: Option<u32>,
}

impl MqttOptions {
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
        let client_id = reader.text("client-id").map(str::to_owned);
        if client_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > usize::from(u16::MAX) / 2) {
            return Err(Error::invalid("option 'client-id' is empty or too long"));
        }
        let acknowledge = [("checkpoint", false), ("receipt", true)];
        let read = MqttOptions {
            access,
            retry_ms,
            topics: topics(&reader)?,
            client_id,
            format: format_of(&reader, "mqtt")?,
            scan_qos: qos(&reader, "scan.qos")?,
            on_receipt: reader.choice("scan.acknowledge", &acknowledge, false)?,
            sink_qos: qos(&reader, "sink.qos")?,
            retain: reader.value_or("sink.retain", false)?,
            sink_parallelism: sink_parallelism(&reader)?,
        };
        reader.finish()?;
        read.format.check(schema)?;
        Ok(read)
    }

    /// What is needed to read.
    ///
    /// # Errors
    /// If something is missing.
    pub(super) fn check_source(&self) -> Result<()> {
        if self.topics.is_empty() {
            return Err(
                Error::invalid("connector 'mqtt' needs option 'topic' to read").with_hint("Add 'topic' = '...'.")
            );
        }
        if self.scan_qos > 0 && self.client_id.is_none() {
            return Err(Error::invalid("connector 'mqtt' needs option 'client-id' to read with QoS 1")
                .with_detail("By it the broker knows a session again, and keeps what was not acknowledged.")
                .with_hint("Give each table that is read its own, or set 'scan.qos' = '0'."));
        }
        Ok(())
    }

    /// The topic that is written, unless each row says its own.
    ///
    /// # Errors
    /// If there is none, or it is a filter.
    pub(super) fn topic_to_write(&self, in_rows: bool) -> Result<Option<&str>> {
        match (self.topics.as_slice(), in_rows) {
            (_, true) => Ok(None),
            ([topic], false) if is_topic(topic) => Ok(Some(topic)),
            _ => Err(Error::invalid("option 'topic' is no single topic to write to")
                .with_hint("Name one without wildcards, or add a column with METADATA FROM 'topic'.")),
        }
    }
}

fn qos(reader: &OptionReader<'_>, key: &str) -> Result<u8> {
    if reader.text(key) == Some("2") {
        return Err(
            Error::unsupported(format!("option '{key}' = '2' of connector 'mqtt'")).with_hint("It may be '0' or '1'.")
        );
    }
    reader.choice(key, &QOS, 1)
}

fn topics(reader: &OptionReader<'_>) -> Result<Vec<String>> {
    let Some(text) = reader.text("topic") else { return Ok(Vec::new()) };
    let all: Vec<String> = text.split(';').map(|part| part.trim().to_owned()).collect();
    if let Some(bad) = all.iter().find(|part| !is_filter(part)) {
        return Err(Error::invalid(format!("option 'topic' has '{bad}', which is no topic")).with_hint(
            "It is levels between slashes, such as 'plant/+/heat' or 'plant/#'; several are parted by ';'.",
        ));
    }
    if let Some(shared) = all.iter().find(|part| part.starts_with("$share/")) {
        return Err(Error::unsupported(format!("the shared subscription '{shared}' of connector 'mqtt'")));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use flott_api::{Field, LogicalType};

    use super::*;

    #[test]
    fn options_are_read_and_what_is_half_supported_refused() {
        let read = |pairs: &[(&str, &str)]| {
            let mut all = vec![("host", "h"), ("format", "json"), ("topic", "a/+;b/#"), ("client-id", "c")];
            all.extend_from_slice(pairs);
            let options = Options(all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
            let schema = Schema::new(vec![Field::new("a", LogicalType::string())]);
            MqttOptions::read(&options, &schema).map_err(|e| e.message().to_owned())
        };
        let options = read(&[]).unwrap();
        assert_eq!((options.topics.len(), options.scan_qos, options.access.port), (2, 1, 1883));
        assert!(options.check_source().is_ok() && options.topic_to_write(false).is_err());
        assert_eq!(read(&[("tls.enabled", "true")]).unwrap().access.port, 8883);
        let refused = |pairs: &[(&str, &str)]| read(pairs).err().unwrap();
        assert_eq!(refused(&[("scan.qos", "2")]), "option 'scan.qos' = '2' of connector 'mqtt' is not supported yet");
        assert_eq!(refused(&[("topic", "a/#/b")]), "option 'topic' has 'a/#/b', which is no topic");
        let shared = "the shared subscription '$share/g/a' of connector 'mqtt' is not supported yet";
        assert_eq!(refused(&[("topic", "$share/g/a")]), shared);
        assert_eq!(refused(&[("client-id", "")]), "option 'client-id' is empty or too long");
        assert_eq!(refused(&[("url", "mqtt://h")]), "connector 'mqtt' has no option 'url'");
    }
}
