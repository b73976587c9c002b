//! Checkpoints in a bucket of a real S3 server: after kills, over outages of the server, and as what a
//! person looks into and goes on from.

#[path = "../../../runtime/tests/it/s3/server.rs"]
mod server;

use std::fs::File;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::flott::{Ran, flott};
use crate::killing::kill_again_and_again;
use crate::ledger::{Checkpoints, INSERTS, Job, pause};
use crate::shell::Terminal;
use server::{BUCKET, S3_ACCESS, S3_SECRET, Server};

/// What is logged when trying again was not enough: of a checkpoint that is asked about on and on, and of a restart.
const IN_DOUBT: &str = "it is not known whether a checkpoint is stored";
const RESTARTED: &str = "a region has failed and is started again";
/// Steps of the tests take seconds; this ends a test that hangs.
const WAIT_MS_MAX: u64 = 120_000;
const POLL_MS: u64 = 10;

/// In a bucket, without a word on how it is reached. No state lies in manifests, so there are files of state.
fn in_bucket(server: &Server) -> Checkpoints {
    let folder = server.folder.path().join("buckets").join(BUCKET).join("jobs");
    let arguments = vec!["-Dexecution.checkpointing.data-inline-threshold=0 kb".to_owned()];
    Checkpoints { uri: format!("s3://{BUCKET}/jobs"), folder, arguments }
}

/// The same with copies of state on the local disk, and where they lie.
fn mirrored(server: &Server) -> (Checkpoints, PathBuf) {
    let (mut checkpoints, local) = (in_bucket(server), server.folder.path().join("local"));
    let set = format!("-Dstate.backend.rocksdb.localdir={}", local.display());
    checkpoints.arguments.extend(["-Dstate.backend.type=rocksdb".to_owned(), set]);
    (checkpoints, local)
}

/// How many state files lie below a folder.
fn state_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .map(
            |path| {
                if path.is_dir() { state_files(&path) } else { usize::from(path.extension() == Some("seg".as_ref())) }
            },
        )
        .sum()
}

/// The options that reach the server.
fn options(server: &Server) -> Vec<String> {
    vec![
        format!("-Ds3.endpoint=http://127.0.0.1:{}", server.port),
        format!("-Ds3.access-key={S3_ACCESS}"),
        format!("-Ds3.secret-key={S3_SECRET}"),
    ]
}

/// The variables of AWS's that reach the server.
fn with_variables(mut command: Command, server: &Server) -> Command {
    command.env("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{}", server.port));
    command.envs([("AWS_ACCESS_KEY_ID", S3_ACCESS), ("AWS_SECRET_ACCESS_KEY", S3_SECRET), ("AWS_REGION", "us-east-1")]);
    command
}

fn run_with(server: &Server, arguments: &[&str]) -> Ran {
    let options = options(server);
    let all: Vec<&str> = arguments.iter().copied().chain(options.iter().map(String::as_str)).collect();
    flott(&all).output().unwrap().into()
}

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// Waits while a job runs until something holds.
fn wait_until(job: &mut Running, log: &Path, what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..WAIT_MS_MAX / POLL_MS {
        if holds() {
            return;
        }
        let ended = job.0.try_wait().unwrap();
        assert!(ended.is_none(), "the job ended before {what}: {}", std::fs::read_to_string(log).unwrap());
        pause(POLL_MS);
    }
    panic!("{WAIT_MS_MAX} ms were not enough until {what}: {}", std::fs::read_to_string(log).unwrap());
}

/// Stands where the server was, hangs up on everybody, and counts them.
struct Outage(TcpListener);

