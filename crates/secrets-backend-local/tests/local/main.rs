//! Tests of the local backend from outside: the contract, other processes, kills, hostile and damaged files.

mod conformance;
mod crash;
mod damage;
mod full_disk;
mod model;
mod ownership;
mod sharing;
mod stores;
mod support;
