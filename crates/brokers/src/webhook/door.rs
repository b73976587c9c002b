//! Who may come in, and what waits for an answer.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flott_api::BoxFuture;
use flott_api::env::Clock;
use flott_api::http::{HttpHandler, HttpReceived, HttpResponse};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::options::{Signature, Token, WebhookOptions};

/// A request that was let in.
pub(super) struct Arrival {
    pub(super) request: HttpReceived,
    pub(super) at_ms: i64,
    pub(super) answer: oneshot::Sender<Answer>,
    /// Its bytes among those that wait.
    pub(super) room: OwnedSemaphorePermit,
}

/// What a sender is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    /// Why its body does not fit.
    Refused(String),
}

/// Lets requests in.
pub(super) struct Door {
    options: Arc<WebhookOptions>,
    clock: Arc<dyn Clock>,
    room: Arc<Semaphore>,
    arrivals: Sender<Arrival>,
}

impl Door {
    /// A door, and what comes through it.
    pub(super) fn new(options: &Arc<WebhookOptions>, clock: &Arc<dyn Clock>) -> (Self, Receiver<Arrival>) {
        // Each connection waits for the answer to its last request.
        let (arrivals, arrived) = mpsc::channel(options.connections_max as usize);
        let room = Arc::new(Semaphore::new(options.waiting_bytes_max as usize));
        (Door { options: Arc::clone(options), clock: Arc::clone(clock), room, arrivals }, arrived)
    }

    /// The status of a request that may not come in, by its head.
    fn status(&self, request: &HttpReceived) -> Option<u16> {
        let options = &self.options;
        if request.path != options.path {
            return Some(404);
        }
        if request.method != options.method {
            return Some(405);
        }
        let shows = options.token.as_ref().is_none_or(|token| token.is_shown(request));
        (!shows).then_some(401)
    }
}

/// The value of a header that comes once.
fn value_of<'a>(request: &'a HttpReceived, header: &str) -> Option<&'a Bytes> {
    let mut values = request.headers.iter().filter(|(name, _)| name == header);
    values.next().filter(|_| values.next().is_none()).map(|(_, value)| value)
}

impl Token {
    fn is_shown(&self, request: &HttpReceived) -> bool {
        value_of(request, &self.header).is_some_and(|value| same(value, self.value.reveal().as_bytes()))
    }
}

/// Whether they are equal, in a time that tells nobody where they are not.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

impl Signature {
    fn is_shown(&self, request: &HttpReceived) -> bool {
        let shown = value_of(request, &self.header).and_then(|value| value.strip_prefix(self.prefix.as_bytes()));
        let decoded = shown.and_then(|shown| if self.base64 { STANDARD.decode(shown).ok() } else { unhex(shown) });
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret.reveal().as_bytes()) else { return false };
        mac.update(&request.body);
        decoded.is_some_and(|decoded| mac.verify_slice(&decoded).is_ok())
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
    let pairs = text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?));
    pairs.collect()
}

fn told(status: u16, what: &str) -> HttpResponse {
    let headers = match status {
        503 => vec![("retry-after".to_owned(), "1".to_owned())],
        401 => vec![("www-authenticate".to_owned(), "Bearer".to_owned())],
        _ => Vec::new(),
    };
    HttpResponse { status, headers, body: Bytes::from(what.to_owned()) }
}

impl HttpHandler for Door {
    fn refuse(&self, head: &HttpReceived) -> Option<HttpResponse> {
        self.status(head).map(|status| told(status, ""))
    }

    fn answer(&self, request: HttpReceived) -> BoxFuture<'static, HttpResponse> {
        let now = |response| Box::pin(std::future::ready(response)) as BoxFuture<'static, HttpResponse>;
        if !self.options.signature.as_ref().is_none_or(|signature| signature.is_shown(&request)) {
            return now(told(401, ""));
        }
        // Empty bodies take room, too.
        let bytes = u32::try_from(request.body.len().max(1)).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else {
            return now(told(503, "too much waits"));
        };
        let (answer, answered) = oneshot::channel();
        let arrival = Arrival { request, at_ms: self.clock.now_ms(), answer, room };
        if self.arrivals.try_send(arrival).is_err() {
            return now(told(503, "too much waits"));
        }
        let in_time = self.clock.sleep_ms(self.options.response_timeout_ms);
        Box::pin(async move {
            tokio::select! {
                answered = answered => match answered {
                    Ok(Answer::Taken) => told(200, ""),
                    Ok(Answer::Refused(why)) => told(400, &why),
                    Err(_) => told(503, "the job does not run any more"),
                },
                () = in_time => told(503, "no checkpoint has it yet"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_text_is_read() {
        assert_eq!(unhex(b"00fF10"), Some(vec![0, 255, 16]));
        assert_eq!((unhex(b"0"), unhex(b"0g"), unhex(b"")), (None, None, Some(Vec::new())));
        assert!(same(b"ab", b"ab") && !same(b"ab", b"ac") && !same(b"a", b"ab"));
    }
}
