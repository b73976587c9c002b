//! The harness finds operators that are wrong in one way each.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::operator::{OpenContext, OperatorContext};
use crate::state::{
    EntryBatch, KeyBatch, KeyedContainer, Redistribution, StateDescriptor, StateNumber, StateStore, WriteKind,
};
use crate::{ChangeBatch, Field, LogicalType, Mark, Result, TypeKind};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    CountsBatches,
    NeverWrites,
    /// Writes for the checkpoint what is there when it is drained, not what was at the barrier.
    WritesLater,
    /// Forgets at pressure without writing.
    ForgetsUnderPressure,
    /// At pressure writes what belongs to the next checkpoint.
    WritesEarly,
    EmitsAgainAfterTheEnd,
}

/// Lets the first two rows through. Its state is how many have come.
struct First {
    fault: Fault,
    count: Option<Count>,
    ended: bool,
}

struct Count {
    fault: Fault,
    store: Arc<dyn StateStore>,
    number: StateNumber,
    /// Nothing while it is only in the store.
    rows: Option<u64>,
    dirty: bool,
    closed: Option<u64>,
    closing: bool,
}

const KEY: [u8; 2] = [0, 0];

impl Count {
    async fn get(&mut self) -> Result<u64> {
        if let Some(rows) = self.rows {
            return Ok(rows);
        }
        let mut keys = KeyBatch::default();
        keys.push(&KEY);
        let found = self.store.fetch(self.number, &keys).await?.remove(0);
        Ok(found.map_or(0, |v| u64::from_le_bytes(v[..].try_into().expect("8 bytes"))))
    }

    fn set(&mut self, rows: u64) {
        (self.rows, self.dirty) = (Some(rows), true);
    }

    async fn write(&self, rows: u64) -> Result<()> {
        let mut batch = EntryBatch::default();
        batch.push(WriteKind::Put, |k| k.extend(KEY), |v| v.extend(rows.to_le_bytes()));
        if self.fault == Fault::NeverWrites { Ok(()) } else { self.store.write(self.number, &batch).await }
    }
}

#[async_trait]
impl KeyedContainer for Count {
    fn close_epoch(&mut self) {
        self.closed = self.rows.filter(|_| std::mem::take(&mut self.dirty));
        self.closing = true;
    }

    async fn drain(&mut self, _: usize) -> Result<bool> {
        if let Some(rows) = self.closed.take() {
            let later = self.rows.filter(|_| self.fault == Fault::WritesLater);
            self.write(later.unwrap_or(rows)).await?;
        }
        self.closing = false;
        Ok(true)
    }

    async fn relieve(&mut self) -> Result<()> {
        let Some(rows) = self.rows else { return Ok(()) };
        if self.fault == Fault::WritesEarly {
            self.closed = None;
        }
        if !self.closing || self.fault == Fault::WritesEarly {
            if std::mem::take(&mut self.dirty) && self.fault != Fault::ForgetsUnderPressure {
                self.write(rows).await?;
            }
            self.rows = None;
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        8
    }
}

impl crate::operator::Stateful for First {
    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.count.iter_mut().map(|c| c as &mut dyn KeyedContainer).collect()
    }
}

#[async_trait]
impl Operator for First {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let descriptor = StateDescriptor {
            name: "count".to_owned(),
            key: String::new(),
            parts: Vec::new(),
            version: 1,
            namespaced: false,
            ttl_ms: 0,
        };
        let number = cx.state.declare(&descriptor)?.number;
        let (store, fault) = (cx.state.clone(), self.fault);
        self.ended = store.list("ended").is_some_and(|items| !items.is_empty());
        self.count = Some(Count { fault, store, number, rows: None, dirty: false, closed: None, closing: false });
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let count = self.count.as_mut().expect("it is open");
        let before = count.get().await?;
        let added = if self.fault == Fault::CountsBatches { 1 } else { batch.len() as u64 };
        count.set(before + added);
        let room = 2u64.saturating_sub(before).min(batch.len() as u64) as usize;
        cx.output.emit(batch.slice(0, room)).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        let count = self.count.as_ref().expect("it is open");
        let items = vec![Bytes::new(); usize::from(self.ended && self.fault != Fault::EmitsAgainAfterTheEnd)];
        count.store.set_list("ended", Redistribution::Union, items);
        Ok(())
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let input = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        cx.output.emit(super::super::batch(&input, "+I | 99")).await
    }
}

