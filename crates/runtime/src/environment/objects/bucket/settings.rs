//! What all services read alike from the settings.
//!
//! Other spellings of the keys, and what Flink has besides, are the business of whoever reads the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use flott_api::options::FromOption;
use flott_api::{Error, Result};
use object_store::{ClientOptions, HeaderMap, HeaderValue};

use super::service::{Condition, Service};
use crate::environment::http::provide_tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of silence, not of a whole object: that may be large.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a server may be silent.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    pub(super) read: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { connect: CONNECT_TIMEOUT, read: READ_TIMEOUT }
    }
}

/// The settings of all stores. It has no `Debug`: there are secrets in it.
pub(super) struct Settings<'a> {
    pub(super) values: &'a BTreeMap<String, String>,
    pub(super) patience: Patience,
}

impl<'a> Settings<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let flag = bool::from_option(value);
        flag.map(Some).ok_or_else(|| Error::invalid(format!("option '{key}' is neither true nor false")))
    }

    /// Two options that mean something only together.
    pub(super) fn pair(&self, service: &Service, first: &str, second: &str) -> Result<Option<(&'a str, &'a str)>> {
        match (self.get(first), self.get(second)) {
            (Some(one), Some(other)) => Ok(Some((one, other))),
            (None, None) => Ok(None),
            (one, _) => {
                let missing = if one.is_some() { second } else { first };
                Err(Error::invalid(format!("option '{missing}' is missing"))
                    .with_detail(format!("Of the two keys of {} only one is set.", service.name)))
            }
        }
    }

    /// How a client speaks to a server, without TLS if its address says so.
    pub(super) fn client(&self, is_plain: bool) -> ClientOptions {
        provide_tls();
        ClientOptions::new()
            .with_allow_http(is_plain)
            // A machine without any would be refused, though nobody looks at them.
            .with_no_system_certificates(is_plain)
            .with_connect_timeout(self.patience.connect)
            .with_read_timeout(self.patience.read)
            .with_timeout_disabled()
    }

    /// The same for creating objects.
    pub(super) fn creating_client(&self, is_plain: bool, condition: Condition) -> ClientOptions {
        match condition {
            Condition::OfTheLibrary => self.client(is_plain),
            Condition::Header(name) => {
                let mut headers = HeaderMap::new();
                headers.insert(name, HeaderValue::from_static("true"));
                self.client(is_plain).with_default_headers(headers)
            }
        }
    }
}

/// A variable of the process's environment that is not empty.
pub(super) fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The URL of an address, which may be a bare name as in Flink's documentation.
pub(super) fn url(key: &str, address: &str) -> Result<String> {
    let address = address.trim_end_matches('/');
    if address.contains('@') {
        return Err(Error::invalid(format!("option '{key}' has a user in it"))
            .with_hint("Give credentials with the options for them."));
    }
    match address.split_once("://") {
        None => Ok(format!("https://{address}")),
        Some(("http" | "https", _)) => Ok(address.to_owned()),
        Some((other, _)) => {
            Err(Error::invalid(format!("option '{key}' has the scheme '{other}'"))
                .with_hint("It is 'http' or 'https'."))
        }
    }
}

/// Whether a URL is one without TLS.
pub(super) fn is_plain(url: &str) -> bool {
    url.starts_with("http://")
}

/// The name is not shown if it is refused: credentials may be in it, as Hadoop once took them.
pub(super) fn check_name(name: &str, example: &str) -> Result<()> {
    if name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) {
        return Ok(());
    }
    Err(Error::invalid("a bucket's name has other characters than letters, digits, '.', '-' and '_'")
        .with_hint(format!("Write '{example}', and give credentials with the options for them.")))
}

/// A client that cannot be made from the settings.
pub(super) fn unusable(name: &str, why: impl Into<String>) -> Error {
    Error::invalid(format!("bucket '{name}' cannot be reached")).with_detail(why)
}
