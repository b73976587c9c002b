//! Servers for tests: one that all tests of this binary share, and ones that a test may kill.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Installing it may be part of the first start.
const START_MS_MAX: u64 = 5 * 60 * 1000;
const POLL_MS: u64 = 20;

/// A server, for as long as this lives, and no longer than the process.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    flags: Vec<String>,
    attendant: Option<Child>,
}

/// Whether the user leaves these tests out. Said aloud, past the harness that swallows what tests print.
fn left_out(test: &str) -> bool {
    let without = std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default();
    let out = without.split_whitespace().any(|service| service == "ferretdb");
    if out {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names ferretdb\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    out
}

/// FerretDB, for all tests; nothing if the user leaves these tests out.
pub(crate) fn ferretdb(test: &str) -> Option<&'static Server> {
    static SHARED: OnceLock<Server> = OnceLock::new();
    (!left_out(test)).then(|| SHARED.get_or_init(|| Server::start(|_| Vec::new())))
}

/// A server for one test that does something to it; what it is told may depend on its folder.
pub(crate) fn own(test: &str, flags: impl FnOnce(&Path) -> Vec<String>) -> Option<Server> {
    (!left_out(test)).then(|| Server::start(flags))
}

impl Server {
    fn start(flags: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let flags = flags(folder.path());
        let mut server = Server { port: free_port(), folder, flags, attendant: None };
        server.restart();
        server
    }

    /// Starts it with the data that it has, under the same port.
    pub(crate) fn restart(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/services");
        let mut command = Command::new(script);
        command.args(["attend", "ferretdb", &self.port.to_string()]).arg(self.folder()).args(&self.flags);
        self.attendant = Some(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
        self.wait();
    }

    fn wait(&mut self) {
        for _ in 0..START_MS_MAX / POLL_MS {
            if self.is_alive() {
                return;
            }
            if let Some(status) = self.attendant.as_mut().and_then(|attendant| attendant.try_wait().unwrap()) {
                panic!("FerretDB ended while it started ({status}); see {:?}", self.folder());
            }
            pause(POLL_MS);
        }
        panic!("FerretDB did not start in {START_MS_MAX} ms");
    }

    fn is_alive(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Where its data lies.
    fn folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Ends it without a warning to anybody.
    pub(crate) fn kill(&mut self) {
        if let Some(mut attendant) = self.attendant.take() {
            drop(attendant.stdin.take());
            attendant.wait().unwrap();
            (0..250).take_while(|_| self.is_alive()).for_each(|_| pause(POLL_MS));
            assert!(!self.is_alive(), "the server is dead");
        }
    }

    /// Runs something while the server is there and says nothing, and then lets it speak again.
    pub(crate) fn stalled<T>(&self, work: impl FnOnce() -> T) -> T {
        self.signal("STOP");
        let done = work();
        self.signal("CONT");
        done
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder().join("pid")).unwrap();
        let script = format!("kill -{name} -- -{}", pid.trim());
        assert!(Command::new("bash").args(["-c", &script]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut attendant) = self.attendant.take() {
            drop(attendant.stdin.take());
            drop(attendant.wait());
        }
    }
}

/// Nobody listens there now; whoever takes it meanwhile makes the test fail, not lie.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A while of the real clock, by which servers live.
pub(crate) fn pause(millis: u64) {
    #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
    std::thread::sleep(Duration::from_millis(millis));
}
