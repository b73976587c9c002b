//! Named states of one key side by side: values, lists and maps of rows, each with its own time to live.
//!
//! Flink counterpart: the `ValueState`, `ListState` and `MapState` of an operator with a state per name; what a process table
//! function or a keyed process function declares. All states of a key are one entry, which is loaded and written whole.
//! A row is over when its own time to live has passed since it was put; it is hidden from then on, and its memory comes
//! back when its key is written the next time.
//!
//! **State layout**: a part a state, by its name. Of a value: the time of the change and the row, or nothing. Of a list: for
//! each row its time and the row with its length. Of a map: for each row its time, its key and the rest, both with their
//! length, by key. Rows are written as [`row`](mod@crate::row) says.

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use flott_api::process::{StateKind, StateRows, StateShape};
use flott_api::state::StatePart;
use flott_api::{Error, Result};

use super::expiry::TtlOptions;
use super::region::GroupEntries;
use super::values::{Values, take_part};
use crate::codec::{damaged, put_bytes, take_bytes, take_i64};
use crate::row::{self, RowEncoder};

/// What an entry of a map takes besides its bytes, about.
const MAP_ENTRY_BYTES: usize = 64;

/// A state of all keys.
struct View {
    kind: StateKind,
    schema: SchemaRef,
    ttl: TtlOptions,
}

/// A state of one key.
#[derive(Clone, Debug)]
enum Cell {
    /// A value or a list: times and rows, one behind the other.
    Rows(Vec<u8>),
    Map(BTreeMap<Box<[u8]>, Timed>),
}

/// The rest of a map's row, and when it was put.
#[derive(Clone, Debug)]
struct Timed {
    changed_ms: i64,
    rest: Vec<u8>,
}

impl Cell {
    fn bytes(&self) -> usize {
        match self {
            Cell::Rows(rows) => rows.capacity(),
            Cell::Map(rows) => {
                rows.iter().map(|(key, timed)| key.len() + timed.rest.capacity() + MAP_ENTRY_BYTES).sum()
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Cell::Rows(rows) => rows.is_empty(),
            Cell::Map(rows) => rows.is_empty(),
        }
    }
}

/// See the module.
pub struct StateViews {
    views: Vec<View>,
    /// The states of group 0, then those of group 1, and so on.
    cells: Vec<Cell>,
    held_bytes: usize,
}

impl StateViews {
    /// States without keys.
    ///
    /// # Errors
    /// If rows of a state cannot be written down, or a map has no key.
    pub fn new(shapes: &[StateShape], job_ttl_ms: i64) -> Result<Self> {
        let view = |shape: &StateShape| {
            for field in &shape.schema.fields {
                row::check_type(&field.ty.arrow())?;
            }
            if matches!(shape.kind, StateKind::Map { key_columns } if key_columns == 0 || key_columns > shape.schema.len())
            {
                return Err(Error::internal(format!("map state '{}' has no key", shape.name)));
            }
            let ttl = TtlOptions::after(shape.ttl_ms.unwrap_or(job_ttl_ms));
            Ok(View { kind: shape.kind, schema: shape.schema.arrow(), ttl })
        };
        Ok(StateViews { views: shapes.iter().map(view).collect::<Result<_>>()?, cells: Vec::new(), held_bytes: 0 })
    }

    /// What an entry holds.
    pub fn parts(shapes: &[StateShape]) -> Vec<StatePart> {
        let part = |shape: &StateShape| {
            let columns: Vec<String> = shape.schema.fields.iter().map(|f| f.ty.to_string()).collect();
            let kind = match shape.kind {
                StateKind::Value => "VALUE".to_owned(),
                StateKind::List => "LIST".to_owned(),
                StateKind::Map { key_columns } => format!("MAP {key_columns}"),
            };
            StatePart { name: shape.name.clone(), ty: format!("{kind}({})", columns.join(", ")) }
        };
        shapes.iter().map(part).collect()
    }

    /// After how long without a write nothing of a key is left; 0 if something stays.
    pub fn longest_ttl_ms(&self) -> i64 {
        let ttls = self.views.iter().map(|view| view.ttl.ttl_ms);
        if self.views.iter().all(|view| view.ttl.is_on()) { ttls.max().unwrap_or(0) } else { 0 }
    }

