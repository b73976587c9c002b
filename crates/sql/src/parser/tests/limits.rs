//! Texts that are too deep, too long or too tangled: refused with the option's name, never a crash.

use super::*;

/// The message and hint of a refusal. Tests run on a stack of 2 MB, as worker threads do.
fn refused(sql: String) -> String {
    refusal(&sql)
}

/// Parses, copies, prints and parses again.
fn accepted(sql: String) {
    let statement = parse_statement(&sql).unwrap();
    assert_eq!(parse_statement(&statement.clone().to_string()).unwrap(), statement);
}

fn nested(before: &str, inner: &str, after: &str, times: usize) -> String {
    format!("SELECT {}{inner}{}", before.repeat(times), after.repeat(times))
}

#[test]
fn nesting_is_limited() {
    let nestings = [
        ("(", ")"),
        ("f(", ")"),
        ("f(a => ", ")"),
        ("ARRAY[", "]"),
        ("MAP['a', ", "]"),
        ("CAST(", " AS INT)"),
        ("CASE WHEN ", " THEN 1 END"),
        ("POSITION(", " IN x)"),
        ("a IN (", ")"),
        ("a[", "]"),
        ("JSON_VALUE(a, ", ")"),
        ("FINAL f(", ")"),
    ];
    for (before, after) in nestings {
        accepted(nested(before, "1", after, 60));
        for times in [129, 10_000] {
            let refusal = refused(nested(before, "1", after, times));
            assert!(refusal.contains("nested too deeply"), "{before}: {refusal}");
            assert!(refusal.contains("sql.parser.max-depth"), "{refusal}");
        }
    }
    for (before, after) in [("(SELECT ", ")"), ("EXISTS (SELECT ", ")"), ("a IN (SELECT ", ")")] {
        accepted(nested(before, "1", after, 30));
        assert!(refused(nested(before, "1", after, 10_000)).contains("sql.parser.max-depth"));
    }
}

#[test]
fn chains_are_limited() {
    let links = [" OR b", " + 1", " || 'x'", " IS NULL", " IS DISTINCT FROM b", " LIKE 'x'", " = 1 AND b"];
    for link in links {
        accepted(format!("SELECT a{}", link.repeat(400)));
        let refusal = refused(format!("SELECT a{}", link.repeat(100_000)));
        assert!(refusal.contains("sql.parser.max-chain"), "{link}: {refusal}");
    }
    for prefix in ["NOT ", "- "] {
        accepted(format!("SELECT {}a", prefix.repeat(100)));
        refused(format!("SELECT {}a", prefix.repeat(100_000)));
    }
    accepted(format!("SELECT 1{}", " UNION ALL SELECT 2".repeat(100)));
    assert!(refused(format!("SELECT 1{}", " UNION ALL SELECT 2".repeat(101))).contains("set operations"));
    let pattern = |p: &str, n| format!("SELECT * FROM t MATCH_RECOGNIZE(PATTERN (A{}) DEFINE A AS true)", p.repeat(n));
    for link in [" | A", "+", "{2}"] {
        accepted(pattern(link, 400));
        assert!(refused(pattern(link, 100_000)).contains("sql.parser.max-chain"));
    }
}

#[test]
fn what_is_wide_is_not_limited() {
    accepted(format!("SELECT a{}", ", b".repeat(20_000)));
    accepted(format!("SELECT a IN (1{})", ", 2".repeat(20_000)));
    accepted(format!("SELECT CASE{} END", " WHEN a = 1 THEN 2".repeat(5_000)));
    accepted(format!("SELECT * FROM a{}", " JOIN b ON a.x = b.x".repeat(2_000)));
    accepted(format!("INSERT INTO t VALUES (1){}", ", (2, 'x')".repeat(20_000)));
}

#[test]
fn types_are_limited() {
    let arrays = |n| format!("CREATE TABLE t (a {}INT{})", "ARRAY<".repeat(n), ">".repeat(n));
    accepted(arrays(90));
    assert!(refused(arrays(120)).contains("deeper than 100"));
    assert!(refused(arrays(100_000)).contains("in a row"));
    assert!(refused(format!("CREATE TABLE t (a INT{})", " ARRAY".repeat(500))).contains("deeper than 100"));
}

#[test]
fn parentheses_in_from_do_not_explode() {
    let joins = |n| format!("SELECT * FROM {}t{}", "((SELECT * FROM ".repeat(n), ") x JOIN y ON true)".repeat(n));
    accepted(joins(2));
    assert!(refused(joins(15)).contains("tangled"));
    let open = format!("SELECT * FROM {}", "((SELECT * FROM ".repeat(20));
    assert!(refused(open).contains("tangled"));
}

#[test]
fn length_is_limited_and_limits_are_options() {
    let parse = |sql: &str, options: ParserOptions| FlinkParser::new(sql, options).next().unwrap();
    let short = ParserOptions { text_bytes_max: 10, ..ParserOptions::default() };
    let error = parse("SELECT 12345", short).unwrap_err();
    assert!(error.hint().unwrap().contains("sql.parser.max-length"));
    let flat = ParserOptions { depth_max: 2, ..ParserOptions::default() };
    assert!(parse("SELECT ((1))", flat.clone()).is_ok());
    assert!(parse("SELECT (((1)))", flat).is_err());
    let plain = ParserOptions { chain_max: 2, ..ParserOptions::default() };
    assert!(parse("SELECT a + b + c", plain.clone()).is_ok());
    assert!(parse("SELECT a + b + c + d", plain).is_err());
}

#[test]
fn any_cut_of_a_statement_is_an_error_and_no_panic() {
    let sql = "CREATE TABLE t (a ROW<b INT, c MAP<STRING, INT>> NOT NULL, d AS f(x => e'\\n') || U&'\\00e9' UESCAPE '!', \
               WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('k' = 'ü') LIKE s (INCLUDING ALL);\
               SELECT /*+ A('b' = 'c') */ x'ff', JSON_VALUE(a, '$' RETURNING INT NULL ON EMPTY) FROM t /*+ B */ \
               MATCH_RECOGNIZE(AFTER MATCH SKIP TO A PATTERN (A {- B -}) WITHIN INTERVAL '1' DAY SUBSET U = (A) DEFINE A AS TRUE)";
    for end in (0..sql.len()).filter(|i| sql.is_char_boundary(*i)) {
        let results: Vec<_> = parse_script(&sql[..end]).collect();
        assert!(results.iter().rev().skip(1).all(Result::is_ok));
        is_incomplete(&sql[..end]);
    }
    assert_eq!(parse_script(sql).collect::<Result<Vec<_>>>().unwrap().len(), 2);
}
