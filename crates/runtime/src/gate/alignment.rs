//! When a task takes its snapshot: barriers of one checkpoint come on each of its channels.
//!
//! Aligned, as Flink's aligned checkpoints: a channel that has delivered its barrier waits until all have.
//! Unaligned: once alignment has taken too long (or at once, if it may take no time), the snapshot is taken
//! with the barriers still in their channels. What lies before a barrier then is kept, and so is what comes
//! on a channel that has no barrier yet; no channel waits. Some channels cannot be overtaken, because what
//! is kept of them could not be spread again: their barriers are waited for.
//!
//! A newer barrier gives up an older checkpoint that is not complete; one of a given-up checkpoint is
//! dropped; a channel that has ended needs no barrier. A pure state machine.

use flott_api::ids::CheckpointId;

use crate::channel::Barrier;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A barrier lies in a channel that can be overtaken. Comes before it is delivered.
    Announced { channel: usize, barrier: Barrier },
    /// The end of such a channel lies in it.
    EndAnnounced { channel: usize },
    /// A channel has delivered a barrier.
    Barrier { channel: usize, barrier: Barrier },
    /// A channel has ended.
    End { channel: usize },
    /// A checkpoint has been aligned for as long as it may.
    Due { checkpoint: CheckpointId },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Read no more from a channel.
    Block { channel: usize },
    /// Read from it again.
    Unblock { channel: usize },
    /// Say when a checkpoint is due.
    WakeAt { checkpoint: CheckpointId, at_ms: i64 },
    /// Take the snapshot: all rows before the barrier, and none behind it, have come.
    Complete(Barrier),
    /// Take the snapshot now; what is under way is kept.
    Overtake(Barrier),
    /// Keep what lies in a channel before its barrier or its end, and take the barrier out.
    Keep { channel: usize },
    /// Keep what comes on a channel from now on, until more is said of it.
    Record { channel: usize },
    /// All that was under way is kept.
    Kept(CheckpointId),
    /// Forget what was kept.
    GiveUp(CheckpointId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its barrier has not come.
    Waiting,
    /// Its barrier lies in it.
    Announced,
    /// It has delivered its barrier, and is blocked.
    Delivered,
    /// All that was under way on it is kept.
    Kept,
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    state: State,
    /// Whether its rows can be overtaken.
    yields: bool,
    /// Whether its end lies in it.
    ends: bool,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    barrier: Barrier,
    due: bool,
    /// Whether the snapshot is taken, and the rest is kept.
    overtaking: bool,
}

/// The channels of one task.
#[derive(Clone, Debug)]
pub(crate) struct Alignment {
    channels: Vec<Channel>,
    current: Option<Current>,
    /// The newest checkpoint that is complete or given up.
    settled: CheckpointId,
    commands: Vec<Command>,
}

impl Alignment {
    /// Says of each channel whether its rows can be overtaken.
    pub(crate) fn new(yields: impl IntoIterator<Item = bool>) -> Self {
        let channel = |yields| Channel { state: State::Waiting, yields, ends: false };
        Alignment {
            channels: yields.into_iter().map(channel).collect(),
            current: None,
            settled: CheckpointId(0),
            commands: Vec::new(),
        }
    }

    pub(crate) fn on(&mut self, event: Event) -> Vec<Command> {
        match event {
            Event::Announced { channel, barrier } => self.on_announced(channel, barrier),
            Event::EndAnnounced { channel } => self.on_end_announced(channel),
            Event::Barrier { channel, barrier } => self.on_barrier(channel, barrier),
            Event::End { channel } => self.channels[channel].state = State::Ended,
            Event::Due { checkpoint } => self.on_due(checkpoint),
        }
        self.advance();
        std::mem::take(&mut self.commands)
    }

    fn on_announced(&mut self, channel: usize, barrier: Barrier) {
        if !self.is_current(barrier) {
            return;
        }
        if self.is_overtaking() {
            self.keep(channel);
        } else {
            self.channels[channel].state = State::Announced;
        }
    }

