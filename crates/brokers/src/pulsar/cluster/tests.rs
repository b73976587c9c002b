//! Brokers that send each other's clients around, as a double: what they answer to each command.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::BytesMut;
use flott_api::net::{ByteReader, ByteWriter, Connection, Endpoint, Network};
use flott_api::options::Options;
use flott_api::{BoxFuture, ErrorKind, Field, LogicalType, Schema};
use tokio::sync::mpsc;

use super::super::frame::{command, take_frame};
use super::super::options::PulsarOptions;
use super::super::producer::{Entry, Partition, Producers};
use super::super::proto::{
    BaseCommand, CommandAuth, CommandConnected, CommandPartitionsResponse, CommandProducerSuccess,
    CommandTcConnectResponse, CommandTxnResponse, Empty, MessageMetadata,
};
use super::super::transaction::{Transactions, TxnId};
use super::*;
use crate::link::passing;

/// What the broker of this name answers to a command: frames.
type Answers = dyn Fn(&str, &BaseCommand) -> Vec<u8> + Send + Sync;

struct Brokers {
    answers: Arc<Answers>,
    /// Whom was connected to.
    connected: Arc<Mutex<Vec<String>>>,
}

struct Frames(mpsc::Receiver<Vec<u8>>);

struct Commands {
    name: String,
    answers: Arc<Answers>,
    received: BytesMut,
    out: mpsc::Sender<Vec<u8>>,
}

impl Network for Brokers {
    fn connect(&self, endpoint: &Endpoint) -> BoxFuture<'static, Result<Connection>> {
        let name = format!("{}:{}", endpoint.host, endpoint.port);
        if endpoint.host == "down" {
            return Box::pin(std::future::ready(Err(passing("nobody is there"))));
        }
        self.connected.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        let (out, frames) = mpsc::channel(100);
        let writer = Commands { name, answers: Arc::clone(&self.answers), received: BytesMut::new(), out };
        let connection = Connection { reader: Box::new(Frames(frames)), writer: Box::new(writer) };
        Box::pin(std::future::ready(Ok(connection)))
    }
}

#[async_trait]
impl ByteReader for Frames {
    async fn read(&mut self, into: &mut BytesMut) -> std::io::Result<usize> {
        let frames = self.0.recv().await.unwrap_or_default();
        into.extend_from_slice(&frames);
        Ok(frames.len())
    }
}

#[async_trait]
impl ByteWriter for Commands {
    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.received.extend_from_slice(bytes);
        while let Some(frame) = take_frame(&mut self.received, 1 << 20).unwrap() {
            let answer = match frame.command.kind() {
                Kind::Connect if frame.command.connect.as_ref().is_some_and(|c| c.proxy_to.is_none()) => welcome(),
                _ => (self.answers)(&self.name, &frame.command),
            };
            if !answer.is_empty() {
                self.out.send(answer).await.unwrap();
            }
        }
        Ok(())
    }
}

fn welcome() -> Vec<u8> {
    let connected = CommandConnected { server_version: "a double".to_owned(), ..CommandConnected::default() };
    command(Kind::Connected, |c| c.connected = Some(connected))
}

/// The answer to a lookup: what to do, and where.
fn found(asked: &BaseCommand, response: i32, url: &str) -> CommandLookupResponse {
    let request = asked.lookup.as_ref().unwrap().request;
    let url = Some(format!("pulsar://{url}"));
    CommandLookupResponse { request, response: Some(response), url, ..CommandLookupResponse::default() }
}

fn frame(found: CommandLookupResponse) -> Vec<u8> {
    command(Kind::LookupResponse, |c| c.lookup_response = Some(found))
}

/// Runs a question for a topic's broker: whom was connected to, and the failure.
fn owner(
    urls: &str,
    answers: impl Fn(&str, &BaseCommand) -> Vec<u8> + Send + Sync + 'static,
) -> (Vec<String>, Option<Error>) {
    asking(urls, answers, async |cluster| cluster.owner("t").await.map(drop))
}

