//! A consumer: one exclusive subscription of one partition, over a connection of its own.

use bytes::Bytes;
use flott_api::Result;

use super::client::{Client, Event, answer_to, places_of};
use super::cluster::Cluster;
use super::failure::moved;
use super::place::{Place, partition_number};
use super::proto::{CommandAck, CommandClose, CommandFlow, CommandSeek, CommandSubscribe, Kind, MessageIdData};
use crate::link::passing;

/// Which subscription of which partition.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) topic: String,
    pub(super) name: String,
    pub(super) begin: Begin,
}

/// Where a subscription begins that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Earliest,
    Latest,
    /// With this entry, or one or two before it, by a subscription that ends with its connection.
    Entry(Place),
    /// With the first entry that is kept, by a subscription that ends with its connection.
    First,
}

/// Where a subscription can be set to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Earliest,
    Latest,
    Entry(Place),
    PublishMs(u64),
}

/// See the module.
pub(super) struct Consumer {
    pub(super) client: Client,
    subscription: Subscription,
    /// Its number among the consumers of the connection: a new one each time.
    id: u64,
    partition: i32,
    /// The question that is to be answered about its places.
    asked: Option<u64>,
    /// The last acknowledgement, until the broker has it.
    acknowledging: Option<u64>,
}

/// What has come for a consumer.
pub(super) enum Arrival {
    Message(Place, Bytes),
    /// How far the subscription is.
    MarkDelete(Place),
    EndOfTopic,
}

/// How far a subscription is: the last entry that nobody will get any more; and the last message of the topic.
pub(super) struct Places {
    pub(super) mark_delete: Place,
    pub(super) last: Place,
}

impl Consumer {
    /// Connects to the broker that has the topic, and subscribes. Nothing comes before it is allowed.
    ///
    /// # Errors
    /// If the topic is not there, or somebody else reads the subscription.
    pub(super) async fn open(cluster: &Cluster, subscription: Subscription) -> Result<Self> {
        let client = cluster.owner(&subscription.topic).await?;
        let partition = partition_number(&subscription.topic);
        let mut consumer = Consumer { client, subscription, id: 0, partition, asked: None, acknowledging: None };
        consumer.subscribe().await?;
        Ok(consumer)
    }

    fn what(&self) -> String {
        format!("subscription '{}' of topic '{}'", self.subscription.name, self.subscription.topic)
    }

    async fn subscribe(&mut self) -> Result<()> {
        self.id += 1;
        let (what, id) = (self.what(), self.id);
        let Subscription { topic, name, begin } = self.subscription.clone();
        let start = match begin {
            Begin::Entry(place) => Some(place.before_entry()),
            Begin::First => Some(MessageIdData { ledger: u64::MAX, entry: u64::MAX, ..MessageIdData::default() }),
            Begin::Earliest | Begin::Latest => None,
        };
        let subscribed = self.client.ask(Kind::Subscribe, &what, |c, request| {
            c.subscribe = Some(Box::new(CommandSubscribe {
                topic,
                subscription: name,
                kind: 0,
                consumer: id,
                request,
                name: Some(format!("flott-{id}")),
                durable: Some(start.is_none()),
                start,
                initial: Some(i32::from(begin != Begin::Latest)),
                create_topic: Some(false),
            }));
        });
        subscribed.await.map(|_| ())
    }

    /// Sets the subscription: what comes next is this, or what is behind it.
    ///
    /// # Errors
    /// If the broker refuses.
    pub(super) async fn seek(&mut self, target: &Target) -> Result<()> {
        let (what, consumer) = (self.what(), self.id);
        // As the Java client writes the first and the last one of all.
        let id = |number: u64| MessageIdData { ledger: number, entry: number, ..MessageIdData::default() };
        let (message_id, publish_time) = match target {
            Target::Earliest => (Some(id(u64::MAX)), None),
            Target::Latest => (Some(id(i64::MAX as u64)), None),
            Target::Entry(place) => (Some(place.entry_id()), None),
            Target::PublishMs(ms) => (None, Some(*ms)),
        };
        let sought = self.client.ask(Kind::Seek, &what, |c, request| {
            c.seek = Some(CommandSeek { consumer, request, message_id, publish_time });
        });
        sought.await?;
        // A seek ends all consumers of the subscription, this one too.
        self.close().await?;
        self.subscribe().await
    }

