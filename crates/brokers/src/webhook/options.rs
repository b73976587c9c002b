//! The options of a table.

use flott_api::env::Environment;
use flott_api::http::HttpServing;
use flott_api::options::{ConfigOption, MemorySize, Millis, OptionReader, OptionTable, Options};
use flott_api::{Error, Result, Schema};
use flott_formats::Format;

use super::DESCRIPTION;
use crate::access::{Secret, pem};
use crate::messages::format_of;

const TIMEOUT_MS: u64 = 30_000;
const BODY_BYTES_MAX: u64 = 1 << 20;
const WAITING_BYTES_MAX: u64 = 64 << 20;
const CONNECTIONS_MAX: u32 = 256;
/// The semaphore that counts bytes has room for so many.
const BYTES_MAX: u64 = u32::MAX as u64;

/// All options.
pub(super) const OPTIONS: OptionTable = &[
    ConfigOption::text("listen", "The address to listen on, with its port: `0.0.0.0:8080`.").needed(),
    ConfigOption::text("path", "Requests for other paths are answered with 404.").or("/"),
    ConfigOption::choice("method", &["POST", "PUT"], "Other methods are answered with 405.").or("POST"),
    ConfigOption::text("format", "The format of a body; it may hold several rows.").needed(),
    ConfigOption::choice(
        "scan.acknowledge",
        &["checkpoint", "receipt"],
        "When a request is answered with 200: when the checkpoint that has its rows is complete, or when the job has them, which may lose what came behind the last one.",
    )
    .or("checkpoint"),
    ConfigOption::duration(
        "response-timeout",
        "What could not be answered by then is answered with 503. It should be longer than checkpoints are apart.",
    )
    .or("30 s"),
    ConfigOption::duration("request-timeout", "A request must have come whole after so long.").or("30 s"),
    ConfigOption::memory("max-body-size", "Larger bodies are answered with 413.").or("1 mb"),
    ConfigOption::memory(
        "max-waiting-size",
        "So many bytes of bodies may wait until the job takes them; what comes then is answered with 503.",
    )
    .or("64 mb"),
    ConfigOption::number("max-connections", "How many connections are served at once; further ones wait. Each may have a body on its way.").or("256"),
    ConfigOption::text("token", "A secret that each request must show, else it is answered with 401."),
    ConfigOption::text(
        "token.header",
        "The header that shows it. In `authorization` the word `Bearer` stands before it.",
    )
    .or("authorization"),
    ConfigOption::text(
        "signature.secret",
        "The key of an HMAC-SHA256 of the body, which each request must show, else it is answered with 401.",
    ),
    ConfigOption::text("signature.header", "The header that shows it: `x-hub-signature-256`. Needed with a secret."),
    ConfigOption::text("signature.prefix", "What stands before it in the header: `sha256=`."),
    ConfigOption::choice("signature.encoding", &["hex", "base64"], "How it is written.").or("hex"),
    ConfigOption::text("tls.certificate-location", "A file of certificates in PEM: with it connections are encrypted."),
    ConfigOption::text("tls.key-location", "The file of its private key in PEM."),
];

/// All options, checked.
pub(super) struct WebhookOptions {
    pub(super) listen: String,
    pub(super) path: String,
    pub(super) method: &'static str,
    pub(super) format: Box<dyn Format>,
    /// Whether requests are answered when their rows are out, and not when their checkpoint is complete.
    pub(super) on_receipt: bool,
    pub(super) response_timeout_ms: u64,
    pub(super) waiting_bytes_max: u32,
    pub(super) connections_max: u32,
    pub(super) token: Option<Token>,
    pub(super) signature: Option<Signature>,
    request_timeout_ms: u64,
    body_bytes_max: u64,
    /// Files of certificates and key.
    tls: Option<(String, String)>,
}

/// What a request must show.
pub(super) struct Token {
    pub(super) header: String,
    /// The whole value of the header.
    pub(super) value: Secret,
}

