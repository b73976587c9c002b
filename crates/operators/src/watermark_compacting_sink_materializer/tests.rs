//! Conflicts of a key by watermark, through batches, restarts and rescales.

use flott_api::testing::{Case, check, check_restorable};
use flott_api::{Field, Schema};

use super::*;

/// Columns `name STRING, n BIGINT, v INT`; the key is the name.
fn spec(upsert_key: Option<Vec<usize>>) -> WatermarkCompactingSinkMaterializerSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let fields = vec![field("name", TypeKind::Varchar(9)), field("n", TypeKind::BigInt), field("v", TypeKind::Int)];
    WatermarkCompactingSinkMaterializerSpec {
        output: Schema::new(fields),
        primary_key: vec![0],
        upsert_key,
        conflict: SinkConflict::Nothing,
        state_ttl_ms: 0,
        session_zone: "UTC".to_owned(),
    }
}

fn input(spec: &WatermarkCompactingSinkMaterializerSpec) -> Schema {
    flott_graph::spec::WatermarkTimestampAssignerSpec { input: spec.output.clone() }.output()
}

/// The script with the watermark in force behind each row.
fn stamped(script: &str) -> String {
    let mut watermark = i64::MIN.to_string();
    let mut lines = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("wm ") {
            Some(at) => {
                at.clone_into(&mut watermark);
                lines.push(line.to_owned());
            }
            None if line.starts_with("time") => lines.push(line.to_owned()),
            None => lines.push(format!("{line} | {watermark}")),
        }
    }
    lines.join("\n")
}

fn run(spec: &WatermarkCompactingSinkMaterializerSpec, script: &str) -> String {
    let script = stamped(script);
    let case = Case { input: &input(spec), event_time: EventTime::Sliced, script: &script };
    let make = || WatermarkCompactingSinkMaterializer::from_spec(spec.clone()).unwrap();
    check_restorable(&case, Some((&[0], &[0])), make)
}

#[test]
fn the_first_row_of_a_key_stays_and_the_others_are_forgotten() {
    let script = "
        +I | a | 1 | 7
        +I | a | 2 | 8
        +I | b | 1 | 7
        wm 10
        +I | a | 3 | 9
        wm 20
        -D | a | 1 | 7
        wm 30
        -D | a | 2 | 8
        +I | a | 4 | 4
        wm 40
        +U | NULL | 1 | NULL
        wm 50";
    let expected = "+I | a | 1 | 7\n+I | b | 1 | 7\nwm 20\n-D | a | 1 | 7\nwm 30\n+I | a | 4 | 4\nwm 40\n\
        +I | NULL | 1 | NULL\nwm 50";
    assert_eq!(run(&spec(Some(vec![1])), script), expected);
    assert_eq!(run(&spec(None), script), expected);
}

#[test]
fn a_row_that_moves_from_one_key_to_another_is_no_conflict() {
    let script = "
        +I | a | 1 | 1
        +I | b | 2 | 1
        wm 10
        +U | b | 1 | 1
        -U | a | 1 | 1
        +U | a | 2 | 1
        -U | b | 2 | 1
        wm 20
        -U | b | 1 | 1
        +U | b | 1 | 2
        wm 30
        -D | b | 1 | 2
        +I | b | 1 | 2
        wm 40
        -D | b | 1 | 2
        -D | a | 2 | 1";
    let expected = "+I | a | 1 | 1\n+I | b | 2 | 1\nwm 10\n+U | a | 2 | 1\n+U | b | 1 | 1\nwm 20\n+U | b | 1 | 2\nwm 40\n-D | a | 2 | 1\n-D | b | 1 | 2";
    let fails = |spec| WatermarkCompactingSinkMaterializerSpec { conflict: SinkConflict::Error, ..spec };
    assert_eq!(run(&fails(spec(Some(vec![1]))), script), expected);
    assert_eq!(run(&fails(spec(None)), script), expected);
    assert_eq!(run(&spec(Some(vec![1])), script), expected);
}

