//! The options of tables, under the names of Flink's connector and of the one before it.

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine as _;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpMethod, HttpSettings};
use flott_api::lookup::LookupCache;
use flott_api::net::TlsTrust;
use flott_api::options::{ConfigOption, MemorySize, Millis, OptionReader, OptionTable, Options, SINK_PARALLELISM};
use flott_api::table::ConnectorDescription;
use flott_api::{Error, Result, Schema};
use flott_formats::Format;

use super::codes::Codes;
use super::question::Questions;
use crate::web::again::Again;
use crate::web::secret::Secret;
use crate::web::{basic, checked_url, parallelism};

/// What names of options begin with in Flink's connector, and in the one before it.
const FLINK: &str = "http.";
const GETINDATA: &str = "gid.connector.http.";
const TIMEOUT_S: u64 = 30;
const RETRIES: u32 = 3;
const WAIT_MS: u64 = 1000;
const WAIT_MS_MAX: u64 = 60_000;
const FACTOR: f64 = 1.5;
const BATCH_ROWS: u64 = 500;
const IN_FLIGHT_MAX: u64 = 50;
const BUFFERED_MAX: u64 = 10_000;
const BATCH_BYTES: u64 = 5 << 20;
const BATCH_MS: u64 = 5000;
/// A certificate or a key has no more.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// What may be set of lookups.
pub(super) const LOOKUP: OptionTable = &[
    ConfigOption::text("url", "Where.").needed(),
    ConfigOption::text("format", "What answers are: a format with messages.").needed(),
    ConfigOption::choice("lookup-method", &["GET", "POST", "PUT"], "The method.").or("GET"),
    ConfigOption::flag("asyncPolling", "Whether several keys may be under way at once.").or("false"),
    ConfigOption::number("lookup.max-retries", "How often a key is asked for again.").or("3"),
    ConfigOption::text(
        "lookup-request.format",
        "How keys are written; its options begin with `lookup-request.format.`.",
    )
    .or("json"),
];

/// What may be set of a sink.
pub(super) const SINK: OptionTable = &[
    ConfigOption::text("url", "Where.").needed(),
    ConfigOption::text("format", "What requests have: a format with messages.").needed(),
    ConfigOption::choice("insert-method", &["POST", "PUT"], "The method.").or("POST"),
    ConfigOption::number("sink.batch.max-size", "Rows of a request: the lesser of this and the option below.")
        .or("500"),
    ConfigOption::number("sink.requests.max-buffered", "Rows that may wait.").or("10000"),
    ConfigOption::number(
        "sink.requests.max-inflight",
        "Requests of `single` that are under way at once; changes go one after the other.",
    )
    .or("50"),
    ConfigOption::memory("sink.flush-buffer.size", "Bytes of a request.").or("5 mb"),
    ConfigOption::duration("sink.flush-buffer.timeout", "How long rows wait.").or("5 s"),
    SINK_PARALLELISM,
];

/// Options whose names begin as their connector's do.
macro_rules! access_options {
    ($prefix:literal, $of:literal $(, $more:expr)*) => {
        &[
            $($more,)*
            ConfigOption::number(concat!($prefix, $of, "request.timeout"), "Seconds until an answer must have come.").or("30"),
            ConfigOption::duration(concat!($prefix, $of, "connection.timeout"), "How long connecting may take; else 5 seconds."),
            ConfigOption::keys(
                concat!($prefix, $of, "header.*"),
                "Headers; `user:password` in `Authorization` is written in the way of Basic unless it begins with `Basic` or `Bearer`.",
            ),
            ConfigOption::flag(concat!($prefix, $of, "use-raw-authorization-header"), "Whether it is sent as it is.").or("false"),
            ConfigOption::text(concat!($prefix, $of, "request-callback"), "Refused: a class of Java."),
            ConfigOption::text(concat!($prefix, "security.cert.server"), "PEM files of whom it trusts, and nobody else, with `,` between."),
            ConfigOption::text(concat!($prefix, "security.cert.client"), "A PEM file of the client's certificates."),
            ConfigOption::text(concat!($prefix, "security.key.client"), "A PEM file of its key."),
            ConfigOption::flag(concat!($prefix, "security.cert.server.allowSelfSigned"), "Whether certificates are not checked.").or("false"),
            ConfigOption::text(concat!($prefix, "logging.level"), "Only `MIN`: what is sent and answered is never logged."),
            ConfigOption::text(concat!($prefix, "security.oidc.token.request"), "Refused."),
            ConfigOption::text(concat!($prefix, "security.oidc.token.endpoint.url"), "Refused."),
            ConfigOption::text(concat!($prefix, "security.oidc.token.expiry.reduction"), "Refused."),
        ]
    };
}

