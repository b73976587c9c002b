//! `ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a, ..) [, MAP['async', 'true', ..]])`, by position or by name.

use flott_api::expr::Expr;
use flott_api::model::{ModelDescription, ModelSpec};
use flott_api::options::{Millis, OptionReader, Options};
use flott_api::process::TableTraits;
use flott_api::{Error, Field, Result, Schema};
use flott_graph::spec::AsyncPredict;
use sqlparser::ast::{Expr as Ast, Spanned};

use super::expr::coerce;
use super::process::{by_parameter, descriptor};
use super::{Binder, syntax, unique_names};
use crate::catalog::{CatalogModel, Column as ModelColumn, ColumnKind, FoundModel};
use crate::parser::ast::view::{TableCall, map_texts, model_arg};
use crate::plan::rel::{Given, Invocation, Predict, Rel};
use crate::plan::scope::at_span;

/// The function.
const NAME: &str = "ML_PREDICT";
const PARAMETERS: [&str; 4] = ["INPUT", "MODEL", "ARGS", "CONFIG"];
const EXAMPLE: &str = "Write ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a)).";

/// What the keys of CONFIG begin with in the configuration.
const DEFAULTS: &str = "table.exec.async-ml-predict.";
const IN_FLIGHT_MAX: u32 = 10;
const TIMEOUT_MS: u64 = 180_000;
/// Whether rows go on in their order.
const OUTPUT_MODES: [(&str, bool); 2] = [("ORDERED", true), ("ALLOW_UNORDERED", false)];

impl Binder<'_> {
    /// The call of a function of models; nothing if it is another function.
    pub(super) fn bind_model_function(&self, name: &str, call: &TableCall<'_>) -> Result<Option<Rel>> {
        match name {
            NAME => self.bind_predict(call).map(Some),
            "ML_EVALUATE" => Err(Error::unsupported("ML_EVALUATE").with_detail(
                "Flink reads it and cannot run it; ML_PREDICT gives what can be compared with the labels.",
            )),
            _ => Ok(None),
        }
    }

    fn bind_predict(&self, call: &TableCall<'_>) -> Result<Rel> {
        let given = by_parameter(NAME, &PARAMETERS, call)?;
        let needed = |at: usize| {
            let missing = || Error::invalid(format!("{NAME} has no argument {}", PARAMETERS[at])).with_hint(EXAMPLE);
            given.get(at).copied().flatten().ok_or_else(missing)
        };
        let (input, model, args) = (needed(0)?, needed(1)?, needed(2)?);
        let (rel, _) = self.table_given(NAME, (PARAMETERS[0], &TableTraits::rows()), Some(input))?;
        // A table by its name is a query of all its columns, as Flink shows it.
        let all: Vec<usize> = (0..rel.columns.len()).collect();
        let rel = if matches!(input, Ast::Subquery(_)) { rel } else { rel.pick(&all) };
        let FoundModel { path, model: found, .. } = self.model_given(model)?;
        let columns = descriptor(NAME, PARAMETERS[2], args)?;
        let arguments = arguments(&rel, &found.input, &columns).map_err(|e| at_span(e, args.span()))?;
        let config = given[3].filter(|ast| !super::changelog::is_null_map(ast)).map(|ast| (ast, entries(ast)));
        let config = config.map(|(ast, entries)| Ok::<_, Error>((ast, entries?))).transpose()?;
        let model = spec_of(path.to_string(), &found);
        let asynchronous = match self.columns_only {
            true => None,
            false => self.asked(&model, config.as_ref())?,
        };
        let shown = vec![
            Given::Table { input: 0, partition_by: Vec::new() },
            Given::Model(path.to_string()),
            Given::Descriptor(columns),
            config.map_or(Given::Default, |(_, entries)| Given::Map(entries)),
        ];
        let call = Invocation { name: NAME.to_owned(), arguments: shown, uid: None };
        let rel = rel.predicted(Predict { model, arguments, asynchronous, call });
        let names = unique_names(&rel.columns);
        Ok(rel.renamed(&names))
    }

    fn model_given(&self, ast: &Ast) -> Result<FoundModel> {
        let Some(name) = model_arg(ast) else {
            let error = Error::invalid(format!("argument MODEL of {NAME} is no model"));
            return Err(at_span(error.with_hint("Write MODEL before its name."), ast.span()));
        };
        let parts = syntax::name_parts(&name)?;
        let found = self.cx.models().model(&parts)?;
        found.ok_or_else(|| {
            let error = Error::invalid(format!("model '{}' does not exist", parts.join(".")));
            at_span(error.with_hint("SHOW MODELS lists the models."), ast.span())
        })
    }

    /// How the model is asked, as its provider can and CONFIG wants.
    fn asked(&self, model: &ModelSpec, config: Option<&(&Ast, Vec<(String, String)>)>) -> Result<Option<AsyncPredict>> {
        let in_model = |e: Error| e.context(format!("model '{}'", model.model));
        if model.provider.is_empty() {
            return Err(Error::invalid(format!("model '{}' has no provider", model.model))
                .with_hint("Add 'provider' = '..' to its options."));
        }
        let providers = self.cx.models().providers();
        let description = providers.get(&model.provider).and_then(|p| p.describe(model)).map_err(in_model)?;
        let Some((ast, entries)) = config else {
            return configured(&self.settings.configuration, description, &Options::default(), None);
        };
        let options = Options(entries.iter().cloned().collect());
        let reader = OptionReader::new(&options, format!("CONFIG of {NAME}"));
        let wanted = reader.value::<bool>("async").map_err(|e| at_span(e, ast.span()))?;
        check_way(model, description, wanted).map_err(|e| at_span(e, ast.span()))?;
        configured(&self.settings.configuration, description, &options, wanted).map_err(|e| at_span(e, ast.span()))
    }
}

