//! Row patterns: their plan, what is time behind them, and what is refused.

use expect_test::expect;

use super::World;

fn plan(rest: &str) -> String {
    World::new().modes(&format!("SELECT * FROM clicks MATCH_RECOGNIZE ({rest})"))
}

#[test]
fn a_pattern_is_planned_as_in_flink() {
    // Flink's text, recorded in `oracle/match/explain.out` for a table of other names.
    expect![[r#"
        Match(partitionBy=[who], orderBy=[ts ASC], measures=[FINAL(A.x) AS p, FINAL(FIRST(B.x, 0)) AS q, FINAL(LAST(B.x, 1)) AS r, FINAL(SUM(B.x)) AS s, FINAL(MATCH_ROWTIME()) AS t], rowsPerMatch=[ONE ROW PER MATCH], after=[SKIP PAST LAST ROW], pattern=[((_UTF-16LE'A', PATTERN_QUANTIFIER(_UTF-16LE'B', 1, -1, false)), _UTF-16LE'C')], define=[{A=>(LAST(*.$2, 0), 10), B=OR(<(PREV(B.$2, 0), LAST(B.$2, 1)), IS NULL(LAST(B.$2, 1))), C=AND(>(PREV(C.$2, 0), LAST(A.$2, 0)), >(SUM(B.$2), 3))}], changelogMode=[I])
        +- Exchange(distribution=[hash[who]], changelogMode=[I])
           +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
              +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&plan(
        "PARTITION BY who ORDER BY ts MEASURES A.x AS p, FIRST(B.x) AS q, LAST(B.x, 1) AS r, SUM(B.x) AS s, \
         MATCH_ROWTIME() AS t AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+ C) WITHIN INTERVAL '1' HOUR DEFINE A AS x > 10, \
         B AS B.x < LAST(B.x, 1) OR LAST(B.x, 1) IS NULL, C AS C.x > A.x AND SUM(B.x) > 3",
    ));
    expect![[r#"
        Match(orderBy=[ts ASC, x DESC], measures=[FINAL(A.x) AS p], rowsPerMatch=[ONE ROW PER MATCH], after=[SKIP TO FIRST _UTF-16LE'B'], pattern=[((_UTF-16LE'A', PATTERN_QUANTIFIER(_UTF-16LE'B', 2, 3, true)), _UTF-16LE'C')], define=[{A=true}], changelogMode=[I])
        +- Exchange(distribution=[single], changelogMode=[I])
           +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
              +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&plan(
        "ORDER BY ts, x DESC MEASURES A.x AS p AFTER MATCH SKIP TO FIRST B PATTERN (A B{2,3}? C) DEFINE A AS TRUE",
    ));
}

#[test]
fn alternatives_groups_and_permutations_are_planned() {
    let shown = |pattern: &str| {
        let all = plan(&format!("ORDER BY ts MEASURES A.x AS p PATTERN ({pattern}) DEFINE A AS TRUE"));
        let (_, rest) = all.split_once("pattern=[").unwrap_or(("", &all));
        rest.split_once("], define").map_or(rest, |(text, _)| text).replace("_UTF-16LE", "")
    };
    expect!["|(|('A', 'B'), ('C', 'D'))"].assert_eq(&shown("A | B | C D"));
    expect!["(PATTERN_QUANTIFIER(('A', 'B'), 1, -1, false), 'C')"].assert_eq(&shown("(A B)+ C"));
    expect!["(('A', PATTERN_QUANTIFIER(|('B', 'C'), 2, 3, true)), 'A')"].assert_eq(&shown("A (B | C){2,3}? A"));
    expect!["(PATTERN_PERMUTE('A', 'B', 'C'), 'D')"].assert_eq(&shown("PERMUTE(A, B, C) D"));
    expect!["(PATTERN_QUANTIFIER(PATTERN_QUANTIFIER('A', 2, 2, false), 1, -1, false), 'B')"]
        .assert_eq(&shown("(A{2})+ B"));
    // Parentheses alone mean nothing, also where Flink takes no group.
    expect!["(('A', 'B'), 'C')"].assert_eq(&shown("A ((B) C)"));
    expect!["((PATTERN_QUANTIFIER('A', 1, -1, false), PATTERN_QUANTIFIER('B', 0, 1, false)), 'C')"]
        .assert_eq(&shown("A+ B? C"));
}

#[test]
fn all_rows_of_a_match_are_planned() {
    expect![[r#"
        Match(partitionBy=[who], orderBy=[ts ASC], measures=[RUNNING(A.x) AS p, RUNNING(CLASSIFIER()) AS c, RUNNING(MATCH_NUMBER()) AS n, RUNNING(FINAL(SUM(B.x))) AS s], rowsPerMatch=[ALL ROWS PER MATCH], after=[SKIP TO NEXT ROW], pattern=[(_UTF-16LE'A', _UTF-16LE'B')], define=[{A=true}], changelogMode=[I])
        +- Exchange(distribution=[hash[who]], changelogMode=[I])
           +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
              +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&plan(
        "PARTITION BY who ORDER BY ts MEASURES RUNNING LAST(A.x) AS p, CLASSIFIER() AS c, MATCH_NUMBER() AS n, FINAL SUM(B.x) AS s \
         ALL ROWS PER MATCH PATTERN (A B) DEFINE A AS TRUE",
    ));
}

#[test]
fn only_the_time_of_a_match_is_time_behind_it() {
    let window = |measure: &str| {
        World::new().modes(&format!(
            "WITH m AS (SELECT * FROM clicks MATCH_RECOGNIZE (ORDER BY ts MEASURES {measure} AS t PATTERN (A B) \
             DEFINE A AS TRUE)) SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE m, DESCRIPTOR(t), INTERVAL '1' SECOND)) \
             GROUP BY window_start, window_end"
        ))
    };
    assert!(window("MATCH_ROWTIME()").contains("Match("), "{}", window("MATCH_ROWTIME()"));
    let all_rows = |time: &str| {
        World::new().modes(&format!(
            "WITH m AS (SELECT * FROM clicks MATCH_RECOGNIZE (ORDER BY ts MEASURES MATCH_ROWTIME() AS t ALL ROWS PER MATCH \
             PATTERN (A B) DEFINE A AS TRUE)) SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE m, DESCRIPTOR({time}), \
             INTERVAL '1' SECOND)) GROUP BY window_start, window_end"
        ))
    };
    assert!(all_rows("t").contains("Match("), "{}", all_rows("t"));
    assert!(all_rows("ts").contains("is no time attribute"), "{}", all_rows("ts"));
    for late in ["A.ts", "MAX(B.ts)", "LAST(A.ts, 1)"] {
        assert!(window(late).contains("is no time attribute here"), "{}", window(late));
    }
}

#[test]
fn patterns_that_cannot_be_matched_are_refused() {
    let refused = |measures: &str, rest: &str| plan(&format!("ORDER BY ts MEASURES {measures} AS z {rest}"));
    let all = [
        refused("A.x", "PATTERN (A (B | C+)) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A (B C)*) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A+ B?) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A* B* A C) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN ((A{1,2})+ C) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A+* C) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A (B C)?? D) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A | (B C)?) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (PERMUTE(A, B, C, D, E, F, G, H)) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A {- B -} C) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (^A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B$) DEFINE A AS TRUE"),
    ];
    expect![[r#"
        1:85: a greedy quantifier at the end of a pattern is not supported yet
          End with a variable without a quantifier, or make it reluctant, with a '?' behind it.
        1:81: a greedy quantifier at the end of a pattern is not supported yet
          End with a variable without a quantifier, or make it reluctant, with a '?' behind it.
        1:78: a greedy quantifier at the end of a pattern is not supported yet
          End with a variable without a quantifier, or make it reluctant, with a '?' behind it.
        1:78: variable 'A' directly behind a greedy quantifier of it is not supported yet
          The quantifier takes all its rows and gives none back.
          Make the quantifier reluctant, with a '?' behind it.
        1:79: variable 'A' directly behind a greedy quantifier of it is not supported yet
          The quantifier takes all its rows and gives none back.
          Make the quantifier reluctant, with a '?' behind it.
        1:78: a quantifier of a quantifier is not supported yet
          Put parentheses around the first.
        1:81: a reluctant optional variable ('??') is not supported yet
          Write '?'.
        1:15: a pattern that matches no rows at all is not supported yet
          At least one variable must not be optional.
        1:86: PERMUTE of 8 variables is not supported yet
          It takes 7 at most.
        1:83: an exclusion '{- -}' in a pattern is not supported yet
        1:15: the anchor '^' in a pattern is not supported yet
          A stream has no last row, and partitions begin once.
        1:80: the anchor '$' in a pattern is not supported yet
          A stream has no last row, and partitions begin once."#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn what_patterns_do_not_have_is_refused_by_name() {
    let refused = |measures: &str, rest: &str| plan(&format!("ORDER BY ts MEASURES {measures} AS z {rest}"));
    let all = [
        refused("A.x", "ALL ROWS PER MATCH WITH UNMATCHED ROWS PATTERN (A B) DEFINE A AS TRUE"),
        refused("A.x", "ALL ROWS PER MATCH SHOW EMPTY MATCHES PATTERN (A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B) SUBSET U = (A, B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B+) DEFINE A AS TRUE"),
        refused("CLASSIFIER(A)", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("FIRST(MATCH_NUMBER())", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B) DEFINE A AS CLASSIFIER() = 'A'"),
        refused("A.x", "PATTERN (A B) DEFINE A AS FINAL LAST(A.x) > 1"),
        refused("PREV(A.x)", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B) DEFINE A AS PREV(A.x) > 1"),
        refused("clicks.x", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("FIRST(A.x, -1)", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B) WITHIN INTERVAL '1' MONTH DEFINE A AS TRUE"),
        plan("ORDER BY x MEASURES A.x AS z PATTERN (A B) DEFINE A AS TRUE"),
        plan("ORDER BY ts DESC MEASURES A.x AS z PATTERN (A B) DEFINE A AS TRUE"),
    ];
    expect![[r#"
        1:15: WITH UNMATCHED ROWS in MATCH_RECOGNIZE is not supported yet
          Write ALL ROWS PER MATCH.
        1:15: SHOW EMPTY MATCHES in MATCH_RECOGNIZE is not supported yet
          Write ALL ROWS PER MATCH.
        1:90: SUBSET in MATCH_RECOGNIZE is not supported yet
        1:80: a greedy quantifier at the end of a pattern is not supported yet
          End with a variable without a quantifier, or make it reluctant, with a '?' behind it.
        1:60: CLASSIFIER with an argument is not supported yet
        1:66: MATCH_NUMBER() in FIRST and LAST is not supported yet
        1:95: CLASSIFIER() in DEFINE is not supported yet
        1:101: FINAL in DEFINE
          A condition sees the rows up to the current one.
        1:60: PREV in MEASURES
          FIRST and LAST take an offset among the rows of a variable.
        1:95: PREV, which looks at other rows than the match's is not supported yet
          LAST(A.x, 1) is the row before the last one of variable A.
        1:60: the pattern has no variable 'clicks'
          It has A, B; a column alone is that of the last row.
        1:72: the offset of FIRST is no whole number
          It must be a constant: 0, 1, and so on.
        1:99: WITHIN takes a constant interval of days to seconds
          Write WITHIN INTERVAL '1' HOUR.
        1:48: column 'x' of ORDER BY is no time attribute
          ORDER BY a column with a WATERMARK, or one that is PROCTIME(), before all others.
        1:48: MATCH_RECOGNIZE in descending order of time is not supported yet
          Leave DESC out."#]]
    .assert_eq(&all.join("\n"));
}
