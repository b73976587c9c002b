//! Message brokers, Redis and requests of others as tables: one folder per system, each spoken to in its own protocol over
//! `api::net`.
//!
//! What they share lies beside the folders: where a server is and who comes ([`access`]), connections ([`link`]), messages
//! to rows ([`messages`]) and back ([`payloads`]), the split reader ([`reader`]), and the enumerator ([`splits`]).
//!
//! **Invariant.** A password is in the options of a table, goes to its server, and nowhere else.

mod access;
mod link;
mod messages;
mod mqtt;
mod nats;
mod payloads;
mod pulsar;
mod rabbitmq;
mod reader;
mod redis;
mod splits;
mod webhook;

use flott_api::table::TableFactory;

/// Every connector of this crate, by name.
pub fn factories() -> Vec<Box<dyn TableFactory>> {
    vec![
        Box::new(mqtt::MqttTable),
        Box::new(nats::NatsTable),
        Box::new(pulsar::PulsarTable),
        Box::new(rabbitmq::RabbitTable),
        Box::new(redis::RedisTable),
        Box::new(webhook::WebhookTable),
    ]
}

#[cfg(test)]
mod tests {
    use super::factories;

    #[test]
    fn the_list_is_sorted_and_names_each_once() {
        let names: Vec<&str> = factories().iter().map(|f| f.identifier()).collect();
        assert!(names.windows(2).all(|w| w[0] < w[1]), "{names:?}");
    }
}
