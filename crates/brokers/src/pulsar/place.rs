//! Places in topics, and names of them.

use std::cmp::Ordering;
use std::fmt;

use flott_api::{Error, Result};
use serde::{Deserialize, Serialize};

use super::proto::MessageIdData;
use crate::messages::MessagePlace;

/// A message's place in its topic: ledger, entry and index are in order, and are all that is compared.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) ledger: u64,
    /// -1 before the first one of a ledger.
    pub(super) entry: i64,
    /// In the batch; -1 of an entry that is none.
    pub(super) index: i32,
    /// How many messages the batch has.
    pub(super) count: i32,
    /// Of a partitioned topic; -1 of another one.
    pub(super) partition: i32,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.ledger, self.entry, self.index).cmp(&(other.ledger, other.entry, other.index))
    }
}

impl Place {
    /// That of a message of the protocol.
    pub(super) fn of(id: &MessageIdData) -> Self {
        Place {
            ledger: id.ledger,
            entry: id.entry.cast_signed(),
            index: id.batch_index.unwrap_or(-1),
            count: id.batch_size.unwrap_or_default(),
            partition: id.partition.unwrap_or(-1),
        }
    }

    /// Behind all messages of the entry.
    pub(super) fn whole(self) -> Self {
        Place { index: i32::MAX, ..self }
    }

    /// Whether nothing of its topic can be before it.
    pub(super) fn is_nowhere(self) -> bool {
        self.ledger == u64::MAX || self.entry < 0
    }

    /// The last entry of which all is at or before this place, if it is in the same ledger.
    pub(super) fn last_whole_entry(self) -> Option<Self> {
        let inside = self.index >= 0 && self.index != i32::MAX && self.index + 1 < self.count;
        let entry = if inside { self.entry - 1 } else { self.entry };
        (entry >= 0).then_some(Place { entry, index: -1, count: 0, ..self })
    }

    /// The entry, as the protocol names it.
    pub(super) fn entry_id(self) -> MessageIdData {
        MessageIdData { ledger: self.ledger, entry: self.entry.max(0).cast_unsigned(), ..MessageIdData::default() }
    }

    /// The entry before, as the protocol names it: readers begin behind it.
    pub(super) fn before_entry(self) -> MessageIdData {
        let entry = (self.entry - 1).cast_unsigned();
        MessageIdData { ledger: self.ledger, entry, ..MessageIdData::default() }
    }

    /// For the rows of a message.
    pub(super) fn of_message(self) -> MessagePlace {
        let Place { ledger, entry, index, count, partition } = self;
        MessagePlace { ledger, entry, index, count, partition }
    }

    /// That of a message.
    pub(super) fn from_message(place: MessagePlace) -> Self {
        let MessagePlace { ledger, entry, index, count, partition } = place;
        Place { ledger, entry, index, count, partition }
    }

    /// Reads `ledger:entry:partition`, as Flink writes it.
    ///
    /// # Errors
    /// If it is not of that form.
    pub(super) fn parse(key: &str, text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let mut next = || parts.next().unwrap_or_default();
        let read = (next().parse::<u64>(), next().parse::<u32>(), next().parse::<i32>());
        match (read, parts.next()) {
            ((Ok(ledger), Ok(entry), Ok(partition)), None) if partition >= -1 => {
                Ok(Place { ledger, entry: entry.into(), index: -1, count: 0, partition })
            }
            _ => Err(Error::invalid(format!("option '{key}' = '{text}' names no message")).with_hint(
                "It is 'ledger:entry:partition', such as '12:2:-1', where -1 is a topic without partitions.",
            )),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { ledger, entry, index, .. } = self;
        match *index {
            -1 | i32::MAX => write!(f, "{ledger}:{entry}"),
            _ => write!(f, "{ledger}:{entry}:{index}"),
        }
    }
}

/// The whole name of a topic: `persistent://tenant/namespace/name`.
///
/// # Errors
/// If it is none, or one of a topic that keeps nothing.
pub(super) fn topic_name(name: &str) -> Result<String> {
    let bad = |why: &str| {
        Err(Error::invalid(format!("option 'topics' has '{name}', which {why}"))
            .with_hint("A topic is 'name', 'tenant/namespace/name' or 'persistent://tenant/namespace/name'; several are parted by ';'."))
    };
    let rest = match name.split_once("://") {
        Some(("persistent", rest)) => rest,
        Some(("non-persistent", _)) => {
            return bad("keeps no messages: what nobody reads at once is lost, and nothing can be read again");
        }
        Some(_) => return bad("is no topic"),
        None => name,
    };
    let whole = rest.split('/').all(|part| !part.is_empty() && !part.contains(char::is_whitespace));
    match rest.split('/').count() {
        1 if whole && !name.contains("://") => Ok(format!("persistent://public/default/{rest}")),
        3 if whole => Ok(format!("persistent://{rest}")),
        _ => bad("is no topic"),
    }
}

/// The name of a partition of a topic.
pub(super) fn partition_name(topic: &str, partition: u32) -> String {
    format!("{topic}-partition-{partition}")
}

/// The number of the partition that this name is one of; -1 if it is none.
pub(super) fn partition_number(topic: &str) -> i32 {
    topic.rsplit_once("-partition-").and_then(|(_, number)| number.parse().ok()).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_order() {
        let place = |ledger, entry, index| Place { ledger, entry, index, ..Place::default() };
        let order = [place(1, -1, i32::MAX), place(1, 0, -1), place(1, 0, 0), place(1, 0, 1), place(1, 0, i32::MAX)];
        assert!(order.is_sorted() && place(1, 0, i32::MAX) < place(1, 1, -1) && place(1, 9, 9) < place(2, -1, -1));
        let in_batch = |index, count| Place { count, ..place(5, 7, index) }.last_whole_entry().map(|p| p.entry);
        assert_eq!(
            [in_batch(0, 3), in_batch(2, 3), in_batch(-1, 0), in_batch(i32::MAX, 0)],
            [Some(6), Some(7), Some(7), Some(7)]
        );
        assert_eq!(Place { count: 2, ..place(5, 0, 0) }.last_whole_entry(), None);
        let read = Place::parse("k", "12:2:-1").unwrap();
        assert_eq!((read.to_string(), read.partition), ("12:2".to_owned(), -1));
        for bad in ["", "1:2", "1:2:-2", "1:2:3:4", "a:b:c", "latest"] {
            assert!(Place::parse("k", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_topics_are_made_whole() {
        assert_eq!(topic_name("a").unwrap(), "persistent://public/default/a");
        assert_eq!(topic_name("t/n/a").unwrap(), "persistent://t/n/a");
        assert_eq!(topic_name("persistent://t/n/a").unwrap(), "persistent://t/n/a");
        for bad in ["", "a/b", "x://t/n/a", "persistent://a", "non-persistent://t/n/a", "t//a", "a b"] {
            assert!(topic_name(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (partition_number("persistent://t/n/a-partition-7"), partition_number("persistent://t/n/a")),
            (7, -1)
        );
    }
}
