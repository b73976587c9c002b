//! The bytes of messages: keys, numbers, lengths, and how what nobody asked for is passed over.

/// Groups nested deeper are refused, as Google's libraries do.
const DEPTH_MAX: usize = 100;

/// What reading gives; the text says what is wrong.
pub(crate) type Taken<T> = Result<T, String>;

/// A number of up to ten bytes.
pub(crate) const VARINT: u8 = 0;
/// Eight bytes.
pub(crate) const FIXED64: u8 = 1;
/// A length and so many bytes.
pub(crate) const BYTES: u8 = 2;
const GROUP: u8 = 3;
const GROUP_END: u8 = 4;
/// Four bytes.
pub(crate) const FIXED32: u8 = 5;

/// A message, read from the front.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The value of a field, before its type counts.
#[derive(Clone, Copy)]
pub(crate) enum Raw<'a> {
    Bits(u64),
    Bytes(&'a [u8]),
}

fn ended<T>() -> Taken<T> {
    Err("the message ends within a value".to_owned())
}

impl<'a> Input<'a> {
    /// Reads these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0 }
    }

    /// How many bytes were read.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether all were.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// A number; what does not fit 64 bits is cut off, as everywhere.
    #[inline]
    pub(crate) fn varint(&mut self) -> Taken<u64> {
        match self.bytes.get(self.at) {
            Some(byte @ ..0x80) => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Taken<u64> {
        let mut bits = 0_u64;
        for (i, byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            bits |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.at += i + 1;
                return Ok(bits);
            }
        }
        if self.bytes.len() - self.at < 10 { ended() } else { Err("a number has more than 10 bytes".to_owned()) }
    }

    /// The number of a field and the wire type of its value.
    #[inline]
    pub(crate) fn key(&mut self) -> Taken<(u32, u8)> {
        let key = self.varint()? as u32;
        match (key >> 3, (key & 7) as u8) {
            (0, _) => Err("a field has the number 0".to_owned()),
            (number, wire @ 6..) => Err(format!("field {number} has the wire type {wire}, which does not exist")),
            found => Ok(found),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Taken<[u8; N]> {
        let Some(taken) = self.bytes[self.at..].first_chunk::<N>() else { return ended() };
        self.at += N;
        Ok(*taken)
    }

    #[inline]
    fn bytes(&mut self) -> Taken<&'a [u8]> {
        let length = self.varint()?;
        let taken = usize::try_from(length).ok().and_then(|length| self.bytes[self.at..].get(..length));
        let Some(taken) = taken else { return ended() };
        self.at += taken.len();
        Ok(taken)
    }

    /// A value of that wire type, which is none of a group.
    #[inline]
    pub(crate) fn value(&mut self, wire: u8) -> Taken<Raw<'a>> {
        Ok(match wire {
            VARINT => Raw::Bits(self.varint()?),
            FIXED64 => Raw::Bits(u64::from_le_bytes(self.array()?)),
            FIXED32 => Raw::Bits(u64::from(u32::from_le_bytes(self.array()?))),
            _ => Raw::Bytes(self.bytes()?),
        })
    }

    /// Passes over the value of a field.
    pub(crate) fn skip(&mut self, number: u32, wire: u8) -> Taken<()> {
        match wire {
            GROUP => self.skip_group(number),
            GROUP_END => Err(format!("field {number} ends a group that did not begin")),
            _ => self.value(wire).map(drop),
        }
    }

    fn skip_group(&mut self, number: u32) -> Taken<()> {
        let mut open = [0_u32; DEPTH_MAX];
        open[0] = number;
        let mut depth = 1;
        while depth > 0 {
            match self.key()? {
                (number, GROUP) => {
                    let Some(next) = open.get_mut(depth) else {
                        return Err(format!("groups are nested deeper than {DEPTH_MAX}"));
                    };
                    *next = number;
                    depth += 1;
                }
                (number, GROUP_END) if number == open[depth - 1] => depth -= 1,
                (number, GROUP_END) => return Err(format!("field {number} ends a group that did not begin")),
                (_, wire) => self.value(wire).map(drop)?,
            }
        }
        Ok(())
    }
}

/// Appends a number.
#[inline]
pub(crate) fn put_varint(mut bits: u64, out: &mut Vec<u8>) {
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

/// Appends a value of that wire type.
#[inline]
pub(crate) fn put_bits(wire: u8, bits: u64, out: &mut Vec<u8>) {
    match wire {
        FIXED64 => out.extend_from_slice(&bits.to_le_bytes()),
        FIXED32 => out.extend_from_slice(&(bits as u32).to_le_bytes()),
        _ => put_varint(bits, out),
    }
}

/// Appends bytes behind their length.
#[inline]
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Begins what has a length that is not known yet; to be given to [`end`].
#[inline]
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Puts the length in front of what was written since. There is room for one byte, which nearly always is enough.
pub(crate) fn end(start: usize, out: &mut Vec<u8>) {
    let length = out.len() - start;
    if length < 0x80 {
        out[start - 1] = length as u8;
        return;
    }
    let mut bits = length;
    let mut more = 0;
    while bits >= 0x80 {
        bits >>= 7;
        more += 1;
    }
    out.extend_from_slice(&[0; 9][..more]);
    out.copy_within(start..start + length, start + more);
    let mut bits = length;
    for byte in &mut out[start - 1..start - 1 + more] {
        *byte = bits as u8 | 0x80;
        bits >>= 7;
    }
    out[start - 1 + more] = bits as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read_and_longer_ones_refused() {
        for bits in [0, 1, 127, 128, 1 << 35, u64::MAX] {
            let mut out = Vec::new();
            put_varint(bits, &mut out);
            assert_eq!(Input::new(&out).varint(), Ok(bits));
        }
        assert_eq!(Input::new(&[0x81, 0x80, 0]).varint(), Ok(1));
        assert!(Input::new(&[0x80]).varint().unwrap_err().contains("ends"));
        assert!(Input::new(&[0xff; 11]).varint().unwrap_err().contains("10 bytes"));
    }

    #[test]
    fn lengths_of_every_size_stand_in_front() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 2_097_152] {
            let mut out = b"before".to_vec();
            let start = begin(&mut out);
            out.extend((0..length).map(|i| i as u8));
            end(start, &mut out);
            let mut input = Input::new(&out[6..]);
            let Ok(Raw::Bytes(bytes)) = input.value(BYTES) else { panic!("no bytes of length {length}") };
            assert!(bytes.iter().enumerate().all(|(i, b)| *b == i as u8) && bytes.len() == length);
            assert!(input.is_empty());
        }
    }

    #[test]
    fn groups_are_passed_over_and_must_end() {
        let skip = |bytes: &[u8]| {
            let mut input = Input::new(bytes);
            let (number, wire) = input.key()?;
            input.skip(number, wire).map(|()| input.is_empty())
        };
        assert_eq!(skip(&[0x0b, 0x13, 0x18, 7, 0x14, 0x0c]), Ok(true));
        assert!(skip(&[0x0b, 0x13, 0x0c]).unwrap_err().contains("field 1 ends a group"));
        assert!(skip(&[0x0c]).unwrap_err().contains("did not begin"));
        assert!(skip(&[0x0b, 0x18, 7]).unwrap_err().contains("ends within"));
        assert!(skip(&[0x0b; 300]).unwrap_err().contains("deeper"));
        assert!(skip(&[0x07]).unwrap_err().contains("number 0"));
        assert!(skip(&[0x0f]).unwrap_err().contains("wire type 7"));
    }
}
