//! Batches: several messages in one entry of a topic, each behind its own metadata.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BufMut, Bytes};
use flott_api::{Error, Result};
use prost::Message as _;

use super::compression::Compression;
use super::frame::{MESSAGE_BYTES_MAX, read_message};
use super::place::Place;
use super::proto::{KeyValue, MessageMetadata, SingleMetadata};
use crate::messages::Message;

/// No producer makes larger batches.
const MESSAGES_MAX: i32 = 1 << 20;

/// A message to be written.
#[derive(Debug, Default)]
pub(super) struct Outgoing<'a> {
    pub(super) key: Option<OutgoingKey<'a>>,
    pub(super) event_ms: Option<i64>,
    pub(super) properties: Vec<(&'a str, &'a str)>,
    pub(super) payload: &'a [u8],
}

/// Its key: a text, or bytes, which Pulsar writes in base64.
#[derive(Clone, Copy, Debug)]
pub(super) enum OutgoingKey<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> OutgoingKey<'a> {
    /// As it stands in the metadata.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            OutgoingKey::Text(text) => Cow::Borrowed(text),
            OutgoingKey::Bytes(bytes) => Cow::Owned(STANDARD.encode(bytes)),
        }
    }

    /// The same, and whether it is base64.
    fn written(self) -> (String, Option<bool>) {
        (self.text().into_owned(), matches!(self, OutgoingKey::Bytes(_)).then_some(true))
    }
}

impl Outgoing<'_> {
    /// About how long it is.
    pub(super) fn bytes(&self) -> usize {
        let key = match self.key {
            None => 0,
            Some(OutgoingKey::Text(text)) => text.len(),
            Some(OutgoingKey::Bytes(bytes)) => bytes.len() * 4 / 3 + 4,
        };
        self.payload.len() + key + self.properties.iter().map(|(k, v)| k.len() + v.len() + 6).sum::<usize>() + 24
    }

    fn properties(&self) -> Vec<KeyValue> {
        let pair = |(key, value): &(&str, &str)| KeyValue { key: (*key).to_owned(), value: (*value).to_owned() };
        self.properties.iter().map(pair).collect()
    }

    /// The metadata and bytes of this message alone.
    ///
    /// # Errors
    /// If it cannot be compressed.
    pub(super) fn alone(&self, compression: Compression) -> Result<(MessageMetadata, Vec<u8>)> {
        let (partition_key, key_is_base64) = self.key.map(OutgoingKey::written).unzip();
        let mut metadata = MessageMetadata {
            partition_key,
            key_is_base64: key_is_base64.flatten(),
            properties: self.properties(),
            event_time: self.event_ms.and_then(|ms| u64::try_from(ms).ok()),
            ..MessageMetadata::default()
        };
        let payload = compress(self.payload, compression, &mut metadata)?;
        Ok((metadata, payload))
    }
}

fn compress(bytes: &[u8], compression: Compression, metadata: &mut MessageMetadata) -> Result<Vec<u8>> {
    if compression != Compression::None {
        metadata.compression = Some(compression as i32);
        metadata.uncompressed_size = Some(bytes.len() as u32);
    }
    compression.compress(bytes)
}

/// A batch that is being made.
#[derive(Debug, Default)]
pub(super) struct BatchBuilder {
    bytes: Vec<u8>,
    messages: i32,
    first_sequence_id: u64,
}

impl BatchBuilder {
    /// Adds a message with this number.
    pub(super) fn add(&mut self, message: &Outgoing<'_>, sequence_id: u64) {
        if self.messages == 0 {
            self.first_sequence_id = sequence_id;
        }
        let (partition_key, key_is_base64) = message.key.map(OutgoingKey::written).unzip();
        let metadata = SingleMetadata {
            properties: message.properties(),
            partition_key,
            payload_size: message.payload.len() as i32,
            event_time: message.event_ms.and_then(|ms| u64::try_from(ms).ok()),
            key_is_base64: key_is_base64.flatten(),
            sequence_id: Some(sequence_id),
            ..SingleMetadata::default()
        };
        self.bytes.put_u32(metadata.encoded_len() as u32);
        metadata.encode_raw(&mut self.bytes);
        self.bytes.extend_from_slice(message.payload);
        self.messages += 1;
    }

