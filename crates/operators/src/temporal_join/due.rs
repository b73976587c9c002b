//! Rows whose time has come, with their versions.

use arrow_array::{Array, BooleanArray};
use flott_state::hot::NO_ROW;

/// What timers have found.
#[derive(Default)]
pub(super) struct Due {
    /// Rows of the left.
    pub(super) waiting: Vec<u32>,
    /// The version of each, or none.
    pub(super) versions: Vec<u32>,
    /// The groups of the left that rows leave.
    pub(super) left: Vec<u32>,
    /// The groups of the right whose old versions go, with the timer.
    pub(super) right: Vec<(u32, usize)>,
}

impl Due {
    pub(super) fn push(&mut self, waiting: u32, version: u32) {
        self.waiting.push(waiting);
        self.versions.push(version);
    }

    pub(super) fn leave(&mut self, group: u32) {
        self.left.push(group);
    }

    pub(super) fn clean(&mut self, versions: u32, timer: usize) {
        self.right.push((versions, timer));
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Rows with a version.
    pub(super) fn pairs(&self) -> (Vec<u32>, Vec<u32>) {
        let both = self.waiting.iter().zip(&self.versions).filter(|(_, version)| **version != NO_ROW);
        both.map(|(waiting, version)| (*waiting, *version)).unzip()
    }

    /// Takes their version from pairs that do not pass, and drops rows without one if they do not come.
    pub(super) fn keep(&mut self, passing: Option<&BooleanArray>, without_version: bool) {
        if let Some(passing) = passing {
            let with_version = self.versions.iter_mut().filter(|version| **version != NO_ROW);
            for (pair, version) in with_version.enumerate() {
                if !(passing.is_valid(pair) && passing.value(pair)) {
                    *version = NO_ROW;
                }
            }
        }
        if !without_version {
            let both = std::mem::take(&mut self.waiting).into_iter().zip(std::mem::take(&mut self.versions));
            (self.waiting, self.versions) = both.filter(|(_, version)| *version != NO_ROW).unzip();
        }
    }
}
