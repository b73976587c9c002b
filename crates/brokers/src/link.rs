//! Connections: bytes that go and come, each in its time.

use bytes::{Bytes, BytesMut};
use flott_api::env::{Environment, TaskHandle};
use flott_api::net::{ByteReader, ByteWriter, Connection};
use flott_api::{BoxFuture, Error, ErrorKind, Result};
use tokio::sync::mpsc;

use crate::access::Access;

const NS_PER_MS: u64 = 1_000_000;
const WAIT_MS_MIN: u64 = 100;
const WAIT_MS_MAX: u64 = 5000;
/// What was open for so long has worked.
const STABLE_MS: u64 = 10_000;
/// Room for what is read at once.
const READ_BYTES: usize = 64 << 10;
/// Small frames are sent together, up to about this.
const SEND_BYTES: usize = 64 << 10;

/// A failure outside that may be over soon.
pub(crate) fn passing(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::External { retry: true }, message)
}

/// Whether trying again may help.
pub(crate) fn is_passing(e: &Error) -> bool {
    e.kind() == ErrorKind::External { retry: true }
}

/// The result, or nothing if it takes longer.
pub(crate) async fn within<T>(environment: &Environment, timeout_ms: u64, work: impl Future<Output = T>) -> Option<T> {
    let late = environment.clock.sleep_ms(timeout_ms);
    tokio::select! {
        biased;
        done = work => Some(done),
        () = late => None,
    }
}

/// A connection over which is asked and answered. Whoever gives up in the middle must drop it.
pub(crate) struct Link {
    connection: Connection,
    environment: Environment,
    timeout_ms: u64,
    timeout_option: &'static str,
    /// `host:port`
    name: String,
    /// What has come and was not taken.
    pub(crate) received: BytesMut,
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// If the server cannot be reached in time.
    pub(crate) async fn open(environment: &Environment, access: &Access) -> Result<Self> {
        let (connection, name) = connect(environment, access).await?;
        let (environment, timeout_ms, timeout_option) = (environment.clone(), access.timeout_ms, access.timeout_option);
        Ok(Link { connection, environment, timeout_ms, timeout_option, name, received: BytesMut::new() })
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// If the connection is lost, or the server takes nothing in time.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = within(&self.environment, self.timeout_ms, self.connection.writer.write(bytes)).await;
        match written {
            Some(Ok(())) => Ok(()),
            Some(Err(e)) => Err(lost(&self.name, &e)),
            None => Err(silent(&self.name, self.timeout_option)),
        }
    }

    /// Waits for more bytes.
    ///
    /// # Errors
    /// If none come in time, or the connection is lost.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        self.received.reserve(READ_BYTES);
        let read = self.connection.reader.read(&mut self.received);
        match within(&self.environment, self.timeout_ms, read).await {
            Some(Ok(0)) => Err(closed(&self.name)),
            Some(Ok(_)) => Ok(()),
            Some(Err(e)) => Err(lost(&self.name, &e)),
            None => Err(silent(&self.name, self.timeout_option)),
        }
    }

    /// `host:port`
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

async fn connect(environment: &Environment, access: &Access) -> Result<(Connection, String)> {
    let name = access.name();
    let endpoint = access.endpoint(environment)?;
    let connecting = environment.network.connect(&endpoint);
    match within(environment, access.timeout_ms, connecting).await {
        Some(connection) => Ok((connection?, name)),
        None => Err(silent(&name, access.timeout_option)),
    }
}

fn lost(name: &str, e: &std::io::Error) -> Error {
    passing(format!("the connection to {name} is lost: {e}"))
}

fn silent(name: &str, option: &str) -> Error {
    passing(format!("{name} does not answer")).with_hint(format!("Option '{option}' says how long it is waited."))
}

fn closed(name: &str) -> Error {
    passing(format!("{name} has closed the connection"))
}

/// Frames that wait to be sent over one connection.
const FRAMES_MAX: usize = 1024;

/// A connection over which both sides speak when they like. A task of its own sends, so that nothing that was begun is left
/// half sent, and so that the server hears of us while nobody reads.
pub(crate) struct Line {
    reader: Box<dyn ByteReader>,
    /// What has come and was not taken.
    pub(crate) received: BytesMut,
    out: mpsc::Sender<Bytes>,
    environment: Environment,
    name: String,
    timeout_ms: u64,
    timeout_option: &'static str,
    /// How long the server may say nothing at all.
    silence_ms: Option<u64>,
    heard_ns: u64,
    _sender: Box<dyn TaskHandle>,
}