/// By what a body must be signed.
pub(super) struct Signature {
    pub(super) header: String,
    pub(super) prefix: String,
    pub(super) base64: bool,
    pub(super) secret: Secret,
}

impl WebhookOptions {
    /// Reads them.
    ///
    /// # Errors
    /// If one is wrong, unknown or missing, or the format cannot hold the columns.
    pub(super) fn read(options: &Options, schema: &Schema) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        let listen = reader.required("listen")?.to_owned();
        let port = listen.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        if port.is_none_or(|(host, port)| host.is_empty() || port == 0) {
            return Err(Error::invalid(format!("option 'listen' = '{listen}' is no address with a port"))
                .with_hint("It is one of this machine, such as '0.0.0.0:8080' or '127.0.0.1:8080'."));
        }
        let path = reader.text("path").unwrap_or("/").to_owned();
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            return Err(Error::invalid(format!("option 'path' = '{path}' is no path"))
                .with_hint("It begins with '/' and has no query."));
        }
        let Millis(response_timeout_ms) = reader.value_or("response-timeout", Millis(TIMEOUT_MS))?;
        let Millis(request_timeout_ms) = reader.value_or("request-timeout", Millis(TIMEOUT_MS))?;
        let connections_max = reader.value_or("max-connections", CONNECTIONS_MAX)?;
        let body_bytes_max = bytes(&reader, "max-body-size", BODY_BYTES_MAX)?;
        let waiting_bytes_max = bytes(&reader, "max-waiting-size", WAITING_BYTES_MAX)?;
        if response_timeout_ms == 0 || request_timeout_ms == 0 || connections_max == 0 {
            return Err(Error::invalid(
                "options 'response-timeout', 'request-timeout' and 'max-connections' must be more than nothing",
            ));
        }
        if body_bytes_max > waiting_bytes_max {
            return Err(Error::invalid("option 'max-waiting-size' has no room for a body of 'max-body-size'"));
        }
        let acknowledge = [("checkpoint", false), ("receipt", true)];
        let read = WebhookOptions {
            listen,
            path,
            method: reader.choice("method", &[("POST", "POST"), ("PUT", "PUT")], "POST")?,
            format: format_of(&reader, "webhook")?,
            on_receipt: reader.choice("scan.acknowledge", &acknowledge, false)?,
            response_timeout_ms,
            waiting_bytes_max: waiting_bytes_max as u32,
            connections_max,
            token: token(&reader)?,
            signature: signature(&reader)?,
            request_timeout_ms,
            body_bytes_max,
            tls: tls(&reader)?,
        };
        reader.finish()?;
        read.format.check(schema)?;
        Ok(read)
    }

    /// How it listens, with certificates as they are now.
    ///
    /// # Errors
    /// If a file of them cannot be read.
    pub(super) fn serving(&self, environment: &Environment) -> Result<HttpServing> {
        let load = |(certificate, key): &(String, String)| {
            let certificate = pem(environment, certificate, "tls.certificate-location")?;
            let key = pem(environment, key, "tls.key-location")?;
            Ok::<_, Error>([&certificate[..], b"\n", &key[..]].concat().into())
        };
        Ok(HttpServing {
            address: self.listen.clone(),
            identity: self.tls.as_ref().map(load).transpose()?,
            body_bytes_max: self.body_bytes_max as usize,
            timeout_ms: self.request_timeout_ms,
            connections_max: self.connections_max as usize,
        })
    }
}

