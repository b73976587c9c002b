//! Which objects have a local copy, and which copy goes first.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MirrorStatus;

/// The copies that count: whatever else lies on the disk does not.
#[derive(Debug)]
pub(super) struct Copies {
    by_path: HashMap<String, Copy>,
    /// From the one that was not read for the longest time.
    by_use: BTreeMap<u64, String>,
    /// Objects of which a copy is being made.
    filling: HashSet<String>,
    bytes: u64,
    bytes_max: u64,
    uses: u64,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Copy {
    size: u64,
    last_use: u64,
}

impl Copies {
    pub(super) fn new(bytes_max: u64) -> Self {
        Copies {
            by_path: HashMap::new(),
            by_use: BTreeMap::new(),
            filling: HashSet::new(),
            bytes: 0,
            bytes_max,
            uses: 0,
            hits: 0,
            misses: 0,
        }
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Takes a copy in, and gives those that must go for it; itself, if it is too large.
    pub(super) fn insert(&mut self, path: String, size: u64) -> Vec<String> {
        self.remove(&path);
        self.uses += 1;
        self.by_use.insert(self.uses, path.clone());
        self.by_path.insert(path, Copy { size, last_use: self.uses });
        self.bytes += size;
        let mut evicted = Vec::new();
        while self.bytes > self.bytes_max {
            let Some(path) = self.by_use.first_key_value().map(|(_, path)| path.clone()) else { break };
            self.remove(&path);
            evicted.push(path);
        }
        evicted
    }

    /// A copy that is being made does not count either. Says whether there was one.
    pub(super) fn remove(&mut self, path: &str) -> bool {
        self.filling.remove(path);
        let Some(copy) = self.by_path.remove(path) else { return false };
        self.by_use.remove(&copy.last_use);
        self.bytes -= copy.size;
        true
    }

    /// The size of a copy, which is used now.
    pub(super) fn touch(&mut self, path: &str) -> Option<u64> {
        let copy = self.by_path.get_mut(path)?;
        self.uses += 1;
        let path = self.by_use.remove(&copy.last_use)?;
        self.by_use.insert(self.uses, path);
        copy.last_use = self.uses;
        Some(copy.size)
    }

    /// Whether a copy should be made now; if so, [`Self::end_fill`] must follow.
    pub(super) fn begin_fill(&mut self, path: &str, at_once_max: usize) -> bool {
        let begin = self.filling.len() < at_once_max && !self.by_path.contains_key(path);
        begin && self.filling.insert(path.to_owned())
    }

    /// Whether the copy that was made is still wanted.
    pub(super) fn end_fill(&mut self, path: &str) -> bool {
        self.filling.remove(path)
    }

    pub(super) fn count(&mut self, hit: bool) {
        if hit {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
    }

    pub(super) fn status(&self) -> MirrorStatus {
        MirrorStatus { objects: self.by_path.len(), bytes: self.bytes, hits: self.hits, misses: self.misses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_read_for_the_longest_time_goes_first() {
        let mut copies = Copies::new(10);
        for path in ["a", "b", "c"] {
            assert_eq!(copies.insert(path.into(), 3), [""; 0]);
        }
        assert_eq!(copies.touch("a"), Some(3));
        assert_eq!(copies.insert("d".into(), 4), ["b"]);
        assert_eq!(copies.insert("d".into(), 7), ["c"], "a copy is replaced, not counted twice");
        assert_eq!(copies.status(), MirrorStatus { objects: 2, bytes: 10, hits: 0, misses: 0 });
        assert_eq!(copies.insert("large".into(), 11), ["a", "d", "large"]);
        assert_eq!(copies.status(), MirrorStatus::default());
        assert_eq!(copies.touch("a"), None);
    }

    #[test]
    fn a_copy_in_the_making_is_not_wanted_after_a_delete() {
        let mut copies = Copies::new(10);
        assert!(copies.begin_fill("a", 1));
        assert!(!copies.begin_fill("a", 2) && !copies.begin_fill("b", 1));
        assert!(!copies.remove("a"));
        assert!(!copies.end_fill("a"));
        assert!(copies.begin_fill("b", 1) && copies.end_fill("b"));
        copies.insert("b".into(), 1);
        assert!(!copies.begin_fill("b", 1));
    }
}
