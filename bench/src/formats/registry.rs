//! A schema registry within the process, for the formats that need one: it numbers the schemas it is given from 1.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flott_api::http::{Http, HttpClient, HttpMethod, HttpRequest, HttpResponse, HttpSettings};
use flott_api::{BoxFuture, Result};
use serde_json::{Value, json};

/// The schemas.
#[derive(Clone, Default)]
pub(super) struct Registry(Arc<Mutex<Vec<String>>>);

impl Registry {
    /// The schemas that it has, in order.
    pub(super) fn schemas(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, request: &HttpRequest) -> Option<Value> {
        let mut schemas = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if request.method == HttpMethod::Post {
            let body: Value = serde_json::from_slice(&request.body).ok()?;
            schemas.push(body.get("schema")?.as_str()?.to_owned());
            return Some(json!({"id": schemas.len()}));
        }
        let id: usize = request.url.rsplit('/').next()?.parse().ok()?;
        schemas.get(id.checked_sub(1)?).map(|schema| json!({"schema": schema}))
    }
}

impl Http for Registry {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>> {
        Ok(Arc::new(self.clone()))
    }
}

impl HttpClient for Registry {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse>> {
        let (status, body) = self.answer(&request).map_or((404, json!({})), |body| (200, body));
        Box::pin(std::future::ready(Ok(HttpResponse {
            status,
            headers: Vec::new(),
            body: Bytes::from(body.to_string()),
        })))
    }
}
