//! The columns of a stripe: streams to values, of which only rows that are not null have any.

use bytes::Bytes;
use flott_api::TypeKind;
use flott_api::types::TimestampUnit;

use super::bits::{Bits, ByteRuns};
use super::ints::Ints;
use super::plan::{Ending, Plan, Shape};
use super::stream::{Chunks, Stream};
use super::text::{Direct, Words};
use crate::column::{Column, Values};
use crate::orc::proto::{Encoding, encoding, stream};
use crate::orc::time::{Zone, unpack_nanos};
use crate::protobuf::wire::Taken;

/// The streams of a stripe, each taken once.
pub(super) struct StripeStreams {
    /// Column and kind.
    pub(super) streams: Vec<(u64, u64, Bytes)>,
    pub(super) encodings: Vec<Encoding>,
    pub(super) zone: String,
    pub(super) chunks: Chunks,
}

impl StripeStreams {
    fn find(&mut self, plan: &Plan, kind: u64) -> Option<Stream> {
        let is = |(column, found, _): &(u64, u64, Bytes)| (*column, *found) == (plan.column as u64, kind);
        let place = self.streams.iter().position(is)?;
        Some(Stream::new(self.streams.swap_remove(place).2, &self.chunks))
    }

    /// A stream; what has no bytes may be missing.
    fn stream(&mut self, plan: &Plan, kind: u64) -> Stream {
        self.find(plan, kind).unwrap_or_else(|| Stream::new(Bytes::new(), &self.chunks))
    }

    fn encoding(&self, plan: &Plan) -> Taken<Encoding> {
        let found = self.encodings.get(plan.column).copied();
        let found = found.ok_or_else(|| format!("column {} of the file has no encoding", plan.column))?;
        match found.kind {
            encoding::DIRECT | encoding::DICTIONARY | encoding::DIRECT_V2 | encoding::DICTIONARY_V2 => Ok(found),
            other => Err(format!("encoding {other} does not exist")),
        }
    }

    fn ints(&mut self, plan: &Plan, kind: u64, signed: bool) -> Taken<Ints> {
        let second = matches!(self.encoding(plan)?.kind, encoding::DIRECT_V2 | encoding::DICTIONARY_V2);
        Ok(Ints::new(self.stream(plan, kind), second, signed))
    }
}

/// Reads a column.
pub(super) struct ColumnReader {
    present: Option<Bits>,
    streams: Streams,
    scratch: Vec<i64>,
}

enum Streams {
    Missing,
    Boolean(Bits),
    Byte(ByteRuns),
    Integer(Ints),
    Float(Stream),
    Double(Stream),
    Decimal { digits: Stream, scales: Ints, precision: u8, scale: u8 },
    Timestamp { seconds: Ints, nanos: Ints, zone: Zone, base: i64 },
    Direct(Direct),
    Words(Words),
    List { lengths: Ints, element: Box<ColumnReader> },
    Map { lengths: Ints, key: Box<ColumnReader>, value: Box<ColumnReader> },
    Row(Vec<ColumnReader>),
}

impl ColumnReader {
    /// A reader of the column of a plan.
    ///
    /// # Errors
    /// If the stripe says what cannot be.
    pub(super) fn open(plan: &Plan, stripe: &mut StripeStreams) -> Taken<Self> {
        let streams = Streams::open(plan, stripe)?;
        let missing = matches!(plan.shape, Shape::Missing);
        let present = if missing { None } else { stripe.find(plan, stream::PRESENT).map(Bits::new) };
        Ok(ColumnReader { present, streams, scratch: Vec::new() })
    }

    /// Appends the next rows to a column. Where `parents` are given, rows are only where they are.
    ///
    /// # Errors
    /// If the stripe is damaged, or a value does not fit the type.
    pub(super) fn read(&mut self, rows: usize, parents: Option<&[bool]>, to: &mut Column) -> Taken<()> {
        if matches!(self.streams, Streams::Missing) {
            (0..rows).for_each(|_| to.push_null());
            return Ok(());
        }
        let valid = self.valid(rows, parents)?;
        let valid = valid.as_deref().or(parents).filter(|valid| valid.contains(&false));
        self.values(rows, valid, to)?;
        to.extended(rows, valid);
        Ok(())
    }

