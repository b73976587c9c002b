//! Collections of a real server in the SQL of a user: written, read, looked up in, also while jobs and the server are killed.
//! The password is shown nowhere.

#[path = "../../../mongodb/tests/it/server.rs"]
#[expect(dead_code, reason = "the tests of the connector need more of it")]
mod server;

use crate::flott::{Ran, flott, results_of, run};
use crate::ledger::{Checkpoints, generated, pause};
use server::{Server, ferretdb, own};

/// One that is looked for where it must not be.
const HUSH: &str = "swordfish-77";

/// What a table is declared with.
fn with(server: &Server, collection: &str, more: &str) -> String {
    format!(
        "WITH ('connector' = 'mongodb', 'uri' = 'mongodb://127.0.0.1:{}', 'database' = 'shop', 'collection' = '{collection}',
               'scan.cursor.no-timeout' = 'false'{more})",
        server.port
    )
}

#[test]
fn collections_are_tables() {
    let Some(server) = ferretdb("collections_are_tables") else { return };
    let tables = format!(
        "CREATE TABLE users (_id STRING, name STRING, place ROW<city STRING, zip INT>, tags ARRAY<STRING>,
           PRIMARY KEY (_id) NOT ENFORCED) {};
         CREATE TABLE orders (id INT, customer STRING, now AS PROCTIME()) {};
         CREATE TABLE totals (city STRING, n BIGINT, PRIMARY KEY (city) NOT ENFORCED) {};",
        with(server, "users", ", 'lookup.cache' = 'PARTIAL'"),
        with(server, "orders", ", 'scan.partition.strategy' = 'pagination', 'scan.partition.record-size' = '2'"),
        with(server, "totals", ""),
    );
    results_of(&format!(
        "{tables} INSERT INTO users VALUES
           ('63932a00da01604af329e33c', 'anna', ROW('Berlin', 10115), ARRAY['a', 'b']),
           ('u2', 'bob', ROW('Paris', 75001), CAST(NULL AS ARRAY<STRING>)),
           ('u3', 'carl', ROW('Berlin', 10117), ARRAY['c']);
         INSERT INTO orders VALUES (1, 'u2'), (2, 'nobody'), (3, '63932a00da01604af329e33c'), (4, 'u2'), (5, 'u3');"
    ));
    let found = results_of(&format!("{tables} SELECT name, place.city, tags[1] FROM users WHERE _id = 'u3';"));
    assert!(found.contains("carl") && found.contains("Berlin") && !found.contains("bob"), "{found}");
    results_of(&format!(
        "{tables} INSERT INTO totals SELECT u.place.city, COUNT(*) FROM orders AS o
           JOIN users FOR SYSTEM_TIME AS OF o.now AS u ON o.customer = u._id GROUP BY u.place.city;"
    ));
    let totals = results_of(&format!("{tables} SELECT city || '=' || CAST(n AS STRING) FROM totals;"));
    assert!(totals.contains("Berlin=2") && totals.contains("Paris=2"), "{totals}");
    // What is pushed down is seen in the plan.
    let plan = results_of(&format!("{tables} EXPLAIN SELECT customer FROM orders WHERE id > 2;"));
    assert!(plan.contains("filter=[>(id, 2)]"), "{plan}");
    let wrong = tables.replace("mongodb://", &format!("mongodb://me:{HUSH}@"));
    let told = run(&["run", "-e", &format!("{wrong} SHOW CREATE TABLE users; SELECT * FROM users;")]);
    assert_ne!(told.code, Some(0));
    assert!(told.stdout.contains("mongodb://me:****@127.0.0.1"), "{told:?}");
    assert!(!format!("{told:?}").contains(HUSH), "{told:?}");
}

/// A job that writes by a key is killed, and so is the server; in the end each row is there, once.
#[test]
fn no_kill_loses_a_row_of_a_collection() {
    const KILLS: u64 = 3;
    // The server goes through a whole collection for an id that is no text, and writes some hundred rows in a second.
    const RATE: u64 = 250;
    const ROWS: u64 = RATE * 4;
    let Some(mut server) = own("no_kill_loses_a_row_of_a_collection", |_| Vec::new()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::local(folder.path());
    let events = format!(
        "CREATE TABLE events (id STRING, account INT, PRIMARY KEY (id) NOT ENFORCED) {};",
        with(&server, "events", ", 'sink.max-retries' = '10'")
    );
    let script = format!(
        "{} CREATE TABLE ids (id BIGINT, account AS CAST(id * 7919 % 97 AS INT)) WITH ({});
         {events} INSERT INTO events SELECT CAST(id AS STRING), account FROM ids;",
        checkpoints.settings(),
        generated(ROWS, RATE),
    );
    let resumed = || flott(&["run", "--from", "latest", "-e", &script]);
    for kill in 0..KILLS {
        let before = checkpoints.records();
        let mut child = resumed().spawn().unwrap();
        while checkpoints.records() < before + 2 && child.try_wait().unwrap().is_none() {
            pause(5);
        }
        if kill % 2 == 1 {
            server.kill();
            server.restart();
        }
        if child.try_wait().unwrap().is_some() {
            panic!("the job ended before kill {kill}: {:?}", Ran::from(child.wait_with_output().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = Ran::from(resumed().output().unwrap());
    assert_eq!(last.code, Some(0), "{last:?}");
    let count = results_of(&format!(
        "{events} SET 'execution.runtime-mode' = 'batch';
         SELECT CAST(COUNT(*) AS STRING) || '|' || CAST(COUNT(DISTINCT id) AS STRING) || '|' || CAST(MAX(CAST(id AS BIGINT)) AS STRING) FROM events;"
    ));
    assert!(count.contains(&format!("{ROWS}|{ROWS}|{ROWS}")), "{count}");
}
