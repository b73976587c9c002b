//! What is asked of the databases, and what they answer.
//!
//! | | Doris | StarRocks |
//! |---|---|---|
//! | load, seen at once | `PUT /api/DB/TABLE/_stream_load` | the same |
//! | prepare a transaction | the same, with `two_phase_commit` | `POST /api/transaction/begin`, `PUT .../load`, `POST .../prepare` |
//! | commit, roll back | `PUT /api/DB/_stream_load_2pc` | `POST /api/transaction/commit`, `POST .../rollback` |
//! | ask about a label | `GET /api/DB/get_load_state` | the same |
//!
//! A front end sends whoever loads to a back end, with a status of the 300s; the rows then go there with the password, as
//! `curl --location-trusted` does. A front end is asked where with a request without rows: it does not read them, and a
//! connection that is full of rows that nobody reads would break before the answer is read. From `https` nobody goes to `http`:
//! the password would follow in the clear.

use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpClient, HttpMethod, HttpRequest, HttpResponse, HttpSettings};
use flott_api::{Error, Result};
use serde_json::Value;

use super::Brand;
use super::options::LoadOptions;
use crate::web::hosts::Hosts;
use crate::web::{is_busy, may_pass, passing, percent_encoded, told};

/// So often is one sent from place to place.
const REDIRECTS_MAX: usize = 4;
/// Words in the message of a load that failed which say that another one may not.
const PASSING: [&str; 8] =
    ["timeout", "timed out", "-235", "too many", "not alive", "no available", "rpc", "no backend"];

/// What became of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    /// It is done.
    Done,
    /// There is another one with its label.
    LabelExists,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is none of that label.
    Unknown,
    /// It has begun.
    Running,
    /// It waits to be committed.
    Prepared,
    /// It is committed.
    Committed,
    /// It was rolled back.
    Aborted,
}

/// A database, as one writer or committer asks it.
pub(super) struct Database {
    options: Arc<LoadOptions>,
    client: Arc<dyn HttpClient>,
    front: Hosts,
    back: Option<Hosts>,
    /// Names of the columns, for loads that have more than these.
    columns: Option<String>,
}

/// An answer, and where it sends its reader.
struct Answer {
    response: HttpResponse,
    elsewhere: Option<String>,
}

