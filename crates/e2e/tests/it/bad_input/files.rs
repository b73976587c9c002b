//! Damaged, misnamed and missing files, read and written.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flott_api::Result;
use flott_api::env::{FileStatus, FileSystem, FileSystems, ReadFile, WriteFile};
use flott_runtime::environment::{LocalFileSystem, LocalFiles};

use super::world::World;

/// Reads the file as `(id INT, s STRING)` into `print`.
fn reading(file: &str, format: &str, options: &str) -> String {
    format!(
        "CREATE TABLE t (id INT, s STRING) WITH (
           'connector' = 'filesystem', 'path' = '${{DIR}}/{file}', 'format' = '{format}'{options});
         CREATE TABLE p (id INT, n INT) WITH ('connector' = 'print');
         INSERT INTO p SELECT id, CHAR_LENGTH(s) FROM t;"
    )
}

/// The source that is named in every failure of reading.
const SOURCE: &str =
    "operator 'TableSourceScan(table=[[default_catalog, default_database, t]], fields=[id, s])', subtask (1/1): ";

fn refused(name: &str, bytes: &[u8], format: &str) -> String {
    let mut world = World::new();
    world.put(name, bytes);
    let refusal = world.refused(&reading(name, format, ""));
    refusal.strip_prefix(SOURCE).unwrap_or(&refusal).to_owned()
}

fn rows(name: &str, bytes: &[u8], format: &str, options: &str) -> (Vec<String>, u64) {
    let mut world = World::new();
    world.put(name, bytes);
    let rows = world.run(&reading(name, format, options)).unwrap();
    let errors = world.metrics.unwrap().operators.iter().map(|o| o.num_records_in_errors).sum();
    (rows, errors)
}

