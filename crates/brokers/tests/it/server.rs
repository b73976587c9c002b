//! Servers for tests: one of a kind that all tests of this binary share, and ones that a test may kill.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Installing it may be part of the first start.
const START_MS_MAX: u64 = 5 * 60 * 1000;
const POLL_MS: u64 = 20;
/// What a server does in the end, it has done by then, however busy the machine is.
const WAIT_MS_MAX: u64 = 60_000;

/// A server, for as long as this lives, and no longer than the process.
pub(crate) struct Server {
    pub(crate) port: u16,
    name: &'static str,
    folder: tempfile::TempDir,
    settings: Vec<String>,
    attendant: Option<Child>,
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

/// Redis, for all tests; nothing if the user leaves these tests out.
pub(crate) fn redis(test: &str) -> Option<&'static Server> {
    static SHARED: OnceLock<Server> = OnceLock::new();
    (!left_out(test, "redis")).then(|| SHARED.get_or_init(|| Server::start("redis", &[])))
}

/// RabbitMQ, for all tests, with queues `q0` to `q29`, and `small`, which refuses more than 40 messages; nothing if the user leaves these tests out.
pub(crate) fn rabbitmq(test: &str) -> Option<&'static Server> {
    static SHARED: OnceLock<Server> = OnceLock::new();
    (!left_out(test, "rabbitmq")).then(|| SHARED.get_or_init(|| Server::start("rabbitmq", &definitions())))
}

/// Settings of a broker that has queues, and a user of its own.
pub(crate) fn definitions() -> Vec<String> {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let file = folder.path().join("definitions.json");
    let queue =
        |n: u32| format!(r#"{{"name":"q{n}","vhost":"/","durable":true,"auto_delete":false,"arguments":{{}}}}"#);
    let mut queues: Vec<String> = (0..30).map(queue).collect();
    let limits = r#"{"x-max-length":40,"x-overflow":"reject-publish"}"#;
    queues.push(queue(30).replace("{}", limits).replace("q30", "small"));
    let text = format!(
        r#"{{"vhosts":[{{"name":"/"}}],
            "users":[{{"name":"guest","password":"guest","tags":"administrator"}}],
            "permissions":[{{"user":"guest","vhost":"/","configure":".*","write":".*","read":".*"}}],
            "queues":[{}]}}"#,
        queues.join(",")
    );
    std::fs::write(&file, text).unwrap();
    vec![format!("load_definitions = {}", file.display())]
}

/// Mosquitto, for all tests; nothing if the user leaves these tests out.
pub(crate) fn mosquitto(test: &str) -> Option<&'static Server> {
    static SHARED: OnceLock<Server> = OnceLock::new();
    (!left_out(test, "mosquitto")).then(|| SHARED.get_or_init(|| Server::start("mosquitto", &[])))
}

/// NATS, for all tests; nothing if the user leaves these tests out.
pub(crate) fn nats(test: &str) -> Option<&'static Server> {
    static SHARED: OnceLock<Server> = OnceLock::new();
    (!left_out(test, "nats")).then(|| SHARED.get_or_init(|| Server::start("nats", &[])))
}

/// Pulsar, for all tests; nothing if the user leaves these tests out. `ready` says what keeps the server from its work, once
/// for all tests: the others do not wait again for a server that does not come.
pub(crate) fn pulsar(test: &str, ready: impl FnOnce(&Server) -> Result<(), String>) -> Option<&'static Server> {
    static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
    let start = || {
        let server = Server::start("pulsar", &[]);
        ready(&server).map(|()| server)
    };
    (!left_out(test, "pulsar")).then(|| SHARED.get_or_init(start).as_ref().unwrap_or_else(|why| panic!("{why}")))
}

/// A server for one test that does something to it, with more lines of settings.
pub(crate) fn own(name: &'static str, test: &str, settings: &[String]) -> Option<Server> {
    (!left_out(test, name)).then(|| Server::start(name, settings))
}

impl Server {
    fn start(name: &'static str, settings: &[String]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let settings = settings.to_vec();
        let mut server = Server { port: free_ports(), name, folder, settings, attendant: None };
        server.restart();
        server
    }

    /// Starts it with the data that it has, under the same port.
    pub(crate) fn restart(&mut self) {
        let mut command = Command::new(repository().join("script/services"));
        command.args(["attend", self.name, &self.port.to_string()]).arg(self.folder()).args(&self.settings);
        self.attendant = Some(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
        self.wait();
    }

    #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
    fn wait(&mut self) {
        for _ in 0..START_MS_MAX / POLL_MS {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            if let Some(status) = self.attendant.as_mut().and_then(|attendant| attendant.try_wait().unwrap()) {
                panic!("{} ended while it started ({status}); see {:?}", self.name, self.folder());
            }
            std::thread::sleep(Duration::from_millis(POLL_MS));
        }
        panic!("{} did not start in {START_MS_MAX} ms", self.name);
    }

    /// Where its data lies.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it has written down.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("server.log")).unwrap_or_default()
    }

