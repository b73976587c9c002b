//! What every object store must do, as one suite: a disk, memory and a bucket run it in one line.
//!
//! It works below the folder that it is given and leaves nothing there. What a store does wrong is a
//! panic with the path. Writers and readers run beside each other within one task, so it needs no
//! spawner; a store that blocks in its futures proves nothing about races.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use futures::future::join_all;

use crate::ErrorKind;
use crate::object::{ObjectStore, PutMode, PutOutcome};

const WRITERS: usize = 8;
/// Several races: one alone may go well by chance.
const ROUNDS: usize = 8;
/// Large enough to be written in several pieces.
const LARGE_BYTES: usize = 300 << 10;

/// Runs the whole suite below `folder`, which must be empty, on a store that nobody else changes there.
///
/// # Panics
/// If the store does not keep the contract.
pub async fn object_contract(store: &dyn ObjectStore, folder: &str) {
    object_contract_without(store, folder, "").await;
}

/// The same for a store that refuses paths with some characters, rather than to take them for others.
///
/// # Panics
/// If the store does not keep the contract.
pub async fn object_contract_without(store: &dyn ObjectStore, folder: &str, refused: &str) {
    let suite = Suite { store, folder, refused };
    suite.puts_and_gets().await;
    suite.reads_ranges().await;
    suite.lists().await;
    suite.deletes().await;
    suite.copies().await;
    suite.takes_odd_names().await;
    suite.refuses_bad_paths().await;
    suite.has_one_creator().await;
    suite.shows_whole_objects_only().await;
    suite.survives_folders_that_go().await;
    assert_eq!(suite.listed("").await, [""; 0], "the suite must leave nothing in '{folder}'");
}

/// Lists `count` objects: more than a page of the store. Leaves nothing.
///
/// # Panics
/// If the store does not list all of them in order.
pub async fn object_pages_contract(store: &dyn ObjectStore, folder: &str, count: usize) {
    const AT_ONCE: usize = 16;
    let suite = Suite { store, folder, refused: "" };
    let names: Vec<String> = (0..count).map(|i| format!("{i:06}")).collect();
    for some in names.chunks(AT_ONCE) {
        join_all(some.iter().map(|name| suite.put(name, "", PutMode::Create))).await;
    }
    assert_eq!(suite.listed("").await, names);
    for some in names.chunks(AT_ONCE) {
        join_all(some.iter().map(|name| suite.delete(name))).await;
    }
    assert_eq!(suite.listed("").await, [""; 0]);
}

struct Suite<'a> {
    store: &'a dyn ObjectStore,
    folder: &'a str,
    /// Characters that the store refuses.
    refused: &'a str,
}

