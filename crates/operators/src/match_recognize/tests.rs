//! Patterns in prices: through batches, restarts, rescales and without memory.

use flott_api::expr::{Expr, FunctionId, Value};
use flott_api::testing::{Case, FakeWorld, batch, check_restorable, open_context, ready};
use flott_graph::spec::{MatchRows, MatchSkip, PatternVariable, RowPattern};

use super::*;

const KEY: usize = 0;
const TIME: usize = 1;
const PRICE: usize = 2;

fn ty(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

fn int() -> LogicalType {
    ty(TypeKind::Int)
}

fn last(variable: Option<usize>, offset: u32, column: usize) -> MatchOperand {
    MatchOperand::Row { variable, from_first: false, offset, column }
}

fn first(variable: usize, column: usize) -> MatchOperand {
    MatchOperand::Row { variable: Some(variable), from_first: true, offset: 0, column }
}

fn aggregate(name: &str, variable: Option<usize>) -> MatchOperand {
    let (args, kind) = match name {
        "count" => (Vec::new(), TypeKind::BigInt),
        _ => (vec![Expr::column(PRICE, int())], TypeKind::Int),
    };
    MatchOperand::Aggregate { variable, function: FunctionId::new(name), args, ty: ty(kind) }
}

fn number(value: i64) -> Expr {
    Expr::literal(Value::Int(value), int())
}

fn compare(operator: &str, left: Expr, right: Expr) -> Expr {
    Expr::call(operator, vec![left, right], ty(TypeKind::Boolean))
}

fn operand(place: usize) -> Expr {
    Expr::column(place, int())
}

/// The operand as it is.
fn just(operand: MatchOperand) -> MatchExpr {
    let ty = type_of(&operand);
    MatchExpr { operands: vec![operand], expr: Expr::column(0, ty) }
}

fn type_of(operand: &MatchOperand) -> LogicalType {
    match operand {
        MatchOperand::Row { column: KEY, .. } => ty(TypeKind::Varchar(9)),
        MatchOperand::Row { column: TIME, .. } => ty(TypeKind::Timestamp(3)),
        MatchOperand::Row { .. } => int(),
        MatchOperand::Aggregate { ty, .. } | MatchOperand::Rowtime { ty } => ty.clone(),
        MatchOperand::Classifier => ty(TypeKind::Varchar(2000)),
        MatchOperand::MatchNumber => ty(TypeKind::BigInt),
        MatchOperand::Final(of) => type_of(of),
    }
}

fn condition(operands: Vec<MatchOperand>, expr: Expr) -> Option<MatchExpr> {
    Some(MatchExpr { operands, expr })
}

fn repeat(variable: usize, min: u32, max: Option<u32>, greedy: bool) -> RowPattern {
    RowPattern::Repeat { pattern: Box::new(RowPattern::Variable(variable)), min, max, greedy }
}

/// `PATTERN (S D+ U)`: a price, falling prices, a rising one. The second condition looks back at its own rows and at those of
/// S.
fn falling() -> MatchRecognizeSpec {
    let field = |name: &str, kind: TypeKind| Field::new(name, ty(kind));
    let input = Schema::new(vec![
        field("k", TypeKind::Varchar(9)),
        field("ts", TypeKind::Timestamp(3)),
        field("price", TypeKind::Int),
    ]);
    let falls = vec![last(Some(1), 0, PRICE), last(Some(1), 1, PRICE), last(Some(0), 0, PRICE)];
    let before = Expr::Case {
        branches: vec![(Expr::call("is null", vec![operand(1)], ty(TypeKind::Boolean)), operand(2))],
        otherwise: Box::new(operand(1)),
        ty: int(),
    };
    let rises = vec![last(Some(2), 0, PRICE), last(Some(1), 0, PRICE)];
    let variable = |name: &str, condition| PatternVariable { name: name.to_owned(), condition };
    MatchRecognizeSpec {
        input: input.clone(),
        partition: vec![KEY],
        time: SortTime::Rowtime(TIME),
        order: Vec::new(),
        variables: vec![
            variable("S", None),
            variable("D", condition(falls, compare("<", operand(0), before))),
            variable("U", condition(rises, compare(">", operand(0), operand(1)))),
        ],
        pattern: RowPattern::Sequence(vec![RowPattern::Variable(0), repeat(1, 1, None, true), RowPattern::Variable(2)]),
        skip: MatchSkip::PastLastRow,
        within_ms: None,
        rows: MatchRows::One,
        measures: vec![
            just(last(Some(0), 0, PRICE)),
            just(last(Some(1), 0, PRICE)),
            just(last(Some(2), 0, PRICE)),
            just(aggregate("count", Some(1))),
            just(MatchOperand::Rowtime { ty: ty(TypeKind::Timestamp(3)) }),
        ],
        session_zone: "UTC".to_owned(),
        output: Schema::new(vec![
            field("k", TypeKind::Varchar(9)),
            field("start", TypeKind::Int),
            field("bottom", TypeKind::Int),
            field("up", TypeKind::Int),
            field("falls", TypeKind::BigInt),
            field("at", TypeKind::Timestamp(3)),
        ]),
    }
}

fn measuring(mut spec: MatchRecognizeSpec, measures: Vec<MatchExpr>) -> MatchRecognizeSpec {
    let partition = spec.partition.iter().map(|p| spec.input.fields[*p].clone());
    let columns = measures.iter().map(|m| Field::new("m", m.expr.ty().clone()));
    spec.output = Schema::new(partition.chain(columns).collect());
    spec.measures = measures;
    spec
}

fn all_rows(spec: MatchRecognizeSpec, measures: Vec<MatchExpr>) -> MatchRecognizeSpec {
    let columns = measures.iter().map(|m| Field::new("m", m.expr.ty().clone()));
    let output = Schema::new(spec.input.fields.iter().cloned().chain(columns).collect());
    MatchRecognizeSpec { rows: MatchRows::All(vec![KEY, TIME, PRICE]), measures, output, ..spec }
}

fn whole(operand: MatchOperand) -> MatchOperand {
    MatchOperand::Final(Box::new(operand))
}

fn run(spec: &MatchRecognizeSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
    let output_keys: Vec<usize> = (0..spec.partition.len()).collect();
    let keys = (!spec.partition.is_empty()).then_some((spec.partition.as_slice(), output_keys.as_slice()));
    check_restorable(&case, keys, || MatchRecognize::from_spec(spec.clone()).unwrap())
}

/// Out of order, with a late row, nulls, and two partitions at once.
const PRICES: &str = "
    +I | a | 3000 | 9
    +I | a | 1000 | 12
    +I | b | 1500 | 20
    +I | a | 5000 | 7
    +I | NULL | 1000 | 5
    wm 3000
    +I | b | 4000 | 18
    +I | a | 2500 | 1
    +I | a | 8000 | 15
    +I | b | 6000 | NULL
    +I | b | 6500 | 30
    wm 7000
    +I | NULL | 8000 | 4
    +I | a | 12000 | 11
    +I | b | 9000 | 11
    +I | b | 9000 | 10
    +I | NULL | 9000 | 6
    wm 9500
    +I | b | 10000 | 12
    +I | a | 13000 | 10
    +I | a | 14000 | 12";

#[test]
fn conditions_look_back_at_what_was_taken() {
    let expected = "wm 7000\n+I | a | 12 | 7 | 15 | 2 | 8000\n+I | NULL | 5 | 4 | 6 | 1 | 9000\nwm 9500\n\
        +I | b | 30 | 10 | 12 | 2 | 10000\n+I | a | 11 | 10 | 12 | 1 | 14000";
    assert_eq!(run(&falling(), PRICES), expected);
}

#[test]
fn all_rows_of_a_match_come_with_what_is_known_up_to_each() {
    let measures = vec![
        just(MatchOperand::Classifier),
        just(MatchOperand::MatchNumber),
        just(aggregate("count", Some(1))),
        just(whole(aggregate("count", Some(1)))),
        just(last(Some(1), 0, PRICE)),
        just(whole(last(Some(2), 0, PRICE))),
        just(aggregate("sum", None)),
        just(first(1, PRICE)),
    ];
    let expected = "wm 7000
+I | a | 1000 | 12 | S | 1 | 0 | 2 | NULL | 15 | 12 | NULL
+I | a | 3000 | 9 | D | 1 | 1 | 2 | 9 | 15 | 21 | 9
+I | a | 5000 | 7 | D | 1 | 2 | 2 | 7 | 15 | 28 | 9
+I | a | 8000 | 15 | U | 1 | 2 | 2 | 7 | 15 | 43 | 9
+I | NULL | 1000 | 5 | S | 1 | 0 | 1 | NULL | 6 | 5 | NULL
+I | NULL | 8000 | 4 | D | 1 | 1 | 1 | 4 | 6 | 9 | 4
+I | NULL | 9000 | 6 | U | 1 | 1 | 1 | 4 | 6 | 15 | 4
wm 9500
+I | b | 6500 | 30 | S | 1 | 0 | 2 | NULL | 12 | 30 | NULL
+I | b | 9000 | 11 | D | 1 | 1 | 2 | 11 | 12 | 41 | 11
+I | b | 9000 | 10 | D | 1 | 2 | 2 | 10 | 12 | 51 | 11
+I | b | 10000 | 12 | U | 1 | 2 | 2 | 10 | 12 | 63 | 11
+I | a | 12000 | 11 | S | 2 | 0 | 1 | NULL | 12 | 11 | NULL
+I | a | 13000 | 10 | D | 2 | 1 | 1 | 10 | 12 | 21 | 10
+I | a | 14000 | 12 | U | 2 | 1 | 1 | 10 | 12 | 33 | 10";
    assert_eq!(run(&all_rows(falling(), measures), PRICES), expected);
}

#[test]
fn matches_are_numbered_in_their_partition_also_when_nothing_else_is_left() {
    let spec = measuring(pairs(), vec![just(MatchOperand::MatchNumber), just(MatchOperand::Classifier)]);
    let script = "
        +I | a | 1 | 1
        +I | a | 2 | 1
        +I | b | 2 | 1
        wm 2
        +I | b | 3 | 1
        +I | a | 3 | 1
        wm 3
        +I | a | 4 | 1
        +I | a | 5 | 1
        +I | a | 6 | 1";
    assert_eq!(run(&spec, script), "+I | a | 1 | B\nwm 2\n+I | b | 1 | B\nwm 3\n+I | a | 2 | B\n+I | a | 3 | B");
}

#[test]
fn a_long_match_gives_more_rows_than_a_batch() {
    // PATTERN (A+ B): each row of A is one of the match, and begins none.
    let mut spec = pairs();
    spec.variables[0].condition = condition(vec![last(Some(0), 0, PRICE)], compare(">", operand(0), number(0)));
    spec.variables[1].condition = condition(vec![last(Some(1), 0, PRICE)], compare("<=", operand(0), number(0)));
    spec.pattern =
        RowPattern::Sequence(vec![RowPattern::Variable(1), repeat(0, 1, None, true), RowPattern::Variable(1)]);
    let spec = all_rows(spec, vec![just(aggregate("count", None)), just(whole(aggregate("count", Some(0))))]);
    let row = |i: usize| format!("+I | a | {i} | {}", i64::from(i > 0 && i < 9_000));
    let script = (0..=9_000).map(row).collect::<Vec<_>>().join("\n");
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script: &script };
    let found = flott_api::testing::check(&case, || Box::new(MatchRecognize::from_spec(spec.clone()).unwrap()));
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 9_001);
    assert_eq!((lines[0], lines[9_000]), ("+I | a | 0 | 0 | 1 | 8999", "+I | a | 9000 | 0 | 9001 | 8999"));
}

