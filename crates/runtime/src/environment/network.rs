//! TCP connections of the real world, with TLS where it is asked for.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use flott_api::net::{ByteReader, ByteWriter, Connection, Endpoint, Network, TlsSettings};
use flott_api::{BoxFuture, Error, ErrorKind, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::http::provide_tls;

/// Sockets of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

impl Network for Sockets {
    fn connect(&self, endpoint: &Endpoint) -> BoxFuture<'static, Result<Connection>> {
        let endpoint = endpoint.clone();
        Box::pin(async move {
            let Endpoint { host, port, tls } = &endpoint;
            let failed = |e: io::Error| {
                let kind = ErrorKind::External { retry: true };
                Error::new(kind, format!("no connection to {host}:{port}")).with_source(e)
            };
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            let Some(tls) = tls else {
                let (reader, writer) = stream.into_split();
                return Ok(Connection { reader: Box::new(Reader(reader)), writer: Box::new(Writer(writer)) });
            };
            let name = ServerName::try_from(host.clone())
                .map_err(|e| Error::invalid(format!("'{host}' is no name for TLS")).with_source(e))?;
            let connector = TlsConnector::from(Arc::new(client_config(tls)?));
            let stream = connector.connect(name, stream).await.map_err(|e| tls_failed(host, *port, e))?;
            let (reader, writer) = tokio::io::split(stream);
            Ok(Connection { reader: Box::new(Reader(reader)), writer: Box::new(Writer(writer)) })
        })
    }
}

/// A certificate that is not trusted will not be so by trying again.
fn tls_failed(host: &str, port: u16, e: io::Error) -> Error {
    let untrusted = e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()).is_some();
    let error =
        Error::new(ErrorKind::External { retry: !untrusted }, format!("no encrypted connection to {host}:{port}"));
    let error = error.with_source(e);
    if untrusted {
        return error.with_hint("Check that the service speaks TLS on this port, and whom this side trusts.");
    }
    error
}

struct Reader<R>(R);

#[async_trait]
impl<R: AsyncRead + Unpin + Send + Sync> ByteReader for Reader<R> {
    async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        self.0.read_buf(into).await
    }
}

struct Writer<W>(W);

#[async_trait]
impl<W: AsyncWrite + Unpin + Send + Sync> ByteWriter for Writer<W> {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }
}

/// The settings as the library wants them. Errors do not show what a key holds.
fn client_config(tls: &TlsSettings) -> Result<ClientConfig> {
    provide_tls();
    let verifier = verifier(tls)?;
    let builder = ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier);
    let Some(pem) = &tls.trust.identity else { return Ok(builder.with_no_client_auth()) };
    let no_pem = || Error::invalid("the client's key is no PEM");
    let chain = certificates(pem).map_err(|_| no_pem())?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| no_pem())?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|_| Error::invalid("the client's key is not that of its certificate"))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.map_err(|e| Error::invalid("the trusted certificates are no PEM").with_source(e))
}

fn verifier(tls: &TlsSettings) -> Result<Arc<dyn ServerCertVerifier>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unmade = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::invalid("the trusted certificates cannot be used").with_source(e)
    };
    let verifier: Arc<dyn ServerCertVerifier> = match &tls.trust.authorities {
        None => Arc::new(Verifier::new(provider).map_err(|e| unmade(e.into()))?),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(|e| unmade(e.into()))?;
            }
            let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            built.map_err(|e| unmade(e.into()))?
        }
    };
    Ok(if tls.verify_host { verifier } else { Arc::new(AnyHost(verifier)) })
}

/// Trusts as another one does, whatever host a certificate names.
#[derive(Debug)]
struct AnyHost(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let other_host = |e: &rustls::Error| {
            let wrong = matches!(e, rustls::Error::InvalidCertificate(CertificateError::NotValidForName));
            wrong || matches!(e, rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }))
        };
        match verified {
            Err(e) if other_host(&e) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use flott_api::net::TlsTrust;
    use tokio::net::TcpListener;

    use super::*;

    fn endpoint(listener: &TcpListener, tls: Option<TlsSettings>) -> Endpoint {
        Endpoint { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port(), tls }
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_the_end_is_seen() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let to = endpoint(&listener, None);
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = [0; 5];
            stream.read_exact(&mut seen).await.unwrap();
            stream.write_all(&seen).await.unwrap();
        };
        let client = async {
            let mut connection = Sockets.connect(&to).await.unwrap();
            connection.writer.write(b"hello").await.unwrap();
            let mut read = BytesMut::new();
            while connection.reader.read(&mut read).await.unwrap() > 0 {}
            read
        };
        let ((), read) = tokio::join!(server, client);
        assert_eq!(&read[..], b"hello");
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_may_be_there_later() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let to = endpoint(&listener, None);
        drop(listener);
        let error = Sockets.connect(&to).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::External { retry: true });
    }

    #[tokio::test]
    async fn a_service_without_tls_is_an_error_and_not_a_wait() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let to = endpoint(&listener, Some(TlsSettings { trust: TlsTrust::default(), verify_host: true }));
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        };
        let ((), connected) = tokio::join!(server, Sockets.connect(&to));
        assert!(matches!(connected.err().unwrap().kind(), ErrorKind::External { .. } | ErrorKind::Invalid));
    }

    #[test]
    fn keys_that_are_none_are_refused_without_showing_them() {
        let bad = Some(Bytes::from_static(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"));
        let trust = TlsTrust { identity: bad, authorities: None };
        let error = client_config(&TlsSettings { trust, verify_host: true }).err().unwrap();
        assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
    }
}
