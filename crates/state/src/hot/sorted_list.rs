//! A list of byte keys in order, each with a row: what a group of [`SortedRows`](super::SortedRows) is.
//!
//! Short runs in a list: a key is found by two binary searches, an insertion moves one short run, and the place of
//! a key is found by adding up the lengths of runs. A list of a few keys is one run and takes little memory.

/// A run is cut in two when it is so long.
const RUN_MAX: usize = 128;

/// A row with the bytes by which it is ordered and found, in one piece of memory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    bytes: Box<[u8]>,
    key_len: u32,
    name_len: u32,
    /// In which batch it was looked at last, and where it lies in that one.
    pub(super) seen: (u32, u32),
}

impl Entry {
    pub(super) fn new(key: &[u8], name: &[u8], row: &[u8], seen: (u32, u32)) -> Self {
        let (key_len, name_len) = (key.len() as u32, name.len() as u32);
        Entry { bytes: [key, name, row].concat().into(), key_len, name_len, seen }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    /// What tells the row from all others of its group; empty if nothing does.
    pub(super) fn name(&self) -> &[u8] {
        &self.bytes[self.key_len as usize..(self.key_len + self.name_len) as usize]
    }

    pub(super) fn row(&self) -> &[u8] {
        &self.bytes[(self.key_len + self.name_len) as usize..]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Entry>() + self.bytes.len()
    }
}

/// A place in the list: run, and place in the run. One behind the last entry has a run that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    run: usize,
    at: usize,
}

/// See the module. No run is empty.
#[derive(Debug, Default)]
pub(super) struct SortedList {
    runs: Vec<Vec<Entry>>,
    len: usize,
}

impl SortedList {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first entry whose key is not below `key`.
    pub(super) fn find(&self, key: &[u8]) -> Spot {
        let run = self.runs.partition_point(|run| run.last().is_some_and(|e| e.key() < key));
        let at = self.runs.get(run).map_or(0, |run| run.partition_point(|e| e.key() < key));
        Spot { run, at }
    }

    /// How many entries come before this place.
    pub(super) fn rank(&self, spot: Spot) -> usize {
        self.runs[..spot.run].iter().map(Vec::len).sum::<usize>() + spot.at
    }

    /// The place with so many entries before it.
    pub(super) fn spot(&self, rank: usize) -> Spot {
        let (mut run, mut at) = (0, rank);
        while let Some(entries) = self.runs.get(run).filter(|r| r.len() <= at) {
            at -= entries.len();
            run += 1;
        }
        Spot { run, at: if run == self.runs.len() { 0 } else { at } }
    }

    pub(super) fn get(&self, spot: Spot) -> Option<&Entry> {
        self.runs.get(spot.run)?.get(spot.at)
    }

    pub(super) fn last(&self) -> Option<&Entry> {
        self.runs.last()?.last()
    }

    /// The entries from this place on.
    pub(super) fn from(&self, spot: Spot) -> impl Iterator<Item = &Entry> {
        let skipped = spot.at;
        self.runs[spot.run.min(self.runs.len())..].iter().flatten().skip(skipped)
    }

    /// The same, to note where they lie in a batch.
    pub(super) fn entries_from(&mut self, spot: Spot) -> impl Iterator<Item = &mut Entry> {
        let from = spot.run.min(self.runs.len());
        self.runs[from..].iter_mut().flatten().skip(spot.at)
    }

    pub(super) fn get_mut(&mut self, spot: Spot) -> Option<&mut Entry> {
        self.runs.get_mut(spot.run)?.get_mut(spot.at)
    }

    /// Adds an entry. Its key is not there yet.
    pub(super) fn insert(&mut self, entry: Entry) {
        let mut spot = self.find(entry.key());
        self.len += 1;
        // What comes behind all goes to the end of the last run.
        if spot.run == self.runs.len() {
            match self.runs.len() {
                0 => self.runs.push(Vec::new()),
                runs => spot = Spot { run: runs - 1, at: self.runs[runs - 1].len() },
            }
        }
        let run = &mut self.runs[spot.run];
        run.insert(spot.at, entry);
        if run.len() > RUN_MAX {
            // Rows mostly come in order: then full runs stay behind.
            let cut = if spot.at + 1 == run.len() { spot.at } else { RUN_MAX / 2 };
            let rest = run.split_off(cut);
            self.runs.insert(spot.run + 1, rest);
        }
    }

    pub(super) fn remove(&mut self, spot: Spot) -> Option<Entry> {
        let run = self.runs.get_mut(spot.run).filter(|run| spot.at < run.len())?;
        let entry = run.remove(spot.at);
        if run.is_empty() {
            self.runs.remove(spot.run);
        }
        self.len -= 1;
        Some(entry)
    }

    /// Takes out the entries before this place.
    pub(super) fn split_before(&mut self, spot: Spot) -> Vec<Entry> {
        let mut taken: Vec<Entry> = self.runs.drain(..spot.run).flatten().collect();
        if spot.at > 0 {
            taken.extend(self.runs[0].drain(..spot.at));
        }
        self.runs.retain(|run| !run.is_empty());
        self.len -= taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hot::testing::Chance;

    fn entry(key: u64) -> Entry {
        Entry::new(&key.to_be_bytes(), b"", &(key as u16).to_le_bytes(), (0, 0))
    }

    fn keys(list: &SortedList) -> Vec<u64> {
        list.from(Spot { run: 0, at: 0 }).map(|e| u64::from_be_bytes(e.key().try_into().unwrap())).collect()
    }

    #[test]
    fn it_is_a_sorted_vector_through_thousands_of_changes() {
        for seed in 0..4 {
            let (mut list, mut model, mut chance) = (SortedList::default(), Vec::new(), Chance::new(seed));
            for step in 0..4000 {
                let key = if seed == 0 { step } else { chance.below(3000) };
                match model.binary_search(&key) {
                    Ok(at) => {
                        let spot = list.find(&key.to_be_bytes());
                        assert_eq!((list.rank(spot), list.spot(at)), (at, spot));
                        assert_eq!(list.remove(spot).unwrap().row(), (key as u16).to_le_bytes());
                        model.remove(at);
                    }
                    Err(at) => {
                        assert_eq!(list.rank(list.find(&key.to_be_bytes())), at);
                        list.insert(entry(key));
                        model.insert(at, key);
                    }
                }
                if step % 1500 == 1499 {
                    let cut = model.len() / 3;
                    let taken = list.split_before(list.spot(cut));
                    assert_eq!(taken.len(), cut);
                    model.drain(..cut);
                }
                assert_eq!(list.len(), model.len());
                assert_eq!(list.last().map(|e| e.key().to_vec()), model.last().map(|k| k.to_be_bytes().to_vec()));
            }
            assert_eq!(keys(&list), model);
            assert!(list.runs.iter().all(|run| !run.is_empty() && run.len() <= RUN_MAX));
            for rank in 0..=model.len() {
                let found = list.get(list.spot(rank)).map(|e| e.key().to_vec());
                assert_eq!(found, model.get(rank).map(|k| k.to_be_bytes().to_vec()));
                assert_eq!(list.from(list.spot(rank)).count(), model.len() - rank);
            }
        }
    }

    #[test]
    fn an_empty_list_has_a_place_for_everything() {
        let mut list = SortedList::default();
        assert_eq!((list.find(b"x"), list.spot(0)), (Spot { run: 0, at: 0 }, Spot { run: 0, at: 0 }));
        assert!(list.remove(list.spot(0)).is_none() && list.last().is_none());
        assert!(list.split_before(list.spot(0)).is_empty());
    }
}
