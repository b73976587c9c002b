//! Precision and scale of decimal results.
//!
//! The rules are SQL Server's, as Flink has them; verified on the pairs in
//! `crates/e2e/oracle/types/decimal_pairs.out`.

use flott_api::{LogicalType, TypeKind};

const PRECISION_MAX: i32 = 38;
/// The digits after the point that are kept when a product or quotient has too many digits.
const SCALE_KEPT: i32 = 6;

/// A decimal's digits and digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    pub(crate) precision: i32,
    pub(crate) scale: i32,
}

impl Digits {
    /// The decimal that holds every value of an exact number type.
    pub(crate) fn of(kind: &TypeKind) -> Option<Digits> {
        let (precision, scale) = match kind {
            TypeKind::TinyInt => (3, 0),
            TypeKind::SmallInt => (5, 0),
            TypeKind::Int => (10, 0),
            TypeKind::BigInt => (19, 0),
            TypeKind::Decimal { precision, scale } => (i32::from(*precision), i32::from(*scale)),
            _ => return None,
        };
        Some(Digits { precision, scale })
    }

    fn whole(self) -> i32 {
        self.precision - self.scale
    }

    /// The type with these digits.
    pub(crate) fn kind(self) -> TypeKind {
        TypeKind::Decimal { precision: self.precision.clamp(1, PRECISION_MAX) as u8, scale: self.scale.max(0) as u8 }
    }

    /// The same as a type.
    pub(crate) fn ty(self, nullable: bool) -> LogicalType {
        LogicalType { kind: self.kind(), nullable }
    }

    fn fitted(self) -> Digits {
        if self.precision <= PRECISION_MAX {
            return self;
        }
        let scale = (PRECISION_MAX - self.whole()).max(self.scale.min(SCALE_KEPT));
        Digits { precision: PRECISION_MAX, scale }
    }
}

/// The most digits of an integer of so many bytes.
pub(crate) fn integer_digits(bytes: usize) -> u8 {
    match bytes {
        1 => 3,
        2 => 5,
        4 => 10,
        _ => 19,
    }
}

/// `+` and `-`.
pub(crate) fn sum(a: Digits, b: Digits) -> Digits {
    let scale = a.scale.max(b.scale);
    Digits { precision: a.whole().max(b.whole()) + scale + 1, scale }.fitted()
}

/// `*`.
pub(crate) fn product(a: Digits, b: Digits) -> Digits {
    Digits { precision: a.precision + b.precision + 1, scale: a.scale + b.scale }.fitted()
}

/// `/`.
pub(crate) fn quotient(a: Digits, b: Digits) -> Digits {
    let scale = SCALE_KEPT.max(a.scale + b.precision + 1);
    Digits { precision: a.whole() + b.scale + scale, scale }.fitted()
}

/// `%`, where at least one side has digits after the point.
pub(crate) fn remainder(a: Digits, b: Digits) -> Digits {
    let scale = a.scale.max(b.scale);
    Digits { precision: a.whole().min(b.whole()) + scale, scale }
}

/// The decimal that holds values of both, as in `CASE` and `UNION`: whole digits win over scale.
pub(crate) fn union(a: Digits, b: Digits) -> Digits {
    let whole = a.whole().max(b.whole()).min(PRECISION_MAX);
    let scale = a.scale.max(b.scale).min(PRECISION_MAX - whole);
    Digits { precision: whole + scale, scale }
}

/// `SUM` of a decimal.
pub(crate) fn total(a: Digits) -> Digits {
    Digits { precision: PRECISION_MAX, scale: a.scale }
}

/// `AVG` of a decimal.
pub(crate) fn average(a: Digits) -> Digits {
    let scale = a.scale.max(SCALE_KEPT);
    Digits { precision: PRECISION_MAX, scale }
}

/// `ROUND` and `TRUNCATE` to a number of digits.
pub(crate) fn rounded(a: Digits, digits: i32) -> Digits {
    if digits >= a.scale {
        return a;
    }
    if digits < 0 {
        return Digits { precision: PRECISION_MAX.min(1 + a.whole()), scale: 0 };
    }
    Digits { precision: 1 + a.whole() + digits, scale: digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(precision: i32, scale: i32) -> Digits {
        Digits { precision, scale }
    }

    #[test]
    fn results_have_the_digits_that_flink_gives_them() {
        assert_eq!(sum(digits(10, 0), digits(2, 1)), digits(12, 1));
        assert_eq!(product(digits(38, 10), digits(38, 10)), digits(38, 6));
        assert_eq!(quotient(digits(2, 1), digits(10, 0)), digits(13, 12));
        assert_eq!(quotient(digits(5, 2), digits(5, 2)), digits(13, 8));
        assert_eq!(remainder(digits(2, 1), digits(10, 0)), digits(2, 1));
        assert_eq!(union(digits(38, 0), digits(38, 38)), digits(38, 0));
        assert_eq!(union(digits(10, 0), digits(2, 1)), digits(11, 1));
    }
}