#[test]
fn an_upsert_replaces_the_row_with_its_key_only_if_there_is_one() {
    let script = "
        +I | a | 1 | 1
        wm 10
        +U | a | 1 | 2
        wm 20
        -D | a | 1 | 99
        wm 30
        -D | a | 7 | 7
        wm 40";
    let by_key = "+I | a | 1 | 1\nwm 10\n+U | a | 1 | 2\nwm 20\n-D | a | 1 | 2\nwm 40";
    assert_eq!(run(&spec(Some(vec![1])), script), by_key);
    let by_row = "+I | a | 1 | 1\nwm 40";
    assert_eq!(run(&spec(None), script), by_row);
}

#[test]
fn opposite_changes_of_one_watermark_undo_each_other_in_any_order() {
    let script = "
        -D | a | 1 | 1
        +I | a | 1 | 1
        +I | a | 2 | 1
        wm 10
        +I | a | 3 | 1
        -D | a | 3 | 1
        +I | c | 1 | 1
        -D | c | 1 | 1
        wm 20
        +I | a | 2 | 1
        wm 30";
    let expected = "+I | a | 2 | 1\nwm 30";
    assert_eq!(run(&spec(None), script), expected);
}

#[test]
fn the_end_of_the_input_is_a_watermark() {
    assert_eq!(run(&spec(None), "+I | a | 1 | 1"), "+I | a | 1 | 1");
    assert_eq!(run(&spec(None), "wm 5"), "wm 5");
    assert_eq!(run(&spec(Some(vec![1])), "wm 5\n-U | a | 1 | 1\nwm 6"), "wm 6");
}

/// As they come from subtasks of which one is ahead.
#[test]
fn a_change_waits_for_the_watermark_of_where_it_comes_from() {
    let script = "
        +I | a | 1 | 1 | 5
        wm 6
        +I | a | 2 | 1 | 20
        wm 10
        -D | a | 1 | 1 | 10
        wm 11
        wm 20
        wm 21
        +I | b | 1 | 1 | 40
        +I | b | 2 | 1 | 30
        +I | b | 3 | 1 | 50
        wm 60";
    let spec = spec(Some(vec![1]));
    let case = Case { input: &input(&spec), event_time: EventTime::Sliced, script };
    let make = || Box::new(WatermarkCompactingSinkMaterializer::from_spec(spec.clone()).unwrap()) as Box<dyn Operator>;
    let expected = "+I | a | 1 | 1\nwm 10\n-D | a | 1 | 1\nwm 20\n+I | a | 2 | 1\nwm 21\n+I | b | 2 | 1\nwm 60";
    assert_eq!(check(&case, make), expected);
}

fn change(stamp_ms: i64, generation: i64, retracts: bool, row: &[u8]) -> Change<'_> {
    Change { retracts, stamp_ms, generation, upsert_key: b"", row }
}

fn shown(lists: &ListedRows, up_to_ms: i64, run: &Run) -> (String, usize) {
    let (due, rest) = buffer::take(lists, 0, up_to_ms, run).unwrap();
    let text = |c: &Change<'_>| format!("{}{}", if c.retracts { "-" } else { "+" }, String::from_utf8_lossy(c.row));
    (due.iter().map(text).collect::<Vec<_>>().join(" "), rest.len())
}

/// A subtask that was ahead begins again with the watermark that all had.
#[test]
fn after_a_restore_what_waits_comes_first_and_waits_for_the_restored_watermark() {
    let first = Run { generation: 0, begin_ms: i64::MIN };
    let mut lists = ListedRows::default();
    lists.grow(1);
    let before = [(30, false, "x"), (20, false, "y"), (30, true, "z"), (20, true, "x")];
    for (stamp_ms, retracts, row) in before {
        buffer::put(&mut lists, 0, change(stamp_ms, 0, retracts, row.as_bytes()), &first).unwrap();
    }
    assert_eq!(shown(&lists, 20, &first), ("+y -x".to_owned(), 2));
    assert_eq!(shown(&lists, 30, &first), ("+y -x +x -z".to_owned(), 0));
    let second = Run { generation: 1, begin_ms: 10 };
    // One that was under way, and one that is new.
    assert_eq!((second.stamp(40, 10), second.stamp(40, 11)), (10, 40));
    buffer::put(&mut lists, 0, change(10, 1, false, b"z"), &second).unwrap();
    buffer::put(&mut lists, 0, change(15, 1, true, b"y"), &second).unwrap();
    assert_eq!(shown(&lists, 9, &second), (String::new(), 4));
    assert_eq!(shown(&lists, 10, &second), ("+y".to_owned(), 1));
    assert_eq!(shown(&lists, 15, &second), ("+y -y".to_owned(), 0));
}

