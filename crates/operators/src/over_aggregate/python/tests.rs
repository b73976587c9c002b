//! Frames that move, by functions of pandas beside built-in ones: through batches, watermarks, restarts and rescales.

use flott_api::expr::FunctionId;
use flott_api::table::ChangelogMode;
use flott_api::testing::functions::{spread, total};
use flott_api::testing::{Case, check_restorable};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, OverAggregateSpec, OverFrame, OverOrder};

use super::*;

/// Columns `k STRING, ts TIMESTAMP(3), x BIGINT`.
fn input() -> Schema {
    let fields = [("k", TypeKind::Varchar(9)), ("ts", TypeKind::Timestamp(3)), ("x", TypeKind::BigInt)];
    Schema::new(fields.map(|(n, k)| Field::new(n, LogicalType::new(k))).to_vec())
}

/// `count(x)`, `spread(x)`, `max(x)`, `spread(x)`: results of both kinds lie between each other.
fn spec(order: OverOrder, frame: OverFrame) -> PythonOverAggregateSpec {
    let call = |function: FunctionId| AggregateCall {
        args: vec![2],
        filter: None,
        distinct: false,
        ty: LogicalType::new(TypeKind::BigInt),
        function,
    };
    let spread = || call(FunctionId::of_user("spread", spread()));
    let aggregates = vec![call(FunctionId::new("count")), spread(), call(FunctionId::new("max")), spread()];
    let mut output = input();
    output.fields.extend(aggregates.iter().map(|a| Field::new("a", a.ty.clone())));
    let over = OverAggregateSpec {
        input: input(),
        partition: vec![0],
        order,
        frame,
        aggregates,
        input_changelog: ChangelogMode::INSERT_ONLY,
        emit_update_before: false,
        state_ttl_ms: 0,
        output,
    };
    PythonOverAggregateSpec { over, session_zone: "UTC".to_owned() }
}

fn run(spec: &PythonOverAggregateSpec, script: &str) -> String {
    let operator = || PythonOverAggregate::from_spec(spec.clone()).unwrap();
    let case = Case { input: &spec.over.input, event_time: operator().event_time(), script };
    check_restorable(&case, Some((&[0], &[0])), operator)
}

const ROWS: OverFrame = OverFrame::Rows { preceding: Some(1) };

#[test]
fn by_processing_time_a_row_is_given_with_those_before_it() {
    let script = "
        +I | a | 1 | 5
        +I | b | 2 | 1
        +I | a | 3 | 9
        wm 1
        +I | a | 4 | NULL
        +I | a | 5 | 2
        +I | b | 6 | 4";
    let expected = "+I | a | 1 | 5 | 1 | 0 | 5 | 0\n+I | b | 2 | 1 | 1 | 0 | 1 | 0\n+I | a | 3 | 9 | 2 | 4 | 9 | 4\nwm 1\n\
        +I | a | 4 | NULL | 1 | 0 | 9 | 0\n+I | a | 5 | 2 | 1 | 0 | 2 | 0\n+I | b | 6 | 4 | 2 | 3 | 4 | 3";
    assert_eq!(run(&spec(OverOrder::Proctime, ROWS), script), expected);
}

const BY_TIME: &str = "
    +I | a | 3 | 9
    +I | a | 1 | 5
    +I | b | 2 | 1
    wm 3
    +I | a | 4 | 1
    +I | a | 4 | 7
    +I | b | 9 | 4
    wm 10";

#[test]
fn by_rowtime_rows_wait_for_the_watermark() {
    let expected = "+I | a | 1 | 5 | 1 | 0 | 5 | 0\n+I | b | 2 | 1 | 1 | 0 | 1 | 0\n+I | a | 3 | 9 | 2 | 4 | 9 | 4\nwm 3\n\
        +I | a | 4 | 1 | 2 | 8 | 9 | 8\n+I | a | 4 | 7 | 2 | 6 | 7 | 6\n+I | b | 9 | 4 | 2 | 3 | 4 | 3\nwm 10";
    assert_eq!(run(&spec(OverOrder::Rowtime(1), ROWS), BY_TIME), expected);
}

#[test]
fn rows_of_one_time_have_one_frame() {
    let frame = OverFrame::Range { preceding_ms: Some(2) };
    let expected = "+I | a | 1 | 5 | 1 | 0 | 5 | 0\n+I | b | 2 | 1 | 1 | 0 | 1 | 0\n+I | a | 3 | 9 | 2 | 4 | 9 | 4\nwm 3\n\
        +I | a | 4 | 1 | 3 | 8 | 9 | 8\n+I | a | 4 | 7 | 3 | 8 | 9 | 8\n+I | b | 9 | 4 | 1 | 0 | 4 | 0\nwm 10";
    assert_eq!(run(&spec(OverOrder::Rowtime(1), frame), BY_TIME), expected);
}

#[test]
fn what_functions_cannot_be_given_is_refused() {
    let all = spec(OverOrder::Proctime, OverFrame::Rows { preceding: None });
    assert!(PythonOverAggregate::from_spec(all).is_err());
    let mut of_rows = spec(OverOrder::Proctime, ROWS);
    of_rows.over.aggregates[1].function = FunctionId::of_user("total", total());
    assert!(PythonOverAggregate::from_spec(of_rows).is_err());
    let mut none = spec(OverOrder::Proctime, ROWS);
    none.over.aggregates.truncate(1);
    none.over.output.fields.truncate(4);
    assert!(PythonOverAggregate::from_spec(none).is_err());
}
