//! The options of a table, under Flink's names.

use flott_api::http::HttpSettings;
use flott_api::lookup::LookupCache;
use flott_api::options::{ConfigOption, MemorySize, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::{Error, Result};
use flott_formats::Format;

use super::Flavour;
use crate::web::again::Again;
use crate::web::secret::Secret;
use crate::web::{checked_url, parallelism, user};

/// Flink's defaults, and those of the clients below its connectors.
const ACTIONS_MAX: i64 = 1000;
const BYTES_MAX: u64 = 2 << 20;
const INTERVAL_MS: u64 = 1000;
const CONNECT_MS: u64 = 1000;
const ANSWER_MS: u64 = 30_000;
const RETRIES: u32 = 8;
const WAIT_MS: u64 = 50;
/// `elasticsearch-8` has no options for it: Flink's asks again without an end, ours for about twelve minutes.
const RETRIES_OF_EIGHT: u32 = 20;
const WAIT_MS_OF_EIGHT: u64 = 100;
const LOOKUP_RETRIES: u32 = 3;
const LOOKUP_WAIT_MS: u64 = 1000;
const BUFFERED_MAX: u64 = 10_000;
const IN_FLIGHT_MAX: u64 = 50;

/// What all may set.
pub(super) const COMMON: OptionTable = &[
    ConfigOption::text("hosts", "Addresses with `;` between. They are asked in turn; one that does not answer, or says 502 to 504, is left alone for 10 seconds, then longer.").needed(),
    ConfigOption::text("index", "Where documents go: see below.").needed(),
    ConfigOption::text("document-id.key-delimiter", "What stands between the columns of a key in an id.").or("_"),
    ConfigOption::text("username", "Who comes; both this and the next one or none."),
    ConfigOption::text("password", "It is shown nowhere."),
    ConfigOption::number("sink.bulk-flush.max-actions", "Changes in a request; `0` or `-1`: their number does not matter.").or("1000"),
    ConfigOption::memory("sink.bulk-flush.max-size", "Bytes in a request; `0` or `-1`: 16 MB.").or("2 mb"),
    ConfigOption::duration("sink.bulk-flush.interval", "Changes wait no longer; `0`: as long as it takes.").or("1 s"),
    ConfigOption::choice("sink.delivery-guarantee", &["at-least-once"], "There is no other.").or("at-least-once"),
    SINK_PARALLELISM,
    ConfigOption::text("connection.path-prefix", "What the path of each request begins with."),
    ConfigOption::duration("connection.timeout", "How long connecting may take.").or("1 s"),
    ConfigOption::duration("socket.timeout", "How long an answer may take.").or("30 s"),
    ConfigOption::duration("connection.request-timeout", "Taken; nobody waits for a free connection here."),
    ConfigOption::number("lookup.max-retries", "How often a lookup that failed is asked again.").or("3"),
    ConfigOption::text("format", "There is no other; its options are `json.*`.").or("json"),
];

/// What `elasticsearch-7` alone may set.
pub(super) const SEVEN: OptionTable =
    &[ConfigOption::flag("connection.skip-verify-ssl", "Whether certificates are not checked.").or("false")];
/// What `opensearch` alone may set.
pub(super) const OPENSEARCH: OptionTable =
    &[ConfigOption::flag("allow-insecure", "Whether certificates are not checked.").or("false")];
/// What both of them may.
pub(super) const BACKOFF: OptionTable = &[
    ConfigOption::choice(
        "sink.bulk-flush.backoff.strategy",
        &["NONE", "DISABLED", "CONSTANT", "EXPONENTIAL"],
        "With one of the last two (waits double, up to a minute) what was refused for now is sent again.",
    )
    .or("NONE"),
    ConfigOption::number("sink.bulk-flush.backoff.max-retries", "How often.").or("8"),
    ConfigOption::duration("sink.bulk-flush.backoff.delay", "After how long.").or("50 ms"),
];
/// What `elasticsearch-8` alone may set.
pub(super) const EIGHT: OptionTable = &[
    ConfigOption::number(
        "sink.bulk-flush.max-buffered-actions",
        "A bound that always holds, for one request is under way at a time.",
    )
    .or("10000"),
    ConfigOption::number("sink.bulk-flush.max-in-flight-actions", "The same.").or("50"),
    ConfigOption::text("ssl.certificate-fingerprint", "Refused."),
];

/// All options, checked.
pub(super) struct ElasticsearchOptions {
    /// At least one address, without a path.
    pub(super) hosts: Vec<String>,
    /// Empty, or a path that begins with a slash.
    pub(super) path_prefix: String,
    pub(super) authorization: Option<Secret>,
    pub(super) http: HttpSettings,
    /// An answer must have come after so long.
    pub(super) timeout_ms: u64,
    pub(super) index: String,
    /// What stands between the columns of a key in an id.
    pub(super) delimiter: String,
    /// So many changes are sent at once; nothing if their number does not matter.
    pub(super) actions_max: Option<usize>,
    /// So many bytes of them.
    pub(super) bytes_max: Option<usize>,
    /// So long they may wait.
    pub(super) interval_ms: Option<u64>,
    pub(super) again: Again,
    pub(super) lookup_cache: LookupCache,
    pub(super) lookup_again: Again,
    pub(super) format: Box<dyn Format>,
    pub(super) parallelism: Option<u32>,
}

impl ElasticsearchOptions {
    /// Reads all options.
    ///
    /// # Errors
    /// If one is wrong, unknown, missing or not supported.
    pub(super) fn read(flavour: Flavour, options: &Options) -> Result<Self> {
        let reader = flavour.description().reader(options);
        let (http, timeout_ms) = connection(flavour, &reader)?;
        let (actions_max, bytes_max) = limits(flavour, &reader)?;
        let Millis(interval_ms) = reader.value_or("sink.bulk-flush.interval", Millis(INTERVAL_MS))?;
        let index = reader.required("index")?.to_owned();
        if index.is_empty() {
            return Err(Error::invalid("option 'index' is empty"));
        }
        guarantee(&reader)?;
        let read = ElasticsearchOptions {
            hosts: hosts(reader.required("hosts")?)?,
            path_prefix: path_prefix(&reader),
            authorization: user(&reader)?,
            http,
            timeout_ms,
            index,
            delimiter: reader.text("document-id.key-delimiter").unwrap_or("_").to_owned(),
            actions_max,
            bytes_max,
            interval_ms: Some(interval_ms).filter(|ms| *ms > 0),
            again: again(flavour, &reader)?,
            lookup_cache: LookupCache::read(&reader, LookupCache::None)?,
            lookup_again: Again::doubling(reader.value_or("lookup.max-retries", LOOKUP_RETRIES)?, LOOKUP_WAIT_MS),
            format: format(&reader)?,
            parallelism: parallelism(&reader)?,
        };
        reader.finish()?;
        Ok(read)
    }
}

fn hosts(text: &str) -> Result<Vec<String>> {
    let hosts = text.split(';').map(str::trim).filter(|host| !host.is_empty());
    let hosts = hosts.map(|host| checked_url("hosts", host)).collect::<Result<Vec<_>>>()?;
    if hosts.iter().any(|host| host.splitn(3, '/').nth(2).is_some_and(|rest| rest.contains(['/', '?', '#']))) {
        return Err(Error::invalid("option 'hosts' has an address with a path or a query")
            .with_hint("A path that all requests begin with is option 'connection.path-prefix'."));
    }
    if hosts.is_empty() {
        return Err(Error::invalid("option 'hosts' names no host"));
    }
    Ok(hosts)
}

fn path_prefix(reader: &OptionReader<'_>) -> String {
    let prefix = reader.text("connection.path-prefix").unwrap_or_default().trim().trim_matches('/');
    if prefix.is_empty() { String::new() } else { format!("/{prefix}") }
}

/// How it is connected, and how long an answer may take.
fn connection(flavour: Flavour, reader: &OptionReader<'_>) -> Result<(HttpSettings, u64)> {
    let Millis(connect_ms) = reader.value_or("connection.timeout", Millis(CONNECT_MS))?;
    let Millis(answer_ms) = reader.value_or("socket.timeout", Millis(ANSWER_MS))?;
    // How long one may wait for a free connection: here nobody ever does.
    reader.value::<Millis>("connection.request-timeout")?;
    if connect_ms == 0 || answer_ms == 0 {
        return Err(Error::invalid("options 'connection.timeout' and 'socket.timeout' must be more than 0"));
    }
    let trusts_anyone = match flavour {
        Flavour::Elasticsearch7 => reader.value_or("connection.skip-verify-ssl", false)?,
        Flavour::OpenSearch => reader.value_or("allow-insecure", false)?,
        Flavour::Elasticsearch8 if reader.text("ssl.certificate-fingerprint").is_some() => {
            return Err(Error::unsupported("option 'ssl.certificate-fingerprint'")
                .with_hint("Certificates are checked against the authorities of the machine."));
        }
        Flavour::Elasticsearch8 => false,
    };
    let settings = HttpSettings {
        trusts_anyone,
        connect_timeout_ms: Some(connect_ms),
        keeps_redirects: true,
        ..HttpSettings::default()
    };
    Ok((settings, connect_ms + answer_ms))
}

/// How many changes, and how many bytes of them, are sent at once.
fn limits(flavour: Flavour, reader: &OptionReader<'_>) -> Result<(Option<usize>, Option<usize>)> {
    let mut actions: i64 = reader.value_or("sink.bulk-flush.max-actions", ACTIONS_MAX)?;
    let bytes = match reader.text("sink.bulk-flush.max-size") {
        // What disables it, in Flink's newer connectors.
        Some("-1") => 0,
        _ => reader.value_or("sink.bulk-flush.max-size", MemorySize(BYTES_MAX))?.0,
    };
    if flavour == Flavour::Elasticsearch8 {
        // One request is under way at a time, and it has all that is buffered: both bounds hold.
        let buffered: u64 = reader.value_or("sink.bulk-flush.max-buffered-actions", BUFFERED_MAX)?;
        let in_flight: u64 = reader.value_or("sink.bulk-flush.max-in-flight-actions", IN_FLIGHT_MAX)?;
        if actions < 1 || buffered < 1 || in_flight < 1 {
            return Err(Error::invalid(
                "options 'sink.bulk-flush.max-actions', '.max-buffered-actions' and '.max-in-flight-actions' must be at least 1",
            ));
        }
        actions = actions.min(i64::try_from(buffered).unwrap_or(i64::MAX));
    }
    if actions < -1 {
        return Err(Error::invalid("option 'sink.bulk-flush.max-actions' is less than -1")
            .with_detail("With -1 or 0 the number of rows does not matter."));
    }
    let actions = usize::try_from(actions).ok().filter(|actions| *actions > 0);
    Ok((actions, usize::try_from(bytes).ok().filter(|bytes| *bytes > 0)))
}

fn again(flavour: Flavour, reader: &OptionReader<'_>) -> Result<Again> {
    if flavour == Flavour::Elasticsearch8 {
        return Ok(Again::doubling(RETRIES_OF_EIGHT, WAIT_MS_OF_EIGHT));
    }
    let strategies = [("DISABLED", None), ("NONE", None), ("CONSTANT", Some(false)), ("EXPONENTIAL", Some(true))];
    let strategy = reader.choice("sink.bulk-flush.backoff.strategy", &strategies, None)?;
    let retries = reader.value("sink.bulk-flush.backoff.max-retries")?;
    let delay = reader.value("sink.bulk-flush.backoff.delay")?;
    let (most, Millis(wait_ms)) = (retries.unwrap_or(RETRIES), delay.unwrap_or(Millis(WAIT_MS)));
    match strategy {
        Some(false) => Ok(Again::constant(most, wait_ms)),
        Some(true) => Ok(Again::doubling(most, wait_ms)),
        None if retries.is_some() || delay.is_some() => {
            Err(Error::invalid("options 'sink.bulk-flush.backoff.*' without 'sink.bulk-flush.backoff.strategy'")
                .with_hint("Set it to 'CONSTANT' or 'EXPONENTIAL'; without it nothing is tried again."))
        }
        None => Ok(Again::NEVER),
    }
}

/// `at-least-once` is what there is.
fn guarantee(reader: &OptionReader<'_>) -> Result<()> {
    let guarantees = [("at-least-once", 0), ("none", 1), ("exactly-once", 2)];
    match reader.choice("sink.delivery-guarantee", &guarantees, 0)? {
        // What one cannot have without it is not there, as in Flink.
        2 => Err(Error::invalid("option 'sink.delivery-guarantee' has the value 'exactly-once'")
            .with_detail("The service has no transactions.")
            .with_hint("With a primary key a row that is written again changes nothing: 'at-least-once' is enough.")),
        1 => Err(Error::unsupported("'sink.delivery-guarantee' = 'none'")
            .with_hint("Leave it out: rows are sent before a checkpoint is complete.")),
        _ => Ok(()),
    }
}

fn format(reader: &OptionReader<'_>) -> Result<Box<dyn Format>> {
    let name = reader.text("format").unwrap_or("json");
    let format = flott_formats::format(name, reader, "")?;
    if name != "json" {
        return Err(Error::unsupported(format!("format '{name}' of documents")).with_hint("They are 'json'."));
    }
    Ok(format)
}
