//! Inserting rows, many at once.
//!
//! At least once: what was inserted behind the last checkpoint is inserted again behind a failure.

use std::sync::Arc;

use arrow_array::BooleanArray;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpClient, HttpMethod, HttpRequest, HttpResponse, HttpSettings};
use flott_api::sink::{Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{ChangeBatch, Error, Result, RowKind};
use flott_formats::{Encoded, Encoder, EncoderSpec};

use super::options::{ClickHouseOptions, Updates};
use crate::web::again::Tries;
use crate::web::gathering::{GatheringWriter, Outbox};
use crate::web::hosts::Hosts;
use crate::web::{is_busy, may_pass, passing, percent_encoded, told};

/// Rows are inserted when there are as many bytes of them, whatever the options say.
const BYTES_MAX: usize = 16 << 20;
const TIMEOUT_MS: u64 = 300_000;
/// How rows are read: texts of moments also as ISO writes them; a null where none may be is an error; the answer comes when
/// the rows are there.
const SETTINGS: &str = "&date_time_input_format=best_effort&input_format_null_as_default=0\
    &input_format_skip_unknown_fields=0&async_insert=0&wait_end_of_query=1";
/// Errors that may be over soon, by ClickHouse's numbers: timeouts, too many queries or parts, memory, a table or its
/// coordination that is not there for the moment, an insert of which is not known whether it was done.
const PASSING: [u32; 14] = [159, 160, 164, 201, 202, 203, 209, 210, 241, 242, 252, 279, 319, 999];

/// A table to insert into.
pub(super) struct ClickHouseSink {
    shared: Arc<Shared>,
}

struct Shared {
    options: ClickHouseOptions,
    spec: SinkSpec,
    /// `INSERT INTO ..`
    statement: String,
}

impl ClickHouseSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(options: ClickHouseOptions, spec: &SinkSpec) -> Result<Self> {
        if let Some(key) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'clickhouse' cannot write metadata '{key}'")));
        }
        if spec.overwrite || !spec.partition_keys.is_empty() {
            return Err(Error::invalid(format!("table '{}' of connector 'clickhouse' has no partitions", spec.table)));
        }
        if spec.changelog.contains(RowKind::UpdateAfter) && options.updates == Updates::Refused {
            return Err(Error::unsupported("'sink.update-strategy' = 'update'")
                .with_detail(format!(
                    "Rows of the query replace others, and table '{}' would have to be rewritten.",
                    spec.table
                ))
                .with_hint("Set it to 'insert', for a ReplacingMergeTree to merge them, or to 'discard'."));
        }
        let columns: Vec<String> = spec.schema.fields.iter().map(|field| quoted(&field.name)).collect();
        let (database, table) = (quoted(&options.database), quoted(&options.table));
        let statement = format!("INSERT INTO {database}.{table} ({}) FORMAT JSONEachRow", columns.join(", "));
        Ok(ClickHouseSink { shared: Arc::new(Shared { options, spec: spec.clone(), statement }) })
    }
}

/// A name in a statement.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

