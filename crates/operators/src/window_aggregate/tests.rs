//! Windows against the recording of `agg/windows.sql` from Flink, lateness, zones, the clock, restarts.

use flott_api::expr::FunctionId;
use flott_api::table::ChangelogMode;
use flott_api::testing::world::Emitted;
use flott_api::testing::{Case, FakeTimers, FakeWorld, RecordedOutput, batch, check_restorable};
use flott_api::testing::{open_context, ready};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::Role;
use flott_graph::spec::{AggregateCall, Spec, WindowKind, WindowProperty};

use flott_api::operator::Stateful;

use super::*;

mod phases;
mod running;

use phases::Phases;

fn call(name: &str, args: &[usize], distinct: bool) -> AggregateCall {
    let kind = if name == "count" { TypeKind::BigInt } else { TypeKind::Int };
    let (function, ty) = (FunctionId::new(name), LogicalType::new(kind));
    AggregateCall { function, args: args.to_vec(), filter: None, distinct, ty }
}

/// Columns `ts, who STRING, x INT`; windows of 10 s.
fn spec(time: TypeKind, zone: &str, keys: &[usize], calls: &[AggregateCall]) -> WindowAggregateSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let input =
        Schema::new(vec![field("ts", time.clone()), field("who", TypeKind::Varchar(9)), field("x", TypeKind::Int)]);
    let mut output = input.project(keys);
    output.fields.extend(calls.iter().map(|c| Field::new("a", c.ty.clone())));
    output.fields.extend([TypeKind::Timestamp(3), TypeKind::Timestamp(3), time].map(|k| field("w", k)));
    WindowAggregateSpec {
        input,
        time: WindowTime::Rowtime(0),
        window: WindowKind::Tumble { size_ms: 10_000, offset_ms: 0 },
        zone: zone.to_owned(),
        keys: keys.to_vec(),
        aggregates: calls.to_vec(),
        input_changelog: ChangelogMode::INSERT_ONLY,
        in_phases: false,
        properties: vec![WindowProperty::Start, WindowProperty::End, WindowProperty::Time],
        output,
    }
}

fn run(spec: &WindowAggregateSpec, script: &str) -> String {
    let one = run_in_one_phase(spec, script);
    if spec.time != WindowTime::Proctime {
        let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
        let output_keys: Vec<usize> = (0..spec.keys.len()).collect();
        let two = check_restorable(&case, Some((&spec.keys, &output_keys)), || Phases::of(spec));
        assert_eq!(two, one, "in two phases (left) and in one");
        assert_eq!(phases::in_one_batch(spec, script), phases::rows_of(&one), "all in one batch (left)");
    }
    one
}

fn run_in_one_phase(spec: &WindowAggregateSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::WholeWithMarks, script };
    let output_keys: Vec<usize> = (0..spec.keys.len()).collect();
    check_restorable(&case, Some((&spec.keys, &output_keys)), || WindowAggregate::from_spec(spec.clone()).unwrap())
}

/// The clicks of `agg/windows.sql` with the watermarks that its recording shows.
const CLICKS: &str = "
    +I | 1000 | anna | 10
    +I | 4500 | bert | 20
    +I | 3000 | anna | 30
    +I | 9999 | bert | NULL
    wm 4999
    +I | 10000 | anna | 50
    +I | 7000 | carl | 60
    +I | 16000 | bert | 70
    wm 11000
    +I | 5000 | anna | 80
    +I | 19000 | anna | 90
    wm 14000
    +I | 36000 | NULL | 100
    wm 31000
    +I | 14000 | bert | 110
    +I | 38000 | carl | 120
    wm 33000";

fn timestamp() -> TypeKind {
    TypeKind::Timestamp(3)
}

#[test]
fn windows_by_key_are_those_recorded_from_flink() {
    let calls = [
        call("count", &[], false),
        call("sum", &[2], false),
        call("min", &[2], false),
        call("max", &[2], false),
        call("avg", &[2], false),
    ];
    let expected = "wm 4999\n\
        +I | anna | 2 | 40 | 10 | 30 | 20 | 0 | 10000 | 9999\n\
        +I | bert | 2 | 20 | 20 | 20 | 20 | 0 | 10000 | 9999\n\
        +I | carl | 1 | 60 | 60 | 60 | 60 | 0 | 10000 | 9999\n\
        wm 14000\n\
        +I | anna | 2 | 140 | 50 | 90 | 70 | 10000 | 20000 | 19999\n\
        +I | bert | 1 | 70 | 70 | 70 | 70 | 10000 | 20000 | 19999\n\
        wm 33000\n\
        +I | NULL | 1 | 100 | 100 | 100 | 100 | 30000 | 40000 | 39999\n\
        +I | carl | 1 | 120 | 120 | 120 | 120 | 30000 | 40000 | 39999";
    assert_eq!(run(&spec(timestamp(), "UTC", &[1], &calls), CLICKS), expected);
}

