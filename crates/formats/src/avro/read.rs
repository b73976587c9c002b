//! Binary data to columns. The writer's schema and the columns are compiled into a plan once; a datum is then read
//! along it, each value from its bytes straight into its column.

use std::collections::HashSet;
use std::ops::Range;

use flott_api::types::TimestampUnit;

use super::input::{Input, Taken};
use super::schema::{AvroSchema, TypeId};
use crate::column::{Column, Values};

const DAY_MILLIS: i32 = 86_400_000;

/// How a value of the writer goes into a column.
pub(super) enum Read {
    /// Nothing; the column gets a null.
    Null,
    Boolean,
    /// An `int` that is cut to the width of the column, as Flink does.
    Int,
    /// Milliseconds of a day.
    Time,
    Long,
    IntToFloat,
    Float,
    IntToDouble,
    FloatToDouble,
    Double,
    /// `string` or `bytes`
    Bytes,
    Fixed(usize),
    /// The texts of the symbols.
    Enum(Vec<String>),
    /// Unscaled, big-endian, of `Fixed` or as long as it says; `i128` of all nines is the largest of the column.
    Decimal {
        size: Option<usize>,
        largest: i128,
    },
    /// In units of so many per second.
    Moment {
        per_second: i64,
        precision: u8,
    },
    Array(Box<Read>, usize),
    /// The values, their type for passing over, and how few bytes an entry has.
    Map(Box<Read>, TypeId, usize),
    Record(RecordRead),
    Union(Vec<Read>),
    /// What the column does not take: an error once there is such a value.
    Mismatch(String),
}

/// How a record goes into columns.
pub(super) struct RecordRead {
    /// In the writer's order.
    pub(super) steps: Vec<Step>,
    /// The columns that the writer does not have.
    pub(super) missing: Vec<(usize, Missing)>,
    /// The names of the columns, for messages.
    pub(super) names: Vec<String>,
}

/// What becomes of a field of the writer.
pub(super) enum Step {
    /// It goes into that column.
    Read(usize, Read),
    /// Nobody asked for it.
    Skip(TypeId),
}

/// What a column gets whose field the writer does not have.
pub(super) enum Missing {
    Null,
    /// The reader's default, as data.
    Default(Vec<u8>, Read),
    /// There is none.
    Refused(String),
}

/// Reads data of one writer's schema.
pub(super) struct Reader<'a> {
    pub(super) schema: &'a AvroSchema,
}

