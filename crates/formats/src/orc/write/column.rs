//! The columns of a stripe that is being written: values to streams, of which rows that are null have none.

use std::ops::Range;

use flott_api::{LogicalType, TypeKind};

use super::bits::{Bits, ByteRuns};
use super::ints::Ints;
use super::statistics::{Bounds, Statistics};
use super::stream::{Chunks, Stream};
use super::text::{EndedStreams, Text, Width};
use crate::cells::{Cell, Cells, Moments};
use crate::orc::proto::{Encoding, StreamPlace, encoding, put_message, put_nested, stream};
use crate::orc::time::{Stored, pack_nanos};
use crate::protobuf::wire::{Taken, put_varint};

/// Some rows of a column, in order.
#[derive(Clone)]
pub(super) enum Rows<'a> {
    All(Range<usize>),
    Some(&'a [u32]),
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Rows::All(range) => range.len(),
            Rows::Some(rows) => rows.len(),
        }
    }

    #[inline]
    fn each(&self, mut take: impl FnMut(usize)) {
        match self {
            Rows::All(range) => range.clone().for_each(take),
            Rows::Some(rows) => rows.iter().for_each(|row| take(*row as usize)),
        }
    }
}

/// A group of rows in the index.
struct Group {
    /// Where its nulls begin, and its values.
    present: Vec<u64>,
    values: Vec<u64>,
    statistics: Vec<u8>,
}

/// Writes a column.
pub(super) struct ColumnWriter {
    number: u64,
    present: Bits,
    nulls: bool,
    streams: Streams,
    /// Of the group of rows, of the stripe and of the file.
    group: Statistics,
    stripe: Statistics,
    pub(super) file: Statistics,
    groups: Vec<Group>,
    /// Where the group of rows began.
    start: Group,
}

enum Streams {
    Boolean(Bits),
    Byte(ByteRuns),
    Integer(Ints),
    Float(Stream),
    Double(Stream),
    Decimal { digits: Stream, scales: Ints, scale: u8 },
    Timestamp { seconds: Ints, nanos: Ints },
    Text(Text),
    Bytes { data: Stream, lengths: Ints },
    List { lengths: Ints, element: Box<ColumnWriter> },
    Map { lengths: Ints, key: Box<ColumnWriter>, value: Box<ColumnWriter> },
    Row(Vec<ColumnWriter>),
}

/// What a stripe consists of.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) indexes: Vec<(StreamPlace, Vec<u8>)>,
    pub(super) data: Vec<(StreamPlace, Vec<u8>)>,
    pub(super) encodings: Vec<Encoding>,
    /// A message for each column.
    pub(super) statistics: Vec<Vec<u8>>,
}