fn bytes(reader: &OptionReader<'_>, key: &str, default: u64) -> Result<u64> {
    let MemorySize(bytes) = reader.value_or(key, MemorySize(default))?;
    if bytes == 0 || bytes > BYTES_MAX {
        return Err(Error::invalid(format!("option '{key}' must be from 1 to {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn header(reader: &OptionReader<'_>, key: &str) -> Result<Option<String>> {
    let Some(name) = reader.text(key) else { return Ok(None) };
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if good {
        Ok(Some(name.to_ascii_lowercase()))
    } else {
        Err(Error::invalid(format!("option '{key}' = '{name}' is no header")))
    }
}

fn token(reader: &OptionReader<'_>) -> Result<Option<Token>> {
    let (token, header) = (reader.text("token"), header(reader, "token.header")?);
    match (token, header) {
        (None, Some(_)) => Err(Error::invalid("option 'token.header' without option 'token'")),
        (None, None) => Ok(None),
        (Some(""), _) => Err(Error::invalid("option 'token' is empty")),
        (Some(token), header) => {
            let header = header.unwrap_or("authorization".to_owned());
            let value = if header == "authorization" { format!("Bearer {token}") } else { token.to_owned() };
            Ok(Some(Token { header, value: Secret::new(&value) }))
        }
    }
}

fn signature(reader: &OptionReader<'_>) -> Result<Option<Signature>> {
    let (secret, header) = (reader.text("signature.secret"), header(reader, "signature.header")?);
    let (prefix, encoding) = (reader.text("signature.prefix"), reader.text("signature.encoding"));
    let base64 = reader.choice("signature.encoding", &[("hex", false), ("base64", true)], false)?;
    match (secret, header) {
        (None, None) if prefix.is_none() && encoding.is_none() => Ok(None),
        (Some(secret), Some(header)) if !secret.is_empty() => {
            let prefix = prefix.unwrap_or_default().to_owned();
            Ok(Some(Signature { header, prefix, base64, secret: Secret::new(secret) }))
        }
        _ => Err(Error::invalid("options 'signature.*' need 'signature.secret' and 'signature.header'")),
    }
}

fn tls(reader: &OptionReader<'_>) -> Result<Option<(String, String)>> {
    match (reader.text("tls.certificate-location"), reader.text("tls.key-location")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some((certificate.to_owned(), key.to_owned()))),
        _ => Err(Error::invalid("options 'tls.certificate-location' and 'tls.key-location' need each other")),
    }
}

#[cfg(test)]
mod tests {
    use flott_api::{Field, LogicalType};

    use super::*;

    #[test]
    fn options_are_read_and_what_makes_no_sense_is_refused() {
        let read = |pairs: &[(&str, &str)]| {
            let mut all = vec![("listen", "127.0.0.1:8080"), ("format", "json")];
            all.extend_from_slice(pairs);
            let options = Options(all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
            let schema = Schema::new(vec![Field::new("a", LogicalType::string())]);
            WebhookOptions::read(&options, &schema).map_err(|e| e.message().to_owned())
        };
        let options = read(&[("token", "t"), ("signature.secret", "s"), ("signature.header", "X-Sig")]).unwrap();
        assert_eq!(options.token.map(|t| (t.header, t.value.reveal().to_owned())).unwrap().1, "Bearer t");
        assert_eq!(options.signature.unwrap().header, "x-sig");
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("listen", "8080")], "option 'listen' = '8080' is no address with a port"),
            (&[("path", "orders")], "option 'path' = 'orders' is no path"),
            (&[("token.header", "x")], "option 'token.header' without option 'token'"),
            (&[("signature.secret", "x")], "options 'signature.*' need 'signature.secret' and 'signature.header'"),
            (&[("tls.key-location", "x")], "options 'tls.certificate-location' and 'tls.key-location' need each other"),
            (&[("max-body-size", "100 mb")], "option 'max-waiting-size' has no room for a body of 'max-body-size'"),
            (&[("format", "parquet")], "format 'parquet' cannot be used for messages of connector 'webhook'"),
            (&[("port", "1")], "connector 'webhook' has no option 'port'"),
        ];
        for (pairs, message) in cases {
            assert_eq!(read(pairs).err().unwrap(), message);
        }
    }
}