/// A request, without its host.
struct Question<'q> {
    method: HttpMethod,
    path: &'q str,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Database {
    /// A database. `columns` are those of the table if loads say of each row what becomes of it.
    ///
    /// # Errors
    /// If there is no HTTP here.
    pub(super) fn new(
        options: &Arc<LoadOptions>,
        columns: Option<&[String]>,
        begin: u32,
        environment: &Environment,
    ) -> Result<Self> {
        let settings = HttpSettings {
            connect_timeout_ms: Some(options.connect_ms),
            keeps_redirects: true,
            ..HttpSettings::default()
        };
        let hosts = |urls: &[String]| Hosts::new(urls, begin, Arc::clone(&environment.clock));
        let quoted = |columns: &[String]| columns.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(",");
        Ok(Database {
            client: environment.http.client(&settings)?,
            front: hosts(&options.front),
            back: (!options.back.is_empty()).then(|| hosts(&options.back)),
            columns: columns.map(quoted),
            options: Arc::clone(options),
        })
    }

    /// Loads rows, an array of JSON, which are seen at once.
    ///
    /// # Errors
    /// If it fails.
    pub(super) async fn load(&mut self, label: &str, body: Bytes) -> Result<Loaded> {
        let headers = self.load_headers(label);
        self.stream_load(headers, body).await
    }

    /// Loads rows that are not seen before their transaction is committed.
    ///
    /// # Errors
    /// If it fails.
    pub(super) async fn prepare(&mut self, label: &str, body: Bytes) -> Result<Loaded> {
        let mut headers = self.load_headers(label);
        if self.options.brand == Brand::Doris {
            headers.push(header("two_phase_commit", "true"));
            return self.stream_load(headers, body).await;
        }
        if self.transaction("begin", label).await? == Loaded::LabelExists {
            return Ok(Loaded::LabelExists);
        }
        headers.extend([header("db", &self.options.database), header("table", &self.options.table)]);
        let loaded = self.load_and_prepare(label, headers, body).await;
        if loaded.is_err()
            && let Err(e) = self.roll_back(label).await
        {
            // It holds a place until it times out, or until the next start of the job.
            tracing::warn!(%label, "a transaction was left behind: {e}");
        }
        loaded
    }

    async fn load_and_prepare(&mut self, label: &str, headers: Vec<(String, String)>, body: Bytes) -> Result<Loaded> {
        let question = Question { method: HttpMethod::Put, path: "/api/transaction/load", headers, body };
        judged(&self.ask(question).await?, &self.options)?;
        self.transaction("prepare", label).await
    }

    /// Commits what is prepared. An error does not mean that it is not committed: ask about it.
    ///
    /// # Errors
    /// If it fails.
    pub(super) async fn commit(&mut self, label: &str) -> Result<()> {
        self.end(label, "commit", "commit").await
    }

    /// Rolls back what is not committed.
    ///
    /// # Errors
    /// If it fails.
    pub(super) async fn roll_back(&mut self, label: &str) -> Result<()> {
        self.end(label, "abort", "rollback").await
    }

    /// How far the transaction of a label is.
    ///
    /// # Errors
    /// If nobody says.
    pub(super) async fn state(&mut self, label: &str) -> Result<State> {
        let mut path = String::from("/api/");
        percent_encoded(&self.options.database, &mut path);
        path.push_str("/get_load_state?label=");
        percent_encoded(label, &mut path);
        let question = Question { method: HttpMethod::Get, path: &path, headers: Vec::new(), body: Bytes::new() };
        let response = self.ask(question).await?;
        let answer = json(&response, &self.options)?;
        // Doris says it where all its answers lie, StarRocks by its name.
        let state = [&answer["state"], &answer["data"]].into_iter().find_map(Value::as_str);
        match state.map(str::to_uppercase).as_deref() {
            Some("UNKNOWN") => Ok(State::Unknown),
            Some("PREPARE") => Ok(State::Running),
            Some("PREPARED" | "PRECOMMITTED") => Ok(State::Prepared),
            Some("COMMITTED" | "VISIBLE") => Ok(State::Committed),
            Some("ABORTED") => Ok(State::Aborted),
            _ => Err(failed(&answer, &response, &self.options)),
        }
    }

    fn load_headers(&self, label: &str) -> Vec<(String, String)> {
        let mut headers = vec![
            header("label", label),
            header("format", "json"),
            header("strip_outer_array", "true"),
            header("Content-Type", "application/json"),
        ];
        if let Some(columns) = &self.columns {
            match self.options.brand {
                Brand::Doris => headers.push(header("hidden_columns", super::sink::DORIS_DELETE)),
                Brand::StarRocks => {
                    headers.push(header("columns", &format!("{columns},{}", super::sink::STARROCKS_OP)))
                }
            }
        }
        headers.extend(self.options.properties.iter().cloned());
        headers
    }

    async fn stream_load(&mut self, headers: Vec<(String, String)>, body: Bytes) -> Result<Loaded> {
        let mut path = String::from("/api/");
        percent_encoded(&self.options.database, &mut path);
        path.push('/');
        percent_encoded(&self.options.table, &mut path);
        path.push_str("/_stream_load");
        let question = Question { method: HttpMethod::Put, path: &path, headers, body };
        judged(&self.ask(question).await?, &self.options)
    }

    /// A step of a transaction of StarRocks.
    async fn transaction(&mut self, step: &str, label: &str) -> Result<Loaded> {
        let (database, table) = (&self.options.database, &self.options.table);
        let headers = vec![header("label", label), header("db", database), header("table", table)];
        let path = format!("/api/transaction/{step}");
        let question = Question { method: HttpMethod::Post, path: &path, headers, body: Bytes::new() };
        judged(&self.ask(question).await?, &self.options)
    }

    async fn end(&mut self, label: &str, of_doris: &str, of_starrocks: &str) -> Result<()> {
        if self.options.brand == Brand::StarRocks {
            return self.transaction(of_starrocks, label).await.map(drop);
        }
        let mut path = String::from("/api/");
        percent_encoded(&self.options.database, &mut path);
        path.push_str("/_stream_load_2pc");
        let headers = vec![header("label", label), header("txn_operation", of_doris)];
        let question = Question { method: HttpMethod::Put, path: &path, headers, body: Bytes::new() };
        judged(&self.ask(question).await?, &self.options).map(drop)
    }

    /// The answer to a question, from wherever one is sent.
    async fn ask(&mut self, question: Question<'_>) -> Result<HttpResponse> {
        if !question.body.is_empty() {
            let place = match &mut self.back {
                Some(back) => format!("{}{}", back.choose().1, question.path),
                None => self.place_to_load(&question).await?,
            };
            return self.follow(&question, place).await;
        }
        let answer = self.ask_front(&question).await?;
        match answer.elsewhere {
            Some(place) => self.follow(&question, place).await,
            None => Ok(answer.response),
        }
    }

    /// The answer from a place, or from where that sends its clients.
    async fn follow(&self, question: &Question<'_>, mut place: String) -> Result<HttpResponse> {
        for _ in 0..REDIRECTS_MAX {
            let answer = self.send(question, place, question.body.clone()).await?;
            match answer.elsewhere {
                Some(next) => place = next,
                None => return Ok(answer.response),
            }
        }
        Err(Error::external("a front end sends its clients in circles"))
    }

    /// Where a front end wants rows to go.
    async fn place_to_load(&mut self, question: &Question<'_>) -> Result<String> {
        // Without a label: should somebody take it for a load, it is an empty one of no name. A transaction of StarRocks has
        // its own back end, which the label tells.
        let is_transaction = question.path.starts_with("/api/transaction/");
        let kept = |(name, _): &&(String, String)| is_transaction && matches!(name.as_str(), "label" | "db" | "table");
        let headers = question.headers.iter().filter(kept).cloned().collect();
        let empty = Question { method: question.method, path: question.path, headers, body: Bytes::new() };
        let Answer { response, elsewhere } = self.ask_front(&empty).await?;
        match elsewhere {
            Some(place) => Ok(place),
            None => Err(match judged(&response, &self.options) {
                Err(e) if may_pass(&e) => e,
                _ => Error::external(format!(
                    "a front end does not say where to load to: {}",
                    told(&response, &[&self.options.authorization])
                )),
            }),
        }
    }

    /// Asks the front ends in turn until one is there.
    async fn ask_front(&mut self, question: &Question<'_>) -> Result<Answer> {
        let mut last = None;
        for _ in 0..self.front.len() {
            let (chosen, host) = self.front.choose();
            let place = format!("{host}{}", question.path);
            match self.send(question, place, Bytes::new()).await {
                Ok(answer) => {
                    self.front.up(chosen);
                    return Ok(answer);
                }
                Err(e) if may_pass(&e) => {
                    self.front.down(chosen);
                    last = Some(e);
                }
                Err(e) => return Err(e),
            }
        }
        Err(last.unwrap_or_else(|| Error::internal("a table has no front end")))
    }

    async fn send(&self, question: &Question<'_>, url: String, body: Bytes) -> Result<Answer> {
        let mut headers = question.headers.clone();
        headers.push(header("Authorization", self.options.authorization.reveal()));
        if question.method == HttpMethod::Put {
            // Both databases insist on it, and begin to read without being asked all the same.
            headers.push(header("Expect", "100-continue"));
        }
        let host = url.split('/').nth(2).unwrap_or_default().to_owned();
        let is_encrypted = url.starts_with("https:");
        let request = HttpRequest { method: question.method, url, headers, body, timeout_ms: self.options.timeout_ms };
        let answered = self.client.send(request).await.and_then(|response| {
            let elsewhere = redirected(&response, is_encrypted)?;
            Ok(Answer { response, elsewhere })
        });
        answered.map_err(|e| e.context(format!("host '{host}'")))
    }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Where an answer sends its reader, who came over an encrypted connection or not; without the user and the password that
