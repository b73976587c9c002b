//! The protocol of RabbitMQ, AMQP 0.9.1: frames, methods and the properties of messages, as far as they are needed here.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flott_api::{Error, Result};

/// What a connection begins with.
pub(super) const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
/// A frame without content: a sign of life.
pub(super) const HEARTBEAT: &[u8] = &[8, 0, 0, 0, 0, 0, 0, END];
/// No longer frames are agreed upon.
pub(super) const FRAME_BYTES_MAX: u32 = 128 << 10;
/// Of a frame, beside its content.
pub(super) const FRAME_BYTES_AROUND: usize = 8;
/// All work is done in one channel.
pub(super) const CHANNEL: u16 = 1;
const END: u8 = 0xce;
const HEAD_BYTES: usize = 7;
const TABLE_DEPTH_MAX: usize = 8;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Method,
    Head,
    Body,
    Heartbeat,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) content: Bytes,
}

/// Methods by class and number.
pub(super) mod method {
    pub(in super::super) const START: (u16, u16) = (10, 10);
    pub(in super::super) const START_OK: (u16, u16) = (10, 11);
    pub(in super::super) const TUNE: (u16, u16) = (10, 30);
    pub(in super::super) const TUNE_OK: (u16, u16) = (10, 31);
    pub(in super::super) const OPEN: (u16, u16) = (10, 40);
    pub(in super::super) const OPEN_OK: (u16, u16) = (10, 41);
    pub(in super::super) const CLOSE: (u16, u16) = (10, 50);
    pub(in super::super) const CHANNEL_OPEN: (u16, u16) = (20, 10);
    pub(in super::super) const CHANNEL_OPEN_OK: (u16, u16) = (20, 11);
    pub(in super::super) const CHANNEL_CLOSE: (u16, u16) = (20, 40);
    pub(in super::super) const QUEUE_DECLARE: (u16, u16) = (50, 10);
    pub(in super::super) const QUEUE_DECLARE_OK: (u16, u16) = (50, 11);
    pub(in super::super) const QOS: (u16, u16) = (60, 10);
    pub(in super::super) const QOS_OK: (u16, u16) = (60, 11);
    pub(in super::super) const CONSUME: (u16, u16) = (60, 20);
    pub(in super::super) const CONSUME_OK: (u16, u16) = (60, 21);
    pub(in super::super) const CANCEL: (u16, u16) = (60, 30);
    pub(in super::super) const PUBLISH: (u16, u16) = (60, 40);
    pub(in super::super) const RETURN: (u16, u16) = (60, 50);
    pub(in super::super) const DELIVER: (u16, u16) = (60, 60);
    pub(in super::super) const ACK: (u16, u16) = (60, 80);
    pub(in super::super) const NACK: (u16, u16) = (60, 120);
    pub(in super::super) const CONFIRM_SELECT: (u16, u16) = (85, 10);
    pub(in super::super) const CONFIRM_SELECT_OK: (u16, u16) = (85, 11);
}

pub(super) fn senseless() -> Error {
    Error::external("an answer makes no sense: it is none of AMQP 0.9.1")
        .with_hint("Check options 'host' and 'port', and 'tls.enabled' if the broker wants TLS.")
}

/// Takes a frame from the front; nothing if it is not whole yet.
///
/// # Errors
/// If it is none.
pub(super) fn take_frame(from: &mut BytesMut) -> Result<Option<Frame>> {
    let Some(first) = from.first() else { return Ok(None) };
    let kind = match first {
        1 => Kind::Method,
        2 => Kind::Head,
        3 => Kind::Body,
        8 => Kind::Heartbeat,
        _ => return Err(senseless()),
    };
    let Some(head) = from.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    if length > FRAME_BYTES_MAX {
        return Err(senseless());
    }
    let length = length as usize;
    if from.len() <= HEAD_BYTES + length {
        return Ok(None);
    }
    if from[HEAD_BYTES + length] != END {
        return Err(senseless());
    }
    let mut content = from.split_to(HEAD_BYTES + length + 1).freeze();
    content.advance(HEAD_BYTES);
    content.truncate(length);
    Ok(Some(Frame { kind, content }))
}

