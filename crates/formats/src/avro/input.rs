//! The bytes of data, and how each type is passed over.

use super::schema::{AvroSchema, Kind, TypeId};

/// Data nested deeper are refused: what walks them calls itself.
const DEPTH_MAX: usize = 200;
/// Elements of no bytes at all that one datum or block may have, in all its arrays: nothing else bounds their number.
const EMPTY_MAX: usize = 1 << 20;

/// What reading gives; the text says what is wrong.
pub(super) type Taken<T> = Result<T, String>;

/// Bytes, read from the front.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many elements of no bytes may follow.
    empty_left: usize,
}

fn ended<T>() -> Taken<T> {
    Err("the data end within a value".to_owned())
}

impl<'a> Input<'a> {
    /// Reads these bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0, empty_left: EMPTY_MAX }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back, or on, to what [`at`](Self::at) was.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at.min(self.bytes.len());
    }

    fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// So many bytes.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Taken<&'a [u8]> {
        let Some(taken) = self.bytes[self.at..].get(..count) else { return ended() };
        self.at += count;
        Ok(taken)
    }

    /// A number of a fixed size.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Taken<[u8; N]> {
        let Some(taken) = self.bytes[self.at..].first_chunk::<N>() else { return ended() };
        self.at += N;
        Ok(*taken)
    }

    /// `long`: zigzag, seven bits a byte, the lowest first.
    #[inline]
    pub(super) fn long(&mut self) -> Taken<i64> {
        let mut bits = 0_u64;
        for (i, byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            bits |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.at += i + 1;
                return Ok((bits >> 1) as i64 ^ -((bits & 1) as i64));
            }
        }
        if self.rest() < 10 { ended() } else { Err("a number has more than 10 bytes".to_owned()) }
    }

    /// `int`
    #[inline]
    pub(super) fn int(&mut self) -> Taken<i32> {
        let long = self.long()?;
        i32::try_from(long).map_err(|_| format!("{long} is no int"))
    }

    /// `boolean`
    #[inline]
    pub(super) fn boolean(&mut self) -> Taken<bool> {
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(format!("a boolean has the byte {other}")),
        }
    }

    /// `bytes` and `string`
    #[inline]
    pub(super) fn bytes(&mut self) -> Taken<&'a [u8]> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => Err(format!("a length is {length}")),
        }
    }

    /// Which branch of a union, or symbol of an enum, of so many.
    #[inline]
    pub(super) fn index(&mut self, count: usize, what: &str) -> Taken<usize> {
        let index = self.long()?;
        let found = usize::try_from(index).ok().filter(|index| *index < count);
        found.ok_or_else(|| format!("{what} {index} of {count} does not exist"))
    }

    /// The number of elements of the next block of an array or map; each takes `bytes_min` bytes or more.
    #[inline]
    pub(super) fn block(&mut self, bytes_min: usize) -> Taken<usize> {
        let mut count = self.long()?;
        if count < 0 {
            // The bytes of the block follow, for those who do not look into it.
            self.long()?;
            count = count.checked_neg().ok_or("a block has too many elements")?;
        }
        self.check_count(count as u64, bytes_min)
    }

    /// Refuses more elements than the bytes can hold.
    pub(super) fn check_count(&mut self, count: u64, bytes_min: usize) -> Taken<usize> {
        let most = self.rest().checked_div(bytes_min).unwrap_or(self.empty_left);
        let found = usize::try_from(count).ok().filter(|count| *count <= most);
        let found = found.ok_or_else(|| format!("a block has {count} elements in {} bytes", self.rest()))?;
        if bytes_min == 0 {
            // They cost memory and time, but a few bytes can say that there are many, and say so again and again.
            self.empty_left -= found;
        }
        Ok(found)
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, schema: &AvroSchema, id: TypeId) -> Taken<()> {
        self.skip_within(schema, id, 0)
    }

    fn skip_within(&mut self, schema: &AvroSchema, id: TypeId, depth: usize) -> Taken<()> {
        if depth > DEPTH_MAX {
            return Err(format!("the data are nested deeper than {DEPTH_MAX} values"));
        }
        if let Some(bytes) = schema.bytes_fixed(id) {
            return self.take(bytes).map(drop);
        }
        match &schema.get(id).kind {
            Kind::Null | Kind::Boolean | Kind::Float | Kind::Double | Kind::Fixed(_) => Ok(()),
            Kind::Int | Kind::Long => self.long().map(drop),
            Kind::Enum(symbols) => self.index(symbols.len(), "symbol").map(drop),
            Kind::Bytes | Kind::Text => self.bytes().map(drop),
            Kind::Union(branches) => {
                let branch = self.index(branches.len(), "branch")?;
                self.skip_within(schema, branches[branch], depth + 1)
            }
            Kind::Record(fields) => fields.iter().try_for_each(|f| self.skip_within(schema, f.ty, depth + 1)),
            Kind::Array(items) => self.skip_blocks(schema, *items, false, depth),
            Kind::Map(values) => self.skip_blocks(schema, *values, true, depth),
        }
    }

    fn skip_blocks(&mut self, schema: &AvroSchema, element: TypeId, keys: bool, depth: usize) -> Taken<()> {
        let bytes_min = schema.bytes_min(element).saturating_add(usize::from(keys));
        loop {
            let count = self.block(bytes_min)?;
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                if keys {
                    self.bytes()?;
                }
                self.skip_within(schema, element, depth + 1)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read_and_longer_ones_refused() {
        let long = |bytes: &[u8]| Input::new(bytes).long();
        assert_eq!(long(&[0]), Ok(0));
        assert_eq!(long(&[1]), Ok(-1));
        assert_eq!(long(&[0x80, 1]), Ok(64));
        assert_eq!(long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), Ok(i64::MIN));
        assert!(long(&[0x80]).unwrap_err().contains("end"));
        assert!(long(&[0xff; 11]).unwrap_err().contains("10 bytes"));
        assert!(Input::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).int().unwrap_err().contains("no int"));
    }

    #[test]
    fn counts_that_lie_are_refused() {
        let schema = AvroSchema::parse(r#"{"type":"array","items":{"type":"record","name":"e","fields":[]}}"#).unwrap();
        let mut lie = vec![0x80; 8];
        lie.extend([0x10, 0]);
        assert!(Input::new(&lie).skip(&schema, schema.root).unwrap_err().contains("elements in"));
        let schema = AvroSchema::parse(r#"{"type":"array","items":"int"}"#).unwrap();
        assert!(Input::new(&[20, 0, 0]).skip(&schema, schema.root).unwrap_err().contains("10 elements in 2 bytes"));
        assert_eq!(Input::new(&[3, 4, 2, 2, 0]).skip(&schema, schema.root), Ok(()));
    }

    #[test]
    fn elements_of_no_bytes_are_bounded_in_all_arrays_together() {
        let nulls = r#"{"type":"array","items":{"type":"array","items":"null"}}"#;
        let schema = AvroSchema::parse(nulls).unwrap();
        let mut data = vec![8];
        data.extend([0x80, 0x80, 0x20, 0].repeat(4));
        data.push(0);
        assert_eq!(Input::new(&data).skip(&schema, schema.root), Ok(()));
        data[0] = 10;
        data.splice(1..1, [2, 0]);
        let error = Input::new(&data).skip(&schema, schema.root).unwrap_err();
        assert!(error.contains("a block has 262144 elements"), "{error}");
    }

    #[test]
    fn maps_of_values_that_are_larger_than_memory_are_passed_over() {
        let double = |i: usize| {
            let field = |name: &str| format!(r#"{{"name":"{name}","type":"r{}"}}"#, i - 1);
            format!(r#"{{"type":"record","name":"r{i}","fields":[{},{}]}}"#, field("a"), field("b"))
        };
        let all = (1..70).map(double).collect::<Vec<_>>().join(",");
        let first = r#"{"type":"fixed","name":"r0","size":1}"#;
        let schema = AvroSchema::parse(&format!(r#"[{first},{all},{{"type":"map","values":"r69"}}]"#)).unwrap();
        assert_eq!(Input::new(&[140, 1, 0]).skip(&schema, schema.root), Ok(()));
        assert!(Input::new(&[140, 1, 2, 0]).skip(&schema, schema.root).unwrap_err().contains("a block has 1 elements"));
    }

    #[test]
    fn data_within_themselves_end_at_a_depth() {
        let node = r#"{"type":"record","name":"n","fields":[{"name":"n","type":["null","n"]}]}"#;
        let schema = AvroSchema::parse(node).unwrap();
        assert_eq!(Input::new(&[2, 2, 0]).skip(&schema, schema.root), Ok(()));
        assert!(Input::new(&[2; 500]).skip(&schema, schema.root).unwrap_err().contains("deeper"));
    }
}
