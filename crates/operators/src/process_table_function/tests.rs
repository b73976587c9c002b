//! Functions with state and timers: through batches, restarts, rescales and without memory.

use flott_api::expr::{FunctionId, Value};
use flott_api::operator::TimeDomain;
use flott_api::testing::{Case, JoinCase, check, check_join, check_restorable, process_functions};
use flott_api::{Field, Schema, TypeKind};

use super::*;

fn field(name: &str, kind: TypeKind) -> Field {
    Field::new(name, LogicalType::new(kind))
}

fn text() -> TypeKind {
    TypeKind::Varchar(flott_api::types::LENGTH_MAX)
}

/// `k STRING, ts TIMESTAMP(3), v INT`
fn input() -> Schema {
    Schema::new(vec![field("k", text()), field("ts", TypeKind::Timestamp(3)), field("v", TypeKind::Int)])
}

fn table(partition_by: &[usize], time: Option<usize>) -> ProcessArgument {
    ProcessArgument::Table(ProcessTable { schema: input(), partition_by: partition_by.to_vec(), time })
}

fn number(value: i64) -> ProcessArgument {
    ProcessArgument::Scalar(Value::Int(value))
}

/// The call of a function, with the columns that the planner would give it.
fn spec(function: &str, arguments: Vec<ProcessArgument>) -> ProcessTableFunctionSpec {
    let id = FunctionId::new(function);
    let functions = process_functions();
    let known = functions.get(&id).unwrap();
    let (mut output, mut rowtime) = (Vec::new(), None);
    for (argument, parameter) in arguments.iter().zip(known.parameters()) {
        let (ProcessArgument::Table(table), Some(traits)) = (argument, parameter.traits()) else { continue };
        match traits.pass_columns_through {
            true => output.extend(table.schema.fields.clone()),
            false => output.extend(table.partition_by.iter().map(|c| table.schema.fields[*c].clone())),
        }
        rowtime = table.time.map(|_| LogicalType::not_null(TypeKind::Timestamp(3)));
    }
    output.extend(known.shape(&arguments).unwrap().output.fields);
    output.extend(rowtime.iter().map(|ty| Field::new("rowtime", ty.clone())));
    ProcessTableFunctionSpec { function: id, arguments, rowtime, state_ttl_ms: 0, output: Schema::new(output) }
}

fn operator(spec: &ProcessTableFunctionSpec) -> ProcessTableFunction {
    ProcessTableFunction::new(spec.clone(), &process_functions()).unwrap()
}

fn restorable(spec: &ProcessTableFunctionSpec, script: &str) -> String {
    let input = input();
    let case = Case { input: &input, event_time: EventTime::Sliced, script };
    check_restorable(&case, Some((&[0], &[0])), || operator(spec))
}

const ROWS: &str = "
    +I | a | 1000 | 1
    +I | b | 2000 | NULL
    wm 1500
    +I | a | 3000 | 2
    +I | NULL | 2500 | 3
    +I | a | 500 | 2
    wm 4000
    time 5
    +I | a | 9000 | NULL
    +I | NULL | 5000 | 1
    +I | b | 7000 | 5
    wm 7500
    time 12
    +I | a | 8000 | 5
    +I | b | 9500 | 6";

#[test]
fn a_value_counts_by_key_also_where_that_is_null() {
    let counted = restorable(&spec("counter", vec![table(&[0], None), number(3)]), ROWS);
    let expected = "+I | a | 3\n+I | b | 3\nwm 1500\n+I | a | 6\n+I | NULL | 3\n+I | a | 9\nwm 4000\n+I | a | 12\n\
        +I | NULL | 6\n+I | b | 6\nwm 7500\n+I | a | 15\n+I | b | 9";
    assert_eq!(counted, expected);
}

