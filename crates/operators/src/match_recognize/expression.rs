//! Expressions over matches: what they read is gathered into columns for many matches at once.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use flott_api::{Error, Field, LogicalType, Result, Schema};
use flott_cep::Variable;
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::{AggregateCall, MatchExpr, MatchOperand};
use flott_state::hot::{GroupEntries, MapViewOptions};
use flott_state::row;

use super::looked::{Looked, Place};
use crate::aggregate::groups::{Plan, Rows};
use crate::emit::record_batch;
use crate::window::time::from_millis;

/// The input, and which of its columns are kept of a row that a variable took.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    columns: Vec<usize>,
    pub(super) schema: Schema,
    pub(super) arrow: SchemaRef,
}

impl Kept {
    /// What these expressions read of rows other than the current one.
    pub(super) fn of<'e>(input: &Schema, expressions: impl Iterator<Item = &'e MatchExpr>) -> Result<Self> {
        let mut columns: Vec<usize> = Vec::new();
        for operand in expressions.flat_map(|e| &e.operands) {
            match operand {
                MatchOperand::Row { column, .. } => columns.push(*column),
                MatchOperand::Aggregate { args, .. } => columns.extend(args.iter().flat_map(|a| a.columns())),
                MatchOperand::Rowtime { .. } => {}
            }
        }
        columns.sort_unstable();
        columns.dedup();
        if columns.last().is_some_and(|c| *c >= input.len()) {
            return Err(Error::internal("an expression over a match reads a column that its input does not have"));
        }
        let schema = input.project(&columns);
        let arrow = schema.arrow();
        // Refuses what cannot be kept now and not with the first row.
        arrow.fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
        Ok(Kept { columns, schema, arrow })
    }

    /// The kept columns of input rows.
    pub(super) fn of_rows(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.columns.iter().map(|c| rows.column(*c).clone()).collect();
        record_batch(&self.arrow, columns, rows.num_rows())
    }

    fn place(&self, column: usize) -> Result<usize> {
        self.columns.binary_search(&column).map_err(|_| Error::internal("a column of a match is not kept"))
    }
}

/// What an expression reads.
enum Operand {
    Row { variable: Option<Variable>, from_first: bool, offset: usize, column: usize, kept: usize },
    Aggregate(Box<Aggregated>),
    Rowtime(LogicalType),
}

/// An aggregate over rows of a match.
struct Aggregated {
    variable: Option<Variable>,
    /// Over the kept columns.
    args: Vec<CompiledExpr>,
    schema: SchemaRef,
    plan: Plan,
}

/// An expression over matches.
pub(super) struct OfMatch {
    operands: Vec<Operand>,
    expr: CompiledExpr,
}

/// How far back in a match an expression looks.
pub(super) enum Reach {
    /// To its begin.
    All,
    /// To so many rows of these variables.
    Last(Vec<(Option<Variable>, usize)>),
}

fn variable(position: Option<usize>) -> Result<Option<Variable>> {
    let number = |p: usize| u8::try_from(p).map_err(|_| Error::internal("a pattern has too many variables"));
    position.map(number).transpose().map(|v| v.map(Variable))
}

impl OfMatch {
    pub(super) fn new(expr: &MatchExpr, kept: &Kept, cx: &CompileContext) -> Result<Self> {
        let operands = expr.operands.iter().map(|o| Operand::new(o, kept, cx)).collect::<Result<_>>()?;
        Ok(OfMatch { operands, expr: compile(&expr.expr, cx)? })
    }

    /// How far back it looks.
    pub(super) fn reach(&self) -> Reach {
        let mut last = Vec::new();
        for operand in &self.operands {
            match operand {
                Operand::Row { from_first: true, .. } | Operand::Aggregate(_) => return Reach::All,
                Operand::Row { variable, offset, .. } => last.push((*variable, offset + 1)),
                Operand::Rowtime(_) => {}
            }
        }
        Reach::Last(last)
    }

    /// Its value for each of these matches. `rows` are those among which the current ones are, `kept` is what is kept of them.
    pub(super) fn evaluate(
        &self,
        looked: &Looked<'_>,
        (rows, kept): (&RecordBatch, &RecordBatch),
        cx: &EvalContext,
    ) -> Result<ArrayRef> {
        let columns = self.operands.iter().map(|operand| operand.column(looked, (rows, kept), cx));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let fields = columns.iter().map(|c| arrow_schema::Field::new("", c.data_type().clone(), true));
        let schema = Arc::new(arrow_schema::Schema::new(fields.collect::<Vec<_>>()));
        self.expr.evaluate(&record_batch(&schema, columns, looked.len())?, cx)
    }
}

