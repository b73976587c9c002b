//! Arguments as `DOUBLE`, for aggregates that compute in it whatever the type of their argument is.

use arrow_array::Float64Array;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use flott_functions::decimal_to_double;
use flott_state::canonical::Canonical;

/// How a type of numbers becomes `DOUBLE`, as Flink's `Number.doubleValue`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubles {
    /// Digits behind the point of a decimal.
    scale: u32,
}

impl Doubles {
    /// The way for an argument of this type; nothing if it is no number.
    pub(super) fn of(ty: &DataType) -> Option<Self> {
        match ty {
            DataType::Decimal128(_, scale) => Some(Doubles { scale: *scale as u32 }),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Doubles { scale: 0 }),
            DataType::Float32 | DataType::Float64 => Some(Doubles { scale: 0 }),
            _ => None,
        }
    }

    pub(super) fn column(self, canonical: Canonical) -> Option<Float64Array> {
        match canonical {
            Canonical::Int(a) => Some(a.unary::<_, Float64Type>(|v| v as f64)),
            Canonical::Wide(a) => Some(a.unary::<_, Float64Type>(|v| decimal_to_double(v, self.scale))),
            Canonical::Float(a) => Some(a),
            Canonical::Bytes(_) => None,
        }
    }
}
