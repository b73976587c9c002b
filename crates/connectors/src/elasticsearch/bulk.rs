//! Changes of documents that wait to be sent, of each document the last one, and the body of the request that has them.

use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// How often the service itself looks at a document again that somebody else changes at the same time.
const CONFLICTS: &[u8] = b",\"retry_on_conflict\":3";

/// What becomes of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is new, and the service names it.
    Append,
    /// Its fields get these values, others stay.
    Merge,
    /// It has these fields and no others.
    Replace,
    /// It goes.
    Delete,
}

/// Changes that wait.
#[derive(Default)]
pub(super) struct Bulk {
    /// Targets and documents, one behind the other.
    bytes: Vec<u8>,
    actions: Vec<Action>,
    /// The newest action of each target that has an id.
    newest: HashTable<u32>,
    hasher: RandomState,
    /// Actions that are not to be sent any more.
    replaced: usize,
}

struct Action {
    change: Change,
    /// `"_index":"..","_id":".."`
    target: Range<usize>,
    /// The document, if there is one.
    document: Range<usize>,
    /// A later one stands for it, or it is done.
    is_replaced: bool,
}

impl Bulk {
    /// How many changes there are.
    pub(super) fn len(&self) -> usize {
        self.actions.len() - self.replaced
    }

    /// How many bytes lie here.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.actions.clear();
        self.newest.clear();
        self.replaced = 0;
    }

    /// Adds a change of a document; without an id it is a new one. `document` is nothing for a deletion.
    pub(super) fn add(&mut self, index: &str, id: Option<&str>, document: Option<&[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(b"\"_index\":");
        json_text(index, &mut self.bytes);
        if let Some(id) = id {
            self.bytes.extend_from_slice(b",\"_id\":");
            json_text(id, &mut self.bytes);
        }
        let target = start..self.bytes.len();
        let mut change = match (id, document) {
            (None, _) => Change::Append,
            (Some(_), Some(_)) => Change::Merge,
            (Some(_), None) => Change::Delete,
        };
        if id.is_some() {
            let earlier = self.note_newest(&target);
            // What a deletion has taken away is not merged with.
            if change == Change::Merge && matches!(earlier, Some(Change::Delete | Change::Replace)) {
                change = Change::Replace;
            }
        }
        self.bytes.extend_from_slice(document.unwrap_or_default());
        let document = target.end..self.bytes.len();
        self.actions.push(Action { change, target, document, is_replaced: false });
    }

    /// The action that is about to be added is the newest of its target; gives what an earlier one would have done.
    fn note_newest(&mut self, target: &Range<usize>) -> Option<Change> {
        let (bytes, actions, hasher) = (&self.bytes, &self.actions, &self.hasher);
        let wanted = &bytes[target.clone()];
        let next = actions.len() as u32;
        let target_of = |at: u32| actions.get(at as usize).map_or(wanted, |action| &bytes[action.target.clone()]);
        let hash = hasher.hash_one(wanted);
        if let Some(at) = self.newest.find_mut(hash, |at| target_of(*at) == wanted) {
            let earlier = std::mem::replace(at, next);
            let action = self.actions.get_mut(earlier as usize)?;
            self.replaced += usize::from(!std::mem::replace(&mut action.is_replaced, true));
            return Some(action.change);
        }
        self.newest.insert_unique(hash, next, |at| hasher.hash_one(target_of(*at)));
        None
    }

    /// The changes that are to be sent, in their order.
    pub(super) fn waiting(&self) -> Vec<u32> {
        (0..).zip(&self.actions).filter(|(_, action)| !action.is_replaced).map(|(at, _)| at).collect()
    }

    /// Of the changes that are to be sent only these are left, which are in their order; the others are done.
    pub(super) fn keep(&mut self, waiting: &[u32]) {
        let mut waiting = waiting.iter().peekable();
        for (at, action) in (0..).zip(&mut self.actions) {
            if waiting.next_if_eq(&&at).is_none() {
                self.replaced += usize::from(!std::mem::replace(&mut action.is_replaced, true));
            }
        }
    }

    /// The body of a request with some of them.
    pub(super) fn body(&self, actions: &[u32]) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.bytes.len() + actions.len() * 64);
        for action in actions.iter().filter_map(|at| self.actions.get(*at as usize)) {
            let (target, document) = (&self.bytes[action.target.clone()], &self.bytes[action.document.clone()]);
            let (begin, settings): (&[u8], &[u8]) = match action.change {
                Change::Append | Change::Replace => (b"{\"index\":{", b""),
                Change::Merge => (b"{\"update\":{", CONFLICTS),
                Change::Delete => (b"{\"delete\":{", b""),
            };
            let (before, behind): (&[u8], &[u8]) = match action.change {
                Change::Append | Change::Replace => (b"", b"\n"),
                Change::Merge => (b"{\"doc\":", b",\"doc_as_upsert\":true}\n"),
                Change::Delete => (b"", b""),
            };
            for part in [begin, target, settings, b"}}\n", before, document, behind] {
                body.extend_from_slice(part);
            }
        }
        body
    }

    /// What an action changes, for a message.
    pub(super) fn target(&self, action: u32) -> String {
        let target = self.actions.get(action as usize).map(|action| &self.bytes[action.target.clone()]);
        String::from_utf8_lossy(target.unwrap_or_default())
            .replace("\"_index\":", "index ")
            .replace(",\"_id\":", " and id ")
    }

    /// Whether an action is a deletion.
    pub(super) fn is_delete(&self, action: u32) -> bool {
        self.actions.get(action as usize).is_some_and(|action| action.change == Change::Delete)
    }
}