/// Reads fields from the front of bytes.
pub(super) struct Fields(pub(super) Bytes);

impl Fields {
    fn need(&self, bytes: usize) -> Result<()> {
        if self.0.len() < bytes { Err(senseless()) } else { Ok(()) }
    }

    pub(super) fn octet(&mut self) -> Result<u8> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    pub(super) fn short(&mut self) -> Result<u16> {
        self.need(2)?;
        Ok(self.0.get_u16())
    }

    pub(super) fn long(&mut self) -> Result<u32> {
        self.need(4)?;
        Ok(self.0.get_u32())
    }

    pub(super) fn longlong(&mut self) -> Result<u64> {
        self.need(8)?;
        Ok(self.0.get_u64())
    }

    pub(super) fn short_text(&mut self) -> Result<Bytes> {
        let length = usize::from(self.octet()?);
        self.need(length)?;
        Ok(self.0.split_to(length))
    }

    pub(super) fn long_text(&mut self) -> Result<Bytes> {
        let length = self.long()? as usize;
        self.need(length)?;
        Ok(self.0.split_to(length))
    }

    /// Class and number of a method.
    pub(super) fn method(&mut self) -> Result<(u16, u16)> {
        Ok((self.short()?, self.short()?))
    }

    /// Names and values of a table, values as texts.
    fn table(&mut self, depth: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let mut table = Fields(self.long_text()?);
        let mut pairs = Vec::new();
        while !table.0.is_empty() {
            let name = table.short_text()?;
            if let Some(value) = table.value(depth)? {
                pairs.push((name, value));
            }
        }
        Ok(pairs)
    }

    /// A value as a text; nothing for one that has none.
    fn value(&mut self, depth: usize) -> Result<Option<Bytes>> {
        if depth > TABLE_DEPTH_MAX {
            return Err(senseless());
        }
        let text = |value: String| Some(Bytes::from(value));
        Ok(match self.octet()? {
            b't' => text((self.octet()? != 0).to_string()),
            b'b' => text((self.octet()? as i8).to_string()),
            b'B' => text(self.octet()?.to_string()),
            b's' => text((self.short()? as i16).to_string()),
            b'u' => text(self.short()?.to_string()),
            b'I' => text((self.long()? as i32).to_string()),
            b'i' => text(self.long()?.to_string()),
            b'l' | b'L' => text((self.longlong()? as i64).to_string()),
            b'T' => text(self.longlong()?.to_string()),
            b'f' => text(f32::from_bits(self.long()?).to_string()),
            b'd' => text(f64::from_bits(self.longlong()?).to_string()),
            b'S' | b'x' => Some(self.long_text()?),
            b'D' => {
                self.need(5)?;
                self.0.advance(5);
                None
            }
            b'F' => {
                self.table(depth + 1)?;
                None
            }
            b'A' => {
                self.long_text()?;
                None
            }
            b'V' => None,
            _ => return Err(senseless()),
        })
    }
}

/// What a message tells beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    pub(super) headers: Vec<(Bytes, Bytes)>,
    pub(super) correlation_id: Option<Bytes>,
    pub(super) timestamp_s: Option<i64>,
}

