//! Writes batches.

use bytes::Bytes;

use super::{ATTRIBUTE_TRANSACTIONAL, CHECKED_FROM, Compression, HEADER_BYTES, MAGIC, UNCOUNTED_BYTES, varint};

/// A header of a record that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordHeader<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
}

/// Who writes a batch, so that the broker knows one that comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// Whether the batch is part of a transaction.
    pub(crate) transactional: bool,
}

impl Producer {
    /// Nobody whom the broker knows.
    pub(crate) const UNKNOWN: Producer = Producer { id: -1, epoch: -1, transactional: false };
}

/// A batch that is filled.
#[derive(Debug, Default)]
pub(crate) struct BatchWriter {
    records: Vec<u8>,
    count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchWriter {
    /// Its records so far.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of its records, before they are compressed.
    pub(crate) fn bytes(&self) -> usize {
        self.records.len()
    }

    /// The most bytes that a batch of this record alone takes.
    pub(crate) fn bytes_of(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[RecordHeader<'_>]) -> usize {
        const NUMBERS_BYTES: usize = 10 + 5 * 5 + 1;
        let header = |h: &RecordHeader<'_>| h.name.len() + h.value.map_or(0, <[u8]>::len) + 10;
        let headers: usize = headers.iter().map(header).sum();
        HEADER_BYTES + NUMBERS_BYTES + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers
    }

    /// Appends a record.
    pub(crate) fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader<'_>],
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let time = timestamp.wrapping_sub(self.base_timestamp);
        let offset = i64::from(self.count);
        let nullable_size = |bytes: Option<&[u8]>| bytes.map_or(1, |b| varint::size(b.len() as i64) + b.len());
        let headers_size: usize = headers.iter().map(|h| nullable_size(Some(h.name)) + nullable_size(h.value)).sum();
        let numbers = 1 + varint::size(time) + varint::size(offset) + varint::size(headers.len() as i64);
        let length = numbers + nullable_size(key) + nullable_size(value) + headers_size;
        let out = &mut self.records;
        varint::put(length as i64, out);
        out.push(0);
        varint::put(time, out);
        varint::put(offset, out);
        put_nullable(key, out);
        put_nullable(value, out);
        varint::put(headers.len() as i64, out);
        for header in headers {
            put_nullable(Some(header.name), out);
            put_nullable(header.value, out);
        }
        self.count += 1;
    }

    /// The whole batch, and the writer is empty again. `sequence` is the number of its first record among those of the
    /// producer in this partition.
    ///
    /// # Errors
    /// If its records cannot be compressed.
    pub(crate) fn finish(
        &mut self,
        producer: Producer,
        sequence: i32,
        compression: Compression,
    ) -> Result<Bytes, String> {
        let records = std::mem::take(&mut self.records);
        let mut out = Vec::with_capacity(HEADER_BYTES + records.len());
        out.extend_from_slice(&[0; CHECKED_FROM]);
        let transactional = if producer.transactional { ATTRIBUTE_TRANSACTIONAL } else { 0 };
        out.extend_from_slice(&(compression.attributes() | transactional).to_be_bytes());
        let last_delta = (self.count as i32).saturating_sub(1);
        out.extend_from_slice(&last_delta.to_be_bytes());
        out.extend_from_slice(&self.base_timestamp.to_be_bytes());
        out.extend_from_slice(&self.max_timestamp.to_be_bytes());
        out.extend_from_slice(&producer.id.to_be_bytes());
        out.extend_from_slice(&producer.epoch.to_be_bytes());
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        compression.compress(&records, &mut out)?;
        let length = (out.len() - UNCOUNTED_BYTES) as i32;
        out[8..12].copy_from_slice(&length.to_be_bytes());
        // The epoch of the leader is the broker's to write.
        out[12..16].copy_from_slice(&(-1i32).to_be_bytes());
        out[16] = MAGIC as u8;
        let checksum = crc32c::crc32c(&out[CHECKED_FROM..]);
        out[17..21].copy_from_slice(&checksum.to_be_bytes());
        *self = BatchWriter { records: Vec::with_capacity(records.len()), ..BatchWriter::default() };
        Ok(Bytes::from(out))
    }
}

fn put_nullable(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => {
            varint::put(bytes.len() as i64, out);
            out.extend_from_slice(bytes);
        }
        None => varint::put(-1, out),
    }
}
