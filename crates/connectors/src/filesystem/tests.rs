//! The connector as a whole, on files of the machine.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use flott_api::env::{Environment, FileStatus};
use flott_api::options::Options;
use flott_api::source::{Boundedness, ReadEvent, SplitEnumerator};
use flott_api::table::{ChangelogMode, SinkSpec, SourceSpec, TableFactory};
use flott_api::testing::{batch, lines, ready};
use flott_api::{ErrorKind, Field, LogicalType, Result, Schema, TypeKind};

use super::split::FileSplit;
use super::{FileSystemTable, metadata};
use crate::testing::{environment, options, read_all, reader_context, write_all};

fn schema(columns: &[(&str, TypeKind)]) -> Schema {
    Schema::new(columns.iter().map(|(n, k)| Field::new(*n, LogicalType::new(k.clone()))).collect())
}

pub(super) fn abc() -> Schema {
    schema(&[("a", TypeKind::Varchar(9)), ("b", TypeKind::Int), ("d", TypeKind::Varchar(9))])
}

pub(super) fn table(path: &Path, format: &str, more: &[(&str, &str)]) -> Options {
    let mut all = options(&[("path", path.to_str().unwrap()), ("format", format)]);
    all.0.extend(options(more).0);
    all
}

pub(super) fn source_spec(schema: Schema, options: Options) -> SourceSpec {
    SourceSpec {
        connector: "filesystem".to_owned(),
        table: "c.d.t".to_owned(),
        projection: (0..schema.len()).collect(),
        read_fields: Vec::new(),
        options,
        schema,
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".to_owned(),
    }
}

pub(super) fn sink_spec(schema: Schema, options: Options) -> SinkSpec {
    SinkSpec {
        connector: "filesystem".to_owned(),
        table: "c.d.t".to_owned(),
        options,
        schema,
        metadata: Vec::new(),
        partition_keys: Vec::new(),
        static_partition: BTreeMap::new(),
        primary_key: Vec::new(),
        changelog: ChangelogMode::INSERT_ONLY,
        overwrite: false,
        session_zone: "UTC".to_owned(),
    }
}

pub(super) fn read(spec: &SourceSpec) -> Result<Vec<String>> {
    read_all(&*FileSystemTable.source(spec)?, &environment(), usize::MAX)
}

pub(super) fn write(spec: &SinkSpec, environment: &Environment, job: u128, texts: &[&str]) {
    let batches = texts.iter().map(|t| batch(&spec.schema, t)).collect();
    write_all(&*FileSystemTable.sink(spec).unwrap(), environment, job, batches).unwrap();
}

/// All files below a folder, also the hidden ones, without what is random in their names.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|f| format!("{name}/{f}")));
        } else {
            found.push(if name.starts_with("part-") { "part".to_owned() } else { name });
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_written_is_read() {
    for format in ["avro", "csv", "json", "canal-json", "debezium-json", "maxwell-json", "ogg-json", "orc", "parquet"] {
        let folder = tempfile::tempdir().unwrap();
        let options = table(folder.path(), format, &[]);
        write(
            &sink_spec(abc(), options.clone()),
            &environment(),
            7,
            &["+I | x | 1 | y\n+I | z | 2 | w", "+I | q | 3 | r"],
        );
        assert_eq!(files(folder.path()), ["part", "part"], "{format}");
        let mut rows = read(&source_spec(abc(), options)).unwrap();
        rows.sort();
        assert_eq!(rows, ["+I | q | 3 | r", "+I | x | 1 | y", "+I | z | 2 | w"], "{format}");
    }
}

#[test]
fn compressed_files_are_read_by_their_extension() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"x,1,y\n";
    let path = |extension: &str| folder.path().join(format!("f.{extension}"));
    std::fs::write(path("csv"), text).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).unwrap();
    std::fs::write(path("gz"), gzip.finish().unwrap()).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(text).unwrap();
    std::fs::write(path("deflate"), zlib.finish().unwrap()).unwrap();
    let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip.write_all(text).unwrap();
    std::fs::write(path("bz2"), bzip.finish().unwrap()).unwrap();
    let mut xz = xz2::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(text).unwrap();
    std::fs::write(path("xz"), xz.finish().unwrap()).unwrap();
    std::fs::write(path("zst"), zstd::encode_all(&text[..], 1).unwrap()).unwrap();
    std::fs::write(folder.path().join(".hidden"), b"no").unwrap();
    let rows = read(&source_spec(abc(), table(folder.path(), "csv", &[]))).unwrap();
    assert_eq!(rows, ["+I | x | 1 | y"; 6]);
}

