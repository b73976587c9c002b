//! How a bucket is reached: Flink's keys, and where they say nothing, AWS's environment variables.
//!
//! Other spellings of the keys, and what Flink has besides, are the business of whoever reads the configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use flott_api::options::FromOption;
use flott_api::{Error, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::{ClientOptions, RetryConfig};

use crate::environment::http::provide_tls;

const ACCESS_KEY: &str = "s3.access-key";
const SECRET_KEY: &str = "s3.secret-key";
const SESSION_TOKEN: &str = "s3.session-token";
const ENDPOINT: &str = "s3.endpoint";
const REGION: &str = "s3.region";
const PATH_STYLE: &str = "s3.path.style.access";

const REGION_DEFAULT: &str = "us-east-1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of silence, not of a whole object: that may be large.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How a bucket is reached. It has no `Debug`: there are secrets in it.
pub(super) struct Connection {
    builder: AmazonS3Builder,
    endpoint: Option<String>,
    path_style: bool,
}

impl Connection {
    pub(super) fn read(settings: &BTreeMap<String, String>) -> Result<Self> {
        Connection::over(AmazonS3Builder::from_env(), &Settings(settings))
    }

    /// Settings win over what the builder has from the environment.
    fn over(mut builder: AmazonS3Builder, settings: &Settings<'_>) -> Result<Self> {
        if let Some((access, secret)) = settings.keys()? {
            // A token of the environment belongs to keys of the environment.
            builder = AmazonS3Builder::new().with_access_key_id(access).with_secret_access_key(secret);
            if let Some(token) = settings.get(SESSION_TOKEN) {
                builder = builder.with_token(token);
            }
        }
        let from_env = |key| builder.get_config_value(&key);
        let endpoint = settings.get(ENDPOINT).map(str::to_owned);
        let endpoint = endpoint.or_else(|| from_env(AmazonS3ConfigKey::S3Endpoint));
        let endpoint = endpoint.or_else(|| from_env(AmazonS3ConfigKey::Endpoint));
        let endpoint = endpoint.map(|endpoint| url(&endpoint)).transpose()?;
        let region = settings.get(REGION).map(str::to_owned).or_else(|| from_env(AmazonS3ConfigKey::Region));
        let region = region.unwrap_or_else(|| REGION_DEFAULT.to_owned());
        let has_no_names = endpoint.as_deref().is_some_and(|endpoint| !can_have_names(endpoint));
        let path_style = settings.flag(PATH_STYLE)?.unwrap_or(has_no_names);
        Ok(Connection { builder: builder.with_region(region), endpoint, path_style })
    }

    pub(super) fn open(&self, bucket: &str, retries: RetryConfig) -> Result<AmazonS3> {
        check_bucket(bucket)?;
        provide_tls();
        let plain = self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client = ClientOptions::new()
            .with_allow_http(plain)
            // A machine without any would be refused, though nobody looks at them.
            .with_no_system_certificates(plain)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_read_timeout(READ_TIMEOUT)
            .with_timeout_disabled();
        let mut builder = self.builder.clone().with_client_options(client).with_bucket_name(bucket).with_retry(retries);
        if let Some(endpoint) = &self.endpoint {
            // One for S3 alone would win.
            builder =
                builder.with_endpoint("").with_config(AmazonS3ConfigKey::S3Endpoint, self.address(endpoint, bucket));
        }
        builder
            .with_virtual_hosted_style_request(!self.path_style)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            // Not every server has the deletion of many at once.
            .with_disable_bulk_delete(true)
            .build()
            .map_err(|e| Error::invalid(format!("bucket '{bucket}' cannot be reached")).with_detail(format!("{e}.")))
    }

    /// The client adds a path to the bucket, but not a name.
    fn address(&self, endpoint: &str, bucket: &str) -> String {
        match endpoint.split_once("://") {
            Some((scheme, host)) if !self.path_style => format!("{scheme}://{bucket}.{host}"),
            _ => endpoint.to_owned(),
        }
    }
}

struct Settings<'a>(&'a BTreeMap<String, String>);

impl Settings<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn flag(&self, key: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let flag = bool::from_option(value);
        flag.map(Some).ok_or_else(|| Error::invalid(format!("option '{key}' is neither true nor false")))
    }

    fn keys(&self) -> Result<Option<(&str, &str)>> {
        match (self.get(ACCESS_KEY), self.get(SECRET_KEY)) {
            (Some(access), Some(secret)) => Ok(Some((access, secret))),
            (None, None) => Ok(None),
            (access, _) => {
                let missing = if access.is_some() { SECRET_KEY } else { ACCESS_KEY };
                Err(Error::invalid(format!("option '{missing}' is missing"))
                    .with_detail("Of the two keys of S3 only one is set."))
            }
        }
    }
}

