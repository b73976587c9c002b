//! Reading: splits with the sequence of the next message, and feeds that pull.
//!
//! A consumer is made when a feed is opened, and anew wherever anything is odd; what decides is the sequence of the next
//! message, which lies in the split. So nothing is read twice and nothing left out. JetStream sends no more than was
//! pulled, so a reader that waits holds two pulls at most.
//!
//! Where limits or a purge overtake a consumer, the server goes on behind them and says nothing. So the stream is asked where it
//! begins when a sequence is missing, and the consumer what it still has when a pull brings nothing before the end of a split.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, TimestampMillisecondArray};
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::source::{Boundedness, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use flott_api::{BoxFuture, Error, LogicalType, Result, TypeKind};
use flott_formats::TextCells;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::METADATA;
use super::client::{Client, ConsumerInfo, Start, StreamInfo, Told};
use super::options::{Bounded, NatsOptions, Startup};
use super::protocol::{Delivery, publish};
use crate::link::{Lasting, passing};
use crate::messages::{Message, RowLayout};
use crate::reader::{Acknowledges, BYTES_MAX, Feed, MESSAGES_MAX, MessageReader};
use crate::splits::{Enumerator, Finder, Found, Known, SplitState, VERSION};

/// A pull asks for so much; two are under way.
const PULL_MESSAGES: u64 = 512;
const PULL_BYTES: u64 = 1 << 20;
const PULLS: usize = 2;
const PULL_MS: u64 = 10_000;
const NS_PER_MS: u64 = 1_000_000;

/// Reads a stream.
pub(super) struct NatsSource {
    shared: Arc<Shared>,
}

struct Shared {
    options: NatsOptions,
    layout: Arc<RowLayout>,
}

/// What lies in a split's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NatsSplit {
    version: u32,
    stream: String,
    /// Tells another stream of the same name.
    created: String,
    filter: Option<String>,
    /// The sequence of the next message.
    next: u64,
    /// That of the last one.
    stop: Option<u64>,
}

impl SplitState for NatsSplit {
    fn version(&self) -> u32 {
        self.version
    }

    fn id(&self) -> String {
        self.filter.as_ref().map_or(self.stream.clone(), |filter| format!("{}:{filter}", self.stream))
    }
}

impl NatsSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SourceSpec) -> Result<Self> {
        let options = NatsOptions::read(&spec.options, &spec.schema)?;
        options.stream_to_read()?;
        let layout = Arc::new(RowLayout::of(spec, METADATA)?);
        Ok(NatsSource { shared: Arc::new(Shared { options, layout }) })
    }
}

impl Source for NatsSource {
    fn boundedness(&self) -> Boundedness {
        self.shared.options.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Enumerator::boxed(Arc::new(NatsFinder { shared: Arc::clone(&self.shared) }), environment, restored)
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let (shared, environment) = (Arc::clone(&self.shared), cx.environment.clone());
        let open = move |split: &Split| {
            let split = NatsSplit::decode(split)?;
            let lasting = Lasting::new(&environment, shared.options.retry_ms);
            let (shared, environment) = (Arc::clone(&shared), environment.clone());
            let (next, ended) = (split.next, split.stop.is_some_and(|stop| split.next > stop));
            Ok(Box::new(NatsFeed { shared, environment, split, next, ended, lasting }) as Box<dyn Feed>)
        };
        let shared = &self.shared;
        Ok(Box::new(MessageReader::new(&shared.layout, &*shared.options.format, cx, Box::new(open))?))
    }
}

/// Asks once where the splits begin and end.
struct NatsFinder {
    shared: Arc<Shared>,
}

#[async_trait]
impl Finder for NatsFinder {
    fn connector(&self) -> &'static str {
        "nats"
    }

    fn retry_ms(&self) -> u64 {
        self.shared.options.retry_ms
    }

    async fn find(&self, environment: &Environment, _: &Known) -> Result<Found> {
        let options = &self.shared.options;
        let stream = options.stream_to_read()?;
        let mut client = Client::open(environment, &options.identity).await?;
        let info = client.stream(stream).await?;
        let last = info.state.last_seq;
        let next = match options.startup {
            Startup::Earliest => info.state.first_seq.max(1),
            Startup::Latest => last + 1,
            Startup::Sequence(sequence) => sequence,
            Startup::TimestampMs(millis) => {
                let (name, consumer) = client.consumer(stream, None, Start::Time(rfc3339(millis)?)).await?;
                let deletion = format!("CONSUMER.DELETE.{stream}.{name}");
                client.ask::<serde_json::Value>(&deletion, &serde_json::Value::Null, "a consumer").await?;
                consumer.delivered.stream_seq + 1
            }
        };
        let stop = match options.bounded {
            Bounded::Never => None,
            Bounded::Latest => Some(last),
            // What is not there yet is not waited for.
            Bounded::Sequence(sequence) => Some(sequence.min(last)),
        };
        let split = |filter: Option<&String>| NatsSplit {
            version: VERSION,
            stream: stream.to_owned(),
            created: info.created.clone(),
            filter: filter.cloned(),
            next,
            stop,
        };
        let splits = match &options.subjects[..] {
            [] => vec![split(None).encode()?],
            filters => filters.iter().map(|filter| split(Some(filter)).encode()).collect::<Result<_>>()?,
        };
        Ok(Found { splits, note: None })
    }
}