    pub(super) fn messages(&self) -> usize {
        self.messages as usize
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The metadata and bytes of the batch; another one can be begun.
    ///
    /// # Errors
    /// If it cannot be compressed.
    pub(super) fn finish(&mut self, compression: Compression) -> Result<(MessageMetadata, Vec<u8>)> {
        let mut metadata = MessageMetadata {
            sequence_id: self.first_sequence_id,
            highest_sequence_id: Some(self.first_sequence_id + self.messages.max(1) as u64 - 1),
            messages: Some(self.messages),
            ..MessageMetadata::default()
        };
        let payload = compress(&self.bytes, compression, &mut metadata)?;
        (self.messages, self.first_sequence_id) = (0, 0);
        self.bytes.clear();
        Ok((metadata, payload))
    }
}

/// What an entry has.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) messages: Vec<Message>,
    /// For how many the broker counts it.
    pub(super) permits: u32,
    /// When it was published.
    pub(super) publish_ms: i64,
}

/// The messages of an entry; such as have no value, or were compacted away, are left out.
///
/// # Errors
/// If it is damaged, or of a kind that is not supported.
pub(super) fn unpack(content: Bytes, place: Place, topic: &Bytes, all: bool) -> Result<Unpacked> {
    let (metadata, payload) = read_message(content)?;
    if let Some(key) = metadata.encryption_keys.first() {
        return Err(Error::external("a message is encrypted, and connector 'pulsar' has no keys")
            .with_detail(format!("It is encrypted with key '{}'.", key.key)));
    }
    if metadata.chunks.is_some_and(|chunks| chunks > 1) {
        return Err(Error::external("a message comes in chunks, which connector 'pulsar' does not put together")
            .with_hint("Let its producer write without 'chunkingEnabled'."));
    }
    let publish_ms = i64::try_from(metadata.publish_time).unwrap_or_default();
    let permits = metadata.messages.unwrap_or(1).clamp(1, MESSAGES_MAX) as u32;
    let mut unpacked = Unpacked { messages: Vec::new(), permits, publish_ms };
    if metadata.marker.is_some() {
        return Ok(unpacked);
    }
    let compression = Compression::of_number(metadata.compression.unwrap_or_default())?;
    let size = metadata.uncompressed_size.unwrap_or_default() as usize;
    let payload = compression.decompress(payload, size)?;
    // What all messages of the entry share.
    let of_entry = Message {
        address: topic.clone(),
        producer: Bytes::from(metadata.producer_name.clone().into_bytes()),
        sequence: metadata.sequence_id,
        timestamp_ms: Some(publish_ms),
        ..Message::default()
    };
    if let Some(count) = metadata.messages {
        unpack_batch(payload, (place, count), &metadata, &of_entry, (&mut unpacked, all))?;
    } else if !metadata.null_value.unwrap_or_default() {
        unpacked.messages.push(Message {
            payload,
            key: key(metadata.partition_key, metadata.key_is_base64)?,
            event_ms: event_ms(metadata.event_time),
            headers: if all { pairs(metadata.properties) } else { Vec::new() },
            place: place.of_message(),
            ..of_entry
        });
    }
    Ok(unpacked)
}

fn unpack_batch(
    mut payload: Bytes,
    (place, count): (Place, i32),
    metadata: &MessageMetadata,
    of_entry: &Message,
    (unpacked, all): (&mut Unpacked, bool),
) -> Result<()> {
    let damaged = || Error::external(format!("the batch {place} is damaged"));
    if !(0..=MESSAGES_MAX).contains(&count) || payload.len() > MESSAGE_BYTES_MAX {
        return Err(damaged());
    }
    let compacted = &metadata.compacted_batch_indexes;
    for index in (0..count).filter(|index| compacted.is_empty() || compacted.contains(index)) {
        let length = payload.try_get_u32().map_err(|_| damaged())? as usize;
        if length > payload.len() {
            return Err(damaged());
        }
        let single = SingleMetadata::decode(payload.split_to(length)).map_err(|_| damaged())?;
        let length = usize::try_from(single.payload_size).ok().filter(|length| *length <= payload.len());
        let body = payload.split_to(length.ok_or_else(damaged)?);
        if single.compacted_out.unwrap_or_default() || single.null_value.unwrap_or_default() {
            continue;
        }
        unpacked.messages.push(Message {
            payload: body,
            key: key(single.partition_key, single.key_is_base64)?,
            event_ms: event_ms(single.event_time),
            headers: if all { pairs(single.properties) } else { Vec::new() },
            sequence: single.sequence_id.unwrap_or(of_entry.sequence.wrapping_add(index as u64)),
            place: Place { index, count, ..place }.of_message(),
            ..of_entry.clone()
        });
    }
    Ok(())
}