#[test]
fn skipping_to_the_next_row_finds_more() {
    let mut spec = falling();
    spec.skip = MatchSkip::ToNextRow;
    let spec = measuring(spec, vec![just(last(Some(0), 0, PRICE)), just(last(Some(2), 0, PRICE))]);
    let expected = "wm 7000\n+I | a | 12 | 15\n+I | a | 9 | 15\n+I | NULL | 5 | 6\nwm 9500\n\
        +I | b | 30 | 12\n+I | b | 11 | 12\n+I | a | 15 | 12\n+I | a | 11 | 12";
    assert_eq!(run(&spec, PRICES), expected);
}

#[test]
fn skipping_to_a_variable_goes_on_with_it() {
    let mut spec = falling();
    spec.skip = MatchSkip::ToLast(2);
    let spec = measuring(spec, vec![just(last(Some(0), 0, PRICE)), just(last(Some(2), 0, PRICE))]);
    let expected = "wm 7000\n+I | a | 12 | 15\n+I | NULL | 5 | 6\nwm 9500\n+I | b | 30 | 12\n+I | a | 15 | 12";
    assert_eq!(run(&spec, PRICES), expected);
}

#[test]
fn a_match_that_is_not_skipped_fails_the_job() {
    let mut spec = falling();
    spec.skip = MatchSkip::ToFirst(0);
    let mut operator = MatchRecognize::from_spec(spec.clone()).unwrap();
    let world = FakeWorld::at(0);
    let one = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    operator.open(&open_context(&world, one, 128)).unwrap();
    let rows = batch(&spec.input, "+I | a | 1 | 9\n+I | a | 2 | 8\n+I | a | 3 | 10");
    let steps: Vec<Step> = (0..3).map(|row| Step { group: 0, row: Some(row), at_ms: 0 }).collect();
    let Opened { state, matching, .. } = operator.opened.as_mut().unwrap();
    ready(state.assign(&[rows.rows().column(0).clone()], 3, 0)).unwrap();
    let taken = matching.take(state.entries_mut(), (rows.rows(), &steps), &EvalContext::default());
    let error = taken.err().unwrap();
    assert_eq!(error.message(), "AFTER MATCH SKIP would find the same match again");
}

