//! The list of all functions: names, types, and how to make a kernel for a call.
//!
//! A function is one [`Function`] entry in the `FUNCTIONS` list of its family's file. Its [`Infer`]
//! says what it takes and gives, its [`Body`] how it is computed.

use std::collections::HashMap;
use std::sync::LazyLock;

use arrow_array::ArrayRef;
use flott_api::expr::{FunctionId, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::Args;
use crate::time::zone::Zone;
use crate::{
    arithmetic, bitmap, collection, compare, condition, hash, json, math, object, predicate, random, text, time,
    variant,
};

/// What a call means: which function, the types its arguments are coerced to, and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The function's lasting name.
    pub id: FunctionId,
    /// What each argument must be cast to where its type differs.
    pub args: Vec<LogicalType>,
    /// The result.
    pub ty: LogicalType,
}

/// When a function gives the same result for the same arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// Always.
    Immutable,
    /// Within one evaluation: `CURRENT_TIMESTAMP`.
    Stable,
    /// Never: `RAND`.
    Volatile,
}

/// A function.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) infer: Infer,
    pub(crate) body: Body,
    pub(crate) volatility: Volatility,
    /// Whether a row can make it fail: then the right side of `AND` must not run on rows that the
    /// left side has decided.
    pub(crate) fallible: bool,
}

impl Function {
    pub(crate) const fn new(name: &'static str, infer: Infer, body: Body) -> Self {
        Function { name, infer, body, volatility: Volatility::Immutable, fallible: false }
    }

    pub(crate) const fn fallible(mut self) -> Self {
        self.fallible = true;
        self
    }

    pub(crate) const fn stable(mut self) -> Self {
        self.volatility = Volatility::Stable;
        self
    }

    pub(crate) const fn volatile(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }
}

