//! Joins whose condition bounds times, and joins with what a table was at a time.

use expect_test::expect;

use super::World;

/// The line of the join in a plan.
fn join(world: &World, sql: &str) -> String {
    let plan = world.modes(sql);
    let line = plan.lines().find(|line| line.contains("Join("));
    line.map_or(plan.clone(), |line| line.trim_start_matches(['+', '-', ' ']).to_owned())
}

fn bounds(world: &World, condition: &str) -> String {
    let sql = format!("SELECT a.x FROM clicks a JOIN clicks b ON a.who = b.who AND {condition}");
    let line = join(world, &sql);
    let bounds = line.split("windowBounds=[").nth(1).map(|rest| rest.split(']').next().unwrap_or_default().to_owned());
    bounds.unwrap_or(line.split('(').next().unwrap_or_default().to_owned())
}

#[test]
fn an_interval_join_is_seen_in_what_bounds_both_times() {
    let world = World::new();
    let same = "isRowTime=true, leftLowerBound=-5000, leftUpperBound=1000, leftTimeIndex=0, rightTimeIndex=0";
    for condition in [
        "a.ts BETWEEN b.ts - INTERVAL '5' SECOND AND b.ts + INTERVAL '1' SECOND",
        "b.ts <= a.ts + INTERVAL '5' SECOND AND b.ts >= a.ts - INTERVAL '1' SECOND",
        "a.ts - INTERVAL '1' SECOND <= b.ts AND a.ts + INTERVAL '6' SECOND > b.ts + INTERVAL '0.999' SECOND",
        "INTERVAL '5' SECOND + a.ts >= b.ts AND a.ts < b.ts + INTERVAL '1.001' SECOND",
    ] {
        assert_eq!(bounds(&world, condition), same, "{condition}");
    }
    expect!["isRowTime=true, leftLowerBound=0, leftUpperBound=0, leftTimeIndex=0, rightTimeIndex=0"]
        .assert_eq(&bounds(&world, "a.ts = b.ts"));
    // A month is 28 to 31 days.
    expect![
        "isRowTime=true, leftLowerBound=-2678400000, leftUpperBound=-2419200000, leftTimeIndex=0, rightTimeIndex=0"
    ]
    .assert_eq(&bounds(&world, "b.ts <= a.ts + INTERVAL '1' MONTH AND b.ts >= a.ts + INTERVAL '1' MONTH"));
    for condition in [
        "a.ts >= b.ts",
        "a.ts >= b.ts AND a.ts > b.ts - INTERVAL '1' SECOND",
        "a.ts = b.ts AND a.ts >= b.ts",
        "a.ts >= b.ts AND a.ts <= b.ts AND a.ts < b.ts + INTERVAL '9' SECOND",
        "a.ts >= b.ts AND a.ts <= a.ts + INTERVAL '1' SECOND",
        "a.ts >= b.ts AND b.ts - a.ts < INTERVAL '1' SECOND",
    ] {
        assert_ne!(bounds(&world, condition).chars().next(), Some('i'), "{condition}");
    }
}

#[test]
fn times_go_through_an_interval_join_and_not_through_a_regular_one() {
    let world = World::new();
    let joined = |condition: &str| {
        world.modes(&format!(
            "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE((SELECT b.ts FROM clicks a LEFT JOIN clicks b ON a.who = b.who AND {condition}), DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end"
        ))
    };
    expect![[r#"
        Calc(select=[window_start, n], changelogMode=[I])
        +- GlobalWindowAggregate(window=[TUMBLE(slice_end=[$slice_end], size=[10 s])], select=[COUNT(count1$0) AS n, start('w$) AS window_start], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- LocalWindowAggregate(window=[TUMBLE(time_col=[ts], size=[10 s])], select=[COUNT(*) AS count1$0, slice_end('w$) AS $slice_end], changelogMode=[I])
                 +- Calc(select=[ts0 AS ts], changelogMode=[I])
                    +- IntervalJoin(joinType=[LeftOuterJoin], windowBounds=[isRowTime=true, leftLowerBound=0, leftUpperBound=5000, leftTimeIndex=0, rightTimeIndex=0], where=[AND(=(who, who0), >=(ts, ts0), <=(ts, +(ts0, 5000:INTERVAL SECOND)))], select=[ts, who, ts0, who0], changelogMode=[I])
                       :- Exchange(distribution=[hash[who]], changelogMode=[I])
                       :  +- Calc(select=[ts, who], changelogMode=[I])
                       :     +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                       :        +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
                       +- Exchange(distribution=[hash[who]], changelogMode=[I])
                          +- Calc(select=[ts, who], changelogMode=[I])
                             +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                                +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]]
    .assert_eq(&joined("a.ts BETWEEN b.ts AND b.ts + INTERVAL '5' SECOND"));
    assert!(joined("a.ts >= b.ts").contains("column 'ts' is no time attribute here"), "{}", joined("a.ts >= b.ts"));
}

#[test]
fn times_of_two_kinds_are_refused() {
    let world = World::new();
    expect!["an interval join compares times of types TIMESTAMP(3) *ROWTIME* and TIMESTAMP_LTZ(3) *ROWTIME*"]
        .assert_eq(
        world
            .modes(
                "SELECT a.x FROM clicks a JOIN ltz b ON a.x = b.t AND a.ts BETWEEN b.ts AND b.ts + INTERVAL '1' SECOND",
            )
            .lines()
            .next()
            .unwrap_or_default(),
    );
    let by_clock = "SELECT a.t FROM ltz a JOIN ltz b ON a.t = b.t AND a.p BETWEEN b.p AND b.p + INTERVAL '1' SECOND";
    expect!["IntervalJoin"].assert_eq(join(&world, by_clock).split('(').next().unwrap_or_default());
    let with_rowtime = by_clock.replace("SELECT a.t", "SELECT a.t, b.ts");
    expect!["an interval join by processing time has the rowtime column 'ts'"]
        .assert_eq(world.modes(&with_rowtime).lines().next().unwrap_or_default());
}

