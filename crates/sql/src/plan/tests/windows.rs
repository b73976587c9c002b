//! Windows: what becomes a window aggregation, and what the window's columns are.

use expect_test::expect;

use super::World;

const TUMBLE: &str = "TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))";

#[test]
fn window_columns_have_flinks_types() {
    let world = World::new();
    expect!["ts TIMESTAMP(3) *ROWTIME*, who STRING, x INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time TIMESTAMP(3) NOT NULL *ROWTIME*"].assert_eq(&world.columns(&format!("SELECT * FROM {TUMBLE}")));
    expect!["n BIGINT NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_time TIMESTAMP(3) NOT NULL *ROWTIME*"].assert_eq(&world.columns(&format!(
        "SELECT COUNT(*) AS n, window_end, window_start, window_time FROM {TUMBLE} GROUP BY window_start, window_end, window_time"
    )));
    expect!["window_start TIMESTAMP(3) NOT NULL, window_time TIMESTAMP_LTZ(3) NOT NULL *ROWTIME*"].assert_eq(&world.columns(
        "SELECT window_start, window_time FROM TUMBLE(TABLE ltz, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '3' SECOND) GROUP BY window_start, window_end, window_time",
    ));
    expect!["s TIMESTAMP(3) NOT NULL, r TIMESTAMP(3) *ROWTIME*, who STRING"].assert_eq(&world.columns(
        "SELECT TUMBLE_START(ts, INTERVAL '10' SECOND) AS s, TUMBLE_ROWTIME(ts, INTERVAL '10' SECOND) AS r, who FROM clicks GROUP BY TUMBLE(ts, INTERVAL '10' SECOND), who",
    ));
}