/// What is sent when nothing else was for a while, so that the server says something, too.
pub(crate) struct KeepAlive {
    pub(crate) interval_ms: u64,
    pub(crate) frame: Bytes,
}

impl Line {
    /// Connects.
    ///
    /// # Errors
    /// If the server cannot be reached in time.
    pub(crate) async fn open(environment: &Environment, access: &Access) -> Result<Self> {
        let (connection, name) = connect(environment, access).await?;
        let (out, frames) = mpsc::channel(FRAMES_MAX);
        let sending = send_all(environment.clone(), connection.writer, frames, access.timeout_ms);
        let sender = environment.spawner.spawn(&format!("frames to {name}"), Box::pin(sending));
        Ok(Line {
            reader: connection.reader,
            received: BytesMut::new(),
            out,
            environment: environment.clone(),
            name,
            timeout_ms: access.timeout_ms,
            timeout_option: access.timeout_option,
            silence_ms: None,
            heard_ns: environment.clock.monotonic_ns(),
            _sender: sender,
        })
    }

    /// From now on the server hears of us, and must say something itself.
    pub(crate) fn keep_alive(&mut self, keep: KeepAlive) -> Box<dyn TaskHandle> {
        self.silence_ms = Some(2 * keep.interval_ms + self.timeout_ms);
        let (out, clock) = (self.out.clone(), std::sync::Arc::clone(&self.environment.clock));
        let ticking = async move {
            loop {
                clock.sleep_ms(keep.interval_ms).await;
                if out.send(keep.frame.clone()).await.is_err() {
                    return;
                }
            }
        };
        self.environment.spawner.spawn(&format!("signs of life to {}", self.name), Box::pin(ticking))
    }

    /// Has something sent, soon.
    ///
    /// # Errors
    /// If the connection is lost, or the server takes nothing.
    pub(crate) fn send(&self, frame: impl Into<Bytes>) -> Result<()> {
        self.out.try_send(frame.into()).map_err(|_| passing(format!("{} takes nothing any more", self.name)))
    }

    /// Waits for more bytes. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If the connection is lost, or the server is silent for too long.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        let clock = std::sync::Arc::clone(&self.environment.clock);
        let silent_for_ms = clock.monotonic_ns().saturating_sub(self.heard_ns) / NS_PER_MS;
        let late = async {
            match self.silence_ms {
                Some(most) => clock.sleep_ms(most.saturating_sub(silent_for_ms)).await,
                None => std::future::pending().await,
            }
        };
        // In one piece: a server that sends much should not be asked for a little of it each time.
        self.received.reserve(READ_BYTES);
        let read = tokio::select! {
            biased;
            read = self.reader.read(&mut self.received) => read,
            () = late => return Err(silent(&self.name, self.timeout_option)),
        };
        self.heard_ns = clock.monotonic_ns();
        match read {
            Ok(0) => Err(closed(&self.name)),
            Ok(_) => Ok(()),
            Err(e) => Err(lost(&self.name, &e)),
        }
    }

    /// The same, within the time that any answer may take.
    ///
    /// # Errors
    /// As [`fill`](Self::fill), or if nothing comes in time.
    pub(crate) async fn fill_soon(&mut self) -> Result<()> {
        let (environment, timeout_ms) = (self.environment.clone(), self.timeout_ms);
        match within(&environment, timeout_ms, self.fill()).await {
            Some(filled) => filled,
            None => Err(silent(&self.name, self.timeout_option)),
        }
    }

    /// `host:port`
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

async fn send_all(
    environment: Environment,
    mut writer: Box<dyn ByteWriter>,
    mut frames: mpsc::Receiver<Bytes>,
    timeout_ms: u64,
) {
    let mut together = Vec::new();
    while let Some(frame) = frames.recv().await {
        together.clear();
        together.extend_from_slice(&frame);
        while together.len() < SEND_BYTES {
            let Ok(frame) = frames.try_recv() else { break };
            together.extend_from_slice(&frame);
        }
        match within(&environment, timeout_ms, writer.write(&together)).await {
            Some(Ok(())) => {}
            // The channel closes, which the next frame tells; and so does the reader's side of the connection.
            _ => return,
        }
    }
}

