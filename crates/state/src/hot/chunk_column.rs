//! A column of the rows that lie together in memory: as Arrow has it, or, for texts and bytes of which many are equal,
//! each value once with a number for each row.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray, UInt16Array};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use flott_api::Result;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

const SEED: u64 = 0x666c_6f74_7420_636f;
/// Values are kept once if there are at least so many rows for each.
const ROWS_PER_VALUE_MIN: usize = 4;
/// And if they have so many bytes, on average.
const BYTES_MIN: usize = 4;
/// After so many rows it is seen whether nearly all values differ.
const SAMPLE: usize = 1 << 10;

/// See the module.
pub(super) enum ChunkColumn {
    /// The values.
    Plain(ArrayRef),
    /// Of each row the place of its value.
    Coded { codes: Vec<u16>, values: ArrayRef },
}

/// Where to find the values of rows.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    values: &'a dyn Array,
    codes: Option<&'a [u16]>,
}

impl<'a> From<&'a ArrayRef> for Part<'a> {
    fn from(values: &'a ArrayRef) -> Self {
        Part { values: values.as_ref(), codes: None }
    }
}

impl<'a> From<&'a ChunkColumn> for Part<'a> {
    fn from(column: &'a ChunkColumn) -> Self {
        match column {
            ChunkColumn::Plain(values) => values.into(),
            ChunkColumn::Coded { codes, values } => Part { codes: Some(codes), ..values.into() },
        }
    }
}

impl ChunkColumn {
    /// The values of all these arrays, one after the other.
    pub(super) fn plain(pieces: &[ArrayRef]) -> Result<Self> {
        let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        Ok(ChunkColumn::Plain(concat(&pieces)?))
    }

    /// The same in little memory.
    pub(super) fn small(pieces: &[ArrayRef]) -> Result<Self> {
        let bytes = |piece: &ArrayRef| match piece.data_type() {
            DataType::Utf8 => Some(BinaryArray::from(piece.as_string::<i32>().clone())),
            DataType::Binary => Some(piece.as_binary().clone()),
            _ => None,
        };
        let coded = match pieces.iter().map(bytes).collect::<Option<Vec<_>>>() {
            Some(bytes) => Coding::of(&bytes),
            None => None,
        };
        let Some(coding) = coded else { return ChunkColumn::plain(pieces) };
        let (codes, values) = coding.finish();
        let is_text = pieces.iter().any(|piece| piece.data_type() == &DataType::Utf8);
        let values: ArrayRef = if is_text { Arc::new(StringArray::try_from_binary(values)?) } else { Arc::new(values) };
        Ok(ChunkColumn::Coded { codes, values })
    }

    /// The values of all rows.
    pub(super) fn array(&self) -> Result<ArrayRef> {
        match self {
            ChunkColumn::Plain(values) => Ok(values.clone()),
            ChunkColumn::Coded { codes, values } => Ok(take(values, &UInt16Array::from(codes.clone()), None)?),
        }
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            ChunkColumn::Plain(values) => values.get_array_memory_size(),
            ChunkColumn::Coded { codes, values } => {
                codes.capacity() * size_of::<u16>() + values.get_array_memory_size()
            }
        }
    }
}

