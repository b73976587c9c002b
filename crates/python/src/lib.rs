//! Functions in Python, in a process beside the job: what PyFlink users have written, unedited.
//!
//! [`PythonHost`] asks a short-lived process what a function is, and starts one for each subtask that calls functions
//! (`process`). Both run our side of Python, which lies in `src/worker/` and in the binary: a loop over frames (`frame`), and what
//! functions are declared with, where PyFlink is not installed. Columns go both ways as Arrow IPC.
//!
//! What went wrong there comes as a report (`report`), which says who must act and has no value of a row. A process that is gone
//! is an error of the world outside that a restart may mend.

mod connection;
mod describe;
mod frame;
mod host;
mod opening;
mod process;
mod report;
mod settings;
mod types;

pub use host::PythonHost;
pub use settings::{CLIENT_VARIABLE, Defaults, VARIABLE};
