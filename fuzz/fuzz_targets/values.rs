//! Fuzzes the binary forms of `VARIANT` and `BITMAP`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: flott_fuzz::begin(), |input: &[u8]| {
    flott_fuzz::run("values", input);
});