/// A compiled call: arrays in, array out.
pub(crate) type Kernel = Box<dyn Fn(&Args<'_>) -> Result<ArrayRef> + Send + Sync>;

/// How a function is computed.
pub(crate) enum Body {
    /// By a plain function on arrays.
    Plain(fn(&Args<'_>) -> Result<ArrayRef>),
    /// By a kernel made for the call's types and constants.
    Bound(fn(&Binding<'_>) -> Result<Kernel>),
    /// By the compiler, since not every argument is evaluated for every row.
    Lazy,
}

/// What is known about a call when its kernel is made.
pub(crate) struct Binding<'a> {
    pub(crate) name: &'a str,
    pub(crate) args: &'a [LogicalType],
    pub(crate) ty: &'a LogicalType,
    /// The value of an argument that is constant: an array of one row.
    pub(crate) constants: &'a [Option<ArrayRef>],
    pub(crate) zone: Zone,
    pub(crate) environment: Option<&'a flott_api::env::Environment>,
}

impl Binding<'_> {
    /// The constant string at a position, if the argument is one and not null.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        use arrow_array::Array;
        use arrow_array::cast::AsArray;
        let array = self.constants.get(index)?.as_ref()?.as_string_opt::<i32>()?;
        (array.len() == 1 && array.is_valid(0)).then(|| array.value(0))
    }
}

/// How argument and result types are found.
pub(crate) enum Infer {
    /// What each argument takes, how many of the last may be left out, and what is given.
    Table(&'static [Take], usize, Give),
    /// The same, and the last may come any number of times.
    Many(&'static [Take], Give),
    /// By a function of its own.
    By(fn(&Inference<'_>) -> Result<Signature>),
}

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Any string, as it is.
    Text,
    /// Any integer, cast to `INT`.
    Int,
    /// Any integer, cast to `BIGINT`.
    BigInt,
    /// Any number, cast to `DOUBLE`.
    Double,
    /// A truth value.
    Boolean,
    /// Anything.
    Any,
}

/// What a function gives; nullable if an argument is, unless it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Give {
    Boolean,
    Int,
    Double,
    String,
    /// Nullable whatever the arguments.
    NullableString,
    /// `CHAR(n)`.
    Char(u32),
    /// The type of the first argument.
    First,
    /// The first argument's length as `VARCHAR`.
    FirstVarchar,
    /// The same, nullable whatever the arguments.
    NullableFirstVarchar,
}

/// The types of a call, as far as the planner knows them.
pub(crate) struct Inference<'a> {
    pub(crate) name: &'a str,
    pub(crate) args: &'a [LogicalType],
    pub(crate) literals: &'a [Option<&'a Value>],
}

/// What a call takes and gives.
pub(crate) struct Signature {
    pub(crate) args: Vec<LogicalType>,
    pub(crate) ty: LogicalType,
}

impl Inference<'_> {
    /// The arguments as they are, and a result.
    pub(crate) fn unchanged(&self, ty: LogicalType) -> Signature {
        Signature { args: self.args.to_vec(), ty }
    }

    /// Whether any argument is nullable.
    pub(crate) fn nullable(&self) -> bool {
        self.args.iter().any(|a| a.nullable)
    }

    /// A literal string argument.
    pub(crate) fn literal_text(&self, index: usize) -> Option<&str> {
        match self.literals.get(index) {
            Some(Some(Value::String(s))) => Some(s),
            _ => None,
        }
    }

    /// A literal integer argument.
    pub(crate) fn literal_int(&self, index: usize) -> Option<i64> {
        match self.literals.get(index) {
            Some(Some(Value::Int(i))) => Some(*i),
            _ => None,
        }
    }

    /// A text argument; `NULL` as it stands is one, too.
    pub(crate) fn text_or_null(&self, index: usize) -> Result<LogicalType> {
        match &self.args[index].kind {
            TypeKind::Null => Ok(LogicalType::string()),
            kind if kind.is_character() => Ok(self.args[index].clone()),
            _ => Err(self.mismatch()),
        }
    }

    /// Refuses a wrong number of arguments.
    pub(crate) fn arity(&self, min: usize, max: usize) -> Result<()> {
        if (min..=max).contains(&self.args.len()) {
            return Ok(());
        }
        let takes = match max {
            _ if min == max => format!("{min}"),
            usize::MAX => format!("at least {min}"),
            _ => format!("{min} to {max}"),
        };
        let plural = if min == 1 && max == 1 { "" } else { "s" };
        Err(Error::invalid(format!(
            "function '{}' takes {takes} argument{plural}, not {}",
            self.name.to_uppercase(),
            self.args.len()
        )))
    }

    /// The error that the arguments have the wrong types.
    pub(crate) fn mismatch(&self) -> Error {
        let types: Vec<String> = self.args.iter().map(|t| t.kind.to_string()).collect();
        let name = self.name.to_uppercase();
        if self.args.iter().any(|a| a.kind == TypeKind::Null) {
            return Error::invalid(format!("illegal use of NULL as an argument of '{name}'"))
                .with_hint("Write CAST(NULL AS type) to say which type is meant.");
        }
        let e = Error::invalid(format!("cannot apply '{name}' to arguments of type {}", types.join(", ")));
        e.with_hint("Cast the arguments to types that fit.")
    }

    /// The same with a sentence on what would fit.
    pub(crate) fn mismatch_because(&self, detail: impl Into<String>) -> Error {
        self.mismatch().with_detail(detail)
    }
}

impl Infer {
    fn signature(&self, call: &Inference<'_>) -> Result<Signature> {
        match self {
            Infer::Table(takes, optional, give) => {
                call.arity(takes.len() - optional, takes.len())?;
                table(call, takes.iter().copied(), *give)
            }
            Infer::Many(takes, give) => {
                call.arity(takes.len(), usize::MAX)?;
                let last = takes.last().copied().unwrap_or(Take::Any);
                table(call, takes.iter().copied().chain(std::iter::repeat(last)), *give)
            }
            Infer::By(infer) => infer(call),
        }
    }
}

fn table(call: &Inference<'_>, takes: impl Iterator<Item = Take>, give: Give) -> Result<Signature> {
    let args: Option<Vec<_>> = call.args.iter().zip(takes).map(|(arg, take)| take.coerced(arg)).collect();
    let args = args.ok_or_else(|| call.mismatch())?;
    let nullable = call.nullable();
    let first = args.first().cloned().unwrap_or_else(LogicalType::string);
    let ty = give.ty(&first, nullable);
    Ok(Signature { args, ty })
}

impl Take {
    fn coerced(self, arg: &LogicalType) -> Option<LogicalType> {
        let to = |kind| Some(LogicalType { kind, nullable: arg.nullable });
        match self {
            _ if arg.kind == TypeKind::Null => None,
            Take::Text => arg.kind.is_character().then(|| arg.clone()),
            Take::Int if arg.kind.is_integer() => to(TypeKind::Int),
            Take::BigInt if arg.kind.is_integer() => to(TypeKind::BigInt),
            Take::Double if arg.kind.is_numeric() => to(TypeKind::Double),
            Take::Boolean => (arg.kind == TypeKind::Boolean).then(|| arg.clone()),
            Take::Any => Some(arg.clone()),
            _ => None,
        }
    }
}

impl Give {
    fn ty(self, first: &LogicalType, nullable: bool) -> LogicalType {
        let varchar = || match first.kind {
            TypeKind::Char(n) | TypeKind::Varchar(n) => TypeKind::Varchar(n),
            _ => LogicalType::string().kind,
        };
        let (kind, nullable) = match self {
            Give::Boolean => (TypeKind::Boolean, nullable),
            Give::Int => (TypeKind::Int, nullable),
            Give::Double => (TypeKind::Double, nullable),
            Give::String => (LogicalType::string().kind, nullable),
            Give::NullableString => (LogicalType::string().kind, true),
            Give::Char(n) => (TypeKind::Char(n), nullable),
            Give::First => (first.kind.clone(), nullable),
            Give::FirstVarchar => (varchar(), nullable),
            Give::NullableFirstVarchar => (varchar(), true),
        };
        LogicalType { kind, nullable }
    }
}

static FAMILIES: [&[Function]; 13] = [
    arithmetic::FUNCTIONS,
    bitmap::FUNCTIONS,
    collection::FUNCTIONS,
    compare::FUNCTIONS,
    condition::FUNCTIONS,
    hash::FUNCTIONS,
    json::FUNCTIONS,
    math::FUNCTIONS,
    object::FUNCTIONS,
    predicate::FUNCTIONS,
    random::FUNCTIONS,
    time::FUNCTIONS,
    variant::FUNCTIONS,
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> =
    LazyLock::new(|| FAMILIES.iter().chain(&text::FAMILIES).flat_map(|f| f.iter()).map(|f| (f.name, f)).collect());

/// Other names of the same functions.
const ALIASES: [(&str, &str); 7] = [
    ("!=", "<>"),
    ("character_length", "char_length"),
    ("ceiling", "ceil"),
    ("day", "dayofmonth"),
    ("mod", "%"),
    ("substr", "substring"),
    ("current_row_timestamp", "now"),
];

/// The function of that lower-case name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    BY_NAME.get(name).copied()
}

/// The lower-case names of all supported scalar functions and operators, sorted.
pub fn function_names() -> Vec<&'static str> {
    let mut names: Vec<_> = BY_NAME.keys().copied().collect();
    names.sort_unstable();
    names
}