/// A time as JetStream reads it.
fn rfc3339(millis: i64) -> Result<String> {
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![millis]).with_timezone("UTC"));
    let mut text = Vec::new();
    TextCells::new(&time, &LogicalType::new(TypeKind::TimestampLtz(3)))?.write(0, &mut text);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The messages of a split.
struct NatsFeed {
    shared: Arc<Shared>,
    environment: Environment,
    /// As far as its messages are out.
    split: NatsSplit,
    /// The sequence of the next message that is wanted from the server.
    next: u64,
    ended: bool,
    lasting: Lasting<Session>,
}

#[async_trait]
impl Feed for NatsFeed {
    async fn messages(&mut self) -> Result<Option<Vec<Message>>> {
        while !self.ended {
            let wanted = Wanted { split: self.split.clone(), next: self.next };
            let (shared, environment) = (&self.shared, &self.environment);
            let session = self.lasting.get(|| open(Arc::clone(shared), environment.clone(), wanted.clone())).await?;
            match session.messages().await {
                Ok(messages) => {
                    self.ended = session.ended;
                    self.next = messages.last().map_or(self.next, |last| last.sequence + 1);
                    self.lasting.works();
                    if !messages.is_empty() {
                        return Ok(Some(messages));
                    }
                }
                Err(e) => self.lasting.failed(e)?,
            }
        }
        Ok(None)
    }

    fn snapshot(&self) -> Result<Split> {
        self.split.encode()
    }

    fn place(&self, message: &Message) -> String {
        format!("stream '{}', sequence {}", self.split.stream, message.sequence)
    }
}

impl Acknowledges for NatsFeed {
    fn emitted(&mut self, messages: &[Message]) {
        if let Some(last) = messages.last() {
            self.split.next = last.sequence + 1;
        }
    }
}

#[derive(Clone)]
struct Wanted {
    split: NatsSplit,
    next: u64,
}

/// A consumer that was made for one connection.
struct Session {
    client: Client,
    environment: Environment,
    /// The subject that it is pulled by.
    pull_subject: String,
    timeout_ms: u64,
    pulls: VecDeque<Pull>,
    /// How many messages the consumer has given.
    number: u64,
    /// The next message is too large for a pull: it is pulled alone.
    alone: bool,
    ended: bool,
    /// Whether anybody looks at headers.
    headers: bool,
    split: NatsSplit,
    /// The sequence of the next message, if none is missing.
    next: u64,
    fail_on_loss: bool,
    consumer: String,
    question: Option<Question>,
    /// What came while an answer was waited for.
    waiting: VecDeque<Delivery>,
    /// Up to which message of the consumer missing ones were asked for.
    looked: u64,
}

/// Something that JetStream was asked while messages come.
struct Question {
    what: Asked,
    inbox: String,
    ends_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Where the stream begins, for messages are missing before the next one; the last number for which that tells.
    Missing { last: u64 },
    /// Where it begins, before the split is given up as read.
    End,
    /// What the consumer still has.
    Rest,
}

struct Pull {
    /// The number of its subscription.
    subscription: u64,
    asked: u64,
    left: u64,
    /// When it is answered, by the monotonic clock, whatever happens.
    ends_ns: u64,
}

