//! A request frame without its length: header, body, decoder.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| targets::request(frame));
