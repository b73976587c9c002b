//! The options of formats with a schema registry, by Flink's keys.

use flott_api::options::{ConfigOption, OptionReader, OptionTable, Options};
use flott_api::{Error, Result};

use crate::dead_letters;
use crate::text::base64;

/// How a registry is reached, and under what a sink registers. It has no `Debug`: there are secrets in it.
pub(in crate::avro) struct RegistryOptions {
    /// Without users and passwords, and without a `/` at their end.
    pub(super) urls: Vec<String>,
    /// The header of that name.
    pub(super) authorization: Option<String>,
    pub(super) truststore: Option<String>,
    pub(super) keystore: Option<String>,
    /// What a sink registers its schema under.
    pub(in crate::avro) subject: Option<String>,
    /// The schema, if the user gives one.
    pub(in crate::avro) schema: Option<String>,
    /// The table for messages that do not fit.
    pub(in crate::avro) dead_letters: Option<String>,
    prefix: String,
}

/// The options of formats with a registry.
pub(in crate::avro) const OPTIONS: OptionTable = &[
    ConfigOption::text(
        "url",
        "Where the registry is; several addresses with `,` between them. A user and a password may stand in it.",
    )
    .needed(),
    ConfigOption::text("schema-registry.url", "An old name of `url`."),
    ConfigOption::text("subject", "What a sink registers its schema under; needed to write."),
    ConfigOption::text("schema-registry.subject", "An old name of `subject`."),
    ConfigOption::text(
        "schema",
        "The schema, if another one than the table's is to be used; it must be of the same type.",
    ),
    ConfigOption::text("schema-registry.schema", "An old name of `schema`."),
    ConfigOption::text("basic-auth.credentials-source", "`URL` or `USER_INFO`: where the user and the password are."),
    ConfigOption::text("basic-auth.user-info", "`user:password`"),
    ConfigOption::text("bearer-auth.credentials-source", "`STATIC_TOKEN`"),
    ConfigOption::text("bearer-auth.token", "A token."),
    ConfigOption::text("ssl.truststore.location", "A PEM file of certificates to trust."),
    ConfigOption::text("ssl.truststore.password", "Not supported."),
    ConfigOption::text("ssl.keystore.location", "A PEM file of the client's certificates and key."),
    ConfigOption::text("ssl.keystore.password", "Not supported."),
    ConfigOption::keys(
        "properties.*",
        "The same by the names of the registry's client: `properties.basic.auth.user.info`.",
    ),
];

/// What Flink calls an option, and what its registry's client does.
const PROPERTIES: [(&str, &str); 8] = [
    ("ssl.keystore.location", "schema.registry.ssl.keystore.location"),
    ("ssl.keystore.password", "schema.registry.ssl.keystore.password"),
    ("ssl.truststore.location", "schema.registry.ssl.truststore.location"),
    ("ssl.truststore.password", "schema.registry.ssl.truststore.password"),
    ("basic-auth.credentials-source", "basic.auth.credentials.source"),
    ("basic-auth.user-info", "basic.auth.user.info"),
    ("bearer-auth.credentials-source", "bearer.auth.credentials.source"),
    ("bearer-auth.token", "bearer.auth.token"),
];
/// Of the client's own; only PEM is there.
const STORE_TYPES: [&str; 2] = ["schema.registry.ssl.keystore.type", "schema.registry.ssl.truststore.type"];

/// The texts of options, wherever they stand.
struct Texts<'a> {
    options: &'a OptionReader<'a>,
    prefix: &'a str,
    properties: Options,
}

impl Texts<'_> {
    fn get(&self, key: &str) -> Option<String> {
        let (_, property) = PROPERTIES.iter().find(|(own, _)| *own == key)?;
        let own = self.options.text(&format!("{}{key}", self.prefix)).map(str::to_owned);
        own.or_else(|| self.properties.0.get(*property).cloned())
    }

    /// Refuses what the client of Flink would take and this does not.
    fn check(&self) -> Result<()> {
        for (key, value) in &self.properties.0 {
            let known = PROPERTIES.iter().any(|(_, property)| property == key);
            let pem = STORE_TYPES.contains(&key.as_str()) && value.eq_ignore_ascii_case("PEM");
            if !known && !pem {
                return Err(Error::unsupported(format!("option '{}properties.{key}'", self.prefix)));
            }
        }
        for key in ["ssl.keystore.password", "ssl.truststore.password"] {
            if self.get(key).is_some() {
                return Err(Error::unsupported(format!("option '{}{key}'", self.prefix))
                    .with_detail("Certificates and keys are read from PEM files without a password."));
            }
        }
        Ok(())
    }
}

