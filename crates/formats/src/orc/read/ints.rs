//! Integers in runs: version 1 (runs of equal steps, or numbers of seven bits a byte) and version 2 (short repeats, packed
//! bits, packed bits with patches, and steps).

use super::stream::Stream;
use crate::orc::unzigzag;
use crate::protobuf::wire::Taken;

/// The longest run.
const RUN_MAX: usize = 512;
/// Packed bits are read eight bytes at a time.
const SLACK: usize = 8;
/// Widths by their code in version 2.
const WIDTHS: [u32; 32] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 28, 30, 32, 40, 48, 56,
    64,
];

/// A stream of integers.
pub(super) struct Ints {
    stream: Stream,
    second: bool,
    signed: bool,
    run: Box<[i64; RUN_MAX]>,
    /// The values of `run` that were not given yet.
    at: usize,
    end: usize,
    packed: Box<[u8; RUN_MAX * 8 + SLACK]>,
}

impl Ints {
    /// Of version 2 if `second`.
    pub(super) fn new(stream: Stream, second: bool, signed: bool) -> Self {
        let (run, packed) = (Box::new([0; RUN_MAX]), Box::new([0; RUN_MAX * 8 + SLACK]));
        Ints { stream, second, signed, run, at: 0, end: 0, packed }
    }

    /// Appends so many values.
    pub(super) fn read(&mut self, mut count: usize, out: &mut Vec<i64>) -> Taken<()> {
        while count > 0 {
            if self.at == self.end {
                self.at = 0;
                self.end = if self.second { self.second_run()? } else { self.first_run()? };
            }
            let piece = count.min(self.end - self.at);
            out.extend_from_slice(&self.run[self.at..self.at + piece]);
            self.at += piece;
            count -= piece;
        }
        Ok(())
    }

    fn number(&mut self) -> Taken<i64> {
        let bits = self.stream.varint()?;
        Ok(self.value(bits))
    }

    #[inline]
    fn value(&self, bits: u64) -> i64 {
        if self.signed { unzigzag(bits) } else { bits as i64 }
    }

    /// A run of version 1; all give how long it is.
    fn first_run(&mut self) -> Taken<usize> {
        let header = self.stream.byte()?;
        if header & 0x80 != 0 {
            let count = 256 - usize::from(header);
            for at in 0..count {
                self.run[at] = self.number()?;
            }
            return Ok(count);
        }
        let step = i64::from(self.stream.byte()? as i8);
        let first = self.number()?;
        let count = usize::from(header) + 3;
        self.steps(first, step, count);
        Ok(count)
    }

    fn steps(&mut self, first: i64, step: i64, count: usize) {
        let mut value = first;
        for place in &mut self.run[..count] {
            *place = value;
            value = value.wrapping_add(step);
        }
    }

    fn second_run(&mut self) -> Taken<usize> {
        let header = self.stream.byte()?;
        if header >> 6 == 0 {
            let value = self.stream.big_endian(usize::from(header >> 3 & 7) + 1)?;
            let count = usize::from(header & 7) + 3;
            let value = self.value(value);
            self.run[..count].fill(value);
            return Ok(count);
        }
        let code = usize::from(header >> 1 & 31);
        let count = (usize::from(header & 1) << 8 | usize::from(self.stream.byte()?)) + 1;
        match header >> 6 {
            1 => {
                self.unpack(WIDTHS[code], 0, count)?;
                if self.signed {
                    self.run[..count].iter_mut().for_each(|v| *v = unzigzag(*v as u64));
                }
            }
            2 => self.patched(WIDTHS[code], count)?,
            _ => self.delta(if code == 0 { 0 } else { WIDTHS[code] }, count)?,
        }
        Ok(count)
    }

    /// Reads numbers of so many bits, the highest first, into the run from `from` on.
    fn unpack(&mut self, width: u32, from: usize, count: usize) -> Taken<()> {
        let bytes = (width as usize * count).div_ceil(8);
        self.packed[..bytes].copy_from_slice(&self.stream.need(bytes)?[..bytes]);
        self.stream.pass(bytes);
        let window = |at: usize| {
            let bytes = self.packed[at..].first_chunk::<8>().copied().unwrap_or_default();
            u64::from_be_bytes(bytes)
        };
        let places = &mut self.run[from..from + count];
        if width == 64 {
            places.iter_mut().enumerate().for_each(|(i, place)| *place = window(i * 8) as i64);
            return Ok(());
        }
        // A number of at most 56 bits lies in the eight bytes from its first on.
        let mut bit = 0;
        for place in places {
            *place = (window(bit >> 3) << (bit & 7) >> (64 - width)) as i64;
            bit += width as usize;
        }
        Ok(())
    }

