//! The `secrets` command: the one runtime, and the exit code.

use std::alloc::System;
use std::panic;
use std::process::ExitCode;

use secrets_cli::environment::Environment;
use secrets_cli::{commands, exit, harden};
use zeroizing_alloc::ZeroAlloc;

/// Wipes what is freed. Keys and values are wiped where they are kept; this is for the copies that parsers,
/// serializers and growing buffers of other crates leave behind.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    harden::process();
    let code = panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return exit::OTHER };
        let arguments = std::env::args_os().collect();
        #[allow(clippy::disallowed_methods, reason = "the one runtime's home")]
        runtime.block_on(commands::main(arguments, Environment::of_process()))
    });
    ExitCode::from(code.unwrap_or(exit::OTHER))
}
