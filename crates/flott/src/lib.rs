//! The binary's parts: plugin lists, configuration, the command line and the shell.
//!
//! Only this crate knows every other one. Reading order: [`cli`] (what happens in which order), [`arguments`] (what the user
//! typed), [`settings`] (how it is set), [`plugins`] (what there is), [`client`] (executing statements, with [`jobs`] and
//! [`collect`]), [`script`] and [`shell`] (where statements come from), [`output`] and [`screen`] (showing rows), [`state`]
//! (looking into checkpoints).

pub mod allocator;
pub mod arguments;
pub mod cli;
pub mod client;
pub mod collect;
pub mod exit;
pub mod interrupts;
#[cfg(feature = "jdbc")]
mod jdbc_catalog;
pub mod jobs;
pub mod listing;
pub mod logs;
pub mod output;
pub mod plugins;
pub mod progress;
pub mod report;
pub mod screen;
pub mod script;
pub mod settings;
pub mod shell;
pub mod state;
