//! The shell: without a terminal, and on one.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::flott::{flott, run_with_input};

#[test]
fn without_a_terminal_it_is_a_script() {
    let ran = run_with_input(&["sql"], "SELECT 1 AS a;\nHELP;\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("1 row in set"), "{ran:?}");
    assert!(ran.stdout.contains("SHOW JOBS"), "{ran:?}");
    let ran = run_with_input(&["sql"], "SELECT nope;\nSELECT 1;");
    assert_eq!(ran.code, Some(2));
}

/// The shell on a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    ours: File,
    seen: String,
    /// Where the history lies.
    home: tempfile::TempDir,
}

#[expect(unsafe_code, reason = "the standard library opens no terminals")]
fn open_terminal() -> (OwnedFd, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    let null = std::ptr::null_mut();
    // SAFETY: all pointers are to living variables or null, and on success both descriptors are new and ours.
    unsafe {
        assert_eq!(libc::openpty(&mut ours, &mut theirs, null, null.cast(), (&raw const size).cast_mut()), 0);
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}

/// The child gets a session of its own, whose terminal its standard input is, so that Ctrl-C reaches it.
#[expect(unsafe_code, reason = "the standard library makes no sessions")]
fn take_terminal(command: &mut Command) {
    // SAFETY: between fork and exec only two system calls happen.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY, 0);
            Ok(())
        });
    }
}

/// Whether something can be read within a while.
#[expect(unsafe_code, reason = "the standard library does not wait for descriptors")]
fn can_read(file: &File) -> bool {
    let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure, which lives here.
    unsafe { libc::poll(&mut poll, 1, 100) > 0 }
}

impl Terminal {
    fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let (ours, theirs) = open_terminal();
        let home = tempfile::tempdir().unwrap();
        let mut command = flott(&["sql"]);
        command.args(arguments);
        let their = || Stdio::from(theirs.try_clone().unwrap());
        command.stdin(their()).stdout(their()).stderr(their());
        command.env("TERM", "xterm").env("XDG_STATE_HOME", home.path());
        take_terminal(&mut command);
        let child = command.spawn().unwrap();
        Terminal { child, ours: File::from(ours), seen: String::new(), home }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until a text is seen; what was seen before it is forgotten.
    pub(crate) fn expect(&mut self, text: &str) {
        for _ in 0..200 {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            self.read();
        }
        panic!("'{text}' does not come, but: {:?}", self.seen);
    }

    /// The next characters.
    pub(crate) fn take(&mut self, count: usize) -> String {
        for _ in 0..200 {
            if self.seen.len() >= count {
                return self.seen.drain(..count).collect();
            }
            self.read();
        }
        panic!("{count} characters do not come, but: {:?}", self.seen);
    }

    fn read(&mut self) {
        let mut bytes = [0; 4096];
        if !can_read(&self.ours) {
            return;
        }
        // Reading fails when the other side has closed.
        let n = self.ours.read(&mut bytes).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..n]);
        // A line editor asks where the cursor is.
        if text.contains("\x1b[6n") {
            self.ours.write_all(b"\x1b[1;1R").unwrap();
        }
        self.seen.push_str(&text);
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            // Reading does not wait once the other side has closed.
            self.read();
            std::thread::park_timeout(Duration::from_millis(20));
        }
        panic!("it does not end, but: {:?}", self.seen);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn on_a_terminal_it_reads_shows_and_ends() {
    let mut terminal = Terminal::start();
    terminal.expect("HELP shows the commands");
    terminal.press("SELECT 1\r");
    terminal.press("+ 41 AS answer;\r");
    terminal.expect("          42 |");
    terminal.expect("1 row in set");
    terminal.press("SELECT nope;\r");
    terminal.expect("error:");
    terminal.expect("<input>:1:8");
    terminal.press("quit\r");
    assert_eq!(terminal.exit_code(), Some(0));
    let history = std::fs::read_to_string(terminal.home.path().join("flott/history.sql")).unwrap();
    assert!(history.contains("AS answer;") && history.contains("SELECT nope;"), "{history}");
}

#[test]
fn ctrl_c_cancels_the_query_and_not_the_shell() {
    let mut terminal = Terminal::start();
    terminal.press("CREATE TABLE endless (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20');\r");
    terminal.expect("succeeded");
    for _ in 0..2 {
        terminal.press("SELECT n FROM endless;\r");
        terminal.expect("| +I |");
        terminal.press("\u{3}");
        terminal.expect("Query terminated, received a total of ");
    }
    terminal.press("CREATE TABLE nothing (n BIGINT) WITH ('connector' = 'blackhole');\r");
    terminal.expect("succeeded");
    terminal.press("INSERT INTO nothing SELECT n FROM endless;\r");
    terminal.expect("Job ID: ");
    terminal.press("SHOW JOBS;\r");
    terminal.expect("RUNNING");
    terminal.press("SELECT 'still here';\r");
    terminal.expect("still here |");
    // Before the prompt is there, the system would read the key itself.
    terminal.expect("Flott SQL");
    terminal.press("\u{4}");
    assert_eq!(terminal.exit_code(), Some(0));
}
