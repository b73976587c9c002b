//! `properties.security.protocol`, `ssl.*` and `sasl.*`: whom to trust, and as whom to come.
//!
//! What is secret here has no `Debug` and is in no message.

use std::io::Read;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::net::{TlsSettings, TlsTrust};
use flott_api::options::OptionReader;
use flott_api::{Error, Result};

/// PEM files are small.
const PEM_BYTES_MAX: u64 = 4 << 20;
const JAAS: &str = "properties.sasl.jaas.config";

/// How a connection is secured.
#[derive(Clone, Default)]
pub(crate) struct Security {
    pub(crate) tls: Option<Tls>,
    pub(crate) sasl: Option<Sasl>,
}

/// Certificates, as the options name them.
#[derive(Clone)]
pub(crate) struct Tls {
    authorities: Option<Pem>,
    identity: Option<Pem>,
    verify_host: bool,
}

/// PEM in an option or in a file.
#[derive(Clone)]
enum Pem {
    Text(String),
    File { path: String, key: &'static str },
}

/// As whom to come.
#[derive(Clone)]
pub(crate) enum Sasl {
    /// A name and a password, as they are.
    Plain { user: String, password: String },
    /// A name and the proof of a password.
    Scram { user: String, password: String, strong: bool },
    /// A token of an OpenID provider.
    OAuth(OAuth),
}

/// Where a token comes from.
#[derive(Clone)]
pub(crate) struct OAuth {
    pub(crate) endpoint: String,
    pub(crate) client: String,
    pub(crate) secret: String,
    pub(crate) scope: Option<String>,
}

impl Security {
    /// Reads the options.
    ///
    /// # Errors
    /// If one is wrong, or something is missing.
    pub(super) fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let protocols = [
            ("PLAINTEXT", (false, false)),
            ("SSL", (true, false)),
            ("SASL_PLAINTEXT", (false, true)),
            ("SASL_SSL", (true, true)),
        ];
        let (tls, sasl) = reader.choice("properties.security.protocol", &protocols, (false, false))?;
        let read = (Tls::read(reader)?, Sasl::read(reader, sasl)?);
        Ok(Security { tls: tls.then_some(read.0), sasl: read.1 })
    }
}

impl Tls {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        for store in ["truststore", "keystore"] {
            let key = format!("properties.ssl.{store}.type");
            if reader.text(&key).is_some_and(|kind| !kind.eq_ignore_ascii_case("PEM")) {
                return Err(Error::unsupported(format!("option '{key}' other than 'PEM'"))
                    .with_hint("Convert the store to PEM with keytool and openssl."));
            }
            // Nothing is encrypted in PEM files of certificates.
            reader.allow(&format!("properties.ssl.{store}.password"));
        }
        if reader.text("properties.ssl.key.password").is_some() {
            return Err(Error::unsupported("option 'properties.ssl.key.password'")
                .with_hint("Decrypt the key with openssl, and let only the user of the job read the file."));
        }
        for key in ["protocol", "enabled.protocols", "cipher.suites", "provider", "secure.random.implementation"] {
            reader.allow(&format!("properties.ssl.{key}"));
        }
        let text = |key: &str| reader.text(key).map(str::to_owned);
        let file = |key: &'static str| text(key).map(|path| Pem::File { path, key });
        let authorities = text("properties.ssl.truststore.certificates").map(Pem::Text);
        let authorities = authorities.or(file("properties.ssl.truststore.location"));
        let chain = text("properties.ssl.keystore.certificate.chain");
        let identity = match (chain, text("properties.ssl.keystore.key")) {
            (Some(chain), Some(key)) => Some(Pem::Text(format!("{chain}\n{key}\n"))),
            (None, None) => file("properties.ssl.keystore.location"),
            _ => {
                return Err(Error::invalid(
                    "options 'properties.ssl.keystore.certificate.chain' and 'properties.ssl.keystore.key' need each other",
                ));
            }
        };
        let algorithm = "properties.ssl.endpoint.identification.algorithm";
        let verify_host = reader.choice(algorithm, &[("https", true), ("", false)], true)?;
        Ok(Tls { authorities, identity, verify_host })
    }

    /// The certificates themselves.
    ///
    /// # Errors
    /// If a file cannot be read, or is no PEM.
    pub(crate) fn load(&self, environment: &Environment) -> Result<TlsSettings> {
        let load = |pem: &Option<Pem>| pem.as_ref().map(|pem| pem.load(environment)).transpose();
        let trust = TlsTrust { authorities: load(&self.authorities)?, identity: load(&self.identity)? };
        Ok(TlsSettings { trust, verify_host: self.verify_host })
    }
}

