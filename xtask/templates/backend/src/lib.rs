//! __Name__ as a backend of `secrets`.
#![doc = include_str!("../README.md")]

mod backend;
mod config;
mod names;

pub use backend::__Name__Backend;
pub use config::__Name__Config;
