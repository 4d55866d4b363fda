//! Bytes of a connection, cut anywhere: the frame reader.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::frame(input));
