//! A registry of schemas within the process, which answers with what an input begins with.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{Http, HttpClient, HttpMethod, HttpRequest, HttpResponse, HttpSettings};
use flott_api::testing::FakeWorld;
use flott_api::{BoxFuture, Field, LogicalType, Result, Schema, TypeKind};

use super::header::Header;
use super::records;

/// What names schema 1 in front of a message.
const HEADER: [u8; 5] = [0, 0, 0, 0, 1];

/// A reader's schema of [`table`], with a default and an alias.
const RECORD: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"a","type":"long","default":7},
    {"name":"b","type":["null","string"],"default":null,"aliases":["z"]},
    {"name":"c","type":{"type":"array","items":["null","int"]},"default":[1,null]}]}"#;
const EVENT: &str = r#"["null",{"type":"record","name":"E","fields":[
    {"name":"before","type":["null",RECORD],"default":null},
    {"name":"after","type":["null","R"],"default":null},
    {"name":"op","type":["null","string"],"default":null}]}]"#;

/// The event of Debezium around that record.
static EVENT_OF_RECORD: LazyLock<String> = LazyLock::new(|| EVENT.replace("RECORD", RECORD));

/// The table of the schema that a user gives.
pub(super) fn table() -> Schema {
    let items = LogicalType::new(TypeKind::Int);
    Schema::new(vec![
        Field::new("a", LogicalType::not_null(TypeKind::BigInt)),
        Field::new("b", LogicalType::string()),
        Field::new("c", LogicalType::not_null(TypeKind::Array(Box::new(items)))),
    ])
}

/// Whether the user gives a schema.
pub(super) fn gives_schema(header: &Header) -> bool {
    header.option(0)
}

/// The options that a header chooses.
pub(super) fn options(format: &str, header: &Header) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("url", "http://registry"), ("subject", "s")];
    if gives_schema(header) {
        all.push(("schema", if format == "avro-confluent" { RECORD } else { &EVENT_OF_RECORD }));
    }
    all
}

/// The messages of an input: what stands behind the schema, each with a header that names it.
pub(super) fn messages(bytes: &[u8], count: u8) -> Vec<Vec<u8>> {
    let data = bytes.iter().position(|b| *b == 0).map_or(&[][..], |end| &bytes[end + 1..]);
    records::parts(data, count).into_iter().map(|part| [HEADER.as_slice(), &part].concat()).collect()
}

/// What an input of such messages is.
pub(super) fn input(schema: &str, bytes: &[u8], ends: &[usize]) -> Vec<u8> {
    let mut input = [schema.as_bytes(), &[0]].concat();
    let starts = std::iter::once(&0).chain(ends);
    starts.zip(ends).for_each(|(start, end)| input.extend_from_slice(&bytes[start + HEADER.len()..*end]));
    input
}

/// A world with a registry whose only schema is the text that the bytes begin with, up to a zero.
pub(super) fn environment(bytes: &[u8]) -> Environment {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    Registry::of(&String::from_utf8_lossy(&bytes[..end])).environment()
}

/// Knows one schema: the one that it was given, or that was registered last.
#[derive(Clone)]
pub(super) struct Registry(Arc<Mutex<String>>);

impl Registry {
    /// That of a schema.
    pub(super) fn of(schema: &str) -> Self {
        Registry(Arc::new(Mutex::new(schema.to_owned())))
    }

    /// A world with it.
    pub(super) fn environment(&self) -> Environment {
        Environment { http: Arc::new(self.clone()), ..FakeWorld::at(0).environment() }
    }

    /// What it knows.
    pub(super) fn schema(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Http for Registry {
    fn client(&self, _settings: &HttpSettings) -> Result<Arc<dyn HttpClient>> {
        Ok(Arc::new(self.clone()))
    }
}

impl HttpClient for Registry {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse>> {
        let body = match request.method {
            HttpMethod::Post => {
                let posted: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let schema = posted["schema"].as_str().unwrap_or_default();
                schema.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
                r#"{"id":1}"#.to_owned()
            }
            _ => serde_json::json!({"schema": self.schema()}).to_string(),
        };
        Box::pin(std::future::ready(Ok(HttpResponse { status: 200, headers: Vec::new(), body: Bytes::from(body) })))
    }
}
