//! The changes of each strategy, rank by rank, as Flink's functions emit them; TTL, wrong input, and what memory holds.

use flott_api::testing::{Case, FakeStateStore, FakeWorld, batch, check_restorable, lines, open_context_with, ready};
use flott_api::{Field, LogicalType, Schema};
use flott_graph::spec::SortField;

use super::*;

/// Columns `k STRING, x INT, id INT, n BIGINT`; partitioned by `k`, ordered by `x DESC`.
fn spec(strategy: RankStrategy, (start, end): (u64, u64)) -> RankSpec {
    let fields = [("k", TypeKind::Varchar(9)), ("x", TypeKind::Int), ("id", TypeKind::Int), ("n", TypeKind::BigInt)];
    let input = Schema::new(fields.map(|(n, k)| Field::new(n, LogicalType::new(k))).to_vec());
    RankSpec {
        output: input.clone(),
        input,
        partition: vec![0],
        order: vec![SortField { column: 1, descending: true, nulls_last: true }],
        strategy,
        range: RankRange::Constant { start, end },
        emit_rank: false,
        emit_update_before: true,
        state_ttl_ms: 0,
    }
}

fn with_rank(mut spec: RankSpec) -> RankSpec {
    spec.emit_rank = true;
    spec.output.fields.push(Field::new("rn", LogicalType::new(TypeKind::BigInt)));
    spec
}

fn variable(mut spec: RankSpec) -> RankSpec {
    spec.range = RankRange::Variable { end_column: 3 };
    spec
}

fn updating() -> RankStrategy {
    RankStrategy::UpdateFast { keys: vec![0, 2] }
}

fn run(spec: &RankSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    let keys: Option<(&[usize], &[usize])> = (!spec.partition.is_empty()).then_some((&spec.partition, &spec.partition));
    check_restorable(&case, keys, || Rank::from_spec(spec.clone()).unwrap())
}

/// The columns `x`, `id` and what comes behind `n`, of changes of one key.
fn brief(answer: &str) -> Vec<String> {
    let cells = |line: &str| line.split(" | ").map(str::to_owned).collect::<Vec<_>>();
    let brief = |line: &str| match cells(line).as_slice() {
        [kind, _, x, id, _] => format!("{kind} {x} {id}"),
        [kind, _, x, id, _, rank] => format!("{kind} {x} {id} #{rank}"),
        _ => line.to_owned(),
    };
    answer.lines().map(brief).collect()
}

/// Rows of key `a` from `+I x id`.
fn of_one_key(changes: &[&str]) -> String {
    let row = |change: &&str| {
        let parts: Vec<&str> = change.split(' ').collect();
        match parts.as_slice() {
            ["time", _] => (*change).to_owned(),
            [kind, x, id] => format!("{kind} | a | {x} | {id} | 2"),
            _ => panic!("{change}"),
        }
    };
    changes.iter().map(row).collect::<Vec<_>>().join("\n")
}

const APPENDED: [&str; 7] = ["+I 5 1", "+I 7 2", "+I 5 3", "+I 6 4", "+I 6 5", "+I NULL 6", "+I 9 7"];

#[test]
fn over_insertions_what_falls_out_is_deleted_before_what_comes() {
    let got = run(&spec(RankStrategy::AppendFast, (1, 2)), &of_one_key(&APPENDED));
    assert_eq!(brief(&got), ["+I 5 1", "+I 7 2", "-D 5 1", "+I 6 4", "-D 6 4", "+I 9 7"]);
}

