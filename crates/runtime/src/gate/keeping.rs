//! What a gate keeps of an unaligned checkpoint: on each channel all that was under way when the snapshot
//! was taken. Batches are shared with those who work on them; nothing is copied here.
//!
//! What is kept leaves in pieces, so that memory has no more of it than a piece, however long the last
//! barrier takes. No channel is held back for it: a barrier may be behind rows that must be worked on.

use std::collections::VecDeque;

use flott_api::Watermark;
use flott_api::ids::CheckpointId;

use crate::channel::Element;
use crate::in_flight::{InFlight, KeptChannel, Origin};

/// The rows under way of one checkpoint, as far as they are known and have not left.
pub(super) struct Keeping {
    pub(super) checkpoint: CheckpointId,
    /// What was left of an earlier restore; it comes before all else.
    replayed: Vec<KeptChannel>,
    channels: Vec<Kept>,
    /// Bytes of all rows that are here.
    bytes: usize,
}

struct Kept {
    channel: KeptChannel,
    /// Whether what comes now belongs to it.
    records: bool,
}

impl Keeping {
    pub(super) fn new(checkpoint: CheckpointId, replayed: Vec<KeptChannel>) -> Self {
        Keeping { checkpoint, replayed, channels: Vec::new(), bytes: 0 }
    }

    /// The next channel, with how far its time had come.
    pub(super) fn add(&mut self, origin: Origin, watermark: Watermark, idle: bool) {
        let channel = KeptChannel { origin, watermark, idle, elements: VecDeque::new() };
        self.channels.push(Kept { channel, records: false });
    }

    /// What comes on a channel from now on belongs to it.
    pub(super) fn record(&mut self, channel: usize) {
        self.channels[channel].records = true;
    }

    /// Something has come on a channel.
    pub(super) fn on_element(&mut self, channel: usize, element: &Element) {
        let is_kept = !matches!(element, Element::Barrier(_) | Element::EndOfInput { .. });
        if self.channels[channel].records && is_kept {
            self.push(channel, element.clone());
        }
    }

    /// The last that belongs to it of a channel.
    pub(super) fn keep(&mut self, channel: usize, rest: Vec<Element>) {
        self.channels[channel].records = false;
        rest.into_iter().for_each(|element| self.push(channel, element));
    }

    fn push(&mut self, channel: usize, element: Element) {
        if let Element::Batch(batch) = &element {
            self.bytes += batch.bytes;
        }
        self.channels[channel].channel.elements.push_back(element);
    }

    /// A piece, once there is enough for one.
    pub(super) fn full_piece(&mut self, bytes_min: usize) -> Option<InFlight> {
        (self.bytes >= bytes_min).then(|| self.piece(false))
    }

    /// All that is here. Each piece names all channels: their time counts.
    pub(super) fn piece(&mut self, last: bool) -> InFlight {
        self.bytes = 0;
        let mut channels = std::mem::take(&mut self.replayed);
        for Kept { channel, .. } in &mut self.channels {
            let elements = std::mem::take(&mut channel.elements);
            channels.push(KeptChannel { elements, ..channel.clone() });
        }
        InFlight { checkpoint: self.checkpoint, last, channels }
    }
}
