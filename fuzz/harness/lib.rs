//! Runs the decoders of every format on bytes of any kind, and asserts what must hold whatever they are: no panic, no
//! error that blames us, valid arrays, the same rows however the bytes are cut, and memory in proportion to them.
//!
//! The fuzz targets call [`run`] with what libFuzzer makes up, and a test of `flott-formats` with the seeds.

mod files;
mod header;
mod invariants;
mod options;
mod protobuf;
mod records;
mod registry;
mod table;
mod values;

use flott_formats::Layout;

use header::Header;

/// Every target: the formats, and the values that have a binary form of their own.
pub const TARGETS: [&str; 14] = [
    "avro",
    "avro-confluent",
    "canal-json",
    "csv",
    "debezium-avro-confluent",
    "debezium-json",
    "json",
    "maxwell-json",
    "ogg-json",
    "orc",
    "parquet",
    "protobuf",
    "raw",
    "values",
];

/// Runs a target on an input, and says how many rows or values it had, so that a test can tell that seeds have some.
///
/// # Panics
/// If something does not hold that must.
pub fn run(target: &str, input: &[u8]) -> usize {
    if target == "values" {
        return values::run(input);
    }
    let Some((header, bytes)) = Header::read(input) else { return 0 };
    let Some(format) = options::format(target, &header) else { return 0 };
    let mut case = records::Case::new(target, &*format, &header);
    match format.layout() {
        Layout::Records { .. } => records::stream(&case, bytes) + records::messages(&case, bytes),
        Layout::Messages => records::messages(&case, bytes),
        Layout::File(_) if target == "avro" && header.extra & 0x80 != 0 => records::messages(&case, bytes),
        Layout::File(files) => {
            // A connector refuses them for whole files.
            case.spec.dead_letters = false;
            files::file(&case, files, bytes)
        }
    }
}

/// A file or a message of the target's format with rows of the table that the header chooses, behind that header. The
/// rows are those of a text in JSON, an object a line.
///
/// # Panics
/// If the header is too short, or the rows are not of the table.
pub fn seed(target: &str, header: &[u8]) -> Option<Vec<u8>> {
    let (chosen, _) = Header::read(header).expect("a seed has a header");
    let format = options::format(target, &chosen)?;
    let case = records::Case::new(target, &*format, &chosen);
    Some([header, &records::sample(&case)?].concat())
}

/// To be called by a fuzz target before its first input.
///
/// libFuzzer's runtime aborts at every panic. Those of the parquet library are caught where the format calls it, which
/// is told by where they come from.
pub fn begin() {
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let file = info.location().map_or("", |location| location.file());
        if !["/parquet-", "/arrow-"].iter().any(|library| file.contains(library)) {
            abort(info);
        }
    }));
}

/// What an input chooses.
///
/// # Panics
/// If the input is too short, or chooses what contradicts itself.
pub fn describe(target: &str, input: &[u8]) -> String {
    let (header, bytes) = Header::read(input).expect("a header");
    let format = options::format(target, &header).expect("a format");
    let case = records::Case::new(target, &*format, &header);
    format!("{header:?}\n{:#?}\n{}", case.spec, String::from_utf8_lossy(bytes))
}
