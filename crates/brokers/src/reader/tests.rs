//! A reader with feeds that are lists.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use flott_api::ids::Subtask;
use flott_api::options::{OptionReader, Options};
use flott_api::table::SourceSpec;
use flott_api::testing::{FakeWorld, lines, ready};
use flott_api::{ErrorKind, Field, LogicalType, Schema, TypeKind};
use futures::FutureExt;

use super::*;
use crate::messages::{About, Metadata};

const METADATA: Metadata = &[("address", About::Address), ("id", About::Id), ("again", About::Again)];

/// What a feed brings, a list at a time; an empty one waits.
type Lists = Vec<Vec<&'static str>>;

struct ListFeed {
    id: String,
    lists: VecDeque<Vec<&'static str>>,
    out: Arc<Mutex<Vec<String>>>,
    /// Of the feed 'refuses': its format.
    format: Box<dyn Format>,
}

#[async_trait]
impl Feed for ListFeed {
    async fn messages(&mut self) -> Result<Option<Vec<Message>>> {
        match self.lists.front() {
            None => Ok(None),
            Some(list) if list.is_empty() => std::future::pending().await,
            Some(_) => {
                let list = self.lists.pop_front().unwrap_or_default();
                let message = |payload: &str| Message {
                    payload: Bytes::copy_from_slice(payload.as_bytes()),
                    address: Bytes::from(self.id.clone()),
                    ..Message::default()
                };
                Ok(Some(list.into_iter().map(message).collect()))
            }
        }
    }

    fn refuse(&mut self, message: &Message, _: &Error) -> Option<&dyn Format> {
        self.emitted(std::slice::from_ref(message));
        (self.id == "refuses").then_some(&*self.format)
    }

    fn snapshot(&self) -> Result<Split> {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner).len();
        Ok(Split { id: self.id.clone(), state: Bytes::from(out.to_string()) })
    }

    fn place(&self, message: &Message) -> String {
        format!("feed '{}', message '{}'", self.id, String::from_utf8_lossy(&message.payload))
    }
}

impl Acknowledges for ListFeed {
    fn emitted(&mut self, messages: &[Message]) {
        let texts = messages.iter().map(|m| String::from_utf8_lossy(&m.payload).into_owned());
        self.out.lock().unwrap_or_else(PoisonError::into_inner).extend(texts);
    }
}

fn reader(options: &[(&str, &str)], metadata: &[&str], feeds: Vec<(&str, Lists)>) -> MessageReader {
    let mut pairs: BTreeMap<String, String> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let name = pairs.remove("format").unwrap_or("csv".to_owned());
    let options = Options(pairs);
    let format = flott_formats::format(&name, &OptionReader::new(&options, "a test"), "").unwrap();
    let dead = flott_api::table::dead_letter_columns();
    let ty = |key: &str| {
        let own = METADATA.iter().find(|(name, _)| *name == key).map(|(_, about)| about.ty());
        own.or(dead.iter().find(|c| c.key == key).map(|c| c.ty.clone())).unwrap()
    };
    let spec = SourceSpec {
        connector: "test".to_owned(),
        table: "t".to_owned(),
        options: Options::default(),
        schema: Schema::new(vec![Field::new("n", LogicalType::new(TypeKind::Int))]),
        projection: vec![0],
        read_fields: Vec::new(),
        metadata: metadata.iter().map(|key| ((*key).to_owned(), ty(key))).collect(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".to_owned(),
    };
    let layout = Arc::new(RowLayout::of(&spec, METADATA).unwrap());
    let (environment, metrics) = (FakeWorld::at(0).environment(), Arc::default());
    let cx = ReaderContext { subtask: Subtask { index: 0, parallelism: 1 }, environment, metrics };
    let splits = feeds.iter().map(|(id, _)| Split { id: (*id).to_owned(), state: Bytes::new() }).collect();
    let lists: BTreeMap<String, Lists> = feeds.into_iter().map(|(id, lists)| (id.to_owned(), lists)).collect();
    let open = move |split: &Split| {
        let lists = lists[&split.id].clone().into();
        let format = flott_formats::format(&name, &OptionReader::new(&options, "a test"), "").unwrap();
        Ok(Box::new(ListFeed { id: split.id.clone(), lists, out: Arc::default(), format }) as Box<dyn Feed>)
    };
    let mut reader = MessageReader::new(&layout, &*format, cx, Box::new(open)).unwrap();
    reader.add_splits(splits).unwrap();
    reader
}

fn next(reader: &mut MessageReader) -> String {
    match ready(reader.next()) {
        Ok(ReadEvent::Batch { split, batch }) => format!("{split}: {}", lines(&batch).join(", ")),
        Ok(ReadEvent::Finished { split }) => format!("{split} ends"),
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::Data);
            e.message().to_owned()
        }
    }
}