#[test]
fn over_insertions_with_ranks_every_rank_that_changes_hands_is_updated() {
    let spec = with_rank(spec(RankStrategy::AppendFast, (1, 3)));
    let expected = [
        "+I 5 1 #1",
        "-U 5 1 #1",
        "+U 7 2 #1",
        "+I 5 1 #2",
        "+I 5 3 #3",
        "-U 5 1 #2",
        "+U 6 4 #2",
        "-U 5 3 #3",
        "+U 5 1 #3",
        "-U 5 1 #3",
        "+U 6 5 #3",
        "-U 7 2 #1",
        "+U 9 7 #1",
        "-U 6 4 #2",
        "+U 7 2 #2",
        "-U 6 5 #3",
        "+U 6 4 #3",
    ];
    assert_eq!(brief(&run(&spec, &of_one_key(&APPENDED))), expected);
}

#[test]
fn an_offset_lets_out_the_later_ranks_only() {
    let mut spec = spec(RankStrategy::AppendFast, (2, 3));
    let expected = [
        "+I 5 1", "+I 5 3", "-U 5 1", "+U 6 4", "-U 5 3", "+U 5 1", "-U 5 1", "+U 6 5", "-U 6 4", "+U 7 2", "-U 6 5",
        "+U 6 4",
    ];
    assert_eq!(brief(&run(&spec, &of_one_key(&APPENDED))), expected);
    spec.emit_update_before = false;
    let without: Vec<&str> = expected.into_iter().filter(|change| !change.starts_with("-U")).collect();
    assert_eq!(brief(&run(&spec, &of_one_key(&APPENDED))), without);
}

#[test]
fn a_single_row_is_updated_and_equal_ones_do_not_replace_it() {
    let expected = ["+I 5 1", "-U 5 1", "+U 7 2", "-U 7 2", "+U 9 7"];
    assert_eq!(brief(&run(&spec(RankStrategy::AppendFast, (1, 1)), &of_one_key(&APPENDED))), expected);
    assert_eq!(brief(&run(&spec(updating(), (1, 1)), &of_one_key(&APPENDED))), expected);
    let with_rank = with_rank(spec(RankStrategy::AppendFast, (1, 1)));
    let expected = ["+I 5 1 #1", "-U 5 1 #1", "+U 7 2 #1", "-U 7 2 #1", "+U 9 7 #1"];
    assert_eq!(brief(&run(&with_rank, &of_one_key(&APPENDED))), expected);
}

#[test]
fn the_first_rows_by_processing_time_stay() {
    let mut first = spec(RankStrategy::AppendFirst, (1, 2));
    first.order = Vec::new();
    assert_eq!(brief(&run(&first, &of_one_key(&APPENDED))), ["+I 5 1", "+I 7 2"]);
    let ranked = with_rank(RankSpec { range: RankRange::Constant { start: 2, end: 3 }, ..first.clone() });
    assert_eq!(brief(&run(&ranked, &of_one_key(&APPENDED))), ["+I 7 2 #2", "+I 5 3 #3"]);
    assert_eq!(brief(&run(&variable(first), &of_one_key(&APPENDED))), ["+I 5 1", "+I 7 2"]);
}

#[test]
fn partitions_and_watermarks_keep_their_places() {
    let script = "
        +I | a | 1 | 1 | 2
        +I | b | 1 | 2 | 2
        wm 1
        +I | NULL | 1 | 3 | 2
        +I | a | 2 | 4 | 2
        wm 2
        +I | a | 0 | 5 | 2
        wm 3
        +I | b | 9 | 6 | 2
        +I | NULL | NULL | 7 | 2
        +I | NULL | 8 | 8 | 2
        +I | b | 3 | 9 | 2";
    let expected = "+I | a | 1 | 1 | 2\n+I | b | 1 | 2 | 2\nwm 1\n+I | NULL | 1 | 3 | 2\n+I | a | 2 | 4 | 2\nwm 3\n\
        +I | b | 9 | 6 | 2\n+I | NULL | NULL | 7 | 2\n-D | NULL | NULL | 7 | 2\n+I | NULL | 8 | 8 | 2\n\
        -D | b | 1 | 2 | 2\n+I | b | 3 | 9 | 2";
    assert_eq!(run(&spec(RankStrategy::AppendFast, (1, 2)), script), expected);
    assert_eq!(run(&spec(RankStrategy::Retract, (1, 2)), script), expected);
}

