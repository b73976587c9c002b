//! A cluster: which brokers there are, and a connection to each that was asked.

use std::collections::HashMap;
use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::{Error, Result};
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
    metadata_request::MetadataRequestTopic,
};
use kafka_protocol::protocol::{Request, StrBytes};

use super::connection::{BrokerConnection, TransactionVersion};
use super::failure::{code_error, external};
use super::topics::Topic;
use crate::options::ClientSettings;

/// What a coordinator looks after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    Group = 0,
    Transaction = 1,
}

/// The client of a cluster. Dropping one of its futures drops a connection at most.
pub(crate) struct Cluster {
    environment: Environment,
    settings: Arc<ClientSettings>,
    brokers: HashMap<i32, (String, u16)>,
    connections: HashMap<i32, BrokerConnection>,
    /// To one of the addresses that the user has given.
    first: Option<BrokerConnection>,
}

impl Cluster {
    /// Nobody is asked yet.
    pub(crate) fn new(environment: &Environment, settings: &Arc<ClientSettings>) -> Self {
        Cluster {
            environment: environment.clone(),
            settings: Arc::clone(settings),
            brokers: HashMap::new(),
            connections: HashMap::new(),
            first: None,
        }
    }

    /// How to reach it.
    pub(crate) fn settings(&self) -> &Arc<ClientSettings> {
        &self.settings
    }

    /// The world that it works in.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where a broker listens, if it is known.
    pub(crate) fn address(&self, broker: i32) -> Option<&(String, u16)> {
        self.brokers.get(&broker)
    }

    /// All brokers that are known.
    pub(crate) fn brokers(&self) -> Vec<i32> {
        self.brokers.keys().copied().collect()
    }

    /// A connection of its own to a broker.
    ///
    /// # Errors
    /// If it is not known or cannot be reached.
    pub(crate) async fn connect(&self, broker: i32) -> Result<BrokerConnection> {
        let address = self.brokers.get(&broker);
        let (host, port) = address.ok_or_else(|| external(format!("broker {broker} is not known")))?;
        BrokerConnection::open(&self.environment, &self.settings, host, *port).await
    }

    /// Asks a broker.
    ///
    /// # Errors
    /// If it cannot be reached or does not answer.
    pub(crate) async fn ask<R: Request>(
        &mut self,
        broker: i32,
        request: &R,
        min: i16,
        max: i16,
    ) -> Result<R::Response> {
        // Brokers close what is idle for long. Whatever is asked here may be asked twice.
        if let Some(mut connection) = self.connections.remove(&broker) {
            let version = connection.version::<R>(min, max)?;
            if let Ok(answer) = connection.call(request, version).await {
                self.connections.insert(broker, connection);
                return Ok(answer);
            }
        }
        let mut connection = self.connect(broker).await?;
        let version = connection.version::<R>(min, max)?;
        let answer = connection.call(request, version).await?;
        self.connections.insert(broker, connection);
        Ok(answer)
    }

    /// Asks any broker.
    async fn ask_any<R: Request>(&mut self, request: &R, min: i16, max: i16) -> Result<(R::Response, i16)> {
        if let Some(mut connection) = self.first.take() {
            let version = connection.version::<R>(min, max)?;
            if let Ok(answer) = connection.call(request, version).await {
                self.first = Some(connection);
                return Ok((answer, version));
            }
        }
        let mut connection = self.connect_any().await?;
        let version = connection.version::<R>(min, max)?;
        let answer = connection.call(request, version).await?;
        self.first = Some(connection);
        Ok((answer, version))
    }

