//! Where a server is and who comes: options that all connectors of this crate share.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::net::{Endpoint, TlsSettings, TlsTrust};
use flott_api::options::{ConfigOption, Millis, OptionReader, OptionTable};
use flott_api::{Error, Result};

/// PEM files are small.
const PEM_BYTES_MAX: u64 = 4 << 20;
const TIMEOUT_MS: u64 = 10_000;

/// The options of [`Access`], but for the port.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::text("host", "The server.").needed(),
    ConfigOption::text("username", "Who comes."),
    ConfigOption::text("password", "It is shown nowhere."),
    ConfigOption::flag("tls.enabled", "Whether the connection is encrypted.").or("false"),
    ConfigOption::text("tls.ca-location", "A PEM file of authorities to trust; without it whom the machine trusts."),
    ConfigOption::text("tls.certificate-location", "A PEM file of the client's certificates."),
    ConfigOption::text("tls.key-location", "A PEM file of its key."),
    ConfigOption::flag("tls.verify-host", "Whether the server's certificate must name its host.").or("true"),
    ConfigOption::duration("connection.timeout", "How long connecting, and any answer, may take.").or("10 s"),
];

/// A server, and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) tls: Option<Tls>,
    /// How long connecting, and any answer, may take.
    pub(crate) timeout_ms: u64,
    /// The option that says so.
    pub(crate) timeout_option: &'static str,
}

/// What is not shown.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    /// A secret.
    pub(crate) fn new(text: &str) -> Self {
        Secret(text.into())
    }

    /// For the server, and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Files of certificates, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) authorities: Option<String>,
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) verify_host: bool,
    /// The options that name the files, in this order.
    pub(crate) options: [&'static str; 3],
}

const TLS_OPTIONS: [&str; 3] = ["tls.ca-location", "tls.certificate-location", "tls.key-location"];
const TIMEOUT_OPTION: &str = "connection.timeout";

impl Access {
    /// Reads `host`, `port`, `username`, `password`, `tls.*` and `connection.timeout`. The port is `plain` unless it is
    /// said, or `encrypted` with TLS.
    ///
    /// # Errors
    /// If one is wrong or missing.
    pub(crate) fn read(reader: &OptionReader<'_>, plain: u16, encrypted: u16) -> Result<Self> {
        let host = reader.required("host")?.to_owned();
        if host.is_empty() || host.contains(['/', '@', ',', ' ']) {
            return Err(Error::invalid("option 'host' is no name and no address of a host")
                .with_hint("It is one host; options 'port', 'username' and 'password' say the rest."));
        }
        let tls = Tls::read(reader)?;
        let default = if tls.is_some() { encrypted } else { plain };
        let port: u32 = reader.value("port")?.unwrap_or(u32::from(default));
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| Error::invalid("option 'port' must be from 1 to 65535"))?;
        let Millis(timeout_ms) = reader.value_or(TIMEOUT_OPTION, Millis(TIMEOUT_MS))?;
        if timeout_ms == 0 {
            return Err(Error::invalid("option 'connection.timeout' must be longer than nothing"));
        }
        let username = reader.text("username").map(str::to_owned);
        let password = reader.text("password").map(Secret::new);
        if username.is_some() && password.is_none() {
            return Err(Error::invalid("option 'username' without option 'password'"));
        }
        Ok(Access { host, port, username, password, tls, timeout_ms, timeout_option: TIMEOUT_OPTION })
    }

    /// `host:port`
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where to connect, with certificates as they are now.
    ///
    /// # Errors
    /// If a file of them cannot be read.
    pub(crate) fn endpoint(&self, environment: &Environment) -> Result<Endpoint> {
        let tls = self.tls.as_ref().map(|tls| tls.load(environment)).transpose()?;
        Ok(Endpoint { host: self.host.clone(), port: self.port, tls })
    }
}

