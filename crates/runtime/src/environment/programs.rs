//! Programs of this machine, each in a process group that ends with this process.
//!
//! A program gets one end of a pair of sockets as its standard input; its other output is read by a thread and logged in the
//! span of whoever has started it.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use flott_api::program::{Channel, Program, Programs, RunningProgram, StartedProgram};

/// A longer line of the log is cut in pieces of this.
const LINE_BYTES_MAX: usize = 8192;
/// A program whose channel has ended gets so long to end itself.
const END_MS_MAX: u64 = 2000;
const POLL_MS: u64 = 5;
/// So many starts wait at most; the next one waits for them.
const STARTS_MAX: usize = 16;

/// Starts programs of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalPrograms;

impl LocalPrograms {
    /// Nothing runs yet.
    pub fn new() -> Self {
        LocalPrograms
    }
}

impl Programs for LocalPrograms {
    fn start(&self, program: &Program) -> io::Result<StartedProgram> {
        let (ours, theirs) = UnixStream::pair()?;
        let (lines, output) = io::pipe()?;
        let mut command = Command::new(&program.path);
        if !program.inherits {
            command.env_clear();
        }
        command.args(&program.arguments).envs(program.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(OwnedFd::from(theirs)).stdout(output.try_clone()?).stderr(output).process_group(0);
        if let Some(folder) = &program.folder {
            command.current_dir(folder);
        }
        bind(&mut command, program.memory_bytes_max);
        let child = start_by_lasting_thread(command)?;
        let running = Running { child: Mutex::new(child) };
        log_lines(program.name.clone(), lines)?;
        Ok(StartedProgram { channel: Box::new(SocketChannel(ours)), program: Arc::new(running) })
    }
}

/// The end of the thread that has started a program counts as the end of its parent (`prctl(2)`), and threads for blocking
/// work come and go: so one thread, which stays as long as the process does, starts all of them.
fn start_by_lasting_thread(command: Command) -> io::Result<Child> {
    type Start = Box<dyn FnOnce() + Send>;
    static STARTER: OnceLock<SyncSender<Start>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, receiver) = sync_channel::<Start>(STARTS_MAX);
        thread("flott-programs", move || receiver.iter().for_each(|start| start())).unwrap_or_default();
        sender
    });
    let (sender, receiver) = sync_channel(1);
    let mut command = command;
    // The command goes with it: it holds the program's ends of socket and pipe, which must not stay open here.
    let start: Start = Box::new(move || drop(sender.send(command.spawn())));
    let gone = |_| io::Error::other("the thread that starts programs is gone");
    starter.send(start).map_err(|_| gone(()))?;
    receiver.recv().map_err(|_| gone(()))?
}

#[expect(clippy::disallowed_methods, reason = "these threads wait for programs, and end with them or with the process")]
fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Binds a program's life to that of this process, and its address space to a size.
#[expect(unsafe_code, reason = "the standard library sets neither")]
fn bind(command: &mut Command, memory_bytes_max: Option<u64>) {
    let parent = std::process::id();
    // SAFETY: between fork and exec only calls are made that may be made there (signal-safety(7)), and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            if let Some(bytes) = memory_bytes_max {
                let limit = libc::rlimit { rlim_cur: bytes as libc::rlim_t, rlim_max: bytes as libc::rlim_t };
                if libc::setrlimit(libc::RLIMIT_AS, &raw const limit) != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            end_with_parent(parent)
        });
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library does not bind a process to its parent")]
fn end_with_parent(parent: u32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    let (bound, now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
    // It may have gone in between, and then nobody would send the signal.
    if bound == 0 && u32::try_from(now) == Ok(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
}

/// Elsewhere a program ends because its channel does.
#[cfg(not(target_os = "linux"))]
fn end_with_parent(_parent: u32) -> io::Result<()> {
    Ok(())
}

fn log_lines(name: String, mut lines: PipeReader) -> io::Result<()> {
    let span = tracing::Span::current();
    thread("flott-program-log", move || {
        let _in_span = span.entered();
        let (mut line, mut buffer) = (Vec::new(), [0; LINE_BYTES_MAX]);
        while let Ok(count @ 1..) = lines.read(&mut buffer) {
            for byte in &buffer[..count] {
                if *byte != b'\n' {
                    line.push(*byte);
                }
                if *byte == b'\n' || line.len() == LINE_BYTES_MAX {
                    log_line(&name, &mut line);
                }
            }
        }
        if !line.is_empty() {
            log_line(&name, &mut line);
        }
    })
}

fn log_line(name: &str, line: &mut Vec<u8>) {
    tracing::info!(program = name, "{}", String::from_utf8_lossy(line));
    line.clear();
}

struct SocketChannel(UnixStream);

impl Read for SocketChannel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for SocketChannel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Channel for SocketChannel {
    fn set_patience(&mut self, millis: Option<u64>) -> io::Result<()> {
        // The system reads zero as no bound.
        let bound = millis.map(|millis| Duration::from_millis(millis.max(1)));
        self.0.set_read_timeout(bound)?;
        self.0.set_write_timeout(bound)
    }
}

struct Running {
    child: Mutex<Child>,
}

impl RunningProgram for Running {
    fn kill(&self) {
        end(&mut self.child.lock().unwrap_or_else(PoisonError::into_inner));
    }

    #[expect(clippy::disallowed_methods, reason = "it waits for a process of the machine, which knows no other clock")]
    fn ended(&self) -> String {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..END_MS_MAX / POLL_MS {
            match child.try_wait() {
                Ok(Some(status)) => {
                    kill_group(&child);
                    return status.to_string();
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(POLL_MS)),
                Err(e) => return e.to_string(),
            }
        }
        end(&mut child);
        "killed, since it had closed its channel and ran on".to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(self.child.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Kills the group of a program, and takes its exit status, without which the system would remember it.
fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        kill_group(child);
        child.wait().map(drop).unwrap_or_default();
    }
}

#[expect(unsafe_code, reason = "the standard library kills no groups")]
fn kill_group(child: &Child) {
    if let Ok(group) = libc::pid_t::try_from(child.id()) {
        // SAFETY: no memory is passed. That the group is gone is no error here.
        let _gone: libc::c_int = unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

#[cfg(test)]
mod tests;
