//! Functions of users in WebAssembly: `CREATE FUNCTION f(a BIGINT) RETURNS BIGINT LANGUAGE WASM AS 'f' USING ARTIFACT 'x.wasm'`.
//!
//! A module runs in a sandbox: it sees its arguments and its own memory, and nothing else. It may call `flott.set_null`, and
//! what the compilers of languages bring along from WASI answers that there are no files, no arguments and no clock
//! ([`imports`]). Its memory has a bound, and so has the time that a batch may take.
//!
//! How values cross ([`lane`]): numbers, dates and times as numbers of WebAssembly, text and bytes as pointer and length into
//! the module's memory, which it lends through `flott_alloc`. No value crosses alone. A small module made for the signature
//! ([`batch_loop`]) stands between: it takes a batch's columns as they lie in Arrow, calls the function for each row, and leaves
//! a column of results. So a batch is one call from here, and a row one call within compiled code.
//!
//! **Invariant.** A plan has a file's hash; a file that has another is refused.

mod batch_loop;
mod host;
mod imports;
mod kernel;
mod lane;
mod limits;
mod values;

pub use host::WasmHost;

#[cfg(test)]
mod tests;
