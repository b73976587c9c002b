//! Filters of a query as conditions for the server.
//!
//! **Invariant.** The planner keeps every filter, so a condition may let too much through, but must never drop a document
//! whose row the filter takes. A field may be of another type than its column, and becomes a value of it when it is read: a
//! condition takes numbers a little wider, and whatever else can become such a value. What may mean something else on the
//! server stays here: the order of texts (collations), floating points (NaN), `IS NULL` (what is read as null without being
//! it), `<>`.

use bson::{Bson, Document, doc};
use flott_api::expr::{Expr, Value};
use flott_api::types::Field;
use flott_api::{LogicalType, TypeKind};

use crate::decimal::of_unscaled;
use crate::encode::as_object_id;
use crate::kinds::is_plain;

/// A decimal that is as large or larger is not compared: doubles beside it lie too far apart.
const DECIMAL_MAX: u128 = 10_u128.pow(15);
/// Longer lists stay here.
const LIST_MAX: usize = 1000;

/// The conditions of several filters, for those of them that can go there.
pub(crate) fn conditions(filters: &[Expr], fields: &[Field]) -> Vec<Document> {
    filters.iter().filter_map(|filter| widened(filter, fields)).collect()
}

/// A condition that takes all rows that the filter takes, and maybe more.
fn widened(filter: &Expr, fields: &[Field]) -> Option<Document> {
    let Expr::Call { function, args, .. } = filter else {
        return compared(
            filter,
            "=",
            &Expr::literal(Value::Boolean(true), LogicalType::new(TypeKind::Boolean)),
            fields,
        );
    };
    match (function.name.as_str(), args.as_slice()) {
        ("and", args) => {
            let parts: Vec<Document> = args.iter().filter_map(|a| widened(a, fields)).collect();
            (!parts.is_empty()).then(|| crate::bounds::all_of(parts))
        }
        ("or", args) => {
            let parts: Option<Vec<Document>> = args.iter().map(|a| widened(a, fields)).collect();
            parts.map(|parts| doc! { "$or": parts })
        }
        (sign @ ("=" | "<" | "<=" | ">" | ">="), [left, right]) => {
            compared(left, sign, right, fields).or_else(|| compared(right, flipped(sign), left, fields))
        }
        ("in", [column, values @ ..]) if (1..=LIST_MAX).contains(&values.len()) => {
            let parts: Option<Vec<Document>> = values.iter().map(|v| compared(column, "=", v, fields)).collect();
            parts.map(|parts| doc! { "$or": parts })
        }
        ("is not null", [column]) => {
            let field = column_of(column, fields)?;
            // An array that has a null is equal to null there.
            let nested = field.ty.kind.is_character()
                || matches!(field.ty.kind, TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Row(_));
            Some(if nested {
                doc! { &field.name: { "$exists": true } }
            } else {
                doc! { &field.name: { "$ne": null } }
            })
        }
        _ => None,
    }
}

fn flipped(sign: &str) -> &str {
    match sign {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}

/// A column that can be asked for by its name, also one that was only widened.
fn column_of<'a>(expr: &Expr, fields: &'a [Field]) -> Option<&'a Field> {
    let index = match expr {
        Expr::Column { index, .. } => *index,
        Expr::Cast { input, ty, try_cast: false } => {
            let Expr::Column { index, ty: from } = &**input else { return None };
            let both = (from.kind.is_integer()
                && ty.kind.is_integer()
                && integer_bytes(&from.kind) <= integer_bytes(&ty.kind))
                || keeps_texts(&from.kind, &ty.kind);
            if !both {
                return None;
            }
            *index
        }
        _ => return None,
    };
    fields.get(index).filter(|f| is_plain(&f.name))
}

/// Whether a cast leaves texts as they are: it neither cuts nor fills them.
fn keeps_texts(from: &TypeKind, to: &TypeKind) -> bool {
    match (from, to) {
        (TypeKind::Varchar(from) | TypeKind::Char(from), TypeKind::Varchar(to)) => from <= to,
        _ => false,
    }
}

fn integer_bytes(kind: &TypeKind) -> u32 {
    match kind {
        TypeKind::TinyInt => 1,
        TypeKind::SmallInt => 2,
        TypeKind::Int => 4,
        _ => 8,
    }
}