/// The bits of a number that is as long as it must be.
fn varint_128(value: i128, out: &mut Vec<u8>) {
    let mut bits = (value << 1 ^ value >> 127) as u128;
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

impl Streams {
    fn of(ty: &LogicalType, next: &mut u64) -> (Self, Bounds) {
        let integer = Bounds::Integer { range: None, sum: Some(0) };
        let double = Bounds::Double { range: None, sum: 0.0, nan: false };
        let text = Bounds::Text { range: None, long: false, bytes: 0 };
        match &ty.kind {
            TypeKind::Boolean => (Streams::Boolean(Bits::default()), Bounds::Boolean { yes: 0 }),
            TypeKind::TinyInt => (Streams::Byte(ByteRuns::default()), integer),
            TypeKind::Float => (Streams::Float(Stream::default()), double),
            TypeKind::Double => (Streams::Double(Stream::default()), double),
            TypeKind::Decimal { scale, .. } => (
                Streams::Decimal { digits: Stream::default(), scales: Ints::new(true), scale: *scale },
                Bounds::Decimal { range: None, sum: Some(0), scale: *scale },
            ),
            TypeKind::Date => (Streams::Integer(Ints::new(true)), Bounds::Date { range: None }),
            TypeKind::Timestamp(_) => (
                Streams::Timestamp { seconds: Ints::new(true), nanos: Ints::new(false) },
                Bounds::Timestamp { range: None },
            ),
            TypeKind::Char(length) => (Streams::Text(Text::new(Width { most: *length as usize, filled: true })), text),
            TypeKind::Varchar(length) => {
                (Streams::Text(Text::new(Width { most: *length as usize, filled: false })), text)
            }
            TypeKind::Varbinary(_) => {
                (Streams::Bytes { data: Stream::default(), lengths: Ints::new(false) }, Bounds::Bytes { bytes: 0 })
            }
            TypeKind::Array(element) => {
                let element = Box::new(ColumnWriter::new(element, next));
                (Streams::List { lengths: Ints::new(false), element }, Bounds::Count)
            }
            TypeKind::Map(key, value) => {
                let key = Box::new(ColumnWriter::new(key, next));
                let value = Box::new(ColumnWriter::new(value, next));
                (Streams::Map { lengths: Ints::new(false), key, value }, Bounds::Count)
            }
            TypeKind::Row(fields) => {
                (Streams::Row(fields.iter().map(|f| ColumnWriter::new(&f.ty, next)).collect()), Bounds::Count)
            }
            _ => (Streams::Integer(Ints::new(true)), integer),
        }
    }
}

impl ColumnWriter {
    /// A writer of a column of this type, which takes the next numbers for itself and what lies in it.
    pub(super) fn new(ty: &LogicalType, next: &mut u64) -> Self {
        let number = *next;
        *next += 1;
        let (streams, bounds) = Streams::of(ty, next);
        let none = || Statistics::new(bounds.clone());
        let start = Group { present: Vec::new(), values: Vec::new(), statistics: Vec::new() };
        let (group, stripe, file) = (none(), none(), none());
        ColumnWriter {
            number,
            present: Bits::default(),
            nulls: false,
            streams,
            group,
            stripe,
            file,
            groups: Vec::new(),
            start,
        }
    }

    /// Begins a group of rows, here and within.
    pub(super) fn begin_group(&mut self, chunks: &Chunks) {
        self.start.present.clear();
        self.start.values.clear();
        self.present.position(chunks, &mut self.start.present);
        self.streams.position(chunks, &mut self.start.values);
        self.streams.children(|child| child.begin_group(chunks));
    }

    /// Ends the group of rows, here and within.
    pub(super) fn end_group(&mut self, chunks: &mut Chunks) -> Taken<()> {
        self.present.flush(chunks)?;
        if self.streams.flush(chunks)? {
            self.start.values = Text::first_position(chunks);
        }
        let (present, values) = (self.start.present.clone(), self.start.values.clone());
        self.groups.push(Group { present, values, statistics: self.group.write() });
        self.stripe.absorb(&mut self.group);
        let mut ended = Ok(());
        self.streams.children(|child| {
            if ended.is_ok() {
                ended = child.end_group(chunks);
            }
        });
        ended
    }

    /// Appends rows of an array.
    pub(super) fn write(&mut self, cell: &Cell, rows: &Rows<'_>, chunks: &mut Chunks) -> Taken<()> {
        let Some(nulls) = cell.nulls().filter(|nulls| nulls.null_count() > 0) else {
            self.present.push_true(rows.len(), chunks)?;
            return self.values(&cell.cells, rows, chunks);
        };
        let (mut valid, mut bits) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        rows.each(|row| {
            let is_valid = nulls.is_valid(row);
            bits.push(is_valid);
            if is_valid {
                valid.push(row as u32);
            }
        });
        let some_null = valid.len() < rows.len();
        self.nulls |= some_null;
        self.group.nulls |= some_null;
        self.present.push(bits.into_iter(), chunks)?;
        self.values(&cell.cells, &Rows::Some(&valid), chunks)
    }

    /// Appends rows that are not null.
    fn values(&mut self, cells: &Cells, rows: &Rows<'_>, chunks: &mut Chunks) -> Taken<()> {
        self.group.count += rows.len() as u64;
        let bounds = &mut self.group.values;
        match (&mut self.streams, cells) {
            (Streams::Boolean(bits), Cells::Boolean(array)) => {
                let mut values = Vec::with_capacity(rows.len());
                rows.each(|row| values.push(array.value(row)));
                if let Bounds::Boolean { yes } = bounds {
                    *yes += values.iter().filter(|v| **v).count() as u64;
                }
                bits.push(values.into_iter(), chunks)
            }
            (Streams::Byte(bytes), Cells::Int8(array)) => {
                let mut values = Vec::with_capacity(rows.len());
                rows.each(|row| values.push(i64::from(array.value(row))));
                bounds.integers(&values);
                bytes.pending.extend(values.iter().map(|v| *v as u8));
                bytes.pushed(chunks)
            }
            (Streams::Integer(ints), cells) => {
                let start = ints.pending.len();
                integers(cells, rows, &mut ints.pending)?;
                bounds.integers(&ints.pending[start..]);
                ints.pushed(chunks)
            }
            (Streams::Float(stream), Cells::Float32(array)) => {
                rows.each(|row| {
                    bounds.double(f64::from(array.value(row)));
                    stream.open.extend_from_slice(&array.value(row).to_le_bytes());
                });
                stream.pack(chunks)
            }
            (Streams::Double(stream), Cells::Float64(array)) => {
                rows.each(|row| {
                    bounds.double(array.value(row));
                    stream.open.extend_from_slice(&array.value(row).to_le_bytes());
                });
                stream.pack(chunks)
            }
            (Streams::Decimal { digits, scales, scale }, Cells::Decimal(array, _)) => {
                rows.each(|row| {
                    bounds.decimal(array.value(row));
                    varint_128(array.value(row), &mut digits.open);
                });
                scales.pending.resize(scales.pending.len() + rows.len(), i64::from(*scale));
                digits.pack(chunks)?;
                scales.pushed(chunks)
            }
            (Streams::Timestamp { seconds, nanos }, Cells::Moment(moments, _)) => {
                timestamps(moments, rows, (&mut seconds.pending, &mut nanos.pending), bounds)?;
                seconds.pushed(chunks)?;
                nanos.pushed(chunks)
            }
            _ => self.long_values(cells, rows, chunks),
        }
    }

    /// Appends rows whose values are longer than a number.
    fn long_values(&mut self, cells: &Cells, rows: &Rows<'_>, chunks: &mut Chunks) -> Taken<()> {
        let bounds = &mut self.group.values;
        match (&mut self.streams, cells) {
            (Streams::Text(text), Cells::Text(array)) => {
                rows.each(|row| text.push(array.value(row).as_bytes(), bounds));
                if text.pushed(chunks)? {
                    self.start.values = Text::first_position(chunks);
                }
                Ok(())
            }
            (Streams::Bytes { data, lengths }, Cells::Bytes(array)) => {
                rows.each(|row| {
                    let value = array.value(row);
                    bounds.bytes(value);
                    data.open.extend_from_slice(value);
                    lengths.pending.push(value.len() as i64);
                });
                data.pack(chunks)?;
                lengths.pushed(chunks)
            }
            (Streams::List { lengths, element }, Cells::Array(array, cell)) => {
                let picked = elements(array.value_offsets(), rows, &mut lengths.pending);
                lengths.pushed(chunks)?;
                element.write(cell, &picked.rows(), chunks)
            }
            (Streams::Map { lengths, key, value }, Cells::Map(array, keys, values)) => {
                let picked = elements(array.value_offsets(), rows, &mut lengths.pending);
                lengths.pushed(chunks)?;
                key.write(keys, &picked.rows(), chunks)?;
                value.write(values, &picked.rows(), chunks)
            }
            (Streams::Row(fields), Cells::Row(cells)) => {
                fields.iter_mut().zip(cells).try_for_each(|(field, cell)| field.write(cell, rows, chunks))
            }
            _ => Err("a column is written as what it is not".to_owned()),
        }
    }

    /// Appends rows of a batch; for the writer of all columns.
    pub(super) fn write_batch(
        &mut self,
        cells: &[Cell],
        rows: Range<usize>,
        chunks: &mut Chunks,
    ) -> Result<(), (usize, String)> {
        self.group.count += rows.len() as u64;
        let Streams::Row(fields) = &mut self.streams else { return Ok(()) };
        for (place, (field, cell)) in fields.iter_mut().zip(cells).enumerate() {
            field.write(cell, &Rows::All(rows.clone()), chunks).map_err(|e| (place, e))?;
        }
        Ok(())
    }

    /// How many bytes the stripe has by now, about.
    pub(super) fn held(&self) -> usize {
        self.streams.held()
    }

    /// Ends the stripe, whose last group of rows has ended: the streams of this column and those within.
    pub(super) fn end_stripe(&mut self, indexed: bool, chunks: &mut Chunks, parts: &mut Parts) -> Taken<()> {
        let (streams, encoding) = self.streams.end(&mut self.groups, chunks)?;
        let present = std::mem::take(&mut self.present).end(chunks)?;
        let nulls = std::mem::take(&mut self.nulls);
        let groups = std::mem::take(&mut self.groups);
        let place = |kind, bytes: &Vec<u8>| StreamPlace { kind, column: self.number, length: bytes.len() as u64 };
        if indexed {
            let index = chunks.message(index_of(&groups, nulls))?;
            parts.indexes.push((place(stream::ROW_INDEX, &index), index));
        }
        let present = nulls.then_some((stream::PRESENT, present));
        for (kind, bytes) in present.into_iter().chain(streams) {
            parts.data.push((place(kind, &bytes), bytes));
        }
        parts.encodings.push(encoding);
        parts.statistics.push(self.stripe.write());
        self.file.absorb(&mut self.stripe);
        let mut ended = Ok(());
        self.streams.children(|child| {
            if ended.is_ok() {
                ended = child.end_stripe(indexed, chunks, parts);
            }
        });
        ended
    }

    /// Calls a function with the statistics of this column and those within, in their order.
    pub(super) fn file_statistics(&mut self, take: &mut dyn FnMut(Vec<u8>)) {
        take(self.file.write());
        self.streams.children(|child| child.file_statistics(take));
    }
}

/// The index of a column. Where it has no nulls in the stripe, nothing says where they are.
fn index_of(groups: &[Group], nulls: bool) -> Vec<u8> {
    let mut message = Vec::new();
    for group in groups {
        let mut packed = Vec::new();
        let present = if nulls { group.present.as_slice() } else { &[] };
        present.iter().chain(&group.values).for_each(|at| put_varint(*at, &mut packed));
        put_nested(1, &mut message, |out| {
            put_message(1, &packed, out);
            put_message(2, &group.statistics, out);
        });
    }
    message
}

fn integers(cells: &Cells, rows: &Rows<'_>, out: &mut Vec<i64>) -> Taken<()> {
    match cells {
        Cells::Int16(array) => rows.each(|row| out.push(i64::from(array.value(row)))),
        Cells::Int32(array) => rows.each(|row| out.push(i64::from(array.value(row)))),
        Cells::Date(array) => rows.each(|row| out.push(i64::from(array.value(row)))),
        Cells::Int64(array) => rows.each(|row| out.push(array.value(row))),
        _ => return Err("a column is written as what it is not".to_owned()),
    }
    Ok(())
}

fn timestamps(
    moments: &Moments,
    rows: &Rows<'_>,
    out: (&mut Vec<i64>, &mut Vec<i64>),
    bounds: &mut Bounds,
) -> Taken<()> {
    let (seconds, nanos) = out;
    let mut failed = None;
    let mut all = Vec::with_capacity(rows.len());
    rows.each(|row| {
        let (millis, rest) = match moments {
            Moments::Millis(array) => (array.value(row), 0),
            Moments::Micros(array) => {
                (array.value(row).div_euclid(1000), array.value(row).rem_euclid(1000) as u32 * 1000)
            }
            Moments::Nanos(millis, nanos) => (millis.value(row), nanos.value(row) as u32),
        };
        match Stored::of(millis, rest) {
            Ok(at) => {
                seconds.push(at.seconds);
                nanos.push(pack_nanos(at.nanos));
                all.push(at.millis);
            }
            Err(e) => failed = Some(e),
        }
    });
    bounds.integers(&all);
    failed.map_or(Ok(()), |e| Err(e.to_owned()))
}

/// The elements of lists.
enum Picked {
    All(Range<usize>),
    Some(Vec<u32>),
}

impl Picked {
    fn rows(&self) -> Rows<'_> {
        match self {
            Picked::All(range) => Rows::All(range.clone()),
            Picked::Some(rows) => Rows::Some(rows),
        }
    }
}

