//! Tables in a real Kafka, which `script/services` starts: one broker for all tests, and brokers of their own for those that
//! kill one.

mod broker;
mod contracts;
mod exactly_once;
mod faults;
mod leaders;
mod reading;
mod security;
mod server;
mod table;
mod writing;