/// The clock ends each batch, so that not the batches differ but what happens between them.
const APART: &str = "+I | 1\ntime 1\n+I | 2\ntime 2\n+I | 3\ntime 3\n+I | 4";

fn play(fault: Fault, script: &str) -> String {
    let input = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
    let case = Case { input: &input, event_time: EventTime::Indifferent, script };
    check_restorable(&case, None, || First { fault, count: None, ended: false })
}

#[test]
fn an_operator_without_fault_passes() {
    assert_eq!(play(Fault::Nothing, "+I | 1\n+I | 2\n+I | 3"), "+I | 1\n+I | 2\n+I | 99");
    assert_eq!(play(Fault::Nothing, APART), "+I | 1\n+I | 2\n+I | 99");
}

#[test]
#[should_panic(expected = "batches of 1")]
fn an_operator_that_depends_on_its_batches_is_found() {
    play(Fault::CountsBatches, "+I | 1\n+I | 2\ntime 1\n+I | 3");
}

#[test]
#[should_panic(expected = "with restarts and None pressure")]
fn an_operator_that_forgets_at_a_restart_is_found() {
    play(Fault::NeverWrites, APART);
}

#[test]
#[should_panic(expected = "a restore from a drain 0 batches after event 1, None pressure")]
fn an_operator_that_writes_what_came_behind_the_barrier_is_found() {
    play(Fault::WritesLater, APART);
}

#[test]
#[should_panic(expected = "Total pressure")]
fn an_operator_that_forgets_under_pressure_is_found() {
    play(Fault::ForgetsUnderPressure, APART);
}

#[test]
#[should_panic(expected = "a restore from a drain 0 batches after event 0, Total pressure")]
fn an_operator_that_writes_for_the_next_checkpoint_too_early_is_found() {
    play(Fault::WritesEarly, APART);
}

#[test]
#[should_panic(expected = "with restarts and None pressure")]
fn an_operator_that_says_its_last_words_twice_is_found() {
    play(Fault::EmitsAgainAfterTheEnd, APART);
}

/// Lets rows of the first input through; for each batch of the second one says how many rows it had.
struct Sides;

impl crate::operator::Stateful for Sides {}

#[async_trait]
impl Operator for Sides {
    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if input == 0 {
            return cx.output.emit(batch).await;
        }
        let schema = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        let says = format!("-D | {}", batch.len());
        let marks = batch.marks().iter().map(|m| Mark { row: m.row.min(1), watermark: m.watermark }).collect();
        cx.output.emit(super::super::batch(&schema, &says).with_marks(marks)?).await
    }
}

fn play_sides(script: &str) -> String {
    let left = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
    let right = Schema::new(vec![Field::new("b", LogicalType::string()), Field::new("c", LogicalType::string())]);
    let case = JoinCase { inputs: [&left, &right], event_time: EventTime::Indifferent, script };
    check_join(&case, Some(([&[0], &[1]], &[0])), || Sides)
}

#[test]
fn rows_of_two_inputs_come_in_the_order_of_the_script() {
    assert_eq!(play_sides("L +I | 1\nR +I | x | y\nwm 5\nL +I | 2\nL +I | 3"), "+I | 1\n-D | 1\nwm 5\n+I | 2\n+I | 3");
}

#[test]
#[should_panic(expected = "batches of 1")]
fn a_join_that_depends_on_its_batches_is_found() {
    play_sides("L +I | 1\nR +I | x | y\nR +I | x | z");
}