impl Suite<'_> {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    async fn put(&self, name: &str, text: &str, mode: PutMode) -> PutOutcome {
        let put = self.store.put(&self.path(name), Bytes::from(text.to_owned()), mode).await;
        put.unwrap_or_else(|e| panic!("'{name}' is not put: {e:?}"))
    }

    async fn get(&self, name: &str) -> Option<String> {
        let got = self.store.get(&self.path(name)).await.unwrap_or_else(|e| panic!("'{name}' is not read: {e:?}"));
        got.map(|bytes| String::from_utf8(bytes.to_vec()).expect("only text was put"))
    }

    async fn delete(&self, name: &str) {
        self.store.delete(&self.path(name)).await.unwrap_or_else(|e| panic!("'{name}' is not deleted: {e:?}"));
    }

    async fn copy(&self, from: &str, to: &str) {
        let copied = self.store.copy(&self.path(from), &self.path(to)).await;
        copied.unwrap_or_else(|e| panic!("'{from}' is not copied to '{to}': {e:?}"));
    }

    /// The names below the folder that begin with a prefix.
    async fn listed(&self, prefix: &str) -> Vec<String> {
        let below = self.path("");
        let found = self.store.list(&self.path(prefix)).await.unwrap_or_else(|e| panic!("'{prefix}' no list: {e}"));
        found
            .iter()
            .map(|o| o.path.strip_prefix(&below).expect("what is listed begins with the prefix").into())
            .collect()
    }

    async fn clear(&self) {
        for name in self.listed("").await {
            self.delete(&name).await;
        }
    }

    async fn puts_and_gets(&self) {
        assert_eq!(self.get("a").await, None);
        assert_eq!(self.put("a", "one", PutMode::Create).await, PutOutcome::Stored);
        assert_eq!(self.put("a", "two", PutMode::Create).await, PutOutcome::Exists);
        assert_eq!(self.get("a").await.as_deref(), Some("one"), "an object that exists is not created again");
        assert_eq!(self.put("a", "three", PutMode::Overwrite).await, PutOutcome::Stored);
        assert_eq!(self.get("a").await.as_deref(), Some("three"));
        assert_eq!(self.put("deep/er/b", "", PutMode::Overwrite).await, PutOutcome::Stored);
        assert_eq!(self.get("deep/er/b").await.as_deref(), Some(""), "an object may be empty");
        for folder in ["deep", "deep/er", "a/below", "deep/er/b/below"] {
            assert_eq!(self.get(folder).await, None, "'{folder}' is no object");
        }
        let large = "0123456789".repeat(LARGE_BYTES / 10);
        assert_eq!(self.put("large", &large, PutMode::Create).await, PutOutcome::Stored);
        assert!(self.get("large").await.as_deref() == Some(large.as_str()), "a large object comes back as it was");
        self.clear().await;
    }

    async fn ranges(&self, name: &str, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        let got = self.store.get_ranges(&self.path(name), ranges).await;
        got.unwrap_or_else(|e| panic!("ranges {ranges:?} of '{name}' are not read: {e:?}"))
    }

    async fn reads_ranges(&self) {
        self.put("digits", "0123456789", PutMode::Create).await;
        self.put("empty", "", PutMode::Create).await;
        let got = self.ranges("digits", &[7..9, 0..1, 8..10, 0..10, 3..3]).await.expect("it exists");
        assert_eq!(got, ["78", "0", "89", "0123456789", ""], "in the order that was asked for");
        let got = self.ranges("digits", &[8..12, 10..11, 99..100, 0..u64::MAX]).await.expect("it exists");
        assert_eq!(got, ["89", "", "", "0123456789"], "cut at the end of the object");
        assert_eq!(self.ranges("digits", &[20..30, 10..10]).await.expect("it exists"), ["", ""]);
        assert_eq!(self.ranges("empty", &[0..1, 0..0]).await.expect("it exists"), ["", ""]);
        assert_eq!(self.ranges("digits", &[]).await.expect("it exists").len(), 0);
        for none in [vec![0..1, 2..3], vec![0..0, 1..1], vec![]] {
            assert_eq!(self.ranges("missing", &none).await, None, "ranges {none:?} of nothing");
        }
        self.clear().await;
    }

    async fn lists(&self) {
        assert_eq!(self.listed("").await, [""; 0]);
        // `-` and `.` come before `/`, and `0` after it: the order is that of whole paths.
        let names = ["b/1", "b-1", "b.1", "b/0/x", "b0", "a", "ab/c", "B"];
        for name in names {
            self.put(name, name, PutMode::Create).await;
        }
        assert_eq!(self.listed("").await, ["B", "a", "ab/c", "b-1", "b.1", "b/0/x", "b/1", "b0"]);
        assert_eq!(self.listed("b").await, ["b-1", "b.1", "b/0/x", "b/1", "b0"]);
        assert_eq!(self.listed("b/").await, ["b/0/x", "b/1"]);
        assert_eq!(self.listed("b/0").await, ["b/0/x"]);
        assert_eq!(self.listed("b/1").await, ["b/1"], "an object is listed under its own path");
        for none in ["b/1/", "c", "c/", "b/2/x", "a/b"] {
            assert_eq!(self.listed(none).await, [""; 0], "nothing begins with '{none}'");
        }
        let all = self.store.list(&self.path("")).await.expect("it was listed before");
        assert_eq!(all.iter().map(|o| o.size).collect::<Vec<_>>(), [1, 1, 4, 3, 3, 5, 3, 2]);
        self.clear().await;
    }

    async fn deletes(&self) {
        self.delete("never/was").await;
        self.put("x/y/a", "a", PutMode::Create).await;
        self.put("x/y/b", "b", PutMode::Create).await;
        self.delete("x/y").await;
        self.delete("x/y/a").await;
        self.delete("x/y/a").await;
        self.delete("x/y/b/below").await;
        assert_eq!(self.get("x/y/a").await, None);
        assert_eq!(self.listed("").await, ["x/y/b"], "only the object itself goes");
        self.delete("x/y/b").await;
        assert_eq!(self.put("x/y/a", "again", PutMode::Create).await, PutOutcome::Stored);
        assert_eq!(self.get("x/y/a").await.as_deref(), Some("again"));
        self.clear().await;
    }

    async fn copies(&self) {
        self.put("from", "one", PutMode::Create).await;
        self.copy("from", "new/to").await;
        assert_eq!(self.get("new/to").await.as_deref(), Some("one"));
        self.put("from", "two", PutMode::Overwrite).await;
        assert_eq!(self.get("new/to").await.as_deref(), Some("one"), "a copy is an object of its own");
        for _ in 0..2 {
            self.copy("from", "new/to").await;
            assert_eq!(self.get("new/to").await.as_deref(), Some("two"), "a copy replaces what is there");
        }
        self.delete("from").await;
        assert_eq!(self.get("new/to").await.as_deref(), Some("two"));
        self.copy("new/to", "new/to").await;
        assert_eq!(self.get("new/to").await.as_deref(), Some("two"));
        for (missing, to) in [("from", "to"), ("from", "new/to"), ("new", "to"), ("from", "from")] {
            let copied = self.store.copy(&self.path(missing), &self.path(to)).await;
            let error = copied.expect_err("what does not exist cannot be copied");
            assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{error}");
            assert!(error.message().contains(missing), "{error} does not name '{missing}'");
        }
        assert_eq!(self.listed("").await, ["new/to"], "what is not copied leaves nothing");
        self.clear().await;
    }

    async fn takes_odd_names(&self) {
        let names = [
            "a b",
            "a+b",
            "a%20b",
            "a%2Fb",
            "a=b&c=d",
            "a?b#c",
            "a'b\"c",
            "äö/字",
            "a:b@c,d;e!f",
            ".hidden",
            "..x",
            "~",
            "(a)*[b]{c}",
            "a\\b|<c>^`",
            "_",
        ];
        let (refused, names): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| name.contains(|c| self.refused.contains(c)));
        for name in refused {
            let put = self.store.put(&self.path(name), Bytes::new(), PutMode::Create).await;
            assert_eq!(put.map_err(|e| e.kind()), Err(ErrorKind::Invalid), "'{name}'");
        }
        for name in &names {
            assert_eq!(self.put(name, name, PutMode::Create).await, PutOutcome::Stored, "'{name}'");
            self.copy(name, &format!("copy/{name}")).await;
        }
        for name in &names {
            assert_eq!(self.get(name).await.as_deref(), Some(*name));
            assert_eq!(self.get(&format!("copy/{name}")).await.as_deref(), Some(*name));
        }
        let sorted: BTreeSet<&str> = names.into_iter().collect();
        let listed: Vec<String> = self.listed("").await.into_iter().filter(|name| !name.starts_with("copy/")).collect();
        assert_eq!(listed, sorted.into_iter().collect::<Vec<_>>());
        self.clear().await;
    }

    async fn refuses_bad_paths(&self) {
        self.put("a", "a", PutMode::Create).await;
        for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\0b", "a\nb"] {
            let bad = if bad.is_empty() { String::new() } else { format!("{}/{bad}", self.folder) };
            let refused = [
                self.store.put(&bad, Bytes::new(), PutMode::Overwrite).await.err(),
                self.store.get(&bad).await.err(),
                self.store.get_ranges(&bad, &[]).await.err(),
                self.store.delete(&bad).await.err(),
                self.store.copy(&bad, &self.path("b")).await.err(),
                self.store.copy(&self.path("a"), &bad).await.err(),
            ];
            for (i, error) in refused.iter().enumerate() {
                let kind = error.as_ref().map(|e| e.kind());
                assert_eq!(kind, Some(ErrorKind::Invalid), "{bad:?} is taken by call {i}");
            }
        }
        for bad in ["../", "b/../a", "a//", "a\0"] {
            let error = self.store.list(&self.path(bad)).await.expect_err("the prefix is bad");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{bad:?}");
        }
        self.clear().await;
    }

    async fn has_one_creator(&self) {
        for round in 0..ROUNDS {
            let name = format!("epoch/{round}");
            let texts: Vec<String> = (0..WRITERS).map(|writer| format!("{writer}").repeat(1000)).collect();
            let puts = join_all(texts.iter().map(|text| self.put(&name, text, PutMode::Create))).await;
            let winners: Vec<usize> = (0..WRITERS).filter(|i| puts[*i] == PutOutcome::Stored).collect();
            assert_eq!(winners.len(), 1, "writers {winners:?} of '{name}' think that they created it");
            let text = self.get(&name).await.expect("somebody created it");
            assert!(text == texts[winners[0]], "'{name}' is not what its creator wrote");
        }
        self.clear().await;
    }

    async fn shows_whole_objects_only(&self) {
        let texts: Vec<String> = (0..WRITERS).map(|writer| format!("{writer}").repeat(LARGE_BYTES)).collect();
        self.put("torn", &texts[0], PutMode::Create).await;
        for _ in 0..ROUNDS {
            let writes = join_all(texts.iter().map(|text| self.put("torn", text, PutMode::Overwrite)));
            let reads = join_all((0..WRITERS).map(|_| self.get("torn")));
            let (_, read) = futures::future::join(writes, reads).await;
            for text in read {
                let text = text.expect("it was there all the time");
                assert!(texts.contains(&text), "a reader saw a part of an object, {} bytes", text.len());
            }
        }
        self.clear().await;
    }

    /// A put may meet the delete of the last object of its folder. A store may fail then for a moment.
    async fn survives_folders_that_go(&self) {
        let turn = async |writer: usize| {
            for round in 0..ROUNDS {
                let name = format!("gone/{}/{writer}", round % 2);
                self.put_patiently(&name).await;
                assert_eq!(self.get(&name).await.as_deref(), Some("x"), "'{name}' was just put");
                self.delete(&name).await;
            }
        };
        join_all((0..WRITERS).map(turn)).await;
    }

    async fn put_patiently(&self, name: &str) {
        const TRIES_MAX: usize = 10;
        for _ in 1..TRIES_MAX {
            match self.store.put(&self.path(name), Bytes::from_static(b"x"), PutMode::Overwrite).await {
                Ok(_) => return,
                Err(e) if e.kind() == (ErrorKind::External { retry: true }) => {}
                Err(e) => panic!("'{name}' is not put: {e:?}"),
            }
        }
        self.put(name, "x", PutMode::Overwrite).await;
    }
}
