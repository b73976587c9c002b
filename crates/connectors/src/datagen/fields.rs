//! The options of each column: which values it gets.

use flott_api::options::{FromOption, Millis, OptionReader};
use flott_api::types::LENGTH_MAX;
use flott_api::{Error, LogicalType, Result, TypeKind};

/// Length of a `STRING` or `BYTES` without `length`.
const LENGTH_DEFAULT: u32 = 100;
/// Elements of an array, map or multiset without `length`.
const ELEMENTS_DEFAULT: u32 = 3;
/// Longer values are refused: a batch of them would fill the memory.
const LENGTH_LIMIT: u32 = 1 << 20;

/// Which values a column gets.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its type.
    pub(super) ty: LogicalType,
    /// Its values.
    pub(super) values: Values,
    /// The share of nulls, 0 to 1.
    pub(super) null_rate: f64,
}

/// How values are made.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// Integers, both ends included.
    Integer { min: i64, max: i64 },
    /// Floating point numbers.
    Float { min: f64, max: f64 },
    /// Decimals; the ends as unscaled numbers.
    Decimal { min: i128, max: i128 },
    /// Hex digits, or bytes.
    Text { length: u32, variable: bool },
    /// `BOOLEAN`
    Boolean,
    /// Timestamps between that long ago and now.
    Past { max_ms: u64 },
    /// `DATE` and `TIME` of now.
    Now,
    /// One after the other.
    Sequence { start: i64, end: i64 },
    /// Arrays of that length.
    Array { length: u32, element: Box<Node> },
    /// Maps (and multisets) of that length.
    Map { length: u32, key: Box<Node>, value: Box<Node> },
    /// Rows.
    Row(Vec<Node>),
}

impl Node {
    /// Reads the options under `path` (`fields.a`).
    ///
    /// # Errors
    /// If one is wrong, or the type cannot be made up.
    pub(super) fn read(options: &OptionReader<'_>, path: &str, ty: &LogicalType) -> Result<Self> {
        let kinds = [("random", false), ("sequence", true)];
        if options.choice(&format!("{path}.kind"), &kinds, false)? {
            return Node::sequence(options, path, ty);
        }
        let values = random(options, path, ty)?;
        let nullable = !matches!(
            values,
            Values::Array { .. } | Values::Map { .. } | Values::Row(_) | Values::Now | Values::Sequence { .. }
        );
        let null_rate = if nullable { options.value_or(&format!("{path}.null-rate"), 0.0)? } else { 0.0 };
        if !(0.0..=1.0).contains(&null_rate) {
            return Err(Error::invalid(format!("option '{path}.null-rate' must be between 0 and 1")));
        }
        Ok(Node { ty: ty.clone(), values, null_rate })
    }

    fn sequence(options: &OptionReader<'_>, path: &str, ty: &LogicalType) -> Result<Self> {
        let kind = &ty.kind;
        if !(kind.is_numeric() || kind.is_character()) {
            return Err(Error::invalid(format!("option '{path}.kind': there are no sequences of type {ty}")));
        }
        let end_of = |name: &str| -> Result<i64> {
            let key = format!("{path}.{name}");
            options.required(&key)?;
            Ok(options.value(&key)?.unwrap_or_default())
        };
        let (start, end) = (end_of("start")?, end_of("end")?);
        let (lowest, highest) = integer_range(kind).unwrap_or((i64::MIN, i64::MAX));
        if start > end || start < lowest || end > highest {
            let message = format!("options '{path}.start' = '{start}' and '{path}.end' = '{end}' are no range of {ty}");
            return Err(Error::invalid(message));
        }
        if let TypeKind::Decimal { precision, scale } = kind {
            let limit = 10_i128.pow(u32::from(precision - scale));
            if i128::from(start) <= -limit || i128::from(end) >= limit {
                return Err(Error::invalid(format!("option '{path}.end' = '{end}' does not fit {ty}")));
            }
        }
        Ok(Node { ty: ty.clone(), values: Values::Sequence { start, end }, null_rate: 0.0 })
    }

    /// How many rows there can be, if that is limited.
    pub(super) fn rows_max(&self) -> Option<u64> {
        match &self.values {
            Values::Sequence { start, end } => Some(end.abs_diff(*start).saturating_add(1)),
            Values::Row(children) => children.iter().filter_map(Node::rows_max).min(),
            _ => None,
        }
    }
}

fn integer_range(kind: &TypeKind) -> Option<(i64, i64)> {
    Some(match kind {
        TypeKind::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        TypeKind::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        TypeKind::Int => (i32::MIN.into(), i32::MAX.into()),
        TypeKind::BigInt => (i64::MIN, i64::MAX),
        _ => return None,
    })
}