    /// Whether a group has no row in any state.
    pub fn is_vacant(&self, group: u32) -> bool {
        (0..self.views.len()).all(|state| self.cells[self.at(state, group)].is_empty())
    }

    /// Whether a group has no row in this state.
    pub fn is_empty(&self, state: usize, group: u32) -> bool {
        self.cells[self.at(state, group)].is_empty()
    }

    /// All rows of these groups that are not over, group by group; each is of the place among `groups`.
    ///
    /// # Errors
    /// If there is no such state.
    pub fn read(&self, state: usize, groups: &[u32], now_ms: i64) -> Result<StateRows> {
        let view = self.view(state)?;
        let mut found = Found::default();
        for (place, group) in (0..).zip(groups) {
            match &self.cells[self.at(state, *group)] {
                Cell::Rows(rows) => {
                    let mut rest = rows.as_slice();
                    while !rest.is_empty() {
                        let (changed_ms, row) = take_row(&mut rest)?;
                        if !view.ttl.is_hidden(changed_ms, now_ms) {
                            found.push(place, &[row]);
                        }
                    }
                }
                Cell::Map(rows) => {
                    for (key, timed) in rows.iter().filter(|(_, t)| !view.ttl.is_hidden(t.changed_ms, now_ms)) {
                        found.push(place, &[key, &timed.rest]);
                    }
                }
            }
        }
        found.rows(&view.schema)
    }

    /// The rows of a map with these keys that are not over; each is of the place among `groups`.
    ///
    /// # Errors
    /// If the state is no map with such keys.
    pub fn find(&self, state: usize, groups: &[u32], map_keys: &[ArrayRef], now_ms: i64) -> Result<StateRows> {
        let view = self.view(state)?;
        let keys = self.map_keys(state, groups, map_keys)?;
        let (mut found, mut key) = (Found::default(), Vec::new());
        for (place, group) in (0..).zip(groups) {
            key.clear();
            keys.encode(place as usize, &mut key);
            let Cell::Map(rows) = &self.cells[self.at(state, *group)] else { continue };
            let timed = rows.get(key.as_slice()).filter(|t| !view.ttl.is_hidden(t.changed_ms, now_ms));
            if let Some(timed) = timed {
                found.push(place, &[&key, &timed.rest]);
            }
        }
        found.rows(&view.schema)
    }

    /// Puts a row for each of these groups, in order.
    ///
    /// # Errors
    /// If the columns are not the state's.
    pub fn put(&mut self, state: usize, groups: &[u32], rows: &RecordBatch, now_ms: i64) -> Result<()> {
        let view = self.view(state)?;
        let (kind, ttl) = (view.kind, view.ttl);
        let types = |schema: &Schema| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        if types(&rows.schema()) != types(&view.schema) || rows.num_rows() != groups.len() {
            return Err(Error::internal("rows for a state have other columns than it"));
        }
        let key_columns = if let StateKind::Map { key_columns } = kind { key_columns } else { 0 };
        let all: Vec<usize> = (0..rows.num_columns()).collect();
        let keys = RowEncoder::new(&rows.project(&all[..key_columns])?)?;
        let rest = RowEncoder::new(&rows.project(&all[key_columns..])?)?;
        let (mut key, mut written) = (Vec::new(), Vec::new());
        for (row, group) in groups.iter().enumerate() {
            key.clear();
            written.clear();
            keys.encode(row, &mut key);
            rest.encode(row, &mut written);
            let at = self.at(state, *group);
            let before = self.counted_bytes(at, kind);
            match (&mut self.cells[at], kind) {
                (Cell::Rows(rows), StateKind::Value) => {
                    rows.clear();
                    put_row(rows, now_ms, &written);
                }
                (Cell::Rows(rows), _) => {
                    drop_over(rows, ttl, now_ms)?;
                    put_row(rows, now_ms, &written);
                }
                (Cell::Map(rows), _) => match rows.get_mut(key.as_slice()) {
                    Some(timed) => {
                        self.held_bytes -= timed.rest.capacity();
                        timed.changed_ms = now_ms;
                        timed.rest.clear();
                        timed.rest.extend_from_slice(&written);
                        self.held_bytes += timed.rest.capacity();
                    }
                    None => {
                        self.held_bytes += key.len() + written.len() + MAP_ENTRY_BYTES;
                        rows.insert(
                            key.as_slice().into(),
                            Timed { changed_ms: now_ms, rest: written.as_slice().to_vec() },
                        );
                    }
                },
            }
            self.held_bytes += self.counted_bytes(at, kind);
            self.held_bytes -= before;
        }
        Ok(())
    }

