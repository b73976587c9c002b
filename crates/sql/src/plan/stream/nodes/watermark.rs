//! Computes the watermark.

use flott_api::Result;
use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_graph::spec::{Spec, WatermarkAssignerSpec};

use crate::plan::rel::WatermarkOptions;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Watermark {
    /// The rowtime column.
    pub(in crate::plan) rowtime: usize,
    /// The watermark of a row.
    pub(in crate::plan) watermark: Expr,
    /// Whether the source below wants it by split.
    pub(in crate::plan) per_split: bool,
    /// How it comes.
    pub(in crate::plan) options: WatermarkOptions,
}

impl StreamOp for Watermark {
    /// The watermark of an update is as good as that of an insert.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        vec![Alternative::asking(inputs, wanted)]
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        inputs.iter().flat_map(|input| input.upsert_keys.clone()).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let rowtime = &text.input()[self.rowtime];
        format!(
            "WatermarkAssigner(rowtime=[{rowtime}], watermark=[{}]{})",
            text.expr(&self.watermark),
            self.options.text()
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = WatermarkAssignerSpec {
            input: wiring.input(0),
            rowtime: self.rowtime,
            watermark: self.watermark.clone(),
            interval_ms: wiring.settings.watermark_interval_ms,
            on_event: self.options.on_event.unwrap_or(false),
            idle_timeout_ms: self.options.idle_timeout_ms.unwrap_or(wiring.settings.idle_timeout_ms),
            per_split: self.per_split,
            session_zone: wiring.session_zone(),
        };
        Ok(wiring.passing_on(spec.role()?))
    }

    fn expressions(&self) -> Vec<&Expr> {
        vec![&self.watermark]
    }
}
