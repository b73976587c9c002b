//! `'provider' = 'model-test'`: a model that writes its inputs into its outputs, and may be slow or fail. `ModelTest.java` beside
//! the recordings is the same provider for Flink.
//!
//! A `STRING` gets the column's name and the inputs (`label:a|NULL`), an `INT` how long that is, any other type nothing. `answers`
//! says how many rows an input gets, `async` how it can be asked. Flink's has no more: `delay` is how long the first of three
//! inputs takes (the others take less, so that answers come in another order), `failures` how many requests fail, `fails-for`
//! which input always does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch, RecordBatchOptions, StringArray, new_null_array};

use crate::env::{Clock, Environment};
use crate::model::{ModelDescription, ModelProvider, ModelProviderFactory, ModelSpec, Predictions};
use crate::options::{Millis, OptionReader};
use crate::{BoxFuture, Error, ErrorKind, Field, Result, TypeKind};

/// The provider; its copies count together.
#[derive(Clone, Debug, Default)]
pub struct ModelTest {
    counts: Arc<Counts>,
}

/// What was asked, of all models of a provider.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    rows: AtomicU64,
    under_way: AtomicU64,
    under_way_most: AtomicU64,
}

impl ModelTest {
    /// How many requests, how many rows, and how many requests at once at most there were.
    pub fn asked(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (read(&self.counts.requests), read(&self.counts.rows), read(&self.counts.under_way_most))
    }
}

/// The options.
struct Settings {
    description: ModelDescription,
    answers: u32,
    delay_ms: u64,
    failures: u64,
    fails_for: Option<String>,
}

impl Settings {
    fn read(model: &ModelSpec) -> Result<Self> {
        let reader = OptionReader::new(&model.options, "provider 'model-test'");
        let ways = [("false", (true, false)), ("true", (false, true)), ("both", (true, true))];
        let (sync, asynchronous) = reader.choice("async", &ways, (true, false))?;
        reader.allow("api-key");
        let settings = Settings {
            description: ModelDescription { sync, asynchronous },
            answers: reader.value_or("answers", 1)?,
            delay_ms: reader.value_or("delay", Millis(0))?.0,
            failures: reader.value_or("failures", 0)?,
            fails_for: reader.text("fails-for").map(str::to_owned),
        };
        reader.finish()?;
        Ok(settings)
    }
}

impl ModelProviderFactory for ModelTest {
    fn identifier(&self) -> &'static str {
        "model-test"
    }

    fn describe(&self, model: &ModelSpec) -> Result<ModelDescription> {
        Ok(Settings::read(model)?.description)
    }

    fn open(&self, model: &ModelSpec, environment: &Environment) -> Result<Box<dyn ModelProvider>> {
        Ok(Box::new(Model {
            settings: Settings::read(model)?,
            spec: model.clone(),
            counts: Arc::clone(&self.counts),
            clock: Arc::clone(&environment.clock),
        }))
    }
}

struct Model {
    settings: Settings,
    spec: ModelSpec,
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
}

impl Model {
    async fn answer(&self, inputs: RecordBatch) -> Result<Predictions> {
        let number = self.counts.requests.fetch_add(1, Ordering::SeqCst);
        self.counts.rows.fetch_add(inputs.num_rows() as u64, Ordering::SeqCst);
        let under_way = self.counts.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.under_way_most.fetch_max(under_way, Ordering::SeqCst);
        if self.settings.delay_ms > 0 {
            self.clock.sleep_ms(self.settings.delay_ms / (number % 3 + 1)).await;
        }
        self.counts.under_way.fetch_sub(1, Ordering::SeqCst);
        let asked = texts(&inputs);
        let refused = |text: &String| self.settings.fails_for.as_ref().is_some_and(|wrong| text.contains(wrong));
        if number < self.settings.failures || asked.iter().any(refused) {
            let kind = ErrorKind::External { retry: true };
            return Err(Error::new(kind, "the model of provider 'model-test' does not answer"));
        }
        let of = |row: usize| std::iter::repeat_n(row as u32, self.settings.answers as usize);
        let inputs: Vec<u32> = (0..inputs.num_rows()).flat_map(of).collect();
        let columns = self.spec.output.fields.iter().map(|field| column(field, &asked, &inputs)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(inputs.len()));
        let rows = RecordBatch::try_new_with_options(self.spec.output.arrow(), columns, &options)?;
        Ok(Predictions { rows, inputs })
    }
}

impl ModelProvider for Model {
    fn predict(&self, inputs: RecordBatch) -> BoxFuture<'_, Result<Predictions>> {
        Box::pin(self.answer(inputs))
    }
}

/// The cells of each row.
fn texts(rows: &RecordBatch) -> Vec<String> {
    let text = |row: usize| rows.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
    (0..rows.num_rows()).map(text).collect()
}

fn cell(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let any = column.as_any();
    let int = any.downcast_ref::<Int32Array>().map(|a| a.value(row).to_string());
    let bigint = || any.downcast_ref::<arrow_array::Int64Array>().map(|a| a.value(row).to_string());
    let text = || any.downcast_ref::<StringArray>().map(|a| a.value(row).to_owned());
    int.or_else(bigint).or_else(text).unwrap_or_else(|| "?".to_owned())
}

fn column(field: &Field, asked: &[String], inputs: &[u32]) -> ArrayRef {
    let texts = inputs.iter().map(|input| format!("{}:{}", field.name, asked[*input as usize]));
    match field.ty.kind {
        TypeKind::Varchar(_) => Arc::new(StringArray::from_iter_values(texts)),
        TypeKind::Int => Arc::new(Int32Array::from_iter_values(texts.map(|text| text.chars().count() as i32))),
        _ => new_null_array(&field.ty.arrow(), inputs.len()),
    }
}