    fn on_end_announced(&mut self, channel: usize) {
        self.channels[channel].ends = true;
        if self.is_overtaking() && self.channels[channel].state == State::Waiting {
            self.keep(channel);
        }
    }

    fn on_barrier(&mut self, channel: usize, barrier: Barrier) {
        if !self.is_current(barrier) {
            return;
        }
        if self.is_overtaking() {
            // All before it was recorded as it came.
            self.channels[channel].state = State::Kept;
            return;
        }
        self.channels[channel].state = State::Delivered;
        self.commands.push(Command::Block { channel });
    }

    fn on_due(&mut self, checkpoint: CheckpointId) {
        if let Some(current) = self.current.as_mut().filter(|c| c.barrier.checkpoint == checkpoint) {
            current.due = true;
        }
    }

    /// Whether the barrier is of the checkpoint that is being taken; the first one of a newer checkpoint
    /// gives up the one before.
    fn is_current(&mut self, barrier: Barrier) -> bool {
        if barrier.checkpoint <= self.settled {
            return false;
        }
        match self.current {
            Some(current) if barrier.checkpoint < current.barrier.checkpoint => return false,
            Some(current) if barrier.checkpoint == current.barrier.checkpoint => return true,
            Some(current) => self.give_up(current),
            None => {}
        }
        let due = barrier.unaligned_after_ms == Some(0);
        self.current = Some(Current { barrier, due, overtaking: false });
        if let Some(at_ms) = barrier.overtakes_at_ms().filter(|_| !due) {
            self.commands.push(Command::WakeAt { checkpoint: barrier.checkpoint, at_ms });
        }
        true
    }

    fn give_up(&mut self, current: Current) {
        self.settled = current.barrier.checkpoint;
        if current.overtaking {
            self.commands.push(Command::GiveUp(current.barrier.checkpoint));
        }
        self.reset();
    }

    fn is_overtaking(&self) -> bool {
        self.current.is_some_and(|c| c.overtaking)
    }

    fn keep(&mut self, channel: usize) {
        self.channels[channel].state = State::Kept;
        self.commands.push(Command::Keep { channel });
    }

    fn advance(&mut self) {
        let Some(current) = self.current else { return };
        if !current.overtaking && self.is_aligned() {
            self.commands.push(Command::Complete(current.barrier));
            return self.settle(current);
        }
        if !current.overtaking && current.due && self.may_overtake() {
            self.overtake(current);
        }
        if self.is_overtaking() && !self.channels.iter().any(|c| c.state == State::Waiting) {
            self.commands.push(Command::Kept(current.barrier.checkpoint));
            self.settle(current);
        }
    }

    fn is_aligned(&self) -> bool {
        self.channels.iter().all(|c| matches!(c.state, State::Delivered | State::Ended))
    }

    fn may_overtake(&self) -> bool {
        self.channels.iter().all(|c| c.yields || matches!(c.state, State::Delivered | State::Ended))
    }

    fn overtake(&mut self, current: Current) {
        self.current = Some(Current { overtaking: true, ..current });
        self.commands.push(Command::Overtake(current.barrier));
        for channel in 0..self.channels.len() {
            match self.channels[channel] {
                Channel { state: State::Announced, .. } | Channel { state: State::Waiting, ends: true, .. } => {
                    self.keep(channel);
                }
                Channel { state: State::Waiting, .. } => self.commands.push(Command::Record { channel }),
                Channel { state: State::Delivered, .. } => {
                    self.channels[channel].state = State::Kept;
                    self.commands.push(Command::Unblock { channel });
                }
                Channel { state: State::Kept | State::Ended, .. } => {}
            }
        }
    }

    fn settle(&mut self, current: Current) {
        self.settled = current.barrier.checkpoint;
        self.current = None;
        self.reset();
    }

    fn reset(&mut self) {
        for (channel, Channel { state, .. }) in self.channels.iter_mut().enumerate() {
            if *state == State::Delivered {
                self.commands.push(Command::Unblock { channel });
            }
            if *state != State::Ended {
                *state = State::Waiting;
            }
        }
    }
}

#[cfg(test)]
mod tests;
