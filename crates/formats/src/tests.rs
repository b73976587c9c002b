//! What holds for every format: pieces of any size give the same rows, what is written is read, random bytes never
//! panic.

use flott_api::options::{OptionReader, Options};
use flott_api::testing::lines;
use flott_api::{Error, Field, LogicalType, Schema, TypeKind};

use crate::{DecodeError, Decoder, DecoderSpec, Encoded, EncoderSpec, Format, format};

const TEXT_FORMATS: &[&str] = &["canal-json", "csv", "debezium-json", "json", "maxwell-json", "ogg-json", "raw"];

fn made(name: &str, pairs: &[(&str, &str)]) -> Box<dyn Format> {
    let options = Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
    let reader = OptionReader::new(&options, "test");
    let format = format(name, &reader, "").unwrap();
    reader.finish().unwrap();
    format
}

fn schema_of(name: &str) -> Schema {
    let kinds: &[TypeKind] = match name {
        "raw" => &[TypeKind::Varchar(9)],
        _ => &[
            TypeKind::Varchar(9),
            TypeKind::Int,
            TypeKind::Double,
            TypeKind::Decimal { precision: 5, scale: 2 },
            TypeKind::Timestamp(3),
            TypeKind::TimestampLtz(9),
            TypeKind::Date,
            TypeKind::Time(3),
            TypeKind::Boolean,
            TypeKind::Varbinary(9),
        ],
    };
    let field = |(i, kind): (usize, &TypeKind)| Field::new(format!("c{i}"), LogicalType::new(kind.clone()));
    Schema::new(kinds.iter().enumerate().map(field).collect())
}

fn decoder(format: &dyn Format, schema: &Schema) -> Box<dyn Decoder> {
    let projection = (0..schema.len()).collect();
    format
        .decoder(&DecoderSpec { schema: schema.clone(), projection, metadata: Vec::new(), dead_letters: false })
        .unwrap()
}

/// Feeds `text` in pieces, as a connector does.
fn decoded(format: &dyn Format, schema: &Schema, text: &[u8], piece: usize) -> Result<Vec<String>, Error> {
    let mut decoder = decoder(format, schema);
    let (mut at, mut filled, mut rows) = (0, 0, Vec::new());
    loop {
        let end = filled == text.len();
        let taken =
            decoder.decode(&text[at..filled], end).map_err(|e: DecodeError| e.at_place(|o| format!("byte {o}")))?;
        at += taken;
        if decoder.rows() > 0 {
            rows.extend(lines(&decoder.take()?));
        }
        if end && at == text.len() {
            return Ok(rows);
        }
        assert!(!end || taken > 0, "the decoder does not come to an end at byte {at} of {text:?}");
        filled = (filled + piece).min(text.len());
    }
}

/// SplitMix64 (Sebastiano Vigna, public domain).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

const ROWS: &str = "+I | a,b\"c | 1 | 0.5 | 1.50 | 1500 | 1.7 | 18000 | 5000 | true | xy\n\
    +I | ü😀 | -7 | 10000000000 | -0.01 | -1500 | -5.3 | -1 | 0 | false | z\n\
    +I | line\\nbreak | 0 | -0.25 | 999.99 | 0 | 0.0 | 0 | 86399999 | true | ''";

fn rows_of(name: &str) -> Vec<&'static str> {
    match name {
        "raw" => vec!["+I | x", "+I | ''", "+I | a,b ü"],
        _ => ROWS.lines().map(str::trim).collect(),
    }
}

fn encoded(format: &dyn Format, name: &str, line_ends: bool) -> Encoded {
    let schema = schema_of(name);
    let mut out = Encoded::default();
    let mut encoder = format.encoder(&EncoderSpec { schema: schema.clone(), line_ends }).unwrap();
    encoder.encode(&flott_api::testing::batch(&schema, &rows_of(name).join("\n")), &mut out).unwrap();
    out
}

