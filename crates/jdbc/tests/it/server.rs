//! Database servers for tests: one that all tests of this binary share, each with a schema of its own, and ones that a test
//! may kill.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Installing it may be part of the first start.
const START_MS_MAX: u64 = 5 * 60 * 1000;
const POLL_MS: u64 = 50;
/// Starts the server, and ends it by a signal when the test closes its input, or dies.
const KEEPER: &str = r#""$0" run "$1" "$2" "$3" </dev/null & pid=$!; read -r _; kill -s "$4" $pid; wait $pid"#;

/// A database server.
pub(crate) struct Server {
    pub(crate) port: u16,
    name: &'static str,
    folder: tempfile::TempDir,
    keeper: Option<Child>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether the user leaves these tests out. Said aloud, past the harness that swallows what tests print.
fn left_out(test: &str, name: &str) -> bool {
    let without = std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default();
    let out = without.split_whitespace().any(|service| service == name);
    if out {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names {name}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    out
}

/// PostgreSQL, for all tests; nothing if the user leaves these tests out.
pub(crate) fn postgres(test: &str) -> Option<&'static Server> {
    static SHARED: OnceLock<Server> = OnceLock::new();
    (!left_out(test, "postgres")).then(|| SHARED.get_or_init(|| Server::start("postgres")))
}

/// MariaDB, for all tests; nothing if the user leaves these tests out.
pub(crate) fn mariadb(test: &str) -> Option<&'static Server> {
    static SHARED: OnceLock<Server> = OnceLock::new();
    (!left_out(test, "mariadb")).then(|| SHARED.get_or_init(|| Server::start("mariadb")))
}

/// A server for one test that does something to it.
pub(crate) fn own(name: &'static str, test: &str) -> Option<Server> {
    (!left_out(test, name)).then(|| Server::start(name))
}

impl Server {
    fn start(name: &'static str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut server = Server { port: free_port(), name, folder, keeper: None };
        server.restart();
        server
    }

    /// Starts it with the data that it has, under the same port.
    pub(crate) fn restart(&mut self) {
        let script = repository().join("script/services");
        let (port, folder) = (self.port.to_string(), self.folder.path());
        let signal = if self.name == "postgres" { "QUIT" } else { "KILL" };
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER]).arg(script).args([self.name, &port]).arg(folder).arg(signal);
        self.keeper = Some(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("sh can be run"));
        self.wait();
    }

    #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
    fn wait(&mut self) {
        for _ in 0..START_MS_MAX / POLL_MS {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && self.try_sql(self.first_database(), "SELECT 1").is_ok()
            {
                return;
            }
            if let Some(status) = self.keeper.as_mut().and_then(|keeper| keeper.try_wait().unwrap()) {
                panic!("{} ended while it started ({status}); see {:?}", self.name, self.folder.path());
            }
            std::thread::sleep(Duration::from_millis(POLL_MS));
        }
        panic!("{} did not start in {START_MS_MAX} ms", self.name);
    }

    /// Where its data lies.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database that is there from the begin.
    pub(crate) fn first_database(&self) -> &'static str {
        if self.name == "postgres" { "postgres" } else { "flott" }
    }

    /// What a URL of a database begins with.
    pub(crate) fn url(&self, database: &str) -> String {
        let scheme = if self.name == "postgres" { "postgresql" } else { "mariadb" };
        format!("jdbc:{scheme}://127.0.0.1:{}/{database}", self.port)
    }

    /// Ends it without a warning to anybody.
    pub(crate) fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }

    /// The answer to statements, a line per row, by the database's own client.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Vec<String> {
        self.try_sql(database, sql).unwrap_or_else(|e| panic!("{sql}\n{e}"))
    }

    fn try_sql(&self, database: &str, sql: &str) -> Result<Vec<String>, String> {
        let mut command = match self.name {
            "postgres" => {
                let mut command = Command::new("psql");
                command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "-d", database]);
                command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
                command
            }
            _ => {
                let mut command = Command::new("mariadb");
                command.args(["--no-defaults", "-h", "127.0.0.1", "-P", &self.port.to_string(), "-uflott", "-pflott"]);
                command.args(["--default-character-set=utf8mb4", "-N", "-B", "-r", "-D", database, "-e", sql]);
                command
            }
        };
        let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(|line| line.replace('\t', "|")).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Nobody listens there now; whoever takes it meanwhile makes the test fail, not lie.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
