//! Orders, frames, limits and calls with OVER that are refused, each with its place.

use expect_test::expect;

use super::orders::world;

const FRAMES: &[&str] = &[
    "SELECT SUM(x) OVER (ORDER BY ts DESC) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts, x) FROM clicks",
    "SELECT SUM(x) OVER (PARTITION BY who) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY x ROWS 3 PRECEDING) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts ROWS BETWEEN CURRENT ROW AND CURRENT ROW) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts ROWS -1 PRECEDING) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts ROWS x PRECEDING) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts RANGE 1 PRECEDING) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts RANGE INTERVAL '1' MONTH PRECEDING) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts GROUPS 1 PRECEDING) FROM clicks",
    "SELECT SUM(x) OVER (nope ORDER BY ts) FROM clicks",
];

const CALLS: &[&str] = &[
    "SELECT SUM(x) OVER (ORDER BY ts), SUM(x) OVER (PARTITION BY who ORDER BY ts) FROM clicks",
    "SELECT SUM(x) FILTER (WHERE x > 1) OVER (ORDER BY ts) FROM clicks",
    "SELECT SUM(x) OVER w FROM clicks WINDOW w AS (ORDER BY ts), w AS (ORDER BY x)",
    "SELECT SUM(x) OVER (w ORDER BY x) FROM clicks WINDOW w AS (ORDER BY ts)",
    "SELECT SUM(SUM(x) OVER (ORDER BY ts)) OVER (ORDER BY ts) FROM clicks",
    "SELECT SUM(x) OVER (ORDER BY ts) FROM clicks GROUP BY who",
    "SELECT who FROM clicks WHERE SUM(x) OVER (ORDER BY ts) > 1",
    "SELECT who FROM clicks GROUP BY who HAVING SUM(SUM(x)) OVER (ORDER BY who) > 1",
    "SELECT who FROM clicks QUALIFY x > 1",
    "SELECT who FROM clicks QUALIFY ROW_NUMBER() OVER w = 1 WINDOW w AS (ORDER BY ts)",
    "SELECT UPPER(who) OVER (ORDER BY ts) FROM clicks",
    "SELECT ROW_NUMBER() FROM clicks",
    "SELECT ROW_NUMBER() OVER (PARTITION BY who) FROM clicks",
    "SELECT RANK() OVER (ORDER BY ts ROWS 1 PRECEDING) FROM clicks",
    "SELECT LEAD(x) OVER (ORDER BY ts) FROM clicks",
    "SELECT LAG(x, -1) OVER (ORDER BY ts) FROM clicks",
    "SELECT LAG(x, 1, 'a') OVER (ORDER BY ts) FROM clicks",
    "SELECT SUM(w) OVER (ORDER BY p) FROM (SELECT w, PROCTIME() AS p FROM cdc)",
];

const LIMITS: &[&str] = &[
    "SELECT a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS rn FROM t) WHERE rn > 2",
    "SELECT a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS rn FROM t) WHERE rn <= 0",
    "SELECT a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS rn FROM t) WHERE rn > 3 AND rn < 3",
    "SELECT a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS rn FROM t) WHERE rn <= 3 OR a > 1",
    "SELECT a FROM (SELECT a, RANK() OVER (ORDER BY c) AS r FROM t) WHERE r <= 3",
    "SELECT k FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY p, x) AS rn FROM ticks) WHERE rn <= 3",
    "SELECT k FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY p DESC) AS rn FROM ticks) WHERE rn <= 3",
];

const SORTS: &[&str] = &[
    "SELECT a FROM t ORDER BY c",
    "SELECT a FROM t ORDER BY c OFFSET 2",
    "SELECT a FROM t ORDER BY 2 LIMIT 1",
    "SELECT a FROM t ORDER BY r LIMIT 1",
    "SELECT DISTINCT a FROM t ORDER BY c LIMIT 1",
    "SELECT a FROM t ORDER BY nope LIMIT 1",
    "SELECT who FROM clicks ORDER BY ts DESC",
    "INSERT INTO app SELECT a, b FROM t ORDER BY c",
];

