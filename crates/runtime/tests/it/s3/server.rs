//! An S3 server for a test, and a proxy before it that loses answers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flott_api::env::{Clock, Environment};
use flott_runtime::environment::{SystemClock, real};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The bucket that is there at the start.
pub(super) const BUCKET: &str = "flott-test";
/// The key that `script/services` gives the server.
pub(super) const S3_SECRET: &str = "flottflott";

/// Installing it may be part of the first start.
const START_MS_MAX: u64 = 20 * 60 * 1000;
const POLL_MS: u64 = 20;

/// A server with one empty bucket, for as long as this lives.
pub(super) struct Server {
    pub(super) port: u16,
    folder: tempfile::TempDir,
    process: Child,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether the user leaves these tests out. Said aloud, past the harness that swallows what tests print.
fn left_out(test: &str) -> bool {
    let without = std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default();
    let out = without.split_whitespace().any(|service| service == "s3");
    if out {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names s3\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    out
}

fn spawn(port: u16, folder: &Path) -> Child {
    let mut command = Command::new(repository().join("script/services"));
    command.args(["run", "s3", &port.to_string()]).arg(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().expect("script/services can be run")
}

impl Server {
    /// A running server; nothing if the user leaves these tests out.
    pub(super) async fn start(test: &str) -> Option<Self> {
        if left_out(test) {
            return None;
        }
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::create_dir_all(folder.path().join("buckets").join(BUCKET)).unwrap();
        let port = free_port().await;
        let mut server = Server { port, process: spawn(port, folder.path()), folder };
        server.wait().await;
        Some(server)
    }

    async fn wait(&mut self) {
        for _ in 0..START_MS_MAX / POLL_MS {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("the S3 server ended while it started ({status}); its error is above");
            }
            SystemClock::new().sleep_ms(POLL_MS).await;
        }
        panic!("the S3 server did not start in {START_MS_MAX} ms");
    }

    /// Kills it without a warning.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again with its data, under the same port.
    pub(super) async fn restart(&mut self) {
        self.process = spawn(self.port, self.folder.path());
        self.wait().await;
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
async fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
}

/// Hands requests on to a server, and answers back, unless it is told to lose them.
pub(super) struct Proxy {
    pub(super) port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    to_lose: AtomicUsize,
    lost: AtomicUsize,
}

impl Proxy {
    pub(super) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, faults, world) = (listener.local_addr().unwrap().port(), Arc::new(Faults::default()), real());
        let serve = serve(listener, to, Arc::clone(&faults), world.clone());
        world.spawner.spawn("proxy", Box::pin(serve)).detach();
        Proxy { port, faults }
    }

    /// The server gets the next requests, and its answers do not arrive: the connection breaks.
    pub(super) fn lose_answers(&self, count: usize) {
        self.faults.to_lose.store(count, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub(super) fn lost(&self) -> usize {
        self.faults.lost.load(Ordering::SeqCst)
    }
}

impl Faults {
    fn lose_one(&self) -> bool {
        let taken = self.to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        self.lost.fetch_add(usize::from(taken), Ordering::SeqCst);
        taken
    }
}

async fn serve(listener: TcpListener, to: u16, faults: Arc<Faults>, world: Environment) {
    while let Ok((client, _)) = listener.accept().await {
        let faults = Arc::clone(&faults);
        let relay = async move {
            if let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await {
                relay(client, server, &faults).await;
            }
        };
        world.spawner.spawn("connection", Box::pin(relay)).detach();
    }
}

/// Ends with the first side that ends, or with an answer that is to be lost.
async fn relay(mut client: TcpStream, mut server: TcpStream, faults: &Faults) {
    let (mut request, mut answer) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let moved = tokio::select! {
            read = client.read(&mut request) => match read {
                Ok(n) if n > 0 => server.write_all(&request[..n]).await,
                _ => return,
            },
            read = server.read(&mut answer) => match read {
                Ok(n) if n > 0 && !faults.lose_one() => client.write_all(&answer[..n]).await,
                _ => return,
            },
        };
        if moved.is_err() {
            return;
        }
    }
}
