//! The `secrets` command: the runtime, and the exit code.
fn main() {}
