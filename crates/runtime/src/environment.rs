//! The real world: the machine's clock, randomness, tokio's tasks, local files, programs and the terminal.
//!
//! This folder is the one place that touches them; everybody else takes
//! [`Environment`]. [`real`] must be called within a tokio runtime, whose worker threads are as
//! many as the cores that jobs may use: so many threads are started for subtasks, too.

mod clock;
mod console;
mod cores;
mod files;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_server;
mod memory;
#[cfg(feature = "http")]
mod network;
mod objects;
mod programs;
mod random;
mod spawner;

use std::collections::BTreeMap;
use std::sync::Arc;

use flott_api::env::{Clock, Environment, Rng, Spawner};
use flott_api::function::FunctionHosts;
use flott_api::http::Http;
use flott_api::model::ModelProviders;
use flott_api::net::Network;

pub use clock::SystemClock;
pub use console::Terminal;
pub use files::{LocalFileSystem, LocalFiles};
#[cfg(feature = "http")]
pub use http::HttpConnections;
pub use memory::memory_bytes;
#[cfg(feature = "http")]
pub use network::Sockets;
#[cfg(feature = "buckets")]
pub use objects::BucketObjects;
pub use objects::{LocalObjects, MemoryObjects, MirrorStatus, MirroredObjects, Objects, StoreWorld};
pub use programs::LocalPrograms;
pub use random::SeededRandom;
pub use spawner::TokioSpawner;

/// The real environment. It has no hosts of functions and no providers of models: those are plugins. Its object stores are told nothing of buckets: see [`Objects::new`].
///
/// # Panics
/// Outside of a tokio runtime.
pub fn real() -> Environment {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let rng: Arc<dyn Rng> = Arc::new(SeededRandom::from_system());
    let spawner: Arc<dyn Spawner> = Arc::new(TokioSpawner::with_cores());
    let world = StoreWorld { clock: Arc::clone(&clock), rng: Arc::clone(&rng), spawner: Arc::clone(&spawner) };
    Environment {
        clock,
        rng,
        spawner,
        files: Arc::new(LocalFiles::new()),
        objects: Arc::new(Objects::new(world, BTreeMap::new())),
        http: http_clients(),
        network: network(),
        programs: Arc::new(LocalPrograms::new()),
        console: Arc::new(Terminal::new()),
        functions: FunctionHosts::default(),
        models: ModelProviders::default(),
    }
}

#[cfg(feature = "http")]
fn http_clients() -> Arc<dyn Http> {
    Arc::new(HttpConnections::new())
}

#[cfg(not(feature = "http"))]
fn http_clients() -> Arc<dyn Http> {
    Arc::new(flott_api::http::NoHttp)
}

#[cfg(feature = "http")]
fn network() -> Arc<dyn Network> {
    Arc::new(Sockets)
}

#[cfg(not(feature = "http"))]
fn network() -> Arc<dyn Network> {
    Arc::new(flott_api::net::NoNetwork)
}

/// What this machine calls itself, as far as its environment tells.
pub fn host() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "unknown".to_owned())
}
