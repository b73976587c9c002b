//! Formats of records: in a stream, as files have them, and as messages.

use std::rc::Rc;

use arrow_array::{Array, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use flott_api::testing::ready;
use flott_api::{ChangeBatch, LogicalType, Schema, TypeKind};
use flott_formats::{DecodeError, Decoder, DecoderSpec, Encoded, EncoderSpec, Format, Layout};

use super::header::{Header, Policy};
use super::invariants::{Rows, check_error};
use super::{options, protobuf, registry, table};

/// A decoder's surroundings.
pub(super) struct Case<'a> {
    pub(super) name: &'a str,
    pub(super) header: Header,
    pub(super) format: &'a dyn Format,
    pub(super) spec: DecoderSpec,
}

impl<'a> Case<'a> {
    /// Those that the header chooses.
    pub(super) fn new(name: &'a str, format: &'a dyn Format, header: &Header) -> Self {
        let schema = match name {
            "protobuf" => protobuf::table(header),
            "avro-confluent" | "debezium-avro-confluent" if registry::gives_schema(header) => registry::table(),
            _ => table::table(header.table, format),
        };
        let metadata = if header.extra & 1 == 1 { format.metadata() } else { Vec::new() };
        let spec = DecoderSpec {
            projection: header.projection(schema.len()),
            schema,
            metadata: metadata.into_iter().map(|m| (m.key, m.ty)).collect(),
            dead_letters: header.policy == Policy::DeadLetter && format.dead_letter_table().is_some(),
        };
        Case { name, header: *header, format, spec }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        self.format.decoder(&self.spec).expect("the format takes the columns of the table")
    }

    /// Writes the rows again: what can be read is a value, and values can be written or are refused.
    pub(super) fn write(&self, batch: &ChangeBatch) {
        let writes = !self.spec.dead_letters && !self.name.ends_with("-confluent") && self.name != "protobuf";
        if !writes || batch.rows().num_columns() == 0 {
            return;
        }
        let spec = EncoderSpec { schema: self.spec.output_schema(), line_ends: self.header.extra & 2 == 0 };
        let Ok(mut encoder) = self.format.encoder(&spec) else { return };
        let mut out = Encoded::default();
        let written = encoder.encode(batch, &mut out).and_then(|()| encoder.finish(&mut out));
        written.unwrap_or_else(|e| check_error(&e));
    }
}

/// What came of reading.
#[derive(Default)]
struct Outcome {
    rows: Rows,
    skipped: u64,
    /// Where and why it stopped before the end.
    failed: Option<(usize, String)>,
    /// Whether rows could not be given out: which ones are lost depends on the batch.
    lost: bool,
}

impl Outcome {
    /// Takes the rows that wait.
    fn take(&mut self, case: &Case<'_>, decoder: &mut dyn Decoder, bytes: usize) {
        let waiting = decoder.rows();
        if waiting > 0 {
            match decoder.take() {
                Ok(batch) => {
                    assert_eq!(batch.len(), waiting, "as many rows as were waiting");
                    self.rows.take(&batch, &case.spec.output_schema(), bytes);
                    if case.spec.dead_letters {
                        check_dead_letters(&batch, case.spec.output_schema().len());
                    }
                    case.write(&batch);
                }
                Err(e) => {
                    check_error(&e);
                    self.lost = true;
                }
            }
        }
        // A job whose rows cannot be given out fails, and asks no more.
        assert!(self.lost || decoder.rows() == 0, "rows were taken");
        self.skipped += decoder.take_skipped();
    }

    fn fail(&mut self, at: usize, error: DecodeError) {
        self.failed = Some(match error {
            DecodeError::Record(bad) => (at + bad.at, bad.what),
            DecodeError::Other(e) => {
                check_error(&e);
                (at, e.to_string())
            }
        });
    }

    fn assert_same(&self, other: &Outcome, last: usize, way: &str) {
        if self.lost || other.lost {
            return;
        }
        assert_eq!(self.failed, other.failed, "where and why reading {way} fails");
        self.rows.assert_same(&other.rows, 0, last, way);
        // Where reading fails, records behind that place may have been looked at, or not.
        if self.failed.is_none() {
            assert_eq!(self.skipped, other.skipped, "records that were skipped {way}");
        }
    }
}

