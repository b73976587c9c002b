//! Row kinds as a column, and a column as row kinds.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result, RowKind};
use flott_graph::spec::{FromChangelogSpec, Spec, ToChangelogSpec};

use super::process::check_time;
use crate::plan::print;
use crate::plan::rel::{Given, Invocation, KindNames};
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// Where the arguments of both begin that every such function has.
const ON_TIME: usize = 3;

/// `TO_CHANGELOG`
#[derive(Clone, Debug)]
pub(in crate::plan) struct ToChangelog {
    /// What each kind is called; a kind without a name is dropped.
    pub(in crate::plan) names: KindNames,
    /// How it is shown.
    pub(in crate::plan) call: Invocation,
}

/// `FROM_CHANGELOG`
#[derive(Clone, Debug)]
pub(in crate::plan) struct FromChangelog {
    /// The column that names the kind.
    pub(in crate::plan) op: usize,
    /// Which kind each name stands for.
    pub(in crate::plan) names: KindNames,
    /// How it is shown.
    pub(in crate::plan) call: Invocation,
}

/// A call as Flink shows it.
pub(super) fn described(call: &Invocation, text: &Text<'_>) -> String {
    let (own, row) = (text.own.join(","), print::record(&text.node.columns));
    let (shown, uid) = (print::invocation(call, text.style), call.uid.as_deref().unwrap_or("null"));
    format!("ProcessTableFunction(invocation=[{shown}], uid=[{uid}], select=[{own}], rowType=[{row}])")
}

/// `UPDATE_BEFORE`
pub(in crate::plan) fn kind_name(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Insert => "INSERT",
        RowKind::UpdateBefore => "UPDATE_BEFORE",
        RowKind::UpdateAfter => "UPDATE_AFTER",
        RowKind::Delete => "DELETE",
    }
}

impl StreamOp for ToChangelog {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        let has_time = self.call.arguments.iter().skip(ON_TIME).any(|a| matches!(a, Given::Descriptor(_)));
        check_time(&self.call, has_time, united(inputs))?;
        Ok(ChangelogMode::INSERT_ONLY)
    }

    /// Every change is shown: also the old row of an update, where there is one.
    fn alternatives(&self, inputs: &[Node], _: Updates) -> Vec<Alternative> {
        [Updates::BeforeAndAfter, Updates::OnlyAfter].map(|updates| Alternative::asking(inputs, updates)).into()
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        described(&self.call, text)
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let names = self.names.iter().map(|(name, kind)| (*kind, name.clone())).collect();
        let spec = ToChangelogSpec { input: wiring.input(0), names, output: wiring.output() };
        let columns = std::iter::once("kind".to_owned()).chain(wiring.meanings(0).iter().cloned()).collect();
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }
}

impl StreamOp for FromChangelog {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        if !united(inputs).is_insert_only() {
            return Err(Error::invalid("FROM_CHANGELOG over a table with updates")
                .with_detail("It makes changes of inserted rows."));
        }
        // Whatever it names, as in Flink.
        Ok(ChangelogMode::ALL)
    }

    /// The old row of an update is a row of its own: it comes whether it is wanted or not.
    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        if wanted == Updates::OnlyAfter {
            return Vec::new();
        }
        vec![Alternative::asking(inputs, wanted)]
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        described(&self.call, text)
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = FromChangelogSpec {
            input: wiring.input(0),
            op: self.op,
            kinds: self.names.clone(),
            output: wiring.output(),
        };
        let mut columns = wiring.meanings(0).to_vec();
        columns.remove(self.op);
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }
}
