//! `LISTAGG`, and the arrays and objects of JSON: the values of a group as one text.
//!
//! Flink counterparts: `ListAggFunction`, `ListAggWsWithRetractAggFunction`, `JsonArrayAggFunction`,
//! `JsonObjectAggFunction`. `LISTAGG` keeps the text itself while rows are only added, and the list of values over a
//! changelog. The JSON ones keep lists, of values that the planner has made JSON of; an object keeps the order in
//! which its keys came (Flink's order is that of a hash table), and a key that comes twice is an error, as there.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, StringArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, BytesColumn, Change, MergeInput, Part, Running, SlotColumn, SlotType,
    StateShape, View,
};
use flott_api::{Error, Field, LogicalType, Result, TypeKind};
use flott_functions::write_json_text;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::cell::slot;
use super::listed::{merge_lists, shape, view, without_nulls};

/// What separates values where nothing is said.
const COMMA: &str = ",";

/// Stands before a delimiter that was noted: a fresh slot is empty.
const MARK: &[u8] = b"=";

/// Texts on their way into a column.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    present: Vec<bool>,
}

impl Texts {
    fn push(&mut self, text: Option<&[u8]>) {
        self.bytes.extend_from_slice(text.unwrap_or_default());
        self.end(text.is_some());
    }

    /// Ends a text that was written into the bytes.
    fn end(&mut self, present: bool) {
        self.ends.push(self.bytes.len());
        self.present.push(present);
    }

    fn finish(self) -> Result<ArrayRef> {
        let ends = self.ends.iter().map(|end| i32::try_from(*end));
        let offsets = std::iter::once(Ok(0)).chain(ends).collect::<Result<Vec<i32>, _>>();
        let offsets = offsets.map_err(|_| {
            Error::invalid("the texts of an aggregate are too long")
                .with_detail(format!("A column holds up to {} bytes.", i32::MAX))
                .with_hint("Group by more columns, or aggregate fewer rows.")
        })?;
        let nulls = NullBuffer::from(self.present);
        let nulls = Some(nulls).filter(|n| n.null_count() > 0);
        Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets.into()), self.bytes.into(), nulls)?))
    }
}

/// The text of a column of arguments; `CHAR`, `VARCHAR` lie as text.
fn text(column: &ArrayRef) -> Result<&StringArray> {
    column.as_string_opt().ok_or_else(|| Error::internal("an aggregate of texts got values of another type"))
}

/// The values, and what separates them if that is said.
fn arguments<'a>(input: &AggregateInput<'a>) -> Result<(&'a StringArray, Option<&'a StringArray>)> {
    match input.args {
        [values] => Ok((text(values)?, None)),
        [values, delimiters] => Ok((text(values)?, Some(text(delimiters)?))),
        _ => Err(Error::internal("LISTAGG takes one argument or two")),
    }
}

/// What separates the values at a row.
fn delimiter(delimiters: Option<&StringArray>, row: usize) -> &str {
    delimiters.filter(|d| d.is_valid(row)).map_or(COMMA, |d| d.value(row))
}

/// `LISTAGG` of rows that are only added: the text so far.
pub(super) struct Appended;

struct AppendedSlots<'a> {
    texts: &'a mut BytesColumn,
    counts: &'a mut [i64],
    delimiters: &'a mut BytesColumn,
}

impl<'a> AppendedSlots<'a> {
    fn of(state: &'a mut AggregateState<'_>) -> Result<Self> {
        match state.slots {
            [SlotColumn::Bytes(texts), SlotColumn::Int64(counts), SlotColumn::Bytes(delimiters)] => {
                Ok(AppendedSlots { texts, counts, delimiters })
            }
            _ => Err(Error::internal("LISTAGG got slots of another shape than its own")),
        }
    }

    fn get(&self, group: u32) -> Option<&[u8]> {
        (self.counts[group as usize] > 0).then(|| self.texts.get(group))
    }

    fn append(&mut self, group: u32, value: &[u8], delimiter: &[u8]) {
        let count = &mut self.counts[group as usize];
        if *count > 0 {
            self.texts.append(group, delimiter);
        } else {
            self.delimiters.set(group, delimiter);
        }
        *count += 1;
        self.texts.append(group, value);
    }
}

