//! `ALTER TABLE`.

use expect_test::expect;

use super::check;

#[test]
fn columns_are_added() {
    check(
        "CREATE TABLE t (a INT, b STRING) WITH ('connector' = 'print');
ALTER TABLE t ADD c DOUBLE;
ALTER TABLE t ADD (d DATE COMMENT 'a day' FIRST, e AS a + 1 AFTER d, f STRING METADATA FROM 'file.path' AFTER b);
SHOW CREATE TABLE t;
ALTER TABLE t ADD a INT;
ALTER TABLE t ADD x INT AFTER nope;
ALTER TABLE t ADD x AS nope + 1;
ALTER TABLE t ADD (y INT, x AS y + 1);
ALTER TABLE t ADD r.x INT;
ALTER TABLE t ADD x NOPE;
DESCRIBE t;",
        &expect![[r#"
            OK
            OK
            OK
            CREATE TABLE `default_catalog`.`default_database`.`t` (
              `d` DATE COMMENT 'a day',
              `e` AS `a` + 1,
              `a` INT,
              `b` VARCHAR(2147483647),
              `f` VARCHAR(2147483647) METADATA FROM 'file.path',
              `c` DOUBLE
            )
            WITH (
              'connector' = 'print'
            )
            5:19: column 'a' exists already
              MODIFY changes it.
            6:31: column 'nope' does not exist
            7:24: column 'nope' does not exist
              The columns are: d, a, b, f, c.
            OK
            9:19: changing a field inside a row is not supported yet
            10:21: type 'NOPE' does not exist
              Use a built-in type, such as STRING, BIGINT or TIMESTAMP(3).
            [name | type | null | key | extras | watermark | comment]
            d | DATE | TRUE | - | - | - | a day
            e | INT | TRUE | - | AS `a` + 1 | - | -
            a | INT | TRUE | - | - | - | -
            b | STRING | TRUE | - | - | - | -
            f | STRING | TRUE | - | METADATA FROM 'file.path' | - | -
            c | DOUBLE | TRUE | - | - | - | -
            y | INT | TRUE | - | - | - | -
            x | INT | TRUE | - | AS `y` + 1 | - | -
        "#]],
    );
}

#[test]
fn key_and_watermark_are_added_and_modified() {
    check(
        "CREATE TABLE t (a INT, b INT, ts TIMESTAMP(3), n STRING) WITH ('connector' = 'print');
ALTER TABLE t DROP WATERMARK;
ALTER TABLE t DROP PRIMARY KEY;
ALTER TABLE t MODIFY WATERMARK FOR ts AS ts;
ALTER TABLE t MODIFY PRIMARY KEY (a) NOT ENFORCED;
ALTER TABLE t ADD (CONSTRAINT k PRIMARY KEY (a) NOT ENFORCED, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
SHOW CREATE TABLE t;
ALTER TABLE t ADD PRIMARY KEY (b) NOT ENFORCED;
ALTER TABLE t ADD WATERMARK FOR ts AS ts;
ALTER TABLE t MODIFY (PRIMARY KEY (b) NOT ENFORCED, WATERMARK FOR ts AS ts);
ALTER TABLE t MODIFY b BIGINT;
SHOW CREATE TABLE t;",
        &expect![[r#"
            OK
            2:13: table 'default_catalog.default_database.t' has no watermark
            3:13: table 'default_catalog.default_database.t' has no primary key
            4:13: the table has no watermark
              Use ADD WATERMARK.
            5:35: the table has no primary key
              Use ADD PRIMARY KEY.
            OK
            CREATE TABLE `default_catalog`.`default_database`.`t` (
              `a` INT NOT NULL,
              `b` INT,
              `ts` TIMESTAMP(3),
              `n` VARCHAR(2147483647),
              WATERMARK FOR `ts` AS `ts` - INTERVAL '1' SECOND,
              CONSTRAINT `k` PRIMARY KEY (`a`) NOT ENFORCED
            )
            WITH (
              'connector' = 'print'
            )
            8:32: the table has a primary key already
              It is 'k'.
              Drop it first, or use MODIFY.
            9:33: the table has a watermark already
              It is on column 'ts'.
              Drop it first, or use MODIFY.
            OK
            OK
            CREATE TABLE `default_catalog`.`default_database`.`t` (
              `a` INT NOT NULL,
              `b` BIGINT NOT NULL,
              `ts` TIMESTAMP(3),
              `n` VARCHAR(2147483647),
              WATERMARK FOR `ts` AS `ts`,
              CONSTRAINT `PK_b` PRIMARY KEY (`b`) NOT ENFORCED
            )
            WITH (
              'connector' = 'print'
            )
        "#]],
    );
}

#[test]
fn key_and_watermark_are_checked_and_dropped() {
    check(
        "CREATE TABLE t (a INT, b INT, ts TIMESTAMP(3), n STRING, PRIMARY KEY (b) NOT ENFORCED, WATERMARK FOR ts AS ts)
  WITH ('connector' = 'print');
ALTER TABLE t MODIFY WATERMARK FOR n AS n;
ALTER TABLE t MODIFY WATERMARK FOR nope AS nope;
ALTER TABLE t MODIFY PRIMARY KEY (nope) NOT ENFORCED;
ALTER TABLE t MODIFY PRIMARY KEY (a);
ALTER TABLE t MODIFY ts STRING;
ALTER TABLE t DROP CONSTRAINT k;
ALTER TABLE t DROP CONSTRAINT PK_b;
ALTER TABLE t DROP WATERMARK;
SHOW CREATE TABLE t;",
        &expect![[r#"
            OK
            3:36: column 'n' has type STRING and cannot have a watermark
              A watermark needs a TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3.
            4:36: column 'nope' of the watermark does not exist
            5:35: key column 'nope' does not exist
              Did you mean 'n'?
            6:35: a primary key must be NOT ENFORCED
              Tables lie outside, so nobody here can enforce it.
              Add NOT ENFORCED behind the columns.
            7:13: column 'ts' has type STRING and cannot have a watermark
              A watermark needs a TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3.
            8:31: table 'default_catalog.default_database.t' has no constraint 'k'
              Its only constraint is 'PK_b'.
            OK
            OK
            CREATE TABLE `default_catalog`.`default_database`.`t` (
              `a` INT,
              `b` INT NOT NULL,
              `ts` TIMESTAMP(3),
              `n` VARCHAR(2147483647)
            )
            WITH (
              'connector' = 'print'
            )
        "#]],
    );
}

#[test]
fn columns_are_modified() {
    check(
        "CREATE TABLE t (a INT, b INT, c AS a + 1, p STRING) PARTITIONED BY (p) WITH ('connector' = 'print');
ALTER TABLE t MODIFY a BIGINT COMMENT 'wider';
DESCRIBE t;
ALTER TABLE t MODIFY (b STRING FIRST, c AS b || 'x' AFTER b);
DESCRIBE t;
ALTER TABLE t MODIFY a BIGINT AFTER a;
ALTER TABLE t MODIFY nope INT;
ALTER TABLE t MODIFY b INT;
ALTER TABLE t MODIFY p AS 'x';",
        &expect![[r#"
            OK
            OK
            [name | type | null | key | extras | watermark | comment]
            a | BIGINT | TRUE | - | - | - | wider
            b | INT | TRUE | - | - | - | -
            c | BIGINT | TRUE | - | AS `a` + 1 | - | -
            p | STRING | TRUE | - | - | - | -
            OK
            [name | type | null | key | extras | watermark | comment]
            b | STRING | TRUE | - | - | - | -
            c | STRING | TRUE | - | AS `b` || 'x' | - | -
            a | BIGINT | TRUE | - | - | - | wider
            p | STRING | TRUE | - | - | - | -
            6:37: column 'a' does not exist
            7:22: column 'nope' does not exist
              ADD makes a new column.
            8:13: computed column 'c': cannot apply '||' to arguments of type INT, CHAR(1)
              || joins strings and converts nothing.
              Cast the arguments to types that fit.
            9:22: column 'p' must stay one that is stored
              Partitions or the distribution stand on it.
        "#]],
    );
}

#[test]
fn columns_that_are_used_stay() {
    check(
        "CREATE TABLE t (a INT, b INT, c AS a + 1, ts TIMESTAMP(3), p STRING, k INT, m STRING METADATA, d INT,
  WATERMARK FOR ts AS ts, PRIMARY KEY (k) NOT ENFORCED)
  DISTRIBUTED BY HASH(d) INTO 2 BUCKETS PARTITIONED BY (p) WITH ('connector' = 'print');
ALTER TABLE t DROP a;
ALTER TABLE t DROP ts;
ALTER TABLE t DROP p;
ALTER TABLE t DROP k;
ALTER TABLE t DROP d;
ALTER TABLE t DROP (b, b);
ALTER TABLE t DROP (b, nope);
ALTER TABLE t DROP r.x;
ALTER TABLE t RENAME a TO aa;
ALTER TABLE t RENAME ts TO tt;
ALTER TABLE t RENAME p TO pp;
ALTER TABLE t RENAME b TO k;
ALTER TABLE t RENAME bb TO c;
ALTER TABLE t RENAME k TO kk;
ALTER TABLE t RENAME m TO mm;
ALTER TABLE t DROP (a, c);
SHOW CREATE TABLE t;
CREATE TABLE uno (a INT);
ALTER TABLE uno DROP a;",
        &expect![[r#"
            OK
            4:20: column 'a' cannot be dropped
              It is used by the computed column 'c'.
            5:20: column 'ts' cannot be dropped
              It is used by the watermark.
            6:20: column 'p' cannot be dropped
              It is a partition column.
            7:20: column 'k' cannot be dropped
              It is part of the primary key.
            8:20: column 'd' cannot be dropped
              It is a column of the distribution.
            9:24: column 'b' is named twice
            10:24: column 'nope' does not exist
            11:20: dropping a field inside a row is not supported yet
            12:22: column 'a' cannot be renamed
              It is used by the computed column 'c'.
            13:22: column 'ts' cannot be renamed
              It is used by the watermark.
            14:22: column 'p' cannot be renamed
              It is a partition column.
            15:27: column 'k' exists already
            16:22: column 'bb' does not exist
              Did you mean 'b'?
            OK
            OK
            OK
            CREATE TABLE `default_catalog`.`default_database`.`t` (
              `b` INT,
              `ts` TIMESTAMP(3),
              `p` VARCHAR(2147483647),
              `kk` INT NOT NULL,
              `mm` VARCHAR(2147483647) METADATA FROM 'm',
              `d` INT,
              WATERMARK FOR `ts` AS `ts`,
              CONSTRAINT `PK_k` PRIMARY KEY (`kk`) NOT ENFORCED
            )
            DISTRIBUTED BY HASH(`d`) INTO 2 BUCKETS
            PARTITIONED BY (`p`)
            WITH (
              'connector' = 'print'
            )
            OK
            22:13: the table would have no column
        "#]],
    );
}

#[test]
fn options_and_distribution() {
    check(
        "CREATE TABLE t (a INT) WITH ('connector' = 'print');
CREATE VIEW v AS SELECT 1 AS uno;
ALTER TABLE t SET ('x' = '1', 'connector' = 'blackhole');
ALTER TABLE t SET ('x' = '1', 'x' = '2');
ALTER TABLE t RESET ('x', 'y');
ALTER TABLE t RESET ();
ALTER TABLE t ADD DISTRIBUTION BY HASH(a) INTO 3 BUCKETS;
ALTER TABLE t ADD DISTRIBUTION BY HASH(a) INTO 4 BUCKETS;
ALTER TABLE t MODIFY DISTRIBUTION BY HASH(nope) INTO 4 BUCKETS;
ALTER TABLE t MODIFY DISTRIBUTION BY (a);
SHOW CREATE TABLE t;
ALTER TABLE t DROP DISTRIBUTION;
ALTER TABLE t DROP DISTRIBUTION;
ALTER TABLE t MODIFY DISTRIBUTION INTO 2 BUCKETS;",
        &expect![[r#"
            OK
            OK
            OK
            4:31: option 'x' is set twice
            OK, but table 'default_catalog.default_database.t' had no option 'y'
            6:13: RESET names no option
              Write RESET ('key').
            OK
            8:13: table 'default_catalog.default_database.t' has a distribution already
              Use MODIFY DISTRIBUTION.
            9:43: distribution column 'nope' does not exist
            OK
            CREATE TABLE `default_catalog`.`default_database`.`t` (
              `a` INT
            )
            DISTRIBUTED BY (`a`)
            WITH (
              'connector' = 'blackhole'
            )
            OK
            13:13: table 'default_catalog.default_database.t' has no distribution
            14:13: table 'default_catalog.default_database.t' has no distribution
              Use ADD DISTRIBUTION.
        "#]],
    );
}

#[test]
fn names_and_partitions() {
    check(
        "CREATE TABLE t (a INT) WITH ('connector' = 'print');
CREATE VIEW v AS SELECT 1 AS uno;
ALTER TABLE t ADD PARTITION (a = 1);
ALTER TABLE t DROP PARTITION (a = 1);
ALTER TABLE t RENAME TO v;
ALTER TABLE t RENAME TO other.u;
ALTER TABLE t RENAME TO default_database.u;
ALTER TABLE t RENAME TO w;
ALTER TABLE IF EXISTS t RENAME TO w;
ALTER TABLE v RENAME TO w;
SHOW TABLES;
SHOW CREATE TABLE u;",
        &expect![[r#"
            OK
            OK
            3:13: ALTER TABLE .. ADD PARTITION is not supported yet
              The catalogs here keep no list of partitions: a filesystem table finds them in its folders.
            4:13: ALTER TABLE .. DROP PARTITION is not supported yet
              The catalogs here keep no list of partitions: a filesystem table finds them in its folders.
            5:25: table or view 'default_catalog.default_database.v' exists already
            6:25: 'default_catalog.default_database.t' cannot move to 'default_catalog.other.u'
              Renaming keeps catalog and database.
            OK
            8:13: table 'default_catalog.default_database.t' does not exist
            OK
            10:13: 'default_catalog.default_database.v' is a view
              Use ALTER VIEW.
            [table name]
            u
            v
            CREATE TABLE `default_catalog`.`default_database`.`u` (
              `a` INT
            )
            WITH (
              'connector' = 'print'
            )
        "#]],
    );
}
