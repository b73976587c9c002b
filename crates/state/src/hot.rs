//! Containers in memory. An operator's logic works on group numbers; the containers turn keys into
//! numbers ([`GroupTable`]), hold what belongs to a number, and keep the store below informed.
//!
//! Reading order: [`KeyedState`] is what operators use, [`WindowedState`] the same by window,
//! [`TimerQueue`] what the runtime uses; `region` is how changes are tracked and memory is given back,
//! `link` and `values` how keys and values lie in the store, `expiry` when entries are over, `spilled`
//! which keys the store may have. What belongs to a number: [`distinct_view`], [`sorted_view`], [`RowStore`] and others that
//! are a [`GroupEntries`].

mod chunk_column;
mod distinct_view;
mod encoded;
mod expiry;
mod group_table;
mod held;
mod keyed_state;
mod link;
mod list_view;
mod listed_rows;
mod map_view;
mod paged;
mod region;
mod row_arena;
mod row_chunks;
mod row_lists;
mod row_multi_map;
mod row_store;
mod seen;
mod sessions;
mod sizes;
mod sorted_list;
mod sorted_rows;
mod sorted_view;
mod spilled;
mod state_views;
#[cfg(test)]
mod testing;
mod timer_queue;
mod value_table;
mod values;
mod windowed_state;

pub use distinct_view::{
    By, Changed, DistinctEntries, DistinctReader, DistinctRows, DistinctShape, DistinctView, SeenEntries,
    distinct_reader, distinct_view,
};
pub use encoded::Encoding;
pub use expiry::{TtlOptions, TtlUpdate, TtlVisibility};
pub use group_table::GroupTable;
pub use keyed_state::KeyedState;
pub use link::{Cursor, KeyedStateOptions};
pub use list_view::list_view;
pub use listed_rows::{Listed, ListedRows};
pub use map_view::{MapViewOptions, map_view};
pub use region::{EntryPage, GroupEntries};
pub use row_arena::Place;
pub use row_lists::RowLists;
pub use row_multi_map::{Adding, NO_ROW, RowIdentity, RowMultiMap, RowMultiMapOptions};
pub use row_store::RowStore;
pub use seen::FILTERS_MAX;
pub use sessions::{PartedEntries, Placed, Session, Sessions};
pub use sorted_rows::{RowRef, SortedRows};
pub use sorted_view::sorted_view;
pub use state_views::StateViews;
pub use timer_queue::TimerQueue;
pub use values::{Values, take_part};
pub use windowed_state::WindowedState;
