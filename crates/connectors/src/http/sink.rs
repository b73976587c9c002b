//! Sending rows: many in a request as an array, or a request each.
//!
//! At least once: what was sent behind the last checkpoint is sent again behind a failure, and so is a request whose answer
//! was lost. A status that is an error fails the job, where Flink's connector writes a line into its log and goes on.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpClient, HttpRequest};
use flott_api::sink::{Committer, Sink, SinkWriter, WriterContext};
use flott_api::table::SinkSpec;
use flott_api::{ChangeBatch, Error, Result};
use flott_formats::{Encoded, Encoder, EncoderSpec};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::options::SinkOptions;
use crate::web::again::Tries;
use crate::web::gathering::{GatheringWriter, Outbox};
use crate::web::{is_busy, passing, told};

/// A service to send to.
pub(super) struct HttpSink {
    options: Arc<SinkOptions>,
    spec: SinkSpec,
}

impl HttpSink {
    /// The sink of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(options: SinkOptions, spec: &SinkSpec) -> Result<Self> {
        if let Some(key) = spec.metadata.first() {
            return Err(Error::invalid(format!("connector 'http-sink' cannot write metadata '{key}'")));
        }
        if spec.overwrite || !spec.partition_keys.is_empty() {
            return Err(Error::invalid(format!("table '{}' of connector 'http-sink' has no partitions", spec.table)));
        }
        Ok(HttpSink { options: Arc::new(options), spec: spec.clone() })
    }
}

impl Sink for HttpSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let options = Arc::clone(&self.options);
        let encoder = EncoderSpec { schema: self.spec.schema.clone(), line_ends: false };
        let service = Service {
            client: cx.environment.http.client(&options.access.settings(&cx.environment)?)?,
            environment: cx.environment.clone(),
            table: self.spec.table.clone(),
            options: Arc::clone(&options),
        };
        let outbox = Rows {
            encoder: options.format.encoder(&encoder)?,
            is_open: false,
            encoded: Encoded::default(),
            body: Vec::new(),
            rows: 0,
            // Changes come in the order in which they happened.
            at_once: if self.spec.changelog.is_insert_only() { options.in_flight_max } else { 1 },
            service: Arc::new(service),
        };
        let interval_ms = options.interval_ms.filter(|_| options.batch_rows.is_some());
        Ok(Box::new(GatheringWriter::new(Box::new(outbox), interval_ms, cx.subtask, &cx.environment)))
    }

    fn committer(&self, _environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct Rows {
    encoder: Box<dyn Encoder>,
    /// Whether the encoder has told others what they need.
    is_open: bool,
    encoded: Encoded,
    /// The array that is being written; without its end.
    body: Vec<u8>,
    rows: usize,
    at_once: usize,
    service: Arc<Service>,
}

#[async_trait]
impl Outbox for Rows {
    async fn add(&mut self, batch: ChangeBatch) -> Result<()> {
        if !self.is_open {
            self.encoder.open(&self.service.environment).await?;
            self.is_open = true;
        }
        self.encoded.bytes.clear();
        self.encoded.ends.clear();
        self.encoder.encode(&batch.without_marks(), &mut self.encoded)?;
        match self.service.options.batch_rows {
            Some(rows_max) => self.gather(rows_max).await,
            None => self.send_each().await,
        }
    }

    async fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut body = self.body.clone();
        body.push(b']');
        Arc::clone(&self.service).send(Bytes::from(body)).await?;
        self.clear();
        Ok(())
    }

    async fn abort(&mut self) {
        self.clear();
    }
}

impl Rows {
    fn clear(&mut self) {
        self.body.clear();
        self.rows = 0;
    }

    async fn gather(&mut self, rows_max: usize) -> Result<()> {
        let bytes_max = self.service.options.batch_bytes;
        let mut start = 0;
        for at in 0..self.encoded.ends.len() {
            let end = self.encoded.ends[at];
            if self.rows > 0 && self.body.len() + end - start > bytes_max {
                self.flush().await?;
            }
            self.body.push(if self.rows == 0 { b'[' } else { b',' });
            self.body.extend_from_slice(&self.encoded.bytes[start..end]);
            self.rows += 1;
            start = end;
            if self.rows >= rows_max {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn send_each(&mut self) -> Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.encoded.bytes));
        let mut start = 0;
        let bodies = self.encoded.ends.iter().map(|end| bytes.slice(std::mem::replace(&mut start, *end)..*end));
        let bodies: Vec<Bytes> = bodies.collect();
        let service = &self.service;
        let sent = stream::iter(bodies).map(|body| Arc::clone(service).send(body));
        sent.buffer_unordered(self.at_once).try_for_each(|()| std::future::ready(Ok(()))).await
    }
}

/// Who takes rows.
struct Service {
    client: Arc<dyn HttpClient>,
    environment: Environment,
    table: String,
    options: Arc<SinkOptions>,
}

impl Service {
    async fn send(self: Arc<Self>, body: Bytes) -> Result<()> {
        let mut tries = Tries::new(self.options.again);
        loop {
            match self.try_once(body.clone()).await {
                Ok(()) => return Ok(()),
                Err(e) => tries.after(e.context(format!("table '{}'", self.table)), &self.environment).await?,
            }
        }
    }

    async fn try_once(&self, body: Bytes) -> Result<()> {
        let access = &self.options.access;
        let request = HttpRequest {
            method: access.method,
            url: access.url.clone(),
            headers: access.sent_headers(Some(self.options.content_type)),
            body,
            timeout_ms: access.timeout_ms,
        };
        let response = self.client.send(request).await?;
        if !self.options.is_error(response.status) {
            return Ok(());
        }
        let message = format!("{} was answered with {}", access.place(), told(&response, &access.secrets()));
        Err(if is_busy(response.status) { passing(message) } else { Error::external(message) })
    }
}
