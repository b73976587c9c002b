//! Joins with tables that are looked up in: which table may be, and what the hint `LOOKUP` says of it.

use flott_api::options::{Millis, OptionReader, Options};
use flott_api::{Error, Result};
use flott_graph::spec::LookupRetry;
use sqlparser::ast::{Spanned, TableFactor};

use super::from::scoped;
use super::{Binder, refuse, syntax};
use crate::catalog::Relation;
use crate::parser::ast::ident_location;
use crate::parser::ast::view::{Hint, HintArgs, table_hints};
use crate::plan::rel::{LookupHints, Rel};
use crate::plan::scope::{Scope, at_span};

impl Binder<'_> {
    /// A table that is looked up in.
    pub(super) fn lookup_table(&self, factor: &TableFactor) -> Result<(Rel, Scope)> {
        let no_table = || Error::unsupported("a temporal join by processing time with what is no table");
        let TableFactor::Table { name, alias, args: None, .. } = factor else { return Err(no_table()) };
        let parts = syntax::name_parts(name)?;
        let is_query = matches!(parts.as_slice(), [one] if self.with.borrow().iter().any(|(n, _)| n == one));
        if is_query {
            return Err(at_span(no_table(), factor.span()));
        }
        // Refuses the clauses that mean nothing here.
        self.table_clauses(factor)?;
        let Some((path, relation)) = self.cx.relation(&parts)? else { return Err(self.unknown_table(name, &parts)) };
        let Relation::Table(table) = relation else { return Err(at_span(no_table(), factor.span())) };
        let hints = syntax::option_hints(&table_hints(factor)?, self.settings.dynamic_options)?;
        let qualifier = vec![path.catalog.clone(), path.database.clone(), path.object.clone()];
        scoped(self.looked_up(&path, &table, &hints)?, alias.as_ref(), qualifier)
    }

    fn table_clauses(&self, factor: &TableFactor) -> Result<()> {
        let TableFactor::Table { with_ordinality, partitions, json_path, sample, index_hints, .. } = factor else {
            return Ok(());
        };
        refuse::clause(*with_ordinality, "WITH ORDINALITY")?;
        refuse::clause(!partitions.is_empty(), "PARTITION behind a table")?;
        refuse::clause(json_path.is_some(), "a path behind a table")?;
        refuse::clause(sample.is_some(), "TABLESAMPLE")?;
        refuse::clause(!index_hints.is_empty(), "an index hint")
    }
}

/// What a hint `LOOKUP` says of its table.
pub(super) fn lookup_hint(Hint { name, args }: &Hint) -> Result<LookupHints> {
    let at = ident_location(name);
    let HintArgs::Options(given) = args else {
        return Err(Error::invalid("the hint LOOKUP takes options").with_hint("Write LOOKUP('table' = 't').").at(at));
    };
    let options = given.iter().map(|option| (option.key.value.clone(), option.value.value.clone()));
    read(&Options(options.collect())).map_err(|e| e.at(at))
}

fn read(options: &Options) -> Result<LookupHints> {
    let reader = OptionReader::new(options, "the hint LOOKUP");
    reader.required("table")?;
    let says = LookupHints {
        asynchronous: reader.value("async")?,
        unordered: reader.choice("output-mode", &[("ordered", false), ("allow_unordered", true)], false)?,
        in_flight_max: positive(&reader, "capacity")?,
        timeout_ms: reader.value::<Millis>("timeout")?.map(|m| m.0),
        retry: retry(&reader)?,
        shuffle: reader.value_or("shuffle", false)?,
    };
    reader.finish()?;
    Ok(says)
}

fn positive(reader: &OptionReader<'_>, key: &str) -> Result<Option<u32>> {
    match reader.value::<i32>(key)? {
        None => Ok(None),
        Some(value) => match u32::try_from(value) {
            Ok(value) if value > 0 => Ok(Some(value)),
            _ => Err(Error::invalid(format!("option '{key}' of the hint LOOKUP has the value {value}"))
                .with_hint("It must be at least 1.")),
        },
    }
}

/// All options of it, or none.
fn retry(reader: &OptionReader<'_>) -> Result<Option<LookupRetry>> {
    let predicate = reader.choice("retry-predicate", &[("lookup_miss", true)], false)?;
    let strategy = reader.choice("retry-strategy", &[("fixed_delay", true)], false)?;
    let delay = reader.value::<Millis>("fixed-delay")?;
    let attempts = positive(reader, "max-attempts")?;
    match (predicate, strategy, delay, attempts) {
        (false, false, None, None) => Ok(None),
        (true, true, Some(Millis(delay_ms)), Some(attempts_max)) => Ok(Some(LookupRetry { delay_ms, attempts_max })),
        _ => Err(Error::invalid("the hint LOOKUP has some options of a retry and not all")
            .with_hint("They are 'retry-predicate', 'retry-strategy', 'fixed-delay' and 'max-attempts'.")),
    }
}
