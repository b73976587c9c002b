//! A server of HTTP/1.1 on a socket of this machine, with TLS where it has a certificate.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flott_api::http::{HttpHandler, HttpReceived, HttpResponse, HttpServer, HttpServing};
use flott_api::{Error, ErrorKind, Result};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::Instrument;

use super::http::provide_tls;

/// When the machine has no room for a connection, it is asked again after so long.
const ROOM_WAIT: Duration = Duration::from_millis(100);
/// What a client may say before its body.
const HEAD_BYTES_MAX: usize = 64 << 10;

struct Serving {
    port: u16,
    task: AbortHandle,
}

impl HttpServer for Serving {
    fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections share.
struct Shared {
    serving: HttpServing,
    handler: Arc<dyn HttpHandler>,
    tls: Option<TlsAcceptor>,
}

impl Shared {
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.serving.timeout_ms)
    }
}

/// Begins to listen.
pub(super) async fn serve(serving: HttpServing, handler: Arc<dyn HttpHandler>) -> Result<Box<dyn HttpServer>> {
    let tls = serving.identity.as_deref().map(acceptor).transpose()?;
    let failed = |e: io::Error| {
        let kind = match e.kind() {
            io::ErrorKind::AddrInUse => ErrorKind::External { retry: true },
            _ => ErrorKind::Invalid,
        };
        Error::new(kind, format!("nobody can listen on '{}'", serving.address)).with_source(e)
    };
    let listener = TcpListener::bind(&serving.address).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let span = tracing::debug_span!("http-server", port);
    let shared = Arc::new(Shared { serving, handler, tls });
    let task = Handle::current().spawn(accept(listener, shared).instrument(span)).abort_handle();
    Ok(Box::new(Serving { port, task }))
}

/// The server's certificates and key. Errors do not show what the key holds.
fn acceptor(pem: &[u8]) -> Result<TlsAcceptor> {
    provide_tls();
    let no_pem = || Error::invalid("the server's certificate and key are no PEM");
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| no_pem())?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| no_pem())?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|_| Error::invalid("the server's key is not that of its certificate"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[expect(clippy::disallowed_methods, reason = "a server of the real world, by its clock")]
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = open.join_next(), if !open.is_empty() => {}
            accepted = listener.accept(), if open.len() < shared.serving.connections_max => match accepted {
                Ok((stream, peer)) => {
                    open.spawn(connection(stream, Arc::clone(&shared)).instrument(tracing::debug_span!("connection", %peer)));
                }
                Err(e) => {
                    tracing::warn!("a connection cannot be taken: {e}");
                    tokio::time::sleep(ROOM_WAIT).await;
                }
            },
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a server of the real world, by its clock")]
async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let Some(tls) = &shared.tls else { return requests(stream, &shared).await };
    match timeout(shared.timeout(), tls.accept(stream)).await {
        Ok(Ok(stream)) => requests(stream, &shared).await,
        Ok(Err(e)) => tracing::debug!("no encrypted connection: {e}"),
        Err(_) => tracing::debug!("no encrypted connection in time"),
    }
}

async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin + Send, shared: &Shared) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(shared.timeout()).max_buf_size(HEAD_BYTES_MAX);
    let answering = service_fn(async |request| Ok::<_, Infallible>(answer(request, shared).await));
    if let Err(e) = server.serve_connection(TokioIo::new(stream), answering).await {
        tracing::debug!("a connection ends: {e}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a server of the real world, by its clock")]
async fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let mut received = received(&head);
    let answered = match shared.handler.refuse(&received) {
        Some(refused) => refused,
        None => match timeout(shared.timeout(), whole(body, shared.serving.body_bytes_max)).await {
            Ok(Ok(body)) => {
                received.body = body;
                shared.handler.answer(received).await
            }
            Ok(Err(status)) => empty(status),
            Err(_) => empty(408),
        },
    };
    let mut response = Response::builder().status(answered.status);
    for (name, value) in &answered.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(answered.body)).unwrap_or_else(|e| {
        tracing::warn!("an answer is no HTTP: {e}");
        let mut response = Response::new(Full::default());
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

fn empty(status: u16) -> HttpResponse {
    HttpResponse { status, headers: Vec::new(), body: Bytes::new() }
}

/// The whole body of a request, or the status that refuses it.
async fn whole(body: Incoming, body_bytes_max: usize) -> Result<Bytes, u16> {
    match Limited::new(body, body_bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(413),
        Err(_) => Err(400),
    }
}

/// A request whose body is still to come.
fn received(head: &Parts) -> HttpReceived {
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))
    };
    HttpReceived {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(header).collect(),
        body: Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use flott_api::BoxFuture;
    use flott_api::http::{Http, HttpMethod, HttpRequest, HttpSettings};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::http::HttpConnections;
    use super::*;

    struct Echo;

    impl HttpHandler for Echo {
        fn answer(&self, request: HttpReceived) -> BoxFuture<'static, HttpResponse> {
            let told = request.headers.iter().find(|(name, _)| name == "x-told").map(|(_, value)| value.to_vec());
            let body = format!("{} {}?{} {:?} ", request.method, request.path, request.query, told);
            let body = Bytes::from([body.as_bytes(), &request.body].concat());
            Box::pin(std::future::ready(HttpResponse { status: 201, headers: Vec::new(), body }))
        }
    }

    fn serving() -> HttpServing {
        HttpServing {
            address: "127.0.0.1:0".to_owned(),
            identity: None,
            body_bytes_max: 1000,
            timeout_ms: 30_000,
            connections_max: 2,
        }
    }

    async fn ask(port: u16, body: &[u8]) -> HttpResponse {
        let client = HttpConnections::new().client(&HttpSettings::default()).unwrap();
        let request = HttpRequest {
            method: HttpMethod::Post,
            url: format!("http://127.0.0.1:{port}/a/b?c=d"),
            headers: vec![("X-Told".to_owned(), "z".to_owned())],
            body: Bytes::copy_from_slice(body),
            timeout_ms: 10_000,
        };
        client.send(request).await.unwrap()
    }

    #[tokio::test]
    async fn requests_are_answered_and_too_large_ones_refused() {
        let server = serve(serving(), Arc::new(Echo)).await.unwrap();
        let answer = ask(server.port(), b"hello").await;
        assert_eq!((answer.status, &answer.body[..]), (201, &b"POST /a/b?c=d Some([122]) hello"[..]));
        assert_eq!(ask(server.port(), &[b'x'; 2000]).await.status, 413);
        let taken = HttpServing { address: format!("127.0.0.1:{}", server.port()), ..serving() };
        let error = serve(taken.clone(), Arc::new(Echo)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::External { retry: true });
        drop(server);
        // The port is free when the task has ended.
        while serve(taken.clone(), Arc::new(Echo)).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_given_up() {
        let hasty = HttpServing { timeout_ms: 500, ..serving() };
        let server = serve(hasty, Arc::new(Echo)).await.unwrap();
        let mut silent = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
        silent.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
        let mut half = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
        half.write_all(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
        let (mut nothing, mut refused) = (Vec::new(), String::new());
        silent.read_to_end(&mut nothing).await.unwrap();
        half.read_to_string(&mut refused).await.unwrap();
        assert!(refused.starts_with("HTTP/1.1 408 "), "{refused}");
        // There is room again.
        TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    }

    #[tokio::test]
    async fn a_key_that_is_none_is_refused_without_showing_it() {
        let bad = Bytes::from_static(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
        let error = serve(HttpServing { identity: Some(bad), ..serving() }, Arc::new(Echo)).await.err().unwrap();
        assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
    }
}
