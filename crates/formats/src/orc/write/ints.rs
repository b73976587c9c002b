//! Integers in runs of version 2: repeats, steps, and packed bits, whichever a block of up to 512 values is shortest with.
//!
//! Patches are not written: what they save is little where values are compressed besides.

use super::stream::{Chunks, Stream};
use crate::orc::zigzag;
use crate::protobuf::wire::{Taken, put_varint};

const RUN_MAX: usize = 512;
/// From here on equal values are a run of their own.
const REPEAT_MIN: usize = 10;
const SHORT_REPEAT: std::ops::RangeInclusive<usize> = 3..=10;
/// Values are encoded when so many wait.
const PENDING_MAX: usize = 16 * RUN_MAX;

/// A stream of integers.
pub(super) struct Ints {
    pub(super) stream: Stream,
    signed: bool,
    pub(super) pending: Vec<i64>,
}

impl Ints {
    /// An empty stream.
    pub(super) fn new(signed: bool) -> Self {
        Ints { stream: Stream::default(), signed, pending: Vec::new() }
    }

    /// Encodes blocks that are full. To be called when values were pushed into `pending`.
    pub(super) fn pushed(&mut self, chunks: &mut Chunks) -> Taken<()> {
        if self.pending.len() < PENDING_MAX {
            return Ok(());
        }
        let full = self.pending.len() / RUN_MAX * RUN_MAX;
        encode(&self.pending[..full], self.signed, &mut self.stream.open);
        self.pending.drain(..full);
        self.stream.pack(chunks)
    }

    /// Encodes all, so that the next value begins a run.
    pub(super) fn flush(&mut self, chunks: &mut Chunks) -> Taken<()> {
        encode(&self.pending, self.signed, &mut self.stream.open);
        self.pending.clear();
        self.stream.pack(chunks)
    }

    /// Appends where a run begins.
    pub(super) fn position(&self, chunks: &Chunks, out: &mut Vec<u64>) {
        self.stream.position(chunks, out);
        out.push(0);
    }

    /// How many bytes it has by now, about.
    pub(super) fn held(&self) -> usize {
        self.stream.held() + self.pending.len() * size_of::<i64>()
    }
}

/// Appends runs of these values.
pub(super) fn encode(mut values: &[i64], signed: bool, out: &mut Vec<u8>) {
    while !values.is_empty() {
        let block = &values[..values.len().min(RUN_MAX)];
        let repeat = leading_repeat(block);
        let taken = if repeat >= REPEAT_MIN || repeat == block.len() {
            repeated(block[0], repeat, signed, out);
            repeat
        } else {
            let literals = before_repeat(block);
            different(&block[..literals], signed, out);
            literals
        };
        values = &values[taken..];
    }
}

fn leading_repeat(values: &[i64]) -> usize {
    values.iter().take_while(|v| **v == values[0]).count()
}

/// How many values stand before the first long repeat that does not begin the block.
fn before_repeat(values: &[i64]) -> usize {
    let mut start = 0;
    for at in 1..values.len() {
        if values[at] != values[at - 1] {
            start = at;
        } else if at - start + 1 >= REPEAT_MIN && start > 0 {
            return start;
        }
    }
    values.len()
}

fn bits_of(value: i64, signed: bool) -> u64 {
    if signed { zigzag(value) } else { value as u64 }
}

fn repeated(value: i64, count: usize, signed: bool, out: &mut Vec<u8>) {
    if count < *SHORT_REPEAT.start() {
        return direct(&vec![value; count], signed, out);
    }
    let bits = bits_of(value, signed);
    if SHORT_REPEAT.contains(&count) {
        let bytes = (64 - bits.leading_zeros()).div_ceil(8).max(1) as usize;
        out.push(((bytes - 1) << 3 | (count - 3)) as u8);
        out.extend_from_slice(&bits.to_be_bytes()[8 - bytes..]);
    } else {
        head(3, 0, count, out);
        put_varint(bits, out);
        out.push(0);
    }
}

/// The first two bytes of a run.
fn head(kind: u8, code: u8, count: usize, out: &mut Vec<u8>) {
    let length = count - 1;
    out.push(kind << 6 | code << 1 | (length >> 8) as u8);
    out.push(length as u8);
}

fn different(values: &[i64], signed: bool, out: &mut Vec<u8>) {
    let direct_bits = width(values.iter().fold(0, |all, v| all | bits_of(*v, signed)));
    if values.len() > 2 && steps(values, signed, direct_bits, out) {
        return;
    }
    packed_head(1, direct_bits, values.len(), out);
    pack(values.iter().map(|v| bits_of(*v, signed)), direct_bits, out);
}

fn direct(values: &[i64], signed: bool, out: &mut Vec<u8>) {
    let bits = width(values.iter().fold(0, |all, v| all | bits_of(*v, signed)));
    packed_head(1, bits, values.len(), out);
    pack(values.iter().map(|v| bits_of(*v, signed)), bits, out);
}

/// Writes values that only rise or only fall by their steps, if that is shorter.
fn steps(values: &[i64], signed: bool, direct_bits: u32, out: &mut Vec<u8>) -> bool {
    let first_step = values[1].wrapping_sub(values[0]);
    let (mut same, mut rising, mut falling, mut all) = (true, true, true, 0_u64);
    for pair in values.windows(2) {
        let (low, high) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
        let Some(size) = high.checked_sub(low) else { return false };
        same &= pair[1].wrapping_sub(pair[0]) == first_step;
        rising &= pair[1] >= pair[0];
        falling &= pair[1] <= pair[0];
        all |= size as u64;
    }
    if same {
        head(3, 0, values.len(), out);
        put_varint(bits_of(values[0], signed), out);
        put_varint(zigzag(first_step), out);
        return true;
    }
    // A first step of 0 says that the others rise.
    let falls = falling && first_step < 0;
    let bits = width(all).max(2);
    if !(rising || falls) || bits >= direct_bits {
        return false;
    }
    packed_head(3, bits, values.len(), out);
    put_varint(bits_of(values[0], signed), out);
    put_varint(zigzag(first_step), out);
    let sizes = values.windows(2).skip(1).map(|pair| pair[1].abs_diff(pair[0]));
    pack(sizes, bits, out);
    true
}

/// The next width that there is for numbers of these bits.
fn width(bits: u64) -> u32 {
    match 64 - bits.leading_zeros() {
        0 => 1,
        exact @ 1..=24 => exact,
        odd @ 25..=32 => odd.next_multiple_of(2),
        large => large.next_multiple_of(8),
    }
}

fn packed_head(kind: u8, width: u32, count: usize, out: &mut Vec<u8>) {
    let code = match width {
        1..=24 => width - 1,
        26..=32 => 24 + (width - 26) / 2,
        _ => 28 + (width - 40) / 8,
    };
    head(kind, code as u8, count, out);
}

/// Appends numbers of so many bits, the highest first.
fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let (mut window, mut used) = (0_u128, 0);
    for value in values {
        window = window << width | u128::from(value);
        used += width;
        while used >= 64 {
            used -= 64;
            out.extend_from_slice(&((window >> used) as u64).to_be_bytes());
        }
    }
    let rest = (window << (64 - used)) as u64;
    out.extend_from_slice(&rest.to_be_bytes()[..used.div_ceil(8) as usize]);
}
