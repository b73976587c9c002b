//! Scenes to read, in `scenes`; every interleaving of small ones, in `interleavings`.

mod interleavings;
mod scenes;

use super::*;

const WORLD: ErrorKind = ErrorKind::External { retry: true };

/// Every 100 ms, given up after 150.
fn settings() -> CheckpointSettings {
    let mut settings = CheckpointSettings::read(&Default::default()).unwrap();
    settings.interval_ms = Some(100);
    settings.timeout_ms = 150;
    settings.failures_tolerable = 1;
    settings
}

fn cause(reason: &str) -> Cause {
    Cause::new(WORLD, reason)
}

fn restored(workers: usize) -> Event {
    Event::Restored { next: CheckpointId(1), workers }
}
