//! The sink under checkpoints: what is seen when, and what a process that ends at any moment leaves.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use flott_api::env::Environment;
use flott_api::ids::JobId;
use flott_api::sink::{Committable, Committer, Sink, SinkWriter};
use flott_api::table::{SinkSpec, TableFactory};
use flott_api::testing::{FakeWorld, SinkWorld, batch, ready, sink_contract};
use flott_api::{ErrorKind, Result, Watermark};

use super::FileSystemTable;
use super::committable::Payload;
use super::tests::{abc, read, sink_spec, source_spec, table};
use crate::testing::{Local, environment, writer_context};

const JOB: u128 = 42;

/// Paths of all files below a folder, sorted, hidden ones too.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(paths(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn ends(folder: &Path, end: &str) -> Vec<PathBuf> {
    paths(folder).into_iter().filter(|p| p.to_str().unwrap().ends_with(end)).collect()
}

/// A table in a folder, and processes that write it.
struct Table {
    folder: tempfile::TempDir,
    spec: SinkSpec,
    world: Arc<FakeWorld>,
}

impl Table {
    fn new(partitioned: bool, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = sink_spec(abc(), table(&folder.path().join("t"), "csv", more));
        if partitioned {
            spec.partition_keys = vec!["d".to_owned()];
        }
        Table { folder, spec, world: FakeWorld::at(1000) }
    }

    fn partitioned(more: &[(&str, &str)]) -> Self {
        let policy = ("sink.partition-commit.policy.kind", "success-file");
        Table::new(true, &[&[policy], more].concat())
    }

    fn overwriting() -> Self {
        let mut table = Table::new(false, &[]);
        table.spec.overwrite = true;
        table
    }

    fn environment(&self) -> Environment {
        Environment { files: Arc::new(Local), ..self.world.environment() }
    }

    fn sink(&self) -> Box<dyn Sink> {
        FileSystemTable.sink(&self.spec).unwrap()
    }

    fn writer(&self) -> Box<dyn SinkWriter> {
        self.sink().writer(writer_context(&self.environment(), JOB)).unwrap()
    }

    fn committer(&self) -> Box<dyn Committer> {
        self.sink().committer(&self.environment()).unwrap().unwrap()
    }

    /// A committer of a new process, which knows these.
    fn restored(&self, known: &[Committable]) -> Box<dyn Committer> {
        let mut committer = self.committer();
        ready(committer.recover(JobId(JOB), known)).unwrap();
        committer
    }

    /// What a checkpoint behind these rows and this watermark has.
    fn checkpoint(&self, writer: &mut dyn SinkWriter, rows: &str, watermark: i64) -> Vec<Committable> {
        if !rows.is_empty() {
            ready(writer.write(batch(&self.spec.schema, rows))).unwrap();
        }
        writer.write_watermark(Watermark(watermark));
        ready(writer.prepare_commit(false)).unwrap()
    }

    fn rows(&self) -> Vec<String> {
        let mut spec = source_spec(self.spec.schema.clone(), self.spec.options.clone());
        spec.partition_keys.clone_from(&self.spec.partition_keys);
        let mut rows = read(&spec).unwrap_or_default();
        rows.sort();
        rows
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("t")
    }

    /// The partitions with a success file.
    fn complete(&self) -> Vec<String> {
        let name = |p: PathBuf| p.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        ends(&self.path(), "_SUCCESS").into_iter().map(name).collect()
    }
}

fn commit(committer: &mut dyn Committer, committables: &[Committable]) {
    ready(committer.commit(None, committables.to_vec())).unwrap();
}