const UPSERTS: [&str; 9] = ["+I 1 1", "+I 2 2", "+U 2 1", "+I 3 3", "+U 4 1", "+U 4 1", "+U 9 2", "+I 1 4", "+U 5 3"];

#[test]
fn over_upserts_a_row_is_updated_where_it_stays_within_the_ranks() {
    let got = run(&spec(updating(), (1, 2)), &of_one_key(&UPSERTS));
    let expected = [
        "+I 1 1", "+I 2 2", "-U 1 1", "+U 2 1", "-D 2 1", "+I 3 3", "-D 2 2", "+I 4 1", "-U 4 1", "+U 4 1", "-D 3 3",
        "+I 9 2", "-D 4 1", "+I 5 3",
    ];
    assert_eq!(brief(&got), expected);
}

#[test]
fn over_upserts_with_ranks_the_old_row_goes_before_the_new_one_comes() {
    let got = run(&with_rank(spec(updating(), (1, 2))), &of_one_key(&UPSERTS));
    let expected = [
        "+I 1 1 #1",
        "-U 1 1 #1",
        "+U 2 2 #1",
        "+I 1 1 #2",
        "-U 1 1 #2",
        "+U 2 1 #2",
        "-U 2 2 #1",
        "+U 3 3 #1",
        "-U 2 1 #2",
        "+U 2 2 #2",
        "-U 3 3 #1",
        "+U 4 1 #1",
        "-U 2 2 #2",
        "+U 3 3 #2",
        "-U 4 1 #1",
        "+U 4 1 #1",
        "-U 4 1 #1",
        "+U 9 2 #1",
        "-U 3 3 #2",
        "+U 4 1 #2",
        "-U 4 1 #2",
        "+U 5 3 #2",
    ];
    assert_eq!(brief(&got), expected);
}

#[test]
fn upserts_whose_key_has_no_columns_are_of_one_row() {
    let only = |range| spec(RankStrategy::UpdateFast { keys: Vec::new() }, range);
    let upserts = of_one_key(&["+I 1 1", "+U 2 2", "+U 2 3"]);
    assert_eq!(brief(&run(&only((1, 3)), &upserts)), ["+I 1 1", "-U 1 1", "+U 2 2", "-U 2 2", "+U 2 3"]);
    let ranked = ["+I 1 1 #1", "-U 1 1 #1", "+U 2 2 #1", "-U 2 2 #1", "+U 2 3 #1"];
    assert_eq!(brief(&run(&with_rank(only((1, 3))), &upserts)), ranked);
    assert_eq!(run(&only((2, 3)), &upserts), "");
}

#[test]
fn a_row_that_rises_passes_those_between() {
    let script = of_one_key(&["+I 9 1", "+I 8 2", "+I 7 3", "+U 10 3", "+U 9 2"]);
    let got = run(&with_rank(spec(updating(), (1, 3))), &script);
    let expected = [
        "+I 9 1 #1",
        "+I 8 2 #2",
        "+I 7 3 #3",
        "-U 9 1 #1",
        "-U 7 3 #3",
        "+U 10 3 #1",
        "-U 8 2 #2",
        "+U 9 1 #2",
        "+U 8 2 #3",
        "-U 8 2 #3",
        "+U 9 2 #3",
    ];
    assert_eq!(brief(&got), expected);
}

#[test]
fn a_row_that_sinks_is_put_right_all_the_same() {
    let script = of_one_key(&["+I 9 1", "+I 8 2", "+I 7 3", "+U 1 1"]);
    let got = run(&with_rank(spec(updating(), (1, 3))), &script);
    let expected = ["-U 9 1 #1", "-U 8 2 #2", "+U 8 2 #1", "-U 7 3 #3", "+U 7 3 #2", "+U 1 1 #3"];
    assert_eq!(brief(&got)[3..], expected);
    let got = run(&spec(updating(), (1, 3)), &script);
    assert_eq!(brief(&got)[3..], ["-U 9 1", "+U 1 1"]);
}