impl Pem {
    fn load(&self, environment: &Environment) -> Result<Bytes> {
        let (path, key) = match self {
            Pem::Text(text) => return Ok(Bytes::from(text.clone())),
            Pem::File { path, key } => (path, key),
        };
        let failed = |e| Error::external(format!("the file of option '{key}' cannot be read")).with_source(e);
        let (files, path) = environment.files.resolve(path)?;
        let mut bytes = Vec::new();
        files.open(&path).map_err(failed)?.take(PEM_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
        if memchr::memmem::find(&bytes, b"-----BEGIN ").is_none() {
            return Err(Error::invalid(format!("the file of option '{key}' is no PEM"))
                .with_hint("Convert a JKS or PKCS12 store with keytool and openssl."));
        }
        Ok(Bytes::from(bytes))
    }
}

impl Sasl {
    fn read(reader: &OptionReader<'_>, wanted: bool) -> Result<Option<Self>> {
        let mechanism = reader.text("properties.sasl.mechanism").unwrap_or("GSSAPI");
        let jaas = reader.text(JAAS).map(jaas).transpose()?;
        let endpoint = reader.text("properties.sasl.oauthbearer.token.endpoint.url");
        for key in ["client.callback.handler.class", "login.callback.handler.class", "login.class"] {
            reader.allow(&format!("properties.sasl.{key}"));
        }
        for key in ["connect.timeout.ms", "read.timeout.ms", "retry.backoff.ms", "retry.backoff.max.ms"] {
            reader.allow(&format!("properties.sasl.login.{key}"));
        }
        if !wanted {
            return Ok(None);
        }
        let given = |name: &str| {
            let missing = || Error::invalid(format!("option '{JAAS}' has no {name} for mechanism '{mechanism}'"));
            let value = jaas.as_ref().and_then(|jaas| jaas.iter().find(|(key, _)| key == name));
            value.map(|(_, value)| value.clone()).ok_or_else(missing)
        };
        match mechanism {
            "PLAIN" => Ok(Some(Sasl::Plain { user: given("username")?, password: given("password")? })),
            "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
                let strong = mechanism == "SCRAM-SHA-512";
                Ok(Some(Sasl::Scram { user: given("username")?, password: given("password")?, strong }))
            }
            "OAUTHBEARER" => {
                let needed = "properties.sasl.oauthbearer.token.endpoint.url";
                let endpoint = endpoint
                    .ok_or_else(|| Error::invalid(format!("mechanism 'OAUTHBEARER' needs option '{needed}'")))?;
                let scope = given("scope").ok();
                let (client, secret) = (given("clientId")?, given("clientSecret")?);
                Ok(Some(Sasl::OAuth(OAuth { endpoint: endpoint.to_owned(), client, secret, scope })))
            }
            other => Err(Error::unsupported(format!("option 'properties.sasl.mechanism' = '{other}'"))
                .with_hint("It may be 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512' or 'OAUTHBEARER'.")),
        }
    }

    /// Its name in the protocol.
    pub(crate) fn mechanism(&self) -> &'static str {
        match self {
            Sasl::Plain { .. } => "PLAIN",
            Sasl::Scram { strong: false, .. } => "SCRAM-SHA-256",
            Sasl::Scram { strong: true, .. } => "SCRAM-SHA-512",
            Sasl::OAuth(_) => "OAUTHBEARER",
        }
    }
}

