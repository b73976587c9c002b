//! `OVER`: calls are collected while the clauses of a SELECT are bound; then they are one node, between the rows (or the
//! groups) and the list.
//!
//! In a stream all calls of a SELECT have the same window: partition, order and frame. Flink refuses others, too. In batch
//! mode there is a node for each window, one over the other, and frames and functions may look ahead.
//! **Does not:** `FILTER`, `GROUPS`, and in a stream frames that end before or behind the current row.

use flott_api::error::Location;
use flott_api::expr::{Expr, FunctionId};
use flott_api::function::{CallForm, UserFunction};
use flott_api::{Error, LogicalType, Result, TypeKind};
use flott_graph::spec::{AggregateCall, Frame, FrameBound, SortField};
use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArgumentClause, FunctionArguments, Ident, NamedWindowDefinition,
    NamedWindowExpr, NullTreatment, WindowSpec, WindowType,
};

mod frame;
mod function;

use super::aggregate::Grouping;
use super::aggregate_call::{Written, arguments_of, is_aggregate, meant};
use super::expr::{ExprBinder, coerce, illegal_null};
use super::order::{field_of, need_order};
use super::refuse;
use crate::parser::ast::ident_location;
use crate::plan::rel::{Over, Rel};

/// References to calls look like columns until there is a node, behind those to aggregates.
pub(super) const OVERS_FROM: usize = 1 << 25;

/// Functions that need `OVER`.
const WINDOW_FUNCTIONS: [&str; 8] =
    ["cume_dist", "dense_rank", "lag", "lead", "ntile", "percent_rank", "rank", "row_number"];

/// Whether a function has no meaning without `OVER`.
pub(super) fn needs_over(name: &str) -> bool {
    WINDOW_FUNCTIONS.contains(&name)
}

/// The calls with `OVER` of one SELECT.
#[derive(Default)]
pub(super) struct Overs {
    /// The windows of `WINDOW`, each as it is with those that it names.
    named: Vec<(String, WindowSpec)>,
    /// Of a stream at most one.
    windows: Vec<Window>,
    /// Whether there may be several.
    bounded: bool,
    calls: Vec<Call>,
    /// Whether the parts of a call are being bound.
    inside: bool,
}

/// Which rows count for a row.
struct Window {
    partition: Vec<Expr>,
    /// Keys, whose columns are their own numbers here.
    order: Vec<(Expr, SortField)>,
    frame: Frame,
    places: Vec<(usize, Location)>,
}

struct Call {
    /// Its window, by number.
    window: usize,
    function: FunctionId,
    args: Vec<Expr>,
    distinct: bool,
    ty: LogicalType,
    places: Vec<(usize, Location)>,
}

impl Overs {
    /// With the windows of `WINDOW`; of bounded rows or of a stream.
    ///
    /// # Errors
    /// If two have one name, or one names another that does not stand before it.
    pub(super) fn naming(windows: &[NamedWindowDefinition], bounded: bool) -> Result<Self> {
        let mut overs = Overs { bounded, ..Overs::default() };
        for NamedWindowDefinition(name, window) in windows {
            let NamedWindowExpr::WindowSpec(window) = window else {
                return Err(Error::unsupported("a window that is another name of a window").at(ident_location(name)));
            };
            if overs.named.iter().any(|(known, _)| *known == name.value) {
                return Err(Error::invalid(format!("WINDOW has '{}' twice", name.value)).at(ident_location(name)));
            }
            let window = overs.resolved(window)?;
            overs.named.push((name.value.clone(), window));
        }
        Ok(overs)
    }

