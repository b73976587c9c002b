//! Where the brokers are, and who comes.

use std::fmt;

use flott_api::env::Environment;
use flott_api::options::OptionReader;
use flott_api::{Error, Result};

use super::super::proto::AuthData;
use super::number;
use crate::access::{Access, Secret, Tls, file};

const PORT: u16 = 6650;
const PORT_TLS: u16 = 6651;
const TIMEOUT_OPTION: &str = "pulsar.client.operationTimeoutMs";
const TIMEOUT_MS: u64 = 30_000;
const KEEP_ALIVE_S: u64 = 30;
const AUTH_CLASS: &str = "pulsar.client.authPluginClassName";
const AUTH_PARAMS: &str = "pulsar.client.authParams";
const TLS_OPTIONS: [&str; 3] =
    ["pulsar.client.tlsTrustCertsFilePath", "pulsar.client.tlsCertificateFilePath", "pulsar.client.tlsKeyFilePath"];
const PACKAGE: &str = "org.apache.pulsar.client.impl.auth.";

/// How brokers are spoken to.
#[derive(Clone, Debug)]
pub(in crate::pulsar) struct ClientOptions {
    /// Any of them says where a topic is.
    pub(in crate::pulsar) addresses: Vec<(String, u16)>,
    /// For any broker: host and port are those of the connection.
    pub(in crate::pulsar) access: Access,
    pub(in crate::pulsar) auth: Auth,
    /// Which of their addresses brokers are to name.
    pub(in crate::pulsar) listener: Option<String>,
    pub(in crate::pulsar) keep_alive_ms: u64,
}

/// Who comes.
#[derive(Clone)]
pub(in crate::pulsar) enum Auth {
    Nobody,
    Token(Secret),
    /// A file that has the token, and is read at each connection.
    TokenFile(String),
    /// Whom the certificate of the connection names.
    Tls,
    /// Name and password.
    Basic(Secret),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::Nobody => "nobody",
            Auth::Token(_) | Auth::TokenFile(_) => "a token",
            Auth::Tls => "a certificate",
            Auth::Basic(_) => "a password",
        })
    }
}

impl ClientOptions {
    pub(super) fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let (encrypted, addresses) = addresses(reader.required("service-url")?)?;
        let timeout_ms = number(reader, TIMEOUT_OPTION, TIMEOUT_MS, 1)?;
        let keep_alive_s = number(reader, "pulsar.client.keepAliveIntervalSeconds", KEEP_ALIVE_S, 1)?;
        let tls = tls(reader, encrypted)?;
        let auth = Auth::read(reader)?;
        if matches!(auth, Auth::Tls) && tls.as_ref().is_none_or(|tls| tls.certificate.is_none()) {
            return Err(Error::invalid(format!("option '{AUTH_CLASS}' names a certificate that is not there"))
                .with_hint(format!(
                    "Use 'pulsar+ssl://' in 'service-url', with '{}' and '{}'.",
                    TLS_OPTIONS[1], TLS_OPTIONS[2]
                )));
        }
        let (host, port) = addresses.first().cloned().unwrap_or_default();
        let timeout_option = TIMEOUT_OPTION;
        Ok(ClientOptions {
            addresses,
            access: Access { host, port, username: None, password: None, tls, timeout_ms, timeout_option },
            auth,
            listener: reader.text("pulsar.client.listenerName").map(str::to_owned),
            // The broker wants to hear something in its own interval, which is the same as a rule.
            keep_alive_ms: keep_alive_s.saturating_mul(1000) / 3,
        })
    }
}

fn tls(reader: &OptionReader<'_>, encrypted: bool) -> Result<Option<Tls>> {
    let text = |key: &str| reader.text(key).map(str::to_owned);
    let [authorities, certificate, key] = TLS_OPTIONS.map(text);
    let verify_host = reader.value_or("pulsar.client.tlsHostnameVerificationEnable", true)?;
    if reader.value_or("pulsar.client.tlsAllowInsecureConnection", false)? {
        return Err(Error::unsupported("option 'pulsar.client.tlsAllowInsecureConnection' = 'true'")
            .with_detail("A connection to anybody is no better than one without TLS.")
            .with_hint(format!("Name the certificate of the broker, or of who signed it, in '{}'.", TLS_OPTIONS[0])));
    }
    if !encrypted && (authorities.is_some() || certificate.is_some() || key.is_some()) {
        return Err(Error::invalid("options 'pulsar.client.tls*' without TLS")
            .with_hint("Use 'pulsar+ssl://' in option 'service-url'."));
    }
    if certificate.is_some() != key.is_some() {
        return Err(Error::invalid(format!("options '{}' and '{}' need each other", TLS_OPTIONS[1], TLS_OPTIONS[2])));
    }
    Ok(encrypted.then_some(Tls { authorities, certificate, key, verify_host, options: TLS_OPTIONS }))
}

