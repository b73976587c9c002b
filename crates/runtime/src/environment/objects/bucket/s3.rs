//! A bucket of S3: Flink's keys, and where they say nothing, AWS's environment variables.

use std::net::IpAddr;
use std::sync::Arc;

use flott_api::Result;
use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};

use super::service;
use super::settings::{Settings, check_name, is_plain, unusable, url};
use super::{Clients, RETRIES, retries};

const ACCESS_KEY: &str = "s3.access-key";
const SECRET_KEY: &str = "s3.secret-key";
const SESSION_TOKEN: &str = "s3.session-token";
const ENDPOINT: &str = "s3.endpoint";
const REGION: &str = "s3.region";
const PATH_STYLE: &str = "s3.path.style.access";

const REGION_DEFAULT: &str = "us-east-1";

pub(super) fn open(bucket: &str, settings: &Settings<'_>) -> Result<Clients> {
    let connection = Connection::over(AmazonS3Builder::from_env(), settings)?;
    Ok(Clients {
        usual: Arc::new(connection.open(bucket, settings, retries(RETRIES))?),
        creating: Arc::new(connection.open(bucket, settings, retries(0))?),
        is_known_to_create_once: connection.endpoint.is_none(),
    })
}

/// How a bucket is reached. It has no `Debug`: there are secrets in it.
struct Connection {
    builder: AmazonS3Builder,
    endpoint: Option<String>,
    path_style: bool,
}

impl Connection {
    /// Settings win over what the builder has from the environment.
    fn over(mut builder: AmazonS3Builder, settings: &Settings<'_>) -> Result<Self> {
        if let Some((access, secret)) = settings.pair(&service::S3, ACCESS_KEY, SECRET_KEY)? {
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
        let endpoint = endpoint.map(|endpoint| url(ENDPOINT, &endpoint)).transpose()?;
        let region = settings.get(REGION).map(str::to_owned).or_else(|| from_env(AmazonS3ConfigKey::Region));
        let region = region.unwrap_or_else(|| REGION_DEFAULT.to_owned());
        let has_no_names = endpoint.as_deref().is_some_and(|endpoint| !can_have_names(endpoint));
        let path_style = settings.flag(PATH_STYLE)?.unwrap_or(has_no_names);
        Ok(Connection { builder: builder.with_region(region), endpoint, path_style })
    }

    fn open(&self, bucket: &str, settings: &Settings<'_>, retries: RetryConfig) -> Result<AmazonS3> {
        check_name(bucket, "s3://bucket/path")?;
        let client = settings.client(self.endpoint.as_deref().is_some_and(is_plain));
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
            .map_err(|e| unusable(bucket, format!("{e}.")))
    }

    fn address(&self, endpoint: &str, bucket: &str) -> String {
        if self.path_style { endpoint.to_owned() } else { below(endpoint, bucket) }
    }
}

/// The address of a bucket that has a name below that of a host: the client adds a path to the bucket, but not a name.
pub(super) fn below(url: &str, bucket: &str) -> String {
    match url.split_once("://") {
        Some((scheme, host)) => format!("{scheme}://{bucket}.{host}"),
        None => format!("{bucket}.{url}"),
    }
}

/// Whether a bucket may have a name below that of the host: not below an address, nor below a bare name such as `minio`.
pub(super) fn can_have_names(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    !host.starts_with('[') && host.contains('.') && host.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::*;

    fn connection(pairs: &[(&str, &str)]) -> Result<Connection> {
        // Without the environment of whoever runs the tests.
        with(pairs, |settings| Connection::over(AmazonS3Builder::new(), settings))
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
        let error = with(&[], |settings| open("key:hush@bucket", settings).err()).unwrap();
        assert!(!format!("{error:?}{error}").contains("hush"));
    }
}
