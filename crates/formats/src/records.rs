//! Decoders that take a record at a time: a line of a file, or a message.

use flott_api::{BATCH_ROWS_MAX, RowKind};

use crate::column::{Columns, Place};
use crate::{BadRecord, DecodeError};

/// What reads records one by one.
pub(crate) trait Records {
    /// The rows that are waiting.
    fn columns(&self) -> &Columns;

    /// The same, and the row kinds where rows have such.
    fn columns_mut(&mut self) -> (&mut Columns, Option<&mut Vec<RowKind>>);

    /// Takes a record, or says what is wrong with it; then nothing of it is there.
    fn record(&mut self, bytes: &[u8]) -> Result<(), String>;
}

/// [`Decoder::decode`](crate::Decoder::decode) of lines.
pub(crate) fn lines(records: &mut impl Records, window: &[u8], end: bool) -> Result<usize, DecodeError> {
    let mut at = 0;
    while records.columns().rows() < BATCH_ROWS_MAX {
        let Some((line, length)) = next_line(&window[at..], end) else { break };
        take(records, line, Place::Byte(at)).map_err(|what| DecodeError::Record(BadRecord { at, what }))?;
        at += length;
    }
    records.columns_mut().0.took(at);
    Ok(at)
}

/// [`Decoder::decode_messages`](crate::Decoder::decode_messages) of messages of one record.
pub(crate) fn messages(records: &mut impl Records, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
    for (at, message) in messages.iter().enumerate() {
        let before = records.columns().rows();
        take(records, message, Place::Message(at)).map_err(|what| DecodeError::Record(BadRecord { at, what }))?;
        rows.push((records.columns().rows() - before) as u32);
    }
    Ok(())
}

/// Takes a record; one that does not fit becomes a dead letter as a whole, or fails.
fn take(records: &mut impl Records, bytes: &[u8], at: Place) -> Result<(), String> {
    let before = records.columns().rows();
    let fits = records.record(bytes).and_then(|()| records.columns().missing(before).map_or(Ok(()), Err));
    let Err(what) = fits else { return Ok(()) };
    let (columns, kinds) = records.columns_mut();
    columns.cut(before);
    let kept = columns.push_dead(bytes, &what, at);
    if let Some(kinds) = kinds {
        kinds.truncate(before);
        kinds.extend(kept.then_some(RowKind::Insert));
    }
    if kept { Ok(()) } else { Err(what) }
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
