//! Containers in memory. An operator's logic works on group numbers; the containers turn keys into
//! numbers ([`GroupTable`]) and hold what belongs to a number.

mod group_table;
mod held;
mod map_view;
mod row_store;
mod sorted_view;

pub use group_table::GroupTable;
pub use map_view::{MapViewOptions, map_view};
pub use row_store::{Place, RowStore};
pub use sorted_view::sorted_view;
