//! How functions take their rows: one by one, by the batch as pandas or Arrow, many at once; and within each other.

use flott_api::ErrorKind;

use super::world::{World, answers, column, told, within};

const FORMS: &str = include_str!("modules/forms.py");
const TWO: [&str; 2] = ["BIGINT", "BIGINT"];

fn world(test: &str) -> Option<World> {
    World::with(test, &[("forms", FORMS)])
}

#[tokio::test]
async fn functions_of_a_row_are_called_for_each() {
    let Some(world) = world("functions_of_a_row_are_called_for_each") else { return };
    let calls = [world.call("forms.add", &[0, 1]), world.call("forms.constant", &[]), world.call("forms.upper", &[2])];
    let rows = world.rows(&calls, &["BIGINT", "BIGINT", "STRING"], "1 | 2 | a;3 | NULL | b").await.unwrap();
    assert_eq!(rows, ["3 | 7 | A", "NULL | 7 | B"]);
}

#[tokio::test]
async fn a_class_is_opened_once_and_closed_at_the_end() {
    let Some(world) = world("a_class_is_opened_once_and_closed_at_the_end") else { return };
    let calls = [world.call("forms.counter", &[0])];
    let mut process = world.start(&calls, &TWO).await.unwrap();
    let first = answers(process.as_mut(), &calls, &TWO, "1 | 1;1 | 1").await.unwrap();
    assert_eq!(first, ["1, 1 of 3, none", "2, 1 of 3, none"]);
    assert_eq!(answers(process.as_mut(), &calls, &TWO, "1 | 1").await.unwrap(), ["3, 1 of 3, none"]);
    assert_eq!(world.read("closed"), None);
    process.close().await.unwrap();
    assert_eq!(world.read("closed").unwrap(), "closed after 3\n");
}

#[tokio::test]
async fn functions_of_pandas_get_series_no_longer_than_allowed() {
    let Some(mut world) = world("functions_of_pandas_get_series_no_longer_than_allowed") else { return };
    let rows = "1 | 2;3 | NULL;5 | 6";
    let sums = world.rows(&[world.call("forms.series", &[0, 1])], &TWO, rows).await.unwrap();
    assert_eq!(sums, ["3", "NULL", "11"]);
    world.set("python.fn-execution.arrow.batch.size", "2");
    let calls = [world.call("forms.length", &[0]), world.call("forms.frame", &[0])];
    let pieces = world.rows(&calls, &TWO, rows).await.unwrap();
    assert_eq!(pieces, ["2 | (2, 1)", "2 | (6, 3)", "1 | (10, 5)"]);
    let taken_apart = world.call_of("forms.of_frame", vec![within(world.call("forms.frame", &[0]))]);
    assert_eq!(world.rows(&[taken_apart], &TWO, rows).await.unwrap(), ["3", "9", "15"]);
}

#[tokio::test]
async fn functions_of_arrow_get_arrays_that_lie_in_the_frame() {
    let Some(world) = world("functions_of_arrow_get_arrays_that_lie_in_the_frame") else { return };
    let calls = [world.call("forms.arrays", &[0, 1]), world.call("forms.narrowed", &[0])];
    assert_eq!(world.rows(&calls, &TWO, "1 | 2;3 | NULL").await.unwrap(), ["3 | 1", "NULL | 3"]);
    let wide = world.error(&calls, &TWO, "3000000000 | 0").await;
    assert_eq!(wide.kind(), ErrorKind::Data);
    let expected = "function 'narrowed': its array of int64 does not fit its type INT: Integer value ?";
    assert!(wide.message().starts_with(expected), "{wide}");
    assert!(!told(&wide).contains("3000000000"), "{}", told(&wide));
    let strings = world.rows(&[world.call("forms.itself", &[0])], &["STRING"], "a;NULL;ccc").await.unwrap();
    assert_eq!(strings, ["a", "NULL", "ccc"]);
}

