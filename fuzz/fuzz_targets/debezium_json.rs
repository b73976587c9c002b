//! Fuzzes the decoder of format `debezium-json`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: flott_fuzz::begin(), |input: &[u8]| {
    flott_fuzz::run("debezium-json", input);
});
