//! Each way of OVER: values, what comes out when, late rows, cleanups, and changes by other columns.

use flott_api::expr::FunctionId;
use flott_api::metrics::OperatorMetrics;
use flott_api::table::ChangelogMode;
use flott_api::testing::{Case, FakeTimers, FakeWorld, RecordedOutput, batch, check_restorable, open_context, ready};
use flott_api::{Field, LogicalType, Schema, TypeKind, Watermark};
use flott_graph::spec::{AggregateCall, SortField};

use super::*;

/// Columns `k STRING, ts TIMESTAMP(3), x INT, f BOOLEAN`.
fn input() -> Schema {
    let fields =
        [("k", TypeKind::Varchar(9)), ("ts", TypeKind::Timestamp(3)), ("x", TypeKind::Int), ("f", TypeKind::Boolean)];
    Schema::new(fields.map(|(n, k)| Field::new(n, LogicalType::new(k))).to_vec())
}

/// `sum(x)`, `count(*)`, `count(distinct x)`, `rank(x)`, `row_number(*)`, `sum(x) filter`.
fn call(text: &str) -> AggregateCall {
    let (function, rest) = text.split_once('(').unwrap();
    let ty = if ["count", "rank", "dense_rank", "row_number"].contains(&function) {
        TypeKind::BigInt
    } else {
        TypeKind::Int
    };
    AggregateCall {
        function: FunctionId::new(function),
        args: if rest.starts_with('*') { Vec::new() } else { vec![2] },
        filter: rest.contains("filter").then_some(3),
        distinct: rest.starts_with("distinct"),
        ty: LogicalType::new(ty),
    }
}

fn spec(order: OverOrder, frame: OverFrame, calls: &[&str]) -> OverAggregateSpec {
    let aggregates: Vec<AggregateCall> = calls.iter().map(|c| call(c)).collect();
    let mut output = input();
    output.fields.extend(aggregates.iter().map(|a| Field::new("a", a.ty.clone())));
    OverAggregateSpec {
        input: input(),
        partition: vec![0],
        order,
        frame,
        aggregates,
        input_changelog: ChangelogMode::INSERT_ONLY,
        emit_update_before: true,
        state_ttl_ms: 0,
        output,
    }
}

const ALL_ROWS: OverFrame = OverFrame::Rows { preceding: None };
const ALL_RANGE: OverFrame = OverFrame::Range { preceding_ms: None };

fn rows(preceding: u64) -> OverFrame {
    OverFrame::Rows { preceding: Some(preceding) }
}

fn range(preceding_ms: i64) -> OverFrame {
    OverFrame::Range { preceding_ms: Some(preceding_ms) }
}

fn by_x(frame: OverFrame, calls: &[&str]) -> OverAggregateSpec {
    let order = OverOrder::Columns(vec![SortField { column: 2, descending: false, nulls_last: false }]);
    OverAggregateSpec { input_changelog: ChangelogMode::ALL, ..spec(order, frame, calls) }
}

/// Rows of `k ts x`, `+I` if nothing else is said; the answer without `f`.
fn run(spec: &OverAggregateSpec, script: &[&str]) -> Vec<String> {
    let line = |line: &&str| {
        let parts: Vec<&str> = line.split(' ').collect();
        match parts.as_slice() {
            ["wm" | "time", _] => (*line).to_owned(),
            [k, ts, x] => format!("+I | {k} | {ts} | {x} | true"),
            [kind, k, ts, x] => format!("{kind} | {k} | {ts} | {x} | true"),
            _ => panic!("{line}"),
        }
    };
    let script: Vec<String> = script.iter().map(line).collect();
    let event_time = OverAggregate::from_spec(spec.clone()).unwrap().event_time();
    let case = Case { input: &spec.input, event_time, script: &script.join("\n") };
    let keys: Option<(&[usize], &[usize])> = (!spec.partition.is_empty()).then_some((&spec.partition, &spec.partition));
    let answer = check_restorable(&case, keys, || OverAggregate::from_spec(spec.clone()).unwrap());
    answer.lines().map(brief).collect()
}

fn brief(line: &str) -> String {
    let cells: Vec<&str> = line.split(" | ").collect();
    match cells.as_slice() {
        [kind, k, ts, x, _, values @ ..] => format!("{kind} {k} {ts} {x} = {}", values.join(" ")).replace("+I ", ""),
        _ => line.to_owned(),
    }
}

