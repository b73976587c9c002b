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
fn only_the_time_of_a_match_is_time_behind_it() {
    let window = |measure: &str| {
        World::new().modes(&format!(
            "WITH m AS (SELECT * FROM clicks MATCH_RECOGNIZE (ORDER BY ts MEASURES {measure} AS t PATTERN (A B) \
             DEFINE A AS TRUE)) SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE m, DESCRIPTOR(t), INTERVAL '1' SECOND)) \
             GROUP BY window_start, window_end"
        ))
    };
    assert!(window("MATCH_ROWTIME()").contains("Match("), "{}", window("MATCH_ROWTIME()"));
    for late in ["A.ts", "MAX(B.ts)", "LAST(A.ts, 1)"] {
        assert!(window(late).contains("is no time attribute here"), "{}", window(late));
    }
}

#[test]
fn what_patterns_do_not_have_is_refused_by_name() {
    let refused = |measures: &str, rest: &str| plan(&format!("ORDER BY ts MEASURES {measures} AS z {rest}"));
    let all = [
        refused("A.x", "ALL ROWS PER MATCH PATTERN (A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A | B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN ((A B)+ C) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (PERMUTE(A, B)) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A {- B -} C) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (^A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B$) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B) SUBSET U = (A, B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B+) DEFINE A AS TRUE"),
        refused("CLASSIFIER()", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("PREV(A.x)", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B) DEFINE A AS PREV(A.x) > 1"),
        refused("clicks.x", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("FIRST(A.x, -1)", "PATTERN (A B) DEFINE A AS TRUE"),
        refused("A.x", "PATTERN (A B) WITHIN INTERVAL '1' MONTH DEFINE A AS TRUE"),
        plan("ORDER BY x MEASURES A.x AS z PATTERN (A B) DEFINE A AS TRUE"),
        plan("ORDER BY ts DESC MEASURES A.x AS z PATTERN (A B) DEFINE A AS TRUE"),
    ];
    expect![[r#"
        1:15: ALL ROWS PER MATCH is not supported yet
          Write ONE ROW PER MATCH.
        1:78: an alternative '|' in a pattern is not supported yet
        1:79: a group with a quantifier in a pattern is not supported yet
        1:86: PERMUTE in a pattern is not supported yet
        1:83: an exclusion '{- -}' in a pattern is not supported yet
        1:15: the anchor '^' in a pattern is not supported yet
          A stream has no last row, and partitions begin once.
        1:80: the anchor '$' in a pattern is not supported yet
          A stream has no last row, and partitions begin once.
        1:90: SUBSET in MATCH_RECOGNIZE is not supported yet
        1:80: a greedy quantifier at the end of a pattern is not supported yet
          End with a variable without a quantifier, or make it reluctant, with a '?' behind it.
        1:60: CLASSIFIER() is not supported yet
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
