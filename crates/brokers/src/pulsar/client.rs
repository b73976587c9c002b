//! A connection to a broker, and what it is asked.

use std::collections::VecDeque;

use bytes::Bytes;
use flott_api::env::{Environment, TaskHandle};
use flott_api::{Error, Result};

use super::failure::Refusal;
use super::frame::{MESSAGE_BYTES, MESSAGE_BYTES_MAX, command, senseless, take_frame};
use super::options::{Auth, ClientOptions};
use super::proto::{
    BaseCommand, CommandAuth, CommandConnect, CommandOfConsumer, CommandSendError, CommandSendReceipt, Empty,
    FeatureFlags, Kind, MessageIdData,
};
use crate::link::{KeepAlive, Line, passing, within};

/// What this client can do: `v21`.
const PROTOCOL_VERSION: i32 = 21;
const VERSION: &str = concat!("Flott-v", env!("CARGO_PKG_VERSION"));
/// So much may come while an answer is waited for.
const WAITING_MAX: usize = 10_000;

/// Where a broker is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// The broker behind a proxy.
    pub(super) behind: Option<String>,
}

/// A connection.
pub(super) struct Client {
    line: Line,
    pub(super) address: Address,
    environment: Environment,
    timeout_ms: u64,
    /// What the broker takes.
    pub(super) message_bytes: usize,
    requests: u64,
    auth: Auth,
    /// What came while an answer was waited for.
    waiting: VecDeque<Event>,
    _alive: Option<Box<dyn TaskHandle>>,
}

/// What has come.
#[derive(Debug)]
pub(super) enum Event {
    /// A message for the consumer, with its metadata.
    Message(MessageIdData, Bytes),
    Receipt(CommandSendReceipt),
    Refused(CommandSendError),
    /// The broker has closed this consumer or producer, which may come again.
    Closed(u64),
    /// No more messages will ever come.
    EndOfTopic,
    /// The answer to a question.
    Answer(Box<BaseCommand>),
}

impl Client {
    /// Connects, and shows who comes.
    ///
    /// # Errors
    /// If the broker cannot be reached, or does not let this client in.
    pub(super) async fn open(environment: &Environment, options: &ClientOptions, address: &Address) -> Result<Self> {
        let mut access = options.access.clone();
        (access.host, access.port) = (address.host.clone(), address.port);
        let auth = options.auth.data(environment)?;
        let (auth_method, auth_data) = auth.map(|auth| (auth.method, auth.data)).unwrap_or_default();
        let line = Line::open(environment, &access).await?;
        let mut client = Client {
            line,
            address: address.clone(),
            environment: environment.clone(),
            timeout_ms: access.timeout_ms,
            message_bytes: MESSAGE_BYTES,
            requests: 0,
            auth: options.auth.clone(),
            waiting: VecDeque::new(),
            _alive: None,
        };
        let connect = CommandConnect {
            client_version: VERSION.to_owned(),
            auth_data,
            protocol_version: Some(PROTOCOL_VERSION),
            auth_method,
            proxy_to: address.behind.clone(),
            features: Some(FeatureFlags { auth_refresh: Some(true), partitions_without_creation: Some(true) }),
        };
        client.line.send(command(Kind::Connect, |c| c.connect = Some(Box::new(connect))))?;
        let answer = loop {
            match client.take()? {
                Some(Event::Answer(answer)) => break answer,
                Some(_) => return Err(senseless()),
                None => client.line.fill_soon().await?,
            }
        };
        if let Some(error) = &answer.error {
            return Err(Refusal::of(error.error, &error.message).error(client.line.name()));
        }
        let Some(connected) = answer.connected else { return Err(senseless()) };
        if let Some(most) =
            connected.message_bytes_max.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0)
        {
            client.message_bytes = most.min(MESSAGE_BYTES_MAX);
        }
        let keep = KeepAlive {
            interval_ms: options.keep_alive_ms,
            frame: Bytes::from(command(Kind::Ping, |c| c.ping = Some(Empty {}))),
        };
        client._alive = Some(client.line.keep_alive(keep));
        Ok(client)
    }

    /// Has frames sent.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn send(&self, frames: Vec<u8>) -> Result<()> {
        if frames.is_empty() { Ok(()) } else { self.line.send(frames) }
    }

    /// `host:port`
    pub(super) fn name(&self) -> &str {
        self.line.name()
    }

    /// The next thing that has come, without waiting.
    ///
    /// # Errors
    /// If it makes no sense.
    pub(super) fn take(&mut self) -> Result<Option<Event>> {
        if let Some(event) = self.waiting.pop_front() {
            return Ok(Some(event));
        }
        self.receive()
    }

    fn receive(&mut self) -> Result<Option<Event>> {
        while let Some(frame) = take_frame(&mut self.line.received, self.message_bytes)? {
            let mut received = frame.command;
            match received.kind() {
                Kind::Ping => self.line.send(command(Kind::Pong, |c| c.pong = Some(Empty {})))?,
                Kind::Pong | Kind::None => {}
                Kind::AuthChallenge => self.show_again()?,
                Kind::Message => {
                    let message = received.message.take().ok_or_else(senseless)?;
                    return Ok(Some(Event::Message(message.message_id, frame.content)));
                }
                Kind::SendReceipt => {
                    return received
                        .send_receipt
                        .take()
                        .map(|receipt| Some(Event::Receipt(receipt)))
                        .ok_or_else(senseless);
                }
                Kind::SendError => {
                    return received.send_error.take().map(|error| Some(Event::Refused(error))).ok_or_else(senseless);
                }
                Kind::CloseConsumer | Kind::CloseProducer => {
                    let closed = received.close_consumer.or(received.close_producer).ok_or_else(senseless)?;
                    return Ok(Some(Event::Closed(closed.id)));
                }
                Kind::TopicMigrated => return Err(passing("a topic has moved to another cluster")),
                Kind::ReachedEndOfTopic => return Ok(Some(Event::EndOfTopic)),
                _ => return Ok(Some(Event::Answer(Box::new(received)))),
            }
        }
        Ok(None)
    }

    /// The broker wants to know again who this is, since a token has a time.
    fn show_again(&self) -> Result<()> {
        let auth = CommandAuth {
            version: Some(VERSION.to_owned()),
            data: self.auth.data(&self.environment)?,
            protocol_version: Some(PROTOCOL_VERSION),
        };
        self.line.send(command(Kind::AuthResponse, |c| c.auth_response = Some(auth)))
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

    /// Asks something that has one answer. `what` is it about, for people.
    ///
    /// # Errors
    /// If the broker refuses, or does not answer.
    pub(super) async fn ask(
        &mut self,
        kind: Kind,
        what: &str,
        fill: impl FnOnce(&mut BaseCommand, u64),
    ) -> Result<BaseCommand> {
        match self.try_ask(kind, what, fill).await? {
            Ok(answer) => Ok(answer),
            Err(refusal) => Err(refusal.error(what)),
        }
    }

    /// The same, where a refusal is an answer, too.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub(super) async fn try_ask(
        &mut self,
        kind: Kind,
        what: &str,
        fill: impl FnOnce(&mut BaseCommand, u64),
    ) -> Result<std::result::Result<BaseCommand, Refusal>> {
        let request = self.question(kind, fill)?;
        let environment = self.environment.clone();
        let answered = within(&environment, self.timeout_ms, async {
            loop {
                match self.receive()? {
                    Some(Event::Answer(answer)) => match answer_to(&answer) {
                        Some((number, refusal)) if number == request => {
                            return Ok(refusal.map_or(Ok(*answer), Err));
                        }
                        // A late answer to a question that was given up.
                        _ => {}
                    },
                    Some(_) if self.waiting.len() >= WAITING_MAX => return Err(senseless()),
                    Some(event) => self.waiting.push_back(event),
                    None => self.fill().await?,
                }
            }
        });
        match answered.await {
            Some(answer) => answer,
            None => Err(passing(format!("Pulsar at {} does not answer: {what}", self.line.name()))),
        }
    }

    /// Asks without waiting: the number of the answer.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn question(&mut self, kind: Kind, fill: impl FnOnce(&mut BaseCommand, u64)) -> Result<u64> {
        self.requests += 1;
        let request = self.requests;
        self.send(command(kind, |c| fill(c, request)))?;
        Ok(request)
    }

    /// How far the subscription of a consumer is, and where its topic ends, without waiting.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn question_of_places(&mut self, consumer: u64) -> Result<u64> {
        self.question(Kind::GetLastMessageId, |c, request| {
            c.last_message_id = Some(CommandOfConsumer { consumer, request: Some(request) });
        })
    }
}

