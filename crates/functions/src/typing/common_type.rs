//! The type that values of several types have in common: for `CASE`, `COALESCE`, `UNION`,
//! `VALUES`, `IN` and array constructors. Flink's and Calcite's *least restrictive type*.

use flott_api::{Field, LogicalType, TypeKind};

use super::decimal::{self, Digits};

/// The common type, or none if the types do not mix. Nullable if any of them is.
pub fn common_type(types: &[&LogicalType]) -> Option<LogicalType> {
    let (first, rest) = types.split_first()?;
    rest.iter().try_fold((*first).clone(), |found, next| pair(&found, next))
}

fn pair(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    let nullable = a.nullable || b.nullable || a.kind == TypeKind::Null || b.kind == TypeKind::Null;
    Some(LogicalType { kind: common_kind(&a.kind, &b.kind)?, nullable })
}

fn common_kind(a: &TypeKind, b: &TypeKind) -> Option<TypeKind> {
    use TypeKind::*;
    Some(match (a, b) {
        (Null, other) | (other, Null) => other.clone(),
        (a, b) if a == b => a.clone(),
        (a, b) if a.is_numeric() && b.is_numeric() => common_number(a, b),
        (Char(m) | Varchar(m), Char(n) | Varchar(n)) => Varchar(*m.max(n)),
        (Binary(m) | Varbinary(m), Binary(n) | Varbinary(n)) => Varbinary(*m.max(n)),
        (Time(p), Time(q)) => Time(*p.max(q)),
        (Timestamp(p), Timestamp(q)) => Timestamp(*p.max(q)),
        (Timestamp(p) | TimestampLtz(p), Timestamp(q) | TimestampLtz(q)) => TimestampLtz(*p.max(q)),
        (Array(x), Array(y)) => Array(Box::new(pair(x, y)?)),
        (Multiset(x), Multiset(y)) => Multiset(Box::new(pair(x, y)?)),
        (Map(k, v), Map(l, w)) => Map(Box::new(pair(k, l)?), Box::new(pair(v, w)?)),
        (Row(x), Row(y)) if x.len() == y.len() => Row(common_fields(x, y)?),
        _ => return None,
    })
}

fn common_fields(x: &[Field], y: &[Field]) -> Option<Vec<Field>> {
    x.iter().zip(y).map(|(x, y)| Some(Field::new(x.name.clone(), pair(&x.ty, &y.ty)?))).collect()
}

/// The type of two numbers side by side. Of `FLOAT` and `DOUBLE` it is the first, as Calcite has it.
pub(crate) fn common_number(a: &TypeKind, b: &TypeKind) -> TypeKind {
    use TypeKind::*;
    match (a, b) {
        (Float | Double, Float | Double) => a.clone(),
        (Float | Double, Decimal { .. }) | (Decimal { .. }, Float | Double) => Double,
        (Float | Double, _) => a.clone(),
        (_, Float | Double) => b.clone(),
        _ if a.is_integer() && b.is_integer() => wider(a, b).clone(),
        _ => match (Digits::of(a), Digits::of(b)) {
            (Some(x), Some(y)) => decimal::union(x, y).kind(),
            _ => a.clone(),
        },
    }
}

fn wider<'a>(a: &'a TypeKind, b: &'a TypeKind) -> &'a TypeKind {
    if width(a) >= width(b) { a } else { b }
}

fn width(kind: &TypeKind) -> u8 {
    match kind {
        TypeKind::TinyInt => 1,
        TypeKind::SmallInt => 2,
        TypeKind::Int => 4,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(a: TypeKind, b: TypeKind) -> Option<String> {
        common_type(&[&LogicalType::new(a), &LogicalType::new(b)]).map(|t| t.to_string())
    }

    #[test]
    fn types_meet_as_in_flink() {
        use TypeKind::*;
        let decimal = |precision, scale| Decimal { precision, scale };
        for (a, b, expected) in [
            (Int, BigInt, "BIGINT"),
            (Int, decimal(2, 1), "DECIMAL(11, 1)"),
            (decimal(2, 1), Double, "DOUBLE"),
            (Float, Double, "FLOAT"),
            (Double, Float, "DOUBLE"),
            (BigInt, Float, "FLOAT"),
            (Char(1), Char(3), "VARCHAR(3)"),
            (Char(1), Char(1), "CHAR(1)"),
            (Timestamp(1), TimestampLtz(3), "TIMESTAMP_LTZ(3)"),
            (Timestamp(1), Timestamp(6), "TIMESTAMP(6)"),
            (Binary(1), Binary(2), "VARBINARY(2)"),
            (Null, Int, "INT"),
        ] {
            assert_eq!(kind_of(a, b).as_deref(), Some(expected));
        }
        assert_eq!(kind_of(Int, Char(1)), None);
        assert_eq!(kind_of(Date, Timestamp(3)), None);
        assert_eq!(kind_of(Boolean, Int), None);
    }

    #[test]
    fn one_null_makes_it_nullable() {
        let not_null = LogicalType::not_null(TypeKind::Int);
        assert_eq!(common_type(&[&not_null, &not_null]), Some(not_null.clone()));
        let null = LogicalType::new(TypeKind::Null);
        assert_eq!(common_type(&[&not_null, &null]), Some(LogicalType::new(TypeKind::Int)));
    }
}