    /// Which rows have a value, if the column says so.
    fn valid(&mut self, rows: usize, parents: Option<&[bool]>) -> Taken<Option<Vec<bool>>> {
        let Some(present) = &mut self.present else { return Ok(None) };
        let mut valid = Vec::new();
        let count = parents.map_or(rows, |parents| parents.iter().filter(|p| **p).count());
        present.read(count, &mut valid)?;
        if let Some(parents) = parents {
            spread(&mut valid, 0, Some(parents));
        }
        Ok(Some(valid))
    }

    fn values(&mut self, rows: usize, valid: Option<&[bool]>, to: &mut Column) -> Taken<()> {
        let count = valid.map_or(rows, |valid| valid.iter().filter(|v| **v).count());
        let scratch = &mut self.scratch;
        scratch.clear();
        match (&mut self.streams, &mut to.values) {
            (Streams::Boolean(bits), Values::Boolean(out)) => {
                let start = out.len();
                bits.read(count, out)?;
                spread(out, start, valid);
            }
            (Streams::Byte(bytes), values) => {
                let mut read = Vec::new();
                bytes.read(count, &mut read)?;
                scratch.extend(read.into_iter().map(|b| i64::from(b as i8)));
                integers(scratch, valid, values)?;
            }
            (Streams::Integer(ints), values) => {
                ints.read(count, scratch)?;
                integers(scratch, valid, values)?;
            }
            (Streams::Float(stream), Values::Float32(out)) => numbers(stream, count, valid, out, f32::from_le_bytes)?,
            (Streams::Float(stream), Values::Float64(out)) => {
                numbers(stream, count, valid, out, |bytes| as_written(f32::from_le_bytes(bytes)))?;
            }
            (Streams::Double(stream), Values::Float64(out)) => numbers(stream, count, valid, out, f64::from_le_bytes)?,
            (Streams::Decimal { digits, scales, precision, scale }, Values::Decimal(out)) => {
                let start = out.len();
                scales.read(count, scratch)?;
                decimals(digits, scratch, (*precision, *scale), out)?;
                spread(out, start, valid);
            }
            (Streams::Timestamp { seconds, nanos, zone, base }, values) => {
                let mut packed = Vec::new();
                seconds.read(count, scratch)?;
                nanos.read(count, &mut packed)?;
                let clocks = Clocks { seconds: scratch, packed: &packed, zone: *zone, base: *base };
                clocks.push(TimestampUnit::of(precision(&to.ty.kind)), valid, values)?;
            }
            (Streams::Direct(direct), Values::Bytes { ends, data, .. }) => direct.read(count, valid, ends, data)?,
            (Streams::Words(words), Values::Bytes { ends, data, .. }) => words.read(count, valid, ends, data)?,
            (Streams::Row(fields), Values::Row(columns)) => {
                // What the file has comes first: it says whether there are so many rows.
                let mut pairs: Vec<_> = fields.iter_mut().zip(columns).collect();
                pairs.sort_by_key(|(field, _)| matches!(field.streams, Streams::Missing));
                pairs.into_iter().try_for_each(|(field, column)| field.read(rows, valid, column))?;
            }
            (Streams::List { lengths, element }, Values::List { ends, child }) => {
                lengths.read(count, scratch)?;
                let elements = list_ends(scratch, valid, ends)?;
                element.read(elements, None, child)?;
            }
            (Streams::Map { lengths, key, value }, Values::List { ends, child }) => {
                lengths.read(count, scratch)?;
                let entries = list_ends(scratch, valid, ends)?;
                if let Values::Row(columns) = &mut child.values {
                    for (reader, column) in [key, value].into_iter().zip(columns) {
                        reader.read(entries, None, column)?;
                    }
                }
                child.extended(entries, None);
            }
            _ => return Err("a column is read as what it is not".to_owned()),
        }
        Ok(())
    }
}

