//! Secrets among options: what must not be shown, logged or explained.

/// Parts of a key that say that its value is secret; Flink's list, and private keys that stand in an option.
const SECRET_PARTS: [&str; 14] = [
    "password",
    "secret",
    "fs.azure.account.key",
    "apikey",
    "api-key",
    "auth-params",
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

/// What is shown instead of a secret.
pub const HIDDEN: &str = "****";

/// Whether the value of this key is secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    !NO_SECRETS.contains(&key.as_str()) && SECRET_PARTS.iter().any(|part| key.contains(part))
}

/// The value of an option as it may be shown.
pub fn shown(key: &str, value: &str) -> String {
    if is_secret(key) { HIDDEN.to_owned() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_keys() {
        assert_eq!(shown("properties.sasl.jaas.config", "user=x"), HIDDEN);
        assert_eq!(shown("properties.ssl.keystore.key", "-----BEGIN"), HIDDEN);
        assert_eq!(shown("Password", "x"), HIDDEN);
        assert_eq!(shown("http.sink.header.Authorization", "Bearer x"), HIDDEN);
        assert_eq!(shown("http.source.lookup.use-raw-authorization-header", "true"), "true");
        assert_eq!(shown("path", "/tmp/x"), "/tmp/x");
        assert_eq!((shown("max-tokens", "7"), shown("token", "7")), ("7".to_owned(), HIDDEN.to_owned()));
    }
}