impl Reader<'_> {
    /// Reads a record: each column gets one value.
    pub(super) fn record(&self, plan: &RecordRead, input: &mut Input<'_>, columns: &mut [Column]) -> Taken<()> {
        for step in &plan.steps {
            match step {
                Step::Skip(ty) => input.skip(self.schema, *ty)?,
                Step::Read(column, read) => {
                    let taken = self.value(read, input, &mut columns[*column]);
                    taken.map_err(|what| format!("field '{}': {what}", plan.names[*column]))?;
                }
            }
        }
        for (column, missing) in &plan.missing {
            match missing {
                Missing::Null => columns[*column].push_null(),
                Missing::Default(data, read) => self.value(read, &mut Input::new(data), &mut columns[*column])?,
                Missing::Refused(what) => return Err(what.clone()),
            }
        }
        Ok(())
    }

    fn value(&self, read: &Read, input: &mut Input<'_>, column: &mut Column) -> Taken<()> {
        match (read, &mut column.values) {
            (Read::Union(branches), _) => {
                let branch = input.index(branches.len(), "branch")?;
                return self.value(&branches[branch], input, column);
            }
            (Read::Null, _) => {
                column.push_null();
                return Ok(());
            }
            (Read::Mismatch(what), _) => return Err(what.clone()),
            (Read::Array(element, bytes_min), _) => return self.array(element, *bytes_min, input, column),
            (Read::Map(value, ty, bytes_min), _) => return self.map(value, *ty, *bytes_min, input, column),
            (Read::Record(plan), Values::Row(children)) => self.record(plan, input, children)?,
            (Read::Bytes, _) => return text(column, input.bytes()?),
            (Read::Fixed(size), _) => return text(column, input.take(*size)?),
            (Read::Enum(symbols), _) => {
                let symbol = input.index(symbols.len(), "symbol")?;
                return text(column, symbols[symbol].as_bytes());
            }
            (Read::Decimal { size, largest }, _) => {
                let bytes = if let Some(size) = size { input.take(*size)? } else { input.bytes()? };
                return decimal(column, bytes, *largest);
            }
            (Read::Moment { per_second, precision }, _) => {
                return moment(column, input.long()?, *per_second, *precision);
            }
            (read, values) => number(read, input, values)?,
        }
        column.pushed();
        Ok(())
    }

    fn array(&self, element: &Read, bytes_min: usize, input: &mut Input<'_>, column: &mut Column) -> Taken<()> {
        let Values::List { ends, child } = &mut column.values else { return unplanned() };
        loop {
            let count = input.block(bytes_min)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                self.value(element, input, child)?;
            }
        }
        end_list(ends, child.len())?;
        column.pushed();
        Ok(())
    }

    fn map(&self, value: &Read, ty: TypeId, bytes_min: usize, input: &mut Input<'_>, column: &mut Column) -> Taken<()> {
        let Values::List { ends, child } = &mut column.values else { return unplanned() };
        let (begin, start) = (input.at(), child.len());
        loop {
            let count = input.block(bytes_min)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                self.entry(value, input, child)?;
            }
        }
        if has_doubles(child, start) {
            child.truncate(start);
            input.go_to(begin);
            self.last_entries(value, ty, input, child)?;
        }
        end_list(ends, child.len())?;
        column.pushed();
        Ok(())
    }

    fn entry(&self, value: &Read, input: &mut Input<'_>, child: &mut Column) -> Taken<()> {
        let Values::Row(entry) = &mut child.values else { return unplanned() };
        let [keys, values] = entry.as_mut_slice() else { return unplanned() };
        text(keys, input.bytes()?)?;
        self.value(value, input, values)?;
        child.pushed();
        Ok(())
    }

    /// Reads a map again in which a key comes twice: the last one counts.
    fn last_entries(&self, value: &Read, ty: TypeId, input: &mut Input<'_>, child: &mut Column) -> Taken<()> {
        let mut entries: Vec<(&[u8], usize)> = Vec::new();
        loop {
            let count = input.block(1)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let at = input.at();
                entries.push((input.bytes()?, at));
                input.skip(self.schema, ty)?;
            }
        }
        let end = input.at();
        let mut seen = HashSet::with_capacity(entries.len());
        entries = entries.into_iter().rev().filter(|(key, _)| seen.insert(*key)).collect();
        for (_, at) in entries.into_iter().rev() {
            input.go_to(at);
            self.entry(value, input, child)?;
        }
        input.go_to(end);
        Ok(())
    }
}

/// Whether a key comes twice among the entries from `start` on. Small maps, nearly all, are compared pair by pair.
fn has_doubles(child: &Column, start: usize) -> bool {
    const PAIRWISE_MAX: usize = 16;
    let Values::Row(entry) = &child.values else { return false };
    let Some(Values::Bytes { ends, data, .. }) = entry.first().map(|keys| &keys.values) else { return false };
    let key = |i: usize| &data[Range { start: ends[i] as usize, end: ends[i + 1] as usize }];
    let rows = start..child.len();
    if rows.len() <= PAIRWISE_MAX {
        return rows.clone().any(|i| (i + 1..rows.end).any(|j| key(i) == key(j)));
    }
    let mut seen = HashSet::with_capacity(rows.len());
    !rows.into_iter().all(|i| seen.insert(key(i)))
}

fn unplanned<T>() -> Taken<T> {
    Err("the plan does not fit the column".to_owned())
}

fn end_list(ends: &mut Vec<i32>, length: usize) -> Taken<()> {
    let end = i32::try_from(length).map_err(|_| "a column has too many elements".to_owned())?;
    ends.push(end);
    Ok(())
}