#[test]
fn every_format_keeps_the_contract_of_sinks() {
    let batches =
        [batch(&abc(), "+I | x | 1 | 2020-01-01\n+I | y | 2 | 2020-01-02"), batch(&abc(), "+I | z | 3 | 2020-01-01")];
    let partition_time: &[(&str, &str)] =
        &[("sink.partition-commit.policy.kind", "success-file"), ("sink.partition-commit.trigger", "partition-time")];
    for (format, partitioned, more) in [
        ("csv", false, &[][..]),
        ("json", true, &[]),
        ("parquet", false, &[]),
        ("orc", true, &[]),
        ("csv", true, partition_time),
        ("csv", false, &[("sink.rolling-policy.file-size", "1 b")]),
    ] {
        let folders: Mutex<Vec<tempfile::TempDir>> = Mutex::default();
        let world = || {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("t");
            folders.lock().unwrap().push(folder);
            let keys = if partitioned { vec!["d".to_owned()] } else { Vec::new() };
            let options = table(&path, format, more);
            let spec = SinkSpec { partition_keys: keys.clone(), ..sink_spec(abc(), options.clone()) };
            let mut source = source_spec(abc(), options);
            source.partition_keys = keys;
            SinkWorld {
                sink: Box::new(move || FileSystemTable.sink(&spec).unwrap()),
                environment: environment(),
                visible: Box::new(move || read(&source).unwrap_or_default()),
                hidden: Box::new(move || ends(&path, ".inprogress").len()),
            }
        };
        let rows = |batches: &[flott_api::ChangeBatch]| batches.iter().flat_map(flott_api::testing::lines).collect();
        sink_contract(&world, &batches, &rows);
    }
}

#[test]
fn a_file_that_somebody_removed_is_named() {
    let table = Table::new(false, &[]);
    let prepared = table.checkpoint(&mut *table.writer(), "+I | x | 1 | y", 0);
    commit(&mut *table.committer(), &prepared);
    std::fs::remove_file(&prepared[0].id).unwrap();
    let error = ready(table.restored(&prepared).commit(None, prepared.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: false });
    assert_eq!(error.message(), format!("file '{}' is lost", prepared[0].id));
}

