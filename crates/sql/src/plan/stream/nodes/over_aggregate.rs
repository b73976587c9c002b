//! `OVER`: each row with the values of calls over the rows before it.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result};
use flott_graph::spec::{FrameBound, OverAggregateSpec, OverOrder, PythonOverAggregateSpec, Spec};

use super::Distribution;
use crate::plan::TimeAttribute;
use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::rel::Over;
use crate::plan::stream::Node;
use crate::plan::stream::op::{StreamOp, Text, Wired, Wiring, united};

impl Over {
    /// Whether a function of a user is among the calls.
    fn calls_beside(&self) -> bool {
        self.calls.iter().any(|call| call.function.user.is_some())
    }

    /// The order as the operator knows it.
    fn clock(&self, input: &Node) -> Result<OverOrder> {
        let [field] = self.order.as_slice() else {
            return Err(Error::unsupported(format!("an OVER that is ordered by {} columns", self.order.len()))
                .with_hint("Order it by one column, ascending."));
        };
        let column = &input.columns[field.column];
        if field.descending {
            return Err(Error::unsupported("an OVER in descending order")
                .with_detail(format!("Its order is by '{}'.", column.name))
                .with_hint("A ROW_NUMBER may descend if it is limited: WHERE rn <= 10."));
        }
        let is_bounded = self.frame.start != FrameBound::Unbounded;
        match column.time {
            Some(TimeAttribute::Proctime) => Ok(OverOrder::Proctime),
            Some(TimeAttribute::Rowtime) => Ok(OverOrder::Rowtime(field.column)),
            None if is_bounded => {
                Err(Error::unsupported("an OVER with a frame of its own that is not ordered by time")
                    .with_detail(format!("Its order is by '{}', which is no time attribute.", column.name)))
            }
            None => Ok(OverOrder::Columns(vec![*field])),
        }
    }
}

fn only(inputs: &[Node]) -> Result<&Node> {
    inputs.first().ok_or_else(|| Error::internal("an OVER without an input"))
}

impl StreamOp for Over {
    /// By time each row comes out once; by other columns a row changes those behind it.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        match self.clock(only(inputs)?)? {
            OverOrder::Columns(_) => Ok(ChangelogMode::ALL),
            OverOrder::Proctime | OverOrder::Rowtime(_) if united(inputs).is_insert_only() => {
                Ok(ChangelogMode::INSERT_ONLY)
            }
            OverOrder::Proctime | OverOrder::Rowtime(_) => {
                Err(Error::unsupported("an OVER that is ordered by time, of a table with updates"))
            }
        }
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        inputs.iter().flat_map(|input| input.upsert_keys.clone()).collect()
    }

    fn distribution(&self) -> Vec<Distribution> {
        vec![Distribution::by(&self.partition)]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let input = text.input();
        let calls = self.calls.iter().zip(&text.own[input.len()..]);
        let calls = calls.map(|(call, name)| print::aggregate(call, input, name, false));
        let select: Vec<String> = input.iter().cloned().chain(calls).collect();
        let partition = match self.partition.as_slice() {
            [] => String::new(),
            columns => format!("partitionBy=[{}], ", text.picked(columns)),
        };
        let python = if self.calls_beside() { "Python" } else { "" };
        format!(
            "{python}OverAggregate({partition}orderBy=[{}], window=[{}], select=[{}])",
            print::order(&self.order, input),
            print::frame(&self.frame),
            select.join(", ")
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = OverAggregateSpec {
            input: wiring.input(0),
            partition: self.partition.clone(),
            order: self.clock(only(&wiring.node.inputs)?)?,
            frame: self.frame.of_stream().ok_or_else(|| Error::internal("a stream with a frame of batch mode"))?,
            aggregates: self.calls.clone(),
            input_changelog: wiring.input_changelog(0),
            emit_update_before: wiring.emit_update_before(),
            state_ttl_ms: wiring.settings.state_ttl_ms,
            output: wiring.output(),
        };
        let read = wiring.meanings(0);
        let (keys, order) = (wiring.keys_meaning(0, &self.partition), print::order(&self.order, read));
        let over = format!("{keys}; {order};{}", print::frame(&self.frame));
        let calls = self.calls.iter().map(|c| format!("{} over ({over})", meaning::call(c, read)));
        let columns = read.iter().cloned().chain(calls).collect();
        let role = match self.calls_beside() {
            true => PythonOverAggregateSpec { over: spec, session_zone: wiring.session_zone() }.role()?,
            false => spec.role()?,
        };
        Ok(Wired { role, stateful: true, meaning: over, columns })
    }
}
