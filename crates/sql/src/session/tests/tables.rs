//! `CREATE TABLE` in all its forms, temporary and permanent ones, `DROP`, `DESCRIBE` and `SHOW`.

use expect_test::expect;

use super::check;

#[test]
fn a_table_is_created_once() {
    check(
        "CREATE TABLE t (a INT, b STRING COMMENT 'text') WITH ('connector' = 'print');
CREATE TABLE t (z INT) WITH ('connector' = 'print');
CREATE TABLE IF NOT EXISTS t (z INT) WITH ('connector' = 'print');
DESCRIBE t;
DROP TABLE t;
DROP TABLE IF EXISTS t;
DROP TABLE t;
CREATE TABLE nodb.t (a INT);
CREATE TABLE nocat.db.t (a INT);
CREATE TABLE a.b.c.d (a INT);",
        &expect![[r#"
            OK
            2:14: table or view 'default_catalog.default_database.t' exists already
            OK
            [name | type | null | key | extras | watermark | comment]
            a | INT | TRUE | - | - | - | -
            b | STRING | TRUE | - | - | - | text
            OK
            OK
            7:12: table 'default_catalog.default_database.t' does not exist
            8:14: database 'default_catalog.nodb' does not exist
            9:14: catalog 'nocat' does not exist
            10:14: name has more than three parts
              A full name is catalog.database.object.
        "#]],
    );
}

#[test]
fn temporary_tables_hide_permanent_ones() {
    check(
        "CREATE TABLE t (permanent INT) WITH ('connector' = 'datagen');
CREATE TEMPORARY TABLE t (temporary INT) WITH ('connector' = 'datagen');
CREATE TEMPORARY TABLE t (again INT) WITH ('connector' = 'datagen');
SELECT * FROM t;
SHOW TABLES;
SHOW CREATE TABLE t;
DROP TABLE t;
ALTER TABLE t RENAME TO u;
DROP TEMPORARY TABLE t;
SELECT * FROM t;
DROP TEMPORARY TABLE t;
DROP TEMPORARY TABLE IF EXISTS t;
DROP TABLE t;
CREATE TABLE t (a INT);
CREATE TEMPORARY VIEW t AS SELECT 1 AS uno;
DROP TABLE t;",
        &expect![[r#"
            OK
            OK
            3:24: table or view 'default_catalog.default_database.t' exists already
            query 1: temporary INT
            [table name]
            t
            CREATE TEMPORARY TABLE `default_catalog`.`default_database`.`t` (
              `temporary` INT
            )
            WITH (
              'connector' = 'datagen'
            )
            7:12: there is a temporary table 'default_catalog.default_database.t'
              Drop that one first, with DROP TEMPORARY TABLE.
            8:13: 'default_catalog.default_database.t' is temporary and cannot be altered
              Drop it and create it anew.
            OK
            query 2: permanent INT
            11:22: there is no temporary table 'default_catalog.default_database.t'
              There is a permanent object of that name: leave TEMPORARY out to drop it.
            OK
            OK
            OK
            OK
            OK
        "#]],
    );
}

#[test]
fn create_table_as_makes_a_table_and_a_job() {
    check(
        "CREATE TABLE s (a INT NOT NULL, b STRING) WITH ('connector' = 'datagen');
CREATE TABLE c (extra BIGINT, a BIGINT) WITH ('connector' = 'print') AS SELECT b, a FROM s;
DESCRIBE c;
CREATE TABLE IF NOT EXISTS c WITH ('connector' = 'print') AS SELECT a FROM s;
CREATE TABLE c WITH ('connector' = 'print') AS SELECT a FROM s;
CREATE TABLE d (b, a) WITH ('connector' = 'print') AS SELECT a, b FROM s;
DESCRIBE d;
CREATE TABLE e (b, c) WITH ('connector' = 'print') AS SELECT a, b FROM s;
CREATE TABLE e (b) WITH ('connector' = 'print') AS SELECT a, b FROM s;
CREATE TABLE e (PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'print') AS SELECT a, b FROM s;
DESCRIBE e;
CREATE TABLE f (PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'print') AS SELECT a, b FROM s;
CREATE TABLE f (a AS 1) WITH ('connector' = 'print') AS SELECT a, b FROM s;
CREATE TABLE f WITH ('connector' = 'print') AS SELECT a, b AS a FROM s;
SHOW TABLES;",
        &expect![[r#"
            OK
            insert into default_catalog.default_database.c
            [name | type | null | key | extras | watermark]
            extra | BIGINT | TRUE | - | - | -
            b | STRING | TRUE | - | - | -
            a | BIGINT | TRUE | - | - | -
            OK
            5:14: table or view 'default_catalog.default_database.c' exists already
            insert into default_catalog.default_database.d
            [name | type | null | key | extras | watermark]
            b | STRING | TRUE | - | - | -
            a | INT | FALSE | - | - | -
            8:20: the query has no column 'c'
            9:17: the list has 1 of the query's 2 columns
            insert into default_catalog.default_database.e
            [name | type | null | key | extras | watermark]
            a | INT | FALSE | PRI(a) | - | -
            b | STRING | TRUE | - | - | -
            12:30: key column 'b' of the query may be null
              Declare the column as NOT NULL in the table.
            13:17: column 'a' is not stored, and the query writes it
            insert into default_catalog.default_database.f
            [table name]
            c
            d
            e
            f
            s
        "#]],
    );
}

#[test]
fn a_table_that_cannot_be_filled_is_not_there() {
    check(
        "CREATE TABLE s (a INT, b STRING) WITH ('connector' = 'datagen');
CREATE TABLE c WITH ('connector' = 'datagen') AS SELECT a FROM s;
CREATE TABLE c WITH ('connector' = 'nope') AS SELECT a FROM s;
CREATE TABLE c WITH ('connector' = 'print') AS SELECT nope FROM s;
CREATE TABLE c (a TINYINT) WITH ('connector' = 'print') AS SELECT a FROM s;
CREATE TABLE nodb.c WITH ('connector' = 'print') AS SELECT a FROM s;
CREATE TEMPORARY TABLE c (x INT) WITH ('connector' = 'print');
CREATE TABLE c WITH ('connector' = 'print') AS SELECT a FROM s;
DROP TEMPORARY TABLE c;
CREATE TEMPORARY TABLE c WITH ('connector' = 'print') AS SELECT a FROM s;
SHOW TABLES;",
        &expect![[r#"
            OK
            2:14: table 'default_catalog.default_database.c': connector 'datagen' cannot be written
            3:14: there is no connector 'nope'
              The connectors are: blackhole, datagen, filesystem, print.
            4:55: column 'nope' does not exist
              The columns are: a, b.
            5:60: table 'default_catalog.default_database.c': column 'a' has type TINYINT, but its value has type INT
              The query gives [a INT]; the table takes [a TINYINT].
              Add a CAST.
            6:14: database 'default_catalog.nodb' does not exist
            OK
            8:14: there is a temporary table or view 'default_catalog.default_database.c', which would hide the table
              Drop that one first.
            OK
            insert into default_catalog.default_database.c
            [table name]
            c
            s
        "#]],
    );
}

#[test]
fn replace_table_as_replaces() {
    check(
        "CREATE TABLE s (a INT, b STRING) WITH ('connector' = 'datagen');
REPLACE TABLE r WITH ('connector' = 'print') AS SELECT a FROM s;
CREATE OR REPLACE TABLE r WITH ('connector' = 'print') AS SELECT a FROM s;
REPLACE TABLE r WITH ('connector' = 'blackhole') AS SELECT b FROM s;
SHOW CREATE TABLE r;
REPLACE TABLE r WITH ('connector' = 'nope') AS SELECT a FROM s;
REPLACE TABLE s WITH ('connector' = 'filesystem') AS SELECT a FROM s;
CREATE VIEW v AS SELECT a FROM s;
CREATE OR REPLACE TABLE v WITH ('connector' = 'print') AS SELECT a FROM s;
CREATE OR REPLACE TABLE s WITH ('connector' = 'filesystem') AS SELECT a FROM v;
SHOW CREATE TABLE r;
DESCRIBE s;",
        &expect![[r#"
            OK
            2:15: table 'default_catalog.default_database.r' does not exist
              CREATE OR REPLACE TABLE creates it.
            insert into default_catalog.default_database.r
            insert into default_catalog.default_database.r
            CREATE TABLE `default_catalog`.`default_database`.`r` (
              `b` VARCHAR(2147483647)
            )
            WITH (
              'connector' = 'blackhole'
            )
            6:15: there is no connector 'nope'
              The connectors are: blackhole, datagen, filesystem, print.
            7:15: REPLACE TABLE by a query that reads the table itself is not supported yet
              Write into another table first.
            OK
            9:25: 'default_catalog.default_database.v' is a view
            10:25: REPLACE TABLE by a query that reads the table itself is not supported yet
              Write into another table first.
            CREATE TABLE `default_catalog`.`default_database`.`r` (
              `b` VARCHAR(2147483647)
            )
            WITH (
              'connector' = 'blackhole'
            )
            [name | type | null | key | extras | watermark]
            a | INT | TRUE | - | - | -
            b | STRING | TRUE | - | - | -
        "#]],
    );
}

#[test]
fn like_takes_over() {
    check(
        "CREATE TABLE base (a INT, b STRING METADATA FROM 'file.path' VIRTUAL, c AS a + 1, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts, PRIMARY KEY (a) NOT ENFORCED)
  COMMENT 'base' DISTRIBUTED BY HASH(a) INTO 4 BUCKETS PARTITIONED BY (a) WITH ('connector' = 'filesystem', 'path' = 'x');
SHOW CREATE TABLE base;
CREATE TABLE l1 (d AS c + 1) WITH ('path' = 'y') LIKE base;
CREATE TABLE l1 (d AS a * 2) WITH ('path' = 'y') LIKE base;
DESCRIBE l1;",
        &expect![[r#"
            OK
            CREATE TABLE `default_catalog`.`default_database`.`base` (
              `a` INT NOT NULL,
              `b` VARCHAR(2147483647) METADATA FROM 'file.path' VIRTUAL,
              `c` AS `a` + 1,
              `ts` TIMESTAMP(3),
              WATERMARK FOR `ts` AS `ts`,
              CONSTRAINT `PK_a` PRIMARY KEY (`a`) NOT ENFORCED
            )
            COMMENT 'base'
            DISTRIBUTED BY HASH(`a`) INTO 4 BUCKETS
            PARTITIONED BY (`a`)
            WITH (
              'connector' = 'filesystem',
              'path' = 'x'
            )
            5:23: column 'c' does not exist
              The columns are: a, b, ts.
            OK
            [name | type | null | key | extras | watermark]
            a | INT | FALSE | PRI(a) | - | -
            b | STRING | TRUE | - | METADATA FROM 'file.path' VIRTUAL | -
            c | INT | FALSE | - | AS `a` + 1 | -
            ts | TIMESTAMP(3) *ROWTIME* | TRUE | - | - | `ts`
            d | INT | FALSE | - | AS `a` * 2 | -
        "#]],
    );
}

#[test]
fn like_merges_as_it_is_told() {
    check(
        "CREATE TABLE base (a INT, c AS a + 1, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (a) NOT ENFORCED)
  DISTRIBUTED BY HASH(a) INTO 4 BUCKETS PARTITIONED BY (a) WITH ('connector' = 'filesystem', 'path' = 'x');
CREATE TABLE l2 WITH ('path' = 'y') LIKE base (INCLUDING OPTIONS);
CREATE TABLE l2 (WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) LIKE base;
CREATE TABLE l2 (PRIMARY KEY (a) NOT ENFORCED) LIKE base;
CREATE TABLE l2 PARTITIONED BY (a) LIKE base;
CREATE TABLE l2 DISTRIBUTED INTO 2 BUCKETS LIKE base;
CREATE TABLE l2 (c AS a + 2) LIKE base;
CREATE TABLE l2 (c AS a + 2) DISTRIBUTED INTO 2 BUCKETS PARTITIONED BY (ts)
  LIKE base (OVERWRITING GENERATED EXCLUDING DISTRIBUTION EXCLUDING PARTITIONS);
SHOW CREATE TABLE l2;
CREATE VIEW v AS SELECT 1 AS uno;
CREATE TABLE l3 LIKE v;
CREATE TABLE l3 LIKE bse;
CREATE TABLE l3 (a INT) LIKE base;",
        &expect![[r#"
            OK
            3:42: both tables have option 'path'
              Add (OVERWRITING OPTIONS) or (EXCLUDING OPTIONS).
            4:69: both tables have a watermark
              Add (OVERWRITING WATERMARKS) or (EXCLUDING WATERMARKS).
            5:53: both tables have a primary key
              Add (EXCLUDING CONSTRAINTS).
            6:41: both tables have partitions
              Add (EXCLUDING PARTITIONS).
            7:49: both tables have a distribution
              Add (EXCLUDING DISTRIBUTION).
            8:18: both tables have a column 'c'
              OVERWRITING GENERATED or METADATA lets the new table's computed or metadata column win.
            OK
            CREATE TABLE `default_catalog`.`default_database`.`l2` (
              `a` INT NOT NULL,
              `c` AS `a` + 2,
              `ts` TIMESTAMP(3),
              WATERMARK FOR `ts` AS `ts`,
              CONSTRAINT `PK_a` PRIMARY KEY (`a`) NOT ENFORCED
            )
            DISTRIBUTED INTO 2 BUCKETS
            PARTITIONED BY (`ts`)
            WITH (
              'connector' = 'filesystem',
              'path' = 'x'
            )
            OK
            13:22: 'v' is a view, and LIKE needs a table
            14:22: table or view 'default_catalog.default_database.bse' does not exist
              Did you mean 'base'?
            15:18: both tables have a column 'a'
              OVERWRITING GENERATED or METADATA lets the new table's computed or metadata column win.
        "#]],
    );
}

#[test]
fn what_lists() {
    check(
        "CREATE TABLE uno (a INT);
CREATE VIEW two AS SELECT 1 AS x;
CREATE TEMPORARY TABLE three (a INT, b INT);
SHOW TABLES LIKE 't%';
SHOW TABLES NOT LIKE 't%';
SHOW VIEWS;
SHOW MATERIALIZED TABLES;
SHOW TABLES FROM default_catalog.default_database LIKE 'uno';
SHOW TABLES FROM nope;
SHOW COLUMNS FROM three NOT LIKE 'b';
SHOW DATABASES IN default_catalog ILIKE 'DEFAULT%';
SHOW MODELS;
SHOW JARS;
SHOW MODULES;
SHOW FULL MODULES;
SHOW CURRENT CATALOG;
SHOW CURRENT DATABASE;
SHOW USER FUNCTIONS;",
        &expect![[r#"
            OK
            OK
            OK
            [table name]
            three
            two
            [table name]
            uno
            [view name]
            two
            [table name]
            [table name]
            uno
            9:18: database 'default_catalog.nope' does not exist
            [name | type | null | key | extras | watermark]
            a | INT | TRUE | - | - | -
            [database name]
            default_database
            [model name]
            [jars]
            [module name]
            core
            [module name | used]
            core | TRUE
            [current catalog name]
            default_catalog
            [current database name]
            default_database
            [function name]
        "#]],
    );
}

#[test]
fn what_describes() {
    check(
        "CREATE TABLE uno (a INT);
CREATE VIEW two AS SELECT 1 AS x;
SHOW PARTITIONS uno;
SHOW PROCEDURES;
SHOW CONNECTIONS;
SHOW CREATE TABLE two;
SHOW CREATE VIEW uno;
SHOW CREATE TABLE unno;
DESCRIBE unno;
DESCRIBE nodb.uno;
SHOW COLUMNS FROM unno;
SHOW JOBS;",
        &expect![[r#"
            OK
            OK
            3:17: SHOW PARTITIONS is not supported yet
              The catalogs here keep no list of partitions.
            SHOW PROCEDURES is not supported yet
            SHOW CONNECTIONS is not supported yet
            6:19: 'two' is a view
              Use SHOW CREATE VIEW.
            7:18: 'uno' is a table
              Use SHOW CREATE TABLE.
            8:19: table or view 'default_catalog.default_database.unno' does not exist
              Did you mean 'uno'?
            9:10: table or view 'default_catalog.default_database.unno' does not exist
              Did you mean 'uno'?
            10:10: database 'default_catalog.nodb' does not exist
            11:19: table or view 'default_catalog.default_database.unno' does not exist
              Did you mean 'uno'?
            ShowJobs
        "#]],
    );
}

#[test]
fn inserts_and_queries_are_jobs() {
    check(
        "CREATE TABLE s (a INT, b STRING) WITH ('connector' = 'datagen');
CREATE TABLE t (a INT, b STRING) WITH ('connector' = 'print');
CREATE TABLE bucketed (a INT) DISTRIBUTED BY (a) INTO 2 BUCKETS WITH ('connector' = 'print');
SELECT a FROM s;
SELECT b FROM s;
INSERT INTO t SELECT * FROM s;
EXECUTE STATEMENT SET BEGIN INSERT INTO t SELECT a, b FROM s; INSERT INTO t SELECT a, 'x' FROM s; END;
INSERT INTO bucketed SELECT a FROM s;
EXPLAIN INSERT INTO bucketed SELECT a FROM s;
EXECUTE STATEMENT SET BEGIN INSERT INTO t SELECT a, b FROM s;
  INSERT INTO s SELECT a, b FROM s; END;
INSERT INTO nope SELECT * FROM s;
DELETE FROM t;
UPDATE t SET a = 1;
TRUNCATE TABLE t;",
        &expect![[r#"
            OK
            OK
            OK
            query 1: a INT
            query 2: b STRING
            insert into default_catalog.default_database.t
            insert into default_catalog.default_database.t, default_catalog.default_database.t
            8:13: writing table 'default_catalog.default_database.bucketed', which is distributed into buckets, is not supported yet
              Drop the distribution with ALTER TABLE .. DROP DISTRIBUTION.
            9:21: writing table 'default_catalog.default_database.bucketed', which is distributed into buckets, is not supported yet
              Drop the distribution with ALTER TABLE .. DROP DISTRIBUTION.
            11:15: table 'default_catalog.default_database.s': connector 'datagen' cannot be written
            12:13: table 'nope' does not exist
              SHOW TABLES lists the tables.
            DELETE is not supported yet
            UPDATE is not supported yet
            TRUNCATE TABLE is not supported yet
        "#]],
    );
}

#[test]
fn options_of_a_watermark_are_shown_as_they_were_written() {
    check(
        "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'print', 'scan.watermark.idle-timeout' = '5s');
ALTER TABLE t SET ('scan.watermark.emit.strategy' = 'on-event');
SHOW CREATE TABLE t;",
        &expect![[r#"
            OK
            OK
            CREATE TABLE `default_catalog`.`default_database`.`t` (
              `ts` TIMESTAMP(3),
              WATERMARK FOR `ts` AS `ts`
            )
            WITH (
              'connector' = 'print',
              'scan.watermark.emit.strategy' = 'on-event',
              'scan.watermark.idle-timeout' = '5s'
            )
        "#]],
    );
}
