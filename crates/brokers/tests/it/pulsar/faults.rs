//! Brokers that die, stall, lie, or do not let anybody in.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use flott_api::ErrorKind;

use super::{admin_done, endless, named, number, shared, topic, write, write_many};
use crate::server::{certificate, own, pause, silent, wait_until};
use crate::world::{Table, users};

/// The server is killed while rows are written and read; all are there, in order, and none is read twice that was written once.
#[test]
fn reading_and_writing_outlive_a_broker_that_is_killed() {
    let Some(mut server) = own("pulsar", "reading_and_writing_outlive", &[]) else { return };
    let name = topic(&server);
    let table = named(&server, &name).with(&[("connection.max-retry-timeout", "300 s")]);
    const ROWS: usize = 20_000;
    let mut reading = endless(&table).reading(&[]).unwrap();
    let (written, read) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut writer = table.writer();
            for part in 0..ROWS / 200 {
                let rows: Vec<String> = (0..200).map(|n| format!("+I | {} | n", part * 200 + n)).collect();
                writer.put(table.rows(&rows.join("\n"))).unwrap();
                pause(20);
            }
        });
        // At least once: the last row may come behind repeated ones.
        let reading = scope.spawn(|| {
            let mut rows = Vec::new();
            while rows.last().is_none_or(|last: &String| number(last) + 1 < ROWS) {
                rows.extend(reading.next().unwrap().unwrap());
            }
            rows
        });
        for _ in 0..2 {
            pause(600);
            assert!(!writing.is_finished(), "it is killed while rows are written");
            server.kill();
            server.restart();
        }
        (writing.join(), reading.join().unwrap())
    });
    written.unwrap();
    // A row that comes again was written again, with all that is behind it: taken once, they are in order.
    let mut next = 0;
    for row in read.iter().map(|line| number(line)) {
        assert!(row <= next, "row {next} is missing, {row} comes");
        next = next.max(row + 1);
    }
    assert_eq!(next, ROWS);
    assert!(read.len() < ROWS + 3 * 8192, "{} rows came again", read.len() - ROWS);
    // From the broker they come as they did: what came again lies there twice.
    let again = table.read(&[]).unwrap();
    assert_eq!(again, read);
}

#[test]
fn a_broker_that_stalls_is_waited_for() {
    let Some(server) = own("pulsar", "a_broker_that_stalls_is_waited_for", &[]) else { return };
    let table = named(&server, &topic(&server)).with(&[("pulsar.client.operationTimeoutMs", "1000")]);
    let mut writer = table.writer();
    writer.put(table.rows("+I | 1 | a")).unwrap();
    server.stalled(2500, || writer.put(table.rows("+I | 2 | b\n+I | 3 | c")).unwrap());
    let mut rows = table.read(&[]).unwrap();
    // At least once.
    rows.dedup();
    let first = ["+I | 1 | a", "+I | 2 | b", "+I | 3 | c"];
    assert_eq!(rows[..3], first, "{rows:?}");
}

fn lonely(port: u16) -> Table {
    Table::new("pulsar", users(), &[]).with(&[
        ("service-url", &format!("pulsar://127.0.0.1:{port}")),
        ("topics", "t"),
        ("format", "json"),
        ("pulsar.client.operationTimeoutMs", "200"),
        ("connection.max-retry-timeout", "500 ms"),
    ])
}

#[test]
fn a_server_that_never_answers_is_told() {
    let (_listener, port) = silent();
    let table = lonely(port);
    let error = table.read(&[]).unwrap_err();
    assert_eq!(error.message(), format!("connector 'pulsar': 127.0.0.1:{port} does not answer"));
    assert_eq!(error.hint(), Some("Option 'pulsar.client.operationTimeoutMs' says how long it is waited."));
    let error = table.writer().put(table.rows("+I | 1 | a")).unwrap_err();
    assert_eq!(error.message(), format!("table 'c.d.t': 127.0.0.1:{port} does not answer"));
    assert!(error.detail().unwrap().starts_with("It was tried again for"), "{error:?}");
}

/// Its disk is full: nothing is taken, and who writes is told so instead of waiting for ever.
#[test]
fn a_broker_that_can_keep_nothing_is_told() {
    let limits = ["diskUsageThreshold", "diskUsageLwmThreshold", "diskUsageWarnThreshold"];
    let mut settings = limits.map(|key| format!("{key}=0.000001")).to_vec();
    // Without them a topic fails at once: their own topic is tried for most of a minute before.
    settings.push("topicLevelPoliciesEnabled=false".to_owned());
    let Some(server) = own("pulsar", "a_broker_that_can_keep_nothing_is_told", &settings) else { return };
    let table = named(&server, "t").with(&[("connection.max-retry-timeout", "500 ms")]);
    // Before that it is not ready, or has no namespace yet.
    let mut last = None;
    wait_until("who writes is told that nothing can be kept", || {
        let error = table.writer().put(table.rows("+I | 1 | a")).unwrap_err();
        last.insert(error).message().contains("Not enough non-faulty bookies")
    });
    assert_eq!(last.unwrap().kind(), ErrorKind::External { retry: true });
    assert!(server.log().contains("is out of space"), "the fault has fired");
}

