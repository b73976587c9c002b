//! Texts and bytes: one behind the other, or as words of a dictionary that each stripe has.

use super::column::push_ends;
use super::ints::Ints;
use super::plan::Ending;
use super::stream::Stream;
use crate::protobuf::wire::Taken;

impl Ending {
    /// Takes off what follows `start` too much.
    fn apply(self, start: usize, data: &mut Vec<u8>) {
        if let Some(most) = self.longer.filter(|most| data.len() - start > *most) {
            let mut starts = data[start..].iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80);
            if let Some((at, _)) = starts.nth(most) {
                data.truncate(start + at);
            }
        }
        while self.blanks && data.len() > start && data.last() == Some(&b' ') {
            data.pop();
        }
    }
}

/// Values as they are.
pub(super) struct Direct {
    stream: Stream,
    lengths: Ints,
    ending: Ending,
    scratch: Vec<i64>,
}

impl Direct {
    /// Reads these streams.
    pub(super) fn new(stream: Stream, lengths: Ints, ending: Ending) -> Self {
        Direct { stream, lengths, ending, scratch: Vec::new() }
    }

    /// Appends so many values to the rows that are valid.
    pub(super) fn read(
        &mut self,
        count: usize,
        valid: Option<&[bool]>,
        ends: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Taken<()> {
        self.scratch.clear();
        self.lengths.read(count, &mut self.scratch)?;
        let first = data.len();
        if self.ending == Ending::default() {
            let end = push_ends(&self.scratch, valid, first as i32, ends)?;
            return self.stream.copy(end as usize - first, data);
        }
        for length in &mut self.scratch {
            let start = data.len();
            let bytes = usize::try_from(*length).map_err(|_| "a length is damaged")?;
            self.stream.copy(bytes, data)?;
            self.ending.apply(start, data);
            *length = (data.len() - start) as i64;
        }
        push_ends(&self.scratch, valid, first as i32, ends).map(drop)
    }
}

/// Values as numbers of words.
pub(super) struct Words {
    ids: Ints,
    ends: Vec<i32>,
    data: Vec<u8>,
    scratch: Vec<i64>,
}

impl Words {
    /// Reads the dictionary.
    ///
    /// # Errors
    /// If it is damaged.
    pub(super) fn open(mut stream: Stream, mut lengths: Ints, words: u64, ending: Ending, ids: Ints) -> Taken<Self> {
        let words = usize::try_from(words).map_err(|_| "a dictionary has too many words")?;
        let (mut sizes, mut ends, mut data) = (Vec::new(), vec![0], Vec::new());
        lengths.read(words, &mut sizes)?;
        for size in sizes {
            let start = data.len();
            stream.copy(usize::try_from(size).map_err(|_| "a length is damaged")?, &mut data)?;
            ending.apply(start, &mut data);
            ends.push(i32::try_from(data.len()).map_err(|_| "a dictionary has more than 2 GB")?);
        }
        Ok(Words { ids, ends, data, scratch: Vec::new() })
    }

    /// Appends so many values to the rows that are valid.
    pub(super) fn read(
        &mut self,
        count: usize,
        valid: Option<&[bool]>,
        ends: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Taken<()> {
        self.scratch.clear();
        self.ids.read(count, &mut self.scratch)?;
        let first = data.len();
        for id in &mut self.scratch {
            let place = usize::try_from(*id).ok().and_then(|id| self.ends.get(id..)?.first_chunk::<2>());
            let Some([start, end]) = place.copied() else {
                return Err(format!("word {id} is not in its dictionary"));
            };
            data.extend_from_slice(&self.data[start as usize..end as usize]);
            *id = i64::from(end - start);
        }
        push_ends(&self.scratch, valid, first as i32, ends).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_texts_are_taken_off_by_characters() {
        let cut = |text: &str, longer, blanks| {
            let mut data = [b"x ", text.as_bytes()].concat();
            Ending { longer, blanks }.apply(2, &mut data);
            String::from_utf8(data[2..].to_vec()).unwrap()
        };
        assert_eq!(cut("zażółć", Some(4), false), "zażó");
        assert_eq!(cut("zażółć", Some(6), false), "zażółć");
        assert_eq!(cut("ab  ", Some(3), true), "ab");
        assert_eq!(cut("   ", None, true), "");
        assert_eq!(cut("ab  ", None, false), "ab  ");
    }
}
