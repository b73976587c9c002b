//! The result types of the aggregate functions.

use flott_api::expr::FunctionId;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::decimal::{self, Digits};
use crate::registry::Resolved;

/// What an aggregate takes and gives. The name is lower-case; the planner knows what is written in SQL for it. The
/// result is nullable, as in Flink, if a group may hold only nulls; where there may be no group the planner makes it
/// nullable on top of that ([`is_null_of_nothing`]).
///
/// # Errors
/// If there is no such aggregate, or it does not take these arguments.
pub fn aggregate_type(name: &str, args: &[LogicalType], distinct: bool) -> Result<Resolved> {
    let mut taken = args.to_vec();
    let ty = match (name, args) {
        ("count", _) => count(args, distinct)?,
        ("listagg", [arg] | [arg, _]) => listagg(arg, args)?,
        ("percentile", [arg, places] | [arg, places, _]) => {
            taken[1] = places_type(places)?;
            percentile(arg, args, &taken[1])?
        }
        ("json_objectagg_null_on_null" | "json_objectagg_absent_on_null", [key, _]) => {
            if !key.kind.is_character() {
                return Err(mismatch("JSON_OBJECTAGG", key).with_hint("The keys of a JSON object are texts."));
            }
            json()
        }
        (name, [arg]) if is_of_bitmaps(name) => {
            if takes_integers(name) {
                taken[0].kind = TypeKind::Int;
            }
            of_bitmaps(name, arg)?
        }
        (_, [arg]) => of_one(name, arg)?,
        (_, _) => match takes(name) {
            Some(takes) => {
                let shown = shown(name);
                return Err(Error::invalid(format!("function '{shown}' takes {takes}, not {}", args.len())));
            }
            None => return Err(unknown(name)),
        },
    };
    Ok(Resolved { id: FunctionId::new(name), args: taken, ty })
}

/// Whether the aggregate of no row is null; if not, it is of the type that [`aggregate_type`] says in any case.
pub fn is_null_of_nothing(name: &str) -> bool {
    let of_none = ["count", "$sum0", "collect", "listagg", "array_agg", "array_agg_ignore_nulls"];
    !of_none.contains(&name) && !name.starts_with("json_")
}

fn is_of_bitmaps(name: &str) -> bool {
    name.starts_with("bitmap_") && NAMES.contains(&name)
}

fn takes_integers(name: &str) -> bool {
    name.starts_with("bitmap_build_")
}

/// Nullable in any case, in Flink; integers of up to 32 bits, or `NULL` as it stands, or bitmaps.
fn of_bitmaps(name: &str, arg: &LogicalType) -> Result<LogicalType> {
    let fits = match &arg.kind {
        TypeKind::Bitmap => !takes_integers(name),
        TypeKind::Null | TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int => takes_integers(name),
        _ => false,
    };
    match fits {
        true if name.ends_with("_cardinality_agg") => Ok(LogicalType::new(TypeKind::BigInt)),
        true => Ok(LogicalType::new(TypeKind::Bitmap)),
        false => Err(mismatch(&shown(name), arg)),
    }
}

/// Whether the planner makes it of others before it runs.
pub fn is_variance(name: &str) -> bool {
    matches!(name, "stddev_pop" | "stddev_samp" | "var_pop" | "var_samp")
}

/// What is written in SQL.
const NAMES: [&str; 27] = [
    "array_agg",
    "avg",
    "bitmap_and_agg",
    "bitmap_and_cardinality_agg",
    "bitmap_build_agg",
    "bitmap_build_cardinality_agg",
    "bitmap_or_agg",
    "bitmap_or_cardinality_agg",
    "bitmap_xor_agg",
    "bitmap_xor_cardinality_agg",
    "collect",
    "count",
    "first_value",
    "json_arrayagg",
    "json_objectagg",
    "last_value",
    "listagg",
    "max",
    "min",
    "percentile",
    "single_value",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
];

/// How many arguments a known aggregate takes.
fn takes(name: &str) -> Option<&'static str> {
    match shown(name).to_lowercase().as_str() {
        "listagg" => Some("1 or 2 arguments"),
        "percentile" => Some("2 or 3 arguments"),
        "json_objectagg" => Some("2 arguments"),
        name if name == "$sum0" || NAMES.contains(&name) => Some("1 argument"),
        _ => None,
    }
}

/// The name as it is written in SQL.
fn shown(name: &str) -> String {
    let name = name.trim_end_matches("_null_on_null").trim_end_matches("_absent_on_null");
    name.trim_end_matches("_ignore_nulls").to_uppercase()
}

fn unknown(name: &str) -> Error {
    Error::unsupported(format!("aggregate function '{name}'"))
        .with_hint(format!("Supported aggregate functions are {}.", NAMES.join(", ").to_uppercase()))
}

/// The length that Flink gives to JSON; a longer text is not cut.
const JSON_LENGTH: u32 = 2000;

