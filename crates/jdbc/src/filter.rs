//! Filters of a query as conditions for a database.
//!
//! **Invariant.** The planner keeps every filter, so a condition may let too much through, but must never drop a row that
//! the filter takes. So only comparisons go there that mean the same in both, on values that are read as they lie there:
//! no floats (NaN), no decimals (they are rounded when they are read), no order of texts (collations), and no times that
//! lose digits.

use flott_api::expr::{Expr, Value};
use flott_api::types::Field;
use flott_api::{LogicalType, Result, Schema};

use crate::columns::Kind;
use crate::dialect::{DbColumn, DbTable, Dialect};

/// Columns of the table: what they are compared as, if they can be, and how they were declared.
pub(crate) struct FilterColumns<'a> {
    pub(crate) compared: &'a [Option<String>],
    pub(crate) fields: &'a [Field],
    pub(crate) dialect: &'a dyn Dialect,
}

/// What the columns of a table are compared as: what they are read as, behind `prefix`. A value of `json` is no text to
/// every database.
///
/// # Errors
/// If the table has not all of these columns.
pub(crate) fn compared(
    table: &DbTable,
    schema: &Schema,
    prefix: &str,
    dialect: &dyn Dialect,
) -> Result<Vec<Option<String>>> {
    let columns = table.of_schema(schema)?;
    let one = |(column, field): (&DbColumn, &Field)| {
        let read = dialect.readable(column, &field.ty).ok().filter(|_| column.base != "json");
        read.map(|read| format!("{prefix}{read}"))
    };
    Ok(columns.iter().zip(&schema.fields).map(one).collect())
}

