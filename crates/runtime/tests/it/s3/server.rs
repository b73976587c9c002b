//! A server of buckets for a test. The tests of the binary have it too, by its path.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The bucket that is there at the start.
pub(crate) const BUCKET: &str = "flott-test";
/// The name of the key that `script/services` gives the server, and the key.
pub(crate) const S3_ACCESS: &str = "flott";
pub(crate) const S3_SECRET: &str = "flottflott";

/// Installing it may be part of the first start.
const START_MS_MAX: u64 = 20 * 60 * 1000;
const POLL_MS: u64 = 20;

/// A server with one empty bucket, for as long as this lives.
pub(crate) struct Server {
    /// Its name for `script/services`.
    service: &'static str,
    pub(crate) port: u16,
    /// It keeps a bucket `b` in `buckets/b`, with its objects as files.
    pub(crate) folder: tempfile::TempDir,
    process: Child,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether the user leaves these tests out. Said aloud, past the harness that swallows what tests print.
fn left_out(service: &str, test: &str) -> bool {
    let without = std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default();
    let out = without.split_whitespace().any(|named| named == service);
    if out {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names {service}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    out
}

fn spawn(service: &str, port: u16, folder: &Path) -> Child {
    let mut command = Command::new(repository().join("script/services"));
    command.args(["run", service, &port.to_string()]).arg(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("script/services can be run")
}

impl Server {
    /// A running server of S3; nothing if the user leaves these tests out.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Server::start_service("s3", test)
    }

    /// The same of a service by its name.
    pub(crate) fn start_service(service: &'static str, test: &str) -> Option<Self> {
        if left_out(service, test) {
            return None;
        }
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::create_dir_all(folder.path().join("buckets").join(BUCKET)).unwrap();
        let port = free_port();
        let mut server = Server { service, port, process: spawn(service, port, folder.path()), folder };
        server.wait();
        Some(server)
    }

    #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
    fn wait(&mut self) {
        for _ in 0..START_MS_MAX / POLL_MS {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("the server of {} ended while it started ({status}); its error is above", self.service);
            }
            std::thread::sleep(Duration::from_millis(POLL_MS));
        }
        panic!("the server of {} did not start in {START_MS_MAX} ms", self.service);
    }

    /// Kills it without a warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again with its data, under the same port.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.service, self.port, self.folder.path());
        self.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

/// Nobody listens there now; whoever takes it meanwhile makes the test fail, not lie.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