fn open(shared: Arc<Shared>, environment: Environment, wanted: Wanted) -> BoxFuture<'static, Result<Session>> {
    Box::pin(async move {
        let Wanted { split, next } = wanted;
        let options = &shared.options;
        let mut client = Client::open(&environment, &options.identity).await?;
        let info = client.stream(&split.stream).await?;
        check(&info, &split, next, options.fail_on_loss)?;
        let (name, consumer) = client.consumer(&split.stream, split.filter.as_deref(), Start::Sequence(next)).await?;
        Ok(Session {
            client,
            environment,
            pull_subject: format!("$JS.API.CONSUMER.MSG.NEXT.{}.{name}", split.stream),
            consumer: name,
            // What is missing before was told just now.
            next: next.max(info.state.first_seq),
            fail_on_loss: options.fail_on_loss,
            question: None,
            waiting: VecDeque::new(),
            looked: 0,
            timeout_ms: options.identity.access.timeout_ms,
            pulls: VecDeque::new(),
            number: 0,
            alone: false,
            ended: split.stop.is_some() && consumer.num_pending == 0,
            headers: shared.layout.has_headers(),
            split,
        })
    })
}

/// Whether the stream is still the one that was read, and has what was not read.
fn check(info: &StreamInfo, split: &NatsSplit, next: u64, fail_on_loss: bool) -> Result<()> {
    let stream = &split.stream;
    if info.created != split.created || info.state.last_seq + 1 < split.next {
        return Err(Error::external(format!("stream '{stream}' was deleted and created again"))
            .with_detail("What was read of it is not in the new one.")
            .with_hint("Start the job without its checkpoint."));
    }
    if info.state.first_seq <= next {
        return Ok(());
    }
    let message = format!(
        "stream '{stream}' has no messages before sequence {} any more, and {next} is next",
        info.state.first_seq
    );
    // Of a filter nobody can say whether some of what is gone was its own: a rare subject may not have come for long.
    if fail_on_loss && split.filter.is_none() {
        return Err(Error::external(message)
            .with_detail("They were removed by its limits, or by a purge, before they were read.")
            .with_hint("Set 'scan.lost-messages' = 'log' to go on without them."));
    }
    tracing::warn!("{message}: going on without them, if there were any to read");
    Ok(())
}

