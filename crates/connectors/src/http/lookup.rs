//! Looking up keys: a request each, several at once where the join is asynchronous; keys of a batch that are equal are asked
//! for once.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_select::take::take;
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpClient, HttpRequest};
use flott_api::lookup::{Found, LookupSpec, LookupTable};
use flott_api::{ChangeBatch, Error, LogicalType, Result, Schema};
use flott_formats::{Decoder, DecoderSpec};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;

use super::metadata::{Completion, Ended, column};
use super::options::LookupOptions;
use super::question::{Asker, Question};
use crate::web::again::Tries;
use crate::web::{passing, told};

/// A table that is looked up in.
pub(super) struct HttpLookup {
    service: Arc<Service>,
    asker: Asker,
    decoder: Box<dyn Decoder>,
    output: Schema,
    at_once: usize,
}

/// What is asked.
struct Service {
    options: LookupOptions,
    table: String,
    /// The columns of an answer.
    spec: DecoderSpec,
    /// Keys and types of metadata that is wanted.
    metadata: Vec<(String, LogicalType)>,
    client: Arc<dyn HttpClient>,
    environment: Environment,
}

impl HttpLookup {
    /// The table of a specification; nothing is asked yet.
    ///
    /// # Errors
    /// If the specification is not usable, or a file of certificates cannot be read.
    pub(super) fn new(options: LookupOptions, spec: &LookupSpec, environment: &Environment) -> Result<Self> {
        let output = spec.table.output_schema();
        let keys = output.project(&spec.keys);
        let asker = options.questions.asker(&options.access.url, &keys)?;
        let decoded = DecoderSpec {
            schema: spec.table.schema.clone(),
            projection: spec.table.projection.clone(),
            metadata: Vec::new(),
            dead_letters: false,
        };
        let decoder = options.format.decoder(&decoded)?;
        let at_once = spec.in_flight_max.unwrap_or(1).max(1) as usize;
        let at_once = options.in_flight_max.map_or(at_once, |most| at_once.min(most));
        let client = environment.http.client(&options.access.settings(environment)?)?;
        let service = Service {
            options,
            table: spec.table.table.clone(),
            spec: decoded,
            metadata: spec.table.metadata.clone(),
            client,
            environment: environment.clone(),
        };
        Ok(HttpLookup { service: Arc::new(service), asker, decoder, output, at_once })
    }
}

/// What was answered.
enum Answer {
    /// There are no rows.
    Nothing,
    /// Bytes to decode.
    Body(Bytes, Ended),
    /// Nothing that can be used; the job goes on.
    Failed(Ended),
}

#[async_trait]
impl LookupTable for HttpLookup {
    async fn lookup(&mut self, keys: &RecordBatch) -> Result<Found> {
        let questions = self.asker.questions(ChangeBatch::inserts(keys.clone()))?;
        let mut places: BTreeMap<&Question, usize> = BTreeMap::new();
        let (mut asked, mut answer_of) = (Vec::new(), Vec::with_capacity(questions.len()));
        for question in &questions {
            answer_of.push(*places.entry(question).or_insert_with(|| {
                asked.push(question.clone());
                asked.len() - 1
            }));
        }
        let service = Arc::clone(&self.service);
        let answers = stream::iter(asked).map(|question| Arc::clone(&service).ask(question));
        let mut answers: Vec<Answer> = answers.buffered(self.at_once).try_collect().await?;
        let (rows, ends) = self.rows(&mut answers).await?;
        self.found(&answer_of, &answers, &rows, &ends)
    }
}

