//! Keys as requests: which part of a request says which column.

use std::collections::BTreeMap;

use bytes::Bytes;
use flott_api::http::HttpMethod;
use flott_api::options::OptionReader;
use flott_api::{ChangeBatch, Error, Result, Schema};
use flott_formats::{Encoded, Encoder, EncoderSpec, Format};
use serde_json::{Map, Value};

use super::options::{list, pairs};
use crate::web::percent_encoded;

/// How keys are asked for, as the options say.
pub(super) struct Questions {
    has_body: bool,
    /// Nothing: with `GET` all columns stand behind `?`, else they are the body.
    parts: Option<Parts>,
    format: Box<dyn Format>,
}

/// Which columns stand where.
#[derive(Clone)]
struct Parts {
    query: Vec<String>,
    body: Vec<String>,
    /// Names in braces in the URL, and the columns that replace them.
    path: BTreeMap<String, String>,
}

/// A request for a key: where, and with which body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    pub(super) url: String,
    pub(super) body: Bytes,
}

impl Questions {
    /// Reads the options that begin with `lookup-request.` and `request.`.
    ///
    /// # Errors
    /// If one is wrong, or names no column.
    pub(super) fn read(reader: &OptionReader<'_>, prefix: &str, method: HttpMethod, schema: &Schema) -> Result<Self> {
        let key = |name: &str| format!("{prefix}{name}");
        let creator = key("source.lookup.query-creator");
        let creators =
            [("http-generic-json-url", true), ("http-generic-get-query", false), ("generic-get-query", false)];
        let (query, body, path) =
            (key("request.query-param-fields"), key("request.body-fields"), key("request.url-map"));
        let mapped = [&query, &body, &path].into_iter().any(|key| reader.text(key).is_some());
        let is_mapped = reader.chosen(&creator, &creators)?.unwrap_or(mapped);
        if mapped && !is_mapped {
            return Err(Error::invalid(format!(
                "options '{prefix}request.*' mean nothing to the query creator of '{creator}'"
            ))
            .with_hint("Theirs is 'http-generic-json-url'."));
        }
        let parts = Parts {
            query: list(reader.text(&query), ';'),
            body: list(reader.text(&body), ';'),
            path: pairs(&path, reader.text(&path))?,
        };
        let columns = parts.query.iter().chain(&parts.body).chain(parts.path.values());
        for column in columns {
            if !schema.fields.iter().any(|field| field.name == *column) {
                return Err(Error::invalid(format!(
                    "options '{prefix}request.*' name column '{column}', which the table has not"
                )));
            }
        }
        if method == HttpMethod::Get && !parts.body.is_empty() {
            return Err(Error::invalid(format!("option '{body}' with 'lookup-method' = 'GET', which has no body")));
        }
        let name = reader.text("lookup-request.format").unwrap_or("json");
        let format = flott_formats::format(name, reader, "lookup-request.format.")?;
        if name != "json" {
            return Err(Error::unsupported(format!("'lookup-request.format' = '{name}'")).with_hint("It is 'json'."));
        }
        Ok(Questions { has_body: method != HttpMethod::Get, parts: is_mapped.then_some(parts), format })
    }

    /// What asks for keys of these columns.
    ///
    /// # Errors
    /// If a part names a column that is not asked for, or a column has no part.
    pub(super) fn asker(&self, url: &str, keys: &Schema) -> Result<Asker> {
        let names = || keys.fields.iter().map(|f| f.name.clone());
        let parts = match &self.parts {
            Some(parts) => parts.clone(),
            None if self.has_body => Parts { query: Vec::new(), body: names().collect(), path: BTreeMap::new() },
            None => Parts { query: names().collect(), body: Vec::new(), path: BTreeMap::new() },
        };
        let all = || parts.query.iter().chain(&parts.body).chain(parts.path.values());
        if let Some(name) = all().find(|name| !names().any(|key| key == **name)) {
            return Err(Error::invalid(format!(
                "the join has no condition for column '{name}', which a request needs"
            )));
        }
        if let Some(name) = names().find(|key| !all().any(|name| name == key)) {
            return Err(Error::invalid(format!(
                "the join has a condition for column '{name}', which no part of a request says"
            ))
            .with_hint("Name it in 'request.query-param-fields', 'request.body-fields' or 'request.url-map'."));
        }
        let encoder = self.format.encoder(&EncoderSpec { schema: keys.clone(), line_ends: false })?;
        Ok(Asker { url: url.to_owned(), parts, has_body: self.has_body, encoder, encoded: Encoded::default() })
    }
}

/// Makes requests of keys.
pub(super) struct Asker {
    url: String,
    parts: Parts,
    has_body: bool,
    encoder: Box<dyn Encoder>,
    encoded: Encoded,
}

impl Asker {
    /// A request for each key.
    ///
    /// # Errors
    /// If a value has no text in JSON.
    pub(super) fn questions(&mut self, keys: ChangeBatch) -> Result<Vec<Question>> {
        self.encoded.bytes.clear();
        self.encoded.ends.clear();
        self.encoder.encode(&keys, &mut self.encoded)?;
        let mut start = 0;
        let mut questions = Vec::with_capacity(keys.len());
        for end in &self.encoded.ends {
            let row: Map<String, Value> = serde_json::from_slice(&self.encoded.bytes[start..*end])
                .map_err(|e| Error::internal("a key is no JSON").with_source(e))?;
            questions.push(self.question(&row));
            start = *end;
        }
        Ok(questions)
    }

    fn question(&self, row: &Map<String, Value>) -> Question {
        let value = |name: &str| match row.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let mut url = self.url.clone();
        for (name, column) in &self.parts.path {
            let mut part = String::new();
            percent_encoded(&value(column), &mut part);
            url = url.replace(&format!("{{{name}}}"), &part);
        }
        let mut sign = if url.contains('?') { '&' } else { '?' };
        for name in &self.parts.query {
            url.push(sign);
            percent_encoded(name, &mut url);
            url.push('=');
            percent_encoded(&value(name), &mut url);
            sign = '&';
        }
        let body = if self.has_body {
            let fields = self.parts.body.iter().filter_map(|name| Some((name.clone(), row.get(name)?.clone())));
            Bytes::from(Value::Object(fields.collect()).to_string())
        } else {
            Bytes::new()
        };
        Question { url, body }
    }
}
