//! Where watermarks come, row by row and by the clock.

use std::sync::Arc;

use flott_api::expr::{Expr, Value};
use flott_api::metrics::TaskMetrics;
use flott_api::operator::Output;
use flott_api::splits::OpenSplits;
use flott_api::testing::world::Emitted;
use flott_api::testing::{Case, FakeTimers, FakeWorld, RecordedOutput, batch, check, open_context, ready};
use flott_api::{BoxFuture, Field, LogicalType, Schema, TypeKind};

use super::*;

fn spec(interval_ms: i64, idle_timeout_ms: i64) -> WatermarkAssignerSpec {
    let ts = LogicalType::new(TypeKind::Timestamp(3));
    let input = Schema::new(vec![Field::new("ts", ts.clone()), Field::new("w", ts.clone())]);
    let watermark = Expr::column(1, ts);
    let session_zone = "UTC".to_owned();
    let (rowtime, on_event, per_split) = (0, false, false);
    WatermarkAssignerSpec { input, rowtime, watermark, interval_ms, on_event, idle_timeout_ms, per_split, session_zone }
}

fn run(spec: &WatermarkAssignerSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::WholeWithMarks, script };
    check(&case, || Box::new(WatermarkAssigner::from_spec(spec.clone()).unwrap()))
}

#[test]
fn a_mark_comes_behind_the_row_that_exceeds_the_interval() {
    let script = "+I | 1 | 200\n+I | 2 | 201\n+I | 3 | 401\n+I | 4 | 402\n+I | 5 | NULL\n+I | 6 | 7\n+I | 7 | 9000";
    let expected = "+I | 1 | 200\n+I | 2 | 201\nwm 201\n+I | 3 | 401\n+I | 4 | 402\nwm 402\n\
                    +I | 5 | NULL\n+I | 6 | 7\n+I | 7 | 9000\nwm 9000";
    assert_eq!(run(&spec(200, 0), script), expected);
}

#[test]
fn on_event_a_mark_comes_behind_every_row_that_raises_it() {
    let on_event = WatermarkAssignerSpec { on_event: true, ..spec(200, 0) };
    let script = "+I | 1 | 200\n+I | 2 | 201\n+I | 3 | 201\n+I | 4 | 7\n+I | 5 | 202";
    let expected = "+I | 1 | 200\nwm 200\n+I | 2 | 201\nwm 201\n+I | 3 | 201\n+I | 4 | 7\n+I | 5 | 202\nwm 202";
    assert_eq!(run(&on_event, script), expected);
}

#[test]
fn watermarks_start_from_zero_and_those_from_upstream_are_swallowed() {
    let script = "+I | 1 | -5000\nwm 77\n+I | 2 | -1\nwm 88\n+I | 3 | 1";
    assert_eq!(run(&spec(0, 0), script), "+I | 1 | -5000\n+I | 2 | -1\n+I | 3 | 1\nwm 1");
}

#[test]
fn what_is_smaller_than_the_interval_waits_for_the_clock() {
    let script = "+I | 1 | 50\ntime 100\n+I | 2 | 60\ntime 300\n+I | 3 | 61\ntime 600";
    let expected = "+I | 1 | 50\n+I | 2 | 60\nwm 60\n+I | 3 | 61\nwm 61";
    assert_eq!(run(&spec(200, 0), script), expected);
}

/// An output that also remembers what was said of idleness.
#[derive(Default)]
struct StatusOutput {
    inner: RecordedOutput,
    status: Vec<bool>,
}

impl Output for StatusOutput {
    fn emit(&mut self, batch: ChangeBatch) -> BoxFuture<'_, Result<()>> {
        self.inner.emit(batch)
    }

    fn emit_watermark(&mut self, watermark: Watermark) -> BoxFuture<'_, Result<()>> {
        self.inner.emit_watermark(watermark)
    }

    fn emit_status(&mut self, idle: bool) -> BoxFuture<'_, Result<()>> {
        self.status.push(idle);
        Box::pin(async { Ok(()) })
    }
}

