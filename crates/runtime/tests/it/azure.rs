//! Objects in a container of Azurite, Microsoft's own emulator of the Blob service.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::ErrorKind;
use flott_api::env::Clock;
use flott_api::object::{ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::testing::{object_contract_without, object_pages_contract};
use flott_runtime::environment::{Objects, StoreWorld, SystemClock, real};
use futures::future::join_all;

use crate::s3::server::Server;

/// As `script/services` makes them.
const ACCOUNT: &str = "flott";
const KEY: &str = "ZmxvdHRmbG90dA==";
const URI: &str = "abfss://flott-test@flott.dfs.core.windows.net/a/b";

const POLL_MS: u64 = 50;
const POLLS_MAX: usize = 600;
/// More than there is in a page of a listing.
const OBJECTS_MANY: usize = 5100;

fn objects(port: u16, credentials: &[(&str, &str)]) -> Objects {
    let endpoint = ("fs.azure.endpoint", format!("http://127.0.0.1:{port}/{ACCOUNT}"));
    let credentials = credentials.iter().map(|(key, value)| (*key, (*value).to_owned()));
    let settings = credentials.chain([endpoint]).map(|(key, value)| (key.to_owned(), value));
    Objects::new(StoreWorld::of(&real()), settings.collect::<BTreeMap<_, _>>())
}

fn container(port: u16) -> Arc<dyn ObjectStore> {
    let key = [("fs.azure.account.key.flott.dfs.core.windows.net", KEY)];
    let (store, path) = objects(port, &key).resolve(URI).unwrap();
    assert_eq!(path, "a/b");
    store
}

/// The container is made right behind the start.
async fn started(test: &str) -> Option<Server> {
    let server = Server::start_service("azure", test)?;
    let (store, clock) = (container(server.port), SystemClock::new());
    for _ in 0..POLLS_MAX {
        if store.list("").await.is_ok() {
            return Some(server);
        }
        clock.sleep_ms(POLL_MS).await;
    }
    panic!("there is no container: {:?}", store.list("").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_keeps_the_contract() {
    let Some(server) = started("a_container_keeps_the_contract").await else { return };
    object_contract_without(&*container(server.port), "a/folder", "\\").await;
    object_pages_contract(&*container(server.port), "pages", OBJECTS_MANY).await;
}

/// Each with connections of its own, as processes have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_processes_one_creates_a_blob() {
    let Some(server) = started("of_eight_processes_one_creates_a_blob").await else { return };
    let stores: Vec<_> = (0..8).map(|_| container(server.port)).collect();
    for epoch in 0..10 {
        let path = format!("job/epoch-{epoch}");
        let creates = stores.iter().map(|store| store.put(&path, Bytes::from_static(b"x"), PutMode::Create));
        let outcomes: Vec<PutOutcome> = join_all(creates).await.into_iter().map(Result::unwrap).collect();
        let winners = outcomes.iter().filter(|outcome| **outcome == PutOutcome::Stored).count();
        assert_eq!(winners, 1, "writers of '{path}' think that they created it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_refused_are_in_no_error() {
    let Some(server) = started("credentials_that_are_refused_are_in_no_error").await else { return };
    let signature = "sv=2021-08-06&ss=b&srt=sco&sp=rwdlac&se=2999-01-01T00:00:00Z&sig=c3dvcmRmaXNo";
    for credentials in [("fs.azure.account.key", "c3dvcmRmaXNo"), ("fs.azure.sas.fixed.token", signature)] {
        let (store, _) = objects(server.port, &[credentials]).resolve(URI).unwrap();
        for error in [
            store.put("a", Bytes::new(), PutMode::Create).await.unwrap_err(),
            store.put("a", Bytes::new(), PutMode::Overwrite).await.unwrap_err(),
            store.get("a").await.unwrap_err(),
            store.list("a").await.unwrap_err(),
            store.copy("a", "b").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{error:?}");
            assert!(error.detail().unwrap().contains("403"), "{error:?}");
            assert!(error.hint().unwrap().contains("'fs.azure.account.key'"), "{error:?}");
            assert!(!format!("{error:?} {error}").contains("c3dvcmRmaXNo"), "{error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_container_is_said() {
    let Some(server) = started("a_missing_container_is_said").await else { return };
    let uri = "abfs://nowhere@flott.dfs.core.windows.net";
    let (store, path) = objects(server.port, &[("fs.azure.account.key", KEY)]).resolve(uri).unwrap();
    assert_eq!(path, "");
    for error in [
        store.put("a", Bytes::new(), PutMode::Create).await.unwrap_err(),
        store.get("a").await.unwrap_err(),
        store.list("").await.unwrap_err(),
        store.copy("a", "b").await.unwrap_err(),
    ] {
        assert!(error.detail().unwrap().contains("404 (ContainerNotFound)"), "{error:?}");
        assert_eq!(error.hint(), Some("Create the bucket, or correct its name."));
    }
}
