//! The first rows of windows.

use flott_api::testing::{Case, check_restorable};
use flott_api::{Field, Schema, TypeKind};
use flott_graph::spec::SortField;

use super::*;

/// Columns `window_end, who STRING, x INT, y DOUBLE`.
fn spec(keys: &[usize], order: &[(usize, bool)], ranks: (u64, u64)) -> WindowRankSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    let input = Schema::new(vec![
        field("window_end", TypeKind::Timestamp(3)),
        field("who", TypeKind::Varchar(9)),
        field("x", TypeKind::Int),
        field("y", TypeKind::Double),
    ]);
    let mut output = input.clone();
    output.fields.push(Field::new("rank", LogicalType::not_null(TypeKind::BigInt)));
    let order = order.iter().map(|(column, descending)| SortField {
        column: *column,
        descending: *descending,
        nulls_last: *descending,
    });
    WindowRankSpec {
        input,
        window_end: 0,
        zone: "UTC".to_owned(),
        keys: keys.to_vec(),
        order: order.collect(),
        rank_start: ranks.0,
        rank_end: ranks.1,
        emit_rank: true,
        output,
    }
}

fn run(spec: &WindowRankSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::WholeWithMarks, script };
    check_restorable(&case, Some((&spec.keys, &spec.keys)), || WindowRank::from_spec(spec.clone()).unwrap())
}

#[test]
fn the_first_rows_of_each_window_and_key_come_when_it_is_over() {
    let script = "+I | 10000 | a | 5 | 1\n+I | 10000 | a | 9 | 2\n+I | 20000 | a | 1 | 3\n+I | 10000 | a | 7 | 4\n\
        +I | 10000 | NULL | NULL | 5\nwm 9998\n+I | 10000 | a | 9 | 6\nwm 9999\n+I | 10000 | a | 99 | 7\n\
        +I | 20000 | b | 2 | 8";
    let expected = "wm 9998\n+I | 10000 | a | 9 | 2 | 1\n+I | 10000 | a | 9 | 6 | 2\n+I | 10000 | NULL | NULL | 5 | 1\n\
        wm 9999\n+I | 20000 | a | 1 | 3 | 1\n+I | 20000 | b | 2 | 8 | 1";
    assert_eq!(run(&spec(&[1], &[(2, true)], (1, 2)), script), expected);
}

#[test]
fn ranks_may_begin_later_and_go_by_several_columns() {
    let script = "+I | 10000 | a | 1 | 2\n+I | 10000 | a | NULL | 9\n+I | 10000 | b | 1 | 3\n+I | 10000 | c | 1 | 3";
    let expected = "+I | 10000 | b | 1 | 3 | 2\n+I | 10000 | c | 1 | 3 | 3";
    let mut spec = spec(&[], &[(2, false), (3, true)], (2, 3));
    let case = Case { input: &spec.input, event_time: EventTime::WholeWithMarks, script };
    assert_eq!(check_restorable(&case, None, || WindowRank::from_spec(spec.clone()).unwrap()), expected);
    spec.emit_rank = false;
    spec.output.fields.pop();
    let case = Case { input: &spec.input, event_time: EventTime::WholeWithMarks, script };
    let answer = check_restorable(&case, None, || WindowRank::from_spec(spec.clone()).unwrap());
    assert_eq!(answer, "+I | 10000 | b | 1 | 3\n+I | 10000 | c | 1 | 3");
}

#[test]
fn long_lists_are_cut_and_keep_what_came_first() {
    let rows = (0..200).map(|i| format!("+I | 10000 | a | {} | {i}", i % 5));
    let script = rows.collect::<Vec<_>>().join("\n");
    let spec = spec(&[1], &[(2, false)], (1, 3));
    let case = Case { input: &spec.input, event_time: EventTime::WholeWithMarks, script: &script };
    let answer = flott_api::testing::check(&case, || Box::new(WindowRank::from_spec(spec.clone()).unwrap()));
    assert_eq!(answer, "+I | 10000 | a | 0 | 0 | 1\n+I | 10000 | a | 0 | 5 | 2\n+I | 10000 | a | 0 | 10 | 3");
}

#[test]
fn impossible_ranks_are_refused() {
    assert!(WindowRank::from_spec(spec(&[1], &[(2, true)], (0, 2))).is_err());
    assert!(WindowRank::from_spec(spec(&[1], &[(2, true)], (3, 2))).is_err());
    assert!(WindowRank::from_spec(spec(&[9], &[(2, true)], (1, 2))).is_err());
    assert!(WindowRank::from_spec(spec(&[1], &[(9, true)], (1, 2))).is_err());
}