#[test]
fn a_restart_goes_on_exactly_behind_the_last_batch() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..30_000).map(|i| format!("r{i},{i},\"q\n{i}\"\n")).collect();
    std::fs::write(folder.path().join("a.csv"), &text).unwrap();
    let json: String = (0..3)
        .map(|j| {
            let objects: Vec<String> = (0..9000).map(|i| format!("{{\"a\":\"{j}\",\"b\":{i}}}")).collect();
            format!("[{}]\n", objects.join(","))
        })
        .collect();
    std::fs::write(folder.path().join("b.json"), &json).unwrap();
    for (file, format, rows) in [("a.csv", "csv", 30_000), ("b.json", "json", 27_000)] {
        let spec = source_spec(abc(), table(&folder.path().join(file), format, &[]));
        let source = FileSystemTable.source(&spec).unwrap();
        let straight = read_all(&*source, &environment(), usize::MAX).unwrap();
        assert_eq!(straight.len(), rows);
        assert_eq!(read_all(&*source, &environment(), 1).unwrap(), straight);
    }
}

#[test]
fn errors_name_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "x,1,y\n\"l\n2\",2,y\nz,abc,w\n").unwrap();
    let error = read(&source_spec(abc(), table(&path, "csv", &[]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().ends_with("x.csv', line 4, column 2 (b): 'abc' is no INT"), "{error}");
    let source = FileSystemTable.source(&source_spec(abc(), table(&path, "csv", &[]))).unwrap();
    let world = environment();
    let splits = ready(source.enumerator(&world, None).unwrap().discover()).unwrap().splits;
    let mut reader = source.reader(reader_context(&world, &Arc::default())).unwrap();
    reader.add_splits(splits).unwrap();
    let ReadEvent::Batch { batch, .. } = ready(reader.next()).unwrap() else { panic!() };
    assert_eq!(batch.len(), 2, "the rows before the bad one come first");
    assert!(ready(reader.next()).is_err());
    let ignored = source_spec(abc(), table(&path, "csv", &[("csv.ignore-parse-errors", "true")]));
    assert_eq!(read(&ignored).unwrap().len(), 3);
}

#[test]
fn formats_of_messages_are_refused_by_name() {
    for format in ["avro-confluent", "debezium-avro-confluent"] {
        let url = format!("{format}.url");
        let options = table(Path::new("/tmp"), format, &[(url.as_str(), "http://registry")]);
        let error = FileSystemTable.source(&source_spec(abc(), options)).err().unwrap();
        assert_eq!(error.message(), format!("format '{format}' cannot be used for files"));
    }
}

#[test]
fn a_missing_path_and_wrong_options_are_refused() {
    let missing = source_spec(abc(), table(Path::new("/no/such/folder"), "csv", &[]));
    expect!["path '/no/such/folder' does not exist"].assert_eq(read(&missing).unwrap_err().message());
    let refused = |key: &str, value: &str| {
        let options = table(Path::new("/x"), "csv", &[(key, value)]);
        let error = FileSystemTable.source(&source_spec(abc(), options)).err().unwrap();
        format!("{}; {}", error.message(), error.hint().unwrap_or_default())
    };
    expect!["connector 'filesystem' has no option 'csv.delimiter'; Did you mean 'csv.field-delimiter'?"]
        .assert_eq(&refused("csv.delimiter", "|"));
    expect!["option 'auto-compaction' of connector 'filesystem' is not supported yet; "]
        .assert_eq(&refused("auto-compaction", "true"));
    expect!["policy 'metastore' of option 'sink.partition-commit.policy.kind' is not supported yet; "]
        .assert_eq(&refused("sink.partition-commit.policy.kind", "metastore,success-file"));
}

#[test]
fn partitions_are_folders() {
    let folder = tempfile::tempdir().unwrap();
    let options = table(folder.path(), "csv", &[("sink.partition-commit.policy.kind", "success-file")]);
    let sink = SinkSpec { partition_keys: vec!["d".to_owned()], ..sink_spec(abc(), options.clone()) };
    write(&sink, &environment(), 1, &["+I | x | 1 | k\n+I | y | 2 | NULL\n+I | z | 3 | k"]);
    let expected = ["d=__DEFAULT_PARTITION__/_SUCCESS", "d=__DEFAULT_PARTITION__/part", "d=k/_SUCCESS", "d=k/part"];
    assert_eq!(files(folder.path()), expected);
    let mut source = source_spec(abc(), options);
    source.partition_keys = vec!["d".to_owned()];
    source.projection = vec![2, 0];
    source.metadata = metadata().into_iter().filter(|m| m.key == "file.size").map(|m| (m.key, m.ty)).collect();
    let rows = read(&source).unwrap();
    assert_eq!(rows, ["+I | NULL | y | 4", "+I | k | x | 8", "+I | k | z | 8"]);
}

#[test]
fn partition_columns_of_all_types_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [
        ("a", TypeKind::Int),
        ("b", TypeKind::Timestamp(3)),
        ("c", TypeKind::Boolean),
        ("d", TypeKind::Date),
        ("e", TypeKind::Double),
        ("f", TypeKind::TimestampLtz(6)),
        ("g", TypeKind::Decimal { precision: 5, scale: 2 }),
    ];
    let schema = schema(&kinds);
    let keys: Vec<String> = kinds[1..].iter().map(|(name, _)| name.to_string()).collect();
    let options = table(folder.path(), "json", &[]);
    let rows = "+I | 1 | 1500 | true | 18000 | 1.5 | 60000000 | -1.50\n+I | 2 | 0 | false | NULL | 1e10 | 1 | 0.00";
    let sink = SinkSpec { partition_keys: keys.clone(), ..sink_spec(schema.clone(), options.clone()) };
    write(&sink, &environment(), 1, &[rows]);
    let expected = "b=1970-01-01T00%3A00%3A01.500/c=true/d=2019-04-14/e=1.5/f=1970-01-01T00%3A01%3A00Z/g=-1.50/part";
    assert!(files(folder.path()).contains(&expected.to_owned()), "{:?}", files(folder.path()));
    let source = SourceSpec { partition_keys: keys, ..source_spec(schema, options) };
    let mut found = read(&source).unwrap();
    found.sort();
    assert_eq!(found.join("\n"), rows.replace("1e10", "10000000000"));
}