/// `a.b.Module required name="value" other='value';`: the names and values.
fn jaas(text: &str) -> Result<Vec<(String, String)>> {
    // What stands in it is secret, so the message does not show it.
    let wrong = || {
        Error::invalid(format!("option '{JAAS}' cannot be read"))
            .with_hint("It is like 'a.b.PlainLoginModule required username=\"..\" password=\"..\";'.")
    };
    let words = jaas_words(text).ok_or_else(wrong)?;
    let mut values = words.into_iter().skip(2);
    let mut pairs = Vec::new();
    while let Some(name) = values.next() {
        let (Some(equals), Some(value)) = (values.next(), values.next()) else { return Err(wrong()) };
        if equals != "=" {
            return Err(wrong());
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Names, signs of equality and values; the semicolon ends it.
fn jaas_words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut rest) = (Vec::new(), text.trim_start());
    loop {
        match rest.chars().next()? {
            ';' => return (words.len() >= 2).then_some(words),
            '=' => {
                words.push("=".to_owned());
                rest = &rest[1..];
            }
            quote @ ('"' | '\'') => {
                let (mut value, mut escaped, mut end) = (String::new(), false, None);
                for (at, c) in rest.char_indices().skip(1) {
                    match c {
                        _ if escaped => {
                            value.push(c);
                            escaped = false;
                        }
                        '\\' => escaped = true,
                        _ if c == quote => {
                            end = Some(at + 1);
                            break;
                        }
                        _ => value.push(c),
                    }
                }
                words.push(value);
                rest = &rest[end?..];
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | ';' | '"' | '\''))?;
                words.push(rest[..end].to_owned());
                rest = &rest[end..];
            }
        }
        rest = rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use flott_api::options::Options;

    use super::*;

    const PLAIN: &str =
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password='a\\'s=;';";

    fn read(pairs: &[(&str, &str)]) -> Result<Security> {
        let options = Options(pairs.iter().map(|(k, v)| (format!("properties.{k}"), (*v).to_owned())).collect());
        let reader = OptionReader::new(&options, "a test");
        let security = Security::read(&reader)?;
        reader.finish()?;
        Ok(security)
    }

    #[test]
    fn jaas_is_read_as_java_does() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(jaas(PLAIN).unwrap(), [pair("username", "alice"), pair("password", "a's=;")]);
        for wrong in ["", "x", "x required", "x required a", "x required a=;", "x required a=\"b;", "x required a b c;"]
        {
            let error = jaas(wrong).unwrap_err();
            assert_eq!(error.message(), "option 'properties.sasl.jaas.config' cannot be read", "{wrong}");
        }
    }

    #[test]
    fn protocols_and_mechanisms_need_what_belongs_to_them() {
        let protocol = ("security.protocol", "SASL_PLAINTEXT");
        let jaas = ("sasl.jaas.config", PLAIN);
        let plain = read(&[protocol, ("sasl.mechanism", "PLAIN"), jaas]).unwrap();
        assert!(matches!(plain.sasl, Some(Sasl::Plain { user, password }) if user == "alice" && password == "a's=;"));
        let message = |pairs: &[(&str, &str)]| read(pairs).err().unwrap().message().to_owned();
        assert!(message(&[protocol, jaas]).starts_with("option 'properties.sasl.mechanism' = 'GSSAPI'"));
        let none = message(&[protocol, ("sasl.mechanism", "SCRAM-SHA-512")]);
        assert_eq!(none, "option 'properties.sasl.jaas.config' has no username for mechanism 'SCRAM-SHA-512'");
        let oauth = message(&[protocol, ("sasl.mechanism", "OAUTHBEARER"), jaas]);
        assert!(oauth.contains("needs option 'properties.sasl.oauthbearer.token.endpoint.url'"), "{oauth}");
        assert!(message(&[("ssl.truststore.type", "JKS")]).contains("other than 'PEM'"));
        assert!(message(&[("ssl.keystore.key", "x")]).contains("need each other"));
        // What is not asked for is not needed.
        assert!(read(&[jaas]).unwrap().sasl.is_none());
    }
}
