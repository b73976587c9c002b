//! The fuzz targets of `fuzz/` on their seeds: among them is every input that once broke a decoder.
//!
//! `UPDATE_SEEDS=1` writes again those that our encoders make.

#[path = "../../../fuzz/harness/lib.rs"]
pub mod harness;

use std::fs;
use std::path::{Path, PathBuf};

use flott_api::bitmap::Bitmap;
use flott_api::variant::VariantBuilder;

/// Of each target, the headers of the seeds that its encoder makes: two bytes of table, two of options, policy, piece,
/// projection, and what only some formats choose.
const HEADERS: [[u8; 8]; 6] = [
    [0, 0, 0, 0, 0, 6, 0, 0],
    [1, 0, 0, 0, 1, 40, 0, 1],
    [2, 0, 1, 0, 2, 255, 0, 0],
    [5, 1, 2, 0, 0, 0, 0x86, 4],
    [77, 2, 4, 1, 0, 3, 1, 64],
    [6, 3, 0, 0, 2, 2, 0, 0x81],
];

/// What no encoder writes: updates, deletions, arrays of rows, escapes, numbers at their ends.
const TEXTS: [(&str, &[u8; 8], &str); 12] = [
    ("csv", &[0, 0, 7, 0, 1, 3, 0, 0], "# c\n a\\n\"b,,\"q\"\"q\r\nr\",1e400,-0x1\r\n'','a\n"),
    ("csv", &[9, 0, 0, 0, 0, 9, 0, 0], "\"\"\"\",1;2;;3,2024-02-30 24:00:00,AP8=,\n,,,,,,,,,,,,,\n"),
    ("json", &[0, 0, 0, 0, 0, 9, 0, 0], "[{\"a\":\"\\ud83d\\ude00\\u0000\"},null,{\"b\":1e2,\"d\":1E400}]\n\n{}"),
    ("json", &[0, 0, 33, 0, 2, 1, 0, 0], "{\"c\":9223372036854775808,\"e\":-1e-99,\"a\":[[{\"a\":[]}]]}\nnull\n7"),
    ("debezium-json", &[0, 0, 0, 0, 2, 9, 0, 1], DEBEZIUM),
    (
        "debezium-json",
        &[3, 0, 16, 0, 0, 9, 0, 1],
        "{\"schema\":{\"a\":1},\"payload\":{\"op\":\"r\",\"after\":{\"a\":null}}}",
    ),
    ("canal-json", &[0, 0, 48, 0, 0, 9, 0, 1], CANAL),
    (
        "canal-json",
        &[3, 0, 0, 0, 1, 9, 0, 0],
        "{\"type\":\"CREATE\",\"data\":null}\n{\"type\":\"INSERT\",\"data\":[{}]}",
    ),
    ("maxwell-json", &[0, 0, 0, 0, 0, 9, 0, 1], MAXWELL),
    ("ogg-json", &[0, 0, 0, 0, 0, 9, 0, 1], OGG),
    ("raw", &[0, 0, 0, 0, 2, 9, 0, 0], "a\r\n\n\u{fc}"),
    ("raw", &[14, 0, 1, 0, 0, 0, 0, 4], "abcd"),
];
const DEBEZIUM: &str = r#"{"before":{"a":"x","b":1},"after":{"a":"y","b":2},"op":"u","ts_ms":5,
"source":{"db":"d","schema":"s","table":"t","ts_ms":-4,"version":"1"}}"#;
const CANAL: &str = r#"{"data":[{"a":"y","b":"2"},{"a":null}],"old":[{"a":"x"},{"b":null}],"type":"UPDATE","database":"d1","table":"tt","ts":1,"es":2,"pkNames":["a"],"sqlType":{"a":12,"b":4}}
{"data":[{"a":"y"}],"type":"DELETE","database":"d1","table":"tt"}"#;
const MAXWELL: &str = r#"{"database":"d","table":"t","type":"update","ts":1,"data":{"a":"y","b":2},"old":{"a":"x"},"primary_key_columns":["a"]}
{"database":"d","table":"t","type":"delete","ts":1,"data":{"a":"y"}}"#;
const OGG: &str = r#"{"table":"S.T","op_type":"U","op_ts":"2020-05-13 15:40:06.000000","current_ts":"2020-05-13 15:40:07","primary_keys":["a"],"before":{"a":"x","b":1},"after":{"a":"y"}}"#;

