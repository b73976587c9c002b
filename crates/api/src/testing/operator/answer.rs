//! What an operator emitted, as lines that compare.

use super::super::text::{Line, lines};
use crate::{ChangeBatch, Watermark};

/// The rows, stably sorted by their key: equal means the same sequence for each key.
pub(super) fn per_key(answer: &[String], keys: &[usize]) -> Vec<String> {
    let mut rows: Vec<&String> = answer.iter().filter(|l| !l.starts_with("wm ")).collect();
    let key = |row: &&String| -> Vec<String> {
        let cells = Line::parse(row).cells;
        keys.iter().map(|k| cells[*k].clone()).collect()
    };
    rows.sort_by_key(key);
    rows.into_iter().cloned().collect()
}

/// One answer behind the other.
pub(super) fn joined(mut first: Vec<String>, second: Vec<String>) -> Vec<String> {
    if first.last().is_some_and(|l| l.starts_with("wm ")) && second.first().is_some_and(|l| l.starts_with("wm ")) {
        first.pop();
    }
    first.extend(second);
    first
}

pub(super) fn push_watermark(answer: &mut Vec<String>, watermark: Watermark) {
    if watermark == Watermark::MAX {
        return;
    }
    // Of watermarks without a row between them only the last one means anything.
    if answer.last().is_some_and(|l| l.starts_with("wm ")) {
        answer.pop();
    }
    answer.push(format!("wm {}", watermark.0));
}

pub(super) fn push_batch(answer: &mut Vec<String>, batch: &ChangeBatch) {
    let mut marks = batch.marks().iter().peekable();
    for (row, line) in lines(batch).into_iter().enumerate() {
        while let Some(mark) = marks.next_if(|m| m.row as usize <= row) {
            push_watermark(answer, mark.watermark);
        }
        answer.push(line);
    }
    marks.for_each(|m| push_watermark(answer, m.watermark));
}
