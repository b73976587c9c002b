//! Events to rows: the parts of an event are found in one scan, then the rows go from their bytes into the columns.

use flott_api::{ChangeBatch, Field, Result, RowKind, RowKinds};

use super::envelope::{Images, Parts, mismatch};
use super::metadata::MetadataReader;
use super::{AFTER, BEFORE, Changelog, Dialect, OPERATION, Operation};
use crate::column::Columns;
use crate::json::scan::{Kind, Scanner};
use crate::json::value::{Taken, ValueReader};
use crate::records::{self, Records};
use crate::{DecodeError, Decoder, DecoderSpec};

/// Decodes lines and messages.
pub(super) struct EventDecoder {
    dialect: &'static Dialect,
    wrapped: bool,
    filters: Vec<super::Filter>,
    reader: ValueReader,
    /// The physical columns; metadata columns come behind them.
    fields: Vec<Field>,
    columns: Columns,
    metadata: MetadataReader,
    kinds: Vec<RowKind>,
    scratch: Vec<u8>,
    skipped: u64,
}

impl EventDecoder {
    /// A decoder of these columns.
    pub(super) fn new(format: &Changelog, spec: &DecoderSpec) -> Result<Self> {
        Ok(EventDecoder {
            dialect: format.dialect,
            wrapped: format.schema_include.is_some(),
            filters: format.filters.clone(),
            reader: ValueReader::new(format.json.clone(), &spec.schema),
            fields: spec.schema.project(&spec.projection).fields,
            columns: Columns::of(spec),
            metadata: MetadataReader::new(format.dialect, &spec.metadata)?,
            kinds: Vec::new(),
            scratch: Vec::new(),
            skipped: 0,
        })
    }

    fn event(&mut self, text: &[u8]) -> Taken<()> {
        if Scanner::new(text).is_at_end() {
            // A tombstone of a log-compacted topic.
            return Ok(());
        }
        let parts = Parts::read(text, self.dialect, self.wrapped)?;
        for filter in &self.filters {
            if !filter.takes(&parts, self.dialect, &mut self.scratch)? {
                return Ok(());
            }
        }
        let gone = if self.dialect.only_changed { AFTER } else { BEFORE };
        match self.operation(&parts)? {
            Operation::Insert => self.rows(AFTER, &parts, RowKind::Insert),
            Operation::Update => self.updates(&parts),
            Operation::Delete => self.rows(gone, &parts, RowKind::Delete),
            Operation::Nothing => Ok(()),
        }
    }

    fn operation(&mut self, parts: &Parts<'_>) -> Taken<Operation> {
        let Dialect { operations, parts: names, .. } = self.dialect;
        let Some(text) = parts.operation(&mut self.scratch)? else {
            return mismatch(format!("the event has no '{}'", names[OPERATION]));
        };
        match operations.iter().find(|(name, _)| name.as_bytes() == text) {
            Some((_, operation)) => Ok(*operation),
            None => mismatch(format!(
                "'{}' is '{}' instead of {}",
                names[OPERATION],
                crate::text::excerpt(text),
                listed(operations)
            )),
        }
    }

    fn rows(&mut self, part: usize, parts: &Parts<'_>, kind: RowKind) -> Taken<()> {
        let mut images = self.images(part, parts, kind)?;
        while let Some(scan) = images.next_scan()? {
            self.row((scan, part), None, parts, kind)?;
            self.complete(kind);
        }
        Ok(())
    }

    fn updates(&mut self, parts: &Parts<'_>) -> Taken<()> {
        let mut after = self.images(AFTER, parts, RowKind::UpdateAfter)?;
        let mut before = None;
        while let Some(fields) = after.next()? {
            // Without rows after, those before may be missing.
            let before = match &mut before {
                Some(before) => before,
                none => none.insert(self.images(BEFORE, parts, RowKind::UpdateBefore)?),
            };
            let Some(old) = before.next()? else {
                let [_, before, after, ..] = self.dialect.parts else { return Ok(()) };
                return mismatch(format!("'{before}' has fewer rows than '{after}'"));
            };
            self.update(old, fields, parts)?;
        }
        Ok(())
    }

