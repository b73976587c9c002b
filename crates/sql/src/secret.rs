//! Secrets among options: what must not be shown, logged or explained.

/// Parts of a key that say that its value is secret; Flink's list, and private keys that stand in an option.
const SECRET_PARTS: [&str; 16] = [
    "password",
    "secret",
    "fs.azure.account.key",
    "apikey",
    "api-key",
    "auth-params",
    "authparam",
    "authmechanismproperties",
    "service-key",
    "token",
    "basic-auth",
    "jaas.config",
    "http-headers",
    "keystore.key",
    ".header.",
    "ssl.key",
];

/// Keys that only look so: they are numbers of tokens.
const NO_SECRETS: [&str; 2] = ["max-tokens", "maxtokens"];

/// A value with more URLs is not looked through.
const URLS_MAX: usize = 64;

/// What is shown instead of a secret.
pub const HIDDEN: &str = "****";

/// Whether the value of this key is secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    !NO_SECRETS.contains(&key.as_str()) && SECRET_PARTS.iter().any(|part| key.contains(part))
}

/// The value of an option as it may be shown: not a secret, nor what is secret in a URL.
pub fn shown(key: &str, value: &str) -> String {
    if is_secret(key) || value.matches("://").nth(URLS_MAX).is_some() {
        return HIDDEN.to_owned();
    }
    without_secrets(value)
}

/// A text in which passwords of URLs are hidden: `scheme://user:password@host/?password=..`.
fn without_secrets(text: &str) -> String {
    let Some(start) = text.find("://") else { return text.to_owned() };
    let (head, rest) = text.split_at(start + 3);
    let mut end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // Another URL may follow at once, as in a list of hosts.
    if rest[..end].ends_with(':') && rest[end..].starts_with("//") {
        end = rest[..end].rfind([';', ',']).unwrap_or(end);
    }
    let (mut authority, mut path) = rest.split_at(end);
    // A password in which these characters are not written as they should be.
    let next = path.find("://").unwrap_or(path.len());
    let is_user = authority.split_once(':').is_some_and(|(_, port)| !port.bytes().all(|b| b.is_ascii_digit()));
    if let (true, Some(at)) = (is_user && !authority.contains('@'), path[..next].rfind('@')) {
        (authority, path) = rest.split_at(end + at + 1);
        let host = path.find(['/', '?', '#']).unwrap_or(path.len());
        (authority, path) = rest.split_at(authority.len() + host);
    }
    let authority = match authority.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{user}:{HIDDEN}@{host}"),
        _ => authority.to_owned(),
    };
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let pairs = query.map(|query| query.split('&').map(parameter).collect::<Vec<_>>().join("&"));
    format!("{head}{authority}{}{}", without_secrets(path), pairs.map(|pairs| format!("?{pairs}")).unwrap_or_default())
}

fn parameter(pair: &str) -> String {
    match pair.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}={HIDDEN}"),
        _ => without_secrets(pair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_keys() {
        assert_eq!(shown("properties.sasl.jaas.config", "user=x"), HIDDEN);
        assert_eq!(shown("properties.ssl.keystore.key", "-----BEGIN"), HIDDEN);
        assert_eq!(shown("pulsar.client.authParams", "token:x"), HIDDEN);
        assert_eq!(shown("pulsar.client.authParamMap", "{}"), HIDDEN);
        assert_eq!(shown("Password", "x"), HIDDEN);
        assert_eq!(shown("http.sink.header.Authorization", "Bearer x"), HIDDEN);
        assert_eq!(shown("http.source.lookup.use-raw-authorization-header", "true"), "true");
        assert_eq!(shown("path", "/tmp/x"), "/tmp/x");
        for (url, expected) in [
            ("mongodb://me:hush@a:1,b:2/db?w=1", "mongodb://me:****@a:1,b:2/db?w=1"),
            ("mongodb://me:pa#s/s@h/db@x?a=b", "mongodb://me:****@x?a=b"),
            ("http://h:8080/a@b", "http://h:8080/a@b"),
            ("mongodb+srv://me:h%40u@a", "mongodb+srv://me:****@a"),
            ("amqp://me@a:1/", "amqp://me@a:1/"),
            ("http://u:p@a:1;http://u:p@b:2", "http://u:****@a:1;http://u:****@b:2"),
            ("jdbc:x://a:1/d?user=me&password=hush&x", "jdbc:x://a:1/d?user=me&password=****&x"),
            ("https://a:1/b?c=d://e:f@g", "https://a:1/b?c=d://e:****@g"),
        ] {
            assert_eq!(shown("uri", url), expected);
        }
        let properties = "mongodb://id@a/?authMechanismProperties=AWS_SESSION_TOKEN:hush";
        assert_eq!(shown("uri", properties), "mongodb://id@a/?authMechanismProperties=****");
        assert_eq!(shown("path", &"://x/".repeat(100_000)), HIDDEN);
        assert_eq!((shown("max-tokens", "7"), shown("token", "7")), ("7".to_owned(), HIDDEN.to_owned()));
    }
}
