//! The kinds of stream nodes, a file each.

mod calc;
mod changelog;
mod changelog_normalize;
mod correlate;
mod drop_update_before;
mod exchange;
mod group_aggregate;
mod join;
mod limit;
mod match_recognize;
mod source;
mod union;
mod values;
mod watermark;
mod window_aggregate;
mod window_table_function;

pub(in crate::plan) use calc::Calc;
pub(in crate::plan) use changelog::{FromChangelog, ToChangelog, kind_name};
pub(in crate::plan) use changelog_normalize::ChangelogNormalize;
pub(in crate::plan) use drop_update_before::DropUpdateBefore;
pub(in crate::plan) use exchange::{Distribution, Exchange};
pub(in crate::plan) use group_aggregate::GroupAggregate;
pub(in crate::plan) use join::Join;
pub(in crate::plan) use limit::Limit;
pub(in crate::plan) use union::Union;
pub(in crate::plan) use values::Values;
pub(in crate::plan) use watermark::Watermark;
pub(in crate::plan) use window_table_function::WindowTableFunction;
