//! Every way of deduplication: which rows stay, which kinds come, and what happens to them by TTL and watermark.

use flott_api::metrics::OperatorMetrics;
use flott_api::table::ChangelogMode;
use flott_api::testing::{Case, FakeTimers, FakeWorld, RecordedOutput, batch, check_restorable, open_context, ready};
use flott_api::{ErrorKind, Field, LogicalType, Schema, TypeKind, Watermark};

use super::*;

/// Columns `k STRING, ts TIMESTAMP(3), x INT`.
fn spec(time: DeduplicateTime, keep: DeduplicateKeep) -> DeduplicateSpec {
    let fields = [("k", TypeKind::Varchar(9)), ("ts", TypeKind::Timestamp(3)), ("x", TypeKind::Int)];
    DeduplicateSpec {
        input: Schema::new(fields.map(|(n, k)| Field::new(n, LogicalType::new(k))).to_vec()),
        keys: vec![0],
        time,
        proctime_columns: Vec::new(),
        keep,
        input_changelog: ChangelogMode::INSERT_ONLY,
        emit_update_before: true,
        emit_insert: true,
        state_ttl_ms: 0,
    }
}

fn proctime(keep: DeduplicateKeep) -> DeduplicateSpec {
    spec(DeduplicateTime::Proctime, keep)
}

fn rowtime(keep: DeduplicateKeep) -> DeduplicateSpec {
    spec(DeduplicateTime::Rowtime(1), keep)
}

fn run(spec: &DeduplicateSpec, script: &str) -> String {
    let event_time = Deduplicate::from_spec(spec.clone()).unwrap().event_time();
    let case = Case { input: &spec.input, event_time, script };
    check_restorable(&case, Some((&spec.keys, &spec.keys)), || Deduplicate::from_spec(spec.clone()).unwrap())
}

const ROWS: &str = "
    +I | a | 2000 | 1
    +I | b | 5000 | 1
    wm 1
    +I | a | 1000 | 2
    +I | NULL | 1000 | NULL
    +I | a | 1000 | 3
    wm 2
    +I | b | 5000 | 1
    +I | NULL | 900 | 4
    +I | a | 3000 | 4
    +I | b | 5000 | 2
    wm 3";

#[test]
fn the_first_row_by_processing_time_stays() {
    let expected = "+I | a | 2000 | 1\n+I | b | 5000 | 1\nwm 1\n+I | NULL | 1000 | NULL\nwm 3";
    assert_eq!(run(&proctime(DeduplicateKeep::First), ROWS), expected);
}

#[test]
fn the_last_row_by_processing_time_replaces_and_an_equal_one_says_nothing() {
    let expected = "+I | a | 2000 | 1\n+I | b | 5000 | 1\nwm 1\n-U | a | 2000 | 1\n+U | a | 1000 | 2\n\
        +I | NULL | 1000 | NULL\n-U | a | 1000 | 2\n+U | a | 1000 | 3\nwm 2\n-U | NULL | 1000 | NULL\n\
        +U | NULL | 900 | 4\n-U | a | 1000 | 3\n+U | a | 3000 | 4\n-U | b | 5000 | 1\n+U | b | 5000 | 2\nwm 3";
    assert_eq!(run(&proctime(DeduplicateKeep::Last), ROWS), expected);
}