    /// Takes rows out of a map.
    ///
    /// # Errors
    /// If the state is no map with such keys.
    pub fn remove(&mut self, state: usize, groups: &[u32], map_keys: &[ArrayRef]) -> Result<()> {
        let keys = self.map_keys(state, groups, map_keys)?;
        let mut key = Vec::new();
        for (row, group) in groups.iter().enumerate() {
            key.clear();
            keys.encode(row, &mut key);
            let at = self.at(state, *group);
            let Cell::Map(rows) = &mut self.cells[at] else { continue };
            if let Some(timed) = rows.remove(key.as_slice()) {
                self.held_bytes -= key.len() + timed.rest.capacity() + MAP_ENTRY_BYTES;
            }
        }
        Ok(())
    }

    /// Forgets all rows of these groups in a state.
    ///
    /// # Errors
    /// If there is no such state.
    pub fn forget(&mut self, state: usize, groups: &[u32]) -> Result<()> {
        self.view(state)?;
        groups.iter().for_each(|group| self.set(self.at(state, *group), self.fresh_cell(state)));
        Ok(())
    }

    /// Forgets the rows of a group that are over.
    ///
    /// # Errors
    /// If what is kept is damaged.
    pub fn drop_expired(&mut self, group: u32, now_ms: i64) -> Result<()> {
        for state in 0..self.views.len() {
            let (ttl, at) = (self.views[state].ttl, self.at(state, group));
            if !ttl.is_on() || self.cells[at].is_empty() {
                continue;
            }
            let before = self.cells[at].bytes();
            match &mut self.cells[at] {
                Cell::Rows(rows) => drop_over(rows, ttl, now_ms)?,
                Cell::Map(rows) => rows.retain(|_, timed| !ttl.is_over(timed.changed_ms, now_ms)),
            }
            self.held_bytes += self.cells[at].bytes();
            self.held_bytes -= before;
        }
        Ok(())
    }

    fn view(&self, state: usize) -> Result<&View> {
        self.views.get(state).ok_or_else(|| Error::internal(format!("there is no state number {state}")))
    }

    fn at(&self, state: usize, group: u32) -> usize {
        group as usize * self.views.len() + state
    }

    fn fresh_cell(&self, state: usize) -> Cell {
        match self.views[state].kind {
            StateKind::Map { .. } => Cell::Map(BTreeMap::new()),
            StateKind::Value | StateKind::List => Cell::Rows(Vec::new()),
        }
    }

    /// What is counted as a whole; a map is counted row by row.
    fn counted_bytes(&self, at: usize, kind: StateKind) -> usize {
        if matches!(kind, StateKind::Map { .. }) { 0 } else { self.cells[at].bytes() }
    }

    fn set(&mut self, at: usize, cell: Cell) {
        self.held_bytes += cell.bytes();
        let old = std::mem::replace(&mut self.cells[at], cell);
        self.held_bytes -= old.bytes();
    }

