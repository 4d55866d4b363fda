//! A data directory, damaged: recovery of logs, indexes, snapshots and votes.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::log(input));
