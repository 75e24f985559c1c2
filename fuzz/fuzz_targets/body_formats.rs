#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| latchkey_fuzz_targets::body_formats(data));