macro_rules! lookup_options {
    ($prefix:literal) => {
        access_options!(
            $prefix,
            "source.lookup.",
            ConfigOption::text(concat!($prefix, "source.lookup.query-creator"), "`http-generic-json-url` or `http-generic-get-query`: see above."),
            ConfigOption::text(concat!($prefix, "request.query-param-fields"), "Columns that stand behind `?`, with `;` between."),
            ConfigOption::text(concat!($prefix, "request.body-fields"), "Columns that are the body."),
            ConfigOption::text(concat!($prefix, "request.url-map"), "Columns of the parts in braces of the URL: `part:column,..`."),
            ConfigOption::choice(concat!($prefix, "source.lookup.result-type"), &["single-value", "array"], "`array`: an answer is an array of rows.").or("single-value"),
            ConfigOption::text(concat!($prefix, "source.lookup.success-codes"), "Statuses of answers that are used, as `2XX,404,!203`. Others fail the job, also those that name another place.").or("2XX"),
            ConfigOption::text(concat!($prefix, "source.lookup.retry-codes"), "Statuses behind which a key is asked for again.").or("500,503,504"),
            ConfigOption::text(concat!($prefix, "source.lookup.ignored-response-codes"), "Statuses that mean no rows."),
            ConfigOption::flag(
                concat!($prefix, "source.lookup.continue-on-error"),
                "`true`: a key without an answer that can be used does not fail the job. If the table has a metadata column, it has one row, which is null in all others; else it has none. No column may be `NOT NULL` then.",
            )
            .or("false"),
            ConfigOption::choice(concat!($prefix, "source.lookup.retry-strategy.type"), &["fixed-delay", "exponential-delay"], "How long is waited before.").or("fixed-delay"),
            ConfigOption::duration(concat!($prefix, "source.lookup.retry-strategy.fixed-delay.delay"), "Of the first.").or("1 s"),
            ConfigOption::duration(concat!($prefix, "source.lookup.retry-strategy.exponential-delay.initial-backoff"), "Of the second.").or("1 s"),
            ConfigOption::duration(concat!($prefix, "source.lookup.retry-strategy.exponential-delay.max-backoff"), "At most.").or("1 min"),
            ConfigOption::number(concat!($prefix, "source.lookup.retry-strategy.exponential-delay.backoff-multiplier"), "So many times longer each time, from 1 to 1000.").or("1.5"),
            ConfigOption::number(concat!($prefix, "source.lookup.request.thread-pool.size"), "No more requests of a subtask are under way at once."),
            ConfigOption::text(concat!($prefix, "source.lookup.response.thread-pool.size"), "Refused."),
            ConfigOption::text(concat!($prefix, "source.lookup.http-version"), "Only `HTTP_1_1`."),
            ConfigOption::text(concat!($prefix, "source.lookup.proxy.host"), "Refused, as the other options of a proxy."),
            ConfigOption::text(concat!($prefix, "source.lookup.proxy.port"), "Refused."),
            ConfigOption::text(concat!($prefix, "source.lookup.proxy.username"), "Refused."),
            ConfigOption::text(concat!($prefix, "source.lookup.proxy.password"), "Refused.")
        )
    };
}

macro_rules! sink_options {
    ($prefix:literal) => {
        access_options!(
            $prefix,
            "sink.",
            ConfigOption::choice(
                concat!($prefix, "sink.writer.request.mode"),
                &["batch", "single"],
                "Whether a request has many rows as an array, which needs a format of JSON, or one.",
            )
            .or("batch"),
            ConfigOption::number(concat!($prefix, "sink.request.batch.size"), "Rows of a request.").or("500"),
            ConfigOption::text(
                concat!($prefix, "sink.error.code"),
                "Statuses that are errors, as `4XX,404,5XX,!501`, where an exception (`!501`) needs its group beside it. In Flink `3XX` is none, and such rows are nowhere: nobody goes where an answer says, there as here.",
            )
            .or("3XX,4XX,5XX"),
            ConfigOption::text(concat!($prefix, "sink.error.code.exclude"), "Those of them that are none all the same."),
            ConfigOption::number(
                concat!($prefix, "sink.max-retries"),
                "Ours: how often a request is sent again if nobody answers, or the status is an error and 408, 425, 429, 502, 503 or 504; waits double from one second.",
            )
            .or("3"),
            ConfigOption::text(concat!($prefix, "sink.writer.thread-pool.size"), "Refused.")
        )
    };
}