impl HttpLookup {
    /// The rows of each key, of the rows of all answers, of which those of each end there.
    fn found(&self, answer_of: &[usize], answers: &[Answer], rows: &RecordBatch, ends: &[u32]) -> Result<Found> {
        let metadata = &self.service.metadata;
        // Nothing stands for a row that is null in all columns but metadata.
        let (mut places, mut keys, mut ended): (Vec<Option<u32>>, Vec<u32>, Vec<&Ended>) = Default::default();
        for (key, at) in (0..).zip(answer_of) {
            let start = if *at == 0 { 0 } else { ends[at - 1] };
            let of_key = match &answers[*at] {
                Answer::Nothing => continue,
                Answer::Failed(_) if metadata.is_empty() => continue,
                Answer::Failed(failed) => {
                    places.push(None);
                    (1, failed)
                }
                Answer::Body(_, done) => {
                    places.extend((start..ends[*at]).map(Some));
                    (ends[*at] - start, done)
                }
            };
            keys.extend((0..of_key.0).map(|_| key));
            ended.extend((0..of_key.0).map(|_| of_key.1));
        }
        let places = UInt32Array::from(places);
        let columns = rows.columns().iter().map(|column| Ok(take(column, &places, None)?));
        let metadata = metadata.iter().map(|(key, ty)| column(key, ty, &ended));
        let columns: Vec<ArrayRef> = columns.chain(metadata).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(keys.len()));
        let rows = RecordBatch::try_new_with_options(self.output.arrow(), columns, &options)?;
        Ok(Found { rows, keys })
    }

    /// The rows of all answers, and where those of each end. An answer that cannot be decoded is an error, or has failed.
    async fn rows(&mut self, answers: &mut [Answer]) -> Result<(RecordBatch, Vec<u32>)> {
        match self.decoded(answers).await {
            Err(_) if self.service.options.continues => {}
            decoded => return decoded,
        }
        // Which of them it was is found one by one.
        for answer in answers.iter_mut() {
            self.decoder = self.service.decoder()?;
            if let Err(error) = self.decoded(std::slice::from_mut(answer)).await
                && let Answer::Body(_, done) = answer
            {
                let (completion, error) = (Completion::UnableToDeserializeResponse, Some(error.message().to_owned()));
                *answer = Answer::Failed(Ended { completion, error, ..done.clone() });
            }
        }
        self.decoder = self.service.decoder()?;
        self.decoded(answers).await
    }

    async fn decoded(&mut self, answers: &[Answer]) -> Result<(RecordBatch, Vec<u32>)> {
        let mut messages: Vec<Bytes> = Vec::new();
        let mut messages_of = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer {
                Answer::Body(body, _) if self.service.options.is_array => messages.extend(self.service.elements(body)?),
                Answer::Body(body, _) if !body.iter().all(u8::is_ascii_whitespace) => messages.push(body.clone()),
                _ => {}
            }
            messages_of.push(messages.len());
        }
        let messages: Vec<&[u8]> = messages.iter().map(AsRef::as_ref).collect();
        let mut counts = Vec::with_capacity(messages.len());
        self.decoder.prepare(&self.service.environment, &messages).await?;
        let place = self.service.options.access.place().to_owned();
        let decoded = self.decoder.decode_messages(&messages, &mut counts);
        decoded.map_err(|e| e.at_place(|_| format!("an answer of {place}")).context(self.service.context()))?;
        self.decoder.take_skipped();
        let (mut ends, mut rows, mut done) = (Vec::with_capacity(answers.len()), 0, 0);
        for messages in messages_of {
            rows += counts.get(done..messages).unwrap_or_default().iter().sum::<u32>();
            done = messages;
            ends.push(rows);
        }
        let rows = match self.decoder.rows() {
            0 => RecordBatch::new_empty(self.service.spec.output_schema().arrow()),
            _ => self.decoder.take()?.into_parts().0,
        };
        Ok((rows, ends))
    }
}

impl Service {
    fn context(&self) -> String {
        format!("a lookup in table '{}'", self.table)
    }

    fn decoder(&self) -> Result<Box<dyn Decoder>> {
        self.options.format.decoder(&self.spec)
    }

    /// What a key is answered, as often as it takes.
    async fn ask(self: Arc<Self>, question: Question) -> Result<Answer> {
        let mut tries = Tries::new(self.options.again);
        loop {
            let (error, ended) = match self.try_once(&question).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => *failure,
            };
            if let Err(e) = tries.after(error.context(self.context()), &self.environment).await {
                if !self.options.continues {
                    return Err(e);
                }
                return Ok(Answer::Failed(Ended { error: Some(e.to_string()), ..ended }));
            }
        }
    }

    /// An error comes with what else is known.
    async fn try_once(&self, question: &Question) -> Result<Answer, Box<(Error, Ended)>> {
        let options = &self.options;
        let content_type = (!question.body.is_empty()).then_some("application/json");
        let request = HttpRequest {
            method: options.access.method,
            url: question.url.clone(),
            headers: options.access.sent_headers(content_type),
            body: question.body.clone(),
            timeout_ms: options.access.timeout_ms,
        };
        let ended = |completion| Ended { completion, status: None, headers: Vec::new(), error: None };
        let sent = self.client.send(request).await;
        let response = sent.map_err(|e| Box::new((e, ended(Completion::Exception))))?;
        let status = response.status;
        if options.ignored.contain(status) {
            return Ok(Answer::Nothing);
        }
        let message =
            || format!("{} was answered with {}", options.access.place(), told(&response, &options.access.secrets()));
        let error = match (options.success.contain(status), options.retry.contain(status)) {
            (true, _) => None,
            (_, true) => Some(passing(message())),
            _ => Some(Error::external(message())),
        };
        let completion = if error.is_none() { Completion::Success } else { Completion::HttpErrorStatus };
        let ended = Ended { status: Some(status), headers: response.headers, ..ended(completion) };
        match error {
            Some(error) => Err(Box::new((error, ended))),
            None => Ok(Answer::Body(response.body, ended)),
        }
    }

    /// The elements of an array.
    fn elements(&self, body: &[u8]) -> Result<Vec<Bytes>> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        let wrong = || {
            Error::data(format!("{}: an answer of {} is no array of JSON", self.context(), self.options.access.place()))
        };
        let Value::Array(elements) = serde_json::from_slice(body).map_err(|e| wrong().with_source(e))? else {
            return Err(wrong().with_hint("Its option 'result-type' says 'array'."));
        };
        Ok(elements.into_iter().map(|element| Bytes::from(element.to_string())).collect())
    }
}