const BY_CLOCK: [&str; 8] = ["a 1 5", "b 1 1", "wm 1", "a 2 NULL", "a 3 7", "wm 2", "a 0 5", "b 9 2"];

#[test]
fn by_processing_time_each_row_has_the_values_so_far() {
    let calls = ["sum(x)", "count(*)", "max(x)", "count(distinct x)", "row_number(*)"];
    let expected = [
        "a 1 5 = 5 1 5 1 1",
        "b 1 1 = 1 1 1 1 1",
        "wm 1",
        "a 2 NULL = 5 2 5 1 2",
        "a 3 7 = 12 3 7 2 3",
        "wm 2",
        "a 0 5 = 17 4 7 2 4",
        "b 9 2 = 3 2 2 2 2",
    ];
    assert_eq!(run(&spec(OverOrder::Proctime, ALL_ROWS, &calls), &BY_CLOCK), expected);
    assert_eq!(run(&spec(OverOrder::Proctime, ALL_RANGE, &calls), &BY_CLOCK), expected);
}

#[test]
fn by_processing_time_the_last_rows_count() {
    let calls = ["sum(x)", "count(*)", "max(x)", "count(distinct x)", "first_value(x)", "last_value(x)"];
    let expected = [
        "a 1 5 = 5 1 5 1 5 5",
        "b 1 1 = 1 1 1 1 1 1",
        "wm 1",
        "a 2 NULL = 5 2 5 1 5 5",
        "a 3 7 = 7 2 7 1 7 7",
        "wm 2",
        "a 0 5 = 12 2 7 2 7 5",
        "b 9 2 = 3 2 2 2 1 2",
    ];
    assert_eq!(run(&spec(OverOrder::Proctime, rows(1), &calls), &BY_CLOCK), expected);
    let expected = [
        "a 1 5 = 5 1",
        "b 1 1 = 1 1",
        "wm 1",
        "a 2 NULL = NULL 1",
        "a 3 7 = 7 1",
        "wm 2",
        "a 0 5 = 5 1",
        "b 9 2 = 2 1",
    ];
    assert_eq!(run(&spec(OverOrder::Proctime, rows(0), &["sum(x)", "count(*)"]), &BY_CLOCK), expected);
}

#[test]
fn rows_of_a_millisecond_have_the_values_of_the_last_time() {
    let script = [
        "time 100", "a 1 1", "a 1 2", "b 1 9", "time 101", "a 1 3", "time 105", "a 1 4", "time 106", "a 1 5",
        "time 200", "a 1 6",
    ];
    let expected = [
        "a 1 1 = 3 2 1 2",
        "a 1 2 = 3 2 1 2",
        "b 1 9 = 9 1 9 9",
        "a 1 3 = 6 3 1 3",
        "a 1 4 = 10 4 1 4",
        "a 1 5 = 12 3 3 5",
        "a 1 6 = 6 1 6 6",
    ];
    let calls = ["sum(x)", "count(*)", "first_value(x)", "last_value(x)"];
    assert_eq!(run(&spec(OverOrder::Proctime, range(5), &calls), &script), expected);
}

const BY_TIME: [&str; 14] = [
    "a 2000 1",
    "b 1000 9",
    "a 1000 2",
    "a 2000 3",
    "wm 1500",
    "a 1500 100",
    "a 1501 4",
    "b 1400 100",
    "wm 2000",
    "a 5000 5",
    "b 3000 NULL",
    "a 4000 6",
    "a 5000 7",
    "wm 6000",
];

