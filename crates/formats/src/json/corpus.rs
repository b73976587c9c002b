//! The texts of `corpus.tsv`: what must be read is read, what must be refused is refused, wherever it stands; what is
//! free does what the file says. `IS JSON` is held against the same file, in `flott-functions`.

use flott_api::options::{OptionReader, Options};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};

use crate::{DecoderSpec, Format, format};

const CORPUS: &str = include_str!("corpus.tsv");

/// The cells of the lines that begin with a word.
fn lines(class: &str) -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.split('\t').collect::<Vec<_>>();
    CORPUS.lines().filter(|l| !l.starts_with('#')).map(cells).filter(|cells| cells[0] == class).collect()
}

/// A percent sign and two digits stand for a byte.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).unwrap());
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    out
}

fn json() -> Box<dyn Format> {
    format("json", &OptionReader::new(&Options::default(), "test"), "").unwrap()
}

/// The rows of a message with a column `v`, if it is read.
fn read(message: &[u8], kind: TypeKind) -> Option<ChangeBatch> {
    let schema = Schema::new(vec![Field::new("v", LogicalType::new(kind))]);
    let mut decoder = json()
        .decoder(&DecoderSpec { schema, projection: vec![0], metadata: Vec::new(), dead_letters: false })
        .unwrap();
    decoder.decode_messages(&[message], &mut Vec::new()).ok()?;
    decoder.take().ok()
}

fn around(before: &str, text: &[u8], after: &str) -> Vec<u8> {
    [before.as_bytes(), text, after.as_bytes()].concat()
}

/// As the value of a column.
fn as_value(text: &[u8]) -> Option<ChangeBatch> {
    read(&around("{\"v\":", text, "}"), TypeKind::Varchar(u32::MAX >> 1))
}

/// As the value of a field that is no column, before one that is.
fn as_other(text: &[u8]) -> Option<ChangeBatch> {
    read(&around("{\"x\":", text, ",\"v\":1}"), TypeKind::Int)
}

/// As the record.
fn as_record(text: &[u8]) -> Option<ChangeBatch> {
    read(text, TypeKind::Varchar(u32::MAX >> 1))
}

fn assert_no(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_must_be_read_is_read() {
    let lines = lines("accept");
    let mut wrong = Vec::new();
    for cells in &lines {
        let text = bytes(cells[1]);
        let trimmed = text.trim_ascii();
        let valid = |batch: &ChangeBatch| batch.rows().column(0).null_count() == usize::from(trimmed == b"null");
        // An array of objects is many records, and nothing else is one.
        let record = as_record(&text).map(|b| b.rows().num_rows());
        let is_record = match trimmed.first() {
            Some(b'{') => record == Some(1),
            Some(b'[') => true,
            _ => record.is_none(),
        };
        if !(as_value(&text).is_some_and(|b| b.rows().num_rows() == 1 && valid(&b))
            && as_other(&text).is_some_and(|b| b.rows().num_rows() == 1 && b.rows().column(0).null_count() == 0)
            && is_record)
        {
            wrong.push(cells[1].to_owned());
        }
    }
    assert_no(&wrong);
    assert!(lines.len() >= 190, "{}", lines.len());
}

#[test]
fn what_must_be_refused_is_refused() {
    let lines = lines("reject");
    let mut wrong = Vec::new();
    for cells in &lines {
        let text = bytes(cells[1]);
        let is_blank = text.trim_ascii().is_empty();
        if as_value(&text).is_some() || as_other(&text).is_some() || (as_record(&text).is_some() && !is_blank) {
            wrong.push(cells[1].to_owned());
        }
    }
    assert_no(&wrong);
    assert!(lines.len() >= 480, "{}", lines.len());
}

#[test]
fn what_is_free_stays_as_it_is_documented() {
    let lines = lines("free");
    let mut wrong = Vec::new();
    for cells in &lines {
        let [_, text, format, _, why] = cells[..] else { panic!("{cells:?}") };
        let text = bytes(text);
        // What is about the start and the end of a record is a record.
        let is_record = why.contains("whole value") || why.contains("order mark") || why.contains("outside");
        let taken = if is_record { as_record(&text) } else { as_value(&text) }.is_some();
        if format != if taken { "yes" } else { "no" } {
            wrong.push(format!("{} ({why})", cells[1]));
        }
    }
    assert_no(&wrong);
    assert!(lines.len() >= 70, "{}", lines.len());
}

#[test]
fn values_nest_as_deep_as_in_flink() {
    let nested = |depth: usize, open: &str, close: &str| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        // The record is a level, too.
        for (depth, good) in [(999, true), (1000, false), (1_000_000, false)] {
            let text = nested(depth, open, close);
            assert_eq!(as_value(text.as_bytes()).is_some(), good, "{depth} of {open}");
            assert_eq!(as_other(text.as_bytes()).is_some(), good, "{depth} of {open}");
        }
        assert!(as_record("{\"v\":".repeat(1_000_000).as_bytes()).is_none());
    }
}
