//! Temporal joins: versions that come, change, go and come late; rows that wait; through batches, restarts and rescales.

use flott_api::expr::Expr;
use flott_api::testing::{JoinCase, check_join};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::TimedJoinSide;

use super::*;

/// Columns `k BIGINT, ts TIMESTAMP(3), v BIGINT`.
fn side(name: &str) -> TimedJoinSide {
    let fields = [("k", TypeKind::BigInt), ("ts", TypeKind::Timestamp(3)), ("v", TypeKind::BigInt)];
    let field = |(column, kind)| Field::new(format!("{name}{column}"), LogicalType::new(kind));
    TimedJoinSide { input: Schema::new(fields.map(field).to_vec()), keys: vec![0], time: 1 }
}

fn spec(kind: JoinKind) -> TemporalJoinSpec {
    let (left, right) = (side("l"), side("r"));
    let mut output = left.input.clone();
    output.fields.extend(right.input.fields.clone());
    TemporalJoinSpec {
        kind,
        left,
        right,
        nulls_meet: vec![false],
        condition: None,
        output,
        state_ttl_ms: 0,
        session_zone: "UTC".to_owned(),
    }
}

fn run(spec: &TemporalJoinSpec, script: &str) -> String {
    let inputs = [&spec.left.input, &spec.right.input];
    let case = JoinCase { inputs, event_time: EventTime::Sliced, script };
    check_join(&case, Some(([&[0], &[0]], &[0])), || TemporalJoin::from_spec(spec.clone()).unwrap())
}

fn lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Without the rows that have no version.
fn inner(expected: &str) -> String {
    lines(expected).lines().filter(|line| !line.ends_with("NULL | NULL | NULL")).collect::<Vec<_>>().join("\n")
}

const SCRIPT: &str = "
    L +I | 1 | 99 | 1
    L +I | 1 | 115 | 2
    L +I | 1 | 100 | 3
    R +I | 1 | 100 | 10
    R +U | 1 | 110 | 11
    R +I | 2 | 100 | 20
    wm 105
    L +I | 1 | 105 | 4
    L +I | 1 | 109 | 5
    L +I | 1 | 110 | 6
    L +I | 2 | 119 | 7
    L +I | 2 | 121 | 8
    L +I | 3 | 121 | 9
    R -D | 2 | 120 | 20
    R +U | 1 | 112 | 12
    wm 120
    L +I | 1 | 111 | 13
    L +I | 1 | 130 | 14
    R +I | 2 | 130 | 21
    L +I | 2 | 131 | 15
    wm 131";

const EXPECTED: &str = "
    +I | 1 | 99 | 1 | NULL | NULL | NULL
    +I | 1 | 100 | 3 | 1 | 100 | 10
    wm 105
    +I | 1 | 115 | 2 | 1 | 112 | 12
    +I | 1 | 105 | 4 | 1 | 100 | 10
    +I | 1 | 109 | 5 | 1 | 100 | 10
    +I | 1 | 110 | 6 | 1 | 110 | 11
    +I | 2 | 119 | 7 | 2 | 100 | 20
    wm 120
    +I | 1 | 111 | 13 | NULL | NULL | NULL
    +I | 1 | 130 | 14 | 1 | 112 | 12
    +I | 2 | 121 | 8 | NULL | NULL | NULL
    +I | 3 | 121 | 9 | NULL | NULL | NULL
    +I | 2 | 131 | 15 | 2 | 130 | 21
    wm 131";

/// Keys that are due together come in the order of their timers: between two watermarks the order is per key.
fn per_key(answer: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = answer.lines().collect();
    let pieces = lines.chunk_by(|a, b| a.starts_with("wm ") == b.starts_with("wm "));
    let key = |line: &&str| line.split('|').nth(1).unwrap_or_default().trim().to_owned();
    pieces
        .map(|piece| {
            let mut piece = piece.to_vec();
            piece.sort_by_key(key);
            piece
        })
        .collect()
}

#[test]
fn a_row_comes_with_the_version_of_its_time() {
    assert_eq!(per_key(&run(&spec(JoinKind::Left), SCRIPT)), per_key(&lines(EXPECTED)));
    assert_eq!(per_key(&run(&spec(JoinKind::Inner), SCRIPT)), per_key(&inner(EXPECTED)));
}

