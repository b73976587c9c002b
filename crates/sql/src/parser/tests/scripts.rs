//! Scripts: where statements end, and what is incomplete.

use expect_test::expect;

use super::*;

fn listed(text: &str) -> String {
    parse_script(text)
        .map(|item| match item {
            Ok(parsed) => format!("{} {:?}\n", parsed.start, &text[parsed.text_range]),
            Err(error) => format!("{} {error}\n", error.location().map(|l| l.to_string()).unwrap_or_default()),
        })
        .collect()
}

#[test]
fn statements_end_where_their_grammar_ends() {
    let script = "-- first; comment\nSET 'a' = 'x;y'; /* ; */ ;;\nSELECT 'ü;', `;` FROM t -- ;\n;\n  \
                  BEGIN STATEMENT SET; INSERT INTO a SELECT CASE WHEN b THEN 1 END; INSERT INTO c SELECT 1; END;\n\
                  EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END; QUIT";
    expect![[r#"
        2:1 "SET 'a' = 'x;y'"
        3:1 "SELECT 'ü;', `;` FROM t"
        5:3 "BEGIN STATEMENT SET; INSERT INTO a SELECT CASE WHEN b THEN 1 END; INSERT INTO c SELECT 1; END"
        6:1 "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END"
        6:58 "QUIT"
    "#]]
    .assert_eq(&listed(script));
}

#[test]
fn good_statements_come_before_the_error_and_none_after() {
    expect![[r#"
        1:1 "SELECT 1"
        1:18 'FROM' is a reserved word
    "#]]
    .assert_eq(&listed("SELECT 1; SELECT FROM; SELECT 2"));
    expect![[r#"
        1:1 "SELECT 1"
        1:18 string is not closed
    "#]]
    .assert_eq(&listed("SELECT 1; SELECT 'open; SELECT 2"));
    expect![[r#"
        1:10 double quotes are not Flink SQL
    "#]]
    .assert_eq(&listed("SELECT 1 \"x\"; SELECT 2"));
    expect![[r#"
        1:1 "SELECT 1"
        2:1 double quotes are not Flink SQL
    "#]]
    .assert_eq(&listed("SELECT 1;\n\"x\""));
    expect![[r#""#]].assert_eq(&listed(" -- nothing\n /* here */ ;"));
}

#[test]
fn incomplete_until_the_semicolon() {
    for text in [
        "SELECT 1",
        "SELECT 'a;",
        "SELECT `a;",
        "SELECT 1; SELECT 2",
        "SELECT 1 /* ;",
        "SELECT 1 -- ;",
        "SELECT (1",
        "BEGIN STATEMENT SET;",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1;",
        "begin statement set; INSERT INTO a SELECT CASE WHEN b THEN 1 END;",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;",
        "COMPILE PLAN 'x' FOR STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
        "SELECT * FROM t /*+ OPTIONS('a' = 'b')",
    ] {
        assert!(is_incomplete(text), "{text}");
    }
    for text in [
        "",
        " -- comment",
        "SELECT 1;",
        "SELECT 1; -- end",
        "SELECT ';';",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END;",
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN b THEN 1 END; END;",
        "SELECT CASE WHEN a THEN 1 END;",
        "SELECT \"x\"",
    ] {
        assert!(!is_incomplete(text), "{text}");
    }
}
