//! What a column means: the table columns that it is made of and how, whatever it is called on the way.
//!
//! By this the keys of state are told apart in an operator's uid. Not in it: aliases, columns that are not part of the
//! expression, nullability, and the plan around. In it: a table's column by name (of a JSON record another name is
//! another field), functions with their versions, constants.

use flott_api::TypeKind;
use flott_api::expr::Expr;
use flott_graph::spec::{AggregateCall, WindowKind, WindowProperty, WindowTime};

use super::uid::short;
use crate::plan::rel::{Scan, WindowAggregate};

/// A text as long as this stays readable in a log; a longer one becomes its hash.
const TEXT_BYTES_MAX: usize = 120;

/// What the columns of a union mean: the same as those of its inputs, in whatever order those come.
pub(super) fn of_union(inputs: &[Vec<String>]) -> Vec<String> {
    let width = inputs.iter().map(Vec::len).min().unwrap_or(0);
    let column = |i: usize| {
        let mut all: Vec<&str> = inputs.iter().map(|columns| columns[i].as_str()).collect();
        all.sort_unstable();
        all.dedup();
        shortened(all.join(" | "))
    };
    (0..width).map(column).collect()
}

/// The keys of state: what each means, and which values it may have.
pub(in crate::plan) fn keys(keys: &[usize], input: &[String], kinds: &[&TypeKind]) -> String {
    let one = |&k: &usize| format!("{} {}", input[k], form(kinds[k]));
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `TUMBLE` of so many milliseconds over a clock.
pub(in crate::plan) fn window_text(window: &WindowKind, time: &str) -> String {
    match window {
        WindowKind::Tumble { size_ms, offset_ms } => format!("tumble({time}, {size_ms}, {offset_ms})"),
        WindowKind::Hop { size_ms, slide_ms, offset_ms } => format!("hop({time}, {slide_ms}, {size_ms}, {offset_ms})"),
        WindowKind::Cumulate { max_size_ms, step_ms, offset_ms } => {
            format!("cumulate({time}, {step_ms}, {max_size_ms}, {offset_ms})")
        }
        WindowKind::Session { gap_ms, .. } => format!("session({time}, {gap_ms})"),
    }
}

/// The clock of a window.
pub(in crate::plan) fn time_text<'t>(time: &WindowTime, input: &'t [String]) -> &'t str {
    match time {
        WindowTime::Rowtime(i) | WindowTime::Attached(i) => &input[*i],
        WindowTime::Proctime => "proctime",
    }
}

/// What the columns of a table mean.
pub(in crate::plan) fn of_scan(scan: &Scan) -> Vec<String> {
    let physical = scan.projection.iter().map(|i| format!("{}.{}", scan.path, scan.schema.fields[*i].name));
    physical.chain(scan.metadata.iter().map(|(key, _)| format!("{}@{key}", scan.path))).collect()
}

/// What the columns of a window aggregation mean.
pub(in crate::plan) fn of_window_aggregate(aggregate: &WindowAggregate, input: &[String]) -> Vec<String> {
    let window = window_text(&aggregate.window, time_text(&aggregate.time, input));
    let property = |property: &WindowProperty| format!("{window}.{property:?}");
    let keys = aggregate.keys.iter().map(|k| input[*k].clone());
    let calls = aggregate.calls.iter().map(|c| call(c, input));
    keys.chain(calls).chain(aggregate.properties.iter().map(property)).collect()
}

/// What an aggregate means.
pub(in crate::plan) fn call(call: &AggregateCall, input: &[String]) -> String {
    let args: Vec<&str> = call.args.iter().map(|a| input[*a].as_str()).collect();
    let distinct = if call.distinct { "distinct " } else { "" };
    let filter = call.filter.map_or(String::new(), |f| format!(" where {}", input[f]));
    format!("{}-{}({distinct}{}{filter})", call.function.name, call.function.version, args.join(", "))
}

/// What an expression means.
pub(in crate::plan) fn expression(expr: &Expr, input: &[String]) -> String {
    let all = |exprs: &[Expr]| exprs.iter().map(|e| expression(e, input)).collect::<Vec<_>>().join(", ");
    match expr {
        Expr::Column { index, .. } => input[*index].clone(),
        Expr::Literal { value, ty } => format!("{value:?} {}", ty.kind),
        Expr::Call { function, args, .. } => format!("{}-{}({})", function.name, function.version, all(args)),
        Expr::Case { branches, otherwise, .. } => {
            let one = |(when, then): &(Expr, Expr)| format!("{}: {}", expression(when, input), expression(then, input));
            let branches: Vec<String> = branches.iter().map(one).collect();
            format!("case({}, {})", branches.join(", "), expression(otherwise, input))
        }
        Expr::Cast { input: from, ty, try_cast } => {
            let cast = if *try_cast { "try_cast" } else { "cast" };
            format!("{cast}({} as {})", expression(from, input), ty.kind)
        }
        Expr::Field { input: row, index, .. } => {
            let name = match &row.ty().kind {
                TypeKind::Row(fields) => fields.get(*index).map(|f| f.name.clone()),
                _ => None,
            };
            format!("{}.{}", expression(row, input), name.unwrap_or_else(|| index.to_string()))
        }
    }
}

/// A text that is not too long to read.
pub(super) fn shortened(text: String) -> String {
    if text.len() > TEXT_BYTES_MAX { short(&text) } else { text }
}

/// What the encoding of a key knows of its type: a wider integer or a longer text has the same keys.
fn form(kind: &TypeKind) -> String {
    match kind {
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt => "integer".to_owned(),
        TypeKind::Float | TypeKind::Double => "float".to_owned(),
        TypeKind::Char(_) | TypeKind::Varchar(_) => "text".to_owned(),
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => "bytes".to_owned(),
        TypeKind::Decimal { scale, .. } => format!("decimal.{scale}"),
        TypeKind::Timestamp(p) => format!("timestamp.{}", p.div_ceil(3)),
        TypeKind::TimestampLtz(p) => format!("timestamp_ltz.{}", p.div_ceil(3)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_type_has_the_same_form_where_its_keys_have_the_same_bytes() {
        let decimal = |precision, scale| form(&TypeKind::Decimal { precision, scale });
        assert_eq!(form(&TypeKind::Int), form(&TypeKind::BigInt));
        assert_eq!(form(&TypeKind::Char(3)), form(&TypeKind::Varchar(9)));
        assert_eq!(decimal(5, 2), decimal(10, 2));
        assert_ne!(decimal(5, 2), decimal(10, 3));
        assert_eq!(form(&TypeKind::Timestamp(1)), form(&TypeKind::Timestamp(3)));
        assert_ne!(form(&TypeKind::Timestamp(3)), form(&TypeKind::Timestamp(6)));
        assert_ne!(form(&TypeKind::Int), form(&TypeKind::Boolean));
    }

    #[test]
    fn a_long_text_becomes_its_hash_and_a_union_has_no_order() {
        assert_eq!(shortened("a".repeat(120)).len(), 120);
        assert_eq!(shortened("a".repeat(121)).len(), 33);
        let (x, y) = (vec!["x".to_owned()], vec!["y".to_owned()]);
        assert_eq!(of_union(&[x.clone(), y.clone()]), of_union(&[y, x.clone(), x]));
    }
}
