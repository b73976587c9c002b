//! What a reader leaves alone while its rows are further ahead in event time than they may be.
//!
//! [`Pauses`] is a pure state machine. Where time is kept by split, each split that is ahead is paused; else the reader is
//! not asked while its subtask is ahead. Nobody polls a reader all of whose splits are paused. What is paused goes on as
//! soon as the bound has risen, and a new split begins unpaused.

use std::collections::BTreeSet;
use std::sync::Arc;

use flott_api::source::SplitReader;
use flott_api::splits::{OpenSplits, SubtaskTime};

use crate::coordinator::alignment::{AlignmentLine, UNBOUND_MS};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    /// Stop reading a split, or go on.
    PauseSplit { split: Arc<str>, paused: bool },
    /// Stop reading, or go on.
    Pause(bool),
}

/// What is paused.
#[derive(Debug, Default)]
struct Pauses {
    splits: BTreeSet<Arc<str>>,
    /// Whether the whole subtask is ahead.
    ahead: bool,
    /// Whether there is nothing to read.
    waits: bool,
}

impl Pauses {
    /// Time has gone on, splits have come or ended, or the bound is another one.
    fn on(&mut self, bound_ms: i64, subtask: SubtaskTime, splits: &[(Arc<str>, Option<i64>)]) -> Vec<Command> {
        let is_ahead = |watermark: Option<i64>| watermark.is_some_and(|watermark| watermark > bound_ms);
        let mut commands = Vec::new();
        self.splits.retain(|split| splits.iter().any(|(open, _)| open == split));
        for (split, watermark) in splits {
            let paused = subtask.by_split && is_ahead(*watermark);
            let changed = match paused {
                true => self.splits.insert(Arc::clone(split)),
                false => self.splits.remove(split),
            };
            if changed {
                commands.push(Command::PauseSplit { split: Arc::clone(split), paused });
            }
        }
        let ahead = !subtask.by_split && is_ahead(subtask.watermark_ms);
        if ahead != std::mem::replace(&mut self.ahead, ahead) {
            commands.push(Command::Pause(ahead));
        }
        self.waits = ahead || (!splits.is_empty() && self.splits.len() == splits.len());
        commands
    }
}

/// A reader's side of watermark alignment.
pub(super) struct Alignment {
    line: AlignmentLine,
    pauses: Pauses,
    /// Whether it has had a split.
    began: bool,
}

impl Alignment {
    pub(super) fn new(line: AlignmentLine) -> Self {
        Alignment { line, pauses: Pauses::default(), began: false }
    }

    /// Whether the reader is left alone for now.
    pub(super) fn waits(&self) -> bool {
        self.pauses.waits
    }

    /// Waits until the bound is another one.
    pub(super) async fn changed(&mut self) {
        self.line.changed().await;
    }

    /// Behind every step: says how far the subtask has come, and stops or resumes what is to be.
    pub(super) fn step(&mut self, splits: &OpenSplits, reader: &mut dyn SplitReader, now_ms: i64) {
        let (told, by_split) = (splits.told(), splits.told_by_split());
        self.began |= !by_split.is_empty();
        let at_end = self.began && by_split.is_empty();
        self.line.report(if told.idle || at_end { Some(UNBOUND_MS) } else { reached_ms(told, &by_split) });
        for command in self.pauses.on(self.line.bound_ms(), told, &by_split) {
            match command {
                Command::PauseSplit { split, paused } => {
                    reader.pause_split(&split, paused);
                    splits.pause_split(&split, paused, now_ms);
                }
                Command::Pause(paused) => splits.pause(paused, now_ms),
            }
        }
    }
}

/// How far the subtask has come. The slowest split may have ended since it was told, and while all others are paused nobody
/// would tell it again.
fn reached_ms(told: SubtaskTime, splits: &[(Arc<str>, Option<i64>)]) -> Option<i64> {
    let least = splits.iter().map(|(_, watermark)| *watermark).min().flatten();
    told.watermark_ms.max(least.filter(|_| told.by_split))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `bound: a=1 b=- ..` by split, or `bound: 7` as a whole; shows what is done.
    fn play(pauses: &mut Pauses, line: &str) -> String {
        let (bound, told) = line.split_once(": ").unwrap();
        let bound_ms = if bound == "-" { UNBOUND_MS } else { bound.parse().unwrap() };
        let splits = told.split(' ').filter_map(|split| split.split_once('='));
        let splits: Vec<(Arc<str>, Option<i64>)> = splits.map(|(split, w)| (split.into(), w.parse().ok())).collect();
        let time = SubtaskTime { watermark_ms: told.parse().ok(), idle: false, by_split: !splits.is_empty() };
        let said = pauses.on(bound_ms, time, &splits).into_iter().map(|command| match command {
            Command::PauseSplit { split, paused: true } => format!("-{split}"),
            Command::PauseSplit { split, paused: false } => format!("+{split}"),
            Command::Pause(true) => "-".to_owned(),
            Command::Pause(false) => "+".to_owned(),
        });
        let said: Vec<String> = said.chain(pauses.waits.then(|| "waits".to_owned())).collect();
        said.join(" ")
    }

    fn check(script: &[(&str, &str)]) {
        let mut pauses = Pauses::default();
        for (line, expected) in script {
            assert_eq!(play(&mut pauses, line), *expected, "{line}");
        }
    }

    #[test]
    fn splits_that_are_ahead_are_paused_until_the_bound_reaches_them() {
        check(&[
            ("-: a=- b=-", ""),
            ("-: a=100 b=-", ""),
            ("50: a=100 b=-", "-a"),
            ("50: a=100 b=50", ""),
            ("50: a=100 b=51", "-b waits"),
            ("99: a=100 b=51", "+b"),
            ("100: a=100 b=51", "+a"),
            // It may fall again: a source has come that is further behind.
            ("20: a=100 b=51", "-a -b waits"),
            ("-: a=100 b=51", "+a +b"),
        ]);
    }

    #[test]
    fn splits_come_unpaused_and_take_their_pause_with_them() {
        check(&[
            ("10: a=20", "-a waits"),
            ("10: a=20 b=-", ""),
            ("10: b=-", ""),
            // Another one of that name.
            ("10: a=- b=-", ""),
            ("10: a=11 b=-", "-a"),
        ]);
    }

    #[test]
    fn the_least_of_all_splits_is_reached_even_if_it_was_not_told() {
        let of = |told, by_split, splits: &[Option<i64>]| {
            let splits: Vec<_> = splits.iter().map(|watermark| ("s".into(), *watermark)).collect();
            reached_ms(SubtaskTime { watermark_ms: told, idle: false, by_split }, &splits)
        };
        assert_eq!(of(Some(5), true, &[Some(9), Some(7)]), Some(7));
        assert_eq!(of(Some(5), true, &[Some(9), None]), Some(5));
        assert_eq!(of(None, true, &[None]), None);
        // One is idle, and the others are further.
        assert_eq!(of(Some(8), true, &[Some(9), Some(7)]), Some(8));
        assert_eq!(of(Some(5), false, &[Some(9)]), Some(5));
    }

    #[test]
    fn a_subtask_without_times_of_splits_waits_as_a_whole() {
        check(&[
            ("-: -", ""),
            ("10: -", ""),
            ("10: 10", ""),
            ("10: 11", "- waits"),
            ("10: 11", "waits"),
            ("11: 11", "+"),
        ]);
    }
}
