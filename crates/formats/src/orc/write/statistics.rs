//! What files say of their values, of groups of rows, stripes and as a whole, so that readers can pass over them.

use crate::orc::proto::{put_double, put_message, put_nested, put_number, put_signed};
use crate::text::write::exact_decimal;

/// Longer texts are no bounds; they would be copied into every index.
const TEXT_BYTES_MAX: usize = 1024;

/// What is known of the values of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statistics {
    pub(super) count: u64,
    pub(super) nulls: bool,
    pub(super) values: Bounds,
}

/// By type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bounds {
    /// Nothing but their number.
    Count,
    Boolean {
        yes: u64,
    },
    Integer {
        range: Option<(i64, i64)>,
        sum: Option<i64>,
    },
    Double {
        range: Option<(f64, f64)>,
        sum: f64,
        nan: bool,
    },
    Decimal {
        range: Option<(i128, i128)>,
        sum: Option<i128>,
        scale: u8,
    },
    Date {
        range: Option<(i32, i32)>,
    },
    Timestamp {
        range: Option<(i64, i64)>,
    },
    Text {
        range: Option<(Vec<u8>, Vec<u8>)>,
        long: bool,
        bytes: i64,
    },
    Bytes {
        bytes: i64,
    },
}

fn widen<T: PartialOrd + Copy>(range: &mut Option<(T, T)>, low: T, high: T) {
    *range = Some(range.map_or((low, high), |(least, most)| {
        (if low < least { low } else { least }, if high > most { high } else { most })
    }));
}

fn widen_text(range: &mut Option<(Vec<u8>, Vec<u8>)>, low: &[u8], high: &[u8]) {
    let Some((least, most)) = range else {
        *range = Some((low.to_vec(), high.to_vec()));
        return;
    };
    if low < least.as_slice() {
        low.clone_into(least);
    }
    if high > most.as_slice() {
        high.clone_into(most);
    }
}

impl Statistics {
    /// Of no rows.
    pub(super) fn new(values: Bounds) -> Self {
        Statistics { count: 0, nulls: false, values }
    }

    /// Adds what is known of other rows of the column, and forgets it there.
    pub(super) fn absorb(&mut self, other: &mut Statistics) {
        let empty = Statistics::new(other.values.empty());
        let other = std::mem::replace(other, empty);
        self.count += other.count;
        self.nulls |= other.nulls;
        match (&mut self.values, other.values) {
            (Bounds::Boolean { yes }, Bounds::Boolean { yes: more }) => *yes += more,
            (Bounds::Integer { range, sum }, Bounds::Integer { range: more, sum: added }) => {
                more.inspect(|(low, high)| widen(range, *low, *high));
                *sum = sum.zip(added).and_then(|(a, b)| a.checked_add(b));
            }
            (Bounds::Double { range, sum, nan }, Bounds::Double { range: more, sum: added, nan: also }) => {
                more.inspect(|(low, high)| widen(range, *low, *high));
                *sum += added;
                *nan |= also;
            }
            (Bounds::Decimal { range, sum, .. }, Bounds::Decimal { range: more, sum: added, .. }) => {
                more.inspect(|(low, high)| widen(range, *low, *high));
                *sum = sum.zip(added).and_then(|(a, b)| a.checked_add(b));
            }
            (Bounds::Date { range }, Bounds::Date { range: more }) => {
                more.inspect(|(low, high)| widen(range, *low, *high));
            }
            (Bounds::Timestamp { range }, Bounds::Timestamp { range: more }) => {
                more.inspect(|(low, high)| widen(range, *low, *high));
            }
            (Bounds::Text { range, long, bytes }, Bounds::Text { range: more, long: also, bytes: added }) => {
                if let Some((low, high)) = more {
                    widen_text(range, &low, &high);
                }
                *long |= also;
                *bytes += added;
            }
            (Bounds::Bytes { bytes }, Bounds::Bytes { bytes: added }) => *bytes += added,
            _ => {}
        }
    }

    /// The message.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(1, self.count, &mut out);
        self.values.write(&mut out);
        put_number(10, u64::from(self.nulls), &mut out);
        out
    }
}