    /// Both rows of an update, or none.
    fn update(&mut self, old: &[u8], new: &[u8], parts: &Parts<'_>) -> Taken<()> {
        let rows = self.columns.rows();
        let (before, part, over) = match self.dialect.only_changed {
            true => (new, AFTER, Some(old)),
            false => (old, BEFORE, None),
        };
        self.row((&mut Scanner::new(before), part), over, parts, RowKind::UpdateBefore)?;
        self.complete(RowKind::UpdateBefore);
        let after = (&mut Scanner::new(new), AFTER);
        if let Err(fail) = self.row(after, None, parts, RowKind::UpdateAfter) {
            self.columns.cut(rows);
            self.kinds.truncate(rows);
            return Err(fail);
        }
        self.complete(RowKind::UpdateAfter);
        Ok(())
    }

    /// The rows of a part that must be there.
    fn images<'a>(&self, part: usize, parts: &Parts<'a>, kind: RowKind) -> Taken<Images<'a>> {
        let name = self.dialect.parts[part];
        match parts.get(part) {
            Some(text) => Images::new(text, name, self.dialect.many_rows),
            None => self.no_row(part, kind),
        }
    }

    fn no_row<T>(&self, part: usize, kind: RowKind) -> Taken<T> {
        let hint = if part == BEFORE { self.dialect.hint } else { "" };
        mismatch(format!("'{}' of a {kind} event is null{hint}", self.dialect.parts[part]))
    }

    /// Checks that a row is an object.
    fn object(&self, scan: &mut Scanner<'_>, part: usize, kind: RowKind) -> Taken<()> {
        match scan.kind()? {
            Kind::Object => Ok(()),
            Kind::Null => self.no_row(part, kind),
            _ if self.dialect.many_rows => {
                mismatch(format!("'{}' has what is no JSON object", self.dialect.parts[part]))
            }
            _ => mismatch(format!("'{}' is no JSON object", self.dialect.parts[part])),
        }
    }

    /// Reads a row and its metadata; the caller completes it. The fields come from the row of a part, and those of `over`
    /// lie over them.
    fn row(
        &mut self,
        (fields, part): (&mut Scanner<'_>, usize),
        over: Option<&[u8]>,
        parts: &Parts<'_>,
        kind: RowKind,
    ) -> Taken<()> {
        self.object(fields, part, kind)?;
        let mut over = over.map(Scanner::new);
        if let Some(over) = &mut over {
            self.object(over, BEFORE, kind)?;
        }
        let rows = self.columns.rows();
        let (columns, metadata) = self.columns.columns.split_at_mut(self.fields.len());
        self.reader.object(fields, &self.fields, columns, rows, true)?;
        if let Some(over) = &mut over {
            self.reader.members(over, &self.fields, columns, rows, true)?;
        }
        self.metadata.push(parts, &mut self.reader, metadata)
    }

    fn complete(&mut self, kind: RowKind) {
        self.columns.added(1);
        self.kinds.push(kind);
    }
}

/// The names of the operations: `c, r, u or d`.
fn listed(operations: &[(&str, Operation)]) -> String {
    let names: Vec<&str> = operations.iter().map(|(name, _)| *name).collect();
    match names.split_last() {
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

impl Records for EventDecoder {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn columns_mut(&mut self) -> (&mut Columns, Option<&mut Vec<RowKind>>) {
        (&mut self.columns, Some(&mut self.kinds))
    }

    fn record(&mut self, text: &[u8]) -> Result<(), String> {
        self.reader.damaged = false;
        let before = self.columns.rows();
        let Err(fail) = self.event(text) else {
            self.skipped += u64::from(self.reader.damaged);
            return Ok(());
        };
        if self.reader.options.ignore_parse_errors {
            // The rows of the event before the one that does not fit are taken, as in Flink.
            self.columns.roll_back();
            self.skipped += 1;
            return Ok(());
        }
        self.columns.cut(before);
        self.kinds.truncate(before);
        Err(fail.message())
    }
}

impl Decoder for EventDecoder {
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
        let kinds = RowKinds::new(std::mem::take(&mut self.kinds));
        ChangeBatch::new(self.columns.take()?, Some(kinds))
    }

    fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped) + self.columns.take_dead_letters()
    }
}
