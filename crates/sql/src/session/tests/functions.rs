//! Functions of users: what catalogs keep of them, which name means which, and what is told of them.

use std::sync::Arc;

use expect_test::expect;

use super::files::MemoryFiles;
use super::{run, session_over};

/// A session that leaves functions behind, and what calls them, in a catalog in files.
const FIRST: &str = "
CREATE CATALOG c WITH ('type' = 'file', 'path' = '/lake');
CREATE DATABASE c.sales;
USE c.sales;
CREATE TABLE price (a INT) WITH ('connector' = 'datagen');
CREATE FUNCTION price(net INT NOT NULL, `Rate` DOUBLE) RETURN net * (1 + `Rate`);
CREATE FUNCTION IF NOT EXISTS Price(x INT) RETURN x;
CREATE FUNCTION gone() RETURN 1;
DROP FUNCTION gone;
CREATE FUNCTION gross(net INT NOT NULL) RETURNS DECIMAL(10, 2) RETURN CAST(price(net, 0.5) AS DECIMAL(10, 2));
CREATE VIEW v AS SELECT gross(COALESCE(a, 0)) AS g FROM price;
CREATE TABLE t (a INT NOT NULL, b AS Gross(a)) WITH ('connector' = 'datagen');
CREATE TEMPORARY FUNCTION gross(net INT NOT NULL) RETURN net;
";

