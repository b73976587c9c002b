//! The `flott` binary.

/// Faster than the system's where many threads allocate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    flott::allocator::keep_free_memory();
    flott::cli::main()
}
