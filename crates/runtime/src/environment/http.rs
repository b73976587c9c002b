//! HTTP of the real world: connections that are kept, with TLS where the URL says so.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flott_api::http::{
    Http, HttpClient, HttpHandler, HttpMethod, HttpRequest, HttpResponse, HttpServer, HttpServing, HttpSettings,
};
use flott_api::{BoxFuture, Error, ErrorKind, Result};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Method};
use rustls::crypto::{CryptoProvider, ring};

use super::http_server::serve;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A larger answer is refused, because it would have to lie in memory as a whole.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Encryption for the whole process, unless somebody has chosen one already.
pub(super) fn provide_tls() {
    if CryptoProvider::get_default().is_none() {
        // It fails if another thread was quicker.
        drop(ring::default_provider().install_default());
    }
}

/// Makes clients; those with the same settings share their connections.
#[derive(Default)]
pub struct HttpConnections {
    clients: Mutex<Vec<(HttpSettings, Arc<Connections>)>>,
}

impl HttpConnections {
    /// No connections yet.
    pub fn new() -> Self {
        HttpConnections::default()
    }
}

impl Http for HttpConnections {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = clients.iter().find(|(of, _)| of == settings) {
            return Ok(Arc::clone(known) as _);
        }
        let client = Arc::new(Connections::new(settings)?);
        clients.push((settings.clone(), Arc::clone(&client)));
        Ok(client)
    }

    fn serve(
        &self,
        serving: &HttpServing,
        handler: Arc<dyn HttpHandler>,
    ) -> BoxFuture<'static, Result<Box<dyn HttpServer>>> {
        Box::pin(serve(serving.clone(), handler))
    }
}

/// The connections of those with the same settings.
struct Connections {
    plain: Client,
    encrypted: Client,
}

impl Connections {
    fn new(settings: &HttpSettings) -> Result<Self> {
        provide_tls();
        let trust = &settings.trust;
        let connect_timeout = settings.connect_timeout_ms.map_or(CONNECT_TIMEOUT, Duration::from_millis);
        let builder = || {
            let builder = Client::builder().connect_timeout(connect_timeout).user_agent("flott");
            if settings.keeps_redirects { builder.redirect(Policy::none()) } else { builder }
        };
        // Of a machine without any authorities the client would not be made, though nobody looks at them.
        let plain = builder().tls_certs_only([]).build().map_err(unmade)?;
        let mut encrypted = builder().https_only(true);
        if let Some(pem) = &trust.authorities {
            let wrong = |e| Error::invalid("the trusted certificates are no PEM").with_source(e);
            encrypted = encrypted.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(wrong)?);
        }
        if let Some(pem) = &trust.identity {
            // The source is left out: it may show a piece of the key.
            let identity = Identity::from_pem(pem);
            encrypted = encrypted.identity(identity.map_err(|_| Error::invalid("the client's key is no PEM"))?);
        }
        if settings.trusts_anyone {
            encrypted = encrypted.tls_danger_accept_invalid_certs(true).tls_danger_accept_invalid_hostnames(true);
        }
        // Without authorities on this machine only what is not encrypted can be reached.
        let encrypted = if trust.authorities.is_none() && trust.identity.is_none() && !settings.trusts_anyone {
            encrypted.build().unwrap_or_else(|_| plain.clone())
        } else {
            encrypted.build().map_err(unmade)?
        };
        Ok(Connections { plain, encrypted })
    }
}

fn unmade(e: reqwest::Error) -> Error {
    Error::external("the HTTP client cannot be made").with_source(e)
}

/// An error whose causes are told, for reqwest's own message does not.
fn failed(e: reqwest::Error) -> Error {
    let e = e.without_url();
    let mut causes = e.to_string();
    let mut cause = e.source();
    while let Some(inner) = cause {
        causes = format!("{causes}: {inner}");
        cause = inner.source();
    }
    Error::new(ErrorKind::External { retry: true }, "the HTTP request failed").with_detail(format!("{causes}."))
}

