//! Buckets of Alibaba's OSS and Tencent's COS, by the protocol of S3 that both speak beside their own.
//!
//! OSS has the keys of Flink's file system. Flink has none for COS; these are those of Hadoop's `cosn`, which
//! Tencent's file system for Flink reads. Neither ever gets credentials that were meant for AWS.

use std::sync::Arc;

use flott_api::{Error, Result};
use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};

use super::s3::{below, can_have_names};
use super::service::{self, Service};
use super::settings::{Settings, check_name, from_environment, is_plain, unusable, url};
use super::{Clients, RETRIES, retries};

/// The keys of a service, and its variables in the process's environment.
struct Keys {
    id: &'static str,
    secret: &'static str,
    token: &'static str,
    variables: [&'static str; 3],
}

const OSS_ENDPOINT: &str = "fs.oss.endpoint";
const OSS_REGION: &str = "fs.oss.region";
const OSS_KEYS: Keys = Keys {
    id: "fs.oss.accessKeyId",
    secret: "fs.oss.accessKeySecret",
    token: "fs.oss.securityToken",
    variables: ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"],
};

const COS_ENDPOINT: &str = "fs.cosn.bucket.endpoint_suffix";
const COS_REGION: &str = "fs.cosn.bucket.region";
const COS_KEYS: Keys = Keys {
    id: "fs.cosn.userinfo.secretId",
    secret: "fs.cosn.userinfo.secretKey",
    token: "fs.cosn.userinfo.sessionToken",
    variables: ["COSN_SECRET_ID", "COSN_SECRET_KEY", "COSN_SESSION_TOKEN"],
};

/// Of a server that has none, as those of tests.
const REGION_DEFAULT: &str = "us-east-1";

pub(super) fn open_oss(bucket: &str, settings: &Settings<'_>) -> Result<Clients> {
    let Some(endpoint) = settings.get(OSS_ENDPOINT) else {
        return Err(Error::invalid(format!("option '{OSS_ENDPOINT}' is missing"))
            .with_hint("Set it to the address of the bucket's region, such as 'oss-cn-hangzhou.aliyuncs.com'."));
    };
    let endpoint = url(OSS_ENDPOINT, endpoint)?;
    let region = settings.get(OSS_REGION).or_else(|| region_of(&endpoint, "oss-"));
    Connection::new(&service::OSS, settings, &OSS_KEYS, endpoint.clone(), region)?.clients(bucket, settings)
}

pub(super) fn open_cos(bucket: &str, settings: &Settings<'_>) -> Result<Clients> {
    let region = settings.get(COS_REGION);
    let endpoint = match (settings.get(COS_ENDPOINT), region) {
        (Some(endpoint), _) => url(COS_ENDPOINT, endpoint)?,
        (None, Some(region)) => format!("https://cos.{region}.myqcloud.com"),
        (None, None) => {
            return Err(Error::invalid(format!("option '{COS_REGION}' is missing")).with_hint(format!(
                "Set it to the bucket's region, such as 'ap-guangzhou', or '{COS_ENDPOINT}' to the address of its buckets."
            )));
        }
    };
    let region = region.or_else(|| region_of(&endpoint, "cos."));
    Connection::new(&service::COS, settings, &COS_KEYS, endpoint.clone(), region)?.clients(bucket, settings)
}

/// How a bucket is reached. It has no `Debug`: there are secrets in it.
struct Connection {
    service: &'static Service,
    builder: AmazonS3Builder,
    endpoint: String,
}

impl Connection {
    fn new(
        service: &'static Service,
        settings: &Settings<'_>,
        keys: &Keys,
        endpoint: String,
        region: Option<&str>,
    ) -> Result<Self> {
        let [id, secret, token] = credentials(service, settings, keys)?;
        let mut builder = AmazonS3Builder::new()
            .with_access_key_id(id.unwrap_or_default())
            .with_secret_access_key(secret.unwrap_or_default())
            .with_region(region.unwrap_or(REGION_DEFAULT));
        if let Some(token) = token {
            builder = builder.with_token(token);
        }
        Ok(Connection { service, builder, endpoint })
    }

    fn clients(&self, bucket: &str, settings: &Settings<'_>) -> Result<Clients> {
        Ok(Clients {
            usual: Arc::new(self.open(bucket, settings, false)?),
            creating: Arc::new(self.open(bucket, settings, true)?),
            // Only some buckets do.
            is_known_to_create_once: false,
        })
    }