/// Adds text or bytes.
fn text(column: &mut Column, value: &[u8]) -> Taken<()> {
    let utf8 = matches!(column.values, Values::Bytes { utf8: true, .. });
    if utf8 && str::from_utf8(value).is_err() {
        return Err("a string is no UTF-8".to_owned());
    }
    if column.push_bytes(value) { Ok(()) } else { Err("a column has more than 2 GiB".to_owned()) }
}

#[inline]
fn number(read: &Read, input: &mut Input<'_>, values: &mut Values) -> Taken<()> {
    match (read, values) {
        (Read::Boolean, Values::Boolean(v)) => v.push(input.boolean()?),
        (Read::Int, Values::Int8(v)) => v.push(input.int()? as i8),
        (Read::Int, Values::Int16(v)) => v.push(input.int()? as i16),
        (Read::Int, Values::Int32(v)) => v.push(input.int()?),
        (Read::Int, Values::Int64(v)) => v.push(i64::from(input.int()?)),
        (Read::Time, Values::Int32(v)) => match input.int()? {
            millis @ 0..DAY_MILLIS => v.push(millis),
            other => return Err(format!("{other} is no time of a day in milliseconds")),
        },
        (Read::Long, Values::Int64(v)) => v.push(input.long()?),
        (Read::IntToFloat, Values::Float32(v)) => v.push(input.long()? as f32),
        (Read::Float, Values::Float32(v)) => v.push(f32::from_le_bytes(input.array()?)),
        (Read::IntToDouble, Values::Float64(v)) => v.push(input.long()? as f64),
        (Read::FloatToDouble, Values::Float64(v)) => v.push(f64::from(f32::from_le_bytes(input.array()?))),
        (Read::Double, Values::Float64(v)) => v.push(f64::from_le_bytes(input.array()?)),
        _ => return unplanned(),
    }
    Ok(())
}

/// Adds an unscaled value; one with too many digits is NULL, as in Flink, if it may be.
fn decimal(column: &mut Column, bytes: &[u8], largest: i128) -> Taken<()> {
    let Some(value) = unscaled(bytes).filter(|value| (-largest..=largest).contains(value)) else {
        if !column.ty.nullable {
            return Err(format!("a decimal has too many digits, or none, for {}", column.ty));
        }
        column.push_null();
        return Ok(());
    };
    let Values::Decimal(values) = &mut column.values else { return unplanned() };
    values.push(value);
    column.pushed();
    Ok(())
}

/// The two's complement, big-endian; nothing if it is too large.
fn unscaled(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first()? & 0x80 != 0;
    let fill = if negative { 0xff } else { 0 };
    let (high, low) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut all = [fill; 16];
    all[16 - low.len()..].copy_from_slice(low);
    let value = i128::from_be_bytes(all);
    (high.iter().all(|b| *b == fill) && (value < 0) == negative).then_some(value)
}

/// Adds a timestamp, cut to the precision.
fn moment(column: &mut Column, value: i64, per_second: i64, precision: u8) -> Taken<()> {
    let cut = 1_000_000_000 / 10_i64.pow(u32::from(precision.min(9)));
    let (seconds, units) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let nanos = units * (1_000_000_000 / per_second);
    let nanos = nanos - nanos % cut;
    let of = |unit: i64| seconds.checked_mul(unit)?.checked_add(nanos / (1_000_000_000 / unit));
    let out = || format!("the timestamp {value} is out of range");
    match (&mut column.values, TimestampUnit::of(precision)) {
        (Values::Int64(v), TimestampUnit::Millis) => v.push(of(1_000).ok_or_else(out)?),
        (Values::Int64(v), _) => v.push(of(1_000_000).ok_or_else(out)?),
        (Values::Nanos { millis, nanos: within }, _) => {
            millis.push(of(1_000).ok_or_else(out)?);
            within.push((nanos % 1_000_000) as i32);
        }
        _ => return unplanned(),
    }
    column.pushed();
    Ok(())
}
