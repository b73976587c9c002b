//! A service within a test: a function that answers requests.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{Http, HttpClient, HttpRequest, HttpResponse, HttpSettings};
use flott_api::testing::FakeWorld;
use flott_api::{BoxFuture, Error, ErrorKind, Result};

type Answers = dyn Fn(&HttpRequest) -> Result<HttpResponse> + Send + Sync;

/// A service, and all that it was asked.
#[derive(Clone)]
pub(crate) struct Double {
    answers: Arc<Answers>,
    asked: Arc<Mutex<Vec<HttpRequest>>>,
}

impl Double {
    /// A service that answers so.
    pub(crate) fn new(answers: impl Fn(&HttpRequest) -> Result<HttpResponse> + Send + Sync + 'static) -> Self {
        Double { answers: Arc::new(answers), asked: Arc::default() }
    }

    /// A world with this service.
    pub(crate) fn environment(&self, world: &Arc<FakeWorld>) -> Environment {
        Environment { http: Arc::new(self.clone()), ..world.environment() }
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<HttpRequest> {
        self.asked.lock().unwrap().clone()
    }
}

impl Http for Double {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>> {
        Ok(Arc::new(self.clone()))
    }
}

impl HttpClient for Double {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse>> {
        let answer = (self.answers)(&request);
        self.asked.lock().unwrap().push(request);
        Box::pin(std::future::ready(answer))
    }
}

/// An answer.
pub(crate) fn answer(status: u16, body: impl Into<String>) -> Result<HttpResponse> {
    Ok(HttpResponse { status, headers: Vec::new(), body: Bytes::from(body.into()) })
}

/// No answer.
pub(crate) fn no_answer() -> Result<HttpResponse> {
    Err(Error::new(ErrorKind::External { retry: true }, "the HTTP request failed").with_detail("connection refused."))
}

/// The value of a header.
pub(crate) fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}
