//! The columns of pairs of rows of two inputs, and the condition that pairs must meet.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_schema::{Field, Fields, Schema as ArrowSchema, SchemaRef};
use arrow_select::take::take;
use flott_api::expr::Expr;
use flott_api::operator::OpenContext;
use flott_api::{ChangeBatch, Result, Schema};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};

/// What pairs look like.
pub(crate) struct Joined {
    output: SchemaRef,
    /// The columns of both sides, as the condition sees them.
    both: SchemaRef,
    condition: Option<Expr>,
    session_zone: String,
    /// Is there from `open` on, if there is a condition.
    compiled: Option<CompiledExpr>,
}

impl Joined {
    pub(crate) fn new(
        inputs: [&Schema; 2],
        output: &Schema,
        (condition, session_zone): (Option<Expr>, String),
    ) -> Self {
        let types = inputs.into_iter().flat_map(|side| &side.fields).map(|f| f.ty.arrow());
        let fields: Fields = types.map(|ty| Field::new("", ty, true)).collect();
        let both = Arc::new(ArrowSchema::new(fields));
        Joined { output: output.arrow(), both, condition, session_zone, compiled: None }
    }

    pub(crate) fn open(&mut self, cx: &OpenContext) -> Result<()> {
        let zone = self.session_zone.clone();
        let cx = CompileContext { session_zone: zone, environment: Some(cx.environment.clone()) };
        self.compiled = self.condition.as_ref().map(|c| compile(c, &cx)).transpose()?;
        Ok(())
    }

    /// For which of so many pairs the condition holds; nothing if there is no condition, or no pair.
    pub(crate) fn passing(
        &self,
        pairs: usize,
        columns: impl FnOnce() -> Result<Vec<ArrayRef>>,
        cx: &EvalContext,
    ) -> Result<Option<BooleanArray>> {
        let Some(condition) = self.compiled.as_ref().filter(|_| pairs > 0) else { return Ok(None) };
        let rows = crate::emit::record_batch(&self.both, columns()?, pairs)?;
        condition.evaluate_predicate(&rows, cx).map(Some)
    }

    /// Insertions of these columns.
    pub(crate) fn inserts(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<ChangeBatch> {
        Ok(ChangeBatch::inserts(crate::emit::record_batch(&self.output, columns, rows)?))
    }
}

/// The columns of these rows; nulls for none.
pub(crate) fn taken(rows: &RecordBatch, picked: &UInt32Array) -> Result<Vec<ArrayRef>> {
    let taken = rows.columns().iter().map(|column| take(column, picked, None));
    Ok(taken.collect::<std::result::Result<_, _>>()?)
}

/// Those of the left before those of the right.
pub(crate) fn ordered(mut own: Vec<ArrayRef>, mut other: Vec<ArrayRef>, own_is_left: bool) -> Vec<ArrayRef> {
    if own_is_left {
        own.append(&mut other);
        own
    } else {
        other.append(&mut own);
        other
    }
}

/// Which rows have, in a key whose nulls have no equal, a null.
pub(crate) fn without_equal(keys: &[ArrayRef], nulls_meet: &[bool], rows: usize) -> Vec<bool> {
    let mut parted = vec![false; rows];
    for (key, _) in keys.iter().zip(nulls_meet).filter(|(key, meet)| !**meet && key.null_count() > 0) {
        parted.iter_mut().enumerate().for_each(|(row, p)| *p |= key.is_null(row));
    }
    parted
}
