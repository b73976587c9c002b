//! The changes that are written at once, as requests: of several of one key the last one counts, so their order does not.

use bson::RawDocumentBuf;
use bson::oid::ObjectId;
use flott_api::env::Environment;
use flott_api::{ChangeBatch, Result};
use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::Shared;
use crate::encode::{Rows, Writer, restore_object_id};
use crate::kinds::ID;

/// A request is a document, which has at most 16 MB; one row may still come beyond this.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// And no request has more, unless one row has: a server takes 16 MB, and something beside the rows.
const REQUEST_BYTES_LIMIT: usize = 15 << 20;
/// Servers take 100 000.
const REQUEST_ROWS_MAX: usize = 10_000;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
}

impl Kind {
    /// The names of the command and of its list.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Kind::Insert => ("insert", "documents"),
            Kind::Update => ("update", "updates"),
            Kind::Delete => ("delete", "deletes"),
        }
    }
}

/// Rows that are written by one command.
pub(super) struct Request {
    pub(super) kind: Kind,
    /// The entries of its list, as fields of an array.
    entries: Vec<u8>,
}

impl Request {
    /// The command.
    ///
    /// # Errors
    /// If it is no document.
    pub(super) fn command(
        &self,
        collection: &str,
        ordered: bool,
        bypass_validation: Option<bool>,
        concern: Option<&RawDocumentBuf>,
    ) -> Result<RawDocumentBuf> {
        let (command, list) = self.kind.names();
        let mut writer = Writer::default();
        let begun = writer.begin();
        writer.text(command, collection);
        writer.boolean("ordered", ordered);
        if let Some(bypass) = bypass_validation.filter(|_| self.kind != Kind::Delete) {
            writer.boolean("bypassDocumentValidation", bypass);
        }
        if let Some(concern) = concern {
            writer.document("writeConcern", concern);
        }
        let entries = writer.begin_array(list);
        writer.fields(&self.entries);
        writer.end(entries);
        writer.end(begun);
        writer.finish()
    }
}

/// Makes requests of changes, one after the other.
pub(super) struct Requests<'a> {
    shared: &'a Shared,
    batches: Vec<Rows>,
    /// Batch, row, and where the encoded key ends; those that are deleted first.
    changes: Vec<Change>,
    keys: Vec<u8>,
    done: usize,
    ids: Ids,
}

#[derive(Clone, Copy)]
struct Change {
    batch: usize,
    row: usize,
    delete: bool,
    /// Where its key lies.
    key: (usize, usize),
}

impl<'a> Requests<'a> {
    /// Of these batches.
    ///
    /// # Errors
    /// If a key is null or has no place in BSON.
    pub(super) fn new(shared: &'a Shared, waiting: &[ChangeBatch], environment: &Environment) -> Result<Self> {
        let rows = |b: &ChangeBatch| Rows::new(b.rows(), &shared.spec.schema);
        let batches = waiting.iter().map(rows).collect::<Result<Vec<_>>>()?;
        let mut keys = Vec::new();
        let mut changes = Vec::new();
        for (batch, (rows, changed)) in batches.iter().zip(waiting).enumerate() {
            for row in 0..changed.len() {
                let start = keys.len();
                put_key(shared, rows, row, &mut keys)?;
                let delete = changed.kind(row).is_retract();
                changes.push(Change { batch, row, delete, key: (start, keys.len()) });
            }
        }
        if !shared.spec.primary_key.is_empty() {
            let mut seen = HashSet::<&[u8], RandomState>::default();
            let mut last: Vec<bool> = changes.iter().rev().map(|c| seen.insert(&keys[c.key.0..c.key.1])).collect();
            last.reverse();
            let mut last = last.into_iter();
            changes.retain(|_| last.next().unwrap_or(true));
            changes.sort_by_key(|change| !change.delete);
        }
        Ok(Requests { shared, batches, changes, keys, done: 0, ids: Ids::new(environment) })
    }

