//! A broker as a process. The tests of the binary have it too, by its path.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Fetching it may be part of the first start.
const START_MS_MAX: u64 = 20 * 60 * 1000;
const POLL_MS: u64 = 20;
/// Transactions that time out are looked for often, so that tests need not wait.
const SETTINGS: [&str; 3] = [
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
    "transaction.max.timeout.ms=900000",
    "auto.create.topics.enable=true",
];

/// A broker, for as long as this lives, and no longer than the process.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: PathBuf,
    settings: Vec<String>,
    attendant: Child,
    /// Removes the folder in the end.
    _own: tempfile::TempDir,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether the user leaves these tests out. Said aloud, past the harness that swallows what tests print.
pub(crate) fn left_out(test: &str) -> bool {
    let without = std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default();
    let out = without.split_whitespace().any(|service| service == "kafka");
    if out {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names kafka\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    out
}

/// Three ports in a row that nobody listens on now; whoever takes them meanwhile makes the test fail, not lie.
fn free_ports() -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let free = |port: &u32| u16::try_from(*port).is_ok_and(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if [1, 2].iter().all(|more| free(&(u32::from(port) + more))) {
            return port;
        }
    }
    panic!("there are no three free ports in a row");
}

fn attend(port: u16, folder: &Path, settings: &[String]) -> Child {
    let mut command = Command::new(repository().join("script/services"));
    command.args(["attend", "kafka", &port.to_string()]).arg(folder).args(settings);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("script/services can be run")
}

impl Server {
    /// A running broker with these settings beside its own. `{port}` in them is where it listens; the two behind it are
    /// its own, too.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().join("kafka");
        let port = free_ports();
        let ports = [("{port}", port), ("{port+1}", port + 1), ("{port+2}", port + 2)];
        let filled = |setting: &&str| {
            ports.iter().fold((*setting).to_owned(), |text, (name, port)| text.replace(name, &port.to_string()))
        };
        let settings: Vec<String> = SETTINGS.iter().chain(settings).map(filled).collect();
        let attendant = attend(port, &folder, &settings);
        let mut server = Server { port, folder, settings, attendant, _own: own };
        server.wait();
        server
    }

    #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
    fn wait(&mut self) {
        for _ in 0..START_MS_MAX / POLL_MS {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            if let Some(status) = self.attendant.try_wait().unwrap() {
                panic!("Kafka ended while it started ({status}); its log is in {}", self.folder.display());
            }
            std::thread::sleep(Duration::from_millis(POLL_MS));
        }
        panic!("Kafka did not start in {START_MS_MAX} ms");
    }

    /// Kills it without a warning.
    pub(crate) fn kill(&mut self) {
        drop(self.attendant.stdin.take());
        self.attendant.wait().unwrap();
        assert!(TcpStream::connect(("127.0.0.1", self.port)).is_err(), "the broker is dead");
    }

    /// Starts it again with its data, under the same port.
    pub(crate) fn restart(&mut self) {
        self.attendant = attend(self.port, &self.folder, &self.settings);
        self.wait();
    }
}
