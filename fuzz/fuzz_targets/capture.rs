#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nfkit_fuzz::capture(bytes));