/// What a call of a function or operator with arguments of these types means. The name is
/// lower-case.
///
/// # Errors
/// If there is no such function, or it does not take these arguments.
pub fn resolve(name: &str, args: &[LogicalType]) -> Result<Resolved> {
    let literals = vec![None; args.len()];
    resolve_with_literals(name, args, &literals)
}

/// The same for functions whose result type depends on the value of an argument, such as
/// `ROUND(x, 2)`, `EXTRACT('YEAR', x)` and `TO_TIMESTAMP_LTZ(x, 3)`: `literals` has the values of
/// the arguments that are literals.
///
/// # Errors
/// If there is no such function, or it does not take these arguments.
pub fn resolve_with_literals(name: &str, args: &[LogicalType], literals: &[Option<&Value>]) -> Result<Resolved> {
    let function = find(name).ok_or_else(|| unknown(name))?;
    let signature = function.infer.signature(&Inference { name, args, literals })?;
    Ok(Resolved { id: FunctionId::new(function.name), args: signature.args, ty: signature.ty })
}

/// Whether there is a scalar function or operator of that lower-case name.
pub fn is_known(name: &str) -> bool {
    find(name).is_some()
}

fn unknown(name: &str) -> Error {
    let e = Error::invalid(format!("function '{name}' does not exist"));
    match flott_api::error::nearest(name, BY_NAME.keys().copied()) {
        Some(nearest) => e.with_hint(format!("Did you mean {}?", nearest.to_uppercase())),
        None => e,
    }
}

/// When a function gives the same result again. An unknown function counts as volatile.
pub fn volatility(id: &FunctionId) -> Volatility {
    if let Some(user) = &id.user {
        return if user.deterministic { Volatility::Immutable } else { Volatility::Volatile };
    }
    find(&id.name).map_or(Volatility::Volatile, |f| f.volatility)
}

/// Whether a function gives the same result for the same arguments, always.
pub fn is_deterministic(id: &FunctionId) -> bool {
    volatility(id) == Volatility::Immutable
}
