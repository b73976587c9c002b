//! What a service answers, or why it does not.

use flott_api::http::HttpResponse;
use flott_api::{ErrorKind, Result};
use serde_json::Value;

use super::options::{ModelOptions, Task};

/// No more of what a service says is shown.
const SAID_CHARS_MAX: usize = 300;

/// What was answered to a text.
#[derive(Debug)]
pub(super) enum Answer {
    /// The texts of all choices.
    Texts(Vec<String>),
    /// Vectors.
    Vectors(Vec<Vec<f32>>),
}

/// Why there is no answer.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// In a sentence without its full stop.
    pub(super) what: String,
    /// The status, if there was one.
    pub(super) status: Option<u16>,
    /// The headers of the answer.
    pub(super) headers: Vec<(String, String)>,
    /// Whether it may be better when it is asked again.
    pub(super) passing: bool,
    /// How long the service wants to be left alone.
    pub(super) wait_ms: Option<u64>,
}

/// The answer, if it is one.
pub(super) fn judged(answered: Result<HttpResponse>, options: &ModelOptions) -> Result<Answer, Failure> {
    let response = match answered {
        Ok(response) => response,
        Err(e) => {
            let passing = e.kind() == (ErrorKind::External { retry: true });
            let detail = e.detail().map(|detail| format!(": {}", detail.trim_end_matches('.'))).unwrap_or_default();
            return Err(Failure { what: format!("{}{detail}", e.message()), passing, ..Failure::default() });
        }
    };
    let json: Option<Value> = serde_json::from_slice(&response.body).ok();
    if (200..300).contains(&response.status) {
        let read = json.as_ref().ok_or("it is no JSON").and_then(|json| read(json, &options.task));
        // What is no answer now need not be one when the model is asked again, and is not asked for.
        let what = |why: &str| format!("the service answers {} with what is no answer: {why}", response.status);
        return read.map_err(|why| failed(&response, what(why), false, options));
    }
    let said = said(&response, json.as_ref());
    let what = if said.is_empty() { String::new() } else { format!(": {said}") };
    let passing = may_be_better(&response);
    Err(failed(&response, format!("the service answers {}{what}", response.status), passing, options))
}

fn failed(response: &HttpResponse, what: String, passing: bool, options: &ModelOptions) -> Failure {
    let hidden = |(name, value): &(String, String)| (name.clone(), options.key.hidden_in(value));
    Failure {
        what: options.key.hidden_in(&what),
        status: Some(response.status),
        headers: response.headers.iter().map(hidden).collect(),
        passing,
        wait_ms: wait_ms(response),
    }
}

/// What the service says of an error: OpenAI's `{"error": {"message": ..}}`, or the text.
fn said(response: &HttpResponse, json: Option<&Value>) -> String {
    let message =
        json.and_then(|json| json.get("error")).and_then(|error| error.get("message").unwrap_or(error).as_str());
    let text = message.map_or_else(|| String::from_utf8_lossy(&response.body).into_owned(), str::to_owned);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(SAID_CHARS_MAX).collect();
    short.trim_end_matches('.').to_owned()
}

fn header<'r>(response: &'r HttpResponse, name: &str) -> Option<&'r str> {
    response.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// As OpenAI's own clients see it: too many, too slow or out of order may be better later. The service may say so itself.
fn may_be_better(response: &HttpResponse) -> bool {
    match header(response, "x-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(response.status, 408 | 409 | 429 | 500..),
    }
}

/// `retry-after-ms`, or `retry-after` in seconds. A date is not read: our own waits will do.
fn wait_ms(response: &HttpResponse) -> Option<u64> {
    let number = |name: &str| header(response, name)?.parse::<f64>().ok().filter(|number| *number >= 0.0);
    let millis = number("retry-after-ms").or_else(|| Some(number("retry-after")? * 1000.0))?;
    Some(millis as u64)
}

fn read(json: &Value, task: &Task) -> Result<Answer, &'static str> {
    match task {
        Task::Chat(_) => {
            let choices = json.get("choices").and_then(Value::as_array).ok_or("it has no 'choices'")?;
            choices.iter().map(text).collect::<Option<_>>().map(Answer::Texts).ok_or("a choice has no message")
        }
        Task::Embedding { dimension } => {
            let data = json.get("data").and_then(Value::as_array).ok_or("it has no 'data'")?;
            let vectors: Option<Vec<Vec<f32>>> = data.iter().map(vector).collect();
            let vectors = vectors.ok_or("an embedding is no list of numbers")?;
            match vectors.iter().all(|v| dimension.is_none_or(|wanted| v.len() as u64 == wanted)) {
                true => Ok(Answer::Vectors(vectors)),
                false => Err("an embedding has another 'dimension' than was asked for"),
            }
        }
    }
}

/// A message without content, as one that calls tools, is an empty text, as in Flink.
fn text(choice: &Value) -> Option<String> {
    match choice.get("message")?.as_object()?.get("content") {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => None,
    }
}

fn vector(embedding: &Value) -> Option<Vec<f32>> {
    let numbers = embedding.get("embedding")?.as_array()?;
    numbers.iter().map(|number| Some(number.as_f64()? as f32)).collect()
}
