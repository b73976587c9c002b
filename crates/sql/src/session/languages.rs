//! Functions in other languages: `CREATE FUNCTION f .. LANGUAGE PYTHON | WASM`.
//!
//! The host of the language is asked at once what the function is, so a function that does not exist or does not load is
//! refused where it is created. Flink finds that out when it is called first.

use std::collections::BTreeMap;

use flott_api::function::{Declaration, Language, UserFunction};
use flott_api::{Error, Result};

use super::Session;
use super::functions::fields_of;
use crate::config::OPTIONS;
use crate::parser::ast::{FunctionLanguage, FunctionSignature, ResourceKind, ResourceUri, SqlOption, Text};
use crate::plan::{self, PlanContext};

/// What a statement says of a function in another language.
pub(super) struct External<'a> {
    pub(super) signature: Option<&'a FunctionSignature>,
    pub(super) class: &'a Text,
    pub(super) language: Option<FunctionLanguage>,
    pub(super) resources: &'a [ResourceUri],
    pub(super) options: &'a [SqlOption],
}

/// The word for a language in SQL.
pub(super) fn word(language: Language) -> FunctionLanguage {
    match language {
        Language::Python => FunctionLanguage::Python,
        Language::WebAssembly => FunctionLanguage::Wasm,
    }
}

impl Session {
    /// The function that was declared.
    pub(super) fn external_function(&self, declared: &External<'_>) -> Result<UserFunction> {
        let External { signature, class, language, resources, options } = declared;
        let language = spoken(*language, class)?;
        let jar = resources.iter().find(|resource| resource.kind == ResourceKind::Jar);
        if let Some(jar) = jar {
            return Err(Error::unsupported(format!("JAR '{}' for a function in {language}", jar.uri.value))
                .at(jar.uri.at)
                .with_hint("Write USING ARTIFACT 'file'."));
        }
        let mut written = BTreeMap::new();
        for option in *options {
            if written.insert(option.key.value.clone(), option.value.value.clone()).is_some() {
                return Err(Error::invalid(format!("option '{}' is given twice", option.key.value)).at(option.key.at));
            }
        }
        let mut all = written.clone();
        if language == Language::Python {
            if let Some(option) = options.iter().find(|option| !is_read_by_python(&option.key.value)) {
                return Err(Error::invalid(format!("a function in Python has no option '{}'", option.key.value))
                    .at(option.key.at)
                    .with_detail(
                        "Its options are those of the configuration, python.* and table.exec.async-scalar.*.",
                    ));
            }
            all = plan::python_configuration(&PlanContext::configuration(self));
            all.extend(written.clone());
        }
        let declaration = Declaration {
            language,
            entry: class.value.clone(),
            artifacts: resources.iter().map(|resource| resource.uri.value.clone()).collect(),
            parameters: signature.map(|s| fields_of(&s.parameters)).transpose()?,
            returns: signature.map(|s| s.returns.to_logical()).transpose()?,
            options: all,
        };
        let described = self.connectors.describe_function(&declaration).map_err(|e| e.at(class.at))?;
        Ok(UserFunction { options: written, ..described })
    }
}

/// Whether the host of Python reads such a key; one that is misspelt would be ignored.
fn is_read_by_python(key: &str) -> bool {
    plan::is_for_python(key) && OPTIONS.iter().any(|option| option.key == key)
}

/// The language, if somebody here speaks it.
fn spoken(language: Option<FunctionLanguage>, class: &Text) -> Result<Language> {
    let (what, detail) = match language {
        Some(FunctionLanguage::Python) => return Ok(Language::Python),
        Some(FunctionLanguage::Wasm) => return Ok(Language::WebAssembly),
        Some(FunctionLanguage::Sql) => ("SQL by a name", "A function in SQL has parameters and an expression."),
        Some(FunctionLanguage::Scala) => ("Scala", "There is no JVM here to run it."),
        Some(FunctionLanguage::Java) | None => ("Java", "There is no JVM here to run it."),
    };
    Err(Error::unsupported(format!("a function in {what}: '{}'", class.value))
        .at(class.at)
        .with_detail(detail)
        .with_hint("Write it as CREATE FUNCTION f(x INT) RETURN .., or in Python or WebAssembly."))
}