/// Which question a command answers, and with what refusal.
pub(super) fn answer_to(answer: &BaseCommand) -> Option<(u64, Option<Refusal>)> {
    let refusal = |code: Option<i32>, text: &Option<String>| {
        code.map(|code| Refusal::of(code, text.as_deref().unwrap_or_default()))
    };
    let txn = |answer: &Option<super::proto::CommandTxnResponse>| {
        answer.as_ref().map(|answer| (answer.request, refusal(answer.error, &answer.message)))
    };
    match answer.kind() {
        Kind::Success => answer.success.as_ref().map(|answer| (answer.request, None)),
        Kind::ProducerSuccess => answer.producer_success.as_ref().map(|answer| (answer.request, None)),
        Kind::Error => {
            answer.error.as_ref().map(|error| (error.request, Some(Refusal::of(error.error, &error.message))))
        }
        Kind::PartitionedMetadataResponse => answer.partitions_response.as_ref().map(|answer| {
            let failed = (answer.response == Some(1)).then(|| answer.error.unwrap_or_default());
            (answer.request, refusal(failed, &answer.message))
        }),
        Kind::LookupResponse => answer.lookup_response.as_ref().map(|answer| {
            let failed = (answer.response == Some(2)).then(|| answer.error.unwrap_or_default());
            (answer.request, refusal(failed, &answer.message))
        }),
        Kind::GetLastMessageIdResponse => answer.last_message_id_response.as_ref().map(|answer| (answer.request, None)),
        Kind::TcClientConnectResponse => {
            answer.tc_connect_response.as_ref().map(|answer| (answer.request, refusal(answer.error, &answer.message)))
        }
        Kind::AckResponse => answer
            .ack_response
            .as_ref()
            .map(|answer| (answer.request.unwrap_or_default(), refusal(answer.error, &answer.message))),
        Kind::NewTxnResponse => txn(&answer.new_txn_response),
        Kind::AddPartitionToTxnResponse => txn(&answer.add_partition_response),
        Kind::EndTxnResponse => txn(&answer.end_txn_response),
        _ => None,
    }
}

/// What a question about a consumer's places was answered with.
pub(super) fn places_of(answer: &BaseCommand) -> Result<(MessageIdData, MessageIdData)> {
    let places = answer.last_message_id_response.as_ref().ok_or_else(senseless)?;
    let mark_delete = places.mark_delete.clone().ok_or_else(|| {
        Error::external("the broker does not say how far a subscription is").with_detail("Brokers do since Pulsar 2.8.")
    })?;
    Ok((places.last.clone(), mark_delete))
}
