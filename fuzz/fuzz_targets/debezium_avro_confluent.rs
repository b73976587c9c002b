//! Fuzzes the decoder of format `debezium-avro-confluent`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: flott_fuzz::begin(), |input: &[u8]| {
    flott_fuzz::run("debezium-avro-confluent", input);
});