impl Streams {
    fn open(plan: &Plan, stripe: &mut StripeStreams) -> Taken<Self> {
        let child = |plan: &Plan, stripe: &mut StripeStreams| ColumnReader::open(plan, stripe).map(Box::new);
        Ok(match &plan.shape {
            Shape::Missing => Streams::Missing,
            Shape::Boolean => Streams::Boolean(Bits::new(stripe.stream(plan, stream::DATA))),
            Shape::Byte => Streams::Byte(ByteRuns::new(stripe.stream(plan, stream::DATA))),
            Shape::Integer => Streams::Integer(stripe.ints(plan, stream::DATA, true)?),
            Shape::Float => Streams::Float(stripe.stream(plan, stream::DATA)),
            Shape::Double => Streams::Double(stripe.stream(plan, stream::DATA)),
            Shape::Decimal { precision, scale } => Streams::Decimal {
                digits: stripe.stream(plan, stream::DATA),
                scales: stripe.ints(plan, stream::SECONDARY, true)?,
                precision: *precision,
                scale: *scale,
            },
            Shape::Timestamp => {
                let zone = Zone::of(&stripe.zone)?;
                Streams::Timestamp {
                    seconds: stripe.ints(plan, stream::DATA, true)?,
                    nanos: stripe.ints(plan, stream::SECONDARY, false)?,
                    base: zone.base(),
                    zone,
                }
            }
            Shape::Bytes(ending) => Streams::bytes(plan, *ending, stripe)?,
            Shape::List(element) => {
                Streams::List { lengths: stripe.ints(plan, stream::LENGTH, false)?, element: child(element, stripe)? }
            }
            Shape::Map(key, value) => Streams::Map {
                lengths: stripe.ints(plan, stream::LENGTH, false)?,
                key: child(key, stripe)?,
                value: child(value, stripe)?,
            },
            Shape::Row(fields) => {
                let fields = fields.iter().map(|f| ColumnReader::open(f, stripe));
                Streams::Row(fields.collect::<Taken<_>>()?)
            }
        })
    }

    fn bytes(plan: &Plan, ending: Ending, stripe: &mut StripeStreams) -> Taken<Self> {
        let found = stripe.encoding(plan)?;
        let lengths = stripe.ints(plan, stream::LENGTH, false)?;
        if !found.has_dictionary() {
            return Ok(Streams::Direct(Direct::new(stripe.stream(plan, stream::DATA), lengths, ending)));
        }
        let data = stripe.stream(plan, stream::DICTIONARY_DATA);
        let ids = stripe.ints(plan, stream::DATA, false)?;
        Ok(Streams::Words(Words::open(data, lengths, found.dictionary, ending, ids)?))
    }
}

fn precision(kind: &TypeKind) -> u8 {
    match kind {
        TypeKind::Timestamp(precision) => *precision,
        _ => 0,
    }
}

/// Moves the values from `start` on to the rows that are valid; the others get some value.
pub(super) fn spread<T: Copy + Default>(values: &mut Vec<T>, start: usize, valid: Option<&[bool]>) {
    let Some(valid) = valid else { return };
    let mut from = values.len();
    values.resize(start + valid.len(), T::default());
    for (row, valid) in valid.iter().enumerate().rev() {
        if *valid {
            from -= 1;
            values[start + row] = values[from];
        } else {
            values[start + row] = T::default();
        }
    }
}

/// Appends integers to a column of any width.
fn integers(read: &[i64], valid: Option<&[bool]>, to: &mut Values) -> Taken<()> {
    match to {
        Values::Int8(out) => narrowed(read, valid, out, |v| v as i8),
        Values::Int16(out) => narrowed(read, valid, out, |v| v as i16),
        Values::Int32(out) => narrowed(read, valid, out, |v| v as i32),
        Values::Int64(out) => narrowed(read, valid, out, |v| v),
        _ => Err("integers are read as something else".to_owned()),
    }
}

fn narrowed<T>(read: &[i64], valid: Option<&[bool]>, out: &mut Vec<T>, cut: impl Fn(i64) -> T) -> Taken<()>
where
    T: Copy + Default + Into<i64>,
{
    let start = out.len();
    out.extend(read.iter().map(|v| cut(*v)));
    let lost = read.iter().zip(&out[start..]).filter(|(wide, narrow)| (**narrow).into() != **wide);
    // All are looked at, which is quicker than to stop.
    if lost.count() > 0 {
        let value = read.iter().find(|v| cut(**v).into() != **v).copied().unwrap_or_default();
        return Err(format!("{value} does not fit its type"));
    }
    spread(out, start, valid);
    Ok(())
}

/// The double that the text of a float says, as Java's reader takes it: 0.1 is 0.1.
fn as_written(value: f32) -> f64 {
    let exact = f64::from(value);
    if exact.is_finite() { ryu::Buffer::new().format_finite(value).parse().unwrap_or(exact) } else { exact }
}

