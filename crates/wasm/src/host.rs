//! Finds functions in modules, and compiles each module once.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use flott_api::env::Environment;
use flott_api::function::{Artifact, CallForm, Declaration, FunctionHost, FunctionKernel, FunctionKind, UserFunction};
use flott_api::options::Options;
use flott_api::{Error, Field, LogicalType, Result, TypeKind};
use sha2::{Digest, Sha256};
use wasm_encoder::ValType;
use wasmtime::{Engine, ExternType, Module};

use crate::batch_loop::Shape;
use crate::imports;
use crate::kernel::Kernel;
use crate::lane::Lane;
use crate::limits::{self, Settings};

/// The language's word in messages.
const WHAT: &str = "a function in WebAssembly";

/// Functions in WebAssembly.
#[derive(Default)]
pub struct WasmHost {
    engine: OnceLock<Engine>,
    modules: Mutex<HashMap<String, Module>>,
}

impl FunctionHost for WasmHost {
    fn describe(&self, declaration: &Declaration, environment: &Environment) -> Result<UserFunction> {
        let Declaration { language, entry, artifacts, parameters, returns, options } = declaration;
        let (Some(parameters), Some(returns)) = (parameters, returns) else {
            return Err(Error::invalid(format!("{WHAT} needs its parameters and its result: '{entry}'")).with_hint(
                "Write CREATE FUNCTION f(a BIGINT, ..) RETURNS BIGINT LANGUAGE WASM AS 'f' USING ARTIFACT '..'.",
            ));
        };
        let [uri] = artifacts.as_slice() else {
            return Err(Error::invalid(format!("{WHAT} is in one file, not in {}: '{entry}'", artifacts.len()))
                .with_hint("Write USING ARTIFACT 'file.wasm'."));
        };
        let settings = Settings::of(&Options(options.clone()), entry)?;
        let shape = shape(parameters, returns, &settings)?;
        let (artifact, bytes) = read(uri, environment)?;
        let module = self.module(&artifact, &bytes)?;
        check(&module, entry, &shape, uri)?;
        let function = UserFunction {
            kind: FunctionKind::Scalar,
            language: *language,
            entry: entry.clone(),
            artifacts: vec![artifact],
            parameters: Some(parameters.clone()),
            returns: returns.clone(),
            accumulator: None,
            form: CallForm::Row,
            null_call: settings.nulls,
            deterministic: settings.deterministic,
            options: options.clone(),
        };
        // Whether it can be brought to life is better known now than in a job.
        Kernel::new(entry, &function, (&module, &shape), settings)?;
        Ok(function)
    }

    fn kernel(
        &self,
        name: &str,
        function: &UserFunction,
        environment: &Environment,
    ) -> Result<Box<dyn FunctionKernel>> {
        let [expected] = function.artifacts.as_slice() else {
            return Err(Error::internal(format!("function '{name}' has {} files", function.artifacts.len())));
        };
        let settings = Settings::of(&Options(function.options.clone()), name)?;
        let parameters = function.parameters.as_deref().unwrap_or_default();
        let shape = shape(parameters, &function.returns, &settings)?;
        let (found, bytes) = read(&expected.uri, environment)?;
        if found != *expected {
            return Err(Error::invalid(format!("artifact '{}' of function '{name}' has changed", expected.uri))
                .with_detail(format!("The plan was made with {}; it is {} now.", short(expected), short(&found)))
                .with_hint("Put the old file back, or create the function and start the statement anew."));
        }
        let module = self.module(&found, &bytes)?;
        check(&module, &function.entry, &shape, &found.uri)?;
        Ok(Box::new(Kernel::new(name, function, (&module, &shape), settings)?))
    }
}

impl WasmHost {
    fn engine(&self) -> Result<&Engine> {
        if self.engine.get().is_none() {
            // Of two that come here at once, one is thrown away.
            drop(self.engine.set(limits::engine()?));
        }
        self.engine.get().ok_or_else(|| Error::internal("an engine was set and is not there"))
    }

    /// The module of a file, compiled if it has not been yet.
    fn module(&self, artifact: &Artifact, bytes: &[u8]) -> Result<Module> {
        let engine = self.engine()?;
        let modules = || self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules().get(&artifact.sha256) {
            return Ok(module.clone());
        }
        let module = Module::from_binary(engine, bytes).map_err(|e| {
            Error::invalid(format!("artifact '{}' is no module of WebAssembly", artifact.uri)).with_detail(sentence(&e))
        })?;
        Ok(modules().entry(artifact.sha256.clone()).or_insert(module).clone())
    }
}

