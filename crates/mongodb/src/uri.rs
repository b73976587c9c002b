//! The connection string. What it means, the client says; here it is only kept secret, and asked for what the client does not
//! know.

use std::fmt;
use std::sync::Arc;

use flott_api::{Error, Result};

const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];
/// How long an answer may take if the connection string does not say it, and the server answers nothing else either.
const ANSWER_MS: u64 = 60_000;
/// What is shown instead of a secret.
const HIDDEN: &str = "****";

/// A connection string.
#[derive(Clone)]
pub(crate) struct Uri {
    text: Arc<str>,
    /// As it is written, and without its escapes.
    secrets: Arc<[String]>,
    /// Servers, or the name behind which they are.
    hosts: Arc<str>,
    /// How long an answer may take: `socketTimeoutMS`.
    pub(crate) answer_ms: u64,
    /// Whether that was said.
    pub(crate) answer_ms_given: bool,
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hosts)
    }
}

impl Uri {
    /// Reads a connection string.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid("option 'uri' is no connection string of MongoDB")
                .with_hint("It looks like 'mongodb://user:password@host:27017' or 'mongodb+srv://user:password@name'.")
        };
        let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or_else(wrong)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let query = path.split_once('?').map_or("", |(_, query)| query);
        // Whatever is no password there may be one by mistake.
        if hosts.is_empty() || path.contains('@') {
            return Err(wrong());
        }
        let password = user.split_once(':').map(|(_, password)| password);
        let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
        let hidden = pairs().filter(|(key, _)| is_secret(key)).map(|(_, value)| value);
        let secrets = password.into_iter().chain(hidden).filter(|s| !s.is_empty());
        let secrets = secrets.flat_map(|s| [s.to_owned(), unescaped(s)]).collect();
        let answer = pairs().find(|(key, _)| key.eq_ignore_ascii_case("socketTimeoutMS")).map(|(_, value)| value);
        let answer_ms = match answer.map(str::parse) {
            None => ANSWER_MS,
            Some(Ok(ms)) if ms > 0 => ms,
            Some(_) => return Err(Error::invalid("parameter 'socketTimeoutMS' of option 'uri' must be at least 1")),
        };
        Ok(Uri { text: text.into(), secrets, hosts: hosts.into(), answer_ms, answer_ms_given: answer.is_some() })
    }

    /// For the client, and for nothing else: without what it only warns of.
    pub(crate) fn reveal(&self) -> String {
        let Some((start, query)) = self.text.split_once('?') else { return self.text.to_string() };
        let known = |pair: &&str| !pair.to_lowercase().starts_with("sockettimeoutms=");
        let query: Vec<&str> = query.split('&').filter(known).collect();
        if query.is_empty() { start.to_owned() } else { format!("{start}?{}", query.join("&")) }
    }

    /// Which servers, for messages.
    pub(crate) fn hosts(&self) -> &str {
        &self.hosts
    }

    /// A text of the client or a server, without the secrets.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }
}

fn is_secret(parameter: &str) -> bool {
    let parameter = parameter.to_lowercase();
    parameter.contains("password") || parameter == "authmechanismproperties"
}

/// Without `%40` and the like; what is no escape stays.
fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        match (first, digits) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_and_hidden() {
        let text = "mongodb://me:p%40ss@a:1,b:2/db?tls=true&tlsCertificateKeyFilePassword=hush&socketTimeoutMS=7";
        let uri = Uri::parse(text).unwrap();
        assert_eq!((format!("{uri:?}").as_str(), uri.answer_ms), ("a:1,b:2", 7));
        assert_eq!(uri.redacted("p%40ss p@ss hush b:2"), "**** **** **** b:2");
        assert_eq!(uri.reveal(), "mongodb://me:p%40ss@a:1,b:2/db?tls=true&tlsCertificateKeyFilePassword=hush");
        assert_eq!(Uri::parse("mongodb+srv://name").unwrap().reveal(), "mongodb+srv://name");
        for wrong in ["http://me:hush@a", "mongodb://me:hush@", "mongodb://me:hu/sh@a", "mongodb://a?socketTimeoutMS=0"]
        {
            let error = Uri::parse(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hu"), "{error:?}");
        }
    }
}