fn key(text: Option<String>, is_base64: Option<bool>) -> Result<Option<Bytes>> {
    let Some(text) = text else { return Ok(None) };
    if !is_base64.unwrap_or_default() {
        return Ok(Some(Bytes::from(text.into_bytes())));
    }
    let bytes =
        STANDARD.decode(text).map_err(|e| Error::external("the key of a message is no base64").with_source(e))?;
    Ok(Some(Bytes::from(bytes)))
}

fn event_ms(time: Option<u64>) -> Option<i64> {
    time.filter(|time| *time > 0).and_then(|time| i64::try_from(time).ok())
}

fn pairs(properties: Vec<KeyValue>) -> Vec<(Bytes, Bytes)> {
    let bytes = |text: String| Bytes::from(text.into_bytes());
    properties.into_iter().map(|pair| (bytes(pair.key), bytes(pair.value))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::frame::put_message;
    use super::super::proto::BaseCommand;
    use super::*;

    const PLACE: Place = Place { ledger: 3, entry: 4, index: -1, count: 0, partition: -1 };

    fn content(metadata: &MessageMetadata, payload: &[u8]) -> Bytes {
        let mut frame = Vec::new();
        put_message(&mut frame, &BaseCommand::default(), metadata, payload);
        let mut frame = Bytes::from(frame);
        frame.advance(4);
        let length = frame.get_u32() as usize;
        frame.slice(length..)
    }

    fn read(metadata: &MessageMetadata, payload: &[u8]) -> Result<Unpacked> {
        unpack(content(metadata, payload), PLACE, &Bytes::from_static(b"t"), true)
    }

    #[test]
    fn a_batch_is_what_was_added() {
        for (_, compression) in Compression::NAMES {
            let mut builder = BatchBuilder::default();
            let key = OutgoingKey::Bytes(b"\xff\x00");
            let first = Outgoing { key: Some(key), payload: b"one", properties: vec![("a", "b")], event_ms: Some(9) };
            builder.add(&first, 7);
            builder.add(&Outgoing { key: Some(OutgoingKey::Text("k")), payload: b"", ..Outgoing::default() }, 8);
            let (metadata, payload) = builder.finish(compression).unwrap();
            assert_eq!((builder.messages(), builder.bytes()), (0, 0));
            let unpacked = read(&metadata, &payload).unwrap();
            let [first, second] = &unpacked.messages[..] else { panic!("{unpacked:?}") };
            assert_eq!(
                (&first.payload[..], first.key.as_deref(), first.event_ms),
                (&b"one"[..], Some(&b"\xff\0"[..]), Some(9))
            );
            assert_eq!((first.sequence, second.sequence, second.key.as_deref()), (7, 8, Some(&b"k"[..])));
            assert_eq!(first.headers, [(Bytes::from_static(b"a"), Bytes::from_static(b"b"))]);
            assert_eq!((unpacked.permits, second.place.index, second.place.count), (2, 1, 2));
            // Cut anywhere, it is an error.
            if compression == Compression::None {
                (0..payload.len()).for_each(|cut| assert!(read(&metadata, &payload[..cut]).is_err(), "{cut}"));
            }
        }
    }

    #[test]
    fn what_was_compacted_away_or_has_no_value_is_left_out() {
        let mut builder = BatchBuilder::default();
        for payload in [&b"a"[..], b"c"] {
            builder.add(&Outgoing { payload, ..Outgoing::default() }, 0);
        }
        let (mut metadata, payload) = builder.finish(Compression::None).unwrap();
        (metadata.messages, metadata.compacted_batch_indexes) = (Some(3), vec![0, 2]);
        let unpacked = read(&metadata, &payload).unwrap();
        let places: Vec<i32> = unpacked.messages.iter().map(|message| message.place.index).collect();
        assert_eq!((places, unpacked.permits), (vec![0, 2], 3));
        let (mut metadata, payload) =
            Outgoing { payload: b"x", ..Outgoing::default() }.alone(Compression::Lz4).unwrap();
        assert_eq!(read(&metadata, &payload).unwrap().messages.len(), 1);
        metadata.null_value = Some(true);
        assert!(read(&metadata, &payload).unwrap().messages.is_empty());
        metadata.chunks = Some(2);
        assert!(read(&metadata, &payload).unwrap_err().message().contains("chunks"));
        metadata.messages = Some(-1);
        assert!(read(&metadata, &payload).is_err());
    }
}