#[tokio::test]
async fn async_functions_run_at_once_and_keep_the_order() {
    let Some(mut world) = world("async_functions_run_at_once_and_keep_the_order") else { return };
    world.set("table.exec.async-scalar.max-concurrent-operations", "3");
    let rows = world.rows(&[world.call("forms.together", &[0])], &["INT"], "0;1;2;3;4;5").await.unwrap();
    let numbers: Vec<i32> = rows.iter().map(|row| row.parse().unwrap()).collect();
    assert_eq!(numbers.iter().map(|number| number / 100).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(numbers.iter().map(|number| number % 100).max(), Some(3));
}

#[tokio::test]
async fn async_functions_are_tried_again_and_not_waited_for_without_end() {
    let Some(mut world) = world("async_functions_are_tried_again") else { return };
    world.set("table.exec.async-scalar.retry-delay", "1 ms");
    let calls = [world.call("forms.retried", &[0])];
    assert_eq!(world.rows(&calls, &["INT"], "0;1;2;3").await.unwrap(), ["1", "2", "3", "4"]);
    let given_up = world.error(&calls, &["INT"], "1;4").await;
    assert_eq!(
        given_up.message(),
        "function 'retried' failed in Python (row 2 of its batch): ConnectionError: not yet"
    );
    world.set("table.exec.async-scalar.retry-strategy", "NO_RETRY");
    let once = world.error(&[world.call("forms.retried", &[0])], &["INT"], "0;1").await;
    assert!(once.message().contains("row 2"), "{once}");
    world.set("table.exec.async-scalar.timeout", "100 ms");
    let late = world.error(&[world.call("forms.slow", &[0])], &["INT"], "0;1000").await;
    assert_eq!(late.kind(), ErrorKind::External { retry: true });
    assert!(late.message().starts_with("function 'slow': it took longer than 100 ms"), "{late}");
    assert!(late.message().ends_with("(row 2 of its batch)"), "{late}");
}

#[tokio::test]
async fn calls_within_calls_stay_there_whatever_their_forms() {
    let Some(world) = world("calls_within_calls_stay_there_whatever_their_forms") else { return };
    let sum = world.call("forms.add", &[0, 1]);
    let series = world.call_of("forms.series", vec![within(sum), column(1)]);
    let arrays = world.call_of("forms.arrays", vec![within(series), column(0)]);
    let outer = world.call_of("forms.add", vec![within(arrays), column(0)]);
    assert_eq!(world.rows(&[outer], &TWO, "1 | 10;2 | 20").await.unwrap(), ["23", "46"]);
}

#[tokio::test]
async fn batches_of_any_size_go_through_one_process() {
    let Some(world) = world("batches_of_any_size_go_through_one_process") else { return };
    let calls = [world.call("forms.upper", &[0])];
    let mut process = world.start(&calls, &["STRING"]).await.unwrap();
    for size in [1, 8192, 0, 3, 8192] {
        let text = "x".repeat(50);
        let rows: Vec<Option<&str>> = vec![Some(text.as_str()); size];
        let column: arrow_array::ArrayRef = std::sync::Arc::new(arrow_array::StringArray::from(rows));
        let batch = arrow_array::RecordBatch::try_from_iter([("", column)]).unwrap();
        let got = process.call(batch).await.unwrap();
        assert_eq!(got[0].len(), size);
    }
    process.close().await.unwrap();
}

#[tokio::test]
async fn functions_of_other_pythons_do_not_share_a_process() {
    let Some(mut world) = world("functions_of_other_pythons_do_not_share_a_process") else { return };
    let one = world.call("forms.constant", &[]);
    world.set("python.fn-execution.timeout", "5 s");
    let other = world.call("forms.add", &[0, 1]);
    let error = world.error(&[one, other], &TWO, "1 | 1").await;
    let expected =
        "'constant' and 'add' in one query with different 'python.fn-execution.timeout' is not supported yet";
    assert_eq!(error.message(), expected);
}

/// Also a process that is let go without being closed, as that of a cancelled job.
#[tokio::test]
async fn a_process_ends_with_its_owner() {
    let Some(world) = world("a_process_ends_with_its_owner") else { return };
    world.write("pid.py", "import os\nfrom pyflink.table.udf import udf\npid = udf(os.getpid, result_type='INT')\n");
    let calls = [world.call("pid.pid", &[])];
    let mut process = world.start(&calls, &["INT"]).await.unwrap();
    let pid = answers(process.as_mut(), &calls, &["INT"], "1").await.unwrap().remove(0);
    let stat = format!("/proc/{pid}/stat");
    assert!(std::fs::exists(&stat).unwrap());
    drop(process);
    for _ in 0..500 {
        if !std::fs::exists(&stat).unwrap() {
            return;
        }
        world.environment.clock.sleep_ms(10).await;
    }
    panic!("process {pid} is still there after 5 s");
}

#[tokio::test]
async fn table_functions_give_the_list_of_their_rows() {
    let Some(world) = world("table_functions_give_the_list_of_their_rows") else { return };
    let split = world.call("forms.split", &[0]);
    let columns: Vec<&str> = split.function.columns().unwrap().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(columns, ["f0", "f1"]);
    let parts = world.rows(&[split], &["STRING"], "a,b;NULL;c").await.unwrap();
    assert_eq!(parts, ["[(0, a), (1, b)]", "[]", "[(0, c)]"]);
    let calls = ["listed", "ranged", "nothing", "single", "pair", "named"]
        .map(|name| world.call(&format!("forms.{name}"), &[0]));
    assert_eq!(calls[5].function.columns().unwrap()[1].name, "b", "what is said in SQL has names");
    let rows = world.rows(&calls, &["BIGINT"], "2;0").await.unwrap();
    let expected =
        ["[(0), (1)] | [(0), (1)] | [] | [(2)] | [(2, 2)] | [(2, r)]", "[] | [] | [] | [(0)] | [(0, 0)] | [(0, r)]"];
    assert_eq!(rows, expected);
    let within = world.call_of("forms.listed", vec![within(world.call("forms.add", &[0, 0]))]);
    assert_eq!(world.rows(&[within], &["BIGINT"], "1").await.unwrap(), ["[(0), (1)]"]);
}

#[tokio::test]
async fn rows_that_do_not_fit_and_generators_that_fail_are_told() {
    let Some(world) = world("rows_that_do_not_fit_and_generators_that_fail_are_told") else { return };
    let late = told(&world.error(&[world.call("forms.late", &[0])], &["BIGINT"], "1;3;4").await);
    assert!(late.contains("row 2") && late.contains("ValueError: no ?"), "{late}");
    let wide = told(&world.error(&[world.call("forms.wide", &[0])], &["BIGINT"], "1").await);
    assert!(wide.contains("a row of it: it has 3 fields instead of 2"), "{wide}");
    let texts = told(&world.error(&[world.call("forms.texts", &[0])], &["BIGINT"], "1").await);
    assert!(texts.contains("a row of it is of types (str)") && !texts.contains("secret"), "{texts}");
}
