//! How the allocator keeps memory that is free.
//!
//! What is given back to the system must be cleared by it before it is used again. State in columns allocates and frees
//! arrays of megabytes all the time, and by mimalloc's own settings, where memory goes after ten milliseconds, clearing pages
//! was a third of a join's time.

/// Milliseconds for which free memory may be used again before it goes back to the system.
const KEPT_MS: libc::c_long = 1000;
/// `mi_option_purge_delay`, which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Lets free memory be used again for a second before it goes back to the system, unless the environment variable
/// `MIMALLOC_PURGE_DELAY` says otherwise.
#[expect(unsafe_code, reason = "an option of the allocator is a call of its library")]
pub fn keep_free_memory() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // SAFETY: it stores a number, and may be called at any time.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT_MS) };
    }
}
