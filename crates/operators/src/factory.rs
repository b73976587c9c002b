//! The list of all operators.

use flott_api::operator::{EventTime, Operator, OperatorFactory, OperatorInstance};
use flott_api::process::ProcessFunctions;
use flott_api::{Error, Result};
use flott_graph::spec::{ProcessTableFunctionSpec, Spec, WindowAggregateSpec, WindowTableFunctionSpec};

use crate::calc::Calc;
use crate::changelog::{FromChangelog, ToChangelog};
use crate::changelog_normalize::ChangelogNormalize;
use crate::constraint_enforcer::ConstraintEnforcer;
use crate::correlate::Correlate;
use crate::deduplicate::Deduplicate;
use crate::drop_update_before::DropUpdateBefore;
use crate::expand::Expand;
use crate::global_group_aggregate::GlobalGroupAggregate;
use crate::group_aggregate::GroupAggregate;
use crate::incremental_group_aggregate::IncrementalGroupAggregate;
use crate::interval_join::IntervalJoin;
use crate::join::Join;
use crate::limit::Limit;
use crate::local_group_aggregate::LocalGroupAggregate;
use crate::local_window_aggregate::LocalWindowAggregate;
use crate::lookup_join::LookupJoin;
use crate::match_recognize::MatchRecognize;
use crate::mini_batch_assigner::MiniBatchAssigner;
use crate::ml_predict_table_function::MlPredictTableFunction;
use crate::multi_join::MultiJoin;
use crate::over_aggregate::{OverAggregate, PythonOverAggregate};
use crate::process_table_function::ProcessTableFunction;
use crate::python_calc::PythonCalc;
use crate::python_correlate::PythonCorrelate;
use crate::python_group_aggregate::PythonGroupAggregate;
use crate::rank::Rank;
use crate::session_aggregate::SessionAggregate;
use crate::session_table_function::SessionTableFunction;
use crate::sink_upsert_materializer::SinkUpsertMaterializer;
use crate::temporal_join::TemporalJoin;
use crate::temporal_sort::TemporalSort;
use crate::values::Values;
use crate::watermark_assigner::WatermarkAssigner;
use crate::watermark_compacting_sink_materializer::WatermarkCompactingSinkMaterializer;
use crate::watermark_timestamp_assigner::WatermarkTimestampAssigner;
use crate::window_aggregate::WindowAggregate;
use crate::window_deduplicate::WindowDeduplicate;
use crate::window_join::WindowJoin;
use crate::window_rank::WindowRank;
use crate::window_table_function::WindowTableFunction;

/// An operator that its specification alone makes.
pub trait FromSpec: Operator + Sized + 'static {
    /// The specification.
    type Spec: Spec;

    /// The operator; refuses by name what it cannot do.
    ///
    /// # Errors
    /// If the specification asks for what is not supported.
    fn from_spec(spec: Self::Spec) -> Result<Self>;

    /// How it wants rows and watermarks.
    fn event_time(&self) -> EventTime;
}

type Make = fn(&[u8], &ProcessFunctions) -> Result<OperatorInstance>;

