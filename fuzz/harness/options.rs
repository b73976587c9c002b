//! Options of formats, made of bits; and formats, made of options once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use flott_api::options::{OptionReader, Options};
use flott_formats::Format;

use super::header::{Header, Policy};
use super::{protobuf, registry};

/// An option and the values that it may have besides its default.
type Choice = (&'static str, &'static [&'static str]);

const ON: &[&str] = &["true"];
const OFF: &[&str] = &["false"];

const CSV: &[Choice] = &[
    ("escape-character", &["\\"]),
    ("allow-comments", ON),
    ("trim-spaces", ON),
    ("ignore-trailing-unmappable", ON),
    ("allow-trailing-comma", OFF),
    ("fail-on-missing-columns", ON),
    ("empty-string-as-null", ON),
    ("null-literal", &["n"]),
    ("field-delimiter", &["|", "\\t", " "]),
    ("quote-character", &["'"]),
    ("array-element-delimiter", &["::", ","]),
    ("disable-quote-character", ON),
];
const JSON: &[Choice] = &[
    ("timestamp-format.standard", &["ISO-8601"]),
    ("map-null-key.mode", &["DROP", "LITERAL"]),
    ("encode.decimal-as-plain-number", ON),
    ("encode.ignore-null-fields", ON),
];
const PLAIN_JSON: &[Choice] = &[("fail-on-missing-field", ON), ("decode.json-parser.enabled", OFF)];
const DEBEZIUM: &[Choice] = &[("schema-include", ON)];
const CANAL: &[Choice] = &[("database.include", &["d.*"]), ("table.include", &["t+"])];
const RAW: &[Choice] = &[("charset", &["US-ASCII", "ISO-8859-1"]), ("endianness", &["little-endian"])];
const AVRO: &[Choice] = &[("timestamp_mapping.legacy", OFF), ("codec", &["deflate", "zstandard", "xz", "bzip2"])];
const ORC: &[Choice] =
    &[("compress", &["SNAPPY", "LZ4", "ZSTD", "NONE"]), ("row.index.stride", &["1000"]), ("compress.size", &["1024"])];
const PARQUET: &[Choice] = &[("compression", &["ZSTD", "GZIP", "LZ4_RAW"]), ("enable.dictionary", OFF)];

fn choices(format: &str) -> Vec<Choice> {
    match format {
        "csv" => CSV.to_vec(),
        "json" => [JSON, PLAIN_JSON].concat(),
        "debezium-json" => [JSON, DEBEZIUM].concat(),
        "canal-json" => [JSON, CANAL].concat(),
        "maxwell-json" | "ogg-json" => JSON.to_vec(),
        "raw" => RAW.to_vec(),
        "avro" => AVRO.to_vec(),
        "orc" => ORC.to_vec(),
        "parquet" => PARQUET.to_vec(),
        _ => Vec::new(),
    }
}

/// The options that a header chooses.
fn options(format: &str, header: &Header) -> Options {
    let mut set: BTreeMap<String, String> = BTreeMap::new();
    let mut put = |key: &str, value: &str| drop(set.insert(format!("{format}.{key}"), value.to_owned()));
    for (number, (key, values)) in choices(format).into_iter().enumerate() {
        if header.option(number as u32) {
            put(key, values[usize::from(header.extra) % values.len()]);
        }
    }
    let skips = !matches!(format, "raw" | "avro" | "avro-confluent" | "debezium-avro-confluent" | "orc" | "parquet");
    match header.policy {
        Policy::Skip if skips => put("ignore-parse-errors", "true"),
        Policy::DeadLetter if !matches!(format, "orc" | "parquet") => put("dead-letter.table", "d"),
        _ => {}
    }
    match format {
        "protobuf" => protobuf::options(header).into_iter().for_each(|(key, value)| put(key, value)),
        "avro-confluent" | "debezium-avro-confluent" => {
            registry::options(format, header).into_iter().for_each(|(key, value)| put(key, value));
        }
        _ => {}
    }
    Options(set)
}

/// Formats by their names and options; nothing where options contradict each other.
type Made = BTreeMap<(String, BTreeMap<String, String>), Option<Rc<dyn Format>>>;

thread_local! {
    static MADE: RefCell<Made> = const { RefCell::new(BTreeMap::new()) };
}

/// The format of these choices; nothing if they contradict each other.
pub(super) fn format(name: &str, header: &Header) -> Option<Rc<dyn Format>> {
    let options = options(name, header);
    let make = || {
        let reader = OptionReader::new(&options, "fuzzing");
        let format = flott_formats::format(name, &reader, "").ok()?;
        reader.finish().expect("every option that is set is one of the format");
        Some(Rc::from(format))
    };
    // Kept, because a schema of Protobuf takes long to compile.
    MADE.with_borrow_mut(|made| made.entry((name.to_owned(), options.0.clone())).or_insert_with(make).clone())
}
