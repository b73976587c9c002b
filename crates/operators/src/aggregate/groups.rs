//! The aggregates of an operator, and the containers with their state: what `GroupAggregate` and
//! `WindowAggregate` share.
//!
//! [`Plan`] is fixed; [`Groups`] is the state of one set of keys. For each batch the plan finds out per
//! call which rows count (`FILTER`, then `DISTINCT`), and lends the call its slots and views. Calls
//! with equal argument and filter share the view that knows which values were seen.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use flott_api::aggregate::{
    Aggregate, AggregateInput, AggregateState, Change, MapView, Running, SlotColumn, StateShape, View, ViewKind,
};
use flott_api::key_group::{hash_keys, key_group};
use flott_api::{Error, LogicalType, Result, Schema};
use flott_graph::spec::AggregateCall;
use flott_state::hot::{GroupTable, MapViewOptions, map_view, sorted_view};
use flott_state::key;
use flott_state::snapshot::{SnapshotWriter, entries, put_bytes, take_array, take_bytes, take_i64};

use super::function;

/// The keys and aggregates of an operator.
pub struct Plan {
    keys: Vec<usize>,
    key_types: Vec<DataType>,
    calls: Vec<Call>,
    distinct: Vec<Distinct>,
    options: MapViewOptions,
    /// Names the state: keys and calls.
    name: String,
}

struct Call {
    function: Box<dyn Aggregate>,
    shape: StateShape,
    args: Vec<usize>,
    filter: Option<usize>,
    /// Which of [`Plan::distinct`] decides.
    distinct: Option<usize>,
}

#[derive(PartialEq, Eq)]
struct Distinct {
    column: usize,
    filter: Option<usize>,
    ty: DataType,
}

/// The state of one set of keys.
pub struct Groups {
    /// Key to group.
    pub table: GroupTable,
    /// How many rows each group has: those added less those taken back.
    pub rows: Vec<i64>,
    calls: Vec<CallState>,
    distinct: Vec<Box<dyn MapView>>,
}

struct CallState {
    slots: Vec<SlotColumn>,
    views: Vec<View>,
}

/// Rows for the aggregates: all input columns, the group of each row and what it does.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The input columns.
    pub columns: &'a RecordBatch,
    /// The group of each row.
    pub groups: &'a [u32],
    /// What each row does; `None` means that all count.
    pub changes: Option<&'a [Change]>,
    /// Processing time.
    pub now_ms: i64,
}

impl Plan {
    /// The plan of these keys and calls over this input.
    ///
    /// # Errors
    /// If an aggregate or a key type is not supported.
    pub fn new(input: &Schema, keys: &[usize], calls: &[AggregateCall], options: MapViewOptions) -> Result<Self> {
        let mut plan = Plan {
            key_types: keys.iter().map(|k| column_type(input, *k).map(LogicalType::arrow)).collect::<Result<_>>()?,
            keys: keys.to_vec(),
            calls: Vec::new(),
            distinct: Vec::new(),
            options,
            name: state_name(input, keys, calls, options),
        };
        for call in calls {
            plan.add(input, call)?;
        }
        // Refuses what cannot be kept now and not with the first row.
        plan.groups()?;
        Ok(plan)
    }

    fn add(&mut self, input: &Schema, call: &AggregateCall) -> Result<()> {
        let args = call.args.iter().map(|a| column_type(input, *a).cloned()).collect::<Result<Vec<_>>>()?;
        if let Some(filter) = call.filter {
            column_type(input, filter)?;
        }
        let function = function(call, &args, self.options.retract)?;
        let distinct = match (call.distinct, call.args.as_slice()) {
            (false, _) => None,
            (true, [column]) => {
                Some(self.share(Distinct { column: *column, filter: call.filter, ty: args[0].arrow() }))
            }
            (true, _) => return Err(Error::unsupported("DISTINCT over several columns")),
        };
        let (shape, args) = (function.shape(), call.args.clone());
        self.calls.push(Call { shape, function, args, filter: call.filter, distinct });
        Ok(())
    }