#[test]
fn by_rowtime_rows_come_out_in_order_with_the_watermark() {
    let calls = ["sum(x)", "count(*)"];
    let expected = [
        "a 1000 2 = 2 1",
        "b 1000 9 = 9 1",
        "wm 1500",
        "a 1501 4 = 6 2",
        "a 2000 1 = 7 3",
        "a 2000 3 = 10 4",
        "wm 2000",
        "b 3000 NULL = 9 2",
        "a 4000 6 = 16 5",
        "a 5000 5 = 21 6",
        "a 5000 7 = 28 7",
        "wm 6000",
    ];
    assert_eq!(sorted(run(&spec(OverOrder::Rowtime(1), ALL_ROWS, &calls), &BY_TIME)), sorted_of(&expected));
    let expected = [
        "a 1000 2 = 2 1",
        "b 1000 9 = 9 1",
        "wm 1500",
        "a 1501 4 = 6 2",
        "a 2000 1 = 10 4",
        "a 2000 3 = 10 4",
        "wm 2000",
        "b 3000 NULL = 9 2",
        "a 4000 6 = 16 5",
        "a 5000 5 = 28 7",
        "a 5000 7 = 28 7",
        "wm 6000",
    ];
    assert_eq!(sorted(run(&spec(OverOrder::Rowtime(1), ALL_RANGE, &calls), &BY_TIME)), sorted_of(&expected));
}

/// Keys between two watermarks come in any order.
fn sorted(lines: Vec<String>) -> Vec<String> {
    let pieces = lines.chunk_by(|a, b| !a.starts_with("wm") && !b.starts_with("wm"));
    pieces
        .flat_map(|piece| {
            let mut piece = piece.to_vec();
            piece.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
            piece
        })
        .collect()
}

fn sorted_of(lines: &[&str]) -> Vec<String> {
    sorted(lines.iter().map(|l| (*l).to_owned()).collect())
}

#[test]
fn a_frame_of_rows_moves_with_the_watermark() {
    let calls = ["sum(x)", "count(*)", "min(x)", "max(x)", "last_value(x)"];
    let expected = [
        "a 1000 2 = 2 1 2 2 2",
        "b 1000 9 = 9 1 9 9 9",
        "wm 1500",
        "a 1500 100 = 102 2 2 100 100",
        "a 1501 4 = 104 2 4 100 4",
        "b 1400 100 = 109 2 9 100 100",
        "a 2000 1 = 5 2 1 4 1",
        "a 2000 3 = 4 2 1 3 3",
        "wm 2000",
        "b 3000 NULL = 100 2 100 100 100",
        "a 4000 6 = 9 2 3 6 6",
        "a 5000 5 = 11 2 5 6 5",
        "a 5000 7 = 12 2 5 7 7",
        "wm 6000",
    ];
    assert_eq!(sorted(run(&spec(OverOrder::Rowtime(1), rows(1), &calls), &BY_TIME)), sorted_of(&expected));
}

#[test]
fn a_frame_within_a_time_moves_with_the_watermark() {
    let calls = ["sum(x)", "count(*)"];
    let expected = [
        "a 1000 2 = 2 1",
        "b 1000 9 = 9 1",
        "wm 1500",
        "a 1500 100 = 102 2",
        "a 1501 4 = 106 3",
        "b 1400 100 = 109 2",
        "a 2000 1 = 110 5",
        "a 2000 3 = 110 5",
        "wm 2000",
        "b 3000 NULL = NULL 1",
        "a 4000 6 = 6 1",
        "a 5000 5 = 18 3",
        "a 5000 7 = 18 3",
        "wm 6000",
    ];
    assert_eq!(sorted(run(&spec(OverOrder::Rowtime(1), range(1000), &calls), &BY_TIME)), sorted_of(&expected));
}

#[test]
fn a_row_is_late_behind_one_of_its_key_that_came_out() {
    let script = ["a 2000 1", "wm 3000", "a 2000 2", "a 2001 3", "b 1 4", "b 0 5", "a 1999 6", "wm 4000", "a 2500 7"];
    let expected = ["a 2000 1 = 1", "wm 3000", "a 2001 3 = 4", "b 1 4 = 4", "wm 4000", "a 2500 7 = 11"];
    assert_eq!(sorted(run(&spec(OverOrder::Rowtime(1), rows(9), &["sum(x)"]), &script)), sorted_of(&expected));
}

#[test]
fn a_frame_within_a_time_that_is_empty_for_long_forgets_its_key() {
    // At 1000 + 1.5 * 100 + 1 the key is forgotten, and an earlier row is not late any more.
    let script = ["a 1000 1", "wm 1150", "a 900 2", "wm 1151", "a 900 3", "wm 1200"];
    let expected = ["a 1000 1 = 1", "wm 1151", "a 900 3 = 3", "wm 1200"];
    assert_eq!(run(&spec(OverOrder::Rowtime(1), range(100), &["sum(x)"]), &script), expected);
}

