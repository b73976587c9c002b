//! Timers of keys, with and without a name. What a function does to them in a call is recorded and done behind it: only what
//! is different then is told to the runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use bytes::Bytes;
use flott_api::key_group::{KeyGroup, hash_keys, key_group};
use flott_api::operator::{OperatorContext, TimeDomain, Timer};
use flott_api::process::{ProcessTimers, StateKind, StateRows, StateShape};
use flott_api::{Error, Field, LogicalType, Result, Schema, TypeKind};
use flott_state::codec::{damaged, put_bytes, take_bytes};
use flott_state::key::{EncodedKeys, decode};

use super::Keyed;
use super::call::Keys;

const UNNAMED: u8 = 0;
const NAMED: u8 = 1;

/// The state of the timers: by name, or by time where there is no name.
pub(super) fn shape() -> StateShape {
    let field = |name: &str, kind| Field::new(name, LogicalType::new(kind));
    let text = TypeKind::Varchar(flott_api::types::LENGTH_MAX);
    StateShape {
        name: "$timers".to_owned(),
        kind: StateKind::Map { key_columns: 2 },
        schema: Schema::new(vec![
            field("name", text),
            field("unnamed_at", TypeKind::BigInt),
            field("at", TypeKind::BigInt),
        ]),
        ttl_ms: Some(0),
    }
}

/// What a timer is known by within its key.
type Known = (Option<String>, Option<i64>);

fn known(name: Option<&str>, at_ms: i64) -> Known {
    (name.map(str::to_owned), name.is_none().then_some(at_ms))
}

/// A timer that is due. In the order in which they fire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fired {
    pub(super) at_ms: i64,
    key: Vec<u8>,
    pub(super) name: Option<String>,
}

impl Fired {
    /// What a timer's payload says.
    pub(super) fn of(timer: &Timer) -> Result<Self> {
        let mut rest = &timer.payload[..];
        let name = match rest.split_first() {
            Some((&UNNAMED, behind)) => {
                rest = behind;
                None
            }
            Some((&NAMED, behind)) => {
                rest = behind;
                let name = std::str::from_utf8(take_bytes(&mut rest)?);
                Some(name.map_err(|_| damaged("the name of a timer is no text"))?.to_owned())
            }
            _ => return Err(damaged("a timer has no kind")),
        };
        Ok(Fired { at_ms: timer.at_ms, key: rest.to_vec(), name })
    }
}

/// Takes the first timers, as long as they are of different keys.
pub(super) fn one_a_key(due: &mut BTreeSet<Fired>) -> Vec<Fired> {
    let (mut now, mut keys) = (Vec::new(), BTreeSet::new());
    while let Some(first) = due.first() {
        if !keys.insert(first.key.clone()) {
            break;
        }
        now.extend(due.pop_first());
    }
    now
}

/// What a function did to timers in a call.
pub(super) struct Recorded {
    /// Whether there are timers.
    allowed: bool,
    changes: Vec<(u32, Change)>,
}

enum Change {
    Set(Known, i64),
    Take(Known),
    TakeAll,
}

impl Recorded {
    pub(super) fn new(allowed: bool) -> Self {
        Recorded { allowed, changes: Vec::new() }
    }

    fn note(&mut self, key: u32, change: Change) -> Result<()> {
        if !self.allowed {
            return Err(Error::invalid("timers are not supported in this declaration of a process table function")
                .with_hint("Its table must have set semantics and must not pass its columns through."));
        }
        self.changes.push((key, change));
        Ok(())
    }
}

impl ProcessTimers for Recorded {
    fn register(&mut self, key: u32, name: Option<&str>, at_ms: i64) -> Result<()> {
        self.note(key, Change::Set(known(name, at_ms), at_ms))
    }

    fn clear_named(&mut self, key: u32, name: &str) -> Result<()> {
        self.note(key, Change::Take(known(Some(name), 0)))
    }

    fn clear_at(&mut self, key: u32, at_ms: i64) -> Result<()> {
        self.note(key, Change::Take(known(None, at_ms)))
    }

    fn clear_all(&mut self, key: u32) -> Result<()> {
        self.note(key, Change::TakeAll)
    }
}

/// How timers of keys of these types are made and read.
pub(super) struct KeyedTimers {
    types: Vec<DataType>,
    max_parallelism: u32,
}

/// A key as timers have it.
struct Owner {
    key_group: KeyGroup,
    key: Vec<u8>,
}

impl KeyedTimers {
    pub(super) fn new(types: Vec<DataType>, max_parallelism: u32) -> Self {
        KeyedTimers { types, max_parallelism }
    }

    /// The key columns of timers.
    pub(super) fn columns(&self, fired: &[Fired]) -> Result<Vec<ArrayRef>> {
        decode(&self.types, &fired.iter().map(|f| f.key.as_slice()).collect::<Vec<_>>())
    }

    fn owner(&self, columns: &[ArrayRef]) -> Result<Owner> {
        let mut encoded = EncodedKeys::default();
        encoded.encode(columns, 1)?;
        let hash = hash_keys(columns, 1)?[0];
        Ok(Owner { key_group: key_group(hash, self.max_parallelism), key: encoded.get(0).to_vec() })
    }
}

impl Owner {
    fn timer(&self, (name, _): &Known, at_ms: i64) -> Timer {
        let mut payload = Vec::with_capacity(self.key.len() + 1);
        match name {
            None => payload.push(UNNAMED),
            Some(name) => {
                payload.push(NAMED);
                put_bytes(&mut payload, name.as_bytes());
            }
        }
        payload.extend_from_slice(&self.key);
        Timer { at_ms, domain: TimeDomain::Event, key_group: Some(self.key_group), payload: Bytes::from(payload) }
    }

