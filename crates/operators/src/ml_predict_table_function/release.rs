//! Which answers may go on: those before the next watermark of their batch, then the watermark, then those behind it.
//!
//! Where answers come in the order of their rows, so they go on; where they come in any, rows overtake each other, but no
//! watermark.

use std::collections::BTreeMap;

use flott_api::model::Predictions;
use flott_api::{ChangeBatch, Mark};

/// What was answered for a row of a batch, or for all of its rows.
pub(super) struct Answer {
    /// The row, or the first one.
    pub(super) row: usize,
    pub(super) predictions: Predictions,
}

/// See the module.
pub(super) struct Release {
    /// Stretches of rows: where each ends, and the watermark behind it.
    stretches: Vec<(usize, Option<Mark>)>,
    /// The stretch whose rows may go on.
    open: usize,
    /// How many rows of it have gone on or may.
    done: usize,
    /// Answers for rows of stretches.
    answers: BTreeMap<usize, Vec<Answer>>,
}

impl Release {
    pub(super) fn new(batch: &ChangeBatch) -> Self {
        let mut stretches: Vec<(usize, Option<Mark>)> = Vec::new();
        for mark in batch.marks() {
            let end = mark.row as usize;
            match stretches.last_mut() {
                // Of watermarks without a row between them the last one counts.
                Some((last, of)) if *last == end => *of = Some(*mark),
                _ => stretches.push((end, Some(*mark))),
            }
        }
        if stretches.last().is_none_or(|(end, _)| *end < batch.len()) {
            stretches.push((batch.len(), None));
        }
        Release { stretches, open: 0, done: 0, answers: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, answer: Answer) {
        let stretch = self.stretches.partition_point(|(end, _)| *end <= answer.row);
        self.answers.entry(stretch).or_default().push(answer);
    }

    /// Answers that may go on, with the watermark behind them if they are the last before it.
    pub(super) fn take(&mut self) -> Option<(Vec<Answer>, Option<Mark>)> {
        loop {
            let (end, mark) = *self.stretches.get(self.open)?;
            let begin = self.open.checked_sub(1).map_or(0, |before| self.stretches[before].0);
            let answers = self.answers.remove(&self.open).unwrap_or_default();
            self.done += answers.len();
            let whole = self.done == end - begin;
            if whole {
                (self.open, self.done) = (self.open + 1, 0);
            }
            let mark = mark.filter(|_| whole);
            if !answers.is_empty() || mark.is_some() {
                return Some((answers, mark));
            }
            if !whole {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int32Array, RecordBatch};
    use flott_api::Watermark;

    use super::*;

    fn batch(rows: i32, marks: &[u32]) -> ChangeBatch {
        let column = Arc::new(Int32Array::from_iter_values(0..rows)) as _;
        let batch = ChangeBatch::inserts(RecordBatch::try_from_iter([("a", column)]).unwrap());
        let marks = marks.iter().zip(1..).map(|(row, at)| Mark { row: *row, watermark: Watermark(at) }).collect();
        batch.with_marks(marks).unwrap()
    }

    fn answered(release: &mut Release, row: usize) -> Vec<(Vec<usize>, Option<i64>)> {
        let rows = batch(0, &[]).into_parts().0;
        release.add(Answer { row, predictions: Predictions { rows, inputs: Vec::new() } });
        all(release)
    }

    fn all(release: &mut Release) -> Vec<(Vec<usize>, Option<i64>)> {
        let taken = std::iter::from_fn(|| release.take());
        taken.map(|(a, mark)| (a.iter().map(|a| a.row).collect(), mark.map(|m| m.watermark.0))).collect()
    }

    #[test]
    fn rows_overtake_each_other_but_no_watermark() {
        let mut release = Release::new(&batch(4, &[0, 0, 2, 4]));
        assert_eq!(all(&mut release), [(vec![], Some(2))]);
        assert_eq!(answered(&mut release, 3), []);
        assert_eq!(answered(&mut release, 1), [(vec![1], None)]);
        assert_eq!(answered(&mut release, 0), [(vec![0], Some(3)), (vec![3], None)]);
        assert_eq!(answered(&mut release, 2), [(vec![2], Some(4))]);
        assert_eq!(all(&mut release), []);
    }

    #[test]
    fn without_watermarks_everything_goes_on() {
        let mut release = Release::new(&batch(2, &[]));
        assert_eq!(answered(&mut release, 1), [(vec![1], None)]);
        assert_eq!(answered(&mut release, 0), [(vec![0], None)]);
        let mut marks = Release::new(&batch(0, &[0]));
        assert_eq!(all(&mut marks), [(vec![], Some(1))]);
        assert!(all(&mut Release::new(&batch(0, &[]))).is_empty());
    }
}