#[test]
fn what_is_written_is_read_in_pieces_of_any_size() {
    for name in TEXT_FORMATS {
        let format = made(name, &[]);
        let text = encoded(&*format, name, true).bytes;
        for piece in [1, 7, usize::MAX / 2] {
            let rows = decoded(&*format, &schema_of(name), &text, piece).unwrap();
            assert_eq!(rows, rows_of(name), "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn messages_are_records_without_line_ends() {
    for name in TEXT_FORMATS {
        let format = made(name, &[]);
        let out = encoded(&*format, name, false);
        let starts = std::iter::once(&0).chain(&out.ends);
        let messages: Vec<&[u8]> = starts.zip(&out.ends).map(|(start, end)| &out.bytes[*start..*end]).collect();
        let mut decoder = decoder(&*format, &schema_of(name));
        let mut counts = Vec::new();
        decoder.decode_messages(&messages, &mut counts).unwrap();
        // An empty message of `raw` is an empty text, and a record like any other.
        assert_eq!(counts, [1, 1, 1], "{name}");
        assert_eq!(lines(&decoder.take().unwrap()), rows_of(name), "{name}");
    }
}

#[test]
fn random_and_damaged_bytes_are_errors_or_rows_in_pieces_of_any_size() {
    const ALPHABET: &[u8] = b"\",\n\r\\ {}[]:;#0129eE.-+truefalsnaz\xc3\xbc\xff\x00";
    let mut random = Random(42);
    for name in TEXT_FORMATS {
        let ignore = format!("{name}.ignore-parse-errors");
        let escape: &[(&str, &str)] =
            &[(&ignore, "true"), ("csv.escape-character", "\\"), ("csv.allow-comments", "true")];
        let tolerant = match *name {
            "raw" => made(name, &[]),
            "csv" => made(name, escape),
            _ => made(name, &escape[..1]),
        };
        let schema = schema_of(name);
        let good = encoded(&*made(name, &[]), name, true).bytes;
        for round in 0..400 {
            let mut text = if round % 2 == 0 { good.clone() } else { Vec::new() };
            for _ in 0..random.below(40) {
                let byte = ALPHABET[random.below(ALPHABET.len())];
                let at = random.below(text.len() + 1);
                text.insert(at, byte);
            }
            drop(decoded(&*made(name, &[]), &schema, &text, 7));
            let whole = decoded(&*tolerant, &schema, &text, usize::MAX / 2).unwrap();
            for piece in [1, 7] {
                let rows = decoded(&*tolerant, &schema, &text, piece).unwrap();
                assert_eq!(rows, whole, "{name}: {:?}", String::from_utf8_lossy(&text));
            }
        }
    }
}

#[test]
fn timestamps_beyond_64_bits_do_not_fit() {
    let far = |precision| {
        let year = if precision <= 3 { "+292278995" } else { "+294248" };
        [year.to_owned(), format!("-{}", &year[1..])]
    };
    for precision in [3, 6] {
        let schema = Schema::new(vec![Field::new("t", LogicalType::new(TypeKind::Timestamp(precision)))]);
        for year in far(precision) {
            for (name, text) in [
                ("csv", format!("{year}-01-01 00:00:00\n")),
                ("json", format!("{{\"t\":\"{year}-01-01 00:00:00\"}}\n")),
            ] {
                let error = decoded(&*made(name, &[]), &schema, text.as_bytes(), 100).unwrap_err();
                let what = format!("is no TIMESTAMP({precision})");
                assert!(error.message().contains(&what), "{name}: {error}");
            }
        }
    }
}

#[test]
fn only_the_columns_asked_for_are_read() {
    for (name, text) in [("csv", "x,7,,,,,,,,\n".as_bytes()), ("json", b"{\"c0\":\"x\",\"c1\":7,\"c2\":\"bad\"}\n")] {
        let spec =
            DecoderSpec { schema: schema_of(name), projection: vec![1, 0], metadata: Vec::new(), dead_letters: false };
        let mut decoder = made(name, &[]).decoder(&spec).unwrap();
        decoder.decode(text, true).unwrap();
        assert_eq!(lines(&decoder.take().unwrap()), ["+I | 7 | x"], "{name}");
    }
}

#[test]
fn unknown_formats_and_types_are_refused() {
    let options = Options::default();
    let error = format("jsn", &OptionReader::new(&options, "test"), "").err().unwrap();
    assert_eq!((error.message(), error.hint()), ("format 'jsn' does not exist", Some("Did you mean 'json'?")));
    let map = TypeKind::Map(Box::new(LogicalType::new(TypeKind::Int)), Box::new(LogicalType::string()));
    let schema = Schema::new(vec![Field::new("m", LogicalType::new(map))]);
    for name in TEXT_FORMATS {
        assert!(made(name, &[]).check(&schema).unwrap_err().message().contains("MAP<INT, STRING>"), "{name}");
    }
}
