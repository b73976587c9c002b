//! The real world: the machine's clock, randomness, tokio's tasks, local files and the terminal.
//!
//! This folder is the one place that touches them; everybody else takes
//! [`Environment`]. [`real`] must be called within a tokio runtime, whose worker threads are the
//! cores that jobs may use.

mod clock;
mod console;
mod files;
mod objects;
mod random;
mod spawner;

use std::sync::Arc;

use flott_api::env::Environment;

pub use clock::SystemClock;
pub use console::Terminal;
pub use files::{LocalFileSystem, LocalFiles};
pub use objects::Objects;
pub use random::SeededRandom;
pub use spawner::TokioSpawner;

/// The real environment.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn real() -> Environment {
    Environment {
        clock: Arc::new(SystemClock::new()),
        rng: Arc::new(SeededRandom::from_system()),
        spawner: Arc::new(TokioSpawner::current()),
        files: Arc::new(LocalFiles::new()),
        objects: Arc::new(Objects::default()),
        console: Arc::new(Terminal::new()),
    }
}