    /// Whether there is no call.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    fn find(&self, name: &Ident) -> Result<&WindowSpec> {
        let found = self.named.iter().find(|(known, _)| *known == name.value);
        found.map(|(_, window)| window).ok_or_else(|| {
            Error::invalid(format!("window '{}' does not exist", name.value))
                .with_hint(format!("Name it before: WINDOW {} AS (..).", name.value))
                .at(ident_location(name))
        })
    }

    /// The window with what it takes from the one that it names.
    fn resolved(&self, window: &WindowSpec) -> Result<WindowSpec> {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = window;
        let Some(name) = window_name else { return Ok(window.clone()) };
        let base = self.find(name)?;
        let twice = !partition_by.is_empty()
            || (!order_by.is_empty() && !base.order_by.is_empty())
            || base.window_frame.is_some();
        if twice {
            return Err(Error::invalid(format!("a window over '{}' has what that one has to say", name.value))
                .with_detail("It may add an order, if there is none, and a frame, if there is none.")
                .at(ident_location(name)));
        }
        let order_by = if order_by.is_empty() { base.order_by.clone() } else { order_by.clone() };
        let (partition_by, window_frame) = (base.partition_by.clone(), window_frame.clone());
        Ok(WindowSpec { window_name: None, partition_by, order_by, window_frame })
    }

    /// Adds a call, or finds an equal one, and gives a reference to it.
    fn add(&mut self, window: Window, call: Call) -> Result<Expr> {
        let known = self.windows.iter().position(|known| known.is_same(&window));
        if known.is_none() && !self.windows.is_empty() && !self.bounded {
            return Err(Error::unsupported("different windows in one SELECT")
                .with_detail("All calls with OVER must have the same PARTITION BY, ORDER BY and frame.")
                .with_hint("Put one of them into a query in FROM."));
        }
        let window = known.unwrap_or_else(|| {
            self.windows.push(window);
            self.windows.len() - 1
        });
        let call = Call { window, ..call };
        let ty = call.ty.clone();
        let index = self.calls.iter().position(|c| c.is_same(&call)).unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        Ok(Expr::column(OVERS_FROM + index, ty))
    }

    /// The calls over the groups instead of the rows.
    pub(super) fn over_groups(mut self, grouping: &Grouping<'_>) -> Result<Self> {
        for window in &mut self.windows {
            let keys = window.order.iter_mut().map(|(key, _)| key);
            for expr in window.partition.iter_mut().chain(keys) {
                *expr = grouping.rewrite(expr.clone(), &window.places)?;
            }
        }
        for call in &mut self.calls {
            for arg in &mut call.args {
                *arg = grouping.rewrite(arg.clone(), &call.places)?;
            }
        }
        Ok(self)
    }

    /// The relation with the values of the calls, and which column each is.
    pub(super) fn apply(self, mut rel: Rel) -> (Rel, Vec<usize>) {
        let mut columns = vec![0; self.calls.len()];
        for (number, window) in self.windows.into_iter().enumerate() {
            let own = self.calls.iter().enumerate().filter(|(_, call)| call.window == number);
            let (places, calls): (Vec<usize>, Vec<&Call>) = own.unzip();
            let over;
            (rel, over) = window.over(rel, &calls);
            places.into_iter().zip(rel.columns.len()..).for_each(|(place, column)| columns[place] = column);
            rel = rel.over(over);
        }
        (rel, columns)
    }
}

impl Window {
    /// The node of these calls, and its input with what is computed for it.
    fn over(self, rel: Rel, calls: &[&Call]) -> (Rel, Over) {
        let mut input = Input { computed: Vec::new(), width: rel.columns.len() };
        let partition = self.partition.into_iter().map(|e| input.column(e)).collect();
        let order: Vec<SortField> =
            self.order.into_iter().map(|(key, field)| SortField { column: input.column(key), ..field }).collect();
        let calls = calls.iter().map(|call| {
            let args = match call.function.name.as_str() {
                // They compare rows by the order.
                "rank" | "dense_rank" => order.iter().map(|o| o.column).collect(),
                _ => call.args.iter().map(|arg| input.column(arg.clone())).collect(),
            };
            let (function, ty) = (call.function.clone(), call.ty.clone());
            AggregateCall { function, args, filter: None, distinct: call.distinct, ty }
        });
        let calls = calls.collect();
        (input.finish(rel), Over { partition, order, frame: self.frame, calls })
    }
}

impl Window {
    fn is_same(&self, other: &Window) -> bool {
        let in_other = |e: &Expr| other.partition.contains(e);
        self.partition.len() == other.partition.len()
            && self.partition.iter().all(in_other)
            && self.order == other.order
            && self.frame == other.frame
    }
}

impl Call {
    fn is_same(&self, other: &Call) -> bool {
        self.window == other.window
            && self.function == other.function
            && self.args == other.args
            && self.distinct == other.distinct
    }
}

