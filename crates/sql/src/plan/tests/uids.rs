//! Lasting names of operators: what leaves them as they are, and what does not.

use std::collections::BTreeSet;

use flott_graph::Role;

use super::World;

/// The uids of a job's operators with state, in plan order.
fn of_state(world: &World, sql: &str) -> Vec<String> {
    let graph = world.job(sql).unwrap().graph;
    graph.nodes.into_iter().filter(|n| n.stateful).map(|n| n.uid.0).collect()
}

fn all(world: &World, sql: &str) -> Vec<String> {
    world.job(sql).unwrap().graph.nodes.into_iter().map(|n| n.uid.0).collect()
}

fn of_sources(world: &World, sql: &str) -> Vec<String> {
    let graph = world.job(sql).unwrap().graph;
    graph.nodes.into_iter().filter(|n| matches!(n.role, Role::Source(_))).map(|n| n.uid.0).collect()
}

fn of_sinks(world: &World, sql: &str) -> Vec<String> {
    let graph = world.job(sql).unwrap().graph;
    graph.nodes.into_iter().filter(|n| matches!(n.role, Role::Sink(_))).map(|n| n.uid.0).collect()
}

fn set(inserts: &[&str]) -> String {
    let statements: String = inserts.iter().map(|insert| format!("{insert}; ")).collect();
    format!("EXECUTE STATEMENT SET BEGIN {statements} END")
}

const PLAIN: &str = "INSERT INTO ret SELECT a, MAX(b) FROM t GROUP BY a";

#[test]
fn what_leaves_state_its_meaning_leaves_its_uid() {
    let mut world = World::new();
    let plain = of_state(&world, PLAIN);
    for same in [
        "INSERT INTO ret SELECT a, MAX(b) FROM t WHERE a > 1 GROUP BY a",
        "INSERT INTO ret SELECT a, MAX(b) FROM t WHERE a > 2 AND b <> 'x' GROUP BY a",
        "INSERT INTO ret SELECT a, MIN(b) FROM t GROUP BY a",
        "INSERT INTO ret SELECT a, m FROM (SELECT a, MAX(b) AS m, COUNT(*) AS n, SUM(c) FROM t GROUP BY a) WHERE n > 1",
        "INSERT INTO ret SELECT k, m FROM (SELECT k, MAX(v) AS m FROM (SELECT a AS k, b AS v FROM t) GROUP BY k)",
        "INSERT INTO ret WITH q (x, y, z) AS (SELECT c, b, a FROM t) SELECT z, MAX(y) FROM q GROUP BY z",
        "SELECT a, MAX(b) FROM t GROUP BY a",
    ] {
        assert_eq!(of_state(&world, same), plain, "{same}");
    }
    world.and("SET 'parallelism.default' = '4'; SET 'table.exec.state.ttl' = '1 h'; SET 'pipeline.name' = 'x';");
    assert_eq!(of_state(&world, PLAIN), plain);
}

#[test]
fn what_changes_its_meaning_changes_it() {
    let world = World::new();
    let plain = of_state(&world, PLAIN);
    for other in [
        "INSERT INTO ret SELECT CAST(c AS INT), MAX(b) FROM t GROUP BY c",
        "INSERT INTO ret SELECT a, MAX(b) FROM t GROUP BY a, c",
        "INSERT INTO ret SELECT k, MAX(b) FROM (SELECT a + 1 AS k, b FROM t) GROUP BY k",
        "INSERT INTO ret SELECT id, MAX(v) FROM cdc GROUP BY id",
        "INSERT INTO ret SELECT 1, MAX(b) FROM t",
    ] {
        assert_ne!(of_state(&world, other), plain, "{other}");
    }
    let key = |k: &str| of_state(&world, &format!("SELECT MAX(b) FROM (SELECT {k} AS k, b FROM t) GROUP BY k"));
    assert_ne!(key("a + 1"), key("a + 2"));
    assert_ne!(key("r.x"), key("r.y"));
    assert_eq!(key("r.x"), key("r.x"));
}

#[test]
fn windows_are_part_of_it() {
    let mut world = World::new();
    let window = |world: &World, size: &str, key: &str, calls: &str| {
        let table = format!("TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL {size}))");
        let grouped = format!("GROUP BY window_start, window_end, {key}");
        of_state(world, &format!("SELECT {key}, {calls} FROM {table} {grouped}"))
    };
    let plain = window(&world, "'1' MINUTE", "who", "COUNT(*)");
    assert_eq!(plain.len(), 1);
    assert_eq!(window(&world, "'60' SECOND", "who", "COUNT(*), SUM(x), window_end"), plain);
    assert_ne!(window(&world, "'2' MINUTE", "who", "COUNT(*)"), plain);
    assert_ne!(window(&world, "'1' MINUTE", "x", "COUNT(*)"), plain);
    // Windows over TIMESTAMP do not depend on the session's zone.
    world.and("SET 'table.local-time-zone' = 'Asia/Tokyo';");
    assert_eq!(window(&world, "'1' MINUTE", "who", "COUNT(*)"), plain);
}