/// Bytes without any order, the same in every run.
fn garbage(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn a_malformed_csv_line_is_named_with_its_column() {
    let cases: [(&[u8], &str); 7] = [
        (b"1,a\n2,b\nx,c\n", "file '${DIR}/a.csv', line 3, column 1 (id): 'x' is no INT"),
        (b"1,a\n99999999999,b\n", "file '${DIR}/a.csv', line 2, column 1 (id): '99999999999' is no INT"),
        (b"1,a\n2,b,c\n", "file '${DIR}/a.csv', line 2, column 3: there are only 2 columns, but here is 'c'"),
        (b"1,a\n2,\"b\n3,c\n", "file '${DIR}/a.csv', line 2, a quoted field has no closing quote"),
        (b"1,a\n2,\xff\n", "file '${DIR}/a.csv', line 2, column 2 (s): '\u{fffd}' is no STRING"),
        (b"1,\"a\nb\"\n\x00,b\n", "file '${DIR}/a.csv', line 3, column 1 (id): "),
        (b",a\n", "file '${DIR}/a.csv', line 1, column 1 (id): '' is no INT"),
    ];
    for (bytes, expected) in cases {
        let refusal = refused("a.csv", bytes, "csv");
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn malformed_records_are_skipped_and_counted_where_that_is_asked_for() {
    let ignore = ", 'csv.ignore-parse-errors' = 'true'";
    let (csv, errors) = rows("a.csv", b"1,a\nx,bb\n3,c,d\n4,e\n", "csv", ignore);
    assert_eq!((csv, errors), (["+I[1, 1]", "+I[null, 2]", "+I[4, 1]"].map(str::to_owned).to_vec(), 2));
    let ignore = ", 'json.ignore-parse-errors' = 'true'";
    let lines = b"{\"id\":1,\"s\":\"a\"}\n{\"id\":2,\n{\"id\":\"x\",\"s\":\"bb\"}\nnot json\n{\"id\":4,\"s\":\"e\"}\n";
    let (json, errors) = rows("a.json", lines, "json", ignore);
    assert_eq!(json.first().map(String::as_str), Some("+I[1, 1]"));
    assert_eq!(json.last().map(String::as_str), Some("+I[4, 1]"));
    assert_eq!(errors, 3);
}

#[test]
fn a_malformed_json_line_is_named_with_its_place() {
    let deep = "{\"a\":".repeat(100_000);
    let cases: [(&[u8], &str); 6] = [
        (b"{\"id\":1}\n{\"id\":2,\"s\":\n", "file '${DIR}/a.json', line 2, byte "),
        (b"{\"id\":1}\n{\"id\":\"x\"}\n", "file '${DIR}/a.json', line 2, field 'id': 'x' is no INT"),
        (b"{\"id\":1}\n\n{\"s\":\"\xff\"}\n", "file '${DIR}/a.json', line 3, byte 7: this is no UTF-8"),
        (b"{\"id\":1,\"s\":\"abc", "file '${DIR}/a.json', line 1, byte 17: a string has no closing quote"),
        (b"\x00\x01\x02", "file '${DIR}/a.json', line 1, byte 1: expected a value"),
        (deep.as_bytes(), "file '${DIR}/a.json', line 1, byte "),
    ];
    for (bytes, expected) in cases {
        let refusal = refused("a.json", bytes, "json");
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    assert!(refused("a.json", deep.as_bytes(), "json").contains("nested too deeply"));
}

#[test]
fn garbage_is_an_error_in_every_format() {
    for (name, format) in [
        ("a.csv", "csv"),
        ("a.json", "json"),
        ("a.json", "debezium-json"),
        ("a.json", "canal-json"),
        ("a.json", "maxwell-json"),
        ("a.json", "ogg-json"),
        ("a.avro", "avro"),
        ("a.orc", "orc"),
        ("a.parquet", "parquet"),
        ("a.csv.gz", "csv"),
        ("a.csv.deflate", "csv"),
        ("a.csv.bz2", "csv"),
        ("a.csv.xz", "csv"),
        ("a.csv.zst", "csv"),
    ] {
        let refusal = refused(name, &garbage(50_000), format);
        assert!(refusal.contains(&format!("'${{DIR}}/{name}'")), "{refusal}");
        assert!(refusal.len() < 600, "{refusal}");
    }
    let mut world = World::new();
    world.put("a.raw", garbage(1000));
    let sql = "CREATE TABLE t (id INT) WITH ('connector' = 'filesystem', 'path' = '${DIR}/a.raw', 'format' = 'raw');
               CREATE TABLE b (id INT) WITH ('connector' = 'blackhole');
               INSERT INTO b SELECT * FROM t;";
    assert!(world.refused(sql).contains("file '${DIR}/a.raw', line 1, column 1 (id): "));
}

#[test]
fn a_line_of_ten_megabytes_is_read() {
    let csv = [b"1,".as_slice(), &vec![b'a'; 10_000_000]].concat();
    assert_eq!(rows("a.csv", &csv, "csv", "").0, ["+I[1, 10000000]"]);
    let json = format!("{{\"id\":1,\"s\":\"{}\"}}", "a".repeat(10_000_000));
    assert_eq!(rows("a.json", json.as_bytes(), "json", "").0, ["+I[1, 10000000]"]);
    let quotes = [b"1,".as_slice(), &vec![b'"'; 10_000_001]].concat();
    assert_eq!(refused("a.csv", &quotes, "csv"), "file '${DIR}/a.csv', line 1, a quoted field has no closing quote");
}

#[test]
fn a_nul_is_a_character_like_others() {
    assert_eq!(rows("a.csv", b"1,a\x00b\n", "csv", "").0, ["+I[1, 3]"]);
}

/// A gzip file of stored blocks: no compressor is needed to write them.
fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    let mut blocks = text.chunks(60_000).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(text).to_le_bytes());
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn a_damaged_gzip_file_is_named() {
    let text: String = (0..30_000).map(|i| format!("{i},x\n")).collect();
    let whole = gzipped(text.as_bytes());
    assert_eq!(rows("a.csv.gz", &whole, "csv", "").0.len(), 30_000);
    let mut wrong_sum = whole.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    for bytes in [&whole[..whole.len() / 2], &whole[..whole.len() - 4], &whole[..5], &wrong_sum] {
        let refusal = refused("a.csv.gz", bytes, "csv");
        assert!(refusal.starts_with("cannot read file '${DIR}/a.csv.gz': "), "{refusal}");
    }
}

#[test]
fn a_damaged_parquet_file_is_an_error() {
    let mut world = World::new();
    let table = "CREATE TABLE t (id INT, s STRING) WITH (
                   'connector' = 'filesystem', 'path' = '${DIR}/t', 'format' = 'parquet');";
    world.run(&format!("{table} INSERT INTO t VALUES (1, 'abc'), (2, 'def');")).unwrap();
    let name = world.names("t").pop().unwrap();
    let whole = std::fs::read(world.path("t").join(name)).unwrap();
    assert_eq!(rows("a.parquet", &whole, "parquet", "").0, ["+I[1, 3]", "+I[2, 3]"]);
    let mut long_footer = whole.clone();
    let at = long_footer.len() - 8;
    long_footer[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut zeroes = whole.clone();
    zeroes[at - 40..at].fill(0);
    let cut = whole.len();
    for bytes in [&whole[..cut - 1], &whole[..cut - 10], &whole[1..], b"PAR1", &long_footer, &zeroes] {
        let refusal = refused("a.parquet", bytes, "parquet");
        assert!(refusal.contains("file '${DIR}/a.parquet'") && refusal.contains("parquet file"), "{refusal}");
    }
}

#[test]
fn a_damaged_orc_file_is_an_error() {
    let mut world = World::new();
    let table = "CREATE TABLE t (id INT, s STRING) WITH (
                   'connector' = 'filesystem', 'path' = '${DIR}/t', 'format' = 'orc');";
    world.run(&format!("{table} INSERT INTO t VALUES (1, 'abc'), (2, 'def');")).unwrap();
    let name = world.names("t").pop().unwrap();
    let whole = std::fs::read(world.path("t").join(name)).unwrap();
    assert_eq!(rows("a.orc", &whole, "orc", "").0, ["+I[1, 3]", "+I[2, 3]"]);
    let cut = whole.len();
    let mut zeroes = whole.clone();
    zeroes[cut - 80..cut - 30].fill(0);
    for bytes in [&whole[..cut - 1], &whole[..cut - 10], &whole[..20], &zeroes, b"ORC"] {
        let refusal = refused("a.orc", bytes, "orc");
        assert!(refusal.contains("file '${DIR}/a.orc'") && refusal.contains("ORC file"), "{refusal}");
    }
}

#[test]
fn a_file_of_another_schema_is_refused() {
    let mut world = World::new();
    let sql = "CREATE TABLE w (id STRING) WITH (
                 'connector' = 'filesystem', 'path' = '${DIR}/t', 'format' = 'parquet');
               CREATE TABLE r (id INT) WITH ('connector' = 'filesystem', 'path' = '${DIR}/t', 'format' = 'parquet');
               CREATE TABLE b (id INT) WITH ('connector' = 'blackhole');
               INSERT INTO w VALUES ('abc');
               INSERT INTO b SELECT * FROM r;";
    let refusal = world.refused(sql);
    assert!(refusal.contains("column 'id'"), "{refusal}");
}

#[test]
fn a_path_that_cannot_be_read_is_named() {
    let read = |path: &str| {
        World::new().refused(&format!(
            "CREATE TABLE t (id INT, s STRING) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv');
             CREATE TABLE b (id INT, s STRING) WITH ('connector' = 'blackhole');
             INSERT INTO b SELECT * FROM t;"
        ))
    };
    let missing = read("${DIR}/none.csv");
    assert!(missing.contains("enumerator: path '${DIR}/none.csv' does not exist\nOption 'path' of"), "{missing}");
    assert!(read("/dev/zero").contains("cannot list file '/dev/zero': it is neither a file nor a folder"));
    assert!(read("s3://bucket/x").contains("file system 's3' is not supported yet\nThe path is 's3://bucket/x'."));
    assert!(read("${DIR}/a\0b").contains("file name contained an unexpected NUL byte"));
    assert!(read("").contains("option 'path' is empty"));
}

#[test]
fn a_folder_is_read_with_all_its_files() {
    let mut world = World::new();
    world.put("in.csv/a", "1,a\n");
    world.put("in.csv/deeper/b", "2,bb\n");
    world.put("in.csv/.hidden", "x");
    world.put("in.csv/empty", "");
    let mut rows = world.run(&reading("in.csv", "csv", "")).unwrap();
    rows.sort();
    assert_eq!(rows, ["+I[1, 1]", "+I[2, 2]"]);
}

fn writing(path: &str) -> String {
    format!(
        "CREATE TABLE o (id INT, s STRING) WITH (
           'connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv');
         INSERT INTO o VALUES (1, 'a');"
    )
}

