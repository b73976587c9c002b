//! How operators get rows, watermarks and timers, by what they declare.

use std::sync::Mutex;

use async_trait::async_trait;
use flott_api::metrics::TaskMetrics;
use flott_api::operator::{EventTime, Operator, OperatorContext, OperatorInstance, Timer};
use flott_api::testing::{FakeWorld, open_context};
use flott_api::{ChangeBatch, Error};

use super::*;
use crate::checker::Checker;
use crate::testing::rows::{batch, schema, values};
use crate::testing::world::ManualClock;

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what it gets and hands it on; sets an event timer at each value.
struct Recorder {
    name: &'static str,
    log: Log,
    domain: Option<TimeDomain>,
}

impl Recorder {
    fn note(&self, text: String) {
        self.log.lock().unwrap().push(format!("{} {text}", self.name));
    }
}

impl flott_api::operator::Stateful for Recorder {}

#[async_trait]
impl Operator for Recorder {
    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let marks: Vec<_> = batch.marks().iter().map(|m| (m.row, m.watermark.0)).collect();
        self.note(format!("{input}:{:?}{marks:?}", values(&batch)));
        if let Some(domain) = self.domain {
            for at_ms in values(&batch) {
                cx.timers.register(Timer::of_instance(at_ms, domain));
            }
        }
        cx.output.emit(batch).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.note(format!("w{} after {}", watermark.0, cx.watermark.0));
        cx.output.emit_watermark(watermark).await
    }

    async fn on_timers(&mut self, timers: &[Timer], cx: &mut OperatorContext<'_>) -> Result<()> {
        let due: Vec<_> = timers.iter().map(|t| t.at_ms).collect();
        self.note(format!("due {due:?} at {}", cx.watermark.0));
        cx.output.emit(batch(due, &[])).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.note("checkpoint".into());
        Ok(())
    }

    async fn finish(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.note("finish".into());
        Ok(())
    }
}

struct Fixture {
    chain: Chain,
    log: Log,
    clock: Arc<ManualClock>,
}

fn link(instance: OperatorInstance, position: usize) -> Link {
    let cx = open_context(&FakeWorld::at(0), flott_api::ids::Subtask { index: 0, parallelism: 1 }, 128);
    let (node, watermark) = (flott_graph::NodeId(position as u32), Watermark::MIN);
    let place = LinkPlace { node, position, metrics: Arc::default(), watermark };
    Link::operator(instance, Checker::new(&schema()), cx, None, place)
}

