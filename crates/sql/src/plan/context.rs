//! What the planner is given: tables, connectors and the effective configuration.

mod aggregation;
mod batch;
mod sinks;

use std::sync::Arc;

use flott_api::model::ModelProviders;
use flott_api::options::{Millis, OptionReader, Options};
use flott_api::process::ProcessFunction;
use flott_api::table::TableFactory;
use flott_api::{Error, Result};

pub use aggregation::MiniBatches;
pub use batch::BatchMode;
pub use sinks::{KeyedShuffle, SinkSettings, UpsertMaterialize};

use crate::catalog::{FoundFunction, FoundModel, ObjectPath, Relation};

/// The session, as the planner sees it.
pub trait PlanContext {
    /// The table or view of a name of one to three parts, in the current catalog and database; temporary ones first.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    fn relation(&self, name: &[String]) -> Result<Option<(ObjectPath, Relation)>>;

    /// Names of tables and views that the user may have meant.
    fn relation_names(&self) -> Vec<String>;

    /// The connector of an identifier.
    ///
    /// # Errors
    /// If there is none; names those that there are.
    fn factory(&self, connector: &str) -> Result<Arc<dyn TableFactory>>;

    /// The process table function that a user calls by this name; none by default.
    fn process_function(&self, name: &str) -> Option<Arc<dyn ProcessFunction>> {
        let _: &str = name;
        None
    }

    /// Its models; none by default.
    fn models(&self) -> &dyn Models {
        &NoModels
    }

    /// The function that a user has created under a name of one to three parts, with its full name; none by default. A
    /// name alone that `is_built_in` means one of a user only if that is temporary and of the system.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    fn function(&self, name: &[String], is_built_in: bool) -> Result<Option<FoundFunction>> {
        let _: (&[String], bool) = (name, is_built_in);
        Ok(None)
    }

    /// The effective configuration: what `SET` and the configuration files say.
    fn configuration(&self) -> Options;
}

/// The models of a session.
pub trait Models {
    /// The model of a name of one to three parts, in the current catalog and database; temporary ones first.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    fn model(&self, name: &[String]) -> Result<Option<FoundModel>>;

    /// Whose models there may be.
    fn providers(&self) -> ModelProviders;
}

struct NoModels;

impl Models for NoModels {
    fn model(&self, _: &[String]) -> Result<Option<FoundModel>> {
        Ok(None)
    }

    fn providers(&self) -> ModelProviders {
        ModelProviders::default()
    }
}

/// The number of key groups where nothing is configured, as in Flink.
const MAX_PARALLELISM_LEAST: u32 = 128;
/// The most key groups that Flink allows.
const MAX_PARALLELISM_MOST: u32 = 1 << 15;

/// The part of the configuration that shapes plans.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `parallelism.default`
    pub parallelism: u32,
    /// `pipeline.max-parallelism`, or Flink's default for the parallelism.
    pub max_parallelism: u32,
    /// `pipeline.name`
    pub job_name: Option<String>,
    /// `pipeline.auto-watermark-interval`, in milliseconds.
    pub watermark_interval_ms: i64,
    /// `table.local-time-zone`
    pub session_zone: String,
    /// `table.exec.source.idle-timeout`, in milliseconds; 0 for never.
    pub idle_timeout_ms: i64,
    /// `table.exec.state.ttl`, in milliseconds; 0 for never.
    pub state_ttl_ms: i64,
    /// `table.exec.deduplicate.insert-update-after-sensitive-enabled`
    pub deduplicate_insert: bool,
    /// `execution.runtime-mode`
    pub batch: BatchMode,
    /// `table.exec.sink.*`
    pub sinks: SinkSettings,
    /// `table.exec.mini-batch.*`; nothing where rows change groups one by one.
    pub mini_batches: Option<MiniBatches>,
    /// `table.optimizer.agg-phase-strategy`: whether rows are aggregated before they are sent, where that can be.
    pub two_phases: bool,
    /// `table.optimizer.distinct-agg.split.*`: into how many parts the values under a `DISTINCT` are split; nothing also
    /// where the parallelism is too small for that.
    pub distinct_buckets: Option<i32>,
    /// `table.optimizer.multi-join.enabled`: whether joins become one where they can, without a hint.
    pub multi_joins: bool,
    /// `table.dynamic-table-options.enabled`: whether the hint `OPTIONS` is allowed.
    pub dynamic_options: bool,
    /// Everything, as the runtime gets it.
    pub configuration: Options,
}

