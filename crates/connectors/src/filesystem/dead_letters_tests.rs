//! Records that do not fit, as the source gives them: with file and line, and on anywhere after a restart.

use std::sync::Arc;

use flott_api::metrics::OperatorMetrics;
use flott_api::source::ReadEvent;
use flott_api::table::{DEAD_LETTER_CAUSE, SourceSpec, TableFactory, dead_letter_columns};
use flott_api::testing::{lines, ready, source_contract};
use flott_api::{Field, LogicalType, Schema, TypeKind};

use super::FileSystemTable;
use super::tests::{abc, read, source_spec, table};
use crate::testing::{environment, reader_context};

/// More rows than two batches have.
const ROWS: usize = 20_000;

fn spec(path: &std::path::Path, format: &str) -> SourceSpec {
    let option = format!("{format}.dead-letter.table");
    let mut spec = source_spec(abc(), table(path, format, &[(&option, "bad")]));
    spec.metadata = dead_letter_columns().map(|c| (c.key, c.ty)).to_vec();
    spec
}

/// Every seventh line does not fit.
fn csv() -> String {
    (1..=ROWS).map(|i| if i % 7 == 0 { format!("r{i},bad{i},y\n") } else { format!("r{i},{i},y\n") }).collect()
}

fn expected(path: &str) -> Vec<String> {
    let row = |i: usize| match i % 7 {
        0 => format!(
            "+I | NULL | NULL | NULL | r{i},bad{i},y | column 2 (b): 'bad{i}' is no INT | file '{path}', line {i}"
        ),
        _ => format!("+I | r{i} | {i} | y | NULL | NULL | NULL"),
    };
    (1..=ROWS).map(row).collect()
}

#[test]
fn dead_letters_have_file_and_line_and_go_on_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.csv", "a.csv.zst"] {
        let path = folder.path().join(name);
        let text = [b"\xef\xbb\xbf".as_slice(), csv().as_bytes()].concat();
        let bytes = if name.ends_with("zst") { zstd::encode_all(&text[..], 1).unwrap() } else { text };
        std::fs::write(&path, bytes).unwrap();
        let spec = spec(&path, "csv");
        assert_eq!(read(&spec).unwrap(), expected(path.to_str().unwrap()), "{name}");
        source_contract(&|| FileSystemTable.source(&spec).unwrap(), &environment);
    }
}

#[test]
fn dead_letters_of_a_part_of_a_file_have_their_lines_in_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    std::fs::write(&path, "{\"b\":1}\n{\"b\":2}\n{\"b\":\"x\"}\n{\"b\":\"y\"}\n").unwrap();
    let spec = spec(&path, "json");
    let source = FileSystemTable.source(&spec).unwrap();
    let metrics = Arc::new(OperatorMetrics::default());
    let mut reader = source.reader(reader_context(&environment(), &metrics)).unwrap();
    let file = flott_api::env::FileStatus { path: path.to_str().unwrap().to_owned(), size: 42, modified_ms: 0 };
    reader.add_splits(vec![super::split::FileSplit::range(&file, 9, None).encode().unwrap()]).unwrap();
    let ReadEvent::Batch { batch, .. } = ready(reader.next()).unwrap() else { panic!("no rows") };
    let origins: Vec<String> = lines(&batch)
        .iter()
        .map(|line| line.rsplit(" | ").next().unwrap().rsplit(", ").next().unwrap().to_owned())
        .collect();
    assert_eq!(origins, ["line 3", "line 4"]);
    assert_eq!(metrics.num_records_in_errors.get(), 2);
}

#[test]
fn the_cause_alone_tells_rows_from_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, "p,1,q\np,x,q\n").unwrap();
    let mut spec = spec(&path, "csv");
    let ids = Schema::new(vec![
        Field::new("a", LogicalType::string()),
        Field::new("b", LogicalType::not_null(TypeKind::Int)),
        Field::new("d", LogicalType::string()),
    ]);
    (spec.schema, spec.projection) = (ids, vec![1]);
    spec.metadata.retain(|(key, _)| key == DEAD_LETTER_CAUSE);
    assert_eq!(read(&spec).unwrap(), ["+I | 1 | NULL", "+I | NULL | column 2 (b): 'x' is no INT"]);
    assert!(spec.output_schema().fields.iter().all(|f| f.ty.nullable));
}

#[test]
fn what_is_read_as_a_whole_has_no_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |format: &str| {
        let spec = spec(folder.path(), format);
        FileSystemTable.source(&spec).err().unwrap().message().to_owned()
    };
    assert_eq!(refused("avro"), "option 'avro.dead-letter.table' cannot be used for files");
    for format in ["orc", "parquet"] {
        assert!(refused(format).contains(&format!("'{format}.dead-letter.table'")));
    }
}
