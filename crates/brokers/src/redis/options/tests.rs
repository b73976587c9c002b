//! Options that are read, and tables that are refused.

use expect_test::expect;
use flott_api::{Field, LogicalType, TypeKind};

use super::*;

fn read(pairs: &[(&str, &str)], primary_key: &[usize]) -> std::result::Result<RedisOptions, String> {
    let mut all = vec![("host", "h")];
    all.extend_from_slice(pairs);
    let options = Options(all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let int = || LogicalType::new(TypeKind::Int);
    let list = LogicalType::new(TypeKind::Array(Box::new(int())));
    let schema =
        Schema::new(vec![Field::new("id", int()), Field::new("name", LogicalType::string()), Field::new("list", list)]);
    // A prefix of this name asks for the third column.
    let columns = if pairs.contains(&("key.prefix", "with-list")) { 3 } else { 2 };
    let schema = schema.project(&(0..columns).collect::<Vec<_>>());
    let table = Table { options: &options, schema: &schema, primary_key };
    RedisOptions::read(&table).map_err(|e| e.message().to_owned())
}

#[test]
fn options_are_read() {
    let options = read(&[("ttl", "5 s"), ("key.prefix", "u:"), ("database", "3")], &[0]).unwrap();
    assert_eq!((options.command, options.ttl_ms, options.database), (Command::HSet, Some(5000), 3));
    assert_eq!((options.values.as_slice(), options.access.port), (&[1][..], 6379));
    let options = read(&[("command", "rpush"), ("key", "l"), ("format", "json")], &[]).unwrap();
    assert_eq!((options.command, options.key.as_str()), (Command::RPush, "l"));
    assert!(read(&[("redis-mode", "single")], &[0]).is_ok());
}

/// Options and the primary key.
type Case = (&'static [(&'static str, &'static str)], &'static [usize]);

#[test]
fn what_is_half_a_table_is_refused() {
    let cases: [Case; 16] = [
        (&[], &[]),
        (&[("command", "RPUSH")], &[]),
        (&[("command", "RPUSH"), ("key", "l")], &[]),
        (&[("command", "RPUSH"), ("key", "l"), ("format", "json")], &[0]),
        (&[("command", "RPUSH"), ("key", "l"), ("format", "json"), ("ttl", "1 s")], &[]),
        (&[("command", "GET")], &[0]),
        (&[("key", "l")], &[0]),
        (&[("format", "json")], &[0]),
        (&[("command", "SET"), ("format", "debezium-json")], &[0]),
        (&[("command", "SET"), ("format", "parquet")], &[0]),
        (&[("redis-mode", "cluster")], &[0]),
        (&[("lookup.cache", "FULL")], &[0]),
        (&[("ttl", "0")], &[0]),
        (&[("sink.stream.max-length", "7")], &[0]),
        (&[("key.prefix", "with-list")], &[0]),
        (&[("cluster-nodes", "a:1")], &[0]),
    ];
    let messages: Vec<String> =
        cases.iter().map(|(pairs, key)| read(pairs, key).err().unwrap_or("accepted".to_owned())).collect();
    expect![[r#"
        a table with 'command' = 'HSET' needs a PRIMARY KEY
        connector 'redis' needs option 'key'
        a table with 'command' = 'RPUSH' needs option 'format'
        a table with 'command' = 'RPUSH' has a PRIMARY KEY
        option 'ttl' means nothing with 'command' = 'RPUSH'
        option 'command' has the value 'GET'
        option 'key' means nothing with 'command' = 'HSET'
        option 'format' means nothing with 'command' = 'HSET'
        format 'debezium-json' cannot be used for values of Redis: it holds changes
        format 'parquet' cannot be used for values of Redis
        option 'redis-mode' = 'cluster' of connector 'redis' is not supported yet
        option 'lookup.cache' has the value 'FULL'
        option 'ttl' must be more than nothing
        option 'sink.stream.max-length' means nothing with 'command' = 'HSET'
        column 'list' of type ARRAY<INT> as a text in Redis is not supported yet
        connector 'redis' has no option 'cluster-nodes'"#]]
    .assert_eq(&messages.join("\n"));
}
