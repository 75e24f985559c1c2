//! The command `latchkey`; all of it is in the library, where tests reach it.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request takes and frees many small pieces of memory, on whichever thread runs it. With the allocator of
/// the system that is a large part of its cost (`perf record` under `make bench`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    latchkey_key_service::cli::run()
}