fn random(options: &OptionReader<'_>, path: &str, ty: &LogicalType) -> Result<Values> {
    if let Some((lowest, highest)) = integer_range(&ty.kind) {
        let (min, max) = range(options, path, lowest, highest)?;
        if min < lowest || max > highest {
            return Err(Error::invalid(format!("options '{path}.min' and '{path}.max' must be of type {ty}")));
        }
        return Ok(Values::Integer { min, max });
    }
    Ok(match &ty.kind {
        TypeKind::Float => float(options, path, f64::from(f32::MAX))?,
        TypeKind::Double => float(options, path, f64::MAX)?,
        TypeKind::Decimal { precision, scale } => decimal(options, path, *precision, *scale)?,
        TypeKind::Char(length) | TypeKind::Binary(length) => Values::Text { length: *length, variable: false },
        TypeKind::Varchar(most) | TypeKind::Varbinary(most) => text(options, path, *most)?,
        TypeKind::Boolean => Values::Boolean,
        TypeKind::Date | TypeKind::Time(_) => Values::Now,
        TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_) => {
            Values::Past { max_ms: options.value_or(&format!("{path}.max-past"), Millis(0))?.0 }
        }
        TypeKind::Array(element) => Values::Array {
            length: length(options, path)?,
            element: Box::new(Node::read(options, &format!("{path}.element"), element)?),
        },
        TypeKind::Map(key, value) => Values::Map {
            length: length(options, path)?,
            key: Box::new(Node::read(options, &format!("{path}.key"), key)?),
            value: Box::new(Node::read(options, &format!("{path}.value"), value)?),
        },
        TypeKind::Multiset(element) => {
            let count = Values::Integer { min: 0, max: 9 };
            let ty = LogicalType::not_null(TypeKind::Int);
            Values::Map {
                length: length(options, path)?,
                key: Box::new(Node::read(options, &format!("{path}.element"), element)?),
                value: Box::new(Node { ty, values: count, null_rate: 0.0 }),
            }
        }
        TypeKind::Row(fields) => {
            let child = |f: &flott_api::Field| Node::read(options, &format!("{path}.{}", f.name), &f.ty);
            Values::Row(fields.iter().map(child).collect::<Result<_>>()?)
        }
        _ => return Err(Error::unsupported(format!("type {ty} in connector 'datagen'"))),
    })
}

fn range<T: FromOption + PartialOrd + std::fmt::Display>(
    options: &OptionReader<'_>,
    path: &str,
    lowest: T,
    highest: T,
) -> Result<(T, T)> {
    let min = options.value_or(&format!("{path}.min"), lowest)?;
    let max = options.value_or(&format!("{path}.max"), highest)?;
    if min > max {
        return Err(Error::invalid(format!("option '{path}.min' = '{min}' is more than '{path}.max' = '{max}'")));
    }
    Ok((min, max))
}

fn float(options: &OptionReader<'_>, path: &str, highest: f64) -> Result<Values> {
    let (min, max) = range(options, path, 0.0, highest)?;
    if !min.is_finite() || !max.is_finite() || max > highest || min < -highest {
        return Err(Error::invalid(format!("options '{path}.min' and '{path}.max' must be finite")));
    }
    Ok(Values::Float { min, max })
}

fn decimal(options: &OptionReader<'_>, path: &str, precision: u8, scale: u8) -> Result<Values> {
    let highest = 10_i128.pow(u32::from(precision)) - 1;
    let unit = 10_f64.powi(i32::from(scale));
    let (min, max) = range(options, path, 0.0, highest as f64 / unit)?;
    let unscaled = |value: f64| ((value * unit).round() as i128).clamp(-highest, highest);
    Ok(Values::Decimal { min: unscaled(min), max: unscaled(max) })
}

fn text(options: &OptionReader<'_>, path: &str, most: u32) -> Result<Values> {
    let key = format!("{path}.length");
    let default = if most == LENGTH_MAX { LENGTH_DEFAULT } else { most };
    let length = options.value_or(&key, default)?;
    if length == 0 || length > most || length > LENGTH_LIMIT {
        let limit = most.min(LENGTH_LIMIT);
        return Err(Error::invalid(format!("option '{key}' must be between 1 and {limit}")));
    }
    Ok(Values::Text { length, variable: options.value_or(&format!("{path}.var-len"), false)? })
}

fn length(options: &OptionReader<'_>, path: &str) -> Result<u32> {
    let key = format!("{path}.length");
    let length = options.value_or(&key, ELEMENTS_DEFAULT)?;
    if length > LENGTH_LIMIT {
        return Err(Error::invalid(format!("option '{key}' must be at most {LENGTH_LIMIT}")));
    }
    Ok(length)
}