    /// A broker that answers, the ones that the user named first.
    async fn connect_any(&self) -> Result<BrokerConnection> {
        let mut last = None;
        let known = self.brokers.values();
        for (host, port) in self.settings.bootstrap.iter().chain(known) {
            match BrokerConnection::open(&self.environment, &self.settings, host, *port).await {
                Ok(connection) => return Ok(connection),
                Err(e) => last = Some(e),
            }
        }
        let last = last.unwrap_or_else(|| Error::internal("no broker is named"));
        let names: Vec<String> = self.settings.bootstrap.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let error = Error::new(last.kind(), format!("no broker of {} can be used", names.join(", ")));
        Err(error.with_detail(format!("{last}.")).with_hint(
            last.hint()
                .unwrap_or("Check 'properties.bootstrap.servers', and that Kafka runs and can be reached from here."),
        ))
    }

    /// Which protocol of transactions the cluster has.
    ///
    /// # Errors
    /// If no broker answers.
    pub(crate) async fn transaction_version(&mut self) -> Result<TransactionVersion> {
        let connection = match self.first.take() {
            Some(connection) => connection,
            None => self.connect_any().await?,
        };
        let version = connection.transactions();
        self.first = Some(connection);
        Ok(version)
    }

    /// Topics as they are now, and the brokers with them: those of these names, or all. `create` lets the cluster make
    /// those that are missing, if it may.
    ///
    /// # Errors
    /// If no broker answers.
    pub(crate) async fn topics(&mut self, names: Option<&[Arc<str>]>, create: bool) -> Result<Vec<Topic>> {
        let topic = |name: &Arc<str>| {
            let name = StrBytes::from_string(name.to_string());
            MetadataRequestTopic::default().with_name(Some(TopicName(name)))
        };
        let request = MetadataRequest::default()
            .with_topics(names.map(|names| names.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(create);
        let (response, _): (MetadataResponse, _) = self.ask_any(&request, 4, 12).await?;
        if let Some(e) = code_error(response.error_code, "the topics cannot be listed") {
            return Err(e);
        }
        let address = |host: &StrBytes, port: i32| Some((host.as_str().to_owned(), u16::try_from(port).ok()?));
        let brokers = response.brokers.iter().filter_map(|b| Some((b.node_id.0, address(&b.host, b.port)?)));
        let brokers: HashMap<i32, (String, u16)> = brokers.collect();
        // Connections to what was another address are of no use.
        self.connections.retain(|broker, _| self.brokers.get(broker) == brokers.get(broker));
        self.brokers = brokers;
        Ok(response.topics.into_iter().filter_map(Topic::of).collect())
    }

    /// The broker that looks after a group or a transaction.
    ///
    /// # Errors
    /// If none does now, or no broker answers.
    pub(crate) async fn coordinator(&mut self, looked: Looked, key: &str) -> Result<i32> {
        const SEVERAL: i16 = 4;
        let key_bytes = StrBytes::from_string(key.to_owned());
        let single = FindCoordinatorRequest::default().with_key_type(looked as i8);
        let connection = match self.first.take() {
            Some(connection) => connection,
            None => self.connect_any().await?,
        };
        let version = connection.version::<FindCoordinatorRequest>(1, SEVERAL)?;
        self.first = Some(connection);
        let request = match version {
            SEVERAL.. => single.with_coordinator_keys(vec![key_bytes]),
            _ => single.with_key(key_bytes),
        };
        let (response, version): (FindCoordinatorResponse, _) = self.ask_any(&request, version, version).await?;
        let (code, broker, host, port) = match response.coordinators.into_iter().next() {
            Some(found) if version >= SEVERAL => (found.error_code, found.node_id, found.host, found.port),
            _ => (response.error_code, response.node_id, response.host, response.port),
        };
        let what = match looked {
            Looked::Group => format!("consumer group '{key}' has no coordinator"),
            Looked::Transaction => format!("transaction '{key}' has no coordinator"),
        };
        if let Some(e) = code_error(code, &what) {
            return Err(e);
        }
        let BrokerId(broker) = broker;
        let port = u16::try_from(port).map_err(|_| Error::external("a broker has a port that cannot be"))?;
        self.brokers.insert(broker, (host.as_str().to_owned(), port));
        Ok(broker)
    }
}
