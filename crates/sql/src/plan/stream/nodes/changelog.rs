//! Row kinds as a column, and a column as row kinds.

use flott_api::table::ChangelogMode;
use flott_api::{Error, Result, RowKind};
use flott_graph::spec::{FromChangelogSpec, Spec, ToChangelogSpec};

use crate::plan::print;
use crate::plan::rel::KindNames;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// `TO_CHANGELOG`
#[derive(Clone, Debug)]
pub(in crate::plan) struct ToChangelog {
    /// What each kind is called; a kind without a name is dropped.
    pub(in crate::plan) names: KindNames,
}

/// `FROM_CHANGELOG`
#[derive(Clone, Debug)]
pub(in crate::plan) struct FromChangelog {
    /// The column that names the kind.
    pub(in crate::plan) op: usize,
    /// Which kind each name stands for.
    pub(in crate::plan) names: KindNames,
}

/// A call as Flink shows it.
fn described(call: &str, text: &Text<'_>) -> String {
    let (own, row) = (text.own.join(","), print::record(&text.node.columns));
    format!("ProcessTableFunction(invocation=[{call}], uid=[null], select=[{own}], rowType=[{row}])")
}

fn mapping(names: &KindNames) -> String {
    let pairs = names.iter().map(|(name, kind)| format!("'{name}', '{}'", kind_name(*kind)));
    format!("MAP({})", pairs.collect::<Vec<_>>().join(", "))
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
    fn provides(&self, _: &[Node]) -> Result<ChangelogMode> {
        Ok(ChangelogMode::INSERT_ONLY)
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        described(&format!("TO_CHANGELOG(TABLE(#0), {})", mapping(&self.names)), text)
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
        Ok(ChangelogMode::of(&self.names.iter().map(|(_, kind)| *kind).collect::<Vec<_>>()))
    }

    /// The old row of an update is a row of its own: it comes whether it is wanted or not.
    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        let updates = self.names.iter().any(|(_, kind)| *kind == RowKind::UpdateAfter);
        if wanted == Updates::OnlyAfter && updates {
            return Vec::new();
        }
        vec![Alternative::asking(inputs, wanted)]
    }

    fn upsert_keys(&self, _: &[Node]) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let op = &text.input()[self.op];
        described(&format!("FROM_CHANGELOG(TABLE(#0), DESCRIPTOR('{op}'), {})", mapping(&self.names)), text)
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
