//! `INSERT`, statement sets and `EXPLAIN`: what the planner does not know of the session's tables.

use flott_api::{Error, Result};

use super::names::parts;
use super::{JobKind, Outcome, Session, recovery};
use crate::catalog::{CatalogTable, ObjectPath, Relation};
use crate::parser::ast::{Explain, Insert, Statement, name_location};
use crate::plan;

impl Session {
    /// One `INSERT`, or all of a statement set, as one job.
    pub(super) fn insert(&mut self, inserts: &[Insert]) -> Result<Outcome> {
        self.check_targets(inserts)?;
        let batch = recovery::is_batch(self.configuration());
        if !batch {
            self.check_checkpoints()?;
        }
        let mut planned = plan::plan_insert(self, inserts).map_err(|e| self.placed(e, inserts))?;
        if batch {
            recovery::from_the_start(&mut planned.graph.configuration);
        }
        let tables = inserts.iter().map(|i| self.catalogs.path(&parts(&i.table)).map(|p| p.to_string()));
        let tables = tables.collect::<Result<Vec<_>>>()?;
        Ok(Outcome::job(planned, JobKind::Insert { tables }))
    }

    /// `EXPLAIN`.
    pub(super) fn explain(&mut self, explain: &Explain) -> Result<Outcome> {
        let inserts = match &*explain.statement {
            Statement::Insert(insert) => std::slice::from_ref(&**insert),
            Statement::StatementSet(inserts) => inserts,
            _ => &[],
        };
        self.check_targets(inserts)?;
        let text = plan::explain(self, &explain.statement, &explain.details);
        Ok(Outcome::Text(text.map_err(|e| self.placed(e, inserts))?))
    }

    /// The error at the sink of the insert that has it, if it has no place of its own.
    fn placed(&self, error: Error, inserts: &[Insert]) -> Error {
        if error.location().is_some() {
            return error;
        }
        let fails = |insert: &&Insert| plan::plan_insert(self, std::slice::from_ref(*insert)).is_err();
        let wrong = if let [only] = inserts { Some(only) } else { inserts.iter().find(fails) };
        match wrong {
            Some(insert) => error.at(name_location(&insert.table)),
            None => error,
        }
    }

    /// Checks what the planner does not see: a sink that must write buckets.
    fn check_targets(&self, inserts: &[Insert]) -> Result<()> {
        for insert in inserts {
            let found = self.catalogs.find(&parts(&insert.table));
            if let Some(found) = found.map_err(|e| e.at(name_location(&insert.table)))?
                && let Relation::Table(table) = &found.relation
            {
                check_distribution(&found.path, table).map_err(|e| e.at(name_location(&insert.table)))?;
            }
        }
        Ok(())
    }
}

/// Checks that a table needs no buckets, for no connector here writes them.
///
/// # Errors
/// If it does.
pub(super) fn check_distribution(path: &ObjectPath, table: &CatalogTable) -> Result<()> {
    match &table.distribution {
        Some(_) => Err(Error::unsupported(format!("writing table '{path}', which is distributed into buckets,"))
            .with_hint("Drop the distribution with ALTER TABLE .. DROP DISTRIBUTION.")),
        None => Ok(()),
    }
}