#[test]
fn an_output_folder_that_cannot_be_is_named() {
    let mut world = World::new();
    world.put("file", "x");
    for below in ["${DIR}/file", "${DIR}/file/x/y"] {
        let refusal = world.refused(&writing(below).replace("TABLE o", "TABLE IF NOT EXISTS o"));
        world.run("DROP TABLE o;").unwrap();
        assert!(refusal.contains(&format!("cannot create file '{below}/.part-")), "{refusal}");
        assert!(refusal.ends_with(": '${DIR}/file' is no folder"), "{refusal}");
    }
    assert_eq!(std::fs::read(world.path("file")).unwrap(), b"x");
    assert!(World::new().refused(&writing("/proc/none")).contains("cannot create file '/proc/none/.part-"));
}

/// A disk with room for so many bytes.
struct FullDisk(Arc<AtomicU64>);

struct FullFiles(LocalFileSystem, Arc<AtomicU64>);

struct FullFile(Box<dyn WriteFile>, Arc<AtomicU64>);

impl FileSystems for FullDisk {
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        let (_, inside) = LocalFiles::new().resolve(path)?;
        Ok((Arc::new(FullFiles(LocalFileSystem {}, Arc::clone(&self.0))), inside))
    }
}

impl FileSystem for FullFiles {
    fn list(&self, path: &str) -> std::io::Result<Vec<FileStatus>> {
        self.0.list(path)
    }

