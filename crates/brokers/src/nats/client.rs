//! A connection to a server of NATS, and what JetStream is asked over it.

use bytes::Bytes;
use flott_api::env::{Environment, TaskHandle};
use flott_api::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::protocol::{self, Delivery, Event, take_event};
use crate::access::{Access, Secret};
use crate::link::{KeepAlive, Line, passing, within};

/// The server is asked for a sign of life so often.
const PING_MS: u64 = 15_000;

/// A connection.
pub(super) struct Client {
    line: Line,
    environment: Environment,
    timeout_ms: u64,
    /// What subjects of answers to this connection begin with.
    inbox: String,
    asked: u64,
    _alive: Box<dyn TaskHandle>,
}

/// Who comes.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) access: Access,
    pub(super) token: Option<Secret>,
}

#[derive(Deserialize)]
struct ServerInfo {
    #[serde(default)]
    headers: bool,
    #[serde(default)]
    jetstream: bool,
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    version: String,
}

/// What JetStream tells of a stream.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamInfo {
    /// When it was made: another one of the same name was made at another time.
    pub(super) created: String,
    pub(super) state: StreamState,
}

/// Its messages.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamState {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
}

/// What JetStream tells of a consumer.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ConsumerInfo {
    pub(super) delivered: Delivered,
    #[serde(default)]
    pub(super) num_pending: u64,
}

/// How far it is.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Delivered {
    /// Of how many messages.
    pub(super) consumer_seq: u64,
    pub(super) stream_seq: u64,
}

#[derive(Deserialize)]
struct ApiError {
    code: u16,
    #[serde(default)]
    description: String,
}

impl Client {
    /// Connects, and shows who comes.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not let this client in.
    pub(super) async fn open(environment: &Environment, identity: &Identity) -> Result<Self> {
        let mut line = Line::open(environment, &identity.access).await?;
        let info = loop {
            match take_event(&mut line.received)? {
                Some(Event::Info(info)) => break info,
                Some(_) => return Err(senseless(line.name())),
                None => line.fill_soon().await?,
            }
        };
        let info: ServerInfo = serde_json::from_slice(&info).map_err(|_| senseless(line.name()))?;
        check(&info, line.name(), identity)?;
        let mut hello = json!({
            "verbose": false, "pedantic": false, "name": "flott", "lang": "rust", "version": env!("CARGO_PKG_VERSION"),
            "protocol": 1, "headers": true, "no_responders": true, "tls_required": identity.access.tls.is_some(),
        });
        if let (Some(user), Some(password)) = (&identity.access.username, &identity.access.password) {
            hello["user"] = Value::from(user.as_str());
            hello["pass"] = Value::from(password.reveal());
        }
        if let Some(token) = &identity.token {
            hello["auth_token"] = Value::from(token.reveal());
        }
        let inbox = format!("_INBOX.{:016x}", environment.rng.next_u64());
        line.send(format!("CONNECT {hello}\r\nSUB {inbox}.> 1\r\nPING\r\n"))?;
        loop {
            match take_event(&mut line.received)? {
                Some(Event::Pong) => break,
                Some(Event::Error(text)) => return Err(refused(line.name(), &text)),
                Some(_) => {}
                None => line.fill_soon().await?,
            }
        }
        let alive = line.keep_alive(KeepAlive { interval_ms: PING_MS, frame: Bytes::from_static(b"PING\r\n") });
        let (environment, timeout_ms) = (environment.clone(), identity.access.timeout_ms);
        Ok(Client { line, environment, timeout_ms, inbox, asked: 0, _alive: alive })
    }

    /// A subject for the answers to one question.
    pub(super) fn next_inbox(&mut self) -> String {
        self.asked += 1;
        format!("{}.{}", self.inbox, self.asked)
    }

    /// Appends a message that is answered; the number of its answer.
    pub(super) fn publish(&mut self, out: &mut Vec<u8>, subject: &str, headers: &[u8], payload: &[u8]) -> u64 {
        let inbox = self.next_inbox();
        protocol::publish(out, subject, Some(&inbox), headers, payload);
        self.asked
    }

    /// Which number an answer has.
    pub(super) fn number_of(&self, answer: &Delivery) -> Option<u64> {
        let number = answer.subject.strip_prefix(self.inbox.as_bytes())?.strip_prefix(b".")?;
        str::from_utf8(number).ok()?.parse().ok()
    }

