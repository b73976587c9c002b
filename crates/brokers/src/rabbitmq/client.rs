//! A connection to a broker, with one channel.

use bytes::{Bytes, BytesMut};
use flott_api::env::{Environment, TaskHandle};
use flott_api::{Error, Result};

use super::amqp::{
    CHANNEL, FRAME_BYTES_MAX, Fields, Frame, HEADER, HEARTBEAT, Kind, Method, Properties, client_properties, method,
    read_head, senseless, take_frame,
};
use super::options::RabbitOptions;
use crate::link::{KeepAlive, Line, passing};

/// Each side hears of the other so often, or takes it for dead after twice that.
const HEARTBEAT_S: u16 = 30;
const HEARTBEAT_MS: u64 = 10_000;
/// Longer messages are refused.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;

/// A connection.
pub(super) struct Client {
    line: Line,
    pub(super) frame_max: usize,
    content: Option<Content>,
    _alive: Option<Box<dyn TaskHandle>>,
}

/// What has come.
#[derive(Debug)]
pub(super) enum Event {
    Delivery(Delivery),
    /// The broker has messages that were published, or has not.
    Confirmed {
        tag: u64,
        multiple: bool,
        taken: bool,
    },
    /// No queue takes a message.
    Returned {
        routing_key: Bytes,
        why: String,
    },
    /// The answer to a question; its fields follow.
    Answer((u16, u16), Bytes),
}

/// A message of a queue.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) tag: u64,
    pub(super) again: bool,
    pub(super) routing_key: Bytes,
    pub(super) properties: Properties,
    pub(super) payload: Bytes,
}

/// A message whose bytes are still to come.
struct Content {
    delivery: Delivery,
    /// Why it came back, if it is one that did.
    returned: Option<String>,
    /// How long it is, once its head has come.
    size: Option<usize>,
    body: BytesMut,
}