#[test]
fn within_a_time_old_matches_are_dropped() {
    let mut spec = falling();
    spec.within_ms = Some(5000);
    let spec = measuring(spec, vec![just(last(Some(1), 0, PRICE)), just(last(Some(2), 0, PRICE))]);
    let script = "
        +I | a | 1000 | 12
        +I | a | 3000 | 9
        +I | NULL | 1000 | 5
        wm 3000
        +I | a | 6000 | 10
        +I | NULL | 4000 | 4
        wm 7000
        +I | NULL | 5999 | 3
        +I | NULL | 7500 | 6
        wm 8000
        +I | a | 9000 | 7
        +I | a | 10999 | 8";
    let expected = "wm 8000\n+I | a | 7 | 8";
    assert_eq!(run(&spec, script), expected);
}

#[test]
fn aggregates_are_over_the_rows_of_a_variable() {
    // PATTERN (A+? B) DEFINE A AS SUM(A.price) < 30, B AS COUNT(*) > 2 AND SUM(price) > 20
    let mut spec = falling();
    let small = condition(vec![aggregate("sum", Some(0))], compare("<", operand(0), number(30)));
    let many = compare(">", Expr::column(0, ty(TypeKind::BigInt)), Expr::literal(Value::Int(2), ty(TypeKind::BigInt)));
    let large = compare(">", operand(1), number(20));
    let both = Expr::call("and", vec![many, large], ty(TypeKind::Boolean));
    let enough = condition(vec![aggregate("count", None), aggregate("sum", None)], both);
    spec.variables = vec![
        PatternVariable { name: "A".to_owned(), condition: small },
        PatternVariable { name: "B".to_owned(), condition: enough },
    ];
    spec.pattern = RowPattern::Sequence(vec![repeat(0, 1, None, false), RowPattern::Variable(1)]);
    let measures = vec![
        just(aggregate("sum", Some(0))),
        just(aggregate("count", None)),
        just(aggregate("min", None)),
        just(first(0, PRICE)),
        just(last(None, 0, PRICE)),
        just(first(0, TIME)),
    ];
    let spec = measuring(spec, measures);
    let script = "
        +I | a | 1 | 10
        +I | a | 2 | 5
        +I | b | 2 | 40
        +I | a | 3 | 3
        wm 3
        +I | a | 4 | NULL
        +I | b | 4 | 2
        +I | a | 5 | 4
        +I | b | 5 | 1
        +I | b | 6 | 18
        wm 6
        +I | a | 7 | 1";
    let expected = "wm 3\n+I | a | 18 | 5 | 3 | 10 | 4 | 1\n+I | b | 3 | 3 | 1 | 2 | 18 | 4\nwm 6";
    assert_eq!(run(&spec, script), expected);
}

