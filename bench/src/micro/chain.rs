//! One operator at work, as the runtime has it work: slices between watermarks where it wants them, timers, and a look at its
//! memory behind each batch. Nothing is sent anywhere: what it emits is kept, for the operators behind it.

use flott_api::metrics::OperatorMetrics;
use flott_api::operator::{EventTime, Operator, OperatorContext, OperatorInstance, Output, TimeDomain};
use flott_api::{BoxFuture, ChangeBatch, Result, Watermark};
use flott_state::hot::TimerQueue;

use super::Round;
use super::world::{World, thread_nanos};

/// How many timers an operator gets in one call.
const TIMERS_MAX: usize = 8192;

/// What goes from one operator to another.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Batch(ChangeBatch),
    Watermark(Watermark),
}

/// What a node has emitted, each with the number of the batch of the source that it came of: so inputs take turns.
pub(super) type Flow = Vec<(u64, Item)>;

/// Rows of a flow.
pub(super) fn rows_of(flow: &Flow) -> u64 {
    let rows = |item: &Item| if let Item::Batch(batch) = item { batch.len() as u64 } else { 0 };
    flow.iter().map(|(_, item)| rows(item)).sum()
}

/// A flow that comes in by an edge.
pub(super) struct Edge<'a> {
    pub(super) input: usize,
    pub(super) flow: &'a Flow,
}