fn json() -> LogicalType {
    LogicalType::not_null(TypeKind::Varchar(JSON_LENGTH))
}

/// Nullable as its elements are, in Flink; of rows always.
fn array_agg(arg: &LogicalType) -> LogicalType {
    let nullable = arg.nullable || matches!(arg.kind, TypeKind::Row(_));
    LogicalType::new(TypeKind::Array(Box::new(arg.clone()))).with_nullable(nullable)
}

/// The type of the values, whatever becomes of their length.
fn listagg(arg: &LogicalType, args: &[LogicalType]) -> Result<LogicalType> {
    match args.iter().find(|a| !a.kind.is_character()) {
        Some(wrong) => Err(mismatch("LISTAGG", wrong)),
        None => Ok(arg.clone()),
    }
}

/// `DOUBLE`, or an array of it for an array.
fn places_type(places: &LogicalType) -> Result<LogicalType> {
    let double = LogicalType::not_null(TypeKind::Double);
    match &places.kind {
        kind if kind.is_numeric() => Ok(double),
        TypeKind::Array(element) if element.kind.is_numeric() => {
            Ok(LogicalType::not_null(TypeKind::Array(Box::new(double))))
        }
        _ => Err(mismatch("PERCENTILE", places)),
    }
}

fn percentile(arg: &LogicalType, args: &[LogicalType], places: &LogicalType) -> Result<LogicalType> {
    if !arg.kind.is_numeric() {
        return Err(mismatch("PERCENTILE", arg));
    }
    if let Some(frequency) = args.get(2).filter(|f| !f.kind.is_integer()) {
        return Err(mismatch("PERCENTILE", frequency).with_hint("How often a value counts is an integer."));
    }
    let double = LogicalType::new(TypeKind::Double);
    Ok(match places.kind {
        TypeKind::Array(_) => LogicalType::new(TypeKind::Array(Box::new(double))),
        _ => double,
    })
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
        name if is_variance(name) => average(&arg.kind),
        "$welford_m2$1" => return Ok(LogicalType::new(TypeKind::Double)),
        "min" | "max" => ordered(&arg.kind).then(|| arg.kind.clone()),
        "first_value" | "last_value" | "single_value" => Some(arg.kind.clone()),
        "array_agg" | "array_agg_ignore_nulls" => return Ok(array_agg(arg)),
        "collect" => return Ok(LogicalType::not_null(TypeKind::Multiset(Box::new(arg.clone())))),
        "json_arrayagg_null_on_null" | "json_arrayagg_absent_on_null" => return Ok(json()),
        name if takes(name).is_some() => {
            let (shown, takes) = (shown(name), takes(name).unwrap_or_default());
            return Err(Error::invalid(format!("function '{shown}' takes {takes}, not 1")));
        }
        _ => return Err(unknown(name)),
    };
    let kind = kind.ok_or_else(|| mismatch(&shown(name), arg))?;
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
            ("var_pop", TypeKind::Decimal { precision: 10, scale: 2 }, "DECIMAL(38, 6)"),
            ("stddev_samp", TypeKind::TinyInt, "TINYINT"),
            ("listagg", TypeKind::Char(3), "CHAR(3)"),
            ("array_agg", TypeKind::Int, "ARRAY<INT>"),
            ("bitmap_build_agg", TypeKind::SmallInt, "BITMAP"),
            ("bitmap_xor_cardinality_agg", TypeKind::Bitmap, "BIGINT"),
            ("collect", TypeKind::Int, "MULTISET<INT> NOT NULL"),
            ("json_arrayagg_null_on_null", TypeKind::Int, "VARCHAR(2000) NOT NULL"),
        ] {
            let resolved = aggregate_type(name, &[LogicalType::new(kind)], false).unwrap();
            assert_eq!(resolved.ty.to_string(), expected, "{name}");
        }
        let e = aggregate_type("sum", &[LogicalType::string()], false).unwrap_err();
        assert_eq!(e.message(), "cannot apply 'SUM' to an argument of type STRING");
    }

    #[test]
    fn percentiles_are_doubles_of_literals_that_are_made_doubles() {
        let int = LogicalType::new(TypeKind::Int);
        let place = LogicalType::decimal(2, 1);
        let places = LogicalType::new(TypeKind::Array(Box::new(place.clone())));
        for (places, taken, given) in
            [(place, "DOUBLE NOT NULL", "DOUBLE"), (places, "ARRAY<DOUBLE NOT NULL> NOT NULL", "ARRAY<DOUBLE>")]
        {
            let resolved = aggregate_type("percentile", &[int.clone(), places, int.clone()], false).unwrap();
            assert_eq!((resolved.args[1].to_string().as_str(), resolved.ty.to_string().as_str()), (taken, given));
        }
        let e = aggregate_type("percentile", &[int], false).unwrap_err();
        assert_eq!(e.message(), "function 'PERCENTILE' takes 2 or 3 arguments, not 1");
    }
}
