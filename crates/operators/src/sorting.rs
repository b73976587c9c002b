//! Orders of columns, as state containers want them and as people read them.

use flott_api::Schema;
use flott_graph::spec::SortField;
use flott_state::key::KeyOrder;

/// Columns with their order.
pub(crate) fn key_order(fields: &[SortField]) -> Vec<(usize, KeyOrder)> {
    let order = |f: &SortField| (f.column, KeyOrder { descending: f.descending, nulls_last: f.nulls_last });
    fields.iter().map(order).collect()
}

/// `ORDER BY x DESC NULLS LAST`, to name a state by.
pub(crate) fn shown(fields: &[SortField], input: &Schema) -> String {
    let field = |f: &SortField| {
        let name = input.fields.get(f.column).map_or("", |c| c.name.as_str());
        let direction = if f.descending { " DESC" } else { "" };
        let nulls = if f.nulls_last { " NULLS LAST" } else { " NULLS FIRST" };
        format!("{name}{direction}{nulls}")
    };
    format!("ORDER BY {}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
}
