//! `STR_TO_MAP(text[, pair_delimiter, key_delimiter])`: a map of the pairs that are written in a text.
//!
//! The delimiters are regular expressions, by default `,` and `=`. A pair without a key delimiter is a key with a null
//! value; of equal keys the last one counts. A null argument gives null. `STR_TO_MAP('a=1,b=2')` is `{a=1, b=2}`.
//!
//! The entries come in the order in which Java's `HashMap` has them, which is Flink's.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::lists::element_field;
use crate::operand::{Args, Text, TextWriter};
use crate::pattern::Pattern;
use crate::registry::{Binding, Inference, Kernel, Signature};

const DELIMITERS: [&str; 2] = [",", "="];

pub(super) fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 3)?;
    if call.args.len() == 2 || !call.args.iter().all(|a| a.kind.is_character()) {
        return Err(call.mismatch_because("It takes a text, and both delimiters or none."));
    }
    let text = LogicalType::string().with_nullable(true);
    let kind = TypeKind::Map(Box::new(text.clone()), Box::new(text));
    Ok(call.unchanged(LogicalType { kind, nullable: true }))
}

fn pattern(text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|why| why.error(text))
}

/// A delimiter: understood once where it is constant, else whenever it changes.
struct Delimiter {
    constant: Option<Pattern>,
    index: usize,
}

impl Delimiter {
    fn bind(binding: &Binding<'_>, index: usize) -> Result<Self> {
        let text = match binding.args.len() > index {
            true => binding.text(index),
            false => Some(DELIMITERS[index - 1]),
        };
        Ok(Delimiter { constant: text.map(pattern).transpose()?, index })
    }

    fn of<'a>(&'a self, args: &Args<'a>) -> Result<RowDelimiter<'a>> {
        let texts = if self.constant.is_none() { Some(args.text(self.index)?) } else { None };
        Ok(RowDelimiter { constant: self.constant.as_ref(), texts, last: None })
    }
}

struct RowDelimiter<'a> {
    constant: Option<&'a Pattern>,
    texts: Option<Text<'a>>,
    last: Option<(&'a str, Pattern)>,
}

impl RowDelimiter<'_> {
    fn get(&mut self, row: usize) -> Result<&Pattern> {
        let missing = || Error::internal("a delimiter is missing");
        if let Some(constant) = self.constant {
            return Ok(constant);
        }
        let text = self.texts.as_ref().ok_or_else(missing)?.get(row);
        if self.last.as_ref().is_none_or(|(known, _)| *known != text) {
            self.last = Some((text, pattern(text)?));
        }
        self.last.as_ref().map(|(_, pattern)| pattern).ok_or_else(missing)
    }
}

pub(super) fn bind(binding: &Binding<'_>) -> Result<Kernel> {
    let field = element_field(binding.ty)?;
    let (pairs, keys) = (Delimiter::bind(binding, 1)?, Delimiter::bind(binding, 2)?);
    Ok(Box::new(move |args| {
        let texts = args.text(0)?;
        let (mut pairs, mut keys) = (pairs.of(args)?, keys.of(args)?);
        let nulls = args.nulls();
        let (mut found, mut key, mut value) =
            (Entries::default(), TextWriter::new(args.rows), TextWriter::new(args.rows));
        let (mut offsets, mut count) = (vec![0], 0);
        for row in 0..args.rows {
            found.clear();
            if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                found.read(texts.get(row), pairs.get(row)?, keys.get(row)?)?;
            }
            for entry in found.ordered(texts.get(row)) {
                key.push(&texts.get(row)[entry.key.clone()]);
                key.end(true)?;
                value.push(entry.value.clone().map_or("", |value| &texts.get(row)[value]));
                value.end(entry.value.is_some())?;
                count += 1;
            }
            offsets.push(count);
        }
        let DataType::Struct(fields) = field.data_type() else {
            return Err(Error::internal("a map has another layout"));
        };
        let entries: ArrayRef =
            Arc::new(StructArray::try_new(fields.clone(), vec![key.finish()?, value.finish()?], None)?);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(ListArray::try_new(field.clone(), offsets, entries, nulls)?))
    }))
}