    fn share(&mut self, wanted: Distinct) -> usize {
        self.distinct.iter().position(|d| *d == wanted).unwrap_or_else(|| {
            self.distinct.push(wanted);
            self.distinct.len() - 1
        })
    }

    /// The name of the state, which a restore compares.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether an aggregate keeps all its values in order.
    pub fn keeps_order(&self) -> bool {
        self.calls.iter().flat_map(|c| &c.shape.views).any(|v| v.kind == ViewKind::Sorted)
    }

    /// The key columns of a batch.
    pub fn keys(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| rows.column(*k).clone()).collect()
    }

    /// Empty containers.
    ///
    /// # Errors
    /// If a type cannot be kept.
    pub fn groups(&self) -> Result<Groups> {
        let calls = self.calls.iter().map(|call| {
            let slots = call.shape.slots.iter().map(|s| SlotColumn::new(s.ty)).collect();
            let views = call.shape.views.iter().map(|v| match v.kind {
                ViewKind::Map => map_view(&v.ty.arrow(), self.options).map(View::Map),
                ViewKind::Sorted => sorted_view(&v.ty.arrow()).map(View::Sorted),
            });
            Ok(CallState { slots, views: views.collect::<Result<_>>()? })
        });
        let distinct = self.distinct.iter().map(|d| map_view(&d.ty, self.options)).collect::<Result<_>>()?;
        Ok(Groups {
            table: GroupTable::new(self.key_types.clone())?,
            rows: Vec::new(),
            calls: calls.collect::<Result<_>>()?,
            distinct,
        })
    }
}

fn column_type(input: &Schema, column: usize) -> Result<&LogicalType> {
    let field = input.fields.get(column).map(|f| &f.ty);
    field.ok_or_else(|| Error::internal("an aggregation reads a column that its input does not have"))
}

fn state_name(input: &Schema, keys: &[usize], calls: &[AggregateCall], options: MapViewOptions) -> String {
    let ty = |c: &usize| input.fields.get(*c).map_or_else(String::new, |f| f.ty.kind.to_string());
    let types = |columns: &[usize]| columns.iter().map(ty).collect::<Vec<_>>().join(", ");
    let call = |c: &AggregateCall| {
        let distinct = if c.distinct { "DISTINCT " } else { "" };
        let filter = if c.filter.is_some() { " FILTER" } else { "" };
        format!("{}-{}({distinct}{}){filter}", c.function.name, c.function.version, types(&c.args))
    };
    let calls = calls.iter().map(call).collect::<Vec<_>>().join(", ");
    let changelog = if options.retract { "updates" } else { "insertions" };
    let expiry = if options.ttl_ms > 0 { "with" } else { "without" };
    format!("aggregates {calls} by ({}) over {changelog}, {expiry} expiry, keys {}", types(keys), key::VERSION)
}

impl Groups {
    /// Makes room for all groups that the table has numbered.
    pub fn grow(&mut self) {
        let end = self.table.end();
        if end <= self.rows.len() {
            return;
        }
        self.rows.resize(end, 0);
        for slots in self.calls.iter_mut().flat_map(|c| &mut c.slots) {
            slots.grow(end);
        }
    }

    /// Makes the state of one group fresh.
    pub fn clear(&mut self, group: u32) {
        self.rows[group as usize] = 0;
        for call in &mut self.calls {
            call.slots.iter_mut().for_each(|s| s.clear(group));
            for view in &mut call.views {
                match view {
                    View::Map(v) => v.clear(group),
                    View::Sorted(v) => v.clear(group),
                }
            }
        }
        self.distinct.iter_mut().for_each(|v| v.clear(group));
    }

