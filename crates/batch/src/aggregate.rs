//! Flink's aggregates behind DataFusion's: each call is a plan of its own with the state that a streaming operator has.
//!
//! What is spilled of a group is the entry that a checkpoint would hold. It is read back into groups of its own and merged,
//! as a window merges its slices. An aggregate that cannot be merged (its value depends on the order of rows that were
//! parted) fails when it would have to spill, and says so.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_schema::{DataType, Field, FieldRef, SchemaRef};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::expressions::lit;
use flott_api::aggregate::MergeInput;
use flott_api::{Error, Field as OurField, Schema as OurSchema};
use flott_graph::spec::AggregateCall;
use flott_operators::aggregate::groups::{Groups, Plan, Rows};
use flott_state::hot::{GroupEntries, MapViewOptions, Values};

use crate::columns;
use crate::error::carried;

/// So many groups that were given away may still lie before the others.
const GIVEN_AWAY_MAX: u32 = 1024;

/// A call over the columns of an input, for DataFusion.
///
/// # Errors
/// If there is no such aggregate.
pub(crate) fn expression(
    call: &AggregateCall,
    input: &OurSchema,
    rows: &SchemaRef,
    name: String,
) -> flott_api::Result<Arc<AggregateFunctionExpr>> {
    let read: Vec<usize> = call.args.iter().copied().chain(call.filter).collect();
    let function = Function::new(call, input, &read, name.clone())?;
    let mut args: Vec<Arc<dyn PhysicalExpr>> = read.iter().map(|c| columns::column(rows, *c)).collect();
    if args.is_empty() {
        // DataFusion counts rows by a column.
        args.push(lit(true));
    }
    let built = AggregateExprBuilder::new(Arc::new(AggregateUDF::new_from_impl(function)), args)
        .schema(Arc::clone(rows))
        .alias(name)
        .build();
    built.map(Arc::new).map_err(crate::error::released)
}

/// An aggregate over its arguments, with its filter as the last of them.
struct Function {
    name: String,
    call: AggregateCall,
    plan: Arc<Plan>,
    input: SchemaRef,
    ty: DataType,
    signature: Signature,
}

impl Function {
    fn new(call: &AggregateCall, input: &OurSchema, read: &[usize], name: String) -> flott_api::Result<Self> {
        let fields = read.iter().map(|c| input.fields.get(*c).map(|f| OurField::new("", f.ty.clone())));
        let fields: Option<Vec<OurField>> = fields.collect();
        let own = OurSchema::new(fields.ok_or_else(|| Error::internal("an aggregate of a column that is not there"))?);
        let args = call.args.len();
        let call = AggregateCall { args: (0..args).collect(), filter: call.filter.map(|_| args), ..call.clone() };
        let plan = Plan::new(&own, &[], std::slice::from_ref(&call), MapViewOptions { retract: false, ttl_ms: 0 })?;
        Ok(Function {
            name,
            plan: Arc::new(plan),
            input: columns::loose(&own),
            ty: call.ty.arrow(),
            signature: Signature::variadic_any(Volatility::Immutable),
            call,
        })
    }

    fn folding(&self) -> Result<Folding> {
        let groups = self.plan.groups().map_err(carried)?;
        let (plan, input, call) = (Arc::clone(&self.plan), Arc::clone(&self.input), self.call.clone());
        Ok(Folding { plan, input, call, groups, first: 0, len: 0 })
    }
}

impl AggregateUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.ty.clone())
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(One::new(self.folding()?)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[state]", args.name), DataType::Binary, true))])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.folding()?))
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({:?})", self.call)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.call == other.call && self.input == other.input
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call.hash(state);
    }
}

/// An aggregate's state of all groups.
struct Folding {
    plan: Arc<Plan>,
    input: SchemaRef,
    call: AggregateCall,
    groups: Groups,
    /// Groups before this one have been given away.
    first: u32,
    /// How many there are from there on.
    len: u32,
}

impl Folding {
    fn grow(&mut self, groups: usize) -> Result<()> {
        let too_many = |_| DataFusionError::ResourcesExhausted("there are more groups than can be counted".to_owned());
        self.len = u32::try_from(groups).map_err(too_many)?;
        let end = self.first.checked_add(self.len);
        let end = end.ok_or_else(|| DataFusionError::ResourcesExhausted("there are too many groups".to_owned()))?;
        self.groups.grow(end as usize);
        Ok(())
    }

    fn numbers(&self, groups: &[usize]) -> Vec<u32> {
        groups.iter().map(|group| self.first + *group as u32).collect()
    }

    /// The groups that are to be given away.
    fn emitted(&self, emit_to: EmitTo) -> Vec<u32> {
        let count = match emit_to {
            EmitTo::All => self.len,
            EmitTo::First(n) => (n as u32).min(self.len),
        };
        (self.first..self.first + count).collect()
    }

    /// Forgets groups that were given away, from the first one on.
    fn forget(&mut self, emit_to: EmitTo, groups: &[u32]) -> Result<()> {
        if let EmitTo::All = emit_to {
            self.groups = self.plan.groups().map_err(carried)?;
            (self.first, self.len) = (0, 0);
            return Ok(());
        }
        groups.iter().for_each(|group| self.groups.clear(*group));
        self.first += groups.len() as u32;
        self.len -= groups.len() as u32;
        if self.first >= self.len.max(GIVEN_AWAY_MAX) { self.compact() } else { Ok(()) }
    }