#[test]
fn a_group_by_window_is_complete_when_the_watermark_passes() {
    let world = World::new();
    expect![[r#"
        Calc(select=[window_end, who, s], where=[>($f1, 1)], changelogMode=[I])
        +- GlobalWindowAggregate(groupBy=[who], window=[TUMBLE(slice_end=[$slice_end], size=[10 s])], select=[who, SUM(sum$0) AS s, COUNT(count1$1) AS $f1, end('w$) AS window_end], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- LocalWindowAggregate(groupBy=[who], window=[TUMBLE(time_col=[ts], size=[10 s])], select=[who, SUM(x) AS sum$0, COUNT(*) AS count1$1, slice_end('w$) AS $slice_end], changelogMode=[I])
                 +- Calc(select=[who, x, ts], where=[>(x, 20)], changelogMode=[I])
                    +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                       +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&format!(
        "SELECT window_end, who, SUM(x) AS s FROM {TUMBLE} WHERE x > 20 GROUP BY who, window_start, window_end HAVING COUNT(*) > 1"
    )));
    expect![[r#"
        Calc(select=[window_start, big], changelogMode=[I])
        +- GlobalWindowAggregate(window=[TUMBLE(slice_end=[$slice_end], size=[10 s])], select=[COUNT(count1$0) AS big, start('w$) AS window_start], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- LocalWindowAggregate(window=[TUMBLE(time_col=[ts], size=[10 s])], select=[COUNT(*) FILTER $f2 AS count1$0, slice_end('w$) AS $slice_end], changelogMode=[I])
                 +- Calc(select=[>(x, 40) AS $f2, ts], changelogMode=[I])
                    +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                       +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&format!(
        "SELECT window_start, COUNT(*) FILTER (WHERE x > 40) AS big FROM {TUMBLE} GROUP BY window_start, window_end"
    )));
    // By the start alone it is an ordinary aggregate.
    expect![[r#"
        GroupAggregate(groupBy=[window_start], select=[window_start, COUNT(*) AS n], changelogMode=[I,UA])
        +- Exchange(distribution=[hash[window_start]], changelogMode=[I])
           +- Calc(select=[window_start], changelogMode=[I])
              +- WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[10 s])], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]]
    .assert_eq(&world.modes(&format!("SELECT window_start, COUNT(*) AS n FROM {TUMBLE} GROUP BY window_start")));
    expect![[r#"
        Calc(select=[e, n], changelogMode=[I])
        +- GroupWindowAggregate(window=[TumblingGroupWindow('w$, ts, 10000)], select=[COUNT(*) AS n, end('w$) AS e], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- Calc(select=[ts], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(
        "SELECT TUMBLE_END(ts, INTERVAL '10' SECOND) AS e, COUNT(*) AS n FROM clicks GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)",
    ));
    expect![[r#"
        Calc(select=[window_start, window_end, n], changelogMode=[I])
        +- WindowAggregate(window=[TUMBLE(time_col=[proctime], size=[1 h])], select=[COUNT(*) AS n, start('w$) AS window_start, end('w$) AS window_end], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- Calc(select=[t], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[ts], changelogMode=[I])
                    +- Calc(select=[t, TO_TIMESTAMP_LTZ(t, 3) AS ts], changelogMode=[I])
                       +- TableSourceScan(table=[[cat, db, ltz]], fields=[t], changelogMode=[I])
    "#]].assert_eq(&world.modes(
        "SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE ltz, DESCRIPTOR(p), INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
    ));
    expect![[r#"
        Calc(select=[window_start, window_end, who], changelogMode=[I])
        +- GlobalWindowAggregate(groupBy=[who], window=[TUMBLE(slice_end=[$slice_end], size=[10 s])], select=[who, start('w$) AS window_start, end('w$) AS window_end], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- LocalWindowAggregate(groupBy=[who], window=[TUMBLE(time_col=[ts], size=[10 s])], select=[who, slice_end('w$) AS $slice_end], changelogMode=[I])
                 +- Calc(select=[who, ts], changelogMode=[I])
                    +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                       +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&format!(
        "SELECT DISTINCT window_start, window_end, who FROM {TUMBLE}"
    )));
}

#[test]
fn a_window_of_a_window_is_cut_on_window_time() {
    let mut world = World::new();
    expect![[r#"
        Calc(select=[window_start, window_end, n, e])
        +- GlobalWindowAggregate(window=[TUMBLE(win_end=[$window_end], size=[10 s])], select=[SUM(sum$0) AS n, MAX(max$1) AS e, start('w$) AS window_start, end('w$) AS window_end])
           +- Exchange(distribution=[single])
              +- LocalWindowAggregate(window=[TUMBLE(win_end=[window_end], size=[10 s])], select=[SUM(n) AS sum$0, MAX(window_end) AS max$1, slice_end('w$) AS $window_end])
                 +- Calc(select=[window_end, n])
                    +- GlobalWindowAggregate(groupBy=[who], window=[TUMBLE(slice_end=[$slice_end], size=[10 s])], select=[who, COUNT(count1$0) AS n, end('w$) AS window_end])
                       +- Exchange(distribution=[hash[who]])
                          +- LocalWindowAggregate(groupBy=[who], window=[TUMBLE(time_col=[ts], size=[10 s])], select=[who, COUNT(*) AS count1$0, slice_end('w$) AS $slice_end])
                             +- Calc(select=[who, ts])
                                +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
                                   +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
    "#]].assert_eq(&world.plan(&format!(
        "SELECT window_start, window_end, SUM(n) AS n, MAX(window_end) AS e FROM (
           SELECT window_start, window_end, who, COUNT(*) AS n FROM {TUMBLE} GROUP BY window_start, window_end, who)
         GROUP BY window_start, window_end"
    )));
    expect![[r#"
        Calc(select=[window_end, n])
        +- GlobalWindowAggregate(window=[TUMBLE(win_end=[$window_end], size=[10 s])], select=[COUNT(count1$0) AS n, end('w$) AS window_end])
           +- Exchange(distribution=[single])
              +- LocalWindowAggregate(window=[TUMBLE(win_end=[window_end], size=[10 s])], select=[COUNT(*) AS count1$0, slice_end('w$) AS $window_end])
                 +- Calc(select=[window_end], where=[(window_end > 2024-01-01 00:00:00)])
                    +- WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[10 s])])
                       +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
                          +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
    "#]].assert_eq(&world.plan(&format!(
        "SELECT window_end, COUNT(*) AS n FROM {TUMBLE} WHERE window_end > TIMESTAMP '2024-01-01 00:00:00' GROUP BY window_start, window_end"
    )));
    world.and(&format!(
        "CREATE VIEW w AS SELECT window_time AS t, COUNT(*) AS n FROM {TUMBLE} GROUP BY window_start, window_end, window_time;"
    ));
    expect![[r#"
        Calc(select=[window_start, window_end, n])
        +- GlobalWindowAggregate(window=[TUMBLE(slice_end=[$slice_end], size=[20 s])], select=[SUM(sum$0) AS n, start('w$) AS window_start, end('w$) AS window_end])
           +- Exchange(distribution=[single])
              +- LocalWindowAggregate(window=[TUMBLE(time_col=[window_time], size=[20 s])], select=[SUM(n) AS sum$0, slice_end('w$) AS $slice_end])
                 +- GlobalWindowAggregate(window=[TUMBLE(slice_end=[$slice_end], size=[10 s])], select=[COUNT(count1$0) AS n, time('w$) AS window_time])
                    +- Exchange(distribution=[single])
                       +- LocalWindowAggregate(window=[TUMBLE(time_col=[ts], size=[10 s])], select=[COUNT(*) AS count1$0, slice_end('w$) AS $slice_end])
                          +- Calc(select=[ts])
                             +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
                                +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
    "#]].assert_eq(&world.plan(
        "SELECT window_start, window_end, SUM(n) AS n FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(t), INTERVAL '20' SECOND)) GROUP BY window_start, window_end",
    ));
}

#[test]
fn arguments_may_be_named_and_a_query() {
    let world = World::new();
    expect![[r#"
        WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[10 s], offset=[3 s])])
        +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
           +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
    "#]].assert_eq(&world.plan(
        "SELECT * FROM TABLE(TUMBLE(DATA => TABLE clicks, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' SECOND, `OFFSET` => INTERVAL '3' SECOND))",
    ));
    expect![[r#"
        Calc(select=[window_start, n])
        +- GlobalWindowAggregate(window=[TUMBLE(slice_end=[$slice_end], size=[1 d])], select=[COUNT(count1$0) AS n, start('w$) AS window_start])
           +- Exchange(distribution=[single])
              +- LocalWindowAggregate(window=[TUMBLE(time_col=[ts], size=[1 d])], select=[COUNT(*) AS count1$0, slice_end('w$) AS $slice_end])
                 +- Calc(select=[ts], where=[(x > 0)])
                    +- WatermarkAssigner(rowtime=[ts], watermark=[(ts - 5000:INTERVAL SECOND)])
                       +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x])
    "#]].assert_eq(&world.plan(
        "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE((SELECT * FROM clicks WHERE x > 0), DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end",
    ));
}

#[test]
fn wrong_windows_are_refused() {
    let world = World::new();
    let of = |arguments: &str| world.columns(&format!("SELECT * FROM TABLE(TUMBLE({arguments}))"));
    expect![[r#"
        1:53: column 'who' is no time attribute
          A window needs a column with a WATERMARK, or one that is PROCTIME(); an expression over such a column is none."#]].assert_eq(&of("TABLE clicks, DESCRIPTOR(who), INTERVAL '10' SECOND"));
    expect![[r#"
        1:53: column 'wo' does not exist
          The columns are: ts, who, x."#]]
    .assert_eq(&of("TABLE clicks, DESCRIPTOR(wo), INTERVAL '10' SECOND"));
    expect![[r#"
        1:21: TUMBLE has no argument SIZE
          Write TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE)."#]]
    .assert_eq(&of("TABLE clicks, DESCRIPTOR(ts)"));
    expect![[r#"
        1:58: the size of a window must be an interval of days to seconds
          Write INTERVAL '10' MINUTE."#]]
    .assert_eq(&of("TABLE clicks, DESCRIPTOR(ts), 10"));
    expect![[r#"
        1:67: the size of a window must be an interval of days to seconds
          Write INTERVAL '10' MINUTE."#]]
    .assert_eq(&of("TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MONTH"));
    expect!["1:21: the size of a window must be positive"]
        .assert_eq(&of("TABLE clicks, DESCRIPTOR(ts), INTERVAL '0' SECOND"));
    expect!["1:21: the offset of a window must be shorter than the window"]
        .assert_eq(&of("TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '1' SECOND"));
    expect!["1:79: an argument of TUMBLE is given twice"]
        .assert_eq(&of("TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND, SIZE => INTERVAL '1' SECOND"));
    expect![[r#"
        1:48: column 'a' is no time attribute
          A window needs a column with a WATERMARK, or one that is PROCTIME(); an expression over such a column is none."#]].assert_eq(&of("TABLE t, DESCRIPTOR(a), INTERVAL '1' SECOND"));
    expect![[r#"
        1:33: the first argument of TUMBLE is no table
          Write TABLE before its name."#]]
    .assert_eq(&world.columns("SELECT window_start FROM TUMBLE(clicks, ts, INTERVAL '10' SECOND)"));
    expect![[r#"
        1:8: the window's property has no window
          GROUP BY TUMBLE(..) with the same arguments."#]]
    .assert_eq(
        &world.columns(
            "SELECT TUMBLE_START(ts, INTERVAL '5' SECOND) FROM clicks GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)",
        ),
    );
    expect![[r#"
        1:31: HOP takes no PARTITION BY
          GROUP BY the column besides the window."#]].assert_eq(&world.columns(
        "SELECT * FROM TABLE(HOP(TABLE clicks PARTITION BY who, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))",
    ));
    expect!["1:21: the gap of a session must be positive"]
        .assert_eq(&world.columns("SELECT * FROM TABLE(SESSION(TABLE clicks, DESCRIPTOR(ts), INTERVAL '0' SECOND))"));
    expect![[r#"
        1:89: 'INTERVAL '1' SECOND' is one argument too many for SESSION
          Its parameters are DATA, TIMECOL, GAP."#]]
    .assert_eq(&world.columns(
        "SELECT * FROM TABLE(SESSION(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '1' SECOND))",
    ));
    expect![[r#"
        1:71: GROUP BY has two windows
          Only one can be grouped by."#]].assert_eq(&world.columns(
        "SELECT COUNT(*) FROM clicks GROUP BY TUMBLE(ts, INTERVAL '1' SECOND), HOP(ts, INTERVAL '1' SECOND, INTERVAL '2' SECOND)",
    ));
    expect![[r#"
        the size of windows that are aggregated must be a multiple of their slide
          The size is 10000 ms, and the slide 4000 ms."#]].assert_eq(&world.plan(
        "SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    ));
}

#[test]
fn updates_make_no_updates_of_a_window() {
    let world = World::new();
    expect![[r#"
        Calc(select=[window_start, EXPR$1], changelogMode=[I])
        +- WindowAggregate(window=[TUMBLE(time_col=[proctime], size=[1 s])], select=[COUNT_RETRACT(*) AS EXPR$1, start('w$) AS window_start], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I,UB,UA,D])
              +- Calc(select=[w], changelogMode=[I,UB,UA,D])
                 +- TableSourceScan(table=[[cat, db, cdc]], fields=[id, v, w], changelogMode=[I,UB,UA,D])
    "#]].assert_eq(&world.modes(
        "SELECT window_start, COUNT(*) FROM TABLE(TUMBLE((SELECT w, PROCTIME() AS p FROM cdc), DESCRIPTOR(p), INTERVAL '1' SECOND)) GROUP BY window_start, window_end",
    ));
}

#[test]
fn windows_that_overlap_grow_or_end_with_their_rows_are_cut_by_their_aggregation() {
    let world = World::new();
    for function in [
        "HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND, INTERVAL '1' SECOND)",
        "CUMULATE(DATA => TABLE clicks, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '5' SECOND, SIZE => INTERVAL '10' SECOND)",
        "SESSION(TABLE clicks PARTITION BY who, DESCRIPTOR(ts), INTERVAL '5' SECOND)",
    ] {
        let modes = world.modes(&format!(
            "SELECT window_end, who, SUM(x) AS s FROM TABLE({function}) GROUP BY who, window_start, window_end"
        ));
        assert!(modes.contains("WindowAggregate(groupBy=[who], window=["), "{modes}");
        assert!(!modes.contains("WindowTableFunction"), "{modes}");
    }
    // What cannot leave a window again is aggregated from the rows of each.
    let listed = world.modes(
        "SELECT window_end, LISTAGG(who) FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    );
    assert!(
        listed.contains("WindowTableFunction(window=[HOP(") && listed.contains("HOP(win_end=[window_end]"),
        "{listed}"
    );
    expect![[r#"
        Calc(select=[window_end, n], changelogMode=[I,UA])
        +- GroupAggregate(groupBy=[window_start, window_end], select=[window_start, window_end, COUNT(*) AS n], changelogMode=[I,UA])
           +- Exchange(distribution=[hash[window_start, window_end]], changelogMode=[I])
              +- Calc(select=[window_start, window_end], changelogMode=[I])
                 +- WindowTableFunction(window=[SESSION(time_col=[ts], gap=[5 s], partition keys=[who])], changelogMode=[I])
                    +- Exchange(distribution=[hash[who]], changelogMode=[I])
                       +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                          +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(
        "SELECT window_end, COUNT(*) AS n FROM TABLE(SESSION(TABLE clicks PARTITION BY who, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end",
    ));
    expect![[r#"
        Calc(select=[e, who, n], changelogMode=[I])
        +- GroupWindowAggregate(groupBy=[who], window=[SlidingGroupWindow('w$, ts, 10000, 5000)], select=[who, COUNT(*) AS n, end('w$) AS e], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- Calc(select=[who, ts], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(
        "SELECT HOP_END(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) AS e, who, COUNT(*) AS n FROM clicks GROUP BY who, HOP(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
    ));
}

#[test]
fn rows_that_come_with_their_window_are_ranked_joined_and_aggregated_by_it() {
    let world = World::new();
    let sessions = world.plan(
        "SELECT * FROM (SELECT who, window_end, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, who ORDER BY x) AS rn FROM TABLE(SESSION(TABLE clicks PARTITION BY who, DESCRIPTOR(ts), INTERVAL '5' SECOND))) WHERE rn = 1",
    );
    let window = "SESSION(win_start=[window_start], win_end=[window_end], gap=[5 s], partition keys=[who])";
    assert!(sessions.contains(&format!("WindowRank(window=[{window}]")), "{sessions}");
    let ranked = |order: &str, limit: &str| {
        format!(
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, who ORDER BY {order}) AS rn FROM {TUMBLE}) WHERE {limit}"
        )
    };
    expect![[r#"
        WindowRank(window=[TUMBLE(win_start=[window_start], win_end=[window_end], size=[10 s])], rankType=[ROW_NUMBER], rankRange=[rankStart=2, rankEnd=3], partitionBy=[who], orderBy=[x DESC], select=[ts, who, x, window_start, window_end, window_time, w0$o0], changelogMode=[I])
        +- Exchange(distribution=[hash[who]], changelogMode=[I])
           +- WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[10 s])], changelogMode=[I])
              +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                 +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&ranked("x DESC", "rn BETWEEN 2 AND 3")));
    expect![[r#"
        Calc(select=[ts, who, x, window_start, window_end, window_time, 1 AS w0$o0], changelogMode=[I])
        +- WindowDeduplicate(window=[TUMBLE(win_start=[window_start], win_end=[window_end], size=[10 s])], keep=[LastRow], partitionKeys=[who], orderKey=[ts], order=[ROWTIME], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[10 s])], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&ranked("ts DESC", "rn = 1")));
    expect![[r#"
        Calc(select=[window_start, window_end, x], changelogMode=[I])
        +- GlobalWindowAggregate(window=[TUMBLE(win_end=[$window_end], size=[10 s])], select=[MAX(max$0) AS x, start('w$) AS window_start, end('w$) AS window_end], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
              +- LocalWindowAggregate(window=[TUMBLE(win_end=[window_end], size=[10 s])], select=[MAX(x) AS max$0, slice_end('w$) AS $window_end], changelogMode=[I])
                 +- Calc(select=[window_end, x], changelogMode=[I])
                    +- WindowRank(window=[TUMBLE(win_start=[window_start], win_end=[window_end], size=[10 s])], rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=1], partitionBy=[who], orderBy=[x ASC], select=[who, x, window_start, window_end], changelogMode=[I])
                       +- Exchange(distribution=[hash[who]], changelogMode=[I])
                          +- Calc(select=[who, x, window_start, window_end], changelogMode=[I])
                             +- WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[10 s])], changelogMode=[I])
                                +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                                   +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&format!(
        "SELECT window_start, window_end, MAX(x) AS x FROM ({}) GROUP BY window_start, window_end",
        ranked("x", "rn <= 1")
    )));
    let joined = |kind: &str| {
        format!(
            "SELECT a.x, b.x AS y, a.window_end AS e FROM {TUMBLE} a {kind} JOIN {TUMBLE} b ON a.who = b.who AND a.window_start = b.window_start AND a.window_end = b.window_end AND b.ts > a.ts"
        )
    };
    expect![[r#"
        Calc(select=[x, x0 AS y, window_end AS e], changelogMode=[I])
        +- WindowJoin(leftWindow=[TUMBLE(win_start=[window_start], win_end=[window_end], size=[10 s])], rightWindow=[TUMBLE(win_start=[window_start], win_end=[window_end], size=[10 s])], joinType=[LeftOuterJoin], where=[AND(=(who, who0), >(ts0, ts))], select=[ts, who, x, window_start, window_end, ts0, who0, x0, window_start0, window_end0], changelogMode=[I])
           :- Exchange(distribution=[hash[who]], changelogMode=[I])
           :  +- Calc(select=[ts, who, x, window_start, window_end], changelogMode=[I])
           :     +- WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[10 s])], changelogMode=[I])
           :        +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
           :           +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- Calc(select=[ts, who, x, window_start, window_end], changelogMode=[I])
                 +- WindowTableFunction(window=[TUMBLE(time_col=[ts], size=[10 s])], changelogMode=[I])
                    +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                       +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&joined("LEFT")));
    // By the end alone, or of other windows, it is a join like others.
    let other = joined("").replace("a.window_start = b.window_start", "a.x = b.x");
    assert!(!world.modes(&other).contains("WindowJoin"));
    let other = format!(
        "SELECT a.x FROM {TUMBLE} a JOIN {} b ON a.window_start = b.window_start AND a.window_end = b.window_end",
        TUMBLE.replace("10", "20")
    );
    assert!(!world.modes(&other).contains("WindowJoin"));
}

/// One row for each window: without the window's columns nothing tells them apart.
#[test]
fn a_result_without_its_window_has_no_key() {
    let world = World::new();
    let joined = |columns: &str, function: &str| {
        world.modes(&format!(
            "SELECT m FROM (SELECT MAX(x) AS m{columns} FROM {function} GROUP BY window_start, window_end) AS a JOIN t ON a.m > t.a"
        ))
    };
    assert!(joined("", TUMBLE).contains("leftInputSpec=[NoUniqueKey]"), "{}", joined("", TUMBLE));
}

#[test]
fn windows_have_one_phase_where_it_is_asked_for_or_there_is_no_other_way() {
    let of = |call: &str| format!("SELECT who, {call} AS x FROM {TUMBLE} GROUP BY who, window_start, window_end");
    let counted = of("COUNT(*)");
    let plan = World::new().plan(&counted);
    assert!(plan.contains("GlobalWindowAggregate(") && plan.contains("LocalWindowAggregate("), "{plan}");
    let mut asked = World::new();
    asked.and("SET 'table.optimizer.agg-phase-strategy' = 'ONE_PHASE';");
    let asked = asked.plan(&counted);
    let last = World::new().plan(&of("LAST_VALUE(x)"));
    for plan in [asked, last] {
        assert!(plan.contains("WindowAggregate(") && !plan.contains("LocalWindowAggregate("), "{plan}");
    }
}