impl Aggregate for Appended {
    fn shape(&self) -> StateShape {
        let slots =
            vec![slot("text", SlotType::Bytes), slot("count", SlotType::Int64), slot("delimiter", SlotType::Bytes)];
        StateShape { slots, views: Vec::new() }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let (values, delimiters) = arguments(input)?;
        let mut slots = AppendedSlots::of(state)?;
        for (row, group) in input.groups.iter().enumerate() {
            if input.change(row) == Change::Add && values.is_valid(row) {
                slots.append(*group, values.value(row).as_bytes(), delimiter(delimiters, row).as_bytes());
            }
        }
        Ok(())
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        let (values, delimiters) = arguments(input)?;
        let mut slots = AppendedSlots::of(state)?;
        let (mut before, mut after) = (Texts::default(), Texts::default());
        for (row, group) in input.groups.iter().enumerate() {
            before.push(slots.get(*group));
            if input.change(row) == Change::Add && values.is_valid(row) {
                slots.append(*group, values.value(row).as_bytes(), delimiter(delimiters, row).as_bytes());
            }
            after.push(slots.get(*group));
        }
        Ok(Running { before: before.finish()?, after: after.finish()? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let slots = AppendedSlots::of(state)?;
        let mut texts = Texts::default();
        groups.iter().for_each(|group| texts.push(slots.get(*group)));
        texts.finish()
    }

    fn value_bytes(&self, state: &AggregateState<'_>) -> usize {
        match &*state.slots {
            [SlotColumn::Bytes(texts), ..] => texts.longest(),
            _ => 0,
        }
    }

    fn merges(&self) -> bool {
        true
    }

    fn merge(
        &self,
        input: &MergeInput<'_>,
        partial: &mut AggregateState<'_>,
        state: &mut AggregateState<'_>,
    ) -> Result<()> {
        if input.retract {
            return Err(Error::internal("a LISTAGG of added rows was to be taken back"));
        }
        let (partial, mut slots) = (AppendedSlots::of(partial)?, AppendedSlots::of(state)?);
        for (from, group) in input.from.iter().zip(input.groups) {
            if let Some(text) = partial.get(*from) {
                slots.append(*group, text, partial.delimiters.get(*from));
            }
        }
        Ok(())
    }
}

/// How a list becomes a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Values with a delimiter between; null for none.
    Delimited,
    /// A JSON array of values that are JSON.
    JsonArray,
    /// A JSON object of keys and values that are JSON.
    JsonObject,
}

/// A list of texts, or of keys and values, as one text.
pub(super) struct Joined {
    pub(super) form: Form,
    /// Whether nulls are values.
    pub(super) nulls: bool,
}

/// An entry of a JSON object.
fn entry() -> LogicalType {
    let field = |name: &str| Field::new(name, LogicalType::string());
    LogicalType::new(TypeKind::Row(vec![field("key"), field("value")]))
}

impl Joined {
    fn element(&self) -> LogicalType {
        if self.form == Form::JsonObject { entry() } else { LogicalType::string() }
    }

    /// Folds the rows with the argument that the list holds.
    fn folded<T>(&self, input: &AggregateInput<'_>, fold: impl FnOnce(&AggregateInput<'_>) -> Result<T>) -> Result<T> {
        let values = match (self.form, input.args) {
            (Form::JsonObject, [_, values]) => values,
            (Form::Delimited, [values] | [values, _]) | (Form::JsonArray, [values]) => values,
            _ => return Err(Error::internal("an aggregate of texts got another number of arguments")),
        };
        let changes = if self.nulls { None } else { without_nulls(input, values) };
        let held = if self.form == Form::JsonObject { entries(input)? } else { Arc::clone(values) };
        let changes = changes.as_deref().or(input.changes);
        fold(&AggregateInput { args: &[held], changes, ..*input })
    }

    /// Remembers what separates the values of each group.
    fn note_delimiters(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        let (Form::Delimited, [_, delimiters]) = (self.form, input.args) else { return Ok(()) };
        let delimiters = text(delimiters)?;
        let slot = delimiter_slot(state)?;
        for (row, group) in input.groups.iter().enumerate() {
            let delimiter = delimiter(Some(delimiters), row).as_bytes();
            if !matches!(slot.get(*group), [_, noted @ ..] if noted == delimiter) {
                slot.set(*group, MARK);
                slot.append(*group, delimiter);
            }
        }
        Ok(())
    }

    /// The texts of lists; `delimiter` says what separates the values of each.
    fn texts<'d>(&self, lists: &ArrayRef, delimiter: impl Fn(usize) -> &'d [u8]) -> Result<ArrayRef> {
        let lists: &ListArray = lists.as_list();
        let mut texts = Texts::default();
        for (list, range) in lists.offsets().windows(2).enumerate() {
            let range = range[0] as usize..range[1] as usize;
            match self.form {
                Form::Delimited => {
                    let present = !range.is_empty();
                    join(text(lists.values())?, range, delimiter(list), &mut texts.bytes);
                    texts.end(present);
                }
                Form::JsonArray => {
                    texts.bytes.push(b'[');
                    join(text(lists.values())?, range, COMMA.as_bytes(), &mut texts.bytes);
                    texts.bytes.push(b']');
                    texts.end(true);
                }
                Form::JsonObject => {
                    object(lists.values().as_struct(), range, &mut texts.bytes)?;
                    texts.end(true);
                }
            }
        }
        texts.finish()
    }
}

