//! A connection to one broker: one question after the other, each with its answer.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flott_api::env::Environment;
use flott_api::net::{Connection, Endpoint};
use flott_api::{Error, Result};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader, SaslAuthenticateRequest,
    SaslHandshakeRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::failure::{code_error, external};
use super::sasl;
use crate::options::ClientSettings;

/// A larger answer is none of a broker.
const ANSWER_BYTES_MAX: usize = 1 << 30;
const LENGTH_BYTES: usize = 4;
/// The name and the level of the protocol of transactions that KIP-890 brought.
const TRANSACTION_FEATURE: &str = "transaction.version";
const SECOND_LEVEL: i16 = 2;

/// Which protocol of transactions a cluster has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionVersion {
    /// Partitions are told before they are written.
    First,
    /// The end of each transaction raises the epoch (KIP-890), so that its outcome can be told for certain.
    Second,
}

/// A connection. When a question was given up, its answer is still to come: such a connection is broken.
pub(crate) struct BrokerConnection {
    connection: Connection,
    environment: Environment,
    /// The versions that the broker knows, by the number of the question.
    versions: HashMap<i16, (i16, i16)>,
    transactions: TransactionVersion,
    client_id: StrBytes,
    timeout_ms: u64,
    correlation: i32,
    broken: bool,
    received: BytesMut,
    /// `host:port`
    name: String,
}

impl BrokerConnection {
    /// Connects, and shows who comes.
    ///
    /// # Errors
    /// If the broker cannot be reached, or does not let this client in.
    pub(crate) async fn open(
        environment: &Environment,
        settings: &ClientSettings,
        host: &str,
        port: u16,
    ) -> Result<Self> {
        let tls = settings.security.tls.as_ref().map(|tls| tls.load(environment)).transpose()?;
        let name = format!("{host}:{port}");
        let endpoint = Endpoint { host: host.to_owned(), port, tls };
        let connecting = environment.network.connect(&endpoint);
        let connection = within(environment, settings.connect_timeout_ms, connecting).await;
        let connection = connection.ok_or_else(|| external(format!("broker {name} does not answer")))??;
        let mut connection = BrokerConnection {
            connection,
            environment: environment.clone(),
            versions: HashMap::new(),
            transactions: TransactionVersion::First,
            client_id: StrBytes::from_string(settings.client_id.clone()),
            timeout_ms: settings.request_timeout_ms,
            correlation: 0,
            broken: false,
            received: BytesMut::new(),
            name,
        };
        connection.learn_versions().await?;
        if let Some(sasl) = &settings.security.sasl {
            connection.authenticate(sasl).await?;
        }
        Ok(connection)
    }

    /// Which protocol of transactions the cluster has.
    pub(crate) fn transactions(&self) -> TransactionVersion {
        self.transactions
    }

    /// The latest version of a question that both sides know, of those that are wanted.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn version<R: Request>(&self, min: i16, max: i16) -> Result<i16> {
        let known = self.versions.get(&R::KEY).map(|(low, high)| (min.max(*low), max.min(*high)));
        match known {
            Some((low, high)) if low <= high => Ok(high),
            _ => Err(Error::external(format!(
                "broker {} is too old or too new: it does not know question {} in versions {min} to {max}",
                self.name,
                R::KEY
            ))),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// If the connection fails, or there is no answer in time. The broker may have done what was asked.
    pub(crate) async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.call_within(request, version, self.timeout_ms).await
    }

