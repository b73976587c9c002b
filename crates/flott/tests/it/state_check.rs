//! `flott state check` on the folders of real jobs: whole, damaged, killed, cancelled, dropped.

use std::path::{Path, PathBuf};
use std::process::Child;

use crate::flott::{Ran, flott, run, signal};
use crate::ledger::{Checkpoints, Job, pause};

const FILES: [&str; 4] =
    ["-D", "execution.checkpointing.data-inline-threshold=0 b", "-D", "execution.checkpointing.num-retained=2"];

/// A job that has taken some checkpoints since it was started.
fn started(folder: &Path, more: &[&str]) -> Child {
    let (checkpoints, job) = (Checkpoints::local(folder), Job { rows: 2_000_000, rate: 5_000 });
    let (before, script) = (checkpoints.records(), checkpoints.settings() + &job.script(folder));
    let arguments = [&["run", "--from", "latest", "-e", &script][..], &FILES, more].concat();
    let mut child = flott(&arguments).spawn().unwrap();
    for _ in 0..2000 {
        // A claim and four checkpoints: two are retained, and two were retired.
        if checkpoints.records() >= before + 5 {
            return child;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        pause(10);
    }
    panic!("it takes no checkpoints");
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn cancelled(mut child: Child) {
    signal(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

fn check(folder: &Path) -> Ran {
    run(&["state", "check", folder.to_str().unwrap(), "--output", "csv"])
}

/// What is found: its kind, and the object.
fn findings(ran: &Ran) -> Vec<(String, String)> {
    let rows = ran.stdout.lines().skip(1).map(|line| {
        let mut cells = line.splitn(3, ',').skip(1).map(|cell| cell.trim_matches('"').to_owned());
        (cells.next().unwrap(), cells.next().unwrap())
    });
    rows.collect()
}

/// The folder of a job that was killed, without what its attempt had begun: all that is left is needed.
fn whole(folder: &Path) {
    killed(started(folder, &[]));
    let checkpoints = folder.join("checkpoints");
    let ran = check(&checkpoints);
    for (kind, object) in findings(&ran) {
        assert_eq!(kind, "orphan", "{ran:?}");
        std::fs::remove_file(object).unwrap();
    }
    let ran = check(&checkpoints);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // The oldest may not have been retired yet.
    let is_ok =
        ["OK: 1 job, 2 checkpoints, ", "OK: 1 job, 3 checkpoints, "].iter().any(|ok| ran.stdout.starts_with(ok));
    assert!(is_ok, "{ran:?}");
}

/// All objects; what a process that was killed had only begun to write has a hidden name.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if !path.file_name().unwrap().to_str().unwrap().starts_with(".flott-tmp-") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn job_folder(folder: &Path) -> PathBuf {
    std::fs::read_dir(folder.join("checkpoints")).unwrap().next().unwrap().unwrap().path()
}

/// What is found if one file is another, which then is as it was.
fn found_with(job: &Path, file: &Path, bytes: Option<&[u8]>) -> Vec<(String, String)> {
    let before = std::fs::read(file).ok();
    match bytes {
        Some(bytes) => std::fs::write(file, bytes).unwrap(),
        None => std::fs::remove_file(file).unwrap(),
    }
    let (ran, again) = (check(job), check(job));
    assert_eq!(
        (ran.code, &ran.stdout),
        (Some(1), &again.stdout),
        "a look changes nothing, {}: {ran:?}",
        file.display()
    );
    match before {
        Some(before) => std::fs::write(file, before).unwrap(),
        None => std::fs::remove_file(file).unwrap(),
    }
    findings(&ran)
}

#[test]
fn each_damage_of_a_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    let job = job_folder(folder.path());
    let states = files_below(&job.join("shared"));
    let manifest = files_below(&job).into_iter().rfind(|path| path.ends_with("_metadata")).unwrap();
    let record = files_below(&job.join("epochs")).pop().unwrap();
    for file in [&states[0], &states[states.len() / 2], &manifest, &record] {
        let bytes = std::fs::read(file).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            let found = found_with(&job, file, Some(&flipped));
            let named = found.iter().any(|(kind, what)| kind == "damaged" && what.contains(file.to_str().unwrap()));
            assert!(named, "byte {at} of {}: {found:?}", file.display());
        }
    }
    let path = |file: &Path| file.to_str().unwrap().to_owned();
    assert_eq!(found_with(&job, &states[0], None), [("missing".to_owned(), path(&states[0]))]);
    let found = found_with(&job, &states[0], Some(b"short"));
    assert!(found.len() == 1 && found[0].0 == "damaged" && found[0].1.contains("has 5 bytes instead of"), "{found:?}");
    for stray in ["shared/00000000000000000001/stray.seg", "chk-99/_metadata", "epochs/notes", "readme.txt"] {
        let stray = job.join(stray);
        std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
        assert_eq!(found_with(&job, &stray, Some(b"x")), [("orphan".to_owned(), path(&stray))]);
    }
    // Of several jobs each finding has the name of its job's folder.
    let other = folder.path().join("checkpoints/other-12345678");
    std::fs::create_dir_all(other.join("shared/1")).unwrap();
    std::fs::write(other.join("shared/1/a.seg"), "x").unwrap();
    let ran = check(&folder.path().join("checkpoints"));
    let row = format!("other-12345678,orphan,{}\n", other.join("shared/1/a.seg").display());
    assert!(ran.code == Some(1) && ran.stdout.ends_with(&row), "{ran:?}");
}

#[test]
fn a_job_that_runs_is_told_and_not_disturbed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = started(folder.path(), &[]);
    for _ in 0..5 {
        let ran = check(&folder.path().join("checkpoints"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains(&format!("; it seems to run, in process {} on host", child.id())), "{ran:?}");
    }
    assert!(child.try_wait().unwrap().is_none());
    killed(child);
    let ran = check(&folder.path().join("checkpoints"));
    assert!(!ran.stderr.contains("it seems to run"), "{ran:?}");
}

/// After a killed and a cancelled attempt the next run removes what they had begun; at its end nothing is left over.
#[test]
fn the_next_run_leaves_nothing_over() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = folder.path().join("checkpoints");
    let mut orphans = Vec::new();
    for end in [killed, cancelled, killed] {
        end(started(folder.path(), &[]));
        let found = findings(&check(&checkpoints));
        assert!(found.iter().all(|(kind, _)| kind == "orphan"), "nothing that is needed is gone: {found:?}");
        let again: Vec<_> = found.iter().filter(|one| orphans.contains(*one)).collect();
        assert!(again.is_empty(), "what one run has left, the next one removes: {again:?}");
        orphans.extend(found);
    }
    // The same job, whose input ends soon.
    let job = Job { rows: 1000, rate: 5_000 };
    let script = Checkpoints::local(folder.path()).settings() + &job.script(folder.path());
    let last = run(&[&["run", "--from", "latest", "-e", &script][..], &FILES].concat());
    assert_eq!(last.code, Some(0), "{last:?}");
    let ran = check(&checkpoints);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "OK: 1 job, 1 checkpoint, 0 state files, 0 bytes\n"),
        "{ran:?}"
    );
}