const CHANGES: [&str; 12] = [
    "+I 1 1", "+I 2 2", "+I 2 3", "+I 3 4", "-U 2 2", "+U 5 2", "-D 9 9", "-D 1 1", "-D 5 2", "-D 2 3", "-D 3 4",
    "+I 7 5",
];

#[test]
fn over_a_changelog_what_was_behind_comes_back() {
    let got = run(&spec(RankStrategy::Retract, (1, 2)), &of_one_key(&CHANGES));
    let expected = [
        "+I 1 1", "+I 2 2", "-D 1 1", "+I 2 3", "-D 2 3", "+I 3 4", "-D 2 2", "+I 2 3", "-D 2 3", "+I 5 2", "-D 5 2",
        "+I 2 3", "-D 2 3", "-D 3 4", "+I 7 5",
    ];
    assert_eq!(brief(&got), expected);
}

#[test]
fn over_a_changelog_with_ranks_those_behind_move_up() {
    let got = run(&with_rank(spec(RankStrategy::Retract, (1, 2))), &of_one_key(&CHANGES));
    let expected = [
        "+I 1 1 #1",
        "-U 1 1 #1",
        "+U 2 2 #1",
        "+I 1 1 #2",
        "-U 1 1 #2",
        "+U 2 3 #2",
        "-U 2 2 #1",
        "+U 3 4 #1",
        "-U 2 3 #2",
        "+U 2 2 #2",
        "-U 2 2 #2",
        "+U 2 3 #2",
        "-U 3 4 #1",
        "+U 5 2 #1",
        "-U 2 3 #2",
        "+U 3 4 #2",
        "-U 5 2 #1",
        "+U 3 4 #1",
        "-U 3 4 #2",
        "+U 2 3 #2",
        "-D 2 3 #2",
        "-D 3 4 #1",
        "+I 7 5 #1",
    ];
    assert_eq!(brief(&got), expected);
}

#[test]
fn without_partitions_and_order_it_is_a_limit_over_a_changelog() {
    let mut spec = spec(RankStrategy::Retract, (1, 2));
    (spec.partition, spec.order) = (Vec::new(), Vec::new());
    let got = run(&spec, &of_one_key(&CHANGES));
    let expected = ["+I 1 1", "+I 2 2", "-D 2 2", "+I 2 3", "-D 1 1", "+I 3 4", "-D 2 3", "-D 3 4", "+I 7 5"];
    assert_eq!(brief(&got), expected);
}

#[test]
fn the_first_row_of_a_partition_says_how_many_come_out() {
    let script = "
        +I | a | 1 | 1 | 1
        +I | a | 2 | 2 | 9
        +I | b | 1 | 3 | 2
        +I | c | 1 | 4 | NULL
        +I | b | 3 | 5 | 1
        +I | c | 7 | 6 | 5
        +I | d | 1 | 7 | -3
        +I | b | 2 | 8 | 1";
    let expected = "+I | a | 1 | 1 | 1\n-D | a | 1 | 1 | 1\n+I | a | 2 | 2 | 9\n+I | b | 1 | 3 | 2\n+I | b | 3 | 5 | 1\n\
        -D | b | 1 | 3 | 2\n+I | b | 2 | 8 | 1";
    for strategy in [RankStrategy::AppendFast, RankStrategy::Retract, updating()] {
        assert_eq!(run(&variable(spec(strategy, (1, 1))), script), expected);
    }
    let all_gone = "+I | a | 1 | 1 | 1\n-D | a | 1 | 1 | 1\n+I | a | 3 | 2 | 5\n+I | a | 2 | 3 | 5";
    let expected = "+I | a | 1 | 1 | 1\n-D | a | 1 | 1 | 1\n+I | a | 3 | 2 | 5";
    assert_eq!(run(&variable(spec(RankStrategy::Retract, (1, 1))), all_gone), expected);
}

