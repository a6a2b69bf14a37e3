#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| nfkit_fuzz::lines(octets));
