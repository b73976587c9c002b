//! From the typed expression of a plan to something that runs on batches.
//!
//! A [`CompiledExpr`] is a tree of nodes with kernels; constants stay arrays of one row and are
//! never repeated for an operator's sake. What needs no row is computed once, here.

mod branches;
mod logic;
mod rows;
mod select;
mod user;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use flott_api::env::Environment;
use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::{Args, Operand};
use crate::registry::{Binding, Body, Function, Kernel, Volatility, find, resolve};
use crate::time::zone::Zone;
use crate::value::literal_array;
use branches::{Case, Coalesce};
use logic::Logic;
use rows::Rows;

/// What an expression is compiled for.
#[derive(Clone, Debug)]
pub struct CompileContext {
    /// The session's time zone (`table.local-time-zone`).
    pub session_zone: String,
    /// The world outside, for functions that need it (`RAND`); none while planning.
    pub environment: Option<Environment>,
}

impl Default for CompileContext {
    fn default() -> Self {
        CompileContext { session_zone: "UTC".into(), environment: None }
    }
}

/// What holds for one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvalContext {
    /// Now, milliseconds since the epoch.
    pub processing_time_ms: i64,
    /// The operator's watermark, `i64::MIN` before the first.
    pub watermark: i64,
}

impl Default for EvalContext {
    fn default() -> Self {
        EvalContext { processing_time_ms: 0, watermark: i64::MIN }
    }
}

/// An expression that runs on batches.
pub struct CompiledExpr {
    node: Node,
    ty: LogicalType,
}

/// Compiles an expression.
///
/// # Errors
/// If it names a function or cast that does not exist, or a constant pattern is wrong.
pub fn compile(expr: &Expr, cx: &CompileContext) -> Result<CompiledExpr> {
    let compiler = Compiler { zone: Zone::parse(&cx.session_zone)?, environment: cx.environment.as_ref() };
    Ok(CompiledExpr { node: compiler.node(expr)?, ty: expr.ty().clone() })
}

impl CompiledExpr {
    /// The type of the result.
    pub fn ty(&self) -> &LogicalType {
        &self.ty
    }

    /// One value per row. An expression that is a column gives that column, not a copy.
    ///
    /// # Errors
    /// If a row makes it fail (division by zero, a cast of a bad text, ..).
    pub fn evaluate(&self, rows: &RecordBatch, cx: &EvalContext) -> Result<ArrayRef> {
        let rows = Rows::of(rows);
        self.node.evaluate(&rows, cx)?.into_array(rows.len())
    }

    /// The same for a condition. Null means that the row does not pass, as with false.
    ///
    /// # Errors
    /// If a row makes it fail, or it is no condition.
    pub fn evaluate_predicate(&self, rows: &RecordBatch, cx: &EvalContext) -> Result<BooleanArray> {
        let truths = self.evaluate(rows, cx)?;
        truths.as_boolean_opt().cloned().ok_or_else(|| Error::internal(format!("{} is no condition", self.ty)))
    }

    /// Whether a row can make it fail.
    pub fn is_fallible(&self) -> bool {
        self.node.fallible()
    }

    /// The value, if it needs no row: an array of one row.
    pub fn constant(&self) -> Option<&ArrayRef> {
        match &self.node {
            Node::Constant(array) => Some(array),
            _ => None,
        }
    }
}

impl std::fmt::Debug for CompiledExpr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CompiledExpr({})", self.ty)
    }
}

enum Node {
    Column(usize),
    Constant(ArrayRef),
    Call(Call),
    Logic(Box<Logic>),
    Case(Box<Case>),
    Coalesce(Coalesce),
    Field { input: Box<Node>, index: usize },
}

struct Call {
    kernel: Kernel,
    args: Vec<Node>,
    volatility: Volatility,
    fallible: bool,
}

impl Node {
    fn evaluate(&self, rows: &Rows<'_>, cx: &EvalContext) -> Result<Operand> {
        match self {
            Node::Column(index) => rows.column(*index).map(Operand::column),
            Node::Constant(array) => Ok(Operand::constant(array.clone())),
            Node::Call(call) => call.evaluate(rows, cx),
            Node::Logic(logic) => logic.evaluate(rows, cx),
            Node::Case(case) => case.evaluate(rows, cx),
            Node::Coalesce(coalesce) => coalesce.evaluate(rows, cx),
            Node::Field { input, index } => field(&input.evaluate(rows, cx)?, *index),
        }
    }

