//! Which types of columns cross, and what is wrong with a value that does not fit.

use flott_api::types::Field;
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};

/// The field that names a document.
pub(crate) const ID: &str = "_id";

/// Checks that all columns can be read and written, as in Flink.
///
/// # Errors
/// Names the first column that cannot.
pub(crate) fn check(schema: &Schema) -> Result<()> {
    for field in &schema.fields {
        check_type(&field.ty).map_err(|part| refused(field, &part))?;
    }
    Ok(())
}

/// The part of a type that cannot cross.
fn check_type(ty: &LogicalType) -> std::result::Result<(), LogicalType> {
    match &ty.kind {
        TypeKind::Boolean
        | TypeKind::TinyInt
        | TypeKind::SmallInt
        | TypeKind::Int
        | TypeKind::BigInt
        | TypeKind::Float
        | TypeKind::Double
        | TypeKind::Decimal { .. }
        | TypeKind::Char(_)
        | TypeKind::Varchar(_)
        | TypeKind::Binary(_)
        | TypeKind::Varbinary(_)
        | TypeKind::Timestamp(_)
        | TypeKind::TimestampLtz(_)
        | TypeKind::IntervalYearMonth
        | TypeKind::IntervalDayTime => Ok(()),
        TypeKind::Array(element) => check_type(element),
        TypeKind::Map(key, value) if key.kind.is_character() => check_type(value),
        TypeKind::Row(fields) => fields.iter().try_for_each(|f| check_type(&f.ty)),
        _ => Err(ty.clone()),
    }
}

fn refused(field: &Field, part: &LogicalType) -> Error {
    let error = Error::unsupported(format!("column '{}' of type {} of connector 'mongodb'", field.name, field.ty));
    match part.kind {
        TypeKind::Date | TypeKind::Time(_) => error
            .with_detail(format!("BSON has no type for {part}, in Flink neither."))
            .with_hint("Declare TIMESTAMP_LTZ(3), and CAST it in the query."),
        TypeKind::Map(..) => error.with_detail("The keys of a map are names of fields: they must be STRING."),
        _ => error.with_hint("The types that MongoDB and Flott exchange are listed in docs/mongodb.md."),
    }
}

/// Whether a type can be a part of the primary key, as in Flink.
pub(crate) fn is_key(kind: &TypeKind) -> bool {
    !matches!(
        kind,
        TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Row(_)
    )
}

/// Whether a column's name is that of a field at the top in every command: a point leads into a document there, and a
/// dollar makes an operator.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('$') && !name.contains(['.', '\0'])
}

/// What is wrong with a value, and where.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// From the outside in.
    path: Vec<String>,
    problem: String,
}

impl Misfit {
    /// Something that is wrong here.
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Misfit { path: Vec::new(), problem: problem.into() }
    }

    /// It is in this field.
    pub(crate) fn within(mut self, field: &str) -> Self {
        self.path.insert(0, field.to_owned());
        self
    }

    /// `field 'a.b' is ..`
    pub(crate) fn told(&self) -> String {
        format!("field '{}' {}", self.path.join("."), self.problem)
    }
}

impl From<bson::error::Error> for Misfit {
    fn from(error: bson::error::Error) -> Self {
        Misfit::new(format!("is damaged: {error}"))
    }
}

/// The name of a BSON type.
pub(crate) fn type_name(value: &bson::RawBsonRef<'_>) -> &'static str {
    use bson::RawBsonRef as Raw;
    match value {
        Raw::Double(_) => "a double",
        Raw::String(_) => "a string",
        Raw::Array(_) => "an array",
        Raw::Document(_) => "a document",
        Raw::Boolean(_) => "a boolean",
        Raw::Null => "null",
        Raw::RegularExpression(_) => "a regular expression",
        Raw::JavaScriptCode(_) | Raw::JavaScriptCodeWithScope(_) => "JavaScript",
        Raw::Int32(_) => "an int",
        Raw::Int64(_) => "a long",
        Raw::Timestamp(_) => "a timestamp",
        Raw::Binary(_) => "binary data",
        Raw::ObjectId(_) => "an ObjectId",
        Raw::DateTime(_) => "a date",
        Raw::Symbol(_) => "a symbol",
        Raw::Decimal128(_) => "a decimal",
        Raw::Undefined => "undefined",
        Raw::MaxKey => "the greatest key",
        Raw::MinKey => "the smallest key",
        Raw::DbPointer(_) => "a pointer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_do_not_cross_are_named() {
        let told = |kind| {
            let error = check(&Schema::new(vec![Field::new("c", LogicalType::new(kind))])).unwrap_err();
            format!("{} {}", error.message(), error.detail().unwrap_or_default())
        };
        assert!(
            told(TypeKind::Date).contains("column 'c' of type DATE")
                && told(TypeKind::Date).contains("no type for DATE")
        );
        let map = TypeKind::Map(Box::new(LogicalType::new(TypeKind::Int)), Box::new(LogicalType::string()));
        assert!(told(TypeKind::Array(Box::new(LogicalType::new(map)))).contains("must be STRING"));
        let row = TypeKind::Row(vec![Field::new("x", LogicalType::new(TypeKind::Time(0)))]);
        assert!(told(row).contains("no type for TIME(0)"));
    }
}
