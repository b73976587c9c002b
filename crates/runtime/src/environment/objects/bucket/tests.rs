//! What holds of every bucket, without a server.

use flott_api::ErrorKind;

use super::*;

const QUICK: Patience = Patience { connect: Duration::from_secs(5), read: Duration::from_millis(200) };

/// Calls `make` with these settings.
pub(super) fn with<T>(pairs: &[(&str, &str)], make: impl FnOnce(&Settings<'_>) -> T) -> T {
    let values: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    make(&Settings { values: &values, patience: QUICK })
}

/// Buckets of all schemes behind one address.
fn all_behind(port: u16) -> Vec<BucketObjects> {
    let address = format!("http://127.0.0.1:{port}");
    let values: BTreeMap<String, String> = [
        ("fs.azure.account.key", "aHVzaA=="),
        ("fs.azure.endpoint", &address),
        ("fs.cosn.bucket.endpoint_suffix", &address),
        ("fs.cosn.userinfo.secretId", "id"),
        ("fs.cosn.userinfo.secretKey", "aHVzaA=="),
        ("fs.gs.auth.null.enable", "true"),
        ("fs.gs.storage.root.url", &address),
        ("fs.oss.accessKeyId", "id"),
        ("fs.oss.accessKeySecret", "aHVzaA=="),
        ("fs.oss.endpoint", &address),
        ("s3.access-key", "id"),
        ("s3.endpoint", &address),
        ("s3.secret-key", "aHVzaA=="),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let names = [("abfss", "b@a.dfs.core.windows.net"), ("cos", "b"), ("gs", "b"), ("oss", "b"), ("s3", "b")];
    names.map(|(scheme, name)| BucketObjects::open_patiently(scheme, name, &values, QUICK).unwrap()).into()
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    // Connections are taken, and nobody reads them.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    for bucket in all_behind(silent.local_addr().unwrap().port()) {
        for error in [
            bucket.put("a", Bytes::new(), PutMode::Create).await.unwrap_err(),
            bucket.get("a").await.unwrap_err(),
            bucket.list("").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::External { retry: true }, "{bucket:?} {error:?}");
            assert!(error.detail().unwrap().contains("no answer"), "{bucket:?} {error:?}");
            assert!(!format!("{error:?}").contains("aHVzaA"), "{error:?}");
        }
    }
}

#[test]
fn buckets_are_shown_without_their_keys() {
    let shown: Vec<String> = all_behind(1).iter().map(|bucket| format!("{bucket:?}")).collect();
    assert_eq!(shown[0], "BucketObjects(abfss://b@a.dfs.core.windows.net)");
    assert!(!shown.concat().contains("aHVzaA"), "{shown:?}");
}
