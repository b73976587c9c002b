//! The connectors against real servers, which `script/services` starts.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod server;
mod webhook;
mod world;

mod mqtt;
mod nats;
mod pulsar;
mod rabbitmq;
mod redis;