/// Under the names of Flink's connector.
pub(super) const FLINK_LOOKUP: OptionTable = lookup_options!("http.");
/// Under those of the one before it.
pub(super) const GETINDATA_LOOKUP: OptionTable = lookup_options!("gid.connector.http.");
/// Under the names of Flink's connector.
pub(super) const FLINK_SINK: OptionTable = sink_options!("http.");
/// Under those of the one before it.
const GETINDATA_SINK: OptionTable = sink_options!("gid.connector.http.");

/// How a service is spoken to.
pub(super) struct Access {
    pub(super) url: String,
    pub(super) method: HttpMethod,
    /// What every request has; values may be secret.
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) timeout_ms: u64,
    connect_timeout_ms: Option<u64>,
    security: Security,
}

/// Files of certificates and keys.
struct Security {
    prefix: &'static str,
    authorities: Vec<String>,
    certificate: Option<String>,
    key: Option<String>,
    trusts_anyone: bool,
}

/// Options of tables that are looked up in.
pub(super) struct LookupOptions {
    pub(super) access: Access,
    pub(super) format: Box<dyn Format>,
    pub(super) questions: Questions,
    pub(super) asynchronous: bool,
    /// No more requests are under way at once.
    pub(super) in_flight_max: Option<usize>,
    pub(super) cache: LookupCache,
    pub(super) again: Again,
    pub(super) success: Codes,
    pub(super) retry: Codes,
    pub(super) ignored: Codes,
    /// Whether the job goes on when there is no answer that can be used.
    pub(super) continues: bool,
    /// Whether an answer is an array of rows.
    pub(super) is_array: bool,
}

/// Options of tables that are written.
pub(super) struct SinkOptions {
    pub(super) access: Access,
    pub(super) format: Box<dyn Format>,
    pub(super) content_type: &'static str,
    /// Rows of a request; nothing if each row has its own.
    pub(super) batch_rows: Option<usize>,
    pub(super) batch_bytes: usize,
    pub(super) interval_ms: Option<u64>,
    pub(super) in_flight_max: usize,
    /// Statuses that are errors, but for those of the other list.
    error: Codes,
    no_error: Codes,
    pub(super) again: Again,
    pub(super) parallelism: Option<u32>,
}

fn refused(reader: &OptionReader<'_>, key: &str, why: &str) -> Result<()> {
    reader.text(key).map_or(Ok(()), |_| Err(Error::unsupported(format!("option '{key}'")).with_hint(why.to_owned())))
}

