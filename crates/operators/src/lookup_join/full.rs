//! `'lookup.cache' = 'FULL'`: a table that is read whole before the first lookup, and again when it is due.
//!
//! All splits of its source are read by every subtask. Rows are found by the encoding of their key; those whose key has a
//! null are left out. A reload takes place when the first rows behind its time come; they wait for it, and see the new
//! table. (Flink reads beside the running join, and rows see the old table meanwhile.)

use std::hash::BuildHasher;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use flott_api::lookup::{Found, LookupSpec, Reload};
use flott_api::source::{ReadEvent, ReaderContext, Source, Split};
use flott_api::{Error, Result};
use flott_state::key::EncodedKeys;
use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// See the module.
pub(super) struct FullTable {
    source: Box<dyn Source>,
    reader: ReaderContext,
    keys: Vec<usize>,
    reload: Reload,
    loaded: Option<Loaded>,
    /// Of its rows.
    schema: SchemaRef,
    asked: EncodedKeys,
}

struct Loaded {
    index: Index,
    /// When it is read again.
    next_ms: Option<i64>,
}

impl FullTable {
    pub(super) fn new(source: Box<dyn Source>, reader: ReaderContext, spec: &LookupSpec, reload: Reload) -> Self {
        let (keys, schema) = (spec.keys.clone(), spec.table.output_schema().arrow());
        FullTable { source, reader, keys, reload, loaded: None, schema, asked: EncodedKeys::default() }
    }

    /// The rows of these keys at this time.
    pub(super) async fn find(&mut self, keys: &RecordBatch, now_ms: i64) -> Result<Found> {
        let due = |loaded: &Loaded| loaded.next_ms.is_some_and(|next| next <= now_ms);
        let loaded = match self.loaded.take() {
            Some(loaded) if !due(&loaded) => loaded,
            _ => self.load(now_ms).await?,
        };
        self.asked.encode(keys.columns(), keys.num_rows())?;
        let found = loaded.index.find(&self.asked, keys.num_rows());
        self.loaded = Some(loaded);
        found
    }

    async fn load(&self, now_ms: i64) -> Result<Loaded> {
        let batches = self.read().await?;
        let rows = concat_batches(&self.schema, &batches)?;
        let ended_ms = self.reader.environment.clock.now_ms().max(now_ms);
        Ok(Loaded { index: Index::of(rows, &self.keys)?, next_ms: self.reload.next_ms(now_ms, ended_ms) })
    }

    /// All rows of the source.
    async fn read(&self) -> Result<Vec<RecordBatch>> {
        let splits = self.splits().await?;
        let mut open = splits.len();
        let mut reader = self.source.reader(self.reader.clone())?;
        reader.add_splits(splits)?;
        let mut batches = Vec::new();
        while open > 0 {
            match reader.next().await? {
                ReadEvent::Batch { batch, .. } if batch.kinds().is_some() => {
                    return Err(Error::unsupported("a lookup in a table whose rows change"));
                }
                ReadEvent::Batch { batch, .. } => batches.push(batch.into_parts().0),
                ReadEvent::Finished { .. } => open -= 1,
            }
        }
        Ok(batches)
    }

    async fn splits(&self) -> Result<Vec<Split>> {
        let mut enumerator = self.source.enumerator(&self.reader.environment, None)?;
        let mut splits = Vec::new();
        loop {
            let found = enumerator.discover().await?;
            splits.extend(found.splits);
            if found.finished {
                return Ok(splits);
            }
        }
    }
}

/// The rows of a table by key.
struct Index {
    rows: RecordBatch,
    /// The rows that have a key, those of one key together.
    order: Vec<u32>,
    /// For each key where its rows begin in `order`; and where the last ones end.
    starts: Vec<u32>,
    encoded: EncodedKeys,
    hasher: RandomState,
    /// The keys, by number.
    table: HashTable<u32>,
}

impl Index {
    fn of(rows: RecordBatch, keys: &[usize]) -> Result<Self> {
        if u32::try_from(rows.num_rows()).is_err() {
            return Err(Error::unsupported("a lookup in a table of more than 4294967295 rows that is kept in memory"));
        }
        let columns: Vec<ArrayRef> = keys.iter().map(|key| rows.column(*key).clone()).collect();
        let mut encoded = EncodedKeys::default();
        encoded.encode(&columns, rows.num_rows())?;
        let has_key = |row: &u32| columns.iter().all(|column| column.is_valid(*row as usize));
        let mut order: Vec<u32> = (0..rows.num_rows() as u32).filter(has_key).collect();
        order.sort_by(|a, b| encoded.get(*a as usize).cmp(encoded.get(*b as usize)));
        let mut starts: Vec<u32> = Vec::new();
        for at in 0..order.len() {
            let key = |at: usize| encoded.get(order[at] as usize);
            if at == 0 || key(at - 1) != key(at) {
                starts.push(at as u32);
            }
        }
        let hasher = RandomState::default();
        let mut table = HashTable::with_capacity(starts.len());
        let hash_of = |number: &u32| hasher.hash_one(encoded.get(order[starts[*number as usize] as usize] as usize));
        for number in 0..starts.len() as u32 {
            table.insert_unique(hash_of(&number), number, hash_of);
        }
        starts.push(order.len() as u32);
        Ok(Index { rows, order, starts, encoded, hasher, table })
    }

    fn find(&self, asked: &EncodedKeys, keys: usize) -> Result<Found> {
        let (mut rows, mut of) = (Vec::with_capacity(keys), Vec::with_capacity(keys));
        for key in 0..keys {
            let places = self.places(asked.get(key));
            rows.extend_from_slice(places);
            of.extend(std::iter::repeat_n(key as u32, places.len()));
        }
        Ok(Found { rows: take_record_batch(&self.rows, &UInt32Array::from(rows))?, keys: of })
    }

    fn places(&self, key: &[u8]) -> &[u32] {
        let first = |number: u32| self.starts[number as usize] as usize;
        let equal = |number: &u32| self.encoded.get(self.order[first(*number)] as usize) == key;
        match self.table.find(self.hasher.hash_one(key), equal) {
            Some(number) => &self.order[first(*number)..first(*number + 1)],
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests;
