//! Key and value of a record of `__consumer_offsets`.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|record: &[u8]| targets::group_record(record));
