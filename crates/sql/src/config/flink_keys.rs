//! Flink's configuration keys that Flott does not read, each with what becomes of it and why.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is nothing here that it could set.
    NoMeaning,
    /// It will do something once that is built; until then rows and guarantees are the same without.
    Later,
    /// Leaving it out would change rows or guarantees.
    Refused,
}

/// A key of Flink's.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForeignKey {
    /// What becomes of it.
    pub(super) verdict: Verdict,
    /// Flink's default, for refused ones: setting it to that is no wish.
    pub(super) default: &'static str,
    /// Why, as the end of a sentence.
    pub(super) reason: &'static str,
}

/// Key, verdict, default, reason; a line each.
static KEYS: LazyLock<BTreeMap<&'static str, ForeignKey>> =
    LazyLock::new(|| include_str!("flink_keys.tsv").lines().filter_map(parse).collect());

fn parse(line: &'static str) -> Option<(&'static str, ForeignKey)> {
    let mut cells = line.split('\t');
    let (key, verdict) = (cells.next()?, cells.next()?);
    let verdict = match verdict {
        "no-meaning" => Verdict::NoMeaning,
        "later" => Verdict::Later,
        _ => Verdict::Refused,
    };
    Some((key, ForeignKey { verdict, default: cells.next()?, reason: cells.next()? }))
}

/// What is known of a key.
pub(super) fn find(key: &str) -> Option<ForeignKey> {
    KEYS.get(key).copied()
}

/// All of them.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.keys().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_none_is_ours_too() {
        assert_eq!(KEYS.len(), include_str!("flink_keys.tsv").lines().count());
        assert!(crate::config::OPTIONS.iter().all(|o| find(o.key).is_none()));
        assert!(KEYS.values().all(|k| !k.reason.is_empty()));
    }
}