const VERSIONS: &str = "
CREATE TABLE rates (who STRING, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (who) NOT ENFORCED)
  WITH ('connector' = 'fake', 'source' = 'I,UB,UA,D');
CREATE TABLE keyless (who STRING, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'fake');
CREATE TABLE two_keys (who STRING, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (who, rate) NOT ENFORCED)
  WITH ('connector' = 'fake');
";

#[test]
fn a_temporal_join_asks_its_versions_for_no_update_before() {
    let mut world = World::new();
    world.and(VERSIONS);
    expect![[r#"
        Calc(select=[x, rate], where=[>(x, 3)], changelogMode=[I])
        +- TemporalJoin(joinType=[LeftOuterJoin], where=[AND(=($f3, who), <(x, rate), __TEMPORAL_JOIN_CONDITION(ts, ts0, __TEMPORAL_JOIN_CONDITION_PRIMARY_KEY(who), __TEMPORAL_JOIN_LEFT_KEY($f3), __TEMPORAL_JOIN_RIGHT_KEY(who)))], select=[ts, x, $f3, who, rate, ts0], changelogMode=[I])
           :- Exchange(distribution=[hash[$f3]], changelogMode=[I])
           :  +- Calc(select=[ts, x, LOWER(who) AS $f3], changelogMode=[I])
           :     +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
           :        +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I,UA,D])
              +- WatermarkAssigner(rowtime=[ts], watermark=[ts], changelogMode=[I,UA,D])
                 +- DropUpdateBefore(changelogMode=[I,UA,D])
                    +- TableSourceScan(table=[[cat, db, rates]], fields=[who, rate, ts], changelogMode=[I,UB,UA,D])
    "#]].assert_eq(&world.modes(
        "SELECT a.x, r.rate FROM clicks a LEFT JOIN rates FOR SYSTEM_TIME AS OF a.ts AS r ON LOWER(a.who) = r.who AND a.x < r.rate WHERE a.x > 3",
    ));
    // Times of the left are times behind it, those of the right are not.
    let windowed = |time: &str| {
        world.modes(&format!(
            "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE((SELECT {time} AS t FROM clicks a JOIN rates FOR SYSTEM_TIME AS OF a.ts AS r ON a.who = r.who), DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end"
        ))
    };
    assert!(windowed("a.ts").contains("WindowAggregate"), "{}", windowed("a.ts"));
    assert!(windowed("r.ts").contains("column 't' is no time attribute here"), "{}", windowed("r.ts"));
}

#[test]
fn what_has_no_versions_is_refused() {
    let mut world = World::new();
    world.and(VERSIONS);
    let refused =
        |from: &str| world.modes(&format!("SELECT a.x FROM {from}")).lines().next().unwrap_or_default().to_owned();
    expect!["FOR SYSTEM_TIME AS OF over a table without a primary key in the join condition"]
        .assert_eq(&refused("clicks a JOIN keyless FOR SYSTEM_TIME AS OF a.ts AS r ON a.who = r.who"));
    expect!["FOR SYSTEM_TIME AS OF over a table without a primary key in the join condition"]
        .assert_eq(&refused("clicks a JOIN two_keys FOR SYSTEM_TIME AS OF a.ts AS r ON a.who = r.who"));
    expect!["FOR SYSTEM_TIME AS OF without equal columns"]
        .assert_eq(&refused("clicks a JOIN rates FOR SYSTEM_TIME AS OF a.ts AS r ON a.x < r.rate"));
    expect!["1:31: FOR SYSTEM_TIME AS OF over a table that has no versions"]
        .assert_eq(&refused("clicks a JOIN cdc FOR SYSTEM_TIME AS OF a.ts AS r ON a.x = r.id"));
    expect!["1:37: FOR SYSTEM_TIME AS OF in a RIGHT join"]
        .assert_eq(&refused("clicks a RIGHT JOIN rates FOR SYSTEM_TIME AS OF a.ts AS r ON a.who = r.who"));
    expect!["1:31: FOR SYSTEM_TIME AS OF a value of type INT"]
        .assert_eq(&refused("clicks a JOIN rates FOR SYSTEM_TIME AS OF a.x AS r ON a.who = r.who"));
    expect!["1:31: FOR SYSTEM_TIME AS OF what is no time attribute"].assert_eq(&refused(
        "clicks a JOIN rates FOR SYSTEM_TIME AS OF a.ts + INTERVAL '1' SECOND AS r ON a.who = r.who",
    ));
    expect!["1:31: time travel: FOR SYSTEM_TIME AS OF a constant is not supported yet"].assert_eq(&refused(
        "clicks a JOIN rates FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00' AS r ON a.who = r.who",
    ));
    expect!["1:64: a temporal join by processing time with table 'cat.db.rates' is not supported yet"].assert_eq(
        &refused(
            "(SELECT *, PROCTIME() AS p FROM clicks) a JOIN rates FOR SYSTEM_TIME AS OF a.p AS r ON a.who = r.who",
        ),
    );
    expect!["1:17: FOR SYSTEM_TIME AS OF is not supported yet"]
        .assert_eq(&refused("rates FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00' AS a"));
}
