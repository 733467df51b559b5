//! The log as its callers, its verifiers and its attackers meet it.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(unreachable_pub, reason = "nothing can be reached from outside a test program")]

mod concurrency;
mod entries;
mod faults;
mod go;
mod merkle;
mod notes;
mod power;
mod reading;
mod recovery;
mod sample;
mod simulated;
mod tampering;
mod vectors;