impl Client {
    /// Connects, shows who comes, and opens the channel.
    ///
    /// # Errors
    /// If the broker cannot be reached, or does not let this client in.
    pub(super) async fn open(environment: &Environment, options: &RabbitOptions) -> Result<Self> {
        let line = Line::open(environment, &options.access).await?;
        let mut client = Client { line, frame_max: FRAME_BYTES_MAX as usize, content: None, _alive: None };
        client.line.send(Bytes::from_static(HEADER))?;
        client.answer(method::START).await?;
        let (user, password) = options.identity();
        let response = [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat();
        let start_ok = Method::new(method::START_OK).long_text(&client_properties()).short_text(b"PLAIN");
        client.line.send(start_ok.long_text(&response).short_text(b"en_US").frame(0))?;
        let mut tune = Fields(client.answer(method::TUNE).await?);
        let (channels, frame_max, heartbeat) = (tune.short()?, tune.long()?, tune.short()?);
        let frame_max = if frame_max == 0 { FRAME_BYTES_MAX } else { frame_max.min(FRAME_BYTES_MAX) };
        client.frame_max = frame_max as usize;
        let heartbeat = if heartbeat == 0 { HEARTBEAT_S } else { heartbeat.min(HEARTBEAT_S) };
        let tune_ok = Method::new(method::TUNE_OK).short(channels).long(frame_max).short(heartbeat);
        client.line.send(tune_ok.frame(0))?;
        let open = Method::new(method::OPEN).short_text(options.virtual_host.as_bytes()).short_text(b"").octet(0);
        client.line.send(open.frame(0))?;
        client.answer(method::OPEN_OK).await?;
        client.line.send(Method::new(method::CHANNEL_OPEN).short_text(b"").frame(CHANNEL))?;
        client.answer(method::CHANNEL_OPEN_OK).await?;
        let interval_ms = HEARTBEAT_MS.min(u64::from(heartbeat) * 1000 / 3);
        let keep = KeepAlive { interval_ms: interval_ms.max(100), frame: Bytes::from_static(HEARTBEAT) };
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

    /// Waits for this answer; before it nothing else may come.
    ///
    /// # Errors
    /// If something else comes, or nothing.
    pub(super) async fn answer(&mut self, wanted: (u16, u16)) -> Result<Bytes> {
        loop {
            match self.take()? {
                Some(Event::Answer(method, fields)) if method == wanted => return Ok(fields),
                Some(_) => return Err(senseless()),
                None => self.line.fill_soon().await?,
            }
        }
    }

    /// How many messages of a queue wait.
    ///
    /// # Errors
    /// If there is no such queue.
    pub(super) async fn waiting(&mut self, queue: &str) -> Result<u64> {
        const PASSIVE: u8 = 1;
        let declare = Method::new(method::QUEUE_DECLARE).short(0).short_text(queue.as_bytes()).octet(PASSIVE);
        self.send(declare.long_text(b"").frame(CHANNEL))?;
        let mut fields = Fields(self.answer(method::QUEUE_DECLARE_OK).await?);
        fields.short_text()?;
        Ok(fields.long()?.into())
    }

    /// The next thing that has come, without waiting.
    ///
    /// # Errors
    /// If the broker closes the channel or the connection.
    pub(super) fn take(&mut self) -> Result<Option<Event>> {
        while let Some(Frame { kind, content }) = take_frame(&mut self.line.received)? {
            let event = match kind {
                Kind::Heartbeat => None,
                Kind::Method => self.method(content)?,
                Kind::Head | Kind::Body => self.content(kind, content)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn method(&mut self, content: Bytes) -> Result<Option<Event>> {
        let mut fields = Fields(content);
        let name = fields.method()?;
        Ok(match name {
            method::DELIVER => {
                fields.short_text()?;
                let (tag, again) = (fields.longlong()?, fields.octet()? & 1 == 1);
                fields.short_text()?;
                let routing_key = fields.short_text()?;
                let delivery = Delivery { tag, again, routing_key, ..Delivery::default() };
                self.content = Some(Content { delivery, returned: None, size: None, body: BytesMut::new() });
                None
            }
            method::RETURN => {
                let code = fields.short()?;
                let why = format!("{} ({code})", String::from_utf8_lossy(&fields.short_text()?));
                fields.short_text()?;
                let delivery = Delivery { routing_key: fields.short_text()?, ..Delivery::default() };
                self.content = Some(Content { delivery, returned: Some(why), size: None, body: BytesMut::new() });
                None
            }
            method::ACK | method::NACK => {
                let (tag, multiple) = (fields.longlong()?, fields.octet()? & 1 == 1);
                Some(Event::Confirmed { tag, multiple, taken: name == method::ACK })
            }
            method::CLOSE | method::CHANNEL_CLOSE => {
                let code = fields.short()?;
                let text = String::from_utf8_lossy(&fields.short_text()?).into_owned();
                return Err(refused(self.line.name(), code, &text));
            }
            method::CANCEL => return Err(Error::external("the queue was deleted while it was read")),
            _ => Some(Event::Answer(name, fields.0)),
        })
    }

    fn content(&mut self, kind: Kind, bytes: Bytes) -> Result<Option<Event>> {
        let Some(content) = &mut self.content else { return Err(senseless()) };
        if kind == Kind::Head {
            let (size, properties) = read_head(bytes)?;
            if size > MESSAGE_BYTES_MAX {
                return Err(Error::external(format!("a message of {size} bytes is longer than {MESSAGE_BYTES_MAX}")));
            }
            content.size = Some(size as usize);
            content.delivery.properties = properties;
        } else if content.body.is_empty() && content.size == Some(bytes.len()) {
            // The common case: one frame, which is not copied.
            content.delivery.payload = bytes;
        } else {
            content.body.extend_from_slice(&bytes);
        }
        let size = content.size.ok_or_else(senseless)?;
        if content.body.len() > size {
            return Err(senseless());
        }
        if content.body.len() + content.delivery.payload.len() < size {
            return Ok(None);
        }
        let Some(mut content) = self.content.take() else { return Ok(None) };
        if !content.body.is_empty() {
            content.delivery.payload = content.body.freeze();
        }
        Ok(Some(match content.returned {
            Some(why) => Event::Returned { routing_key: content.delivery.routing_key, why },
            None => Event::Delivery(content.delivery),
        }))
    }

    /// Waits for more. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) async fn fill(&mut self) -> Result<()> {
        self.line.fill().await
    }

    /// The same, within the time that any answer may take.
    ///
    /// # Errors
    /// If nothing comes in time.
    pub(super) async fn fill_soon(&mut self) -> Result<()> {
        self.line.fill_soon().await
    }
}

/// The error for a channel or a connection that the broker closes.
fn refused(name: &str, code: u16, text: &str) -> Error {
    let message = format!("RabbitMQ at {name} answers: {text} ({code})");
    match code {
        403 if text.contains("ACCESS_REFUSED") => {
            Error::invalid(format!("RabbitMQ at {name} does not let this job in, or not do this ({code})"))
                .with_hint("Check options 'username' and 'password', and what this user may do.")
        }
        402 | 530 => Error::invalid(message).with_hint("Check option 'virtual-host', and what this user may do."),
        404 => Error::external(message).with_hint("Queues and exchanges must be there; this connector makes none."),
        320 | 541 | 311 | 501 | 504 | 505 => passing(message),
        _ => Error::external(message),
    }
}