    /// Bytes of memory that the state takes, about.
    pub fn memory_bytes(&self) -> usize {
        let view = |v: &View| match v {
            View::Map(v) => v.memory_bytes(),
            View::Sorted(v) => v.memory_bytes(),
        };
        let call = |c: &CallState| {
            let slots: usize = c.slots.iter().map(SlotColumn::memory_bytes).sum();
            slots + c.views.iter().map(view).sum::<usize>()
        };
        let distinct: usize = self.distinct.iter().map(|v| v.memory_bytes()).sum();
        let calls: usize = self.calls.iter().map(call).sum();
        self.table.memory_bytes() + self.rows.capacity() * size_of::<i64>() + calls + distinct
    }

    /// Folds rows into their groups.
    ///
    /// # Errors
    /// If the rows do not fit the plan.
    pub fn fold(&mut self, plan: &Plan, rows: &Rows<'_>) -> Result<()> {
        let seen = self.distinct(plan, rows)?;
        for (call, state) in plan.calls.iter().zip(&mut self.calls) {
            let changes = call.changes(rows, &seen)?;
            let args = call.args(rows);
            call.function.fold(&input(&args, rows, &changes), &mut state.lend())?;
        }
        Ok(())
    }

    /// Folds rows into their groups in order, with each call's value around each row.
    ///
    /// # Errors
    /// If the rows do not fit the plan.
    pub fn running(&mut self, plan: &Plan, rows: &Rows<'_>) -> Result<Vec<Running>> {
        let seen = self.distinct(plan, rows)?;
        let calls = plan.calls.iter().zip(&mut self.calls).map(|(call, state)| {
            let changes = call.changes(rows, &seen)?;
            let args = call.args(rows);
            call.function.running(&input(&args, rows, &changes), &mut state.lend())
        });
        calls.collect()
    }

    /// Each call's value for these groups.
    ///
    /// # Errors
    /// If an array cannot be built.
    pub fn values(&mut self, plan: &Plan, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let calls = plan.calls.iter().zip(&mut self.calls);
        calls.map(|(call, state)| call.function.value(groups, &mut state.lend())).collect()
    }

    /// What each distinct view lets through; one pass for all calls that share it.
    fn distinct(&mut self, plan: &Plan, rows: &Rows<'_>) -> Result<Vec<Vec<Change>>> {
        let views = plan.distinct.iter().zip(&mut self.distinct).map(|(distinct, view)| {
            let changes = filtered(rows, distinct.filter)?;
            let changes = changes.as_deref().or(rows.changes);
            let args = std::slice::from_ref(rows.columns.column(distinct.column));
            view.distinct(&AggregateInput { args, groups: rows.groups, changes }, rows.now_ms)
        });
        views.collect()
    }

    /// Appends the groups that have rows to a snapshot, each after what `tag` puts before it.
    ///
    /// # Errors
    /// If a key cannot be written; a bug.
    pub fn save(
        &self,
        writer: &mut SnapshotWriter,
        max_parallelism: u32,
        tag: impl Fn(u32, &mut Vec<u8>),
    ) -> Result<()> {
        let groups: Vec<u32> = self.table.groups().into_iter().filter(|g| self.rows[*g as usize] != 0).collect();
        let columns = self.table.columns(&groups)?;
        let hashes = hash_keys(&columns, groups.len())?;
        let mut keys = key::EncodedKeys::default();
        keys.encode(&columns, groups.len())?;
        for (row, group) in groups.iter().enumerate() {
            writer.entry(key_group(hashes[row], max_parallelism).0, |out| {
                tag(*group, out);
                put_bytes(out, keys.get(row));
                self.save_group(*group, out);
            });
        }
        Ok(())
    }

