//! What is wrong, where it stands, and what was meant.

use expect_test::expect;

use super::check;

#[test]
fn names_are_suggested_with_their_place() {
    check(
        "CREATE TABLE orders (id INT, price DECIMAL(10, 2)) WITH ('connector' = 'datagen');
CREATE TABLE sink (id INT) WITH ('connector' = 'prnt');
SELECT id
  FROM ordres;
SELECT ids FROM orders;
INSERT INTO snik SELECT id FROM orders;
INSERT INTO sink SELECT id FROM orders;
DROP TABLE ordrs;
  USE defualt_database;
USE CATALOG default_catlog;
SHOW TABLES IN default_databse;
SHOW CREATE CATALOG default_cat;
DESCRIBE CATALOG default_cat;
ALTER TABLE ordes RENAME TO x;
ALTER DATABASE defaultdatabase SET ('a' = 'b');
ALTER CATALOG x COMMENT 'y';",
        &expect![[r#"
            OK
            OK
            4:8: table 'ordres' does not exist
              Did you mean 'orders'?
            5:8: column 'ids' does not exist
              Did you mean 'id'?
            6:13: table 'snik' does not exist
              Did you mean 'sink'?
            7:13: there is no connector 'prnt'
              Did you mean 'print'?
            8:12: table 'default_catalog.default_database.ordrs' does not exist
              Did you mean 'orders'?
            9:7: database 'default_catalog.defualt_database' does not exist
              Did you mean 'default_database'?
            10:13: catalog 'default_catlog' does not exist
              Did you mean 'default_catalog'?
            11:16: database 'default_catalog.default_databse' does not exist
              Did you mean 'default_database'?
            12:21: catalog 'default_cat' does not exist
              Did you mean 'default_catalog'?
            13:18: catalog 'default_cat' does not exist
              Did you mean 'default_catalog'?
            14:13: table 'default_catalog.default_database.ordes' does not exist
              Did you mean 'orders'?
            15:16: database 'default_catalog.defaultdatabase' does not exist
              Did you mean 'default_database'?
            16:15: catalog 'x' does not exist
        "#]],
    );
}

#[test]
fn definitions_are_refused_where_they_are_wrong() {
    check(
        "CREATE TABLE t (a INT, a STRING);
CREATE TABLE t (a INT, b AS nope + 1);
CREATE TABLE t (a INT,
  PRIMARY KEY (b) NOT ENFORCED);
CREATE TABLE t (a INT, b AS a + 1, PRIMARY KEY (b) NOT ENFORCED);
CREATE TABLE t (a INT, PRIMARY KEY (a, a) NOT ENFORCED);
CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED, PRIMARY KEY (a) NOT ENFORCED);
CREATE TABLE t (a INT, PRIMARY KEY (a));
CREATE TABLE t (a INT, UNIQUE (a));
CREATE TABLE t (a INT) PARTITIONED BY (aa);
CREATE TABLE t (a INT) DISTRIBUTED BY HASH(b) INTO 2 BUCKETS;
CREATE TABLE t (ts STRING, WATERMARK FOR ts AS ts);
CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS tss);
CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR tss AS ts);
CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS 1);
CREATE TABLE t (r ROW<ts TIMESTAMP(3)>, WATERMARK FOR r.ts AS r.ts);
CREATE TABLE t (a NOPE);
CREATE TABLE t (a INT) WITH ('x' = '1', 'x' = '2');
SHOW TABLES;",
        &expect![[r#"
            1:24: column 'a' is declared twice
            2:29: column 'nope' does not exist
              The columns are: a.
            4:16: key column 'b' does not exist
            5:49: key column 'b' is not a physical column
              Only columns that the connector stores can be used here.
            6:40: key column 'a' is named twice
            7:17: there are two primary keys
            8:37: a primary key must be NOT ENFORCED
              Tables lie outside, so nobody here can enforce it.
              Add NOT ENFORCED behind the columns.
            9:32: UNIQUE constraints are not supported
            10:40: partition column 'aa' does not exist
              Did you mean 'a'?
            11:44: distribution column 'b' does not exist
            12:42: column 'ts' has type STRING and cannot have a watermark
              A watermark needs a TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3.
            13:54: column 'tss' does not exist
              Did you mean 'ts'?
            14:48: column 'tss' of the watermark does not exist
            15:48: the watermark of column 'ts' has type INT
              It must be of type TIMESTAMP(3).
            16:55: a watermark on a nested field is not supported yet
            17:19: type 'NOPE' does not exist
              Use a built-in type, such as STRING, BIGINT or TIMESTAMP(3).
            18:41: option 'x' is set twice
            [table name]
        "#]],
    );
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    check(
        "CREATE FUNCTION f AS 'x';
CREATE MODEL m WITH ('a' = 'b') AS SELECT 1;
DROP FUNCTION f;
LOAD MODULE hive;
UNLOAD MODULE core;
USE MODULES core;
ADD JAR 'x';
ANALYZE TABLE t COMPUTE STATISTICS;
CALL p();
COMPILE PLAN 'x' FOR INSERT INTO a SELECT 1;
EXECUTE PLAN 'x';
SHOW FUNCTIONS FROM x;
SHOW CREATE MODEL m;
DESCRIBE FUNCTION f;
DESCRIBE MODEL m;
ALTER MODEL m RENAME TO n;
STOP JOB '00000000000000000000000000000001' WITH SAVEPOINT;
STOP JOB 'x';
DESCRIBE JOB 'x';
END;",
        &expect![[r#"
            1:22: a function in Java: 'x' is not supported yet
              There is no JVM here to run it.
              Write it as CREATE FUNCTION f(x INT) RETURN .., or in Python or WebAssembly.
            2:14: CREATE MODEL .. AS is not supported yet
            3:15: function 'default_catalog.default_database.f' does not exist
            LOAD MODULE is not supported yet
            UNLOAD MODULE is not supported yet
            USE MODULES is not supported yet
            ADD JAR is not supported yet
            ANALYZE TABLE is not supported yet
            CALL is not supported yet
            COMPILE PLAN is not supported yet
            EXECUTE PLAN is not supported yet
            12:21: database 'default_catalog.x' does not exist
            13:19: model 'default_catalog.default_database.m' does not exist
            14:19: function 'f' does not exist
            15:16: model 'default_catalog.default_database.m' does not exist
            16:13: model 'default_catalog.default_database.m' does not exist
            17:10: a savepoint needs option 'execution.checkpointing.savepoint-dir'
              SET 'execution.checkpointing.savepoint-dir' = 'file:///path/to/a/folder', or a folder in a bucket.
            18:10: 'x' is no job id
              A job id has 32 hex digits.
            19:14: 'x' is no job id
              A job id has 32 hex digits.
            END without BEGIN STATEMENT SET is not supported yet
        "#]],
    );
}

#[test]
fn secrets_are_hidden() {
    check(
        "CREATE TABLE t (a INT) WITH ('connector' = 'print', 'password' = 'swordfish', 'nope' = 'x');
SHOW CREATE TABLE t;
DESCRIBE EXTENDED t;
INSERT INTO t SELECT 1;
EXPLAIN SELECT * FROM t;
CREATE TABLE s (a INT) WITH ('connector' = 'blackhole', 'api-key' = 'swordfish');
EXPLAIN INSERT INTO s SELECT 1;
CREATE CATALOG c WITH ('type' = 'generic_in_memory', 'token' = 'swordfish');
CREATE DATABASE d WITH ('secret' = 'swordfish');
DESCRIBE DATABASE EXTENDED d;
CREATE TABLE u (a INT) WITH ('connector' = 'blackhole', 'uri' = 'mongodb://me:swordfish@host/?w=1');
SHOW CREATE TABLE u;
SET 'security.ssl.internal.key-password' = 'swordfish';
SET;",
        &expect![[r#"
            OK
            CREATE TABLE `default_catalog`.`default_database`.`t` (
              `a` INT
            )
            WITH (
              'connector' = 'print',
              'nope' = 'x',
              'password' = '****'
            )
            [name | type | null | key | extras | watermark]
            a | INT | TRUE | - | - | -
            4:13: table 'default_catalog.default_database.t': connector 'print' has no option 'nope'
            5:23: table 'default_catalog.default_database.t': connector 'print' cannot be read
            OK
            == Abstract Syntax Tree ==
            LogicalSink(table=[default_catalog.default_database.s], fields=[EXPR$0])
            +- LogicalProject(EXPR$0=[1])
               +- LogicalValues(tuples=[[{ 0 }]])

            == Optimized Physical Plan ==
            Sink(table=[default_catalog.default_database.s], fields=[EXPR$0])
            +- Calc(select=[1 AS EXPR$0])
               +- Values(type=[RecordType(INTEGER ZERO)], tuples=[[{ 0 }]])

            == Optimized Execution Plan ==
            Sink(table=[default_catalog.default_database.s], fields=[EXPR$0])
            +- Calc(select=[1 AS EXPR$0])
               +- Values(tuples=[[{ 0 }]])
            8:16: catalog 'c' has no option 'token'
              Its options are: default-database, type.
            OK
            [info name | info value]
            name | d
            comment | -
            option:secret | ****
            OK
            CREATE TABLE `default_catalog`.`default_database`.`u` (
              `a` INT
            )
            WITH (
              'connector' = 'blackhole',
              'uri' = 'mongodb://me:****@host/?w=1'
            )
            OK, but option 'security.ssl.internal.key-password' has no effect yet: it is not built yet
            [key | value | origin]
            security.ssl.internal.key-password | **** | SET
        "#]],
    );
}
