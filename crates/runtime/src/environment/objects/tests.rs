//! What a URI leads to.

use flott_api::object::PutMode;
use flott_api::testing::{FakeWorld, ready};

use super::*;

fn objects() -> Objects {
    Objects::new(StoreWorld::of(&FakeWorld::at(0).environment()), BTreeMap::new())
}

fn path_of(uri: &str) -> String {
    objects().resolve(uri).unwrap_or_else(|e| panic!("{uri}: {e}")).1
}

fn refused(uri: &str) -> Error {
    objects().resolve(uri).err().unwrap_or_else(|| panic!("'{uri}' is taken"))
}

#[test]
fn local_paths_begin_at_the_root() {
    for uri in ["/a/b", "file:///a/b", "file:/a/b", "file://localhost/a/b", "/a/b/", "//a///b", "/a/./b/."] {
        assert_eq!(path_of(uri), "a/b", "{uri}");
    }
    assert_eq!(path_of("/"), "");
    let here = std::env::current_dir().unwrap();
    assert_eq!(format!("/{}", path_of("a/b")), here.join("a/b").to_str().unwrap());
}

#[test]
fn what_leads_elsewhere_is_refused() {
    assert!(refused("/a/../b").message().contains("leads elsewhere"));
    assert_eq!(refused("/a/../b").detail(), Some("The URI is '/a/../b'."));
    assert!(refused("memory://x/../b").message().contains("leads elsewhere"));
    assert!(refused("file://host/a").message().contains("names another machine"));
    assert_eq!(refused("").message(), "a path is empty");
    for nameless in ["memory:///a", "memory:/a", "s3:///a", "s3:/a", "gs:///a", "oss:/a"] {
        assert!(refused(nameless).message().ends_with("names no store"), "{nameless}");
    }
    for scheme in ["wasb", "wasbs", "hdfs", "obs", "viewfs", "http"] {
        let expected = format!("object storage '{scheme}' is not supported yet");
        assert_eq!(refused(&format!("{scheme}://a/b")).message(), expected);
    }
}

#[test]
fn the_name_of_a_memory_is_a_store() {
    let (objects, bytes) = (objects(), bytes::Bytes::from_static(b"x"));
    let (store, path) = objects.resolve("memory://uri-test/a/b/").unwrap();
    assert_eq!(path, "a/b");
    ready(store.put(&path, bytes, PutMode::Create)).unwrap();
    let (again, root) = objects.resolve("memory://uri-test").unwrap();
    assert_eq!((ready(again.list(&root)).unwrap().len(), root.as_str()), (1, ""));
}

#[test]
fn folders_that_a_uri_names_stay_and_others_go() {
    let folder = tempfile::tempdir().unwrap();
    let objects = objects();
    let uri = format!("file://{}/checkpoints", folder.path().display());
    let (store, path) = objects.resolve(&uri).unwrap();
    let object = format!("{path}/job/chk-1/manifest");
    ready(store.put(&object, bytes::Bytes::new(), PutMode::Create)).unwrap();
    assert!(folder.path().join("checkpoints/job/chk-1/manifest").is_file());
    ready(store.delete(&object)).unwrap();
    assert!(folder.path().join("checkpoints").is_dir());
    assert!(!folder.path().join("checkpoints/job").exists());
}

#[cfg(feature = "buckets")]
#[test]
fn schemes_that_mean_the_same_share_a_bucket() {
    let settings = [
        ("fs.azure.account.key", "aGk="),
        ("fs.azure.endpoint", "http://127.0.0.1:1"),
        ("fs.cosn.bucket.endpoint_suffix", "http://127.0.0.1:1"),
        ("fs.cosn.userinfo.secretId", "a"),
        ("fs.cosn.userinfo.secretKey", "b"),
        ("s3.access-key", "a"),
        ("s3.endpoint", "http://127.0.0.1:1"),
        ("s3.secret-key", "b"),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let objects = Objects::new(StoreWorld::of(&FakeWorld::at(0).environment()), settings);
    let store = |uri: &str| objects.resolve(uri).unwrap_or_else(|e| panic!("{uri}: {e}")).0;
    for (one, other) in
        [("s3://b/x", "s3a://b"), ("cos://b/x/y", "cosn://b/z"), ("abfss://b@a.dfs.x.y/x", "abfs://b@a.dfs.x.y/x")]
    {
        assert!(Arc::ptr_eq(&store(one), &store(other)), "{one} {other}");
    }
    assert!(!Arc::ptr_eq(&store("s3://b"), &store("cos://b")), "they are buckets of two services");
    assert!(!Arc::ptr_eq(&store("abfss://b@a.dfs.x.y"), &store("abfss://c@a.dfs.x.y")));
}

#[test]
fn settings_are_not_shown() {
    let settings = BTreeMap::from([("s3.secret-key".to_owned(), "hush".to_owned())]);
    let objects = Objects::new(StoreWorld::of(&FakeWorld::at(0).environment()), settings);
    assert!(!format!("{objects:?}").contains("hush"));
}
