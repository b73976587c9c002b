//! Frames: a command behind its length, and of messages their metadata and bytes behind a checksum.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flott_api::{Error, Result};
use prost::Message;

use super::proto::{BaseCommand, Kind, MessageMetadata};

/// What brokers allow unless they say otherwise, and what they add for the command.
pub(super) const MESSAGE_BYTES: usize = 5 << 20;
const PADDING_BYTES: usize = 10 << 10;
/// No broker allows longer messages than this here.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// What the checksum is behind.
const CHECKSUM_MAGIC: u16 = 0x0e01;
/// What the broker adds on its own, which nobody asks for here.
const BROKER_MAGIC: u16 = 0x0e02;

/// What came: a command, and what is behind it.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) command: BaseCommand,
    pub(super) content: Bytes,
}

/// That a server is none of Pulsar.
pub(super) fn senseless() -> Error {
    Error::external("an answer makes no sense: it is none of Pulsar").with_hint(
        "Check option 'service-url': it is 'pulsar://host:6650', and with TLS 'pulsar+ssl://host:6651'; the port is not that of \
         the web service.",
    )
}

/// A command alone.
pub(super) fn command(kind: Kind, fill: impl FnOnce(&mut BaseCommand)) -> Vec<u8> {
    let mut command = BaseCommand { kind: kind as i32, ..BaseCommand::default() };
    fill(&mut command);
    let length = command.encoded_len();
    let mut frame = Vec::with_capacity(8 + length);
    frame.put_u32(4 + length as u32);
    frame.put_u32(length as u32);
    command.encode_raw(&mut frame);
    frame
}

/// Appends a command with a message behind it.
pub(super) fn put_message(out: &mut Vec<u8>, command: &BaseCommand, metadata: &MessageMetadata, payload: &[u8]) {
    let (of_command, of_metadata) = (command.encoded_len(), metadata.encoded_len());
    let content = 2 + 4 + 4 + of_metadata + payload.len();
    out.reserve(8 + of_command + content);
    out.put_u32((4 + of_command + content) as u32);
    out.put_u32(of_command as u32);
    command.encode_raw(out);
    out.put_u16(CHECKSUM_MAGIC);
    let checksum_at = out.len();
    out.put_u32(0);
    out.put_u32(of_metadata as u32);
    metadata.encode_raw(out);
    out.extend_from_slice(payload);
    let checksum = crc32c::crc32c(&out[checksum_at + 4..]);
    out[checksum_at..checksum_at + 4].copy_from_slice(&checksum.to_be_bytes());
}

/// The next whole frame, if it has come. `message_bytes` is what the broker allows.
///
/// # Errors
/// If it is none.
pub(super) fn take_frame(received: &mut BytesMut, message_bytes: usize) -> Result<Option<Frame>> {
    let Some(head) = received.first_chunk::<4>() else { return Ok(None) };
    let total = u32::from_be_bytes(*head) as usize;
    if total < 4 || total > message_bytes + PADDING_BYTES {
        return Err(senseless());
    }
    if received.len() < 4 + total {
        received.reserve(4 + total - received.len());
        return Ok(None);
    }
    received.advance(4);
    let mut frame = received.split_to(total).freeze();
    let length = frame.get_u32() as usize;
    if length > frame.len() {
        return Err(senseless());
    }
    let command = BaseCommand::decode(frame.split_to(length)).map_err(|_| senseless())?;
    Ok(Some(Frame { command, content: frame }))
}

/// Metadata and bytes of a message.
///
/// # Errors
/// If they are cut, or not what was sent.
pub(super) fn read_message(mut content: Bytes) -> Result<(MessageMetadata, Bytes)> {
    let damaged = || Error::external("a message of Pulsar is damaged");
    if content.starts_with(&BROKER_MAGIC.to_be_bytes()) {
        content.advance(2);
        let length = content.try_get_u32().map_err(|_| damaged())? as usize;
        if length > content.len() {
            return Err(damaged());
        }
        content.advance(length);
    }
    if content.starts_with(&CHECKSUM_MAGIC.to_be_bytes()) {
        content.advance(2);
        let checksum = content.try_get_u32().map_err(|_| damaged())?;
        if crc32c::crc32c(&content) != checksum {
            return Err(damaged().with_detail("Its checksum is not that of its bytes."));
        }
    }
    let length = content.try_get_u32().map_err(|_| damaged())? as usize;
    if length > content.len() {
        return Err(damaged());
    }
    let metadata = MessageMetadata::decode(content.split_to(length)).map_err(|_| damaged())?;
    Ok((metadata, content))
}

#[cfg(test)]
mod tests {
    use super::super::proto::{CommandError, CommandSend};
    use super::*;

    fn sent(payload: &[u8]) -> Vec<u8> {
        let send = CommandSend { producer: 1, sequence_id: 2, ..CommandSend::default() };
        let command = BaseCommand { kind: Kind::Send as i32, send: Some(send), ..BaseCommand::default() };
        let metadata = MessageMetadata { producer_name: "p".to_owned(), sequence_id: 2, ..MessageMetadata::default() };
        let mut out = Vec::new();
        put_message(&mut out, &command, &metadata, payload);
        out
    }

    #[test]
    fn a_frame_is_what_was_put() {
        let error = CommandError { request: 7, error: 11, message: "no".to_owned() };
        let mut bytes = BytesMut::from(&command(Kind::Error, |c| c.error = Some(error.clone()))[..]);
        bytes.extend_from_slice(&sent(b"hello"));
        let whole = bytes.clone();
        let frame = take_frame(&mut bytes, 100).unwrap().unwrap();
        assert_eq!((frame.command.kind(), frame.command.error), (Kind::Error, Some(error)));
        let frame = take_frame(&mut bytes, 100).unwrap().unwrap();
        let (metadata, payload) = read_message(frame.content).unwrap();
        assert_eq!((metadata.sequence_id, &payload[..], bytes.len()), (2, &b"hello"[..], 0));
        // Cut anywhere, it is waited for.
        for cut in 0..whole.len() {
            let mut bytes = BytesMut::from(&whole[..cut]);
            while take_frame(&mut bytes, 100).unwrap().is_some() {}
        }
    }

    #[test]
    fn what_is_damaged_is_told() {
        let good = sent(b"hello");
        let whole = |bytes: &[u8]| {
            let frame = take_frame(&mut BytesMut::from(bytes), 100)?;
            frame.map_or(Ok(()), |frame| read_message(frame.content).map(|_| ()))
        };
        whole(&good).unwrap();
        for at in good.len() - 12..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(whole(&bad).is_err(), "{at}");
        }
        // Whatever the bytes are, nothing panics, and no length is believed.
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                drop(whole(&bad));
            }
        }
        assert!(whole(b"HTTP/1.1 400 Bad Request\r\n\r\n").is_err());
    }
}
