//! Texts: as words of a dictionary while that is shorter, or one behind the other.
//!
//! The first values of a stripe decide. A dictionary is sorted when the stripe ends, so values are numbers until then.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::ints::{Ints, encode};
use super::statistics::Bounds;
use super::stream::{Chunks, Stream};
use crate::orc::proto::{Encoding, encoding, stream};
use crate::protobuf::wire::Taken;

/// After so many values it is decided.
const DECIDING_ROWS: usize = 10_000;

/// Streams by their kinds, in their order, and how the column is encoded.
pub(super) type EndedStreams = (Vec<(u64, Vec<u8>)>, Encoding);

/// How texts are made those of their type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// Characters behind so many are cut off.
    pub(super) most: usize,
    /// Blanks fill up what is shorter.
    pub(super) filled: bool,
}

/// The column of texts of a stripe.
pub(super) struct Text {
    width: Width,
    data: Stream,
    lengths: Ints,
    /// Nothing once the stripe has no dictionary.
    words: Option<Words>,
    padded: Vec<u8>,
}

#[derive(Default)]
struct Words {
    table: HashTable<u32>,
    hasher: foldhash::quality::FixedState,
    data: Vec<u8>,
    ends: Vec<u32>,
    ids: Vec<u32>,
    decided: bool,
}

impl Words {
    fn word(&self, id: u32) -> &[u8] {
        let start = if id == 0 { 0 } else { self.ends[id as usize - 1] };
        &self.data[start as usize..self.ends[id as usize] as usize]
    }

    fn push(&mut self, value: &[u8]) {
        let hash = self.hasher.hash_one(value);
        let found = self.table.find(hash, |id| self.word(*id) == value).copied();
        let id = found.unwrap_or_else(|| {
            let id = self.ends.len() as u32;
            self.data.extend_from_slice(value);
            self.ends.push(self.data.len() as u32);
            let Words { table, hasher, data, ends, .. } = self;
            let word = |id: &u32| {
                let start = if *id == 0 { 0 } else { ends[*id as usize - 1] };
                hasher.hash_one(&data[start as usize..ends[*id as usize] as usize])
            };
            table.insert_unique(hash, id, word);
            id
        });
        self.ids.push(id);
    }
}

impl Text {
    /// An empty column.
    pub(super) fn new(width: Width) -> Self {
        let (data, lengths) = (Stream::default(), Ints::new(false));
        Text { width, data, lengths, words: Some(Words::default()), padded: Vec::new() }
    }

    /// Appends a value.
    pub(super) fn push(&mut self, value: &[u8], bounds: &mut Bounds) {
        let value = self.width.of(value, &mut self.padded);
        bounds.bytes(value);
        match &mut self.words {
            Some(words) => words.push(value),
            None => {
                self.data.open.extend_from_slice(value);
                self.lengths.pending.push(value.len() as i64);
            }
        }
    }

    /// To be called when values were pushed. Says whether the dictionary was given up, for then the streams begin anew.
    pub(super) fn pushed(&mut self, chunks: &mut Chunks) -> Taken<bool> {
        if self.words.as_ref().is_some_and(|w| !w.decided && w.ids.len() >= DECIDING_ROWS) {
            return self.decide(chunks);
        }
        self.data.pack(chunks)?;
        self.lengths.pushed(chunks)?;
        Ok(false)
    }

    fn decide(&mut self, chunks: &mut Chunks) -> Taken<bool> {
        let Some(words) = self.words.as_mut().filter(|w| !w.decided) else { return Ok(false) };
        words.decided = true;
        if words.ends.len() * 2 <= words.ids.len() {
            return Ok(false);
        }
        let Some(words) = self.words.take() else { return Ok(false) };
        for id in &words.ids {
            let word = words.word(*id);
            self.data.open.extend_from_slice(word);
            self.lengths.pending.push(word.len() as i64);
        }
        self.data.pack(chunks)?;
        self.lengths.pushed(chunks)?;
        Ok(true)
    }

    /// Ends a group of rows; as [`pushed`](Self::pushed).
    pub(super) fn flush(&mut self, chunks: &mut Chunks) -> Taken<bool> {
        let given_up = self.decide(chunks)?;
        self.data.pack(chunks)?;
        self.lengths.flush(chunks)?;
        Ok(given_up)
    }