#[test]
fn more_than_flinks_hundred_come_out_if_a_column_says_so() {
    let spec = variable(spec(RankStrategy::AppendFast, (1, 1)));
    let rows: Vec<String> = (0..150).map(|x| format!("+I | a | -{x} | {x} | 120")).collect();
    let output = ready(open(&spec).rank(&batch(&spec.input, &rows.join("\n")), 0)).unwrap();
    assert_eq!(output.len(), 120);
}

#[test]
fn a_partition_that_has_expired_begins_anew() {
    let script = of_one_key(&["+I 5 1", "time 900", "+I 4 2", "time 1800", "+I 3 3", "time 1900", "+I 1 4", "+I 2 5"]);
    let mut spec = spec(RankStrategy::AppendFast, (1, 2));
    spec.state_ttl_ms = 1000;
    // At 1800 a row that does not enter keeps nothing alive, as in Flink.
    assert_eq!(brief(&run(&spec, &script)), ["+I 5 1", "+I 4 2", "+I 1 4", "+I 2 5"]);
    spec.strategy = RankStrategy::Retract;
    spec.range = RankRange::Constant { start: 1, end: 1 };
    let script = of_one_key(&["+I 5 1", "time 999", "+I 4 2", "time 2500", "-D 5 1", "+I 1 3"]);
    assert_eq!(brief(&run(&spec, &script)), ["+I 5 1", "+I 1 3"]);
}

fn open(spec: &RankSpec) -> Rank {
    let mut operator = Rank::from_spec(spec.clone()).unwrap();
    let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    operator.open(&open_context_with(&FakeWorld::at(0), subtask, 128, FakeStateStore::new())).unwrap();
    operator
}

#[test]
fn partitions_without_rows_take_no_memory_and_worse_rows_change_no_state() {
    let spec = spec(RankStrategy::Retract, (1, 2));
    let mut operator = open(&spec);
    for id in 0..500 {
        let text = format!("+I | k{id} | 1 | {id} | 2\n-D | k{id} | 1 | {id} | 2");
        ready(operator.rank(&batch(&spec.input, &text), 0)).unwrap();
    }
    assert!(operator.state.as_ref().unwrap().is_empty());
    let spec = RankSpec { strategy: RankStrategy::AppendFast, ..spec };
    let mut operator = open(&spec);
    ready(operator.rank(&batch(&spec.input, "+I | a | 5 | 1 | 2\n+I | a | 6 | 2 | 2"), 0)).unwrap();
    let state = operator.state.as_mut().unwrap();
    state.close_epoch();
    while !ready(state.drain(9)).unwrap() {}
    let output = ready(operator.rank(&batch(&spec.input, "+I | a | 5 | 3 | 2\n+I | a | 1 | 4 | 2"), 0)).unwrap();
    assert!(lines(&output).is_empty());
    let state = operator.state.as_mut().unwrap();
    state.close_epoch();
    assert!(ready(state.drain(0)).unwrap(), "nothing is left to write");
}

#[test]
fn what_cannot_be_ranked_is_refused() {
    let mut by_text = variable(spec(RankStrategy::Retract, (1, 1)));
    by_text.range = RankRange::Variable { end_column: 0 };
    assert!(Rank::from_spec(by_text).err().unwrap().message().contains("a number of rows of type VARCHAR(9)"));
    for range in [(0, 1), (3, 2)] {
        assert!(Rank::from_spec(spec(RankStrategy::AppendFast, range)).is_err());
    }
    let spec = spec(RankStrategy::AppendFast, (1, 2));
    let error = ready(open(&spec).rank(&batch(&spec.input, "-D | a | 1 | 1 | 1"), 0)).unwrap_err();
    assert_eq!(error.message(), "a ranking that remembers only some rows got a retraction");
}
