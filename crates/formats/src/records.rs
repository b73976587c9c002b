//! Decoders that take a record at a time: a line of a file, or a message.

use flott_api::BATCH_ROWS_MAX;

use crate::{BadRecord, DecodeError};

/// What reads records one by one.
pub(crate) trait Records {
    /// How many rows are waiting.
    fn count(&self) -> usize;

    /// Takes a record, or says what is wrong with it; then nothing of it is there.
    fn record(&mut self, bytes: &[u8]) -> Result<(), String>;
}

/// [`Decoder::decode`](crate::Decoder::decode) of lines.
pub(crate) fn lines(records: &mut impl Records, window: &[u8], end: bool) -> Result<usize, DecodeError> {
    let mut at = 0;
    while records.count() < BATCH_ROWS_MAX {
        let Some((line, length)) = next_line(&window[at..], end) else { break };
        records.record(line).map_err(|what| DecodeError::Record(BadRecord { at, what }))?;
        at += length;
    }
    Ok(at)
}

/// [`Decoder::decode_messages`](crate::Decoder::decode_messages) of messages of one record.
pub(crate) fn messages(records: &mut impl Records, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
    for (at, message) in messages.iter().enumerate() {
        let before = records.count();
        records.record(message).map_err(|what| DecodeError::Record(BadRecord { at, what }))?;
        rows.push((records.count() - before) as u32);
    }
    Ok(())
}

/// The line at the front of `window`, without its end, and how many bytes it takes.
fn next_line(window: &[u8], end: bool) -> Option<(&[u8], usize)> {
    let (line, length) = match memchr::memchr(b'\n', window) {
        Some(i) => (&window[..i], i + 1),
        None if end && !window.is_empty() => (window, window.len()),
        None => return None,
    };
    Some((line.strip_suffix(b"\r").unwrap_or(line), length))
}
