//! Every statement but queries.

use super::*;

#[test]
fn create_table_prints_every_clause_in_order() {
    check_same(&[
        "CREATE TABLE t (a INT)",
        "CREATE TABLE t",
        "CREATE TEMPORARY TABLE IF NOT EXISTS c.d.t (a INT NOT NULL, b STRING COMMENT 'it''s') COMMENT 'x' \
         PARTITIONED BY (b) WITH ('connector' = 'kafka', 'topic' = 't')",
        "CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED, b INT CONSTRAINT u UNIQUE ENFORCED)",
        "CREATE TABLE t (a INT, CONSTRAINT pk PRIMARY KEY (a) NOT ENFORCED, UNIQUE (a))",
        "CREATE TABLE t (a INT METADATA, b INT METADATA FROM 'k' VIRTUAL COMMENT 'm', c AS a + 1 COMMENT 'c')",
        "CREATE TABLE t (ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)",
        "CREATE TABLE t (r ROW<ts TIMESTAMP(3)>, WATERMARK FOR r.ts AS r.ts)",
        "CREATE TABLE t (a INT) DISTRIBUTED BY HASH(a) INTO 4 BUCKETS",
        "CREATE TABLE t (a INT) DISTRIBUTED BY RANGE(a)",
        "CREATE TABLE t (a INT) DISTRIBUTED BY (a)",
        "CREATE TABLE t (a INT) DISTRIBUTED INTO 4 BUCKETS",
        "CREATE TABLE t (`timestamp` INT, `select` INT, `a``b` INT)",
    ]);
    check(&[(
        "create table t(watermark for b as b, primary key(a) not enforced, a integer not null, b timestamp_ltz)",
        "CREATE TABLE t (a INT NOT NULL, b TIMESTAMP_LTZ, WATERMARK FOR b AS b, PRIMARY KEY (a) NOT ENFORCED)",
    )]);
}

#[test]
fn create_table_takes_like_and_as() {
    check_same(&[
        "CREATE TABLE t LIKE s",
        "CREATE TABLE t (a INT) WITH ('k' = 'v') LIKE c.d.s (INCLUDING ALL EXCLUDING OPTIONS OVERWRITING GENERATED)",
        "CREATE TABLE t LIKE s (EXCLUDING CONSTRAINTS EXCLUDING DISTRIBUTION EXCLUDING PARTITIONS \
         OVERWRITING METADATA OVERWRITING OPTIONS INCLUDING WATERMARKS)",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE t (a, b) WITH ('k' = 'v') AS SELECT 1 AS a, 2 AS b",
        "CREATE TABLE t (a INT) AS SELECT 1 AS a",
        "CREATE OR REPLACE TABLE t WITH ('k' = 'v') AS SELECT 1",
        "REPLACE TABLE t AS SELECT 1",
    ]);
}

#[test]
fn create_of_other_objects() {
    check_same(&[
        "CREATE VIEW v AS SELECT 1",
        "CREATE TEMPORARY VIEW IF NOT EXISTS v (a, b) COMMENT 'c' AS SELECT 1, 2",
        "CREATE OR REPLACE VIEW v AS WITH q AS (SELECT 1) SELECT * FROM q",
        "CREATE FUNCTION f AS 'a.B'",
        "CREATE TEMPORARY SYSTEM FUNCTION IF NOT EXISTS f AS 'a.B' LANGUAGE SCALA",
        "CREATE TEMPORARY FUNCTION c.d.f AS 'a.B' LANGUAGE JAVA USING JAR 'x', ARTIFACT 'y' WITH ('k' = 'v')",
        "CREATE FUNCTION f AS 'm.g' LANGUAGE PYTHON",
        "CREATE FUNCTION f (a BIGINT, b STRING) RETURNS BIGINT LANGUAGE WASM AS 'f' USING ARTIFACT 'x.wasm' WITH ('timeout' = '1 s')",
        "CREATE FUNCTION f AS 'x' LANGUAGE SQL",
        "CREATE FUNCTION f () RETURN 1",
        "CREATE TEMPORARY FUNCTION IF NOT EXISTS c.d.f (a INT NOT NULL, `b c` ROW<x STRING>) RETURNS DECIMAL(3, 1) \
         RETURN a + `b c`.x",
        "CREATE MODEL m WITH ('provider' = 'x')",
        "CREATE TEMPORARY MODEL IF NOT EXISTS m INPUT (a STRING) OUTPUT (b ARRAY<FLOAT> COMMENT 'x') COMMENT 'c' \
         WITH ('provider' = 'x') AS SELECT 1",
        "CREATE MODEL m INPUT (a STRING) OUTPUT (b STRING, c INT METADATA FROM 'k' VIRTUAL) WITH ('provider' = 'x')",
        "CREATE CONNECTION c WITH ('type' = 'basic')",
        "CREATE TEMPORARY SYSTEM CONNECTION IF NOT EXISTS c COMMENT 'x' WITH ('type' = 'basic')",
        "CREATE CATALOG IF NOT EXISTS c COMMENT 'x' WITH ('type' = 'generic_in_memory')",
        "CREATE DATABASE IF NOT EXISTS c.d COMMENT 'x' WITH ('a' = 'b')",
    ]);
}

