//! Reads one split: blocking, a piece at a time.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, Result};
use flott_formats::{Decoder, FileReader, Layout};

use super::blocking::io_error;
use super::compression::{Compression, skip};
use super::origins::{Origins, place};
use super::source::Shared;
use super::split::{FileSplit, Position};

/// A step ends when it has decoded this much, so that a batch of long rows stays small.
const STEP_BYTES: usize = 4 << 20;
/// Bytes that are read at once.
const READ_BYTES: usize = 512 * 1024;
/// A longer record is refused, because it would have to lie in memory as a whole.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// What a step gave.
pub(super) struct Step {
    /// Rows as the file has them, each with the position behind it.
    pub(super) batches: Vec<(ChangeBatch, Position)>,
    /// Whether the split has ended.
    pub(super) finished: bool,
    /// Records that were skipped.
    pub(super) skipped: u64,
}

/// An open split.
pub(super) enum Cursor {
    /// A sequence of records.
    Records(Box<RecordCursor>),
    /// A file that is read as a whole.
    File(Box<dyn FileReader>, FileSplit),
}

/// Reads records.
pub(super) struct RecordCursor {
    input: Box<dyn Read + Send>,
    decoder: Box<dyn Decoder>,
    split: FileSplit,
    environment: Environment,
    window: Vec<u8>,
    /// The first byte of `window` that is not decoded.
    at: usize,
    /// Where the first byte of `window` lies in the file.
    base: u64,
    /// Whether nothing will be added to the window.
    ended: bool,
    /// Rows that were emitted before a restart, and are decoded again.
    rows_to_skip: u64,
    /// Where dead letters come from, if there may be such.
    origins: Option<Origins>,
    /// A record that does not fit: it fails the split when the rows before it are out.
    failure: Option<Error>,
}

impl Cursor {
    /// Opens a split where it was left.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn open(shared: &Arc<Shared>, environment: &Environment, split: &FileSplit) -> Result<Self> {
        let (files, path) = environment.files.resolve(&split.path)?;
        let file = files.open(&path).map_err(|e| io_error("open", &split.path, e))?;
        match shared.format.layout() {
            Layout::File(format) => {
                let range = split.start..split.end.unwrap_or(u64::MAX);
                let reader = format.reader(file, &shared.decoder, range, split.position.rows);
                Ok(Cursor::File(reader.map_err(|e| e.context(format!("file '{}'", split.path)))?, split.clone()))
            }
            Layout::Messages => Err(Error::internal("a format of messages reads a file")),
            Layout::Records { .. } => {
                let mut file = file;
                let compression = Compression::of(&split.path);
                let failed = |e| io_error("read", &split.path, e);
                let mut start = split.position.offset.max(split.start);
                let decoder = shared.format.decoder(&shared.decoder)?;
                if compression == Compression::None {
                    // A range begins behind the first line feed at or behind the byte before it.
                    let align = split.start > 0 && split.position == Position::default();
                    start -= u64::from(align);
                    file.seek(SeekFrom::Start(start)).map_err(failed)?;
                    let input = compression.decode(file).map_err(failed)?;
                    let mut cursor = RecordCursor::new(input, decoder, split, environment, start);
                    cursor.keep_dead_letters(shared);
                    if align {
                        cursor.align()?;
                    } else if shared.options.format != "raw" {
                        cursor.skip_byte_order_mark()?;
                    }
                    return Ok(Cursor::Records(Box::new(cursor)));
                }
                let mut input = compression.decode(file).map_err(failed)?;
                skip(&mut input, start).map_err(failed)?;
                let mut cursor = RecordCursor::new(input, decoder, split, environment, start);
                cursor.keep_dead_letters(shared);
                if shared.options.format != "raw" {
                    cursor.skip_byte_order_mark()?;
                }
                Ok(Cursor::Records(Box::new(cursor)))
            }
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// If the file cannot be read, or a record does not fit.
    pub(super) fn step(&mut self) -> Result<Step> {
        match self {
            Cursor::Records(cursor) => cursor.step(),
            Cursor::File(reader, FileSplit { path, position, .. }) => {
                let next = reader.next_batch().map_err(|e| e.context(format!("file '{path}'")))?;
                let Some(batch) = next else {
                    return Ok(Step { batches: Vec::new(), finished: true, skipped: 0 });
                };
                let mut batches = Vec::new();
                for batch in pieces(batch) {
                    position.rows += batch.len() as u64;
                    batches.push((batch, *position));
                }
                Ok(Step { batches, finished: false, skipped: 0 })
            }
        }
    }
}

/// The batch in slices that are not too large.
fn pieces(batch: ChangeBatch) -> impl Iterator<Item = ChangeBatch> {
    let starts = (0..batch.len()).step_by(BATCH_ROWS_MAX);
    starts.map(move |start| {
        let length = BATCH_ROWS_MAX.min(batch.len() - start);
        if length == batch.len() { batch.clone() } else { batch.slice(start, length) }
    })
}

impl RecordCursor {
    fn new(
        input: Box<dyn Read + Send>,
        decoder: Box<dyn Decoder>,
        split: &FileSplit,
        environment: &Environment,
        base: u64,
    ) -> Self {
        RecordCursor {
            input,
            decoder,
            split: split.clone(),
            environment: environment.clone(),
            window: Vec::new(),
            at: 0,
            base,
            ended: false,
            rows_to_skip: split.position.rows,
            origins: None,
            failure: None,
        }
    }