#[test]
fn a_key_that_waits_for_nothing_expires() {
    let mut unbounded = spec(OverOrder::Rowtime(1), ALL_ROWS, &["sum(x)"]);
    unbounded.state_ttl_ms = 1000;
    let script = [
        "time 5000",
        "a 1 1",
        "wm 1",
        "time 6499",
        "a 2 2",
        "wm 2",
        "time 7998",
        "a 3 4",
        "time 9499",
        "a 4 8",
        "wm 3",
        "wm 4",
        "time 10999",
        "a 5 16",
        "wm 5",
    ];
    // What waits at 9499 keeps its key; at 10999 the key is forgotten.
    let expected =
        ["a 1 1 = 1", "wm 1", "a 2 2 = 3", "wm 2", "a 3 4 = 7", "wm 3", "a 4 8 = 15", "wm 4", "a 5 16 = 16", "wm 5"];
    assert_eq!(run(&unbounded, &script), expected);
    let mut at_once = spec(OverOrder::Proctime, rows(1), &["sum(x)"]);
    at_once.state_ttl_ms = 1000;
    let script = ["time 1", "a 1 1", "time 1000", "a 1 2", "time 2000", "a 1 4"];
    assert_eq!(run(&at_once, &script), ["a 1 1 = 1", "a 1 2 = 3", "a 1 4 = 4"]);
}

#[test]
fn without_partitions_all_rows_are_one() {
    let mut spec = spec(OverOrder::Rowtime(1), ALL_RANGE, &["count(*)"]);
    spec.partition = Vec::new();
    let expected = ["b 1 1 = 2", "a 1 2 = 2", "a 2 3 = 3"];
    assert_eq!(run(&spec, &["b 1 1", "a 2 3", "a 1 2"]), expected);
    assert_eq!(run(&spec, &["wm 5"]), ["wm 5"]);
}

#[test]
fn ranks_and_earlier_values_follow_the_order() {
    let mut spec = spec(OverOrder::Proctime, ALL_ROWS, &["rank(x)", "dense_rank(x)", "lag(x)", "first_value(x)"]);
    let script = ["a 1 NULL", "a 1 NULL", "a 1 3", "b 1 3", "a 1 3", "a 1 7"];
    let expected = [
        "a 1 NULL = 1 1 NULL NULL",
        "a 1 NULL = 1 1 NULL NULL",
        "a 1 3 = 3 2 NULL 3",
        "b 1 3 = 1 1 NULL 3",
        "a 1 3 = 3 2 3 3",
        "a 1 7 = 5 3 3 3",
    ];
    assert_eq!(run(&spec, &script), expected);
    // An offset and a default: columns too, here `x` itself and `ts`-less constants.
    spec.aggregates.truncate(1);
    spec.aggregates[0] = AggregateCall { args: vec![2, 2, 2], ..call("lag(x)") };
    spec.output.fields.truncate(5);
    spec.output.fields[4].ty = LogicalType::new(TypeKind::Int);
    assert_eq!(run(&spec, &["a 1 2", "a 1 1", "a 1 1", "a 1 2"]), ["a 1 2 = 2", "a 1 1 = 2", "a 1 1 = 1", "a 1 2 = 1"]);
}

const BY_X: [&str; 9] = ["a 1 5", "a 2 7", "a 3 5", "-D a 9 9", "a 4 0", "b 1 1", "-U a 1 5", "+U a 1 6", "-D a 3 5"];

#[test]
fn by_other_columns_each_row_updates_those_behind_it() {
    let expected = [
        "a 1 5 = 5 1",
        "a 2 7 = 12 2",
        "a 3 5 = 10 2",
        "-U a 2 7 = 12 2",
        "+U a 2 7 = 17 3",
        "a 4 0 = 0 1",
        "-U a 1 5 = 5 1",
        "+U a 1 5 = 5 2",
        "-U a 3 5 = 10 2",
        "+U a 3 5 = 10 3",
        "-U a 2 7 = 17 3",
        "+U a 2 7 = 17 4",
        "b 1 1 = 1 1",
        "-D a 1 5 = 5 2",
        "-U a 3 5 = 10 3",
        "+U a 3 5 = 5 2",
        "-U a 2 7 = 17 4",
        "+U a 2 7 = 12 3",
        "+U a 1 6 = 11 3",
        "-U a 2 7 = 12 3",
        "+U a 2 7 = 18 4",
        "-D a 3 5 = 5 2",
        "-U a 1 6 = 11 3",
        "+U a 1 6 = 6 2",
        "-U a 2 7 = 18 4",
        "+U a 2 7 = 13 3",
    ];
    assert_eq!(run(&by_x(ALL_ROWS, &["sum(x)", "count(*)"]), &BY_X), expected);
}