#[test]
fn another_insert_changes_no_uid() {
    let world = World::new();
    let plain: BTreeSet<String> = all(&world, PLAIN).into_iter().collect();
    for more in [
        "INSERT INTO app SELECT a, b FROM t",
        "INSERT INTO app SELECT a, b FROM t WHERE a > 1",
        "INSERT INTO ret SELECT a, MIN(b) FROM t WHERE a > 7 GROUP BY a",
        "INSERT INTO ret SELECT a, MAX(b) FROM t GROUP BY a",
        "INSERT INTO ret SELECT id, MAX(v) FROM cdc GROUP BY id",
    ] {
        let uids = all(&world, &set(&[PLAIN, more]));
        assert!(plain.is_subset(&uids.iter().cloned().collect()), "{more}");
    }
    let unrelated = "INSERT INTO app SELECT a, b FROM pushed";
    assert!(plain.is_subset(&all(&world, &set(&[unrelated, PLAIN])).into_iter().collect()), "not even in front");
}

#[test]
fn equal_operators_have_names_of_their_own() {
    let world = World::new();
    let to = |sink: &str, more: u32| {
        format!("INSERT INTO {sink} SELECT a, CAST(MAX(c) AS STRING) FROM t WHERE c > {more} GROUP BY a")
    };
    let (first, second, third) = (to("ret", 1), to("ret", 2), to("upserted", 3));
    let mut world_of_three = world;
    world_of_three.and(
        "CREATE TABLE upserted (a INT NOT NULL, b STRING, PRIMARY KEY (a) NOT ENFORCED)
         WITH ('connector' = 'fake', 'sink' = 'I,UA,D');",
    );
    let world = world_of_three;
    let uids = of_state(&world, &set(&[&first, &second, &third]));
    assert_eq!(uids.iter().collect::<BTreeSet<_>>().len(), 3);
    assert!(uids[1].starts_with(&uids[0]) && uids[2].starts_with(&uids[0]), "{uids:?}");
    assert_eq!(uids, of_state(&world, &set(&[&first, &second, &third])), "in a stable way");
    // The third one is told apart by its table, not by its number.
    assert_eq!(of_state(&world, &set(&[&first, &third]))[1], uids[2]);
    let union = "SELECT a, MAX(b) FROM t GROUP BY a UNION ALL SELECT a, MAX(b) FROM t GROUP BY a";
    let mut names = all(&world, union);
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "uids are unique in a job");
}

#[test]
fn sources_are_tables_in_their_places_and_sinks_are_tables() {
    let table = |options: &str| {
        World::of(&format!(
            "CREATE TABLE t (a INT NOT NULL, b STRING) WITH ('connector' = 'fake'{options});
             CREATE TABLE ret (a INT, b STRING) WITH ('connector' = 'fake', 'sink' = 'I,UB,UA,D');
             CREATE TABLE other (a INT, b STRING) WITH ('connector' = 'fake', 'sink' = 'I,UB,UA,D');"
        ))
    };
    let (plain, moved, read_otherwise) =
        (table(", 'path' = '/a'"), table(", 'path' = '/b'"), table(", 'path' = '/a', 'scan' = '2'"));
    assert_ne!(of_sources(&plain, PLAIN), of_sources(&moved, PLAIN));
    assert_eq!(of_sources(&plain, PLAIN), of_sources(&read_otherwise, PLAIN));
    assert_eq!(of_state(&plain, PLAIN), of_state(&moved, PLAIN), "what was computed of a table outlives its move");
    let narrower = "INSERT INTO ret SELECT a, 'x' FROM t WHERE a > 5";
    assert_eq!(of_sources(&plain, PLAIN), of_sources(&plain, narrower));
    assert_eq!(of_sinks(&plain, PLAIN), of_sinks(&moved, narrower));
    assert_ne!(of_sinks(&plain, PLAIN), of_sinks(&plain, "INSERT INTO other SELECT a, b FROM t"));
    let both = of_sinks(&plain, &set(&[PLAIN, narrower]));
    assert_eq!(both[0], of_sinks(&plain, PLAIN)[0]);
    assert_ne!(both[0], both[1]);
}

#[test]
fn a_wider_key_column_keeps_its_state() {
    let table = |ty: &str| World::of(&format!("CREATE TABLE t (a {ty}, b STRING) WITH ('connector' = 'fake');"));
    let count = "SELECT COUNT(*) FROM t GROUP BY a";
    assert_eq!(of_state(&table("INT"), count), of_state(&table("BIGINT"), count));
    assert_eq!(of_state(&table("INT NOT NULL"), count), of_state(&table("INT"), count));
    assert_ne!(of_state(&table("INT"), count), of_state(&table("STRING"), count));
}