    fn list_hidden(&self, path: &str) -> std::io::Result<Vec<FileStatus>> {
        self.0.list_hidden(path)
    }

    fn open(&self, path: &str) -> std::io::Result<Box<dyn ReadFile>> {
        if path.ends_with("forbidden.csv") {
            return Err(std::io::ErrorKind::PermissionDenied.into());
        }
        self.0.open(path)
    }

    fn create(&self, path: &str) -> std::io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(FullFile(self.0.create(path)?, Arc::clone(&self.1))))
    }

    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }

    fn delete(&self, path: &str) -> std::io::Result<()> {
        self.0.delete(path)
    }

    fn exists(&self, path: &str) -> std::io::Result<bool> {
        self.0.exists(path)
    }
}

impl Write for FullFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken =
            self.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |room| room.checked_sub(bytes.len() as u64));
        taken.map_err(|_| std::io::ErrorKind::StorageFull)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl WriteFile for FullFile {
    fn finish(self: Box<Self>) -> std::io::Result<()> {
        self.0.finish()
    }
}

#[test]
fn a_full_disk_fails_the_job_and_no_file_is_seen() {
    let mut world = World::with_files(Arc::new(FullDisk(Arc::new(AtomicU64::new(3 << 20)))));
    let refusal = world.refused(
        "CREATE TABLE g (s STRING) WITH ('connector' = 'datagen');
         CREATE TABLE o (s STRING) WITH (
           'connector' = 'filesystem', 'path' = '${DIR}/out', 'format' = 'csv',
           'sink.rolling-policy.file-size' = '1 mb');
         SET 'parallelism.default' = '2';
         INSERT INTO o SELECT s FROM g;",
    );
    assert!(refusal.contains("cannot write file '${DIR}/out/.part-"), "{refusal}");
    assert!(refusal.contains("no storage space"), "{refusal}");
    assert_eq!(world.visible("out"), Vec::<String>::new());
}

#[test]
fn a_file_that_may_not_be_opened_is_named() {
    let mut world = World::with_files(Arc::new(FullDisk(Arc::default())));
    world.put("forbidden.csv", "1,a\n");
    let refusal = world.refused(&reading("forbidden.csv", "csv", ""));
    assert!(refusal.contains("cannot open file '${DIR}/forbidden.csv': permission denied"), "{refusal}");
}
