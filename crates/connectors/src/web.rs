//! What connectors that speak HTTP share: secrets, whom to ask, when to ask again, rows that are gathered until they are
//! sent.

pub(crate) mod again;
pub(crate) mod gathering;
pub(crate) mod headers;
pub(crate) mod hosts;
pub(crate) mod secret;
#[cfg(test)]
pub(crate) mod testing;

use flott_api::http::HttpResponse;
use flott_api::options::OptionReader;
use flott_api::{Error, ErrorKind, Result};

use self::secret::Secret;

/// So much of an answer is told.
const TOLD_BYTES_MAX: usize = 500;

/// The header of a user with a password.
pub(crate) fn basic(username: &str, password: &str) -> Secret {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
    Secret::new(&format!("Basic {encoded}")).with_part(password)
}

/// An answer for a message: its status and the beginning of its text, without what is secret.
pub(crate) fn told(response: &HttpResponse, secrets: &[&Secret]) -> String {
    let text = String::from_utf8_lossy(&response.body);
    let mut text = text.trim().to_owned();
    for secret in secrets {
        text = secret.hidden_in(&text);
    }
    if text.len() > TOLD_BYTES_MAX {
        let end = (0..=TOLD_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("..");
    }
    if text.is_empty() { format!("status {}", response.status) } else { format!("status {}: {text}", response.status) }
}

/// Something outside that may be over soon.
pub(crate) fn passing(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::External { retry: true }, message)
}

/// Whether asking again may help.
pub(crate) fn may_pass(error: &Error) -> bool {
    error.kind() == ErrorKind::External { retry: true }
}

/// Whether a service that says so is only busy, or not there for the moment.
pub(crate) fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 502 | 503 | 504)
}

/// A URL that begins with `http://` or `https://` and has no user in it; without slashes at its end.
///
/// # Errors
/// If it is none.
pub(crate) fn checked_url(key: &str, url: &str) -> Result<String> {
    let url = url.trim();
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")) else {
        return Err(Error::invalid(format!("option '{key}' has no URL of HTTP"))
            .with_hint("It begins with 'http://' or 'https://', as in 'http://host:9200'."));
    };
    // No message shows the URL: what is wrong with it may be that there is something secret in it. A password may have any
    // character, so a user may stand behind what looks like the end of the host.
    if rest.split('?').next().is_some_and(|before| before.contains('@')) {
        return Err(Error::invalid(format!("option '{key}' has a user or a password in its URL"))
            .with_hint("Who asks is told by other options, which are not shown. An '@' of a path is written '%40'."));
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = host.rsplit(']').next().and_then(|host| host.split_once(':')).map(|(_, port)| port);
    let is_host = !host.is_empty() && port.is_none_or(|port| port.parse::<u16>().is_ok());
    if !is_host || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Error::invalid(format!("option '{key}' has a value which is no URL")).with_hint(
            "It has a host, which may have a number as its port, and no blanks, as in 'http://host:9200'.",
        ));
    }
    Ok(format!("{scheme}://{}", rest.trim_end_matches('/')))
}

/// The header of `username` and `password`, both or none of which are set.
///
/// # Errors
/// If only one is.
pub(crate) fn user(reader: &OptionReader<'_>) -> Result<Option<Secret>> {
    match (reader.text("username"), reader.text("password")) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) if !username.trim().is_empty() => Ok(Some(basic(username, password))),
        _ => Err(Error::invalid("options 'username' and 'password' must be set together")),
    }
}

/// `sink.parallelism`.
///
/// # Errors
/// If it is no number or 0.
pub(crate) fn parallelism(reader: &OptionReader<'_>) -> Result<Option<u32>> {
    let parallelism = reader.value("sink.parallelism")?;
    if parallelism == Some(0) {
        return Err(Error::invalid("option 'sink.parallelism' must be at least 1"));
    }
    Ok(parallelism)
}

/// Appends a text as a part of a URL: what could mean something there is escaped.
pub(crate) fn percent_encoded(text: &str, out: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.extend(['%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_answer_is_told_without_secrets_and_not_at_length() {
        let answer = |text: String| HttpResponse { status: 500, headers: Vec::new(), body: Bytes::from(text) };
        let secret = basic("user", "swordfish");
        let text = told(&answer(format!("{} was refused, {}", secret.reveal(), "é".repeat(400))), &[&secret]);
        assert!(text.starts_with("status 500: **** was refused") && text.ends_with(".."), "{text}");
        assert!(text.len() < TOLD_BYTES_MAX + 20);
        assert_eq!(told(&answer(String::new()), &[]), "status 500");
    }

    #[test]
    fn urls_are_checked() {
        for (url, checked) in [
            (" http://host:1/a/ ", "http://host:1/a"),
            ("http://[::1]:9200", "http://[::1]:9200"),
            ("https://[::1]/a?mail=b@c", "https://[::1]/a?mail=b@c"),
        ] {
            assert_eq!(checked_url("url", url).unwrap(), checked);
        }
        for wrong in ["host:9200", "ftp://host", "http://", "http:///x", "http://a:", "http://a:b", "http://a:99999"] {
            assert!(checked_url("url", wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "http://me:hush@host/",
            "https://me:hush/sh@host",
            "https://me:1/hush@host",
            "https://me:hush#sh@host",
            "https://me:hush?sh@host",
            "http://a b?key=hush",
            "http://?key=hush",
        ] {
            let error = checked_url("url", wrong).unwrap_err();
            let shown = format!("{error:?} {error}");
            assert!(!shown.contains("hush") && shown.contains("option 'url'"), "{shown}");
        }
    }

    #[test]
    fn what_means_something_in_a_url_is_escaped() {
        let mut out = String::new();
        percent_encoded("a b/ü&=~", &mut out);
        assert_eq!(out, "a%20b%2F%C3%BC%26%3D~");
    }
}
