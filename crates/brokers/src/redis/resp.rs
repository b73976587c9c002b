//! The protocol of Redis (RESP2): commands that go, replies that come.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use flott_api::{Error, Result};

/// An answer of several parts has no parts of several parts here.
const DEPTH_MAX: usize = 2;
/// A reply is no longer than this.
pub(super) const REPLY_BYTES_MAX: usize = 256 << 20;
/// A line of lengths or states.
const LINE_BYTES_MAX: usize = 64 << 10;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Status(Bytes),
    Error(String),
    Integer(i64),
    /// Nothing for a key or field that does not exist.
    Bulk(Option<Bytes>),
    Array(Vec<Reply>),
}

/// Commands, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Commands {
    pub(super) bytes: Vec<u8>,
    /// How many they are.
    pub(super) count: usize,
    /// The arguments of the one that is being written, and where each ends.
    arguments: Vec<u8>,
    ends: Vec<usize>,
}

impl Commands {
    /// Adds an argument to the command.
    pub(super) fn argument(&mut self, argument: &[u8]) {
        self.arguments.extend_from_slice(argument);
        self.ends.push(self.arguments.len());
    }

    /// Adds an argument if `write` says so, which appends its bytes.
    pub(super) fn argument_with(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let before = self.arguments.len();
        let written = write(&mut self.arguments);
        if written {
            self.ends.push(self.arguments.len());
        } else {
            self.arguments.truncate(before);
        }
        written
    }

