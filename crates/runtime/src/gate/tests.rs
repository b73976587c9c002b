//! Merging: fairness, marks, union, blocking on barriers and ends.

use futures::task::noop_waker_ref;

use super::*;
use crate::channel::{ChannelId, ChannelSender, LocalTransport, Transport};
use crate::in_flight::KeptChannel;
use crate::testing::rows::{batch, values};
use crate::testing::world::ManualClock;
use flott_api::ids::{Attempt, CheckpointId, JobId, OperatorUid};
use flott_state::checkpoint::manifest::InFlightEdge;

struct Fixture {
    gate: Gate,
    clock: Arc<ManualClock>,
    senders: Vec<Box<dyn ChannelSender>>,
}

fn origin(input: usize, subtask: usize) -> Origin {
    let edge = InFlightEdge {
        from: OperatorUid("p".into()),
        from_name: "p".into(),
        parallelism: 2,
        input: input as u32,
        spread: "rebalance".into(),
        types: "BIGINT".into(),
    };
    Origin { edge: Arc::new(edge), subtask: subtask as u32 }
}

fn fixture(inputs: &[usize]) -> Fixture {
    let id = ChannelId { job: JobId(0), attempt: Attempt(1), edge: 0, from: 0, to: 0 };
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for input in inputs {
        let (sender, receiver) = LocalTransport { buffer_bytes_max: 1 << 20 }.connect(id).unwrap();
        senders.push(sender);
        receivers.push(Inlet { receiver, origin: origin(*input, senders.len() - 1), yields: true });
    }
    Fixture { gate: Gate::new(receivers, Watermark::MIN), clock: Arc::default(), senders }
}

impl Fixture {
    fn rows(&mut self, channel: usize, values: impl IntoIterator<Item = i64>, marks: &[(u32, i64)]) {
        self.send(channel, Element::Batch(SizedBatch::measure(batch(values, marks))));
    }

    fn send(&mut self, channel: usize, element: Element) {
        self.senders[channel].send(element).unwrap();
    }

    fn barrier(&mut self, channel: usize, id: u64) {
        self.barrier_after(channel, id, None);
    }

    fn barrier_after(&mut self, channel: usize, id: u64, unaligned_after_ms: Option<u64>) {
        let barrier = Barrier { checkpoint: CheckpointId(id), timestamp_ms: 0, stop: None, unaligned_after_ms };
        self.send(channel, Element::Barrier(barrier));
    }

    /// The same channels, where barriers may overtake rows.
    fn unaligned(mut self, piece_bytes: usize) -> Self {
        self.gate.let_overtake(Arc::clone(&self.clock) as _, piece_bytes);
        self
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
                GateEvent::Barrier { barrier, overtakes: false } => format!("b{}", barrier.checkpoint.0),
                GateEvent::Barrier { barrier, overtakes: true } => format!("overtaking b{}", barrier.checkpoint.0),
                GateEvent::Kept(rows) => {
                    let more = if rows.last { "" } else { " of" };
                    format!("kept{more} {}{}", rows.checkpoint.0, kept_text(&rows.channels))
                }
                GateEvent::GivenUp(checkpoint) => format!("given up {}", checkpoint.0),
                GateEvent::End { drained } => format!("end {drained}"),
            });
        }
        found
    }
}

fn kept_text(channels: &[KeptChannel]) -> String {
    let text = |element: &Element| match element {
        Element::Batch(b) => format!("{:?}", values(&b.batch)),
        Element::Watermark(w) => format!("w{}", w.0),
        other => format!("{other:?}"),
    };
    let channel = |c: &KeptChannel| {
        let elements: Vec<String> = c.elements.iter().map(text).collect();
        let time = if c.watermark == Watermark::MIN { String::new() } else { format!(" w{}", c.watermark.0) };
        format!(" | {}/{}{time}: {}", c.origin.input(), c.origin.subtask, elements.join(" "))
    };
    channels.iter().map(channel).collect()
}

fn kept(input: usize, subtask: usize, watermark: i64, elements: Vec<Element>) -> KeptChannel {
    let origin = origin(input, subtask);
    KeptChannel { origin, watermark: Watermark(watermark), idle: false, elements: elements.into() }
}

fn rows(values: impl IntoIterator<Item = i64>, marks: &[(u32, i64)]) -> Element {
    Element::Batch(SizedBatch::measure(batch(values, marks)))
}