    fn map_keys(&self, state: usize, groups: &[u32], map_keys: &[ArrayRef]) -> Result<RowEncoder> {
        let view = self.view(state)?;
        let wrong = || Error::internal("a state is asked for keys that it does not have");
        let StateKind::Map { key_columns } = view.kind else { return Err(wrong()) };
        let fields = &view.schema.fields()[..key_columns];
        let fits = map_keys.len() == key_columns
            && map_keys.iter().zip(fields).all(|(k, f)| k.data_type() == f.data_type() && k.len() == groups.len());
        if !fits {
            return Err(wrong());
        }
        let schema = std::sync::Arc::new(Schema::new(fields.iter().cloned().collect::<arrow_schema::Fields>()));
        // What is asked for may be null where the state's column is not.
        let schema = relaxed(&schema);
        RowEncoder::new(&RecordBatch::try_new(schema, map_keys.to_vec())?)
    }
}

fn relaxed(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
    std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn put_row(out: &mut Vec<u8>, changed_ms: i64, row: &[u8]) {
    out.extend_from_slice(&changed_ms.to_le_bytes());
    put_bytes(out, row);
}

fn take_row<'a>(rows: &mut &'a [u8]) -> Result<(i64, &'a [u8])> {
    Ok((take_i64(rows)?, take_bytes(rows)?))
}

/// Takes the rows that are over out of a list. They are at its begin: what came first is over first.
fn drop_over(rows: &mut Vec<u8>, ttl: TtlOptions, now_ms: i64) -> Result<()> {
    let mut rest = rows.as_slice();
    while ttl.is_on() && !rest.is_empty() {
        let mut next = rest;
        if !ttl.is_over(take_row(&mut next)?.0, now_ms) {
            break;
        }
        rest = next;
    }
    let over = rows.len() - rest.len();
    rows.drain(..over);
    Ok(())
}

/// Rows that were found, one behind the other.
#[derive(Default)]
struct Found {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    of: Vec<u32>,
}

impl Found {
    fn push(&mut self, of: u32, pieces: &[&[u8]]) {
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece));
        self.ends.push(self.bytes.len());
        self.of.push(of);
    }

    fn rows(self, schema: &SchemaRef) -> Result<StateRows> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let rows: Vec<&[u8]> = starts.zip(&self.ends).map(|(from, to)| &self.bytes[from..*to]).collect();
        Ok(StateRows { rows: row::decode(schema, &rows)?, of: self.of })
    }
}

impl GroupEntries for StateViews {
    fn fresh(&self) -> Result<Self> {
        let copy = |view: &View| View { kind: view.kind, schema: view.schema.clone(), ttl: view.ttl };
        Ok(StateViews { views: self.views.iter().map(copy).collect(), cells: Vec::new(), held_bytes: 0 })
    }

    fn grow(&mut self, end: usize) {
        while self.cells.len() < end * self.views.len() {
            let state = self.cells.len() % self.views.len();
            self.cells.push(self.fresh_cell(state));
        }
    }

    fn save(&self, groups: &[u32], values: &mut Values) -> Result<()> {
        for group in groups {
            for state in 0..self.views.len() {
                values.part(|out| match &self.cells[self.at(state, *group)] {
                    Cell::Rows(rows) => out.extend_from_slice(rows),
                    Cell::Map(rows) => rows.iter().for_each(|(key, timed)| {
                        out.extend_from_slice(&timed.changed_ms.to_le_bytes());
                        put_bytes(out, key);
                        put_bytes(out, &timed.rest);
                    }),
                });
            }
            values.end();
        }
        Ok(())
    }

    fn load(&mut self, groups: &[u32], values: &[&[u8]], _: i64) -> Result<()> {
        for (group, mut value) in groups.iter().zip(values.iter().copied()) {
            for state in 0..self.views.len() {
                let cell = loaded(&self.views[state], take_part(&mut value)?)?;
                self.set(self.at(state, *group), cell);
            }
            if !value.is_empty() {
                return Err(damaged("the states of a key are too long"));
            }
        }
        Ok(())
    }

    fn clear(&mut self, group: u32) {
        (0..self.views.len()).for_each(|state| self.set(self.at(state, group), self.fresh_cell(state)));
    }

    fn memory_bytes(&self) -> usize {
        self.cells.len() * size_of::<Cell>() + self.held_bytes
    }

    fn slot_bytes(&self) -> usize {
        self.views.len() * size_of::<Cell>()
    }
}

/// A state of one key, checked row by row: what is read later is not damaged.
fn loaded(view: &View, part: &[u8]) -> Result<Cell> {
    let (mut rest, mut rows, mut map) = (part, Vec::new(), BTreeMap::new());
    while !rest.is_empty() {
        let changed_ms = take_i64(&mut rest)?;
        let first = take_bytes(&mut rest)?;
        if matches!(view.kind, StateKind::Map { .. }) {
            let second = take_bytes(&mut rest)?;
            rows.push([first, second].concat());
            map.insert(first.into(), Timed { changed_ms, rest: second.to_vec() });
        } else {
            rows.push(first.to_vec());
        }
    }
    if view.kind == StateKind::Value && rows.len() > 1 {
        return Err(damaged("a value has two rows"));
    }
    row::decode(&view.schema, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    Ok(if matches!(view.kind, StateKind::Map { .. }) { Cell::Map(map) } else { Cell::Rows(part.to_vec()) })
}

#[cfg(test)]
mod tests;