/// Appends the lengths of lists, and gives the elements that they have.
fn elements(offsets: &[i32], rows: &Rows<'_>, lengths: &mut Vec<i64>) -> Picked {
    rows.each(|row| lengths.push(i64::from(offsets[row + 1] - offsets[row])));
    match rows {
        Rows::All(range) => Picked::All(offsets[range.start] as usize..offsets[range.end] as usize),
        Rows::Some(rows) => {
            let of = |row: &u32| offsets[*row as usize] as u32..offsets[*row as usize + 1] as u32;
            Picked::Some(rows.iter().flat_map(of).collect())
        }
    }
}

impl Streams {
    fn children(&mut self, mut take: impl FnMut(&mut ColumnWriter)) {
        match self {
            Streams::List { element, .. } => take(element),
            Streams::Map { key, value, .. } => {
                take(key);
                take(value);
            }
            Streams::Row(fields) => fields.iter_mut().for_each(take),
            _ => {}
        }
    }

    /// Encodes what waits; as [`Text::flush`].
    fn flush(&mut self, chunks: &mut Chunks) -> Taken<bool> {
        match self {
            Streams::Boolean(bits) => bits.flush(chunks)?,
            Streams::Byte(bytes) => bytes.flush(chunks)?,
            Streams::Integer(ints) => ints.flush(chunks)?,
            Streams::Decimal { scales: ints, .. } | Streams::Bytes { lengths: ints, .. } => ints.flush(chunks)?,
            Streams::List { lengths, .. } | Streams::Map { lengths, .. } => lengths.flush(chunks)?,
            Streams::Timestamp { seconds, nanos } => {
                seconds.flush(chunks)?;
                nanos.flush(chunks)?;
            }
            Streams::Text(text) => return text.flush(chunks),
            Streams::Float(_) | Streams::Double(_) | Streams::Row(_) => {}
        }
        Ok(false)
    }

