//! Asking a deployment: what is asked has an end, what fails says whether trying again may help, and is tried again.

use std::future::IntoFuture;

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf, doc};
use flott_api::env::Environment;
use flott_api::{Error, ErrorKind, Result};
use futures::future::{Either, OptionFuture, select};
use mongodb::Client;
use mongodb::error::ErrorKind as Told;
use mongodb::options::ClientOptions;

use crate::options::{Place, Retry};

/// Who asks, where a server lists its clients.
const NAME: &str = "flott";
/// What servers say while another one takes over, they end, or they have too much to do; the client's specification lists
/// them as errors behind which a command may be sent again. The last three say that a cursor has gone.
const PASSING: [i32; 19] =
    [6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 10058, 112, 50, 43, 175, 237];
/// Somebody may not do this.
const REFUSED: [i32; 3] = [13, 18, 8000];
/// The server does not know what it is asked.
const UNKNOWN: [i32; 4] = [59, 238, 40324, 115];

/// A client that is made when it is needed, with what asks it.
pub(crate) struct Link {
    pub(crate) place: Place,
    environment: Environment,
    retry: Retry,
    client: Option<Client>,
}

/// What is asked, as often as it takes.
#[async_trait]
pub(crate) trait Attempt: Send {
    /// What comes of it.
    type Output: Send;

    /// One try; `repetition` counts from 0.
    async fn attempt(&mut self, asked: &Asked<'_>, repetition: u32) -> Result<Self::Output>;
}

/// A client and whose it is.
pub(crate) struct Asked<'a> {
    pub(crate) client: &'a Client,
    pub(crate) place: &'a Place,
    environment: &'a Environment,
}

impl Link {
    /// A link to a collection; nothing is connected yet.
    pub(crate) fn new(place: &Place, environment: &Environment, retry: Retry) -> Self {
        Link { place: place.clone(), environment: environment.clone(), retry, client: None }
    }

    /// Does something, again and again while it may help.
    ///
    /// # Errors
    /// The last one, if there were too many or none of them would pass.
    pub(crate) async fn run<A: Attempt>(&mut self, what: &mut A) -> Result<A::Output> {
        let mut repetitions = 0;
        loop {
            let error = match self.once(what, repetitions).await {
                Ok(output) => return Ok(output),
                Err(e) => e,
            };
            if error.kind() != (ErrorKind::External { retry: true }) || repetitions == self.retry.times {
                return Err(told(error, repetitions));
            }
            repetitions += 1;
            tracing::warn!(repetitions, "asking MongoDB again: {error}");
            self.environment.clock.sleep_ms(self.retry.interval_ms.saturating_mul(repetitions.into())).await;
        }
    }

    async fn once<A: Attempt>(&mut self, what: &mut A, repetitions: u32) -> Result<A::Output> {
        let asked = self.asked().await?;
        what.attempt(&asked, repetitions).await
    }

    /// The client, for what is read over a longer time.
    ///
    /// # Errors
    /// If the connection string means nothing to it.
    pub(crate) async fn asked(&mut self) -> Result<Asked<'_>> {
        if self.client.is_none() {
            self.client = Some(connect(&self.place, &self.environment).await?);
        }
        let client = self.client.as_ref().ok_or_else(|| Error::internal("a link has no client"))?;
        Ok(Asked { client, place: &self.place, environment: &self.environment })
    }
}

fn told(error: Error, repetitions: u32) -> Error {
    match repetitions {
        0 => error,
        1 => error.with_detail("It was tried once more."),
        n => error.with_detail(format!("It was tried {n} times more.")),
    }
}

/// A client. It connects when it is first asked.
async fn connect(place: &Place, environment: &Environment) -> Result<Client> {
    let parsing = within(place, environment, None, ClientOptions::parse(place.uri.reveal())).await;
    let wrong = |e: Error| match e.kind() {
        // Also where the servers behind a name cannot be found.
        ErrorKind::External { .. } => e,
        _ => e.context("option 'uri'"),
    };
    let mut options = parsing.map_err(wrong)?;
    options.app_name.get_or_insert_with(|| NAME.to_owned());
    Client::with_options(options).map_err(|e| wrong(failed(place, &e)))
}