#[test]
fn a_barrier_that_overtakes_comes_before_what_lies_in_the_channels_and_that_is_kept() {
    let mut f = fixture(&[0, 1]).unaligned(1 << 20);
    f.rows(0, [1], &[(1, 5)]);
    assert_eq!(f.drain(), ["0:[1][]"]);
    f.rows(0, [2], &[]);
    f.rows(0, [3], &[]);
    f.barrier_after(0, 1, Some(0));
    f.rows(0, [4], &[]);
    f.rows(1, [5], &[(1, 9)]);
    let found = f.drain();
    assert_eq!(found, ["overtaking b1", "1:[5][(1, 5)]", "0:[2, 3][]", "0:[4][]"]);
    f.send(1, Element::Watermark(Watermark(20)));
    f.barrier_after(1, 1, Some(0));
    f.rows(1, [6], &[]);
    // The watermark of the second channel was there before its barrier, and is kept beside what was read.
    assert_eq!(f.drain(), ["kept 1 | 0/0 w5: [2, 3] | 1/1: [5] w20", "1:[6][]"]);
}

#[test]
fn nothing_is_copied_of_what_is_kept() {
    let mut f = fixture(&[0]).unaligned(1 << 20);
    let whole = batch(0..2000, &[]);
    let column = whole.rows().column(0).to_data().buffers()[0].as_ptr();
    f.send(0, Element::Batch(SizedBatch::measure(whole)));
    f.barrier_after(0, 1, Some(0));
    let mut cx = Context::from_waker(noop_waker_ref());
    while let Poll::Ready(event) = f.gate.poll_next(&mut cx) {
        if let GateEvent::Kept(rows) = event.unwrap() {
            let Element::Batch(b) = &rows.channels[0].elements[0] else { panic!("no rows are kept") };
            assert_eq!(b.batch.rows().column(0).to_data().buffers()[0].as_ptr(), column);
            return;
        }
    }
    panic!("nothing is kept");
}

#[test]
fn what_is_kept_leaves_in_pieces_and_no_channel_waits() {
    let mut f = fixture(&[0, 0]).unaligned(30);
    f.rows(0, [7], &[]);
    f.barrier_after(0, 1, Some(0));
    for n in 0..3 {
        f.rows(1, [n, n], &[]);
        f.send(1, Element::Status { idle: n % 2 == 0 });
    }
    let found = f.drain();
    assert_eq!(
        found,
        [
            "overtaking b1",
            "0:[7][]",
            "0:[0, 0][]",
            "kept of 1 | 0/0: [7] | 0/1: [0, 0] Status { idle: true } [1, 1]",
            "0:[1, 1][]",
            "0:[2, 2][]"
        ]
    );
    f.rows(1, [4], &[]);
    f.barrier_after(1, 1, Some(0));
    let last = "kept 1 | 0/0:  | 0/1: Status { idle: false } [2, 2] Status { idle: true } [4]";
    assert_eq!(f.drain(), [last, "0:[4][]"]);
}

#[test]
fn alignment_that_takes_too_long_overtakes_by_the_clock() {
    let mut f = fixture(&[0, 0]).unaligned(1 << 20);
    f.barrier_after(0, 1, Some(100));
    f.rows(1, [1], &[]);
    assert_eq!(f.drain(), ["0:[1][]"]);
    f.rows(0, [2], &[]);
    assert_eq!(f.drain(), Vec::<String>::new(), "the first channel waits");
    f.clock.advance(99);
    assert_eq!(f.drain(), Vec::<String>::new());
    f.clock.advance(1);
    assert_eq!(f.drain(), ["overtaking b1", "0:[2][]"]);
    f.barrier_after(1, 1, Some(100));
    assert_eq!(f.drain(), ["kept 1 | 0/0:  | 0/1: "]);
    // The next one is in time.
    f.barrier_after(0, 2, Some(1000));
    f.barrier_after(1, 2, Some(1000));
    assert_eq!(f.drain(), ["b2"]);
    f.clock.advance(10_000);
    assert_eq!(f.drain(), Vec::<String>::new());
}

#[test]
fn an_end_counts_as_a_barrier_and_what_lies_before_it_is_kept() {
    let mut f = fixture(&[0, 0]).unaligned(1 << 20);
    f.rows(1, [1], &[]);
    f.send(1, Element::EndOfInput { drained: true });
    f.barrier_after(0, 1, Some(0));
    assert_eq!(f.drain(), ["overtaking b1", "kept 1 | 0/0:  | 0/1: [1]", "0:[1][]"]);
    f.send(0, Element::EndOfInput { drained: true });
    assert_eq!(f.drain(), ["end true"]);
}