/// Appends a text as JSON has it.
fn json_text(text: &str, out: &mut Vec<u8>) {
    if serde_json::to_writer(out, text).is_err() {
        debug_assert!(false, "writing to memory cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bulk: &Bulk) -> String {
        String::from_utf8(bulk.body(&bulk.waiting())).unwrap()
    }

    #[test]
    fn of_each_document_the_last_change_is_sent() {
        let mut bulk = Bulk::default();
        bulk.add("i", Some("1"), Some(b"{\"a\":1}"));
        bulk.add("i", Some("2"), Some(b"{\"a\":2}"));
        bulk.add("i", Some("1"), Some(b"{\"a\":3}"));
        bulk.add("j", Some("1"), None);
        bulk.add("i", Some("2"), None);
        assert_eq!((bulk.len(), bulk.waiting()), (3, vec![2, 3, 4]));
        let expected = "{\"update\":{\"_index\":\"i\",\"_id\":\"1\",\"retry_on_conflict\":3}}\n\
            {\"doc\":{\"a\":3},\"doc_as_upsert\":true}\n\
            {\"delete\":{\"_index\":\"j\",\"_id\":\"1\"}}\n\
            {\"delete\":{\"_index\":\"i\",\"_id\":\"2\"}}\n";
        assert_eq!(body(&bulk), expected);
        assert_eq!(bulk.target(2), "index \"i\" and id \"1\"");
    }

    #[test]
    fn what_was_deleted_is_not_merged_with() {
        let mut bulk = Bulk::default();
        bulk.add("i", Some("1"), None);
        bulk.add("i", Some("1"), Some(b"{\"a\":1}"));
        bulk.add("i", Some("1"), Some(b"{\"a\":2}"));
        assert_eq!(body(&bulk), "{\"index\":{\"_index\":\"i\",\"_id\":\"1\"}}\n{\"a\":2}\n");
        bulk.clear();
        bulk.add("i", None, Some(b"{\"a\":1}"));
        bulk.add("i", None, Some(b"{\"a\":1}"));
        assert_eq!(body(&bulk), "{\"index\":{\"_index\":\"i\"}}\n{\"a\":1}\n".repeat(2));
    }

    #[test]
    fn what_is_done_is_not_sent_again() {
        let mut bulk = Bulk::default();
        for id in ["1", "2", "1", "3"] {
            bulk.add("i", Some(id), Some(b"{}"));
        }
        bulk.keep(&[1]);
        assert_eq!((bulk.len(), bulk.waiting()), (1, vec![1]));
        bulk.add("i", Some("3"), None);
        assert_eq!((bulk.len(), bulk.waiting()), (2, vec![1, 4]));
    }

    #[test]
    fn names_cannot_break_out_of_their_line() {
        let mut bulk = Bulk::default();
        bulk.add("i\"", Some("a\n\"}\\"), None);
        assert_eq!(body(&bulk), "{\"delete\":{\"_index\":\"i\\\"\",\"_id\":\"a\\n\\\"}\\\\\"}}\n");
    }
}
