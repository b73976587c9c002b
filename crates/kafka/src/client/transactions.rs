//! Transactions: begun by one process, and ended by whichever knows their name, producer and epoch.
//!
//! The recipe is measured on real brokers: the end is told by `EndTxn` alone, without asking for a producer first, since
//! that would abort it. Under the second protocol of transactions (KIP-890) a repeated end is answered as the first one,
//! and a transaction that the broker has aborted meanwhile is told apart from one that is done.

use flott_api::{Error, Result};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ProducerId,
    TopicName, TransactionalId, add_partitions_to_txn_request::AddPartitionsToTxnTopic,
};
use kafka_protocol::protocol::StrBytes;
use serde::{Deserialize, Serialize};

use super::TopicPartition;
use super::cluster::{Cluster, Looked};
use super::connection::TransactionVersion;
use super::failure::{Code, refused};

/// A producer as a broker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProducerEpoch {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// How the end of a transaction went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is ended as was asked, now or before.
    Done,
    /// It is not, and will never be.
    Refused(Code),
}

pub(super) fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}

impl Cluster {
    /// A producer, with a name for transactions or without. What the name has left open is aborted.
    ///
    /// # Errors
    /// If it is refused, or not possible now; with the code if a broker has answered.
    pub(crate) async fn init_producer(
        &mut self,
        id: Option<&str>,
        timeout_ms: u32,
    ) -> Result<ProducerEpoch, (Option<Code>, Error)> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(id.map(transactional_id))
            .with_transaction_timeout_ms(timeout_ms.min(i32::MAX as u32) as i32)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let unanswered = |e| (None, e);
        let broker = match id {
            Some(id) => self.coordinator(Looked::Transaction, id).await,
            None => self.any_broker().await,
        };
        let response = self.ask(broker.map_err(unanswered)?, &request, 0, 4).await.map_err(unanswered)?;
        let what = match id {
            Some(id) => format!("transaction '{id}' cannot begin"),
            None => "a producer cannot begin".to_owned(),
        };
        match Code::try_from_code(response.error_code) {
            None => Ok(ProducerEpoch { id: response.producer_id.0, epoch: response.producer_epoch }),
            // What was left open is being aborted.
            code @ Some(Code::ConcurrentTransactions) => {
                Err((code, super::external(format!("{what}: the one before it is still being ended"))))
            }
            Some(code) => Err((Some(code), refused(code, &what))),
        }
    }

    /// A broker that is known.
    async fn any_broker(&mut self) -> Result<i32> {
        if self.brokers().is_empty() {
            self.topics(Some(&[]), false).await?;
        }
        self.brokers().first().copied().ok_or_else(|| super::external("the cluster has no broker"))
    }

    /// Tells the first protocol which partitions a transaction writes next.
    ///
    /// # Errors
    /// If it is refused, or not possible now.
    pub(crate) async fn add_partitions(
        &mut self,
        id: &str,
        producer: ProducerEpoch,
        partitions: &[TopicPartition],
    ) -> Result<()> {
        let coordinator = self.coordinator(Looked::Transaction, id).await?;
        let topics = partitions.iter().map(|p| {
            AddPartitionsToTxnTopic::default()
                .with_name(TopicName(StrBytes::from_string(p.topic.to_string())))
                .with_partitions(vec![p.partition])
        });
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional_id(id))
            .with_v3_and_below_producer_id(ProducerId(producer.id))
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(topics.collect());
        let response = self.ask(coordinator, &request, 0, 3).await?;
        let results = response.results_by_topic_v3_and_below.iter().flat_map(|t| &t.results_by_partition);
        for result in results {
            let code = Code::try_from_code(result.partition_error_code);
            match code {
                None => {}
                Some(Code::ConcurrentTransactions) => {
                    return Err(super::external(format!("transaction '{id}': the one before it is still being ended")));
                }
                Some(code) => return Err(refused(code, &format!("transaction '{id}' cannot write a partition"))),
            }
        }
        Ok(())
    }

    /// Commits or aborts a transaction, whoever began it.
    ///
    /// # Errors
    /// If it is not known whether it worked: it may be asked again.
    pub(crate) async fn end_transaction(
        &mut self,
        id: &str,
        producer: ProducerEpoch,
        version: TransactionVersion,
        commit: bool,
    ) -> Result<Ended> {
        let coordinator = self.coordinator(Looked::Transaction, id).await?;
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id(id))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_committed(commit);
        let (min, max) = match version {
            TransactionVersion::First => (0, 4),
            TransactionVersion::Second => (5, 5),
        };
        let response = self.ask(coordinator, &request, min, max).await?;
        match Code::try_from_code(response.error_code) {
            None => Ok(Ended::Done),
            Some(code @ Code::ConcurrentTransactions) => {
                Err(super::external(format!("transaction '{id}' cannot be ended: {code}")))
            }
            Some(code) if code.is_retriable() => Err(refused(code, &format!("transaction '{id}' cannot be ended"))),
            Some(code) => Ok(Ended::Refused(code)),
        }
    }

    /// The state of a transaction's name, as Kafka writes it, and the producer that has it now.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn describe_transaction(&mut self, id: &str) -> Result<Option<(String, ProducerEpoch)>> {
        let coordinator = self.coordinator(Looked::Transaction, id).await?;
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional_id(id)]);
        let response = self.ask(coordinator, &request, 0, 0).await?;
        let Some(state) = response.transaction_states.into_iter().next() else { return Ok(None) };
        match Code::try_from_code(state.error_code) {
            None => {
                let producer = ProducerEpoch { id: state.producer_id.0, epoch: state.producer_epoch };
                Ok(Some((state.transaction_state.as_str().to_owned(), producer)))
            }
            Some(Code::TransactionalIdNotFound) => Ok(None),
            Some(code) => Err(refused(code, &format!("transaction '{id}' cannot be described"))),
        }
    }
}