/// Kind and constructor, by kind.
const OPERATORS: &[(&str, Make)] = &[
    entry::<Calc>(),
    entry::<ChangelogNormalize>(),
    entry::<ConstraintEnforcer>(),
    entry::<Correlate>(),
    entry::<Deduplicate>(),
    entry::<DropUpdateBefore>(),
    entry::<Expand>(),
    entry::<FromChangelog>(),
    entry::<GlobalGroupAggregate>(),
    entry::<GroupAggregate>(),
    entry::<IncrementalGroupAggregate>(),
    entry::<IntervalJoin>(),
    entry::<Join>(),
    entry::<Limit>(),
    entry::<LocalGroupAggregate>(),
    entry::<LocalWindowAggregate>(),
    entry::<LookupJoin>(),
    entry::<MatchRecognize>(),
    entry::<MiniBatchAssigner>(),
    entry::<MlPredictTableFunction>(),
    entry::<MultiJoin>(),
    entry::<OverAggregate>(),
    (ProcessTableFunctionSpec::KIND, process_table_function),
    entry::<PythonCalc>(),
    entry::<PythonCorrelate>(),
    entry::<PythonGroupAggregate>(),
    entry::<PythonOverAggregate>(),
    entry::<Rank>(),
    entry::<SinkUpsertMaterializer>(),
    entry::<TemporalJoin>(),
    entry::<TemporalSort>(),
    entry::<ToChangelog>(),
    entry::<Values>(),
    entry::<WatermarkAssigner>(),
    entry::<WatermarkCompactingSinkMaterializer>(),
    entry::<WatermarkTimestampAssigner>(),
    (WindowAggregateSpec::KIND, window_aggregate),
    entry::<WindowDeduplicate>(),
    entry::<WindowJoin>(),
    entry::<WindowRank>(),
    (WindowTableFunctionSpec::KIND, window_table_function),
];

const fn entry<O: FromSpec>() -> (&'static str, Make) {
    (O::Spec::KIND, make::<O>)
}

fn make<O: FromSpec>(spec: &[u8], _: &ProcessFunctions) -> Result<OperatorInstance> {
    instance::<O>(O::Spec::from_bytes(spec)?)
}

/// Sessions lie where their rows are, all other windows where the clock says.
fn window_aggregate(spec: &[u8], _: &ProcessFunctions) -> Result<OperatorInstance> {
    let spec = WindowAggregateSpec::from_bytes(spec)?;
    if spec.window.is_aligned() { instance::<WindowAggregate>(spec) } else { instance::<SessionAggregate>(spec) }
}

/// See [`window_aggregate`].
fn window_table_function(spec: &[u8], _: &ProcessFunctions) -> Result<OperatorInstance> {
    let spec = WindowTableFunctionSpec::from_bytes(spec)?;
    if spec.window.is_aligned() {
        instance::<WindowTableFunction>(spec)
    } else {
        instance::<SessionTableFunction>(spec)
    }
}

/// The function is one of the process, not of the plan.
fn process_table_function(spec: &[u8], functions: &ProcessFunctions) -> Result<OperatorInstance> {
    let operator = ProcessTableFunction::new(ProcessTableFunctionSpec::from_bytes(spec)?, functions)?;
    let event_time = operator.event_time();
    Ok(OperatorInstance { operator: Box::new(operator), event_time })
}

fn instance<O: FromSpec>(spec: O::Spec) -> Result<OperatorInstance> {
    let operator = O::from_spec(spec)?;
    let event_time = operator.event_time();
    Ok(OperatorInstance { operator: Box::new(operator), event_time })
}

/// Builds the operators of this crate.
#[derive(Clone, Debug, Default)]
pub struct Factory {
    functions: ProcessFunctions,
}

impl Factory {
    /// With these process table functions to host.
    pub fn new(functions: ProcessFunctions) -> Self {
        Factory { functions }
    }
}

impl OperatorFactory for Factory {
    fn create(&self, kind: &str, spec: &[u8]) -> Result<OperatorInstance> {
        let (_, make) = OPERATORS
            .iter()
            .find(|(known, _)| *known == kind)
            .ok_or_else(|| Error::internal(format!("there is no operator of kind '{kind}'")))?;
        make(spec, &self.functions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_unknown_kinds_are_named() {
        assert!(OPERATORS.is_sorted_by_key(|(kind, _)| *kind));
        let error = Factory::default().create("sort-9", b"{}").err().unwrap();
        assert_eq!(error.message(), "there is no operator of kind 'sort-9'");
    }

    #[test]
    fn bytes_that_are_no_specification_are_corrupt() {
        for (kind, _) in OPERATORS.iter().filter(|(kind, _)| *kind != "drop-update-before-1") {
            let error = Factory::default().create(kind, b"{}").err().unwrap();
            assert_eq!(error.kind(), flott_api::ErrorKind::Corrupt, "{kind}");
        }
    }
}
