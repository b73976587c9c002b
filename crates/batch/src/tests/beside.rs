//! Calls of functions that run in a process beside the job: the fakes of `flott_api::testing`.

use flott_api::function::{CallArgument, FunctionCall, UserFunction};
use flott_api::table::ChangelogMode;
use flott_api::testing::functions::{calls_of, count_down, spread, total, user_function};
use flott_graph::spec::{
    FrameBound, GroupAggregateSpec, PythonCalcSpec, PythonCorrelateSpec, PythonGroupAggregateSpec,
};

use super::*;

fn bigint() -> LogicalType {
    ty(TypeKind::BigInt)
}

fn call(function: UserFunction, args: &[usize]) -> FunctionCall {
    let args = args.iter().copied().map(CallArgument::Column).collect();
    FunctionCall { name: function.entry.clone(), function, args }
}

fn rows(count: &str) -> BatchNode {
    scan(&[("rows", count)])
}

/// The number, and what functions of it give.
fn called(calls: Vec<FunctionCall>, input: BatchNode) -> BatchNode {
    let mut output = schema().project(&[0]);
    output.fields.extend(calls.iter().map(|call| Field::new("f", call.function.returns.clone())));
    let spec = PythonCalcSpec {
        input: schema(),
        forwarded: vec![0],
        calls,
        output: output.clone(),
        session_zone: "UTC".to_owned(),
    };
    over(BatchOp::PythonCalc(Box::new(spec)), vec![input], output)
}

#[tokio::test]
async fn functions_are_called_for_each_row_and_closed() {
    let calls = vec![call(user_function("sum", bigint()), &[0, 0]), call(user_function("counted", bigint()), &[0])];
    let before = calls_of("sum");
    let answer = run(called(calls, rows("20000")), MEGABYTE).await.unwrap();
    let numbers = answer.numbers(0);
    assert_eq!(answer.numbers(1), numbers.iter().map(|n| 2 * n).collect::<Vec<_>>());
    assert_eq!(answer.numbers(2), numbers);
    assert_eq!(numbers.len(), 20_000);
    let after = calls_of("sum");
    assert_eq!((after.rows - before.rows, after.closed - before.closed), (20_000, 1));
}

#[tokio::test]
async fn what_a_function_fails_with_comes_out_as_it_was() {
    let broken = call(user_function("broken", bigint()), &[0]);
    let error = run(called(vec![broken], sort(rows("10"))), 64 * MEGABYTE).await.err().expect("it fails");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Data, "function 'broken' failed"));
}

#[tokio::test]
async fn rows_are_joined_with_those_of_a_function() {
    for outer in [false, true] {
        let mut output = schema();
        output.fields.extend([Field::new("n", bigint()), Field::new("square", bigint())]);
        let spec = PythonCorrelateSpec {
            input: schema(),
            call: call(count_down(), &[0]),
            forwarded: vec![0, 1],
            condition: None,
            outer,
            output: output.clone(),
            session_zone: "UTC".to_owned(),
        };
        let answer = run(over(BatchOp::PythonCorrelate(Box::new(spec)), vec![rows("2000")], output), 64 * MEGABYTE);
        let answer = answer.await.unwrap();
        // The row of 0 has none of its own.
        assert_eq!(answer.rows(), 2000 * 1999 / 2 + usize::from(outer));
        let squares = answer.batches.iter().map(|batch| {
            let (n, square) =
                (batch.column(2).as_primitive::<Int64Type>(), batch.column(3).as_primitive::<Int64Type>());
            n.iter().zip(square).all(|(n, square)| n.map(|n| n * n) == square)
        });
        assert!(squares.into_iter().all(|right| right));
    }
}