/// Messages of Flink's, of which every so many-th is a seed.
const PROTOBUF: &str = include_str!("../src/protobuf/flink/messages.tsv");
const PROTOBUF_STEP: usize = 14;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target)
}

/// Runs one input: `FUZZ_INPUT=csv:FILE`.
#[test]
fn the_input_that_was_named_passes() {
    let Ok(named) = std::env::var("FUZZ_INPUT") else { return };
    let (target, file) = named.split_once(':').expect("TARGET:FILE");
    let input = fs::read(file).expect("the input can be read");
    println!("{}", harness::describe(target, &input));
    println!("{} rows", harness::run(target, &input));
}

#[test]
fn every_seed_passes() {
    let mut failed = Vec::new();
    for target in harness::TARGETS {
        let seeds: Vec<PathBuf> =
            fs::read_dir(folder(target)).expect(target).map(|entry| entry.expect(target).path()).collect();
        let mut with_rows = 0;
        for seed in seeds {
            let input = fs::read(&seed).expect("a seed can be read");
            match std::panic::catch_unwind(|| harness::run(target, &input)) {
                Ok(rows) => with_rows += usize::from(rows > 0),
                Err(_) => failed.push(seed),
            }
        }
        assert!(with_rows > 1, "no seeds of target {target} are read, as if its format had other options now");
    }
    failed.sort();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// What our encoders write, and a variant and a bitmap.
fn written() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    for target in harness::TARGETS {
        all.extend(HEADERS.iter().filter_map(|header| Some((target, harness::seed(target, header)?))));
    }
    let mut builder = VariantBuilder::default();
    builder.begin(false);
    let object = builder.begin_object();
    builder.field(object, "b");
    let array = builder.begin_array();
    let adds: [fn(&mut VariantBuilder); 4] =
        [|b| b.integer(-70_000), |b| b.double(0.5), |b| b.decimal(-125, 2), VariantBuilder::null];
    for add in adds {
        builder.element(array);
        add(&mut builder);
    }
    builder.end_array(array).expect("it is small");
    builder.field(object, "a");
    builder.text(&"text ".repeat(20)).expect("it is small");
    builder.end_object(object).expect("it is small");
    let mut variant = vec![0];
    builder.finish(&mut variant).expect("it is small");
    all.push(("values", variant));
    for values in [&[1, 2, 3, 70_000, -1][..], &[7], &Vec::from_iter(100..5000), &Vec::from_iter((0..9000).step_by(2))]
    {
        let mut bitmap = Bitmap::default();
        values.iter().for_each(|value| assert!(bitmap.insert(*value)));
        let mut bytes = vec![1];
        bitmap.write(&mut bytes);
        all.push(("values", bytes));
    }
    all
}

/// Messages of Protobuf, and texts.
fn given() -> Vec<(&'static str, Vec<u8>)> {
    let text = |(target, header, text): &(&'static str, &[u8; 8], &str)| (*target, [*header, text.as_bytes()].concat());
    let mut all: Vec<_> = TEXTS.iter().map(text).collect();
    for line in PROTOBUF.lines().step_by(PROTOBUF_STEP) {
        let mut parts = line.split('\t');
        let proto2 = parts.next().is_some_and(|class| class.contains("two"));
        let defaults = parts.next() == Some("true");
        let hex = parts.nth(1).unwrap_or_default();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits");
        let header = [u8::from(proto2), 0, u8::from(defaults), 0, 0, 0, 0, 0];
        all.push(("protobuf", header.into_iter().chain((0..hex.len()).step_by(2).map(byte)).collect()));
    }
    all
}

#[test]
fn seeds_are_what_our_encoders_write() {
    let writes = std::env::var_os("UPDATE_SEEDS").is_some();
    let mut numbers = std::collections::HashMap::new();
    for (kind, all) in [("written", written()), ("given", given())] {
        for (target, seed) in all {
            let number = numbers.entry((target, kind)).or_insert(0);
            *number += 1;
            let file = folder(target).join(format!("{kind}-{number}"));
            if writes {
                fs::create_dir_all(folder(target)).expect(target);
                fs::write(&file, &seed).expect("a seed can be written");
            }
            assert!(file.exists(), "{}: UPDATE_SEEDS=1 writes it", file.display());
        }
    }
}
