//! A condition over rows of several inputs: it is given the columns that it reads, and no others are made for it.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use flott_api::expr::Expr;
use flott_api::{Error, Result};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};

use crate::emit::record_batch;

/// See the module.
pub(crate) struct Condition {
    /// The columns that it reads, ascending.
    reads: Vec<usize>,
    schema: SchemaRef,
    compiled: CompiledExpr,
}

impl Condition {
    /// A condition over columns of these types.
    pub(crate) fn new(condition: &Expr, types: &[DataType], cx: &CompileContext) -> Result<Self> {
        let reads = condition.columns();
        let field = |c: &usize| types.get(*c).map(|ty| Field::new("", ty.clone(), true));
        let fields: Option<Fields> = reads.iter().map(field).collect();
        let fields = fields.ok_or_else(|| Error::internal("a condition reads a column that there is not"))?;
        let moved = condition.clone().transform(&mut |e| match e {
            Expr::Column { index, ty } => Expr::Column { index: reads.binary_search(&index).unwrap_or(index), ty },
            other => other,
        });
        Ok(Condition { compiled: compile(&moved, cx)?, schema: Arc::new(Schema::new(fields)), reads })
    }

    /// For which of so many combinations it holds; `column` gives one that is read.
    pub(crate) fn passing(
        &self,
        count: usize,
        column: impl Fn(usize) -> Result<ArrayRef>,
        cx: &EvalContext,
    ) -> Result<BooleanArray> {
        let columns = self.reads.iter().map(|c| column(*c)).collect::<Result<_>>()?;
        self.compiled.evaluate_predicate(&record_batch(&self.schema, columns, count)?, cx)
    }
}
