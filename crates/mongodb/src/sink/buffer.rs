//! Rows that wait to be written.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Bson, Document, RawDocumentBuf};
use flott_api::env::Environment;
use flott_api::{ChangeBatch, Error, Result};

use super::Shared;
use super::requests::{Kind, Request, Requests};
use crate::client::{Asked, Attempt, Link, of_code};
use crate::kinds::ID;

/// Rows are written when there are as many bytes of them, whatever the options say.
const BYTES_MAX: usize = 16 << 20;
/// A key is there already.
const DUPLICATE_KEY: i32 = 11000;

/// The rows of one writer.
pub(super) struct Buffer {
    shared: Arc<Shared>,
    environment: Environment,
    waiting: Vec<ChangeBatch>,
    rows: u64,
    bytes: usize,
    link: Link,
    /// What went wrong while nobody was waiting.
    failure: Option<Error>,
}

impl Buffer {
    pub(super) fn new(shared: Arc<Shared>, environment: &Environment) -> Self {
        let link = Link::new(&shared.options.place, environment, shared.options.sink.retry);
        let environment = environment.clone();
        Buffer { shared, environment, waiting: Vec::new(), rows: 0, bytes: 0, link, failure: None }
    }

    /// Takes rows, and writes them if there are enough.
    pub(super) async fn add(&mut self, batch: ChangeBatch) -> Result<()> {
        self.passed()?;
        self.rows += batch.len() as u64;
        self.bytes += batch.byte_size();
        self.waiting.push(batch.without_marks());
        let full = self.shared.options.sink.rows_max.is_some_and(|most| self.rows >= most);
        if full || self.bytes >= BYTES_MAX { self.flush().await } else { Ok(()) }
    }

    /// Remembers a failure for the next call.
    pub(super) fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    fn passed(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Writes all rows that wait.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let context = |e: Error| e.context(format!("table '{}'", self.shared.spec.table));
        let mut requests = Requests::new(&self.shared, &self.waiting, &self.environment).map_err(context)?;
        while let Some(request) = requests.next().map_err(context)? {
            self.link.run(&mut Writing { shared: &self.shared, request: &request }).await.map_err(context)?;
        }
        self.forget();
        Ok(())
    }

    /// Writes all rows at a checkpoint.
    pub(super) async fn checkpoint(&mut self) -> Result<()> {
        self.passed()?;
        self.flush().await
    }

    /// Forgets what waits.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        (self.rows, self.bytes) = (0, 0);
    }
}

/// One request.
struct Writing<'a> {
    shared: &'a Shared,
    request: &'a Request,
}

#[async_trait]
impl Attempt for Writing<'_> {
    type Output = ();

    async fn attempt(&mut self, asked: &Asked<'_>, repetition: u32) -> Result<()> {
        let again = repetition > 0 && self.request.kind == Kind::Insert;
        let options = &self.shared.options.sink;
        let concern = write_concern(asked)?;
        // Those that are there already must not keep out the others.
        let ordered = options.ordered && !again;
        let command =
            self.request.command(&asked.place.collection, ordered, options.bypass_validation, concern.as_ref());
        let answer = asked.command(command?).await?;
        check(asked, &answer, again)
    }
}

/// What the connection string says of how sure a write must be.
fn write_concern(asked: &Asked<'_>) -> Result<Option<RawDocumentBuf>> {
    use mongodb::options::Acknowledgment;
    let Some(concern) = asked.client.write_concern() else { return Ok(None) };
    let mut document = Document::new();
    match &concern.w {
        Some(Acknowledgment::Nodes(0)) => {
            return Err(Error::invalid("parameter 'w=0' of option 'uri'")
                .with_detail("Nobody would know what was written: 'at-least-once' needs an answer."));
        }
        Some(Acknowledgment::Nodes(n)) => drop(document.insert("w", i64::from(*n))),
        Some(Acknowledgment::Majority) => drop(document.insert("w", "majority")),
        Some(Acknowledgment::Custom(name)) => drop(document.insert("w", name)),
        _ => {}
    }
    document.extend(concern.journal.map(|journal| ("j".to_owned(), Bson::Boolean(journal))));
    let timeout = concern.w_timeout.and_then(|timeout| i64::try_from(timeout.as_millis()).ok());
    document.extend(timeout.map(|ms| ("wtimeout".to_owned(), Bson::Int64(ms))));
    let raw = RawDocumentBuf::try_from(&document);
    raw.map(Some).map_err(|e| Error::invalid("parameter 'w' of option 'uri'").with_source(e))
}

/// What an answer says of rows that were not written.
fn check(asked: &Asked<'_>, answer: &Document, again: bool) -> Result<()> {
    let errors = answer.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
    for error in errors.iter().filter_map(Bson::as_document) {
        let code = error.get_i32("code").unwrap_or(0);
        // Its answer was lost, and the row was not: it has the id that was made for it.
        if again && code == DUPLICATE_KEY && is_of_id(error) {
            continue;
        }
        return Err(of_code(asked.place, code, error.get_str("errmsg").unwrap_or("a row was not written")));
    }
    let Ok(concern) = answer.get_document("writeConcernError") else { return Ok(()) };
    let code = concern.get_i32("code").unwrap_or(0);
    let message = concern.get_str("errmsg").unwrap_or("it is not sure that a row stays");
    let error = of_code(asked.place, code, message);
    // It is written, and may yet become sure.
    Err(Error::new(flott_api::ErrorKind::External { retry: true }, error.message()))
}

/// Whether a key is there already because of its `_id`, and not for another index.
fn is_of_id(error: &Document) -> bool {
    match error.get_document("keyPattern") {
        Ok(key) => key.len() == 1 && key.contains_key(ID),
        Err(_) => error.get_str("errmsg").is_ok_and(|message| message.contains("index: _id_ ")),
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn a_key_of_another_index_is_an_error() {
        assert!(is_of_id(&doc! { "code": 11000, "keyPattern": { "_id": 1 } }));
        assert!(!is_of_id(&doc! { "code": 11000, "keyPattern": { "mail": 1 } }));
        let old = "E11000 duplicate key error collection: d.c index: _id_ dup key: { _id: 1 }";
        assert!(is_of_id(&doc! { "errmsg": old }));
        assert!(!is_of_id(&doc! { "errmsg": old.replace("_id_ ", "mail_1 ") }));
    }
}