    fn open(&self, bucket: &str, settings: &Settings<'_>, is_creating: bool) -> Result<AmazonS3> {
        check_name(bucket, "scheme://bucket/path")?;
        let plain = is_plain(&self.endpoint);
        let (client, retries): (_, RetryConfig) = if is_creating {
            (settings.creating_client(plain, self.service.condition), retries(0))
        } else {
            (settings.client(plain), retries(RETRIES))
        };
        // The services know no other style; a server below an address can have no names.
        let has_names = can_have_names(&self.endpoint);
        let endpoint = if has_names { below(&self.endpoint, bucket) } else { self.endpoint.clone() };
        self.builder
            .clone()
            .with_client_options(client)
            .with_retry(retries)
            .with_bucket_name(bucket)
            .with_endpoint(endpoint)
            .with_virtual_hosted_style_request(has_names)
            // They answer AWS's condition with an error.
            .with_conditional_put(S3ConditionalPut::Disabled)
            .with_disable_bulk_delete(true)
            .build()
            .map_err(|e| unusable(bucket, format!("{e}.")))
    }
}

/// Id, secret and token: all of the settings, or all of the environment.
fn credentials(service: &Service, settings: &Settings<'_>, keys: &Keys) -> Result<[Option<String>; 3]> {
    if let Some((id, secret)) = settings.pair(service, keys.id, keys.secret)? {
        return Ok([Some(id), Some(secret), settings.get(keys.token)].map(|value| value.map(str::to_owned)));
    }
    let found = keys.variables.map(from_environment);
    if found[0].is_some() && found[1].is_some() {
        return Ok(found);
    }
    let [id, secret, _] = keys.variables;
    Err(Error::invalid(format!("there are no credentials for {}", service.name))
        .with_hint(format!("Set '{}' and '{}', or the environment variables {id} and {secret}.", keys.id, keys.secret)))
}

/// `cn-hangzhou` of `https://oss-cn-hangzhou-internal.aliyuncs.com`.
fn region_of<'a>(url: &'a str, before: &str) -> Option<&'a str> {
    let host = url.split_once("://").map_or(url, |(_, host)| host);
    let (_, behind) = host.split_once(before)?;
    let region = behind.split(['.', ':', '/']).next()?;
    Some(region.strip_suffix("-internal").unwrap_or(region)).filter(|region| !region.is_empty())
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3ConfigKey;

    use super::super::tests::with;
    use super::*;

    const OSS: &[(&str, &str)] =
        &[(OSS_ENDPOINT, "oss-cn-x.aliyuncs.com"), (OSS_KEYS.id, "a"), (OSS_KEYS.secret, "hush")];

    fn refused(pairs: &[(&str, &str)], open: fn(&str, &Settings<'_>) -> Result<Clients>) -> Error {
        with(pairs, |settings| open("bucket", settings)).err().unwrap()
    }

    #[test]
    fn a_region_is_that_of_the_address() {
        for (url, before, region) in [
            ("https://oss-cn-hangzhou.aliyuncs.com", "oss-", Some("cn-hangzhou")),
            ("http://oss-cn-hangzhou-internal.aliyuncs.com", "oss-", Some("cn-hangzhou")),
            ("https://s3.oss-eu-west-1.aliyuncs.com", "oss-", Some("eu-west-1")),
            ("https://cos.ap-guangzhou.myqcloud.com", "cos.", Some("ap-guangzhou")),
            ("http://127.0.0.1:9000", "oss-", None),
        ] {
            assert_eq!(region_of(url, before), region, "{url}");
        }
    }

    #[test]
    fn credentials_are_of_the_settings_and_whole() {
        let found = with(OSS, |settings| credentials(&service::OSS, settings, &OSS_KEYS)).unwrap();
        assert_eq!(found, [Some("a".to_owned()), Some("hush".to_owned()), None]);
        let half = refused(&OSS[..2], open_oss);
        assert_eq!(half.message(), "option 'fs.oss.accessKeySecret' is missing");
        let none = refused(&OSS[..1], open_oss);
        assert_eq!(none.message(), "there are no credentials for OSS");
        assert!(none.hint().unwrap().contains("OSS_ACCESS_KEY_ID"), "{none:?}");
    }

    #[test]
    fn an_address_is_needed() {
        assert_eq!(refused(&OSS[1..], open_oss).message(), "option 'fs.oss.endpoint' is missing");
        assert_eq!(refused(&[], open_cos).message(), "option 'fs.cosn.bucket.region' is missing");
        let user = refused(&[(OSS_ENDPOINT, "http://me:hush@x")], open_oss);
        assert!(user.message().contains("'fs.oss.endpoint' has a user") && !format!("{user:?}").contains("hush"));
    }

    #[test]
    fn a_bucket_of_oss_has_a_name_below_its_region() {
        let made = with(OSS, |settings| {
            let endpoint = url(OSS_ENDPOINT, OSS[0].1).unwrap();
            let region = region_of(&endpoint, "oss-").map(str::to_owned);
            Connection::new(&service::OSS, settings, &OSS_KEYS, endpoint, region.as_deref())
        });
        let made = made.unwrap();
        assert_eq!(made.builder.get_config_value(&AmazonS3ConfigKey::Region).as_deref(), Some("cn-x"));
        assert_eq!(below(&made.endpoint, "b"), "https://b.oss-cn-x.aliyuncs.com");
    }
}
