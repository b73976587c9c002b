//! The rows under way of a restored checkpoint: they come before anything new.
//!
//! Each channel that they lay in is a channel here, with its own watermark, and the task's is the minimum
//! over all of them: it is never ahead of a row that has not come yet. They are read one behind the other,
//! in the order in which they were kept.

use std::collections::VecDeque;

use flott_api::{Result, Watermark};

use super::watermarks::{TaskTime, TimeChange};
use super::{GateEvent, with_task_marks};
use crate::channel::Element;
use crate::in_flight::{KeptChannel, Origin};

/// What is left to be read.
pub(crate) struct Replay {
    channels: VecDeque<(usize, KeptChannel)>,
    /// Of all channels, also those that are read to their end: who sent on it, to which input.
    origins: Vec<Origin>,
    time: TaskTime,
}

impl Replay {
    /// These channels, into a task with so many inputs whose restored watermark is this.
    pub(crate) fn new(channels: Vec<KeptChannel>, inputs: usize, watermark: Watermark) -> Self {
        let origins: Vec<Origin> = channels.iter().map(|c| c.origin.clone()).collect();
        let mut of_channels: Vec<usize> = origins.iter().map(Origin::input).collect();
        // Of an input without a channel nothing is known, so time does not pass.
        let unknown: Vec<usize> = (0..inputs).filter(|input| !of_channels.contains(input)).collect();
        of_channels.extend(unknown);
        let channels = channels.into_iter().enumerate().collect();
        Replay { channels, origins, time: TaskTime::new(&of_channels, watermark) }
    }

    /// Takes up how far each channel had come.
    pub(crate) fn start(&mut self, out: &mut VecDeque<GateEvent>) {
        for (channel, kept) in &self.channels {
            let change = self.time.on_watermark(*channel, kept.watermark);
            push_watermark(change, out);
        }
        // One that is idle and has rows all the same holds time up until they have come.
        for (channel, _) in self.channels.iter().filter(|(_, kept)| kept.idle && !kept.has_rows()) {
            let change = self.time.on_status(*channel, true);
            push_watermark(change, out);
        }
    }

    /// The events of the next element; answers nothing at the end.
    pub(crate) fn next(&mut self, out: &mut VecDeque<GateEvent>) -> Result<bool> {
        while let Some((channel, kept)) = self.channels.front_mut() {
            let (channel, input) = (*channel, kept.origin.input());
            let Some(element) = kept.elements.pop_front() else {
                self.channels.pop_front();
                continue;
            };
            self.accept(channel, input, element, out)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn accept(&mut self, channel: usize, input: usize, element: Element, out: &mut VecDeque<GateEvent>) -> Result<()> {
        match element {
            Element::Batch(batch) => {
                let batch = with_task_marks(&mut self.time, channel, batch, |_| {})?;
                out.push_back(GateEvent::Batch { input, batch });
            }
            Element::Watermark(watermark) => push_watermark(self.time.on_watermark(channel, watermark), out),
            // Whoever sends says it again when that is so.
            Element::Status { .. } | Element::Barrier(_) | Element::EndOfInput { .. } => {}
        }
        Ok(())
    }

    /// How far all channels have come on which an operator has sent to an input; nothing if there is none.
    pub(crate) fn floor(&self, origin: &Origin) -> Option<Watermark> {
        let of_edge = (0..self.origins.len()).filter(|c| self.origins[*c].is_of_same_edge(origin));
        of_edge.map(|channel| self.time.channel(channel).0).min()
    }

    /// The task's watermark.
    pub(crate) fn watermark(&self) -> Watermark {
        self.time.watermark()
    }

    /// What has not come yet, with how far each channel has come. All channels are part of it, also those that
    /// are read to their end: their time counts.
    pub(crate) fn rest(&self) -> Vec<KeptChannel> {
        let kept = |(channel, origin): (usize, &Origin)| {
            let (watermark, idle) = self.time.channel(channel);
            let left = self.channels.iter().find(|(c, _)| *c == channel);
            let elements = left.map(|(_, kept)| kept.elements.clone()).unwrap_or_default();
            KeptChannel { origin: origin.clone(), watermark, idle, elements }
        };
        self.origins.iter().enumerate().map(kept).collect()
    }
}

/// Idleness is what the channels say of each other here; whoever reads from this task hears of it when there are
/// new rows.
fn push_watermark(change: TimeChange, out: &mut VecDeque<GateEvent>) {
    out.extend(change.watermark.map(GateEvent::Watermark));
}
