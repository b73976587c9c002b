//! Servers that a measurement needs: `script/services` starts them, on loopback.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flott_api::{Error, Result};

/// The server may have to be fetched first.
const STARTS_MAX: u32 = 12_000;
const START_PAUSE: Duration = Duration::from_millis(100);

/// A server, until this is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Child,
    /// It ends with its input, and by itself.
    attended: bool,
}

impl Server {
    /// Starts Kafka with more lines for its settings, on these cores only.
    pub(crate) fn kafka(folder: &Path, settings: &[&str], starter: &[String]) -> Result<Self> {
        let port = free_port()?;
        let folder = folder.display().to_string();
        let arguments = ["attend", "kafka", &port.to_string(), &folder].map(str::to_owned);
        let arguments = arguments.into_iter().chain(settings.iter().map(|s| (*s).to_owned()));
        Self::start(port, arguments.collect(), starter)
    }

    /// Starts PostgreSQL.
    pub(crate) fn postgres(folder: &Path, starter: &[String]) -> Result<Self> {
        let port = free_port()?;
        let arguments = ["run", "postgres", &port.to_string(), &folder.display().to_string()].map(str::to_owned);
        Self::start(port, arguments.into(), starter)
    }

    fn start(port: u16, arguments: Vec<String>, starter: &[String]) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../script/services");
        let failed = |e: std::io::Error| Error::external("a server cannot be started").with_source(e);
        let mut command = match starter {
            [] => Command::new(script),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(script);
                command
            }
        };
        let attended = arguments.first().is_some_and(|way| way == "attend");
        let process = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(failed)?;
        let mut server = Server { port, process, attended };
        for _ in 0..STARTS_MAX {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.process.try_wait().map_err(failed)? {
                return Err(Error::external(format!("a server ended while it started ({status})")));
            }
            pause();
        }
        Err(Error::external("a server does not answer"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        if !self.attended {
            // It may have ended.
            _ = self.process.kill();
        }
        _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "servers live by the real clock")]
fn pause() {
    std::thread::sleep(START_PAUSE);
}

/// A port with a free one behind it.
fn free_port() -> Result<u16> {
    let failed = |e: std::io::Error| Error::external("there is no free port").with_source(e);
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).map_err(failed)?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
}