#[test]
fn drop_of_everything() {
    check_same(&[
        "DROP TABLE t",
        "DROP TEMPORARY TABLE IF EXISTS c.d.t",
        "DROP TEMPORARY VIEW v",
        "DROP MATERIALIZED TABLE IF EXISTS t",
        "DROP TEMPORARY SYSTEM FUNCTION IF EXISTS f",
        "DROP FUNCTION c.d.f",
        "DROP MODEL IF EXISTS m",
        "DROP TEMPORARY CONNECTION c",
        "DROP CATALOG IF EXISTS c",
        "DROP DATABASE IF EXISTS c.d CASCADE",
    ]);
    check(&[("DROP DATABASE d RESTRICT", "DROP DATABASE d")]);
}

#[test]
fn alter_table() {
    check_same(&[
        "ALTER TABLE IF EXISTS t RENAME TO c.d.u",
        "ALTER TABLE t RENAME a.b TO c",
        "ALTER TABLE t SET ('a' = 'b', 'c' = 'd')",
        "ALTER TABLE t RESET ('a', 'b')",
        "ALTER TABLE t ADD (a INT FIRST, r.b STRING COMMENT 'x' AFTER r.c, d AS a + 1, PRIMARY KEY (a) NOT ENFORCED)",
        "ALTER TABLE t MODIFY (a BIGINT NOT NULL, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)",
        "ALTER TABLE t ADD DISTRIBUTION BY HASH(a) INTO 3 BUCKETS",
        "ALTER TABLE t MODIFY DISTRIBUTION INTO 3 BUCKETS",
        "ALTER TABLE t ADD IF NOT EXISTS PARTITION (a = 1, b = 'x') WITH ('k' = 'v') PARTITION (a = 2, b = 'y')",
        "ALTER TABLE t DROP (a, b.c)",
        "ALTER TABLE t DROP PRIMARY KEY",
        "ALTER TABLE t DROP CONSTRAINT pk",
        "ALTER TABLE t DROP WATERMARK",
        "ALTER TABLE t DROP DISTRIBUTION",
        "ALTER TABLE t DROP IF EXISTS PARTITION (a = 1), PARTITION (a = DATE '2024-01-01')",
    ]);
    check(&[
        ("ALTER TABLE t ADD a INT", "ALTER TABLE t ADD (a INT)"),
        ("ALTER TABLE t MODIFY WATERMARK FOR a AS a", "ALTER TABLE t MODIFY (WATERMARK FOR a AS a)"),
        ("ALTER TABLE t DROP a", "ALTER TABLE t DROP (a)"),
    ]);
}

#[test]
fn alter_of_other_objects() {
    check_same(&[
        "ALTER VIEW v RENAME TO w",
        "ALTER VIEW v AS SELECT 1",
        "ALTER TEMPORARY SYSTEM FUNCTION IF EXISTS f AS 'a.B' LANGUAGE JAVA",
        "ALTER FUNCTION f AS 'a.B'",
        "ALTER CATALOG c SET ('a' = 'b')",
        "ALTER CATALOG c RESET ('a')",
        "ALTER CATALOG c COMMENT 'x'",
        "ALTER DATABASE c.d SET ('a' = 'b')",
        "ALTER MODEL IF EXISTS m SET ('a' = 'b')",
        "ALTER MODEL m RESET ('a')",
        "ALTER MODEL m RENAME TO n",
        "ALTER CONNECTION IF EXISTS c SET ('a' = 'b')",
        "ALTER CONNECTION c RESET ('a')",
        "ALTER CONNECTION c RENAME TO d",
    ]);
}