/// A dead letter has bytes, cause and place, and nothing else; other rows have none of them.
fn check_dead_letters(batch: &ChangeBatch, columns: usize) {
    let rows = batch.rows();
    let of_letter = [rows.column(columns - 3), rows.column(columns - 2), rows.column(columns - 1)];
    for row in 0..batch.len() {
        let dead = of_letter[0].is_valid(row);
        assert!(of_letter.iter().all(|c| c.is_valid(row) == dead), "all of a dead letter, or nothing");
        // Arrow says of the type NULL that its values are not null.
        let mut values = rows.columns()[..columns - 3].iter().filter(|c| *c.data_type() != DataType::Null);
        assert!(!dead || values.all(|c| c.is_null(row)), "a dead letter has no values");
    }
}

/// Reads a file of records at once, and in pieces.
pub(super) fn stream(case: &Case<'_>, bytes: &[u8]) -> usize {
    let whole = read(case, bytes, bytes.len().max(1));
    let pieces = read(case, bytes, usize::from(case.header.piece) + 1);
    pieces.assert_same(&whole, 0, "in pieces");
    // Rows that could not be given out are counted, and gone.
    if case.spec.dead_letters && !whole.lost {
        check_places(case, &whole, bytes);
    }
    whole.rows.len()
}

/// The bytes of a dead letter stand in the file at its place.
fn check_places(case: &Case<'_>, whole: &Outcome, bytes: &[u8]) {
    let columns = case.spec.output_schema().len();
    let mut letters = 0;
    for batch in whole.rows.batches() {
        let (raw, places) =
            (batch.column(columns - 3).as_binary::<i32>(), batch.column(columns - 1).as_primitive::<Int64Type>());
        for row in (0..batch.num_rows()).filter(|row| raw.is_valid(*row)) {
            letters += 1;
            let at = usize::try_from(places.value(row)).expect("a place is no negative number");
            let rest = bytes.get(at..).expect("a place lies in the file");
            assert!(rest.starts_with(raw.value(row)), "the record of the dead letter at byte {at}");
        }
    }
    assert_eq!(letters, whole.skipped, "dead letters are counted");
}

/// Feeds `bytes` as a connector does, `piece` bytes more each time.
fn read(case: &Case<'_>, bytes: &[u8], piece: usize) -> Outcome {
    let (mut decoder, mut outcome) = (case.decoder(), Outcome::default());
    let (mut at, mut filled) = (0, piece.min(bytes.len()));
    loop {
        let end = filled == bytes.len();
        let taken = decoder.decode(&bytes[at..filled], end);
        let waiting = decoder.rows();
        outcome.take(case, &mut *decoder, bytes.len());
        if outcome.lost {
            return outcome;
        }
        match taken {
            Ok(taken) => {
                assert!(taken <= filled - at, "no more is taken than there is");
                assert!(!end || taken > 0 || waiting > 0 || at == filled, "reading does not come to an end");
                at += taken;
            }
            Err(e) => {
                outcome.fail(at, e);
                return outcome;
            }
        }
        if end && at == bytes.len() {
            return outcome;
        }
        // What is left grows without an end where a line does not: the pieces grow with it, so that this takes a time
        // in proportion.
        filled = (filled + piece.max((filled - at) / 2)).min(bytes.len());
    }
}

/// Reads messages together, and one by one.
pub(super) fn messages(case: &Case<'_>, bytes: &[u8]) -> usize {
    let messages = match case.name {
        "avro-confluent" | "debezium-avro-confluent" => registry::messages(bytes, case.header.piece),
        "json" | "csv" | "raw" if case.header.extra & 4 == 0 => bytes.split(|b| *b == b'\n').map(Vec::from).collect(),
        _ => parts(bytes, case.header.piece),
    };
    let all: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let together = decode_messages(case, &[&all], bytes);
    let single: Vec<&[&[u8]]> = all.chunks(1).collect();
    let one_by_one = decode_messages(case, &single, bytes);
    // The place of a dead letter is the number of its message in a call.
    one_by_one.assert_same(&together, usize::from(case.spec.dead_letters), "one by one");
    together.rows.len()
}

/// The bytes in up to four parts of one size.
pub(super) fn parts(bytes: &[u8], count: u8) -> Vec<Vec<u8>> {
    let size = bytes.len().div_ceil(usize::from(count % 4) + 1).max(1);
    bytes.chunks(size).map(Vec::from).collect()
}