/// Whatever is answered, it is told, and no length is believed.
#[test]
fn a_server_that_is_none_of_pulsar_is_told() {
    let answers: [&'static [u8]; 5] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0xff; 64],
        &[0, 0, 0, 8, 0, 0, 0, 200, 1, 2, 3, 4],
        &[0, 0, 0, 8, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff],
        &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1],
    ];
    for answer in answers {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(answer).unwrap();
                drop(stream.read_to_end(&mut Vec::new()));
            });
            let error = lonely(port).read(&[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{error:?}");
            assert_eq!(error.message(), "connector 'pulsar': an answer makes no sense: it is none of Pulsar");
        });
    }
}

/// A token that a broker takes: a JWT of a role, signed with a secret.
fn token(role: &str, secret: &str) -> String {
    let script = r#"
        b() { base64 -w0 | tr '+/' '-_' | tr -d '='; }
        body=$(printf '{"alg":"HS256"}' | b).$(printf '{"sub":"%s"}' "$0" | b)
        printf '%s.%s' "$body" "$(printf %s "$body" | openssl dgst -sha256 -mac HMAC -macopt "key:$1" -binary | b)"
    "#;
    let output = Command::new("bash").args(["-c", script, role, secret]).stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn who_may_come_in_is_told_and_no_token_shown() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let base64 = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let broker = format!("brokerClientAuthenticationParameters=token:{}", token("admin", SECRET));
    let settings = [
        "authenticationEnabled=true",
        "authorizationEnabled=true",
        "authenticationProviders=org.apache.pulsar.broker.authentication.AuthenticationProviderToken",
        &format!("tokenSecretKey=data:;base64,{base64}"),
        "superUserRoles=admin",
        "brokerClientAuthenticationPlugin=org.apache.pulsar.client.impl.auth.AuthenticationToken",
        &broker,
    ];
    let settings = settings.map(str::to_owned);
    let Some(server) = own("pulsar", "who_may_come_in_is_told", &settings) else { return };
    let base = named(&server, "t").with(&[("connection.max-retry-timeout", "120 s")]);
    let with = |token: &str| {
        let class = ("pulsar.client.authPluginClassName", "org.apache.pulsar.client.impl.auth.AuthenticationToken");
        base.clone().with(&[class, ("pulsar.client.authParams", &format!("token:{token}"))])
    };
    let good = with(&token("admin", SECRET));
    // Writing makes the topic, as soon as its namespace is there.
    for tries in 0.. {
        match good.writer().put(good.rows("+I | 1 | a")) {
            Ok(()) => break,
            Err(e) if tries < 600 && e.kind() != ErrorKind::Invalid => pause(100),
            Err(e) => panic!("{e:?}"),
        }
    }
    assert_eq!(good.read(&[]).unwrap(), ["+I | 1 | a"]);
    let wrong = token("admin", "another-secret-0123456789abcdef0");
    for table in [with(&wrong), base.clone()] {
        let error = table.read(&[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.message().contains("does not let this job in (AuthenticationError, 3)"), "{error}");
        assert!(!format!("{error:?}").contains(&wrong), "{error:?}");
    }
    let error = with(&token("nobody", SECRET)).read(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert!(error.message().contains("(AuthorizationError, 4)"), "{error}");
    // A file with the token is read when it is needed.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{}\n", token("admin", SECRET))).unwrap();
    let of_file = good.clone().with(&[("pulsar.client.authParams", &format!("file://{}", file.display()))]);
    assert_eq!(of_file.read(&[]).unwrap(), ["+I | 1 | a"]);
}

#[test]
fn tls_is_made_and_certificates_are_checked() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    certificate(folder.path(), "server");
    certificate(folder.path(), "other");
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let convert = format!("openssl pkcs8 -topk8 -nocrypt -in {0} -out {0}8", file("server.key"));
    assert!(Command::new("bash").args(["-c", &convert]).status().unwrap().success());
    let settings = [
        "brokerServicePortTls=PORT_TLS_HERE".to_owned(),
        format!("tlsCertificateFilePath={}", file("server.crt")),
        format!("tlsKeyFilePath={}", file("server.key8")),
        format!("brokerClientTrustCertsFilePath={}", file("server.crt")),
    ];
    let Some(server) = own("pulsar", "tls_is_made_and_certificates_are_checked", &settings) else { return };
    let name = topic(&server);
    let url = format!("pulsar+ssl://127.0.0.1:{}", server.port + 3);
    let base = named(&server, &name).with(&[("service-url", &url), ("connection.max-retry-timeout", "2 s")]);
    let of = |ca: &str| base.clone().with(&[("pulsar.client.tlsTrustCertsFilePath", &file(ca))]);
    write(&of("server.crt"), "+I | 1 | a");
    assert_eq!(of("server.crt").read(&[]).unwrap(), ["+I | 1 | a"]);
    let error = of("other.crt").read(&[]).unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error:?}");
    let error = of("none.crt").read(&[]).unwrap_err();
    assert!(
        error.message().contains("the file of option 'pulsar.client.tlsTrustCertsFilePath' cannot be read"),
        "{error}"
    );
    // A broker without TLS says so.
    let plain = named(&server, &name);
    assert_eq!(plain.read(&[]).unwrap(), ["+I | 1 | a"]);
}

