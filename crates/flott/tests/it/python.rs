//! Functions in Python, called from SQL as users do: what they give, and what becomes of a job whose Python dies.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;

use crate::flott::{Ran, flott, results_of};
use crate::ledger::pause;

const MODULE: &str = "
import asyncio, os
from pyflink.common import Row
from pyflink.table import AggregateFunction, DataTypes, ScalarFunction
from pyflink.table.udf import udaf, udf, udtf

@udf(result_type=DataTypes.BIGINT())
def twice(x):
    return None if x is None else 2 * x

@udf(result_type='STRING', func_type='pandas')
def shout(s):
    return s.str.upper() + '!'

@udf(result_type='ROW<a BIGINT, b STRING>')
def pair(a, b):
    return (a, b)

@udf(result_type='BIGINT')
async def later(x):
    await asyncio.sleep(0.001)
    return x + 1

class Marked(ScalarFunction):
    def open(self, function_context):
        with open(os.environ['FLOTT_TEST_MARKS'], 'a') as marks:
            marks.write('%d\\n' % os.getpid())

    def eval(self, x):
        return x * 10

marked = udf(Marked(), result_type=DataTypes.BIGINT())

@udtf(result_types=['INT', 'STRING'])
def words(s):
    if s is not None:
        yield from enumerate(s.split())

class WeightedAverage(AggregateFunction):
    def create_accumulator(self):
        return Row(0, 0)

    def get_value(self, accumulator):
        return None if accumulator[1] == 0 else accumulator[0] / accumulator[1]

    def accumulate(self, accumulator, value, weight):
        accumulator[0] += value * weight
        accumulator[1] += weight

    def retract(self, accumulator, value, weight):
        accumulator[0] -= value * weight
        accumulator[1] -= weight

    def get_result_type(self):
        return 'DOUBLE'

    def get_accumulator_type(self):
        return 'ROW<f0 BIGINT, f1 BIGINT>'

weighted = udaf(WeightedAverage())

@udaf(result_type='DOUBLE', func_type='pandas')
def middle(v):
    return v.median()
";