#[test]
fn overwrite_replaces_what_was_there_and_nothing_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let options = table(folder.path(), "csv", &[]);
    let mut spec = sink_spec(abc(), options.clone());
    write(&spec, &environment(), 1 << 70, &["+I | x | 1 | y"]);
    spec.overwrite = true;
    write(&spec, &environment(), 2 << 70, &["+I | p | 1 | y", "+I | q | 2 | y"]);
    let mut rows = read(&source_spec(abc(), options.clone())).unwrap();
    rows.sort();
    assert_eq!(rows, ["+I | p | 1 | y", "+I | q | 2 | y"]);
    write(&spec, &environment(), 3 << 70, &[]);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn what_is_not_committed_is_not_seen_and_abort_removes_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = table(folder.path(), "json", &[]);
    let spec = sink_spec(abc(), options.clone());
    let sink = FileSystemTable.sink(&spec).unwrap();
    let world = environment();
    let mut writer = sink.writer(crate::testing::writer_context(&world, 1)).unwrap();
    ready(writer.write(batch(&abc(), "+I | x | 1 | y"))).unwrap();
    assert!(read(&source_spec(abc(), options)).unwrap().is_empty());
    assert_eq!(files(folder.path()).len(), 1);
    ready(writer.abort());
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_limit_ends_reading() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        std::fs::write(folder.path().join(name), "x,1,y\n".repeat(5)).unwrap();
    }
    let mut spec = source_spec(abc(), table(folder.path(), "csv", &[]));
    spec.limit = Some(7);
    assert_eq!(read(&spec).unwrap().len(), 7);
}