/// Each statement with what is wrong with it.
fn refusals(statements: &[&str]) -> String {
    let world = world();
    let one = |sql: &&str| format!("{sql}\n    {}", world.refusal(sql).replace('\n', "\n    "));
    statements.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn frames_of_over_are_refused() {
    expect![[r#"
        SELECT SUM(x) OVER (ORDER BY ts DESC) FROM clicks
            an OVER in descending order is not supported yet
              Its order is by 'ts'.
              A ROW_NUMBER may descend if it is limited: WHERE rn <= 10.
        SELECT SUM(x) OVER (ORDER BY ts, x) FROM clicks
            an OVER that is ordered by 2 columns is not supported yet
              Order it by one column, ascending.
        SELECT SUM(x) OVER (PARTITION BY who) FROM clicks
            an OVER that is ordered by 0 columns is not supported yet
              Order it by one column, ascending.
        SELECT SUM(x) OVER (ORDER BY x ROWS 3 PRECEDING) FROM clicks
            an OVER with a frame of its own that is not ordered by time is not supported yet
              Its order is by 'x', which is no time attribute.
        SELECT SUM(x) OVER (ORDER BY ts ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) FROM clicks
            1:8: a frame that does not end with the current row is not supported yet
        SELECT SUM(x) OVER (ORDER BY ts ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) FROM clicks
            1:8: a frame that does not end with the current row is not supported yet
        SELECT SUM(x) OVER (ORDER BY ts ROWS BETWEEN CURRENT ROW AND CURRENT ROW) FROM clicks
            1:8: a frame that begins with the current row or behind it is not supported yet
              Write ROWS BETWEEN 0 PRECEDING AND CURRENT ROW.
        SELECT SUM(x) OVER (ORDER BY ts ROWS -1 PRECEDING) FROM clicks
            1:39: the rows before a row are no whole number that is not negative
        SELECT SUM(x) OVER (ORDER BY ts ROWS x PRECEDING) FROM clicks
            1:38: the rows before a row are no whole number that is not negative
        SELECT SUM(x) OVER (ORDER BY ts RANGE 1 PRECEDING) FROM clicks
            1:39: the frame of RANGE is no interval of days to seconds
              Write RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW, or ROWS.
        SELECT SUM(x) OVER (ORDER BY ts RANGE INTERVAL '1' MONTH PRECEDING) FROM clicks
            1:48: the frame of RANGE is no interval of days to seconds
              Write RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW, or ROWS.
        SELECT SUM(x) OVER (ORDER BY ts GROUPS 1 PRECEDING) FROM clicks
            1:8: GROUPS is not supported yet
        SELECT SUM(x) OVER (nope ORDER BY ts) FROM clicks
            1:21: window 'nope' does not exist
              Name it before: WINDOW nope AS (..)."#]]
    .assert_eq(&refusals(FRAMES));
}

#[test]
fn calls_with_over_are_refused() {
    expect![[r#"
        SELECT SUM(x) OVER (ORDER BY ts), SUM(x) OVER (PARTITION BY who ORDER BY ts) FROM clicks
            1:35: different windows in one SELECT is not supported yet
              All calls with OVER must have the same PARTITION BY, ORDER BY and frame.
              Put one of them into a query in FROM.
        SELECT SUM(x) FILTER (WHERE x > 1) OVER (ORDER BY ts) FROM clicks
            1:8: FILTER with OVER is not supported yet
        SELECT SUM(x) OVER w FROM clicks WINDOW w AS (ORDER BY ts), w AS (ORDER BY x)
            1:61: WINDOW has 'w' twice
        SELECT SUM(x) OVER (w ORDER BY x) FROM clicks WINDOW w AS (ORDER BY ts)
            1:21: a window over 'w' has what that one has to say
              It may add an order, if there is none, and a frame, if there is none.
        SELECT SUM(SUM(x) OVER (ORDER BY ts)) OVER (ORDER BY ts) FROM clicks
            1:12: OVER inside of OVER
              Compute the inner one in a query in FROM.
        SELECT SUM(x) OVER (ORDER BY ts) FROM clicks GROUP BY who
            1:30: column 'ts' is not grouped
              Put it into GROUP BY, or into an aggregate such as MAX.
        SELECT who FROM clicks WHERE SUM(x) OVER (ORDER BY ts) > 1
            1:30: OVER in WHERE
              It belongs in SELECT, QUALIFY and ORDER BY. Filter its result in an outer query.
        SELECT who FROM clicks GROUP BY who HAVING SUM(SUM(x)) OVER (ORDER BY who) > 1
            1:44: OVER in HAVING
              It belongs in SELECT, QUALIFY and ORDER BY. Filter its result in an outer query.
        SELECT who FROM clicks QUALIFY x > 1
            1:32: QUALIFY has no call with OVER
              Use WHERE, or HAVING.
        SELECT who FROM clicks QUALIFY ROW_NUMBER() OVER w = 1 WINDOW w AS (ORDER BY ts)
            1:1: WINDOW behind QUALIFY is not Flink SQL
        SELECT UPPER(who) OVER (ORDER BY ts) FROM clicks
            1:8: function 'UPPER' takes no OVER
              Only aggregates and window functions do.
        SELECT ROW_NUMBER() FROM clicks
            1:8: function 'ROW_NUMBER' needs OVER
        SELECT ROW_NUMBER() OVER (PARTITION BY who) FROM clicks
            1:8: function 'ROW_NUMBER' needs an order
              Add ORDER BY to OVER.
        SELECT RANK() OVER (ORDER BY ts ROWS 1 PRECEDING) FROM clicks
            1:8: function 'RANK' takes no frame
        SELECT LEAD(x) OVER (ORDER BY ts) FROM clicks
            1:8: function 'LEAD' is not supported yet
              It needs the rows behind a row, which a stream does not know yet.
              Of bounded tables: SET 'execution.runtime-mode' = 'batch'.
        SELECT LAG(x, -1) OVER (ORDER BY ts) FROM clicks
            1:8: the offset of LAG is no whole number that is not negative
              Write it as a constant: LAG(x, 2).
        SELECT LAG(x, 1, 'a') OVER (ORDER BY ts) FROM clicks
            1:8: the default of LAG has the type CHAR(1), and the value INT
              Cast the default to the type of the value.
        SELECT SUM(w) OVER (ORDER BY p) FROM (SELECT w, PROCTIME() AS p FROM cdc)
            an OVER that is ordered by time, of a table with updates is not supported yet"#]]
    .assert_eq(&refusals(CALLS));
}

#[test]
fn limits_of_numbers_are_refused() {
    expect![[r#"
        SELECT a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS rn FROM t) WHERE rn > 2
            a limit of ROW_NUMBER without an upper bound is not supported yet
              All rows from the number 3 on would come, and change with every row.
              Add an upper bound: rn <= 10.
        SELECT a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS rn FROM t) WHERE rn <= 0
            no row has a number from 1 to 0
              ROW_NUMBER begins with 1.
        SELECT a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS rn FROM t) WHERE rn > 3 AND rn < 3
            no row has a number from 4 to 2
              ROW_NUMBER begins with 1.
        SELECT a FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY b ORDER BY c) AS rn FROM t) WHERE rn <= 3 OR a > 1
            accepted
        SELECT a FROM (SELECT a, RANK() OVER (ORDER BY c) AS r FROM t) WHERE r <= 3
            a limit of RANK is not supported yet
              In a stream only ROW_NUMBER can be limited.
        SELECT k FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY p, x) AS rn FROM ticks) WHERE rn <= 3
            a Top-N by processing time and more, or descending, or of updated rows is not supported yet
              The order has the column 'p'.
              Order by the processing time alone, ascending; or take the last row: descending, rn = 1.
        SELECT k FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY p DESC) AS rn FROM ticks) WHERE rn <= 3
            a Top-N by processing time and more, or descending, or of updated rows is not supported yet
              The order has the column 'p'.
              Order by the processing time alone, ascending; or take the last row: descending, rn = 1."#]]
    .assert_eq(&refusals(LIMITS));
}

