//! The packets of MQTT 3.1.1.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flott_api::{Error, Result};

/// Longer packets are refused; the protocol allows 256 MB.
const PACKET_BYTES_MAX: usize = 64 << 20;
const PROTOCOL_LEVEL: u8 = 4;

/// What a broker sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Whether the broker knew the session, and what it thinks of the client.
    Connected {
        known: bool,
        code: u8,
    },
    /// The QoS of each filter that was granted.
    Subscribed {
        id: u16,
        granted: Vec<u8>,
    },
    Publish(Publish),
    Acknowledged {
        id: u16,
    },
    Pong,
    /// What is of no interest here.
    Other,
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) again: bool,
    pub(super) qos: u8,
    pub(super) topic: Bytes,
    /// With QoS 1.
    pub(super) id: u16,
    pub(super) payload: Bytes,
}

/// Who comes, in `CONNECT`.
pub(super) struct Hello<'a> {
    pub(super) client_id: &'a str,
    /// The broker forgets the session when the connection ends.
    pub(super) clean: bool,
    pub(super) keep_alive_s: u16,
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a str>,
}

fn senseless() -> Error {
    Error::external("an answer makes no sense: it is none of MQTT")
        .with_hint("Check options 'host' and 'port', and 'tls.enabled' if the broker wants TLS.")
}

/// Takes a packet from the front; nothing if it is not whole yet.
///
/// # Errors
/// If it is none.
pub(super) fn take_packet(from: &mut BytesMut) -> Result<Option<Packet>> {
    // Only messages, and answers to QoS 2, have flags.
    if from.first().is_some_and(|first| !matches!(first >> 4, 3 | 6) && first & 0xf != 0) {
        return Err(senseless());
    }
    let (mut length, mut at) = (0_usize, 1);
    loop {
        let Some(byte) = from.get(at) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if at > 4 {
            return Err(senseless());
        }
    }
    if length > PACKET_BYTES_MAX {
        return Err(Error::external(format!("a packet of MQTT is longer than {PACKET_BYTES_MAX} bytes")));
    }
    if from.len() < at + length {
        return Ok(None);
    }
    let first = from[0];
    let mut body = from.split_to(at + length).freeze();
    body.advance(at);
    parse(first, body).map(Some)
}

fn parse(first: u8, mut body: Bytes) -> Result<Packet> {
    let need = |body: &Bytes, bytes: usize| if body.len() < bytes { Err(senseless()) } else { Ok(()) };
    Ok(match first >> 4 {
        2 => {
            need(&body, 2)?;
            Packet::Connected { known: body[0] & 1 == 1, code: body[1] }
        }
        3 => {
            let qos = (first >> 1) & 3;
            need(&body, 2)?;
            let length = usize::from(body.get_u16());
            need(&body, length + if qos > 0 { 2 } else { 0 })?;
            let topic = body.split_to(length);
            let id = if qos > 0 { body.get_u16() } else { 0 };
            Packet::Publish(Publish { again: first & 8 != 0, qos, topic, id, payload: body })
        }
        4 => {
            need(&body, 2)?;
            Packet::Acknowledged { id: body.get_u16() }
        }
        9 => {
            need(&body, 2)?;
            Packet::Subscribed { id: body.get_u16(), granted: body.to_vec() }
        }
        13 => Packet::Pong,
        5..=7 | 11 | 14 => Packet::Other,
        _ => return Err(senseless()),
    })
}

fn packet(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    head(out, first, body.len());
    out.extend_from_slice(body);
}

/// What a packet begins with: its kind, and how long the rest is.
fn head(out: &mut Vec<u8>, first: u8, mut length: usize) {
    out.push(first);
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        out.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    // Options and topics are checked to be shorter.
    out.put_u16(text.len() as u16);
    out.extend_from_slice(text);
}

/// `CONNECT`
pub(super) fn connect(hello: &Hello<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, b"MQTT");
    body.push(PROTOCOL_LEVEL);
    let flag = |set: bool, bit: u8| u8::from(set) << bit;
    body.push(flag(hello.clean, 1) | flag(hello.username.is_some(), 7) | flag(hello.password.is_some(), 6));
    body.put_u16(hello.keep_alive_s);
    text(&mut body, hello.client_id.as_bytes());
    hello.username.iter().chain(&hello.password).for_each(|part| text(&mut body, part.as_bytes()));
    let mut out = Vec::new();
    packet(&mut out, 0x10, &body);
    out
}

