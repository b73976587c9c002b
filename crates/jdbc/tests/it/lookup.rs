//! Looking up keys.

use std::time::Duration;

use expect_test::expect;
use flott_api::lookup::{LookupCache, LookupSpec};
use flott_api::testing::batch;
use flott_api::types::Field;
use flott_api::{LogicalType, Schema, TypeKind};

use crate::server::{own, postgres};
use crate::world::{World, field};

const USERS: &str = "
    CREATE TABLE users (id bigint, region char(4), name text, PRIMARY KEY (id, region));
    INSERT INTO users SELECT n, 'eu', 'name' || n FROM generate_series(1, 5000) AS n;
    INSERT INTO users VALUES (1, 'us', 'other1');
    CREATE TABLE tags (id uuid, tag text);
    INSERT INTO tags VALUES ('00000000-0000-0000-0000-000000000001', 'a'), ('00000000-0000-0000-0000-000000000001', 'b')";

fn users() -> [Field; 3] {
    let text = LogicalType::string;
    [field("id", TypeKind::BigInt), Field::new("region", text()), Field::new("name", text())]
}

fn spec(world: &World<'_>, keys: Vec<usize>) -> LookupSpec {
    let table = world.source_spec("users", &users());
    LookupSpec { table, keys, in_flight_max: Some(100), cache: LookupCache::None }
}

#[test]
fn a_batch_of_keys_is_answered_in_their_order() {
    let Some(server) = postgres("a_batch_of_keys_is_answered_in_their_order") else { return };
    let world = World::new(server, USERS);
    let mut table = world.lookup(&spec(&world, vec![0, 1]));
    let keys = Schema::new(users()[..2].to_vec());
    let asked = batch(&keys, "+I | 3 | eu\n+I | 1 | us\n+I | 9 | us\n+I | 1 | eu\n+I | 3 | eu");
    expect![[r#"
        0: +I | 3 | eu   | name3
        1: +I | 1 | us   | other1
        3: +I | 1 | eu   | name1
        4: +I | 3 | eu   | name3"#]]
    .assert_eq(&world.find(&mut *table, asked.rows()).unwrap().join("\n"));
    // By a part of the key, so that there are several rows.
    let mut table = world.lookup(&spec(&world, vec![0]));
    let asked = batch(&Schema::new(users()[..1].to_vec()), "+I | 1\n+I | 5001\n+I | 2");
    expect![[r#"
        0: +I | 1 | eu   | name1
        0: +I | 1 | us   | other1
        2: +I | 2 | eu   | name2"#]]
    .assert_eq(&world.find(&mut *table, asked.rows()).unwrap().join("\n"));
    // More keys than one connection is asked for.
    let many: Vec<String> = (1..=6000).rev().map(|n| format!("+I | {n}")).collect();
    let asked = batch(&Schema::new(users()[..1].to_vec()), &many.join("\n"));
    let found = world.find(&mut *table, asked.rows()).unwrap();
    assert_eq!(found.len(), 5001);
    assert_eq!(found[0], "1000: +I | 5000 | eu   | name5000");
    assert!(found.windows(2).all(|w| number(&w[0]) <= number(&w[1])));
    assert_eq!(number(&found[5000]), 5999);
}

fn number(found: &str) -> u32 {
    found.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn keys_of_types_that_only_the_database_has() {
    let Some(server) = postgres("keys_of_types_that_only_the_database_has") else { return };
    let world = World::new(server, USERS);
    let fields = [Field::new("id", LogicalType::string()), Field::new("tag", LogicalType::string())];
    let table = world.source_spec("tags", &fields);
    let spec = LookupSpec { table, keys: vec![0], in_flight_max: None, cache: LookupCache::None };
    let asked = batch(&Schema::new(fields[..1].to_vec()), "+I | 00000000-0000-0000-0000-000000000001");
    let found = world.find(&mut *world.lookup(&spec), asked.rows()).unwrap();
    assert_eq!(found.len(), 2);
    let asked = batch(&Schema::new(fields[..1].to_vec()), "+I | none");
    let error = world.find(&mut *world.lookup(&spec), asked.rows()).unwrap_err();
    assert!(error.message().contains("invalid input syntax for type uuid"), "{error}");
}

#[test]
fn a_lookup_outlives_a_server_that_was_killed() {
    let Some(mut server) = own("postgres", "a_lookup_outlives_a_server_that_was_killed") else { return };
    let world = World::new(&server, USERS).with(&[("lookup.max-retries", "8")]);
    let runtime = world.runtime.clone();
    let mut table = world.lookup(&spec(&world, vec![0]));
    let asked = batch(&Schema::new(users()[..1].to_vec()), "+I | 2");
    assert_eq!(world.find(&mut *table, asked.rows()).unwrap().len(), 1);
    let rows = asked.rows().clone();
    drop(world);
    server.kill();
    let asking = runtime.spawn(async move {
        let found = table.lookup(&rows).await;
        (table, found)
    });
    #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
    std::thread::sleep(Duration::from_millis(500));
    assert!(!asking.is_finished(), "it is asked again");
    server.restart();
    let (_, found) = runtime.block_on(asking).unwrap();
    assert_eq!(found.unwrap().keys, [0]);
}
