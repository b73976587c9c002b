//! A broker for tests.

use std::sync::{Arc, OnceLock};

use flott_api::env::Environment;
use flott_api::options::{OptionReader, Options};
use flott_api::{Error, Result};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::server::{Server, left_out};
use crate::client::{Cluster, code_error, external};
use crate::options::Properties;

/// A broker, and what tests ask of it beside tables.
pub(super) struct Broker {
    server: Server,
}

/// The broker that tests share; nothing if the user leaves these tests out.
pub(super) fn shared(test: &str) -> Option<&'static Broker> {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    (!left_out(test)).then(|| SHARED.get_or_init(|| Broker { server: Server::start(&[]) }))
}

/// A broker of its own.
pub(super) fn own(test: &str) -> Option<Broker> {
    own_with(test, &[])
}

/// A broker of its own with these settings.
pub(super) fn own_with(test: &str, settings: &[&str]) -> Option<Broker> {
    (!left_out(test)).then(|| Broker { server: Server::start(settings) })
}

impl Broker {
    /// Where it listens. Its controller does on the next one.
    pub(super) fn port(&self) -> u16 {
        self.server.port
    }

    /// Kills it without a warning.
    pub(super) fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again with its data.
    pub(super) fn restart(&mut self) {
        self.server.restart();
    }

    /// Options of a table with this topic.
    pub(super) fn options(&self, topic: &str, more: &[(&str, &str)]) -> Options {
        let servers = format!("127.0.0.1:{}", self.server.port);
        let mut all = Options::default();
        let pairs = [("topic", topic), ("properties.bootstrap.servers", servers.as_str())];
        all.0.extend(pairs.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        all
    }

    /// A client of it.
    pub(super) fn cluster(&self, environment: &Environment) -> Cluster {
        let options = self.options("-", &[]);
        let reader = OptionReader::new(&options, "a test");
        let properties = Properties::read(&options, &reader).unwrap();
        Cluster::new(environment, &Arc::new(properties.client))
    }

    /// Makes a topic.
    pub(super) async fn create(&self, environment: &Environment, topic: &str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(-1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        eventually(environment, async || {
            let mut cluster = self.cluster(environment);
            cluster.topics(Some(&[]), false).await?;
            let broker = cluster.brokers()[0];
            let response = cluster.ask(broker, &request, 2, 4).await?;
            response.topics.iter().find_map(|t| code_error(t.error_code, "creating")).map_or(Ok(()), Err)
        })
        .await;
    }

    /// Deletes a topic.
    pub(super) async fn delete(&self, environment: &Environment, topic: &str) {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![name(topic)]).with_timeout_ms(30_000);
        let mut cluster = self.cluster(environment);
        cluster.topics(Some(&[]), false).await.unwrap();
        let broker = cluster.brokers()[0];
        let response = cluster.ask(broker, &request, 1, 4).await.unwrap();
        assert!(response.responses.iter().all(|r| r.error_code == 0), "{response:?}");
    }

    /// Gives a topic more partitions.
    pub(super) async fn grow(&self, environment: &Environment, topic: &str, partitions: i32) {
        let topic =
            CreatePartitionsTopic::default().with_name(name(topic)).with_count(partitions).with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        let mut cluster = self.cluster(environment);
        cluster.topics(Some(&[]), false).await.unwrap();
        let broker = cluster.brokers()[0];
        let response = cluster.ask(broker, &request, 0, 2).await.unwrap();
        assert!(response.results.iter().all(|r| r.error_code == 0), "{response:?}");
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// Tries until it works.
pub(super) async fn eventually<T>(environment: &Environment, mut work: impl AsyncFnMut() -> Result<T>) -> T {
    const TRIES: u32 = 600;
    let mut last: Error = external("nothing was tried");
    for _ in 0..TRIES {
        match work().await {
            Ok(done) => return done,
            Err(e) => last = e,
        }
        environment.clock.sleep_ms(100).await;
    }
    panic!("it does not come: {last:?}");
}

impl Broker {
    /// Lets the cluster go back to the first protocol of transactions.
    pub(super) async fn downgrade_transactions(&self, environment: &Environment) {
        use kafka_protocol::messages::UpdateFeaturesRequest;
        use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
        let feature = FeatureUpdateKey::default()
            .with_feature(StrBytes::from_static_str("transaction.version"))
            .with_max_version_level(1)
            .with_upgrade_type(2);
        let request = UpdateFeaturesRequest::default().with_feature_updates(vec![feature]).with_timeout_ms(30_000);
        let mut cluster = self.cluster(environment);
        cluster.topics(Some(&[]), false).await.unwrap();
        let broker = cluster.brokers()[0];
        let response = cluster.ask(broker, &request, 1, 1).await.unwrap();
        assert_eq!(response.error_code, 0, "{response:?}");
        eventually(environment, async || match self.cluster(environment).transaction_version().await? {
            crate::client::TransactionVersion::First => Ok(()),
            crate::client::TransactionVersion::Second => Err(external("it is not known yet")),
        })
        .await;
    }
}