#[test]
fn rows_that_differ_in_their_processing_time_are_equal() {
    let mut spec = proctime(DeduplicateKeep::Last);
    spec.proctime_columns = vec![1];
    let script = "+I | a | 1 | 5\n+I | a | 2 | 5\nwm 1\n+I | a | 3 | 5\n+I | a | 4 | 6";
    let expected = "+I | a | 1 | 5\nwm 1\n-U | a | 3 | 5\n+U | a | 4 | 6";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn who_needs_no_update_before_and_no_insert_gets_neither() {
    let mut spec = proctime(DeduplicateKeep::Last);
    spec.emit_update_before = false;
    let expected = "+I | a | 2000 | 1\n+I | b | 5000 | 1\nwm 1\n+U | a | 1000 | 2\n+I | NULL | 1000 | NULL\n\
        +U | a | 1000 | 3\nwm 2\n+U | NULL | 900 | 4\n+U | a | 3000 | 4\n+U | b | 5000 | 2\nwm 3";
    assert_eq!(run(&spec, ROWS), expected);
    spec.emit_insert = false;
    assert_eq!(run(&spec, ROWS), ROWS.trim().replace("    ", "").replace("+I", "+U"));
}

#[test]
fn the_last_row_by_rowtime_is_the_last_of_the_latest() {
    let expected = "+I | a | 2000 | 1\n+I | b | 5000 | 1\nwm 1\n+I | NULL | 1000 | NULL\nwm 2\n-U | b | 5000 | 1\n\
        +U | b | 5000 | 1\n-U | a | 2000 | 1\n+U | a | 3000 | 4\n-U | b | 5000 | 1\n+U | b | 5000 | 2\nwm 3";
    assert_eq!(run(&rowtime(DeduplicateKeep::Last), ROWS), expected);
}

#[test]
fn the_first_row_by_rowtime_is_corrected_by_an_earlier_one() {
    let mut spec = rowtime(DeduplicateKeep::First);
    let expected = "+I | a | 2000 | 1\n+I | b | 5000 | 1\nwm 1\n-U | a | 2000 | 1\n+U | a | 1000 | 2\n\
        +I | NULL | 1000 | NULL\nwm 2\n-U | NULL | 1000 | NULL\n+U | NULL | 900 | 4\nwm 3";
    assert_eq!(run(&spec, ROWS), expected);
    (spec.emit_update_before, spec.emit_insert) = (false, false);
    let expected = "+U | a | 2000 | 1\n+U | b | 5000 | 1\nwm 1\n+U | a | 1000 | 2\n+U | NULL | 1000 | NULL\nwm 2\n\
        +U | NULL | 900 | 4\nwm 3";
    assert_eq!(run(&spec, ROWS), expected);
}

#[test]
fn the_first_row_waits_for_the_watermark_and_is_final() {
    let script = "
        +I | a | 2000 | 1
        +I | b | 1500 | 1
        +I | a | 1000 | 2
        +I | a | 1000 | 3
        wm 1000
        +I | a | 1000 | 4
        +I | b | 1400 | 2
        +I | c | 999 | late
        +I | a | 5000 | 5
        wm 2000
        +I | b | 1999 | 3
        +I | c | 2000 | 6
        wm 3000
        +I | d | 9000 | 7";
    let script = script.replace("late", "0");
    let expected =
        "+I | a | 1000 | 2\nwm 1000\n+I | b | 1400 | 2\nwm 2000\n+I | c | 2000 | 6\nwm 3000\n+I | d | 9000 | 7";
    assert_eq!(run(&rowtime(DeduplicateKeep::FirstOnWatermark), &script), expected);
}

#[test]
fn updates_replace_and_deletions_take_back_what_was_there() {
    let mut spec = proctime(DeduplicateKeep::Last);
    spec.input_changelog = ChangelogMode::ALL;
    let script = "
        +I | a | 1 | 1
        -U | a | 1 | 1
        +U | a | 1 | 2
        +I | a | 2 | 3
        -D | b | 1 | 1
        +I | a | 2 | 3
        -D | a | 9 | 9
        -D | a | 9 | 9
        +I | a | 3 | 4";
    let expected = "+I | a | 1 | 1\n-D | a | 1 | 1\n+I | a | 1 | 2\n-U | a | 1 | 2\n+U | a | 2 | 3\n-D | a | 2 | 3\n\
        +I | a | 3 | 4";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn without_a_key_one_row_stays_of_all() {
    let mut spec = proctime(DeduplicateKeep::First);
    spec.keys = Vec::new();
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script: ROWS };
    let got = check_restorable(&case, None, || Deduplicate::from_spec(spec.clone()).unwrap());
    assert_eq!(got, "+I | a | 2000 | 1\nwm 3");
}

#[test]
fn a_key_that_has_expired_begins_anew() {
    let script = "+I | a | 1 | 1\ntime 999\n+I | a | 1 | 1\ntime 1500\n+I | a | 1 | 1\ntime 3000\n+I | a | 1 | 1";
    let run_with_ttl = |mut spec: DeduplicateSpec| {
        spec.state_ttl_ms = 1000;
        run(&spec, script)
    };
    assert_eq!(run_with_ttl(proctime(DeduplicateKeep::First)), "+I | a | 1 | 1\n+I | a | 1 | 1\n+I | a | 1 | 1");
    let updated = "+I | a | 1 | 1\n-U | a | 1 | 1\n+U | a | 1 | 1\n-U | a | 1 | 1\n+U | a | 1 | 1\n+I | a | 1 | 1";
    assert_eq!(run_with_ttl(proctime(DeduplicateKeep::Last)), updated);
    assert_eq!(run_with_ttl(rowtime(DeduplicateKeep::Last)), updated);
    assert_eq!(run_with_ttl(rowtime(DeduplicateKeep::First)), "+I | a | 1 | 1\n+I | a | 1 | 1\n+I | a | 1 | 1");
}

#[test]
fn a_first_row_that_came_out_is_known_until_it_expires() {
    let mut spec = rowtime(DeduplicateKeep::FirstOnWatermark);
    spec.state_ttl_ms = 1000;
    let script = "+I | a | 10 | 1\ntime 5000\nwm 20\n+I | a | 30 | 2\nwm 40\ntime 5999\n+I | a | 50 | 3\nwm 60\n\
        time 6000\n+I | a | 70 | 4\nwm 80";
    assert_eq!(run(&spec, script), "+I | a | 10 | 1\nwm 60\n+I | a | 70 | 4\nwm 80");
}

struct World {
    operator: Deduplicate,
    metrics: OperatorMetrics,
}

impl World {
    fn new(spec: DeduplicateSpec) -> Self {
        let mut operator = Deduplicate::from_spec(spec).unwrap();
        let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
        operator.open(&open_context(&FakeWorld::at(0), subtask, 128)).unwrap();
        World { operator, metrics: OperatorMetrics::default() }
    }

    fn rows(&mut self, text: &str) -> Result<()> {
        let rows = batch(&rowtime(DeduplicateKeep::First).input, text);
        let mut cx = OperatorContext {
            output: &mut RecordedOutput::default(),
            timers: &mut FakeTimers::default(),
            processing_time_ms: 0,
            watermark: Watermark(1000),
            metrics: &self.metrics,
        };
        ready(self.operator.process_batch(0, rows, &mut cx))
    }
}

#[test]
fn late_rows_are_counted() {
    let mut world = World::new(rowtime(DeduplicateKeep::FirstOnWatermark));
    world.rows("+I | a | 999 | 1\n+I | a | 1000 | 1\n+I | b | -5 | 1").unwrap();
    assert_eq!(world.metrics.num_late_records_dropped.get(), 2);
}

#[test]
fn a_row_without_time_fails() {
    for keep in [DeduplicateKeep::First, DeduplicateKeep::Last, DeduplicateKeep::FirstOnWatermark] {
        let error = World::new(rowtime(keep)).rows("+I | a | NULL | 1").unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Data, "rowtime column 'ts' is null"));
    }
}

#[test]
fn updates_are_refused_where_flink_takes_none() {
    let error = World::new(proctime(DeduplicateKeep::Last)).rows("-D | a | 1 | 1").unwrap_err();
    assert_eq!(error.message(), "a deduplication of an insert-only stream got a retraction");
    let mut spec = rowtime(DeduplicateKeep::Last);
    spec.input_changelog = ChangelogMode::ALL;
    assert!(Deduplicate::from_spec(spec).is_err());
    assert!(Deduplicate::from_spec(proctime(DeduplicateKeep::FirstOnWatermark)).is_err());
}