#[test]
fn a_job_that_is_dropped_leaves_nothing_over() {
    let never = ["-D", "execution.checkpointing.externalized-checkpoint-retention=NO_EXTERNALIZED_CHECKPOINTS"];
    let folder = tempfile::tempdir().unwrap();
    cancelled(started(folder.path(), &never));
    assert_eq!(files_below(&folder.path().join("checkpoints")), Vec::<PathBuf>::new());
    // Of a job that had another owner the log stays, so that this one learns of it if it still lives.
    killed(started(folder.path(), &never));
    cancelled(started(folder.path(), &never));
    let ran = check(&folder.path().join("checkpoints"));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "OK: 1 job, 0 checkpoints, 0 state files, 0 bytes\n"),
        "{ran:?}"
    );
    let left = files_below(&job_folder(folder.path()));
    assert!(left.iter().all(|path| path.parent().unwrap().ends_with("epochs")), "{left:?}");
}

#[test]
fn what_is_no_directory_of_a_job_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ran = check(folder.path());
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("there is no checkpoint directory at "), "{ran:?}");
    std::fs::write(folder.path().join("_metadata"), "x").unwrap();
    let ran = check(folder.path());
    assert!(ran.code == Some(2) && ran.stderr.contains("It is a checkpoint or savepoint."), "{ran:?}");
}
