//! The first bytes of an input: which table, options and pieces its decoder gets. They have fixed places, so that a
//! change of the rest changes nothing else.

/// How many bytes it takes.
pub(super) const HEADER_BYTES: usize = 8;

/// What the first bytes of an input choose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Which table.
    pub(super) table: u16,
    /// A bit for each option that is set.
    pub(super) options: u16,
    pub(super) policy: Policy,
    /// How many bytes come at a time; and messages, so many parts.
    pub(super) piece: u8,
    /// Which columns are asked for.
    pub(super) projection: u8,
    /// What only some formats choose.
    pub(super) extra: u8,
}

/// What becomes of a record that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Fail,
    Skip,
    DeadLetter,
}

impl Header {
    /// The header of an input, and the rest; nothing if it is too short.
    pub(super) fn read(input: &[u8]) -> Option<(Self, &[u8])> {
        let ([t0, t1, o0, o1, policy, piece, projection, extra], rest) = input.split_first_chunk::<HEADER_BYTES>()?;
        let policy = match policy % 3 {
            0 => Policy::Fail,
            1 => Policy::Skip,
            _ => Policy::DeadLetter,
        };
        let (table, options) = (u16::from_le_bytes([*t0, *t1]), u16::from_le_bytes([*o0, *o1]));
        Some((Header { table, options, policy, piece: *piece, projection: *projection, extra: *extra }, rest))
    }

    /// Whether the option of that number is set.
    pub(super) fn option(&self, number: u32) -> bool {
        self.options >> number & 1 == 1
    }

    /// The columns that are asked for, of so many: all, none, or some in either order.
    pub(super) fn projection(&self, columns: usize) -> Vec<usize> {
        match self.projection {
            0 => (0..columns).collect(),
            1 => Vec::new(),
            mask => {
                let mut some: Vec<usize> = (0..columns).filter(|c| mask >> (c % 7) & 1 == 1).collect();
                if mask & 0x80 != 0 {
                    some.reverse();
                }
                some
            }
        }
    }
}