/// Runs anything that is asked of brokers.
fn asking(
    urls: &str,
    answers: impl Fn(&str, &BaseCommand) -> Vec<u8> + Send + Sync + 'static,
    work: impl AsyncFnOnce(Cluster) -> Result<()>,
) -> (Vec<String>, Option<Error>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let connected = Arc::default();
    let mut environment = flott_runtime::environment::real();
    environment.network = Arc::new(Brokers { answers: Arc::new(answers), connected: Arc::clone(&connected) });
    let pairs = [
        ("service-url", urls),
        ("topics", "t"),
        ("format", "json"),
        ("pulsar.client.authPluginClassName", "AuthenticationToken"),
        ("pulsar.client.authParams", "token:hush"),
    ];
    let options = Options(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let schema = Schema::new(vec![Field::new("a", LogicalType::string())]);
    let options = PulsarOptions::read(&options, &schema).unwrap().client;
    let failure = runtime.block_on(work(Cluster { options, environment })).err();
    let connected = connected.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (connected, failure)
}

#[test]
fn redirections_are_followed() {
    let (connected, failure) = owner("pulsar://a:1", |name, asked| {
        let authoritative = asked.lookup.as_ref().unwrap().authoritative;
        match name {
            "a:1" => {
                assert_eq!(authoritative, Some(false));
                frame(CommandLookupResponse { authoritative: Some(true), ..found(asked, 0, "b:2") })
            }
            _ => {
                assert_eq!(authoritative, Some(true), "the broker has said who decides");
                frame(found(asked, 1, "c:3"))
            }
        }
    });
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(connected, ["a:1", "b:2", "c:3"]);
    // The broker that is asked may have it itself.
    let (connected, failure) = owner("pulsar://a:1", |_, asked| frame(found(asked, 1, "a:1")));
    assert!(failure.is_none() && connected == ["a:1"], "{connected:?}");
}

#[test]
fn a_circle_and_refusals_are_told() {
    let (connected, failure) =
        owner("pulsar://a:1", |name, asked| frame(found(asked, 0, if name == "a:1" { "b:2" } else { "a:1" })));
    assert_eq!(connected.len(), 1 + REDIRECTS_MAX as usize);
    assert!(failure.unwrap().message().starts_with("topic 't' is looked for in a circle"));
    let refused = |code| {
        let (_, failure) = owner("pulsar://a:1", move |_, asked| {
            frame(CommandLookupResponse { error: Some(code), message: Some("words".to_owned()), ..found(asked, 2, "") })
        });
        failure.unwrap()
    };
    assert_eq!(refused(6).kind(), ErrorKind::External { retry: true });
    let error = refused(11);
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::External { retry: false }, "topic 't': Pulsar answers words (TopicNotFound, 11)")
    );
    let (_, failure) =
        owner("pulsar://a:1", |_, asked| frame(CommandLookupResponse { url: None, ..found(asked, 1, "") }));
    assert_eq!(failure.unwrap().message(), "the broker has only addresses with TLS for its topics");
    // The answer to another question is none.
    let (_, failure) = owner("pulsar://a:1", |_, asked| {
        let partitions = CommandPartitionsResponse {
            request: asked.lookup.as_ref().unwrap().request,
            ..CommandPartitionsResponse::default()
        };
        command(Kind::PartitionedMetadataResponse, |c| c.partitions_response = Some(partitions))
    });
    assert_eq!(failure.unwrap().message(), "an answer makes no sense: it is none of Pulsar");
}

#[test]
fn hosts_that_are_down_are_skipped_and_proxies_named_their_broker() {
    let (connected, failure) = owner("pulsar://down:1,a:1,down:2", |_, asked| frame(found(asked, 1, "a:1")));
    assert!(failure.is_none() && connected == ["a:1"], "{connected:?}");
    let (connected, failure) = owner("pulsar://proxy:1", |name, asked| match &asked.connect {
        Some(connect) => {
            assert_eq!((name, connect.proxy_to.as_deref()), ("proxy:1", Some("c:3")));
            welcome()
        }
        None => frame(CommandLookupResponse { through_proxy: Some(true), ..found(asked, 1, "c:3") }),
    });
    assert!(failure.is_none() && connected == ["proxy:1", "proxy:1"], "{connected:?}");
    // The proxy that has answered, and not the first one of all.
    let (connected, failure) = owner("pulsar://down:1,proxy:2", |_, asked| match &asked.connect {
        Some(_) => welcome(),
        None => frame(CommandLookupResponse { through_proxy: Some(true), ..found(asked, 1, "c:3") }),
    });
    assert!(failure.is_none() && connected == ["proxy:2", "proxy:2"], "{connected:?}");
}