async fn fixture(operators: &[(&'static str, EventTime, Option<TimeDomain>)]) -> Fixture {
    let (log, clock): (Log, Arc<ManualClock>) = Default::default();
    let make = |(position, (name, event_time, domain)): (usize, &(&'static str, EventTime, Option<TimeDomain>))| {
        let operator = Box::new(Recorder { name, log: Arc::clone(&log), domain: *domain });
        let instance = OperatorInstance { operator, event_time: *event_time };
        link(instance, position)
    };
    let links = operators.iter().enumerate().map(make).collect();
    let exchange = Exchange::new(Vec::new(), clock.clone(), Arc::new(TaskMetrics::default()), Arc::default());
    let frame = Arc::new(Frame::new(clock.clone(), Arc::default()));
    let mut chain = Chain::new(links, exchange, frame);
    chain.open().await.unwrap();
    Fixture { chain, log, clock }
}

impl Fixture {
    async fn rows(&mut self, values: &[i64], marks: &[(u32, i64)]) {
        let batch = SizedBatch::measure(batch(values.iter().copied(), marks));
        self.chain.batch(0, batch).await.unwrap();
    }

    fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

use EventTime::{Indifferent, Sliced, WholeWithMarks};

#[tokio::test]
async fn a_sliced_operator_sees_rows_and_watermarks_in_turn() {
    let mut f = fixture(&[("a", Sliced, None)]).await;
    f.rows(&[1, 2, 3], &[(0, 10), (2, 20), (3, 30)]).await;
    let min = i64::MIN;
    let expected = [&format!("a w10 after {min}"), "a 0:[1, 2][]", "a w20 after 10", "a 0:[3][]", "a w30 after 20"];
    assert_eq!(f.take_log(), expected);
}

#[tokio::test]
async fn an_indifferent_operator_keeps_marks_for_the_next() {
    let mut f = fixture(&[("a", Indifferent, None), ("b", WholeWithMarks, None), ("c", Sliced, None)]).await;
    f.rows(&[1, 2], &[(1, 10)]).await;
    let min = i64::MIN;
    let expected =
        ["a 0:[1, 2][(1, 10)]", "b 0:[1, 2][(1, 10)]", "c 0:[1][]", &format!("c w10 after {min}"), "c 0:[2][]"];
    assert_eq!(f.take_log(), expected);
    f.chain.watermark(Watermark(10)).await.unwrap();
    assert_eq!(f.take_log(), Vec::<String>::new(), "a watermark that does not rise is dropped");
}

#[tokio::test]
async fn timers_fire_before_the_watermark_goes_on() {
    let mut f = fixture(&[("a", Sliced, Some(TimeDomain::Event)), ("b", Sliced, None)]).await;
    f.rows(&[7, 5, 12], &[]).await;
    f.take_log();
    f.chain.watermark(Watermark(9)).await.unwrap();
    let min = i64::MIN;
    let (a, b) = (format!("a w9 after {min}"), format!("b w9 after {min}"));
    assert_eq!(f.take_log(), ["a due [5, 7] at 9", "b 0:[5, 7][]", &a, &b]);
}

#[tokio::test]
async fn processing_time_timers_fire_by_the_clock() {
    let mut f = fixture(&[("a", Sliced, Some(TimeDomain::Processing))]).await;
    f.rows(&[100, 200], &[]).await;
    f.take_log();
    assert_eq!(f.chain.next_timer_ms(), Some(100));
    f.chain.fire_due().await.unwrap();
    assert_eq!(f.take_log(), Vec::<String>::new());
    f.clock.advance(150);
    f.chain.fire_due().await.unwrap();
    assert_eq!(f.take_log(), [format!("a due [100] at {}", i64::MIN)]);
    assert_eq!(f.chain.next_timer_ms(), Some(200));
}

#[tokio::test]
async fn the_end_of_time_precedes_finish_operator_by_operator() {
    let mut f = fixture(&[("a", Sliced, None), ("b", Sliced, None)]).await;
    f.chain.finish(true).await.unwrap();
    let (max, min) = (i64::MAX, i64::MIN);
    let [a, b] = ["a", "b"].map(|n| format!("{n} w{max} after {min}"));
    assert_eq!(f.take_log(), [&a, &b, "a finish", "b finish"]);
    let mut f = fixture(&[("values", Sliced, None), ("b", Sliced, None)]).await;
    f.chain.finish(false).await.unwrap();
    assert_eq!(f.take_log(), ["values finish", &b, "b finish"]);
    let mut f = fixture(&[("a", Sliced, Some(TimeDomain::Event))]).await;
    f.rows(&[5], &[]).await;
    f.take_log();
    f.chain.stop().await.unwrap();
    assert_eq!(f.take_log(), ["a checkpoint"], "a stop fires nothing");
}

#[tokio::test]
async fn rows_and_bytes_are_counted_where_they_are_handed_on() {
    let mut f = fixture(&[("a", Indifferent, None)]).await;
    f.rows(&[1, 2], &[(2, 5)]).await;
    let m = &f.chain.links[0].metrics;
    assert_eq!((m.num_records_in.get(), m.num_records_out.get()), (2, 2));
    assert_eq!((m.num_bytes_in.get(), m.num_bytes_out.get()), (16, 16));
    assert_eq!((m.current_input_watermark.get(), m.current_output_watermark.get()), (5, 5));
}

/// Fails for a negative value, deep in the chain.
struct Picky {}

impl flott_api::operator::Stateful for Picky {}

#[async_trait]
impl Operator for Picky {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if values(&batch)[0] < 0 {
            return Err(Error::data("a negative value"));
        }
        cx.output.emit(batch).await
    }
}

#[tokio::test]
async fn the_operator_that_fails_is_known() {
    let mut f = fixture(&[("a", Indifferent, None), ("b", Indifferent, None), ("c", Indifferent, None)]).await;
    let instance = OperatorInstance { operator: Box::new(Picky {}), event_time: Indifferent };
    f.chain.links[1] = link(instance, 1);
    f.chain.open().await.unwrap();
    f.rows(&[1], &[]).await;
    assert_eq!(f.chain.frame.position(), 0);
    let bad = SizedBatch::measure(batch([-1], &[]));
    assert!(f.chain.batch(0, bad).await.is_err());
    assert_eq!(f.chain.frame.position(), 1);
}