impl Access {
    /// `of` is what the options of this direction begin with.
    fn read(
        reader: &OptionReader<'_>,
        prefix: &'static str,
        of: &str,
        methods: &[(&str, HttpMethod)],
        method: (&str, HttpMethod),
    ) -> Result<Self> {
        let key = |name: &str| format!("{prefix}{of}{name}");
        let raw = reader.value_or(&key("use-raw-authorization-header"), false)?;
        let headers = reader.with_prefix(&key("header."));
        let header = |(name, value): (String, String)| {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&b)) {
                return Err(Error::invalid(format!("option '{}' names no header", key(&format!("header.{name}")))));
            }
            if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
                return Err(Error::invalid(format!("the value of header '{name}' has a character that none may have")));
            }
            let is_user = name.eq_ignore_ascii_case("authorization");
            Ok((name, if is_user { authorization(&value, raw) } else { Secret::new(&value) }))
        };
        let seconds = reader.value_or(&key("request.timeout"), TIMEOUT_S)?;
        if seconds == 0 {
            return Err(Error::invalid(format!("option '{}' must be more than 0", key("request.timeout"))));
        }
        refused(reader, &key("request-callback"), "Callbacks are classes of Java.")?;
        if reader.text(&format!("{prefix}logging.level")).is_some_and(|level| level != "MIN") {
            return Err(Error::unsupported(format!("option '{prefix}logging.level'"))
                .with_hint("What is sent and answered is never logged, as with 'MIN'."));
        }
        for name in ["token.request", "token.endpoint.url", "token.expiry.reduction"] {
            refused(
                reader,
                &format!("{prefix}security.oidc.{name}"),
                "A token may stand in the header 'Authorization'.",
            )?;
        }
        Ok(Access {
            url: checked_url("url", reader.required("url")?)?,
            method: reader.choice(method.0, methods, method.1)?,
            headers: headers.0.into_iter().map(header).collect::<Result<_>>()?,
            timeout_ms: seconds.saturating_mul(1000),
            connect_timeout_ms: reader.value::<Millis>(&key("connection.timeout"))?.map(|Millis(ms)| ms.max(1)),
            security: Security::read(reader, prefix)?,
        })
    }

    /// What a client must be told.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn settings(&self, environment: &Environment) -> Result<HttpSettings> {
        let security = &self.security;
        let mut authorities = Vec::new();
        for path in &security.authorities {
            authorities.extend(pem(environment, path, security.prefix)?);
        }
        let identity = match (&security.certificate, &security.key) {
            (Some(certificate), Some(key)) => {
                let mut both = pem(environment, certificate, security.prefix)?;
                both.extend(pem(environment, key, security.prefix)?);
                Some(Bytes::from(both))
            }
            _ => None,
        };
        Ok(HttpSettings {
            trust: TlsTrust { authorities: Some(authorities).filter(|a| !a.is_empty()).map(Bytes::from), identity },
            trusts_anyone: security.trusts_anyone,
            connect_timeout_ms: self.connect_timeout_ms,
            // As in Flink; a header that is secret would go to whatever host an answer names.
            keeps_redirects: true,
        })
    }

    /// The headers as they are sent.
    pub(super) fn sent_headers(&self, content_type: Option<&str>) -> Vec<(String, String)> {
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
        if let Some(ty) =
            content_type.filter(|_| !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")))
        {
            headers.push(("Content-Type".to_owned(), ty.to_owned()));
        }
        headers
    }

    /// What must not be told of an answer.
    pub(super) fn secrets(&self) -> Vec<&Secret> {
        let secret = |name: &str| {
            let name = name.to_lowercase();
            ["auth", "key", "token", "secret", "cookie", "password"].iter().any(|part| name.contains(part))
        };
        self.headers.iter().filter(|(name, _)| secret(name)).map(|(_, value)| value).collect()
    }

    /// Where, for a message: what stands behind `?` may be secret.
    pub(super) fn place(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

/// A user with a password is written in the way of Basic, unless it is already written as it is to be sent.
fn authorization(value: &str, raw: bool) -> Secret {
    if raw || value.starts_with("Basic ") || value.starts_with("Bearer ") {
        return Secret::new(value);
    }
    let (username, password) = value.split_once(':').unwrap_or((value, ""));
    if password.is_empty() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value);
        return Secret::new(&format!("Basic {encoded}")).with_part(value);
    }
    basic(username, password)
}

impl Security {
    fn read(reader: &OptionReader<'_>, prefix: &'static str) -> Result<Self> {
        let key = |name: &str| format!("{prefix}security.{name}");
        let security = Security {
            prefix,
            authorities: list(reader.text(&key("cert.server")), ','),
            certificate: reader.text(&key("cert.client")).map(str::to_owned),
            key: reader.text(&key("key.client")).map(str::to_owned),
            trusts_anyone: reader.value_or(&key("cert.server.allowSelfSigned"), false)?,
        };
        if security.certificate.is_some() != security.key.is_some() {
            let (certificate, key) = (key("cert.client"), key("key.client"));
            return Err(Error::invalid(format!("options '{certificate}' and '{key}' must be set together")));
        }
        Ok(security)
    }
}