#[test]
fn a_challenge_is_answered() {
    let shown = Arc::new(Mutex::new(None));
    let request = Arc::new(Mutex::new(None));
    let (seen, asked_before) = (Arc::clone(&shown), Arc::clone(&request));
    let (_, failure) = owner("pulsar://a:1", move |_, asked| match asked.kind() {
        // Before it answers, the broker wants to know again who asks.
        Kind::Lookup => {
            *asked_before.lock().unwrap() = Some(asked.clone());
            command(Kind::AuthChallenge, |c| c.auth_challenge = Some(CommandAuth::default()))
        }
        _ => {
            *seen.lock().unwrap() = asked.auth_response.clone().and_then(|auth| auth.data);
            frame(found(asked_before.lock().unwrap().as_ref().unwrap(), 1, "a:1"))
        }
    });
    assert!(failure.is_none(), "{failure:?}");
    let shown = shown.lock().unwrap().clone().unwrap();
    assert_eq!((shown.method.as_deref(), shown.data.as_deref()), (Some("token"), Some(&b"hush"[..])));
}

/// Only one that has ended needs no abort.
#[test]
fn an_abort_that_is_refused_is_told() {
    let abort = |code: i32| {
        let answers = move |_: &str, asked: &BaseCommand| match asked.kind() {
            Kind::Lookup => frame(found(asked, 1, "a:1")),
            Kind::TcClientConnectRequest => {
                let request = asked.tc_connect.as_ref().unwrap().request;
                let connected = CommandTcConnectResponse { request, ..CommandTcConnectResponse::default() };
                command(Kind::TcClientConnectResponse, |c| c.tc_connect_response = Some(connected))
            }
            Kind::EndTxn => {
                let request = asked.end_txn.as_ref().unwrap().request;
                let ended = CommandTxnResponse { request, error: Some(code), ..CommandTxnResponse::default() };
                command(Kind::EndTxnResponse, |c| c.end_txn_response = Some(ended))
            }
            _ => Vec::new(),
        };
        let abort = async |cluster| {
            Transactions::new(cluster, 1000, 0, Vec::new())?.abort_one(TxnId { most: 0, least: 7 }).await
        };
        asking("pulsar://a:1", answers, abort).1
    };
    assert!(abort(21).is_none() && abort(24).is_none(), "it has ended");
    assert_eq!(abort(6).unwrap().kind(), ErrorKind::External { retry: true });
    let error = abort(22).unwrap();
    assert!(error.message().starts_with("transaction (0,7): Pulsar answers"), "{error}");
}

/// A broker that lives, and has no bookies, only answers that it lives.
#[test]
fn pongs_are_no_receipts() {
    let answers = |_: &str, asked: &BaseCommand| match asked.kind() {
        Kind::Lookup => frame(found(asked, 1, "a:1")),
        Kind::Producer => {
            let request = asked.producer.as_ref().unwrap().request;
            let made = CommandProducerSuccess { request, name: "p".to_owned(), ..CommandProducerSuccess::default() };
            command(Kind::ProducerSuccess, |c| c.producer_success = Some(made))
        }
        Kind::Ping => command(Kind::Pong, |c| c.pong = Some(Empty {})),
        _ => Vec::new(),
    };
    let write = async |cluster: Cluster| {
        let mut options = (*cluster.options).clone();
        (options.access.timeout_ms, options.keep_alive_ms) = (400, 100);
        let cluster = Cluster { options: Arc::new(options), ..cluster };
        let mut partitions = [Partition::new("t".to_owned())];
        let mut producers = Producers::open(cluster, &mut partitions, false).await?;
        let metadata = MessageMetadata::default();
        let entry = Entry { partition: 0, metadata, payload: vec![1], acknowledged: false, place: None };
        producers.write(&partitions, &mut [entry], None).await
    };
    let (_, failure) = asking("pulsar://a:1", answers, write);
    assert_eq!(failure.unwrap().message(), "Pulsar does not acknowledge messages");
}
