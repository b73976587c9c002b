//! The client of a schema registry that speaks Confluent's protocol: schemas by their number, which never change, and
//! the number of a schema under a subject.
//!
//! Credentials go into a header and nowhere else: no URL and no error shows them.

mod options;

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpClient, HttpMethod, HttpRequest, HttpResponse};
use flott_api::net::TlsTrust;
use flott_api::{Error, ErrorKind, Result};
use serde_json::{Value, json};

pub(super) use options::{OPTIONS, RegistryOptions};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const TIMEOUT_MS: u64 = 30_000;
/// How often all addresses are tried before the job fails, to be started again by its own strategy.
const ROUNDS: u32 = 4;
/// Before the second round; then twice as long each time.
const WAIT_MS: u64 = 200;
/// PEM files are small.
const PEM_BYTES_MAX: u64 = 4 << 20;

/// A registry.
pub(super) struct Registry {
    options: Arc<RegistryOptions>,
    client: Option<Arc<dyn HttpClient>>,
}

/// Why there is no answer.
enum Failure {
    /// It may be better at once or at another address.
    Passing(String),
    /// The registry does not have it.
    Missing(String),
    Final(Error),
}

impl Registry {
    /// The registry of these options; it is not reached yet.
    pub(super) fn new(options: Arc<RegistryOptions>) -> Self {
        Registry { options, client: None }
    }

    /// The text of the schema with that number; what is wrong, if the registry has no such one.
    ///
    /// # Errors
    /// If the registry does not answer, or refuses.
    pub(super) async fn schema(&mut self, environment: &Environment, id: u32) -> Result<Result<String, String>> {
        let asked = self.ask(environment, HttpMethod::Get, &format!("schemas/ids/{id}"), Bytes::new()).await?;
        let answer = match asked {
            Ok(answer) => answer,
            Err(what) => return Ok(Err(format!("schema {id} is not in the registry ({what})"))),
        };
        match answer.get("schemaType").and_then(Value::as_str) {
            None | Some("AVRO") => {}
            Some(other) => return Ok(Err(format!("schema {id} of the registry is of type {other} instead of AVRO"))),
        }
        if answer.get("references").and_then(Value::as_array).is_some_and(|references| !references.is_empty()) {
            return Ok(Err(format!("schema {id} of the registry refers to other schemas, which is not supported yet")));
        }
        let text = answer.get("schema").and_then(Value::as_str);
        Ok(text.map(str::to_owned).ok_or_else(|| format!("the registry answered no schema for {id}")))
    }

