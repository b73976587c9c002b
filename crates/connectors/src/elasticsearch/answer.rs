//! The answer to a request with many changes: what became of each.

use flott_api::{Error, Result};
use serde::Deserialize;

use super::bulk::Bulk;
use crate::web::passing;

/// So many refused documents are told.
const TOLD_MAX: usize = 3;

#[derive(Deserialize)]
struct Answer {
    errors: bool,
    #[serde(default)]
    items: Vec<Item>,
}

/// Each bears the name of what was asked.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Item {
    Index(Outcome),
    Update(Outcome),
    Delete(Outcome),
    Create(Outcome),
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "type")]
    kind: String,
    reason: Option<String>,
    caused_by: Option<Box<Failure>>,
}

impl Item {
    fn outcome(&self) -> &Outcome {
        let (Item::Index(outcome) | Item::Update(outcome) | Item::Delete(outcome) | Item::Create(outcome)) = self;
        outcome
    }
}

impl Failure {
    fn told(&self) -> String {
        let mut text = format!("{}: {}", self.kind, self.reason.as_deref().unwrap_or("no reason is given"));
        if let Some(cause) = &self.caused_by {
            text = format!("{text} ({})", cause.told());
        }
        text
    }
}

/// Keeps of the changes that were sent those that are to be sent again, and says why.
///
/// # Errors
/// If a change was refused: one that may pass if all of those may be taken later.
pub(super) fn keep_refused(body: &[u8], bulk: &Bulk, sent: &mut Vec<u32>) -> Result<()> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|e| passing("the service has answered a bulk request with something else").with_source(e))?;
    if !answer.errors {
        sent.clear();
        return Ok(());
    }
    if answer.items.len() != sent.len() {
        let (items, sent) = (answer.items.len(), sent.len());
        return Err(passing(format!("the service has answered {items} changes of documents, and {sent} were sent")));
    }
    let (mut left, mut refused, mut why) = (Vec::new(), 0, Vec::new());
    for (item, action) in answer.items.iter().zip(sent.iter()) {
        let outcome = item.outcome();
        let done = outcome.status < 300 || (outcome.status == 404 && bulk.is_delete(*action));
        if done {
            continue;
        }
        left.push(*action);
        // The service is full or not whole; or somebody else has changed the document at that moment.
        if matches!(outcome.status, 409 | 429 | 502 | 503 | 504) {
            if why.is_empty() {
                why.push(told(outcome, bulk, *action));
            }
        } else {
            refused += 1;
            if refused == 1 {
                why.clear();
            }
            if refused <= TOLD_MAX {
                why.push(told(outcome, bulk, *action));
            }
        }
    }
    let (all, count, why) = (sent.len(), left.len(), why.join("; "));
    *sent = left;
    if refused > 0 {
        return Err(Error::external(format!("{refused} of {all} documents were refused: {why}"))
            .with_hint("The mapping of the index and the columns of the table must fit."));
    }
    if count == 0 { Ok(()) } else { Err(passing(format!("{count} of {all} documents were not taken yet: {why}"))) }
}

fn told(outcome: &Outcome, bulk: &Bulk, action: u32) -> String {
    let why = outcome.error.as_ref().map_or_else(|| "no reason is given".to_owned(), Failure::told);
    format!("{}, status {}, {why}", bulk.target(action), outcome.status)
}
