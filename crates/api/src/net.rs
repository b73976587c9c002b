//! Connections of bytes, for what speaks with a service in a protocol of its own.

use std::io;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::{BoxFuture, Error, Result};

/// Whom a client trusts and as whom it comes, with TLS. It has no `Debug`: there is a private key in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// Certificates of authorities, PEM; without them those of the machine count.
    pub authorities: Option<Bytes>,
    /// The client's own certificates and its private key, PEM.
    pub identity: Option<Bytes>,
}

/// How a connection is encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whom it trusts.
    pub trust: TlsTrust,
    /// Whether the certificate of the service must name its host.
    pub verify_host: bool,
}

/// Where a service listens.
#[derive(Clone)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted, if it is.
    pub tls: Option<TlsSettings>,
}

/// An open connection; dropped, it is closed.
pub struct Connection {
    /// What comes.
    pub reader: Box<dyn ByteReader>,
    /// What goes.
    pub writer: Box<dyn ByteWriter>,
}

/// What comes over a connection.
#[async_trait]
pub trait ByteReader: Send + Sync {
    /// Appends what has come, at most as much as `into` has room for, or something if it has none, and waits while there
    /// is nothing; zero bytes are the end. Dropping the future loses nothing.
    async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize>;
}

/// What goes over a connection.
#[async_trait]
pub trait ByteWriter: Send + Sync {
    /// Writes all of it. A future that was dropped may have written a part.
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Opens connections.
pub trait Network: Send + Sync {
    /// Connects. It may take as long as the system likes: who cannot wait drops the future.
    ///
    /// An error of kind `External` with `retry` may be over soon.
    fn connect(&self, endpoint: &Endpoint) -> BoxFuture<'static, Result<Connection>>;
}

/// A world without a network.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNetwork;

impl Network for NoNetwork {
    fn connect(&self, _endpoint: &Endpoint) -> BoxFuture<'static, Result<Connection>> {
        Box::pin(std::future::ready(Err(Error::unsupported("a network in this process"))))
    }
}