    /// Whether a row can make it fail.
    fn fallible(&self) -> bool {
        match self {
            Node::Column(_) | Node::Constant(_) => false,
            Node::Call(call) => call.fallible || call.args.iter().any(Node::fallible),
            Node::Logic(logic) => logic.children().any(Node::fallible),
            Node::Case(case) => case.children().any(Node::fallible),
            Node::Coalesce(coalesce) => coalesce.args.iter().any(Node::fallible),
            Node::Field { input, .. } => input.fallible(),
        }
    }

    /// Whether it costs nothing to evaluate it for rows that do not need it.
    fn is_cheap(&self) -> bool {
        matches!(self, Node::Column(_) | Node::Constant(_))
    }

    fn columns(&self, found: &mut Vec<usize>) {
        match self {
            Node::Column(index) => found.push(*index),
            Node::Constant(_) => {}
            Node::Call(call) => call.args.iter().for_each(|a| a.columns(found)),
            Node::Logic(logic) => logic.children().for_each(|a| a.columns(found)),
            Node::Case(case) => case.children().for_each(|a| a.columns(found)),
            Node::Coalesce(coalesce) => coalesce.args.iter().for_each(|a| a.columns(found)),
            Node::Field { input, .. } => input.columns(found),
        }
    }
}

impl Call {
    fn evaluate(&self, rows: &Rows<'_>, cx: &EvalContext) -> Result<Operand> {
        let operands = self.args.iter().map(|a| a.evaluate(rows, cx)).collect::<Result<Vec<_>>>()?;
        let constant = self.volatility < Volatility::Volatile && operands.iter().all(|o| o.constant);
        let count = if constant { 1 } else { rows.len() };
        let array = (self.kernel)(&Args { operands: &operands, rows: count, cx })?;
        Ok(Operand { array, constant })
    }
}

fn field(input: &Operand, index: usize) -> Result<Operand> {
    let missing = || Error::internal(format!("a row has no field {index}"));
    let row = input.array.as_struct_opt().filter(|s| index < s.num_columns()).ok_or_else(missing)?;
    let child = row.column(index);
    let array = match row.null_count() {
        0 => child.clone(),
        _ => arrow_select::nullif::nullif(child, &arrow_arith::boolean::is_null(row)?)?,
    };
    Ok(Operand { array, constant: input.constant })
}

struct Compiler<'a> {
    zone: Zone,
    environment: Option<&'a Environment>,
}

