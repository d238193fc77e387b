#![no_main]

#[path = "../program.rs"]
mod program;

libfuzzer_sys::fuzz_target!(|data: &[u8]| program::archive(data));