#[test]
fn damaged_changes_are_told() {
    let mut lists = ListedRows::default();
    lists.grow(1);
    lists.push(0, Listed { identity: &[2; 17], row: b"" });
    assert!(buffer::take(&lists, 0, 0, &Run::default()).is_err());
    assert!(buffer::put(&mut lists, 0, change(0, 0, false, b"x"), &Run::default()).is_err());
    lists.clear(0);
    lists.push(0, Listed { identity: &[0; 16], row: b"" });
    assert!(buffer::take(&lists, 0, 0, &Run::default()).is_err());
}

/// What was there is forgotten, so a second row is the first one again; changes live for longer.
#[test]
fn state_lives_as_long_as_it_should() {
    let spec = WatermarkCompactingSinkMaterializerSpec { state_ttl_ms: 1000, ..spec(None) };
    let script = "
        time 100
        +I | a | 1 | 1
        wm 10
        time 1099
        +I | a | 2 | 2
        wm 20
        time 1100
        +I | a | 3 | 3
        wm 30
        time 2500
        +I | b | 1 | 1
        time 8499
        wm 40
        +I | c | 1 | 1
        time 14499
        wm 50";
    let expected = "+I | a | 1 | 1\nwm 20\n+I | a | 3 | 3\nwm 30\n+I | b | 1 | 1\nwm 50";
    assert_eq!(run(&spec, script), expected);
}

fn failure(spec: &WatermarkCompactingSinkMaterializerSpec, script: &str) -> Error {
    use flott_api::ids::Subtask;
    use flott_api::metrics::OperatorMetrics;
    use flott_api::testing::{FakeTimers, FakeWorld, RecordedOutput, batch, open_context, ready};
    let mut operator = WatermarkCompactingSinkMaterializer::from_spec(spec.clone()).unwrap();
    operator.open(&open_context(&FakeWorld::at(0), Subtask { index: 0, parallelism: 1 }, 128)).unwrap();
    let (mut output, mut timers, metrics) =
        (RecordedOutput::default(), FakeTimers::default(), OperatorMetrics::default());
    let mut cx = OperatorContext {
        output: &mut output,
        timers: &mut timers,
        processing_time_ms: 0,
        watermark: flott_api::Watermark(10),
        metrics: &metrics,
    };
    ready(operator.start(&mut cx)).unwrap();
    ready(operator.process_batch(0, batch(&input(spec), script), &mut cx)).unwrap();
    let due = timers.due(TimeDomain::Event, 11).unwrap();
    let mut cx = OperatorContext {
        output: &mut output,
        timers: &mut timers,
        processing_time_ms: 0,
        watermark: flott_api::Watermark(11),
        metrics: &metrics,
    };
    ready(operator.on_timers(&[due], &mut cx)).unwrap_err()
}

#[test]
fn a_conflict_is_an_error_that_names_the_key() {
    let spec = WatermarkCompactingSinkMaterializerSpec {
        conflict: SinkConflict::Error,
        primary_key: vec![0, 2],
        ..spec(Some(vec![1]))
    };
    let error = failure(&spec, "+I | a | 1 | NULL | 10\n+I | a | 2 | NULL | 10");
    assert_eq!(error.kind(), flott_api::ErrorKind::Data);
    assert_eq!(error.message(), "primary key constraint violation: several records have the same primary key");
    assert_eq!(error.detail(), Some("Conflicting key: [name=a, v=null]."));
}

#[test]
fn a_key_that_is_no_column_is_a_bug_that_is_told() {
    let wrong = WatermarkCompactingSinkMaterializerSpec { primary_key: vec![3], ..spec(None) };
    assert!(WatermarkCompactingSinkMaterializer::from_spec(wrong).is_err());
    assert!(WatermarkCompactingSinkMaterializer::from_spec(spec(Some(vec![9]))).is_err());
}
