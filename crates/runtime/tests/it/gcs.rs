//! Objects in a bucket of Google Cloud Storage, of which a double stands in: the emulator that can be had does not
//! know the header on which a create rests.
//!
//! The double keeps objects in memory and speaks the part of Google's XML API that is used, by its documentation.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flott_api::ErrorKind;
use flott_api::object::{ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::testing::{object_contract, object_pages_contract};
use flott_runtime::environment::{Objects, StoreWorld, real};
use futures::future::join_all;

use crate::double::{self, Request, answer, decoded, error};

const BUCKET: &str = "flott-test";
/// One that nobody may enter without credentials.
const CLOSED: &str = "closed";
const PAGE: usize = 1000;
const FOUND: &str = "ETag: \"e\"\r\nLast-Modified: Sun, 29 Nov 2026 12:00:00 GMT\r\nx-goog-generation: 1\r\n";
const CONDITION: &str = "x-goog-if-generation-match";

/// What the double does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    IgnoresCondition,
    /// Two writers have met, and neither has won.
    Conflict,
}

struct Double {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    fault: Fault,
}

impl Double {
    fn answer(&self, request: &Request) -> Vec<u8> {
        let (bucket, path) = request.path.split_once('/').unwrap_or((&request.path, ""));
        let mut objects = self.objects.lock().unwrap();
        match bucket {
            BUCKET => {}
            CLOSED => return error("401 Unauthorized", "AuthenticationRequired", "Authentication required."),
            _ => return error("404 Not Found", "NoSuchBucket", "The specified bucket does not exist."),
        }
        match (request.method.as_str(), request.header("x-goog-copy-source")) {
            ("GET", _) if path.is_empty() => list(&objects, request),
            ("GET", _) => objects.get(path).map_or_else(missing, |bytes| part(bytes, request.header("range"))),
            ("DELETE", _) => objects.remove(path).map_or_else(missing, |_| answer("204 No Content", "", b"")),
            ("PUT", Some(source)) => {
                let from = decoded(source).split_once('/').and_then(|(_, from)| objects.get(from).cloned());
                from.map_or_else(missing, |bytes| {
                    objects.insert(path.to_owned(), bytes);
                    answer("200 OK", FOUND, b"<CopyObjectResult/>")
                })
            }
            ("PUT", None) => self.put(&mut objects, path, request),
            _ => error("405 Method Not Allowed", "MethodNotAllowed", "No."),
        }
    }

    fn put(&self, objects: &mut BTreeMap<String, Vec<u8>>, path: &str, request: &Request) -> Vec<u8> {
        let is_create = request.header(CONDITION) == Some("0");
        if is_create && self.fault == Fault::Conflict {
            return error("409 Conflict", "Conflict", "Another request was faster.");
        }
        if is_create && objects.contains_key(path) && self.fault == Fault::None {
            return error("412 Precondition Failed", "PreconditionFailed", "A precondition did not hold.");
        }
        objects.insert(path.to_owned(), request.body.clone());
        answer("200 OK", FOUND, b"")
    }
}

fn missing() -> Vec<u8> {
    error("404 Not Found", "NoSuchKey", "The specified key does not exist.")
}

fn part(bytes: &[u8], range: Option<&str>) -> Vec<u8> {
    let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) else {
        return answer("200 OK", FOUND, bytes);
    };
    let (start, end) = range.split_once('-').unwrap();
    let start: usize = start.parse().unwrap();
    let end = end.parse::<usize>().map_or(bytes.len(), |last| (last + 1).min(bytes.len()));
    if start >= bytes.len() {
        return error("416 Requested Range Not Satisfiable", "InvalidRange", "The range cannot be satisfied.");
    }
    let range = format!("{FOUND}Content-Range: bytes {start}-{}/{}\r\n", end - 1, bytes.len());
    answer("206 Partial Content", &range, &bytes[start..end])
}

