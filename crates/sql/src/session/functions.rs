//! `CREATE FUNCTION`, `DROP FUNCTION`, `SHOW FUNCTIONS` and `DESCRIBE FUNCTION`.

use std::collections::BTreeSet;

use flott_api::function::FunctionKind;
use flott_api::{Error, Field, LogicalType, Result, Schema};
use sqlparser::ast::{Expr, ObjectName};

use super::languages::{self, External};
use super::names::{location_of, parts, passes};
use super::text::expression;
use super::{Outcome, Session, TextTable, built_in};
use crate::catalog::{CatalogFunction, FoundFunction, FunctionPath, SqlFunction};
use crate::parser::ast::{
    AlterFunction, CreateFunction, FunctionBody, FunctionParameter, Scope, ShowFilter, SqlType, name_location,
};
use crate::plan::{self, PlanContext};

impl Session {
    /// `CREATE FUNCTION`.
    pub(super) fn create_function(&mut self, create: &CreateFunction) -> Result<Outcome> {
        let at = name_location(&create.name);
        let path = self.function_path(create.scope, &create.name).map_err(|e| e.at(at))?;
        let function = match &create.body {
            FunctionBody::Named { signature, class, language, resources, options } => {
                let declared =
                    External { signature: signature.as_ref(), class, language: *language, resources, options };
                CatalogFunction::External(self.external_function(&declared)?)
            }
            FunctionBody::Sql { parameters, returns, body } => {
                CatalogFunction::Sql(self.sql_function(parameters, returns.as_ref(), body)?)
            }
        };
        self.catalogs.create_function(&path, function, create.if_not_exists).map_err(|e| e.at(at))?;
        Ok(Outcome::Done { warning: None })
    }

    /// `ALTER FUNCTION`, which gives a function another class.
    pub(super) fn alter_function(&mut self, alter: &AlterFunction) -> Result<Outcome> {
        let path = self.function_path(alter.scope, &alter.name).map_err(|e| e.at(name_location(&alter.name)))?;
        if alter.if_exists && self.catalogs.exact_function(&path)?.is_none() {
            return Ok(Outcome::Done { warning: None });
        }
        let AlterFunction { class, language, .. } = alter;
        let declared = External { signature: None, class, language: *language, resources: &[], options: &[] };
        let function = CatalogFunction::External(self.external_function(&declared)?);
        self.catalogs.drop_function(&path, false).map_err(|e| e.at(name_location(&alter.name)))?;
        self.catalogs.create_function(&path, function, false)?;
        Ok(Outcome::Done { warning: None })
    }

    /// `DROP FUNCTION`.
    pub(super) fn drop_function(&mut self, scope: Scope, name: &ObjectName, if_exists: bool) -> Result<()> {
        let path = self.function_path(scope, name)?;
        if let FunctionPath::Kept(kept) = &path
            && self.catalogs.exact_function(&FunctionPath::Temporary(kept.clone()))?.is_some()
        {
            return Err(Error::invalid(format!("there is a temporary function '{path}'"))
                .with_hint("Drop that one first, with DROP TEMPORARY FUNCTION."));
        }
        self.catalogs.drop_function(&path, if_exists)
    }

    fn function_path(&self, scope: Scope, name: &ObjectName) -> Result<FunctionPath> {
        let parts = parts(name);
        Ok(match (scope, parts.as_slice()) {
            (Scope::TemporarySystem, [name]) => {
                let name = name.to_lowercase();
                if plan::is_special_function(&name) {
                    return Err(Error::unsupported(format!("a function in the place of '{name}'")).with_detail(
                        "Aggregates, window functions and the like are more than functions to the planner.",
                    ));
                }
                FunctionPath::System(name)
            }
            (Scope::TemporarySystem, _) => {
                return Err(Error::invalid(format!("'{name}' is in no catalog, as a function of the system"))
                    .with_hint("Give it a name of one part."));
            }
            (Scope::Temporary, name) => FunctionPath::Temporary(self.catalogs.function_path(name)?),
            (Scope::Permanent, name) => FunctionPath::Kept(self.catalogs.function_path(name)?),
        })
    }

    fn sql_function(
        &self,
        parameters: &[FunctionParameter],
        returns: Option<&SqlType>,
        body: &Expr,
    ) -> Result<SqlFunction> {
        let parameters = Schema::new(fields_of(parameters)?);
        let said = returns.map(SqlType::to_logical).transpose()?;
        let returns: LogicalType = plan::function_type(self, body, &parameters, said.as_ref())?;
        let body = expression(&plan::expand_expression(self, body)?);
        Ok(SqlFunction { parameters, returns, body })
    }