/// Whether it is with TLS, and the hosts.
fn addresses(url: &str) -> Result<(bool, Vec<(String, u16)>)> {
    let bad = || {
        Error::invalid("option 'service-url' is no address of Pulsar").with_hint(
            "It is 'pulsar://host:6650', with TLS 'pulsar+ssl://host:6651'; several hosts are parted by ','.",
        )
    };
    let (scheme, hosts) = url.split_once("://").ok_or_else(bad)?;
    let (encrypted, port) = match scheme {
        "pulsar" => (false, PORT),
        "pulsar+ssl" => (true, PORT_TLS),
        _ => return Err(bad()),
    };
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts).split(',');
    let hosts: Option<Vec<_>> = hosts.map(|host| host_and_port(host.trim(), port)).collect();
    Ok((encrypted, hosts.filter(|hosts| !hosts.is_empty()).ok_or_else(bad)?))
}

fn host_and_port(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        // An address of IPv6 stands in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
        _ => (text, default),
    };
    let host = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
    let good = !host.is_empty() && !host.contains(['/', '@', ' ', '?', '[', ']']);
    good.then(|| (host.to_owned(), port))
}

/// The host and port of a broker, as brokers name it.
pub(in crate::pulsar) fn broker_url(url: &str) -> Option<(String, u16)> {
    let (scheme, host) = url.split_once("://")?;
    host_and_port(host.strip_suffix('/').unwrap_or(host), if scheme == "pulsar+ssl" { PORT_TLS } else { PORT })
}

impl Auth {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let class = reader.text(AUTH_CLASS);
        let (plain, map) = (reader.text(AUTH_PARAMS), reader.text("pulsar.client.authParamMap"));
        if plain.is_some() && map.is_some() {
            return Err(Error::invalid(format!(
                "options '{AUTH_PARAMS}' and 'pulsar.client.authParamMap' exclude each other"
            )));
        }
        let params = plain.or(map);
        let Some(class) = class else {
            return match params {
                None => Ok(Auth::Nobody),
                Some(_) => Err(Error::invalid(format!("option '{AUTH_PARAMS}' needs option '{AUTH_CLASS}'"))),
            };
        };
        let needed =
            || params.ok_or_else(|| Error::invalid(format!("option '{AUTH_CLASS}' needs option '{AUTH_PARAMS}'")));
        match class.strip_prefix(PACKAGE).unwrap_or(class) {
            "AuthenticationToken" => token(needed()?),
            "AuthenticationBasic" => basic(needed()?),
            "AuthenticationTls" if params.is_none() => Ok(Auth::Tls),
            "AuthenticationTls" => Err(Error::unsupported(format!("option '{AUTH_PARAMS}' for a certificate"))
                .with_hint(format!("Name the files in '{}' and '{}'.", TLS_OPTIONS[1], TLS_OPTIONS[2]))),
            _ => Err(Error::unsupported(format!("option '{AUTH_CLASS}' = '{class}'")).with_hint(format!(
                "Supported are {PACKAGE}AuthenticationToken, {PACKAGE}AuthenticationTls and {PACKAGE}AuthenticationBasic."
            ))),
        }
    }

    /// What the broker is shown.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(in crate::pulsar) fn data(&self, environment: &Environment) -> Result<Option<AuthData>> {
        let shown = |method: &str, data: &[u8]| AuthData { method: Some(method.to_owned()), data: Some(data.to_vec()) };
        Ok(match self {
            Auth::Nobody => None,
            Auth::Token(token) => Some(shown("token", token.reveal().as_bytes())),
            Auth::TokenFile(path) => Some(shown("token", file(environment, path, AUTH_PARAMS)?.trim_ascii())),
            Auth::Tls => Some(shown("tls", b"")),
            Auth::Basic(pair) => Some(shown("basic", pair.reveal().as_bytes())),
        })
    }
}

/// `token:...`, `file:///...`, `{"token": "..."}`, or the token alone, as the Java client takes it.
fn token(params: &str) -> Result<Auth> {
    if let Some(path) = params.strip_prefix("file://") {
        return Ok(Auth::TokenFile(path.to_owned()));
    }
    let of_json = || serde_json::from_str::<serde_json::Value>(params).ok()?.get("token")?.as_str().map(str::to_owned);
    let token = match params.strip_prefix("token:") {
        Some(token) => Some(token.to_owned()),
        None if params.starts_with('{') => of_json(),
        None => Some(params.to_owned()),
    };
    match token.filter(|token| !token.is_empty()) {
        Some(token) => Ok(Auth::Token(Secret::new(&token))),
        None => Err(Error::invalid(format!("option '{AUTH_PARAMS}' has no token"))
            .with_hint("It is 'token:...', or 'file:///...' for a file that has it.")),
    }
}

/// `{"userId": "...", "password": "..."}`.
fn basic(params: &str) -> Result<Auth> {
    let of_json = || {
        let value = serde_json::from_str::<serde_json::Value>(params).ok()?;
        Some(format!("{}:{}", value.get("userId")?.as_str()?, value.get("password")?.as_str()?))
    };
    match of_json() {
        Some(pair) => Ok(Auth::Basic(Secret::new(&pair))),
        None => Err(Error::invalid(format!("option '{AUTH_PARAMS}' has no name and password"))
            .with_hint("It is '{\"userId\": \"...\", \"password\": \"...\"}'.")),
    }
}