/// `PATTERN (A B)` over any rows.
fn pairs() -> MatchRecognizeSpec {
    let mut spec = falling();
    let variable = |name: &str| PatternVariable { name: name.to_owned(), condition: None };
    spec.variables = vec![variable("A"), variable("B")];
    spec.pattern = RowPattern::Sequence(vec![RowPattern::Variable(0), RowPattern::Variable(1)]);
    measuring(spec, vec![just(last(Some(0), 0, PRICE)), just(last(Some(1), 0, PRICE))])
}

#[test]
fn rows_of_one_time_come_in_the_order_of_more_columns() {
    let mut spec = pairs();
    let script = "
        +I | a | 1000 | 3
        +I | a | 1000 | NULL
        +I | a | 1000 | 7
        +I | a | 1000 | 5
        +I | a | 500 | 1
        +I | a | 2000 | 2
        wm 1500";
    assert_eq!(run(&spec, script), "+I | a | 1 | 3\n+I | a | NULL | 7\nwm 1500\n+I | a | 5 | 2");
    spec.order = vec![SortField { column: PRICE, descending: true, nulls_last: true }];
    assert_eq!(run(&spec, script), "+I | a | 1 | 7\n+I | a | 5 | 3\nwm 1500\n+I | a | NULL | 2");
}