impl Operand {
    fn new(operand: &MatchOperand, kept: &Kept, cx: &CompileContext) -> Result<Self> {
        Ok(match operand {
            MatchOperand::Row { variable: of, from_first, offset, column } => Operand::Row {
                variable: variable(*of)?,
                from_first: *from_first,
                offset: *offset as usize,
                column: *column,
                kept: kept.place(*column)?,
            },
            MatchOperand::Aggregate { variable: of, function, args, ty } => {
                let fields = args.iter().map(|a| Field::new("", a.ty().clone()));
                let schema = Schema::new(fields.collect());
                let call = AggregateCall {
                    function: function.clone(),
                    args: (0..args.len()).collect(),
                    filter: None,
                    distinct: false,
                    ty: ty.clone(),
                };
                let place = |index: usize| kept.place(index);
                let args = args.iter().map(|a| compile(&moved(a, &place)?, cx)).collect::<Result<_>>()?;
                let options = MapViewOptions { retract: false, ttl_ms: 0 };
                let plan = Plan::new(&schema, &[], &[call], options)?;
                Operand::Aggregate(Box::new(Aggregated {
                    variable: variable(*of)?,
                    args,
                    schema: schema.arrow(),
                    plan,
                }))
            }
            MatchOperand::Rowtime { ty } => Operand::Rowtime(ty.clone()),
        })
    }

    fn column(
        &self,
        looked: &Looked<'_>,
        (rows, kept_rows): (&RecordBatch, &RecordBatch),
        cx: &EvalContext,
    ) -> Result<ArrayRef> {
        match self {
            Operand::Row { variable, from_first, offset, column, kept } => {
                let places = (0..looked.len()).map(|item| looked.find(item, *variable, (*from_first, *offset)));
                let picked = Picked::of(places, looked, &kept_rows.schema())?;
                picked.column(rows.column(*column), *kept)
            }
            Operand::Aggregate(aggregated) => aggregated.values(looked, kept_rows, cx),
            Operand::Rowtime(ty) => from_millis(looked.at_ms.clone(), ty),
        }
    }
}

/// The expression with other positions of its columns.
fn moved(expr: &flott_api::expr::Expr, place: &dyn Fn(usize) -> Result<usize>) -> Result<flott_api::expr::Expr> {
    use flott_api::expr::Expr;
    for column in expr.columns() {
        place(column)?;
    }
    Ok(expr.clone().transform(&mut |e| match e {
        Expr::Column { index, ty } => Expr::Column { index: place(index).unwrap_or(index), ty },
        other => other,
    }))
}

impl Aggregated {
    fn values(&self, looked: &Looked<'_>, kept_rows: &RecordBatch, cx: &EvalContext) -> Result<ArrayRef> {
        let (mut places, mut groups) = (Vec::new(), Vec::new());
        for item in 0..looked.len() {
            looked.all(item, self.variable, &mut places);
            groups.resize(places.len(), item as u32);
        }
        let picked = Picked::of(places.into_iter(), looked, &kept_rows.schema())?;
        let columns = kept_rows.columns().iter().enumerate().map(|(place, column)| picked.column(column, place));
        let rows = record_batch(&kept_rows.schema(), columns.collect::<Result<_>>()?, groups.len())?;
        let args = self.args.iter().map(|a| a.evaluate(&rows, cx)).collect::<Result<Vec<_>>>()?;
        let columns = record_batch(&self.schema, args, groups.len())?;
        let mut state = self.plan.groups()?;
        state.grow(looked.len());
        let rows = Rows { columns: &columns, groups: &groups, changes: None, now_ms: cx.processing_time_ms };
        state.fold(&self.plan, &rows)?;
        let items = UInt32Array::from_iter_values(0..looked.len() as u32);
        let mut values = state.values(&self.plan, items.values())?;
        values.pop().ok_or_else(|| Error::internal("an aggregate over a match has no value"))
    }
}

/// Rows that were found: of the current ones, of those that are kept, or none.
struct Picked {
    indices: Vec<(usize, usize)>,
    stored: RecordBatch,
}

const CURRENT: usize = 0;
const STORED: usize = 1;
const MISSING: usize = 2;

impl Picked {
    fn of(places: impl Iterator<Item = Place>, looked: &Looked<'_>, kept: &SchemaRef) -> Result<Self> {
        let (mut indices, mut stored) = (Vec::new(), Vec::new());
        for place in places {
            indices.push(match place {
                Place::Current(row) => (CURRENT, row),
                Place::Event(event) => {
                    stored.push(looked.event(event));
                    (STORED, stored.len() - 1)
                }
                Place::None => (MISSING, 0),
            });
        }
        Ok(Picked { indices, stored: row::decode(kept, &stored)? })
    }

    /// A column of them; `current` is that of the current rows, `kept` its place among what is kept.
    fn column(&self, current: &ArrayRef, kept: usize) -> Result<ArrayRef> {
        let stored = self.stored.column(kept);
        let missing = new_null_array(stored.data_type(), 1);
        let arrays: [&dyn Array; 3] = [current.as_ref(), stored.as_ref(), missing.as_ref()];
        Ok(interleave(&arrays, &self.indices)?)
    }
}
