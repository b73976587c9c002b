//! What `EXPLAIN PLAN_ADVICE` advises: which options would let an aggregation work in two phases.
//!
//! Flink counterpart: `GroupAggregationAnalyzer`. **Does not:** Flink's warnings of functions that give another value when
//! a row is taken back (`NonDeterministicUpdateAnalyzer`); a plan with such functions over updates is refused.

use flott_api::{Error, Result};

use crate::plan::Settings;
use crate::plan::lower::is_volatile;
use crate::plan::stream::{Node, Op, Pipeline, may_have_two_phases};

/// The advice for a plan.
pub(super) struct Advice {
    /// Nothing where all that would help is done.
    text: Option<String>,
}

impl Advice {
    /// # Errors
    /// If there is something to warn of, which is not built.
    pub(super) fn of(settings: &Settings, pipelines: &[Pipeline]) -> Result<Self> {
        pipelines.iter().try_for_each(|pipeline| check(&pipeline.root))?;
        let missing = settings.two_phases_missing()?;
        let concerns_any = pipelines.iter().any(|pipeline| any(&pipeline.root, &may_have_two_phases));
        let text = (concerns_any && !missing.is_empty()).then(|| {
            let options: Vec<String> = missing.iter().map(|(key, value)| format!("'{key}' to {value}")).collect();
            let options = options.join(", ");
            format!("[ADVICE] You might want to enable local-global two-phase optimization by configuring ({options}).")
        });
        Ok(Advice { text })
    }

    /// The line of a node, with the number of the advice if it concerns the node.
    pub(super) fn marked(&self, node: &Node, line: String) -> String {
        match self.text.is_some() && may_have_two_phases(node) {
            true => line.replacen('(', "(advice=[1], ", 1),
            false => line,
        }
    }

    /// What stands below the plan.
    pub(super) fn below(&self) -> String {
        match &self.text {
            Some(text) => format!("advice[1]: {text}\n"),
            None => "No available advice...\n".to_owned(),
        }
    }
}

fn any(node: &Node, is_it: &impl Fn(&Node) -> bool) -> bool {
    is_it(node) || node.inputs.iter().any(|input| any(input, is_it))
}

/// Refuses what Flink may warn of.
fn check(root: &Node) -> Result<()> {
    let over_updates = |node: &Node| node.inputs.iter().any(|input| !input.changelog.is_insert_only());
    let changes = |node: &Node| match &node.op {
        Op::Source(scan) => !scan.metadata.is_empty() && !node.changelog.is_insert_only(),
        Op::LookupJoin(_) => over_updates(node),
        _ => over_updates(node) && is_volatile(node),
    };
    match any(root, &changes) {
        true => Err(Error::unsupported("PLAN_ADVICE in EXPLAIN of functions that change, over updates")
            .with_detail("A row that is taken back may have other values then.")),
        false => Ok(()),
    }
}
