//! Objects in buckets of OSS and COS, for which the S3 server stands in behind a translator: it takes their header for a
//! create, and refuses that of AWS as they do. Signatures are checked by the server.

use std::sync::Arc;

use bytes::Bytes;
use flott_api::ErrorKind;
use flott_api::object::{ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::testing::{object_contract, object_pages_contract};
use flott_runtime::environment::{Objects, StoreWorld, real};
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::double::{self, Request, error};
use crate::s3::server::{BUCKET, S3_ACCESS, S3_SECRET, Server};

const SCHEMES: [&str; 2] = ["oss", "cos"];
/// More than the server lists at once.
const OBJECTS_MANY: usize = 1100;

/// Hands a request on as one of S3, and the answer back as one of `scheme`.
async fn translated(request: Request, to: u16, scheme: &str) -> Vec<u8> {
    let condition = format!("x-{scheme}-forbid-overwrite");
    if request.headers.contains_key("if-none-match") {
        return error("501 Not Implemented", "NotImplemented", "A header implies what is not implemented.");
    }
    let is_create = request.header(&condition) == Some("true");
    let signed = request.header("authorization").is_some_and(|signature| signature.contains(&condition));
    if is_create && !signed {
        return error("403 Forbidden", "AccessDenied", "There are headers that were not signed.");
    }
    let mut more = "Connection: close\r\n\r\n".to_owned();
    if is_create {
        more.insert_str(0, "If-None-Match: *\r\n");
    }
    let head = request.head.trim_end().to_owned() + "\r\n" + &more;
    let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
    server.write_all(&[head.as_bytes(), &request.body].concat()).await.unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.unwrap();
    if answer.starts_with(b"HTTP/1.1 412") {
        return error("409 Conflict", "FileAlreadyExists", "The object exists and cannot be overwritten.");
    }
    answer
}

async fn translator(to: u16, scheme: &'static str) -> u16 {
    double::serve(move |request| translated(request, to, scheme)).await
}

fn bucket(port: u16, scheme: &str, secret: &str) -> Arc<dyn ObjectStore> {
    let address = format!("http://127.0.0.1:{port}");
    let settings = [
        ("fs.cosn.bucket.endpoint_suffix", address.as_str()),
        ("fs.cosn.bucket.region", "us-east-1"),
        ("fs.cosn.userinfo.secretId", S3_ACCESS),
        ("fs.cosn.userinfo.secretKey", secret),
        ("fs.oss.accessKeyId", S3_ACCESS),
        ("fs.oss.accessKeySecret", secret),
        ("fs.oss.endpoint", &address),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let objects = Objects::new(StoreWorld::of(&real()), settings);
    objects.resolve(&format!("{scheme}://{BUCKET}/a/b")).unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_of_oss_and_cos_keep_the_contract() {
    let Some(server) = Server::start("buckets_of_oss_and_cos_keep_the_contract") else { return };
    for scheme in SCHEMES {
        let port = translator(server.port, scheme).await;
        object_contract(&*bucket(port, scheme, S3_SECRET), "a/folder").await;
        object_pages_contract(&*bucket(port, scheme, S3_SECRET), "pages", OBJECTS_MANY).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_processes_one_creates_where_overwriting_is_forbidden() {
    let name = "of_eight_processes_one_creates_where_overwriting_is_forbidden";
    let Some(server) = Server::start(name) else { return };
    for scheme in SCHEMES {
        let port = translator(server.port, scheme).await;
        let stores: Vec<_> = (0..8).map(|_| bucket(port, scheme, S3_SECRET)).collect();
        for epoch in 0..10 {
            let path = format!("{scheme}/epoch-{epoch}");
            let creates = stores.iter().map(|store| store.put(&path, Bytes::from_static(b"x"), PutMode::Create));
            let outcomes: Vec<PutOutcome> = join_all(creates).await.into_iter().map(Result::unwrap).collect();
            let winners = outcomes.iter().filter(|outcome| **outcome == PutOutcome::Stored).count();
            assert_eq!(winners, 1, "writers of '{path}' think that they created it");
        }
    }
}

/// The S3 server does not know the header of the others, as they do not in a bucket with versions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_ignores_the_condition_is_refused() {
    let Some(server) = Server::start("a_bucket_that_ignores_the_condition_is_refused") else { return };
    for scheme in SCHEMES {
        let store = bucket(server.port, scheme, S3_SECRET);
        for _ in 0..2 {
            let error = store.put(scheme, Bytes::from_static(b"x"), PutMode::Create).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
            assert!(error.message().contains(&format!("'{scheme}://{BUCKET}/{scheme}'")), "{error:?}");
            assert!(error.detail().unwrap().contains("-forbid-overwrite', as"), "{error:?}");
            assert!(error.hint().unwrap().starts_with("Take another bucket"), "{error:?}");
        }
        let put = store.put(scheme, Bytes::from_static(b"y"), PutMode::Overwrite).await;
        assert_eq!(put.unwrap(), PutOutcome::Stored, "files without owners may lie there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_oss_and_cos_are_in_no_error() {
    let Some(server) = Server::start("secrets_of_oss_and_cos_are_in_no_error") else { return };
    for (scheme, option) in [("oss", "'fs.oss.accessKeySecret'"), ("cos", "'fs.cosn.userinfo.secretKey'")] {
        let store = bucket(translator(server.port, scheme).await, scheme, "swordfish");
        for error in [
            store.put("a", Bytes::new(), PutMode::Create).await.unwrap_err(),
            store.get("a").await.unwrap_err(),
            store.list("a").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{error:?}");
            assert!(error.hint().unwrap().contains(option), "{error:?}");
            assert!(!format!("{error:?} {error}").contains("swordfish"), "{error:?}");
        }
    }
}