/// The columns that a window reads, with those that are computed for it.
struct Input {
    computed: Vec<Expr>,
    width: usize,
}

impl Input {
    fn column(&mut self, expr: Expr) -> usize {
        if let Expr::Column { index, .. } = expr {
            return index;
        }
        let place = self.computed.iter().position(|e| *e == expr).unwrap_or_else(|| {
            self.computed.push(expr);
            self.computed.len() - 1
        });
        self.width + place
    }

    fn finish(self, rel: Rel) -> Rel {
        if self.computed.is_empty() {
            return rel;
        }
        let own = (0..self.width).map(|c| (rel.column(c), rel.columns[c].name.clone()));
        let computed = self.computed.into_iter().enumerate().map(|(i, e)| (e, format!("${}", self.width + i)));
        let exprs = own.chain(computed).collect();
        rel.project(exprs)
    }
}

/// An expression with the columns of the calls in the place of references to them.
pub(super) fn over_windows(expr: Expr, columns: &[usize]) -> Expr {
    expr.transform(&mut |e| match e {
        Expr::Column { index, ty } if index >= OVERS_FROM => Expr::column(columns[index - OVERS_FROM], ty),
        other => other,
    })
}

/// Whether an expression has a call with `OVER`.
pub(super) fn has_over(expr: &Expr) -> bool {
    expr.columns().iter().any(|c| *c >= OVERS_FROM)
}

fn ignores_nulls(written: &Written<'_>) -> bool {
    let of_clause = |clause: &FunctionArgumentClause| match clause {
        FunctionArgumentClause::IgnoreOrRespectNulls(nulls) => *nulls == NullTreatment::IgnoreNulls,
        _ => false,
    };
    written.nulls == Some(NullTreatment::IgnoreNulls) || written.clauses.iter().any(of_clause)
}

