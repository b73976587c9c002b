//! Tables of real databases in the SQL of a user: read, joined, looked up in and written, also while jobs and servers are
//! killed. The password is shown nowhere.

#[path = "../../../jdbc/tests/it/server.rs"]
#[expect(dead_code, reason = "the tests of the connector need more of it")]
mod server;

use crate::flott::{Ran, flott, results_of, run};
use crate::ledger::{Checkpoints, generated, pause};
use server::{Server, mariadb, own, postgres};

const PASSWORD: &str = "flott";
/// One that is looked for where it must not be.
const HUSH: &str = "swordfish-77";

/// A new database of a server.
fn database(server: &Server, name: &str, sql: &str) -> String {
    server.sql(server.first_database(), &format!("CREATE DATABASE {name}"));
    server.sql(name, sql);
    name.to_owned()
}

/// What a table is declared with.
fn with(server: &Server, database: &str, table: &str, more: &str) -> String {
    let url = server.url(database);
    format!(
        "WITH ('connector' = 'jdbc', 'url' = '{url}', 'table-name' = '{table}', 'username' = 'flott',
               'password' = '{PASSWORD}'{more})"
    )
}

#[test]
fn tables_of_databases_are_tables() {
    let test = "tables_of_databases_are_tables";
    let (Some(postgres), Some(mariadb)) = (postgres(test), mariadb(test)) else { return };
    let from = database(
        postgres,
        "shop",
        "CREATE TABLE orders (id int, customer int, amount numeric(9, 2), at timestamp(3));
         INSERT INTO orders SELECT n, n % 4, n * 1.5, timestamp '2024-01-01' + n * interval '1 minute' FROM generate_series(1, 1000) n",
    );
    let to = database(
        mariadb,
        "shop",
        "CREATE TABLE customers (id int PRIMARY KEY, name varchar(20)); INSERT INTO customers VALUES (1, 'one'), (2, 'two');
         CREATE TABLE totals (customer int PRIMARY KEY, n bigint, total decimal(20, 2))",
    );
    let range = ", 'scan.partition.column' = 'id', 'scan.partition.num' = '3', 'scan.partition.lower-bound' = '1',
        'scan.partition.upper-bound' = '1000'";
    let tables = format!(
        "CREATE TABLE orders (id INT, customer INT, amount DECIMAL(9, 2), `at` TIMESTAMP(3), now AS PROCTIME()) {};
         CREATE TABLE customers (id INT, name STRING) {};
         CREATE TABLE totals (customer INT, n BIGINT, total DECIMAL(20, 2), PRIMARY KEY (customer) NOT ENFORCED) {};",
        with(postgres, &from, "orders", range),
        with(mariadb, &to, "customers", ", 'lookup.cache' = 'PARTIAL'"),
        with(mariadb, &to, "totals", ""),
    );
    results_of(&format!(
        "{tables} INSERT INTO totals SELECT customer, COUNT(*), SUM(amount) FROM orders WHERE id > 4 GROUP BY customer;"
    ));
    let totals = mariadb.sql(&to, "SELECT * FROM totals ORDER BY customer");
    let expected = postgres
        .sql(&from, "SELECT customer, count(*), sum(amount) FROM orders WHERE id > 4 GROUP BY customer ORDER BY 1");
    assert_eq!(totals, expected);
    let found = results_of(&format!(
        "{tables} SELECT o.id, c.name FROM orders AS o LEFT JOIN customers FOR SYSTEM_TIME AS OF o.now AS c ON o.customer = c.id
         WHERE o.id <= 3;"
    ));
    for row in ["one", "two", "NULL"] {
        assert!(found.contains(row), "{found}");
    }
    // What is pushed down is seen in the plan, the password is seen nowhere.
    let plan =
        results_of(&format!("{tables} EXPLAIN SELECT amount FROM orders WHERE id > 4; SHOW CREATE TABLE orders;"));
    assert!(plan.contains("filter=[>(id, 4)]") && plan.contains("'password' = '****'"), "{plan}");
    let wrong = tables.replace(&format!("'password' = '{PASSWORD}'"), "'password' = 'hush-hush'");
    let refused = run(&["run", "-e", &format!("{wrong} SELECT * FROM orders;")]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("password authentication failed"), "{refused:?}");
    assert!(!format!("{refused:?}").contains("hush-hush"), "{refused:?}");
}