/// Refuses a way in which the provider cannot be asked.
fn check_way(model: &ModelSpec, description: ModelDescription, wanted: Option<bool>) -> Result<()> {
    let (can, way) = match wanted {
        Some(true) => (description.asynchronous, "for several rows at once"),
        Some(false) => (description.sync, "for one batch after the other"),
        None => return Ok(()),
    };
    if can {
        return Ok(());
    }
    Err(Error::invalid(format!("model '{}' cannot be asked {way}", model.model))
        .with_detail(format!("Its provider '{}' can only be asked the other way.", model.provider))
        .with_hint("Leave 'async' out of CONFIG."))
}

/// What CONFIG says, or the configuration, or Flink's defaults; nothing if the model is asked for batches.
fn configured(
    configuration: &Options,
    description: ModelDescription,
    config: &Options,
    wanted: Option<bool>,
) -> Result<Option<AsyncPredict>> {
    let reader = OptionReader::new(config, format!("CONFIG of {NAME}"));
    reader.allow("async");
    let own = Way::read(&reader, "")?;
    reader.finish()?;
    if wanted == Some(false) || !description.asynchronous {
        return match own.first_given() {
            None => Ok(None),
            Some(key) => {
                Err(Error::invalid(format!("option '{key}' of a model that is asked for one batch after the other"))
                    .with_detail("It says how several rows are asked for at once."))
            }
        };
    }
    let defaults = Way::read(&OptionReader::new(configuration, "the configuration"), DEFAULTS)?;
    Ok(Some(AsyncPredict {
        ordered: own.ordered.or(defaults.ordered).unwrap_or(true),
        timeout_ms: own.timeout_ms.or(defaults.timeout_ms).unwrap_or(TIMEOUT_MS),
        in_flight_max: own.in_flight_max.or(defaults.in_flight_max).unwrap_or(IN_FLIGHT_MAX),
    }))
}

/// How several rows are asked for, as far as it is said.
struct Way {
    ordered: Option<bool>,
    timeout_ms: Option<u64>,
    in_flight_max: Option<u32>,
}

