//! `flott sql`: the interactive shell.
//!
//! Statements may span lines and end with `;`. Ctrl-C takes back what is being typed, or cancels the query that runs; jobs of
//! `INSERT`s go on until they end, are stopped, or the shell is left. The history lies in the user's state directory.

mod complete;
mod highlight;
mod prompt;
mod tokens;
mod words;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use flott_api::{Error, Result};
use reedline::{
    ColumnarMenu, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder, Reedline, ReedlineEvent, ReedlineMenu,
    Signal, default_emacs_keybindings,
};

use crate::client::{Client, Step};
use crate::exit::Exit;
use crate::script::Script;
use complete::{SqlCompleter, Vocabulary};
use highlight::SqlHighlighter;
use prompt::{SqlPrompt, WholeStatement};

/// How many statements the history keeps.
const HISTORY_MAX: usize = 10_000;
/// The completion menu's name within reedline.
const MENU: &str = "completion";

/// What `HELP` says.
pub const HELP: &str = "\
Every statement of Flink SQL that Flott supports can be typed here, and ends with ';'. Besides:

  HELP                       shows this
  CLEAR                      clears the screen
  QUIT, EXIT                 leaves the shell; jobs that still run are cancelled
  SET 'key' = 'value'        sets an option; SET alone lists those that are set
  RESET 'key'                takes it back; RESET alone takes all back
  SHOW JOBS                  lists the jobs of this session
  DESCRIBE JOB 'id'          shows one
  STOP JOB 'id'              cancels one

SET 'sql-client.execution.result-mode' = 'CHANGELOG' shows a line a change, 'TABLEAU' a table.
Ctrl-C cancels the query that runs, Tab completes, Ctrl-R searches the history.
";

/// Whether somebody sits at the other end of standard input.
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal()
}

/// Reads and executes statements until the user leaves.
///
/// # Errors
/// If the terminal cannot be used. A wrong statement is shown, and the shell goes on.
pub async fn run(mut client: Client) -> Result<Exit> {
    let vocabulary = Arc::new(Mutex::new(Vocabulary::of(client.session())));
    let mut editor = editor(&client, &vocabulary);
    client.screen().say("Flott SQL. HELP shows the commands; statements end with ';'.\n");
    loop {
        client.screen().edited(true);
        let read = editor.read_line(&SqlPrompt);
        client.screen().edited(false);
        match read.map_err(|e| Error::external("the terminal cannot be read").with_source(e))? {
            Signal::Success(text) => {
                if let Err(e) = editor.sync_history() {
                    client.screen().warning(&format!("the history cannot be written: {e}"));
                }
                let step = execute(&mut client, &text).await;
                client.interrupts().rearm();
                if step == Step::Quit {
                    break;
                }
                *vocabulary.lock().unwrap_or_else(PoisonError::into_inner) = Vocabulary::of(client.session());
            }
            Signal::CtrlD => break,
            _ => {}
        }
    }
    client.cancel_jobs().await;
    Ok(Exit::Done)
}

/// Executes all statements of a text; the first mistake ends it.
async fn execute(client: &mut Client, text: &str) -> Step {
    let script = Script { name: "<input>".to_owned(), text: text.to_owned() };
    let statements = match script.parse(client.session().configuration()) {
        Ok(statements) => statements,
        Err(error) => {
            client.screen().error(&error, Some(script.source()), client.is_verbose());
            return Step::Next;
        }
    };
    // A Ctrl-C that came before is not meant for these.
    client.interrupts().rearm();
    for parsed in &statements {
        match client.execute(&parsed.statement).await {
            Ok(Step::Next) => {}
            Ok(step) => return step,
            Err(failure) => {
                client.screen().error(&failure.error, Some(script.source()), client.is_verbose());
                return Step::Next;
            }
        }
    }
    Step::Next
}

fn editor(client: &Client, vocabulary: &Arc<Mutex<Vocabulary>>) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let complete = ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    let colour = client.screen().terminal().colour;
    let mut editor = Reedline::create()
        .with_validator(Box::new(WholeStatement))
        .with_completer(Box::new(SqlCompleter { vocabulary: Arc::clone(vocabulary) }))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(ColumnarMenu::default().with_name(MENU))))
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_ansi_colors(colour);
    if colour {
        editor = editor.with_highlighter(Box::new(SqlHighlighter));
    }
    match history() {
        Ok(history) => editor.with_history(Box::new(history)),
        Err(error) => {
            client.screen().warning(&error.to_string());
            editor
        }
    }
}

fn history() -> Result<FileBackedHistory> {
    let file = state_directory()
        .ok_or_else(|| Error::external("the history is not kept: neither XDG_STATE_HOME nor HOME is set"))?
        .join("history.sql");
    FileBackedHistory::with_file(HISTORY_MAX, file)
        .map_err(|e| Error::external("the history cannot be read").with_source(e))
}

/// `$XDG_STATE_HOME/flott`, or `~/.local/state/flott`.
fn state_directory() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("flott"))
}