#[test]
fn messages_that_are_gone_are_missed() {
    let Some(server) = shared("messages_that_are_gone_are_missed") else { return };
    let name = topic(server);
    let table = endless(&named(server, &name)).with(&[
        ("source.subscription-name", "mine"),
        ("connection.max-retry-timeout", "500 ms"),
        ("pulsar.producer.batchingEnabled", "false"),
    ]);
    write_many(&table, 0..10);
    let mut reading = table.reading(&[]).unwrap();
    assert_eq!(reading.take(5).unwrap().len(), 10);
    let splits = reading.begin_checkpoint(1);
    drop(reading);
    // Somebody clears the backlog behind the checkpoint, and its ledgers go.
    write_many(&table, 10..20);
    let of = |what: &str| format!("persistent/public/default/{name}/{what}");
    admin_done(server, "POST", &of("subscription/mine/skip_all"), "");
    admin_done(server, "PUT", &of("unload"), "");
    write_many(&table, 20..30);
    admin_done(server, "POST", &of("subscription/mine/skip/5"), "");
    admin_done(server, "POST", &of("trim"), "");
    let error = table.reading_of(splits.clone(), &[]).unwrap().next().unwrap_err();
    assert!(error.message().contains(" are gone, and the next one is behind "), "{error}");
    assert_eq!(error.kind(), ErrorKind::External { retry: false });
    let lenient = table.with(&[("pulsar.source.verifyInitialOffsets", "WARN_ON_MISMATCH")]);
    let read = lenient.reading_of(splits, &[]).unwrap().take(10).unwrap();
    assert!(read.iter().map(|line| number(line)).eq(20..30), "{read:?}");
}

/// Its last messages are removed while it reads: then the broker only shows that it lives, more often than a reader is idle.
#[test]
fn a_bounded_read_ends_when_its_last_messages_are_removed() {
    let Some(server) = shared("a_bounded_read_ends_when_its_last_messages_are_removed") else { return };
    let name = topic(server);
    let table = named(server, &name).with(&[
        ("pulsar.producer.batchingEnabled", "false"),
        ("source.subscription-name", "mine"),
        ("pulsar.consumer.receiverQueueSize", "10"),
        ("pulsar.client.keepAliveIntervalSeconds", "3"),
    ]);
    write_many(&table, 0..3000);
    let mut reading = table.reading(&[]).unwrap();
    let mut rows = reading.next().unwrap().unwrap().len();
    admin_done(server, "POST", &format!("persistent/public/default/{name}/subscription/mine/skip_all"), "");
    let clock = &table.environment.clock;
    let mut since_ns = clock.monotonic_ns();
    while let Some(more) = reading.soon(60_000) {
        (rows, since_ns) = (rows + more.len(), clock.monotonic_ns());
    }
    assert!(clock.monotonic_ns() - since_ns < 60_000_000_000, "it does not end");
    assert!((1..3000).contains(&rows), "{rows}");
}

#[test]
fn a_reader_that_is_not_asked_takes_no_more() {
    let Some(server) = shared("a_reader_that_is_not_asked_takes_no_more") else { return };
    let name = topic(server);
    let table = named(server, &name).with(&[("pulsar.producer.batchingEnabled", "false")]);
    write_many(&table, 0..3000);
    let slow =
        endless(&table).with(&[("source.subscription-name", "slow"), ("pulsar.consumer.receiverQueueSize", "10")]);
    let mut reading = slow.reading(&[]).unwrap();
    let mut rows = reading.next().unwrap().unwrap();
    pause(500);
    let (_, stats) = super::admin(server, "GET", &format!("persistent/public/default/{name}/stats"), "");
    let permits = stats.split("\"availablePermits\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!((0..=10).contains(&permits.parse::<i32>().unwrap()), "{permits}");
    let unacked = stats.split("\"msgOutCounter\":").nth(1).unwrap().split([',', '}']).next().unwrap().to_owned();
    assert!(unacked.parse::<u32>().unwrap() <= rows.len() as u32 + 20, "{unacked} were sent, and {} taken", rows.len());
    while rows.len() < 3000 {
        rows.extend(reading.next().unwrap().unwrap());
    }
    assert!(rows.iter().map(|line| number(line)).eq(0..3000));
}
