//! The user's terminal: results on standard output, everything else on standard error, and a line of progress that steps
//! aside whenever something is written.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use flott_api::env::{Console, ConsoleState};
use flott_api::{Error, Result};

use crate::report::{self, SourceText};

/// Erases the line that the cursor is on.
const ERASE_LINE: &str = "\r\x1b[2K";

/// What a terminal can and may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether errors and logs may be coloured.
    pub colour: bool,
    /// Whether a line of progress may be shown.
    pub progress: bool,
    /// Whether standard output is a terminal.
    pub stdout: bool,
}

impl Terminal {
    /// Of this process: colours and progress only on a terminal, and no colour where `NO_COLOR` is set.
    pub fn detect() -> Self {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Terminal { colour: terminal && !no_colour, progress: terminal, stdout: std::io::stdout().is_terminal() }
    }
}

/// The terminal of this process. Also the console of jobs, so that the `print` connector and the line of progress do not
/// mix.
pub struct Screen {
    console: Arc<dyn Console>,
    terminal: Terminal,
    has_progress: AtomicBool,
    is_edited: AtomicBool,
}

impl Screen {
    /// A screen on that console.
    pub fn new(console: Arc<dyn Console>, terminal: Terminal) -> Self {
        Screen { console, terminal, has_progress: AtomicBool::new(false), is_edited: AtomicBool::new(false) }
    }

    /// What it can do.
    pub fn terminal(&self) -> Terminal {
        self.terminal
    }

    /// Whether a line editor has the terminal now: a line break alone then does not return to the first column.
    pub fn edited(&self, is_edited: bool) {
        self.is_edited.store(is_edited, Ordering::Relaxed);
    }

    fn lines(&self, lines: Bytes, on_terminal: bool) -> Bytes {
        if !on_terminal || !self.is_edited.load(Ordering::Relaxed) {
            return lines;
        }
        let mut returned = b"\r".to_vec();
        for line in lines.split_inclusive(|b| *b == b'\n') {
            returned.extend_from_slice(line);
            returned.push(b'\r');
        }
        returned.into()
    }

    /// Writes results.
    ///
    /// # Errors
    /// If standard output cannot be written, other than because its reader has gone.
    pub fn show(&self, text: String) -> Result<ConsoleState> {
        match text.is_empty() {
            true => Ok(ConsoleState::Open),
            false => self.stdout(Bytes::from(text)),
        }
    }

    /// Says something beside the results, in whole lines.
    pub fn say(&self, text: impl Into<String>) {
        // Nobody is left to be told that nobody listens.
        drop(self.stderr(Bytes::from(text.into())));
    }

    /// Reports an error.
    pub fn error(&self, error: &Error, source: Option<SourceText<'_>>, verbose: bool) {
        self.say(self.paint("error:", "31", report::error(error, source, verbose)));
    }

    /// Reports a warning.
    pub fn warning(&self, text: &str) {
        self.say(self.paint("warning:", "33", report::warning(text)));
    }

    fn paint(&self, word: &str, colour: &str, text: String) -> String {
        match text.strip_prefix(word) {
            Some(rest) if self.terminal.colour => format!("\x1b[1;{colour}m{word}\x1b[0m{rest}"),
            _ => text,
        }
    }

    /// Shows a line of progress in the place of the last one.
    pub fn progress(&self, line: &str) {
        if self.terminal.progress {
            self.has_progress.store(true, Ordering::Relaxed);
            drop(self.console.stderr(Bytes::from(format!("{ERASE_LINE}{line}"))));
        }
    }

    /// Takes the line of progress away.
    pub fn clear_progress(&self) {
        if self.has_progress.swap(false, Ordering::Relaxed) {
            drop(self.console.stderr(Bytes::from_static(ERASE_LINE.as_bytes())));
        }
    }
}

impl Console for Screen {
    fn stdout(&self, lines: Bytes) -> Result<ConsoleState> {
        self.clear_progress();
        self.console.stdout(self.lines(lines, self.terminal.stdout))
    }

    fn stderr(&self, lines: Bytes) -> Result<ConsoleState> {
        self.clear_progress();
        self.console.stderr(self.lines(lines, self.terminal.progress))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Recorder(Mutex<String>);

    impl Recorder {
        fn put(&self, name: &str, lines: &Bytes) -> Result<ConsoleState> {
            self.0.lock().unwrap().push_str(&format!("{name}:{}|", String::from_utf8_lossy(lines)));
            Ok(ConsoleState::Open)
        }
    }

    impl Console for Recorder {
        fn stdout(&self, lines: Bytes) -> Result<ConsoleState> {
            self.put("out", &lines)
        }

        fn stderr(&self, lines: Bytes) -> Result<ConsoleState> {
            self.put("err", &lines)
        }
    }

    fn screen(terminal: Terminal) -> (Arc<Recorder>, Screen) {
        let recorder = Arc::new(Recorder::default());
        (Arc::clone(&recorder), Screen::new(recorder, terminal))
    }

    #[test]
    fn progress_steps_aside() {
        let (seen, screen) = screen(Terminal { progress: true, ..Terminal::default() });
        screen.progress("5 rows");
        screen.show("x\n".into()).unwrap();
        screen.show("y\n".into()).unwrap();
        assert_eq!(*seen.0.lock().unwrap(), "err:\r\x1b[2K5 rows|err:\r\x1b[2K|out:x\n|out:y\n|");
    }

    #[test]
    fn lines_return_to_the_first_column_while_a_line_is_edited() {
        let (seen, screen) = screen(Terminal { stdout: true, ..Terminal::default() });
        screen.edited(true);
        screen.show("a\nb\n".into()).unwrap();
        screen.say("c\n");
        screen.edited(false);
        screen.show("d\n".into()).unwrap();
        assert_eq!(*seen.0.lock().unwrap(), "out:\ra\n\rb\n\r|err:c\n|out:d\n|");
    }

    #[test]
    fn off_a_terminal_there_is_neither_progress_nor_colour() {
        let (seen, quiet) = screen(Terminal::default());
        quiet.progress("5 rows");
        quiet.warning("w");
        assert_eq!(*seen.0.lock().unwrap(), "err:warning: w\n|");
        let (seen, coloured) = screen(Terminal { colour: true, ..Terminal::default() });
        coloured.warning("w");
        assert_eq!(*seen.0.lock().unwrap(), "err:\x1b[1;33mwarning:\x1b[0m w\n|");
    }
}