#[test]
fn rows_beside_a_row_share_its_values_in_a_range() {
    let expected = [
        "a 1 5 = 5 1",
        "a 2 7 = 12 2",
        "-U a 1 5 = 5 1",
        "+U a 1 5 = 10 2",
        "a 3 5 = 10 2",
        "-U a 2 7 = 12 2",
        "+U a 2 7 = 17 3",
        "a 4 0 = 0 1",
        "-U a 1 5 = 10 2",
        "+U a 1 5 = 10 3",
        "-U a 3 5 = 10 2",
        "+U a 3 5 = 10 3",
        "-U a 2 7 = 17 3",
        "+U a 2 7 = 17 4",
        "b 1 1 = 1 1",
        "-D a 1 5 = 10 3",
        "-U a 3 5 = 10 3",
        "+U a 3 5 = 5 2",
        "-U a 2 7 = 17 4",
        "+U a 2 7 = 12 3",
        "+U a 1 6 = 11 3",
        "-U a 2 7 = 12 3",
        "+U a 2 7 = 18 4",
        "-D a 3 5 = 5 2",
        "-U a 1 6 = 11 3",
        "+U a 1 6 = 6 2",
        "-U a 2 7 = 18 4",
        "+U a 2 7 = 13 3",
    ];
    assert_eq!(run(&by_x(ALL_RANGE, &["sum(x)", "count(*)"]), &BY_X), expected);
}

#[test]
fn what_does_not_change_is_not_updated_except_below_an_average() {
    let script = ["a 1 4", "a 2 0", "a 3 NULL", "a 4 4", "-D a 2 0", "-D a 3 NULL", "-D a 1 4", "-D a 4 4"];
    let expected = ["a 1 4 = 4", "a 2 0 = 0", "a 3 NULL = NULL", "a 4 4 = 8", "-D a 2 0 = 0", "-D a 3 NULL = NULL"];
    assert_eq!(run(&by_x(ALL_ROWS, &["sum(x)"]), &script)[..6], expected);
    let script = ["a 1 4", "a 2 3", "a 3 NULL", "a 4 4"];
    let expected = [
        "a 1 4 = 4",
        "a 2 3 = 3",
        "-U a 1 4 = 4",
        "+U a 1 4 = 3",
        "a 3 NULL = NULL",
        "-U a 1 4 = 3",
        "+U a 1 4 = 3",
        "a 4 4 = 3",
    ];
    assert_eq!(run(&by_x(ALL_RANGE, &["avg(x)"]), &script), expected);
}

#[test]
fn row_numbers_move_up_and_down() {
    let script = ["a 1 5", "a 2 3", "a 3 5", "-D a 2 3", "+U a 4 5"];
    let expected = [
        "a 1 5 = 1 1 1",
        "a 2 3 = 1 1 1",
        "-U a 1 5 = 1 1 1",
        "+U a 1 5 = 2 2 2",
        "a 3 5 = 3 2 2",
        "-D a 2 3 = 1 1 1",
        "-U a 1 5 = 2 2 2",
        "+U a 1 5 = 1 1 1",
        "-U a 3 5 = 3 2 2",
        "+U a 3 5 = 2 1 1",
        "+U a 4 5 = 3 1 1",
    ];
    assert_eq!(run(&by_x(ALL_ROWS, &["row_number(*)", "rank(x)", "dense_rank(x)"]), &script), expected);
}