#[test]
fn materialized_tables() {
    check_same(&[
        "CREATE MATERIALIZED TABLE t AS SELECT 1",
        "CREATE OR ALTER MATERIALIZED TABLE c.d.t (a INT, PRIMARY KEY (a) NOT ENFORCED) COMMENT 'x' \
         DISTRIBUTED BY HASH(a) INTO 4 BUCKETS PARTITIONED BY (a) WITH ('k' = 'v') \
         START_MODE = FROM_TIMESTAMP(TIMESTAMP '2024-01-01 00:00:00') FRESHNESS = INTERVAL '1' MINUTE \
         REFRESH_MODE = CONTINUOUS AS SELECT 1 AS a",
        "CREATE MATERIALIZED TABLE t (a, b) START_MODE = FROM_NOW AS SELECT 1 AS a, 2 AS b",
        "CREATE MATERIALIZED TABLE t START_MODE = FROM_BEGINNING AS SELECT 1",
        "CREATE MATERIALIZED TABLE t START_MODE = RESUME_OR_FROM_BEGINNING REFRESH_MODE = FULL AS SELECT 1",
        "CREATE MATERIALIZED TABLE t START_MODE = RESUME_OR_FROM_NOW(INTERVAL '1' DAY) AS SELECT 1",
        "CREATE MATERIALIZED TABLE t START_MODE = RESUME_OR_FROM_TIMESTAMP(TIMESTAMP '2024-01-01 00:00:00') AS SELECT 1",
        "ALTER MATERIALIZED TABLE t SUSPEND",
        "ALTER MATERIALIZED TABLE t RESUME",
        "ALTER MATERIALIZED TABLE t RESUME WITH ('a' = 'b')",
        "ALTER MATERIALIZED TABLE t REFRESH",
        "ALTER MATERIALIZED TABLE t REFRESH PARTITION (ds = '1')",
        "ALTER MATERIALIZED TABLE t SET FRESHNESS = INTERVAL '1' HOUR",
        "ALTER MATERIALIZED TABLE t SET REFRESH_MODE = FULL",
        "ALTER MATERIALIZED TABLE t SET ('a' = 'b')",
        "ALTER MATERIALIZED TABLE t RESET ('a')",
        "ALTER MATERIALIZED TABLE t ADD (x AS a + 1, WATERMARK FOR ts AS ts)",
        "ALTER MATERIALIZED TABLE t ADD DISTRIBUTION BY (a)",
        "ALTER MATERIALIZED TABLE t MODIFY (a INT)",
        "ALTER MATERIALIZED TABLE t MODIFY DISTRIBUTION INTO 2 BUCKETS",
        "ALTER MATERIALIZED TABLE t DROP (a)",
        "ALTER MATERIALIZED TABLE t DROP PRIMARY KEY",
        "ALTER MATERIALIZED TABLE t DROP CONSTRAINT c",
        "ALTER MATERIALIZED TABLE t DROP WATERMARK",
        "ALTER MATERIALIZED TABLE t DROP DISTRIBUTION",
        "ALTER MATERIALIZED TABLE t AS SELECT 1",
    ]);
}

#[test]
fn insert_and_its_kin() {
    check_same(&[
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (SELECT 1)",
        "INSERT INTO c.d.t /*+ OPTIONS('a' = 'b', 'c' = 'd') */ PARTITION (p = '1', q = -2) (a, b.c) SELECT 1, 2",
        "INSERT OVERWRITE t VALUES (1, DEFAULT), (2, NULL)",
        "UPSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT 1 ON CONFLICT DO NOTHING",
        "INSERT INTO t SELECT * FROM a CROSS JOIN b ON CONFLICT DO ERROR",
        "INSERT INTO t SELECT 1 ON CONFLICT DO DEDUPLICATE",
        "INSERT INTO t WITH q AS (SELECT 1) SELECT * FROM q",
        "DELETE FROM t",
        "DELETE FROM c.d.t AS x WHERE x.a IN (SELECT 1)",
        "UPDATE t SET a = 1, b = DEFAULT",
        "UPDATE t AS x SET a = x.b + 1 WHERE x.b > 2",
        "TRUNCATE TABLE c.d.t",
        "CALL c.d.p('a', 1)",
        "CALL p(x => 1, y => ARRAY[1])",
        "CALL p()",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 1 WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
    ]);
    check(&[("EXECUTE INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1"), ("EXECUTE SELECT 1", "SELECT 1")]);
}

