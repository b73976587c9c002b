//! Groups of sorted rows, however these are cut into batches, by functions of rows and of pandas; and groups of no rows.

use std::sync::Arc;

use arrow_array::{BooleanArray, Int64Array, StringArray};
use flott_api::expr::FunctionId;
use flott_api::function::UserFunction;
use flott_api::ids::Subtask;
use flott_api::table::ChangelogMode;
use flott_api::testing::functions::{calls_of, spread, total};
use flott_api::testing::{FakeWorld, lines, ready};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, GroupAggregateSpec};

use super::*;

fn input() -> Schema {
    let field = |name: &str, kind: TypeKind| Field::new(name, LogicalType::new(kind));
    Schema::new(vec![field("k", TypeKind::Varchar(9)), field("x", TypeKind::BigInt), field("f", TypeKind::Boolean)])
}

/// `total(x)`, `spread(x)`, `count(*)`, each perhaps `distinct` and with a `filter`.
fn call(text: &str) -> AggregateCall {
    let user = |name: &str, function: UserFunction| FunctionId::of_user(name, function);
    let function = match text.split('(').next() {
        Some("total") => user("total", total()),
        Some("spread") => user("spread", spread()),
        _ => FunctionId::new("count"),
    };
    let ty = if text.starts_with("count") {
        LogicalType::not_null(TypeKind::BigInt)
    } else {
        LogicalType::new(TypeKind::BigInt)
    };
    AggregateCall {
        args: if text.contains('*') { Vec::new() } else { vec![1] },
        filter: text.contains("filter").then_some(2),
        distinct: text.contains("distinct"),
        ty,
        function,
    }
}

fn spec(keys: &[usize], calls: &[&str]) -> PythonGroupAggregateSpec {
    let aggregates: Vec<AggregateCall> = calls.iter().map(|c| call(c)).collect();
    let mut output = input().project(keys);
    output.fields.extend(aggregates.iter().map(|a| Field::new("a", a.ty.clone())));
    let groups = GroupAggregateSpec {
        input: input(),
        keys: keys.to_vec(),
        aggregates,
        input_changelog: ChangelogMode::INSERT_ONLY,
        emit_update_before: false,
        state_ttl_ms: 0,
        mini_batch_rows_max: None,
        output,
    };
    PythonGroupAggregateSpec { groups, session_zone: "UTC".to_owned() }
}

/// Three groups of 1, 12 and 7 rows: the number of a row, twice each, and whether it is even.
fn rows() -> RecordBatch {
    let keys: Vec<&str> = ["a"].into_iter().chain(["b"; 12]).chain(["c"; 7]).collect();
    let numbers: Vec<i64> = (0..20).map(|n| n / 2).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(keys)),
        Arc::new(Int64Array::from(numbers.clone())),
        Arc::new(BooleanArray::from(numbers.iter().map(|n| n % 2 == 0).collect::<Vec<_>>())),
    ];
    RecordBatch::try_new(input().arrow(), columns).unwrap()
}

/// Where groups begin in rows from one on.
fn runs(from: usize, rows: usize, keyed: bool) -> Vec<Run> {
    let starts: &[usize] = if keyed { &[0, 1, 13] } else { &[0] };
    let ends = starts.iter().skip(1).chain(&[20]);
    let within = starts.iter().zip(ends).map(|(start, end)| (*start, (*start).max(from)..(*end).min(from + rows)));
    let run = |(start, rows): (usize, Range<usize>)| Run {
        begins: rows.start == start,
        rows: rows.start - from..rows.end - from,
    };
    within.filter(|(_, rows)| !rows.is_empty()).map(run).collect()
}

fn caller() -> Caller {
    let subtask = Subtask { index: 0, parallelism: 1 };
    Caller { subtask, max_parallelism: 128, environment: FakeWorld::at(0).environment() }
}

/// What comes of the rows, so many at a time.
fn grouped(spec: &PythonGroupAggregateSpec, rows: Option<&RecordBatch>, at_once: usize) -> Vec<String> {
    let mut groups = SortedGroups::new(spec.clone(), spec.groups.output.arrow()).unwrap();
    ready(groups.begin(&caller())).unwrap();
    let mut out = Vec::new();
    for from in (0..rows.map_or(0, RecordBatch::num_rows)).step_by(at_once) {
        let Some(rows) = rows else { break };
        let piece = rows.slice(from, at_once.min(rows.num_rows() - from));
        let runs = runs(from, piece.num_rows(), !spec.groups.keys.is_empty());
        out.extend(ready(groups.push(&piece, &runs)).unwrap());
        assert!(groups.memory_bytes() > 0);
    }
    out.extend(ready(groups.finish()).unwrap());
    out.into_iter().flat_map(|rows| lines(&ChangeBatch::inserts(rows))).collect()
}

fn check(keys: &[usize], calls: &[&str], expected: &[&str]) {
    let (spec, rows) = (spec(keys, calls), rows());
    for at_once in [1, 7, 20] {
        assert_eq!(grouped(&spec, Some(&rows), at_once), expected, "{at_once} at once");
    }
}

#[test]
fn groups_of_rows_go_on_from_batch_to_batch() {
    let calls = ["total(x)", "count(*)", "total(distinct x)", "total(x) filter", "count(distinct x)"];
    check(
        &[0],
        &calls,
        &["+I | a | 0 | 1 | 0 | 0 | 1", "+I | b | 36 | 12 | 21 | 18 | 7", "+I | c | 54 | 7 | 30 | 22 | 4"],
    );
    check(&[], &calls, &["+I | 90 | 20 | 45 | 40 | 10"]);
}

#[test]
fn groups_of_pandas_are_given_when_they_are_whole() {
    let calls = ["count(*)", "spread(x)", "spread(distinct x) filter"];
    check(&[0], &calls, &["+I | a | 1 | 0 | 0", "+I | b | 12 | 6 | 6", "+I | c | 7 | 3 | 2"]);
    check(&[], &calls, &["+I | 20 | 9 | 8"]);
    let closed = calls_of("spread").closed;
    assert!(closed >= 6, "of six processes {closed} were closed");
}

#[test]
fn no_rows_are_one_group_unless_there_are_keys() {
    assert_eq!(grouped(&spec(&[], &["total(x)", "count(*)"]), None, 1), ["+I | 0 | 0"]);
    assert_eq!(grouped(&spec(&[], &["count(*)", "spread(x)"]), None, 1), ["+I | 0 | NULL"]);
    assert_eq!(grouped(&spec(&[0], &["total(x)"]), None, 1), Vec::<String>::new());
}

#[test]
fn functions_of_rows_and_of_pandas_do_not_go_together() {
    let spec = spec(&[0], &["total(x)", "spread(x)"]);
    assert!(SortedGroups::new(spec.clone(), spec.groups.output.arrow()).is_err());
    let none = self::spec(&[0], &["count(*)"]);
    assert!(SortedGroups::new(none.clone(), none.groups.output.arrow()).is_err());
}
