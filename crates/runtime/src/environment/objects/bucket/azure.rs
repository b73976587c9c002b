//! A container of Azure: `abfss://container@account.dfs.core.windows.net/path`, by the protocol of its Blob service.
//!
//! Read are the keys of Hadoop's file system, which is Flink's. Without any of them credentials come from Azure's
//! environment variables, or the role of the machine or pod. `abfs` is encrypted, too.

use std::sync::Arc;

use flott_api::{Error, Result};
use object_store::RetryConfig;
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};

use super::service;
use super::settings::{Settings, check_name, from_environment, is_plain, unusable, url};
use super::{Clients, RETRIES, retries};

const ACCOUNT_KEY: &str = "fs.azure.account.key";
const SAS: &str = "fs.azure.sas.fixed.token";
const CLIENT_ID: &str = "fs.azure.account.oauth2.client.id";
const CLIENT_SECRET: &str = "fs.azure.account.oauth2.client.secret";
const CLIENT_ENDPOINT: &str = "fs.azure.account.oauth2.client.endpoint";
/// Ours.
const ENDPOINT: &str = "fs.azure.endpoint";

/// Azure's own tools and Flink read it, the library does not.
const KEY_VARIABLE: &str = "AZURE_STORAGE_KEY";

/// Of Microsoft's own clouds. Who answers elsewhere may not know the condition.
const DOMAINS: [&str; 3] = ["core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net"];
const EXAMPLE: &str = "abfss://container@account.dfs.core.windows.net/path";

pub(super) fn open(name: &str, settings: &Settings<'_>) -> Result<Clients> {
    let place = Place::read(name)?;
    let builder = with_credentials(MicrosoftAzureBuilder::from_env(), &place, settings)?;
    Ok(Clients {
        usual: Arc::new(client(builder.clone(), &place, settings, retries(RETRIES))?),
        creating: Arc::new(client(builder, &place, settings, retries(0))?),
        is_known_to_create_once: settings.get(ENDPOINT).is_none() && DOMAINS.contains(&place.domain),
    })
}

/// What a URI says of where a container is.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    container: &'a str,
    account: &'a str,
    /// `core.windows.net`.
    domain: &'a str,
}

impl<'a> Place<'a> {
    fn read(name: &'a str) -> Result<Self> {
        let unread = || {
            Error::invalid("a URI of Azure names no container, account and host")
                .with_hint(format!("Write '{EXAMPLE}'."))
        };
        let (container, host) = name.split_once('@').ok_or_else(unread)?;
        let (account, rest) = host.split_once('.').ok_or_else(unread)?;
        let (service, domain) = rest.split_once('.').ok_or_else(unread)?;
        // `$root` and `$web` are containers.
        check_name(container.strip_prefix('$').unwrap_or(container), EXAMPLE)?;
        check_name(host, EXAMPLE)?;
        if container.is_empty() || account.is_empty() || domain.is_empty() || !matches!(service, "dfs" | "blob") {
            return Err(unread());
        }
        Ok(Place { container, account, domain })
    }

    /// The key of this account, or else of all.
    fn key<'s>(&self, settings: &Settings<'s>) -> Option<&'s str> {
        let of_host = |service: &str| format!("{ACCOUNT_KEY}.{}.{service}.{}", self.account, self.domain);
        let of_account = format!("{ACCOUNT_KEY}.{}", self.account);
        let keys = [of_host("dfs"), of_host("blob"), of_account, ACCOUNT_KEY.to_owned()];
        keys.iter().find_map(|key| settings.get(key))
    }
}

/// Of the settings alone, or of the builder's environment alone.
fn with_credentials(
    environment: MicrosoftAzureBuilder,
    place: &Place<'_>,
    settings: &Settings<'_>,
) -> Result<MicrosoftAzureBuilder> {
    let own = MicrosoftAzureBuilder::new();
    let client = settings.pair(&service::AZURE, CLIENT_ID, CLIENT_SECRET)?;
    match (place.key(settings), settings.get(SAS), client) {
        (Some(key), None, None) => Ok(own.with_access_key(key)),
        (None, Some(sas), None) => Ok(own.with_config(AzureConfigKey::SasKey, sas)),
        (None, None, Some((id, secret))) => {
            let (host, tenant) = tenant(settings)?;
            Ok(own.with_authority_host(host).with_client_secret_authorization(id, secret, tenant))
        }
        (None, None, None) => {
            match (environment.get_config_value(&AzureConfigKey::AccessKey), from_environment(KEY_VARIABLE)) {
                (None, Some(key)) => Ok(environment.with_access_key(key)),
                _ => Ok(environment),
            }
        }
        _ => Err(Error::invalid("there are several kinds of credentials for Azure")
            .with_detail(format!("Of '{ACCOUNT_KEY}', '{SAS}' and '{CLIENT_ID}' one counts."))
            .with_hint("Remove the others.")),
    }
}