/// The head of a message: how long it is, and its properties.
///
/// # Errors
/// If it is none.
pub(super) fn read_head(content: Bytes) -> Result<(u64, Properties)> {
    let mut fields = Fields(content);
    fields.long()?;
    let size = fields.longlong()?;
    let flags = fields.short()?;
    let has = |bit: u16| flags & (1 << bit) != 0;
    let mut properties = Properties::default();
    for bit in [15, 14] {
        if has(bit) {
            fields.short_text()?;
        }
    }
    if has(13) {
        properties.headers = fields.table(0)?;
    }
    for bit in [12, 11] {
        if has(bit) {
            fields.octet()?;
        }
    }
    if has(10) {
        properties.correlation_id = Some(fields.short_text()?);
    }
    for bit in [9, 8, 7] {
        if has(bit) {
            fields.short_text()?;
        }
    }
    if has(6) {
        properties.timestamp_s = i64::try_from(fields.longlong()?).ok();
    }
    Ok((size, properties))
}

/// Writes the fields of a method.
pub(super) struct Method(Vec<u8>);

impl Method {
    /// Without fields.
    pub(super) fn new((class, number): (u16, u16)) -> Self {
        let mut bytes = Vec::new();
        bytes.put_u16(class);
        bytes.put_u16(number);
        Method(bytes)
    }

    pub(super) fn octet(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn short(mut self, value: u16) -> Self {
        self.0.put_u16(value);
        self
    }

    pub(super) fn long(mut self, value: u32) -> Self {
        self.0.put_u32(value);
        self
    }

    pub(super) fn longlong(mut self, value: u64) -> Self {
        self.0.put_u64(value);
        self
    }

    /// A text of at most 255 bytes; callers have checked that.
    pub(super) fn short_text(mut self, text: &[u8]) -> Self {
        short_text(&mut self.0, text);
        self
    }

    pub(super) fn long_text(mut self, text: &[u8]) -> Self {
        long_text(&mut self.0, text);
        self
    }

    /// Appends the frame.
    pub(super) fn write(self, channel: u16, out: &mut Vec<u8>) {
        frame(1, channel, &self.0, out);
    }

    /// The frame.
    pub(super) fn frame(self, channel: u16) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(channel, &mut out);
        out
    }
}

fn short_text(out: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(usize::from(u8::MAX))];
    out.push(text.len() as u8);
    out.extend_from_slice(text);
}

fn long_text(out: &mut Vec<u8>, text: &[u8]) {
    out.put_u32(text.len() as u32);
    out.extend_from_slice(text);
}

fn frame(kind: u8, channel: u16, content: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.put_u16(channel);
    long_text(out, content);
    out.push(END);
}

/// A table of texts.
pub(super) fn table(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in pairs {
        short_text(&mut out, name.as_bytes());
        out.push(b'S');
        long_text(&mut out, value);
    }
    out
}

/// The client's properties: what it is, and that a refusal should be said.
pub(super) fn client_properties() -> Vec<u8> {
    let mut out = table(&[("product", b"flott"), ("version", env!("CARGO_PKG_VERSION").as_bytes())]);
    let mut capabilities = Vec::new();
    for name in ["authentication_failure_close", "publisher_confirms", "consumer_cancel_notify", "basic.nack"] {
        short_text(&mut capabilities, name.as_bytes());
        capabilities.extend_from_slice(b"t\x01");
    }
    short_text(&mut out, b"capabilities");
    out.push(b'F');
    long_text(&mut out, &capabilities);
    out
}

/// What is published.
pub(super) struct Publication<'a> {
    pub(super) exchange: &'a str,
    pub(super) routing_key: &'a str,
    /// Whether it comes back if no queue takes it.
    pub(super) mandatory: bool,
    pub(super) correlation_id: Option<&'a str>,
    pub(super) headers: &'a [(&'a str, &'a [u8])],
    pub(super) payload: &'a [u8],
}

/// Appends a frame whose content `write` appends.
fn frame_with(kind: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    out.put_u16(CHANNEL);
    let at = out.len();
    out.put_u32(0);
    write(out);
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    out.push(END);
}