    /// The same with another time.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(crate) async fn call_within<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        timeout_ms: u64,
    ) -> Result<R::Response> {
        let sent = self.encode(request, version)?;
        let response_header = <R::Response as HeaderVersion>::header_version(version);
        let mut answer = self.exchange(&sent, response_header, timeout_ms).await?;
        R::Response::decode(&mut answer, version).map_err(|e| self.senseless(e))
    }

    /// Asks a question that has no answer.
    ///
    /// # Errors
    /// If the connection fails.
    pub(crate) async fn tell<R: Request>(&mut self, request: &R, version: i16) -> Result<()> {
        let sent = self.encode(request, version)?;
        self.broken = true;
        self.connection.writer.write(&sent).await.map_err(|e| self.lost(&e))?;
        self.broken = false;
        Ok(())
    }

    fn encode<R: Request>(&mut self, request: &R, version: i16) -> Result<Bytes> {
        if self.broken {
            return Err(external(format!("the connection to broker {} is broken", self.name)));
        }
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(self.client_id.clone()));
        let mut bytes = BytesMut::new();
        bytes.put_i32(0);
        let unwritten = |e| Error::internal(format!("question {} of Kafka cannot be written: {e}", R::KEY));
        header.encode(&mut bytes, R::header_version(version)).map_err(unwritten)?;
        request.encode(&mut bytes, version).map_err(unwritten)?;
        let length =
            i32::try_from(bytes.len() - LENGTH_BYTES).map_err(|_| Error::internal("a question is too long"))?;
        bytes[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(bytes.freeze())
    }

    /// Sends a question and waits for the bytes of its answer, behind their header.
    async fn exchange(&mut self, sent: &[u8], header_version: i16, timeout_ms: u64) -> Result<Bytes> {
        self.broken = true;
        let environment = self.environment.clone();
        let exchanged = within(&environment, timeout_ms, async {
            self.connection.writer.write(sent).await.map_err(|e| self.lost(&e))?;
            self.frame().await
        });
        let answered = exchanged.await;
        let mut answer = answered.ok_or_else(|| external(format!("broker {} does not answer", self.name)))??;
        let header = ResponseHeader::decode(&mut answer, header_version).map_err(|e| self.senseless(e))?;
        if header.correlation_id != self.correlation {
            return Err(external(format!("broker {} answers another question", self.name)));
        }
        self.broken = false;
        Ok(answer)
    }

    async fn frame(&mut self) -> Result<Bytes> {
        self.fill(LENGTH_BYTES).await?;
        let length = usize::try_from(self.received.get_i32()).ok().filter(|length| *length <= ANSWER_BYTES_MAX);
        let length = length.ok_or_else(|| external(format!("{} is no broker of Kafka, or wants TLS", self.name)))?;
        self.fill(length).await?;
        Ok(self.received.split_to(length).freeze())
    }

    /// Reads until there are so many bytes.
    async fn fill(&mut self, bytes: usize) -> Result<()> {
        while self.received.len() < bytes {
            self.received.reserve(bytes - self.received.len());
            let read = self.connection.reader.read(&mut self.received).await.map_err(|e| self.lost(&e))?;
            if read == 0 {
                return Err(external(format!("broker {} has closed the connection", self.name)));
            }
        }
        Ok(())
    }

    fn lost(&self, e: &std::io::Error) -> Error {
        external(format!("the connection to broker {} is lost: {e}", self.name))
    }

    fn senseless(&self, e: impl std::fmt::Display) -> Error {
        Error::external(format!("an answer of broker {} makes no sense: {e}", self.name))
    }

    async fn learn_versions(&mut self) -> Result<()> {
        const LATEST: i16 = 3;
        const UNSUPPORTED_VERSION: i16 = 35;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("flott"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let sent = self.encode(&request, LATEST)?;
        let mut answer = self.exchange(&sent, 0, self.timeout_ms).await?;
        // A broker that does not know this version answers in the first one, and says so in its first two bytes.
        let understood = answer.first_chunk::<2>().is_some_and(|code| i16::from_be_bytes(*code) != UNSUPPORTED_VERSION);
        let response = if understood {
            ApiVersionsResponse::decode(&mut answer, LATEST).map_err(|e| self.senseless(e))?
        } else {
            self.call(&ApiVersionsRequest::default(), 0).await?
        };
        if let Some(e) = code_error(response.error_code, &format!("broker {} does not say what it knows", self.name)) {
            return Err(e);
        }
        self.versions = response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        let level = response.finalized_features.iter().find(|f| f.name.as_str() == TRANSACTION_FEATURE);
        if level.is_some_and(|feature| feature.max_version_level >= SECOND_LEVEL) {
            self.transactions = TransactionVersion::Second;
        }
        Ok(())
    }

    async fn authenticate(&mut self, sasl: &crate::options::Sasl) -> Result<()> {
        let name = self.name.clone();
        let mechanism = StrBytes::from_static_str(sasl.mechanism());
        let version = self.version::<SaslHandshakeRequest>(1, 1)?;
        let response = self.call(&SaslHandshakeRequest::default().with_mechanism(mechanism), version).await?;
        if response.error_code != 0 {
            let known: Vec<&str> = response.mechanisms.iter().map(|m| m.as_str()).collect();
            let message = format!("broker {name} does not know mechanism '{}'", sasl.mechanism());
            return Err(Error::invalid(message).with_detail(format!("It knows: {}.", known.join(", "))));
        }
        let mut exchange = sasl::Exchange::begin(sasl, &self.environment).await?;
        let mut challenge = Bytes::new();
        while let Some(answer) = exchange.next(&challenge)? {
            let version = self.version::<SaslAuthenticateRequest>(0, 2)?;
            let response = self.call(&SaslAuthenticateRequest::default().with_auth_bytes(answer), version).await?;
            if response.error_code != 0 {
                let why = response.error_message.as_ref().map_or("no reason", |m| m.as_str());
                return Err(Error::invalid(format!("broker {name} does not let this job in: {why}"))
                    .with_hint("Check 'properties.sasl.mechanism' and 'properties.sasl.jaas.config'."));
            }
            challenge = response.auth_bytes;
        }
        Ok(())
    }
}

/// The result, or nothing if it takes longer.
pub(super) async fn within<T>(environment: &Environment, timeout_ms: u64, work: impl Future<Output = T>) -> Option<T> {
    let late = environment.clock.sleep_ms(timeout_ms);
    tokio::select! {
        biased;
        done = work => Some(done),
        () = late => None,
    }
}
