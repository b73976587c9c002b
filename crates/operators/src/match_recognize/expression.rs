//! Expressions over matches: what they read is gathered into columns for many matches at once.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use flott_api::{Error, Field, LogicalType, Result, Schema};
use flott_cep::Variable;
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};
use flott_graph::spec::{AggregateCall, MatchExpr, MatchOperand, MatchRecognizeSpec, MatchRows};
use flott_state::hot::{GroupEntries, MapViewOptions};
use flott_state::row;

use super::looked::{Extent, Looked, Place};
use crate::aggregate::groups::{Groups, Plan, Rows};
use crate::emit::record_batch;
use crate::window::time::from_millis;

/// The input, and which of its columns are kept of a row that a variable took.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    columns: Vec<usize>,
    /// The names of the variables.
    variables: Vec<String>,
    pub(super) schema: Schema,
    pub(super) arrow: SchemaRef,
}

impl Kept {
    /// What the measures, and these conditions, read of rows other than the current one; and what comes out of them.
    pub(super) fn of<'e>(
        spec: &'e MatchRecognizeSpec,
        conditions: impl Iterator<Item = &'e MatchExpr>,
    ) -> Result<Self> {
        let input = &spec.input;
        let mut columns: Vec<usize> = match &spec.rows {
            MatchRows::One => Vec::new(),
            MatchRows::All(columns) => columns.clone(),
        };
        let operands = spec.measures.iter().chain(conditions).flat_map(|e| &e.operands);
        operands.for_each(|operand| read(operand, &mut columns));
        columns.sort_unstable();
        columns.dedup();
        if columns.last().is_some_and(|c| *c >= input.len()) {
            return Err(Error::internal("an expression over a match reads a column that its input does not have"));
        }
        let schema = input.project(&columns);
        let arrow = schema.arrow();
        // Refuses what cannot be kept now and not with the first row.
        arrow.fields().iter().try_for_each(|f| row::check_type(f.data_type()))?;
        let variables = spec.variables.iter().map(|v| v.name.clone()).collect();
        Ok(Kept { columns, variables, schema, arrow })
    }

    /// The kept columns of input rows.
    pub(super) fn of_rows(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.columns.iter().map(|c| rows.column(*c).clone()).collect();
        record_batch(&self.arrow, columns, rows.num_rows())
    }

    /// The place of an input column among what is kept.
    pub(super) fn place(&self, column: usize) -> Result<usize> {
        self.columns.binary_search(&column).map_err(|_| Error::internal("a column of a match is not kept"))
    }
}

/// The columns that an operand reads.
fn read(operand: &MatchOperand, columns: &mut Vec<usize>) {
    match operand {
        MatchOperand::Row { column, .. } => columns.push(*column),
        MatchOperand::Aggregate { args, .. } => columns.extend(args.iter().flat_map(|a| a.columns())),
        MatchOperand::Final(of) => read(of, columns),
        MatchOperand::Rowtime { .. } | MatchOperand::Classifier | MatchOperand::MatchNumber => {}
    }
}