/// A page: a token is the last name of the page before.
fn list(objects: &BTreeMap<String, Vec<u8>>, request: &Request) -> Vec<u8> {
    let asked = |name: &str| request.query.get(name).map_or("", String::as_str);
    let (prefix, after) = (asked("prefix"), asked("continuation-token"));
    let found: Vec<(&String, &Vec<u8>)> =
        objects.iter().filter(|(name, _)| name.starts_with(prefix) && name.as_str() > after).collect();
    let mut xml = "<ListBucketResult>".to_owned();
    for (name, bytes) in found.iter().take(PAGE) {
        let (name, size) = (escaped(name), bytes.len());
        write!(xml, "<Contents><Key>{name}</Key><Size>{size}</Size><ETag>\"e\"</ETag>").unwrap();
        xml += "<LastModified>2026-11-29T12:00:00.000Z</LastModified></Contents>";
    }
    if found.len() > PAGE {
        write!(xml, "<NextContinuationToken>{}</NextContinuationToken>", escaped(found[PAGE - 1].0)).unwrap();
    }
    answer("200 OK", "Content-Type: application/xml\r\n", (xml + "</ListBucketResult>").as_bytes())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

async fn started(fault: Fault) -> u16 {
    let double = Arc::new(Double { objects: Mutex::default(), fault });
    double::serve(move |request| {
        let double = Arc::clone(&double);
        async move { double.answer(&request) }
    })
    .await
}

fn bucket(port: u16, name: &str) -> Arc<dyn ObjectStore> {
    let settings =
        [("fs.gs.auth.null.enable", "true".to_owned()), ("fs.gs.storage.root.url", format!("http://127.0.0.1:{port}"))];
    let settings = settings.map(|(key, value)| (key.to_owned(), value)).into();
    let (store, path) = Objects::new(StoreWorld::of(&real()), settings).resolve(&format!("gs://{name}/a/b")).unwrap();
    assert_eq!(path, "a/b");
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_google_keeps_the_contract() {
    let port = started(Fault::None).await;
    object_contract(&*bucket(port, BUCKET), "a/folder").await;
    object_pages_contract(&*bucket(port, BUCKET), "pages", PAGE + 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_processes_one_creates_an_object_of_google() {
    let port = started(Fault::None).await;
    let stores: Vec<_> = (0..8).map(|_| bucket(port, BUCKET)).collect();
    for epoch in 0..10 {
        let path = format!("job/epoch-{epoch}");
        let creates = stores.iter().map(|store| store.put(&path, Bytes::from_static(b"x"), PutMode::Create));
        let outcomes: Vec<PutOutcome> = join_all(creates).await.into_iter().map(Result::unwrap).collect();
        let winners = outcomes.iter().filter(|outcome| **outcome == PutOutcome::Stored).count();
        assert_eq!(winners, 1, "writers of '{path}' think that they created it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_condition_of_google_is_refused() {
    let store = bucket(started(Fault::IgnoresCondition).await, BUCKET);
    let error = store.put("epoch", Bytes::new(), PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    assert!(error.detail().unwrap().contains("'x-goog-if-generation-match'"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_meet_do_not_take_the_other_for_the_owner() {
    let store = bucket(started(Fault::Conflict).await, BUCKET);
    let error = store.put("epoch", Bytes::new(), PutMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: true }, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_user_must_mend_at_google_is_said() {
    let port = started(Fault::None).await;
    for (name, detail, hint) in
        [(CLOSED, "401 (AuthenticationRequired)", "keyfile"), ("nowhere", "404 (NoSuchBucket)", "Create the bucket")]
    {
        let store = bucket(port, name);
        for error in [
            store.put("a", Bytes::new(), PutMode::Create).await.unwrap_err(),
            store.get("a").await.unwrap_err(),
            store.list("").await.unwrap_err(),
            store.delete("a").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{error:?}");
            assert!(error.detail().unwrap().contains(detail), "{error:?}");
            assert!(error.hint().unwrap().contains(hint), "{error:?}");
        }
    }
}