impl Settings {
    /// The options, and what they should be, without which nothing is aggregated in two phases.
    ///
    /// # Errors
    /// If a value is wrong.
    pub(in crate::plan) fn two_phases_missing(&self) -> Result<Vec<(&'static str, &'static str)>> {
        MiniBatches::missing(&OptionReader::new(&self.configuration, "the configuration"))
    }

    /// Reads the configuration. Keys of others are left alone: the session knows which exist.
    ///
    /// # Errors
    /// If a value is wrong or asks for what is not built.
    pub fn read(configuration: &Options) -> Result<Self> {
        let reader = OptionReader::new(configuration, "the configuration");
        refuse_unbuilt(&reader)?;
        let millis = |key: &str, default: u64| -> Result<i64> {
            let value = reader.value_or(key, Millis(default))?.0;
            i64::try_from(value).map_err(|_| Error::invalid(format!("option '{key}' is too long")))
        };
        let parallelism = parallelism(&reader, "parallelism.default")?.unwrap_or(1);
        Ok(Settings {
            parallelism,
            max_parallelism: max_parallelism(&reader, parallelism)?,
            job_name: reader.text("pipeline.name").map(str::to_owned),
            watermark_interval_ms: millis("pipeline.auto-watermark-interval", 200)?,
            session_zone: match reader.text("table.local-time-zone") {
                None | Some("default") => "UTC".to_owned(),
                Some(zone) => zone.to_owned(),
            },
            idle_timeout_ms: millis("table.exec.source.idle-timeout", 0)?,
            state_ttl_ms: millis("table.exec.state.ttl", 0)?,
            deduplicate_insert: reader
                .value_or("table.exec.deduplicate.insert-update-after-sensitive-enabled", true)?,
            batch: BatchMode::read(&reader)?,
            sinks: SinkSettings::read(&reader)?,
            mini_batches: MiniBatches::read(&reader)?,
            two_phases: aggregation::two_phases(&reader)?,
            distinct_buckets: aggregation::distinct_buckets(&reader, parallelism)?,
            multi_joins: reader.value_or("table.optimizer.multi-join.enabled", false)?,
            dynamic_options: reader.value_or("table.dynamic-table-options.enabled", true)?,
            configuration: configuration.clone(),
        })
    }
}

/// `-1` and nothing mean: as it is by default.
fn parallelism(reader: &OptionReader<'_>, key: &str) -> Result<Option<u32>> {
    match reader.value::<i32>(key)? {
        None | Some(-1) => Ok(None),
        Some(value) if value > 0 => Ok(Some(value as u32)),
        Some(value) => {
            Err(Error::invalid(format!("option '{key}' has the value {value}"))
                .with_hint("A parallelism is at least 1."))
        }
    }
}

fn max_parallelism(reader: &OptionReader<'_>, parallelism_default: u32) -> Result<u32> {
    let key = "pipeline.max-parallelism";
    let configured = parallelism(reader, key)?;
    if let Some(value) = configured
        && !(parallelism_default..=MAX_PARALLELISM_MOST).contains(&value)
    {
        return Err(Error::invalid(format!("option '{key}' has the value {value}")).with_detail(format!(
            "It must be between the parallelism ({parallelism_default}) and {MAX_PARALLELISM_MOST}."
        )));
    }
    Ok(configured.unwrap_or_else(|| default_max_parallelism(parallelism_default)))
}

/// Flink's `computeDefaultMaxParallelism`: half as much again, rounded up to a power of two.
pub(super) fn default_max_parallelism(parallelism: u32) -> u32 {
    let wanted = parallelism.saturating_add(parallelism / 2).checked_next_power_of_two();
    wanted.unwrap_or(MAX_PARALLELISM_MOST).clamp(MAX_PARALLELISM_LEAST, MAX_PARALLELISM_MOST)
}

/// Options that would change results and are not built: key, and the only value that is.
const ONLY: [(&str, &str); 5] = [
    ("table.column-expansion-strategy", ""),
    ("table.exec.legacy-cast-behaviour", "DISABLED"),
    ("table.exec.sink.nested-constraint-enforcer", "IGNORE"),
    ("table.exec.source.cdc-events-duplicate", "false"),
    ("table.legacy-nested-row-nullability", "false"),
];

fn refuse_unbuilt(reader: &OptionReader<'_>) -> Result<()> {
    for (key, built) in ONLY {
        if let Some(value) = reader.text(key)
            && !value.eq_ignore_ascii_case(built)
        {
            return Err(Error::unsupported(format!("the value '{value}' of option '{key}'")));
        }
    }
    Ok(())
}
