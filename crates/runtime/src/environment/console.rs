//! The terminal: whole lines to standard output and standard error.
//!
//! Each call writes under a lock, so lines of several subtasks never mix. Standard output is
//! flushed with each call: an idle pipeline shows its rows at once, and a loaded one calls once a
//! batch.

use std::io::{self, Write};

use bytes::Bytes;
use flott_api::env::{Console, ConsoleState};
use flott_api::{Error, Result};

/// The terminal of this process.
#[derive(Debug, Default)]
pub struct Terminal {}

impl Terminal {
    /// The terminal.
    pub fn new() -> Self {
        Terminal {}
    }
}

impl Console for Terminal {
    fn stdout(&self, lines: Bytes) -> Result<ConsoleState> {
        write_all(&mut io::stdout().lock(), &lines, "standard output")
    }

    fn stderr(&self, lines: Bytes) -> Result<ConsoleState> {
        write_all(&mut io::stderr().lock(), &lines, "standard error")
    }
}

fn write_all(out: &mut dyn Write, lines: &[u8], name: &str) -> Result<ConsoleState> {
    match out.write_all(lines).and_then(|()| out.flush()) {
        Ok(()) => Ok(ConsoleState::Open),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(ConsoleState::Closed),
        Err(e) => Err(Error::external(format!("{name} cannot be written")).with_source(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
        let state = write_all(&mut Failing(io::ErrorKind::BrokenPipe), b"a\n", "x").unwrap();
        assert_eq!(state, ConsoleState::Closed);
        let error = write_all(&mut Failing(io::ErrorKind::StorageFull), b"a\n", "standard output").unwrap_err();
        assert_eq!(error.message(), "standard output cannot be written");
        let mut out = Vec::new();
        assert_eq!(write_all(&mut out, b"a\n", "x").unwrap(), ConsoleState::Open);
        assert_eq!(out, b"a\n");
    }
}
