//! HTTP, for what speaks with a service over it: requests that are small and answered whole.

use std::sync::Arc;

use bytes::Bytes;

use crate::net::TlsTrust;
use crate::{BoxFuture, Error, Result};

/// What is asked. It has no `Debug`: there are secrets in its headers.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: HttpMethod,
    /// Where; without a user and a password.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Bytes,
    /// The answer must have come whole after so long.
    pub timeout_ms: u64,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// `200` and the like.
    pub status: u16,
    /// Names in lower case and values; a name may come several times.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Sends requests.
pub trait HttpClient: Send + Sync {
    /// Sends a request. Any answer is a result, whatever its status.
    ///
    /// An error of kind `External` with `retry` may have come after the effect.
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse>>;
}

/// What a client is like.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Whom it trusts and as whom it comes.
    pub trust: TlsTrust,
    /// Whether it speaks with a service whatever its certificate is.
    pub trusts_anyone: bool,
    /// How long connecting may take; without it as long as seems right.
    pub connect_timeout_ms: Option<u64>,
    /// Whether an answer that names another place is a result, and not followed: to follow it, the client would have to
    /// take a password to another host.
    pub keeps_redirects: bool,
}

impl From<TlsTrust> for HttpSettings {
    fn from(trust: TlsTrust) -> Self {
        HttpSettings { trust, ..HttpSettings::default() }
    }
}

/// Makes clients.
pub trait HttpClients: Send + Sync {
    /// A client, which keeps its connections.
    ///
    /// # Errors
    /// If a certificate or a key cannot be read.
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>>;
}

/// A world without HTTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHttp;

impl HttpClients for NoHttp {
    fn client(&self, _settings: &HttpSettings) -> Result<Arc<dyn HttpClient>> {
        Err(Error::unsupported("HTTP in this process"))
    }
}
