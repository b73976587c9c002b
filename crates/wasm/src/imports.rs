//! What a module may call: `flott.set_null`, and a WASI without a world.
//!
//! The compilers of languages bring a runtime along that asks WASI for arguments, a clock, random numbers and files before the
//! first function runs. It is told that there are none: no arguments, no variables, no files; a clock that only counts how often
//! it was asked; random numbers that are the same each time; what is written vanishes. So a function stays one of its
//! arguments.

use wasmtime::{Caller, Extern, ExternType, FuncType, Linker, Memory, Module, StoreLimits, Val};

/// The module's name of WASI in imports.
const WASI: &str = "wasi_snapshot_preview1";

/// So many pieces may one write have: no system takes more.
const PIECES_MAX: u32 = 1024;

const SUCCESS: i32 = 0;
const BAD_FILE: i32 = 8;
const BAD_ADDRESS: i32 = 21;
const NOT_HERE: i32 = 52;

/// What a store holds beside modules.
pub(crate) struct World {
    pub(crate) limits: StoreLimits,
    asked: u64,
    random: u64,
}

impl World {
    pub(crate) fn new(limits: StoreLimits) -> Self {
        World { limits, asked: 0, random: 0 }
    }

    /// A clock that goes on by a microsecond each time.
    fn now_ns(&mut self) -> u64 {
        self.asked += 1;
        self.asked * 1000
    }

    /// Sebastiano Vigna's SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The imports of a module that nothing here answers, as `module.name`.
pub(crate) fn unknown(module: &Module) -> Vec<String> {
    let known = |import: &wasmtime::ImportType<'_>| match (import.module(), import.name(), import.ty()) {
        ("flott", "set_null", ExternType::Func(ty)) => ty.params().len() == 0 && ty.results().len() == 0,
        (WASI, _, ExternType::Func(_)) => true,
        _ => false,
    };
    module.imports().filter(|import| !known(import)).map(|i| format!("{}.{}", i.module(), i.name())).collect()
}

/// Puts what a module asks of WASI into a linker.
pub(crate) fn link(linker: &mut Linker<World>, module: &Module) -> wasmtime::Result<()> {
    for import in module.imports().filter(|import| import.module() == WASI) {
        if let ExternType::Func(ty) = import.ty() {
            answer(linker, import.name(), ty)?;
        }
    }
    Ok(())
}

fn answer(linker: &mut Linker<World>, name: &str, ty: FuncType) -> wasmtime::Result<()> {
    let linker = linker.allow_shadowing(true);
    match name {
        "args_sizes_get" | "environ_sizes_get" => {
            linker.func_wrap(WASI, name, |mut caller: Caller<'_, World>, count: u32, bytes: u32| {
                put(&mut caller, count, &[0; 4]).max(put(&mut caller, bytes, &[0; 4]))
            })?
        }
        "args_get" | "environ_get" => linker.func_wrap(WASI, name, |_: u32, _: u32| SUCCESS)?,
        "clock_time_get" => {
            linker.func_wrap(WASI, name, |mut caller: Caller<'_, World>, _: u32, _: u64, at: u32| {
                let now = caller.data_mut().now_ns();
                put(&mut caller, at, &now.to_le_bytes())
            })?
        }
        "random_get" => linker.func_wrap(WASI, name, random_get)?,
        "fd_write" => linker.func_wrap(WASI, name, fd_write)?,
        "sched_yield" => linker.func_wrap(WASI, name, || SUCCESS)?,
        "poll_oneoff" => {
            linker.func_wrap(WASI, name, |mut caller: Caller<'_, World>, _: u32, _: u32, _: u32, at: u32| {
                put(&mut caller, at, &[0; 4])
            })?
        }
        "proc_exit" => linker.func_wrap(WASI, name, |code: i32| -> wasmtime::Result<()> {
            Err(wasmtime::Error::msg(format!("it ended itself with code {code}")))
        })?,
        name if name.starts_with("fd_") => {
            linker.func_new(WASI, name, ty, |_, _, results| refuse(results, BAD_FILE))?
        }
        name => linker.func_new(WASI, name, ty, |_, _, results| refuse(results, NOT_HERE))?,
    };
    Ok(())
}

fn refuse(results: &mut [Val], errno: i32) -> wasmtime::Result<()> {
    results.fill(Val::I32(errno));
    Ok(())
}

fn memory(caller: &mut Caller<'_, World>) -> Option<Memory> {
    caller.get_export("memory").and_then(Extern::into_memory)
}

/// Writes bytes into the module's memory; what WASI says of it.
fn put(caller: &mut Caller<'_, World>, at: u32, bytes: &[u8]) -> i32 {
    let written = memory(caller).map(|memory| memory.write(caller, at as usize, bytes));
    if matches!(written, Some(Ok(()))) { SUCCESS } else { BAD_ADDRESS }
}

fn number(caller: &mut Caller<'_, World>, at: u32) -> Option<u32> {
    let mut bytes = [0; 4];
    memory(caller)?.read(caller, at as usize, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

fn random_get(mut caller: Caller<'_, World>, at: u32, length: u32) -> i32 {
    let mut at = at;
    let end = at.saturating_add(length);
    while at < end {
        let bytes = caller.data_mut().random().to_le_bytes();
        let some = bytes.len().min((end - at) as usize);
        if put(&mut caller, at, &bytes[..some]) != SUCCESS {
            return BAD_ADDRESS;
        }
        at += some as u32;
    }
    SUCCESS
}

/// Says that all was written, and drops it.
fn fd_write(mut caller: Caller<'_, World>, _: i32, pieces: u32, count: u32, at: u32) -> i32 {
    let mut all: u32 = 0;
    if count > PIECES_MAX {
        return BAD_ADDRESS;
    }
    for piece in 0..count {
        let Some(length) = number(&mut caller, pieces.wrapping_add(piece.wrapping_mul(8)).wrapping_add(4)) else {
            return BAD_ADDRESS;
        };
        all = all.wrapping_add(length);
    }
    put(&mut caller, at, &all.to_le_bytes())
}
