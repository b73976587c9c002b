//! Fuzzes the decoder of format `ogg-json`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: flott_fuzz::begin(), |input: &[u8]| {
    flott_fuzz::run("ogg-json", input);
});