/// How long something is tried again, and how long it is waited between: twice as long each time.
pub(crate) struct Patience {
    environment: Environment,
    limit_ms: u64,
    /// Since when nothing works.
    since_ns: Option<u64>,
    next_ms: u64,
}

impl Patience {
    /// For so long.
    pub(crate) fn new(environment: &Environment, limit_ms: u64) -> Self {
        Patience { environment: environment.clone(), limit_ms, since_ns: None, next_ms: WAIT_MS_MIN }
    }

    /// How long to wait before the next try.
    ///
    /// # Errors
    /// The error itself if another try would not help, or comes too late.
    pub(crate) fn after(&mut self, e: Error) -> Result<u64> {
        let now_ns = self.environment.clock.monotonic_ns();
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        let gone_ms = now_ns.saturating_sub(since_ns) / NS_PER_MS;
        if !is_passing(&e) {
            return Err(e);
        }
        if gone_ms >= self.limit_ms {
            return Err(e.with_detail(format!("It was tried again for {gone_ms} ms.")));
        }
        tracing::warn!("trying again: {e}");
        let wait = self.next_ms;
        self.next_ms = wait.saturating_mul(2).min(WAIT_MS_MAX);
        Ok(wait - wait / 5 + self.environment.rng.next_u64() % (wait / 5 * 2 + 1))
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        (self.since_ns, self.next_ms) = (None, WAIT_MS_MIN);
    }
}

/// Something that is opened when it is needed, and anew when it has failed.
pub(crate) struct Lasting<S> {
    session: Option<S>,
    /// Kept between calls, so that one that is given up for a moment need not begin again.
    opening: Option<BoxFuture<'static, Result<S>>>,
    patience: Patience,
    environment: Environment,
    wait_ms: u64,
    /// Since when it is open.
    opened_ns: u64,
}

impl<S: Send + 'static> Lasting<S> {
    /// Not open; what fails is tried again for so long.
    pub(crate) fn new(environment: &Environment, limit_ms: u64) -> Self {
        let patience = Patience::new(environment, limit_ms);
        let environment = environment.clone();
        Lasting { session: None, opening: None, patience, environment, wait_ms: 0, opened_ns: 0 }
    }

    /// The open one, or one that is opened now. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If it cannot be opened in time.
    pub(crate) async fn get(&mut self, open: impl Fn() -> BoxFuture<'static, Result<S>>) -> Result<&mut S> {
        while self.session.is_none() {
            let opening = self.opening.get_or_insert_with(|| {
                let (opening, clock, wait_ms) = (open(), std::sync::Arc::clone(&self.environment.clock), self.wait_ms);
                Box::pin(async move {
                    if wait_ms > 0 {
                        clock.sleep_ms(wait_ms).await;
                    }
                    opening.await
                })
            });
            let opened = opening.as_mut().await;
            self.opening = None;
            match opened {
                Ok(session) => {
                    self.session = Some(session);
                    self.opened_ns = self.environment.clock.monotonic_ns();
                }
                Err(e) => self.wait_ms = self.patience.after(e)?,
            }
        }
        self.session.as_mut().ok_or_else(|| Error::internal("a session is not open"))
    }

    /// The open one, if it is open.
    pub(crate) fn opened(&mut self) -> Option<&mut S> {
        self.session.as_mut()
    }

    /// What was open has failed, and is opened again.
    ///
    /// # Errors
    /// If that would not help, or it was tried for long enough.
    pub(crate) fn failed(&mut self, e: Error) -> Result<()> {
        // One that was open for long has worked, even if nothing came over it.
        let open_ns = self.environment.clock.monotonic_ns().saturating_sub(self.opened_ns);
        if self.session.take().is_some() && open_ns >= STABLE_MS * NS_PER_MS {
            self.works();
        }
        self.wait_ms = self.patience.after(e)?;
        Ok(())
    }

    /// It works.
    pub(crate) fn works(&mut self) {
        self.patience.reset();
        self.wait_ms = 0;
    }
}
