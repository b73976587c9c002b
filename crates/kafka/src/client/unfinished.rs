//! Finds the transactions that nobody has ended.
//!
//! **Invariant.** What is not in the answer is not there: a broker that has just been given transactions to look after
//! answers for none of them, and without an error, until it has begun to load them. So each partition of their topic is
//! asked for a name that it would have, which only a broker answers that has loaded it; before, and by the caller's asking
//! twice also behind.

use std::collections::{BTreeMap, BTreeSet};

use flott_api::Result;
use kafka_protocol::messages::{DescribeTransactionsRequest, ListTransactionsRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::failure::{Code, code_error, external, refused};
use super::transactions::transactional_id;

/// Where Kafka keeps its transactions.
const TOPIC: &str = "__transaction_state";

impl Cluster {
    /// The names that begin so of all transactions that are open, or may still be opened by records on their way from a
    /// process that has died.
    ///
    /// # Errors
    /// If a broker does not answer: it might be the one that has such.
    pub(crate) async fn unfinished_transactions(&mut self, prefix: &str) -> Result<BTreeSet<String>> {
        const ONGOING: &str = "Ongoing";
        // Somebody has asked for its producer, and nothing is written.
        const EMPTY: &str = "Empty";
        self.transactions_are_known(prefix).await?;
        let states = [ONGOING, EMPTY].map(StrBytes::from_static_str);
        let request = ListTransactionsRequest::default().with_state_filters(states.to_vec()).with_duration_filter(-1);
        let mut unfinished = BTreeSet::new();
        for broker in self.brokers() {
            let response = self.ask(broker, &request, 0, 1).await?;
            if let Some(e) = code_error(response.error_code, "the open transactions cannot be listed") {
                return Err(e);
            }
            let ours = response.transaction_states.into_iter().filter(|s| s.transactional_id.starts_with(prefix));
            let (ongoing, empty): (Vec<_>, Vec<_>) = ours.partition(|s| s.transaction_state.as_str() == ONGOING);
            unfinished.extend(ongoing.into_iter().map(|s| s.transactional_id.as_str().to_owned()));
            let empty = empty.into_iter().map(|s| s.transactional_id).collect();
            unfinished.extend(self.not_fenced(broker, empty).await?);
        }
        Ok(unfinished)
    }

    /// Checks that each transaction has a broker that knows it. Names that begin so may be asked for by this user.
    async fn transactions_are_known(&mut self, prefix: &str) -> Result<()> {
        let topics = self.topics(Some(&[TOPIC.into()]), false).await?;
        let Some(topic) = topics.into_iter().next() else { return Ok(()) };
        match topic.error {
            // There has never been a transaction.
            Some(Code::UnknownTopicOrPartition) => return Ok(()),
            Some(Code::TopicAuthorizationFailed) => {
                tracing::warn!(
                    "the user may not describe topic '{TOPIC}': what is open may be overlooked if brokers have just started"
                );
                return Ok(());
            }
            Some(code) => return Err(refused(code, "the transactions cannot be looked for")),
            None => {}
        }
        let mut asked: BTreeMap<i32, Vec<TransactionalId>> = BTreeMap::new();
        let names = names_by_partition(prefix, topic.partitions.len());
        for partition in &topic.partitions {
            let name = usize::try_from(partition.index).ok().and_then(|index| names.get(index));
            match (partition.leader, name) {
                (Some(leader), Some(name)) => asked.entry(leader).or_default().push(transactional_id(name)),
                _ => return Err(external("nobody looks after some transactions now")),
            }
        }
        for (broker, names) in asked {
            let request = DescribeTransactionsRequest::default().with_transactional_ids(names);
            let response = self.ask(broker, &request, 0, 0).await?;
            for state in response.transaction_states {
                match Code::try_from_code(state.error_code) {
                    None | Some(Code::TransactionalIdNotFound) => {}
                    Some(code) => return Err(refused(code, "some transactions are not known yet")),
                }
            }
        }
        Ok(())
    }

    /// Those whose producer is the first one that was asked for, so that nobody has taken its place yet.
    async fn not_fenced(&mut self, broker: i32, ids: Vec<TransactionalId>) -> Result<Vec<String>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
        let response = self.ask(broker, &request, 0, 0).await?;
        let mut found = Vec::new();
        for state in response.transaction_states {
            match Code::try_from_code(state.error_code) {
                None if state.producer_epoch == 0 => found.push(state.transactional_id.as_str().to_owned()),
                None | Some(Code::TransactionalIdNotFound) => {}
                Some(code) => return Err(refused(code, "an open transaction cannot be described")),
            }
        }
        Ok(found)
    }
}

/// For each of so many partitions a name that Kafka would keep there. Nobody uses such names.
fn names_by_partition(prefix: &str, partitions: usize) -> Vec<String> {
    let mut names = vec![String::new(); partitions];
    let (mut missing, mut number) = (partitions, 0_u64);
    while missing > 0 {
        let name = format!("{prefix}is loaded?{number}");
        number += 1;
        let place = &mut names[place_of(&name, partitions)];
        if place.is_empty() {
            *place = name;
            missing -= 1;
        }
    }
    names
}

/// Where Kafka keeps a transaction of this name, among so many partitions.
fn place_of(name: &str, partitions: usize) -> usize {
    // Other than for keys of records the sign is taken off, and the one number without a counterpart is 0.
    (java_hash(name) as i32).checked_abs().unwrap_or(0) as usize % partitions
}

/// Java's `String.hashCode`, which is of UTF-16.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_of_the_topic_has_a_name() {
        // Java's own, with the partition of 50 that Kafka's `Utils.abs(hash) % 50` gives.
        let known = [
            ("transactional-id-1", 1_051_133_891, 41),
            ("a transaction", -713_362_017, 17),
            ("ledger-passed", -307_677_868, 18),
            ("polygenelubricants", i32::MIN, 0),
        ];
        for (name, hash, place) in known {
            assert_eq!((java_hash(name) as i32, place_of(name, 50)), (hash, place), "{name}");
        }
        for partitions in [1, 4, 50] {
            let names = names_by_partition("job-", partitions);
            let places: Vec<usize> = names.iter().map(|name| place_of(name, partitions)).collect();
            assert_eq!(places, (0..partitions).collect::<Vec<_>>());
        }
        assert!(names_by_partition("job-", 0).is_empty());
    }
}