/// Appends numbers of `N` bytes.
fn numbers<T: Copy + Default, const N: usize>(
    stream: &mut Stream,
    count: usize,
    valid: Option<&[bool]>,
    out: &mut Vec<T>,
    of: impl Fn([u8; N]) -> T,
) -> Taken<()> {
    let start = out.len();
    let mut left = count;
    while left > 0 {
        let ready = stream.need(N)?;
        let piece = left.min(ready.len() / N);
        let chunks = ready[..piece * N].chunks_exact(N);
        out.extend(chunks.map(|bytes| of(bytes.first_chunk::<N>().copied().unwrap_or([0; N]))));
        stream.pass(piece * N);
        left -= piece;
    }
    spread(out, start, valid);
    Ok(())
}

/// Appends decimals, each with a scale of its own, as those of one precision and scale.
fn decimals(digits: &mut Stream, scales: &[i64], (precision, scale): (u8, u8), out: &mut Vec<i128>) -> Taken<()> {
    let most = 10_i128.pow(u32::from(precision));
    for own in scales {
        let unscaled = digits.varint_128()?;
        let value = match u32::try_from(i64::from(scale) - own) {
            Ok(0) => Some(unscaled),
            Ok(up) => 10_i128.checked_pow(up).and_then(|factor| unscaled.checked_mul(factor)),
            Err(_) => None,
        };
        let fits = value.filter(|v| -most < *v && *v < most);
        out.push(fits.ok_or_else(|| format!("a decimal does not fit DECIMAL({precision}, {scale})"))?);
    }
    Ok(())
}

/// Appends the ends of lists, and says how many elements they have.
fn list_ends(lengths: &[i64], valid: Option<&[bool]>, ends: &mut Vec<i32>) -> Taken<usize> {
    let first = ends.last().copied().unwrap_or_default();
    let end = push_ends(lengths, valid, first, ends)?;
    Ok((end - first) as usize)
}

/// Appends where values of these lengths end, behind `first`; the last is returned.
pub(super) fn push_ends(lengths: &[i64], valid: Option<&[bool]>, first: i32, ends: &mut Vec<i32>) -> Taken<i32> {
    let mut end = first;
    let mut next = |length: &i64| {
        let longer = i32::try_from(*length).ok().filter(|l| *l >= 0).and_then(|length| end.checked_add(length));
        end = longer.ok_or("a batch has more than 2 GB of one column, or a length is damaged")?;
        Ok::<i32, String>(end)
    };
    let Some(valid) = valid else {
        for length in lengths {
            ends.push(next(length)?);
        }
        return Ok(end);
    };
    let mut lengths = lengths.iter();
    let mut last = first;
    for valid in valid {
        if *valid {
            last = next(lengths.next().unwrap_or(&0))?;
        }
        ends.push(last);
    }
    Ok(last)
}

/// Timestamps of a file.
struct Clocks<'a> {
    seconds: &'a [i64],
    packed: &'a [i64],
    zone: Zone,
    base: i64,
}

impl Clocks<'_> {
    fn push(&self, unit: TimestampUnit, valid: Option<&[bool]>, to: &mut Values) -> Taken<()> {
        match (unit, to) {
            (TimestampUnit::Millis, Values::Int64(out)) => {
                let start = out.len();
                self.each(|millis, _| {
                    out.push(millis);
                    Some(())
                })?;
                spread(out, start, valid);
            }
            (TimestampUnit::Micros, Values::Int64(out)) => {
                let start = out.len();
                self.each(|millis, nanos| {
                    out.push(millis.checked_mul(1000)?.checked_add(i64::from(nanos / 1000))?);
                    Some(())
                })?;
                spread(out, start, valid);
            }
            (TimestampUnit::MillisAndNanos, Values::Nanos { millis, nanos }) => {
                let start = millis.len();
                self.each(|m, n| {
                    millis.push(m);
                    nanos.push(n);
                    Some(())
                })?;
                spread(millis, start, valid);
                spread(nanos, start, valid);
            }
            _ => return Err("timestamps are read as something else".to_owned()),
        }
        Ok(())
    }

    fn each(&self, mut take: impl FnMut(i64, i32) -> Option<()>) -> Taken<()> {
        for (seconds, packed) in self.seconds.iter().zip(self.packed) {
            let nanos = unpack_nanos(*packed).ok_or("a timestamp has more nanoseconds than a second")?;
            let clock = seconds.checked_add(self.base).and_then(|seconds| self.zone.read(seconds, nanos));
            clock.and_then(|(millis, nanos)| take(millis, nanos)).ok_or("a timestamp lies too far away")?;
        }
        Ok(())
    }
}
