//! `ORDER BY` of a time, and of more.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{SortField, SortTime, Spec, TemporalSortSpec};

use super::Distribution;
use crate::plan::TimeAttribute;
use crate::plan::print;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct TemporalSort {
    /// The order; its first column is a time.
    pub(in crate::plan) order: Vec<SortField>,
}

impl TemporalSort {
    /// The time, and the order of rows of one time.
    fn time(&self, inputs: &[Node]) -> Result<(SortTime, &[SortField])> {
        let columns = inputs.first().map(|input| input.columns.as_slice()).unwrap_or_default();
        let first = self.order.split_first().filter(|(first, _)| !first.descending);
        let time = first.and_then(|(first, rest)| Some((columns.get(first.column)?.time?, first.column, rest)));
        match time {
            Some((TimeAttribute::Proctime, _, rest)) => Ok((SortTime::Proctime, rest)),
            Some((TimeAttribute::Rowtime, column, rest)) => Ok((SortTime::Rowtime(column), rest)),
            None => {
                Err(Error::unsupported("ORDER BY without LIMIT, unless it begins with a time attribute, ascending")
                    .with_detail("A stream has no end, so no row is ever known to be the first.")
                    .with_hint("Add a LIMIT, or order by the rowtime."))
            }
        }
    }
}

impl StreamOp for TemporalSort {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        self.time(inputs)?;
        match united(inputs) {
            mode if mode.is_insert_only() => Ok(mode),
            _ => Err(Error::unsupported("ORDER BY time of a table with updates")),
        }
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        inputs.iter().flat_map(|input| input.upsert_keys.clone()).collect()
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::Single]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        format!("TemporalSort(orderBy=[{}])", print::order(&self.order, text.input()))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let (time, order) = self.time(&wiring.node.inputs)?;
        let spec = TemporalSortSpec { input: wiring.input(0), time, order: order.to_vec() };
        let meaning = print::order(&self.order, wiring.meanings(0));
        Ok(Wired { stateful: true, meaning, ..wiring.passing_on(spec.role()?) })
    }
}