/// `SUBSCRIBE`
pub(super) fn subscribe(id: u16, filters: &[String], qos: u8) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u16(id);
    for filter in filters {
        text(&mut body, filter.as_bytes());
        body.push(qos);
    }
    let mut out = Vec::new();
    packet(&mut out, 0x82, &body);
    out
}

/// `PUBLISH`; with an id it is of QoS 1.
pub(super) fn publish(out: &mut Vec<u8>, topic: &str, id: Option<u16>, retain: bool, payload: &[u8]) {
    let id_bytes = if id.is_some() { 2 } else { 0 };
    let first = 0x30 | u8::from(id.is_some()) << 1 | u8::from(retain);
    head(out, first, 2 + topic.len() + id_bytes + payload.len());
    text(out, topic.as_bytes());
    if let Some(id) = id {
        out.put_u16(id);
    }
    out.extend_from_slice(payload);
}

/// `PUBACK`
pub(super) fn acknowledge(out: &mut Vec<u8>, id: u16) {
    packet(out, 0x40, &id.to_be_bytes());
}

/// `PINGREQ`
pub(super) const PING: &[u8] = &[0xc0, 0];

/// Whether messages can be published to it.
pub(super) fn is_topic(topic: &str) -> bool {
    is_filter(topic) && !topic.contains(['+', '#'])
}

/// Whether it may be subscribed: levels between slashes, with wildcards that are whole levels.
pub(super) fn is_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let good = |(at, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => at + 1 == levels.len(),
        level => !level.contains(['+', '#', '\0']),
    };
    !filter.is_empty() && filter.len() <= usize::from(u16::MAX) && levels.iter().enumerate().all(good)
}

/// Whether a topic is one of a filter.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (None, None) | (Some("#"), _) => return true,
            (Some(level), Some(of_topic)) if level == "+" || level == of_topic => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_however_they_are_cut() {
        let mut sent = vec![0x20, 2, 1, 0, 0x90, 4, 0, 7, 1, 0x80, 0xd0, 0];
        publish(&mut sent, "a/b", Some(9), false, b"hello");
        sent[12] |= 8;
        publish(&mut sent, "c", None, true, &[7; 300]);
        acknowledge(&mut sent, 513);
        for step in [1, 5, sent.len()] {
            let (mut received, mut packets) = (BytesMut::new(), Vec::new());
            for part in sent.chunks(step) {
                received.extend_from_slice(part);
                while let Some(packet) = take_packet(&mut received).unwrap() {
                    packets.push(packet);
                }
            }
            let first = Publish {
                again: true,
                qos: 1,
                topic: Bytes::from_static(b"a/b"),
                id: 9,
                payload: Bytes::from_static(b"hello"),
            };
            let second = Publish {
                topic: Bytes::from_static(b"c"),
                payload: Bytes::copy_from_slice(&[7; 300]),
                ..Publish::default()
            };
            let expected = [
                Packet::Connected { known: true, code: 0 },
                Packet::Subscribed { id: 7, granted: vec![1, 0x80] },
                Packet::Pong,
                Packet::Publish(first),
                Packet::Publish(second),
                Packet::Acknowledged { id: 513 },
            ];
            assert_eq!(packets, expected, "{step}");
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let all: [&[u8]; 5] =
            [b"HTTP/1.1 400", &[0x30, 0xff, 0xff, 0xff, 0xff], &[0x30, 1, 0], &[0x32, 3, 0, 1, b'a'], &[0x40, 0]];
        for bytes in all {
            assert!(take_packet(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn topics_match() {
        assert!(is_topic("a/b") && !is_topic("a/+") && !is_topic("") && is_filter("a/+/#") && !is_filter("a+/b"));
        assert!(matches("a/+", "a/b") && matches("a/#", "a") && matches("a/#", "a/b/c") && matches("#", "x"));
        assert!(!matches("a/+", "a/b/c") && !matches("a", "b") && !matches("a/b", "a"));
    }
}
