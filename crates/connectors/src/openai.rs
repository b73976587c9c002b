//! `'provider' = 'openai'`: models behind a service that speaks OpenAI's HTTP protocol: chat completions (a text for a text) and
//! embeddings (a vector for a text).
//!
//! Flink counterpart: `flink-model-openai`. Any server with this protocol will do, also one of the user's own. A row is a request,
//! as in Flink; the operator has several under way. A row whose text is null has no answer and no row; a chat with `n` choices has
//! `n` rows.
//!
//! **Invariant.** The key of the service goes into a header and nowhere else: it is taken out of what the service says before that
//! is shown to anyone.
//!
//! **Does not:** count tokens. `max-context-size` is refused.

mod answer;
mod options;
mod request;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::{Array, RecordBatch, StringArray};
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpClient, HttpMethod, HttpRequest, HttpSettings};
use flott_api::model::{ModelDescription, ModelProvider, ModelProviderFactory, ModelSpec, Predictions};
use flott_api::{BoxFuture, Error, ErrorKind, Result};

use self::answer::{Answer, Failure, judged};
use self::options::{Fallback, ModelOptions};
use self::rows::Rows;

/// One request may take so long: the default of OpenAI's own clients. With its repetitions it may not take longer than the
/// operator allows.
const TIMEOUT_MS: u64 = 600_000;
/// Before the first repetition; then twice as long each time, but never longer than the longest.
const WAIT_MS: u64 = 500;
const WAIT_MS_MAX: u64 = 8_000;
/// A service that wants to be left alone for longer than this is asked after our own time.
const WAIT_ASKED_MS_MAX: u64 = 60_000;

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAi;

impl ModelProviderFactory for OpenAi {
    fn identifier(&self) -> &'static str {
        "openai"
    }

    fn describe(&self, model: &ModelSpec) -> Result<ModelDescription> {
        ModelOptions::read(model)?;
        Ok(ModelDescription { sync: false, asynchronous: true })
    }

    fn open(&self, model: &ModelSpec, environment: &Environment) -> Result<Box<dyn ModelProvider>> {
        let options = ModelOptions::read(model)?;
        Ok(Box::new(OpenAiModel {
            client: environment.http.client(&HttpSettings::default())?,
            environment: environment.clone(),
            spec: model.clone(),
            options,
        }))
    }
}

struct OpenAiModel {
    spec: ModelSpec,
    options: ModelOptions,
    client: Arc<dyn HttpClient>,
    environment: Environment,
}

impl ModelProvider for OpenAiModel {
    fn predict(&self, inputs: RecordBatch) -> BoxFuture<'_, Result<Predictions>> {
        Box::pin(self.rows(inputs))
    }
}

impl OpenAiModel {
    async fn rows(&self, inputs: RecordBatch) -> Result<Predictions> {
        let texts = inputs.column(0).as_any().downcast_ref::<StringArray>();
        let texts = texts.ok_or_else(|| Error::internal("a model of texts was asked with something else"))?;
        let mut rows = Rows::new(&self.spec);
        for (row, text) in (0..).zip(texts) {
            // Without a text there is nothing to ask.
            let Some(text) = text else { continue };
            match self.ask(text).await {
                Ok(answer) => rows.push(row, answer),
                Err(failure) => match self.options.fallback {
                    Fallback::Failover => return Err(self.failed(&failure)),
                    Fallback::Ignore => {
                        let model = &self.spec.model;
                        tracing::warn!(%model, "a row has no answer and is left out: {}", failure.what);
                        rows.fail(row, &failure);
                    }
                },
            }
        }
        rows.finish()
    }

    /// Asks until there is an answer, or as often as is allowed.
    async fn ask(&self, text: &str) -> std::result::Result<Answer, Failure> {
        let body = Bytes::from(request::body(&self.options, text).to_string());
        let mut repetitions = 0;
        loop {
            let answered = self.client.send(self.request(body.clone())).await;
            let failure = match judged(answered, &self.options) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !failure.passing || repetitions == self.options.repetitions_max {
                return Err(failure);
            }
            self.environment.clock.sleep_ms(self.wait_ms(&failure, repetitions)).await;
            repetitions += 1;
        }
    }

    fn request(&self, body: Bytes) -> HttpRequest {
        let header = |name: &str, value: String| (name.to_owned(), value);
        HttpRequest {
            method: HttpMethod::Post,
            url: self.options.endpoint.clone(),
            headers: vec![
                header("Authorization", format!("Bearer {}", self.options.key.reveal())),
                header("Content-Type", "application/json".to_owned()),
                header("Accept", "application/json".to_owned()),
            ],
            body,
            timeout_ms: TIMEOUT_MS,
        }
    }

    /// As long as the service asks for, or longer each time and a little by chance, so that not all come back at once.
    fn wait_ms(&self, failure: &Failure, repetitions: u32) -> u64 {
        if let Some(asked) = failure.wait_ms.filter(|asked| (1..=WAIT_ASKED_MS_MAX).contains(asked)) {
            return asked;
        }
        let whole = (WAIT_MS << repetitions.min(u64::BITS / 4)).min(WAIT_MS_MAX);
        whole - self.environment.rng.next_u64() % (whole / 4)
    }

    fn failed(&self, failure: &Failure) -> Error {
        let message = format!("model '{}' has no answer from {}", self.spec.model, self.options.endpoint);
        Error::new(ErrorKind::External { retry: failure.passing }, message).with_detail(format!("{}.", failure.what)).with_hint(
            "Its options 'error-handling-strategy', 'retry-num' and 'retry-fallback-strategy' say what happens to such rows.",
        )
    }
}