/// some versions write into it.
fn redirected(response: &HttpResponse, is_encrypted: bool) -> Result<Option<String>> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
    let place = location.and_then(|(_, place)| place.split_once("://"));
    let Some((scheme, rest)) = place.filter(|(scheme, _)| matches!(*scheme, "http" | "https")) else {
        return Err(Error::external("a front end sends its clients nowhere"));
    };
    // All paths begin so; a '/' before it may be one of the password.
    let path_at = rest.find("/api/").or_else(|| rest.find('/'));
    let (host, path) = path_at.map_or((rest, ""), |at| rest.split_at(at));
    let host = host.rsplit('@').next().unwrap_or_default();
    if is_encrypted && scheme == "http" {
        let place = host.split('/').next().unwrap_or_default();
        return Err(Error::external(format!("it sends its clients from https to http, to '{place}'"))
            .with_detail("The password would go there for all to read.")
            .with_hint("Let all hosts speak https, or write the front ends with http if the network may be trusted."));
    }
    Ok(Some(format!("{scheme}://{host}{path}")))
}

fn unexpected(response: &HttpResponse, options: &LoadOptions) -> Error {
    let message = format!(
        "connector '{}' was answered with {}",
        options.brand.identifier(),
        told(response, &[&options.authorization])
    );
    match response.status {
        status if is_busy(status) => passing(message),
        401 | 403 => Error::external(message)
            .with_hint("Look at options 'username' and 'password', and at what the user may do."),
        _ => Error::external(message),
    }
}

