//! HTTP, for what speaks with a service over it, or is one: requests that are small and answered whole.

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

/// How a server listens. It has no `Debug`: there is a private key in it.
#[derive(Clone)]
pub struct HttpServing {
    /// Address and port: `0.0.0.0:8080`.
    pub address: String,
    /// The certificates and the private key that it shows, PEM; without them nothing is encrypted.
    pub identity: Option<Bytes>,
    /// Requests with larger bodies are answered with 413.
    pub body_bytes_max: usize,
    /// What has not come whole after so long is given up.
    pub timeout_ms: u64,
    /// More connections wait.
    pub connections_max: usize,
}

/// What a client asks a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReceived {
    /// `POST` and the like.
    pub method: String,
    /// `/orders`
    pub path: String,
    /// What stands behind the question mark.
    pub query: String,
    /// Names in lower case and values; a name may come several times.
    pub headers: Vec<(String, Bytes)>,
    /// The body.
    pub body: Bytes,
}

/// What answers the requests of a server, several at a time.
pub trait HttpHandler: Send + Sync {
    /// Looks at a request whose body is still to come; an answer ends it there.
    fn refuse(&self, head: &HttpReceived) -> Option<HttpResponse> {
        let _: &HttpReceived = head;
        None
    }

    /// Answers a request. The future is dropped if the client goes away.
    fn answer(&self, request: HttpReceived) -> BoxFuture<'static, HttpResponse>;
}

/// A server that listens; dropped, it does no more, and its connections end.
pub trait HttpServer: Send + Sync {
    /// The port, also if any would do.
    fn port(&self) -> u16;
}

/// Makes clients and servers.
pub trait Http: Send + Sync {
    /// A client, which keeps its connections.
    ///
    /// # Errors
    /// If a certificate or a key cannot be read.
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>>;

    /// Begins to listen.
    ///
    /// An error of kind `External` with `retry` means that the port is not free yet.
    fn serve(
        &self,
        serving: &HttpServing,
        handler: Arc<dyn HttpHandler>,
    ) -> BoxFuture<'static, Result<Box<dyn HttpServer>>> {
        let _: (&HttpServing, Arc<dyn HttpHandler>) = (serving, handler);
        Box::pin(std::future::ready(Err(Error::unsupported("an HTTP server in this process"))))
    }
}

/// A world without HTTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHttp;

impl Http for NoHttp {
    fn client(&self, _settings: &HttpSettings) -> Result<Arc<dyn HttpClient>> {
        Err(Error::unsupported("HTTP in this process"))
    }
}