impl Sink for ClickHouseSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let (shared, environment) = (Arc::clone(&self.shared), cx.environment.clone());
        if !shared.spec.changelog.without(RowKind::UpdateBefore).without(RowKind::UpdateAfter).is_insert_only() {
            let table = &shared.spec.table;
            tracing::warn!(%table, "deletions are left out, as 'sink.ignore-delete' says");
        }
        let encoder = EncoderSpec { schema: shared.spec.schema.clone(), line_ends: true };
        let outbox = Rows {
            encoder: shared.options.format.encoder(&encoder)?,
            encoded: Encoded::default(),
            client: environment.http.client(&HttpSettings { keeps_redirects: true, ..HttpSettings::default() })?,
            hosts: Hosts::new(&shared.options.hosts, cx.subtask.index, Arc::clone(&environment.clock)),
            token: format!("{:032x}-{}-{:016x}", cx.job.0, cx.subtask.index, environment.rng.next_u64()),
            inserts: 0,
            environment: environment.clone(),
            shared,
        };
        let interval_ms = self.shared.options.interval_ms;
        Ok(Box::new(GatheringWriter::new(Box::new(outbox), interval_ms, cx.subtask, &environment)))
    }

    fn committer(&self, _environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct Rows {
    shared: Arc<Shared>,
    encoder: Box<dyn Encoder>,
    /// What waits.
    encoded: Encoded,
    client: Arc<dyn HttpClient>,
    hosts: Hosts,
    environment: Environment,
    /// With the number of an insert it names it.
    token: String,
    inserts: u64,
}

#[async_trait]
impl Outbox for Rows {
    async fn add(&mut self, batch: ChangeBatch) -> Result<()> {
        let batch = batch.without_marks();
        let discards = self.shared.options.updates == Updates::Discarded;
        let kept = |kind: RowKind| kind == RowKind::Insert || (kind == RowKind::UpdateAfter && !discards);
        let batch = match batch.kinds() {
            None => batch,
            Some(_) => {
                batch.filter(&BooleanArray::from_iter((0..batch.len()).map(|row| Some(kept(batch.kind(row))))))?
            }
        };
        if !batch.is_empty() {
            self.encoder.encode(&batch, &mut self.encoded)?;
        }
        let full = self.encoded.ends.len() >= self.shared.options.rows_max || self.encoded.bytes.len() >= BYTES_MAX;
        if full { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        if self.encoded.ends.is_empty() {
            return Ok(());
        }
        let body = Bytes::copy_from_slice(&self.encoded.bytes);
        // The same for all tries, so that the rows are there once.
        let token = format!("{}-{}", self.token, self.inserts);
        let mut tries = Tries::new(self.shared.options.again);
        while let Err(e) = self.insert(&token, &body).await {
            let table = &self.shared.spec.table;
            tries.after(e.context(format!("table '{table}'")), &self.environment).await?;
        }
        self.inserts += 1;
        self.clear();
        Ok(())
    }

    async fn abort(&mut self) {
        self.clear();
    }
}

impl Rows {
    fn clear(&mut self) {
        self.encoded.bytes.clear();
        self.encoded.ends.clear();
    }

    async fn insert(&mut self, token: &str, body: &Bytes) -> Result<()> {
        let mut last = None;
        for _ in 0..self.hosts.len() {
            let (chosen, host) = self.hosts.choose();
            match self.client.send(self.shared.request(host, token, body.clone())).await {
                Ok(response) => {
                    self.hosts.up(chosen);
                    return self.shared.judged(&response);
                }
                Err(e) if may_pass(&e) => {
                    let e = e.context(format!("host '{host}'"));
                    self.hosts.down(chosen);
                    last = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        Err(last.unwrap_or_else(|| Error::internal("a table has no host")))
    }
}

impl Shared {
    fn request(&self, host: &str, token: &str, body: Bytes) -> HttpRequest {
        let mut url = format!("{host}/?query=");
        percent_encoded(&self.statement, &mut url);
        url.push_str("&insert_deduplication_token=");
        url.push_str(token);
        url.push_str(SETTINGS);
        let mut headers = vec![("Content-Type".to_owned(), "application/x-ndjson".to_owned())];
        if let Some(authorization) = &self.options.authorization {
            headers.push(("Authorization".to_owned(), authorization.reveal().to_owned()));
        }
        HttpRequest { method: HttpMethod::Post, url, headers, body, timeout_ms: TIMEOUT_MS }
    }

    /// An error may also come behind a status that says that all is well; then a header says which one.
    fn judged(&self, response: &HttpResponse) -> Result<()> {
        let code = response.headers.iter().find(|(name, _)| name == "x-clickhouse-exception-code");
        let code = code.map(|(_, code)| code.parse::<u32>().unwrap_or(0));
        if response.status == 200 && code.is_none() {
            return Ok(());
        }
        let secrets: Vec<_> = self.options.authorization.iter().collect();
        let message = format!("ClickHouse has answered with {}", told(response, &secrets));
        let passes = match code {
            Some(code) => PASSING.contains(&code),
            None => is_busy(response.status),
        };
        Err(if passes { passing(message) } else { Error::external(message) })
    }
}
