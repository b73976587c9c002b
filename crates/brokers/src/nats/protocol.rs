//! The protocol of NATS: lines, and messages with as many bytes as their line says.

use bytes::{Buf, Bytes, BytesMut};
use flott_api::{Error, Result};

/// A line of the protocol is shorter than this; that of `INFO` is the longest.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Servers allow no longer messages than this.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// What the server is, as JSON.
    Info(Bytes),
    Message(Delivery),
    Ping,
    Pong,
    Ok,
    Error(String),
}

/// A message of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) subject: Bytes,
    /// The number of the subscription.
    pub(super) subscription: u64,
    pub(super) reply: Option<Bytes>,
    /// The lines of headers, with their version and perhaps a status before them.
    pub(super) headers: Bytes,
    pub(super) payload: Bytes,
}

impl Delivery {
    /// The number of a status such as `408`, and what it says.
    pub(super) fn status(&self) -> Option<(u16, String)> {
        let line = self.headers.strip_prefix(b"NATS/1.0 ")?;
        let line = &line[..memchr::memchr(b'\r', line)?];
        let text = String::from_utf8_lossy(line);
        let (code, words) = text.split_once(' ').unwrap_or((&text, ""));
        Some((code.parse().ok()?, words.to_owned()))
    }

    /// Names and values.
    pub(super) fn pairs(&self) -> Vec<(Bytes, Bytes)> {
        let mut pairs = Vec::new();
        for line in self.headers.split(|b| *b == b'\n').skip(1) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            pairs.push((self.headers.slice_ref(name), self.headers.slice_ref(value)));
        }
        pairs
    }
}

fn senseless() -> Error {
    Error::external("an answer makes no sense: it is none of NATS").with_hint(
        "Check options 'host' and 'port'. With 'tls.enabled' the server must have 'handshake_first' in its 'tls'.",
    )
}

/// Takes an event from the front; nothing if it is not whole yet.
///
/// # Errors
/// If it is none.
pub(super) fn take_event(from: &mut BytesMut) -> Result<Option<Event>> {
    let Some(end) = memchr::memchr(b'\n', from) else {
        return if from.len() > LINE_BYTES_MAX { Err(senseless()) } else { Ok(None) };
    };
    if end == 0 || from[end - 1] != b'\r' {
        return Err(senseless());
    }
    let line = &from[..end - 1];
    let (word, rest) = line.split_at(memchr::memchr2(b' ', b'\t', line).unwrap_or(line.len()));
    let with_headers = match word {
        b"MSG" => false,
        b"HMSG" => true,
        _ => {
            let event = match word {
                b"PING" => Event::Ping,
                b"PONG" => Event::Pong,
                b"+OK" => Event::Ok,
                b"INFO" => Event::Info(Bytes::copy_from_slice(rest.trim_ascii())),
                b"-ERR" => Event::Error(String::from_utf8_lossy(rest.trim_ascii()).trim_matches('\'').to_owned()),
                _ => return Err(senseless()),
            };
            from.advance(end + 1);
            return Ok(Some(event));
        }
    };
    let fields: Vec<&[u8]> = rest.split(|b| *b == b' ').filter(|field| !field.is_empty()).collect();
    let numbers = if with_headers { 2 } else { 1 };
    if fields.len() != 2 + numbers && fields.len() != 3 + numbers {
        return Err(senseless());
    }
    let number =
        |at: usize| str::from_utf8(fields[at]).ok().and_then(|n| n.parse::<usize>().ok()).ok_or_else(senseless);
    let subscription = number(1)? as u64;
    let total = number(fields.len() - 1)?;
    let head = if with_headers { number(fields.len() - 2)? } else { 0 };
    if total > MESSAGE_BYTES_MAX || head > total {
        return Err(senseless());
    }
    if from.len() < end + 1 + total + 2 {
        return Ok(None);
    }
    let place = |field: &[u8]| field.as_ptr() as usize - from.as_ptr() as usize..;
    let subject = (place(fields[0]).start, fields[0].len());
    let reply = (fields.len() == 3 + numbers).then(|| (place(fields[2]).start, fields[2].len()));
    let mut whole = from.split_to(end + 1 + total + 2).freeze();
    let of = |(start, length): (usize, usize)| whole.slice(start..start + length);
    let (subject, reply) = (of(subject), reply.map(of));
    whole.advance(end + 1);
    let headers = whole.split_to(head);
    let payload = whole.split_to(total - head);
    Ok(Some(Event::Message(Delivery { subject, subscription, reply, headers, payload })))
}