async fn answer(request: reqwest::RequestBuilder) -> Result<HttpResponse> {
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(Error::external(format!("an HTTP answer has more than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(HttpResponse { status, headers, body: Bytes::from(body) })
}

impl HttpClient for Connections {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse>> {
        let client = if request.url.starts_with("https:") { &self.encrypted } else { &self.plain };
        let method = match request.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
            HttpMethod::Delete => Method::DELETE,
        };
        let mut sent = client.request(method, &request.url).timeout(Duration::from_millis(request.timeout_ms));
        for (name, value) in &request.headers {
            // As bytes: what is no ASCII goes as UTF-8.
            sent = sent.header(name, value.as_bytes());
        }
        Box::pin(answer(sent.body(request.body)))
    }
}

#[cfg(test)]
mod tests {
    use flott_api::net::TlsTrust;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn request(url: String) -> HttpRequest {
        let headers = vec![("X-Test".to_owned(), "yes".to_owned())];
        HttpRequest { method: HttpMethod::Post, url, headers, body: Bytes::from_static(b"hello"), timeout_ms: 5000 }
    }

    #[tokio::test]
    async fn an_answer_of_any_status_is_a_result() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/a?b=c", listener.local_addr().unwrap());
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut seen, mut buffer) = (String::new(), [0; 1024]);
            while !seen.ends_with("hello") {
                let count = stream.read(&mut buffer).await.unwrap();
                seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope").await.unwrap();
            seen
        };
        let client = HttpConnections::new().client(&HttpSettings::default()).unwrap();
        let (seen, response) = tokio::join!(server, client.send(request(url)));
        let headers = vec![("content-length".to_owned(), "4".to_owned())];
        assert_eq!(response.unwrap(), HttpResponse { status: 404, headers, body: Bytes::from_static(b"nope") });
        assert!(seen.starts_with("POST /a?b=c HTTP/1.1"), "{seen}");
        assert!(seen.to_lowercase().contains("x-test: yes"), "{seen}");
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_may_be_there_later() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://user:secret@{}/", listener.local_addr().unwrap());
        drop(listener);
        let client = HttpConnections::new().client(&HttpSettings::default()).unwrap();
        let error = client.send(request(url)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::External { retry: true });
        assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    }

    /// Who follows by himself decides whom he tells a password.
    #[tokio::test]
    async fn an_answer_that_names_another_place_is_followed_or_given() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/a", listener.local_addr().unwrap());
        let server = async {
            let mut seen = Vec::new();
            for answer in ["307 There\r\nlocation: /b", "307 There\r\nlocation: /b", "200 OK"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut text, mut buffer) = (String::new(), [0; 1024]);
                while !text.ends_with("hello") {
                    let count = stream.read(&mut buffer).await.unwrap();
                    text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
                }
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                seen.push(text.lines().next().unwrap().to_owned());
            }
            seen
        };
        let put = || HttpRequest { method: HttpMethod::Put, ..request(url.clone()) };
        let clients = HttpConnections::new();
        let keeps = HttpSettings { keeps_redirects: true, ..HttpSettings::default() };
        let asked = async {
            let kept = clients.client(&keeps).unwrap().send(put()).await.unwrap();
            let followed = clients.client(&HttpSettings::default()).unwrap().send(put()).await.unwrap();
            (kept, followed)
        };
        let (seen, (kept, followed)) = tokio::join!(server, asked);
        assert_eq!((kept.status, followed.status), (307, 200));
        assert!(kept.headers.contains(&("location".to_owned(), "/b".to_owned())), "{kept:?}");
        assert_eq!(seen, ["PUT /a HTTP/1.1", "PUT /a HTTP/1.1", "PUT /b HTTP/1.1"]);
    }

    #[test]
    fn certificates_and_keys_that_are_none_are_refused() {
        let clients = HttpConnections::new();
        let bad = Some(Bytes::from_static(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"));
        let error = clients.client(&TlsTrust { identity: bad, authorities: None }.into()).err().unwrap();
        assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
        let bad = Some(Bytes::from_static(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
        assert!(clients.client(&TlsTrust { authorities: bad, identity: None }.into()).is_err());
    }
}
