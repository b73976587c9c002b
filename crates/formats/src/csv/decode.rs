//! CSV lines to batches: lines are split first, then each column is converted as a whole.

use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Field, Result};

use super::CsvOptions;
use super::tokens::{Line, Token, Tokenizer};
use super::value::{is_null, mismatch, push};
use crate::column::{Column, Columns};
use crate::{BadRecord, DecodeError, Decoder, DecoderSpec};

/// Rows that are split before they are converted: their tokens should stay in the cache.
const SPLIT_ROWS_MAX: usize = 256;

/// Decodes CSV.
pub(super) struct CsvDecoder {
    options: CsvOptions,
    tokenizer: Tokenizer,
    columns: Columns,
    /// For each column that is emitted, its place in the line and its field.
    fields: Vec<(usize, Field)>,
    tokens: Vec<Token>,
    starts: Vec<usize>,
    damaged: Vec<bool>,
    columns_in_line: usize,
    skipped: u64,
}

impl CsvDecoder {
    /// A decoder of these columns.
    pub(super) fn new(options: CsvOptions, spec: &DecoderSpec) -> Self {
        let mut slots = vec![None; spec.schema.len()];
        for (slot, column) in spec.projection.iter().enumerate() {
            slots[*column] = Some(slot);
        }
        CsvDecoder {
            tokenizer: Tokenizer::new(options.clone(), slots),
            columns: Columns::new(&spec.schema.project(&spec.projection)),
            fields: spec.projection.iter().map(|c| (*c, spec.schema.fields[*c].clone())).collect(),
            tokens: Vec::new(),
            starts: Vec::new(),
            damaged: Vec::new(),
            columns_in_line: spec.schema.len(),
            skipped: 0,
            options,
        }
    }

    /// Splits lines from `*at` on, at most `rows_max`. A line that cannot be split ends it, if such lines fail.
    fn split(&mut self, window: &[u8], at: &mut usize, end: bool, rows_max: usize) -> Result<bool, BadRecord> {
        let width = self.fields.len();
        while self.starts.len() < rows_max && *at < window.len() {
            let (start, from) = (*at, self.tokens.len());
            self.tokens.resize(from + width, Token::MISSING);
            let line = self.tokenizer.line(window, at, end, &mut self.tokens[from..]);
            let what = match line {
                Line::Fields(count) => match self.too_few(count) {
                    None => {
                        self.starts.push(start);
                        continue;
                    }
                    Some(what) => what,
                },
                Line::Bad(what) => what,
                Line::Incomplete => {
                    self.tokens.truncate(from);
                    return Ok(false);
                }
                Line::None => {
                    self.tokens.truncate(from);
                    continue;
                }
            };
            self.tokens.truncate(from);
            if !self.options.ignore_parse_errors {
                return Err(BadRecord { at: start, what });
            }
            self.skipped += 1;
        }
        Ok(true)
    }

    /// Flink compares with the number of columns that are read, not with the number in the table.
    fn too_few(&self, count: usize) -> Option<String> {
        let all = self.columns_in_line;
        let refused = count < all && self.options.fail_on_missing_columns;
        let refused = refused || (count < self.fields.len() && !self.options.ignore_parse_errors);
        refused.then(|| format!("column {}: the line has only {count} of {all} columns", count + 1))
    }

    /// Converts what was split; fails for the first row that has a bad field, and keeps those before it.
    fn convert(&mut self, window: &[u8]) -> Result<(), BadRecord> {
        let mut rows = self.starts.len();
        let mut bad = None;
        self.damaged.clear();
        for slot in 0..self.fields.len() {
            if let Some((row, what)) = self.convert_column(slot, rows, window) {
                rows = row;
                bad = Some(BadRecord { at: self.starts[row], what });
            }
        }
        let all = self.columns.rows() + rows;
        self.columns.columns.iter_mut().for_each(|c| c.truncate(all));
        self.columns.added(rows);
        self.skipped += self.damaged.iter().filter(|d| **d).count() as u64;
        bad.map_or(Ok(()), Err)
    }

    fn convert_column(&mut self, slot: usize, rows: usize, window: &[u8]) -> Option<(usize, String)> {
        let width = self.fields.len();
        let column: &mut Column = &mut self.columns.columns[slot];
        for row in 0..rows {
            let text = self.tokens[row * width + slot].text(window, &self.tokenizer.scratch);
            let Some(text) = text.filter(|t| !is_null(t, &self.options)) else {
                column.push_null();
                continue;
            };
            let length = column.len();
            if push(column, text, &self.options) {
                continue;
            }
            if !self.options.ignore_parse_errors {
                let (place, field) = &self.fields[slot];
                return Some((row, format!("column {} ({}): {}", place + 1, field.name, mismatch(text, &field.ty))));
            }
            column.truncate(length);
            column.push_null();
            self.damaged.resize(self.starts.len(), false);
            self.damaged[row] = true;
        }
        None
    }

    fn clear(&mut self) {
        self.tokens.clear();
        self.starts.clear();
        self.tokenizer.scratch.clear();
    }
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, window: &[u8], end: bool) -> Result<usize, DecodeError> {
        let mut at = 0;
        loop {
            let room = BATCH_ROWS_MAX - self.columns.rows();
            if room == 0 || at >= window.len() {
                return Ok(at);
            }
            self.clear();
            let split = self.split(window, &mut at, end, room.min(SPLIT_ROWS_MAX));
            // The rows before a line that cannot be split are converted first: their errors come first.
            self.convert(window).map_err(DecodeError::Record)?;
            if !split.map_err(DecodeError::Record)? {
                return Ok(at);
            }
        }
    }

    fn decode_messages(&mut self, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
        for (number, message) in messages.iter().enumerate() {
            self.clear();
            let mut at = 0;
            let bad = |bad: BadRecord| DecodeError::Record(BadRecord { at: number, ..bad });
            self.split(message, &mut at, true, 1).map_err(bad)?;
            self.convert(message).map_err(bad)?;
            rows.push(self.starts.len() as u32);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn take(&mut self) -> Result<ChangeBatch> {
        Ok(ChangeBatch::inserts(self.columns.take()?))
    }

    fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }
}
