//! What a writer hands to the committer: a transaction that is to be ended.

use bytes::Bytes;
use flott_api::sink::Committable;
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::client::{ProducerEpoch, TransactionVersion};

const VERSION: u32 = 1;

/// A transaction with records, all of them in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) id: String,
    pub(super) producer: ProducerEpoch,
    /// The protocol that it was begun under; it must be ended under the same.
    pub(super) protocol: TransactionVersion,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    version: u32,
    transactional_id: String,
    #[serde(flatten)]
    producer: Producer,
    /// 1 or 2.
    protocol: u32,
}

#[derive(Serialize, Deserialize)]
struct Producer {
    producer_id: i64,
    producer_epoch: i16,
}

impl Pending {
    /// It as a committable.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn encode(&self) -> Result<Committable> {
        let payload = Payload {
            version: VERSION,
            transactional_id: self.id.clone(),
            producer: Producer { producer_id: self.producer.id, producer_epoch: self.producer.epoch },
            protocol: match self.protocol {
                TransactionVersion::First => 1,
                TransactionVersion::Second => 2,
            },
        };
        let bytes = serde_json::to_vec(&payload);
        let bytes = bytes.map_err(|e| Error::internal("a committable cannot be written").with_source(e))?;
        Ok(Committable { id: self.id.clone(), payload: Bytes::from(bytes) })
    }

    /// Reads a committable.
    ///
    /// # Errors
    /// If it is damaged or from a later version.
    pub(super) fn decode(committable: &Committable) -> Result<Self> {
        let damaged = || Error::corrupt(format!("committable '{}' is damaged", committable.id));
        let payload: Payload = serde_json::from_slice(&committable.payload).map_err(|e| damaged().with_source(e))?;
        if payload.version != VERSION {
            let version = payload.version;
            return Err(Error::corrupt(format!("committable '{}' has the unknown version {version}", committable.id)));
        }
        let protocol = match payload.protocol {
            1 => TransactionVersion::First,
            2 => TransactionVersion::Second,
            _ => return Err(damaged()),
        };
        let Producer { producer_id: id, producer_epoch: epoch } = payload.producer;
        Ok(Pending { id: payload.transactional_id, producer: ProducerEpoch { id, epoch }, protocol })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committables_come_back_and_damage_is_told() {
        for protocol in [TransactionVersion::First, TransactionVersion::Second] {
            let pending = Pending { id: "p-1".to_owned(), producer: ProducerEpoch { id: 7, epoch: 3 }, protocol };
            let committable = pending.encode().unwrap();
            assert_eq!(Pending::decode(&committable).unwrap(), pending);
        }
        let message = |payload: &'static [u8]| {
            let committable = Committable { id: "c".to_owned(), payload: Bytes::from_static(payload) };
            Pending::decode(&committable).unwrap_err().message().to_owned()
        };
        assert_eq!(message(b"{}"), "committable 'c' is damaged");
        let of = |version: &str| {
            format!(r#"{{"version":{version},"transactional_id":"p","producer_id":1,"producer_epoch":2,"protocol":9}}"#)
        };
        assert_eq!(message(of("1").leak().as_bytes()), "committable 'c' is damaged");
        assert_eq!(message(of("2").leak().as_bytes()), "committable 'c' has the unknown version 2");
    }
}