    /// Ends it: the next one need not wait until the broker has seen that the connection is closed.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub(super) async fn close(&mut self) -> Result<()> {
        let (what, id) = (self.what(), self.id);
        let closed = self.client.try_ask(Kind::CloseConsumer, &what, |c, request| {
            c.close_consumer = Some(CommandClose { id, request });
        });
        closed.await.map(|_| ())
    }

    /// How far it is, and how far it can come.
    ///
    /// # Errors
    /// If the broker refuses.
    pub(super) async fn places(&mut self) -> Result<Places> {
        let (what, consumer) = (self.what(), self.id);
        let answer = self.client.ask(Kind::GetLastMessageId, &what, |c, request| {
            c.last_message_id = Some(super::proto::CommandOfConsumer { consumer, request: Some(request) });
        });
        let (last, mark_delete) = places_of(&answer.await?)?;
        Ok(Places { mark_delete: Place::of(&mark_delete), last: Place::of(&last) })
    }

    /// Asks how far it is, without waiting.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn ask_places(&mut self) -> Result<()> {
        self.asked = Some(self.client.question_of_places(self.id)?);
        Ok(())
    }

    /// Whether an answer is still to come.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Lets so many more messages come.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn allow(&self, permits: u32) -> Result<()> {
        let flow = CommandFlow { consumer: self.id, permits };
        self.client.send(super::frame::command(Kind::Flow, |c| c.flow = Some(flow)))
    }

    /// Acknowledges all entries up to this one.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn acknowledge(&mut self, place: Place) -> Result<()> {
        const CUMULATIVE: i32 = 1;
        let (consumer, message_ids) = (self.id, vec![place.entry_id()]);
        let asked = self.client.question(Kind::Ack, |c, request| {
            c.ack = Some(CommandAck { consumer, kind: CUMULATIVE, message_ids, request: Some(request) });
        });
        self.acknowledging = Some(asked?);
        Ok(())
    }

    /// Whether the broker may not have the last acknowledgement.
    pub(super) fn is_acknowledging(&self) -> bool {
        self.acknowledging.is_some()
    }

    /// What has come for it, without waiting.
    ///
    /// # Errors
    /// If the broker ends it.
    pub(super) fn take(&mut self) -> Result<Option<Arrival>> {
        while let Some(event) = self.client.take()? {
            match event {
                Event::Message(id, content) => {
                    let place = Place { partition: self.partition, ..Place::of(&id) };
                    return Ok(Some(Arrival::Message(place, content)));
                }
                Event::EndOfTopic => return Ok(Some(Arrival::EndOfTopic)),
                Event::Closed(id) if id == self.id => return Err(moved(&self.subscription.topic)),
                Event::Answer(answer) => {
                    let Some((request, refusal)) = answer_to(&answer) else { continue };
                    if self.acknowledging.take_if(|asked| *asked == request).is_some()
                        && let Some(refusal) = &refusal
                    {
                        // The next one makes up for it.
                        tracing::warn!("{}", refusal.error(&self.what()));
                    }
                    if self.asked.take_if(|asked| *asked == request).is_none() {
                        continue;
                    }
                    if let Some(refusal) = refusal {
                        return Err(passing(refusal.error(&self.what()).message().to_owned()));
                    }
                    let (_, mark_delete) = places_of(&answer)?;
                    return Ok(Some(Arrival::MarkDelete(Place::of(&mark_delete))));
                }
                Event::Closed(_) | Event::Receipt(_) | Event::Refused(_) => {}
            }
        }
        Ok(None)
    }
}
