//! Barrier alignment: a channel that has delivered its barrier waits until all have.
//!
//! As Flink's aligned checkpoints: a newer barrier gives up an older checkpoint that is not
//! complete; one of a given-up checkpoint is dropped; a channel that has ended needs no barrier.
//! A pure state machine.

use flott_api::ids::CheckpointId;

use crate::channel::Barrier;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A channel has delivered a barrier.
    Barrier { channel: usize, barrier: Barrier },
    /// A channel has ended.
    End { channel: usize },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Read no more from a channel.
    Block { channel: usize },
    /// Read from it again.
    Unblock { channel: usize },
    /// All rows before the barrier, and none behind it, have come.
    Complete(Barrier),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Waiting,
    Delivered,
    Ended,
}

/// The channels of one task.
#[derive(Debug)]
pub(crate) struct Alignment {
    channels: Vec<Channel>,
    current: Option<Barrier>,
    /// The newest checkpoint that is complete or given up.
    settled: CheckpointId,
}

impl Alignment {
    pub(crate) fn new(channels: usize) -> Self {
        Alignment { channels: vec![Channel::Waiting; channels], current: None, settled: CheckpointId(0) }
    }

    pub(crate) fn on(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            Event::Barrier { channel, barrier } => self.on_barrier(channel, barrier, &mut commands),
            Event::End { channel } => self.channels[channel] = Channel::Ended,
        }
        self.complete(&mut commands);
        commands
    }

    fn on_barrier(&mut self, channel: usize, barrier: Barrier, commands: &mut Vec<Command>) {
        if barrier.checkpoint <= self.settled {
            return;
        }
        match self.current {
            Some(current) if barrier.checkpoint < current.checkpoint => return,
            Some(current) if barrier.checkpoint > current.checkpoint => {
                self.settled = current.checkpoint;
                self.unblock(commands);
            }
            _ => {}
        }
        self.current = Some(barrier);
        self.channels[channel] = Channel::Delivered;
        commands.push(Command::Block { channel });
    }

    fn complete(&mut self, commands: &mut Vec<Command>) {
        let Some(barrier) = self.current.take_if(|_| !self.channels.contains(&Channel::Waiting)) else { return };
        self.settled = barrier.checkpoint;
        commands.push(Command::Complete(barrier));
        self.unblock(commands);
    }

    fn unblock(&mut self, commands: &mut Vec<Command>) {
        for (channel, state) in self.channels.iter_mut().enumerate() {
            if *state == Channel::Delivered {
                *state = Channel::Waiting;
                commands.push(Command::Unblock { channel });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn barrier(id: u64) -> Barrier {
        Barrier { checkpoint: CheckpointId(id), timestamp_ms: 0, stop: None }
    }

    /// What each channel delivers: `0` is its end.
    fn run(channels: &[&[u64]], order: &[usize]) -> Vec<u64> {
        let mut alignment = Alignment::new(channels.len());
        let mut at = vec![0; channels.len()];
        let mut blocked = vec![false; channels.len()];
        let mut waiting: Vec<usize> = order.to_vec();
        let mut complete = Vec::new();
        // A blocked channel's turn comes later, as in a gate.
        while let Some(turn) = waiting.iter().position(|c| !blocked[*c]) {
            let channel = waiting.remove(turn);
            let id = channels[channel][at[channel]];
            at[channel] += 1;
            let event = match id {
                0 => Event::End { channel },
                id => Event::Barrier { channel, barrier: barrier(id) },
            };
            for command in alignment.on(event) {
                match command {
                    Command::Block { channel } => assert!(!std::mem::replace(&mut blocked[channel], true)),
                    Command::Unblock { channel } => assert!(std::mem::replace(&mut blocked[channel], false)),
                    Command::Complete(b) => complete.push(b.checkpoint.0),
                }
            }
        }
        assert!(waiting.is_empty() && !blocked.contains(&true), "a channel stays blocked");
        complete
    }

    /// All orders in which the channels' elements may come.
    fn orders(left: &mut Vec<usize>, order: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
        if left.iter().all(|n| *n == 0) {
            found.push(order.clone());
        }
        for channel in 0..left.len() {
            if left[channel] > 0 {
                left[channel] -= 1;
                order.push(channel);
                orders(left, order, found);
                order.pop();
                left[channel] += 1;
            }
        }
    }

    fn every_order(channels: &[&[u64]], check: impl Fn(&[u64])) {
        let mut found = Vec::new();
        orders(&mut channels.iter().map(|c| c.len()).collect(), &mut Vec::new(), &mut found);
        assert!(found.len() > 1);
        for order in found {
            check(&run(channels, &order));
        }
    }

    #[test]
    fn every_barrier_completes_once_and_in_order_whatever_comes_first() {
        every_order(&[&[1, 2, 3], &[1, 2, 3]], |done| assert_eq!(done, [1, 2, 3]));
        every_order(&[&[1, 2], &[1, 2], &[1, 2]], |done| assert_eq!(done, [1, 2]));
    }

    #[test]
    fn an_ended_channel_holds_nobody_up() {
        every_order(&[&[1, 2, 0], &[1, 0], &[0]], |done| assert_eq!(done, [1, 2]));
    }

    #[test]
    fn a_newer_barrier_gives_an_older_checkpoint_up() {
        every_order(&[&[1, 2], &[2]], |done| assert_eq!(done, [2]));
        every_order(&[&[1, 3], &[2, 3]], |done| assert_eq!(done, [3]));
    }

    #[test]
    fn a_lone_channel_completes_at_once() {
        let mut alignment = Alignment::new(1);
        let commands = alignment.on(Event::Barrier { channel: 0, barrier: barrier(1) });
        let b = Command::Block { channel: 0 };
        assert_eq!(commands, [b, Command::Complete(barrier(1)), Command::Unblock { channel: 0 }]);
    }
}