#[test]
fn orders_are_refused() {
    expect![[r#"
        SELECT a FROM t ORDER BY c
            ORDER BY without LIMIT, unless it begins with a time attribute, ascending is not supported yet
              A stream has no end, so no row is ever known to be the first.
              Add a LIMIT, or order by the rowtime.
        SELECT a FROM t ORDER BY c OFFSET 2
            1:35: OFFSET without LIMIT is not supported yet
              Add a LIMIT.
        SELECT a FROM t ORDER BY 2 LIMIT 1
            1:26: ORDER BY has the number 2, and the result 1 columns
        SELECT a FROM t ORDER BY r LIMIT 1
            1:26: an order by values of type ROW<`x` INT, `y` STRING> is not supported yet
        SELECT DISTINCT a FROM t ORDER BY c LIMIT 1
            1:1: ORDER BY has a value that SELECT DISTINCT does not give
              Add it to the list.
        SELECT a FROM t ORDER BY nope LIMIT 1
            1:26: column 'nope' does not exist
              The columns are: a, b, c, d, r.
        SELECT who FROM clicks ORDER BY ts DESC
            ORDER BY without LIMIT, unless it begins with a time attribute, ascending is not supported yet
              A stream has no end, so no row is ever known to be the first.
              Add a LIMIT, or order by the rowtime.
        INSERT INTO app SELECT a, b FROM t ORDER BY c
            ORDER BY without LIMIT, unless it begins with a time attribute, ascending is not supported yet
              A stream has no end, so no row is ever known to be the first.
              Add a LIMIT, or order by the rowtime."#]]
    .assert_eq(&refusals(SORTS));
}
