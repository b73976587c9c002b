//! Damaged files are errors, or rows that nobody can tell from good ones; never a panic.

use flott_api::ErrorKind;

use super::random::{batches, schema};
use super::{flink, orc, read_all, written};
use crate::orc::MAGIC;
use crate::orc::proto::{Kind, PostScript, Type, put_message};

fn small(codec: &str) -> Vec<u8> {
    let options = [("orc.compress", codec), ("orc.compress.size", "200"), ("orc.stripe.size", "3000")];
    written(&*orc(&options), &schema(), &batches(16, 8, 3))
}

#[test]
fn a_file_that_is_cut_is_an_error() {
    for codec in ["NONE", "ZLIB", "SNAPPY", "LZ4", "ZSTD"] {
        let file = small(codec);
        assert!(!read_all(&schema(), file.clone()).unwrap().is_empty());
        for length in (0..file.len()).step_by(if codec == "ZLIB" { 1 } else { 7 }) {
            let error = read_all(&schema(), file[..length].to_vec()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data, "{codec} {length}: {error}");
        }
    }
}

#[test]
fn a_byte_that_is_changed_is_an_error_or_another_value() {
    let mut errors = 0;
    for codec in ["NONE", "ZLIB", "SNAPPY", "LZ4", "ZSTD"] {
        let file = small(codec);
        let step = if matches!(codec, "NONE" | "ZLIB") { 1 } else { 5 };
        for at in (0..file.len()).step_by(step) {
            let mut damaged = file.clone();
            damaged[at] ^= [0x01, 0x80, 0xff][at % 3];
            if let Err(error) = read_all(&schema(), damaged) {
                assert!(matches!(error.kind(), ErrorKind::Data | ErrorKind::Invalid), "{codec} {at}: {error}");
                errors += 1;
            }
        }
    }
    assert!(errors > 500, "{errors}");
}

#[test]
fn files_of_flink_that_are_changed_are_errors_or_other_values() {
    for name in ["types_none", "types_zlib", "types_snappy", "types_lzo", "types_lz4", "many_old"] {
        let (schema, file) = flink::file(name);
        let step =
            [("types_none", 1), ("many_old", 101)].into_iter().find(|(n, _)| *n == name).map_or(7, |(_, step)| step);
        for at in (0..file.len()).step_by(step) {
            let mut damaged = file.clone();
            damaged[at] ^= 0x55;
            drop(read_all(&schema, damaged));
        }
    }
}

#[test]
fn other_files_are_told() {
    for file in [&b""[..], b"ORC", b"no ORC file at all", &[0; 1000], &[0xff; 1000]] {
        assert!(read_all(&schema(), file.to_vec()).is_err());
    }
    let error = read_all(&schema(), b"PAR1 is another format PAR1".to_vec()).unwrap_err();
    assert_eq!(error.message(), "the file is no ORC file");
}

/// Lists in lists, as deep as a file may say.
#[test]
fn a_type_without_an_end_is_an_error() {
    let mut footer = Vec::new();
    let depth = 200_000;
    let row = Type { children: vec![1], names: vec!["ti".to_owned()], ..Type::new(Kind::Struct) };
    put_message(4, &row.write(), &mut footer);
    for number in 1..depth {
        put_message(4, &Type { children: vec![number + 1], ..Type::new(Kind::List) }.write(), &mut footer);
    }
    put_message(4, &Type::new(Kind::Int).write(), &mut footer);
    let end = PostScript { footer: footer.len() as u64, magic: MAGIC.to_vec(), ..PostScript::default() }.write(7);
    let file = [MAGIC, &footer, &end, &[end.len() as u8]].concat();
    let error = read_all(&schema(), file).unwrap_err();
    assert!(error.message().starts_with("column 'ti': the file has the type array<array<"), "{error}");
    assert!(error.message().len() < 600, "{error}");
}