    /// The next request; nothing if all rows are written.
    ///
    /// # Errors
    /// Names the column whose value has no place in BSON.
    pub(super) fn next(&mut self) -> Result<Option<Request>> {
        let Some(first) = self.changes.get(self.done).copied() else { return Ok(None) };
        let keyed = !self.shared.spec.primary_key.is_empty();
        let kind = match (keyed, first.delete) {
            (false, _) => Kind::Insert,
            (true, false) => Kind::Update,
            (true, true) => Kind::Delete,
        };
        let (mut entries, mut count) = (Writer::default(), 0);
        while let Some(change) = self.changes.get(self.done).copied().filter(|c| !keyed || c.delete == first.delete) {
            let before = entries.len();
            self.put_entry(&mut entries, count, kind, change)?;
            // A large row goes alone, and must not lie behind others in a request that is too large.
            if count > 0 && entries.len() > REQUEST_BYTES_LIMIT {
                entries.cut(before);
                break;
            }
            self.done += 1;
            count += 1;
            if entries.len() >= REQUEST_BYTES_MAX || count >= REQUEST_ROWS_MAX {
                break;
            }
        }
        Ok(Some(Request { kind, entries: entries.into_bytes() }))
    }

    fn put_entry(&mut self, writer: &mut Writer, place: usize, kind: Kind, change: Change) -> Result<()> {
        let rows = &self.batches[change.batch];
        let mut digits = itoa::Buffer::new();
        let begun = writer.begin_document(digits.format(place));
        if kind == Kind::Insert {
            writer.object_id(ID, self.ids.next());
            rows.put(writer, change.row, &[])?;
        } else {
            let which = writer.begin_document("q");
            writer.value(ID, &self.keys[change.key.0..change.key.1]);
            self.put_shard(writer, rows, change.row)?;
            writer.end(which);
            match kind {
                Kind::Delete => writer.int("limit", 1),
                _ => self.put_update(writer, change)?,
            }
        }
        writer.end(begun);
        Ok(())
    }

    /// The values of a document that say on which shard it lies.
    fn put_shard(&self, writer: &mut Writer, rows: &Rows, row: usize) -> Result<()> {
        let mut value = Vec::new();
        for at in &self.shared.shard_keys {
            let name = &self.shared.spec.schema.fields[*at].name;
            if name == ID {
                continue;
            }
            value.clear();
            rows.encode(*at, row, &mut value)?;
            restore_object_id(&mut value, 0);
            writer.value(name, &value);
        }
        Ok(())
    }

    fn put_update(&self, writer: &mut Writer, change: Change) -> Result<()> {
        let left_out = &self.shared.left_out;
        let update = writer.begin_document("u");
        if (0..self.shared.spec.schema.len()).all(|at| left_out.contains(&at)) {
            // There is nothing to set, and an empty list of it is refused.
            let set = writer.begin_document("$setOnInsert");
            writer.value(ID, &self.keys[change.key.0..change.key.1]);
            writer.end(set);
        } else {
            let set = writer.begin_document("$set");
            self.batches[change.batch].put(writer, change.row, left_out)?;
            writer.end(set);
        }
        writer.end(update);
        writer.boolean("upsert", true);
        Ok(())
    }
}

/// Appends the key of a row as an encoded value: a single column as it is, several ones as a document of them.
fn put_key(shared: &Shared, rows: &Rows, row: usize, into: &mut Vec<u8>) -> Result<()> {
    let start = into.len();
    match shared.spec.primary_key.as_slice() {
        [] => {}
        [column] => {
            rows.encode(*column, row, into)?;
            restore_object_id(into, start);
        }
        columns => {
            let mut writer = Writer::behind(std::mem::take(into));
            writer.document_tag();
            let begun = writer.begin();
            rows.put_only(&mut writer, row, columns)?;
            writer.end(begun);
            *into = writer.into_bytes();
        }
    }
    Ok(())
}

/// Ids of documents that have no key, as MongoDB's clients make them: the second, chance, and a number that rises.
struct Ids {
    second: u32,
    chance: [u8; 5],
    number: u32,
}

impl Ids {
    fn new(environment: &Environment) -> Self {
        let chance = environment.rng.next_u64().to_le_bytes();
        let second = environment.clock.now_ms().div_euclid(1000) as u32;
        let number = environment.rng.next_u64() as u32;
        Ids { second, chance: [chance[0], chance[1], chance[2], chance[3], chance[4]], number }
    }

    fn next(&mut self) -> ObjectId {
        self.number = self.number.wrapping_add(1);
        let [_, high, middle, low] = self.number.to_be_bytes();
        ObjectId::from_parts(self.second, self.chance, [high, middle, low])
    }
}