    fn fired(&self, (name, _): &Known, at_ms: i64) -> Fired {
        Fired { at_ms, key: self.key.clone(), name: name.clone() }
    }
}

/// Timers as rows of their state.
#[derive(Default)]
struct Rows {
    groups: Vec<u32>,
    known: Vec<Known>,
    at: Vec<i64>,
}

impl Rows {
    fn push(&mut self, group: u32, known: Known, at_ms: i64) {
        self.groups.push(group);
        self.known.push(known);
        self.at.push(at_ms);
    }

    fn keys(&self) -> Vec<ArrayRef> {
        let names: StringArray = self.known.iter().map(|(name, _)| name.as_deref()).collect();
        let times: Int64Array = self.known.iter().map(|(_, at)| *at).collect();
        vec![Arc::new(names), Arc::new(times)]
    }

    fn batch(&self) -> Result<RecordBatch> {
        let mut columns = self.keys();
        columns.push(Arc::new(Int64Array::from(self.at.clone())));
        Ok(RecordBatch::try_new(shape().schema.arrow(), columns)?)
    }
}

/// What rows of the state say: of which place each is, what it is known by, and its time.
fn read(found: &StateRows) -> impl Iterator<Item = (u32, Known, i64)> + '_ {
    let [names, unnamed, at] = [0, 1, 2].map(|column| found.rows.column(column));
    let (names, unnamed, at) =
        (names.as_string::<i32>(), unnamed.as_primitive::<Int64Type>(), at.as_primitive::<Int64Type>());
    found.of.iter().enumerate().map(move |(row, of)| {
        let name = names.is_valid(row).then(|| names.value(row).to_owned());
        let time = unnamed.is_valid(row).then(|| unnamed.value(row));
        (*of, (name, time), at.value(row))
    })
}

impl Keyed {
    /// Takes timers that fire out of the state; answers which of them were there.
    pub(super) fn take_fired(&mut self, groups: &[u32], fired: &[Fired], now_ms: i64) -> Result<Vec<usize>> {
        let mut asked = Rows::default();
        for (group, fired) in groups.iter().zip(fired) {
            asked.push(*group, known(fired.name.as_deref(), fired.at_ms), fired.at_ms);
        }
        let found = self.state.entries().find(self.timers_at, groups, &asked.keys(), now_ms)?;
        let live = read(&found).filter(|(of, _, at)| fired[*of as usize].at_ms == *at).map(|(of, ..)| of as usize);
        let live: Vec<usize> = live.collect();
        let mut gone = Rows::default();
        live.iter().for_each(|at| gone.push(asked.groups[*at], asked.known[*at].clone(), asked.at[*at]));
        self.state.touch(&gone.groups)?;
        self.state.entries_mut().remove(self.timers_at, &gone.groups, &gone.keys())?;
        Ok(live)
    }

    /// Does what a function recorded. A timer for a time that has come goes to `due`, where there is such a list. `columns`
    /// has the key columns of each key.
    pub(super) fn set_timers(
        &mut self,
        keys: &Keys,
        columns: Vec<Vec<ArrayRef>>,
        recorded: Recorded,
        (cx, mut due): (&mut OperatorContext<'_>, Option<&mut BTreeSet<Fired>>),
    ) -> Result<()> {
        let mut by_key: BTreeMap<u32, Vec<Change>> = BTreeMap::new();
        recorded.changes.into_iter().for_each(|(key, change)| by_key.entry(key).or_default().push(change));
        let (mut gone, mut put) = (Rows::default(), Rows::default());
        for (key, changes) in by_key {
            let place = key as usize;
            let (Some(group), Some(columns)) = (keys.groups.get(place).copied(), columns.get(place)) else {
                return Err(Error::internal(format!("a call has no key number {key}")));
            };
            let owner = self.timers.owner(columns)?;
            let found = self.state.entries().read(self.timers_at, &[group], cx.processing_time_ms)?;
            let before: BTreeMap<Known, i64> = read(&found).map(|(_, known, at)| (known, at)).collect();
            let after = changed(before.clone(), changes);
            for (known, at_ms) in before.iter().filter(|(known, at)| after.get(*known) != Some(*at)) {
                cx.timers.delete(&owner.timer(known, *at_ms));
                if let Some(due) = due.as_deref_mut() {
                    due.remove(&owner.fired(known, *at_ms));
                }
                gone.push(group, known.clone(), *at_ms);
            }
            for (known, at_ms) in after.into_iter().filter(|(known, at)| before.get(known) != Some(at)) {
                match due.as_deref_mut().filter(|_| at_ms <= cx.watermark.0) {
                    Some(due) => _ = due.insert(owner.fired(&known, at_ms)),
                    None => cx.timers.register(owner.timer(&known, at_ms)),
                }
                put.push(group, known, at_ms);
            }
        }
        let touched = [gone.groups.as_slice(), &put.groups].concat();
        self.state.touch(&touched)?;
        let views = self.state.entries_mut();
        views.remove(self.timers_at, &gone.groups, &gone.keys())?;
        views.put(self.timers_at, &put.groups, &put.batch()?, cx.processing_time_ms)
    }
}

/// The timers of a key after some changes.
fn changed(mut timers: BTreeMap<Known, i64>, changes: Vec<Change>) -> BTreeMap<Known, i64> {
    for change in changes {
        match change {
            Change::Set(known, at_ms) => _ = timers.insert(known, at_ms),
            Change::Take(known) => _ = timers.remove(&known),
            Change::TakeAll => timers.clear(),
        }
    }
    timers
}