impl Way {
    fn read(reader: &OptionReader<'_>, prefix: &str) -> Result<Self> {
        let key = |name: &str| format!("{prefix}{name}");
        let modes = OUTPUT_MODES.map(|(name, ordered)| (name, Some(ordered)));
        let way = Way {
            ordered: reader.choice(&key("output-mode"), &modes, None)?,
            timeout_ms: reader.value::<Millis>(&key("timeout"))?.map(|millis| millis.0),
            in_flight_max: reader.value(&key("max-concurrent-operations"))?,
        };
        for (name, zero) in
            [("timeout", way.timeout_ms == Some(0)), ("max-concurrent-operations", way.in_flight_max == Some(0))]
        {
            if zero {
                return Err(Error::invalid(format!("option '{}' must be more than 0", key(name))));
            }
        }
        Ok(way)
    }

    fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("output-mode", self.ordered.is_some()),
            ("timeout", self.timeout_ms.is_some()),
            ("max-concurrent-operations", self.in_flight_max.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }
}

/// The columns that a model is asked with, in the types of its input.
fn arguments(rel: &Rel, input: &[ModelColumn], columns: &[String]) -> Result<Vec<Expr>> {
    if columns.len() != input.len() {
        let names: Vec<&str> = input.iter().map(|column| column.name.as_str()).collect();
        return Err(Error::invalid(format!(
            "DESCRIPTOR names {} columns for a model of {}",
            columns.len(),
            input.len()
        ))
        .with_detail(format!("The input of the model is ({}).", names.join(", "))));
    }
    let argument = |(name, wanted): (&String, &ModelColumn)| {
        let Some(place) = rel.columns.iter().position(|column| column.name == *name) else {
            let names: Vec<&str> = rel.columns.iter().map(|column| column.name.as_str()).collect();
            return Err(Error::invalid(format!("the table of {NAME} has no column '{name}'"))
                .with_hint(format!("Its columns are {}.", names.join(", "))));
        };
        let column = rel.column(place);
        if !flott_functions::implicit_cast(column.ty(), &wanted.ty) {
            return Err(Error::invalid(format!("column '{name}' has type {} and cannot be asked with", column.ty()))
                .with_detail(format!("Column '{}' of the model has type {}.", wanted.name, wanted.ty))
                .with_hint("Cast it in a query: ML_PREDICT((SELECT CAST(..) ..), ..)."));
        }
        Ok(coerce(column, &wanted.ty))
    };
    columns.iter().zip(input).map(argument).collect()
}

/// The entries of CONFIG.
fn entries(ast: &Ast) -> Result<Vec<(String, String)>> {
    let wrong = |what: &str| {
        let error = Error::invalid(format!("CONFIG of {NAME} {what}"));
        at_span(error.with_hint("Write MAP['async', 'true']."), ast.span())
    };
    let entries = map_texts(ast).ok_or_else(|| wrong("must be a MAP of texts"))?;
    let twice = entries.iter().enumerate().find(|(at, (key, _))| entries[..*at].iter().any(|(k, _)| k == key));
    match twice {
        Some((_, (key, _))) => Err(wrong(&format!("has '{key}' twice"))),
        None => Ok(entries),
    }
}

/// What a provider is told of a model.
fn spec_of(model: String, of: &CatalogModel) -> ModelSpec {
    let schema = |columns: &[ModelColumn]| {
        Schema::new(columns.iter().map(|column| Field::new(&column.name, column.ty.clone())).collect())
    };
    let key = |column: &ModelColumn| match &column.kind {
        ColumnKind::Metadata { key, .. } => Some(key.clone().unwrap_or_else(|| column.name.clone())),
        ColumnKind::Physical | ColumnKind::Computed { .. } => None,
    };
    ModelSpec {
        model,
        provider: of.provider().unwrap_or_default().to_owned(),
        input: schema(&of.input),
        output: schema(&of.output),
        metadata: of.output.iter().map(key).collect(),
        options: of.provider_options(),
    }
}
