//! Interval joins of every kind: in order, out of order, late, without partners, through batches, restarts and rescales.

use arrow_array::Array as _;
use flott_api::expr::{Expr, Value};
use flott_api::testing::{
    Emitted, FakeTimers, FakeWorld, JoinCase, RecordedOutput, batch, check_join, open_context, ready,
};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{JoinKind, TimedJoinSide};

use super::*;

/// Columns `k BIGINT, ts TIMESTAMP(3), v BIGINT`.
fn side(name: &str) -> TimedJoinSide {
    let fields = [("k", TypeKind::BigInt), ("ts", TypeKind::Timestamp(3)), ("v", TypeKind::BigInt)];
    let field = |(column, kind)| Field::new(format!("{name}{column}"), LogicalType::new(kind));
    TimedJoinSide { input: Schema::new(fields.map(field).to_vec()), keys: vec![0], time: 1 }
}

/// Left times are from 10 before to 5 behind right ones.
fn spec(kind: JoinKind) -> IntervalJoinSpec {
    let (left, right) = (side("l"), side("r"));
    let mut output = left.input.clone();
    output.fields.extend(right.input.fields.clone());
    IntervalJoinSpec {
        kind,
        left,
        right,
        is_rowtime: true,
        lower_ms: -10,
        upper_ms: 5,
        nulls_meet: vec![false],
        condition: None,
        output,
        session_zone: "UTC".to_owned(),
    }
}

fn run(spec: &IntervalJoinSpec, script: &str) -> String {
    let inputs = [&spec.left.input, &spec.right.input];
    let case = JoinCase { inputs, event_time: EventTime::Sliced, script };
    // A row without a partner has its key on one side only: rescaled runs are compared by all that a row has.
    check_join(&case, Some(([&[0], &[0]], &[0, 1, 2, 3, 4, 5])), || IntervalJoin::from_spec(spec.clone()).unwrap())
}

fn lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}

const SCRIPT: &str = "
    L +I | 1 | 100 | 1
    R +I | 1 | 94 | 2
    R +I | 1 | 95 | 3
    R +I | 1 | 110 | 4
    R +I | 1 | 111 | 5
    R +I | 2 | 100 | 6
    L +I | 1 | 101 | 7
    L +I | 3 | 101 | 8
    wm 99
    R +I | 1 | 97 | 9
    wm 111
    R +I | 3 | 101 | 10
    L +I | 3 | 102 | 11
    L +I | 1 | 90 | 12
    L +I | 1 | 104 | 13
    wm 130";

#[test]
fn rows_meet_whose_times_are_near() {
    let expected = "
        +I | 1 | 100 | 1 | 1 | 95 | 3
        +I | 1 | 100 | 1 | 1 | 110 | 4
        +I | 1 | 101 | 7 | 1 | 110 | 4
        +I | 1 | 101 | 7 | 1 | 111 | 5
        wm 89
        +I | 1 | 100 | 1 | 1 | 97 | 9
        +I | 1 | 101 | 7 | 1 | 97 | 9
        wm 101
        +I | 3 | 101 | 8 | 3 | 101 | 10
        +I | 1 | 104 | 13 | 1 | 110 | 4
        +I | 1 | 104 | 13 | 1 | 111 | 5
        wm 120";
    assert_eq!(run(&spec(JoinKind::Inner), SCRIPT), lines(expected));
}

