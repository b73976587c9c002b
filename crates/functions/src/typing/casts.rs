//! Which casts exist: written ones, silent ones, and those at the door of a sink.

use flott_api::types::LENGTH_MAX;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

/// Whether `CAST(from AS to)` (or `TRY_CAST`) is allowed.
///
/// # Errors
/// If it is not, with Flink's advice where it has one.
pub fn explicit_cast(from: &LogicalType, to: &LogicalType, try_cast: bool) -> Result<()> {
    // Within arrays, maps and rows a variant stays one.
    if castable(&from.kind, &to.kind) && from.kind != TypeKind::Variant {
        return Ok(());
    }
    let word = if try_cast { "TRY_CAST" } else { "CAST" };
    let error = Error::invalid(format!("cannot {word} a value of type {} to {}", from.kind, to.kind));
    Err(match advice(&from.kind, &to.kind) {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

fn advice(from: &TypeKind, to: &TypeKind) -> Option<&'static str> {
    match (from, to) {
        (n, t) if n.is_numeric() && t.is_timestamp() => {
            Some("Use TO_TIMESTAMP_LTZ(numeric, precision), or TO_TIMESTAMP(FROM_UNIXTIME(numeric)).")
        }
        (TypeKind::Variant, _) => {
            Some("Use JSON_STRING(variant), or JSON_VALUE(variant, '$' RETURNING ..) for a number or truth value.")
        }
        (_, TypeKind::Variant) => Some("Use PARSE_JSON on a text of JSON; JSON_STRING makes one of a value."),
        (t, n) if t.is_timestamp() && n.is_numeric() => Some("Use UNIX_TIMESTAMP(CAST(timestamp AS STRING))."),
        _ => None,
    }
}

fn castable(from: &TypeKind, to: &TypeKind) -> bool {
    use TypeKind::*;
    match (from, to) {
        (Null, _) => !matches!(to, Descriptor),
        (_, Char(_) | Varchar(_)) => !matches!(from, Descriptor | Variant | TimestampTz(_)),
        (Char(_) | Varchar(_), Boolean | Binary(_) | Varbinary(_) | Date | Time(_)) => true,
        (Char(_) | Varchar(_), to) => to.is_numeric() || to.is_timestamp(),
        (Binary(_) | Varbinary(_) | Raw { .. }, Binary(_) | Varbinary(_)) => true,
        // A bitmap that is cut or padded is none.
        (Bitmap, Varbinary(LENGTH_MAX)) => true,
        (from, to) if from.is_numeric() || *from == Boolean => to.is_numeric() || *to == Boolean,
        (Date | Time(_), Timestamp(_) | TimestampLtz(_)) | (Date, Date) | (Time(_), Time(_)) => true,
        (Timestamp(_) | TimestampLtz(_), Date | Time(_) | Timestamp(_) | TimestampLtz(_)) => true,
        (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => castable(&a.kind, &b.kind),
        (Map(k, v), Map(l, w)) => castable(&k.kind, &l.kind) && castable(&v.kind, &w.kind),
        (Row(a) | Structured { fields: a, .. }, Row(b) | Structured { fields: b, .. }) => fields(a, b, castable),
        (a, b) => a == b,
    }
}

fn fields(a: &[Field], b: &[Field], rule: fn(&TypeKind, &TypeKind) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| rule(&a.ty.kind, &b.ty.kind))
}

/// Whether a value may become another type without a written cast: Flink's implicit casts, which
/// widen (`INT` to `BIGINT`), change a length or precision (`CHAR(2)` to `STRING`) or pass between
/// the kinds of timestamps.
pub fn implicit_cast(from: &LogicalType, to: &LogicalType) -> bool {
    implicit(&from.kind, &to.kind) && (to.nullable || !from.nullable)
}

/// Whether `INSERT INTO` may put a value of one type into a column of another by a silent cast.
///
/// A `NOT NULL` of the column is not judged here: the sink enforces it per row.
pub fn store_assignment(from: &LogicalType, to: &LogicalType) -> bool {
    implicit(&from.kind, &to.kind)
}

fn implicit(from: &TypeKind, to: &TypeKind) -> bool {
    use TypeKind::*;
    match (from, to) {
        (Null, _) => true,
        (Char(_), Char(_)) | (Binary(_), Binary(_)) => true,
        (Char(_) | Varchar(_), Varchar(_)) | (Binary(_) | Varbinary(_), Varbinary(_)) => true,
        (from, Double | Decimal { .. }) => from.is_numeric(),
        (from, Float) => from.is_exact() || *from == Float,
        (from, to) if from.is_integer() && to.is_integer() => rank(from) <= rank(to),
        (Time(_) | Timestamp(_), Time(_)) | (Timestamp(_), Date) => true,
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => true,
        (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => implicit(&a.kind, &b.kind),
        (Map(k, v), Map(l, w)) => implicit(&k.kind, &l.kind) && implicit(&v.kind, &w.kind),
        (Row(a) | Structured { fields: a, .. }, Row(b) | Structured { fields: b, .. }) => fields(a, b, implicit),
        (a, b) => a == b,
    }
}

fn rank(kind: &TypeKind) -> u8 {
    match kind {
        TypeKind::TinyInt => 0,
        TypeKind::SmallInt => 1,
        TypeKind::Int => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_cast_says_what_to_use_instead() {
        let e = explicit_cast(&LogicalType::new(TypeKind::Int), &LogicalType::new(TypeKind::Timestamp(3)), false);
        let e = e.unwrap_err();
        assert_eq!(e.message(), "cannot CAST a value of type INT to TIMESTAMP(3)");
        assert!(e.hint().unwrap().contains("TO_TIMESTAMP_LTZ"));
    }

    #[test]
    fn silent_casts_only_widen() {
        let is = |a: TypeKind, b: TypeKind| implicit_cast(&LogicalType::new(a), &LogicalType::new(b));
        assert!(is(TypeKind::Int, TypeKind::BigInt));
        assert!(!is(TypeKind::BigInt, TypeKind::Int));
        assert!(is(TypeKind::Int, TypeKind::Decimal { precision: 10, scale: 0 }));
        assert!(is(TypeKind::Char(3), TypeKind::Varchar(3)));
        assert!(!is(TypeKind::Double, TypeKind::Float));
        assert!(!is(TypeKind::Int, TypeKind::Varchar(30)));
    }
}
