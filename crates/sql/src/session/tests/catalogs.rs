//! Catalogs and databases: in memory, in files, and in the catalog store.

use std::sync::Arc;

use expect_test::expect;
use flott_api::ErrorKind;

use super::files::MemoryFiles;
use super::{check, run, session_over, shown};

const STORE: [(&str, &str); 2] = [("table.catalog-store.kind", "file"), ("table.catalog-store.file.path", "/store")];

/// A session that leaves a catalog in files behind.
fn first_session(files: &Arc<MemoryFiles>) {
    let script = "
CREATE CATALOG c COMMENT 'a \"quoted\" comment' WITH ('type' = 'file', 'path' = '/lake');
CREATE DATABASE c.sales COMMENT 'sold' WITH ('a' = 'b');
CREATE TABLE c.sales.`odd/name.` (a INT COMMENT 'x', ts TIMESTAMP(3), b AS a + 1, WATERMARK FOR ts AS ts,
  PRIMARY KEY (a) NOT ENFORCED) COMMENT 'a table' PARTITIONED BY (ts) WITH ('connector' = 'datagen');
CREATE VIEW c.sales.v AS SELECT a, b FROM c.sales.`odd/name.`;
CREATE TABLE c.sales.gone (a INT);
DROP TABLE c.sales.gone;
ALTER TABLE c.sales.`odd/name.` ADD n STRING;
CREATE TEMPORARY TABLE c.sales.temp (a INT);
";
    let answers = run(&mut session_over(files, &STORE).unwrap(), script);
    assert_eq!(answers, "OK\n".repeat(8));
}

