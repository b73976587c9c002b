//! Looking up documents by fields: the keys of a batch are one request of many searches.
//!
//! A document is found as soon as the engine has refreshed its index behind the writing, by its own time (a second unless it
//! is told otherwise).

use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::lookup::{Found, LookupSpec, LookupTable};
use flott_api::{ChangeBatch, Error, Result, Schema};
use flott_formats::{Decoder, DecoderSpec, Encoded, Encoder, EncoderSpec};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Flavour;
use super::index::Index;
use super::options::ElasticsearchOptions;
use super::service::Service;
use crate::web::again::Tries;
use crate::web::passing;

const PATH: &str = "/_msearch?filter_path=responses.status,responses.error,responses.timed_out,responses._shards.failed,\
    responses.hits.total.value,responses.hits.hits._source";
/// So many keys are asked for in one request.
const KEYS_MAX: usize = 256;
/// A key has no more documents.
const DOCUMENTS_MAX: u64 = 1000;

/// An index that is looked up in.
pub(super) struct ElasticsearchLookup {
    service: Service,
    options: Arc<ElasticsearchOptions>,
    environment: Environment,
    table: String,
    /// What each search is told before it: its index.
    header: String,
    /// The fields that are wanted.
    fields: Vec<String>,
    encoder: Box<dyn Encoder>,
    decoder: Box<dyn Decoder>,
    output: Schema,
}

#[derive(Deserialize)]
struct Answer {
    responses: Vec<Search>,
}

#[derive(Deserialize)]
struct Search {
    status: u16,
    error: Option<Value>,
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards", default)]
    shards: Shards,
    #[serde(default)]
    hits: Hits,
}

#[derive(Default, Deserialize)]
struct Shards {
    #[serde(default)]
    failed: u64,
}

#[derive(Default, Deserialize)]
struct Hits {
    #[serde(default)]
    total: Total,
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Default, Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_source")]
    source: Map<String, Value>,
}

impl ElasticsearchLookup {
    /// The index of a specification; nothing is asked yet.
    ///
    /// # Errors
    /// If the index has a part that comes from rows.
    pub(super) fn new(
        flavour: Flavour,
        options: ElasticsearchOptions,
        spec: &LookupSpec,
        environment: &Environment,
    ) -> Result<Self> {
        let (output, options) = (spec.table.output_schema(), Arc::new(options));
        let keys = EncoderSpec { schema: output.project(&spec.keys), line_ends: false };
        let decoded = DecoderSpec {
            schema: spec.table.schema.clone(),
            projection: spec.table.projection.clone(),
            metadata: Vec::new(),
            dead_letters: false,
        };
        Ok(ElasticsearchLookup {
            header: json!({"index": fixed(&options, &spec.table.schema, &spec.table.session_zone)?}).to_string(),
            fields: output.fields.iter().map(|field| field.name.clone()).collect(),
            encoder: options.format.encoder(&keys)?,
            decoder: options.format.decoder(&decoded)?,
            service: Service::new(flavour, &options, 0, environment)?,
            environment: environment.clone(),
            table: spec.table.table.clone(),
            options,
            output,
        })
    }

    /// The searches of some keys.
    fn searches(&mut self, keys: RecordBatch) -> Result<Bytes> {
        let mut encoded = Encoded::default();
        self.encoder.encode(&ChangeBatch::inserts(keys), &mut encoded)?;
        let (mut body, mut start) = (String::new(), 0);
        for end in encoded.ends {
            let key: Map<String, Value> = serde_json::from_slice(&encoded.bytes[start..end])
                .map_err(|e| Error::internal("a key is no JSON").with_source(e))?;
            let terms: Vec<Value> = key.into_iter().map(|(name, value)| json!({"term": {name: value}})).collect();
            let search = json!({
                "query": {"bool": {"filter": terms}},
                "_source": self.fields,
                "size": DOCUMENTS_MAX,
                "track_total_hits": DOCUMENTS_MAX + 1,
            });
            for part in [&self.header, "\n", &search.to_string(), "\n"] {
                body.push_str(part);
            }
            start = end;
        }
        Ok(Bytes::from(body))
    }

