//! The `secrets` command.
fn main() {}
