//! Flink's types. [`LogicalType`] is the one owner of a type: the Arrow layout is derived from it
//! ([`arrow`]) and never the other way.

pub mod arrow;
mod class_name;
mod text;

use serde::{Deserialize, Serialize};

pub use class_name::is_class_name;

/// The length of a `STRING` or `BYTES`.
pub const LENGTH_MAX: u32 = i32::MAX as u32;
/// The largest precision of a `DECIMAL`.
pub const DECIMAL_PRECISION_MAX: u8 = 38;

/// A type with its nullability, as in Flink's `LogicalType`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogicalType {
    /// The type without nullability.
    pub kind: TypeKind,
    /// Whether a value may be null.
    pub nullable: bool,
}

/// Flink's types without nullability.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TypeKind {
    /// `CHAR(n)`; length in characters. Length 0 only for the literal `''`.
    Char(u32),
    /// `VARCHAR(n)`; `STRING` has [`LENGTH_MAX`].
    Varchar(u32),
    /// `BINARY(n)`; length in bytes.
    Binary(u32),
    /// `VARBINARY(n)`; `BYTES` has [`LENGTH_MAX`].
    Varbinary(u32),
    /// `BOOLEAN`
    Boolean,
    /// `TINYINT`
    TinyInt,
    /// `SMALLINT`
    SmallInt,
    /// `INT`
    Int,
    /// `BIGINT`
    BigInt,
    /// `DECIMAL(p, s)`
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to precision.
        scale: u8,
    },
    /// `FLOAT`
    Float,
    /// `DOUBLE`
    Double,
    /// `DATE`
    Date,
    /// `TIME(p)`; kept in milliseconds whatever the precision, as Flink's runtime does.
    Time(u8),
    /// `TIMESTAMP(p)`
    Timestamp(u8),
    /// `TIMESTAMP_LTZ(p)`
    TimestampLtz(u8),
    /// `TIMESTAMP(p) WITH TIME ZONE`; can be declared, not computed with.
    TimestampTz(u8),
    /// `INTERVAL YEAR TO MONTH`, kept in months.
    IntervalYearMonth,
    /// `INTERVAL DAY TO SECOND`, kept in milliseconds.
    IntervalDayTime,
    /// `ARRAY<t>`
    Array(Box<LogicalType>),
    /// `MULTISET<t>`
    Multiset(Box<LogicalType>),
    /// `MAP<k, v>`; keys may be null.
    Map(Box<LogicalType>, Box<LogicalType>),
    /// `ROW<..>`
    Row(Vec<Field>),
    /// `STRUCTURED<'class', ..>`
    Structured {
        /// The class named in the declaration.
        class: String,
        /// Its fields.
        fields: Vec<Field>,
    },
    /// `RAW('class', 'serializer')`
    Raw {
        /// The class named in the declaration.
        class: String,
        /// The serializer snapshot, base64.
        serializer: String,
    },
    /// `NULL`: the type of the untyped literal.
    Null,
    /// `VARIANT`
    Variant,
    /// `BITMAP`
    Bitmap,
    /// `DESCRIPTOR`: the argument of a table function that names columns.
    Descriptor,
}

/// A named, typed column or row field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Its case-sensitive name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: LogicalType,
}

impl Field {
    /// A field.
    pub fn new(name: impl Into<String>, ty: LogicalType) -> Self {
        Field { name: name.into(), ty }
    }
}

/// The columns of a stream or table, in order. Names need not be unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Schema {
    /// The columns.
    pub fields: Vec<Field>,
}

impl Schema {
    /// A schema of these columns.
    pub fn new(fields: Vec<Field>) -> Self {
        Schema { fields }
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The position of the first column of that name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// The columns at these positions, in this order.
    pub fn project(&self, indices: &[usize]) -> Schema {
        Schema { fields: indices.iter().map(|&i| self.fields[i].clone()).collect() }
    }
}

impl LogicalType {
    /// A nullable type.
    pub fn new(kind: TypeKind) -> Self {
        LogicalType { kind, nullable: true }
    }

    /// A type without nulls.
    pub fn not_null(kind: TypeKind) -> Self {
        LogicalType { kind, nullable: false }
    }

    /// The same type with that nullability.
    #[must_use]
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// Nullable `STRING`.
    pub fn string() -> Self {
        LogicalType::new(TypeKind::Varchar(LENGTH_MAX))
    }

    /// Nullable `BYTES`.
    pub fn bytes() -> Self {
        LogicalType::new(TypeKind::Varbinary(LENGTH_MAX))
    }

    /// Nullable `DECIMAL(precision, scale)`.
    pub fn decimal(precision: u8, scale: u8) -> Self {
        LogicalType::new(TypeKind::Decimal { precision, scale })
    }

    /// Equal but for nullability at the top.
    pub fn same_kind(&self, other: &LogicalType) -> bool {
        self.kind == other.kind
    }
}

impl TypeKind {
    /// `TINYINT` to `BIGINT`.
    pub fn is_integer(&self) -> bool {
        matches!(self, TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt)
    }

    /// `FLOAT` or `DOUBLE`.
    pub fn is_approximate(&self) -> bool {
        matches!(self, TypeKind::Float | TypeKind::Double)
    }

    /// An integer or a decimal.
    pub fn is_exact(&self) -> bool {
        self.is_integer() || matches!(self, TypeKind::Decimal { .. })
    }

    /// Any number.
    pub fn is_numeric(&self) -> bool {
        self.is_exact() || self.is_approximate()
    }

    /// `CHAR` or `VARCHAR`.
    pub fn is_character(&self) -> bool {
        matches!(self, TypeKind::Char(_) | TypeKind::Varchar(_))
    }

    /// `BINARY` or `VARBINARY`.
    pub fn is_binary(&self) -> bool {
        matches!(self, TypeKind::Binary(_) | TypeKind::Varbinary(_))
    }

    /// `TIMESTAMP` or `TIMESTAMP_LTZ`: what a time attribute may be.
    pub fn is_timestamp(&self) -> bool {
        matches!(self, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_))
    }

    /// `DATE`, `TIME` or a timestamp.
    pub fn is_datetime(&self) -> bool {
        matches!(self, TypeKind::Date | TypeKind::Time(_) | TypeKind::TimestampTz(_)) || self.is_timestamp()
    }

    /// Either interval.
    pub fn is_interval(&self) -> bool {
        matches!(self, TypeKind::IntervalYearMonth | TypeKind::IntervalDayTime)
    }

    /// `ARRAY`, `MULTISET`, `MAP`, `ROW` or `STRUCTURED`.
    pub fn is_nested(&self) -> bool {
        matches!(
            self,
            TypeKind::Array(_)
                | TypeKind::Multiset(_)
                | TypeKind::Map(_, _)
                | TypeKind::Row(_)
                | TypeKind::Structured { .. }
        )
    }
}

/// How a timestamp of some precision lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Precision 0 to 3: `i64` milliseconds.
    Millis,
    /// Precision 4 to 6: `i64` microseconds.
    Micros,
    /// Precision 7 to 9: a struct of `i64` milliseconds and `i32` nanoseconds within the millisecond.
    MillisAndNanos,
}

impl TimestampUnit {
    /// The layout for a precision.
    pub fn of(precision: u8) -> Self {
        match precision {
            0..=3 => TimestampUnit::Millis,
            4..=6 => TimestampUnit::Micros,
            _ => TimestampUnit::MillisAndNanos,
        }
    }
}