impl Tls {
    fn read(reader: &OptionReader<'_>) -> Result<Option<Self>> {
        let enabled = reader.value_or("tls.enabled", false)?;
        let text = |key: &str| reader.text(key).map(str::to_owned);
        let verify_host = reader.value::<bool>("tls.verify-host")?;
        let tls = Tls {
            authorities: text(TLS_OPTIONS[0]),
            certificate: text(TLS_OPTIONS[1]),
            key: text(TLS_OPTIONS[2]),
            verify_host: verify_host.unwrap_or(true),
            options: TLS_OPTIONS,
        };
        if !enabled && (tls.authorities.is_some() || tls.certificate.is_some() || verify_host.is_some()) {
            return Err(Error::invalid("options 'tls.*' without 'tls.enabled' = 'true'"));
        }
        if tls.certificate.is_some() != tls.key.is_some() {
            return Err(Error::invalid("options 'tls.certificate-location' and 'tls.key-location' need each other"));
        }
        Ok(enabled.then_some(tls))
    }

    fn load(&self, environment: &Environment) -> Result<TlsSettings> {
        let load = |path: &Option<String>, key| path.as_ref().map(|path| pem(environment, path, key)).transpose();
        let [of_authorities, of_certificate, of_key] = self.options;
        let chain = load(&self.certificate, of_certificate)?;
        let key = load(&self.key, of_key)?;
        let identity = chain.zip(key).map(|(chain, key)| Bytes::from([&chain[..], b"\n", &key[..]].concat()));
        let trust = TlsTrust { authorities: load(&self.authorities, of_authorities)?, identity };
        Ok(TlsSettings { trust, verify_host: self.verify_host })
    }
}

/// The bytes of a small file that an option names.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn file(environment: &Environment, path: &str, key: &str) -> Result<Vec<u8>> {
    let failed = |e| Error::external(format!("the file of option '{key}' cannot be read")).with_source(e);
    let (files, path) = environment.files.resolve(path)?;
    let mut bytes = Vec::new();
    files.open(&path).map_err(failed)?.take(PEM_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

pub(crate) fn pem(environment: &Environment, path: &str, key: &str) -> Result<Bytes> {
    let bytes = file(environment, path, key)?;
    if memchr::memmem::find(&bytes, b"-----BEGIN ").is_none() {
        return Err(Error::invalid(format!("the file of option '{key}' is no PEM")));
    }
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use flott_api::options::Options;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> std::result::Result<Access, String> {
        let options = Options(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let reader = OptionReader::new(&options, "a test");
        let access = Access::read(&reader, 1, 2).map_err(|e| e.message().to_owned())?;
        reader.finish().map_err(|e| e.message().to_owned())?;
        Ok(access)
    }

    #[test]
    fn a_server_is_read_and_its_password_not_shown() {
        let access = read(&[("host", "h"), ("username", "u"), ("password", "hush")]).unwrap();
        assert_eq!((access.name(), access.timeout_ms), ("h:1".to_owned(), 10_000));
        assert!(!format!("{access:?}").contains("hush"));
        assert_eq!(read(&[("host", "h"), ("tls.enabled", "true")]).unwrap().port, 2);
        assert_eq!(read(&[("host", "h"), ("port", "7")]).unwrap().port, 7);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |more: &[(&str, &str)]| {
            let mut pairs = vec![("host", "h")];
            pairs.extend_from_slice(more);
            read(&pairs).unwrap_err()
        };
        assert_eq!(read(&[]).unwrap_err(), "a test needs option 'host'");
        assert_eq!(refused(&[("port", "70000")]), "option 'port' must be from 1 to 65535");
        assert_eq!(refused(&[("username", "u")]), "option 'username' without option 'password'");
        assert_eq!(refused(&[("tls.ca-location", "f")]), "options 'tls.*' without 'tls.enabled' = 'true'");
        let alone = [("tls.enabled", "true"), ("tls.key-location", "f")];
        assert_eq!(refused(&alone), "options 'tls.certificate-location' and 'tls.key-location' need each other");
        assert_eq!(refused(&[("x", "y")]), "a test has no option 'x'");
        let url = read(&[("host", "redis://u:p@h")]).unwrap_err();
        assert_eq!(url, "option 'host' is no name and no address of a host");
    }
}