struct World {
    task: Arc<TaskMetrics>,
    splits: Arc<OpenSplits>,
    spec: WatermarkAssignerSpec,
    operator: WatermarkAssigner,
    output: StatusOutput,
    timers: FakeTimers,
    now_ms: i64,
}

impl World {
    fn new(spec: WatermarkAssignerSpec) -> Self {
        let mut operator = WatermarkAssigner::from_spec(spec.clone()).unwrap();
        let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
        let task: Arc<TaskMetrics> = Arc::default();
        let splits = Arc::new(OpenSplits::of(Arc::clone(&task)));
        let cx = open_context(&FakeWorld::at(0), subtask, 128);
        operator.open(&OpenContext { splits: Arc::clone(&splits), ..cx }).unwrap();
        let (output, timers) = (StatusOutput::default(), FakeTimers::default());
        let mut world = World { task, splits, spec, operator, output, timers, now_ms: 0 };
        world.with(|operator, cx| ready(operator.start(cx))).unwrap();
        world
    }

    fn with(
        &mut self,
        call: impl FnOnce(&mut WatermarkAssigner, &mut OperatorContext<'_>) -> Result<()>,
    ) -> Result<()> {
        let metrics = flott_api::metrics::OperatorMetrics::default();
        let mut cx = OperatorContext {
            output: &mut self.output,
            timers: &mut self.timers,
            processing_time_ms: self.now_ms,
            watermark: Watermark::MIN,
            metrics: &metrics,
        };
        call(&mut self.operator, &mut cx)
    }

    fn rows(&mut self, text: &str) -> Result<()> {
        let rows = batch(&self.spec.input, text);
        self.with(|operator, cx| ready(operator.process_batch(0, rows, cx)))
    }

    fn time(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        while let Some(timer) = self.timers.due(TimeDomain::Processing, now_ms) {
            self.with(|operator, cx| ready(operator.on_timers(&[timer], cx))).unwrap();
        }
    }
}

#[test]
fn a_quiet_input_is_idle_until_a_row_comes() {
    let mut world = World::new(spec(200, 1000));
    world.rows("+I | 1 | 5").unwrap();
    world.time(1000);
    assert!(world.output.status.is_empty());
    world.time(1400);
    assert_eq!(world.output.status, [true]);
    world.time(9000);
    world.rows("+I | 2 | 6").unwrap();
    assert_eq!(world.output.status, [true, false]);
}

#[test]
fn an_input_that_never_has_a_row_is_idle_too() {
    let mut world = World::new(spec(200, 1000));
    world.time(1400);
    assert_eq!(world.output.status, [true]);
}

#[test]
fn idleness_needs_no_interval() {
    for on_event in [false, true] {
        let mut world = World::new(WatermarkAssignerSpec { on_event, ..spec(0, 1000) });
        world.rows("+I | 1 | 5").unwrap();
        world.time(1000);
        assert!(world.output.status.is_empty());
        world.time(2000);
        assert_eq!(world.output.status, [true]);
    }
}

#[test]
fn who_is_held_back_or_paused_is_not_idle() {
    let mut world = World::new(spec(200, 1000));
    world.rows("+I | 1 | 5").unwrap();
    world.task.back_pressured_ns.add(5_000_000_000);
    world.time(5000);
    world.splits.pause(true, 5000);
    world.time(9000);
    world.splits.pause(false, 9500);
    world.time(10_400);
    assert!(world.output.status.is_empty());
    world.time(10_600);
    assert_eq!(world.output.status, [true]);
}

#[test]
fn an_instance_is_idle_when_all_of_its_splits_are() {
    let mut world = World::new(WatermarkAssignerSpec { per_split: true, ..spec(200, 1000) });
    ["a", "b"].into_iter().for_each(|split| world.splits.open(split));
    for split in ["a", "b"] {
        world.splits.read(split);
        world.rows("+I | 1 | 900").unwrap();
    }
    // One is too far ahead of others, and has rows.
    world.splits.pause_split("a", true, 0);
    world.time(5000);
    assert!(world.output.status.is_empty());
    world.splits.pause_split("a", false, 5000);
    world.time(6200);
    assert_eq!(world.output.status, [true]);
}

#[test]
fn how_far_time_has_come_is_told() {
    let told = |world: &World| (world.splits.told().watermark_ms, world.splits.told().idle);
    let mut world = World::new(spec(0, 1000));
    world.rows("+I | 1 | NULL").unwrap();
    assert_eq!(told(&world), (None, false));
    world.rows("+I | 1 | -3\n+I | 1 | -5").unwrap();
    assert_eq!(told(&world), (Some(-3), false), "watermarks start from 0, time does not");
    world.time(2000);
    assert_eq!(told(&world), (Some(-3), true));
    world.rows("+I | 1 | 8").unwrap();
    assert_eq!(told(&world), (Some(8), false));

    let mut world = World::new(WatermarkAssignerSpec { per_split: true, ..spec(200, 1000) });
    ["a", "b"].into_iter().for_each(|split| world.splits.open(split));
    let by_split = |world: &World| world.splits.told_by_split().into_iter().map(|(_, w)| w).collect::<Vec<_>>();
    world.splits.read("a");
    world.rows("+I | 1 | 900").unwrap();
    assert_eq!((told(&world), by_split(&world)), ((None, false), vec![Some(900), None]));
    world.splits.read("b");
    world.rows("+I | 1 | 7").unwrap();
    assert_eq!((told(&world), by_split(&world)), ((Some(7), false), vec![Some(900), Some(7)]));
    world.splits.close("b");
    world.time(200);
    assert_eq!((told(&world), by_split(&world)), ((Some(900), false), vec![Some(900)]));
}

#[test]
fn the_last_watermark_passes_once_and_silences_the_clock() {
    let mut world = World::new(spec(200, 1000));
    world.rows("+I | 1 | 5").unwrap();
    for _ in 0..2 {
        world.with(|operator, cx| ready(operator.process_watermark(Watermark::MAX, cx))).unwrap();
    }
    world.time(50_000);
    let marks = world.output.inner.emitted.iter().filter(|e| matches!(e, Emitted::Watermark(_))).count();
    assert_eq!((marks, world.timers.len()), (1, 0));
}

#[test]
fn a_null_rowtime_fails_with_flinks_words() {
    let error = World::new(spec(200, 0)).rows("+I | 1 | 1\n+I | NULL | 1").unwrap_err();
    assert_eq!(error.message(), "rowtime column 'ts' is null");
    assert!(error.detail().unwrap().starts_with("RowTime field should not be null"));
}

#[test]
fn a_constant_is_a_watermark_too() {
    let mut constant = spec(200, 0);
    let ts = LogicalType::new(TypeKind::Timestamp(3));
    constant.watermark = Expr::literal(Value::Timestamp { millis: 500, nanos: 0 }, ts);
    assert_eq!(run(&constant, "+I | 1 | 1\n+I | 2 | 2"), "+I | 1 | 1\nwm 500\n+I | 2 | 2");
}

#[test]
fn time_by_split_is_that_of_the_slowest_one() {
    let mut world = World::new(WatermarkAssignerSpec { per_split: true, ..spec(0, 1000) });
    ["a", "b"].into_iter().for_each(|split| world.splits.open(split));
    let marks = |world: &World| {
        let marks = world.output.inner.emitted.iter().flat_map(|e| match e {
            Emitted::Watermark(w) => vec![w.0],
            Emitted::Batch(batch) => batch.marks().iter().map(|mark| mark.watermark.0).collect(),
        });
        marks.collect::<Vec<_>>()
    };
    world.splits.read("a");
    world.rows("+I | 1 | 900\n+I | 2 | 901").unwrap();
    assert_eq!(marks(&world), [0; 0], "b may have older rows");
    world.splits.read("b");
    world.rows("+I | 1 | 10\n+I | 2 | 20").unwrap();
    assert_eq!(marks(&world), [10, 20]);
    // It ends, and nobody has to wait for it.
    world.splits.close("b");
    world.splits.read("a");
    world.rows("+I | 3 | 902").unwrap();
    assert_eq!(marks(&world), [10, 20, 902]);
}
