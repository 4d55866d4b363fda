//! What a client sends to authenticate, message by message, and the files behind it: key sets, tokens, users.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::sasl(input));
