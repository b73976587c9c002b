//! Credits, adaptive batching and what happens when one end goes.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use flott_api::ChangeBatch;
use futures::task::noop_waker_ref;

use super::*;
use crate::channel::Barrier;
use crate::testing::rows::{batch, values};
use flott_api::ids::CheckpointId;

fn pair(buffer_bytes_max: usize) -> (LocalSender, LocalReceiver) {
    LocalTransport { buffer_bytes_max }.pair()
}

fn cx() -> Context<'static> {
    Context::from_waker(noop_waker_ref())
}

fn rows(values: impl IntoIterator<Item = i64>) -> Element {
    Element::Batch(SizedBatch::measure(batch(values, &[])))
}

/// All that lies in the channel, as text.
fn drain(receiver: &mut LocalReceiver) -> Vec<String> {
    let mut found = Vec::new();
    while let Poll::Ready(Ok(element)) = receiver.poll_next(&mut cx()) {
        found.push(match element {
            Element::Batch(b) => {
                let marks: Vec<_> = b.batch.marks().iter().map(|m| (m.row, m.watermark.0)).collect();
                format!("{:?}{marks:?}", values(&b.batch))
            }
            Element::Watermark(w) => format!("w{}", w.0),
            Element::Status { idle } => format!("idle={idle}"),
            Element::Barrier(b) => format!("b{}", b.checkpoint.0),
            Element::EndOfInput { .. } => "end".to_owned(),
        });
    }
    found
}

#[test]
fn small_batches_grow_together_until_control_seals_them() {
    let (mut sender, mut receiver) = pair(1 << 20);
    let barrier = Barrier { checkpoint: CheckpointId(1), timestamp_ms: 0, stop: None, unaligned_after_ms: None };
    sender.send(rows([1])).unwrap();
    sender.send(rows([2])).unwrap();
    sender.send(Element::Barrier(barrier)).unwrap();
    sender.send(rows([3])).unwrap();
    sender.send(Element::Status { idle: true }).unwrap();
    sender.send(Element::Status { idle: false }).unwrap();
    sender.send(rows([4])).unwrap();
    sender.send(Element::EndOfInput { drained: true }).unwrap();
    assert_eq!(drain(&mut receiver), ["[1, 2][]", "b1", "[3][]", "idle=false", "[4][]", "end"]);
}

#[test]
fn a_reader_that_keeps_up_gets_every_row_at_once() {
    let (mut sender, mut receiver) = pair(1 << 20);
    for n in 0..3 {
        sender.send(rows([n])).unwrap();
        assert_eq!(drain(&mut receiver), [format!("[{n}][]")]);
    }
}

#[test]
fn watermarks_do_not_pile_up() {
    let (mut sender, mut receiver) = pair(1 << 20);
    for w in [1, 2, 3] {
        sender.send(Element::Watermark(Watermark(w))).unwrap();
    }
    sender.send(rows([1])).unwrap();
    for w in [4, 5] {
        sender.send(Element::Watermark(Watermark(w))).unwrap();
    }
    sender.send(rows([2])).unwrap();
    assert_eq!(drain(&mut receiver), ["w3", "[1, 2][(1, 5)]"]);
}

#[test]
fn a_sender_waits_for_credit_and_one_batch_always_fits() {
    let (mut sender, mut receiver) = pair(1);
    assert!(sender.poll_ready(&mut cx()).is_ready());
    sender.send(rows(0..100)).unwrap();
    assert!(sender.poll_ready(&mut cx()).is_pending());
    sender.send(Element::Watermark(Watermark(1))).unwrap();
    assert_eq!(drain(&mut receiver).len(), 1);
    assert!(sender.poll_ready(&mut cx()).is_ready());
}

#[test]
fn rows_without_columns_need_credit_too() {
    let (mut sender, mut receiver) = pair(1000);
    let options = RecordBatchOptions::new().with_row_count(Some(8192));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
    let batch = || Element::Batch(SizedBatch::measure(ChangeBatch::inserts(rows.slice(0, 1))));
    let mut sent = 0;
    while sender.poll_ready(&mut cx()).is_ready() {
        sender.send(batch()).unwrap();
        sent += 1;
    }
    let Poll::Ready(Ok(Element::Batch(taken))) = receiver.poll_next(&mut cx()) else { panic!("no batch") };
    assert_eq!((taken.batch.len(), sent), (4, 4));
}

#[test]
fn an_end_that_goes_is_noticed() {
    let (mut sender, receiver) = pair(1);
    drop(receiver);
    assert!(matches!(sender.poll_ready(&mut cx()), Poll::Ready(Err(_))));
    assert!(sender.send(rows([1])).is_err());
    let (mut sender, mut receiver) = pair(1);
    sender.send(rows([1])).unwrap();
    drop(sender);
    assert_eq!(drain(&mut receiver), ["[1][]"]);
    assert!(matches!(receiver.poll_next(&mut cx()), Poll::Ready(Err(_))));
}