    /// The last error of that.
    pub(crate) fn complaint(&self) -> String {
        let log = self.log();
        log.lines().rfind(|line| line.contains(" ERROR ")).unwrap_or("the server complains of nothing").to_owned()
    }

    /// Ends it without a warning to anybody.
    pub(crate) fn kill(&mut self) {
        if let Some(mut attendant) = self.attendant.take() {
            drop(attendant.stdin.take());
            attendant.wait().unwrap();
            let alive = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            (0..250).take_while(|_| alive()).for_each(|_| pause(POLL_MS));
            assert!(!alive(), "the server is dead");
        }
    }

    /// Runs something while the server is there and says nothing for a while, as one that is overloaded.
    pub(crate) fn stalled(&self, millis: u64, work: impl FnOnce() + Send) {
        self.signal("STOP");
        std::thread::scope(|scope| {
            let working = scope.spawn(work);
            pause(millis);
            self.signal("CONT");
            working.join().unwrap();
        });
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder().join("pid")).unwrap();
        let script = format!("kill -{name} -- -{}", pid.trim());
        assert!(Command::new("bash").args(["-c", &script]).status().unwrap().success());
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(&mut self) {
        let pid = std::fs::read_to_string(self.folder().join("pid")).unwrap();
        let script = "kill -TERM -- -\"$0\"; while kill -0 \"$0\" 2>/dev/null; do sleep 0.02; done";
        let ended = Command::new("timeout").args(["20", "bash", "-c", script, pid.trim()]).status().unwrap();
        assert!(ended.success(), "the server does not end");
        self.kill();
    }

    /// How many messages of a queue wait for a reader, and how many readers it has. Those that a dead reader had wait again
    /// when it is no reader any more.
    pub(crate) fn queue(&self, name: &str) -> (u32, u32) {
        let mut line = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        line.write_all(b"AMQP\0\0\x09\x01").unwrap();
        let name_field = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        let asked: [(u16, u16, &[u8]); 5] = [
            (10, 11, b"\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US"),
            (10, 31, b"\0\x10\0\x02\0\0\0\0"),
            (10, 40, b"\x01/\0\0"),
            (20, 10, b"\0"),
            (50, 10, &[b"\0\0", &*name_field, b"\x01\0\0\0\0"].concat()),
        ];
        for (class, method, fields) in asked {
            // The broker answers a choice of its settings with none.
            if (class, method) != (10, 40) {
                amqp_answer(&mut line);
            }
            let channel = u16::from(class > 10);
            let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), fields].concat();
            let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
            line.write_all(&[&[1], &channel.to_be_bytes()[..], &length, &payload, &[0xCE]].concat()).unwrap();
        }
        let answer = amqp_answer(&mut line);
        assert_eq!(answer[..4], [0, 50, 0, 11], "the broker tells of queue '{name}'");
        let numbers = &answer[4 + name_field.len()..];
        let number = |at: usize| u32::from_be_bytes(numbers[at..at + 4].try_into().unwrap());
        (number(0), number(4))
    }

    /// What the server's own client says to arguments, a line each.
    pub(crate) fn redis_cli(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]).args(arguments).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
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

/// The payload of the next frame.
fn amqp_answer(line: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 7];
    line.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes(head[3..].try_into().unwrap()) as usize;
    let mut payload = vec![0; length + 1];
    line.read_exact(&mut payload).unwrap();
    payload
}

/// Four ports in a row that nobody listens on now; whoever takes them meanwhile makes the test fail, not lie.
fn free_ports() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    for _ in 0..100 {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        if port < u16::MAX - 3 && (1..=3).all(|more| free(port + more)) {
            return port;
        }
    }
    panic!("there are no four free ports in a row");
}

/// A key and a certificate that it has signed itself.
pub(crate) fn certificate(folder: &Path, name: &str) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=flott"]);
    command
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(folder.join(format!("{name}.key")));
    command.arg("-out").arg(folder.join(format!("{name}.crt"))).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
}

/// Takes connections and says nothing, ever.
pub(crate) fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..WAIT_MS_MAX / POLL_MS {
        if so() {
            return;
        }
        pause(POLL_MS);
    }
    panic!("not within {WAIT_MS_MAX} ms: {what}");
}

/// A while of the real clock, by which servers live.
pub(crate) fn pause(millis: u64) {
    #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
    std::thread::sleep(Duration::from_millis(millis));
}
