//! What is done before anything secret is in memory.

use std::io::{self, Write};
use std::panic;

/// Switches core dumps of this process off, and keeps panics from printing what they carry.
///
/// A program that `run` starts is not concerned: the kernel resets this with the new program.
pub fn process() {
    #[cfg(target_os = "linux")]
    {
        // Also keeps other processes of the user from attaching to this one.
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
    panic::set_hook(Box::new(|panic| {
        let place =
            panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let _ = writeln!(io::stderr(), "secrets: internal error{place}; nothing more was done");
    }));
}

/// Limits core dumps to nothing, also for what is started from here. Not called before `run`: its program
/// keeps the limits that it would have without us.
pub fn forbid_core_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}