    /// Appends where the next value stands in each stream.
    fn position(&self, chunks: &Chunks, out: &mut Vec<u64>) {
        match self {
            Streams::Boolean(bits) => bits.position(chunks, out),
            Streams::Byte(bytes) => bytes.position(chunks, out),
            Streams::Integer(ints) => ints.position(chunks, out),
            Streams::Float(stream) | Streams::Double(stream) => stream.position(chunks, out),
            Streams::Decimal { digits: data, scales: ints, .. } | Streams::Bytes { data, lengths: ints } => {
                data.position(chunks, out);
                ints.position(chunks, out);
            }
            Streams::List { lengths, .. } | Streams::Map { lengths, .. } => lengths.position(chunks, out),
            Streams::Timestamp { seconds, nanos } => {
                seconds.position(chunks, out);
                nanos.position(chunks, out);
            }
            Streams::Text(text) => text.position(chunks, out),
            Streams::Row(_) => {}
        }
    }

    fn held(&self) -> usize {
        match self {
            Streams::Boolean(bits) => bits.bytes.held(),
            Streams::Byte(bytes) => bytes.held(),
            Streams::Integer(ints) => ints.held(),
            Streams::Float(stream) | Streams::Double(stream) => stream.held(),
            Streams::Decimal { digits: data, scales: ints, .. } | Streams::Bytes { data, lengths: ints } => {
                data.held() + ints.held()
            }
            Streams::List { lengths, element } => lengths.held() + element.held(),
            Streams::Map { lengths, key, value } => lengths.held() + key.held() + value.held(),
            Streams::Timestamp { seconds, nanos } => seconds.held() + nanos.held(),
            Streams::Text(text) => text.held(),
            Streams::Row(fields) => fields.iter().map(ColumnWriter::held).sum(),
        }
    }