#[test]
fn windows_without_keys_and_with_distinct_are_those_recorded_from_flink() {
    let calls = [call("count", &[], false), call("count", &[1], true)];
    let expected = "wm 4999\n+I | 5 | 3 | 0 | 10000 | 9999\nwm 14000\n+I | 3 | 2 | 10000 | 20000 | 19999\n\
        wm 33000\n+I | 2 | 1 | 30000 | 40000 | 39999";
    assert_eq!(run(&spec(timestamp(), "UTC", &[], &calls), CLICKS), expected);
}

#[test]
fn an_offset_moves_the_windows() {
    let mut spec = spec(timestamp(), "UTC", &[], &[call("count", &[], false)]);
    spec.window = WindowKind::Tumble { size_ms: 10_000, offset_ms: 3000 };
    let expected = "+I | 1 | -7000 | 3000 | 2999\nwm 4999\n+I | 1 | 3000 | 13000 | 12999";
    assert_eq!(run(&spec, "+I | 1000 | a | 1\n+I | 4500 | a | 1\nwm 4999"), expected);
}

#[test]
fn a_row_is_late_when_the_watermark_has_reached_its_window() {
    let spec = spec(timestamp(), "UTC", &[], &[call("count", &[], false)]);
    let script = "+I | 1 | a | 1\nwm 9998\n+I | 2 | a | 1\nwm 9999\n+I | 3 | a | 1\nwm 10000\n+I | 10000 | a | 1";
    assert_eq!(run(&spec, script), "wm 9998\n+I | 2 | 0 | 10000 | 9999\nwm 10000\n+I | 1 | 10000 | 20000 | 19999");
}

#[test]
fn local_windows_are_cut_and_shown_in_wall_time() {
    let mut spec = spec(TypeKind::TimestampLtz(3), "Asia/Shanghai", &[], &[call("count", &[], false)]);
    const DAY: i64 = 86_400_000;
    spec.window = WindowKind::Tumble { size_ms: DAY, offset_ms: 0 };
    let midnight = 16 * 3_600_000;
    let script = format!("+I | {} | a | 1\n+I | {midnight} | a | 1\nwm {}\n+I | 0 | a | 1", midnight - 1, midnight - 1);
    let expected = format!("+I | 1 | 0 | {DAY} | {}\nwm {}\n", midnight - 1, midnight - 1)
        + &format!("+I | 1 | {DAY} | {} | {}", 2 * DAY, midnight + DAY - 1);
    assert_eq!(run(&spec, &script), expected);
}

#[test]
fn updates_are_taken_back() {
    let calls = [
        call("count", &[], false),
        call("sum", &[2], false),
        call("min", &[2], false),
        call("max", &[2], false),
        call("count", &[2], true),
    ];
    let mut spec = spec(timestamp(), "UTC", &[1], &calls);
    spec.input_changelog = ChangelogMode::ALL;
    let script = "+I | 1 | a | 5\n+I | 2 | a | 9\n-U | 1 | a | 5\n+U | 1 | a | 7\n+I | 3 | a | 7\n\
        -D | 2 | a | 9\n+I | 2 | b | 1\n-D | 2 | b | 1";
    assert_eq!(run(&spec, script), "+I | a | 2 | 14 | 7 | 7 | 1 | 0 | 10000 | 9999");
}

#[test]
fn a_retraction_that_was_not_announced_is_refused() {
    let world = || World::new(spec(timestamp(), "UTC", &[1], &[call("min", &[2], false)]));
    let error = world().rows("-D | 30000 | a | 1").unwrap_err();
    assert_eq!(error.message(), "a window aggregation over an insert-only stream got a retraction");
    // An upsert of a new row is an insertion.
    world().rows("+U | 30000 | a | 1").unwrap();
}

