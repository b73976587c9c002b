//! Rows as events: a row between what is written before and behind it.

use flott_api::{ChangeBatch, Result};

use super::{Changelog, Frame};
use crate::json::encode::RowWriter;
use crate::{Encoded, Encoder, EncoderSpec};

/// Encodes changes as insertions and deletions.
pub(super) struct EventEncoder {
    writer: RowWriter,
    insert: Frame,
    delete: Frame,
    line_ends: bool,
}

impl EventEncoder {
    /// An encoder of these columns.
    pub(super) fn new(format: &Changelog, spec: &EncoderSpec) -> Self {
        let frames = &format.dialect.frames;
        let (insert, delete) = match format.json.ignore_null_fields {
            true => (frames.short_insert, frames.short_delete),
            false => (frames.insert, frames.delete),
        };
        let writer = RowWriter::new(format.json.clone(), &spec.schema.fields);
        EventEncoder { writer, insert, delete, line_ends: spec.line_ends }
    }
}

impl Encoder for EventEncoder {
    fn encode(&mut self, batch: &ChangeBatch, out: &mut Encoded) -> Result<()> {
        let cells = self.writer.cells(batch)?;
        for row in 0..batch.len() {
            let [before, behind] = if batch.kind(row).is_retract() { self.delete } else { self.insert };
            out.bytes.extend_from_slice(before.as_bytes());
            self.writer.row(&cells, row, &mut out.bytes)?;
            out.bytes.extend_from_slice(behind.as_bytes());
            if self.line_ends {
                out.bytes.push(b'\n');
            }
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}
