//! CSV lines to batches: lines are split first, then each column is converted as a whole.

use std::ops::Range;

use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Field, Result};

use super::CsvOptions;
use super::tokens::{Line, Token, Tokenizer};
use super::value::{is_null, mismatch, push};
use crate::column::{Column, Columns, Place};
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
    /// Where each line begins and ends.
    lines: Vec<Range<usize>>,
    damaged: Vec<bool>,
    /// What is wrong with lines that are kept as dead letters; none behind the last one.
    dead: Vec<Option<String>>,
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
            columns: Columns::of(spec),
            fields: spec.projection.iter().map(|c| (*c, spec.schema.fields[*c].clone())).collect(),
            tokens: Vec::new(),
            lines: Vec::new(),
            damaged: Vec::new(),
            dead: Vec::new(),
            columns_in_line: spec.schema.len(),
            skipped: 0,
            options,
        }
    }

    /// Splits lines from `*at` on, at most `rows_max`. A line that cannot be split ends it, if such lines fail.
    fn split(&mut self, window: &[u8], at: &mut usize, end: bool, rows_max: usize) -> Result<bool, BadRecord> {
        let width = self.fields.len();
        while self.lines.len() < rows_max && *at < window.len() {
            let from = self.tokens.len();
            self.tokens.resize(from + width, Token::MISSING);
            let line = self.tokenizer.line(window, at, end, &mut self.tokens[from..]);
            let range = self.tokenizer.begin..*at;
            let what = match line {
                Line::Fields(count) => match self.too_few(count) {
                    None => {
                        self.lines.push(range);
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
            if self.columns.keeps_dead_letters() {
                refuse(&mut self.dead, self.lines.len(), what);
                self.lines.push(range);
                continue;
            }
            self.tokens.truncate(from);
            if !self.options.ignore_parse_errors {
                return Err(BadRecord { at: range.start, what });
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
    fn convert(&mut self, window: &[u8], message: Option<usize>) -> Result<(), BadRecord> {
        let mut rows = self.lines.len();
        let mut bad = None;
        self.damaged.clear();
        for slot in 0..self.fields.len() {
            if let Some((row, what)) = self.convert_column(slot, rows, window) {
                rows = row;
                bad = Some(BadRecord { at: self.lines[row].start, what });
            }
        }
        let all = self.columns.rows() + rows;
        if bad.is_some() {
            self.columns.columns.iter_mut().for_each(|c| c.truncate(all));
        }
        self.columns.added(rows);
        // Rows behind one that fails are not given out.
        self.skipped += self.damaged.iter().take(rows).filter(|d| **d).count() as u64;
        bad.map_or(Ok(()), Err)?;
        self.bury(window, message, all - rows)
    }

    /// Makes the lines that do not fit dead letters; they are rows already, from `first` on.
    fn bury(&mut self, window: &[u8], message: Option<usize>, first: usize) -> Result<(), BadRecord> {
        for (row, what) in self.dead.drain(..).enumerate() {
            let Some(what) = what else { continue };
            let at = self.lines[row].start;
            let place = message.map_or(Place::Byte(at), Place::Message);
            let record = without_line_end(&window[self.lines[row].clone()]);
            if !self.columns.mark_dead(first + row, record, &what, place) {
                self.columns.cut(first + row);
                return Err(BadRecord { at, what });
            }
        }
        Ok(())
    }

    fn convert_column(&mut self, slot: usize, rows: usize, window: &[u8]) -> Option<(usize, String)> {
        let width = self.fields.len();
        let keeps = self.columns.keeps_dead_letters();
        let column: &mut Column = &mut self.columns.columns[slot];
        let (place, field) = &self.fields[slot];
        let said = |what: String| format!("column {} ({}): {what}", place + 1, field.name);
        for row in 0..rows {
            let text = self.tokens[row * width + slot].text(window, &self.tokenizer.scratch);
            let text = text.filter(|t| !is_null(t, &self.options));
            let dead = self.dead.get(row).is_some_and(Option::is_some);
            if dead || (text.is_none() && field.ty.nullable) {
                column.push_null();
                continue;
            }
            let length = column.len();
            let what = match text {
                Some(text) if push(column, text, &self.options) => continue,
                Some(text) => mismatch(text, &field.ty),
                None => format!("it is NULL, but {}", field.ty),
            };
            if !keeps && (text.is_none() || !self.options.ignore_parse_errors) {
                return Some((row, said(what)));
            }
            column.truncate(length);
            column.push_null();
            if keeps {
                refuse(&mut self.dead, row, said(what));
                continue;
            }
            self.damaged.resize(self.lines.len(), false);
            self.damaged[row] = true;
        }
        None
    }

    fn clear(&mut self) {
        self.tokens.clear();
        self.lines.clear();
        self.tokenizer.scratch.clear();
    }
}

/// Says what is wrong with a line.
fn refuse(dead: &mut Vec<Option<String>>, row: usize, what: String) {
    if dead.len() <= row {
        dead.resize(row + 1, None);
    }
    dead[row] = Some(what);
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl CsvDecoder {
    fn lines_of(&mut self, window: &[u8], end: bool) -> Result<usize, DecodeError> {
        let mut at = 0;
        loop {
            let room = BATCH_ROWS_MAX - self.columns.rows();
            if room == 0 || at >= window.len() {
                return Ok(at);
            }
            self.clear();
            let split = self.split(window, &mut at, end, room.min(SPLIT_ROWS_MAX));
            // The rows before a line that cannot be split are converted first: their errors come first.
            self.convert(window, None).map_err(DecodeError::Record)?;
            if !split.map_err(DecodeError::Record)? {
                return Ok(at);
            }
        }
    }
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, window: &[u8], end: bool) -> Result<usize, DecodeError> {
        let taken = self.lines_of(window, end)?;
        self.columns.took(taken);
        Ok(taken)
    }

    fn decode_messages(&mut self, messages: &[&[u8]], rows: &mut Vec<u32>) -> Result<(), DecodeError> {
        for (number, message) in messages.iter().enumerate() {
            self.clear();
            let mut at = 0;
            let bad = |bad: BadRecord| DecodeError::Record(BadRecord { at: number, ..bad });
            self.split(message, &mut at, true, 1).map_err(bad)?;
            self.convert(message, Some(number)).map_err(bad)?;
            rows.push(self.lines.len() as u32);
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
        std::mem::take(&mut self.skipped) + self.columns.take_dead_letters()
    }
}
