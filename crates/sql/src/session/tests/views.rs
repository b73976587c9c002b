//! Views: what they keep, views over views, `ALTER VIEW`.

use expect_test::expect;

use super::check;

#[test]
fn a_view_keeps_its_query_in_full() {
    check(
        "CREATE TABLE t (id BIGINT, name STRING, r ROW<x INT>, ts TIMESTAMP(3)) WITH ('connector' = 'datagen');
CREATE VIEW v AS SELECT id, UPPER(name) AS up, r.x, t.id AS again FROM t WHERE id > 1 AND name <> 'x';
SHOW CREATE VIEW v;
CREATE VIEW g (n, k) COMMENT 'grouped' AS SELECT COUNT(*), name FROM t GROUP BY name HAVING COUNT(*) > 1;
SHOW CREATE VIEW g;
CREATE VIEW d AS SELECT DISTINCT * FROM t AS x;
SHOW CREATE VIEW d;
CREATE VIEW u AS SELECT id FROM t UNION ALL SELECT TIMESTAMPDIFF(DAY, ts, ts) FROM t;
SHOW CREATE VIEW u;
SELECT * FROM v;
SELECT * FROM g;",
        &expect![[r#"
            OK
            OK
            CREATE VIEW `default_catalog`.`default_database`.`v` (
              `id`,
              `up`,
              `x`,
              `again`
            )
            AS SELECT `t`.`id`, UPPER(`t`.`name`) AS `up`, `t`.`r`.`x`, `t`.`id` AS `again`
            FROM `default_catalog`.`default_database`.`t` AS `t`
            WHERE `t`.`id` > 1 AND `t`.`name` <> 'x'
            OK
            CREATE VIEW `default_catalog`.`default_database`.`g` (
              `n`,
              `k`
            )
            COMMENT 'grouped'
            AS SELECT COUNT(*), `t`.`name`
            FROM `default_catalog`.`default_database`.`t` AS `t`
            GROUP BY `t`.`name`
            HAVING COUNT(*) > 1
            OK
            CREATE VIEW `default_catalog`.`default_database`.`d` (
              `id`,
              `name`,
              `r`,
              `ts`
            )
            AS SELECT DISTINCT `x`.`id`, `x`.`name`, `x`.`r`, `x`.`ts`
            FROM `default_catalog`.`default_database`.`t` AS `x`
            OK
            CREATE VIEW `default_catalog`.`default_database`.`u` (
              `id`
            )
            AS SELECT `t`.`id`
            FROM `default_catalog`.`default_database`.`t` AS `t`
            UNION ALL
            SELECT TIMESTAMPDIFF(DAY, `t`.`ts`, `t`.`ts`)
            FROM `default_catalog`.`default_database`.`t` AS `t`
            query 1: id BIGINT, up STRING, x INT, again BIGINT
            query 2: n BIGINT NOT NULL, k STRING
        "#]],
    );
}

#[test]
fn what_cannot_be_written_out_is_kept_as_it_is() {
    check(
        "CREATE TABLE t (id BIGINT, name STRING) WITH ('connector' = 'datagen');
CREATE VIEW w AS WITH q AS (SELECT id FROM t) SELECT * FROM q;
SHOW CREATE VIEW w;
CREATE VIEW s AS SELECT i + 1 AS j FROM (SELECT id AS i FROM t) AS q;
SHOW CREATE VIEW s;
CREATE VIEW c AS SELECT 1 AS uno;
SHOW CREATE VIEW c;
CREATE VIEW vals AS SELECT * FROM (VALUES (1, 'x')) AS q (a, b);
SHOW CREATE VIEW vals;
SELECT * FROM s;
SELECT * FROM w;
SELECT * FROM vals;",
        &expect![[r#"
            OK
            OK
            CREATE VIEW `default_catalog`.`default_database`.`w` (
              `id`
            )
            AS WITH q AS (SELECT id FROM `default_catalog`.`default_database`.`t` AS `t`) SELECT * FROM q
            OK
            CREATE VIEW `default_catalog`.`default_database`.`s` (
              `j`
            )
            AS SELECT `q`.`i` + 1 AS `j`
            FROM (SELECT `t`.`id` AS `i` FROM `default_catalog`.`default_database`.`t` AS `t`) AS `q`
            OK
            CREATE VIEW `default_catalog`.`default_database`.`c` (
              `uno`
            )
            AS SELECT 1 AS `uno`
            OK
            CREATE VIEW `default_catalog`.`default_database`.`vals` (
              `a`,
              `b`
            )
            AS SELECT * FROM (VALUES (1, 'x')) AS q (a, b)
            query 1: j BIGINT
            query 2: id BIGINT
            query 3: a INT NOT NULL, b CHAR(1) NOT NULL
        "#]],
    );
}

#[test]
fn views_over_views_mean_the_same_everywhere() {
    check(
        "CREATE TABLE t (a INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');
CREATE VIEW v1 AS SELECT a + 1 AS b, ts FROM t;
CREATE VIEW v2 (c, d) AS SELECT b * 2, ts FROM v1;
DESCRIBE v2;
CREATE DATABASE other;
USE other;
SELECT c FROM default_database.v2;
CREATE VIEW v1 AS SELECT 'another' AS b;
SELECT * FROM default_database.v2;
USE default_database;
DROP VIEW v1;
SELECT * FROM v2;
DESCRIBE v2;",
        &expect![[r#"
            OK
            OK
            OK
            [name | type | null | key | extras | watermark]
            c | INT | TRUE | - | - | -
            d | TIMESTAMP(3) *ROWTIME* | TRUE | - | - | -
            OK
            OK
            query 1: c INT
            OK
            query 2: c INT, d TIMESTAMP(3)
            OK
            OK
            12:15: view 'default_catalog.default_database.v2': table 'default_catalog.default_database.v1' does not exist
              SHOW TABLES lists the tables.
            the view's query: table 'default_catalog.default_database.v1' does not exist
              SHOW TABLES lists the tables.
        "#]],
    );
}

#[test]
fn a_view_is_created_once_and_checked() {
    check(
        "CREATE TABLE t (a INT, b INT) WITH ('connector' = 'datagen');
CREATE VIEW v AS SELECT a FROM t;
CREATE VIEW v AS SELECT b FROM t;
CREATE VIEW IF NOT EXISTS v AS SELECT b FROM t;
CREATE OR REPLACE VIEW v AS SELECT b FROM t;
DESCRIBE v;
CREATE OR REPLACE VIEW t AS SELECT b FROM v;
CREATE OR REPLACE VIEW v AS SELECT b FROM v;
CREATE VIEW w AS SELECT * FROM v;
CREATE OR REPLACE VIEW v AS SELECT b FROM w;
CREATE VIEW x (uno) AS SELECT a, b FROM t;
CREATE VIEW x AS SELECT a, a FROM t;
CREATE VIEW x AS SELECT nope FROM t;
CREATE VIEW nodb.x AS SELECT a FROM t;
CREATE OR REPLACE VIEW nodb.x AS SELECT a FROM t;
INSERT INTO v SELECT a FROM t;
CREATE TEMPORARY VIEW v AS SELECT a FROM t;
DESCRIBE v;
DROP VIEW v;
DROP TEMPORARY VIEW v;
DROP TABLE v;
DROP VIEW t;
DROP VIEW v;",
        &expect![[r#"
            OK
            OK
            3:13: table or view 'default_catalog.default_database.v' exists already
            OK
            OK
            [name | type | null | key | extras | watermark]
            b | INT | TRUE | - | - | -
            7:24: 'default_catalog.default_database.t' is a table, and cannot become a view
            8:24: view 'default_catalog.default_database.v' would read itself
            OK
            10:24: view 'default_catalog.default_database.v' would read itself
            11:16: view 'default_catalog.default_database.x' has 1 names for 2 columns
              The columns of its query are: a, b.
            OK
            13:25: column 'nope' does not exist
              The columns are: a, b.
            14:13: database 'default_catalog.nodb' does not exist
            15:24: database 'default_catalog.nodb' does not exist
            16:13: view 'default_catalog.default_database.v' cannot be written
            OK
            [name | type | null | key | extras | watermark]
            a | INT | TRUE | - | - | -
            19:11: there is a temporary view 'default_catalog.default_database.v'
              Drop that one first, with DROP TEMPORARY VIEW.
            OK
            21:12: 'default_catalog.default_database.v' is a view
              Use DROP VIEW.
            22:11: 'default_catalog.default_database.t' is a table
              Use DROP TABLE.
            OK
        "#]],
    );
}

#[test]
fn alter_view() {
    check(
        "CREATE TABLE t (a INT, b INT) WITH ('connector' = 'datagen');
CREATE VIEW v COMMENT 'kept' AS SELECT a FROM t;
ALTER VIEW v RENAME TO w;
SHOW VIEWS;
ALTER VIEW w AS SELECT a, b FROM t;
SHOW CREATE VIEW w;
ALTER VIEW w AS SELECT a, b FROM w;
ALTER VIEW w AS SELECT nope FROM t;
ALTER VIEW v AS SELECT a FROM t;
ALTER VIEW t RENAME TO u;
ALTER VIEW w RENAME TO t;
ALTER VIEW w RENAME TO other.w;
CREATE TEMPORARY VIEW w AS SELECT 1 AS uno;
ALTER VIEW w RENAME TO u;",
        &expect![[r#"
            OK
            OK
            OK
            [view name]
            w
            OK
            CREATE VIEW `default_catalog`.`default_database`.`w` (
              `a`,
              `b`
            )
            COMMENT 'kept'
            AS SELECT `t`.`a`, `t`.`b`
            FROM `default_catalog`.`default_database`.`t` AS `t`
            7:12: view 'default_catalog.default_database.w' would read itself
            8:24: column 'nope' does not exist
              The columns are: a, b.
            9:12: view 'default_catalog.default_database.v' does not exist
            10:12: 'default_catalog.default_database.t' is a table
              Use ALTER TABLE.
            11:24: table or view 'default_catalog.default_database.t' exists already
            12:24: 'default_catalog.default_database.w' cannot move to 'default_catalog.other.w'
              Renaming keeps catalog and database.
            OK
            14:12: 'default_catalog.default_database.w' is temporary and cannot be altered
              Drop it and create it anew.
        "#]],
    );
}
