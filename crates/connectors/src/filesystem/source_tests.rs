//! The source under checkpoints: it goes on exactly where it was, in every format and compression.

use std::io::Write;
use std::path::Path;

use flott_api::source::{ReadEvent, SplitEnumerator};
use flott_api::table::TableFactory;
use flott_api::testing::{batch, lines, ready, source_contract};

use super::FileSystemTable;
use super::tests::{abc, read, sink_spec, source_spec, table, write};
use crate::testing::{environment, reader_context};

/// More rows than two batches have.
const ROWS: usize = 20_000;

fn keeps_the_contract(path: &Path, format: &str, more: &[(&str, &str)]) {
    let spec = source_spec(abc(), table(path, format, more));
    assert_eq!(read(&spec).unwrap().len(), ROWS, "{format} {}", path.display());
    source_contract(&|| FileSystemTable.source(&spec).unwrap(), &environment);
}

#[test]
fn csv_with_comments_quotes_and_line_ends_in_fields_goes_on_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let row = |i: usize| format!("\"r\"\"{i}\",{i},\"q\n{i}\"\n");
    let text: String = (0..ROWS).map(row).collect();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, format!("\u{feff}# a, b, d\n{text}")).unwrap();
    keeps_the_contract(&path, "csv", &[("csv.allow-comments", "true")]);
}

#[test]
fn compressed_files_go_on_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..ROWS).map(|i| format!("r{i},{i},y\n")).collect();
    let path = |extension: &str| folder.path().join(format!("f.{extension}"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    std::fs::write(path("gz"), gzip.finish().unwrap()).unwrap();
    std::fs::write(path("zst"), zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip.write_all(text.as_bytes()).unwrap();
    std::fs::write(path("bz2"), bzip.finish().unwrap()).unwrap();
    for extension in ["gz", "zst", "bz2"] {
        keeps_the_contract(&path(extension), "csv", &[]);
    }
}

#[test]
fn json_and_what_the_sink_writes_go_on_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    // Objects in arrays: a position lies within a record.
    let array = |rows: usize| {
        let objects = (0..rows).map(|i| format!("{{\"a\":\"{rows}\",\"b\":{i}}}"));
        format!("[{}]\n", objects.collect::<Vec<_>>().join(","))
    };
    let path = folder.path().join("b.json");
    std::fs::write(&path, [array(ROWS - 500), array(500)].concat()).unwrap();
    keeps_the_contract(&path, "json", &[]);
    let rows =
        |from: usize| (from..from + ROWS / 4).map(|i| format!("+I | r{i} | {i} | y")).collect::<Vec<_>>().join("\n");
    let written: Vec<String> = (0..4).map(|i| rows(i * ROWS / 4)).collect();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    for format in ["orc", "parquet", "canal-json", "debezium-json", "maxwell-json", "ogg-json", "json"] {
        let path = folder.path().join(format);
        write(&sink_spec(abc(), table(&path, format, &[])), &environment(), 1, &written);
        keeps_the_contract(&path, format, &[]);
    }
}

/// The parts of a file that is longer than a batch.
#[test]
fn a_long_file_of_columns_goes_on_anywhere() {
    long_file("parquet", &[]);
    long_file("orc", &[("orc.stripe.size", "1")]);
}

fn long_file(format: &str, more: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let spec = sink_spec(abc(), table(folder.path(), format, more));
    let mut writer =
        FileSystemTable.sink(&spec).unwrap().writer(crate::testing::writer_context(&environment(), 1)).unwrap();
    for part in 0..4 {
        let rows = (0..ROWS / 4).map(|i| format!("+I | r{i} | {part} | y")).collect::<Vec<_>>().join("\n");
        ready(writer.write(batch(&abc(), &rows))).unwrap();
    }
    let committables = ready(writer.prepare_commit(true)).unwrap();
    assert_eq!(committables.len(), 1);
    let mut committer = FileSystemTable.sink(&spec).unwrap().committer(&environment()).unwrap().unwrap();
    ready(committer.commit(None, committables)).unwrap();
    keeps_the_contract(folder.path(), format, more);
}

/// Which files a discovery finds.
fn found(enumerator: &mut dyn SplitEnumerator) -> Vec<String> {
    let splits = ready(enumerator.discover()).unwrap().splits;
    splits.into_iter().map(|s| s.id.rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn a_watched_folder_remembers_what_was_seen_and_what_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| std::fs::write(folder.path().join(name), "x,1,y\nx,2,y\n").unwrap();
    let options = table(folder.path(), "csv", &[("source.monitor-interval", "1 s")]);
    let source = FileSystemTable.source(&source_spec(abc(), options)).unwrap();
    let world = environment();
    let restored = |bytes| source.enumerator(&world, Some(bytes)).unwrap();
    put("a");
    let mut first = source.enumerator(&world, None).unwrap();
    let before_anything = first.snapshot().unwrap();
    assert_eq!(found(&mut *restored(before_anything)), ["a"]);
    let splits = ready(first.discover()).unwrap().splits;
    let handed_out = first.snapshot().unwrap();
    put("b");
    assert_eq!(found(&mut *restored(handed_out)), ["b"], "a reader has the split of 'a'");
    first.add_back(splits);
    let given_back = first.snapshot().unwrap();
    let mut second = restored(given_back);
    assert_eq!(found(&mut *second), ["a"]);
    assert_eq!(found(&mut *second), ["b"]);
    put("c");
    assert_eq!(found(&mut *restored(second.snapshot().unwrap())), ["c"]);
}

#[test]
fn a_split_that_is_read_to_its_end_stays_until_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "x,1,y\n").unwrap();
    let source = FileSystemTable.source(&source_spec(abc(), table(folder.path(), "csv", &[]))).unwrap();
    let world = environment();
    let mut reader = source.reader(reader_context(&world, &Default::default())).unwrap();
    reader.add_splits(ready(source.enumerator(&world, None).unwrap().discover()).unwrap().splits).unwrap();
    let ReadEvent::Batch { batch, .. } = ready(reader.next()).unwrap() else { panic!() };
    assert_eq!(lines(&batch), ["+I | x | 1 | y"]);
    let splits = reader.snapshot().unwrap();
    assert_eq!(splits.len(), 1);
    let mut after = source.reader(reader_context(&world, &Default::default())).unwrap();
    after.add_splits(splits).unwrap();
    assert!(matches!(ready(after.next()).unwrap(), ReadEvent::Finished { .. }));
    assert!(after.snapshot().unwrap().is_empty());
}