#[test]
fn statement_sets_and_plans() {
    check_same(&[
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b VALUES (1); END",
        "COMPILE PLAN '/x' IF NOT EXISTS FOR INSERT INTO a SELECT 1",
        "COMPILE PLAN '/x' FOR STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
        "COMPILE AND EXECUTE PLAN '/x' FOR INSERT INTO a SELECT 1",
        "EXECUTE PLAN '/x'",
        "BEGIN STATEMENT SET",
        "END",
    ]);
    check(&[(
        "BEGIN STATEMENT SET; INSERT INTO a SELECT CASE WHEN TRUE THEN 1 END; INSERT INTO b SELECT 1; END;",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN true THEN 1 END; INSERT INTO b SELECT 1; END",
    )]);
}

#[test]
fn explain_and_describe() {
    check_same(&[
        "EXPLAIN SELECT 1",
        "EXPLAIN ESTIMATED_COST, CHANGELOG_MODE, PLAN_ADVICE, JSON_EXECUTION_PLAN INSERT INTO t SELECT 1",
        "EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
        "DESCRIBE c.d.t",
        "DESCRIBE EXTENDED t",
        "DESCRIBE CATALOG c",
        "DESCRIBE CATALOG EXTENDED c",
        "DESCRIBE DATABASE EXTENDED c.d",
        "DESCRIBE FUNCTION EXTENDED f",
        "DESCRIBE MODEL m",
        "DESCRIBE CONNECTION EXTENDED c",
        "DESCRIBE JOB 'abc'",
        "DESCRIBE model",
    ]);
    check(&[("EXPLAIN PLAN FOR SELECT 1", "EXPLAIN SELECT 1"), ("desc t", "DESCRIBE t")]);
}

#[test]
fn show() {
    check_same(&[
        "SHOW CATALOGS",
        "SHOW CATALOGS NOT LIKE 'x'",
        "SHOW CURRENT CATALOG",
        "SHOW CURRENT DATABASE",
        "SHOW DATABASES",
        "SHOW DATABASES IN c ILIKE 'x'",
        "SHOW TABLES FROM c.d NOT LIKE 'x%'",
        "SHOW VIEWS IN d LIKE 'x'",
        "SHOW MATERIALIZED TABLES",
        "SHOW COLUMNS FROM c.d.t LIKE 'x'",
        "SHOW COLUMNS IN t",
        "SHOW PARTITIONS t PARTITION (a = 1)",
        "SHOW FUNCTIONS",
        "SHOW USER FUNCTIONS IN c.d NOT ILIKE 'x'",
        "SHOW PROCEDURES FROM c.d LIKE 'x'",
        "SHOW MODELS FROM d NOT LIKE 'x'",
        "SHOW CONNECTIONS FROM d LIKE 'x'",
        "SHOW CREATE TABLE t",
        "SHOW CREATE VIEW v",
        "SHOW CREATE CATALOG c",
        "SHOW CREATE MODEL m",
        "SHOW CREATE CONNECTION c",
        "SHOW CREATE MATERIALIZED TABLE t",
        "SHOW CREATE OR ALTER MATERIALIZED TABLE t",
        "SHOW MODULES",
        "SHOW FULL MODULES",
        "SHOW JARS",
        "SHOW JOBS",
    ]);
}

#[test]
fn the_session() {
    check_same(&[
        "USE CATALOG c",
        "USE c.d",
        "USE MODULES a, b",
        "LOAD MODULE m WITH ('a' = 'b')",
        "LOAD MODULE m",
        "UNLOAD MODULE m",
        "SET",
        "SET 'a' = 'b'",
        "RESET",
        "RESET 'a'",
        "ADD JAR 'x'",
        "REMOVE JAR 'x'",
        "ANALYZE TABLE t COMPUTE STATISTICS",
        "ANALYZE TABLE t PARTITION (a = '1', b) COMPUTE STATISTICS FOR COLUMNS x, y",
        "ANALYZE TABLE t COMPUTE STATISTICS FOR ALL COLUMNS",
        "STOP JOB 'abc'",
        "STOP JOB 'abc' WITH SAVEPOINT WITH DRAIN",
        "HELP",
        "CLEAR",
        "QUIT",
    ]);
    check(&[("exit;", "QUIT")]);
}
