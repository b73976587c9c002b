//! The index of what is written says where the groups of rows are: a column that is read from there on gives their rows.

use std::io::Cursor;

use flott_api::{ChangeBatch, Schema, TypeKind};

use super::*;
use crate::column::Column;
use crate::orc::proto::Kind;
use crate::orc::tests::random::{batches, schema};
use crate::orc::tests::{orc, written};
use crate::protobuf::wire::{BYTES, Input, Raw};

const GROUP_ROWS: usize = 1000;

/// Where each stream stands at the start of each group: the message's field 1 of its fields 1, packed.
fn positions(message: &[u8]) -> Vec<Vec<u64>> {
    let field = |bytes: &[u8]| {
        let (mut input, mut found) = (Input::new(bytes), Vec::new());
        while !input.is_empty() {
            let (number, wire) = input.key().unwrap();
            assert_eq!(wire, BYTES);
            let Raw::Bytes(value) = input.value(wire).unwrap() else { panic!() };
            found.extend((number == 1).then(|| value.to_vec()));
        }
        found
    };
    let numbers = |entry: Vec<u8>| {
        let packed = field(&entry).remove(0);
        let (mut input, mut found) = (Input::new(&packed), Vec::new());
        while !input.is_empty() {
            found.push(input.varint().unwrap());
        }
        found
    };
    field(message).into_iter().map(numbers).collect()
}

/// How many numbers of a position stand behind the place in the stream: the value in its run, and the bit.
fn more_numbers(kind: Kind, stream: u64) -> usize {
    match (stream, kind) {
        (kinds::PRESENT, _) => 2,
        (kinds::DATA, Kind::Float | Kind::Double | Kind::Decimal | Kind::Binary) => 0,
        _ => 1,
    }
}

/// A stripe as it is read, and its streams by their column and kind.
fn streams(reader: &mut OrcReader, place: StripePlace) -> (StripeFooter, Vec<(u64, u64, Bytes)>) {
    let footer = part(&mut *reader.file, place.offset + place.index + place.data, place.footer).unwrap();
    let footer = StripeFooter::read(&Stream::message(footer, &reader.chunks).unwrap()).unwrap();
    let mut at = place.offset;
    let mut found = Vec::new();
    for stream in &footer.streams {
        found.push((stream.column, stream.kind, part(&mut *reader.file, at, stream.length).unwrap()));
        at += stream.length;
    }
    (footer, found)
}

#[test]
fn groups_of_rows_begin_where_the_index_says() {
    let columns: Vec<usize> = (1..16).collect();
    let schema = schema().project(&columns);
    for (seed, codec) in ["NONE", "ZLIB", "SNAPPY"].into_iter().enumerate() {
        let rows: Vec<ChangeBatch> = batches(5500, 500, seed as u64).iter().map(|b| project(b, &columns)).collect();
        let options = [("orc.row.index.stride", "1000"), ("orc.compress", codec), ("orc.compress.size", "700")];
        let more = ("orc.stripe.size", "200000");
        let file = written(&*orc(&[&options[..], &[more]].concat()), &schema, &rows);
        let projection = (0..schema.len()).collect();
        let spec = DecoderSpec { schema: schema.clone(), projection, metadata: Vec::new(), dead_letters: false };
        let mut reader = OrcReader::new(Box::new(Cursor::new(file)), &spec, 0..u64::MAX, 0).unwrap();
        let mut first = 0;
        let mut groups = 0;
        for place in reader.stripes.clone().into_iter().rev() {
            groups += check_stripe(&mut reader, place, &schema, &rows, first);
            first += place.rows as usize;
        }
        assert_eq!(first, 5500);
        assert!(groups >= 6 * schema.len(), "{groups}");
    }
}

fn project(batch: &ChangeBatch, columns: &[usize]) -> ChangeBatch {
    ChangeBatch::inserts(batch.rows().project(columns).unwrap())
}

fn check_stripe(
    reader: &mut OrcReader,
    place: StripePlace,
    schema: &Schema,
    rows: &[ChangeBatch],
    first: usize,
) -> usize {
    let (footer, streams) = streams(reader, place);
    let all: Vec<_> = rows.iter().map(|b| b.rows().clone()).collect();
    let all = arrow_select::concat::concat_batches(all[0].schema_ref(), &all).unwrap();
    let plain: Chunks = Arc::new(Mutex::new(Opener::new(Codec::None, 0)));
    let compressed = reader.chunks.lock().unwrap().codec() != Codec::None;
    let mut checked = 0;
    for (plan, (number, field)) in reader.plans.iter().zip(schema.fields.iter().enumerate()) {
        let kind = match &field.ty.kind {
            TypeKind::Float => Kind::Float,
            TypeKind::Double => Kind::Double,
            TypeKind::Decimal { .. } => Kind::Decimal,
            TypeKind::Varbinary(_) => Kind::Binary,
            kind if kind.is_character() && !footer.encodings[plan.column].has_dictionary() => Kind::Binary,
            _ => Kind::Int,
        };
        let own: Vec<_> = streams.iter().filter(|(column, ..)| *column == plan.column as u64).collect();
        let index = own.iter().find(|(_, kind, _)| *kind == kinds::ROW_INDEX).unwrap().2.clone();
        for (group, numbers) in positions(&Stream::message(index, &reader.chunks).unwrap()).iter().enumerate() {
            let mut numbers = numbers.iter().map(|n| *n as usize);
            let moved =
                own.iter().filter(|(_, stream, _)| *stream != kinds::ROW_INDEX).map(|(column, stream, bytes)| {
                    let words = footer.encodings[plan.column].has_dictionary() && *stream > kinds::DATA;
                    let chunk = if compressed && !words { numbers.next().unwrap() } else { 0 };
                    let message = Stream::message(bytes.slice(chunk..), &reader.chunks).unwrap();
                    let byte = if words { 0 } else { numbers.next().unwrap() };
                    let behind = if words { 0 } else { more_numbers(kind, *stream) };
                    assert!(numbers.by_ref().take(behind).all(|n| n == 0), "a group ends all runs");
                    (*column, *stream, Bytes::from(message).slice(byte..))
                });
            let mut stripe = StripeStreams {
                streams: moved.collect(),
                encodings: footer.encodings.clone(),
                zone: "UTC".to_owned(),
                chunks: Arc::clone(&plain),
            };
            assert_eq!(numbers.next(), None, "{}", field.name);
            let count = GROUP_ROWS.min(place.rows as usize - group * GROUP_ROWS);
            let mut column = Column::new(&field.ty);
            ColumnReader::open(plan, &mut stripe).unwrap().read(count, None, &mut column).unwrap();
            let expected = all.column(number).slice(first + group * GROUP_ROWS, count);
            assert_eq!(&column.take().unwrap(), &expected, "{} of group {group}", field.name);
            checked += 1;
        }
    }
    checked
}