/// What an edge brings and which of them it is, in order.
fn merged(edges: &[Edge<'_>]) -> Vec<(u64, usize, Item)> {
    let all = edges.iter().enumerate();
    let mut items: Vec<_> =
        all.flat_map(|(number, edge)| edge.flow.iter().map(move |(at, item)| (*at, number, item.clone()))).collect();
    items.sort_by_key(|(at, number, _)| (*at, *number));
    items
}

/// Lets an operator work on all that comes in, to the end of time; what it took and what it emitted.
pub(super) async fn work(world: &World, instance: OperatorInstance, edges: &[Edge<'_>]) -> Result<(Round, Flow)> {
    let items = merged(edges);
    let mut watermarks = vec![Watermark::MIN; edges.len()];
    let rows = edges.iter().map(|edge| rows_of(edge.flow)).sum();
    let mut worker = Worker::open(world, instance).await?;
    let started = thread_nanos()?;
    for (at, edge, item) in items {
        worker.kept.at = at;
        let watermark = match item {
            Item::Watermark(watermark) => Some(watermark),
            // The watermark of several inputs is the least: marks of one alone say nothing.
            Item::Batch(batch) if edges.len() > 1 => {
                let last = batch.last_watermark();
                worker.batch(edges[edge].input, batch.without_marks()).await?;
                last
            }
            Item::Batch(batch) => {
                let last = batch.last_watermark();
                worker.batch(edges[edge].input, batch).await?;
                watermarks[edge] = watermarks[edge].max(last.unwrap_or(Watermark::MIN));
                None
            }
        };
        if let Some(watermark) = watermark {
            watermarks[edge] = watermarks[edge].max(watermark);
            let least = watermarks.iter().min().copied();
            worker.watermark(least.unwrap_or(Watermark::MIN)).await?;
        }
    }
    worker.finish().await?;
    let cpu_nanos = thread_nanos()? - started;
    let output = worker.kept.flow;
    Ok((Round { rows, rows_out: rows_of(&output), cpu_nanos }, output))
}

/// An operator with all that it needs.
struct Worker<'a> {
    world: &'a World,
    operator: Box<dyn Operator>,
    event_time: EventTime,
    timers: TimerQueue,
    watermark: Watermark,
    metrics: OperatorMetrics,
    kept: Kept,
}

impl<'a> Worker<'a> {
    async fn open(world: &'a World, OperatorInstance { mut operator, event_time }: OperatorInstance) -> Result<Self> {
        let context = world.context()?;
        operator.open(&context)?;
        let timers = TimerQueue::open(&context).await?;
        let (watermark, metrics, kept) = (Watermark::MIN, OperatorMetrics::default(), Kept::default());
        let mut worker = Worker { world, operator, event_time, timers, watermark, metrics, kept };
        let (operator, mut cx) = worker.parts();
        operator.start(&mut cx).await?;
        Ok(worker)
    }

    fn now_ms(&self) -> i64 {
        self.world.plugins.environment.clock.now_ms()
    }

    fn parts(&mut self) -> (&mut dyn Operator, OperatorContext<'_>) {
        let processing_time_ms = self.now_ms();
        let cx = OperatorContext {
            output: &mut self.kept,
            timers: &mut self.timers,
            processing_time_ms,
            watermark: self.watermark,
            metrics: &self.metrics,
        };
        (self.operator.as_mut(), cx)
    }

    async fn batch(&mut self, input: usize, batch: ChangeBatch) -> Result<()> {
        match (self.event_time, batch.last_watermark()) {
            (_, None) => self.process(input, batch).await?,
            (EventTime::Sliced, Some(_)) => self.slices(input, &batch).await?,
            (_, Some(last)) => {
                self.process(input, batch).await?;
                self.watermark = self.watermark.max(last);
                self.fire(TimeDomain::Event, last.0).await?;
            }
        }
        self.fire(TimeDomain::Processing, self.now_ms()).await?;
        for container in self.operator.containers() {
            container.relieve().await?;
        }
        Ok(())
    }

    async fn slices(&mut self, input: usize, batch: &ChangeBatch) -> Result<()> {
        let mut from = 0;
        for mark in batch.marks() {
            let to = mark.row as usize;
            if to > from {
                self.process(input, batch.slice(from, to - from).without_marks()).await?;
            }
            self.watermark(mark.watermark).await?;
            from = to;
        }
        if from < batch.len() {
            self.process(input, batch.slice(from, batch.len() - from).without_marks()).await?;
        }
        Ok(())
    }

    async fn process(&mut self, input: usize, batch: ChangeBatch) -> Result<()> {
        let (operator, mut cx) = self.parts();
        operator.process_batch(input, batch, &mut cx).await
    }

    async fn watermark(&mut self, watermark: Watermark) -> Result<()> {
        let before = self.watermark;
        if watermark <= before {
            return Ok(());
        }
        self.watermark = watermark;
        self.fire(TimeDomain::Event, watermark.0).await?;
        // In `process_watermark` the context still tells the one before.
        self.watermark = before;
        let (operator, mut cx) = self.parts();
        operator.process_watermark(watermark, &mut cx).await?;
        self.watermark = watermark;
        Ok(())
    }

    async fn fire(&mut self, domain: TimeDomain, until_ms: i64) -> Result<()> {
        loop {
            let due = self.timers.take_due(domain, until_ms, TIMERS_MAX);
            if due.is_empty() {
                return Ok(());
            }
            let (operator, mut cx) = self.parts();
            operator.on_timers(&due, &mut cx).await?;
        }
    }

    async fn finish(&mut self) -> Result<()> {
        self.watermark(Watermark::MAX).await?;
        let (operator, mut cx) = self.parts();
        operator.finish(&mut cx).await
    }
}

/// An output that keeps all it gets.
#[derive(Default)]
struct Kept {
    at: u64,
    flow: Flow,
}

impl Output for Kept {
    fn emit(&mut self, batch: ChangeBatch) -> BoxFuture<'_, Result<()>> {
        // A batch without rows is dropped, its marks are not.
        if !batch.is_empty() {
            self.flow.push((self.at, Item::Batch(batch)));
        } else if let Some(watermark) = batch.last_watermark() {
            self.flow.push((self.at, Item::Watermark(watermark)));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn emit_watermark(&mut self, watermark: Watermark) -> BoxFuture<'_, Result<()>> {
        self.flow.push((self.at, Item::Watermark(watermark)));
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_one_batch_of_a_source_comes_together() {
        let mark = |at: u64, watermark| (at, Item::Watermark(Watermark(watermark)));
        let (left, right) = (vec![mark(0, 1), mark(0, 2), mark(1, 3)], vec![mark(0, 4), mark(2, 5)]);
        let edges = [Edge { input: 0, flow: &left }, Edge { input: 1, flow: &right }];
        let order: Vec<(usize, i64)> = merged(&edges)
            .into_iter()
            .map(|(_, edge, item)| match item {
                Item::Watermark(watermark) => (edge, watermark.0),
                Item::Batch(_) => panic!("there is no batch"),
            })
            .collect();
        assert_eq!(order, [(0, 1), (0, 2), (1, 4), (0, 3), (1, 5)]);
        assert_eq!(rows_of(&left), 0);
    }
}
