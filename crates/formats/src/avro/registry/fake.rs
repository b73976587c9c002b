//! A registry for tests, within the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{Http, HttpClient, HttpMethod, HttpRequest, HttpResponse, HttpSettings};
use flott_api::net::TlsTrust;
use flott_api::options::{OptionReader, Options};
use flott_api::testing::FakeWorld;
use flott_api::{BoxFuture, Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::RegistryOptions;

/// Its state: schemas by number, from 1, and what was asked.
#[derive(Default)]
pub(in crate::avro) struct FakeRegistry {
    pub(in crate::avro) schemas: Mutex<Vec<String>>,
    /// What it answers first; no status is no answer at all.
    pub(in crate::avro) trouble: Mutex<VecDeque<Option<(u16, &'static str)>>>,
    /// Method, URL and credentials of each request.
    pub(in crate::avro) asked: Mutex<Vec<String>>,
    pub(in crate::avro) trust: Mutex<Vec<TlsTrust>>,
}

struct Shared(Arc<FakeRegistry>);

impl FakeRegistry {
    pub(in crate::avro) fn with(schemas: &[&str]) -> Arc<Self> {
        let schemas = schemas.iter().map(|s| (*s).to_owned()).collect();
        Arc::new(FakeRegistry { schemas: Mutex::new(schemas), ..FakeRegistry::default() })
    }

    pub(in crate::avro) fn environment(self: &Arc<Self>) -> Environment {
        Environment { http: Arc::new(Shared(Arc::clone(self))), ..FakeWorld::at(0).environment() }
    }

    pub(in crate::avro) fn troubled(self: &Arc<Self>, trouble: &[Option<(u16, &'static str)>]) {
        self.trouble.lock().unwrap().extend(trouble);
    }

    pub(in crate::avro) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn answer(&self, request: &HttpRequest) -> (u16, Value) {
        let path = request.url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, p)| p);
        let mut schemas = self.schemas.lock().unwrap();
        if request.method == HttpMethod::Post {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let schema = body["schema"].as_str().unwrap();
            let known = schemas.iter().position(|s| s == schema);
            let id = known.unwrap_or_else(|| {
                schemas.push(schema.to_owned());
                schemas.len() - 1
            });
            return (200, json!({"id": id + 1}));
        }
        let id: usize = path.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
        match schemas.get(id.wrapping_sub(1)) {
            Some(schema) => (200, json!({"schema": schema})),
            None => (404, json!({"error_code": 40403, "message": "Schema not found"})),
        }
    }
}

impl Http for Shared {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>> {
        self.0.trust.lock().unwrap().push(settings.trust.clone());
        Ok(Arc::new(Shared(Arc::clone(&self.0))))
    }
}

impl HttpClient for Shared {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse>> {
        let header = |name: &str| request.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
        let line = format!("{:?} {} {}", request.method, request.url, header("Authorization"));
        self.0.asked.lock().unwrap().push(line.trim_end().to_owned());
        let trouble = self.0.trouble.lock().unwrap().pop_front();
        let answered = match trouble {
            Some(None) => Err(Error::new(ErrorKind::External { retry: true }, "the HTTP request failed")
                .with_detail("Connection refused.")),
            Some(Some((status, body))) => {
                Ok(HttpResponse { status, headers: Vec::new(), body: Bytes::from_static(body.as_bytes()) })
            }
            None => {
                let (status, body) = self.0.answer(&request);
                Ok(HttpResponse { status, headers: Vec::new(), body: Bytes::from(body.to_string()) })
            }
        };
        Box::pin(std::future::ready(answered))
    }
}

/// Options under `t.`, as a table would have them; with the address of a registry unless they have one.
pub(in crate::avro) fn options(pairs: &[(&str, &str)]) -> Result<RegistryOptions> {
    let mut options = Options(pairs.iter().map(|(k, v)| (format!("t.{k}"), v.to_string())).collect());
    if !pairs.iter().any(|(key, _)| key.ends_with("url")) {
        options.0.insert("t.url".to_owned(), "http://registry:8081/".to_owned());
    }
    let reader = OptionReader::new(&options, "format 't'");
    let read = RegistryOptions::read(&reader, "t.")?;
    reader.finish()?;
    Ok(read)
}