fn decode_messages(case: &Case<'_>, groups: &[&[&[u8]]], bytes: &[u8]) -> Outcome {
    let (mut decoder, mut outcome) = (case.decoder(), Outcome::default());
    let environment = registry::environment(bytes);
    let mut done = 0;
    for group in groups {
        ready(decoder.prepare(&environment, group)).unwrap_or_else(|e| check_error(&e));
        let mut counts = Vec::new();
        let decoded = decoder.decode_messages(group, &mut counts);
        let waiting = decoder.rows();
        assert_eq!(counts.iter().sum::<u32>() as usize, waiting, "each row is of a message");
        outcome.take(case, &mut *decoder, bytes.len());
        if outcome.lost {
            return outcome;
        }
        if let Err(e) = decoded {
            outcome.fail(done, e);
            return outcome;
        }
        assert_eq!(counts.len(), group.len(), "each message is counted");
        done += group.len();
    }
    outcome
}

/// What the format writes for some rows of the table.
pub(super) fn sample(case: &Case<'_>) -> Option<Vec<u8>> {
    let plain = Header { options: 0, policy: Policy::Fail, extra: 0, ..case.header };
    let json: Rc<dyn Format> = options::format("json", &plain)?;
    let spec = DecoderSpec {
        schema: case.spec.schema.clone(),
        projection: (0..case.spec.schema.len()).collect(),
        metadata: Vec::new(),
        dead_letters: false,
    };
    let text: Vec<String> = (0..3).map(|row| row_text(&spec.schema, row) + "\n").collect();
    let mut decoder = json.decoder(&spec).ok()?;
    decoder.decode(text.concat().as_bytes(), true).expect("the rows are of the table");
    let rows = decoder.take().expect("the rows are of the table");
    let line_ends = !matches!(case.format.layout(), Layout::Messages) && case.header.extra & 0x80 == 0;
    let mut encoder = case.format.encoder(&EncoderSpec { schema: spec.schema.clone(), line_ends }).ok()?;
    let registry = registry::Registry::of("");
    ready(encoder.open(&registry.environment())).ok()?;
    let mut out = Encoded::default();
    encoder.encode(&rows, &mut out).ok()?;
    encoder.finish(&mut out).ok()?;
    let with_schema = case.name.ends_with("-confluent");
    Some(if with_schema { registry::input(&registry.schema(), &out.bytes, &out.ends) } else { out.bytes })
}

fn row_text(schema: &Schema, row: usize) -> String {
    let cell = |(i, ty): (usize, &LogicalType)| match (row + i) % 4 {
        3 if ty.nullable => "null".to_owned(),
        _ => cell_text(ty, row),
    };
    let fields = schema.fields.iter().enumerate().map(|(i, f)| format!("\"{}\":{}", f.name, cell((i, &f.ty))));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// A value of the type, as JSON.
fn cell_text(ty: &LogicalType, row: usize) -> String {
    match &ty.kind {
        TypeKind::Null => "null".to_owned(),
        TypeKind::Boolean => (row.is_multiple_of(2)).to_string(),
        TypeKind::Decimal { precision, scale } if precision == scale => format!("0.{row}1"),
        TypeKind::Decimal { .. } => format!("-{row}.25"),
        TypeKind::Float | TypeKind::Double => format!("{row}.5e-1"),
        TypeKind::Char(_) => "\"ab\u{fc}\"".to_owned(),
        TypeKind::Varchar(_) => format!("\"a, {row}\""),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => "\"AP8=\"".to_owned(),
        TypeKind::Date => "\"2024-02-29\"".to_owned(),
        TypeKind::Time(_) => format!("\"12:34:0{row}\""),
        TypeKind::Timestamp(_) => format!("\"1969-12-31 23:59:59.{row}23456789\""),
        TypeKind::TimestampLtz(_) => format!("\"2038-01-19 03:14:07.{row}23456789Z\""),
        TypeKind::Array(element) => {
            let null = if element.nullable { ",null" } else { "" };
            format!("[{}{null}]", vec![cell_text(element, row); row].join(",")).replace("[,", "[")
        }
        TypeKind::Map(_, value) => format!("{{\"k{row}\":{}}}", cell_text(value, row)),
        TypeKind::Multiset(_) => format!("{{\"m\":{row}}}"),
        TypeKind::Row(fields) => row_text(&Schema::new(fields.clone()), row),
        _ => format!("-{row}"),
    }
}
