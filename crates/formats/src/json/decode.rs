//! JSON objects to batches: each value goes from its bytes straight into its column.

use flott_api::{ChangeBatch, Field, Result, RowKind};

use super::JsonOptions;
use super::scan::{Kind, Scanner};
use super::value::{Fail, Taken, ValueReader};
use crate::column::Columns;
use crate::records::{self, Records};
use crate::{DecodeError, Decoder, DecoderSpec};

/// Decodes JSON lines and messages.
pub(super) struct JsonDecoder {
    reader: ValueReader,
    fields: Vec<Field>,
    columns: Columns,
    skipped: u64,
}

impl JsonDecoder {
    /// A decoder of these columns.
    pub(super) fn new(options: JsonOptions, spec: &DecoderSpec) -> Self {
        JsonDecoder {
            reader: ValueReader::new(options, &spec.schema),
            columns: Columns::of(spec),
            fields: spec.schema.project(&spec.projection).fields,
            skipped: 0,
        }
    }

    /// An object is a row, an array of objects many.
    fn rows_of(&mut self, text: &[u8]) -> Taken<()> {
        let mut scan = Scanner::new(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
        if scan.is_at_end() {
            return Ok(());
        }
        match scan.kind()? {
            Kind::Object => self.row(&mut scan),
            Kind::Array => {
                scan.open()?;
                let mut first = true;
                while scan.more(first, b']')? {
                    first = false;
                    self.element(&mut scan)?;
                }
                Ok(())
            }
            Kind::Null if self.reader.options.builds_tree => Ok(scan.literal("null")?),
            _ => Err(no_object()),
        }
    }

    /// One of many rows: null is none, and one that does not fit does not disturb the others where such are skipped.
    fn element(&mut self, scan: &mut Scanner<'_>) -> Taken<()> {
        let kind = scan.kind()?;
        let (start, depth) = (scan.at(), scan.depth());
        let taken = match kind {
            Kind::Object => self.row(scan),
            Kind::Null => return Ok(scan.literal("null")?),
            _ => Err(no_object()),
        };
        match taken {
            Err(Fail::Mismatch(_)) if self.reader.options.ignore_parse_errors => {
                self.columns.roll_back();
                self.reader.damaged = true;
                scan.back_to(start, depth);
                scan.skip()?;
                Ok(())
            }
            taken => taken,
        }
    }

    fn row(&mut self, scan: &mut Scanner<'_>) -> Taken<()> {
        let rows = self.columns.rows();
        self.reader.object(scan, &self.fields, &mut self.columns.columns, rows, true)?;
        self.columns.added(1);
        Ok(())
    }
}

fn no_object() -> Fail {
    Fail::Mismatch("the record is no JSON object".to_owned())
}

impl Records for JsonDecoder {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn columns_mut(&mut self) -> (&mut Columns, Option<&mut Vec<RowKind>>) {
        (&mut self.columns, None)
    }

    fn record(&mut self, text: &[u8]) -> Result<(), String> {
        self.reader.damaged = false;
        let before = self.columns.rows();
        let Err(fail) = self.rows_of(text) else {
            self.skipped += u64::from(self.reader.damaged);
            return Ok(());
        };
        let options = &self.reader.options;
        if options.ignore_parse_errors && !options.builds_tree {
            // The objects of an array before the place that is no JSON are taken, as in Flink.
            self.columns.roll_back();
        } else {
            self.columns.cut(before);
        }
        if options.ignore_parse_errors {
            self.skipped += 1;
            return Ok(());
        }
        Err(fail.message())
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, window: &[u8], end: bool) -> Result<usize, DecodeError> {
        records::lines(self, window, end)
    }

    fn decode_messages(&mut self, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
        records::messages(self, messages, rows)
    }

    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn take(&mut self) -> Result<ChangeBatch> {
        Ok(ChangeBatch::inserts(self.columns.take()?))
    }

    fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped) + self.columns.take_dead_letters()
    }
}
