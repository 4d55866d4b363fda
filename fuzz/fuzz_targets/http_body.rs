//! Bodies of HTTP requests: the book's and those with records.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::http_body(input));