#[test]
fn rows_without_a_partner_come_when_none_can_come_any_more() {
    let expected = "
        +I | 1 | 100 | 1 | 1 | 95 | 3
        +I | 1 | 100 | 1 | 1 | 110 | 4
        +I | 1 | 101 | 7 | 1 | 110 | 4
        +I | 1 | 101 | 7 | 1 | 111 | 5
        wm 89
        +I | 1 | 100 | 1 | 1 | 97 | 9
        +I | 1 | 101 | 7 | 1 | 97 | 9
        +I | NULL | NULL | NULL | 1 | 94 | 2
        +I | NULL | NULL | NULL | 2 | 100 | 6
        wm 101
        +I | 3 | 101 | 8 | 3 | 101 | 10
        +I | 1 | 90 | 12 | NULL | NULL | NULL
        +I | 1 | 104 | 13 | 1 | 110 | 4
        +I | 1 | 104 | 13 | 1 | 111 | 5
        +I | 3 | 102 | 11 | NULL | NULL | NULL
        wm 120";
    assert_eq!(run(&spec(JoinKind::Full), SCRIPT), lines(expected));
    let of_side = |side: &str| {
        let other = if side == "left" { "+I | NULL" } else { "NULL | NULL | NULL" };
        let keep = |line: &&str| if side == "left" { !line.starts_with(other) } else { !line.ends_with(other) };
        lines(expected).lines().filter(keep).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(run(&spec(JoinKind::Left), SCRIPT), of_side("left"));
    assert_eq!(run(&spec(JoinKind::Right), SCRIPT), of_side("right"));
}

#[test]
fn a_condition_decides_which_rows_have_a_partner() {
    let value = |column| Expr::column(column, LogicalType::new(TypeKind::BigInt));
    let smaller = Expr::call("<", vec![value(2), value(5)], LogicalType::new(TypeKind::Boolean));
    let spec = IntervalJoinSpec { condition: Some(smaller), ..spec(JoinKind::Full) };
    let script = "
        L +I | 1 | 100 | 5
        R +I | 1 | 100 | 5
        R +I | 1 | 100 | 6
        R +I | 1 | 100 | NULL
        L +I | 1 | 100 | 9";
    let expected = "
        +I | 1 | 100 | 5 | 1 | 100 | 6
        +I | NULL | NULL | NULL | 1 | 100 | 5
        +I | NULL | NULL | NULL | 1 | 100 | NULL
        +I | 1 | 100 | 9 | NULL | NULL | NULL";
    assert_eq!(run(&spec, script), lines(expected));
}

#[test]
fn nulls_meet_only_if_they_may_and_a_row_without_a_time_meets_none() {
    let script = "
        L +I | NULL | 100 | 1
        R +I | NULL | 100 | 2
        L +I | 1 | NULL | 3
        R +I | 1 | NULL | 4
        R +I | 1 | 0 | 5
        wm 200";
    let apart = "
        +I | NULL | 100 | 1 | NULL | NULL | NULL
        +I | NULL | NULL | NULL | NULL | 100 | 2
        +I | 1 | NULL | 3 | NULL | NULL | NULL
        +I | NULL | NULL | NULL | 1 | NULL | 4
        +I | NULL | NULL | NULL | 1 | 0 | 5
        wm 190";
    assert_eq!(run(&spec(JoinKind::Full), script), lines(apart));
    let together = "
        +I | NULL | 100 | 1 | NULL | 100 | 2
        +I | 1 | NULL | 3 | NULL | NULL | NULL
        +I | NULL | NULL | NULL | 1 | NULL | 4
        +I | NULL | NULL | NULL | 1 | 0 | 5
        wm 190";
    let spec = IntervalJoinSpec { nulls_meet: vec![true], ..spec(JoinKind::Full) };
    assert_eq!(run(&spec, script), lines(together));
}

#[test]
fn a_late_row_meets_what_is_not_yet_forgotten() {
    // The timer of the left is that of the row at 120: the one at 100, which came behind it, is still there.
    let script = "
        L +I | 1 | 120 | 1
        L +I | 1 | 100 | 2
        wm 115
        R +I | 1 | 100 | 3
        R +I | 1 | 100 | 4";
    let expected = "
        wm 105
        +I | 1 | 100 | 2 | 1 | 100 | 3
        +I | NULL | NULL | NULL | 1 | 100 | 4
        +I | 1 | 120 | 1 | NULL | NULL | NULL";
    assert_eq!(run(&spec(JoinKind::Full), script), lines(expected));
}

#[test]
fn bounds_may_lie_on_one_side_of_zero_or_cross() {
    let later = IntervalJoinSpec { lower_ms: 5, upper_ms: 10, ..spec(JoinKind::Left) };
    let script = "
        R +I | 1 | 100 | 1
        L +I | 1 | 104 | 2
        L +I | 1 | 105 | 3
        wm 103
        L +I | 1 | 110 | 4
        R +I | 1 | 100 | 5
        wm 120";
    let expected = "
        +I | 1 | 105 | 3 | 1 | 100 | 1
        +I | 1 | 104 | 2 | NULL | NULL | NULL
        wm 93
        +I | 1 | 110 | 4 | 1 | 100 | 1
        +I | 1 | 110 | 4 | 1 | 100 | 5
        wm 110";
    assert_eq!(run(&later, script), lines(expected));
    let never = IntervalJoinSpec { lower_ms: 1, upper_ms: 0, ..spec(JoinKind::Left) };
    assert_eq!(
        run(&never, "L +I | 1 | 100 | 1\nR +I | 1 | 100 | 2\nwm 50"),
        "+I | 1 | 100 | 1 | NULL | NULL | NULL\nwm 50"
    );
}

#[test]
fn by_processing_time_rows_meet_that_come_near_each_other() {
    let spec = IntervalJoinSpec { is_rowtime: false, ..spec(JoinKind::Full) };
    let script = "
        time 100
        L +I | 1 | NULL | 1
        time 104
        L +I | 1 | NULL | 2
        time 110
        R +I | 1 | NULL | 3
        wm 7
        time 114
        R +I | 1 | NULL | 4
        time 115
        L +I | 1 | NULL | 5
        time 121
        L +I | 1 | NULL | 6
        R +I | 2 | NULL | 7
        time 127";
    let expected = "
        +I | 1 | NULL | 1 | 1 | NULL | 3
        +I | 1 | NULL | 2 | 1 | NULL | 3
        wm 7
        +I | 1 | NULL | 2 | 1 | NULL | 4
        +I | 1 | NULL | 5 | 1 | NULL | 3
        +I | 1 | NULL | 5 | 1 | NULL | 4
        +I | NULL | NULL | NULL | 2 | NULL | 7";
    assert_eq!(run(&spec, script), lines(expected));
}

#[test]
fn nothing_comes_of_nothing() {
    assert_eq!(run(&spec(JoinKind::Full), "wm 5"), "wm -5");
}

/// What comes out of one operator, and the rows of the columns that were made for it.
struct World {
    operator: IntervalJoin,
    metrics: flott_api::metrics::OperatorMetrics,
    output: RecordedOutput,
    timers: FakeTimers,
}

impl World {
    fn new(spec: IntervalJoinSpec) -> Self {
        let mut operator = IntervalJoin::from_spec(spec).unwrap();
        let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
        Operator::open(&mut operator, &open_context(&FakeWorld::at(0), subtask, 128)).unwrap();
        World { operator, metrics: Default::default(), output: Default::default(), timers: Default::default() }
    }

    fn cx<'a>(&'a mut self, watermark: i64) -> (&'a mut IntervalJoin, OperatorContext<'a>) {
        let cx = OperatorContext {
            output: &mut self.output,
            timers: &mut self.timers,
            processing_time_ms: 0,
            watermark: Watermark(watermark),
            metrics: &self.metrics,
        };
        (&mut self.operator, cx)
    }

    fn rows(&mut self, input: usize, schema: &Schema, text: &str) {
        let rows = batch(schema, text);
        let (operator, mut cx) = self.cx(0);
        ready(operator.process_batch(input, rows, &mut cx)).unwrap();
    }

    /// Rows that were emitted since, and how many the largest columns had of which batches are pieces.
    fn emitted(&mut self) -> (usize, usize) {
        let (mut rows, mut made) = (0, 0);
        for emitted in std::mem::take(&mut self.output.emitted) {
            let Emitted::Batch(batch) = emitted else { continue };
            rows += batch.len();
            let value = batch.rows().column(2).to_data();
            made = made.max(value.buffers()[0].len().max(value.buffers()[0].capacity()) / size_of::<i64>());
        }
        (rows, made)
    }
}

