//! Messages to columns. The fields of a message come in any order, and the last one counts: so its keys are walked
//! first, which notes where each value lies, and then each column takes its own. What is noted lies in one buffer that
//! all messages use.

use std::collections::HashSet;

use super::plan::{Absent, Enumeration, Field, Kind, Message, Scalar};
use super::wire::{BYTES, Input, Raw, Taken};
use crate::column::{Column, Values};

/// What is known of a field of the message that is being read.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// How often it came.
    count: u32,
    /// The key of the first.
    first: usize,
    /// The value of the last.
    bits: u64,
    start: usize,
    end: usize,
}

/// Reads messages.
#[derive(Default)]
pub(super) struct Reader {
    slots: Vec<Slot>,
}

fn unplanned<T>() -> Taken<T> {
    Err("the plan does not fit the column".to_owned())
}

impl Reader {
    /// Reads a message: each column gets one value. `false` if it is the entry of a map that does not count; then
    /// columns got nothing.
    pub(super) fn message(&mut self, plan: &Message, bytes: &[u8], columns: &mut [Column]) -> Taken<bool> {
        let base = self.begin(plan);
        let read = match self.walk(plan, bytes, base) {
            Ok(true) => self.check_required(plan, base).and_then(|()| self.fields(plan, bytes, base, columns)),
            other => other,
        };
        self.slots.truncate(base);
        read
    }

    /// A message that is not there, with its defaults; nothing is required of it.
    fn default_message(&mut self, plan: &Message, columns: &mut [Column]) -> Taken<bool> {
        let base = self.begin(plan);
        let read = self.fields(plan, &[], base, columns);
        self.slots.truncate(base);
        read
    }

    fn begin(&mut self, plan: &Message) -> usize {
        let base = self.slots.len();
        self.slots.resize(base + plan.fields.len(), Slot::default());
        base
    }

    /// Notes where the values lie.
    fn walk(&mut self, plan: &Message, bytes: &[u8], base: usize) -> Taken<bool> {
        let mut input = Input::new(bytes);
        let mut counts = true;
        while !input.is_empty() {
            let first = input.at();
            let (number, wire) = input.key()?;
            let Some(at) = plan.find(number).filter(|at| takes(&plan.fields[*at], wire)) else {
                input.skip(number, wire)?;
                continue;
            };
            let field = &plan.fields[at];
            let (bits, length) = match input.value(wire)? {
                Raw::Bits(bits) => (bits, 0),
                Raw::Bytes(bytes) => (0, bytes.len()),
            };
            if !field.repeated && is_unknown(&field.kind, bits) {
                counts = !plan.entry;
                continue;
            }
            counts |= matches!(field.kind, Kind::Enum(_));
            let slot = &mut self.slots[base + at];
            if slot.count == 0 {
                slot.first = first;
            }
            let (start, end) = (input.at() - length, input.at());
            *slot = Slot { count: slot.count + 1, first: slot.first, bits, start, end };
            if field.oneof.is_some() {
                self.drive_out(plan, base, at);
            }
        }
        Ok(counts)
    }

    /// Forgets the rivals of a field.
    fn drive_out(&mut self, plan: &Message, base: usize, winner: usize) {
        for (at, field) in plan.fields.iter().enumerate() {
            if at != winner && field.oneof == plan.fields[winner].oneof {
                self.slots[base + at].count = 0;
            }
        }
    }

    fn check_required(&self, plan: &Message, base: usize) -> Taken<()> {
        for (at, field) in plan.fields.iter().enumerate().filter(|(_, f)| f.required) {
            if self.slots[base + at].count == 0 {
                return Err(format!("the required field '{}' is missing", field.name));
            }
        }
        Ok(())
    }

    fn fields(&mut self, plan: &Message, bytes: &[u8], base: usize, columns: &mut [Column]) -> Taken<bool> {
        for (at, field) in plan.fields.iter().enumerate() {
            let Some(place) = field.column else { continue };
            let (slot, column) = (self.slots[base + at], &mut columns[place]);
            let taken = match (slot.count, &field.kind) {
                (0, _) => self.absent(field, column),
                (_, Kind::Map(entry)) => self.map(field, entry, &slot, bytes, column),
                _ if field.repeated => self.list(field, &slot, bytes, column),
                (2.., Kind::Message(message)) => {
                    let all = merged(field, &slot, bytes)?;
                    self.nested(message, &all, column)
                }
                (_, kind) if field.wire == BYTES => self.one(kind, Raw::Bytes(&bytes[slot.start..slot.end]), column),
                (_, kind) => self.one(kind, Raw::Bits(slot.bits), column),
            };
            taken.map_err(|what| format!("field '{}': {what}", field.name))?;
        }
        Ok(true)
    }

