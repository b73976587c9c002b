//! Records that fit and records that do not, in every format: the one are rows, the others dead letters, in pieces of any
//! size and as messages.

use flott_api::options::{OptionReader, Options};
use flott_api::testing::lines;
use flott_api::{Field, LogicalType, Schema, TypeKind};

use crate::{Decoder, DecoderSpec, Format, format};

/// A record with the rows that it gives, or with a part of what is wrong with it.
type Record = (&'static [u8], Result<&'static [&'static str], &'static str>);

const CSV: &[Record] = &[
    (b"1,a", Ok(&["+I | 1 | a"])),
    (b"x,b", Err("column 1 (id): 'x' is no INT")),
    (b"2,\"q\nr\"", Ok(&["+I | 2 | q\nr"])),
    (b"y,\"q\nr\"", Err("column 1 (id): 'y' is no INT")),
    (b"3,c,d", Err("column 3: there are only 2 columns, but here is 'd'")),
    (b"4", Err("column 2: the line has only 1 of 2 columns")),
    (b"N,c", Err("column 1 (id): it is NULL, but INT NOT NULL")),
    (b"5,N", Ok(&["+I | 5 | NULL"])),
    (b"6,\xff", Err("column 2 (v): ")),
    (b"7,b", Ok(&["+I | 7 | b"])),
];
const JSON: &[Record] = &[
    (br#"{"id":1,"v":"a"}"#, Ok(&["+I | 1 | a"])),
    (br#"{"id":"x","v":"b"}"#, Err("field 'id': 'x' is no INT")),
    (br#"{"v":"b","id":2"#, Err("byte ")),
    (br#"[{"id":3},{"id":"y"}]"#, Err("field 'id': 'y' is no INT")),
    (br#"[{"id":3},{"id":4}]"#, Ok(&["+I | 3 | NULL", "+I | 4 | NULL"])),
    (br#"{"v":"c"}"#, Err("field 'id' is NULL, but it is INT NOT NULL")),
    (b"not json", Err("the record is no JSON object")),
    (b"", Ok(&[])),
    (b"7", Err("the record is no JSON object")),
    (br#"{"id":5}"#, Ok(&["+I | 5 | NULL"])),
];
const DEBEZIUM: &[Record] = &[
    (br#"{"before":null,"after":{"id":1,"v":"a"},"op":"c"}"#, Ok(&["+I | 1 | a"])),
    (br#"{"before":{"id":1,"v":"a"},"after":{"id":"x","v":"b"},"op":"u"}"#, Err("field 'id': 'x' is no INT")),
    (br#"{"before":{"id":1,"v":"a"},"after":{"id":1,"v":"b"},"op":"u"}"#, Ok(&["-U | 1 | a", "+U | 1 | b"])),
    (br#"{"after":{"id":1},"op":"q"}"#, Err("'op' is 'q' instead of c, r, u or d")),
    (br#"{"after":{"v":"b"},"op":"c"}"#, Err("field 'id' is NULL, but it is INT NOT NULL")),
    (br#"{"before":{"id":1,"v":"b"},"after":null,"op":"d"}"#, Ok(&["-D | 1 | b"])),
];
const CANAL: &[Record] = &[
    (br#"{"data":[{"id":1,"v":"a"},{"id":"x","v":"b"}],"type":"INSERT"}"#, Err("field 'id': 'x' is no INT")),
    (br#"{"data":[{"id":1,"v":"a"},{"id":2,"v":"b"}],"type":"INSERT"}"#, Ok(&["+I | 1 | a", "+I | 2 | b"])),
    (br#"{"data":[{"id":1,"v":"a"}],"type":"DELETE"}"#, Ok(&["-D | 1 | a"])),
];
const MAXWELL: &[Record] = &[
    (br#"{"data":{"id":1,"v":"a"},"type":"insert"}"#, Ok(&["+I | 1 | a"])),
    (br#"{"data":{"id":"x","v":"b"},"type":"insert"}"#, Err("field 'id': 'x' is no INT")),
    (br#"{"data":{"id":1,"v":"a"},"type":"delete"}"#, Ok(&["-D | 1 | a"])),
];
const OGG: &[Record] = &[
    (br#"{"after":{"id":1,"v":"a"},"op_type":"I"}"#, Ok(&["+I | 1 | a"])),
    (br#"{"op_type":"I"}"#, Err("'after' of a +I event is null")),
    (br#"{"before":{"id":1,"v":"a"},"op_type":"D"}"#, Ok(&["-D | 1 | a"])),
];
const RAW: &[Record] = &[
    (b"abcd", Ok(&["+I | 1633837924"])),
    (b"abc", Err("column 1 (id): 3 bytes are no INT")),
    (b"abcdx", Err("5 bytes")),
];

const CORPUS: &[(&str, &[Record])] = &[
    ("csv", CSV),
    ("json", JSON),
    ("debezium-json", DEBEZIUM),
    ("canal-json", CANAL),
    ("maxwell-json", MAXWELL),
    ("ogg-json", OGG),
    ("raw", RAW),
];

fn made(name: &str, pairs: &[(&str, &str)]) -> Result<Box<dyn Format>, String> {
    let options = Options(pairs.iter().map(|(k, v)| (format!("{name}.{k}"), v.to_string())).collect());
    let reader = OptionReader::new(&options, "test");
    let format = format(name, &reader, "").map_err(|e| e.to_string())?;
    reader.finish().map_err(|e| e.to_string())?;
    Ok(format)
}

fn decoder(name: &str) -> (Box<dyn Decoder>, usize) {
    let id = Field::new("id", LogicalType::not_null(TypeKind::Int));
    let fields = if name == "raw" { vec![id] } else { vec![id, Field::new("v", LogicalType::string())] };
    let null = [("null-literal", "N"), ("dead-letter.table", "t")];
    let format = made(name, if name == "csv" { &null } else { &null[1..] }).unwrap();
    assert_eq!(format.dead_letter_table(), Some("t"), "{name}");
    let width = fields.len();
    let (projection, metadata) = ((0..width).collect(), Vec::new());
    let spec = DecoderSpec { schema: Schema::new(fields), projection, metadata, dead_letters: true };
    (format.decoder(&spec).unwrap(), width)
}

/// A record that does not fit, as a row; `said` is what is wrong with it.
fn dead(record: &[u8], width: usize, said: &str, place: usize) -> String {
    let raw = String::from_utf8_lossy(record);
    format!("+I | {}{raw} | {said} | {place}", "NULL | ".repeat(width))
}

/// Compares rows with those of the corpus; `place` says where a record lies that has a number and an offset.
fn check(name: &str, corpus: &[Record], rows: &[String], width: usize, place: impl Fn(usize, usize) -> usize) {
    let (mut rows, mut offset) = (rows.iter(), 0);
    for (number, (record, gives)) in corpus.iter().enumerate() {
        match gives {
            Ok(expected) => {
                for row in *expected {
                    let whole = format!("{row} | NULL | NULL | NULL");
                    assert_eq!(rows.next(), Some(&whole), "{name}, record {number}");
                }
            }
            Err(part) => {
                let row = rows.next().unwrap_or_else(|| panic!("{name}: record {number} is lost"));
                let said = row.split(" | ").nth(width + 2).unwrap();
                assert!(said.starts_with(part) || name == "raw" && said.contains(part), "{name}: {row}");
                if std::str::from_utf8(record).is_ok() {
                    assert_eq!(*row, dead(record, width, said, place(number, offset)), "{name}");
                }
            }
        }
        offset += record.len() + 1;
    }
    assert_eq!(rows.next(), None, "{name}");
}

#[test]
fn what_does_not_fit_is_kept_in_its_place_in_pieces_of_any_size() {
    for (name, corpus) in CORPUS {
        let records: Vec<&[u8]> = corpus.iter().map(|(record, _)| *record).collect();
        let text = [records.join(&b"\n"[..]).as_slice(), b"\n"].concat();
        for piece in [1, 7, text.len()] {
            // A batch each time that there is a row, and one for all: places count from the begin of the input.
            for at_once in [false, true] {
                let (mut decoder, width) = decoder(name);
                let (mut at, mut filled, mut rows) = (0, 0, Vec::new());
                while at < text.len() {
                    filled = (filled + piece).min(text.len());
                    at += decoder.decode(&text[at..filled], filled == text.len()).unwrap();
                    if decoder.rows() > 0 && (!at_once || at == text.len()) {
                        rows.extend(lines(&decoder.take().unwrap()));
                    }
                }
                check(name, corpus, &rows, width, |_, offset| offset);
                let bad = corpus.iter().filter(|(_, gives)| gives.is_err()).count();
                assert_eq!(decoder.take_skipped(), bad as u64, "{name}");
            }
        }
    }
}

#[test]
fn messages_that_do_not_fit_have_their_numbers() {
    for (name, corpus) in CORPUS {
        let messages: Vec<&[u8]> = corpus.iter().map(|(record, _)| *record).collect();
        let (mut decoder, width) = decoder(name);
        let mut counts = Vec::new();
        decoder.decode_messages(&messages, &mut counts).unwrap();
        let expected = corpus.iter().map(|(_, gives)| gives.map_or(1, |rows| rows.len() as u32));
        assert_eq!(counts, expected.collect::<Vec<_>>(), "{name}");
        check(name, corpus, &lines(&decoder.take().unwrap()), width, |number, _| number);
    }
}

#[test]
fn records_that_do_not_fit_are_those_that_fail_without_the_option() {
    for (name, corpus) in CORPUS {
        for (record, gives) in *corpus {
            let id = Field::new("id", LogicalType::not_null(TypeKind::Int));
            let fields = if *name == "raw" { vec![id] } else { vec![id, Field::new("v", LogicalType::string())] };
            let null: &[(&str, &str)] = if *name == "csv" { &[("null-literal", "N")] } else { &[] };
            let projection = (0..fields.len()).collect();
            let spec =
                DecoderSpec { schema: Schema::new(fields), projection, metadata: Vec::new(), dead_letters: false };
            let mut decoder = made(name, null).unwrap().decoder(&spec).unwrap();
            let failed = decoder.decode(record, true).err().map(|e| e.at_place(|at| format!("byte {at}")).to_string());
            match gives {
                Ok(_) => assert_eq!(failed, None, "{name}"),
                Err(part) => assert!(failed.as_ref().is_some_and(|f| f.contains(part)), "{name}: {failed:?}"),
            }
        }
    }
}

#[test]
fn comments_belong_to_no_record() {
    let spec = |dead_letters| DecoderSpec {
        schema: Schema::new(vec![Field::new("id", LogicalType::new(TypeKind::Int))]),
        projection: vec![0],
        metadata: Vec::new(),
        dead_letters,
    };
    let format = made("csv", &[("allow-comments", "true")]).unwrap();
    let text = b"1\n# a comment\n# two\nx\n2\n";
    let mut keeps = format.decoder(&spec(true)).unwrap();
    keeps.decode(text, true).unwrap();
    let rows = lines(&keeps.take().unwrap());
    let [_, dead, _] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(dead.starts_with("+I | NULL | x | column 1 (id): 'x' is no INT | 20"), "{dead}");
    let failed = format.decoder(&spec(false)).unwrap().decode(text, true).unwrap_err();
    assert_eq!(failed.at_place(|at| format!("byte {at}")).message(), "byte 20, column 1 (id): 'x' is no INT");
}

#[test]
fn a_record_is_kept_or_dropped() {
    let both = [("dead-letter.table", "t"), ("ignore-parse-errors", "true")];
    for name in ["csv", "json", "debezium-json", "canal-json", "maxwell-json", "ogg-json"] {
        let expected = format!("options '{name}.dead-letter.table' and '{name}.ignore-parse-errors' contradict");
        assert_eq!(made(name, &both).err(), Some(expected));
        assert!(made(name, &[("dead-letter.table", " ")]).err().unwrap().contains("is empty"));
        assert_eq!(made(name, &[]).unwrap().dead_letter_table(), None);
    }
    assert!(made("parquet", &both[..1]).err().unwrap().contains("parquet.dead-letter.table"));
}