    fn save_group(&self, group: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rows[group as usize].to_le_bytes());
        for call in &self.calls {
            call.slots.iter().for_each(|s| save_slot(s, group, out));
            for view in &call.views {
                match view {
                    View::Map(v) => v.save(group, out),
                    View::Sorted(v) => v.save(group, out),
                }
            }
        }
        self.distinct.iter().for_each(|v| v.save(group, out));
    }

    /// Reads one group that [`save`](Groups::save) wrote, behind its tag, and answers its number.
    ///
    /// # Errors
    /// If the bytes are damaged.
    pub fn load(&mut self, plan: &Plan, input: &mut &[u8]) -> Result<u32> {
        let key = take_bytes(input)?;
        let columns = key::decode(&plan.key_types, &[key])?;
        let group = self.table.assign(&columns, 1)?[0];
        self.grow();
        self.rows[group as usize] = take_i64(input)?;
        for call in &mut self.calls {
            call.slots.iter_mut().try_for_each(|s| load_slot(s, group, input))?;
            for view in &mut call.views {
                match view {
                    View::Map(v) => v.load(group, input)?,
                    View::Sorted(v) => v.load(group, input)?,
                }
            }
        }
        self.distinct.iter_mut().try_for_each(|v| v.load(group, input))?;
        Ok(group)
    }
}

fn save_slot(slot: &SlotColumn, group: u32, out: &mut Vec<u8>) {
    let group = group as usize;
    match slot {
        SlotColumn::Int64(v) => out.extend_from_slice(&v[group].to_le_bytes()),
        SlotColumn::Int128(v) => out.extend_from_slice(&v[group].to_le_bytes()),
        SlotColumn::Float64(v) => out.extend_from_slice(&v[group].to_bits().to_le_bytes()),
        SlotColumn::Bytes(v) => put_bytes(out, &v[group]),
    }
}

fn load_slot(slot: &mut SlotColumn, group: u32, input: &mut &[u8]) -> Result<()> {
    let group = group as usize;
    match slot {
        SlotColumn::Int64(v) => v[group] = take_i64(input)?,
        SlotColumn::Int128(v) => v[group] = i128::from_le_bytes(take_array(input)?),
        SlotColumn::Float64(v) => v[group] = f64::from_bits(u64::from_le_bytes(take_array(input)?)),
        SlotColumn::Bytes(v) => v[group] = take_bytes(input)?.to_vec(),
    }
    Ok(())
}

/// The entries of all snapshots of a plan's state, in a range of key groups.
///
/// # Errors
/// If one is damaged or of another plan.
pub fn all_entries<'a>(plan: &Plan, parts: &'a [Vec<u8>], key_groups: &Range<u32>) -> Result<Vec<&'a [u8]>> {
    let parts = parts.iter().map(|part| entries(part, plan.name(), key_groups));
    Ok(parts.collect::<Result<Vec<_>>>()?.concat())
}

impl CallState {
    fn lend(&mut self) -> AggregateState<'_> {
        AggregateState { slots: &mut self.slots, views: &mut self.views }
    }
}

fn input<'a>(args: &'a [ArrayRef], rows: &Rows<'a>, changes: &'a Option<Vec<Change>>) -> AggregateInput<'a> {
    AggregateInput { args, groups: rows.groups, changes: changes.as_deref().or(rows.changes) }
}

impl Call {
    fn args(&self, rows: &Rows<'_>) -> Vec<ArrayRef> {
        self.args.iter().map(|a| rows.columns.column(*a).clone()).collect()
    }

    /// What each row does to this call, if that differs from what it does to the group.
    fn changes(&self, rows: &Rows<'_>, distinct: &[Vec<Change>]) -> Result<Option<Vec<Change>>> {
        match self.distinct {
            Some(view) => Ok(Some(distinct[view].clone())),
            None => filtered(rows, self.filter),
        }
    }
}

/// What each row does behind a `FILTER`: nothing where the filter is not true.
fn filtered(rows: &Rows<'_>, filter: Option<usize>) -> Result<Option<Vec<Change>>> {
    let Some(filter) = filter else { return Ok(None) };
    let column = rows.columns.column(filter);
    let passes =
        column.as_boolean_opt().ok_or_else(|| Error::internal("the FILTER of an aggregate is no condition"))?;
    let change = |row: usize| match passes.is_valid(row) && passes.value(row) {
        true => rows.changes.map_or(Change::Add, |c| c[row]),
        false => Change::Skip,
    };
    Ok(Some((0..passes.len()).map(change).collect()))
}
