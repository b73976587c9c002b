//! Options that are read, and such as are refused.

use flott_api::{Field, LogicalType};

use super::*;

fn read(pairs: &[(&str, &str)]) -> std::result::Result<PulsarOptions, Error> {
    let mut all = vec![("service-url", "pulsar://h"), ("format", "json"), ("topics", "a")];
    all.extend_from_slice(pairs);
    let options = Options(all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let text = |name: &str| Field::new(name, LogicalType::string());
    PulsarOptions::read(&options, &Schema::new(vec![text("a"), text("b")]))
}

#[test]
fn options_are_read() {
    let options = read(&[("topics", "a; t/n/b"), ("service-url", "pulsar+ssl://h:1,[::1],i:2/")]).unwrap();
    assert_eq!(options.topics, ["persistent://public/default/a", "persistent://t/n/b"]);
    let addresses = [("h", 1), ("::1", 6651), ("i", 2)].map(|(host, port)| (host.to_owned(), port));
    assert_eq!(options.client.addresses, addresses);
    assert!(options.client.access.tls.is_some());
    assert_eq!((options.source.start, options.source.stop), (Start::Earliest, Stop::Never));
    assert_eq!(options.boundedness(), Boundedness::Unbounded);
    assert_eq!(options.sink.batch, Some((1000, 128 << 10)));
    let place = Place { ledger: 12, entry: 2, index: -1, count: 0, partition: -1 };
    let options = read(&[("source.start.message-id", "12:2:-1"), ("source.stop.at-message-id", "latest")]).unwrap();
    assert_eq!((options.source.start, options.source.stop), (Start::Id(place), Stop::Latest));
    assert_eq!(options.boundedness(), Boundedness::Bounded);
    let options = read(&[("source.stop.after-message-id", "12:2:-1"), ("key.format", "raw"), ("key.fields", "b")]);
    let options = options.unwrap();
    assert_eq!((options.source.stop, options.value_columns(2)), (Stop::After(place), vec![0]));
    let options = read(&[("sink.message-delay-interval", "5 s"), ("pulsar.producer.compressionType", "lz4")]).unwrap();
    assert_eq!((options.sink.delay_ms, options.sink.batch, options.sink.compression), (5000, None, Compression::Lz4));
}

#[test]
fn secrets_are_not_shown() {
    for params in ["token:hush", "{\"token\": \"hush\"}", "hush"] {
        let options = read(&[
            ("pulsar.client.authPluginClassName", "org.apache.pulsar.client.impl.auth.AuthenticationToken"),
            ("pulsar.client.authParams", params),
        ]);
        let options = options.unwrap();
        assert!(!format!("{:?}", options.client).contains("hush"));
        let Auth::Token(token) = &options.client.auth else { panic!("{params}") };
        assert_eq!(token.reveal(), "hush");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let token = ("pulsar.client.authPluginClassName", "AuthenticationToken");
    let cases: [(&[(&str, &str)], &str); 19] = [
        (&[("topics", ";")], "option 'topics' names no topic"),
        (&[("topics", "a;public/default/a")], "option 'topics' names 'persistent://public/default/a' twice"),
        (&[("service-url", "http://h:8080")], "option 'service-url' is no address of Pulsar"),
        (&[("service-url", "pulsar://u@h")], "option 'service-url' is no address of Pulsar"),
        (&[("service-url", "pulsar://h:0")], "option 'service-url' is no address of Pulsar"),
        (&[("value.format", "json")], "options 'format' and 'value.format' are the same one; give one of them"),
        (&[("format", "parquet")], "format 'parquet' cannot be used for messages of connector 'pulsar'"),
        (&[("key.format", "raw")], "option 'key.format' needs option 'key.fields'"),
        (&[("key.fields", "b")], "option 'key.fields' needs option 'key.format'"),
        (&[("key.fields", "x")], "option 'key.fields' names column 'x', which does not exist"),
        (&[("source.start.message-id", "x")], "option 'source.start.message-id' = 'x' names no message"),
        (
            &[("source.start.message-id", "latest"), ("source.start.publish-time", "7")],
            "options 'source.start.message-id' and 'source.start.publish-time' exclude each other",
        ),
        (
            &[("source.stop.at-message-id", "latest"), ("source.stop.at-publish-time", "7")],
            "options 'source.stop.at-message-id' and 'source.stop.at-publish-time' exclude each other",
        ),
        (
            &[("pulsar.consumer.receiverQueueSize", "0")],
            "option 'pulsar.consumer.receiverQueueSize' must be from 1 to 100000",
        ),
        (&[token], "option 'pulsar.client.authPluginClassName' needs option 'pulsar.client.authParams'"),
        (
            &[("pulsar.client.authParams", "token:x")],
            "option 'pulsar.client.authParams' needs option 'pulsar.client.authPluginClassName'",
        ),
        (&[token, ("pulsar.client.authParams", "token:")], "option 'pulsar.client.authParams' has no token"),
        (&[("pulsar.client.tlsTrustCertsFilePath", "f")], "options 'pulsar.client.tls*' without TLS"),
        (&[("admin-url", "x")], "connector 'pulsar' has no option 'admin-url'"),
    ];
    for (pairs, message) in cases {
        assert_eq!(read(pairs).err().unwrap().message(), message);
    }
    let unsupported = [
        ("source.subscription-type", "Shared"),
        ("sink.custom-topic-router", "a.B"),
        ("explicit", "false"),
        ("pulsar.client.authPluginClassName", "AuthenticationAthenz"),
        ("pulsar.client.tlsAllowInsecureConnection", "true"),
    ];
    for pair in unsupported {
        let error = read(&[pair]).err().unwrap();
        assert!(error.message().contains(pair.0), "{error}");
    }
}