#[test]
fn a_server_is_a_catalog() {
    let test = "a_server_is_a_catalog";
    let (Some(postgres), Some(mariadb)) = (postgres(test), mariadb(test)) else { return };
    let sql = "CREATE TABLE users (id int PRIMARY KEY, name varchar(20), since timestamp(3) NULL);
        INSERT INTO users VALUES (1, 'one', '2024-01-01 00:00:00'), (2, 'two', NULL)";
    let from = database(postgres, "listed", sql);
    let to = database(mariadb, "listed", &sql.replace("timestamp(3)", "datetime(3)").replace("users", "people"));
    let catalog = |name: &str, server: &Server, database: &str| {
        let url = server.url("");
        format!(
            "CREATE CATALOG {name} WITH ('type' = 'jdbc', 'base-url' = '{url}', 'default-database' = '{database}',
               'username' = 'flott', 'password' = '{PASSWORD}');"
        )
    };
    let catalogs = catalog("pg", postgres, &from) + &catalog("maria", mariadb, &to);
    let shown = results_of(&format!(
        "{catalogs} USE CATALOG pg; SHOW TABLES; SHOW DATABASES; DESCRIBE users; SHOW CREATE TABLE users; SHOW CREATE CATALOG pg;
         SELECT name FROM `public.users` WHERE id = 1;"
    ));
    for part in
        ["public.users", "listed", "TIMESTAMP(3)", "VARCHAR(20)", "PRIMARY KEY", "'table-name' = 'public.users'", "one"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains("****") && !shown.contains("'password' = 'flott'"), "{shown}");
    results_of(&format!("{catalogs} INSERT INTO maria.listed.people SELECT id + 1, name, since FROM pg.listed.users;"));
    assert_eq!(mariadb.sql(&to, "SELECT id, name FROM people ORDER BY id"), ["1|one", "2|one", "3|two"]);
    let refused = run(&[
        "run",
        "-e",
        &format!("{catalogs} USE CATALOG pg; CREATE TABLE t (a INT) WITH ('connector' = 'print');"),
    ]);
    assert!(refused.stderr.contains("cannot be changed in a catalog of type 'jdbc'"), "{refused:?}");
    let missing = run(&["run", "-e", &format!("{catalogs} SELECT * FROM pg.listed.nothing;")]);
    assert!(missing.stderr.contains("nothing"), "{missing:?}");
}

/// Jobs that write exactly once are killed, and so is the database; in the end each row is there once.
#[test]
fn no_kill_loses_or_doubles_a_row_of_a_database() {
    const KILLS: u64 = 4;
    const RATE: u64 = 20_000;
    const ROWS: u64 = RATE * (3 + KILLS / 2);
    let test = "no_kill_loses_or_doubles_a_row_of_a_database";
    let Some(mut server) = own("postgres", test) else { return };
    let name = database(
        &server,
        "ledger",
        "CREATE TABLE events (id bigint, account int); CREATE TABLE totals (account int PRIMARY KEY, n bigint, total bigint)",
    );
    server.sql(&name, &format!("CREATE ROLE keeper SUPERUSER LOGIN PASSWORD '{HUSH}'"));
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::local(folder.path());
    let once = ", 'sink.delivery-guarantee' = 'exactly-once', 'sink.max-retries' = '10'";
    let script = format!(
        "{} CREATE TABLE ids (id BIGINT, account AS CAST(id * 7919 % 97 AS INT)) WITH ({});
         CREATE TABLE events (id BIGINT, account INT) {};
         CREATE TABLE totals (account INT, n BIGINT, total BIGINT, PRIMARY KEY (account) NOT ENFORCED) {};
         EXECUTE STATEMENT SET BEGIN
           INSERT INTO events SELECT id, account FROM ids;
           INSERT INTO totals SELECT account, COUNT(*), SUM(id) FROM ids GROUP BY account;
         END;",
        checkpoints.settings(),
        generated(ROWS, RATE),
        with(&server, &name, "events", once),
        with(&server, &name, "totals", once),
    );
    let script = script.replace("'username' = 'flott'", "'username' = 'keeper'");
    let script = script.replace(&format!("'password' = '{PASSWORD}'"), &format!("'password' = '{HUSH}'"));
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
        pause(100 * kill);
        if child.try_wait().unwrap().is_some() {
            panic!("the job ended before kill {kill}: {:?}", Ran::from(child.wait_with_output().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = Ran::from(resumed().output().unwrap());
    assert_eq!(last.code, Some(0), "{last:?}");
    assert!(files(folder.path()).iter().all(|bytes| !bytes.windows(HUSH.len()).any(|w| w == HUSH.as_bytes())));
    let count = server.sql(&name, "SELECT count(*), count(DISTINCT id), max(id) FROM events");
    assert_eq!(count, [format!("{ROWS}|{ROWS}|{ROWS}")]);
    let totals = server.sql(&name, "SELECT * FROM totals ORDER BY account");
    let expected =
        server.sql(&name, "SELECT account, count(*), sum(id)::bigint FROM events GROUP BY account ORDER BY account");
    assert_eq!(totals, expected);
    let staged =
        server.sql(&name, "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'flott_staged%'");
    assert_eq!(staged.len(), 2, "{staged:?}");
    for table in staged {
        assert_eq!(server.sql(&name, &format!("SELECT count(*) FROM {table}")), ["0"]);
    }
}

/// What is in all files below a folder.
fn files(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![std::fs::read(&path).unwrap()] }).collect()
}