#[test]
fn functions_of_a_file_catalog_outlive_the_session_and_share_no_names_with_tables() {
    let files = Arc::<MemoryFiles>::default();
    assert_eq!(run(&mut session_over(&files, &[]).unwrap(), FIRST), "OK\n".repeat(12));
    let second = "
CREATE CATALOG c WITH ('type' = 'file', 'path' = '/lake');
SHOW USER FUNCTIONS FROM c.sales;
DESCRIBE FUNCTION EXTENDED c.sales.gross;
SHOW CREATE VIEW c.sales.v;
SHOW CREATE TABLE c.sales.t;
SHOW TABLES FROM c.sales;
DROP DATABASE c.sales;
DROP TABLE c.sales.t;
DROP TABLE c.sales.price;
DROP VIEW c.sales.v;
DROP DATABASE c.sales;
DROP FUNCTION c.sales.gros;
";
    expect![[r#"
        OK
        [function name]
        gross
        price
        [info name | info value]
        is system function | false
        is temporary | false
        function language | SQL
        kind | SCALAR
        signature | c.sales.gross(net INT NOT NULL)
        returns | DECIMAL(10, 2)
        body | CAST(`c`.`sales`.`price`(`net`, 0.5) AS DECIMAL(10, 2))
        CREATE VIEW `c`.`sales`.`v` (
          `g`
        )
        AS SELECT `c`.`sales`.`gross`(COALESCE(`price`.`a`, 0)) AS `g`
        FROM `c`.`sales`.`price` AS `price`
        CREATE TABLE `c`.`sales`.`t` (
          `a` INT NOT NULL,
          `b` AS `c`.`sales`.`gross`(`a`)
        )
        WITH (
          'connector' = 'datagen'
        )
        [table name]
        price
        t
        v
        8:15: database 'c.sales' is not empty
          Add CASCADE to drop its tables, views, functions and models as well.
        OK
        OK
        OK
        12:15: database 'c.sales' is not empty
          Add CASCADE to drop its tables, views, functions and models as well.
        13:15: function 'c.sales.gros' does not exist
          Did you mean 'gross'?
    "#]]
    .assert_eq(&run(&mut session_over(&files, &[]).unwrap(), second));
}

#[test]
fn a_name_alone_means_one_of_the_system_then_a_built_in_one_then_one_of_the_database() {
    let script = "
CREATE FUNCTION `Upper`(x STRING) RETURN 'catalog';
CREATE FUNCTION mine(x STRING) RETURN 'catalog';
CREATE VIEW a AS SELECT upper('x') AS u, default_database.`Upper`('x') AS c, mine('x') AS m;
SHOW CREATE VIEW a;
CREATE TEMPORARY FUNCTION mine(x STRING) RETURN 1;
CREATE TEMPORARY SYSTEM FUNCTION `upper`(x STRING) RETURN 2;
CREATE VIEW b AS SELECT upper('x') AS u, default_database.`upper`('x') AS c, mine('x') AS m;
DESCRIBE b;
SHOW FUNCTIONS LIKE '%pper';
SHOW USER FUNCTIONS;
DESCRIBE FUNCTION `upper`;
DESCRIBE FUNCTION `lower`;
DESCRIBE FUNCTION EXTENDED mine;
DROP FUNCTION mine;
DROP TEMPORARY FUNCTION mine;
DROP FUNCTION mine;
DROP FUNCTION IF EXISTS mine;
DROP TEMPORARY SYSTEM FUNCTION `upper`;
DROP TEMPORARY SYSTEM FUNCTION `upper`;
DESCRIBE FUNCTION mine;
";
    expect![[r#"
        OK
        OK
        OK
        CREATE VIEW `default_catalog`.`default_database`.`a` (
          `u`,
          `c`,
          `m`
        )
        AS SELECT UPPER('x') AS `u`, `default_catalog`.`default_database`.`upper`('x') AS `c`, `default_catalog`.`default_database`.`mine`('x') AS `m`
        OK
        OK
        OK
        [name | type | null | key | extras | watermark]
        u | INT | FALSE | - | - | -
        c | CHAR(7) | FALSE | - | - | -
        m | INT | FALSE | - | - | -
        [function name]
        upper
        [function name]
        mine
        upper
        [info name | info value]
        is system function | true
        is temporary | true
        function language | SQL
        [info name | info value]
        is system function | true
        is temporary | false
        [info name | info value]
        is system function | false
        is temporary | true
        function language | SQL
        kind | SCALAR
        signature | default_catalog.default_database.mine(x STRING)
        returns | INT NOT NULL
        body | 1
        15:15: there is a temporary function 'default_catalog.default_database.mine'
          Drop that one first, with DROP TEMPORARY FUNCTION.
        OK
        OK
        OK
        OK
        20:32: temporary system function 'upper' does not exist
        21:19: function 'mine' does not exist
    "#]].assert_eq(&run(&mut session_over(&Arc::default(), &[]).unwrap(), script));
}

#[test]
fn functions_that_cannot_be_are_refused() {
    let script = "
CREATE FUNCTION f AS 'com.example.F';
CREATE FUNCTION f AS 'm.f' LANGUAGE PYTHON;
CREATE FUNCTION f AS 'x' LANGUAGE SQL;
ALTER FUNCTION f AS 'com.example.F' LANGUAGE SCALA;
ALTER FUNCTION IF EXISTS f AS 'com.example.F';
CREATE TEMPORARY SYSTEM FUNCTION `sum`(x INT) RETURN x;
CREATE TEMPORARY SYSTEM FUNCTION a.f(x INT) RETURN x;
CREATE FUNCTION f(x INT, x INT) RETURN x;
CREATE FUNCTION f(x INT) RETURN NULL;
CREATE FUNCTION f(x INT) RETURNS INT RETURN (SELECT 1);
CREATE FUNCTION f(x INT) RETURN f(x);
CREATE FUNCTION f(x TIMESTAMP(12)) RETURN x;
CREATE FUNCTION nowhere.f(x INT) RETURN x;
CREATE FUNCTION f(x INT);
CREATE FUNCTION f(x INT) LANGUAGE PYTHON RETURN x;
";
    let mut session = session_over(&Arc::default(), &[]).unwrap();
    // Each alone: a script ends at a syntax error.
    let answers: String = script.trim().lines().map(|line| run(&mut session, line)).collect();
    expect![[r#"
        1:22: a function in Java: 'com.example.F' is not supported yet
          There is no JVM here to run it.
          Write it as CREATE FUNCTION f(x INT) RETURN .., or in Python or WebAssembly.
        OK
        1:22: a function in SQL by a name: 'x' is not supported yet
          A function in SQL has parameters and an expression.
          Write it as CREATE FUNCTION f(x INT) RETURN .., or in Python or WebAssembly.
        1:21: a function in Scala: 'com.example.F' is not supported yet
          There is no JVM here to run it.
          Write it as CREATE FUNCTION f(x INT) RETURN .., or in Python or WebAssembly.
        1:31: a function in Java: 'com.example.F' is not supported yet
          There is no JVM here to run it.
          Write it as CREATE FUNCTION f(x INT) RETURN .., or in Python or WebAssembly.
        1:34: a function in the place of 'sum' is not supported yet
          Aggregates, window functions and the like are more than functions to the planner.
        1:35: expected AS, found '.'
        1:26: two parameters are called 'x'
        illegal use of NULL
          Write CAST(NULL AS type) to say which type is meant.
        1:46: a scalar subquery is not supported yet
        1:17: function 'default_catalog.default_database.f' exists already
        1:19: precision 12 of type 'TIMESTAMP' is out of range
          A precision is between 0 and 9.
        1:17: database 'default_catalog.nowhere' does not exist
        1:25: expected RETURN, found ';'
        1:26: a function in another language with parameters needs RETURNS
    "#]]
    .assert_eq(&answers);
}

#[test]
fn functions_that_come_to_call_each_other_end_in_an_error() {
    let script = "
CREATE FUNCTION a(x INT) RETURN x;
CREATE FUNCTION b(x INT) RETURN a(x) + 1;
CREATE TEMPORARY FUNCTION a(x INT) RETURN b(x) + 1;
CREATE VIEW v AS SELECT b(1) AS n;
";
    expect![[r#"
        OK
        OK
        OK
        5:25: function 'default_catalog.default_database.b': function 'default_catalog.default_database.a': function 'default_catalog.default_database.b' would call itself
    "#]].assert_eq(&run(&mut session_over(&Arc::default(), &[]).unwrap(), script));
    let mut script = "CREATE FUNCTION f0(x INT) RETURN x + x;\n".to_owned();
    (1..20).for_each(|n| script += &format!("CREATE FUNCTION f{n}(x INT) RETURN f{m}(x) + f{m}(x);\n", m = n - 1));
    let answers = run(&mut session_over(&Arc::default(), &[]).unwrap(), &script);
    assert!(answers.contains("is too large with the functions that it calls"), "{answers}");
}
