//! Models: what gives a prediction for a row, asked for while a job runs.
//!
//! `CREATE MODEL` names a provider. Its [`ModelProviderFactory`] first describes what can be asked and how, while a statement is
//! planned; a subtask then opens a [`ModelProvider`] from a [`ModelSpec`] and asks it for predictions. Flink's
//! `PredictRuntimeProvider` is one that is asked for a batch after the other, `AsyncPredictRuntimeProvider` one that is asked for
//! several rows at once. How many are under way, how long they may take and in which order their answers go on is not the
//! provider's business: the operator does it for all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::env::Environment;
use crate::error::nearest;
use crate::options::Options;
use crate::{BoxFuture, Error, Result, Schema};

/// A model: what it is planned with, and opened from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Its full name, for messages.
    pub model: String,
    /// What stands in `'provider'`.
    pub provider: String,
    /// What it is asked.
    pub input: Schema,
    /// What it answers, with the columns of metadata.
    pub output: Schema,
    /// For each column of the output the key of its metadata; nothing for a column of the answer.
    pub metadata: Vec<Option<String>>,
    /// Its options, without `provider`.
    pub options: Options,
}

/// How a model can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelDescription {
    /// Whether it takes batches, one after the other.
    pub sync: bool,
    /// Whether it takes rows, several at once.
    pub asynchronous: bool,
}

/// What a model answers.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// Rows of its output.
    pub rows: RecordBatch,
    /// For each of them which of the inputs it is for: its place among those that were asked for. Never falls; an input may have
    /// several rows, or none.
    pub inputs: Vec<u32>,
}

/// A model that is asked, by one subtask.
pub trait ModelProvider: Send + Sync {
    /// What it answers to these rows, which have the columns of its input. The future is dropped when it takes longer than is
    /// allowed.
    fn predict(&self, inputs: RecordBatch) -> BoxFuture<'_, Result<Predictions>>;
}

/// A kind of models.
pub trait ModelProviderFactory: Send + Sync {
    /// What stands in `'provider'`.
    fn identifier(&self) -> &'static str;

    /// What asking the model would be like. Checks its columns and all options.
    ///
    /// # Errors
    /// If an option is wrong or unknown, or its columns do not suit the provider.
    fn describe(&self, model: &ModelSpec) -> Result<ModelDescription>;

    /// Opens a model.
    ///
    /// # Errors
    /// If the specification is not usable.
    fn open(&self, model: &ModelSpec, environment: &Environment) -> Result<Box<dyn ModelProvider>>;
}

/// The providers that this process knows.
#[derive(Clone, Default)]
pub struct ModelProviders(BTreeMap<&'static str, Arc<dyn ModelProviderFactory>>);

impl ModelProviders {
    /// With one more.
    #[must_use]
    pub fn with(mut self, factory: Arc<dyn ModelProviderFactory>) -> Self {
        self.0.insert(factory.identifier(), factory);
        self
    }

    /// The provider of that name.
    ///
    /// # Errors
    /// If there is none; names those that there are.
    pub fn get(&self, identifier: &str) -> Result<&Arc<dyn ModelProviderFactory>> {
        self.0.get(identifier).ok_or_else(|| {
            let error = Error::invalid(format!("there is no model provider '{identifier}'"));
            match nearest(identifier, self.0.keys().copied()) {
                Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
                None if self.0.is_empty() => error.with_hint("This Flott was built without any."),
                None => error.with_hint(format!(
                    "The providers are: {}.",
                    self.0.keys().copied().collect::<Vec<_>>().join(", ")
                )),
            }
        })
    }
}

impl fmt::Debug for ModelProviders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