    fn absent(&mut self, field: &Field, column: &mut Column) -> Taken<()> {
        match (&field.absent, &field.kind) {
            (Absent::Bits(bits), kind) => self.one(kind, Raw::Bits(*bits), column),
            (Absent::Bytes(bytes), kind) => self.one(kind, Raw::Bytes(bytes), column),
            (Absent::Empty, _) => {
                let Values::List { ends, child } = &mut column.values else { return unplanned() };
                end_list(ends, child.len())?;
                column.pushed();
                Ok(())
            }
            (Absent::Message, Kind::Message(message)) => {
                let Values::Row(children) = &mut column.values else { return unplanned() };
                self.default_message(message, children)?;
                column.pushed();
                Ok(())
            }
            _ => {
                column.push_null();
                Ok(())
            }
        }
    }

    fn one(&mut self, kind: &Kind, raw: Raw<'_>, column: &mut Column) -> Taken<()> {
        match (kind, raw) {
            (Kind::Scalar(scalar), Raw::Bits(bits)) => {
                number(*scalar, bits, &mut column.values)?;
                column.pushed();
                Ok(())
            }
            (Kind::Enum(values), Raw::Bits(bits)) => enumerated(values, bits as i32, column),
            (Kind::Text(strict), Raw::Bytes(bytes)) => text(*strict, bytes, column),
            (Kind::Bytes, Raw::Bytes(bytes)) => add_bytes(column, bytes),
            (Kind::Message(message), Raw::Bytes(bytes)) => self.nested(message, bytes, column),
            _ => unplanned(),
        }
    }

    fn nested(&mut self, message: &Message, bytes: &[u8], column: &mut Column) -> Taken<()> {
        let Values::Row(children) = &mut column.values else { return unplanned() };
        self.message(message, bytes, children)?;
        column.pushed();
        Ok(())
    }

    fn list(&mut self, field: &Field, slot: &Slot, bytes: &[u8], column: &mut Column) -> Taken<()> {
        let Values::List { ends, child } = &mut column.values else { return unplanned() };
        let start = child.len();
        for_each(field, slot, bytes, |raw| match raw {
            Raw::Bytes(packed) if field.wire != BYTES => {
                let mut input = Input::new(packed);
                while !input.is_empty() {
                    self.element(&field.kind, input.value(field.wire)?, child)?;
                }
                Ok(())
            }
            raw => self.element(&field.kind, raw, child),
        })?;
        let end = child.len();
        if end == start {
            return self.absent(field, column);
        }
        end_list(ends, end)?;
        column.pushed();
        Ok(())
    }

    /// An element of a list; one that is an unknown value of a closed enum is none.
    #[inline]
    fn element(&mut self, kind: &Kind, raw: Raw<'_>, child: &mut Column) -> Taken<()> {
        match raw {
            Raw::Bits(bits) if is_unknown(kind, bits) => Ok(()),
            raw => self.one(kind, raw, child),
        }
    }

    fn map(&mut self, field: &Field, entry: &Message, slot: &Slot, bytes: &[u8], column: &mut Column) -> Taken<()> {
        let Values::List { ends, child } = &mut column.values else { return unplanned() };
        let start = child.len();
        for_each(field, slot, bytes, |raw| self.entry(entry, raw, child).map(drop))?;
        if let Some(keep) = doubles(child, start) {
            child.truncate(start);
            let mut keep = keep.into_iter();
            for_each(field, slot, bytes, |raw| {
                if self.entry(entry, raw, child)? && !keep.next().unwrap_or(true) {
                    child.truncate(child.len() - 1);
                }
                Ok(())
            })?;
        }
        let end = child.len();
        if end == start {
            return self.absent(field, column);
        }
        end_list(ends, end)?;
        column.pushed();
        Ok(())
    }

    fn entry(&mut self, entry: &Message, raw: Raw<'_>, child: &mut Column) -> Taken<bool> {
        let (Values::Row(parts), Raw::Bytes(bytes)) = (&mut child.values, raw) else { return unplanned() };
        let counts = self.message(entry, bytes, parts)?;
        if counts {
            child.pushed();
        }
        Ok(counts)
    }
}

/// Whether a value of that wire type is one of the field; others are as unknown as a field that does not exist.
#[inline]
fn takes(field: &Field, wire: u8) -> bool {
    wire == field.wire || (wire == BYTES && field.repeated)
}

/// Whether it is a number that a closed enum does not have.
#[inline]
fn is_unknown(kind: &Kind, bits: u64) -> bool {
    matches!(kind, Kind::Enum(values) if values.closed && values.name(bits as i32).is_none())
}