#[test]
fn what_a_file_catalog_keeps_outlives_the_session() {
    let files = Arc::<MemoryFiles>::default();
    first_session(&files);
    let script = "
SHOW CATALOGS;
SHOW CREATE CATALOG c;
USE c.sales;
DESCRIBE DATABASE EXTENDED sales;
SHOW TABLES;
SHOW CREATE TABLE `odd/name.`;
SHOW CREATE VIEW v;
SELECT * FROM v;
";
    expect![[r#"
        [catalog name]
        c
        default_catalog
        CREATE CATALOG `c`
        COMMENT 'a "quoted" comment'
        WITH (
          'path' = '/lake',
          'type' = 'file'
        )
        OK
        [info name | info value]
        name | sales
        comment | sold
        option:a | b
        [table name]
        odd/name.
        v
        CREATE TABLE `c`.`sales`.`odd/name.` (
          `a` INT NOT NULL COMMENT 'x',
          `ts` TIMESTAMP(3),
          `b` AS `a` + 1,
          `n` VARCHAR(2147483647),
          WATERMARK FOR `ts` AS `ts`,
          CONSTRAINT `PK_a` PRIMARY KEY (`a`) NOT ENFORCED
        )
        COMMENT 'a table'
        PARTITIONED BY (`ts`)
        WITH (
          'connector' = 'datagen'
        )
        CREATE VIEW `c`.`sales`.`v` (
          `a`,
          `b`
        )
        AS SELECT `odd/name.`.`a`, `odd/name.`.`b`
        FROM `c`.`sales`.`odd/name.` AS `odd/name.`
        query 1: a INT NOT NULL, b INT NOT NULL
    "#]]
    .assert_eq(&run(&mut session_over(&files, &STORE).unwrap(), script));
}

#[test]
fn what_is_dropped_from_a_file_catalog_is_gone_for_the_next_session() {
    let files = Arc::<MemoryFiles>::default();
    first_session(&files);
    expect![[r#"
        /lake/default/@database.1.json
        /lake/sales/@database.1.json
        /lake/sales/gone.2.json
        /lake/sales/odd%2fname%2e.2.json
        /lake/sales/v.1.json
        /store/c.yaml"#]]
    .assert_eq(&files.paths());
    let script = "
USE c.sales;
DROP DATABASE c.`default`;
SHOW DATABASES;
CREATE TABLE gone (b INT);
DESCRIBE gone;
USE CATALOG default_catalog;
DROP CATALOG c;
";
    expect![[r#"
        OK
        OK
        [database name]
        sales
        OK
        [name | type | null | key | extras | watermark]
        b | INT | TRUE | - | - | -
        OK
        OK
    "#]]
    .assert_eq(&run(&mut session_over(&files, &STORE).unwrap(), script));
    expect![[r#"
        /lake/sales/@database.1.json
        /lake/sales/gone.3.json
        /lake/sales/odd%2fname%2e.2.json
        /lake/sales/v.1.json"#]]
    .assert_eq(&files.paths());
    expect![[r#"
        [catalog name]
        default_catalog
    "#]]
    .assert_eq(&run(&mut session_over(&files, &STORE).unwrap(), "SHOW CATALOGS;"));
}

/// What a session says that finds one file changed.
fn after_damage(path: &str, change: fn(String) -> String) -> String {
    let files = Arc::<MemoryFiles>::default();
    let mut first = session_over(&files, &STORE).unwrap();
    run(&mut first, "CREATE CATALOG c WITH ('type' = 'file', 'path' = '/lake'); CREATE TABLE c.`default`.t (a INT);");
    files.edit(path, change);
    match session_over(&files, &STORE) {
        Ok(mut session) => {
            let parsed = crate::parser::parse_script("DESCRIBE c.`default`.t").next().unwrap().unwrap();
            let error = session.execute(&parsed.statement).unwrap_err();
            format!("{:?} {}", error.kind(), shown(&error))
        }
        Err(error) => format!("{:?} {}", error.kind(), shown(&error)),
    }
}

#[test]
fn damage_is_found_and_named() {
    let table = "/lake/default/t.1.json";
    expect!["Corrupt 1:10: catalog file '/lake/default/t.1.json' is damaged: EOF while parsing a string at line 12 column 19"].assert_eq(&after_damage(table, |text| text[..text.len() / 2].to_owned()));
    expect![[r#"
        Corrupt 1:10: catalog file '/lake/default/t.1.json' is damaged
          Its content does not fit its checksum."#]]
    .assert_eq(&after_damage(table, |text| text.replace("\"a\"", "\"b\"")));
    expect![[r#"
        Invalid 1:10: catalog file '/lake/default/t.1.json' has version 9
          This Flott reads version 1."#]]
    .assert_eq(&after_damage(table, |text| text.replace("\"version\": 1", "\"version\": 9")));
    expect![
        "Corrupt catalog file '/lake/default/@database.1.json' is damaged: EOF while parsing a value at line 1 column 0"
    ]
    .assert_eq(&after_damage("/lake/default/@database.1.json", |_| String::new()));
    expect![[r#"
        Corrupt catalog definition '/store/c.yaml' is damaged
          It is no YAML of options at line 1."#]]
    .assert_eq(&after_damage("/store/c.yaml", |text| text.replace(':', "{")));
    expect![[r#"
        Corrupt catalog definition '/store/c.yaml' is damaged
          It is no YAML of options at line 1."#]]
    .assert_eq(&after_damage("/store/c.yaml", |_| "- a\n- b\n".to_owned()));
}

#[test]
fn a_store_needs_its_folder() {
    let error = session_over(&Default::default(), &STORE[..1]).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    expect!["a catalog store of kind 'file' needs option 'table.catalog-store.file.path'"].assert_eq(&shown(&error));
}

#[test]
fn catalogs_are_created_used_and_dropped() {
    check(
        "CREATE CATALOG c COMMENT 'mine' WITH ('type' = 'generic_in_memory', 'default-database' = 'first');
CREATE CATALOG c WITH ('type' = 'generic_in_memory');
CREATE CATALOG IF NOT EXISTS c WITH ('type' = 'generic_in_memory');
SHOW CATALOGS;
SHOW CREATE CATALOG c;
DESCRIBE CATALOG c;
DESCRIBE CATALOG EXTENDED c;
CREATE TABLE c.first.t (a INT);
USE CATALOG c;
SHOW CURRENT DATABASE;
SHOW TABLES;
DROP CATALOG c;
USE CATALOG default_catalog;
DROP CATALOG c;
DROP CATALOG IF EXISTS c;
DROP CATALOG c;
CREATE CATALOG c;
CREATE CATALOG c WITH ('type' = 'hive');
CREATE CATALOG c WITH ('type' = 'file');
CREATE CATALOG c WITH ('type' = 'file', 'path' = '/c', 'pat' = 'x');
SHOW CATALOGS;",
        &expect![[r#"
            OK
            2:16: catalog 'c' exists already
            OK
            [catalog name]
            c
            default_catalog
            CREATE CATALOG `c`
            COMMENT 'mine'
            WITH (
              'default-database' = 'first',
              'type' = 'generic_in_memory'
            )
            [info name | info value]
            name | c
            type | generic_in_memory
            comment | mine
            [info name | info value]
            name | c
            type | generic_in_memory
            comment | mine
            option:default-database | first
            OK
            OK
            [current database name]
            first
            [table name]
            t
            12:14: catalog 'c' is in use
              Change to another one with USE CATALOG first.
            OK
            OK
            OK
            16:14: catalog 'c' does not exist
            17:16: catalog 'c' needs option 'type'
              Add 'type' = '...'.
            18:16: there is no catalog of type 'hive'
              The types are 'generic_in_memory' and 'file'.
            19:16: catalog 'c' needs option 'path'
              Add 'path' = '...'.
            20:16: catalog 'c' has no option 'pat'
              Did you mean 'path'?
            [catalog name]
            default_catalog
        "#]],
    );
}

#[test]
fn databases_are_created_altered_and_dropped() {
    check(
        "CREATE DATABASE d COMMENT 'data' WITH ('a' = 'b');
CREATE DATABASE d;
CREATE DATABASE IF NOT EXISTS d;
CREATE DATABASE nocat.d;
CREATE DATABASE a.b.c;
ALTER DATABASE d SET ('a' = 'c', 'e' = 'f');
DESCRIBE DATABASE EXTENDED d;
ALTER DATABASE nope SET ('a' = 'c');
CREATE TABLE d.t (a INT);
DROP DATABASE d;
USE d;
DROP DATABASE d CASCADE;
USE default_catalog.default_database;
DROP DATABASE d CASCADE;
DROP DATABASE d;
DROP DATABASE IF EXISTS d;
SHOW DATABASES;
USE a.b.c;",
        &expect![[r#"
            OK
            2:17: database 'default_catalog.d' exists already
            OK
            4:17: catalog 'nocat' does not exist
            5:17: 'a.b.c' is no name of a database
            OK
            [info name | info value]
            name | d
            comment | data
            option:a | c
            option:e | f
            8:16: database 'default_catalog.nope' does not exist
            OK
            10:15: database 'default_catalog.d' is not empty
              Add CASCADE to drop its tables, views, functions and models as well.
            OK
            12:15: database 'default_catalog.d' is in use
              Change to another one with USE first.
            OK
            OK
            15:15: database 'default_catalog.d' does not exist
            OK
            [database name]
            default_database
            18:5: 'a.b.c' is no name of a database
        "#]],
    );
}

#[test]
fn alter_catalog() {
    check(
        "CREATE CATALOG c WITH ('type' = 'file', 'path' = '/c');
CREATE TABLE c.`default`.t (a INT);
ALTER CATALOG c COMMENT 'mine';
ALTER CATALOG c SET ('default-database' = 'other');
SHOW CREATE CATALOG c;
SHOW TABLES FROM c.`default`;
ALTER CATALOG c RESET ('default-database');
SHOW CREATE CATALOG c;
ALTER CATALOG c SET ('type' = 'generic_in_memory');
ALTER CATALOG c RESET ('type');
ALTER CATALOG c RESET ('path');
ALTER CATALOG c SET ('nope' = 'x');
ALTER CATALOG default_catalog SET ('default-database' = 'x');
ALTER CATALOG default_catalog COMMENT 'built in';
DESCRIBE CATALOG default_catalog;
SHOW TABLES FROM c.`default`;",
        &expect![[r#"
            OK
            OK
            OK
            OK
            CREATE CATALOG `c`
            COMMENT 'mine'
            WITH (
              'default-database' = 'other',
              'path' = '/c',
              'type' = 'file'
            )
            [table name]
            t
            OK
            CREATE CATALOG `c`
            COMMENT 'mine'
            WITH (
              'path' = '/c',
              'type' = 'file'
            )
            9:22: a catalog cannot change its type
            10:24: a catalog needs its type
            11:15: catalog 'c' needs option 'path'
              Add 'path' = '...'.
            12:15: catalog 'c' has no option 'nope'
              Its options are: default-database, path, type.
            13:15: changing the options of catalog 'default_catalog', which lives in memory, is not supported yet
              It would be opened anew, and its tables would be gone.
            OK
            [info name | info value]
            name | default_catalog
            type | generic_in_memory
            comment | built in
            [table name]
            t
        "#]],
    );
}