impl Session {
    /// Messages that have come; waits until there are some. None are lost when the future is dropped: what was taken is
    /// returned without waiting.
    async fn messages(&mut self) -> Result<Vec<Message>> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        loop {
            while !self.ended && messages.len() < MESSAGES_MAX && bytes < BYTES_MAX {
                let Some(delivery) = self.take()? else { break };
                if let Some(message) = self.accept(delivery)? {
                    bytes += message.payload.len();
                    messages.push(message);
                }
            }
            if self.ended || !messages.is_empty() {
                return Ok(messages);
            }
            self.pull()?;
            let now_ns = self.environment.clock.monotonic_ns();
            let of_pull = self.pulls.front().map_or(now_ns, |pull| pull.ends_ns);
            let ends_ns = self.question.as_ref().map_or(of_pull, |question| question.ends_ns.min(of_pull));
            let left_ms = ends_ns.saturating_sub(now_ns) / NS_PER_MS;
            if !self.client.fill_within(left_ms.max(1)).await? && left_ms == 0 {
                return Err(passing("JetStream does not answer a pull, or a question about what is missing"));
            }
        }
    }

    /// Keeps pulls under way.
    fn pull(&mut self) -> Result<()> {
        while self.pulls.len() < if self.alone { 1 } else { PULLS } {
            let (subscription, inbox) = self.client.next_subscription();
            let asked = if self.alone { 1 } else { PULL_MESSAGES };
            let mut body = json!({"batch": asked, "expires": PULL_MS * NS_PER_MS});
            if !self.alone {
                body["max_bytes"] = PULL_BYTES.into();
            }
            let mut frame = format!("SUB {inbox} {subscription}\r\n").into_bytes();
            publish(&mut frame, &self.pull_subject, Some(&inbox), b"", body.to_string().as_bytes());
            self.client.send(frame)?;
            let now_ns = self.environment.clock.monotonic_ns();
            let ends_ns = now_ns + (PULL_MS + self.timeout_ms) * NS_PER_MS;
            self.pulls.push_back(Pull { subscription, asked, left: asked, ends_ns });
        }
        Ok(())
    }

    /// The next that was delivered; none while an answer is waited for, which decides about it.
    fn take(&mut self) -> Result<Option<Delivery>> {
        while self.question.is_some() {
            let Some(delivery) = self.client.take()? else { return Ok(None) };
            match self.question.take_if(|question| delivery.subject == question.inbox) {
                Some(question) => self.answered(question.what, &delivery)?,
                None => self.waiting.push_back(delivery),
            }
        }
        if self.ended {
            return Ok(None);
        }
        self.waiting.pop_front().map_or_else(|| self.client.take(), |delivery| Ok(Some(delivery)))
    }

    fn ask(&mut self, what: Asked) -> Result<()> {
        let stream = &self.split.stream;
        let question = match what {
            Asked::Missing { .. } | Asked::End => format!("STREAM.INFO.{stream}"),
            Asked::Rest => format!("CONSUMER.INFO.{stream}.{}", self.consumer),
        };
        let inbox = self.client.question(&question)?;
        let ends_ns = self.environment.clock.monotonic_ns() + self.timeout_ms * NS_PER_MS;
        self.question = Some(Question { what, inbox, ends_ns });
        Ok(())
    }

    fn answered(&mut self, what: Asked, answer: &Delivery) -> Result<()> {
        if what == Asked::Rest {
            let info: ConsumerInfo = self.client.answer(answer, "a consumer")?;
            // What it has sent and is still on its way says itself whether it is the last.
            let all = info.num_pending == 0 && info.delivered.consumer_seq <= self.number;
            return if all { self.ask(Asked::End) } else { Ok(()) };
        }
        let info: StreamInfo = self.client.answer(answer, &format!("stream '{}'", self.split.stream))?;
        check(&info, &self.split, self.next, self.fail_on_loss)?;
        match what {
            Asked::Missing { last } => self.looked = last,
            Asked::End | Asked::Rest => self.ended = true,
        }
        Ok(())
    }

    /// Asks whether what is missing before a message was removed by limits or a purge, or one by one, as streams are that keep
    /// the last message of a subject. The answer tells for all that has come by now, so a question costs little.
    fn look_before(&mut self, delivery: Delivery, number: u64) -> Result<()> {
        self.waiting.push_front(delivery);
        while let Some(more) = self.client.take()? {
            self.waiting.push_back(more);
        }
        let told = self.waiting.iter().filter_map(|more| Told::of(more.reply.as_deref()?));
        let last = told.map(|told| told.number).max().unwrap_or(number);
        self.ask(Asked::Missing { last })
    }

    /// Takes what was delivered: a message, or that a pull has ended.
    fn accept(&mut self, delivery: Delivery) -> Result<Option<Message>> {
        let at = self.pulls.iter().position(|pull| pull.subscription == delivery.subscription);
        let Some(at) = at else { return Ok(None) };
        if let Some((code, words)) = delivery.status() {
            return self.ended_pull(at, code, &words).map(|()| None);
        }
        let told = delivery.reply.as_deref().and_then(Told::of);
        let told = told.ok_or_else(|| passing("a message does not say where it is from"))?;
        if told.number != self.number + 1 {
            return Err(passing(format!("a consumer gives message {} behind {}", told.number, self.number)));
        }
        // Of a filter nobody can say which sequences are its own.
        if told.sequence > self.next && self.split.filter.is_none() && told.number > self.looked {
            return self.look_before(delivery, told.number).map(|()| None);
        }
        (self.number, self.next) = (told.number, told.sequence + 1);
        let stop = self.split.stop;
        self.pulls[at].left -= 1;
        if self.pulls[at].left == 0 {
            self.forget(at)?;
            self.alone = false;
        }
        self.ended = stop.is_some_and(|stop| told.sequence >= stop || told.pending == 0);
        if stop.is_some_and(|stop| told.sequence > stop) {
            return Ok(None);
        }
        Ok(Some(Message {
            headers: if self.headers { delivery.pairs() } else { Vec::new() },
            address: delivery.subject,
            payload: delivery.payload,
            sequence: told.sequence,
            timestamp_ms: Some(told.time_ns.div_euclid(NS_PER_MS as i64)),
            ..Message::default()
        }))
    }

    fn ended_pull(&mut self, at: usize, code: u16, words: &str) -> Result<()> {
        match code {
            100 => return Ok(()),
            // What was still to come may have been removed.
            404 | 408 if self.split.stop.is_some() && self.question.is_none() => self.ask(Asked::Rest)?,
            404 | 408 => {}
            409 if words.to_lowercase().contains("maxbytes") => {
                self.alone = self.pulls[at].left == self.pulls[at].asked;
            }
            409 if words.to_lowercase().contains("batch completed") => {}
            _ => return Err(passing(format!("a pull of messages ends: {words} ({code})"))),
        }
        self.forget(at)
    }

    fn forget(&mut self, at: usize) -> Result<()> {
        let Some(pull) = self.pulls.remove(at) else { return Ok(()) };
        self.client.send(format!("UNSUB {}\r\n", pull.subscription).into_bytes())
    }
}