/// Calls for each value of a field that comes more than once.
fn for_each<'a>(field: &Field, slot: &Slot, bytes: &'a [u8], mut f: impl FnMut(Raw<'a>) -> Taken<()>) -> Taken<()> {
    let mut input = Input::new(&bytes[slot.first..slot.end]);
    while !input.is_empty() {
        let (number, wire) = input.key()?;
        if number == field.number && takes(field, wire) {
            f(input.value(wire)?)?;
        } else {
            input.skip(number, wire)?;
        }
    }
    Ok(())
}

/// The parts of a message that came in several: joined they are the message that Protobuf's rules of merging give.
fn merged(field: &Field, slot: &Slot, bytes: &[u8]) -> Taken<Vec<u8>> {
    let mut all = Vec::new();
    for_each(field, slot, bytes, |raw| {
        if let Raw::Bytes(part) = raw {
            all.extend_from_slice(part);
        }
        Ok(())
    })?;
    Ok(all)
}

/// A key of a map.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Bits(i64),
    Bytes(&'a [u8]),
}

/// If a key comes twice among the entries from `start` on: which are to stay, for the last one counts. Small maps, nearly
/// all, are compared pair by pair.
fn doubles(child: &Column, start: usize) -> Option<Vec<bool>> {
    const PAIRWISE_MAX: usize = 16;
    let Values::Row(parts) = &child.values else { return None };
    let key = |i: usize| match &parts[0].values {
        Values::Bytes { ends, data, .. } => Key::Bytes(&data[ends[i] as usize..ends[i + 1] as usize]),
        Values::Boolean(v) => Key::Bits(i64::from(v[i])),
        Values::Int32(v) => Key::Bits(i64::from(v[i])),
        Values::Int64(v) => Key::Bits(v[i]),
        _ => Key::Bits(i as i64),
    };
    let rows = start..child.len();
    if rows.len() <= PAIRWISE_MAX && !rows.clone().any(|i| (i + 1..rows.end).any(|j| key(i) == key(j))) {
        return None;
    }
    let mut seen = HashSet::with_capacity(rows.len());
    let mut keep: Vec<bool> = rows.rev().map(|i| seen.insert(key(i))).collect();
    keep.reverse();
    keep.contains(&false).then_some(keep)
}

fn end_list(ends: &mut Vec<i32>, length: usize) -> Taken<()> {
    let end = i32::try_from(length).map_err(|_| "a column has too many elements".to_owned())?;
    ends.push(end);
    Ok(())
}

fn add_bytes(column: &mut Column, value: &[u8]) -> Taken<()> {
    if column.push_bytes(value) { Ok(()) } else { Err("a column has more than 2 GiB".to_owned()) }
}

/// Adds text. Where the syntax does not ask for UTF-8, bytes that are none become U+FFFD, as in Java.
fn text(strict: bool, value: &[u8], column: &mut Column) -> Taken<()> {
    if str::from_utf8(value).is_ok() {
        return add_bytes(column, value);
    }
    if strict {
        return Err("a string is no UTF-8".to_owned());
    }
    add_bytes(column, String::from_utf8_lossy(value).as_bytes())
}

/// Adds a value of an enum, as its name or its number.
fn enumerated(values: &Enumeration, number: i32, column: &mut Column) -> Taken<()> {
    let name = values.name(number);
    match (&mut column.values, name) {
        (Values::Bytes { .. }, name) => return add_bytes(column, name.unwrap_or("UNRECOGNIZED").as_bytes()),
        (_, None) => return Err(format!("the enum has no value of the number {number}")),
        (Values::Int32(v), _) => v.push(number),
        (Values::Int64(v), _) => v.push(i64::from(number)),
        _ => return unplanned(),
    }
    column.pushed();
    Ok(())
}

#[inline]
fn number(scalar: Scalar, bits: u64, values: &mut Values) -> Taken<()> {
    match (scalar, values) {
        (Scalar::Bool, Values::Boolean(v)) => v.push(bits != 0),
        (Scalar::Sint32, Values::Int32(v)) => v.push((bits as u32 >> 1) as i32 ^ -((bits & 1) as i32)),
        (_, Values::Int32(v)) => v.push(bits as i32),
        (Scalar::Sint64, Values::Int64(v)) => v.push((bits >> 1) as i64 ^ -((bits & 1) as i64)),
        (_, Values::Int64(v)) => v.push(bits as i64),
        (_, Values::Float32(v)) => v.push(f32::from_bits(bits as u32)),
        (_, Values::Float64(v)) => v.push(f64::from_bits(bits)),
        _ => return unplanned(),
    }
    Ok(())
}