/// The URL of an endpoint, which may be a bare name as in Flink's documentation.
fn url(endpoint: &str) -> Result<String> {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.contains('@') {
        return Err(Error::invalid("option 's3.endpoint' has a user in it")
            .with_hint("Give credentials with 's3.access-key' and 's3.secret-key'."));
    }
    match endpoint.split_once("://") {
        None => Ok(format!("https://{endpoint}")),
        Some(("http" | "https", _)) => Ok(endpoint.to_owned()),
        Some((other, _)) => Err(Error::invalid(format!("option 's3.endpoint' has the scheme '{other}'"))
            .with_hint("It is 'http' or 'https'.")),
    }
}

/// Whether a bucket may have a name below that of the host: not below an address, nor below a bare name such as `minio`.
fn can_have_names(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    !host.starts_with('[') && host.contains('.') && host.parse::<IpAddr>().is_err()
}

/// The name is not shown: credentials may be in it, as Hadoop once took them.
fn check_bucket(bucket: &str) -> Result<()> {
    if bucket.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) {
        return Ok(());
    }
    Err(Error::invalid("a bucket's name has other characters than letters, digits, '.', '-' and '_'")
        .with_hint("Write 's3://bucket/path', and give credentials with 's3.access-key' and 's3.secret-key'."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(pairs: &[(&str, &str)]) -> Result<Connection> {
        let settings: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        // Without the environment of whoever runs the tests.
        Connection::over(AmazonS3Builder::new(), &Settings(&settings))
    }

    fn value(connection: &Connection, key: AmazonS3ConfigKey) -> String {
        connection.builder.get_config_value(&key).unwrap_or_default()
    }

    #[test]
    fn keys_of_flink_say_how_a_bucket_is_reached() {
        let pairs = [(ACCESS_KEY, "a"), (SECRET_KEY, "s"), (SESSION_TOKEN, "t"), (ENDPOINT, "http://h.x:1/")];
        let c = connection(&pairs).unwrap();
        assert_eq!(value(&c, AmazonS3ConfigKey::AccessKeyId), "a");
        assert_eq!(value(&c, AmazonS3ConfigKey::SecretAccessKey), "s");
        assert_eq!(value(&c, AmazonS3ConfigKey::Token), "t");
        assert_eq!((c.endpoint.as_deref(), c.path_style), (Some("http://h.x:1"), false));
        assert_eq!(c.address("http://h.x:1", "b"), "http://b.h.x:1");
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let c = connection(&[]).unwrap();
        assert_eq!(value(&c, AmazonS3ConfigKey::Region), "us-east-1");
        assert_eq!((c.endpoint.as_deref(), c.path_style), (None, false));
        let c = connection(&[(ENDPOINT, "minio:9000"), (REGION, "eu-central-1")]).unwrap();
        assert_eq!(value(&c, AmazonS3ConfigKey::Region), "eu-central-1");
        assert_eq!((c.endpoint.as_deref(), c.path_style), (Some("https://minio:9000"), true));
        assert_eq!(c.address("https://minio:9000", "b"), "https://minio:9000");
    }

    #[test]
    fn a_bucket_is_a_path_where_it_can_have_no_name() {
        for (endpoint, path_style) in [
            ("http://127.0.0.1:9000", true),
            ("http://[::1]:9000", true),
            ("localhost", true),
            ("s3.example.com", false),
            ("https://s3.example.com:9000", false),
        ] {
            assert_eq!(connection(&[(ENDPOINT, endpoint)]).unwrap().path_style, path_style, "{endpoint}");
            assert!(connection(&[(ENDPOINT, endpoint), (PATH_STYLE, "true")]).unwrap().path_style);
            assert!(!connection(&[(ENDPOINT, endpoint), (PATH_STYLE, "false")]).unwrap().path_style);
        }
    }

    #[test]
    fn settings_that_cannot_be_kept_are_refused() {
        let refused = |pairs: &[(&str, &str)]| connection(pairs).err().unwrap();
        assert_eq!(refused(&[(ACCESS_KEY, "a")]).message(), "option 's3.secret-key' is missing");
        assert_eq!(refused(&[(SECRET_KEY, "a")]).message(), "option 's3.access-key' is missing");
        assert!(refused(&[(PATH_STYLE, "maybe")]).message().contains("neither true nor false"));
        assert!(refused(&[(ENDPOINT, "ftp://x")]).message().contains("'ftp'"));
        let user = refused(&[(ENDPOINT, "http://me:hush@x")]);
        assert!(!format!("{user:?}").contains("hush"));
    }

    #[test]
    fn credentials_in_a_bucket_are_refused_unseen() {
        let error = connection(&[]).unwrap().open("key:hush@bucket", RetryConfig::default()).unwrap_err();
        assert!(!format!("{error:?}{error}").contains("hush"));
    }
}