fn compared(column: &Expr, sign: &str, value: &Expr, fields: &[Field]) -> Option<Document> {
    let (field, Expr::Literal { value, ty }) = (column_of(column, fields)?, value) else { return None };
    let (exact, others) = match (&field.ty.kind, value, &ty.kind) {
        (kind, Value::Int(n), of) if kind.is_integer() && of.is_integer() => {
            // A fraction is cut off when it is read.
            let (below, above) = (Bson::Int64(n.checked_sub(1)?), Bson::Int64(n.checked_add(1)?));
            (between(sign, ("$gt", below), ("$lt", above)), vec!["string", "bool", "date", "timestamp"])
        }
        (TypeKind::Decimal { scale, .. }, Value::Decimal(n), TypeKind::Decimal { scale: of, .. }) => {
            (decimal(sign, *n, *of, *scale)?, vec!["string"])
        }
        (TypeKind::Boolean, Value::Boolean(b), _) if sign == "=" => (doc! { "$eq": *b }, vec!["int", "long", "string"]),
        (TypeKind::Timestamp(_), Value::Timestamp { millis, .. }, TypeKind::Timestamp(_))
        | (TypeKind::TimestampLtz(_), Value::Timestamp { millis, .. }, TypeKind::TimestampLtz(_)) => {
            let time = Bson::DateTime(bson::DateTime::from_millis(*millis));
            (between(sign, ("$gte", time.clone()), ("$lte", time)), vec!["timestamp"])
        }
        (kind, Value::String(text), of) if kind.is_character() && of.is_character() && sign == "=" => {
            let mut values = vec![Bson::from(text.as_str())];
            values.extend(as_object_id(text).map(Bson::from));
            (doc! { "$in": values }, types_of(text))
        }
        _ => return None,
    };
    let exact = doc! { &field.name: exact };
    if others.is_empty() {
        return Some(exact);
    }
    let others: Vec<Bson> = others.into_iter().map(Bson::from).collect();
    Some(doc! { "$or": [exact, { &field.name: { "$type": others } }] })
}

/// The side of a comparison, or both.
fn between(sign: &str, lower: (&str, Bson), upper: (&str, Bson)) -> Document {
    let mut condition = Document::new();
    if sign != "<" && sign != "<=" {
        condition.insert(lower.0, lower.1);
    }
    if sign != ">" && sign != ">=" {
        condition.insert(upper.0, upper.1);
    }
    condition
}

/// Wider by one of the last digit, to which a number is rounded when it is read.
fn decimal(sign: &str, value: i128, scale: u8, of_column: u8) -> Option<Document> {
    let unit = 10_i128.pow(scale.saturating_sub(of_column).into());
    if value.unsigned_abs() / 10_u128.pow(scale.into()) >= DECIMAL_MAX {
        return None;
    }
    let bound = |n: Option<i128>| of_unscaled(n?, scale).map(Bson::from);
    let (below, above) = (bound(value.checked_sub(unit))?, bound(value.checked_add(unit))?);
    Some(between(sign, ("$gte", below), ("$lte", above)))
}