impl Compiler<'_> {
    fn node(&self, expr: &Expr) -> Result<Node> {
        match expr {
            Expr::Column { index, .. } => Ok(Node::Column(*index)),
            Expr::Literal { value, ty } => Ok(Node::Constant(literal_array(value, ty, 1)?)),
            Expr::Call { function, args, ty } => match &function.user {
                Some(user) => self.user(function.called(), user, args),
                None => self.call(&function.name, args, ty),
            },
            Expr::Case { branches, otherwise, ty } => {
                let branches = branches.iter().map(|(c, r)| Ok((self.node(c)?, self.typed(r, ty)?)));
                let case = Case::new(branches.collect::<Result<_>>()?, self.typed(otherwise, ty)?);
                self.folded(Node::Case(Box::new(case)))
            }
            Expr::Cast { input, ty, try_cast } => self.cast(input, ty, *try_cast),
            Expr::Field { input, index, .. } => {
                self.folded(Node::Field { input: Box::new(self.node(input)?), index: *index })
            }
        }
    }

    /// The expression as a value of exactly this type.
    fn typed(&self, expr: &Expr, ty: &LogicalType) -> Result<Node> {
        if let Expr::Literal { value: Value::Null, .. } = expr {
            return Ok(Node::Constant(new_null_array(&ty.arrow(), 1)));
        }
        match expr.ty().arrow() == ty.arrow() {
            true => self.node(expr),
            false => self.cast(expr, ty, false),
        }
    }

    fn cast(&self, input: &Expr, ty: &LogicalType, try_cast: bool) -> Result<Node> {
        if input.ty().kind == TypeKind::Null {
            return self.typed(input, ty).and_then(|node| match node {
                Node::Constant(_) => Ok(Node::Constant(new_null_array(&ty.arrow(), 1))),
                _ => Err(Error::unsupported("a column of type NULL")),
            });
        }
        if input.ty().kind == ty.kind {
            return self.node(input);
        }
        let cast = crate::cast::kernel(&input.ty().kind, &ty.kind, try_cast, self.zone)?;
        let args = vec![self.node(input)?];
        let fallible = crate::cast::fallible(&input.ty().kind, &ty.kind, try_cast);
        self.folded(Node::Call(Call { kernel: cast, args, volatility: Volatility::Immutable, fallible }))
    }

    fn call(&self, name: &str, args: &[Expr], ty: &LogicalType) -> Result<Node> {
        let function = find(name).ok_or_else(|| Error::unsupported(format!("function '{name}'")))?;
        let kernel = match &function.body {
            Body::Plain(f) => {
                let f = *f;
                Box::new(move |args: &Args<'_>| f(args))
            }
            Body::Bound(bind) => return self.bound(function, *bind, args, ty),
            Body::Lazy => return self.lazy(function.name, args, ty),
        };
        let args = args.iter().map(|a| self.node(a)).collect::<Result<Vec<_>>>()?;
        self.folded(Node::Call(Call::of(function, kernel, args)))
    }

    fn bound(
        &self,
        function: &'static Function,
        bind: fn(&Binding<'_>) -> Result<Kernel>,
        args: &[Expr],
        ty: &LogicalType,
    ) -> Result<Node> {
        let nodes = args.iter().map(|a| self.node(a)).collect::<Result<Vec<_>>>()?;
        let constants: Vec<_> = nodes.iter().map(Node::constant).collect();
        let types: Vec<_> = args.iter().map(|a| a.ty().clone()).collect();
        let kernel = bind(&Binding {
            name: function.name,
            args: &types,
            ty,
            constants: &constants,
            zone: self.zone,
            environment: self.environment,
        })?;
        let mut call = Call::of(function, kernel, nodes);
        // A variant may hold another value than the one that is asked for.
        call.fallible |= types.first().is_some_and(|first| first.kind == TypeKind::Variant);
        self.folded(Node::Call(call))
    }

    fn lazy(&self, name: &str, args: &[Expr], ty: &LogicalType) -> Result<Node> {
        match (name, args) {
            ("and" | "or", _) => {
                let nodes = args.iter().map(|a| self.typed(a, ty)).collect::<Result<Vec<_>>>()?;
                self.folded(Logic::chain(nodes, name == "and")?)
            }
            ("if", [condition, then, otherwise]) => {
                let branch = (self.node(condition)?, self.typed(then, ty)?);
                self.folded(Node::Case(Box::new(Case::new(vec![branch], self.typed(otherwise, ty)?))))
            }
            ("coalesce" | "ifnull", _) => {
                let args = args.iter().map(|a| self.typed(a, ty)).collect::<Result<Vec<_>>>()?;
                self.folded(Node::Coalesce(Coalesce { args }))
            }
            ("nullif", [value, other]) => self.null_if(value, other, ty),
            _ => Err(Error::internal(format!("function '{name}' was called with {} arguments", args.len()))),
        }
    }

    fn null_if(&self, value: &Expr, other: &Expr, ty: &LogicalType) -> Result<Node> {
        let equal = equality(value, other)?;
        let null = Node::Constant(new_null_array(&ty.arrow(), 1));
        let case = Case::new(vec![(self.node(&equal)?, null)], self.typed(value, ty)?);
        self.folded(Node::Case(Box::new(case)))
    }

    /// Computes what needs no row. What fails is left as it is, to fail when a row comes.
    fn folded(&self, node: Node) -> Result<Node> {
        let foldable = match &node {
            Node::Call(call) => call.volatility == Volatility::Immutable && call.args.iter().all(Node::is_constant),
            Node::Logic(logic) => logic.children().all(Node::is_constant),
            Node::Case(case) => case.children().all(Node::is_constant),
            Node::Coalesce(coalesce) => coalesce.args.iter().all(Node::is_constant),
            Node::Field { input, .. } => input.is_constant(),
            Node::Column(_) | Node::Constant(_) => false,
        };
        if !foldable {
            return Ok(node);
        }
        let value = node.evaluate(&Rows::one(), &EvalContext::default()).and_then(|o| o.into_array(1));
        Ok(value.map_or(node, Node::Constant))
    }
}

impl Node {
    fn is_constant(&self) -> bool {
        matches!(self, Node::Constant(_))
    }

    fn constant(&self) -> Option<ArrayRef> {
        match self {
            Node::Constant(array) => Some(array.clone()),
            _ => None,
        }
    }
}

impl Call {
    fn of(function: &Function, kernel: Kernel, args: Vec<Node>) -> Call {
        Call { kernel, args, volatility: function.volatility, fallible: function.fallible }
    }
}

/// `a = b` with the casts that it needs.
fn equality(a: &Expr, b: &Expr) -> Result<Expr> {
    let resolved = resolve("=", &[a.ty().clone(), b.ty().clone()])?;
    let args = [a, b].into_iter().zip(resolved.args).map(|(e, ty)| match e.ty().kind == ty.kind {
        true => e.clone(),
        false => Expr::Cast { input: Box::new(e.clone()), ty, try_cast: false },
    });
    Ok(Expr::Call { function: resolved.id, args: args.collect(), ty: resolved.ty })
}

#[cfg(test)]
mod tests;