fn short(artifact: &Artifact) -> &str {
    artifact.sha256.get(..12).unwrap_or(&artifact.sha256)
}

/// What an error of the engine says, as a sentence.
pub(crate) fn sentence(error: &wasmtime::Error) -> String {
    let text = error.root_cause().to_string();
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map(|first| format!("{}{}.", first.to_uppercase(), chars.as_str())).unwrap_or_default()
}

fn shape(parameters: &[Field], returns: &LogicalType, settings: &Settings) -> Result<Shape> {
    let of = |p: &Field| Lane::of(&p.ty).map_err(|e| e.context(format!("parameter '{}'", p.name)));
    let parameters = parameters.iter().map(of).collect::<Result<Vec<_>>>()?;
    let result = Lane::of(returns).map_err(|e| e.context("RETURNS"))?;
    let unbounded = [LogicalType::string().kind, LogicalType::bytes().kind];
    if result == Lane::Bytes && !unbounded.contains(&returns.kind) {
        let text = matches!(returns.kind, TypeKind::Char(_) | TypeKind::Varchar(_));
        return Err(Error::unsupported(format!("RETURNS {returns} for {WHAT}"))
            .with_detail("Nobody would hold it to that length.")
            .with_hint(format!("Write RETURNS {}.", if text { "STRING" } else { "BYTES" })));
    }
    Ok(Shape { parameters, result, nulls: settings.nulls })
}

/// The file of a module, and what it hashes to.
fn read(uri: &str, environment: &Environment) -> Result<(Artifact, Vec<u8>)> {
    let (files, path) = environment.files.resolve(uri)?;
    let mut bytes = Vec::new();
    let result = files.open(&path).and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut bytes));
    result.map_err(|e| Error::external(format!("artifact '{uri}' cannot be read")).with_detail(format!("{e}.")))?;
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((Artifact { uri: uri.to_owned(), sha256 }, bytes))
}

/// Whether a module has the function, and what else is needed to call it.
fn check(module: &Module, entry: &str, shape: &Shape, uri: &str) -> Result<()> {
    let unknown = imports::unknown(module);
    if !unknown.is_empty() {
        return Err(Error::invalid(format!("module '{uri}' wants what is not here: {}", unknown.join(", ")))
            .with_detail("A function may call flott.set_null, and WASI without a world, and nothing else."));
    }
    let function = match module.get_export(entry) {
        Some(ExternType::Func(function)) => function,
        _ => {
            let names: Vec<&str> =
                module.exports().filter(|e| matches!(e.ty(), ExternType::Func(_))).map(|e| e.name()).collect();
            let error = Error::invalid(format!("module '{uri}' exports no function '{entry}'"));
            return Err(match flott_api::error::nearest(entry, names.iter().copied()) {
                Some(nearest) => error.with_hint(format!("Did you mean '{nearest}'?")),
                None => error.with_hint(format!("It exports {}.", or_nothing(&names.join(", ")))),
            });
        }
    };
    let found = (types(function.params().map(|t| t.to_string())), types(function.results().map(|t| t.to_string())));
    let wanted = (types(shape.parameter_types().iter().map(name)), name(&shape.result.result()).to_owned());
    if found != wanted {
        return Err(Error::invalid(format!(
            "function '{entry}' of module '{uri}' has other types than it was declared with"
        ))
        .with_detail(format!(
            "It is ({}) -> {}, and the declaration wants ({}) -> {}.",
            found.0,
            or_nothing(&found.1),
            wanted.0,
            wanted.1
        )));
    }
    let has = |name: &str, is: fn(&ExternType) -> bool| module.get_export(name).is_some_and(|ty| is(&ty));
    if shape.uses_bytes() && !has("memory", |ty| matches!(ty, ExternType::Memory(_))) {
        return Err(missing(uri, "memory", "its memory"));
    }
    if shape.parameters.contains(&Lane::Bytes) && !has("flott_alloc", |ty| matches!(ty, ExternType::Func(_))) {
        return Err(missing(uri, "flott_alloc", "(i32) -> i32, which gives the place of so many bytes"));
    }
    Ok(())
}

fn missing(uri: &str, name: &str, what: &str) -> Error {
    Error::invalid(format!("module '{uri}' exports no '{name}'"))
        .with_detail("Text and bytes cross through the module's memory.")
        .with_hint(format!("Export '{name}': {what}."))
}

fn types<T: AsRef<str>>(types: impl Iterator<Item = T>) -> String {
    types.map(|t| t.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

fn name(ty: &ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        _ => "another",
    }
}