/// Waits for an answer, but not for ever. Some questions take a server long: if nobody has said how long, it is waited for as
/// long as it answers others.
async fn within<T>(
    place: &Place,
    environment: &Environment,
    client: Option<&Client>,
    answer: impl IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T> {
    let late = || environment.clock.sleep_ms(place.uri.answer_ms);
    // What the client keeps while it asks is large.
    let mut answer = Box::pin(answer.into_future());
    loop {
        match select(&mut answer, late()).await {
            Either::Left((answer, _)) => return answer.map_err(|e| failed(place, &e)),
            Either::Right(_) if client.is_some_and(|_| !place.uri.answer_ms_given) => {}
            Either::Right(_) => return Err(silent(place)),
        }
        let alive =
            client.map(|client| async { client.database("admin").run_command(doc! { "ping": 1 }).await.map(drop) });
        let alive = select(Box::pin(OptionFuture::from(alive)), late()).await;
        if !matches!(alive, Either::Left((Some(Ok(_)), _))) {
            return Err(silent(place));
        }
    }
}

fn silent(place: &Place) -> Error {
    let message = format!("{} did not answer within {} ms", place.uri.hosts(), place.uri.answer_ms);
    Error::new(ErrorKind::External { retry: true }, message)
}

impl Asked<'_> {
    /// Waits for an answer, but not for ever.
    ///
    /// # Errors
    /// If it does not come, or is an error.
    pub(crate) async fn answer<T>(&self, answer: impl IntoFuture<Output = mongodb::error::Result<T>>) -> Result<T> {
        within(self.place, self.environment, Some(self.client), answer).await
    }

    /// The collection, as bytes.
    pub(crate) fn collection(&self) -> mongodb::Collection<RawDocumentBuf> {
        self.client.database(&self.place.database).collection(&self.place.collection)
    }

    /// The answer to a command.
    ///
    /// # Errors
    /// If it does not come, or is an error.
    pub(crate) async fn command(&self, command: RawDocumentBuf) -> Result<Document> {
        let database = self.client.database(&self.place.database);
        self.answer(database.run_raw_command(command)).await
    }
}

/// What went wrong, and whether trying again may help.
fn failed(place: &Place, error: &mongodb::error::Error) -> Error {
    let place_name = place.uri.hosts();
    let say = |kind, text: &str| Error::new(kind, format!("{place_name}: {}", place.uri.redacted(text)));
    let passing = ErrorKind::External { retry: true };
    match &*error.kind {
        Told::Command(told) => of_code(place, told.code, &told.message),
        Told::Authentication { message, .. } => {
            say(ErrorKind::Invalid, message).with_hint("Option 'uri' says who asks: 'mongodb://user:password@..'.")
        }
        Told::Io(e) => say(passing, &e.to_string()),
        Told::ConnectionPoolCleared { message, .. } | Told::ServerSelection { message, .. } => say(passing, message),
        Told::DnsResolve { message, .. } => say(passing, message),
        Told::Shutdown => say(passing, "the client has ended"),
        Told::InvalidArgument { message, .. } | Told::InvalidTlsConfig { message, .. } => {
            say(ErrorKind::Invalid, message)
        }
        other => say(ErrorKind::External { retry: error.contains_label("RetryableWriteError") }, &other.to_string()),
    }
}

/// An error of a server.
pub(crate) fn of_code(place: &Place, code: i32, message: &str) -> Error {
    let kind = match code {
        code if PASSING.contains(&code) => ErrorKind::External { retry: true },
        code if REFUSED.contains(&code) => ErrorKind::Invalid,
        // Values that the collection does not take.
        2 | 52 | 121 | 11000 | 11001 | 17280 | 10334 => ErrorKind::Data,
        _ => ErrorKind::External { retry: false },
    };
    let error = Error::new(kind, format!("{}: {} ({code})", place.uri.hosts(), place.uri.redacted(message)));
    match code {
        code if REFUSED.contains(&code) => error.with_hint("Option 'uri' says who asks: 'mongodb://user:password@..'."),
        code if UNKNOWN.contains(&code) && message.contains("noCursorTimeout") => {
            error.with_hint("This server needs 'scan.cursor.no-timeout' = 'false'.")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::Uri;

    #[test]
    fn an_error_says_whether_trying_again_may_help() {
        let uri = Uri::parse("mongodb://me:hush@a:1").unwrap();
        let place = Place { uri, database: "d".to_owned(), collection: "c".to_owned() };
        let kind = |code| of_code(&place, code, "no hush").kind();
        assert_eq!(kind(10107), ErrorKind::External { retry: true }, "another one is the primary");
        assert_eq!(kind(43), ErrorKind::External { retry: true }, "there is no such cursor any more");
        assert_eq!(kind(26), ErrorKind::External { retry: false }, "there is no such collection");
        assert_eq!((kind(13), kind(11000)), (ErrorKind::Invalid, ErrorKind::Data));
        assert_eq!(of_code(&place, 18, "no hush").message(), "a:1: no **** (18)");
        let hint = of_code(&place, 238, "find: support for field \"noCursorTimeout\" is not implemented yet");
        assert!(hint.hint().unwrap().contains("scan.cursor.no-timeout"));
        let io = std::io::Error::other("reset").into();
        assert_eq!(failed(&place, &io).kind(), ErrorKind::External { retry: true });
    }
}
