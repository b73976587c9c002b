//! Reading: a split is a partition with the place of its last message that is out, which lies in the checkpoint.
//!
//! The enumerator makes the subscription and sets it to where reading begins, so that the place of a split is known before
//! anybody reads it. A reader asks how far the subscription is, and sets it back if it is too far; what it is not far enough
//! comes again, and is left out by its place. So a reader never moves a subscription forward but by acknowledging what a
//! complete checkpoint has: what no complete checkpoint has stays with the broker.
//!
//! Each split has a connection of its own, from which no more is taken than is wanted: so memory is bounded by what was taken,
//! and not by how many messages the broker may send ahead.

mod feed;
mod finder;

use std::sync::Arc;

use bytes::Bytes;
use flott_api::Result;
use flott_api::env::Environment;
use flott_api::source::{Boundedness, ReaderContext, Source, Split, SplitEnumerator, SplitReader};
use flott_api::table::SourceSpec;
use serde::{Deserialize, Serialize};

use super::METADATA;
use super::cluster::Cluster;
use super::options::PulsarOptions;
use super::place::Place;
use crate::messages::{RowLayout, RowReader};
use crate::reader::{Feed, MessageReader};
use crate::splits::{Enumerator, SplitState};
use feed::PulsarFeed;
use finder::PartitionFinder;

/// Reads topics.
pub(super) struct PulsarSource {
    shared: Arc<Shared>,
}

struct Shared {
    options: PulsarOptions,
    layout: Arc<RowLayout>,
}

impl Shared {
    fn cluster(&self, environment: &Environment) -> Cluster {
        Cluster { options: Arc::clone(&self.options.client), environment: environment.clone() }
    }
}

/// Where a split ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    /// With this message.
    Behind(Place),
    /// Before this one.
    Before(Place),
    /// Before the first one that was published then or later.
    PublishMs(u64),
}

/// What lies in a split's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PulsarSplit {
    version: u32,
    /// The partition.
    topic: String,
    subscription: String,
    /// Up to here all is out.
    position: Place,
    end: Option<End>,
}

impl PulsarSplit {
    /// Whether nothing is to be read behind this place.
    fn ends_at(&self, position: Place) -> bool {
        match self.end {
            Some(End::Behind(last)) => position >= last,
            // What is before an entry that may not be there yet.
            Some(End::Before(next)) => {
                position >= next
                    || (next.ledger, next.entry) == (position.ledger, position.entry + 1)
                        && position == position.whole()
            }
            Some(End::PublishMs(_)) | None => false,
        }
    }
}

impl SplitState for PulsarSplit {
    fn version(&self) -> u32 {
        self.version
    }

    fn id(&self) -> String {
        self.topic.clone()
    }
}

impl PulsarSource {
    /// The source of a specification.
    ///
    /// # Errors
    /// If the specification is not usable.
    pub(super) fn new(spec: &SourceSpec) -> Result<Self> {
        let options = PulsarOptions::read(&spec.options, &spec.schema)?;
        let key = options.key.as_ref().map_or(&[][..], |key| &key.columns);
        let layout = Arc::new(RowLayout::keyed(spec, METADATA, key)?);
        Ok(PulsarSource { shared: Arc::new(Shared { options, layout }) })
    }
}

impl Source for PulsarSource {
    fn boundedness(&self) -> Boundedness {
        self.shared.options.boundedness()
    }

    fn enumerator(&self, environment: &Environment, restored: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        let finder = PartitionFinder::new(Arc::clone(&self.shared), environment);
        Enumerator::boxed(Arc::new(finder), environment, restored)
    }

    fn reader(&self, cx: ReaderContext) -> Result<Box<dyn SplitReader>> {
        let (shared, environment) = (Arc::clone(&self.shared), cx.environment.clone());
        let open = move |split: &Split| {
            let split = PulsarSplit::decode(split)?;
            Ok(Box::new(PulsarFeed::new(Arc::clone(&shared), &environment, split)) as Box<dyn Feed>)
        };
        let Shared { options, layout } = &*self.shared;
        let key = options.key.as_ref().map(|key| &*key.format);
        let rows = RowReader::keyed(layout, &*options.format, key)?;
        Ok(Box::new(MessageReader::of(rows, cx, Box::new(open))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_end_where_they_should() {
        let place = |entry, index, count| Place { ledger: 1, entry, index, count, partition: -1 };
        let split = |end| PulsarSplit {
            version: 1,
            topic: "t".to_owned(),
            subscription: "s".to_owned(),
            position: Place::default(),
            end: Some(end),
        };
        let behind = split(End::Behind(place(5, 2, 0)));
        assert!(
            !behind.ends_at(place(5, 1, 9))
                && behind.ends_at(place(5, 2, 9))
                && behind.ends_at(place(5, -1, 0).whole())
        );
        let before = split(End::Before(place(5, -1, 0)));
        assert!(
            !before.ends_at(place(4, 0, 2)) && before.ends_at(place(4, 1, 2).whole()) && before.ends_at(place(5, 0, 2))
        );
        let read = PulsarSplit::decode(&before.encode().unwrap()).unwrap();
        assert_eq!(read, before);
    }
}
