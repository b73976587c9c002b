//! Merging: fairness, marks, union, blocking on barriers and ends.

use futures::task::noop_waker_ref;

use super::*;
use crate::channel::{ChannelId, ChannelSender, LocalTransport, Transport};
use crate::testing::rows::{batch, values};
use flott_api::ids::{Attempt, CheckpointId, JobId};

struct Fixture {
    gate: Gate,
    senders: Vec<Box<dyn ChannelSender>>,
}

fn fixture(inputs: &[usize]) -> Fixture {
    let id = ChannelId { job: JobId(0), attempt: Attempt(1), edge: 0, from: 0, to: 0 };
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for input in inputs {
        let (sender, receiver) = LocalTransport { buffer_bytes_max: 1 << 20 }.connect(id).unwrap();
        senders.push(sender);
        receivers.push((*input, receiver));
    }
    Fixture { gate: Gate::new(receivers, Watermark::MIN), senders }
}

impl Fixture {
    fn rows(&mut self, channel: usize, values: impl IntoIterator<Item = i64>, marks: &[(u32, i64)]) {
        self.send(channel, Element::Batch(SizedBatch::measure(batch(values, marks))));
    }

    fn send(&mut self, channel: usize, element: Element) {
        self.senders[channel].send(element).unwrap();
    }

    fn barrier(&mut self, channel: usize, id: u64) {
        self.send(channel, Element::Barrier(Barrier { checkpoint: CheckpointId(id), timestamp_ms: 0, stop: None }));
    }

    /// All that can be had now, as text.
    fn drain(&mut self) -> Vec<String> {
        let mut cx = Context::from_waker(noop_waker_ref());
        let mut found = Vec::new();
        while let Poll::Ready(event) = self.gate.poll_next(&mut cx) {
            found.push(match event.unwrap() {
                GateEvent::Batch { input, batch } => {
                    let marks: Vec<_> = batch.batch.marks().iter().map(|m| (m.row, m.watermark.0)).collect();
                    format!("{input}:{:?}{marks:?}", values(&batch.batch))
                }
                GateEvent::Watermark(w) => format!("w{}", w.0),
                GateEvent::Status { idle } => format!("idle={idle}"),
                GateEvent::Barrier(b) => format!("b{}", b.checkpoint.0),
                GateEvent::End { drained } => format!("end {drained}"),
            });
        }
        found
    }
}

#[test]
fn one_channels_marks_stay_where_they_are() {
    let mut f = fixture(&[0]);
    f.rows(0, [1, 2, 3], &[(1, 10), (3, 20)]);
    assert_eq!(f.drain(), ["0:[1, 2, 3][(1, 10), (3, 20)]"]);
}

#[test]
fn a_mark_stays_only_where_the_tasks_watermark_rises() {
    let mut f = fixture(&[0, 0]);
    f.rows(0, [1, 2], &[(1, 15)]);
    assert_eq!(f.drain(), ["0:[1, 2][]"]);
    f.rows(1, [3, 4, 5], &[(0, 10), (2, 20), (3, 30)]);
    assert_eq!(f.drain(), ["0:[3, 4, 5][(0, 10), (2, 15)]"]);
    f.send(0, Element::Watermark(Watermark(40)));
    assert_eq!(f.drain(), ["w30"]);
}

#[test]
fn two_inputs_and_a_union_into_one_of_them() {
    let mut f = fixture(&[0, 1, 1]);
    f.rows(0, [1], &[(1, 10)]);
    f.rows(1, [2], &[(1, 20)]);
    f.rows(2, [3], &[(1, 5)]);
    assert_eq!(f.drain(), ["0:[1][]", "1:[2][]", "1:[3][(1, 5)]"]);
}

#[test]
fn channels_take_turns() {
    let mut f = fixture(&[0, 0]);
    for n in 0..2 {
        for channel in 0..2 {
            f.rows(channel, (0..8192).map(|_| n), &[]);
        }
    }
    let mut cx = Context::from_waker(noop_waker_ref());
    let mut order = Vec::new();
    while let Poll::Ready(Ok(GateEvent::Batch { batch, .. })) = f.gate.poll_next(&mut cx) {
        order.push(values(&batch.batch)[0]);
    }
    assert_eq!(order, [0, 0, 1, 1]);
}

#[test]
fn rows_behind_a_barrier_wait_for_the_other_channels_barrier() {
    let mut f = fixture(&[0, 0]);
    f.rows(0, [1], &[]);
    f.barrier(0, 1);
    f.rows(0, [2], &[]);
    assert_eq!(f.drain(), ["0:[1][]"]);
    f.rows(1, [3], &[]);
    f.barrier(1, 1);
    f.rows(1, [4], &[]);
    assert_eq!(f.drain(), ["0:[3][]", "b1", "0:[2][]", "0:[4][]"]);
}

#[test]
fn the_end_comes_after_all_channels_and_frees_a_barrier() {
    let mut f = fixture(&[0, 0]);
    f.barrier(0, 1);
    f.send(1, Element::EndOfInput { drained: true });
    assert_eq!(f.drain(), ["b1"]);
    f.send(0, Element::EndOfInput { drained: false });
    assert_eq!(f.drain(), ["end false"]);
}

#[test]
fn idleness_reaches_the_task() {
    let mut f = fixture(&[0, 0]);
    f.rows(0, [1], &[(1, 10)]);
    f.send(1, Element::Status { idle: true });
    assert_eq!(f.drain(), ["0:[1][]", "w10"]);
    f.send(0, Element::Status { idle: true });
    assert_eq!(f.drain(), ["idle=true"]);
    f.send(0, Element::Status { idle: false });
    assert_eq!(f.drain(), ["idle=false"]);
}
