//! Records that cannot be read, in a table of their own: every record is a row or a dead letter, once.

use super::world::World;

/// A table of files with the dead letters in files beside it, and a table that shows these.
fn tables(columns: &str, file: &str, format: &str, options: &str) -> String {
    format!(
        "CREATE TABLE t ({columns}) WITH ('connector' = 'filesystem', 'path' = '${{DIR}}/{file}', 'format' = '{format}',
           '{format}.dead-letter.table' = 'bad'{options});
         CREATE TABLE bad (`raw` BYTES, cause STRING, origin STRING) WITH (
           'connector' = 'filesystem', 'path' = '${{DIR}}/bad', 'format' = 'json');
         CREATE TABLE shown (`raw` STRING, cause STRING, origin STRING) WITH ('connector' = 'print');
         CREATE TABLE ids (id INT) WITH ('connector' = 'print');"
    )
}

fn sorted(world: &mut World, sql: &str) -> Vec<String> {
    let mut rows = world.run(sql).unwrap();
    rows.sort();
    rows
}

/// The dead letters so far, without the folder.
fn letters(world: &mut World) -> Vec<String> {
    let folder = world.path("").to_str().unwrap().to_owned();
    let rows = sorted(world, "INSERT INTO shown SELECT DECODE(`raw`, 'UTF-8'), cause, origin FROM bad;");
    rows.into_iter().map(|row| row.replace(&folder, "")).collect()
}

fn errors(world: &World) -> u64 {
    world.metrics.as_ref().unwrap().operators.iter().map(|o| o.num_records_in_errors).sum()
}

#[test]
fn rows_go_on_and_what_cannot_be_read_is_kept() {
    let mut world = World::new();
    world.put("a.csv", "1,a\nx,b\n2,c,d\n3,e\n");
    let rows = sorted(
        &mut world,
        &format!("{} INSERT INTO ids SELECT id FROM t;", tables("id INT NOT NULL, s STRING", "a.csv", "csv", "")),
    );
    assert_eq!((rows, errors(&world)), (["+I[1]", "+I[3]"].map(str::to_owned).to_vec(), 2));
    assert_eq!(
        letters(&mut world),
        [
            "+I[2,c,d, column 3: there are only 2 columns, but here is 'd', file 'a.csv', line 3]",
            "+I[x,b, column 1 (id): 'x' is no INT, file 'a.csv', line 2]",
        ]
    );
}

#[test]
fn a_column_that_nobody_reads_kills_no_record() {
    let mut world = World::new();
    world.put("a.json", "{\"id\":1,\"s\":\"a\",\"n\":\"x\"}\n{\"id\":\"y\",\"n\":2}\n");
    let tables = tables("id INT, s STRING, n INT", "a.json", "json", "");
    assert_eq!(sorted(&mut world, &format!("{tables} INSERT INTO ids SELECT id FROM t;")), ["+I[1]"]);
    assert_eq!(letters(&mut world), ["+I[{\"id\":\"y\",\"n\":2}, field 'id': 'y' is no INT, file 'a.json', line 2]"]);
    // Now both records have what somebody reads and cannot.
    let both = "EXECUTE STATEMENT SET BEGIN INSERT INTO ids SELECT id FROM t; INSERT INTO ids SELECT n FROM t; END;";
    assert_eq!(sorted(&mut world, both), Vec::<String>::new());
    assert_eq!(letters(&mut world).len(), 3);
}

#[test]
fn a_table_that_is_read_twice_has_each_dead_letter_once() {
    let text = "1,a\n2,b\nx,c\n";
    for (sql, rows) in [
        ("SELECT a.id FROM t AS a JOIN t AS b ON a.id = b.id", 2),
        ("SELECT id FROM t UNION ALL SELECT id FROM t", 4),
        ("SELECT id FROM t WHERE s IN (SELECT s FROM t)", 2),
        ("SELECT id FROM t LIMIT 1", 1),
    ] {
        let mut world = World::new();
        world.put("a.csv", text);
        let tables = tables("id INT, s STRING", "a.csv", "csv", "");
        let given = sorted(&mut world, &format!("{tables} INSERT INTO ids {sql};"));
        assert_eq!(given.len(), rows, "{sql}: {given:?}");
        assert_eq!(letters(&mut world), ["+I[x,c, column 1 (id): 'x' is no INT, file 'a.csv', line 3]"], "{sql}");
    }
}

#[test]
fn changes_have_dead_letters_as_whole_events() {
    let mut world = World::new();
    let event =
        |op: &str, before: &str, after: &str| format!("{{\"before\":{before},\"after\":{after},\"op\":\"{op}\"}}\n");
    let text = [
        event("c", "null", "{\"id\":1,\"n\":5}"),
        event("u", "{\"id\":1,\"n\":5}", "{\"id\":1,\"n\":\"x\"}"),
        event("u", "{\"id\":1,\"n\":5}", "{\"id\":1,\"n\":7}"),
        event("q", "null", "null"),
    ];
    world.put("a.json", text.concat());
    let columns = "id INT NOT NULL, n INT, PRIMARY KEY (id) NOT ENFORCED";
    let sql = format!(
        "{} INSERT INTO ids SELECT n FROM t;",
        tables(columns, "a.json", "debezium-json", "").replace("TABLE ids (id", "TABLE ids (n")
    );
    assert_eq!(world.run(&sql).unwrap(), ["+I[5]", "-U[5]", "+U[7]"]);
    let dead = letters(&mut world);
    assert!(dead[0].ends_with("'op' is 'q' instead of c, r, u or d, file 'a.json', line 4]"), "{dead:?}");
    assert!(dead[1].ends_with("field 'n': 'x' is no INT, file 'a.json', line 2]"), "{dead:?}");
    assert_eq!(dead.len(), 2);
}

#[test]
fn no_dead_letter_moves_a_watermark_or_fails_an_expression() {
    let mut world = World::new();
    world.put("a.csv", "2020-01-01 00:00:00,1\nyesterday,2\n2020-01-01 00:00:09,x\n2020-01-01 00:01:00,4\n");
    let columns = "ts TIMESTAMP(3), id INT NOT NULL, w AS 12 / id, WATERMARK FOR ts AS ts";
    let sql = format!(
        "{} INSERT INTO ids SELECT CAST(SUM(w) AS INT) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND))
              GROUP BY window_start, window_end;",
        tables(columns, "a.csv", "csv", "")
    );
    assert_eq!(sorted(&mut world, &sql), ["+I[12]", "+I[3]"]);
    assert_eq!(letters(&mut world).len(), 2);
}

#[test]
fn partitions_keep_their_dead_letters() {
    let mut world = World::new();
    world.put("in/day=1/a", "1\nx\n");
    world.put("in/day=2/a", "2\ny\n");
    let tables = tables("id INT, `day` INT", "in", "csv", "").replace(
        "WITH ('connector' = 'filesystem', 'path' = '${DIR}/in'",
        "PARTITIONED BY (`day`) WITH ('connector' = 'filesystem', 'path' = '${DIR}/in'",
    );
    assert_eq!(sorted(&mut world, &format!("{tables} INSERT INTO ids SELECT id FROM t WHERE `day` = 2;")), ["+I[2]"]);
    // The files of the other day are read, too: what cannot be read there is said.
    let dead = letters(&mut world);
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert!(dead[0].ends_with("file 'in/day=1/a', line 2]"), "{dead:?}");
}