    /// Where the next value stands; with a dictionary its number, which [`end`](Self::end) replaces.
    pub(super) fn position(&self, chunks: &Chunks, out: &mut Vec<u64>) {
        match &self.words {
            Some(words) => out.push(words.ids.len() as u64),
            None => {
                self.data.position(chunks, out);
                self.lengths.position(chunks, out);
            }
        }
    }

    /// Where the first value stands without a dictionary.
    pub(super) fn first_position(chunks: &Chunks) -> Vec<u64> {
        let mut out = Vec::new();
        Stream::default().position(chunks, &mut out);
        Ints::new(false).position(chunks, &mut out);
        out
    }

    /// How many bytes it has by now, about.
    pub(super) fn held(&self) -> usize {
        let words = self.words.as_ref().map_or(0, |w| w.data.len() + (2 * w.ends.len() + w.ids.len()) * 4);
        self.data.held() + self.lengths.held() + words
    }

    /// The streams of the stripe, in their order, and how they are encoded; the column is empty then. `groups` are where
    /// groups of rows begin.
    pub(super) fn end<'a>(
        &mut self,
        groups: impl Iterator<Item = &'a mut Vec<u64>>,
        chunks: &mut Chunks,
    ) -> Taken<EndedStreams> {
        let ended = std::mem::replace(self, Text::new(self.width));
        let Some(words) = ended.words else {
            let data = (stream::DATA, ended.data.end(chunks)?);
            let lengths = (stream::LENGTH, ended.lengths.stream.end(chunks)?);
            return Ok((vec![data, lengths], Encoding { kind: encoding::DIRECT_V2, dictionary: 0 }));
        };
        let mut sorted: Vec<u32> = (0..words.ends.len() as u32).collect();
        sorted.sort_unstable_by(|a, b| words.word(*a).cmp(words.word(*b)));
        let mut places = vec![0_i64; sorted.len()];
        let (mut text, mut lengths) = (Stream::default(), Ints::new(false));
        for (place, id) in sorted.iter().enumerate() {
            places[*id as usize] = place as i64;
            text.open.extend_from_slice(words.word(*id));
            lengths.pending.push(words.word(*id).len() as i64);
        }
        lengths.flush(chunks)?;
        let mut data = Stream::default();
        let (mut from, mut run) = (0, Vec::new());
        let mut until = |to: usize, data: &mut Stream, chunks: &mut Chunks| {
            run.clear();
            run.extend(words.ids[from..to].iter().map(|id| places[*id as usize]));
            encode(&run, false, &mut data.open);
            from = to;
            data.pack(chunks)
        };
        for group in groups {
            until(group.first().map_or(0, |at| *at as usize), &mut data, chunks)?;
            group.clear();
            data.position(chunks, group);
            group.push(0);
        }
        until(words.ids.len(), &mut data, chunks)?;
        let streams = vec![
            (stream::DATA, data.end(chunks)?),
            (stream::LENGTH, lengths.stream.end(chunks)?),
            (stream::DICTIONARY_DATA, text.end(chunks)?),
        ];
        Ok((streams, Encoding { kind: encoding::DICTIONARY_V2, dictionary: sorted.len() as u64 }))
    }
}

impl Width {
    /// The text with the length of its type.
    fn of<'a>(self, value: &'a [u8], padded: &'a mut Vec<u8>) -> &'a [u8] {
        if value.len() <= self.most && !self.filled {
            return value;
        }
        let starts = || value.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80);
        if let Some((at, _)) = starts().nth(self.most) {
            return &value[..at];
        }
        if !self.filled {
            return value;
        }
        padded.clear();
        padded.extend_from_slice(value);
        padded.resize(value.len() + self.most - starts().count(), b' ');
        padded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_get_the_length_of_their_type() {
        let of = |text: &str, most, filled| {
            String::from_utf8(Width { most, filled }.of(text.as_bytes(), &mut Vec::new()).to_vec()).unwrap()
        };
        assert_eq!(of("zażółć", 4, false), "zażó");
        assert_eq!(of("zażółć", 6, true), "zażółć");
        assert_eq!(of("zaż", 5, true), "zaż  ");
        assert_eq!(of("zaż", 5, false), "zaż");
    }
}