#[test]
fn without_partitions_all_rows_are_one() {
    let mut spec = pairs();
    spec.partition.clear();
    let spec = measuring(spec.clone(), spec.measures);
    let script = "+I | a | 1 | 1\n+I | b | 3 | 3\n+I | c | 2 | 2\nwm 2\n+I | d | 4 | 4";
    assert_eq!(run(&spec, script), "+I | 1 | 2\nwm 2\n+I | 3 | 4");
}

#[test]
fn by_processing_time_rows_are_matched_as_they_come() {
    let mut spec = falling();
    spec.time = SortTime::Proctime;
    spec.within_ms = Some(1000);
    let spec = measuring(spec, vec![just(last(Some(1), 0, PRICE)), just(last(Some(2), 0, PRICE))]);
    let script = "
        time 100
        +I | a | 0 | 9
        +I | b | 0 | 5
        +I | a | 0 | 8
        +I | a | 0 | 10
        time 900
        +I | b | 0 | 4
        time 1100
        +I | b | 0 | 7
        +I | b | 0 | 6
        +I | b | 0 | 7";
    assert_eq!(run(&spec, script), "+I | a | 8 | 10\n+I | b | 6 | 7");
}

#[test]
fn rows_of_a_millisecond_of_processing_time_are_sorted() {
    let mut spec = pairs();
    spec.time = SortTime::Proctime;
    spec.order = vec![SortField { column: PRICE, descending: false, nulls_last: false }];
    let script = "
        time 100
        +I | a | 0 | 9
        +I | b | 0 | 5
        +I | a | 0 | 8
        time 101
        +I | b | 0 | 4
        time 300
        +I | b | 0 | 2
        +I | b | 0 | 1
        +I | b | 0 | 3";
    assert_eq!(run(&spec, script), "+I | a | 8 | 9\n+I | b | 5 | 4\n+I | b | 1 | 2");
}

#[test]
fn more_rows_than_a_batch_are_due_at_once() {
    let spec = pairs();
    let rows: Vec<String> = (0..20_000).map(|i| format!("+I | {} | {i} | {i}", ["a", "b"][i % 2])).collect();
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script: &rows.join("\n") };
    let make = || Box::new(MatchRecognize::from_spec(spec.clone()).unwrap()) as Box<dyn Operator>;
    let found = flott_api::testing::check(&case, make);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 10_000);
    assert_eq!((lines[0], lines[4999], lines[5000]), ("+I | a | 0 | 2", "+I | a | 19996 | 19998", "+I | b | 1 | 3"));
}

#[test]
fn nothing_is_kept_of_a_partition_that_has_nothing() {
    let spec = falling();
    let mut operator = MatchRecognize::from_spec(spec.clone()).unwrap();
    let world = FakeWorld::at(0);
    let one = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    operator.open(&open_context(&world, one, 128)).unwrap();
    for step in 0..200 {
        let text = format!("+I | {step} | 1 | 9\n+I | {step} | 2 | 8\n+I | {step} | 3 | 10");
        let rows = batch(&spec.input, &text);
        let keys = operator.keys(rows.rows());
        let opened = operator.opened.as_mut().unwrap();
        let groups = ready(opened.state.assign(&keys, 3, 0)).unwrap();
        opened.state.touch(&groups).unwrap();
        let steps: Vec<Step> = (0..3).map(|row| Step { group: groups[row], row: Some(row), at_ms: 0 }).collect();
        let found = opened.matching.take(opened.state.entries_mut(), (rows.rows(), &steps), &EvalContext::default());
        assert_eq!(found.unwrap().len(), 1);
        operator.settle(groups).unwrap();
    }
    let state = &operator.opened.as_ref().unwrap().state;
    assert!(state.is_empty());
    assert!(state.memory_bytes() < 10_000, "{} bytes", state.memory_bytes());
}

#[test]
fn what_is_not_there_is_refused() {
    let mut spec = falling();
    spec.partition = vec![7];
    assert!(MatchRecognize::from_spec(spec).is_err());
    let mut spec = falling();
    spec.pattern = RowPattern::Variable(3);
    assert!(MatchRecognize::from_spec(spec).is_err());
    let mut spec = falling();
    spec.measures[0] = just(whole(last(Some(0), 0, 9)));
    assert!(MatchRecognize::from_spec(spec).is_err());
    let mut spec = all_rows(falling(), Vec::new());
    spec.rows = MatchRows::All(vec![KEY, TIME, 7]);
    assert!(MatchRecognize::from_spec(spec).is_err());
}