    /// `SHOW [USER] FUNCTIONS`.
    pub(super) fn show_functions(
        &self,
        user: bool,
        (catalog, database): (String, String),
        filter: Option<&ShowFilter>,
    ) -> Result<Outcome> {
        let mut names: Vec<String> = if user { Vec::new() } else { built_in::names().map(str::to_owned).collect() };
        for name in self.catalogs.function_names(&catalog, &database)? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.sort();
        Ok(Outcome::Table(TextTable::column("function name", names.into_iter().filter(|name| passes(filter, name)))))
    }

    /// `DESCRIBE FUNCTION [EXTENDED]`.
    pub(super) fn describe_function(&self, extended: bool, name: &ObjectName) -> Result<Outcome> {
        let (at, parts) = (name_location(name), parts(name));
        let alone = if let [alone] = parts.as_slice() { Some(alone.as_str()) } else { None };
        let is_built_in = alone.is_some_and(|alone| plan::is_built_in(&alone.to_lowercase()));
        let Some(found) = PlanContext::function(self, &parts, is_built_in).map_err(|e| e.at(at))? else {
            let told = alone.and_then(|alone| described(alone, is_built_in, extended));
            let told = told.ok_or_else(|| Error::invalid(format!("function '{name}' does not exist")).at(at))?;
            return Ok(Outcome::Table(TextTable::of(&INFO, told)));
        };
        let language = match &found.function {
            CatalogFunction::Sql(_) => "SQL".to_owned(),
            CatalogFunction::External(function) => languages::word(function.language).to_string(),
        };
        let mut rows = vec![
            row("is system function", truth(matches!(found.path, FunctionPath::System(_)))),
            row("is temporary", truth(!matches!(found.path, FunctionPath::Kept(_)))),
            row("function language", language),
        ];
        if extended {
            rows.extend(more(&found));
        }
        Ok(Outcome::Table(TextTable::of(&INFO, rows)))
    }
}

/// The columns of what is told of a function.
const INFO: [&str; 2] = ["info name", "info value"];

fn row(name: &str, value: String) -> Vec<Option<String>> {
    vec![Some(name.to_owned()), Some(value)]
}

fn truth(is: bool) -> String {
    if is { "true" } else { "false" }.to_owned()
}

/// What is told of a built-in function; of one that Flink calls by another name only that it is one.
fn described(name: &str, is_built_in: bool, extended: bool) -> Option<Vec<Vec<Option<String>>>> {
    let found = built_in::find(name);
    if found.is_none() && !is_built_in {
        return None;
    }
    let mut rows = vec![row("is system function", truth(true)), row("is temporary", truth(false))];
    if let (Some(function), true) = (found, extended) {
        rows.push(row("kind", function.kind.to_owned()));
        rows.push(row("requirements", "[]".to_owned()));
        rows.push(row("is deterministic", function.deterministic.to_owned()));
        rows.push(row("supports constant folding", truth(true)));
        rows.push(row("signature", function.signature.clone()));
    }
    Some(rows)
}

/// What else is told of a function of a user.
fn more(found: &FoundFunction) -> Vec<Vec<Option<String>>> {
    let kind = match &found.function {
        CatalogFunction::External(function) if function.kind == FunctionKind::Table => "TABLE",
        CatalogFunction::External(function) if function.kind == FunctionKind::Aggregate => "AGGREGATE",
        CatalogFunction::External(_) | CatalogFunction::Sql(_) => "SCALAR",
    };
    let mut rows = vec![row("kind", kind.to_owned())];
    let (parameters, returns) = match &found.function {
        CatalogFunction::Sql(function) => (Some(&function.parameters.fields), &function.returns),
        CatalogFunction::External(function) => (function.parameters.as_ref(), &function.returns),
    };
    let parameters = parameters.map_or_else(
        || "..".to_owned(),
        |fields| fields.iter().map(|f| format!("{} {}", f.name, f.ty)).collect::<Vec<_>>().join(", "),
    );
    rows.push(row("signature", format!("{}({parameters})", found.path)));
    rows.push(row("returns", returns.to_string()));
    match &found.function {
        CatalogFunction::Sql(function) => rows.push(row("body", function.body.clone())),
        CatalogFunction::External(function) => {
            rows.push(row("is deterministic", truth(function.deterministic)));
            rows.push(row("name there", function.entry.clone()));
            rows.extend(function.artifacts.iter().map(|a| row("artifact", format!("{} (sha256 {})", a.uri, a.sha256))));
            rows.extend(function.options.iter().map(|(key, value)| row("option", format!("'{key}' = '{value}'"))));
        }
    }
    rows
}

/// Parameters as fields.
pub(super) fn fields_of(parameters: &[FunctionParameter]) -> Result<Vec<Field>> {
    let mut names = BTreeSet::new();
    let mut fields = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let FunctionParameter { name, data_type } = parameter;
        if !names.insert(name.value.as_str()) {
            return Err(Error::invalid(format!("two parameters are called '{}'", name.value)).at(location_of(name)));
        }
        fields.push(Field::new(&name.value, data_type.to_logical().map_err(|e| e.at(location_of(name)))?));
    }
    Ok(fields)
}
