//! Models: DDL, what is shown of them, and calls that are planned.

use std::sync::Arc;

use expect_test::expect;

use super::files::MemoryFiles;
use super::{check, run, session_over};

#[test]
fn secrets_are_hidden_wherever_a_model_is_shown() {
    check(
        "CREATE MODEL m INPUT (a STRING) OUTPUT (label STRING COMMENT 'of a') WITH ('provider' = 'model-test', 'api-key' = 'swordfish', 'async' = 'true');
SHOW CREATE MODEL m;
DESCRIBE MODEL m;
CREATE TABLE t (a STRING) WITH ('connector' = 'datagen');
EXPLAIN SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a));
ALTER MODEL m SET ('answers' = 'swordfish', 'max-tokens' = '7');
SHOW CREATE MODEL m;
ALTER MODEL m SET ('nope' = '1', 'answers' = '2');
EXPLAIN SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a));",
        &expect![[r#"
            OK
            CREATE MODEL `default_catalog`.`default_database`.`m`
            INPUT (`a` VARCHAR(2147483647))
            OUTPUT (`label` VARCHAR(2147483647) COMMENT 'of a')
            WITH (
              'api-key' = '****',
              'async' = 'true',
              'provider' = 'model-test'
            )
            [name | type | null | is input | comment]
            a | STRING | TRUE | TRUE | -
            label | STRING | TRUE | FALSE | of a
            OK
            == Abstract Syntax Tree ==
            LogicalProject(a=[$0], label=[$1])
            +- LogicalTableFunctionScan(invocation=[ML_PREDICT(TABLE(#0), Model(MODEL default_catalog.default_database.m), DESCRIPTOR(_UTF-16LE'a'), DEFAULT())], rowType=[RecordType(VARCHAR(2147483647) a, VARCHAR(2147483647) label)])
               +- LogicalProject(a=[$0])
                  +- LogicalTableScan(table=[[default_catalog, default_database, t]])

            == Optimized Physical Plan ==
            MLPredictTableFunction(invocation=[ML_PREDICT(TABLE(#0), Model(MODEL default_catalog.default_database.m), DESCRIPTOR(_UTF-16LE'a'), DEFAULT())], rowType=[RecordType(VARCHAR(2147483647) a, VARCHAR(2147483647) label)])
            +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a])

            == Optimized Execution Plan ==
            MLPredictTableFunction(invocation=[ML_PREDICT(TABLE(#0), Model(MODEL default_catalog.default_database.m), DESCRIPTOR(_UTF-16LE'a'), DEFAULT())], rowType=[RecordType(VARCHAR(2147483647) a, VARCHAR(2147483647) label)])
            +- TableSourceScan(table=[[default_catalog, default_database, t]], fields=[a])
            OK
            CREATE MODEL `default_catalog`.`default_database`.`m`
            INPUT (`a` VARCHAR(2147483647))
            OUTPUT (`label` VARCHAR(2147483647) COMMENT 'of a')
            WITH (
              'answers' = 'swordfish',
              'api-key' = '****',
              'async' = 'true',
              'max-tokens' = '7',
              'provider' = 'model-test'
            )
            OK
            9:23: model 'default_catalog.default_database.m': provider 'model-test' has no option 'max-tokens'
              Its options are: answers, api-key, async, delay, fails-for, failures.
        "#]],
    );
}

#[test]
fn a_temporary_model_hides_the_one_of_the_catalog() {
    check(
        "CREATE TABLE t (a STRING) WITH ('connector' = 'datagen');
CREATE MODEL m INPUT (a STRING) OUTPUT (kept STRING) WITH ('provider' = 'model-test');
CREATE TEMPORARY MODEL m INPUT (a STRING) OUTPUT (temporary STRING) WITH ('provider' = 'model-test');
SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a));
ALTER MODEL m SET ('a' = 'b');
DROP TEMPORARY MODEL m;
SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a));
ALTER MODEL m RENAME TO n;
ALTER MODEL n RENAME TO other.n;
DROP TEMPORARY MODEL n;
DROP MODEL m;
CREATE DATABASE d;
CREATE MODEL d.m INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-test');
DROP DATABASE d;
DROP DATABASE d CASCADE;
SHOW MODELS FROM d;",
        &expect![[r#"
            OK
            OK
            OK
            query 1: a STRING, temporary STRING
            5:13: model 'default_catalog.default_database.m' is temporary and cannot be altered
              Drop it and create it anew.
            OK
            query 2: a STRING, kept STRING
            OK
            9:25: model 'default_catalog.default_database.n' cannot move to 'default_catalog.other.n'
              Renaming keeps catalog and database.
            10:22: there is no temporary model 'default_catalog.default_database.n'
              There is a permanent one of that name: leave TEMPORARY out to drop it.
            11:12: model 'default_catalog.default_database.m' does not exist
            OK
            OK
            14:15: database 'default_catalog.d' is not empty
              Add CASCADE to drop its tables, views, functions and models as well.
            OK
            16:18: database 'default_catalog.d' does not exist
        "#]],
    );
}

#[test]
fn a_view_means_the_same_model_in_any_session() {
    let files = Arc::<MemoryFiles>::default();
    let store = [("table.catalog-store.kind", "file"), ("table.catalog-store.file.path", "/store")];
    let first = "
CREATE CATALOG c WITH ('type' = 'file', 'path' = '/lake');
USE CATALOG c;
CREATE TABLE t (a STRING) WITH ('connector' = 'datagen');
CREATE MODEL m INPUT (a STRING) OUTPUT (b STRING, `why` STRING METADATA FROM 'error-string' VIRTUAL) COMMENT 'kept' WITH ('provider' = 'model-test', 'token' = 'swordfish');
CREATE MODEL gone INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-test');
DROP MODEL gone;
CREATE TEMPORARY MODEL temp INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-test');
CREATE VIEW v AS SELECT b FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a));
";
    assert_eq!(run(&mut session_over(&files, &store).unwrap(), first), "OK\n".repeat(8));
    let script = "
SHOW MODELS FROM c.`default`;
SHOW TABLES FROM c.`default`;
SHOW CREATE MODEL c.`default`.m;
DESCRIBE MODEL c.`default`.temp;
SHOW CREATE VIEW c.`default`.v;
";
    expect![[r#"
        [model name]
        m
        [table name]
        t
        v
        CREATE MODEL `c`.`default`.`m`
        INPUT (`a` VARCHAR(2147483647))
        OUTPUT (`b` VARCHAR(2147483647), `why` VARCHAR(2147483647) METADATA FROM 'error-string' VIRTUAL)
        COMMENT 'kept'
        WITH (
          'provider' = 'model-test',
          'token' = '****'
        )
        5:16: model 'c.default.temp' does not exist
        CREATE VIEW `c`.`default`.`v` (
          `b`
        )
        AS SELECT b FROM ML_PREDICT(TABLE `c`.`default`.`t`, MODEL `c`.`default`.`m`, DESCRIPTOR(a))
    "#]]
    .assert_eq(&run(&mut session_over(&files, &store).unwrap(), script));
}

#[test]
fn what_is_wrong_with_a_call_is_told() {
    check(
        "CREATE TABLE t (a STRING, n INT) WITH ('connector' = 'datagen');
CREATE MODEL m INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-test');
CREATE MODEL nobodys INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-tset');
CREATE MODEL nameless INPUT (a STRING) OUTPUT (b STRING) WITH ('task' = 'x');
SELECT * FROM ML_PREDICT(TABLE t, MODEL mm, DESCRIPTOR(a));
SELECT * FROM ML_PREDICT(TABLE t, MODEL nobodys, DESCRIPTOR(a));
SELECT * FROM ML_PREDICT(TABLE t, MODEL nameless, DESCRIPTOR(a));
SELECT * FROM ML_PREDICT(TABLE t, t, DESCRIPTOR(a));
SELECT * FROM ML_PREDICT(TABLE t, MODEL m);
SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a, n));
SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(x));
SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(n));
SELECT * FROM ML_PREDICT((SELECT a, COUNT(*) AS c FROM t GROUP BY a), MODEL m, DESCRIPTOR(a));
SELECT * FROM ML_PREDICT(TABLE t PARTITION BY a, MODEL m, DESCRIPTOR(a));
SELECT * FROM ML_EVALUATE(TABLE t, MODEL m, DESCRIPTOR(a), DESCRIPTOR(a), 'x');",
        &expect![[r#"
            OK
            OK
            OK
            OK
            5:41: model 'mm' does not exist
              SHOW MODELS lists the models.
            6:15: model 'default_catalog.default_database.nobodys': there is no model provider 'model-tset'
              Did you mean 'model-test'?
            7:15: model 'default_catalog.default_database.nameless' has no provider
              Add 'provider' = '..' to its options.
            8:35: argument MODEL of ML_PREDICT is no model
              Write MODEL before its name.
            9:15: ML_PREDICT has no argument ARGS
              Write ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a)).
            10:44: DESCRIPTOR names 2 columns for a model of 1
              The input of the model is (a).
            11:44: the table of ML_PREDICT has no column 'x'
              Its columns are a, n.
            12:44: column 'n' has type INT and cannot be asked with
              Column 'a' of the model has type STRING.
              Cast it in a query: ML_PREDICT((SELECT CAST(..) ..), ..).
            ML_PREDICT does not take the updates of its table
              They come from GroupAggregate(groupBy=[a], select=[a, COUNT(*) AS c]). A model need not answer twice the same.
              Give it what is only appended to: a log, or an aggregation in windows.
            14:32: table 'INPUT' of ML_PREDICT takes no PARTITION BY
              The function sees its rows one by one: only tables with set semantics may be partitioned.
            15:15: ML_EVALUATE is not supported yet
              Flink reads it and cannot run it; ML_PREDICT gives what can be compared with the labels.
        "#]],
    );
}

#[test]
fn what_is_wrong_in_a_config_is_told() {
    check(
        "CREATE TABLE t (a STRING, n INT) WITH ('connector' = 'datagen');
CREATE MODEL m INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-test');
CREATE MODEL at_once INPUT (a STRING) OUTPUT (b STRING) WITH ('provider' = 'model-test', 'async' = 'true');
SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a), MAP['async', 'true']);
SELECT * FROM ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a), MAP['timeout', '1 s']);
SELECT * FROM ML_PREDICT(TABLE t, MODEL at_once, DESCRIPTOR(a), MAP['async', 'false']);
SELECT * FROM ML_PREDICT(TABLE t, MODEL at_once, DESCRIPTOR(a), MAP['async', 'maybe']);
SELECT * FROM ML_PREDICT(TABLE t, MODEL at_once, DESCRIPTOR(a), MAP['max-concurrent-operations', '0']);
SELECT * FROM ML_PREDICT(TABLE t, MODEL at_once, DESCRIPTOR(a), MAP['tiemout', '1 s']);
SELECT * FROM ML_PREDICT(TABLE t, MODEL at_once, DESCRIPTOR(a), MAP['timeout', '1 s', 'timeout', '2 s']);
SELECT * FROM ML_PREDICT(TABLE t, MODEL at_once, DESCRIPTOR(a), MAP['async', 1]);
SET 'table.exec.async-ml-predict.output-mode' = 'sideways';
SET 'table.exec.async-ml-predict.max-concurrent-operations' = '0';",
        &expect![[r#"
            OK
            OK
            OK
            4:63: model 'default_catalog.default_database.m' cannot be asked for several rows at once
              Its provider 'model-test' can only be asked the other way.
              Leave 'async' out of CONFIG.
            5:63: option 'timeout' of a model that is asked for one batch after the other
              It says how several rows are asked for at once.
            6:69: model 'default_catalog.default_database.at_once' cannot be asked for one batch after the other
              Its provider 'model-test' can only be asked the other way.
              Leave 'async' out of CONFIG.
            7:69: option 'async' has the value 'maybe', which is no 'true' or 'false'
            8:69: option 'max-concurrent-operations' must be more than 0
            9:69: CONFIG of ML_PREDICT has no option 'tiemout'
              Did you mean 'timeout'?
            10:69: CONFIG of ML_PREDICT has 'timeout' twice
              Write MAP['async', 'true'].
            11:69: CONFIG of ML_PREDICT must be a MAP of texts
              Write MAP['async', 'true'].
            12:5: option 'table.exec.async-ml-predict.output-mode' cannot be 'sideways'
              It must be ORDERED or ALLOW_UNORDERED.
            13:5: option 'table.exec.async-ml-predict.max-concurrent-operations' cannot be '0'
              It must be a whole number from 1 to 2147483647.
        "#]],
    );
}