/// Who gives out tokens, and the tenant: `https://login.microsoftonline.com/TENANT/oauth2/token`.
fn tenant(settings: &Settings<'_>) -> Result<(String, String)> {
    let unread = || {
        Error::invalid(format!("option '{CLIENT_ENDPOINT}' names no tenant"))
            .with_hint("Set it to 'https://login.microsoftonline.com/TENANT/oauth2/token'.")
    };
    let endpoint = url(CLIENT_ENDPOINT, settings.get(CLIENT_ENDPOINT).ok_or_else(unread)?)?;
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(unread)?;
    let (host, path) = rest.split_once('/').ok_or_else(unread)?;
    let tenant = path.split('/').next().filter(|tenant| !tenant.is_empty()).ok_or_else(unread)?;
    if scheme != "https" {
        return Err(Error::invalid(format!("option '{CLIENT_ENDPOINT}' is not encrypted"))
            .with_detail("The client's secret would go over it."));
    }
    Ok((format!("{scheme}://{host}"), tenant.to_owned()))
}

fn client(
    builder: MicrosoftAzureBuilder,
    place: &Place<'_>,
    settings: &Settings<'_>,
    retries: RetryConfig,
) -> Result<MicrosoftAzure> {
    let endpoint = match settings.get(ENDPOINT) {
        Some(endpoint) => url(ENDPOINT, endpoint)?,
        None => format!("https://{}.blob.{}", place.account, place.domain),
    };
    builder
        .with_client_options(settings.client(is_plain(&endpoint)))
        .with_retry(retries)
        // The URI says these, whatever the environment has.
        .with_use_emulator(false)
        .with_endpoint(endpoint)
        .with_account(place.account)
        .with_container_name(place.container)
        .build()
        .map_err(|e| unusable(place.container, explanation(&e.to_string())))
}

/// What is wrong with a key is not quoted.
fn explanation(text: &str) -> String {
    if text.to_ascii_lowercase().contains("key") {
        return format!("The key of '{ACCOUNT_KEY}', or of the environment, is no text in base64.");
    }
    format!("{text}.")
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::*;

    const NAME: &str = "box@acme.dfs.core.windows.net";

    fn value(pairs: &[(&str, &str)], key: AzureConfigKey) -> Option<String> {
        let place = Place::read(NAME).unwrap();
        let made = with(pairs, |settings| with_credentials(MicrosoftAzureBuilder::new(), &place, settings));
        made.unwrap().get_config_value(&key)
    }

    #[test]
    fn a_uri_says_where_a_container_is() {
        let place = Place { container: "box", account: "acme", domain: "core.windows.net" };
        assert_eq!(Place::read(NAME).unwrap(), place);
        assert_eq!(Place::read("box@acme.blob.core.windows.net").unwrap(), place);
        assert_eq!(Place::read("$web@acme.dfs.core.chinacloudapi.cn").unwrap().domain, "core.chinacloudapi.cn");
        for bad in ["box", "box@acme", "box@acme.dfs", "@acme.dfs.x.y", "box@acme.file.x.y", "box@acme.dfs.x.y:1"] {
            assert!(Place::read(bad).is_err(), "{bad}");
        }
        let error = Place::read("box:hush@acme.dfs.core.windows.net").unwrap_err();
        assert!(!format!("{error:?}").contains("hush"));
    }

    #[test]
    fn the_key_of_an_account_wins_over_that_of_all() {
        let of_account = "fs.azure.account.key.acme.dfs.core.windows.net";
        let key = |pairs: &[(&str, &str)]| value(pairs, AzureConfigKey::AccessKey);
        assert_eq!(key(&[(ACCOUNT_KEY, "all")]).as_deref(), Some("all"));
        assert_eq!(key(&[(ACCOUNT_KEY, "all"), (of_account, "one")]).as_deref(), Some("one"));
        assert_eq!(key(&[("fs.azure.account.key.acme.blob.core.windows.net", "one")]).as_deref(), Some("one"));
        assert_eq!(key(&[("fs.azure.account.key.other.dfs.core.windows.net", "one")]), None);
    }

    #[test]
    fn a_client_is_known_by_its_tenant() {
        let endpoint = (CLIENT_ENDPOINT, "https://login.microsoftonline.com/t-1/oauth2/token");
        let pairs = [(CLIENT_ID, "me"), (CLIENT_SECRET, "hush"), endpoint];
        assert_eq!(value(&pairs, AzureConfigKey::AuthorityId).as_deref(), Some("t-1"));
        assert_eq!(value(&pairs, AzureConfigKey::ClientId).as_deref(), Some("me"));
        let host = value(&pairs, AzureConfigKey::AuthorityHost);
        assert_eq!(host.as_deref(), Some("https://login.microsoftonline.com"));
    }

    #[test]
    fn settings_that_cannot_be_kept_are_refused() {
        let refused = |pairs: &[(&str, &str)]| with(pairs, |settings| open(NAME, settings)).err().unwrap();
        assert_eq!(
            refused(&[(ACCOUNT_KEY, "a"), (SAS, "b")]).message(),
            "there are several kinds of credentials for Azure"
        );
        assert_eq!(refused(&[(CLIENT_ID, "a")]).message(), "option 'fs.azure.account.oauth2.client.secret' is missing");
        let client = [(CLIENT_ID, "a"), (CLIENT_SECRET, "hush")];
        assert!(refused(&client).message().contains("names no tenant"));
        let plain = refused(&[client[0], client[1], (CLIENT_ENDPOINT, "http://x/t/oauth2/token")]);
        assert!(plain.message().contains("is not encrypted"), "{plain:?}");
        let garbled = refused(&[(ACCOUNT_KEY, "hush!")]);
        assert!(garbled.detail().unwrap().contains("base64") && !format!("{garbled:?}").contains("hush"));
    }
}