#[test]
fn the_first_version_of_committables_is_committed() {
    let table = Table::new(true, &[("sink.partition-commit.policy.kind", "success-file")]);
    let mut prepared = table.checkpoint(&mut *table.writer(), "+I | x | 1 | y", 0);
    prepared.truncate(1);
    let Payload::File(file) = Payload::decode(&prepared[0]).unwrap() else { panic!() };
    let first = format!(r#"{{"version":1,"from":"{}","to":"{}","folder":"{}"}}"#, file.from, file.to, file.folder);
    prepared[0].payload = first.into();
    let mut committer = table.restored(&prepared);
    commit(&mut *committer, &prepared);
    assert_eq!((table.rows().len(), table.complete()), (1, vec!["d=y".to_owned()]));
}

#[test]
fn recovering_removes_only_what_is_of_this_sink() {
    let mine = Table::new(true, &[]);
    let prepared = mine.checkpoint(&mut *mine.writer(), "+I | x | 1 | y\n+I | x | 1 | z", 0);
    let _lost = mine.checkpoint(&mut *mine.writer(), "+I | x | 1 | y\n+I | x | 1 | q", 0);
    // Another sink of the same job writes the same table by another statement.
    let hinted = SinkSpec { session_zone: "CET".to_owned(), ..mine.spec.clone() };
    let mut other = FileSystemTable.sink(&hinted).unwrap().writer(writer_context(&mine.environment(), JOB)).unwrap();
    let theirs = mine.checkpoint(&mut *other, "+I | x | 1 | y", 0);
    std::fs::write(mine.path().join("d=y/.part-of-somebody.inprogress"), "x").unwrap();
    assert_eq!(ends(&mine.path(), ".inprogress").len(), 6);
    drop(mine.restored(&prepared));
    let left = ends(&mine.path(), ".inprogress");
    assert_eq!(left.len(), 4, "{left:?}");
    commit(&mut *mine.committer(), &[prepared, theirs].concat());
    assert_eq!(mine.rows().len(), 3);
}

/// Also a path with slashes too many is the same folder.
#[test]
fn recovering_does_not_depend_on_how_the_path_is_written() {
    let mut table = Table::partitioned(&[("sink.partition-commit.delay", "1 d")]);
    let path = format!("{}//", table.path().to_str().unwrap());
    table.spec.options.0.insert("path".to_owned(), path);
    let prepared = table.checkpoint(&mut *table.writer(), "+I | x | 1 | y", 0);
    commit(&mut *table.restored(&prepared), &prepared);
    assert_eq!(ends(&table.path(), "-0").len(), 1);
    ready(table.restored(&[]).finish()).unwrap();
    assert_eq!(table.complete(), ["d=y"]);
}

#[test]
fn an_overwrite_keeps_what_its_own_checkpoints_published() {
    let table = Table::overwriting();
    std::fs::create_dir_all(table.path()).unwrap();
    std::fs::write(table.path().join("old.csv"), "old,0,old\n").unwrap();
    let mut committer = table.restored(&[]);
    let mut last = Vec::new();
    for i in 1..=3 {
        // Each checkpoint is of another process.
        last = table.checkpoint(&mut *table.writer(), &format!("+I | x | {i} | y"), 0);
        assert_eq!(table.rows().len(), if i == 1 { 1 } else { i - 1 }, "before commit {i}");
        commit(&mut *committer, &last);
        committer = table.restored(&last);
        commit(&mut *committer, &last);
        let expected: Vec<String> = (1..=i).map(|i| format!("+I | x | {i} | y")).collect();
        assert_eq!(table.rows(), expected, "after commit {i}");
    }
    // A process that ends without having committed anything itself.
    let mut committer = table.restored(&last);
    ready(committer.finish()).unwrap();
    assert_eq!(table.rows().len(), 3);
    let mut other_job = table.committer();
    ready(other_job.recover(JobId(JOB + 1), &[])).unwrap();
    ready(other_job.finish()).unwrap();
    assert!(table.rows().is_empty(), "an overwrite of no rows by another job empties the table");
}

#[test]
fn a_partition_is_complete_when_the_delay_has_passed_at_a_checkpoint() {
    let table = Table::partitioned(&[("sink.partition-commit.delay", "1 min")]);
    let (mut writer, mut committer) = (table.writer(), table.restored(&[]));
    let mut at = |now_ms: i64, rows: &str| {
        table.world.set_now(now_ms);
        let prepared = table.checkpoint(&mut *writer, rows, i64::MAX - 1);
        commit(&mut *committer, &prepared);
        // Whatever the process knew, the next one knows.
        committer = table.restored(&prepared);
        commit(&mut *committer, &prepared);
        table.complete()
    };
    assert!(at(1_000, "+I | x | 1 | a").is_empty());
    assert!(at(50_000, "+I | x | 2 | a\n+I | x | 2 | b").is_empty());
    assert!(at(61_000, "").is_empty(), "a minute, and not more");
    assert_eq!(at(61_001, ""), ["d=a"]);
    assert_eq!(at(110_001, ""), ["d=a", "d=b"]);
    // Rows that come late complete their partition anew, with a delay of their own.
    std::fs::remove_file(table.path().join("d=a/_SUCCESS")).unwrap();
    assert_eq!(at(120_000, "+I | x | 3 | a"), ["d=b"]);
    assert_eq!(at(180_001, ""), ["d=a", "d=b"]);
    assert!(ends(&table.path(), ".pending").is_empty());
}

#[test]
fn a_partition_is_complete_when_every_watermark_has_passed_its_time() {
    let day_ms = 1_590_364_800_000; // 2020-05-25
    let table = Table::partitioned(&[("sink.partition-commit.trigger", "partition-time")]);
    let (mut first, mut second) = (table.writer(), table.writer());
    let mut committer = table.restored(&[]);
    let mut at = |rows: &str, watermarks: [i64; 2]| {
        let mut prepared = table.checkpoint(&mut *first, rows, watermarks[0]);
        prepared.extend(table.checkpoint(&mut *second, "", watermarks[1]));
        assert_eq!(prepared.len(), 2 + usize::from(!rows.is_empty()));
        committer = table.restored(&prepared);
        commit(&mut *committer, &prepared);
        table.complete()
    };
    assert!(at("+I | x | 1 | 2020-05-25", [day_ms + 5, day_ms]).is_empty(), "one is not there yet");
    assert!(at("", [day_ms + 9, day_ms]).is_empty());
    assert_eq!(at("", [day_ms + 9, day_ms + 1]), ["d=2020-05-25"]);
    std::fs::remove_file(table.path().join("d=2020-05-25/_SUCCESS")).unwrap();
    assert!(at("", [day_ms + 9, day_ms + 9]).is_empty(), "it was complete, and is not looked at again");
    assert_eq!(at("+I | x | 2 | 2020-05-25", [day_ms + 9, day_ms + 9]), ["d=2020-05-25"], "late rows");
    let refused = ready(first.write(batch(&abc(), "+I | x | 1 | NULL"))).unwrap_err();
    assert_eq!(refused.message(), "partition 'd=__DEFAULT_PARTITION__' has no time");
}

#[test]
fn the_end_of_the_input_completes_all_partitions() {
    let table = Table::partitioned(&[("sink.partition-commit.delay", "1 d")]);
    let mut writer = table.writer();
    let prepared = table.checkpoint(&mut *writer, "+I | x | 1 | a", 0);
    commit(&mut *table.restored(&prepared), &prepared);
    assert!(table.complete().is_empty());
    // Another process ends the job; it has written nothing.
    let mut committer = table.restored(&prepared);
    commit(&mut *committer, &prepared);
    commit(&mut *committer, &ready(table.writer().prepare_commit(true)).unwrap());
    ready(committer.finish()).unwrap();
    assert_eq!((table.complete(), ends(&table.path(), ".pending").len()), (vec!["d=a".to_owned()], 0));
}

/// A commit is cut behind every change of a file, and done again by another process.
#[test]
fn a_commit_that_dies_at_any_step_is_done_again() {
    let day_ms = 1_590_364_800_000; // 2020-05-25
    for steps in 0.. {
        let table = Table::partitioned(&[("sink.partition-commit.trigger", "partition-time")]);
        let mut writer = table.writer();
        let first = table.checkpoint(&mut *writer, "+I | x | 1 | 2020-05-25\n+I | x | 2 | 2020-05-26", 0);
        commit(&mut *table.restored(&first), &first);
        let second = table.checkpoint(&mut *writer, "+I | x | 3 | 2020-05-25\n+I | x | 4 | 2020-05-27", day_ms + 1);
        let files = crate::testing::Dying::after(steps);
        let dying = Environment { files: files.clone(), ..table.environment() };
        let mut committer = table.sink().committer(&dying).unwrap().unwrap();
        let died =
            ready(committer.recover(JobId(JOB), &second)).and_then(|()| ready(committer.commit(None, second.clone())));
        if table.complete() == ["d=2020-05-25"] {
            assert!(table.rows().contains(&"+I | x | 3 | 2020-05-25".to_owned()), "complete before its rows are seen");
        }
        commit(&mut *table.restored(&second), &second);
        assert_eq!(table.rows().len(), 4, "after {steps} steps");
        assert_eq!(table.complete(), ["d=2020-05-25"], "after {steps} steps");
        assert_eq!(ends(&table.path(), ".pending").len(), 2, "after {steps} steps");
        let third = table.checkpoint(&mut *writer, "", i64::MAX);
        commit(&mut *table.restored(&third), &third);
        assert_eq!(table.complete().len(), 3, "after {steps} steps");
        assert!(ends(&table.path(), ".pending").is_empty(), "after {steps} steps");
        if died.is_ok() {
            assert!(steps > 5, "the fault was never there: {steps}");
            return;
        }
    }
}

#[test]
fn files_are_ended_by_size_age_and_idleness() {
    let rolled = |more: &[(&str, &str)], wait_ms: i64| -> Result<usize> {
        let table = Table::new(false, more);
        let mut writer = table.writer();
        for _ in 0..3 {
            ready(writer.write(batch(&abc(), "+I | x | 1 | y")))?;
            table.world.set_now(table.world.environment().clock.now_ms() + wait_ms);
        }
        Ok(ready(writer.prepare_commit(false))?.len())
    };
    assert_eq!(rolled(&[], 1000).unwrap(), 1);
    assert_eq!(rolled(&[("sink.rolling-policy.file-size", "7 b")], 0).unwrap(), 2);
    assert_eq!(rolled(&[("sink.rolling-policy.rollover-interval", "2 s")], 1000).unwrap(), 1);
    assert_eq!(rolled(&[("sink.rolling-policy.rollover-interval", "1 s")], 1000).unwrap(), 2);
    assert_eq!(rolled(&[("sink.rolling-policy.rollover-interval", "3 s")], 1000).unwrap(), 1);
}
