//! The streaming operators, one file each. Each reads its specification from `flott_graph::spec` and
//! gives what Flink's operator of the same name gives, computed a batch at a time.
//!
//! Reading order: [`factory`] lists them. Without state are [`calc`],
//! [`watermark_assigner`], [`window_table_function`], [`python_calc`], [`python_correlate`], [`ml_predict_table_function`],
//! [`drop_update_before`] and [`constraint_enforcer`]; with state are [`values`], [`limit`], [`changelog_normalize`], [`sink_upsert_materializer`],
//! [`deduplicate`], [`rank`], [`temporal_sort`], [`group_aggregate`], [`over_aggregate`],
//! [`match_recognize`], [`process_table_function`] and [`window_aggregate`]. They share
//! [`aggregate`], `window`, `emit`, `sorting`, `timed_rows` and `key_timers`; those that call functions in a process beside
//! the job [`beside`] and [`python_over`].
//! Reading order: [`factory`] lists them; [`calc`] is one without state, [`changelog_normalize`] one with state, and
//! [`group_aggregate`] one with aggregates. What they share: [`aggregate`], `window`, `emit`.

pub mod aggregate;
pub mod beside;
pub mod calc;
pub mod changelog;
pub mod changelog_normalize;
mod condition;
pub mod constraint_enforcer;
pub mod correlate;
pub mod deduplicate;
pub mod drop_update_before;
mod emit;
pub mod expand;
pub mod factory;
pub mod global_group_aggregate;
pub mod group_aggregate;
pub mod incremental_group_aggregate;
pub mod interval_join;
pub mod join;
mod joined;
mod key_timers;
pub mod limit;
pub mod local_group_aggregate;
pub mod local_window_aggregate;
pub mod lookup_join;
pub mod match_recognize;
mod mini_batch;
pub mod mini_batch_assigner;
pub mod ml_predict_table_function;
pub mod multi_join;
pub mod over_aggregate;
pub mod process_table_function;
pub mod python_calc;
pub mod python_correlate;
pub mod python_group_aggregate;
pub mod python_over;
pub mod rank;
pub mod session_aggregate;
pub mod session_table_function;
pub mod sink_upsert_materializer;
mod sorting;
pub mod temporal_join;
pub mod temporal_sort;
mod timed_rows;
pub mod values;
pub mod watermark_assigner;
pub mod watermark_compacting_sink_materializer;
pub mod watermark_timestamp_assigner;
mod window;
pub mod window_aggregate;
pub mod window_deduplicate;
pub mod window_join;
pub mod window_rank;
pub mod window_table_function;

pub use factory::Factory;
