//! Functions in WebAssembly, called from SQL as users do: of a module in text, and of one that Go has compiled.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;

use crate::flott::{results_of, run};

const MODULE: &str = r#"(module
    (import "flott" "set_null" (func $null))
    (func (export "next") (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
    (func (export "odd") (param i64) (result i64)
        (if (i64.eqz (i64.and (local.get 0) (i64.const 1))) (then (call $null)))
        (local.get 0))
    (func (export "inverse") (param i32) (result i32) (i32.div_s (i32.const 1000) (local.get 0)))
    (func (export "forever") (param i64) (result i64) (loop (br 0)) (unreachable)))"#;

/// A script that has the functions of the module.
fn functions(folder: &Path) -> String {
    let file = folder.join("m.wasm");
    std::fs::write(&file, wat::parse_str(MODULE).unwrap()).unwrap();
    let create = |function: &str, name: &str, options: &str| {
        format!("CREATE FUNCTION {function} LANGUAGE WASM AS '{name}' USING ARTIFACT '{}' {options};\n", file.display())
    };
    create("nxt(x BIGINT) RETURNS BIGINT", "next", "")
        + &create("odd(x BIGINT) RETURNS BIGINT", "odd", "")
        + &create("inverse(x DATE) RETURNS INT", "inverse", "")
        + &create("forever(x BIGINT) RETURNS BIGINT", "forever", "WITH ('timeout' = '100 ms')")
}

#[test]
fn functions_stand_wherever_an_expression_may() {
    let folder = tempfile::tempdir().unwrap();
    let script = functions(folder.path())
        + "CREATE TEMPORARY VIEW v AS SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (CAST(NULL AS INT), 'c')) AS t(x, s);
           SELECT nxt(x) AS n, odd(nxt(x)) AS o, s FROM v WHERE odd(x) IS NULL OR nxt(x) < 3;
           SELECT SUM(nxt(x)) AS n FROM v GROUP BY odd(x) IS NULL;
           SELECT a.s, b.s AS t FROM v AS a JOIN v AS b ON nxt(a.x) = b.x AND nxt(a.x) + b.x < nxt(9);
           SET 'execution.runtime-mode' = 'batch';
           SELECT nxt(x) AS n, odd(nxt(x)) AS o, s FROM v ORDER BY nxt(x) DESC;
           SELECT SUM(nxt(x)) AS n FROM v;";
    expect![[r#"
        +----+----------------------+----------------------+--------------------------------+
        | op |                    n |                    o |                              s |
        +----+----------------------+----------------------+--------------------------------+
        | +I |                    2 |               <NULL> |                              a |
        | +I |                    3 |                    3 |                              b |
        | +I |               <NULL> |               <NULL> |                              c |
        +----+----------------------+----------------------+--------------------------------+
        3 rows in set
        +----+----------------------+
        | op |                    n |
        +----+----------------------+
        | +I |                    2 |
        | +I |                    3 |
        +----+----------------------+
        2 rows in set
        +----+--------------------------------+--------------------------------+
        | op |                              s |                              t |
        +----+--------------------------------+--------------------------------+
        | +I |                              a |                              b |
        +----+--------------------------------+--------------------------------+
        1 row in set
        +--------+--------+---+
        |      n |      o | s |
        +--------+--------+---+
        |      3 |      3 | b |
        |      2 | <NULL> | a |
        | <NULL> | <NULL> | c |
        +--------+--------+---+
        3 rows in set
        +---+
        | n |
        +---+
        | 5 |
        +---+
        1 row in set
    "#]]
    .assert_eq(&results_of(&script));
}

#[test]
fn what_a_function_does_wrong_ends_the_query_with_a_cause() {
    let folder = tempfile::tempdir().unwrap();
    let told = |query: &str| {
        let ran = run(&["run", "-e", &(functions(folder.path()) + query)]);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        ran.stderr
    };
    expect![[r#"
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        error: operator 'Calc(select=[inverse(d) AS EXPR$0])', subtask (1/1): function 'default_catalog.default_database.inverse' failed
          Wasm trap: integer divide by zero.
    "#]].assert_eq(&told("SELECT inverse(d) FROM (VALUES (DATE '1970-01-01')) AS t(d)"));
    expect![[r#"
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        error: operator 'Calc(select=[forever(CAST(x AS BIGINT)) AS EXPR$0])', subtask (1/1): function 'default_catalog.default_database.forever' took too long
          A batch may take 100 ms ('timeout').
    "#]].assert_eq(&told("SELECT forever(x) FROM (VALUES (1)) AS t(x)"));
    expect![[r#"
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        error: parameter 'x' of function 'default_catalog.default_database.nxt' is BIGINT, not CHAR(1) NOT NULL
          --> <command line>:5:12
           |
         5 | SELECT nxt('a')
           |            ^
          hint: Use CAST(.. AS BIGINT).
    "#]]
    .assert_eq(&told("SELECT nxt('a')"));
}

/// The Go of the tests; nothing if they are left out. That is said past the harness, which swallows what tests print.
fn go(test: &str) -> Option<Command> {
    if std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default().split_whitespace().any(|service| service == "go") {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names go\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/go");
    let mut go = Command::new(script);
    go.stderr(Stdio::inherit());
    Some(go)
}

#[test]
fn a_module_of_go_runs() {
    let Some(mut go) = go("a_module_of_go_runs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("texts.wasm");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/wasm/texts.go");
    go.env("GOOS", "wasip1").env("GOARCH", "wasm");
    go.args(["build", "-buildmode=c-shared", "-o"]).arg(&module).arg(source);
    assert!(go.status().unwrap().success(), "Go's error is above");
    let create = |function: &str, name: &str| {
        format!("CREATE FUNCTION {function} LANGUAGE WASM AS '{name}' USING ARTIFACT '{}';\n", module.display())
    };
    let create = create("gcd(a BIGINT, b BIGINT) RETURNS BIGINT", "gcd")
        + &create("title(s STRING) RETURNS STRING", "title")
        + &create("word(s STRING, n INT) RETURNS STRING", "word");
    let query = "SELECT gcd(a, b) AS d, title(s) AS t, CONCAT(word(s, 1), '!') AS w
        FROM (VALUES (12, 18, 'grand  central station'), (7, 21, 'über den wolken'), (1, CAST(NULL AS INT), NULL))
          AS t(a, b, s);";
    expect![[r#"
        +----+----------------------+--------------------------------+--------------------------------+
        | op |                    d |                              t |                              w |
        +----+----------------------+--------------------------------+--------------------------------+
        | +I |                    6 |          Grand Central Station |                       central! |
        | +I |                    7 |                Über Den Wolken |                           den! |
        | +I |               <NULL> |                         <NULL> |                         <NULL> |
        +----+----------------------+--------------------------------+--------------------------------+
        3 rows in set
    "#]]
    .assert_eq(&results_of(&(create.clone() + query)));

    let missing = run(&["run", "-e", &(create + "SELECT word('one', 3)")]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    expect![[r#"
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        [INFO] Execute statement succeeded.
        error: operator 'Calc(select=[word('one', 3) AS EXPR$0])', subtask (1/1): function 'default_catalog.default_database.word' failed
          Wasm trap: wasm `unreachable` instruction executed.
    "#]].assert_eq(&missing.stderr);
}