    /// A base, small numbers above it, and the high bits of those that are not small.
    fn patched(&mut self, width: u32, count: usize) -> Taken<()> {
        let [second, third] = self.stream.array()?;
        let base_bytes = usize::from(second >> 5) + 1;
        let patch_width = WIDTHS[usize::from(second & 31)];
        let gap_width = u32::from(third >> 5) + 1;
        let patches = usize::from(third & 31);
        let base = self.stream.big_endian(base_bytes)?;
        let sign = 1_u64 << (base_bytes * 8 - 1);
        let base = if base & sign == 0 { base as i64 } else { ((base ^ sign) as i64).wrapping_neg() };
        self.unpack(width, 0, count)?;
        let entry_width = patch_width + gap_width;
        let entry_width = WIDTHS.into_iter().find(|w| *w >= entry_width);
        let Some(entry_width) = entry_width.filter(|_| width + patch_width <= 64) else {
            return Err("a patch of an integer has more than 64 bits".to_owned());
        };
        let values = *self.run;
        self.unpack(entry_width, 0, patches)?;
        let mut entries = [0; 31];
        entries[..patches].copy_from_slice(&self.run[..patches]);
        *self.run = values;
        let mut at = 0;
        for entry in &entries[..patches] {
            let (gap, patch) = (*entry as u64 >> patch_width & 0xff, *entry as u64 & ((1 << patch_width) - 1));
            at += gap as usize;
            let Some(place) = self.run[..count].get_mut(at) else {
                return Err("a patch lies behind its run".to_owned());
            };
            *place |= (patch << width) as i64;
        }
        self.run[..count].iter_mut().for_each(|v| *v = v.wrapping_add(base));
        Ok(())
    }

    /// A first value, a first step, and the sizes of further steps in its direction; of width 0 if all are equal.
    fn delta(&mut self, width: u32, count: usize) -> Taken<()> {
        let first = self.number()?;
        let step = unzigzag(self.stream.varint()?);
        if width == 0 {
            self.steps(first, step, count);
            return Ok(());
        }
        self.steps(first, step, count.min(2));
        if count > 2 {
            self.unpack(width, 2, count - 2)?;
            let mut value = self.run[1];
            for place in &mut self.run[2..count] {
                value = if step < 0 { value.wrapping_sub(*place) } else { value.wrapping_add(*place) };
                *place = value;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::plain;
    use super::*;

    fn read(bytes: &[u8], second: bool, signed: bool, count: usize) -> Taken<Vec<i64>> {
        let mut out = Vec::new();
        Ints::new(plain(bytes), second, signed).read(count, &mut out)?;
        Ok(out)
    }

    /// The examples of the specification.
    #[test]
    fn every_kind_of_run_is_read() {
        assert_eq!(read(&[0x61, 0x00, 0x07], false, false, 100), Ok(vec![7; 100]));
        assert_eq!(read(&[0x61, 0xff, 0x64], false, false, 100), Ok((1..=100).rev().collect()));
        assert_eq!(read(&[0xfb, 2, 3, 6, 7, 0xb], false, false, 5), Ok(vec![2, 3, 6, 7, 11]));
        assert_eq!(read(&[0x0a, 0x27, 0x10], true, false, 5), Ok(vec![10000; 5]));
        let direct = [0x5e, 3, 0x5c, 0xa1, 0xab, 0x1e, 0xde, 0xad, 0xbe, 0xef];
        assert_eq!(read(&direct, true, false, 4), Ok(vec![23713, 43806, 57005, 48879]));
        let patched = [
            0x8e, 0x13, 0x2b, 0x21, 0x07, 0xd0, 0x1e, 0x00, 0x14, 0x70, 0x28, 0x32, 0x3c, 0x46, 0x50, 0x5a, 0x64, 0x6e,
            0x78, 0x82, 0x8c, 0x96, 0xa0, 0xaa, 0xb4, 0xbe, 0xfc, 0xe8,
        ];
        let values = [
            2030, 2000, 2020, 1_000_000, 2040, 2050, 2060, 2070, 2080, 2090, 2100, 2110, 2120, 2130, 2140, 2150, 2160,
            2170, 2180, 2190,
        ];
        assert_eq!(read(&patched, true, false, 20), Ok(values.to_vec()));
        let delta = [0xc6, 0x09, 0x02, 0x02, 0x22, 0x42, 0x42, 0x46];
        assert_eq!(read(&delta, true, false, 10), Ok(vec![2, 3, 5, 7, 11, 13, 17, 19, 23, 29]));
        assert!(read(&delta, true, false, 11).is_err());
        for cut in 0..patched.len() {
            assert!(read(&patched[..cut], true, false, 20).is_err(), "{cut}");
        }
    }
}