    /// Moves what is left to the front, so that groups that were given away take no memory.
    fn compact(&mut self) -> Result<()> {
        let left: Vec<u32> = (self.first..self.first + self.len).collect();
        let mut values = Values::default();
        self.groups.save(&left, &mut values).map_err(carried)?;
        self.groups = self.plan.groups().map_err(carried)?;
        self.groups.grow(left.len());
        self.first = 0;
        let values: Vec<&[u8]> = (0..values.len()).map(|i| values.get(i)).collect();
        self.groups.load(&(0..self.len).collect::<Vec<_>>(), &values, 0).map_err(carried)
    }

    fn fold(&mut self, values: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let width = self.input.fields().len();
        let columns = columns::batch(&self.input, values.iter().take(width).cloned().collect(), groups.len())?;
        let rows = Rows { columns: &columns, groups, changes: None, now_ms: 0 };
        self.groups.fold(&self.plan, &rows).map_err(carried)
    }

    fn saved(&self, groups: &[u32]) -> Result<ArrayRef> {
        self.plan.check_merges(std::slice::from_ref(&self.call)).map_err(|e| {
            carried(e.with_hint("Its groups must fit into memory: SET 'taskmanager.memory.managed.size' to more."))
        })?;
        let mut values = Values::default();
        self.groups.save(groups, &mut values).map_err(carried)?;
        let mut saved = BinaryBuilder::new();
        (0..values.len()).for_each(|i| saved.append_value(values.get(i)));
        Ok(Arc::new(saved.finish()))
    }

    /// Merges entries into groups, of which each may have several: they are taken in turns.
    fn merge(&mut self, states: &ArrayRef, groups: &[u32]) -> Result<()> {
        let wrong = || DataFusionError::Internal("the state of an aggregate is no bytes".to_owned());
        let states = states.as_binary_opt::<i32>().ok_or_else(wrong)?;
        let rows: Vec<u32> = (0..states.len() as u32).collect();
        let values: Vec<&[u8]> = (0..states.len()).map(|i| states.value(i)).collect();
        let mut partial = self.plan.groups().map_err(carried)?;
        partial.grow(rows.len());
        partial.load(&rows, &values, 0).map_err(carried)?;
        let mut left: Vec<(u32, u32)> = rows.into_iter().zip(groups.iter().copied()).collect();
        // Stable: what came first of a group is merged first.
        left.sort_by_key(|(_, group)| *group);
        while !left.is_empty() {
            let mut next = Vec::new();
            let (mut from, mut into): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
            for (row, group) in left {
                if into.last() == Some(&group) {
                    next.push((row, group));
                } else {
                    from.push(row);
                    into.push(group);
                }
            }
            let input = MergeInput { from: &from, groups: &into, retract: false };
            self.groups.merge(&self.plan, &mut partial, &input, 0).map_err(carried)?;
            left = next;
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let mut values = self.groups.values(&self.plan, groups).map_err(carried)?;
        values.pop().ok_or_else(|| DataFusionError::Internal("an aggregate has no value".to_owned()))
    }
}

impl GroupsAccumulator for Folding {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        if opt_filter.is_some() {
            return Err(DataFusionError::Internal("the filter of an aggregate is one of its arguments".to_owned()));
        }
        self.grow(total_num_groups)?;
        let groups = self.numbers(group_indices);
        self.fold(values, &groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.emitted(emit_to);
        let values = self.values(&groups)?;
        self.forget(emit_to, &groups)?;
        Ok(values)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.emitted(emit_to);
        let saved = self.saved(&groups)?;
        self.forget(emit_to, &groups)?;
        Ok(vec![saved])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.grow(total_num_groups)?;
        let groups = self.numbers(group_indices);
        match values {
            [states] => self.merge(states, &groups),
            _ => Err(DataFusionError::Internal("an aggregate has one state".to_owned())),
        }
    }

    fn convert_to_state(&self, _: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        Err(DataFusionError::NotImplemented("a bounded aggregation has one phase".to_owned()))
    }

    fn size(&self) -> usize {
        self.groups.memory_bytes()
    }
}

/// The one group of an aggregation without keys. The lock is never waited for: DataFusion wants to share what it
/// only asks for its size.
struct One {
    folding: Mutex<Folding>,
    bytes: usize,
}

impl One {
    fn new(folding: Folding) -> Self {
        One { bytes: folding.groups.memory_bytes(), folding: Mutex::new(folding) }
    }

    /// Does something to the group.
    fn on<T>(&mut self, work: impl FnOnce(&mut Folding) -> Result<T>) -> Result<T> {
        let folding = self.folding.get_mut().unwrap_or_else(PoisonError::into_inner);
        folding.grow(1)?;
        let done = work(folding);
        self.bytes = folding.groups.memory_bytes();
        done
    }
}

impl fmt::Debug for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("One").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        self.on(|one| one.fold(values, &vec![0; rows]))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let values = self.on(|one| one.values(&[0]))?;
        ScalarValue::try_from_array(&values, 0)
    }

    fn size(&self) -> usize {
        self.bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let saved = self.on(|one| one.saved(&[0]))?;
        Ok(vec![ScalarValue::try_from_array(&saved, 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first() else { return Ok(()) };
        self.on(|one| one.merge(states, &vec![0; states.len()]))
    }
}
