//! Fuzzes the decoder of format `maxwell-json`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: flott_fuzz::begin(), |input: &[u8]| {
    flott_fuzz::run("maxwell-json", input);
});
