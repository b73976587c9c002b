//! What a module may take: memory, stack and time.
//!
//! Time is counted in ticks of a thread of the host's own. It is real time, also in a simulation, since what it ends is code
//! that never comes back to ask a clock; a function that ends does not notice it.

use std::time::Duration;

use flott_api::options::{MemorySize, Millis, OptionReader, Options};
use flott_api::{Error, Result};
use wasmtime::{Config, Engine, StoreLimits, StoreLimitsBuilder};

/// How often the time of functions is counted.
const TICK: Duration = Duration::from_millis(10);
/// The stack of a function, in bytes.
const STACK_BYTES_MAX: usize = 512 << 10;
/// The memory that a module may have, if nobody says how much.
const MEMORY_BYTES_MAX: MemorySize = MemorySize(64 << 20);
/// The loop's memory, and one of the module.
const MEMORIES_MAX: usize = 2;
/// Tables hold what a module calls through pointers; compilers make one.
const TABLES_MAX: usize = 8;
/// 8 bytes each.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;
/// The time that a batch may take, if nobody says how much.
const BATCH_MS_MAX: Millis = Millis(10_000);

/// What a user says with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Whether it is called with nulls.
    pub(crate) nulls: bool,
    /// Whether it gives the same for the same.
    pub(crate) deterministic: bool,
    memory: MemorySize,
    time: Millis,
}

impl Settings {
    pub(crate) fn of(options: &Options, name: &str) -> Result<Self> {
        let reader = OptionReader::new(options, format!("function '{name}'"));
        let settings = Settings {
            nulls: reader.value_or("null-call", false)?,
            deterministic: reader.value_or("deterministic", true)?,
            memory: reader.value_or("memory-max", MEMORY_BYTES_MAX)?,
            time: reader.value_or("timeout", BATCH_MS_MAX)?,
        };
        reader.finish()?;
        if settings.memory.0 >= 1 << 32 {
            return Err(Error::invalid("option 'memory-max' is 4 GB or more")
                .with_detail("Addresses of WebAssembly have 32 bits."));
        }
        Ok(settings)
    }

    /// The limits of a store: each memory in it may be so large, the module's and the loop's.
    pub(crate) fn limits(&self) -> StoreLimits {
        StoreLimitsBuilder::new()
            .memory_size(self.memory.0 as usize)
            .memories(MEMORIES_MAX)
            .tables(TABLES_MAX)
            .table_elements(TABLE_ELEMENTS_MAX)
            .build()
    }

    /// The ticks after which a batch is too late: so many at least have passed then.
    pub(crate) fn ticks(&self) -> u64 {
        self.time.0.div_ceil(TICK.as_millis() as u64).saturating_add(1)
    }

    pub(crate) fn time_ms(&self) -> u64 {
        self.time.0
    }

    pub(crate) fn memory_mb(&self) -> u64 {
        self.memory.0 >> 20
    }
}

/// An engine whose time is counted as long as it lives.
pub(crate) fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK_BYTES_MAX).wasm_multi_memory(true);
    // The same bits on every machine: what a restart computes again must be what it was.
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
    let engine =
        Engine::new(&config).map_err(|e| Error::internal("there is no engine of WebAssembly").with_source(e))?;
    count(&engine);
    Ok(engine)
}

#[expect(clippy::disallowed_methods, reason = "see the module: it ends code that asks no clock")]
fn count(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    });
}
