//! Objects in a bucket of a real server, also when the connection to it is lost.

mod proxy;
pub(crate) mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Clock;
use flott_api::object::{ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::testing::{object_contract, object_pages_contract};
use flott_api::{Error, ErrorKind};
use flott_runtime::environment::{Objects, StoreWorld, SystemClock, real};
use futures::future::join_all;

use proxy::Proxy;
use server::{BUCKET, S3_ACCESS, S3_SECRET, Server};

/// More than the server lists at once.
const OBJECTS_MANY: usize = 1100;
/// Seven calls that all fail, also on a busy machine.
const OUTAGE_NS_MAX: u64 = 30_000_000_000;

fn settings(port: u16) -> BTreeMap<String, String> {
    let pairs = [
        ("s3.endpoint", format!("http://127.0.0.1:{port}")),
        ("s3.access-key", S3_ACCESS.into()),
        ("s3.secret-key", S3_SECRET.into()),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn objects(settings: BTreeMap<String, String>) -> Objects {
    Objects::new(StoreWorld::of(&real()), settings)
}

fn bucket(port: u16) -> Arc<dyn ObjectStore> {
    let (store, path) = objects(settings(port)).resolve(&format!("s3://{BUCKET}/a/b")).unwrap();
    assert_eq!(path, "a/b");
    store
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn will_pass(error: &Error) -> bool {
    error.kind() == ErrorKind::External { retry: true }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_keeps_the_contract() {
    let Some(server) = Server::start("a_bucket_keeps_the_contract") else { return };
    object_contract(&*bucket(server.port), "a/folder").await;
    object_pages_contract(&*bucket(server.port), "pages", OBJECTS_MANY).await;
}

/// Each with connections of its own, as processes have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_processes_one_creates_an_object() {
    let Some(server) = Server::start("of_eight_processes_one_creates_an_object") else { return };
    let stores: Vec<_> = (0..8).map(|_| bucket(server.port)).collect();
    for epoch in 0..20 {
        let path = format!("job/epoch-{epoch}");
        let bytes: Vec<Bytes> = (0..8).map(|i| Bytes::from(format!("owner {i}"))).collect();
        let creates = stores.iter().zip(&bytes).map(|(store, bytes)| store.put(&path, bytes.clone(), PutMode::Create));
        let outcomes: Vec<PutOutcome> = join_all(creates).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<usize> = (0..8).filter(|i| outcomes[*i] == PutOutcome::Stored).collect();
        assert_eq!(winners.len(), 1, "writers {winners:?} of '{path}' think that they created it");
        assert_eq!(stores[7].get(&path).await.unwrap().unwrap(), bytes[winners[0]]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_and_comes_back_is_tried_again() {
    let Some(mut server) = Server::start("a_server_that_goes_and_comes_back_is_tried_again") else { return };
    let store = bucket(server.port);
    store.put("a", text("one"), PutMode::Create).await.unwrap();
    server.kill();
    let clock = SystemClock::new();
    let errors = [
        store.put("a", text("two"), PutMode::Overwrite).await.unwrap_err(),
        store.put("b", text("two"), PutMode::Create).await.unwrap_err(),
        store.get("a").await.unwrap_err(),
        store.get_ranges("a", &[0..1, 1..2]).await.unwrap_err(),
        store.list("").await.unwrap_err(),
        store.delete("a").await.unwrap_err(),
        store.copy("a", "b").await.unwrap_err(),
    ];
    for error in &errors {
        assert!(will_pass(error), "{error:?}");
        assert!(error.detail().unwrap().contains("no answer"), "{error:?}");
    }
    assert!(clock.monotonic_ns() < OUTAGE_NS_MAX, "the caller's own policy must get its turn");
    server.restart();
    assert_eq!(store.get("a").await.unwrap().unwrap(), "one");
    assert_eq!(store.put("b", text("two"), PutMode::Create).await.unwrap(), PutOutcome::Stored);
}

/// The effect is done, and nobody hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_is_lost_is_not_taken_for_another_owners() {
    let name = "a_create_whose_answer_is_lost_is_not_taken_for_another_owners";
    let Some(server) = Server::start(name) else { return };
    let proxy = Proxy::start(server.port).await;
    let store = bucket(proxy.port);
    store.put("warm", text("x"), PutMode::Create).await.unwrap();
    proxy.lose_answers(1);
    let error = store.put("owner", text("me"), PutMode::Create).await.unwrap_err();
    assert!(will_pass(&error), "{error:?}");
    assert_eq!(proxy.lost(), 1, "the fault must have fired");
    // Whoever asks finds out.
    assert_eq!(store.put("owner", text("me"), PutMode::Create).await.unwrap(), PutOutcome::Exists);
    assert_eq!(store.get("owner").await.unwrap().unwrap(), "me");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_repeated_survives_a_lost_answer() {
    let Some(server) = Server::start("what_may_be_repeated_survives_a_lost_answer") else { return };
    let proxy = Proxy::start(server.port).await;
    let store = bucket(proxy.port);
    store.put("a", text("0123456789"), PutMode::Create).await.unwrap();
    proxy.lose_answers(1);
    assert_eq!(store.put("b", text("again"), PutMode::Overwrite).await.unwrap(), PutOutcome::Stored);
    proxy.lose_answers(1);
    assert_eq!(store.get("a").await.unwrap().unwrap(), "0123456789");
    proxy.lose_answers(1);
    assert_eq!(store.get_ranges("a", &[2..4, 1..3]).await.unwrap().unwrap(), ["23", "12"]);
    proxy.lose_answers(1);
    assert_eq!(store.list("").await.unwrap().len(), 2);
    assert_eq!(proxy.lost(), 4, "the fault must have fired");
    proxy.lose_answers(10);
    assert!(will_pass(&store.get("a").await.unwrap_err()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_user_must_mend_is_said_and_not_tried_again() {
    let Some(server) = Server::start("what_the_user_must_mend_is_said_and_not_tried_again") else { return };
    let (missing, path) = objects(settings(server.port)).resolve("s3a://no-such-bucket/a").unwrap();
    let mut errors: BTreeSet<(String, String)> = BTreeSet::new();
    let mut note = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{error:?}");
        errors.insert((error.detail().unwrap().to_owned(), error.hint().unwrap().to_owned()));
    };
    note(missing.put(&path, text("x"), PutMode::Create).await.unwrap_err());
    note(missing.put(&path, text("x"), PutMode::Overwrite).await.unwrap_err());
    note(missing.get(&path).await.unwrap_err());
    note(missing.get_ranges(&path, &[]).await.unwrap_err());
    note(missing.list("").await.unwrap_err());
    note(missing.delete(&path).await.unwrap_err());
    note(missing.copy(&path, "b").await.unwrap_err());
    assert!(errors.iter().all(|(detail, _)| detail.contains("404 (NoSuchBucket)")), "{errors:?}");
    assert!(errors.iter().all(|(_, hint)| hint == "Create the bucket, or correct its name."), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_in_no_error() {
    let Some(server) = Server::start("secrets_are_in_no_error") else { return };
    let mut settings = settings(server.port);
    settings.insert("s3.secret-key".into(), "swordfish".into());
    let mut shown = String::new();
    // With wrong keys, and with a token that the server does not know.
    for status in ["403", "400 (InvalidToken)"] {
        let objects = objects(settings.clone());
        let (store, _) = objects.resolve(&format!("s3://{BUCKET}/a")).unwrap();
        for error in [
            store.put("a", text("x"), PutMode::Create).await.unwrap_err(),
            store.get("a").await.unwrap_err(),
            store.list("a").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{error:?}");
            assert!(error.detail().unwrap().contains(status), "{error:?}");
            assert!(error.hint().unwrap().contains("'s3.secret-key'"), "{error:?}");
            shown += &format!("{error:?} {error}");
        }
        shown += &format!("{objects:?}");
        settings.insert("s3.session-token".into(), "open-sesame".into());
    }
    for secret in ["swordfish", "open-sesame"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
