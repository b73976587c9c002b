//! Process table functions.

use flott_api::expr::{Expr, FunctionId};
use flott_api::process::{Parameter, ProcessArgument, TableTraits};
use flott_api::table::ChangelogMode;
use flott_api::{LogicalType, RowKind};

use super::{Column, TimeAttribute};

/// A call as `EXPLAIN` shows it, and what makes it unique.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The function as it is called.
    pub name: String,
    /// Its arguments, in order.
    pub arguments: Vec<Given>,
    /// `uid`, or the function's name where it has set semantics.
    pub uid: Option<String>,
}

/// A given argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// None: its default holds.
    Default,
    /// A constant.
    Constant(Expr),
    /// Some columns by name.
    Descriptor(Vec<String>),
    /// A model by name.
    Model(String),
    /// The entries of a map of texts.
    Map(Vec<(String, String)>),
    /// A table.
    Table {
        /// Which input it is.
        input: usize,
        /// The columns that it is partitioned by.
        partition_by: Vec<usize>,
    },
}

/// A call of a process table function: partition columns of each table or all columns that are passed through, then the
/// function's own columns, then `rowtime`.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// The function.
    pub function: FunctionId,
    /// What it takes.
    pub parameters: Vec<Parameter>,
    /// What it is given, with the schemas of the tables.
    pub arguments: Vec<ProcessArgument>,
    /// What it gives.
    pub changelog: ChangelogMode,
    /// The type of `rowtime`, if the call has it.
    pub rowtime: Option<LogicalType>,
    /// How it is shown.
    pub call: Invocation,
}

impl Process {
    /// The traits and partition columns of each table, by input.
    pub fn tables(&self) -> impl Iterator<Item = (&TableTraits, &[usize])> {
        let both = self.parameters.iter().zip(&self.arguments);
        both.filter_map(|(parameter, argument)| match (parameter.traits(), argument) {
            (Some(traits), ProcessArgument::Table(table)) => Some((traits, table.partition_by.as_slice())),
            _ => None,
        })
    }

    /// Whether an update is its new row alone, which replaces that with the same partition columns.
    pub fn upserts(&self) -> bool {
        self.changelog.contains(RowKind::UpdateAfter) && !self.changelog.contains(RowKind::UpdateBefore)
    }

    /// The columns of its inputs that stand before those of the function.
    pub fn passed_on<'c>(&self, inputs: impl Iterator<Item = &'c [Column]>) -> Vec<&'c Column> {
        let mut passed = Vec::new();
        for ((traits, partition_by), columns) in self.tables().zip(inputs) {
            match traits.pass_columns_through {
                true => passed.extend(columns),
                false => passed.extend(partition_by.iter().map(|c| &columns[*c])),
            }
        }
        passed
    }

    /// Columns with the time that they carry behind it: what is passed on carries what it carried.
    pub fn timed<'c>(&self, columns: Vec<Column>, inputs: impl Iterator<Item = &'c [Column]>) -> Vec<Column> {
        let mut times: Vec<Option<TimeAttribute>> = self.passed_on(inputs).iter().map(|c| c.time).collect();
        times.resize(columns.len(), None);
        if let (Some(_), Some(last)) = (&self.rowtime, times.last_mut()) {
            *last = Some(TimeAttribute::Rowtime);
        }
        columns.into_iter().zip(times).map(|(column, time)| Column { time, window: None, ..column }).collect()
    }
}
