//! A split: a partition of a topic, with how far it was read.

use bytes::Bytes;
use flott_api::source::Split;
use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::client::TopicPartition;

/// The version of the encoding.
const VERSION: u32 = 1;

/// How far a split was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Of the next record.
    pub(super) offset: i64,
    /// Rows of that record that were emitted already.
    pub(super) rows: u64,
}

/// What lies in a split's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KafkaSplit {
    version: u32,
    topic: String,
    /// The number of the topic, in hexadecimal: one that was deleted and created again has another one.
    topic_id: String,
    partition: i32,
    #[serde(flatten)]
    pub(super) position: Position,
    /// Reading ends before this offset.
    pub(super) stop: Option<i64>,
}

impl KafkaSplit {
    /// A partition from an offset on.
    pub(super) fn new(partition: &TopicPartition, topic_id: u128, offset: i64, stop: Option<i64>) -> Self {
        KafkaSplit {
            version: VERSION,
            topic: partition.topic.to_string(),
            topic_id: format!("{topic_id:x}"),
            partition: partition.partition,
            position: Position { offset, rows: 0 },
            stop,
        }
    }

    /// The partition.
    pub(super) fn partition(&self) -> TopicPartition {
        TopicPartition::new(&self.topic, self.partition)
    }

    /// The number of its topic.
    pub(super) fn topic_id(&self) -> u128 {
        u128::from_str_radix(&self.topic_id, 16).unwrap_or_default()
    }

    /// Reading goes on elsewhere, perhaps in another topic of the same name.
    pub(super) fn move_to(&mut self, topic_id: u128, offset: i64) {
        self.topic_id = format!("{topic_id:x}");
        self.position = Position { offset, rows: 0 };
    }

    /// Its lasting name, as Flink's: no topic may have a hyphen and a number at its end that is another's.
    fn id(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }

    /// The split as others carry it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn encode(&self) -> Result<Split> {
        let state =
            serde_json::to_vec(self).map_err(|e| Error::internal("a split cannot be written").with_source(e))?;
        Ok(Split { id: self.id(), state: Bytes::from(state) })
    }

    /// Reads a split.
    ///
    /// # Errors
    /// If it is of another version or damaged.
    pub(super) fn decode(split: &Split) -> Result<Self> {
        let damaged = |e| Error::corrupt(format!("split '{}' is damaged", split.id)).with_source(e);
        let read: KafkaSplit = serde_json::from_slice(&split.state).map_err(damaged)?;
        if read.version != VERSION {
            return Err(Error::corrupt(format!("split '{}' has the unknown version {}", split.id, read.version)));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_come_back_and_damage_is_told() {
        let mut split = KafkaSplit::new(&TopicPartition::new("t", 3), 0xabc, 42, Some(50));
        split.position.rows = 1;
        let encoded = split.encode().unwrap();
        assert_eq!(encoded.id, "t-3");
        let decoded = KafkaSplit::decode(&encoded).unwrap();
        assert_eq!((decoded.topic_id(), &decoded), (0xabc, &split));
        let message = |state: &'static [u8]| {
            let split = Split { id: "t-3".to_owned(), state: Bytes::from_static(state) };
            KafkaSplit::decode(&split).unwrap_err().message().to_owned()
        };
        assert_eq!(message(b"{}"), "split 't-3' is damaged");
        let other = br#"{"version":9,"topic":"t","topic_id":"0","partition":3,"offset":1,"rows":0,"stop":null}"#;
        assert_eq!(message(other), "split 't-3' has the unknown version 9");
    }
}