#[test]
fn a_condition_that_does_not_hold_leaves_no_version() {
    let value = |column| Expr::column(column, LogicalType::new(TypeKind::BigInt));
    let smaller = Expr::call("<", vec![value(2), value(5)], LogicalType::new(TypeKind::Boolean));
    let script = "
        R +I | 1 | 100 | 5
        L +I | 1 | 100 | 4
        L +I | 1 | 101 | 5
        L +I | 1 | 102 | NULL
        wm 200";
    let expected = "
        +I | 1 | 100 | 4 | 1 | 100 | 5
        +I | 1 | 101 | 5 | NULL | NULL | NULL
        +I | 1 | 102 | NULL | NULL | NULL | NULL
        wm 200";
    let left = TemporalJoinSpec { condition: Some(smaller.clone()), ..spec(JoinKind::Left) };
    assert_eq!(run(&left, script), lines(expected));
    let inner_join = TemporalJoinSpec { condition: Some(smaller), ..spec(JoinKind::Inner) };
    assert_eq!(run(&inner_join, script), inner(expected));
}

#[test]
fn rows_keep_their_kinds_and_the_order_in_which_they_came() {
    let script = "
        R +I | 1 | 0 | 5
        L +I | 1 | 100 | 4
        L -U | 1 | 100 | 4
        L +U | 1 | 90 | 6
        L -D | 1 | 80 | 6
        wm 200";
    let expected = "
        +I | 1 | 100 | 4 | 1 | 0 | 5
        -U | 1 | 100 | 4 | 1 | 0 | 5
        +U | 1 | 90 | 6 | 1 | 0 | 5
        -D | 1 | 80 | 6 | 1 | 0 | 5
        wm 200";
    assert_eq!(run(&spec(JoinKind::Inner), script), lines(expected));
}

#[test]
fn the_last_version_of_a_time_counts_and_old_ones_are_forgotten() {
    let script = "
        R +I | 1 | 100 | 1
        R +I | 1 | 100 | 2
        L +I | 1 | 100 | 3
        R +I | 1 | 90 | 4
        R +U | 1 | 120 | 5
        wm 110
        L +I | 1 | 99 | 6
        wm 111
        R +I | 1 | 105 | 7
        L +I | 1 | 112 | 8
        wm 130
        L +I | 1 | 119 | 9
        L +I | 1 | 120 | 10";
    let expected = "
        +I | 1 | 100 | 3 | 1 | 100 | 2
        wm 110
        +I | 1 | 99 | 6 | NULL | NULL | NULL
        wm 111
        +I | 1 | 112 | 8 | 1 | 105 | 7
        wm 130
        +I | 1 | 119 | 9 | NULL | NULL | NULL
        +I | 1 | 120 | 10 | 1 | 120 | 5";
    assert_eq!(run(&spec(JoinKind::Left), script), lines(expected));
}

#[test]
fn nulls_meet_only_if_they_may_and_a_row_without_a_time_has_no_version() {
    let script = "
        R +I | NULL | 100 | 1
        R +I | 1 | NULL | 2
        L +I | NULL | 100 | 3
        L -D | 1 | NULL | 4
        L +I | 1 | 100 | 5
        wm 200";
    let expected = "
        +I | NULL | 100 | 3 | NULL | NULL | NULL
        -D | 1 | NULL | 4 | NULL | NULL | NULL
        +I | 1 | 100 | 5 | NULL | NULL | NULL
        wm 200";
    assert_eq!(run(&spec(JoinKind::Left), script), lines(expected));
    assert_eq!(run(&spec(JoinKind::Inner), script), "wm 200");
    let meet = TemporalJoinSpec { nulls_meet: vec![true], ..spec(JoinKind::Inner) };
    assert_eq!(run(&meet, script), "+I | NULL | 100 | 3 | NULL | 100 | 1\nwm 200");
}

#[test]
fn what_nothing_came_for_is_forgotten_with_a_time_to_live() {
    let spec = TemporalJoinSpec { state_ttl_ms: 100, ..spec(JoinKind::Left) };
    let script = "
        time 1
        R +I | 1 | 100 | 1
        R +I | 2 | 100 | 2
        time 90
        L +I | 1 | 100 | 3
        wm 110
        time 150
        L +I | 1 | 120 | 4
        L +I | 2 | 120 | 5
        wm 130";
    let expected = "
        +I | 1 | 100 | 3 | 1 | 100 | 1
        wm 110
        +I | 1 | 120 | 4 | 1 | 100 | 1
        +I | 2 | 120 | 5 | NULL | NULL | NULL
        wm 130";
    assert_eq!(per_key(&run(&spec, script)), per_key(&lines(expected)));
}

#[test]
fn nothing_comes_of_nothing() {
    assert_eq!(run(&spec(JoinKind::Left), "wm 5"), "wm 5");
}