    /// The streams of the stripe, in their order, and how they are encoded; all are empty then.
    fn end(&mut self, groups: &mut [Group], chunks: &mut Chunks) -> Taken<EndedStreams> {
        use std::mem::{replace, take};
        let direct = |kind| Encoding { kind, dictionary: 0 };
        let data = |bytes| (stream::DATA, bytes);
        let ended = |ints: &mut Ints, signed| replace(ints, Ints::new(signed)).stream;
        let streams = match self {
            Streams::Boolean(bits) => return Ok((vec![data(take(bits).end(chunks)?)], direct(encoding::DIRECT))),
            Streams::Byte(bytes) => return Ok((vec![data(take(bytes).stream.end(chunks)?)], direct(encoding::DIRECT))),
            Streams::Float(stream) | Streams::Double(stream) => {
                return Ok((vec![data(take(stream).end(chunks)?)], direct(encoding::DIRECT)));
            }
            Streams::Row(_) => return Ok((Vec::new(), direct(encoding::DIRECT))),
            Streams::Text(text) => return text.end(groups.iter_mut().map(|g| &mut g.values), chunks),
            Streams::Integer(ints) => vec![data(ended(ints, true).end(chunks)?)],
            Streams::Decimal { digits, scales, .. } => {
                vec![data(take(digits).end(chunks)?), (stream::SECONDARY, ended(scales, true).end(chunks)?)]
            }
            Streams::Timestamp { seconds, nanos } => {
                vec![data(ended(seconds, true).end(chunks)?), (stream::SECONDARY, ended(nanos, false).end(chunks)?)]
            }
            Streams::Bytes { data: bytes, lengths } => {
                vec![data(take(bytes).end(chunks)?), (stream::LENGTH, ended(lengths, false).end(chunks)?)]
            }
            Streams::List { lengths, .. } | Streams::Map { lengths, .. } => {
                vec![(stream::LENGTH, ended(lengths, false).end(chunks)?)]
            }
        };
        Ok((streams, direct(encoding::DIRECT_V2)))
    }
}
