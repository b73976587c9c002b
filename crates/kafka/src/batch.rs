//! Batches of records, as they lie in a topic and travel both ways (version 2 of Kafka's format): a header of fixed
//! length, then records as differences to it, perhaps compressed as a whole.
//!
//! Source: the description of the message format in Kafka's documentation. Whatever bytes come, reading them gives
//! records or says what is wrong.

mod compression;
mod varint;
mod writer;

use bytes::{Buf, Bytes};

pub(crate) use compression::Compression;
pub(crate) use writer::{BatchWriter, Producer, RecordHeader};

/// Bytes of a batch before its records.
const HEADER_BYTES: usize = 61;
/// Bytes of a batch that its length does not count: the first offset and the length itself.
const UNCOUNTED_BYTES: usize = 12;
/// Where what the checksum covers begins.
const CHECKED_FROM: usize = 21;
const MAGIC: i8 = 2;

const ATTRIBUTE_COMPRESSION: i16 = 0b111;
const ATTRIBUTE_APPEND_TIME: i16 = 0b1000;
const ATTRIBUTE_TRANSACTIONAL: i16 = 0b1_0000;
const ATTRIBUTE_CONTROL: i16 = 0b10_0000;

/// A batch; its records may still be compressed.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) base_offset: i64,
    /// The offset of its last record, also if compaction has removed that.
    pub(crate) last_offset: i64,
    pub(crate) leader_epoch: i32,
    attributes: i16,
    base_timestamp: i64,
    max_timestamp: i64,
    pub(crate) producer_id: i64,
    /// How many records it says to have.
    pub(crate) count: u32,
    records: Bytes,
}