#[test]
fn ranges_of_a_file_give_each_line_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let text: String = (0..40).map(|i| format!("{{\"a\":\"{}\",\"b\":{i}}}\n", "x".repeat(i * 7 % 50))).collect();
    std::fs::write(&path, &text).unwrap();
    let file = FileStatus { path: path.to_str().unwrap().to_owned(), size: text.len() as u64, modified_ms: 0 };
    let source = FileSystemTable.source(&source_spec(abc(), table(&path, "json", &[]))).unwrap();
    let world = environment();
    let whole = read_all(&*source, &world, usize::MAX).unwrap();
    for size in [31, 64, 500, 10_000] {
        let starts = (0..file.size).step_by(size as usize);
        let end = |start: u64| Some(start + size).filter(|end| *end < file.size);
        let splits: Vec<_> = starts.map(|s| FileSplit::range(&file, s, end(s)).encode().unwrap()).collect();
        let mut left = splits.len();
        let mut reader = source.reader(reader_context(&world, &Arc::default())).unwrap();
        reader.add_splits(splits).unwrap();
        let mut rows = Vec::new();
        while left > 0 {
            match ready(reader.next()).unwrap() {
                ReadEvent::Batch { batch, .. } => rows.extend(lines(&batch)),
                ReadEvent::Finished { .. } => left -= 1,
            }
            // A restart at any place changes nothing.
            let splits = reader.snapshot().unwrap();
            reader = source.reader(reader_context(&world, &Arc::default())).unwrap();
            reader.add_splits(splits).unwrap();
        }
        assert_eq!(rows, whole, "ranges of {size} bytes");
    }
}

#[test]
fn a_watched_folder_gives_new_files_and_only_them() {
    let folder = tempfile::tempdir().unwrap();
    let name = |n: &str| folder.path().join(n);
    std::fs::write(name("a"), "x,1,y\n").unwrap();
    let options = table(folder.path(), "csv", &[("source.monitor-interval", "1 s")]);
    let source = FileSystemTable.source(&source_spec(abc(), options)).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Unbounded);
    let world = environment();
    let mut enumerator = source.enumerator(&world, None).unwrap();
    let found = |e: &mut dyn SplitEnumerator| {
        let discovery = ready(e.discover()).unwrap();
        assert!(!discovery.finished);
        discovery.splits.into_iter().map(|s| s.id.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&mut *enumerator), ["a"]);
    std::fs::write(name("b"), "x,1,y\n").unwrap();
    assert_eq!(found(&mut *enumerator), ["b"]);
    let snapshot = enumerator.snapshot().unwrap();
    std::fs::write(name("c"), "x,1,y\n").unwrap();
    let mut restored = source.enumerator(&world, Some(snapshot)).unwrap();
    assert_eq!(found(&mut *restored), ["c"]);
}

#[test]
fn a_paused_split_waits_and_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        std::fs::write(folder.path().join(name), format!("{name},1,y\n")).unwrap();
    }
    let source = FileSystemTable.source(&source_spec(abc(), table(folder.path(), "csv", &[]))).unwrap();
    let world = environment();
    let splits = ready(source.enumerator(&world, None).unwrap().discover()).unwrap().splits;
    let paused = splits[0].id.clone();
    let mut reader = source.reader(reader_context(&world, &Arc::default())).unwrap();
    reader.add_splits(splits).unwrap();
    reader.pause_split(&paused, true);
    let mut row = || match ready(reader.next()).unwrap() {
        ReadEvent::Batch { batch, .. } => lines(&batch).remove(0),
        ReadEvent::Finished { split } => split.rsplit('/').next().unwrap().to_owned(),
    };
    assert_eq!([row(), row()], ["+I | b | 1 | y", "b"]);
    reader.pause_split(&paused, false);
    let ReadEvent::Batch { split, .. } = ready(reader.next()).unwrap() else { panic!() };
    assert_eq!(split, paused);
}