impl RegistryOptions {
    /// Reads the options under `prefix`.
    ///
    /// # Errors
    /// If one is missing, wrong or not supported.
    pub(in crate::avro) fn read(options: &OptionReader<'_>, prefix: &str) -> Result<Self> {
        let either = |key: &str| {
            let (own, old) = (format!("{prefix}{key}"), format!("{prefix}schema-registry.{key}"));
            let (own, old) = (options.text(&own), options.text(&old));
            own.or(old).map(str::to_owned)
        };
        let url = match either("url") {
            Some(url) => url,
            None => options.required(&format!("{prefix}url"))?.to_owned(),
        };
        let texts = Texts { options, prefix, properties: options.with_prefix(&format!("{prefix}properties.")) };
        texts.check()?;
        let (mut urls, mut user) = (Vec::new(), None);
        for url in url.split(',').map(str::trim).filter(|url| !url.is_empty()) {
            let (plain, of_url) = without_user(url).ok_or_else(|| {
                Error::invalid(format!("option '{prefix}url' is no URL"))
                    .with_hint("It begins with http:// or https://.")
            })?;
            urls.push(plain);
            user = user.or(of_url);
        }
        if urls.is_empty() {
            return Err(Error::invalid(format!("option '{prefix}url' is empty")));
        }
        Ok(RegistryOptions {
            urls,
            authorization: authorization(&texts, user)?,
            truststore: texts.get("ssl.truststore.location"),
            keystore: texts.get("ssl.keystore.location"),
            subject: either("subject"),
            schema: either("schema"),
            dead_letters: dead_letters::table(options, prefix, false)?,
            prefix: prefix.to_owned(),
        })
    }

    /// An option as the user writes it.
    pub(in crate::avro) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The subject that a sink needs.
    ///
    /// # Errors
    /// If there is none.
    pub(in crate::avro) fn sink_subject(&self) -> Result<&str> {
        self.subject.as_deref().ok_or_else(|| {
            Error::invalid(format!("option '{}' is missing", self.key("subject")))
                .with_detail("A sink registers its schema under it.")
        })
    }
}

fn authorization(texts: &Texts<'_>, user_of_url: Option<String>) -> Result<Option<String>> {
    let prefix = texts.prefix;
    let bearer = match (texts.get("bearer-auth.credentials-source").as_deref(), texts.get("bearer-auth.token")) {
        (None, None) => None,
        (Some("STATIC_TOKEN"), Some(token)) => Some(format!("Bearer {token}")),
        (Some("STATIC_TOKEN"), None) => return Err(missing(prefix, "bearer-auth.token")),
        (Some(other), _) => return Err(source_refused(prefix, "bearer-auth", other)),
        (None, Some(_)) => return Err(source_missing(prefix, "bearer-auth", "STATIC_TOKEN")),
    };
    let user = match (texts.get("basic-auth.credentials-source").as_deref(), texts.get("basic-auth.user-info")) {
        (None | Some("URL"), None) => user_of_url,
        (Some("USER_INFO"), Some(user)) => Some(user),
        (Some("USER_INFO"), None) => return Err(missing(prefix, "basic-auth.user-info")),
        (Some("URL") | None, Some(_)) => return Err(source_missing(prefix, "basic-auth", "USER_INFO")),
        (Some(other), _) => return Err(source_refused(prefix, "basic-auth", other)),
    };
    let header = match (user, bearer) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid(format!(
                "options '{prefix}basic-auth.*' and '{prefix}bearer-auth.*' contradict"
            ))
            .with_hint("Only one of them may be set."));
        }
        (Some(user), None) => {
            let mut encoded = Vec::new();
            base64::encode(user.as_bytes(), &mut encoded);
            Some(format!("Basic {}", String::from_utf8_lossy(&encoded)))
        }
        (None, bearer) => bearer,
    };
    match header {
        Some(header) if header.bytes().any(|b| b.is_ascii_control()) => {
            Err(Error::invalid(format!("credentials under '{prefix}' have a line break or another control character")))
        }
        header => Ok(header),
    }
}

fn missing(prefix: &str, key: &str) -> Error {
    Error::invalid(format!("option '{prefix}{key}' is missing"))
}

fn source_refused(prefix: &str, kind: &str, source: &str) -> Error {
    Error::unsupported(format!("'{prefix}{kind}.credentials-source' = '{source}'"))
}

fn source_missing(prefix: &str, kind: &str, wanted: &str) -> Error {
    Error::invalid(format!("credentials under '{prefix}{kind}' would not be used"))
        .with_hint(format!("Set '{prefix}{kind}.credentials-source' to '{wanted}'."))
}

/// A URL without its user and password, and these as `user:password`.
fn without_user(url: &str) -> Option<(String, Option<String>)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if (scheme != "http" && scheme != "https") || rest.is_empty() {
        return None;
    }
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let plain = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
    Some((plain, user.map(percent_decoded)))
}

fn percent_decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