fn positions(reader: &mut MessageReader) -> Vec<String> {
    let text = |split: Split| format!("{} {}", split.id, String::from_utf8_lossy(&split.state));
    reader.snapshot().unwrap().into_iter().map(text).collect()
}

#[test]
fn positions_are_those_of_what_is_out() {
    let mut reader = reader(&[], &["address", "id", "again"], vec![("a", vec![vec!["1", "2"], vec!["3"]])]);
    assert_eq!(positions(&mut reader), ["a 0"]);
    assert_eq!(next(&mut reader), "a: +I | 1 | a | NULL | false, +I | 2 | a | NULL | false");
    assert_eq!(positions(&mut reader), ["a 2"]);
    assert_eq!(next(&mut reader), "a: +I | 3 | a | NULL | false");
    assert_eq!(next(&mut reader), "a ends");
    assert!(reader.next().now_or_never().is_none(), "a reader without splits waits");
}

#[test]
fn splits_take_turns_and_wait_when_they_are_paused() {
    let feeds = vec![("a", vec![vec!["1"], vec!["2"], Vec::new()]), ("b", vec![vec!["7"], vec!["8"], Vec::new()])];
    let mut reader = reader(&[], &[], feeds);
    reader.pause_split("a", true);
    assert_eq!(next(&mut reader), "b: +I | 7");
    reader.pause_split("b", true);
    assert!(reader.next().now_or_never().is_none());
    reader.pause_split("a", false);
    assert_eq!(next(&mut reader), "a: +I | 1");
    reader.pause_split("b", false);
    let mut both = [next(&mut reader), next(&mut reader)];
    both.sort();
    assert_eq!(both, ["a: +I | 2", "b: +I | 8"]);
    assert!(reader.next().now_or_never().is_none());
    let mut at = positions(&mut reader);
    at.sort();
    assert_eq!(at, ["a 2", "b 2"]);
}

#[test]
fn rows_before_one_that_does_not_fit_are_out_first() {
    let mut failing = reader(&[], &[], vec![("a", vec![vec!["1", "x", "3"]])]);
    assert_eq!(next(&mut failing), "a: +I | 1");
    assert_eq!(positions(&mut failing), ["a 1"]);
    let error = next(&mut failing);
    assert!(error.starts_with("feed 'a', message 'x': "), "{error}");
}

#[test]
fn what_its_sender_is_told_of_is_no_failure() {
    let lists = vec![vec!["x", "1", "2", "y", "z", "3"], vec!["4", "w"]];
    let mut refusing = reader(&[], &[], vec![("refuses", lists)]);
    assert_eq!(next(&mut refusing), "refuses: +I | 1, +I | 2");
    assert_eq!(positions(&mut refusing), ["refuses 3"]);
    assert_eq!(next(&mut refusing), "refuses: +I | 3");
    assert_eq!(next(&mut refusing), "refuses: +I | 4");
    assert_eq!(next(&mut refusing), "refuses ends");
}

#[test]
fn what_is_skipped_moves_the_position_and_dead_letters_say_where_they_were() {
    let skip = [("format", "json"), ("json.ignore-parse-errors", "true")];
    let lists = vec![vec!["{\"n\":1}", "no"], vec!["no", "no"], vec!["{\"n\":2}"]];
    let mut skipping = reader(&skip, &[], vec![("a", lists)]);
    assert_eq!(next(&mut skipping), "a: +I | 1");
    assert_eq!(positions(&mut skipping), ["a 2"]);
    assert_eq!(next(&mut skipping), "a: +I | 2");
    assert_eq!(positions(&mut skipping), ["a 5"]);
    assert_eq!(skipping.cx.metrics.num_records_in_errors.get(), 3);
    let keep = [("csv.dead-letter.table", "dead")];
    let mut keeping = reader(&keep, &["dead-letter.origin", "address"], vec![("a", vec![vec!["1", "x"]])]);
    let rows = next(&mut keeping);
    let words = rows.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("+I | 1 | NULL | a"), "{words}");
    assert!(words.contains("+I | NULL | feed 'a', message 'x' | a"), "{words}");
}

#[test]
fn acknowledgements_wait_for_their_checkpoint() {
    let mut pending = Pending::default();
    pending.extend([1, 2]);
    pending.barrier(CheckpointId(1));
    pending.extend([3]);
    pending.barrier(CheckpointId(2));
    pending.extend([4]);
    assert_eq!(pending.complete(CheckpointId(2)), [1, 2, 3], "with those of a checkpoint that was given up");
    assert!(pending.complete(CheckpointId(2)).is_empty());
    pending.clear();
    pending.barrier(CheckpointId(3));
    assert!(pending.complete(CheckpointId(3)).is_empty());
}
