//! A bucket of Google Cloud Storage: the keys of Google's file system for Hadoop, which Flink's reads.
//!
//! Without any of them credentials come from where Google's libraries look: the file that
//! GOOGLE_APPLICATION_CREDENTIALS names, that of the `gcloud` tool, the role of the machine or pod.

use std::sync::Arc;

use flott_api::Result;
use object_store::gcp::{GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::{RetryConfig, StaticCredentialProvider};

use super::settings::{Settings, check_name, is_plain, unusable, url};
use super::{Clients, RETRIES, retries};

const KEY_FILE: &str = "fs.gs.auth.service.account.json.keyfile";
const NO_CREDENTIALS: &str = "fs.gs.auth.null.enable";
const ROOT_URL: &str = "fs.gs.storage.root.url";

const GOOGLE: &str = "https://storage.googleapis.com";

/// How the library says that a key file is none. What follows may quote from it.
const NO_KEY_FILE: &str = "Unable to decode";

pub(super) fn open(bucket: &str, settings: &Settings<'_>) -> Result<Clients> {
    Ok(Clients {
        usual: Arc::new(client(bucket, settings, retries(RETRIES))?),
        creating: Arc::new(client(bucket, settings, retries(0))?),
        is_known_to_create_once: settings.get(ROOT_URL).is_none(),
    })
}

fn client(bucket: &str, settings: &Settings<'_>, retries: RetryConfig) -> Result<GoogleCloudStorage> {
    check_name(bucket, "gs://bucket/path")?;
    // Neither a key file nor the environment leads elsewhere: there the condition might not be known.
    let root = url(ROOT_URL, settings.get(ROOT_URL).unwrap_or(GOOGLE))?;
    let builder = match settings.get(KEY_FILE) {
        Some(file) => GoogleCloudStorageBuilder::new().with_service_account_path(file),
        None if settings.flag(NO_CREDENTIALS)? == Some(true) => {
            let nobody = GcpCredential { bearer: String::new() };
            GoogleCloudStorageBuilder::new()
                .with_skip_signature(true)
                .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
        }
        None => GoogleCloudStorageBuilder::from_env(),
    };
    builder
        .with_base_url(&root)
        .with_client_options(settings.client(is_plain(&root)))
        .with_retry(retries)
        .with_bucket_name(bucket)
        .build()
        .map_err(|e| unusable(bucket, explanation(&e.to_string())))
}

fn explanation(text: &str) -> String {
    if text.contains(NO_KEY_FILE) {
        return format!(
            "The file of '{KEY_FILE}', or of GOOGLE_APPLICATION_CREDENTIALS, holds no key of a service account."
        );
    }
    format!("{text}.")
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::*;

    #[test]
    fn a_key_file_is_read_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        let name = file.to_str().unwrap();
        let refused = |pairs: &[(&str, &str)]| with(pairs, |settings| open("b", settings)).err().unwrap();
        let missing = refused(&[(KEY_FILE, name)]);
        assert_eq!(missing.message(), "bucket 'b' cannot be reached");
        assert!(missing.detail().unwrap().contains("key.json"), "{missing:?}");
        for text in ["hush", r#"{"private_key": {"hush": 1}}"#, r#"{"client_email": "hush"}"#] {
            std::fs::write(&file, text).unwrap();
            let unreadable = refused(&[(KEY_FILE, name)]);
            assert!(unreadable.detail().unwrap().contains("holds no key"), "{unreadable:?}");
            assert!(!format!("{unreadable:?}").contains("hush"));
        }
    }

    #[test]
    fn settings_that_cannot_be_kept_are_refused() {
        let refused = |pairs: &[(&str, &str)]| with(pairs, |settings| open("b", settings)).err().unwrap();
        assert!(refused(&[(NO_CREDENTIALS, "perhaps")]).message().contains("neither true nor false"));
        assert!(refused(&[(NO_CREDENTIALS, "true"), (ROOT_URL, "ftp://x")]).message().contains("'ftp'"));
        let named = with(&[(NO_CREDENTIALS, "true")], |settings| open("key:hush@b", settings)).err().unwrap();
        assert!(!format!("{named:?}").contains("hush"));
    }
}