#[test]
fn a_filter_and_equal_rows_are_told_apart() {
    let mut spec = by_x(ALL_RANGE, &["count(*)", "sum(x) filter"]);
    spec.partition = Vec::new();
    let script = ["a 1 5", "a 1 5", "a 1 5", "-D a 1 5", "b 1 5"];
    let expected = [
        "a 1 5 = 1 5",
        "-U a 1 5 = 1 5",
        "+U a 1 5 = 2 10",
        "a 1 5 = 2 10",
        "-U a 1 5 = 2 10",
        "+U a 1 5 = 3 15",
        "-U a 1 5 = 2 10",
        "+U a 1 5 = 3 15",
        "a 1 5 = 3 15",
        "-D a 1 5 = 3 15",
        "-U a 1 5 = 3 15",
        "+U a 1 5 = 2 10",
        "-U a 1 5 = 3 15",
        "+U a 1 5 = 2 10",
        "-U a 1 5 = 2 10",
        "+U a 1 5 = 3 15",
        "-U a 1 5 = 2 10",
        "+U a 1 5 = 3 15",
        "b 1 5 = 3 15",
    ];
    assert_eq!(run(&spec, &script), expected);
}

struct World {
    operator: OverAggregate,
    metrics: OperatorMetrics,
}

impl World {
    fn new(spec: OverAggregateSpec) -> Self {
        let mut operator = OverAggregate::from_spec(spec).unwrap();
        let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
        operator.open(&open_context(&FakeWorld::at(0), subtask, 128)).unwrap();
        World { operator, metrics: OperatorMetrics::default() }
    }

    fn rows(&mut self, text: &str) -> Result<()> {
        let mut cx = OperatorContext {
            output: &mut RecordedOutput::default(),
            timers: &mut FakeTimers::default(),
            processing_time_ms: 0,
            watermark: Watermark(1000),
            metrics: &self.metrics,
        };
        ready(self.operator.process_batch(0, batch(&input(), text), &mut cx))
    }
}

#[test]
fn late_rows_are_counted() {
    let mut world = World::new(spec(OverOrder::Rowtime(1), ALL_ROWS, &["count(*)"]));
    world.rows("+I | a | 1000 | 1 | true\n+I | a | 1001 | 1 | true\n+I | b | -5 | 1 | true").unwrap();
    assert_eq!(world.metrics.num_late_records_dropped.get(), 2);
    let mut world = World::new(spec(OverOrder::Rowtime(1), rows(1), &["count(*)"]));
    world.rows("+I | a | 900 | 1 | true\n+I | a | 0 | 1 | true").unwrap();
    assert_eq!(world.metrics.num_late_records_dropped.get(), 1);
}

#[test]
fn what_cannot_be_done_is_refused() {
    let refused = |spec: OverAggregateSpec| OverAggregate::from_spec(spec).err().unwrap();
    let mut updates = spec(OverOrder::Rowtime(1), ALL_ROWS, &["count(*)"]);
    updates.input_changelog = ChangelogMode::ALL;
    assert!(refused(updates).message().contains("an OVER aggregation by time of a stream with updates"));
    for frame in [rows(1), range(1)] {
        assert!(refused(by_x(frame, &["count(*)"])).message().contains("in an order that is not by time"));
    }
    assert!(
        refused(spec(OverOrder::Proctime, rows(1), &["rank(x)"])).message().contains("RANK over a frame that moves")
    );
    let mut world = World::new(spec(OverOrder::Proctime, ALL_ROWS, &["count(*)"]));
    assert!(world.rows("-D | a | 1 | 1 | true").unwrap_err().message().contains("got a retraction"));
    let mut world = World::new(spec(OverOrder::Rowtime(1), ALL_ROWS, &["count(*)"]));
    assert_eq!(world.rows("+I | a | NULL | 1 | true").unwrap_err().message(), "rowtime column 'ts' is null");
}

#[test]
fn updates_by_columns_come_without_what_they_replace_if_nobody_needs_it() {
    let mut spec = by_x(ALL_RANGE, &["sum(x)"]);
    spec.emit_update_before = false;
    let script = ["a 1 5", "a 2 3", "a 3 5", "-D a 2 3"];
    let expected = [
        "a 1 5 = 5",
        "a 2 3 = 3",
        "+U a 1 5 = 8",
        "+U a 1 5 = 13",
        "a 3 5 = 13",
        "-D a 2 3 = 3",
        "+U a 1 5 = 10",
        "+U a 3 5 = 10",
    ];
    assert_eq!(run(&spec, &script), expected);
}