/// Appends a persistent message: method, head and bodies.
pub(super) fn publish(publication: &Publication<'_>, frame_max: usize, out: &mut Vec<u8>) {
    frame_with(1, out, |out| {
        let (class, number) = method::PUBLISH;
        out.put_u16(class);
        out.put_u16(number);
        out.put_u16(0);
        short_text(out, publication.exchange.as_bytes());
        short_text(out, publication.routing_key.as_bytes());
        out.push(u8::from(publication.mandatory));
    });
    frame_with(2, out, |out| {
        out.put_u16(method::PUBLISH.0);
        out.put_u16(0);
        out.put_u64(publication.payload.len() as u64);
        let headers = !publication.headers.is_empty();
        let flag = |set: bool, bit: u16| u16::from(set) << bit;
        out.put_u16(flag(headers, 13) | flag(true, 12) | flag(publication.correlation_id.is_some(), 10));
        if headers {
            long_text(out, &table(publication.headers));
        }
        // Persistent.
        out.push(2);
        if let Some(id) = publication.correlation_id {
            short_text(out, id.as_bytes());
        }
    });
    for part in publication.payload.chunks(frame_max.saturating_sub(FRAME_BYTES_AROUND).max(1)) {
        frame(3, CHANNEL, part, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_however_it_is_cut() {
        let headers: [(&str, &[u8]); 2] = [("a", b"1"), ("b", b"")];
        let publication = Publication {
            exchange: "e",
            routing_key: "r",
            mandatory: true,
            correlation_id: Some("id7"),
            headers: &headers,
            payload: &[7; 30],
        };
        let mut sent = Vec::new();
        publish(&publication, 20, &mut sent);
        sent.extend_from_slice(HEARTBEAT);
        for step in [1, 9, sent.len()] {
            let (mut received, mut frames) = (BytesMut::new(), Vec::new());
            for part in sent.chunks(step) {
                received.extend_from_slice(part);
                while let Some(frame) = take_frame(&mut received).unwrap() {
                    frames.push(frame);
                }
            }
            let kinds: Vec<Kind> = frames.iter().map(|f| f.kind).collect();
            assert_eq!(kinds, [Kind::Method, Kind::Head, Kind::Body, Kind::Body, Kind::Body, Kind::Heartbeat]);
            let mut fields = Fields(frames[0].content.clone());
            assert_eq!((fields.method().unwrap(), fields.short().unwrap()), (method::PUBLISH, 0));
            assert_eq!((fields.short_text().unwrap(), fields.short_text().unwrap()), ("e".into(), "r".into()));
            let (size, properties) = read_head(frames[1].content.clone()).unwrap();
            assert_eq!((size, properties.correlation_id.as_deref()), (30, Some(&b"id7"[..])));
            assert_eq!(properties.headers[0], (Bytes::from_static(b"a"), Bytes::from_static(b"1")));
        }
    }

    #[test]
    fn tables_of_all_types_are_read() {
        let mut table = Vec::new();
        let values: [&[u8]; 7] =
            [b"t\x01", b"I\xff\xff\xff\xfe", b"l\0\0\0\0\0\0\0\x07", b"S\0\0\0\x01x", b"V", b"F\0\0\0\0", b"A\0\0\0\0"];
        for value in values {
            short_text(&mut table, b"n");
            table.extend_from_slice(value);
        }
        let mut bytes = Vec::new();
        long_text(&mut bytes, &table);
        let texts: Vec<Bytes> = Fields(bytes.into()).table(0).unwrap().into_iter().map(|(_, v)| v).collect();
        assert_eq!(texts, ["true", "-2", "7", "x"]);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let all: [&[u8]; 4] =
            [b"HTTP/1.1", b"AMQP\0\0\x09\x01", &[1, 0, 1, 0xff, 0, 0, 0], &[1, 0, 1, 0, 0, 0, 1, 9, 0]];
        for bytes in all {
            assert!(take_frame(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
        }
        assert!(Fields(Bytes::from_static(b"\0\0\0\x09x")).table(0).is_err());
        assert!(read_head(Bytes::from_static(b"\0")).is_err());
    }
}
