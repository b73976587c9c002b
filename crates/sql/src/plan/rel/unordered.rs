//! What rows cannot be ordered by: a variant has no order. As a key to group, join or part by it may stand.

use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::SortField;

use super::{Op, Rel};

/// Refuses orders by types that have none.
///
/// # Errors
/// If rows are to be ordered by a variant, or by what holds one.
pub fn check_orders(rel: &Rel) -> Result<()> {
    let order: &[SortField] = match &rel.op {
        Op::Over(over) => &over.order,
        Op::Sort(sort) => &sort.order,
        _ => &[],
    };
    for field in order {
        let column = rel.inputs.first().and_then(|input| input.columns.get(field.column));
        if let Some(column) = column.filter(|column| has_variant(&column.ty)) {
            return Err(Error::invalid(format!("ORDER BY column '{}' of type {}", column.name, column.ty.kind))
                .with_detail("Variants have no order.")
                .with_hint("Order by JSON_VALUE(variant, '$') or JSON_STRING(variant)."));
        }
    }
    rel.inputs.iter().try_for_each(check_orders)
}

fn has_variant(ty: &LogicalType) -> bool {
    match &ty.kind {
        TypeKind::Variant => true,
        TypeKind::Array(element) | TypeKind::Multiset(element) => has_variant(element),
        TypeKind::Map(key, value) => has_variant(key) || has_variant(value),
        TypeKind::Row(fields) | TypeKind::Structured { fields, .. } => {
            fields.iter().any(|field| has_variant(&field.ty))
        }
        _ => false,
    }
}