fn pem(environment: &Environment, path: &str, prefix: &str) -> Result<Vec<u8>> {
    let failed =
        |e| Error::external(format!("file '{path}' of options '{prefix}security.*' cannot be read")).with_source(e);
    let (files, at) = environment.files.resolve(path)?;
    let mut bytes = Vec::new();
    files.open(&at).map_err(failed)?.take(PEM_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    if !bytes.windows(11).any(|part| part == b"-----BEGIN ") {
        return Err(Error::unsupported(format!("file '{path}' of options '{prefix}security.*', which is no PEM"))
            .with_hint("Convert it with openssl."));
    }
    bytes.push(b'\n');
    Ok(bytes)
}

/// The parts of a list.
pub(super) fn list(text: Option<&str>, separator: char) -> Vec<String> {
    let parts = text.unwrap_or_default().split(separator).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

impl LookupOptions {
    /// Reads all options of a table with these columns.
    ///
    /// # Errors
    /// If one is wrong, unknown, missing or not supported.
    pub(super) fn read(is: &ConnectorDescription, options: &Options, schema: &Schema) -> Result<Self> {
        let (reader, connector) = (is.reader(options), is.identifier);
        let prefix = if connector == "http" { FLINK } else { GETINDATA };
        let key = |name: &str| format!("{prefix}source.lookup.{name}");
        let methods = [("GET", HttpMethod::Get), ("POST", HttpMethod::Post), ("PUT", HttpMethod::Put)];
        let access = Access::read(&reader, prefix, "source.lookup.", &methods, ("lookup-method", HttpMethod::Get))?;
        unsupported(&reader, &key)?;
        let cache = LookupCache::read(&reader, LookupCache::None)?;
        if matches!(cache, LookupCache::Full(_)) {
            return Err(Error::invalid("option 'lookup.cache' has the value 'FULL'")
                .with_detail(format!("A table of connector '{connector}' cannot be read whole.")));
        }
        let in_flight_max = reader.value::<u32>(&key("request.thread-pool.size"))?;
        if in_flight_max == Some(0) {
            return Err(Error::invalid(format!("option '{}' must be at least 1", key("request.thread-pool.size"))));
        }
        let codes = |name: &str, default: &str| {
            let key = key(name);
            Codes::parse(&key, reader.text(&key).unwrap_or(default))
        };
        let results = [("single-value", false), ("array", true)];
        let read = LookupOptions {
            questions: Questions::read(&reader, prefix, access.method, schema)?,
            format: messages(&reader, true)?,
            asynchronous: reader.value_or("asyncPolling", false)?,
            in_flight_max: in_flight_max.map(|most| most as usize),
            cache,
            again: again(&reader, &key)?,
            success: codes("success-codes", "2XX")?,
            retry: codes("retry-codes", "500,503,504")?,
            ignored: codes("ignored-response-codes", "")?,
            continues: reader.value_or(&key("continue-on-error"), false)?,
            is_array: reader.choice(&key("result-type"), &results, false)?,
            access,
        };
        reader.finish()?;
        let strict = schema.fields.iter().find(|field| !field.ty.nullable).filter(|_| read.continues);
        if let Some(field) = strict {
            let key = key("continue-on-error");
            return Err(Error::invalid(format!("option '{key}' beside column '{}', which is NOT NULL", field.name))
                .with_detail("Where there is no answer all columns are null, but for metadata."));
        }
        Ok(read)
    }
}

fn unsupported(reader: &OptionReader<'_>, key: &dyn Fn(&str) -> String) -> Result<()> {
    refused(reader, &key("response.thread-pool.size"), "Answers have no threads of their own.")?;
    for name in ["host", "port", "username", "password"] {
        refused(reader, &key(&format!("proxy.{name}")), "There are no proxies yet.")?;
    }
    let version = key("http-version");
    if reader.text(&version).is_some_and(|version| version != "HTTP_1_1") {
        return Err(Error::unsupported(format!("option '{version}'")).with_hint("It is 'HTTP_1_1'."));
    }
    Ok(())
}

fn again(reader: &OptionReader<'_>, key: &dyn Fn(&str) -> String) -> Result<Again> {
    let most = reader.value_or("lookup.max-retries", RETRIES)?;
    let millis = |name: &str, default| {
        let key = key(&format!("retry-strategy.{name}"));
        Ok::<u64, Error>(reader.value_or(&key, Millis(default))?.0)
    };
    let fixed_ms = millis("fixed-delay.delay", WAIT_MS)?;
    let (first_ms, longest_ms) =
        (millis("exponential-delay.initial-backoff", WAIT_MS)?, millis("exponential-delay.max-backoff", WAIT_MS_MAX)?);
    let factor = reader.value_or(&key("retry-strategy.exponential-delay.backoff-multiplier"), FACTOR)?;
    if !(1.0..=1000.0).contains(&factor) {
        return Err(Error::invalid(format!(
            "option '{}' must be from 1 to 1000",
            key("retry-strategy.exponential-delay.backoff-multiplier")
        )));
    }
    let strategies = [("fixed-delay", false), ("exponential-delay", true)];
    Ok(match reader.choice(&key("retry-strategy.type"), &strategies, false)? {
        false => Again::constant(most, fixed_ms),
        true => Again { most, wait_ms: first_ms, factor, wait_ms_max: longest_ms },
    })
}

/// A format whose records are messages.
fn messages(reader: &OptionReader<'_>, rows_only: bool) -> Result<Box<dyn Format>> {
    let name = reader.required("format")?;
    let format = flott_formats::format(name, reader, "")?;
    if matches!(name, "orc" | "parquet") {
        return Err(Error::invalid(format!("format '{name}' has files, and no messages")));
    }
    if format.dead_letter_table().is_some() {
        return Err(Error::unsupported("a table of dead letters of a connector that speaks HTTP"));
    }
    if rows_only && !format.changelog().is_insert_only() {
        return Err(Error::invalid(format!("format '{name}' has changes, and an answer has rows")));
    }
    Ok(format)
}

impl SinkOptions {
    /// Reads all options.
    ///
    /// # Errors
    /// If one is wrong, unknown, missing or not supported.
    pub(super) fn read(options: &Options) -> Result<Self> {
        let is_old = options.0.keys().any(|key| key.starts_with(GETINDATA));
        let (prefix, named) = if is_old { (GETINDATA, GETINDATA_SINK) } else { (FLINK, FLINK_SINK) };
        let reader = OptionReader::of(options, "connector 'http-sink'", &[SINK, named]);
        let key = |name: &str| format!("{prefix}sink.{name}");
        let methods = [("POST", HttpMethod::Post), ("PUT", HttpMethod::Put)];
        let access = Access::read(&reader, prefix, "sink.", &methods, ("insert-method", HttpMethod::Post))?;
        let at_least_1 = |name: &str, default: u64| {
            let value: u64 = reader.value_or(name, default)?;
            if value == 0 {
                return Err(Error::invalid(format!("option '{name}' must be at least 1")));
            }
            Ok(usize::try_from(value).unwrap_or(usize::MAX))
        };
        let rows =
            at_least_1("sink.batch.max-size", BATCH_ROWS)?.min(at_least_1(&key("request.batch.size"), BATCH_ROWS)?);
        let buffered = at_least_1("sink.requests.max-buffered", BUFFERED_MAX)?;
        let in_flight = at_least_1("sink.requests.max-inflight", IN_FLIGHT_MAX)?;
        refused(&reader, &key("writer.thread-pool.size"), "'sink.requests.max-inflight' says how many are under way.")?;
        let MemorySize(bytes) = reader.value_or("sink.flush-buffer.size", MemorySize(BATCH_BYTES))?;
        let Millis(interval_ms) = reader.value_or("sink.flush-buffer.timeout", Millis(BATCH_MS))?;
        let single = reader.choice(&key("writer.request.mode"), &[("single", true), ("batch", false)], false)?;
        let codes = |name: &str, default: &str| Codes::parse(&key(name), reader.text(&key(name)).unwrap_or(default));
        let format = messages(&reader, false)?;
        if !single && !reader.required("format")?.ends_with("json") {
            let mode = key("writer.request.mode");
            return Err(Error::invalid("requests with many rows are arrays of JSON, and the format is another")
                .with_hint(format!("Set '{mode}' = 'single'.")));
        }
        let read = SinkOptions {
            content_type: content_type(reader.required("format")?),
            format,
            batch_rows: (!single).then_some(rows.min(buffered)),
            batch_bytes: usize::try_from(bytes).unwrap_or(usize::MAX).max(1),
            interval_ms: Some(interval_ms).filter(|ms| *ms > 0),
            in_flight_max: in_flight,
            error: codes("error.code", "3XX,4XX,5XX")?,
            no_error: codes("error.code.exclude", "")?,
            again: Again::doubling(reader.value_or(&key("max-retries"), RETRIES)?, WAIT_MS),
            parallelism: parallelism(&reader)?,
            access,
        };
        reader.finish()?;
        Ok(read)
    }

    /// Whether a status says that rows were not taken.
    pub(super) fn is_error(&self, status: u16) -> bool {
        self.error.contain(status) && !self.no_error.contain(status)
    }
}

/// What the records of a format are.
fn content_type(format: &str) -> &'static str {
    match format {
        "csv" => "text/csv",
        _ if format.ends_with("json") => "application/json",
        _ => "application/octet-stream",
    }
}

/// Pairs of a map, as in `a:b,c:d`.
pub(super) fn pairs(key: &str, text: Option<&str>) -> Result<BTreeMap<String, String>> {
    let pair = |part: String| {
        let (name, value) = part.split_once(':').ok_or_else(|| {
            Error::invalid(format!("option '{key}' has '{part}'"))
                .with_hint("It has pairs, as in 'name:column,name:column'.")
        })?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    list(text, ',').into_iter().map(pair).collect()
}