/// The Python of the tests; nothing if they are left out. That is said past the harness, which swallows what tests print.
pub(crate) fn python(test: &str) -> Option<String> {
    if std::env::var("FLOTT_TEST_WITHOUT").unwrap_or_default().split_whitespace().any(|service| service == "python") {
        let line = format!("{test}: LEFT OUT, since FLOTT_TEST_WITHOUT names python\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/python");
    let found = Command::new(script).arg("path").stderr(Stdio::inherit()).output().unwrap();
    assert!(found.status.success(), "the Python of the tests could not be installed; its error is above");
    Some(String::from_utf8(found.stdout).unwrap().trim().to_owned())
}

/// Settings and functions of a script; the module is written to a folder.
pub(crate) fn functions(python: &str, folder: &Path) -> String {
    let module = folder.join("m.py");
    std::fs::write(&module, MODULE).unwrap();
    let names = ["twice", "shout", "pair", "later", "marked", "words", "weighted", "middle"];
    let create = names.map(|name| format!("CREATE FUNCTION {name} AS 'm.{name}' LANGUAGE PYTHON;\n"));
    format!("SET 'python.executable' = '{python}';\nSET 'python.files' = '{}';\n", module.display()) + &create.concat()
}

#[test]
fn functions_of_rows_of_batches_and_async_ones_are_called_from_sql() {
    let Some(python) = python("functions_of_rows_of_batches_and_async_ones_are_called_from_sql") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = functions(&python, folder.path())
        + "CREATE TEMPORARY VIEW v AS SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (3, CAST(NULL AS STRING))) AS t(x, s);
           SELECT twice(x) + 1 AS n, shout(s) AS s, pair(later(twice(x)), LOWER(shout(s))) AS p
           FROM v WHERE later(x) > 1 AND x <> 2;
           SELECT SUM(twice(x)) AS n FROM v;";
    expect![[r#"
        +----+----------------------+--------------------------------+--------------------------------+
        | op |                    n |                              s |                              p |
        +----+----------------------+--------------------------------+--------------------------------+
        | +I |                    3 |                             A! |                        (3, a!) |
        | +I |                    7 |                         <NULL> |                      (7, NULL) |
        +----+----------------------+--------------------------------+--------------------------------+
        2 rows in set
        +----+----------------------+
        | op |                    n |
        +----+----------------------+
        | +I |                    2 |
        | -U |                    2 |
        | +U |                    6 |
        | -U |                    6 |
        | +U |                   12 |
        +----+----------------------+
        5 rows in set
    "#]]
    .assert_eq(&results_of(&script));
}

#[test]
fn table_functions_and_aggregates_are_called_from_sql() {
    let Some(python) = python("table_functions_and_aggregates_are_called_from_sql") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = functions(&python, folder.path())
        + "CREATE TEMPORARY VIEW v AS SELECT * FROM (VALUES (1, 'a b'), (2, 'c'), (3, CAST(NULL AS STRING))) AS t(x, s);
           SELECT x, n, w FROM v, LATERAL TABLE(words(s)) AS p(n, w);
           SELECT x, shout(w) AS w FROM v LEFT JOIN LATERAL TABLE(words(s)) AS p(n, w) ON n < 1;
           SELECT s, MAX(a) AS a FROM (
             SELECT s, weighted(twice(x), x) AS a FROM (VALUES (1, 'a'), (2, 'b'), (3, 'a')) AS t(x, s) GROUP BY s
           ) GROUP BY s;
           SELECT weighted(n, 1) AS w FROM (SELECT s, COUNT(*) AS n FROM (VALUES ('a'), ('b'), ('a')) AS t(s) GROUP BY s);";
    expect![[r#"
        +----+-------------+-------------+--------------------------------+
        | op |           x |           n |                              w |
        +----+-------------+-------------+--------------------------------+
        | +I |           1 |           0 |                              a |
        | +I |           1 |           1 |                              b |
        | +I |           2 |           0 |                              c |
        +----+-------------+-------------+--------------------------------+
        3 rows in set
        +----+-------------+--------------------------------+
        | op |           x |                              w |
        +----+-------------+--------------------------------+
        | +I |           1 |                             A! |
        | +I |           2 |                             C! |
        | +I |           3 |                         <NULL> |
        +----+-------------+--------------------------------+
        3 rows in set
        +----+--------------------------------+--------------------------------+
        | op |                              s |                              a |
        +----+--------------------------------+--------------------------------+
        | +I |                              a |                            5.0 |
        | +I |                              b |                            4.0 |
        +----+--------------------------------+--------------------------------+
        2 rows in set
        +----+--------------------------------+
        | op |                              w |
        +----+--------------------------------+
        | +I |                            1.5 |
        +----+--------------------------------+
        1 row in set
    "#]]
    .assert_eq(&results_of(&script));
}

/// The processes that `marked` was opened in, in order.
pub(crate) fn marks(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The lines of all files that a table has committed.
pub(crate) fn written(table: &Path) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for file in std::fs::read_dir(table).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_str().unwrap().starts_with(['.', '_']) {
            lines.extend(std::fs::read_to_string(file.path()).unwrap().lines().map(str::to_owned));
        }
    }
    lines
}

#[test]
fn a_python_that_is_killed_restarts_its_own_job_only_and_no_row_is_lost_or_doubled() {
    let Some(python) = python("a_python_that_is_killed_restarts_its_own_job_only") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    const ROWS: u64 = 60_000;
    let tables = |name: &str| {
        format!(
            "CREATE TABLE from_{name} (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10000',
               'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{ROWS}');
             CREATE TABLE to_{name} (id BIGINT, n BIGINT)
               WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');\n",
            path(name)
        )
    };
    let script = format!(
        "SET 'execution.checkpointing.interval' = '100 ms';
         SET 'execution.checkpointing.dir' = '{}';
         SET 'restart-strategy.type' = 'fixed-delay';
         SET 'restart-strategy.fixed-delay.attempts' = '5';
         SET 'restart-strategy.fixed-delay.delay' = '10 ms';\n",
        path("checkpoints")
    ) + &functions(&python, folder.path())
        + &tables("python")
        + &tables("sql")
        + "INSERT INTO to_python SELECT id, marked(id) FROM from_python;
           INSERT INTO to_sql SELECT id, id * 10 FROM from_sql;";
    let marked = folder.path().join("marks");
    let child =
        flott(&["run", "-e", &script]).env("FLOTT_TEST_MARKS", &marked).env("FLOTT_LOG", "info").spawn().unwrap();
    let mut killed = BTreeSet::new();
    while killed.len() < 2 {
        // The newest process, some time after it was opened; a batch is under way or is not.
        let newest = marks(&marked).pop().filter(|newest| !killed.contains(newest));
        let Some(newest) = newest else {
            pause(20);
            continue;
        };
        pause(700);
        let status = Command::new("kill").args(["-9", &newest]).status().unwrap();
        assert!(status.success(), "process {newest} of Python was gone before it was killed");
        killed.insert(newest);
    }
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let restarts: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("a region has failed")).collect();
    assert!(marks(&marked).len() >= 3 && restarts.len() >= 2, "no kill was noticed: {ran:?}");
    let job = |line: &str| line.split("job=").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let jobs: BTreeSet<_> = restarts.iter().map(|line| job(line)).collect();
    assert_eq!(jobs.len(), 1, "both jobs were restarted: {restarts:?}");
    for name in ["python", "sql"] {
        let lines = written(&folder.path().join(name));
        let ids: BTreeSet<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!((lines.len() as u64, ids.len() as u64), (ROWS, ROWS), "rows of '{name}', and different ones");
        assert!(ids.contains(format!("{ROWS},{}", ROWS * 10).as_str()));
    }
}