fn delimiter_slot<'a>(state: &'a mut AggregateState<'_>) -> Result<&'a mut BytesColumn> {
    match state.slots {
        [SlotColumn::Bytes(slot)] => Ok(slot),
        _ => Err(Error::internal("LISTAGG got slots of another shape than its own")),
    }
}

fn join(values: &StringArray, range: std::ops::Range<usize>, delimiter: &[u8], out: &mut Vec<u8>) {
    for row in range.clone() {
        if row > range.start {
            out.extend_from_slice(delimiter);
        }
        out.extend_from_slice(if values.is_valid(row) { values.value(row) } else { "null" }.as_bytes());
    }
}

/// Keys and values as entries.
fn entries(input: &AggregateInput<'_>) -> Result<ArrayRef> {
    let [keys, _] = input.args else { return Err(Error::internal("JSON_OBJECTAGG takes two arguments")) };
    let DataType::Struct(fields) = entry().arrow() else { return Err(Error::internal("an entry is no row")) };
    let counts = |row: usize| input.change(row) != Change::Skip;
    if (0..keys.len()).any(|row| keys.is_null(row) && counts(row)) {
        return Err(Error::data("the key of a JSON_OBJECTAGG is null")
            .with_hint("Leave such rows out: FILTER, or WHERE .. IS NOT NULL."));
    }
    Ok(Arc::new(StructArray::try_new(fields, input.args.to_vec(), None)?))
}

fn object(entries: &StructArray, range: std::ops::Range<usize>, out: &mut Vec<u8>) -> Result<()> {
    let (keys, values) = (text(entries.column(0))?, text(entries.column(1))?);
    let (mut seen, mut quoted) = (HashSet::<&str, FixedState>::default(), String::new());
    out.push(b'{');
    for row in range.clone() {
        if row > range.start {
            out.push(b',');
        }
        let key = keys.value(row);
        if !seen.insert(key) {
            return Err(Error::data(format!("key '{key}' comes twice in a JSON_OBJECTAGG"))
                .with_detail("The keys of an object are unique.")
                .with_hint("Aggregate the values of equal keys before."));
        }
        quoted.clear();
        write_json_text(key, &mut quoted);
        out.extend_from_slice(quoted.as_bytes());
        out.push(b':');
        out.extend_from_slice(if values.is_valid(row) { values.value(row) } else { "null" }.as_bytes());
    }
    out.push(b'}');
    Ok(())
}

impl Aggregate for Joined {
    fn shape(&self) -> StateShape {
        let slots = if self.form == Form::Delimited { vec![slot("delimiter", SlotType::Bytes)] } else { Vec::new() };
        StateShape { slots, ..shape(&self.element()) }
    }

    fn fold(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<()> {
        self.note_delimiters(input, state)?;
        self.folded(input, |input| view(state)?.fold(input))
    }

    fn running(&self, input: &AggregateInput<'_>, state: &mut AggregateState<'_>) -> Result<Running> {
        self.note_delimiters(input, state)?;
        let Running { before, after } = self.folded(input, |input| view(state)?.running(input, Part::All))?;
        let delimiters = arguments(input).map_or(None, |(_, delimiters)| delimiters);
        let delimiter = |row: usize| delimiter(delimiters, row).as_bytes();
        Ok(Running { before: self.texts(&before, delimiter)?, after: self.texts(&after, delimiter)? })
    }

    fn value(&self, groups: &[u32], state: &mut AggregateState<'_>) -> Result<ArrayRef> {
        let lists = view(state)?.value(groups, Part::All)?;
        if self.form != Form::Delimited {
            return self.texts(&lists, |_| COMMA.as_bytes());
        }
        let slot = delimiter_slot(state)?;
        self.texts(&lists, |list| match slot.get(groups[list]) {
            [_, delimiter @ ..] => delimiter,
            [] => COMMA.as_bytes(),
        })
    }

    fn value_bytes(&self, state: &AggregateState<'_>) -> usize {
        match &*state.views {
            [View::List(view)] => view.memory_bytes().1,
            _ => 0,
        }
    }

    fn merges(&self) -> bool {
        true
    }

    fn merge(
        &self,
        input: &MergeInput<'_>,
        partial: &mut AggregateState<'_>,
        state: &mut AggregateState<'_>,
    ) -> Result<()> {
        merge_lists(input, view(partial)?, view(state)?)?;
        if self.form == Form::Delimited {
            let (partial, slot) = (delimiter_slot(partial)?, delimiter_slot(state)?);
            for (from, group) in input.from.iter().zip(input.groups) {
                if !partial.get(*from).is_empty() {
                    slot.set(*group, partial.get(*from));
                }
            }
        }
        Ok(())
    }
}
