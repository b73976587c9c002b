//! Local objects in a fresh folder below the system's temporary one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use flott_api::ErrorKind;
use flott_api::env::Clock;
use flott_api::testing::{FakeWorld, object_contract, object_pages_contract, ready};
use tempfile::TempDir;

use super::*;
use crate::environment::{SystemClock, real};

/// A store whose calls run at once, in a fake world.
fn standing() -> (TempDir, Arc<FakeWorld>, LocalObjects) {
    let (folder, world) = (tempfile::tempdir().unwrap(), FakeWorld::at(0));
    let store = LocalObjects::in_folder(&folder.path().join("store"), &StoreWorld::of(&world.environment()));
    (folder, world, store)
}

fn put(store: &LocalObjects, path: &str) -> Result<PutOutcome> {
    ready(store.put(path, Bytes::from_static(b"text"), PutMode::Create))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalObjects::in_folder(&folder.path().join("not/there/yet"), &StoreWorld::of(&real()));
    object_contract(&store, "a/folder").await;
    assert_eq!(names(&folder.path().join("not/there/yet")), [""; 0], "empty folders go");
}

#[test]
fn many_objects_are_listed() {
    let (_folder, _, store) = standing();
    ready(object_pages_contract(&store, "pages", 300));
}

/// Two stores on one folder know nothing of each other, as two processes do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_create_an_object_once() {
    let (folder, world) = (tempfile::tempdir().unwrap(), StoreWorld::of(&real()));
    let stores = [(); 2].map(|()| LocalObjects::in_folder(folder.path(), &world));
    for round in 0..50 {
        // The folders go and come between the rounds.
        let path = format!("epochs/{round}/owner");
        let puts = stores.each_ref().map(|store| store.put(&path, Bytes::from_static(b"me"), PutMode::Create));
        let outcomes = futures::future::join_all(puts).await;
        assert_eq!(outcomes.iter().filter(|o| matches!(o, Ok(PutOutcome::Stored))).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|o| matches!(o, Ok(PutOutcome::Exists))).count(), 1, "{outcomes:?}");
        let deletes = stores.each_ref().map(|store| store.delete(&path));
        futures::future::try_join_all(deletes).await.unwrap();
        let writes = (0..8).map(|i| (&stores[i % 2], format!("epochs/x/{i}")));
        let turns = writes.map(async |(store, path)| {
            store.put(&path, Bytes::new(), PutMode::Overwrite).await?;
            store.delete(&path).await
        });
        futures::future::try_join_all(turns).await.unwrap();
    }
}

#[test]
fn what_a_killed_process_left_is_no_object_and_goes_in_time() {
    let (folder, world, store) = standing();
    put(&store, "a/b").unwrap();
    let left = folder.path().join("store/a/.flott-tmp-00-1-2");
    fs::write(&left, "half").unwrap();
    let written_ms = SystemClock::new().now_ms();
    for (age_min, stays) in [(59, true), (61, false)] {
        world.set_now(written_ms + age_min * 60_000);
        let listed = ready(store.list("a/b")).unwrap();
        assert_eq!(listed.iter().map(|o| o.path.as_str()).collect::<Vec<_>>(), ["a/b"]);
        assert_eq!(left.exists(), stays, "after {age_min} minutes");
    }
    let refused = put(&store, "a/.flott-tmp-00-1-2").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[test]
fn a_put_leaves_nothing_but_the_object() {
    let (folder, _, store) = standing();
    assert_eq!(put(&store, "a/b").unwrap(), PutOutcome::Stored);
    assert_eq!(put(&store, "a/b").unwrap(), PutOutcome::Exists);
    ready(store.copy("a/b", "a/b")).unwrap();
    ready(store.copy("a/b", "a/c")).unwrap();
    ready(store.copy("a/b", "a/c")).unwrap();
    put(&store, "a/b/below").unwrap_err();
    put(&store, "a").unwrap_err();
    assert_eq!(names(&folder.path().join("store/a")), ["b", "c"]);
}

/// A bucket could hold both; here nobody may believe that the object is there.
#[test]
fn an_object_where_a_folder_is_and_one_below_an_object_are_errors() {
    let (_folder, _, store) = standing();
    put(&store, "a/b").unwrap();
    for mode in [PutMode::Create, PutMode::Overwrite] {
        let error = ready(store.put("a", Bytes::new(), mode)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::External { retry: false });
        assert!(error.message().ends_with("store/a' cannot be written"), "{error}");
    }
    let error = put(&store, "a/b/c/d").unwrap_err();
    assert!(error.to_string().ends_with("store/a/b' is no folder"), "{error}");
    let long = put(&store, &"x".repeat(300)).unwrap_err();
    assert_eq!(long.kind(), ErrorKind::Invalid, "{long}");
}

#[test]
fn links_to_folders_are_followed_to_where_a_listing_begins() {
    let (folder, _, store) = standing();
    put(&store, "real/a").unwrap();
    symlink(folder.path().join("store/real"), folder.path().join("store/link")).unwrap();
    // A link that leads back up must not hang a listing.
    symlink(folder.path(), folder.path().join("store/real/up")).unwrap();
    let listed =
        |prefix: &str| -> Vec<String> { ready(store.list(prefix)).unwrap().into_iter().map(|o| o.path).collect() };
    assert_eq!(listed(""), ["real/a"]);
    assert_eq!(listed("link/"), ["link/a"]);
    assert_eq!(ready(store.get("link/a")).unwrap().unwrap(), "text");
}

/// Whoever cleans up old files must not take a fresh copy of an old object for one.
#[test]
fn a_copy_is_as_young_as_its_name() {
    let (folder, _, store) = standing();
    put(&store, "old").unwrap();
    let file = fs::File::options().write(true).open(folder.path().join("store/old")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    ready(store.copy("old", "new")).unwrap();
    let listed = ready(store.list("new")).unwrap();
    assert!(SystemClock::new().now_ms() - listed[0].modified_ms < 60_000, "{listed:?}");
}

#[test]
fn a_folder_that_may_not_be_written_is_a_lasting_error() {
    let (folder, _, store) = standing();
    put(&store, "a/b").unwrap();
    let locked = folder.path().join("store/a");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write anywhere.
    if fs::write(locked.join("probe"), "").is_err() {
        let error = put(&store, "a/c").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::External { retry: false });
        assert!(error.hint().unwrap().contains("read and write"), "{error}");
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}
