//! The result types of the aggregate functions.

use flott_api::expr::FunctionId;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::decimal::{self, Digits};
use crate::registry::Resolved;

/// What `COUNT`, `SUM`, `AVG`, `MIN`, `MAX`, .. take and give. The name is lower-case. The result
/// is nullable, as in Flink, if a group may hold only nulls; a global aggregation makes it nullable
/// on top of that, which the planner does.
///
/// # Errors
/// If there is no such aggregate, or it does not take these arguments.
pub fn aggregate_type(name: &str, args: &[LogicalType], distinct: bool) -> Result<Resolved> {
    let ty = match (name, args) {
        ("count", _) => count(args, distinct)?,
        (_, [arg]) => of_one(name, arg)?,
        (_, _) if known(name) => {
            return Err(Error::invalid(format!("function '{name}' takes 1 argument, not {}", args.len())));
        }
        _ => return Err(unknown(name)),
    };
    Ok(Resolved { id: FunctionId::new(name), args: args.to_vec(), ty })
}

const NAMES: [&str; 8] = ["avg", "count", "first_value", "last_value", "max", "min", "single_value", "sum"];

fn known(name: &str) -> bool {
    NAMES.contains(&name) || name == "$sum0"
}

fn unknown(name: &str) -> Error {
    Error::unsupported(format!("aggregate function '{name}'"))
        .with_hint(format!("Supported aggregate functions are {}.", NAMES.join(", ").to_uppercase()))
}

fn count(args: &[LogicalType], distinct: bool) -> Result<LogicalType> {
    if args.len() > 1 {
        return Err(Error::unsupported("COUNT of several columns"));
    }
    if distinct && args.is_empty() {
        return Err(Error::invalid("COUNT(DISTINCT *) is not valid").with_hint("Name the column to count."));
    }
    Ok(LogicalType::not_null(TypeKind::BigInt))
}

fn of_one(name: &str, arg: &LogicalType) -> Result<LogicalType> {
    let kind = match name {
        "sum" => sum(&arg.kind),
        "$sum0" => return sum(&arg.kind).map(LogicalType::not_null).ok_or_else(|| mismatch("SUM", arg)),
        "avg" => average(&arg.kind),
        "min" | "max" => ordered(&arg.kind).then(|| arg.kind.clone()),
        "first_value" | "last_value" | "single_value" => Some(arg.kind.clone()),
        _ => return Err(unknown(name)),
    };
    let kind = kind.ok_or_else(|| mismatch(&name.to_uppercase(), arg))?;
    Ok(LogicalType { kind, nullable: arg.nullable })
}

fn mismatch(name: &str, arg: &LogicalType) -> Error {
    Error::invalid(format!("cannot apply '{name}' to an argument of type {}", arg.kind))
}

fn sum(kind: &TypeKind) -> Option<TypeKind> {
    match kind {
        TypeKind::Decimal { .. } => Digits::of(kind).map(|d| decimal::total(d).kind()),
        _ if kind.is_numeric() => Some(kind.clone()),
        _ => None,
    }
}

fn average(kind: &TypeKind) -> Option<TypeKind> {
    match kind {
        TypeKind::Decimal { .. } => Digits::of(kind).map(|d| decimal::average(d).kind()),
        _ if kind.is_numeric() => Some(kind.clone()),
        _ => None,
    }
}

fn ordered(kind: &TypeKind) -> bool {
    kind.is_numeric()
        || kind.is_character()
        || kind.is_interval()
        || matches!(kind, TypeKind::Boolean | TypeKind::Date | TypeKind::Time(_))
        || kind.is_timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_have_flinks_types() {
        for (name, kind, expected) in [
            ("sum", TypeKind::Int, "INT"),
            ("avg", TypeKind::Int, "INT"),
            ("avg", TypeKind::Double, "DOUBLE"),
            ("sum", TypeKind::Decimal { precision: 10, scale: 2 }, "DECIMAL(38, 2)"),
            ("avg", TypeKind::Decimal { precision: 10, scale: 2 }, "DECIMAL(38, 6)"),
            ("max", TypeKind::Varchar(3), "VARCHAR(3)"),
            ("count", TypeKind::Varchar(3), "BIGINT NOT NULL"),
        ] {
            let resolved = aggregate_type(name, &[LogicalType::new(kind)], false).unwrap();
            assert_eq!(resolved.ty.to_string(), expected, "{name}");
        }
        let e = aggregate_type("sum", &[LogicalType::string()], false).unwrap_err();
        assert_eq!(e.message(), "cannot apply 'SUM' to an argument of type STRING");
    }
}
