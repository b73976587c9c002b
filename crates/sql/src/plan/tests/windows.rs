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
    expect!["s TIMESTAMP(3) NOT NULL, r TIMESTAMP(3) NOT NULL *ROWTIME*, who STRING"].assert_eq(&world.columns(
        "SELECT TUMBLE_START(ts, INTERVAL '10' SECOND) AS s, TUMBLE_ROWTIME(ts, INTERVAL '10' SECOND) AS r, who FROM clicks GROUP BY TUMBLE(ts, INTERVAL '10' SECOND), who",
    ));
}

#[test]
fn a_group_by_window_is_complete_when_the_watermark_passes() {
    let world = World::new();
    expect![[r#"
        Calc(select=[window_end, who, s], where=[>($f1, 1)], changelogMode=[I])
        +- WindowAggregate(groupBy=[who], window=[TUMBLE(time_col=[ts], size=[10 s])], select=[who, SUM(x) AS s, COUNT(*) AS $f1, end('w$) AS window_end], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
              +- Calc(select=[who, x, ts], where=[>(x, 20)], changelogMode=[I])
                 +- WatermarkAssigner(rowtime=[ts], watermark=[-(ts, 5000:INTERVAL SECOND)], changelogMode=[I])
                    +- TableSourceScan(table=[[cat, db, clicks]], fields=[ts, who, x], changelogMode=[I])
    "#]].assert_eq(&world.modes(&format!(
        "SELECT window_end, who, SUM(x) AS s FROM {TUMBLE} WHERE x > 20 GROUP BY who, window_start, window_end HAVING COUNT(*) > 1"
    )));
    expect![[r#"
        Calc(select=[window_start, big], changelogMode=[I])
        +- WindowAggregate(window=[TUMBLE(time_col=[ts], size=[10 s])], select=[COUNT(*) FILTER $f2 AS big, start('w$) AS window_start], changelogMode=[I])
           +- Exchange(distribution=[single], changelogMode=[I])
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
        +- WindowAggregate(window=[TUMBLE(time_col=[ts], size=[10 s])], select=[COUNT(*) AS n, end('w$) AS e], changelogMode=[I])
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
        +- WindowAggregate(groupBy=[who], window=[TUMBLE(time_col=[ts], size=[10 s])], select=[who, start('w$) AS window_start, end('w$) AS window_end], changelogMode=[I])
           +- Exchange(distribution=[hash[who]], changelogMode=[I])
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
        +- WindowAggregate(window=[TUMBLE(time_col=[window_time], size=[10 s])], select=[SUM(n) AS n, MAX(window_end) AS e, start('w$) AS window_start, end('w$) AS window_end])
           +- Exchange(distribution=[single])
              +- Calc(select=[window_end, n, window_time])
                 +- WindowAggregate(groupBy=[who], window=[TUMBLE(time_col=[ts], size=[10 s])], select=[who, COUNT(*) AS n, end('w$) AS window_end, time('w$) AS window_time])
                    +- Exchange(distribution=[hash[who]])
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
        +- WindowAggregate(window=[TUMBLE(time_col=[window_time], size=[10 s])], select=[COUNT(*) AS n, end('w$) AS window_end])
           +- Exchange(distribution=[single])
              +- Calc(select=[window_time], where=[(window_end > 2024-01-01 00:00:00)])
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
        +- WindowAggregate(window=[TUMBLE(time_col=[window_time], size=[20 s])], select=[SUM(n) AS n, start('w$) AS window_start, end('w$) AS window_end])
           +- Exchange(distribution=[single])
              +- WindowAggregate(window=[TUMBLE(time_col=[ts], size=[10 s])], select=[COUNT(*) AS n, time('w$) AS window_time])
                 +- Exchange(distribution=[single])
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
        +- WindowAggregate(window=[TUMBLE(time_col=[ts], size=[1 d])], select=[COUNT(*) AS n, start('w$) AS window_start])
           +- Exchange(distribution=[single])
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
    expect!["1:21: table function 'HOP' is not supported yet"].assert_eq(
        &world.columns(
            "SELECT * FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))",
        ),
    );
    expect!["a window aggregation over a table with updates is not supported yet"].assert_eq(&world.plan(
        "SELECT window_start, COUNT(*) FROM TABLE(TUMBLE((SELECT w, PROCTIME() AS p FROM cdc), DESCRIPTOR(p), INTERVAL '1' SECOND)) GROUP BY window_start, window_end",
    ));
}