    /// The documents of each key.
    async fn search(&mut self, keys: RecordBatch) -> Result<Vec<Vec<Bytes>>> {
        let (count, body) = (keys.num_rows(), self.searches(keys)?);
        let mut tries = Tries::new(self.options.lookup_again);
        loop {
            match self.try_once(count, body.clone()).await {
                Ok(documents) => return Ok(documents),
                Err(e) => {
                    let e = e.context(format!("a lookup in table '{}'", self.table));
                    tries.after(e, &self.environment).await?;
                }
            }
        }
    }

    async fn try_once(&mut self, count: usize, body: Bytes) -> Result<Vec<Vec<Bytes>>> {
        let response = self.service.ask(PATH, body).await?;
        if response.status != 200 {
            return Err(self.service.refused(&response));
        }
        let answer: Answer = serde_json::from_slice(&response.body)
            .map_err(|e| passing("the service has answered searches with something else").with_source(e))?;
        if answer.responses.len() != count {
            return Err(passing(format!("{count} searches have {} answers", answer.responses.len())));
        }
        answer.responses.into_iter().map(Search::documents).collect()
    }
}

impl Search {
    fn documents(self) -> Result<Vec<Bytes>> {
        if let Some(error) = self.error {
            let why = [&error["type"], &error["reason"]].map(|part| part.as_str().unwrap_or("no reason is given"));
            let message = format!("a search was refused: status {}, {}: {}", self.status, why[0], why[1]);
            let passes = matches!(self.status, 429 | 502 | 503 | 504);
            return Err(if passes { passing(message) } else { Error::external(message) });
        }
        if self.timed_out || self.shards.failed > 0 {
            return Err(passing("a search has not seen all parts of the index"));
        }
        if self.hits.total.value > DOCUMENTS_MAX {
            return Err(Error::external(format!("a key has more than {DOCUMENTS_MAX} documents")));
        }
        let documents = self.hits.hits.into_iter().map(|hit| Bytes::from(Value::Object(hit.source).to_string()));
        Ok(documents.collect())
    }
}

/// The one index.
///
/// # Errors
/// If it has a part that comes from rows.
pub(super) fn fixed(options: &ElasticsearchOptions, schema: &Schema, zone: &str) -> Result<String> {
    match Index::parse(&options.index, schema, zone)? {
        Index::Fixed(name) => Ok(name),
        _ => Err(Error::invalid(format!("option 'index' has the value '{}'", options.index))
            .with_detail("A table that is looked up in is one index.")),
    }
}

#[async_trait]
impl LookupTable for ElasticsearchLookup {
    async fn lookup(&mut self, keys: &RecordBatch) -> Result<Found> {
        let (mut documents, mut of) = (Vec::new(), Vec::new());
        for start in (0..keys.num_rows()).step_by(KEYS_MAX) {
            let part = keys.slice(start, KEYS_MAX.min(keys.num_rows() - start));
            for (key, found) in (start as u32..).zip(self.search(part).await?) {
                of.extend(found.iter().map(|_| key));
                documents.extend(found);
            }
        }
        let messages: Vec<&[u8]> = documents.iter().map(AsRef::as_ref).collect();
        let mut counts = Vec::with_capacity(messages.len());
        let decoded = self.decoder.decode_messages(&messages, &mut counts);
        let context = format!("a lookup in table '{}'", self.table);
        decoded.map_err(|e| e.at_place(|at| format!("document {at}")).context(context))?;
        self.decoder.take_skipped();
        // A document that its format skips gives no row.
        let keys = of.into_iter().zip(&counts).flat_map(|(key, count)| (0..*count).map(move |_| key)).collect();
        let rows = match self.decoder.rows() {
            0 => RecordBatch::new_empty(self.output.arrow()),
            _ => self.decoder.take()?.into_parts().0,
        };
        Ok(Found { rows, keys })
    }
}
