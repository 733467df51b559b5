//! Benchmarks live in the files beside this crate; see `cargo xtask bench`.