/// Groups by the text, of which there are two each.
fn grouped(keys: &[usize], functions: &[UserFunction]) -> BatchNode {
    let aggregate = |function: FunctionId, args: Vec<usize>| AggregateCall {
        function,
        args,
        filter: None,
        distinct: false,
        ty: bigint(),
    };
    let users = functions.iter().map(|f| aggregate(FunctionId::of_user(&f.entry, f.clone()), vec![0]));
    let aggregates: Vec<AggregateCall> = users.chain([aggregate(FunctionId::new("count"), Vec::new())]).collect();
    let mut output = schema().project(keys);
    output.fields.extend(aggregates.iter().map(|call| Field::new("a", call.ty.clone())));
    let groups = GroupAggregateSpec {
        input: schema(),
        keys: keys.to_vec(),
        aggregates,
        input_changelog: ChangelogMode::INSERT_ONLY,
        emit_update_before: false,
        state_ttl_ms: 0,
        mini_batch_rows_max: None,
        output: output.clone(),
    };
    let twice = over(BatchOp::Union, vec![scan(&[]), scan(&[])], schema());
    let spec = PythonGroupAggregateSpec { groups, session_zone: "UTC".to_owned() };
    over(BatchOp::PythonAggregate(Box::new(spec)), vec![twice], output)
}

#[tokio::test]
async fn groups_larger_than_the_memory_come_from_rows_that_were_sorted() {
    let answer = run(grouped(&[1], &[total()]), 16 * MEGABYTE).await.unwrap();
    assert_eq!(answer.numbers(1), (0..ROWS).map(|n| 2 * n).collect::<Vec<_>>(), "in the order of their keys");
    assert!(answer.numbers(2).iter().all(|count| *count == 2));
    assert!(answer.spilled_bytes > MEGABYTE as usize, "{} bytes", answer.spilled_bytes);
    let answer = run(grouped(&[1], &[spread()]), 16 * MEGABYTE).await.unwrap();
    assert_eq!(answer.numbers(1), vec![0; ROWS as usize]);
    let one = run(grouped(&[], &[total()]), 16 * MEGABYTE).await.unwrap();
    assert_eq!((one.numbers(0), one.numbers(1)), (vec![ROWS * (ROWS - 1)], vec![2 * ROWS]));
}

#[tokio::test]
async fn a_group_that_functions_of_pandas_must_have_whole_is_counted_as_memory() {
    let whole = run(grouped(&[], &[spread()]), 256 * MEGABYTE).await.unwrap();
    assert_eq!((whole.numbers(0), whole.numbers(1)), (vec![ROWS - 1], vec![2 * ROWS]));
    let error = run(grouped(&[], &[spread()]), MEGABYTE).await.err().expect("1 MB holds no 200 000 numbers twice");
    assert!(error.message().contains("needs more memory"), "{error}");
}

#[tokio::test]
async fn functions_of_pandas_are_given_frames() {
    let aggregate =
        |function: FunctionId| AggregateCall { function, args: vec![0], filter: None, distinct: false, ty: bigint() };
    let calls = vec![
        aggregate(FunctionId::new("lead")),
        aggregate(FunctionId::of_user("spread", spread())),
        aggregate(FunctionId::new("count")),
    ];
    let away = |steps| FrameBound::Distance { steps, scale: 0 };
    let frame = Frame { unit: FrameUnit::Rows, start: away(-2), end: away(1) };
    let mut output = schema();
    output.fields.extend(calls.iter().map(|call| Field::new("a", call.ty.clone())));
    let order = vec![SortField { column: 0, descending: false, nulls_last: false }];
    let op = BatchOp::Over { partition: Vec::new(), order, frame, calls };
    // It holds no more rows than the frames need.
    let answer = run(over(op, vec![rows("30000")], output), 8 * MEGABYTE).await.unwrap();
    assert_eq!(answer.numbers(0), (0..30_000).collect::<Vec<_>>());
    assert_eq!(answer.numbers(2)[29_995..29_999], [29_996, 29_997, 29_998, 29_999]);
    let spreads = answer.numbers(3);
    assert_eq!((&spreads[..4], &spreads[29_998..]), (&[1, 2, 3, 3][..], &[3, 2][..]));
    assert!(spreads[2..29_999].iter().all(|spread| *spread == 3));
    assert_eq!(answer.numbers(4)[..4], [2, 3, 4, 4]);
}
