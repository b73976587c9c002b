//! What doubles of a service stand on: HTTP of one request per connection, read whole.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use flott_runtime::environment::real;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without its first `/`, and decoded.
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    /// By their names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    /// All lines before the body, with the empty one.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    fn read(head: &str) -> Self {
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Request {
            method: method.to_owned(),
            path: decoded(path.trim_start_matches('/')),
            query: pairs.map(|(name, value)| (decoded(name), decoded(&value.replace('+', " ")))).collect(),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            head: head.to_owned(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The text of a URL's part.
pub(crate) fn decoded(text: &str) -> String {
    let (bytes, mut out, mut i) = (text.as_bytes(), Vec::new(), 0);
    while i < bytes.len() {
        let code = (bytes[i] == b'%').then(|| text.get(i + 1..i + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

/// An answer that ends its connection.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// An error as S3 writes it, and all that follow it.
pub(crate) fn error(status: &str, code: &str, message: &str) -> Vec<u8> {
    let body = format!("<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    answer(status, "Content-Type: application/xml\r\n", body.as_bytes())
}

/// Answers every request by `handle`, until the test ends. The port.
pub(crate) async fn serve<H, F>(handle: H) -> u16
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Vec<u8>> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (port, world, handle) = (listener.local_addr().unwrap().port(), real(), Arc::new(handle));
    let spawner = Arc::clone(&world.spawner);
    let accept = async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let handle = Arc::clone(&handle);
            let one = async move {
                if let Some(request) = read(&mut client).await {
                    // A client that has gone needs no answer.
                    client.write_all(&handle(request).await).await.unwrap_or_default();
                }
            };
            world.spawner.spawn("request", Box::pin(one)).detach();
        }
    };
    spawner.spawn("double", Box::pin(accept)).detach();
    port
}

async fn read(client: &mut TcpStream) -> Option<Request> {
    const END: &[u8] = b"\r\n\r\n";
    let (mut all, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    let mut more = async |all: &mut Vec<u8>| match client.read(&mut piece).await {
        Ok(n) if n > 0 => {
            all.extend_from_slice(&piece[..n]);
            Some(())
        }
        _ => None,
    };
    let end = loop {
        if let Some(at) = all.windows(END.len()).position(|window| window == END) {
            break at + END.len();
        }
        more(&mut all).await?;
    };
    let mut request = Request::read(std::str::from_utf8(&all[..end]).ok()?);
    let length: usize = request.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
    while all.len() < end + length {
        more(&mut all).await?;
    }
    request.body = all[end..end + length].to_vec();
    Some(request)
}