#[test]
fn a_newer_checkpoint_gives_up_what_was_kept() {
    let mut f = fixture(&[0, 0]).unaligned(1 << 20);
    f.rows(0, [1], &[]);
    f.barrier_after(0, 1, Some(0));
    f.rows(0, [2], &[]);
    f.barrier_after(0, 2, Some(0));
    let found = f.drain();
    assert_eq!(found, ["overtaking b1", "given up 1", "overtaking b2", "0:[1][]", "0:[2][]"]);
    f.barrier_after(1, 1, Some(0));
    f.barrier_after(1, 2, Some(0));
    assert_eq!(f.drain(), ["kept 2 | 0/0: [1] [2] | 0/1: "]);
}

#[test]
fn restored_rows_come_first_and_time_waits_for_the_slowest_of_their_channels() {
    let mut f = fixture(&[0, 0]).unaligned(1 << 20);
    let first = kept(0, 0, 10, vec![rows([1], &[(1, 30)]), rows([2], &[])]);
    let second = kept(0, 1, 5, vec![rows([3, 4], &[(1, 20)])]);
    f.gate.replay(Replay::new(vec![first, second], 1, Watermark::MIN));
    f.rows(0, [5], &[(1, 25)]);
    f.rows(1, [6], &[(1, 22)]);
    // What was promised on the channels before still holds: 30 and 20, so at least 20.
    assert_eq!(f.drain(), ["w5", "0:[1][]", "0:[2][]", "0:[3, 4][(1, 20)]", "0:[5][]", "0:[6][(1, 22)]"]);
}

#[test]
fn restored_rows_of_an_idle_channel_hold_time_up_until_they_have_come() {
    let mut f = fixture(&[0, 0, 0]);
    let idle = |subtask, elements| KeptChannel { idle: true, ..kept(0, subtask, 5, elements) };
    let first = kept(0, 0, 10, vec![rows([1], &[(1, 30)])]);
    f.gate.replay(Replay::new(vec![first, idle(1, vec![rows([2], &[(1, 20)])]), idle(2, vec![])], 1, Watermark::MIN));
    assert_eq!(f.drain(), ["w5", "0:[1][]", "0:[2][(1, 20)]"]);
}

#[test]
fn what_is_not_replayed_yet_is_kept_by_the_next_checkpoint_before_all_else() {
    let mut f = fixture(&[0, 0]).unaligned(1 << 20);
    let first = kept(0, 0, 10, vec![rows([1], &[]), rows([2], &[(1, 40)])]);
    let second = kept(0, 1, 5, vec![rows([3], &[])]);
    f.gate.replay(Replay::new(vec![first, second], 1, Watermark::MIN));
    let mut cx = Context::from_waker(noop_waker_ref());
    for expected in ["w5", "[1]"] {
        let Poll::Ready(Ok(event)) = f.gate.poll_next(&mut cx) else { panic!("nothing is replayed") };
        let text = match event {
            GateEvent::Watermark(w) => format!("w{}", w.0),
            GateEvent::Batch { batch, .. } => format!("{:?}", values(&batch.batch)),
            other => format!("{other:?}"),
        };
        assert_eq!(text, expected);
    }
    f.rows(0, [4], &[]);
    for channel in 0..2 {
        f.barrier_after(channel, 1, Some(0));
    }
    f.rows(1, [5], &[]);
    let found = f.drain();
    assert_eq!(
        found,
        [
            "overtaking b1",
            "kept 1 | 0/0 w10: [2] | 0/1 w5: [3] | 0/0 w5: [4] | 0/1 w5: ",
            "0:[2][]",
            "0:[3][]",
            "0:[4][]",
            "0:[5][]"
        ]
    );
}

#[test]
fn an_aligned_barrier_waits_for_what_is_replayed() {
    let mut f = fixture(&[0]).unaligned(1 << 20);
    f.gate.replay(Replay::new(vec![kept(0, 0, 0, vec![rows([1], &[])])], 1, Watermark::MIN));
    f.barrier(0, 1);
    assert_eq!(f.drain(), ["w0", "0:[1][]", "b1"]);
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
