//! What does not exist, where, and what may have been meant.

use expect_test::expect;

use super::World;

#[test]
fn unknown_names_are_shown_with_their_place() {
    let world = World::new();
    expect![[r#"
        1:8: column 'nope' does not exist
          The columns are: a, b, c, d, r."#]]
    .assert_eq(&world.columns("SELECT nope FROM t"));
    expect![[r#"
        1:8: column 'a' does not exist
          The columns are: ts, who, x."#]]
    .assert_eq(&world.columns("SELECT a,\n  wo FROM clicks"));
    expect![[r#"
        1:15: table 'click' does not exist
          Did you mean 'clicks'?"#]]
    .assert_eq(&world.columns("SELECT a FROM click"));
    expect![[r#"
        1:8: table 'x' is not in FROM
          FROM has 't'."#]]
    .assert_eq(&world.columns("SELECT x.a FROM t"));
    expect![[r#"
        1:8: column 'A' does not exist
          Did you mean 'a'?"#]]
    .assert_eq(&world.columns("SELECT A FROM t"));
    expect![[r#"
        1:10: field 'z' does not exist
          The fields are: x, y."#]]
    .assert_eq(&world.columns("SELECT r.z FROM t"));
    expect![[r#"
        1:10: field 'z' of a value of type STRING
          Only a ROW has fields."#]]
    .assert_eq(&world.columns("SELECT b.z FROM t"));
    expect![[r#"
        1:8: function 'lenght' does not exist
          Did you mean LEFT?"#]]
    .assert_eq(&world.columns("SELECT lenght(b) FROM t"));
    expect![[r#"
        1:15: table 'nocat.db.t' does not exist
          Did you mean 't'?"#]]
    .assert_eq(&world.columns("SELECT a FROM nocat.db.t"));
    expect!["1:8: column 'x' is ambiguous"]
        .assert_eq(&world.columns("SELECT x FROM (SELECT a AS x, b AS x FROM t) AS s"));
    expect![[r#"
        1:8: column 'a' does not exist
          There is no FROM clause, so there are no columns."#]]
    .assert_eq(&world.columns("SELECT a"));
}

#[test]
fn wrong_types_are_shown_with_their_place() {
    let world = World::new();
    expect![[r#"
        1:23: WHERE has a condition of type INT
          A condition must be a BOOLEAN: compare the value with something."#]]
    .assert_eq(&world.columns("SELECT a FROM t WHERE a"));
    expect![[r#"
        1:8: cannot apply '+' to arguments of type INT, STRING
          Cast the arguments to types that fit."#]]
    .assert_eq(&world.columns("SELECT a + b FROM t"));
    expect![[r#"
        1:8: illegal use of NULL
          Write CAST(NULL AS type) to say which type is meant."#]]
    .assert_eq(&world.columns("SELECT NULL FROM t"));
    expect![[r#"
        1:8: the results of CASE have no common type
          The types are INT, CHAR(1).
          Cast them to one type."#]]
    .assert_eq(&world.columns("SELECT CASE WHEN a > 1 THEN 1 ELSE 'x' END FROM t"));
    expect!["1:13: cannot CAST a value of type ROW<`x` INT, `y` STRING> to INT"]
        .assert_eq(&world.columns("SELECT CAST(r AS INT) FROM t"));
    expect![[r#"
        1:27: column 1 of UNION and its counterparts have no common type
          The types are INT, STRING.
          Cast them to one type."#]]
    .assert_eq(&world.columns("SELECT a FROM t UNION ALL SELECT b FROM t"));
    expect!["1:27: the queries of UNION have 1 and 2 columns"]
        .assert_eq(&world.columns("SELECT a FROM t UNION ALL SELECT a, b FROM t"));
    expect!["1:13: the rows of VALUES differ in their number of columns"]
        .assert_eq(&world.columns("VALUES (1), (2, 3)"));
    expect![[r#"
        1:17: '100' is no interval DAY
          Its first number has more than 2 digits: write DAY(3).
          Examples: INTERVAL '10' MINUTE, INTERVAL '1 02:03:04' DAY TO SECOND, INTERVAL '1-2' YEAR TO MONTH."#]]
    .assert_eq(&world.columns("SELECT INTERVAL '100' DAY"));
    expect![[r#"
        1:13: '2021-02-29' is no DATE
          Its form is 'yyyy-MM-dd'."#]]
    .assert_eq(&world.columns("SELECT DATE '2021-02-29'"));
    expect![[r#"
        1:8: numeric literal '99999999999999999999' is out of range
          A literal without exponent has at most 19 digits; write a bigger one as CAST('..' AS DECIMAL(p, s))."#]]
    .assert_eq(&world.columns("SELECT 99999999999999999999"));
}

#[test]
fn grouping_mistakes_are_shown_with_their_place() {
    let world = World::new();
    expect![[r#"
        1:8: column 'a' is not grouped
          Put it into GROUP BY, or into an aggregate such as MAX."#]]
    .assert_eq(&world.columns("SELECT a, COUNT(*) FROM t"));
    expect![[r#"
        1:8: column 'b' is not grouped
          Put it into GROUP BY, or into an aggregate such as MAX."#]]
    .assert_eq(&world.columns("SELECT b, SUM(a) FROM t GROUP BY a"));
    expect![[r#"
        1:28: aggregate function 'SUM' in WHERE
          Aggregates belong in SELECT and HAVING."#]]
    .assert_eq(&world.columns("SELECT SUM(a) FROM t WHERE SUM(a) > 1"));
    expect![[r#"
        1:12: aggregate function 'SUM' in an aggregate
          Aggregates belong in SELECT and HAVING."#]]
    .assert_eq(&world.columns("SELECT SUM(SUM(a)) FROM t"));
    expect![[r#"
        1:8: column 'a' is not grouped
          Put it into GROUP BY, or into an aggregate such as MAX."#]]
    .assert_eq(&world.columns("SELECT a FROM t GROUP BY 1"));
    expect![[r#"
        1:41: column 'y' does not exist
          The columns are: a, b, c, d, r."#]]
    .assert_eq(&world.columns("SELECT a AS y, COUNT(*) FROM t GROUP BY y"));
    expect!["EXPR$0 INT NOT NULL, EXPR$1 BIGINT NOT NULL"]
        .assert_eq(&world.columns("SELECT a + 1, COUNT(*) FROM t GROUP BY a + 1"));
    expect!["1:1: a grouping without keys and aggregates is not supported yet"]
        .assert_eq(&world.columns("SELECT UPPER(b) FROM t HAVING a > 1"));
}
