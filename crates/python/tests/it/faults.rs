//! Functions that misbehave: each hurts its own process, and says how. Beside each another one runs on.

use flott_api::{Error, ErrorKind};

use super::world::{World, answers, told};

const FAULTS: &str = include_str!("modules/faults.py");
const RETRY: ErrorKind = ErrorKind::External { retry: true };

fn world(test: &str) -> Option<World> {
    World::with(test, &[("faults", FAULTS)])
}

/// The error of a function at the value 7, in the second batch; meanwhile a neighbour works.
async fn fault(world: &World, name: &str) -> Error {
    let (types, mut calm) = (["BIGINT"], [world.call("faults.ok", &[0])]);
    // It may wait as long as it likes.
    calm[0].function.options.remove("python.fn-execution.timeout");
    let mut neighbour = world.start(&calm, &types).await.unwrap();
    let calls = [world.call(&format!("faults.{name}"), &[0])];
    let mut process = world.start(&calls, &types).await.unwrap();
    assert_eq!(answers(process.as_mut(), &calls, &types, "1;2").await.unwrap(), ["1", "2"], "{name}");
    let (error, beside) = tokio::join!(
        answers(process.as_mut(), &calls, &types, "6;7;8"),
        answers(neighbour.as_mut(), &calm, &types, "6;7;8"),
    );
    assert_eq!(beside.unwrap(), ["6", "7", "8"], "{name}");
    assert_eq!(answers(neighbour.as_mut(), &calm, &types, "9").await.unwrap(), ["9"], "{name}");
    neighbour.close().await.unwrap();
    let again = answers(process.as_mut(), &calls, &types, "1").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Internal, "{name}: {again}");
    error.expect_err(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_gone_may_be_tried_again() {
    let Some(world) = world("a_process_that_is_gone_may_be_tried_again") else { return };
    for (name, how) in
        [("killed", "signal: 9 (SIGKILL)"), ("exited", "exit status: 3"), ("crashed", "signal: 11 (SIGSEGV)")]
    {
        let error = fault(&world, name).await;
        assert_eq!(error.kind(), RETRY, "{name}");
        assert_eq!(error.message(), format!("the Python process of function '{name}' is gone"));
        assert!(error.detail().unwrap().contains(how), "{}", told(&error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_takes_too_long_is_given_up() {
    let Some(mut world) = world("a_batch_that_takes_too_long_is_given_up") else { return };
    world.set("python.fn-execution.timeout", "15 s");
    let error = fault(&world, "endless").await;
    assert_eq!(error.kind(), RETRY);
    assert_eq!(error.message(), "the Python process of function 'endless' has not answered in 15000 ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded() {
    let Some(mut world) = world("memory_is_bounded") else { return };
    world.set("python.fn-execution.memory.size", "3 gb");
    let error = fault(&world, "greedy").await;
    assert_eq!(error.kind(), RETRY, "{}", told(&error));
    let expected = "function 'greedy': it ran out of memory (row 2 of its batch): MemoryError";
    assert_eq!(error.message(), expected);
    assert!(error.hint().unwrap().contains("python.fn-execution.memory.size"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_python_can_catch_is_an_error_of_the_row() {
    let Some(world) = world("what_python_can_catch_is_an_error_of_the_row") else { return };
    for (name, raised) in [
        ("ended", "SystemExit: ?"),
        ("stopping", "StopIteration"),
        ("recursive", "RecursionError: maximum recursion depth exceeded"),
    ] {
        let error = fault(&world, name).await;
        assert_eq!(error.kind(), ErrorKind::Data, "{name}");
        let expected = format!("function '{name}' failed in Python (row 2 of its batch): {raised}");
        assert!(error.message().starts_with(&expected), "{error}");
    }
}

#[tokio::test]
async fn an_exception_says_where_and_has_no_value() {
    let Some(world) = world("an_exception_says_where_and_has_no_value") else { return };
    let types = ["BIGINT", "STRING"];
    let error = world.error(&[world.call("faults.raising", &[0, 1])], &types, "1 | hush;7 | hush").await;
    assert_eq!(error.kind(), ErrorKind::Data);
    let text = told(&error);
    let expected = "function 'raising' failed in Python (row 2 of its batch): ValueError: \
        invalid literal for int() with base ?: '?'\nTraceback, innermost last:\n  File ";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains("faults.py\"") && text.contains("in parsed") && text.contains("int(\"x\" + secret)"),
        "{text}"
    );
    assert!(!text.contains("hush") && !text.contains("flott_"), "{text}");
    let error = world.error(&[world.call("faults.telling", &[0, 1])], &types, "7 | hush").await;
    let text = told(&error);
    assert!(text.contains("LookupError: no price for ? in {'?': '?'}, ? left"), "{text}");
    let error = world.error(&[world.call("faults.raising_series", &[0, 1])], &types, "7 | hush").await;
    assert!(error.message().starts_with("function 'raising_series' failed in Python: KeyError"), "{error}");
    assert!(!told(&error).contains("hush"), "{}", told(&error));
}

#[tokio::test]
async fn results_of_batches_that_do_not_fit_are_told() {
    let Some(world) = world("results_of_batches_that_do_not_fit_are_told") else { return };
    let cases = [
        ("short", "it gave 1 results for 2 rows"),
        ("no_series", "it gave int instead of a pandas.Series"),
        ("wrong_series", "its series of object does not fit its type BIGINT"),
        ("short_array", "it gave 1 results for 2 rows"),
        ("wrong_array", "its array of string does not fit its type BIGINT"),
    ];
    for (name, expected) in cases {
        let error = world.error(&[world.call(&format!("faults.{name}"), &[0])], &["BIGINT"], "1;2").await;
        assert_eq!(error.kind(), ErrorKind::Data, "{name}");
        assert!(error.message().starts_with(&format!("function '{name}': {expected}")), "{error}");
        assert!(!told(&error).contains("secret"), "{}", told(&error));
    }
}

#[tokio::test]
async fn what_is_printed_is_no_answer_and_forks_and_threads_do_no_harm() {
    let Some(world) = world("what_is_printed_is_no_answer") else { return };
    for (name, expected) in [("printing", "5"), ("forking", "0"), ("threading_", "5")] {
        let rows = world.rows(&[world.call(&format!("faults.{name}"), &[0])], &["BIGINT"], "5;5").await;
        assert_eq!(rows.unwrap_or_else(|e| panic!("{name}: {}", told(&e))), [expected; 2], "{name}");
    }
}

#[tokio::test]
async fn functions_that_cannot_be_opened_or_have_changed_do_not_start() {
    let Some(world) = world("functions_that_cannot_be_opened_or_have_changed") else { return };
    let start = async |name: &str| {
        let calls = [world.call(&format!("faults.{name}"), &[0])];
        world.start(&calls, &["BIGINT"]).await.err().unwrap()
    };
    let unopened = start("unopened").await;
    assert_eq!(unopened.kind(), RETRY);
    let expected = "function 'unopened': its method open() failed: ConnectionError: no connection to the model";
    assert_eq!(unopened.message(), expected);
    assert!(start("metered").await.message().contains("metrics of functions in Python are not supported yet"));
    let closing = world.error(&[world.call("faults.unclosed", &[0])], &["BIGINT"], "1").await;
    assert_eq!(closing.message(), "function 'unclosed': its method close() failed: OSError: not closed");
    let call = world.call("faults.ok", &[0]);
    world.write("faults.py", &format!("{FAULTS}\n# Changed.\n"));
    let changed = world.start(std::slice::from_ref(&call), &["BIGINT"]).await.err().unwrap();
    assert_eq!(changed.kind(), ErrorKind::Invalid);
    assert!(changed.message().ends_with("faults.py' is not what it was when the function was created"), "{changed}");
    std::fs::remove_file(world.path("faults.py")).unwrap();
    let gone = world.start(&[call], &["BIGINT"]).await.err().unwrap();
    assert_eq!(gone.message(), "function 'ok': there is no module 'faults'");
}
