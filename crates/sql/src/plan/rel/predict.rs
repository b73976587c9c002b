//! Predictions of models.

use flott_api::expr::Expr;
use flott_api::model::ModelSpec;
use flott_graph::spec::AsyncPredict;

use super::{Column, Invocation, Op, Rel};

/// A call of `ML_PREDICT`: columns of the input, then of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Predict {
    /// The model.
    pub model: ModelSpec,
    /// What it is asked, over the input.
    pub arguments: Vec<Expr>,
    /// How it is asked for several rows at once, if it is.
    pub asynchronous: Option<AsyncPredict>,
    /// How it is shown.
    pub call: Invocation,
}

impl Rel {
    /// The rows with what a model answers for each. What is time stays so; a window is not known behind it, as in Flink.
    #[must_use]
    pub fn predicted(self, predict: Predict) -> Rel {
        let own = self.columns.iter().map(|column| Column { window: None, ..column.clone() });
        let answer = predict.model.output.fields.iter().map(|field| Column::new(&field.name, field.ty.clone()));
        let columns = own.chain(answer).collect();
        Rel { op: Op::Predict(Box::new(predict)), inputs: vec![self], columns }
    }
}
