//! `| head`, Ctrl-C and SIGTERM.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::flott::{flott, signal};

/// A table that never ends.
const ENDLESS: &str = "CREATE TABLE endless (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000');";

/// Starts a script and waits until it has printed some lines.
fn start(sql: &str, lines: usize) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = flott(&["run", "-e", sql]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..lines {
        assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended early: {line}");
    }
    (child, stdout)
}

fn stderr_of(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let (mut child, stdout) = start(&format!("{ENDLESS} SELECT n FROM endless; SELECT 'never';"), 10);
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(stderr_of(&mut child), "[INFO] Execute statement succeeded.\n");
}

#[test]
fn head_works_in_a_pipeline() {
    let script = format!("\"$0\" run -e \"{ENDLESS} SELECT n FROM endless\" | head -n 5; echo \"${{PIPESTATUS[0]}}\"");
    let output = Command::new("bash").args(["-c", &script, env!("CARGO_BIN_EXE_flott")]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.ends_with("\n0\n"), "{text}");
}

#[test]
fn ctrl_c_cancels_a_query() {
    for which in [libc::SIGINT, libc::SIGTERM] {
        let (mut child, mut stdout) = start(&format!("{ENDLESS} SELECT n FROM endless; SELECT 'never';"), 5);
        signal(&child, which);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(rest.contains("Query terminated, received a total of "), "{rest}");
        assert!(!rest.contains("never"), "{rest}");
    }
}

#[test]
fn a_job_that_prints_ends_quietly_as_well() {
    let sql = format!(
        "{ENDLESS} CREATE TABLE seen (n BIGINT) WITH ('connector' = 'print'); INSERT INTO seen SELECT n FROM endless;"
    );
    let (mut child, stdout) = start(&sql, 10);
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let stderr = stderr_of(&mut child);
    assert!(!stderr.contains("error"), "{stderr}");
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path.display().to_string()),
        }
    }
    found
}

#[test]
fn ctrl_c_leaves_no_half_files() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let sql = format!(
        "{ENDLESS} CREATE TABLE files (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
        CREATE TABLE seen (n BIGINT) WITH ('connector' = 'print');
        INSERT INTO files SELECT n FROM endless; INSERT INTO seen SELECT n FROM endless;",
        target.display()
    );
    let (mut child, stdout) = start(&sql, 20);
    signal(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(stdout);
    assert_eq!(files_below(&target), Vec::<String>::new());
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    // Nobody reads, so the first one finds a process that waits for its reader.
    let sql = "CREATE TABLE fast (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10000000');
        SELECT n FROM fast;";
    let mut child = flott(&["run", "-e", sql]).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let mut sent = 0;
    let status = loop {
        signal(&child, libc::SIGINT);
        sent += 1;
        std::thread::park_timeout(std::time::Duration::from_millis(100));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(sent < 100, "it does not end");
    };
    assert!(status.code() == Some(130) || status.signal() == Some(libc::SIGINT), "{status:?}");
}
