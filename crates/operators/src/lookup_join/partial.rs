//! `'lookup.cache' = 'PARTIAL'`: the rows of keys that were asked for.
//!
//! **Invariant.** A batch finds what its rows would find one after the other: of several rows with a key that is not kept
//! the first asks, and the others have its answer. Where it is not kept that a key has no rows, the others ask once more.
//! Which keys go when there are too many is decided by a hand that goes round and passes over those that were asked for
//! since it last came by.

use std::hash::BuildHasher;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use arrow_select::take::take_record_batch;
use flott_api::Result;
use flott_api::lookup::{Found, LookupTable, PartialCache};
use flott_state::key::EncodedKeys;
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::answers::{checked, taken};

/// See the module.
pub(super) struct PartialTable {
    table: Box<dyn LookupTable>,
    /// Of its rows.
    schema: SchemaRef,
    kept: Kept,
    asked: EncodedKeys,
}

/// A key with its rows.
struct Entry {
    key: Box<[u8]>,
    /// Nothing if there is none.
    rows: Option<RecordBatch>,
    written_ms: i64,
    accessed_ms: i64,
    /// Whether it was asked for since the hand came by.
    used: bool,
}

/// Where the rows of a key come from.
#[derive(Clone, Copy)]
enum Origin {
    /// An entry.
    Kept(u32),
    /// The table's answer to this one of the keys that it was asked.
    Asked(u32),
}

impl PartialTable {
    pub(super) fn new(table: Box<dyn LookupTable>, schema: SchemaRef, options: PartialCache) -> Self {
        PartialTable { table, schema, kept: Kept::new(options), asked: EncodedKeys::default() }
    }

    /// The rows of these keys at this time.
    pub(super) async fn find(&mut self, keys: &RecordBatch, now_ms: i64) -> Result<Found> {
        self.asked.encode(keys.columns(), keys.num_rows())?;
        let (mut origins, firsts) = self.kept.origins(&self.asked, keys.num_rows(), now_ms);
        let first = self.ask(keys, &firsts).await?;
        let again = self.asked_again(&mut origins, &firsts, &first);
        let second = self.ask(keys, &again).await?;
        let answers = [first, second];
        let found = self.found(&origins, &answers, firsts.len() as u32)?;
        for (which, answer) in [firsts, again].iter().zip(&answers) {
            for (row, place) in which.iter().zip(0..) {
                self.kept.keep(self.asked.get(*row as usize), rows_of(answer, place)?, now_ms);
            }
        }
        Ok(found)
    }

    async fn ask(&mut self, keys: &RecordBatch, which: &[u32]) -> Result<Found> {
        if which.is_empty() {
            return Ok(Found { rows: RecordBatch::new_empty(self.schema.clone()), keys: Vec::new() });
        }
        checked(self.table.lookup(&taken(keys, which)?).await?, which.len())
    }

    /// The rows that ask once more, because their key has no rows and this is not kept; they come behind the first.
    fn asked_again(&self, origins: &mut [Origin], firsts: &[u32], answer: &Found) -> Vec<u32> {
        let mut again = Vec::new();
        if self.kept.options.missing_keys {
            return again;
        }
        for (row, origin) in (0..).zip(origins) {
            if let Origin::Asked(place) = *origin
                && firsts[place as usize] != row
                && range_of(answer, place).is_empty()
            {
                *origin = Origin::Asked((firsts.len() + again.len()) as u32);
                again.push(row);
            }
        }
        again
    }

    /// All rows in the order of the keys that they are for.
    fn found(&self, origins: &[Origin], answers: &[Found; 2], firsts: u32) -> Result<Found> {
        let mut batches = vec![&answers[0].rows, &answers[1].rows];
        let (mut places, mut of) = (Vec::new(), Vec::new());
        for (key, origin) in (0..).zip(origins) {
            let (batch, range) = match *origin {
                Origin::Asked(place) => {
                    let answer = usize::from(place >= firsts);
                    (answer, range_of(&answers[answer], place - firsts * answer as u32))
                }
                Origin::Kept(place) => match &self.kept.entries[place as usize].rows {
                    Some(rows) => {
                        batches.push(rows);
                        (batches.len() - 1, 0..rows.num_rows())
                    }
                    None => continue,
                },
            };
            of.extend(std::iter::repeat_n(key, range.len()));
            places.extend(range.map(|row| (batch, row)));
        }
        Ok(Found { rows: interleave_record_batch(&batches, &places)?, keys: of })
    }
}

