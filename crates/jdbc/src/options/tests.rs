//! Options as users write them.

use flott_api::types::Field;
use flott_api::{LogicalType, TypeKind};

use super::*;

fn read(pairs: &[(&str, &str)]) -> std::result::Result<JdbcOptions, String> {
    let mut options = Options::default();
    for (key, value) in [("url", "jdbc:postgresql://h/db"), ("table-name", "t")].iter().chain(pairs) {
        options.0.insert((*key).to_owned(), (*value).to_owned());
    }
    let fields = vec![Field::new("id", LogicalType::new(TypeKind::BigInt)), Field::new("name", LogicalType::string())];
    JdbcOptions::read(&options, &Schema::new(fields)).map_err(|e| e.message().to_owned())
}

#[test]
fn defaults_are_flinks() {
    let options = read(&[]).unwrap();
    assert_eq!((options.access.connect_ms, options.lookup_retries, options.sink.retries), (60_000, 3, 3));
    assert_eq!((options.sink.rows_max, options.sink.interval_ms), (Some(100), Some(1000)));
    assert_eq!((options.scan.fetch_size, options.scan.auto_commit, options.scan.filters), (0, true, true));
    assert!(options.scan.partition.is_none() && !options.sink.exactly_once);
    let off = read(&[("sink.buffer-flush.max-rows", "0"), ("sink.buffer-flush.interval", "0")]).unwrap();
    assert_eq!((off.sink.rows_max, off.sink.interval_ms), (None, None));
}

#[test]
fn what_is_wrong_is_named() {
    let message = |pairs: &[(&str, &str)]| read(pairs).unwrap_err();
    assert!(message(&[("driver", "com.mysql.jdbc.Driver")]).contains("no driver for postgresql://h:5432/db"));
    assert!(message(&[("compatible-mode", "mysql")]).starts_with("option 'compatible-mode'"));
    assert!(message(&[("password", "hush")]).contains("without option 'username'"));
    assert!(message(&[("connection.max-retry-timeout", "10 ms")]).contains("at least one second"));
    assert!(message(&[("scan.partition.column", "id")]).starts_with("some of the options 'scan.partition.*'"));
    assert!(message(&[("scan.fetch-size", "-1")]).contains("'scan.fetch-size'"));
    assert_eq!(message(&[("sink.parallel", "2")]), "connector 'jdbc' has no option 'sink.parallel'");
    let partition = |column, lower| {
        let mut pairs = vec![("scan.partition.column", column), ("scan.partition.num", "2")];
        pairs.extend([("scan.partition.lower-bound", lower), ("scan.partition.upper-bound", "9")]);
        message(&pairs)
    };
    assert_eq!(partition("name", "1"), "partition column 'name' of type STRING is no number");
    assert_eq!(partition("nix", "1"), "partition column 'nix' is no column of the table");
    assert_eq!(partition("id", "10"), "options 'scan.partition.*' describe no range");
}

#[test]
fn a_secret_is_not_shown() {
    let options = read(&[("username", "u"), ("password", "hush")]).unwrap();
    assert!(!format!("{options:?}").contains("hush"));
    assert_eq!(options.access.password.unwrap().reveal(), "hush");
}

#[test]
fn ranges_are_cut_as_flink_cuts_them() {
    let ranges = |splits, lower, upper| Partition { column: String::new(), splits, lower, upper }.ranges();
    assert_eq!(ranges(3, 0, 9), [(0, 3), (4, 6), (7, 9)]);
    assert_eq!(ranges(3, -5, 5), [(-5, -2), (-1, 2), (3, 5)]);
    assert_eq!(ranges(5, 1, 2), [(1, 1), (2, 2)]);
    assert_eq!(ranges(2, i64::MIN, i64::MAX), [(i64::MIN, -1), (0, i64::MAX)]);
}

#[test]
fn the_old_names_of_the_cache_mean_what_they_meant() {
    let cache = |pairs: &[(&str, &str)]| read(pairs).map(|o| o.lookup_cache);
    let kept = |after_write_ms, missing_keys| {
        let after_write_ms = Some(after_write_ms);
        LookupCache::Partial(PartialCache { keys_max: Some(9), after_access_ms: None, after_write_ms, missing_keys })
    };
    let rows = ("lookup.cache.max-rows", "9");
    assert_eq!(cache(&[rows]), Ok(kept(10_000, true)));
    let missing = ("lookup.cache.caching-missing-key", "false");
    assert_eq!(cache(&[rows, ("lookup.cache.ttl", "1 s"), missing]), Ok(kept(1000, false)));
    assert_eq!(cache(&[("lookup.cache.max-rows", "-1"), ("lookup.cache.ttl", "1 s")]), Ok(LookupCache::None));
    assert!(cache(&[rows, ("lookup.cache", "PARTIAL")]).unwrap_err().contains("beside 'lookup.cache'"));
    assert!(cache(&[("lookup.cache.ttl", "1 s")]).unwrap_err().contains("'lookup.cache.max-rows' is missing"));
}

#[test]
fn what_no_server_is_needed_for_is_checked_at_once() {
    let told = |url: &str, username: Option<&str>| {
        let mut options = Options::default();
        let mut set = |key: &str, value: &str| drop(options.0.insert(key.to_owned(), value.to_owned()));
        set("url", url);
        set("table-name", "t");
        username.iter().for_each(|name| set("username", name));
        crate::Jdbc::read(&options, &Schema::default()).err().map(|e| e.message().to_owned()).unwrap_or_default()
    };
    let postgres = |parameters: &str| told(&format!("jdbc:postgresql://h/db?{parameters}"), Some("u"));
    assert_eq!(postgres("sslmode=require&currentSchema=a,b&stringtype=unspecified"), "");
    assert_eq!(postgres("sslmode=maybe"), "parameter 'sslmode' of option 'url' has the value 'maybe'");
    assert_eq!(postgres("sslmode=verify-full"), "parameter 'sslmode=verify-full' of option 'url' needs 'sslrootcert'");
    assert!(postgres("sslrootcert=f").contains("without 'sslmode=verify-full'"));
    assert_eq!(
        postgres("socketTimeout=9"),
        "parameter 'socketTimeout' of option 'url', or this value of it, is not supported yet"
    );
    assert_eq!(told("jdbc:postgresql://h/db", None), "a table of postgresql://h:5432/db needs option 'username'");
    assert_eq!(told("jdbc:mysql://h/db?useSSL=false&serverTimezone=UTC", Some("u")), "");
    assert!(told("jdbc:mysql://h/db?useSSL=true", Some("u")).contains("'useSSL'"));
    assert!(told("jdbc:sqlite::memory:", None).contains("no file of SQLite"));
    assert!(told("jdbc:sqlite:a.db", Some("u")).contains("has no users"));
}