    /// The number of a schema under a subject, which is registered if it is not yet.
    ///
    /// # Errors
    /// If the registry does not answer, or does not take the schema.
    pub(super) async fn register(&mut self, environment: &Environment, subject: &str, schema: &str) -> Result<u32> {
        let path = format!("subjects/{}/versions", path_segment(subject));
        let body = Bytes::from(json!({"schema": schema}).to_string());
        let answer = match self.ask(environment, HttpMethod::Post, &path, body).await? {
            Ok(answer) => answer,
            Err(what) => return Err(refused(&format!("subject '{subject}' cannot be written"), &what)),
        };
        let id = answer.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| Error::external(format!("the schema registry gave subject '{subject}' no number")))
    }

    /// Asks until there is an answer; what is wrong, if there is no such thing.
    async fn ask(
        &mut self,
        environment: &Environment,
        method: HttpMethod,
        path: &str,
        body: Bytes,
    ) -> Result<Result<Value, String>> {
        let client = self.client(environment)?;
        let mut last = String::new();
        for round in 0..ROUNDS {
            if round > 0 {
                environment.clock.sleep_ms(WAIT_MS << (round - 1)).await;
            }
            for url in &self.options.urls {
                let answered = client.send(self.request(method, &format!("{url}/{path}"), body.clone())).await;
                match self.judged(answered) {
                    Ok(answer) => return Ok(Ok(answer)),
                    Err(Failure::Missing(what)) => return Ok(Err(what)),
                    Err(Failure::Final(e)) => return Err(e),
                    Err(Failure::Passing(what)) => last = what,
                }
            }
        }
        let message = format!("the schema registry at {} does not answer", self.options.urls.join(", "));
        Err(Error::new(ErrorKind::External { retry: true }, message).with_detail(last).with_hint(format!(
            "Check '{}', and that the registry runs and can be reached from here.",
            self.options.key("url")
        )))
    }

    fn request(&self, method: HttpMethod, url: &str, body: Bytes) -> HttpRequest {
        let mut headers = vec![("Accept".to_owned(), CONTENT_TYPE.to_owned())];
        if method == HttpMethod::Post {
            headers.push(("Content-Type".to_owned(), CONTENT_TYPE.to_owned()));
        }
        if let Some(authorization) = &self.options.authorization {
            headers.push(("Authorization".to_owned(), authorization.clone()));
        }
        HttpRequest { method, url: url.to_owned(), headers, body, timeout_ms: TIMEOUT_MS }
    }

    fn judged(&self, answered: Result<HttpResponse>) -> Result<Value, Failure> {
        let response = match answered {
            Ok(response) => response,
            Err(e) if e.kind() == (ErrorKind::External { retry: true }) => {
                return Err(Failure::Passing(e.detail().map_or_else(|| format!("{}.", e.message()), str::to_owned)));
            }
            Err(e) => return Err(Failure::Final(e)),
        };
        let json: Option<Value> = serde_json::from_slice(&response.body).ok();
        let message = json.as_ref().and_then(|json| json.get("message")?.as_str()).unwrap_or("no message");
        let what = format!("it answers {}: {}", response.status, crate::text::excerpt(message.as_bytes()));
        match response.status {
            200..=299 => json.ok_or_else(|| {
                Failure::Final(
                    Error::external("the schema registry does not answer in JSON")
                        .with_hint(format!("Check the path in '{}'.", self.options.key("url"))),
                )
            }),
            404 => Err(Failure::Missing(what)),
            401 | 403 => {
                let error = Error::invalid(format!("the schema registry does not let this job in: {what}"));
                Err(Failure::Final(error.with_hint(format!(
                    "Give credentials with '{}' or '{}'.",
                    self.options.key("basic-auth.user-info"),
                    self.options.key("bearer-auth.token")
                ))))
            }
            408 | 429 | 500..=599 => Err(Failure::Passing(format!("The registry has trouble: {what}."))),
            409 => Err(Failure::Final(
                refused("the schema is not compatible with the one before it", &what)
                    .with_hint("Change the columns, the subject, or the compatibility of the subject."),
            )),
            _ => Err(Failure::Final(refused("the request was not understood", &what))),
        }
    }

    fn client(&mut self, environment: &Environment) -> Result<Arc<dyn HttpClient>> {
        if let Some(client) = &self.client {
            return Ok(Arc::clone(client));
        }
        let options = &self.options;
        let trust = TlsTrust {
            authorities: pem(environment, options.truststore.as_deref(), &options.key("ssl.truststore.location"))?,
            identity: pem(environment, options.keystore.as_deref(), &options.key("ssl.keystore.location"))?,
        };
        let client = environment.http.client(&trust.into())?;
        self.client = Some(Arc::clone(&client));
        Ok(client)
    }
}

fn refused(why: &str, what: &str) -> Error {
    Error::invalid(format!("the schema registry refuses: {why}")).with_detail(format!("{what}."))
}

/// The name as one part of a path.
fn path_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => segment.push(char::from(byte)),
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

fn pem(environment: &Environment, path: Option<&str>, key: &str) -> Result<Option<Bytes>> {
    let Some(path) = path else { return Ok(None) };
    let failed = |e| Error::external(format!("the file of option '{key}' cannot be read")).with_source(e);
    let (files, path) = environment.files.resolve(path)?;
    let mut bytes = Vec::new();
    files.open(&path).map_err(failed)?.take(PEM_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    if memchr::memmem::find(&bytes, b"-----BEGIN ").is_none() {
        return Err(Error::unsupported(format!("a file of option '{key}' that is no PEM"))
            .with_hint("Convert a JKS or PKCS12 store with keytool and openssl."));
    }
    Ok(Some(Bytes::from(bytes)))
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