/// The rows of an answer that are of one of its keys.
fn range_of(answer: &Found, key: u32) -> std::ops::Range<usize> {
    let begin = answer.keys.partition_point(|of| *of < key);
    begin..begin + answer.keys[begin..].partition_point(|of| *of == key)
}

/// A copy of them, so that what is kept of one key does not keep the rows of others; nothing if there is none.
fn rows_of(answer: &Found, key: u32) -> Result<Option<RecordBatch>> {
    let range = range_of(answer, key);
    if range.is_empty() {
        return Ok(None);
    }
    let rows = UInt32Array::from_iter_values(range.start as u32..range.end as u32);
    Ok(Some(take_record_batch(&answer.rows, &rows)?))
}

/// The entries.
struct Kept {
    options: PartialCache,
    entries: Vec<Entry>,
    places: HashTable<u32>,
    hasher: RandomState,
    /// The entry that may go next.
    hand: usize,
}

impl Kept {
    fn new(options: PartialCache) -> Self {
        Kept { options, entries: Vec::new(), places: HashTable::new(), hasher: RandomState::default(), hand: 0 }
    }

    /// Where the rows of each key come from, and the first row of each key that must be asked for.
    fn origins(&mut self, asked: &EncodedKeys, keys: usize, now_ms: i64) -> (Vec<Origin>, Vec<u32>) {
        let mut firsts: Vec<u32> = Vec::new();
        let mut unknown: HashTable<u32> = HashTable::new();
        let hasher = self.hasher.clone();
        let mut origins = Vec::with_capacity(keys);
        for row in 0..keys {
            let key = asked.get(row);
            let hash = hasher.hash_one(key);
            origins.push(match self.living(key, hash, now_ms) {
                Some(place) => Origin::Kept(place),
                None => match unknown.find(hash, |place| asked.get(firsts[*place as usize] as usize) == key) {
                    Some(place) => Origin::Asked(*place),
                    None => {
                        let place = firsts.len() as u32;
                        firsts.push(row as u32);
                        let hash_of = |place: &u32| hasher.hash_one(asked.get(firsts[*place as usize] as usize));
                        unknown.insert_unique(hash, place, hash_of);
                        Origin::Asked(place)
                    }
                },
            });
        }
        (origins, firsts)
    }

    /// The entry of a key that has not expired; it has been asked for now.
    fn living(&mut self, key: &[u8], hash: u64, now_ms: i64) -> Option<u32> {
        let place = *self.places.find(hash, |place| *self.entries[*place as usize].key == *key)?;
        let PartialCache { after_access_ms, after_write_ms, .. } = self.options;
        let entry = &mut self.entries[place as usize];
        let over = |since_ms: i64, limit: Option<u64>| {
            limit.is_some_and(|limit| now_ms >= since_ms.saturating_add_unsigned(limit))
        };
        if over(entry.accessed_ms, after_access_ms) || over(entry.written_ms, after_write_ms) {
            return None;
        }
        entry.accessed_ms = now_ms;
        entry.used = true;
        Some(place)
    }

    /// Keeps the rows of a key instead of those that it had.
    fn keep(&mut self, key: &[u8], rows: Option<RecordBatch>, now_ms: i64) {
        let hash = self.hasher.hash_one(key);
        let (written_ms, accessed_ms) = (now_ms, now_ms);
        let forgotten = rows.is_none() && !self.options.missing_keys;
        if let Some(place) = self.places.find(hash, |place| *self.entries[*place as usize].key == *key) {
            let entry = &mut self.entries[*place as usize];
            // What has expired and is not kept anew stays expired.
            if !forgotten {
                *entry = Entry { key: std::mem::take(&mut entry.key), rows, written_ms, accessed_ms, used: true };
            }
            return;
        }
        let room = self.options.keys_max.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        if forgotten || room == 0 {
            return;
        }
        let entry = Entry { key: key.into(), rows, written_ms, accessed_ms, used: false };
        let place = if self.entries.len() < room.min(u32::MAX as usize) {
            self.entries.push(entry);
            self.entries.len() - 1
        } else {
            let place = self.victim();
            self.entries[place] = entry;
            place
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.places.insert_unique(hash, place as u32, |place| hasher.hash_one(&*entries[*place as usize].key));
    }

    /// Takes an entry out of the places, so that another one can lie there.
    fn victim(&mut self) -> usize {
        loop {
            let place = self.hand % self.entries.len();
            self.hand = place + 1;
            if !std::mem::take(&mut self.entries[place].used) {
                let hash = self.hasher.hash_one(&*self.entries[place].key);
                if let Ok(found) = self.places.find_entry(hash, |at| *at as usize == place) {
                    found.remove();
                }
                return place;
            }
        }
    }
}
