//! Batches to a container file.

use std::hash::{DefaultHasher, Hash, Hasher};

use flott_api::{ChangeBatch, Result};
use serde_json::{Value, json};

use super::codec::Codec;
use super::{MAGIC, MARKER_BYTES};
use crate::avro::write::{RecordWriter, branch, bytes, long};
use crate::{Encoded, Encoder};

/// A block is ended when it has become this large, as Java's writer does.
const BLOCK_BYTES: usize = 64_000;

/// Writes one file. Its marker is made of the schema and the first block, so that equal rows make equal files; it is
/// not written before that block.
pub(in crate::avro) struct ContainerWriter {
    writer: RecordWriter,
    schema: String,
    codec: Codec,
    marker: Option<[u8; MARKER_BYTES]>,
    block: Vec<u8>,
    rows: usize,
}

impl ContainerWriter {
    /// A writer of a file whose rows are that record. To Flink the rows of a file may be null, though none is.
    pub(in crate::avro) fn new(writer: RecordWriter, record: &Value, codec: Codec) -> Self {
        let schema = json!(["null", record]).to_string();
        ContainerWriter { writer, schema, codec, marker: None, block: Vec::new(), rows: 0 }
    }

    /// The marker; the first time the header is written.
    fn marker(&mut self, out: &mut Vec<u8>) -> [u8; MARKER_BYTES] {
        if let Some(marker) = self.marker {
            return marker;
        }
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &self.schema, &self.block).hash(&mut hasher);
            hasher.finish().to_be_bytes()
        };
        let mut marker = [0; MARKER_BYTES];
        marker[..8].copy_from_slice(&half(0));
        marker[8..].copy_from_slice(&half(1));
        out.extend_from_slice(MAGIC);
        long(2, out);
        bytes(b"avro.schema", out);
        bytes(self.schema.as_bytes(), out);
        bytes(b"avro.codec", out);
        bytes(self.codec.name().as_bytes(), out);
        out.push(0);
        out.extend_from_slice(&marker);
        self.marker = Some(marker);
        marker
    }

    fn end_block(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let marker = self.marker(out);
        if self.rows == 0 {
            return Ok(());
        }
        let mut packed = Vec::new();
        self.codec.compress(&self.block, &mut packed)?;
        long(self.rows as i64, out);
        bytes(&packed, out);
        out.extend_from_slice(&marker);
        self.block.clear();
        self.rows = 0;
        Ok(())
    }
}

impl Encoder for ContainerWriter {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let cells = self.writer.cells(batch)?;
        for row in 0..batch.len() {
            branch(0, false, &mut self.block);
            self.writer.row(&cells, row, &mut self.block)?;
            self.rows += 1;
            if self.block.len() >= BLOCK_BYTES {
                self.end_block(&mut out.bytes)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Encoded) -> Result<()> {
        self.end_block(&mut out.bytes)
    }

    fn held_bytes(&self) -> usize {
        self.block.len()
    }
}