/// A record, as ranges of its batch's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Span>,
    pub(crate) value: Option<Span>,
    /// Its headers, as they are written, and how many.
    pub(crate) headers: Span,
    pub(crate) header_count: u32,
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(start: usize, end: usize) -> Option<Self> {
        Some(Span { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }

    /// How many bytes it is.
    pub(crate) fn length(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Its bytes.
    pub(crate) fn of_bytes(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The offset behind the last whole batch of what was fetched, without looking at its records.
///
/// # Errors
/// If the bytes are no batches.
pub(crate) fn end_offset(fetched: &[u8]) -> Result<Option<i64>, String> {
    let (mut at, mut end) = (0, None);
    while let Some(length) = whole_length(&fetched[at..])? {
        let mut header = &fetched[at..];
        let base = header.get_i64();
        header.advance(15);
        let delta = i64::from(header.get_i32());
        if delta < 0 || base < 0 {
            return Err(format!("a batch at offset {base} ends before it begins"));
        }
        end = Some(base.checked_add(delta).and_then(|last| last.checked_add(1)).ok_or("an offset is too large")?);
        at += length;
    }
    Ok(end)
}

/// The length of the batch at the front; nothing if it is not there as a whole.
fn whole_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    if bytes.len() < HEADER_BYTES {
        return Ok(None);
    }
    let mut header = &bytes[8..];
    let length = header.get_i32();
    let magic = bytes[16] as i8;
    if magic != MAGIC {
        return Err(format!("a batch has version {magic} of the message format, and only version 2 can be read"));
    }
    let length = usize::try_from(length).ok().and_then(|l| l.checked_add(UNCOUNTED_BYTES));
    match length {
        Some(length) if length >= HEADER_BYTES => Ok((bytes.len() >= length).then_some(length)),
        _ => Err("a batch is shorter than its header".to_owned()),
    }
}

/// Takes the batch at the front of what was fetched; nothing if it is not there as a whole. With `check` its checksum
/// is computed.
///
/// # Errors
/// If it is damaged.
pub(crate) fn take_batch(fetched: &mut Bytes, check: bool) -> Result<Option<Batch>, String> {
    let Some(length) = whole_length(fetched)? else { return Ok(None) };
    let bytes = fetched.split_to(length);
    let mut header = &bytes[..HEADER_BYTES];
    let base_offset = header.get_i64();
    header.advance(4);
    let leader_epoch = header.get_i32();
    header.advance(1);
    let checksum = header.get_u32();
    if check && crc32c::crc32c(&bytes[CHECKED_FROM..]) != checksum {
        return Err(format!("the batch at offset {base_offset} is damaged: its checksum is another one"));
    }
    let attributes = header.get_i16();
    let last_delta = header.get_i32();
    let base_timestamp = header.get_i64();
    let max_timestamp = header.get_i64();
    let producer_id = header.get_i64();
    header.advance(6);
    let count = header.get_i32();
    let last_offset = base_offset.checked_add(i64::from(last_delta)).filter(|last| *last >= base_offset);
    let (Some(last_offset), Ok(count)) = (last_offset, u32::try_from(count)) else {
        return Err(format!("the batch at offset {base_offset} has a count or an end that cannot be"));
    };
    let records = bytes.slice(HEADER_BYTES..);
    Ok(Some(Batch {
        base_offset,
        last_offset,
        leader_epoch,
        attributes,
        base_timestamp,
        max_timestamp,
        producer_id,
        count,
        records,
    }))
}

impl Batch {
    /// Whether it is part of a transaction.
    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & ATTRIBUTE_TRANSACTIONAL != 0
    }

    /// Whether it has marks of transactions and no records of anybody.
    pub(crate) fn is_control(&self) -> bool {
        self.attributes & ATTRIBUTE_CONTROL != 0
    }

    /// Whether its records have the time at which the broker got them.
    pub(crate) fn has_append_time(&self) -> bool {
        self.attributes & ATTRIBUTE_APPEND_TIME != 0
    }

    /// Its records, to be read one by one.
    ///
    /// # Errors
    /// If they cannot be decompressed.
    pub(crate) fn open(&self) -> Result<Records, String> {
        let at = |what: String| format!("the batch at offset {}: {what}", self.base_offset);
        let compression = Compression::of_attributes(self.attributes & ATTRIBUTE_COMPRESSION).map_err(at)?;
        let bytes = compression.decompress(&self.records).map_err(at)?;
        let append_time = self.has_append_time().then_some(self.max_timestamp);
        let Batch { base_offset, base_timestamp, last_offset, .. } = *self;
        Ok(Records { bytes, at: 0, left: self.count, base_offset, last_offset, base_timestamp, append_time })
    }

    /// What a mark of a transaction says: whether it was aborted.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn aborts(&self) -> Result<bool, String> {
        const ABORT: &[u8] = &[0, 0];
        const KEY_BYTES: usize = 4;
        let mut records = self.open()?;
        let record = records.next()?.ok_or("a mark of a transaction is empty")?;
        let key = record.key.map(|key| key.of_bytes(&records.bytes)).unwrap_or_default();
        if key.len() < KEY_BYTES {
            return Err("a mark of a transaction says nothing".to_owned());
        }
        Ok(&key[2..4] == ABORT)
    }
}

/// The records of a batch.
#[derive(Debug)]
pub(crate) struct Records {
    /// What the spans of its records are of.
    pub(crate) bytes: Bytes,
    at: usize,
    left: u32,
    base_offset: i64,
    /// The last offset that belongs to its batch.
    pub(crate) last_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl Records {
    /// How many records are left.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// The next record.
    ///
    /// # Errors
    /// If it is damaged.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, String> {
        if self.left == 0 {
            return Ok(None);
        }
        let at = self.at;
        let (record, end) = self.record().ok_or_else(|| {
            format!("the batch at offset {} is damaged: no record at byte {at} of its records", self.base_offset)
        })?;
        self.at = end;
        self.left -= 1;
        Ok(Some(record))
    }

    fn record(&self) -> Option<(Record, usize)> {
        let mut input = varint::Input::new(&self.bytes, self.at);
        let length = usize::try_from(input.varint()?).ok()?;
        let end = input.at().checked_add(length).filter(|end| *end <= self.bytes.len())?;
        input.byte()?;
        let timestamp = self.base_timestamp.checked_add(input.varlong()?)?;
        let delta = i64::from(input.varint()?);
        let offset =
            self.base_offset.checked_add(delta).filter(|o| (self.base_offset..=self.last_offset).contains(o))?;
        let key = input.nullable(end)?;
        let value = input.nullable(end)?;
        let header_count = u32::try_from(input.varint()?).ok()?;
        let headers = Span::of(input.at(), end)?;
        let timestamp = self.append_time.unwrap_or(timestamp);
        Some((Record { offset, timestamp, key, value, headers, header_count }, end))
    }
}

/// A header of a record: its name and its value, if it has one.
pub(crate) type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// The headers of a record of these bytes.
///
/// # Errors
/// If they are damaged.
pub(crate) fn headers<'a>(record: &Record, bytes: &'a [u8]) -> Result<Vec<Header<'a>>, String> {
    let written = record.headers.of_bytes(bytes);
    let mut input = varint::Input::new(written, 0);
    let mut headers = Vec::new();
    for _ in 0..record.header_count {
        let header = input.nullable(written.len()).and_then(|key| Some((key?, input.nullable(written.len())?)));
        let (key, value) =
            header.ok_or_else(|| format!("the headers of the record at offset {} are damaged", record.offset))?;
        headers.push((key.of_bytes(written), value.map(|value| value.of_bytes(written))));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