#[test]
fn what_one_row_meets_is_made_in_pieces() {
    const MANY: usize = 4 * PAIRS_MAX + 1;
    let always = Expr::literal(Value::Boolean(true), LogicalType::not_null(TypeKind::Boolean));
    let spec = IntervalJoinSpec { condition: Some(always), ..spec(JoinKind::Full) };
    let schema = spec.left.input.clone();
    let mut world = World::new(spec);
    let rows = |key: usize| (0..MANY).map(|v| format!("+I | {key} | 100 | {v}")).collect::<Vec<_>>().join("\n");
    world.rows(0, &schema, &rows(1));
    world.rows(0, &schema, &rows(2));
    world.rows(1, &schema, "+I | 1 | 100 | 7");
    let (pairs, made) = world.emitted();
    assert_eq!(pairs, MANY);
    assert!(made <= 2 * PAIRS_MAX, "columns of {made} rows");
    // Those that met nobody come with nulls when they are over.
    let mut due = Vec::new();
    due.extend(std::iter::from_fn(|| world.timers.due(TimeDomain::Event, 1000)));
    let (operator, mut cx) = world.cx(1000);
    ready(operator.on_timers(&due, &mut cx)).unwrap();
    let (alone, made) = world.emitted();
    assert_eq!(alone, MANY);
    assert!(made <= 2 * PAIRS_MAX, "columns of {made} rows");
}