#[test]
fn columns_are_passed_through_and_without_partitions_all_rows_are_one() {
    let total = spec("total", vec![table(&[], Some(1))]);
    let input = input();
    let script = "+I | a | 1000 | 1\n+I | NULL | 900 | 2\nwm 1000\n+I | b | 2000 | NULL";
    let case = Case { input: &input, event_time: EventTime::Sliced, script };
    let given = check_restorable(&case, None, || operator(&total));
    let expected =
        "+I | a | 1000 | 1 | 1 | 1000\n+I | NULL | 900 | 2 | 2 | 900\nwm 1000\n+I | b | 2000 | NULL | 3 | 2000";
    assert_eq!(given, expected);
}

#[test]
fn rows_of_a_state_are_over_by_its_own_time_to_live() {
    let recent = restorable(&spec("recent", vec![table(&[0], None)]), ROWS);
    let numbers: Vec<&str> = recent.lines().filter_map(|line| line.strip_prefix("+I | a | ")).collect();
    // The last one comes at 12 ms: of four rows that of 5 ms is left.
    assert_eq!(numbers, ["1", "2", "3", "4", "2"]);
}

#[test]
fn the_job_s_time_to_live_holds_where_a_state_has_none() {
    let counter = ProcessTableFunctionSpec { state_ttl_ms: 6, ..spec("counter", vec![table(&[0], None), number(1)]) };
    let counted = restorable(&counter, ROWS);
    let of = |key: &str| counted.lines().filter_map(|l| l.strip_prefix(key)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(of("+I | a | "), ["1", "2", "3", "4", "1"]);
    assert_eq!(of("+I | b | "), ["1", "2", "1"]);
}

#[test]
fn a_timer_with_a_name_is_set_anew() {
    let idle = restorable(&spec("idle", vec![table(&[0], Some(1)), number(2000)]), ROWS);
    let expected = "wm 1500\n+I | a | 3 | 2500\n+I | b | 1 | 4000\nwm 4000\n+I | NULL | 2 | 7000\nwm 7500\n\
        +I | a | 2 | 10000\n+I | b | 2 | 11500";
    assert_eq!(idle, expected);
}

#[test]
fn timers_without_a_name_are_one_at_a_time_and_can_be_taken_back() {
    let given = restorable(&spec("reminders", vec![table(&[0], Some(1))]), ROWS);
    let of_a: Vec<&str> = given.lines().filter_map(|l| l.strip_prefix("+I | a | ")).collect();
    let expected = ["row | false | 1000", "row | false | 3000", "row | true | 500", "timer 1 | false | 1500"];
    assert_eq!(&of_a[..4], expected, "{given}");
}

#[test]
fn rows_of_two_tables_meet() {
    let right = Schema::new(vec![field("w", text()), field("k", text())]);
    let of_right = ProcessTable { schema: right.clone(), partition_by: vec![1], time: None };
    let pairs = spec("pairs", vec![table(&[0], None), ProcessArgument::Table(of_right)]);
    let left = input();
    let script = "L +I | a | 1 | 1\nR +I | x | a\nR +I | y | a\nwm 5\nL +I | NULL | 2 | 2\nL +I | a | 3 | 3\nR +I | z | b\nR +I | n | NULL";
    let case = JoinCase { inputs: [&left, &right], event_time: EventTime::Sliced, script };
    let given = check_join(&case, Some(([&[0], &[1]], &[0])), || operator(&pairs));
    let expected = "+I | a | a | a | x\n+I | a | a | a | y\nwm 5\n+I | a | a | a | x\n+I | a | a | a | y\n\
        +I | NULL | NULL | null | n";
    assert_eq!(given, expected);
}

#[test]
fn a_map_has_a_row_for_each_of_its_keys() {
    let script =
        "+I | a | 1 | 1\n+I | a | 1000 | 1\n+I | a | 1 | 1\nwm 3\n+I | b | 1 | 1\n+I | a | 7 | 1\n+I | a | 1 | 1";
    let of_numbers = Schema::new(vec![field("k", text()), field("n", TypeKind::Int), field("v", TypeKind::Int)]);
    let argument = ProcessTable { schema: of_numbers.clone(), partition_by: vec![0], time: None };
    let tally = spec("tally", vec![ProcessArgument::Table(argument), number(3)]);
    let case = Case { input: &of_numbers, event_time: EventTime::Sliced, script };
    let given = check_restorable(&case, Some((&[0], &[0])), || operator(&tally));
    let expected = "+I | a | 1 | 1 | 1\n+I | a | 1000 | 1 | 2\n+I | a | 1 | 2 | 2\nwm 3\n+I | b | 1 | 1 | 1\n\
        +I | a | 7 | 1 | 3\n+I | a | 1 | 3 | 2";
    assert_eq!(given, expected);
}

#[test]
fn changes_come_in_and_go_out() {
    let script = "+I | a | 1 | 1\n+I | a | 2 | 2\nwm 2\n+I | b | 3 | NULL\n+I | a | 4 | NULL\n+I | a | 5 | 7";
    let upserts = restorable(&spec("latest", vec![table(&[0], None)]), script);
    assert_eq!(upserts, "+I | a | 1 | 1\n+U | a | 2 | 2\nwm 2\n-D | a | 2 | 2\n+I | a | 7 | 1");
    let changes = restorable(&spec("latest_retracting", vec![table(&[0], None)]), script);
    assert_eq!(changes, "+I | a | 1 | 1\n-U | a | 1 | 1\n+U | a | 2 | 2\nwm 2\n-D | a | 2 | 2\n+I | a | 7 | 1");
    let columns = Schema::new(vec![field("a", TypeKind::Int), field("b", text())]);
    let argument = ProcessTable { schema: columns.clone(), partition_by: Vec::new(), time: None };
    let kinds = spec("kinds_of_rows", vec![ProcessArgument::Table(argument)]);
    let script = "+I | 1 | x\n-U | 1 | x\nwm 1\n+U | 1 | NULL\n-D | 1 | NULL";
    let case = Case { input: &columns, event_time: EventTime::Sliced, script };
    let shown = check(&case, || Box::new(operator(&kinds)));
    let expected =
        "+I | INSERT | 1/x\n+I | UPDATE_BEFORE | 1/x\nwm 1\n+I | UPDATE_AFTER | 1/null\n+I | DELETE | 1/null";
    assert_eq!(shown, expected);
}

#[test]
fn without_a_table_a_function_is_called_once() {
    let numbers = spec("numbers", vec![number(2)]);
    let zero = Schema::new(vec![field("ZERO", TypeKind::Int)]);
    let case = Case { input: &zero, event_time: EventTime::Sliced, script: "+I | 0" };
    assert_eq!(check(&case, || Box::new(operator(&numbers))), "+I | 1\n+I | 2");
}

#[test]
fn what_does_not_fit_is_refused() {
    let counter = spec("counter", vec![table(&[0], None), number(1)]);
    let refused = |spec: ProcessTableFunctionSpec| {
        ProcessTableFunction::new(spec, &process_functions()).err().unwrap().message().to_owned()
    };
    let other = FunctionId { version: 2, ..FunctionId::new("counter") };
    assert_eq!(
        refused(ProcessTableFunctionSpec { function: other, ..counter.clone() }),
        "there is no process table function 'counter' of version 2 here"
    );
    for arguments in [vec![], vec![number(1), number(1)], vec![table(&[9], None), number(1)]] {
        assert!(!refused(ProcessTableFunctionSpec { arguments, ..counter.clone() }).is_empty());
    }
    let narrow = ProcessTableFunctionSpec { output: Schema::default(), ..counter };
    assert!(refused(narrow).contains("keys, columns and time"));
}

#[test]
fn a_damaged_timer_is_an_error() {
    let timer = |payload: &'static [u8]| Timer {
        at_ms: 1,
        domain: TimeDomain::Event,
        key_group: None,
        payload: bytes::Bytes::from_static(payload),
    };
    for payload in [&[] as &[u8], &[2], &[1], &[1, 5, b'a'], &[1, 1, 0xff]] {
        assert!(Fired::of(&timer(Box::leak(payload.to_vec().into_boxed_slice()))).is_err(), "{payload:?}");
    }
    assert_eq!(Fired::of(&timer(&[1, 1, b'a', 7])).unwrap().name.as_deref(), Some("a"));
}