    fn keep_dead_letters(&mut self, shared: &Shared) {
        self.origins = shared.decoder.dead_letters.then(|| Origins::new(&self.environment, &self.split.path));
    }

    fn step(&mut self) -> Result<Step> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut from = self.base + self.at as u64;
        if let Some(origins) = &mut self.origins {
            origins.begin(from);
        }
        let mut decoded = 0;
        loop {
            let window = &self.window[self.at..];
            let taken = match self.decoder.decode(window, self.ended) {
                Ok(taken) => taken,
                Err(e) => {
                    let start = self.base + self.at as u64;
                    self.failure = Some(e.at_place(|offset| self.place(start + offset as u64)));
                    let batches = self.take(&mut from)?;
                    if batches.is_empty() {
                        return self.step();
                    }
                    return Ok(Step { batches, finished: false, skipped: self.decoder.take_skipped() });
                }
            };
            self.at += taken;
            decoded += taken;
            let rows = self.decoder.rows();
            let finished = self.ended && self.at == self.window.len();
            if self.ended && taken == 0 && rows == 0 && !finished {
                return Err(Error::internal(format!("the end of file '{}' was not decoded", self.split.path)));
            }
            if rows >= BATCH_ROWS_MAX || finished || (rows > 0 && decoded >= STEP_BYTES) {
                let batches = self.take(&mut from)?;
                if !batches.is_empty() || finished {
                    return Ok(Step { batches, finished, skipped: self.decoder.take_skipped() });
                }
                decoded = 0;
            } else {
                self.fill()?;
            }
        }
    }

    /// The rows that wait in the decoder, which began at `from`.
    fn take(&mut self, from: &mut u64) -> Result<Vec<(ChangeBatch, Position)>> {
        if self.decoder.rows() == 0 {
            return Ok(Vec::new());
        }
        let batch = self.decoder.take()?;
        let batch = match &mut self.origins {
            Some(origins) => origins.named(batch)?,
            None => batch,
        };
        let behind = Position { offset: self.base + self.at as u64, rows: 0 };
        let again = (self.rows_to_skip as usize).min(batch.len());
        self.rows_to_skip -= again as u64;
        let rest = if again == 0 { batch } else { batch.slice(again, batch.len() - again) };
        let mut position = Position { offset: *from, rows: again as u64 };
        let mut batches = Vec::new();
        for piece in pieces(rest) {
            position.rows += piece.len() as u64;
            batches.push((piece, position));
        }
        if let Some((_, last)) = batches.last_mut()
            && self.failure.is_none()
        {
            *last = behind;
        }
        *from = behind.offset;
        Ok(batches)
    }

    /// Reads more into the window, up to the end of the split.
    fn fill(&mut self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        if self.at > 0 {
            self.window.drain(..self.at);
            self.base += self.at as u64;
            self.at = 0;
        }
        let length = self.window.len();
        if length > RECORD_BYTES_MAX {
            let place = self.place(self.base);
            return Err(Error::data(format!("{place}: a record has more than {RECORD_BYTES_MAX} bytes"))
                .with_hint("Check the format and its delimiters."));
        }
        // A record that does not fit makes the window grow by half of it, so that it is not decoded too often.
        let wanted = READ_BYTES.max(length / 2);
        self.window.resize(length + wanted, 0);
        let mut filled = length;
        while filled < self.window.len() {
            match self.input.read(&mut self.window[filled..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(n) => filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(io_error("read", &self.split.path, e)),
            }
        }
        self.window.truncate(filled);
        self.cut_at_end();
        Ok(())
    }

    /// The last record is the one that begins before the end of the split.
    fn cut_at_end(&mut self) {
        let Some(end) = self.split.end else { return };
        if self.base >= end {
            self.window.clear();
            self.ended = true;
            return;
        }
        let last = end.saturating_sub(1).saturating_sub(self.base) as usize;
        let found = self.window.get(last..).and_then(|tail| tail.iter().position(|b| *b == b'\n'));
        if let Some(found) = found {
            self.window.truncate(last + found + 1);
            self.ended = true;
        }
    }

    /// Goes behind the first line feed.
    fn align(&mut self) -> Result<()> {
        loop {
            self.fill()?;
            if let Some(found) = self.window[self.at..].iter().position(|b| *b == b'\n') {
                self.at += found + 1;
                return Ok(());
            }
            self.at = self.window.len();
            if self.ended {
                return Ok(());
            }
        }
    }

    fn skip_byte_order_mark(&mut self) -> Result<()> {
        if self.base > 0 {
            return Ok(());
        }
        self.fill()?;
        if self.window.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        Ok(())
    }

    fn place(&self, offset: u64) -> String {
        place(&self.environment, &self.split.path, offset)
    }
}