impl Bounds {
    fn empty(&self) -> Self {
        match self {
            Bounds::Count => Bounds::Count,
            Bounds::Boolean { .. } => Bounds::Boolean { yes: 0 },
            Bounds::Integer { .. } => Bounds::Integer { range: None, sum: Some(0) },
            Bounds::Double { .. } => Bounds::Double { range: None, sum: 0.0, nan: false },
            Bounds::Decimal { scale, .. } => Bounds::Decimal { range: None, sum: Some(0), scale: *scale },
            Bounds::Date { .. } => Bounds::Date { range: None },
            Bounds::Timestamp { .. } => Bounds::Timestamp { range: None },
            Bounds::Text { .. } => Bounds::Text { range: None, long: false, bytes: 0 },
            Bounds::Bytes { .. } => Bounds::Bytes { bytes: 0 },
        }
    }

    /// Adds integers, or dates.
    pub(super) fn integers(&mut self, values: &[i64]) {
        let (Some(low), Some(high)) = (values.iter().copied().min(), values.iter().copied().max()) else { return };
        match self {
            Bounds::Integer { range, sum } => {
                widen(range, low, high);
                let added = values.iter().try_fold(0_i64, |sum, v| sum.checked_add(*v));
                *sum = sum.zip(added).and_then(|(a, b)| a.checked_add(b));
            }
            Bounds::Date { range } => widen(range, low as i32, high as i32),
            Bounds::Timestamp { range } => widen(range, low, high),
            _ => {}
        }
    }

    /// Adds a decimal.
    #[inline]
    pub(super) fn decimal(&mut self, value: i128) {
        if let Bounds::Decimal { range, sum, .. } = self {
            widen(range, value, value);
            *sum = sum.and_then(|sum| sum.checked_add(value));
        }
    }

    /// Adds a number.
    #[inline]
    pub(super) fn double(&mut self, value: f64) {
        if let Bounds::Double { range, sum, nan } = self {
            *sum += value;
            if value.is_nan() {
                *nan = true;
            } else {
                widen(range, value, value);
            }
        }
    }

    /// Adds a text, or bytes.
    #[inline]
    pub(super) fn bytes(&mut self, value: &[u8]) {
        match self {
            Bounds::Text { range, long, bytes } => {
                *bytes += value.len() as i64;
                if value.len() > TEXT_BYTES_MAX {
                    *long = true;
                } else {
                    widen_text(range, value, value);
                }
            }
            Bounds::Bytes { bytes } => *bytes += value.len() as i64,
            _ => {}
        }
    }

    /// Where no bound is known, none is written: nothing is passed over then.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Bounds::Count => {}
            Bounds::Boolean { yes } => put_nested(5, out, |out| {
                let mut packed = Vec::new();
                crate::protobuf::wire::put_varint(*yes, &mut packed);
                put_message(1, &packed, out);
            }),
            Bounds::Integer { range, sum } => put_nested(2, out, |out| {
                range.inspect(|(low, high)| [(1, *low), (2, *high)].iter().for_each(|(f, v)| put_signed(*f, *v, out)));
                sum.filter(|_| range.is_some()).inspect(|sum| put_signed(3, *sum, out));
            }),
            Bounds::Double { range, sum, nan } => put_nested(3, out, |out| {
                if let Some((low, high)) = range.filter(|_| !nan) {
                    put_double(1, low, out);
                    put_double(2, high, out);
                }
                put_double(3, *sum, out);
            }),
            Bounds::Decimal { range, sum, scale } => put_nested(6, out, |out| {
                let values = [(1, range.map(|r| r.0)), (2, range.map(|r| r.1)), (3, range.and(*sum))];
                for (field, value) in values {
                    value.inspect(|value| {
                        let mut text = Vec::new();
                        exact_decimal(*value, *scale, &mut text);
                        put_message(field, &text, out);
                    });
                }
            }),
            Bounds::Date { range } => put_nested(7, out, |out| {
                range.inspect(|(low, high)| {
                    put_signed(1, i64::from(*low), out);
                    put_signed(2, i64::from(*high), out);
                });
            }),
            Bounds::Timestamp { range } => put_nested(9, out, |out| {
                // In the writer's zone, and in UTC.
                range.inspect(|(low, high)| {
                    [(1, low), (2, high), (3, low), (4, high)].iter().for_each(|(f, v)| put_signed(*f, **v, out));
                });
            }),
            Bounds::Text { range, long, bytes } => put_nested(4, out, |out| {
                if let Some((low, high)) = range.as_ref().filter(|_| !long) {
                    put_message(1, low, out);
                    put_message(2, high, out);
                }
                put_signed(3, *bytes, out);
            }),
            Bounds::Bytes { bytes } => put_nested(8, out, |out| put_signed(1, *bytes, out)),
        }
    }
}