/// The condition of several filters; nothing if none of them can go there.
pub(crate) fn condition(filters: &[Expr], columns: &FilterColumns<'_>) -> Option<String> {
    let parts: Vec<String> = filters.iter().filter_map(|f| columns.widened(f)).collect();
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

impl FilterColumns<'_> {
    /// A condition that takes all rows that the filter takes, and maybe more.
    fn widened(&self, filter: &Expr) -> Option<String> {
        let Expr::Call { function, args, .. } = filter else { return self.is_true(filter) };
        match (function.name.as_str(), args.as_slice()) {
            ("and", args) => {
                let parts: Vec<String> = args.iter().filter_map(|a| self.widened(a)).collect();
                (!parts.is_empty()).then(|| format!("({})", parts.join(" AND ")))
            }
            ("or", args) => {
                let parts: Option<Vec<String>> = args.iter().map(|a| self.widened(a)).collect();
                parts.map(|parts| format!("({})", parts.join(" OR ")))
            }
            (sign @ ("=" | "<>" | "<" | "<=" | ">" | ">="), [left, right]) => {
                self.compared(left, sign, right).or_else(|| self.compared(right, flipped(sign), left))
            }
            ("in", [column, values @ ..]) => {
                let (name, ty, _) = self.column(column)?;
                let values: Option<Vec<String>> = values.iter().map(|v| self.constant(v, ty)).collect();
                values.filter(|v| !v.is_empty()).map(|v| format!("{name} IN ({})", v.join(", ")))
            }
            ("is null" | "is not null", [column]) => {
                let (name, _, kind) = self.column(column)?;
                // A decimal without room is read as null.
                let exact = !matches!(kind, Kind::Decimal { .. });
                exact.then(|| format!("{name} {}", function.name.to_uppercase()))
            }
            _ => None,
        }
    }

    fn is_true(&self, filter: &Expr) -> Option<String> {
        let (name, _, kind) = self.column(filter)?;
        if kind != Kind::Bool {
            return None;
        }
        Some(format!("{name} = {}", self.dialect.literal(&Value::Boolean(true), filter.ty())?))
    }

    fn compared(&self, column: &Expr, sign: &str, value: &Expr) -> Option<String> {
        let (name, ty, kind) = self.column(column)?;
        if kind == Kind::Text && sign != "=" {
            return None;
        }
        Some(format!("{name} {sign} {}", self.constant(value, ty)?))
    }

    /// A column that can be compared, also one that was only widened.
    fn column(&self, expr: &Expr) -> Option<(&str, &LogicalType, Kind)> {
        let index = match expr {
            Expr::Column { index, .. } => *index,
            Expr::Cast { input, ty, try_cast: false } => {
                let Expr::Column { index, ty: from } = &**input else { return None };
                let both = (from.kind.is_integer() && ty.kind.is_integer())
                    || (from.kind.is_character() && ty.kind.is_character());
                let bytes = |ty: &LogicalType| Kind::of(&Field::new("", ty.clone())).ok()?.integer_bytes();
                if !both || bytes(from) > bytes(ty) {
                    return None;
                }
                *index
            }
            _ => return None,
        };
        let field = self.fields.get(index)?;
        Some((self.compared.get(index)?.as_deref()?, &field.ty, Kind::of(field).ok()?))
    }

    fn constant(&self, value: &Expr, of: &LogicalType) -> Option<String> {
        let Expr::Literal { value, ty } = value else { return None };
        let kind = Kind::of(&Field::new("", of.clone())).ok()?;
        let of_value = Kind::of(&Field::new("", ty.clone())).ok()?;
        let comparable = match kind {
            Kind::Text => of_value == Kind::Text,
            Kind::Bool | Kind::Date => of_value == kind,
            Kind::Timestamp { micros: true } => matches!(of_value, Kind::Timestamp { .. }),
            Kind::Ltz { micros: true } => matches!(of_value, Kind::Ltz { .. }),
            _ => kind.integer_bytes().is_some() && of_value.integer_bytes().is_some(),
        };
        if comparable { self.dialect.literal(value, ty) } else { None }
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

#[cfg(test)]
mod tests {
    use flott_api::TypeKind;

    use super::*;
    use crate::postgres::PostgreSql;

    fn sql(filter: &Expr) -> Option<String> {
        let fields = [
            Field::new("a", LogicalType::new(TypeKind::Int)),
            Field::new("b", LogicalType::string()),
            Field::new("c", LogicalType::decimal(5, 2)),
            Field::new("d", LogicalType::new(TypeKind::Timestamp(3))),
            Field::new("e", LogicalType::new(TypeKind::Timestamp(6))),
        ];
        let compared: Vec<_> = fields.iter().map(|f| Some(format!("\"{}\"", f.name))).collect();
        condition(
            std::slice::from_ref(filter),
            &FilterColumns { compared: &compared, fields: &fields, dialect: &PostgreSql },
        )
    }

    fn boolean(name: &str, args: Vec<Expr>) -> Expr {
        Expr::call(name, args, LogicalType::new(TypeKind::Boolean))
    }

    fn int(value: i64) -> Expr {
        Expr::literal(Value::Int(value), LogicalType::not_null(TypeKind::Int))
    }

    fn column(index: usize, kind: TypeKind) -> Expr {
        Expr::column(index, LogicalType::new(kind))
    }

    #[test]
    fn comparisons_go_to_the_database() {
        let a = || column(0, TypeKind::Int);
        assert_eq!(sql(&boolean(">", vec![a(), int(3)])).as_deref(), Some("\"a\" > 3"));
        assert_eq!(sql(&boolean(">", vec![int(3), a()])).as_deref(), Some("\"a\" < 3"));
        assert_eq!(sql(&boolean("in", vec![a(), int(3), int(4)])).as_deref(), Some("\"a\" IN (3, 4)"));
        let wide = Expr::Cast { input: Box::new(a()), ty: LogicalType::new(TypeKind::BigInt), try_cast: false };
        assert_eq!(sql(&boolean("=", vec![wide, int(3)])).as_deref(), Some("\"a\" = 3"));
        let text = Expr::literal(Value::String("it's".to_owned()), LogicalType::string());
        let b = || Expr::column(1, LogicalType::string());
        assert_eq!(sql(&boolean("=", vec![b(), text.clone()])).as_deref(), Some("\"b\" = 'it''s'"));
        let stamp = Value::Timestamp { millis: -1, nanos: 500_000 };
        let stamp = Expr::literal(stamp, LogicalType::new(TypeKind::Timestamp(6)));
        let later = boolean(">", vec![column(4, TypeKind::Timestamp(6)), stamp.clone()]);
        assert_eq!(sql(&later).as_deref(), Some("\"e\" > TIMESTAMP '1969-12-31 23:59:59.999500'"));
        // What may mean something else there stays here.
        assert_eq!(sql(&boolean("<", vec![b(), text])), None);
        assert_eq!(sql(&boolean(">", vec![column(3, TypeKind::Timestamp(3)), stamp])), None);
        let c = || Expr::column(2, LogicalType::decimal(5, 2));
        assert_eq!(sql(&boolean("is null", vec![c()])), None);
        assert_eq!(sql(&boolean("is null", vec![b()])).as_deref(), Some("\"b\" IS NULL"));
    }

    #[test]
    fn a_part_of_an_and_may_stay_behind_but_none_of_an_or() {
        let known = || boolean("=", vec![column(0, TypeKind::Int), int(1)]);
        let unknown = || boolean("like", vec![column(1, TypeKind::Int), int(1)]);
        assert_eq!(sql(&boolean("and", vec![known(), unknown()])).as_deref(), Some("(\"a\" = 1)"));
        assert_eq!(sql(&boolean("or", vec![known(), unknown()])), None);
        assert_eq!(sql(&boolean("or", vec![known(), known()])).as_deref(), Some("(\"a\" = 1 OR \"a\" = 1)"));
        assert_eq!(sql(&boolean("not", vec![known()])), None);
    }
}
