//! Finds partitions, and makes their subscriptions.

use std::sync::Arc;

use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::{Error, Result};

use super::super::cluster::Cluster;
use super::super::consumer::{Begin, Consumer, Subscription, Target};
use super::super::options::{PulsarOptions, Start, Stop};
use super::super::place::{Place, partition_name, partition_number};
use super::{End, PulsarSplit, Shared};
use crate::splits::{Finder, Found, Known, SplitState, VERSION};

/// What subscriptions are called that nobody has named.
const SUBSCRIPTION_PREFIX: &str = "flott-";

/// See the module.
pub(super) struct PartitionFinder {
    pub(super) shared: Arc<Shared>,
    /// What the subscription is called if neither options nor the checkpoint name it: however often it is tried, it is one.
    name: String,
}

impl PartitionFinder {
    pub(super) fn new(shared: Arc<Shared>, environment: &Environment) -> Self {
        PartitionFinder { shared, name: format!("{SUBSCRIPTION_PREFIX}{:016x}", environment.rng.next_u64()) }
    }

    async fn partitions(&self, cluster: &Cluster) -> Result<Vec<String>> {
        let (mut client, mut all) = (cluster.any().await?, Vec::new());
        for topic in &self.shared.options.topics {
            match cluster.partitions(&mut client, topic, false).await? {
                Some(count) => all.extend((0..count).map(|partition| partition_name(topic, partition))),
                None => all.push(topic.clone()),
            }
        }
        all.sort_unstable();
        // A topic and one of its partitions may both be named.
        all.dedup();
        Ok(all)
    }
}

#[async_trait]
impl Finder for PartitionFinder {
    fn connector(&self) -> &'static str {
        "pulsar"
    }

    fn retry_ms(&self) -> u64 {
        self.shared.options.retry_ms
    }

    fn again_ms(&self) -> Option<u64> {
        let source = &self.shared.options.source;
        source.discovery_ms.filter(|_| source.stop == Stop::Never)
    }

    async fn find(&self, environment: &Environment, known: &Known) -> Result<Found> {
        let options = &self.shared.options;
        let cluster = self.shared.cluster(environment);
        let partitions = self.partitions(&cluster).await?;
        check_ids(options, &partitions)?;
        let name = options.source.subscription.as_ref().or(known.note.as_ref()).unwrap_or(&self.name).clone();
        let first = known.ids.is_empty();
        let mut splits = Vec::new();
        for topic in partitions.into_iter().filter(|topic| !known.ids.contains(topic)) {
            // A partition that is new is read from its begin.
            let start = if first { options.source.start } else { Start::Earliest };
            splits.push(split(&cluster, options, (topic, name.clone()), start).await?.encode()?);
        }
        Ok(Found { splits, note: Some(name) })
    }
}

/// An id is one of a single partition.
fn check_ids(options: &PulsarOptions, partitions: &[String]) -> Result<()> {
    let of_start =
        if let Start::Id(place) = options.source.start { Some(("source.start.message-id", place)) } else { None };
    let of_stop = match options.source.stop {
        Stop::At(place) => Some(("source.stop.at-message-id", place)),
        Stop::After(place) => Some(("source.stop.after-message-id", place)),
        _ => None,
    };
    for (key, place) in of_start.into_iter().chain(of_stop) {
        let [topic] = partitions else {
            return Err(Error::invalid(format!("option '{key}' = '{place}' with {} partitions", partitions.len()))
                .with_detail("A message is in one of them, and says nothing of the others.")
                .with_hint("Name one partition in option 'topics', such as 'topic-partition-0'."));
        };
        if place.partition >= 0 && place.partition != partition_number(topic) {
            return Err(Error::invalid(format!(
                "option '{key}' names a message of partition {}, and '{topic}' is another one",
                place.partition
            )));
        }
    }
    Ok(())
}

/// Makes the subscription, and sets it to where reading begins.
async fn split(
    cluster: &Cluster,
    options: &PulsarOptions,
    (topic, name): (String, String),
    start: Start,
) -> Result<PulsarSplit> {
    let begin = if start == Start::Latest { Begin::Latest } else { Begin::Earliest };
    let subscription = Subscription { topic: topic.clone(), name: name.clone(), begin };
    let mut consumer = Consumer::open(cluster, subscription).await?;
    let target = match start {
        Start::Earliest => options.source.reset.then_some(Target::Earliest),
        Start::Latest => options.source.reset.then_some(Target::Latest),
        Start::Id(place) => Some(Target::Entry(place)),
        Start::PublishMs(ms) => Some(Target::PublishMs(ms)),
    };
    if let Some(target) = target {
        consumer.seek(&target).await?;
    }
    let places = consumer.places().await?;
    consumer.close().await?;
    let position = places.mark_delete.whole();
    let end = match options.source.stop {
        Stop::Never => None,
        // Of an empty topic nothing is to be read.
        Stop::Latest if places.last.is_nowhere() => Some(End::Behind(position)),
        Stop::Latest => Some(End::Behind(places.last)),
        Stop::At(place) => Some(End::Before(place)),
        Stop::After(place) => Some(End::Behind(Place::whole(place))),
        Stop::PublishMs(ms) => Some(End::PublishMs(ms)),
    };
    Ok(PulsarSplit { version: VERSION, topic, subscription: name, position, end })
}