fn json(response: &HttpResponse, options: &LoadOptions) -> Result<Value> {
    if response.status != 200 {
        return Err(unexpected(response, options));
    }
    serde_json::from_slice(&response.body).map_err(|_| unexpected(response, options))
}

/// What an answer says of a load, or of another step.
fn judged(response: &HttpResponse, options: &LoadOptions) -> Result<Loaded> {
    let answer = json(response, options)?;
    let filtered = answer["NumberFilteredRows"].as_u64().unwrap_or(0);
    match text(&answer, ["Status", "status"]).to_uppercase().as_str() {
        // What timed out is only how long one waits until the rows are seen.
        "SUCCESS" | "OK" | "PUBLISH TIMEOUT" => {
            if filtered > 0 {
                let table = &options.table;
                tracing::warn!(%table, filtered, "the database has left out rows, as 'max_filter_ratio' allows");
            }
            Ok(Loaded::Done)
        }
        "LABEL ALREADY EXISTS" | "LABEL_ALREADY_EXISTS" => Ok(Loaded::LabelExists),
        _ => Err(failed(&answer, response, options)),
    }
}

/// A text of an answer, under the name that either database has for it.
fn text<'a>(answer: &'a Value, names: [&str; 2]) -> &'a str {
    names.into_iter().find_map(|name| answer[name].as_str()).unwrap_or_default()
}

fn failed(answer: &Value, response: &HttpResponse, options: &LoadOptions) -> Error {
    let error = unexpected(response, options);
    let message = text(answer, ["Message", "msg"]).to_lowercase();
    let is_busy = text(answer, ["Status", "status"]).contains("IN_PROCESSING");
    if is_busy || PASSING.iter().any(|word| message.contains(word)) { passing(error.message()) } else { error }
}