#[test]
fn a_specification_without_a_changelog_is_of_insertions() {
    let mut written = spec(timestamp(), "UTC", &[1], &[]);
    written.input_changelog = ChangelogMode::ALL;
    let Role::Operator { spec: mut json, .. } = written.role().unwrap() else { panic!("no operator") };
    assert!(json.as_object_mut().unwrap().remove("input_changelog").is_some());
    let read = WindowAggregateSpec::from_bytes(json.to_string().as_bytes()).unwrap();
    assert!(read.input_changelog.is_insert_only());
}

struct World {
    operator: WindowAggregate,
    metrics: flott_api::metrics::OperatorMetrics,
    output: RecordedOutput,
    timers: FakeTimers,
    now_ms: i64,
}

impl World {
    fn new(spec: WindowAggregateSpec) -> Self {
        let mut operator = WindowAggregate::from_spec(spec).unwrap();
        let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
        Operator::open(&mut operator, &open_context(&FakeWorld::at(0), subtask, 128)).unwrap();
        let (output, timers) = (RecordedOutput::default(), FakeTimers::default());
        World { operator, metrics: Default::default(), output, timers, now_ms: 0 }
    }

    fn rows(&mut self, text: &str) -> Result<()> {
        let rows = batch(&self.operator.results.spec.input, text);
        let mut cx = OperatorContext {
            output: &mut self.output,
            timers: &mut self.timers,
            processing_time_ms: self.now_ms,
            watermark: Watermark(20_000),
            metrics: &self.metrics,
        };
        ready(self.operator.process_batch(0, rows, &mut cx))
    }
}

#[test]
fn late_rows_are_counted() {
    let mut world = World::new(spec(timestamp(), "UTC", &[], &[call("count", &[], false)]));
    world.rows("+I | 1 | a | 1\n+I | 19999 | a | 1\n+I | 20000 | a | 1").unwrap();
    assert_eq!(world.metrics.num_late_records_dropped.get(), 2);
    assert!(world.output.emitted.is_empty());
}

#[test]
fn a_row_without_time_fails() {
    let mut world = World::new(spec(timestamp(), "UTC", &[], &[call("count", &[], false)]));
    assert_eq!(world.rows("+I | NULL | a | 1").unwrap_err().message(), "rowtime column 'ts' is null");
}

#[test]
fn windows_over_processing_time_end_with_the_clock() {
    let mut spec = spec(TypeKind::TimestampLtz(3), "UTC", &[1], &[call("count", &[], false)]);
    spec.time = WindowTime::Proctime;
    let script = "time 1000\n+I | NULL | a | 1\ntime 9998\n+I | NULL | a | 1\ntime 9999\n+I | NULL | a | 1\n\
        time 20001\n+I | NULL | b | 1\ntime 20002";
    // At 9999 the window is over; a row of the same millisecond opens it again, as in Flink.
    let expected = "+I | a | 2 | 0 | 10000 | 9999\n+I | a | 1 | 0 | 10000 | 9999";
    assert_eq!(run(&spec, script), expected);
    let emitted = |w: &World| w.output.emitted.iter().filter(|e| matches!(e, Emitted::Batch(_))).count();
    assert_eq!(emitted(&World::new(spec)), 0);
}

#[test]
fn a_window_that_is_over_is_cleared_with_one_write() {
    use flott_api::testing::{FakeStateStore, open_context_with};
    let spec = spec(timestamp(), "UTC", &[1], &[call("count", &[], false)]);
    let mut world = World::new(spec);
    let store = FakeStateStore::new();
    let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    let cx = open_context_with(&FakeWorld::at(0), subtask, 128, store.clone());
    world.operator.open(&cx).unwrap();
    world.rows("+I | 30000 | a | 1\n+I | 30001 | b | 1\n+I | 50000 | a | 1").unwrap();
    let drain = |world: &mut World| {
        let mut containers = world.operator.containers();
        containers[0].close_epoch();
        while !ready(containers[0].drain(1)).unwrap() {}
    };
    drain(&mut world);
    assert_eq!(store.snapshot().entries[0].len(), 3);
    let mut cx = OperatorContext {
        output: &mut world.output,
        timers: &mut world.timers,
        processing_time_ms: 0,
        watermark: Watermark(20_000),
        metrics: &world.metrics,
    };
    ready(world.operator.process_watermark(Watermark(39_999), &mut cx)).unwrap();
    drain(&mut world);
    assert_eq!(store.snapshot().entries[0].len(), 1);
}