/// Of which types besides texts and ids a value may be that is read as this text.
fn types_of(text: &str) -> Vec<&'static str> {
    let mut types = Vec::new();
    let number = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'E'));
    if number || matches!(text, "NaN" | "Infinity" | "-Infinity") {
        types.push("number");
    }
    if matches!(text, "true" | "false") {
        types.push("bool");
    }
    if text.ends_with('Z') && text.contains('T') {
        types.extend(["date", "timestamp"]);
    }
    if text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        types.push("binData");
    }
    let first = [("/", "regex"), ("{", "object"), ("[", "array")];
    types.extend(first.iter().filter(|(start, _)| text.starts_with(start)).map(|(_, name)| *name));
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(filter: &Expr) -> Option<Document> {
        let field = |name: &str, kind| Field::new(name, LogicalType::new(kind));
        let fields = [
            field("i", TypeKind::Int),
            Field::new("s", LogicalType::string()),
            field("n", TypeKind::Decimal { precision: 5, scale: 2 }),
            field("t", TypeKind::TimestampLtz(3)),
            field("b", TypeKind::Boolean),
            field("d", TypeKind::Double),
            field("a.b", TypeKind::Int),
        ];
        conditions(std::slice::from_ref(filter), &fields).pop()
    }

    fn call(name: &str, args: Vec<Expr>) -> Expr {
        Expr::call(name, args, LogicalType::new(TypeKind::Boolean))
    }

    fn column(at: usize, kind: TypeKind) -> Expr {
        Expr::column(at, LogicalType::new(kind))
    }

    fn int(value: i64) -> Expr {
        Expr::literal(Value::Int(value), LogicalType::not_null(TypeKind::Int))
    }

    fn text(value: &str) -> Expr {
        Expr::literal(Value::String(value.to_owned()), LogicalType::string())
    }

    #[test]
    fn comparisons_are_a_little_wider() {
        let i = || column(0, TypeKind::Int);
        let others = doc! { "i": { "$type": ["string", "bool", "date", "timestamp"] } };
        assert_eq!(
            told(&call("=", vec![i(), int(3)])),
            Some(doc! { "$or": [{ "i": { "$gt": 2_i64, "$lt": 4_i64 } }, others.clone()] })
        );
        assert_eq!(told(&call("<=", vec![int(3), i()])), Some(doc! { "$or": [{ "i": { "$gt": 2_i64 } }, others] }));
        let n = Expr::literal(Value::Decimal(150), LogicalType::decimal(3, 2));
        let low: bson::Decimal128 = "1.49".parse().unwrap();
        assert_eq!(
            told(&call(">", vec![column(2, TypeKind::Decimal { precision: 5, scale: 2 }), n])),
            Some(doc! { "$or": [{ "n": { "$gte": low } }, { "n": { "$type": ["string"] } }] })
        );
        let at = Expr::literal(Value::Timestamp { millis: 7, nanos: 5 }, LogicalType::new(TypeKind::TimestampLtz(9)));
        let time = bson::DateTime::from_millis(7);
        assert_eq!(
            told(&call("<", vec![column(3, TypeKind::TimestampLtz(3)), at])),
            Some(doc! { "$or": [{ "t": { "$lte": time } }, { "t": { "$type": ["timestamp"] } }] })
        );
    }

    #[test]
    fn texts_are_found_whatever_they_are_made_of() {
        let s = || Expr::column(1, LogicalType::string());
        let of = |value: &str| told(&call("=", vec![s(), text(value)])).unwrap();
        assert_eq!(of("some thing"), doc! { "s": { "$in": ["some thing"] } });
        let id = bson::oid::ObjectId::parse_str("63932a00da01604af329e33c").unwrap();
        let found = doc! { "s": { "$in": ["63932a00da01604af329e33c", id] } };
        assert_eq!(of("63932a00da01604af329e33c"), doc! { "$or": [found, { "s": { "$type": ["binData"] } }] });
        assert_eq!(types_of("1.0E10"), ["number"]);
        assert_eq!(types_of("-5"), ["number", "binData"]);
        assert_eq!(types_of("1970-01-01T00:00:00Z"), ["date", "timestamp"]);
        assert_eq!(types_of("true"), ["bool"]);
        assert_eq!(types_of("{}"), ["object"]);
    }

    #[test]
    fn what_may_mean_something_else_stays_here() {
        let i = || column(0, TypeKind::Int);
        assert_eq!(told(&call("<>", vec![i(), int(3)])), None);
        assert_eq!(told(&call("is null", vec![i()])), None);
        assert_eq!(told(&call("<", vec![Expr::column(1, LogicalType::string()), text("x")])), None);
        let half = Expr::literal(Value::double(0.5), LogicalType::new(TypeKind::Double));
        assert_eq!(told(&call("=", vec![column(5, TypeKind::Double), half])), None);
        assert_eq!(told(&call("=", vec![column(6, TypeKind::Int), int(3)])), None, "a point leads elsewhere");
        let both = call("and", vec![call("is not null", vec![i()]), call("<>", vec![i(), int(3)])]);
        assert_eq!(told(&both), Some(doc! { "i": { "$ne": null } }), "a part of an AND may stay behind");
        let either = call("or", vec![call("is not null", vec![i()]), call("<>", vec![i(), int(3)])]);
        assert_eq!(told(&either), None);
        let as_text = |ty| {
            let input = Box::new(Expr::column(1, LogicalType::string()));
            Expr::Cast { input, ty: LogicalType::new(ty), try_cast: false }
        };
        let ab = |ty| told(&call("=", vec![as_text(ty), text("ab")]));
        assert_eq!(ab(TypeKind::Varchar(2)), None, "a longer text is cut to it");
        assert_eq!(ab(TypeKind::Char(2)), None, "and a shorter one filled");
        assert!(ab(LogicalType::string().kind).is_some());
        let in_list = call("in", vec![column(4, TypeKind::Boolean), int(3)]);
        assert_eq!(told(&in_list), None);
        assert!(told(&column(4, TypeKind::Boolean)).is_some());
    }
}