/// What an expression reads.
enum Operand {
    Row {
        variable: Option<Variable>,
        from_first: bool,
        offset: usize,
        column: usize,
        kept: usize,
    },
    Aggregate(Box<Aggregated>),
    Rowtime(LogicalType),
    /// By the names of the variables.
    Classifier(Vec<String>),
    Number,
    Final(Box<Operand>),
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
                Operand::Row { from_first: true, .. } | Operand::Aggregate(_) | Operand::Final(_) => return Reach::All,
                Operand::Classifier(_) => last.push((None, 1)),
                Operand::Row { variable, offset, .. } => last.push((*variable, offset + 1)),
                Operand::Rowtime(_) | Operand::Number => {}
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
        let columns = self.operands.iter().map(|operand| operand.column(looked, (rows, kept), Extent::Running, cx));
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
            MatchOperand::Classifier => Operand::Classifier(kept.variables.clone()),
            MatchOperand::MatchNumber => Operand::Number,
            MatchOperand::Final(of) => Operand::Final(Box::new(Operand::new(of, kept, cx)?)),
        })
    }

    fn column(
        &self,
        looked: &Looked<'_>,
        (rows, kept_rows): (&RecordBatch, &RecordBatch),
        extent: Extent,
        cx: &EvalContext,
    ) -> Result<ArrayRef> {
        match self {
            Operand::Row { variable, from_first, offset, column, kept } => {
                let at = (*from_first, *offset);
                let places = (0..looked.len()).map(|item| looked.find(item, *variable, at, extent));
                let picked = Picked::of(places, looked, &kept_rows.schema())?;
                picked.column(rows.column(*column), *kept)
            }
            Operand::Aggregate(aggregated) if looked.is_running() && extent == Extent::Running => {
                aggregated.running(looked, kept_rows, cx)
            }
            Operand::Aggregate(aggregated) => aggregated.values(looked, kept_rows, cx),
            Operand::Rowtime(ty) => from_millis(looked.at_ms.clone(), ty),
            Operand::Classifier(names) => {
                let name = |item| looked.last_variable(item, extent).and_then(|v| names.get(usize::from(v.0)));
                let names = (0..looked.len()).map(name);
                Ok(Arc::new(StringArray::from_iter(names)))
            }
            Operand::Number => Ok(Arc::new(Int64Array::from(looked.numbers.clone()))),
            Operand::Final(of) => of.column(looked, (rows, kept_rows), Extent::Whole, cx),
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
    /// Of whole matches.
    fn values(&self, looked: &Looked<'_>, kept_rows: &RecordBatch, cx: &EvalContext) -> Result<ArrayRef> {
        let (mut places, mut groups) = (Vec::new(), Vec::new());
        for owner in 0..looked.matches() {
            looked.all(owner, self.variable, &mut places);
            groups.resize(places.len(), owner as u32);
        }
        let mut state = self.plan.groups()?;
        state.grow(looked.matches());
        self.fold(&mut state, (places, &groups), (looked, kept_rows), cx)?;
        let owners: Vec<u32> = (0..looked.matches() as u32).collect();
        let values = self.value(&mut state, &owners)?;
        if !looked.is_running() {
            return Ok(values);
        }
        let owners = UInt32Array::from_iter_values(looked.owners().map(|owner| owner as u32));
        Ok(take(&values, &owners, None)?)
    }

    /// Of the rows up to each one of their matches. The first rows of all matches are folded, then the second ones, and so on: each
    /// row once.
    fn running(&self, looked: &Looked<'_>, kept_rows: &RecordBatch, cx: &EvalContext) -> Result<ArrayRef> {
        let mut state = self.plan.groups()?;
        state.grow(looked.matches());
        let mut open: Vec<u32> = (0..looked.matches() as u32).collect();
        let (mut values, mut found) = (Vec::new(), vec![(0, 0); looked.len()]);
        // The items of a match lie together, the first one here.
        let mut begins = vec![usize::MAX; looked.matches()];
        looked.owners().enumerate().for_each(|(item, owner)| begins[owner] = begins[owner].min(item));
        for round in 0.. {
            let (mut places, mut groups) = (Vec::new(), Vec::new());
            open.retain(|owner| {
                let (place, is_there) = looked.nth(*owner as usize, round, self.variable);
                places.extend(place);
                groups.resize(places.len(), *owner);
                is_there
            });
            if open.is_empty() {
                break;
            }
            self.fold(&mut state, (places, &groups), (looked, kept_rows), cx)?;
            for (place, owner) in open.iter().enumerate() {
                found[begins[*owner as usize] + round] = (round, place);
            }
            values.push(self.value(&mut state, &open)?);
        }
        let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&values, &found)?)
    }

    /// Folds rows of matches into their states.
    fn fold(
        &self,
        state: &mut Groups,
        (places, groups): (Vec<Place>, &[u32]),
        (looked, kept_rows): (&Looked<'_>, &RecordBatch),
        cx: &EvalContext,
    ) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let picked = Picked::of(places.into_iter(), looked, &kept_rows.schema())?;
        let columns = kept_rows.columns().iter().enumerate().map(|(place, column)| picked.column(column, place));
        let rows = record_batch(&kept_rows.schema(), columns.collect::<Result<_>>()?, groups.len())?;
        let args = self.args.iter().map(|a| a.evaluate(&rows, cx)).collect::<Result<Vec<_>>>()?;
        let columns = record_batch(&self.schema, args, groups.len())?;
        let rows = Rows { columns: &columns, groups, changes: None, now_ms: cx.processing_time_ms };
        state.fold(&self.plan, &rows)
    }

    fn value(&self, state: &mut Groups, owners: &[u32]) -> Result<ArrayRef> {
        let mut values = state.values(&self.plan, owners)?;
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