impl Outage {
    fn begin(server: &mut Server) -> Self {
        server.kill();
        let listener = TcpListener::bind(("127.0.0.1", server.port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Outage(listener)
    }

    /// How many have come since the last call.
    fn turned_away(&self) -> usize {
        let mut count = 0;
        loop {
            match self.0.accept() {
                Ok(_) => count += 1,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return count,
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn end(self, server: &mut Server) {
        drop(self.0);
        server.restart();
    }
}

#[test]
fn no_kill_loses_or_doubles_a_row_with_checkpoints_in_a_bucket() {
    let name = "no_kill_loses_or_doubles_a_row_with_checkpoints_in_a_bucket";
    let Some(server) = Server::start(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut checkpoints = in_bucket(&server);
    checkpoints.arguments.extend(options(&server));
    kill_again_and_again(folder.path(), &checkpoints);
}

/// A short outage is met by trying again. After a long one a checkpoint is asked about, or the job restarted.
#[test]
fn a_job_goes_on_after_outages_of_its_store() {
    let Some(mut server) = Server::start("a_job_goes_on_after_outages_of_its_store") else { return };
    let (folder, (checkpoints, local)) = (tempfile::tempdir().unwrap(), mirrored(&server));
    let job = Job { rows: 60_000, rate: 4_000 };
    let log = folder.path().join("log");
    let mut command = with_variables(checkpoints.resumed(&job, folder.path()), &server);
    command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    let mut running = Running(command.spawn().unwrap());
    let logged = |text: &str| std::fs::read_to_string(&log).unwrap().contains(text);

    wait_until(&mut running, &log, "the first checkpoints", || checkpoints.records() > 3);
    assert!(state_files(&local) > 0, "{local:?} has no copies");
    let outage = Outage::begin(&mut server);
    wait_until(&mut running, &log, "a request met the short outage", || outage.turned_away() > 0);
    outage.end(&mut server);
    let before = checkpoints.records();
    wait_until(&mut running, &log, "a checkpoint after the short outage", || checkpoints.records() > before + 1);
    assert!(!logged(RESTARTED) && !logged(IN_DOUBT), "a short outage is nothing to talk about");

    let (outage, mut turned_away) = (Outage::begin(&mut server), 0);
    wait_until(&mut running, &log, "the long outage was too long for trying again", || {
        turned_away += outage.turned_away();
        logged(RESTARTED) || logged(IN_DOUBT)
    });
    assert!(turned_away > 0 && Job::visible(folder.path()) < job.rows, "nothing was in flight");
    outage.end(&mut server);
    let status = running.0.wait().unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains(S3_SECRET), "{log}");
    assert_eq!(state_files(&local), 0, "{local:?} has copies of a job that has ended");
    job.check(folder.path());
}

/// Folders below one that hold a snapshot, as paths within it.
fn snapshots(folder: &Path, within: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = format!("{within}{}", entry.file_name().to_str().unwrap());
        if entry.path().join("_metadata").exists() {
            found.push(name);
        } else if entry.path().is_dir() {
            found.extend(snapshots(&entry.path(), &format!("{name}/")));
        }
    }
    found
}

#[test]
fn a_savepoint_in_a_bucket_is_looked_into_and_gone_on_from() {
    let Some(server) = Server::start("a_savepoint_in_a_bucket_is_looked_into_and_gone_on_from") else { return };
    let (folder, (checkpoints, _)) = (tempfile::tempdir().unwrap(), mirrored(&server));
    let job = Job { rows: 80_000, rate: 10_000 };
    let init = folder.path().join("init.sql");
    std::fs::write(&init, checkpoints.settings() + &job.tables(folder.path())).unwrap();

    let saved = format!("-Dstate.savepoints.dir=s3a://{BUCKET}/saved");
    let reached = options(&server);
    let arguments = ["-i", init.to_str().unwrap(), &saved, &reached[0], &reached[1], &reached[2]];
    let mut terminal = Terminal::start_with(&arguments);
    terminal.expect("Flott SQL");
    let inserts: Vec<&str> = INSERTS.split_whitespace().collect();
    terminal.press(&format!("{}\r", inserts.join(" ")));
    terminal.expect("Job ID: ");
    let id = terminal.take(32);
    terminal.expect("Flott SQL");
    // A job that is not at work yet takes no savepoint.
    for _ in 0..WAIT_MS_MAX / POLL_MS {
        if Job::visible(folder.path()) > 0 {
            break;
        }
        pause(POLL_MS);
    }
    terminal.press(&format!("STOP JOB '{id}' WITH SAVEPOINT;\r"));
    terminal.expect("savepoint path");
    terminal.expect("Flott SQL");
    terminal.press("\u{4}");
    assert_eq!(terminal.exit_code(), Some(0));
    assert!(Job::visible(folder.path()) < job.rows, "the job was at its end");

    let saved = snapshots(&checkpoints.folder.with_file_name("saved"), "");
    assert_eq!(saved.len(), 1, "{saved:?}");
    let uri = format!("s3://{BUCKET}/saved/{}", saved[0]);
    let listed = run_with(&server, &["state", "list", &uri]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.contains("GroupAggregate"), "{listed:?}");
    let shown = run_with(&server, &["state", "show", &uri, "--limit", "5"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let mut resumed = with_variables(checkpoints.resumed_from(&uri, &job, folder.path()), &server);
    let resumed = Ran::from(resumed.output().unwrap());
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    job.check(folder.path());
}

/// Not even what the libraries below say at the level that says most.
#[test]
fn secrets_of_s3_are_logged_nowhere() {
    let Some(server) = Server::start("secrets_of_s3_are_logged_nowhere") else { return };
    let endpoint = format!("-Ds3.endpoint=http://127.0.0.1:{}", server.port);
    let uri = format!("s3://{BUCKET}/jobs/x/chk-1");
    let token = "-Ds3.session-token=open-sesame";
    for secrets in [&["-Ds3.secret-key=swordfish"][..], &["-Ds3.secret-key=swordfish", token]] {
        let fixed = ["state", "list", &uri, &endpoint, "-Ds3.access-key=flott", "-Dsql-client.verbose=true"];
        let all: Vec<&str> = fixed.iter().chain(secrets).copied().collect();
        let ran = Ran::from(flott(&all).env("FLOTT_LOG", "trace").output().unwrap());
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains("The server answered 40"), "{ran:?}");
        for secret in ["swordfish", "open-sesame"] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{ran:?}");
        }
    }
}