    /// Takes back the last argument.
    pub(super) fn take_back(&mut self) {
        self.ends.pop();
        self.arguments.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// The command is whole.
    pub(super) fn end(&mut self) {
        let mut number = itoa::Buffer::new();
        self.bytes.push(b'*');
        self.bytes.extend_from_slice(number.format(self.ends.len()).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        let mut start = 0;
        for end in self.ends.drain(..) {
            self.bytes.push(b'$');
            self.bytes.extend_from_slice(number.format(end - start).as_bytes());
            self.bytes.extend_from_slice(b"\r\n");
            self.bytes.extend_from_slice(&self.arguments[start..end]);
            self.bytes.extend_from_slice(b"\r\n");
            start = end;
        }
        self.arguments.clear();
        self.count += 1;
    }

    /// The command is not sent.
    pub(super) fn forget(&mut self) {
        self.ends.clear();
        self.arguments.clear();
    }

    /// A whole command.
    pub(super) fn push(&mut self, arguments: &[&[u8]]) {
        arguments.iter().for_each(|argument| self.argument(argument));
        self.end();
    }

    /// None are there any more.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

/// Takes a reply from the front; nothing if it is not whole yet.
///
/// # Errors
/// If it is none.
pub(super) fn take_reply(from: &mut BytesMut) -> Result<Option<Reply>> {
    let Some(end) = end_of(from, 0, 0)? else {
        if from.len() > REPLY_BYTES_MAX {
            return Err(Error::external(format!("an answer of Redis is longer than {REPLY_BYTES_MAX} bytes")));
        }
        return Ok(None);
    };
    let mut whole = from.split_to(end).freeze();
    parse(&mut whole).map(Some)
}

fn senseless() -> Error {
    Error::external("an answer makes no sense: it is none of Redis")
        .with_hint("Check options 'host' and 'port', and 'tls.enabled' if the server wants TLS.")
}

/// The line at `at` without its mark and its end, and where the next one begins.
fn line(bytes: &[u8], at: usize) -> Result<Option<(Range<usize>, usize)>> {
    let rest = &bytes[at..];
    match memchr::memchr(b'\n', rest) {
        Some(end) if end >= 2 && rest[end - 1] == b'\r' => Ok(Some((at + 1..at + end - 1, at + end + 1))),
        Some(_) => Err(senseless()),
        None if rest.len() > LINE_BYTES_MAX => Err(senseless()),
        None => Ok(None),
    }
}

fn number(bytes: &[u8]) -> Result<i64> {
    str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or_else(senseless)
}

/// Where the reply at `at` ends, if it is all there.
fn end_of(bytes: &[u8], at: usize, depth: usize) -> Result<Option<usize>> {
    let Some(mark) = bytes.get(at) else { return Ok(None) };
    let Some((text, next)) = line(bytes, at)? else {
        return if b"+-:$*".contains(mark) { Ok(None) } else { Err(senseless()) };
    };
    match mark {
        b'+' | b'-' | b':' => Ok(Some(next)),
        b'$' => match number(&bytes[text])? {
            -1 => Ok(Some(next)),
            length => {
                let length = usize::try_from(length).ok().filter(|n| *n <= REPLY_BYTES_MAX).ok_or_else(senseless)?;
                let end = next + length + 2;
                Ok((bytes.len() >= end).then_some(end))
            }
        },
        b'*' if depth < DEPTH_MAX => {
            let count = number(&bytes[text])?;
            let mut at = next;
            for _ in 0..count {
                match end_of(bytes, at, depth + 1)? {
                    Some(end) => at = end,
                    None => return Ok(None),
                }
            }
            Ok(Some(at))
        }
        _ => Err(senseless()),
    }
}

/// Reads a reply that is all there.
fn parse(bytes: &mut Bytes) -> Result<Reply> {
    let (text, next) = line(bytes, 0)?.ok_or_else(senseless)?;
    let mark = bytes[0];
    let text = bytes.slice(text);
    bytes.advance(next);
    Ok(match mark {
        b'+' => Reply::Status(text),
        b'-' => Reply::Error(String::from_utf8_lossy(&text).into_owned()),
        b':' => Reply::Integer(number(&text)?),
        b'$' => match number(&text)? {
            -1 => Reply::Bulk(None),
            length => {
                let bulk = bytes.split_to(length as usize);
                bytes.advance(2);
                Reply::Bulk(Some(bulk))
            }
        },
        _ => {
            let count = number(&text)?.max(0);
            Reply::Array((0..count).map(|_| parse(bytes)).collect::<Result<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written() {
        let mut commands = Commands::default();
        commands.argument(b"HSET");
        commands.argument(b"a");
        assert!(commands.argument_with(|out| {
            out.extend_from_slice(b"12");
            true
        }));
        assert!(!commands.argument_with(|out| {
            out.push(b'x');
            false
        }));
        commands.end();
        commands.argument(b"lost");
        commands.forget();
        commands.push(&[b"PING", b""]);
        let text = String::from_utf8(commands.bytes.clone()).unwrap();
        assert_eq!(text, "*3\r\n$4\r\nHSET\r\n$1\r\na\r\n$2\r\n12\r\n*2\r\n$4\r\nPING\r\n$0\r\n\r\n");
        assert_eq!(commands.count, 2);
    }

    #[test]
    fn replies_are_read_however_they_are_cut() {
        let sent = b"+OK\r\n-ERR no\r\n:-7\r\n$-1\r\n$3\r\na\r\n\r\n*3\r\n$1\r\nx\r\n$-1\r\n:1\r\n*-1\r\n";
        let bulk = |text: &'static [u8]| Reply::Bulk(Some(Bytes::from_static(text)));
        let expected = [
            Reply::Status(Bytes::from_static(b"OK")),
            Reply::Error("ERR no".to_owned()),
            Reply::Integer(-7),
            Reply::Bulk(None),
            bulk(b"a\r\n"),
            Reply::Array(vec![bulk(b"x"), Reply::Bulk(None), Reply::Integer(1)]),
            Reply::Array(Vec::new()),
        ];
        for step in [1, 2, 7, sent.len()] {
            let (mut received, mut replies) = (BytesMut::new(), Vec::new());
            for part in sent.chunks(step) {
                received.extend_from_slice(part);
                while let Some(reply) = take_reply(&mut received).unwrap() {
                    replies.push(reply);
                }
            }
            assert_eq!(replies, expected, "{step}");
            assert!(received.is_empty());
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let deep = "*1\r\n".repeat(9);
        let all: [&[u8]; 6] = [b"HTTP/1.1 400\r\n", b"\x15\x03", b"$x\r\n", b"$-2\r\n", b"+\n", deep.as_bytes()];
        for bytes in all {
            assert!(take_reply(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
        }
    }
}
