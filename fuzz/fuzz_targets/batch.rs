//! A v2 record batch: attributes, codec, records.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|batch: &[u8]| targets::batch(batch));
