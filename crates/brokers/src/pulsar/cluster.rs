//! Which broker has which topic.

use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::{Error, Result};

use super::client::{Address, Client};
use super::failure::Refusal;
use super::frame::senseless;
use super::options::ClientOptions;
use super::proto::{CommandLookup, CommandLookupResponse, CommandPartitions, Kind};
use crate::link::is_passing;

/// No topic is redirected more often.
const REDIRECTS_MAX: u32 = 20;
/// More partitions than anybody has.
const PARTITIONS_MAX: u32 = 1 << 20;

/// The brokers.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) options: Arc<ClientOptions>,
    pub(super) environment: Environment,
}

impl Cluster {
    /// A connection to any of them.
    ///
    /// # Errors
    /// If none can be reached, or one does not let this client in.
    pub(super) async fn any(&self) -> Result<Client> {
        let addresses = &self.options.addresses;
        let first =
            usize::try_from(self.environment.rng.next_u64() % addresses.len().max(1) as u64).unwrap_or_default();
        let mut failure = None;
        for at in 0..addresses.len() {
            let (host, port) = addresses[(first + at) % addresses.len()].clone();
            match Client::open(&self.environment, &self.options, &Address { host, port, behind: None }).await {
                Ok(client) => return Ok(client),
                Err(e) if is_passing(&e) => failure = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(failure.unwrap_or_else(|| Error::internal("there is no address of Pulsar")))
    }

    /// How many partitions a topic has; nothing if it has none.
    ///
    /// # Errors
    /// If the topic is not there.
    pub(super) async fn partitions(&self, client: &mut Client, topic: &str, create: bool) -> Result<Option<u32>> {
        let what = format!("topic '{topic}'");
        let asked = client.try_ask(Kind::PartitionedMetadata, &what, |c, request| {
            c.partitions = Some(CommandPartitions { topic: topic.to_owned(), request, create_topic: Some(create) });
        });
        match asked.await? {
            // The broker makes it when it is written, if it may.
            Err(refusal) if create && refusal.code == Refusal::TOPIC_NOT_FOUND => Ok(None),
            Err(refusal) => Err(refusal.error(&what)),
            Ok(answer) => {
                let partitions = answer.partitions_response.ok_or_else(senseless)?.partitions.unwrap_or_default();
                if partitions > PARTITIONS_MAX {
                    return Err(senseless());
                }
                Ok((partitions > 0).then_some(partitions))
            }
        }
    }

    /// A connection to the broker that has the topic.
    ///
    /// # Errors
    /// If it cannot be found or reached.
    pub(super) async fn owner(&self, topic: &str) -> Result<Client> {
        let (client, address) = self.look_up(topic).await?;
        match client {
            Some(client) => Ok(client),
            None => Client::open(&self.environment, &self.options, &address).await,
        }
    }

    /// Where the broker is that has the topic, with a connection if there is one to it already.
    ///
    /// # Errors
    /// If it cannot be found.
    pub(super) async fn look_up(&self, topic: &str) -> Result<(Option<Client>, Address)> {
        let mut client = self.any().await?;
        let (mut authoritative, what) = (false, format!("topic '{topic}'"));
        for _ in 0..REDIRECTS_MAX {
            let answer = client.ask(Kind::Lookup, &what, |c, request| {
                let listener = self.options.listener.clone();
                c.lookup = Some(CommandLookup {
                    topic: topic.to_owned(),
                    request,
                    authoritative: Some(authoritative),
                    listener,
                });
            });
            let found = answer.await?.lookup_response.ok_or_else(senseless)?;
            let (host, port) = self.url(&found)?;
            let there = client.name() == format!("{host}:{port}");
            match found.response {
                Some(1) if found.through_proxy.unwrap_or_default() => {
                    let behind = Some(format!("{host}:{port}"));
                    // Behind the proxy that was asked.
                    let Address { host, port, .. } = client.address.clone();
                    return Ok((None, Address { host, port, behind }));
                }
                Some(1) => return Ok((there.then_some(client), Address { host, port, behind: None })),
                _ if there => authoritative = found.authoritative.unwrap_or_default(),
                _ => {
                    authoritative = found.authoritative.unwrap_or_default();
                    let address = Address { host, port, behind: None };
                    client = Client::open(&self.environment, &self.options, &address).await?;
                }
            }
        }
        Err(Error::external(format!(
            "topic '{topic}' is looked for in a circle: {REDIRECTS_MAX} brokers name another one"
        )))
    }

    fn url(&self, found: &CommandLookupResponse) -> Result<(String, u16)> {
        let encrypted = self.options.access.tls.is_some();
        let url = if encrypted { &found.url_tls } else { &found.url };
        let Some(url) = url.as_deref().filter(|url| !url.is_empty()) else {
            let (has, wants) = if encrypted {
                ("no address with TLS", "pulsar://")
            } else {
                ("only addresses with TLS", "pulsar+ssl://")
            };
            return Err(Error::external(format!("the broker has {has} for its topics"))
                .with_hint(format!("Use '{wants}' in option 'service-url', or let brokers advertise the other one.")));
        };
        super::options::broker_url(url).ok_or_else(senseless)
    }
}

#[cfg(test)]
mod tests;
