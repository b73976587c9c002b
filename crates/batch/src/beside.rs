//! The part of the tree that calls functions in a process beside the job.

use std::sync::Arc;

use flott_api::ids::Subtask;
use flott_api::{Error, Result};
use flott_graph::spec::{BatchNode, BatchOp, PythonCalcSpec, PythonCorrelateSpec, PythonGroupAggregateSpec};
use flott_operators::beside::Caller;
use flott_operators::factory::FromSpec;
use flott_operators::python_calc::PythonCalc;
use flott_operators::python_correlate::{PythonCorrelate, ROWS_MAX};
use flott_operators::python_group_aggregate::SortedGroups;
use flott_operators::python_over::PythonOver;

use crate::build::{Builder, Tree, by_columns, in_pieces};
use crate::columns;
use crate::exec::{BeginWaiting, Own};
use crate::ordered::Runs;
use crate::over::{Over, OverBeside, OverParts};
use crate::waiting::{Called, Correlated, Grouped, Starting};

/// The number of key groups that functions are told: Flink's for one subtask.
const MAX_PARALLELISM: u32 = 128;

impl Builder<'_> {
    /// The tree of a node that makes calls.
    pub(crate) fn beside(&self, op: &BatchOp, input: Tree, node: &BatchNode) -> Result<Tree> {
        match op {
            BatchOp::PythonCalc(spec) => self.called(spec, input, node),
            BatchOp::PythonCorrelate(spec) => self.joined_with_rows_of(spec, input, node),
            BatchOp::PythonAggregate(spec) => self.grouped(spec, input, node),
            _ => Err(Error::internal("a node of a batch plan makes no calls")),
        }
    }

    /// Who calls: each query is one subtask.
    pub(crate) fn caller(&self) -> Caller {
        let environment = self.compiler.environment.clone();
        Caller { subtask: Subtask { index: 0, parallelism: 1 }, max_parallelism: MAX_PARALLELISM, environment }
    }

    fn called(&self, spec: &PythonCalcSpec, input: Tree, node: &BatchNode) -> Result<Tree> {
        let spec = PythonCalcSpec { output: columns::nullable(&spec.output), ..spec.clone() };
        // What cannot run is refused before the first row is read.
        PythonCalc::from_spec(spec.clone())?;
        let (output, caller) = (columns::loose(&node.output), self.caller());
        let schema = Arc::clone(&output);
        let begin: BeginWaiting = Arc::new(move || {
            let calc = PythonCalc::from_spec(spec.clone())?;
            Ok(Box::new(Called { calc, output: Arc::clone(&output), starting: Starting::new(caller.clone()) }))
        });
        Ok(Own::wait("PythonCalc", input, schema, begin))
    }

    fn joined_with_rows_of(&self, spec: &PythonCorrelateSpec, input: Tree, node: &BatchNode) -> Result<Tree> {
        let spec = PythonCorrelateSpec { output: columns::nullable(&spec.output), ..spec.clone() };
        PythonCorrelate::from_spec(spec.clone())?;
        let (output, caller, moment) = (columns::loose(&node.output), self.caller(), self.compiler.moment());
        let schema = Arc::clone(&output);
        let begin: BeginWaiting = Arc::new(move || {
            let (output, starting) = (Arc::clone(&output), Starting::new(caller.clone()));
            Ok(Box::new(Correlated { correlate: PythonCorrelate::from_spec(spec.clone())?, output, starting, moment }))
        });
        Ok(Own::wait("PythonCorrelate", in_pieces(input, ROWS_MAX.min(self.batch_rows)), schema, begin))
    }

    /// Windows over rows that are sorted.
    pub(crate) fn over_beside(&self, parts: OverParts, input: Tree) -> Result<Tree> {
        let zone = self.compiler.session_zone.clone();
        PythonOver::new(&parts.calls, &parts.input, &zone)?;
        let (output, caller) = (Arc::clone(&parts.output), self.caller());
        let begin: BeginWaiting = Arc::new(move || {
            let calls = PythonOver::new(&parts.calls, &parts.input, &zone)?;
            Ok(Box::new(OverBeside::new(Over::new(parts.clone())?, calls, Starting::new(caller.clone()))))
        });
        Ok(Own::wait("PythonOverAggregate", input, output, begin))
    }

    /// Rows of a group come behind each other, so that no more than one group is under way.
    fn grouped(&self, spec: &PythonGroupAggregateSpec, input: Tree, node: &BatchNode) -> Result<Tree> {
        let (keys, output) = (spec.groups.keys.clone(), columns::loose(&node.output));
        SortedGroups::new(spec.clone(), Arc::clone(&output))?;
        let (input, caller, spec) = (self.sorted(&by_columns(&keys), None, input), self.caller(), spec.clone());
        let schema = Arc::clone(&output);
        let begin: BeginWaiting = Arc::new(move || {
            let groups = SortedGroups::new(spec.clone(), Arc::clone(&output))?;
            let starting = Starting::new(caller.clone());
            Ok(Box::new(Grouped { groups, keys: keys.clone(), runs: Runs::default(), starting }))
        });
        Ok(Own::wait("PythonAggregate", input, schema, begin))
    }
}
