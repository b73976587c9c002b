//! Appends to each row what a model answers for it: `ML_PREDICT(TABLE t, MODEL m, DESCRIPTOR(a))`.
//!
//! Flink counterpart: `MLPredictTableFunction`, with `AsyncWaitOperator` where rows are asked for at once. **State layout**: none. A
//! model need not answer the same twice, so nothing of an answer may be lost and asked for again while another part of it went on:
//! all rows of a batch have been answered and emitted when the next thing happens, and a barrier waits for at most one batch. What
//! is behind the last checkpoint is asked for again behind a restart.
//!
//! A model is asked for whole batches one after the other, or for rows, of which so many may be under way; an answer that takes
//! too long fails the job. Rows go on as soon as they may: in their order, or as they are answered, but not past a watermark. An
//! input without an answer has no row, one with several has as many.

mod release;

use std::pin::pin;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use async_trait::async_trait;
use flott_api::env::{Clock, Environment};
use flott_api::model::{ModelProvider, Predictions};
use flott_api::operator::{EventTime, OpenContext, Operator, OperatorContext, Stateful};
use flott_api::{ChangeBatch, Error, ErrorKind, Mark, Result};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::{AsyncPredict, MlPredictTableFunctionSpec};
use futures::FutureExt;
use futures::future::{Either, select};
use futures::stream::{self, BoxStream, StreamExt};

use self::release::{Answer, Release};
use crate::emit::{emit, record_batch, replace_marks};
use crate::factory::FromSpec;
use crate::joined::taken;

/// See the module.
pub struct MlPredictTableFunction {
    spec: MlPredictTableFunctionSpec,
    model: Option<Model>,
}

impl FromSpec for MlPredictTableFunction {
    type Spec = MlPredictTableFunctionSpec;

    fn from_spec(spec: MlPredictTableFunctionSpec) -> Result<Self> {
        if spec.arguments.len() != spec.model.input.len()
            || spec.output.len() != spec.input.len() + spec.model.output.len()
        {
            return Err(Error::internal("a model is planned with other columns than it has"));
        }
        Ok(MlPredictTableFunction { spec, model: None })
    }

    fn event_time(&self) -> EventTime {
        EventTime::Indifferent
    }
}

impl Stateful for MlPredictTableFunction {}

#[async_trait]
impl Operator for MlPredictTableFunction {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.model = Some(Model::open(&self.spec, &cx.environment)?);
        Ok(())
    }

    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let eval_cx = EvalContext { processing_time_ms: cx.processing_time_ms, watermark: cx.watermark.0 };
        let model = self.model.as_ref().ok_or_else(|| Error::internal("a model was not opened"))?;
        let mut asked = model.ask(&batch, &eval_cx)?;
        while let Some(rows) = asked.next().await? {
            emit(rows, cx).await?;
        }
        Ok(())
    }
}

/// A model that is asked for the rows of batches.
pub struct Model {
    spec: MlPredictTableFunctionSpec,
    provider: Box<dyn ModelProvider>,
    arguments: Vec<CompiledExpr>,
    inputs: SchemaRef,
    output: SchemaRef,
    clock: Arc<dyn Clock>,
}

impl Model {
    /// Opens it.
    ///
    /// # Errors
    /// If there is no such provider, or it cannot open the model.
    pub fn open(spec: &MlPredictTableFunctionSpec, environment: &Environment) -> Result<Self> {
        let cx = CompileContext { session_zone: spec.session_zone.clone(), environment: Some(environment.clone()) };
        Ok(Model {
            provider: environment.models.get(&spec.model.provider)?.open(&spec.model, environment)?,
            arguments: spec.arguments.iter().map(|argument| compile(argument, &cx)).collect::<Result<_>>()?,
            inputs: spec.model.input.arrow(),
            output: spec.output.arrow(),
            clock: Arc::clone(&environment.clock),
            spec: spec.clone(),
        })
    }

    /// Asks for the rows of a batch.
    ///
    /// # Errors
    /// If what the model is asked cannot be computed.
    pub fn ask<'a>(&'a self, batch: &'a ChangeBatch, cx: &EvalContext) -> Result<Asked<'a>> {
        let rows = batch.len();
        if rows == 0 {
            return Ok(Asked { model: self, batch, release: Release::new(batch), answers: stream::empty().boxed() });
        }
        let columns = self.arguments.iter().map(|a| a.evaluate(batch.rows(), cx)).collect::<Result<Vec<_>>>()?;
        let inputs = record_batch(&self.inputs, columns, rows)?;
        let answers = match self.spec.asynchronous {
            None => {
                stream::once(async move { Ok(Answer { row: 0, predictions: self.predictions(inputs).await? }) }).boxed()
            }
            Some(AsyncPredict { ordered, timeout_ms, in_flight_max }) => {
                let one = move |row: usize| {
                    let answer = self.in_time(inputs.slice(row, 1), timeout_ms);
                    async move { Ok(Answer { row, predictions: answer.await? }) }
                };
                let (all, at_once) = (stream::iter(0..rows).map(one), in_flight_max.max(1) as usize);
                if ordered { all.buffered(at_once).boxed() } else { all.buffer_unordered(at_once).boxed() }
            }
        };
        Ok(Asked { model: self, batch, release: Release::new(batch), answers })
    }