impl ExprBinder<'_> {
    /// Types a call with `OVER`.
    pub(super) fn over(&mut self, name: &str, written: &Written<'_>, over: &WindowType) -> Result<Expr> {
        let upper = name.to_uppercase();
        if !is_aggregate(name) && !needs_over(name) {
            return Err(Error::invalid(format!("function '{upper}' takes no OVER"))
                .with_hint("Only aggregates and window functions do."));
        }
        let bounded = self.overs()?.bounded;
        if matches!(name, "cume_dist" | "lead" | "ntile" | "percent_rank") && !bounded {
            return Err(Error::unsupported(format!("function '{upper}'"))
                .with_detail("It needs the rows behind a row, which a stream does not know yet.")
                .with_hint("Of bounded tables: SET 'execution.runtime-mode' = 'batch'."));
        }
        refuse::clause(written.filter.is_some(), "FILTER with OVER")?;
        refuse::clause(written.distinct && (bounded || needs_over(name)), "DISTINCT in this call with OVER")?;
        refuse::clause(needs_over(name) && ignores_nulls(written), "IGNORE NULLS")?;
        self.inside_of(over, |binder, window| binder.over_parts(name, written, window))
    }

    /// Types a call of an aggregate function of a user with `OVER`.
    pub(super) fn user_over(
        &mut self,
        call: &Function,
        (name, function): (&str, &UserFunction),
        over: &WindowType,
    ) -> Result<Expr> {
        if function.form != CallForm::Batch {
            return Err(Error::unsupported(format!("function '{name}' in {} with OVER", function.language))
                .with_detail("It takes a row at a time, and each row has a frame of its own.")
                .with_hint("Declare it with func_type='pandas', or call it with GROUP BY."));
        }
        refuse::clause(call.filter.is_some(), "FILTER with OVER")?;
        let mut bare = Function { over: None, ..call.clone() };
        if let FunctionArguments::List(list) = &mut bare.args {
            let distinct = list.duplicate_treatment.take() == Some(DuplicateTreatment::Distinct);
            refuse::clause(distinct, "DISTINCT in this call with OVER")?;
        }
        self.inside_of(over, |binder, window| {
            let own = binder.places.len();
            let args = binder.user_arguments(&bare, name, function)?;
            let places = binder.places[own..].to_vec();
            let ty = function.returns.clone();
            let function = FunctionId::of_user(name, binder.configured(function)?);
            let call = Call { window: 0, function, args, distinct: false, ty, places };
            let window = binder.window(name, window)?;
            if window.frame.start == FrameBound::Unbounded && !binder.overs()?.bounded {
                return Err(Error::unsupported(format!("function '{name}' of all rows before a row in a stream"))
                    .with_detail("A function of pandas is given all rows of a frame each time, as in Flink.")
                    .with_hint("Write how far back it looks: ROWS BETWEEN 100 PRECEDING AND CURRENT ROW."));
            }
            Ok((window, call))
        })
    }

    /// Adds a call whose parts are bound within its window.
    fn inside_of(
        &mut self,
        over: &WindowType,
        parts: impl FnOnce(&mut Self, &WindowSpec) -> Result<(Window, Call)>,
    ) -> Result<Expr> {
        if self.overs()?.inside {
            return Err(Error::invalid("OVER inside of OVER").with_hint("Compute the inner one in a query in FROM."));
        }
        let window = match over {
            WindowType::NamedWindow(name) => self.overs()?.find(name)?.clone(),
            WindowType::WindowSpec(window) => self.overs()?.resolved(window)?,
        };
        self.overs()?.inside = true;
        let parts = parts(self, &window);
        self.overs()?.inside = false;
        let (window, call) = parts?;
        self.overs()?.add(window, call)
    }

    fn overs(&mut self) -> Result<&mut Overs> {
        let clause = self.clause;
        match &mut self.aggregates {
            Some(aggregates) if clause != "HAVING" => Ok(&mut aggregates.overs),
            _ => Err(Error::invalid(format!("OVER in {clause}"))
                .with_hint("It belongs in SELECT, QUALIFY and ORDER BY. Filter its result in an outer query.")),
        }
    }

    fn over_parts(&mut self, name: &str, written: &Written<'_>, window: &WindowSpec) -> Result<(Window, Call)> {
        let own = self.places.len();
        let call = self.over_call(name, written)?;
        let mut call = Call { places: self.places[own..].to_vec(), ..call };
        let window = self.window(name, window)?;
        let may_be_empty = self.overs()?.bounded && function::may_be_empty(&window.frame);
        call.ty.nullable |= may_be_empty && function::is_null_of_none(name);
        Ok((window, call))
    }

    fn over_call(&mut self, name: &str, written: &Written<'_>) -> Result<Call> {
        let args = self.written_arguments(name, written)?;
        if args.iter().any(|a| a.ty().kind == TypeKind::Null) {
            return Err(illegal_null());
        }
        let call = |function: FunctionId, args, ty| Call {
            window: 0,
            function,
            args,
            distinct: written.distinct,
            ty,
            places: Vec::new(),
        };
        match name {
            _ if needs_over(name) => {
                let (args, ty) = function::arguments(name, args, self.overs()?.bounded)?;
                Ok(call(FunctionId::new(name), args, ty))
            }
            _ => {
                let (function, args) = (meant(name, written)?, arguments_of(name, args)?);
                let types: Vec<LogicalType> = args.iter().map(|a| a.ty().clone()).collect();
                let resolved = flott_functions::aggregate_type(function, &types, written.distinct)?;
                let args = args.into_iter().zip(&resolved.args).map(|(a, ty)| coerce(a, ty)).collect();
                Ok(call(resolved.id, args, resolved.ty))
            }
        }
    }

    fn window(&mut self, function: &str, window: &WindowSpec) -> Result<Window> {
        let WindowSpec { window_name: _, partition_by, order_by, window_frame } = window;
        let own = self.places.len();
        let mut partition = Vec::with_capacity(partition_by.len());
        for ast in partition_by {
            let expr = self.bind(ast)?;
            if !partition.contains(&expr) {
                partition.push(expr);
            }
        }
        let mut order = Vec::with_capacity(order_by.len());
        for key in order_by {
            let expr = self.bind(&key.expr)?;
            need_order(expr.ty(), &key.expr)?;
            order.push((expr, field_of(key, 0)?));
        }
        let frame = match window_frame {
            None => function::default_frame(function, order.is_empty(), self.overs()?.bounded)?,
            Some(frame) => {
                function::check_takes_frame(function)?;
                self.frame(&order, frame)?
            }
        };
        Ok(Window { partition, order, frame, places: self.places[own..].to_vec() })
    }
}