/// The values at these places: a part and a row of it. There must be a part.
pub(super) fn gathered(parts: &[Part<'_>], places: &[(usize, usize)]) -> Result<ArrayRef> {
    let values: Vec<&dyn Array> = parts.iter().map(|part| part.values).collect();
    if parts.iter().all(|part| part.codes.is_none()) {
        return Ok(interleave(&values, places)?);
    }
    let place = |(part, row): &(usize, usize)| match parts[*part].codes {
        Some(codes) => (*part, usize::from(codes[*row])),
        None => (*part, *row),
    };
    Ok(interleave(&values, &places.iter().map(place).collect::<Vec<_>>())?)
}

/// Different values, by number.
struct Coding {
    codes: Vec<u16>,
    table: HashTable<u16>,
    hashes: Vec<u64>,
    bytes: Vec<u8>,
    /// Where each value begins, and where the last one ends.
    offsets: Vec<i32>,
    /// The number that stands for null.
    null: Option<u16>,
}

impl Coding {
    /// Nothing if it is not worth it.
    fn of(pieces: &[BinaryArray]) -> Option<Self> {
        let rows: usize = pieces.iter().map(Array::len).sum();
        let length = |piece: &BinaryArray| {
            let offsets = piece.value_offsets();
            (offsets[offsets.len() - 1] - offsets[0]) as usize
        };
        if rows == 0 || pieces.iter().map(length).sum::<usize>() < rows * BYTES_MIN {
            return None;
        }
        let most = (rows / ROWS_PER_VALUE_MIN).min(usize::from(u16::MAX));
        let mut coding = Coding {
            codes: Vec::with_capacity(rows),
            table: HashTable::new(),
            hashes: Vec::new(),
            bytes: Vec::new(),
            offsets: vec![0],
            null: None,
        };
        for value in pieces.iter().flatten() {
            let code = match value {
                Some(value) => coding.code(value),
                None => coding.null_code(),
            };
            coding.codes.push(code);
            let (seen, different) = (coding.codes.len(), coding.hashes.len());
            if different >= most || seen == SAMPLE && 4 * different > 3 * SAMPLE {
                return None;
            }
        }
        Some(coding)
    }

    fn code(&mut self, value: &[u8]) -> u16 {
        let hash = FixedState::with_seed(SEED).hash_one(value);
        let (hashes, bytes, offsets) = (&self.hashes, &self.bytes, &self.offsets);
        let is_it = |code: &u16| {
            let at = usize::from(*code);
            hashes[at] == hash && &bytes[offsets[at] as usize..offsets[at + 1] as usize] == value
        };
        if let Some(code) = self.table.find(hash, is_it) {
            return *code;
        }
        self.bytes.extend_from_slice(value);
        let code = self.add(hash);
        let hashes = &self.hashes;
        self.table.insert_unique(hash, code, |code| hashes[usize::from(*code)]);
        code
    }

    fn null_code(&mut self) -> u16 {
        match self.null {
            Some(code) => code,
            None => {
                let code = self.add(0);
                self.null = Some(code);
                code
            }
        }
    }

    /// The number of the value whose bytes are the last ones.
    fn add(&mut self, hash: u64) -> u16 {
        self.hashes.push(hash);
        self.offsets.push(self.bytes.len() as i32);
        (self.hashes.len() - 1) as u16
    }

    fn finish(self) -> (Vec<u16>, BinaryArray) {
        let different = self.hashes.len();
        let nulls = self
            .null
            .map(|null| (0..different).map(|code| code != usize::from(null)).collect::<Vec<bool>>())
            .map(NullBuffer::from);
        let (mut bytes, offsets) = (self.bytes, OffsetBuffer::new(self.offsets.into()));
        bytes.shrink_to_fit();
        (self.codes, BinaryArray::new(offsets, Buffer::from_vec(bytes), nulls))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;

    use super::*;

    fn texts(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
        Arc::new(values.into_iter().collect::<StringArray>())
    }

    fn is_coded(column: &ChunkColumn) -> bool {
        matches!(column, ChunkColumn::Coded { .. })
    }

    #[test]
    fn few_different_texts_are_kept_once_and_come_back() {
        let text = |row: usize| (!row.is_multiple_of(11)).then(|| format!("a longer text {}", row * row % 1009));
        let pieces = [texts((0..5000).map(text)), texts([]), texts((5000..9000).map(text)).slice(7, 3000)];
        let column = ChunkColumn::small(&pieces).unwrap();
        let plain = ChunkColumn::plain(&pieces).unwrap();
        assert!(is_coded(&column) && !is_coded(&plain));
        assert_eq!(&column.array().unwrap(), &plain.array().unwrap());
        assert!(3 * column.memory_bytes() < plain.memory_bytes());
        let places: Vec<(usize, usize)> = (0..8000).rev().step_by(3).map(|row| (row % 2, row)).collect();
        let mixed = gathered(&[Part::from(&column), Part::from(&plain)], &places).unwrap();
        let all = plain.array().unwrap();
        assert_eq!(&mixed, &gathered(&[Part::from(&all), Part::from(&all)], &places).unwrap());
        assert_eq!(&gathered(&[Part::from(&column)], &[]).unwrap(), &texts([]));
    }

    #[test]
    fn bytes_are_kept_the_same_way() {
        let bytes = |row: usize| (row != 7).then_some([row as u8 % 5, 0xff, 0xfe, 0xfd, 0]);
        let values: ArrayRef = Arc::new((0..100).map(bytes).collect::<BinaryArray>());
        let column = ChunkColumn::small(std::slice::from_ref(&values)).unwrap();
        assert!(is_coded(&column));
        assert_eq!(&column.array().unwrap(), &values);
    }

    #[test]
    fn what_is_not_worth_it_stays_as_it_is() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1; 10_000]));
        let different = texts((0..10_000).map(|row| Some(format!("a text {row}"))));
        let late = texts((0..10_000).map(|row| Some(format!("a text {}", if row < 5000 { 0 } else { row }))));
        let short = texts((0..10_000).map(|row| Some((row % 5).to_string())));
        let nulls = texts((0..10_000).map(|_| None));
        for values in [numbers, different, late, short, nulls, texts([])] {
            let column = ChunkColumn::small(std::slice::from_ref(&values)).unwrap();
            assert!(!is_coded(&column));
            assert_eq!(&column.array().unwrap(), &values);
        }
    }
}
