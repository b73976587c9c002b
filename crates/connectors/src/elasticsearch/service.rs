//! The hosts of a service, asked in turn.

use std::sync::Arc;

use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpClient, HttpMethod, HttpRequest, HttpResponse};
use flott_api::{Error, Result};

use super::Flavour;
use super::options::ElasticsearchOptions;
use crate::web::hosts::Hosts;
use crate::web::{is_busy, may_pass, passing, told};

/// A service, as one writer or one table that is looked up in asks it.
pub(super) struct Service {
    flavour: Flavour,
    options: Arc<ElasticsearchOptions>,
    client: Arc<dyn HttpClient>,
    hosts: Hosts,
}

impl Service {
    /// A service. `begin` says which host is asked first.
    ///
    /// # Errors
    /// If there is no HTTP here.
    pub(super) fn new(
        flavour: Flavour,
        options: &Arc<ElasticsearchOptions>,
        begin: u32,
        environment: &Environment,
    ) -> Result<Self> {
        let hosts = Hosts::new(&options.hosts, begin, Arc::clone(&environment.clock));
        Ok(Service { flavour, client: environment.http.client(&options.http)?, hosts, options: Arc::clone(options) })
    }

    /// Asks the hosts in turn until one is there; with lines of JSON, as all that is asked here.
    ///
    /// # Errors
    /// If none is there.
    pub(super) async fn ask(&mut self, path: &str, body: Bytes) -> Result<HttpResponse> {
        let mut last = None;
        for _ in 0..self.hosts.len() {
            let (chosen, host) = self.hosts.choose();
            match self.client.send(self.options.request(host, path, body.clone())).await {
                Ok(response) if matches!(response.status, 502..=504) => {
                    self.hosts.down(chosen);
                    last = Some(Ok(response));
                }
                Ok(response) => {
                    self.hosts.up(chosen);
                    return Ok(response);
                }
                Err(e) if may_pass(&e) => {
                    let e = e.context(format!("host '{host}'"));
                    self.hosts.down(chosen);
                    last = Some(Err(e));
                }
                Err(e) => return Err(e),
            }
        }
        last.unwrap_or_else(|| Err(Error::internal("a table has no host")))
    }

    /// The error of an answer whose status is none of success.
    pub(super) fn refused(&self, response: &HttpResponse) -> Error {
        let secrets: Vec<_> = self.options.authorization.iter().collect();
        let connector = self.flavour.identifier();
        let message = format!("connector '{connector}' was answered with {}", told(response, &secrets));
        match response.status {
            status if is_busy(status) => passing(message),
            401 | 403 => Error::external(message)
                .with_hint("Look at options 'username' and 'password', and at what the user may do."),
            413 => Error::external(message).with_hint("Make 'sink.bulk-flush.max-size' smaller."),
            _ => Error::external(message),
        }
    }
}

impl ElasticsearchOptions {
    fn request(&self, host: &str, path: &str, body: Bytes) -> HttpRequest {
        let mut headers = vec![("Content-Type".to_owned(), "application/x-ndjson".to_owned())];
        if let Some(authorization) = &self.authorization {
            headers.push(("Authorization".to_owned(), authorization.reveal().to_owned()));
        }
        let url = format!("{host}{}{path}", self.path_prefix);
        HttpRequest { method: HttpMethod::Post, url, headers, body, timeout_ms: self.timeout_ms }
    }
}
