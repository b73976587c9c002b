//! A connection to a broker.

use bytes::Bytes;
use flott_api::env::{Environment, TaskHandle};
use flott_api::{Error, Result};

use super::packet::{Hello, PING, Packet, connect, subscribe, take_packet};
use crate::access::{Access, Secret};
use crate::link::{KeepAlive, Line, passing};

/// The broker hears of us so often, and waits half as long again.
const PING_MS: u64 = 15_000;
const KEEP_ALIVE_S: u16 = 30;
const SUBSCRIPTION: u16 = 1;
/// What a broker grants to a filter that it refuses.
const REFUSED: u8 = 0x80;

/// A connection.
pub(super) struct Client {
    line: Line,
    /// Whether the broker knew the session.
    pub(super) known: bool,
    _alive: Box<dyn TaskHandle>,
}

impl Client {
    /// Connects, and shows who comes.
    ///
    /// # Errors
    /// If the broker cannot be reached, or does not let this client in.
    pub(super) async fn open(environment: &Environment, access: &Access, client_id: &str, clean: bool) -> Result<Self> {
        let mut line = Line::open(environment, access).await?;
        let hello = Hello {
            client_id,
            clean,
            keep_alive_s: KEEP_ALIVE_S,
            username: access.username.as_deref(),
            password: access.password.as_ref().map(Secret::reveal),
        };
        line.send(connect(&hello))?;
        let known = match soon(&mut line).await? {
            Packet::Connected { known, code: 0 } => known,
            Packet::Connected { code, .. } => return Err(refused(line.name(), code)),
            _ => return Err(senseless(line.name())),
        };
        let alive = line.keep_alive(KeepAlive { interval_ms: PING_MS, frame: Bytes::from_static(PING) });
        Ok(Client { line, known, _alive: alive })
    }

    /// Subscribes. Messages that come before the answer wait for [`take`](Self::take) in `early`.
    ///
    /// # Errors
    /// If the broker refuses.
    pub(super) async fn subscribe(&mut self, filters: &[String], qos: u8, early: &mut Vec<Packet>) -> Result<()> {
        self.line.send(subscribe(SUBSCRIPTION, filters, qos))?;
        loop {
            match soon(&mut self.line).await? {
                Packet::Subscribed { id: SUBSCRIPTION, granted } => {
                    let bad = granted.iter().zip(filters).find(|(granted, _)| **granted == REFUSED || **granted < qos);
                    return bad.map_or(Ok(()), |(_, filter)| {
                        Err(Error::invalid(format!("{} refuses the subscription '{filter}'", self.line.name()))
                            .with_hint("Give the user of this job the right to read it, with the QoS of 'scan.qos'."))
                    });
                }
                packet @ Packet::Publish(_) => early.push(packet),
                _ => {}
            }
        }
    }

    /// The next packet that has come, without waiting.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn take(&mut self) -> Result<Option<Packet>> {
        take_packet(&mut self.line.received)
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

    /// Has packets sent.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn send(&self, packets: Vec<u8>) -> Result<()> {
        if packets.is_empty() { Ok(()) } else { self.line.send(packets) }
    }
}

async fn soon(line: &mut Line) -> Result<Packet> {
    loop {
        match take_packet(&mut line.received)? {
            Some(packet) => return Ok(packet),
            None => line.fill_soon().await?,
        }
    }
}

fn senseless(name: &str) -> Error {
    Error::external(format!("an answer of {name} makes no sense: it is none of MQTT"))
}

/// The error for a code of `CONNACK`.
fn refused(name: &str, code: u8) -> Error {
    match code {
        1 => Error::external(format!("{name} does not speak MQTT 3.1.1")),
        2 => Error::invalid(format!("{name} refuses the client id")).with_hint("Choose another 'client-id'."),
        3 => passing(format!("{name} is not available now")),
        4 | 5 => Error::invalid(format!("{name} does not let this job in"))
            .with_hint("Check options 'username' and 'password'."),
        _ => Error::external(format!("{name} refuses the connection (code {code})")),
    }
}