    async fn predictions(&self, inputs: RecordBatch) -> Result<Predictions> {
        let asked = inputs.num_rows();
        let predictions = self.provider.predict(inputs).await?;
        let places = &predictions.inputs;
        let in_order = places.is_sorted() && places.last().is_none_or(|last| (*last as usize) < asked);
        if !in_order || places.len() != predictions.rows.num_rows() {
            return Err(Error::internal("a model answered inputs that it was not asked for, or in another order"));
        }
        Ok(predictions)
    }

    /// An answer that does not take longer than it may.
    async fn in_time(&self, inputs: RecordBatch, timeout_ms: u64) -> Result<Predictions> {
        let late = pin!(async { self.clock.sleep_ms(timeout_ms).await });
        if let Either::Left((answer, _)) = select(pin!(self.predictions(inputs)), late).await {
            return answer;
        }
        let message = format!("model '{}' took longer than {timeout_ms} ms for a row", self.spec.model.model);
        Err(Error::new(ErrorKind::External { retry: true }, message).with_hint(
            "CONFIG of ML_PREDICT has the option 'timeout', 'table.exec.async-ml-predict.timeout' is its default.",
        ))
    }

    /// Rows of the batch with what was answered for them, in the order of the answers; without marks.
    fn appended(&self, batch: &ChangeBatch, answers: &[Answer]) -> Result<ChangeBatch> {
        let places = answers.iter().flat_map(|a| a.predictions.inputs.iter().map(|i| (a.row + *i as usize) as u32));
        let rows = UInt32Array::from_iter_values(places);
        let mut columns = taken(batch.rows(), &rows)?;
        for (column, field) in self.spec.model.output.fields.iter().enumerate() {
            let parts: Vec<&dyn Array> = answers.iter().map(|a| part(&a.predictions, column)).collect::<Result<_>>()?;
            let whole: ArrayRef = match parts.as_slice() {
                [] => arrow_array::new_empty_array(&field.ty.arrow()),
                parts => concat(parts)?,
            };
            if !field.ty.nullable && whole.null_count() > 0 {
                let model = &self.spec.model.model;
                let message = format!("model '{model}' gave no value for its column '{}'", field.name);
                return Err(Error::external(message).with_detail("The column is NOT NULL."));
            }
            columns.push(whole);
        }
        let kinds = batch.kinds().map(|kinds| kinds.take(rows.values().iter().map(|row| *row as usize)));
        ChangeBatch::new(record_batch(&self.output, columns, rows.len())?, kinds)
    }
}

fn part(predictions: &Predictions, column: usize) -> Result<&dyn Array> {
    let columns = predictions.rows.columns();
    columns.get(column).map(|c| c.as_ref()).ok_or_else(|| Error::internal("a model answered fewer columns than it has"))
}

/// A batch whose rows a model is asked for.
pub struct Asked<'a> {
    model: &'a Model,
    batch: &'a ChangeBatch,
    release: Release,
    answers: BoxStream<'a, Result<Answer>>,
}

impl Asked<'_> {
    /// The next rows that may go on, with their marks; nothing when all have. A batch of marks alone may come.
    ///
    /// # Errors
    /// If the model fails.
    pub async fn next(&mut self) -> Result<Option<ChangeBatch>> {
        if self.model.spec.asynchronous.is_none() && !self.batch.is_empty() {
            return self.next_whole().await;
        }
        loop {
            if let Some((answers, marks)) = self.release.take() {
                let rows = self.model.appended(self.batch, &answers)?;
                let end = rows.len() as u32;
                let marks = marks.into_iter().map(|mark| Mark { row: end, ..mark }).collect();
                return rows.with_marks(marks).map(Some);
            }
            let Some(answer) = self.answers.next().await else { return Ok(None) };
            self.release.add(answer?);
            // What is there already goes on together.
            while let Some(Some(answer)) = self.answers.next().now_or_never() {
                self.release.add(answer?);
            }
        }
    }

    /// All rows of the batch.
    async fn next_whole(&mut self) -> Result<Option<ChangeBatch>> {
        let Some(answer) = self.answers.next().await.transpose()? else { return Ok(None) };
        let before = |row: usize| answer.predictions.inputs.partition_point(|place| (*place as usize) < row);
        let marks = replace_marks(self.batch.marks(), before);
        self.model.appended(self.batch, &[answer])?.with_marks(marks).map(Some)
    }
}

#[cfg(test)]
mod tests;
