//! Programs that are closures: what one answers to the bytes it gets, until it dies.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::program::{Channel, Program, Programs, RunningProgram, StartedProgram};

/// What a program does: it gets the bytes of each flush, and gives what it writes.
pub type Behaviour = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// Starts programs that behave as the test says.
pub struct FakePrograms {
    make: Box<dyn Fn(&Program) -> Behaviour + Send + Sync>,
    started: Mutex<Vec<(Program, Arc<FakeProgram>)>>,
    /// Each program dies at the flush of this number, counted from 1 over all programs; never if 0.
    dies_at: AtomicUsize,
    flushes: Arc<AtomicUsize>,
}

impl FakePrograms {
    /// Programs that `make` makes.
    pub fn new(make: impl Fn(&Program) -> Behaviour + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(FakePrograms {
            make: Box::new(make),
            started: Mutex::default(),
            dies_at: AtomicUsize::new(0),
            flushes: Arc::default(),
        })
    }

    /// The program that runs at this flush, counted from 1 over all programs, dies before it answers.
    pub fn die_at(&self, flush: usize) {
        self.dies_at.store(flush, Ordering::Relaxed);
    }

    /// What was started.
    pub fn started(&self) -> Vec<Program> {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.iter().map(|(program, _)| program.clone()).collect()
    }

    /// How many still run.
    pub fn running(&self) -> usize {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.iter().filter(|(_, program)| program.alive()).count()
    }
}

/// One of them.
struct FakeProgram {
    dead: AtomicBool,
}

impl FakeProgram {
    fn alive(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }
}

/// Ends the program when its owner lets go of it.
struct Owned(Arc<FakeProgram>);

impl RunningProgram for Owned {
    fn kill(&self) {
        self.0.dead.store(true, Ordering::Relaxed);
    }

    fn ended(&self) -> String {
        self.kill();
        "signal: 9 (SIGKILL)".to_owned()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Programs for FakePrograms {
    fn start(&self, program: &Program) -> io::Result<StartedProgram> {
        let running = Arc::new(FakeProgram { dead: AtomicBool::new(false) });
        let channel = FakeChannel {
            behaviour: (self.make)(program),
            program: Arc::clone(&running),
            dies_at: self.dies_at.load(Ordering::Relaxed),
            flushes: Arc::clone(&self.flushes),
            written: Vec::new(),
            answers: VecDeque::new(),
        };
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.push((program.clone(), Arc::clone(&running)));
        Ok(StartedProgram { channel: Box::new(channel), program: Arc::new(Owned(running)) })
    }
}

struct FakeChannel {
    behaviour: Behaviour,
    program: Arc<FakeProgram>,
    dies_at: usize,
    flushes: Arc<AtomicUsize>,
    written: Vec<u8>,
    answers: VecDeque<u8>,
}

impl Read for FakeChannel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.program.alive() && self.answers.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.answers.read(buffer)
    }
}

impl Write for FakeChannel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.program.alive() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flush = self.flushes.fetch_add(1, Ordering::Relaxed) + 1;
        if flush == self.dies_at {
            self.program.dead.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let written = std::mem::take(&mut self.written);
        self.answers.extend((self.behaviour)(&written));
        Ok(())
    }
}

impl Channel for FakeChannel {
    fn set_patience(&mut self, _millis: Option<u64>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_answers_until_it_is_told_to_die() {
        let programs = FakePrograms::new(|_| Box::new(<[u8]>::to_vec));
        programs.die_at(2);
        let mut started = programs.start(&Program::default()).unwrap();
        started.channel.write_all(b"abc").unwrap();
        started.channel.flush().unwrap();
        let mut answer = [0; 3];
        started.channel.read_exact(&mut answer).unwrap();
        assert_eq!((&answer, programs.running()), (b"abc", 1));
        started.channel.write_all(b"abc").unwrap();
        started.channel.flush().unwrap();
        let gone = started.channel.read_exact(&mut answer).unwrap_err();
        assert_eq!((gone.kind(), programs.running()), (io::ErrorKind::UnexpectedEof, 0));
    }
}
