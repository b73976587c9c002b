//! `PARSE_URL(url, part [, key])`: a part of a URL, as `java.net.URL` reads it.
//!
//! The parts are `HOST`, `PATH`, `QUERY`, `REF`, `PROTOCOL`, `FILE`, `AUTHORITY` and `USERINFO`, in upper case. With a
//! key, of `QUERY` only, the value of that parameter. What is no URL, has no such part, or a protocol that Java does not
//! know (it knows `http`, `https`, `ftp`, `file`, `jar`, `mailto`, `jmod` and `jrt`), gives null.

use core::net::Ipv6Addr;

use arrow_array::ArrayRef;
use flott_api::{LogicalType, Result};

use crate::operand::Args;
use crate::registry::{Body, Function, Infer, Inference, Signature};

/// The functions of this file.
pub(super) const FUNCTIONS: &[Function] = &[Function::new("parse_url", Infer::By(infer), Body::Plain(parse_url))];

fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 3)?;
    match call.args.iter().all(|a| a.kind.is_character()) {
        true => Ok(call.unchanged(LogicalType::string())),
        false => Err(call.mismatch()),
    }
}

fn parse_url(args: &Args<'_>) -> Result<ArrayRef> {
    let (urls, parts) = (args.text(0)?, args.text(1)?);
    let keys = if args.has(2) { Some(args.text(2)?) } else { None };
    args.each_text(|row, out| {
        let Some(url) = Url::parse(urls.get(row)) else { return Ok(false) };
        let found = match &keys {
            None => url.part(parts.get(row), out),
            Some(keys) if parts.get(row) == "QUERY" => {
                let value = url.query.and_then(|query| parameter(query, keys.get(row)));
                out.push(value.unwrap_or_default());
                value.is_some()
            }
            Some(_) => false,
        };
        Ok(found)
    })
}

/// The value of the first parameter with that name.
fn parameter<'q>(query: &'q str, key: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// The parts of a URL.
#[derive(Debug, Default, PartialEq, Eq)]
struct Url<'u> {
    protocol: &'static str,
    authority: Option<&'u str>,
    userinfo: Option<&'u str>,
    host: &'u str,
    path: &'u str,
    query: Option<&'u str>,
    reference: Option<&'u str>,
}

const PROTOCOLS: [&str; 8] = ["http", "https", "ftp", "file", "jar", "mailto", "jmod", "jrt"];

impl<'u> Url<'u> {
    fn parse(text: &'u str) -> Option<Url<'u>> {
        let text = text.trim_matches(|c| c <= ' ');
        let has_prefix = text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("url:"));
        let text = if has_prefix { &text[4..] } else { text };
        let (protocol, rest) = text.split_once(':')?;
        let protocol = PROTOCOLS.into_iter().find(|known| known.eq_ignore_ascii_case(protocol))?;
        let (rest, reference) = match rest.split_once('#') {
            Some((rest, reference)) => (rest, Some(reference)),
            None => (rest, None),
        };
        let mut url = Url { reference, ..Url::default() };
        match protocol {
            "mailto" => url.take_address(rest)?,
            // What it stands in ends with `!/`.
            "jar" if !rest.contains("!/") => return None,
            "jar" => url.path = rest,
            _ => url.take(rest)?,
        }
        url.protocol = protocol;
        Some(url)
    }

    fn take_address(&mut self, rest: &'u str) -> Option<()> {
        if rest.trim().is_empty() {
            return None;
        }
        let (path, query) = rest.rsplit_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        (self.path, self.query) = (path, query);
        // Java's reader of addresses gives no authority and no reference.
        self.reference = None;
        Some(())
    }

    fn take(&mut self, rest: &'u str) -> Option<()> {
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        self.query = query;
        let Some(behind) = rest.strip_prefix("//").filter(|_| !rest.starts_with("////")) else {
            self.path = rest;
            return Some(());
        };
        let (authority, path) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
        (self.authority, self.path) = (Some(authority), path);
        self.take_host(authority)
    }

    fn take_host(&mut self, authority: &'u str) -> Option<()> {
        let host = match authority.split_once('@') {
            // Two of them are no server.
            Some((_, host)) if host.contains('@') => return Some(()),
            Some((userinfo, host)) => {
                self.userinfo = Some(userinfo);
                host
            }
            None => authority,
        };
        let (host, port) = match host.starts_with('[') {
            true => {
                let end = host.find(']').filter(|end| *end > 2)?;
                host[1..end].parse::<Ipv6Addr>().ok()?;
                let port = &host[end + 1..];
                (&host[..=end], if port.is_empty() { "" } else { port.strip_prefix(':')? })
            }
            false => host.split_once(':').unwrap_or((host, "")),
        };
        let port = if port.is_empty() { -1 } else { port.parse::<i32>().ok()? };
        self.host = host;
        (port >= -1).then_some(())
    }

    /// Writes a part by its name; whether there is one.
    fn part(&self, name: &str, out: &mut crate::operand::TextWriter) -> bool {
        let part = match name {
            "HOST" => Some(self.host),
            "PATH" => Some(self.path),
            "QUERY" => self.query,
            "REF" => self.reference,
            "PROTOCOL" => Some(self.protocol),
            "AUTHORITY" => self.authority,
            "USERINFO" => self.userinfo,
            "FILE" => {
                out.push(self.path);
                if let Some(query) = self.query {
                    out.push("?");
                    out.push(query);
                }
                return true;
            }
            _ => None,
        };
        out.push(part.unwrap_or_default());
        part.is_some()
    }
}