    /// A subscription for the answers to one pull: its number and its subject. What comes has the subject of the message.
    pub(super) fn next_subscription(&mut self) -> (u64, String) {
        self.asked += 1;
        (self.asked + 1, format!("{}p.{}", self.inbox, self.asked))
    }

    /// Has a message sent.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn send(&self, frame: Vec<u8>) -> Result<()> {
        self.line.send(frame)
    }

    /// The next message that has come, without waiting.
    ///
    /// # Errors
    /// If the server says that something is wrong.
    pub(super) fn take(&mut self) -> Result<Option<Delivery>> {
        while let Some(event) = take_event(&mut self.line.received)? {
            match event {
                Event::Message(message) => return Ok(Some(message)),
                Event::Ping => self.line.send(Bytes::from_static(b"PONG\r\n"))?,
                Event::Error(text) => return Err(refused(self.line.name(), &text)),
                Event::Info(_) | Event::Pong | Event::Ok => {}
            }
        }
        Ok(None)
    }

    /// Waits for more. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) async fn fill(&mut self) -> Result<()> {
        self.line.fill().await
    }

    /// Waits for more for so long; whether something came.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) async fn fill_within(&mut self, millis: u64) -> Result<bool> {
        let environment = self.environment.clone();
        within(&environment, millis, self.fill()).await.transpose().map(|filled| filled.is_some())
    }

    /// Asks JetStream something that has one answer.
    ///
    /// # Errors
    /// If it refuses, or does not answer.
    pub(super) async fn ask<T: DeserializeOwned>(&mut self, question: &str, body: &Value, what: &str) -> Result<T> {
        let inbox = self.next_inbox();
        let mut frame = Vec::new();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        protocol::publish(&mut frame, &format!("$JS.API.{question}"), Some(&inbox), b"", body.as_bytes());
        self.send(frame)?;
        let environment = self.environment.clone();
        let answered = within(&environment, self.timeout_ms, async {
            loop {
                match self.take()? {
                    // Others are late answers to questions that were given up.
                    Some(message) if message.subject == inbox => return Ok::<_, Error>(message),
                    Some(_) => {}
                    None => self.fill().await?,
                }
            }
        });
        let Some(message) = answered.await else { return Err(passing(format!("JetStream does not answer: {what}"))) };
        self.answer(&message?, what)
    }

    /// Asks JetStream something without waiting: the subject of the answer.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn question(&mut self, question: &str) -> Result<String> {
        let inbox = self.next_inbox();
        let mut frame = Vec::new();
        protocol::publish(&mut frame, &format!("$JS.API.{question}"), Some(&inbox), b"", b"");
        self.send(frame)?;
        Ok(inbox)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// If it is a refusal.
    pub(super) fn answer<T: DeserializeOwned>(&self, message: &Delivery, what: &str) -> Result<T> {
        if let Some((503, _)) = message.status() {
            return Err(passing(format!("JetStream of {} does not answer: {what}", self.line.name()))
                .with_hint("It may still start, or not be enabled for this account."));
        }
        let answer: Value = serde_json::from_slice(&message.payload).map_err(|_| senseless(self.line.name()))?;
        if let Some(error) = answer.get("error") {
            let error = ApiError::deserialize(error).map_err(|_| senseless(self.line.name()))?;
            let message = format!("{what}: JetStream answers {} ({})", error.description, error.code);
            // Internal and temporary states of a cluster are above 500.
            return Err(if error.code >= 500 { passing(message) } else { Error::external(message) });
        }
        T::deserialize(answer).map_err(|_| senseless(self.line.name()))
    }

    /// What a stream is like.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn stream(&mut self, stream: &str) -> Result<StreamInfo> {
        let what = format!("stream '{stream}'");
        self.ask(&format!("STREAM.INFO.{stream}"), &Value::Null, &what).await
    }

    /// Makes a consumer that goes when nobody asks it for so long.
    ///
    /// # Errors
    /// If JetStream refuses.
    pub(super) async fn consumer(
        &mut self,
        stream: &str,
        filter: Option<&str>,
        start: Start,
    ) -> Result<(String, ConsumerInfo)> {
        /// In nanoseconds, as all times here.
        const INACTIVE_NS: u64 = 300_000_000_000;
        let name = format!("flott-{:016x}", self.environment.rng.next_u64());
        let mut config = json!({
            "name": name, "ack_policy": "none", "replay_policy": "instant", "inactive_threshold": INACTIVE_NS,
            "mem_storage": true, "num_replicas": 1,
        });
        match start {
            Start::Sequence(sequence) => {
                config["deliver_policy"] = Value::from("by_start_sequence");
                config["opt_start_seq"] = Value::from(sequence);
            }
            Start::Time(rfc3339) => {
                config["deliver_policy"] = Value::from("by_start_time");
                config["opt_start_time"] = Value::from(rfc3339);
            }
        }
        let mut question = format!("CONSUMER.CREATE.{stream}.{name}");
        if let Some(filter) = filter {
            config["filter_subject"] = Value::from(filter);
            question = format!("{question}.{filter}");
        }
        let body = json!({"stream_name": stream, "config": config, "action": "create"});
        let info = self.ask(&question, &body, &format!("a consumer of stream '{stream}'")).await?;
        Ok((name, info))
    }
}