/// A pair of a text, by places in it.
struct Entry {
    key: Range<usize>,
    value: Option<Range<usize>>,
    /// Java's hash of the key, mixed as its `HashMap` does.
    hash: u32,
    /// The number of the pair that brought the key first.
    first: usize,
}

/// The pairs of one text; the memory is used again.
#[derive(Default)]
struct Entries {
    pieces: Vec<Range<usize>>,
    entries: Vec<Entry>,
}

impl Entries {
    fn clear(&mut self) {
        self.pieces.clear();
        self.entries.clear();
    }

    fn read(&mut self, text: &str, pairs: &Pattern, keys: &Pattern) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        split(text, pairs, &mut self.pieces)?;
        for (first, piece) in self.pieces.iter().enumerate() {
            let pair = &text[piece.clone()];
            // A match of nothing at the very beginning divides nothing.
            let middle = match keys.find(pair, 0)? {
                Some(found) if found.end == 0 => {
                    let second = pair.chars().next().map_or(0, char::len_utf8);
                    if second == 0 { None } else { keys.find(pair, second)? }
                }
                found => found,
            };
            let (key, value) = match middle {
                Some(found) => (piece.start..piece.start + found.start, Some(piece.start + found.end..piece.end)),
                None => (piece.clone(), None),
            };
            let hash = java_hash(&text[key.clone()]);
            self.entries.push(Entry { key, value, hash, first });
        }
        Ok(())
    }

    /// One entry for each key, in the order of Java's table.
    fn ordered(&mut self, text: &str) -> &[Entry] {
        let pairs = self.pieces.len();
        self.entries.sort_unstable_by(|a, b| {
            (a.hash, &text[a.key.clone()], a.first).cmp(&(b.hash, &text[b.key.clone()], b.first))
        });
        self.entries.dedup_by(|next, kept| {
            let same = text[next.key.clone()] == text[kept.key.clone()];
            if same {
                kept.value = next.value.take();
            }
            same
        });
        let buckets = table_size(pairs, self.entries.len());
        self.entries.sort_unstable_by_key(|entry| (entry.hash & (buckets - 1), entry.first));
        &self.entries
    }
}

/// The buckets of a `HashMap` that was made for so many pairs and holds so many keys: it doubles when it is three
/// quarters full.
fn table_size(pairs: usize, keys: usize) -> u32 {
    let mut size = pairs.max(1).next_power_of_two();
    while keys > size * 3 / 4 {
        size *= 2;
    }
    size as u32
}

fn java_hash(text: &str) -> u32 {
    let hash = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}

/// The pieces of a text as Java's `split` has them: empty ones at the end are left out, and so is one that a match of
/// nothing would make at the beginning.
fn split(text: &str, pattern: &Pattern, pieces: &mut Vec<Range<usize>>) -> Result<()> {
    let mut start = 0;
    pattern.each_match(text, |found| {
        if found.end > 0 {
            pieces.push(start..found.start);
            start = found.end;
        }
    })?;
    pieces.push(start..text.len());
    if pieces.len() > 1 {
        let kept = pieces.iter().rposition(|piece| !piece.is_empty()).map_or(0, |last| last + 1);
        pieces.truncate(kept);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, pattern: &str) -> Vec<String> {
        let mut found = Vec::new();
        split(text, &super::pattern(pattern).unwrap(), &mut found).unwrap();
        found.into_iter().map(|piece| text[piece].to_owned()).collect()
    }

    #[test]
    fn texts_are_split_as_in_java() {
        assert_eq!(pieces("a,b,,c,,", ","), ["a", "b", "", "c"]);
        assert_eq!(pieces(",a", ","), ["", "a"]);
        assert_eq!(pieces(",", ","), Vec::<String>::new());
        assert_eq!(pieces("abc", ""), ["a", "b", "c"]);
        assert_eq!(pieces("abc", ","), ["abc"]);
    }

    #[test]
    fn a_table_doubles_when_it_is_three_quarters_full() {
        assert_eq!(table_size(1, 1), 2);
        assert_eq!(table_size(2, 2), 4);
        assert_eq!(table_size(3, 3), 4);
        assert_eq!(table_size(4, 4), 8);
        assert_eq!(table_size(12, 12), 16);
        assert_eq!(table_size(13, 13), 32);
    }
}
