//! Relations whose row kinds are a column.

use flott_api::{LogicalType, RowKind};

use super::{Column, Invocation, Op, Rel};

/// Which kind each name stands for.
pub type KindNames = Vec<(String, RowKind)>;

impl Rel {
    /// Every change as a row, with its kind in a column in front.
    #[must_use]
    pub fn to_changelog(self, op: &str, names: KindNames, call: Invocation) -> Rel {
        let own = self.columns.iter().cloned();
        let columns = std::iter::once(Column::new(op, LogicalType::string())).chain(own).collect();
        Rel { op: Op::ToChangelog { names, call }, inputs: vec![self], columns }
    }

    /// Every row as a change of the kind that a column names.
    #[must_use]
    pub fn from_changelog(self, op: usize, names: KindNames, call: Invocation) -> Rel {
        let mut columns = self.columns.clone();
        columns.remove(op);
        Rel { op: Op::FromChangelog { op, names, call }, inputs: vec![self], columns }
    }
}