/// Where a consumer begins.
pub(super) enum Start {
    Sequence(u64),
    /// As RFC 3339 writes it.
    Time(String),
}

fn check(info: &ServerInfo, name: &str, identity: &Identity) -> Result<()> {
    if info.tls_required && identity.access.tls.is_none() {
        return Err(Error::invalid(format!("NATS at {name} wants TLS"))
            .with_hint("Set 'tls.enabled' = 'true'; the server must have 'handshake_first: true' in its 'tls'."));
    }
    if !info.headers || !info.jetstream {
        let missing = if info.headers { "JetStream" } else { "headers" };
        let message = format!("NATS at {name}, version {}, has no {missing}", info.version);
        return Err(Error::invalid(message)
            .with_hint("Connector 'nats' reads and writes streams: enable JetStream on the server."));
    }
    Ok(())
}

fn senseless(name: &str) -> Error {
    Error::external(format!("an answer of {name} makes no sense: it is none of NATS"))
}

/// The error for a line `-ERR`.
fn refused(name: &str, text: &str) -> Error {
    let lower = text.to_lowercase();
    let message = format!("NATS at {name} answers: {text}");
    if lower.contains("authorization") || lower.contains("authentication") {
        return Error::invalid(format!("NATS at {name} does not let this job in: {text}"))
            .with_hint("Check options 'username', 'password' and 'token'.");
    }
    if lower.contains("permissions violation") {
        return Error::invalid(message).with_hint("Give the user of this job the right to do it.");
    }
    if lower.contains("maximum payload") {
        return Error::external(message).with_hint("Raise 'max_payload' of the server, or write smaller rows.");
    }
    passing(message)
}

/// What the reply of a delivered message tells: `$JS.ACK.stream.consumer.delivered.sequence.number.time.pending`, and with a
/// domain and an account hash before the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) sequence: u64,
    /// Its number among those of this consumer.
    pub(super) number: u64,
    pub(super) time_ns: i64,
    pub(super) pending: u64,
}

impl Told {
    /// Reads a reply.
    pub(super) fn of(reply: &[u8]) -> Option<Self> {
        let text = str::from_utf8(reply).ok()?.strip_prefix("$JS.ACK.")?;
        let parts: Vec<&str> = text.split('.').collect();
        // The newer form has more in front, and a token behind.
        let first = match parts.len() {
            7 => 0,
            9.. => 2,
            _ => return None,
        };
        let number = |at: usize| parts.get(first + at).and_then(|n| n.parse::<u64>().ok());
        Some(Told {
            sequence: number(3)?,
            number: number(4)?,
            time_ns: i64::try_from(number(5)?).ok()?,
            pending: number(6)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reply_tells() {
        let expected = Told { sequence: 7, number: 3, time_ns: 99, pending: 5 };
        assert_eq!(Told::of(b"$JS.ACK.s.c.1.7.3.99.5"), Some(expected));
        assert_eq!(Told::of(b"$JS.ACK._.hash.s.c.1.7.3.99.5.token"), Some(expected));
        assert_eq!(Told::of(b"$JS.ACK.s.c.1"), None);
        assert_eq!(Told::of(b"other"), None);
    }

    #[test]
    fn who_must_act_follows_from_the_words() {
        use flott_api::ErrorKind;
        assert_eq!(refused("h:1", "Authorization Violation").kind(), ErrorKind::Invalid);
        assert_eq!(refused("h:1", "Stale Connection").kind(), ErrorKind::External { retry: true });
    }
}