/// Appends a message for a subject.
pub(super) fn publish(out: &mut Vec<u8>, subject: &str, reply: Option<&str>, headers: &[u8], payload: &[u8]) {
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(if headers.is_empty() { b"PUB " } else { b"HPUB " });
    out.extend_from_slice(subject.as_bytes());
    if let Some(reply) = reply {
        out.push(b' ');
        out.extend_from_slice(reply.as_bytes());
    }
    out.push(b' ');
    if !headers.is_empty() {
        out.extend_from_slice(number.format(headers.len()).as_bytes());
        out.push(b' ');
    }
    out.extend_from_slice(number.format(headers.len() + payload.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Whether messages can be published to it: parts between points, without white space and wildcards.
pub(super) fn is_subject(subject: &str) -> bool {
    is_filter(subject) && !subject.split('.').any(|part| part == "*" || part == ">")
}

/// Whether it may be subscribed: the same with wildcards.
pub(super) fn is_filter(filter: &str) -> bool {
    let parts: Vec<&str> = filter.split('.').collect();
    let good = |part: &&str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
    parts.iter().all(good) && !parts[..parts.len() - 1].contains(&">")
}

/// Whether a subject may match both.
pub(super) fn overlap(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(a), Some(b)) if a == "*" || b == "*" || a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let sent = b"INFO {\"a\":1} \r\nPING\r\n+OK\r\n-ERR 'No way'\r\nMSG a.b 1 5\r\nhel\r\n\r\n\
                     MSG a.b 1 r.x 0\r\n\r\nHMSG a 1 31 33\r\nNATS/1.0 408 Too late\r\nA: b\r\n\r\nhi\r\n\
                     HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n";
        for step in [1, 3, sent.len()] {
            let (mut received, mut events) = (BytesMut::new(), Vec::new());
            for part in sent.chunks(step) {
                received.extend_from_slice(part);
                while let Some(event) = take_event(&mut received).unwrap() {
                    events.push(event);
                }
            }
            assert_eq!(events.len(), 8, "{events:?}");
            assert_eq!(events[0], Event::Info(Bytes::from_static(b"{\"a\":1}")));
            assert_eq!(events[3], Event::Error("No way".to_owned()));
            let message = |at: usize| match &events[at] {
                Event::Message(message) => message.clone(),
                other => panic!("{other:?}"),
            };
            assert_eq!((&message(4).payload[..], message(4).reply), (&b"hel\r\n"[..], None));
            assert_eq!(message(5).reply.unwrap(), "r.x");
            assert_eq!(message(6).status(), Some((408, "Too late".to_owned())));
            assert_eq!(message(6).pairs(), [(Bytes::from_static(b"A"), Bytes::from_static(b"b"))]);
            assert_eq!((message(6).payload, message(7).status()), (Bytes::from_static(b"hi"), None));
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let all: [&[u8]; 5] = [b"HTTP/1.1\r\n", b"PING\n", b"MSG a 1 x\r\n", b"MSG a\r\n", b"HMSG a 1 9 3\r\n"];
        for bytes in all {
            assert!(take_event(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn subjects_match() {
        assert!(is_subject("a.b") && !is_subject("a.*") && !is_subject("a..b") && !is_subject("a b"));
        assert!(is_filter("a.*.>") && !is_filter("a.>.b") && !is_filter(""));
        assert!(overlap("a.*", "a.b") && overlap("a.>", "a.b.c") && overlap("*.b", "a.*"));
        assert!(!overlap("a.b", "a.c") && !overlap("a.*", "a.b.c") && !overlap("a.>", "a"));
    }
}
