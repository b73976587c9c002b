//! `=`, `<>`, `<`, `<=`, `>`, `>=`, `IS [NOT] DISTINCT FROM` and `IN`.
//!
//! Numbers of different types meet in their common type. A string beside a date or time is read as
//! one: for `=` a text of a row that is none is unequal, for `<` it fails. `CHAR` blanks count, as in Flink.
//! `NaN` is unequal to all, and `-0.0` equals `0.0`: Java's rules, which Flink has.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{ArrowError, DataType};
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::{Args, Operand};
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};
use crate::typing::common_type::common_type;

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("=", Infer::By(infer_equality), Body::Bound(bind_equality)),
    Function::new("<>", Infer::By(infer_equality), Body::Bound(bind_equality)),
    Function::new("<", Infer::By(infer_order), Body::Bound(bind_order)),
    Function::new("<=", Infer::By(infer_order), Body::Bound(bind_order)),
    Function::new(">", Infer::By(infer_order), Body::Bound(bind_order)),
    Function::new(">=", Infer::By(infer_order), Body::Bound(bind_order)),
    Function::new("is distinct from", Infer::By(infer_distinct), Body::Bound(bind_distinct)),
    Function::new("is not distinct from", Infer::By(infer_distinct), Body::Bound(bind_distinct)),
    Function::new("in", Infer::By(infer_in), Body::Plain(in_list)),
];

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn parse(name: &str) -> Comparison {
        match name {
            "=" => Comparison::Equal,
            "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            _ => Comparison::GreaterOrEqual,
        }
    }

    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::NotEqual => ordering.is_ne(),
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Whether `<` is defined.
pub(crate) fn is_ordered(kind: &TypeKind) -> bool {
    kind.is_numeric()
        || kind.is_character()
        || kind.is_binary()
        || kind.is_interval()
        || kind.is_timestamp()
        || matches!(kind, TypeKind::Boolean | TypeKind::Date | TypeKind::Time(_))
}

fn infer_equality(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let (a, b) = (&call.args[0], &call.args[1]);
    let ty = boolean(call);
    let apart = |a: &TypeKind, b: &TypeKind| is_text_and_time(a, b) || is_never_equal(a, b);
    if apart(&a.kind, &b.kind) || apart(&b.kind, &a.kind) {
        return Ok(call.unchanged(ty));
    }
    if (a.kind.is_character() && b.kind.is_numeric()) || (b.kind.is_character() && a.kind.is_numeric()) {
        let e = Error::invalid(format!("implicit type conversion between {} and {} is not supported", a.kind, b.kind));
        return Err(e.with_hint("Cast one side to the type of the other."));
    }
    coerced(call, common_type(&[a, b]), ty)
}

fn infer_order(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let meet = meet(&call.args[0], &call.args[1]);
    let meet = meet.filter(|ty| is_ordered(&ty.kind) || ty.kind == TypeKind::Null);
    coerced(call, meet, boolean(call))
}

fn infer_distinct(call: &Inference<'_>) -> Result<Signature> {
    let signature = infer_equality(call)?;
    let text_and_time =
        signature.args.iter().any(|a| a.kind.is_character()) && signature.args.iter().any(|a| !a.kind.is_character());
    if text_and_time {
        return Err(call.mismatch());
    }
    Ok(Signature { ty: LogicalType::not_null(TypeKind::Boolean), ..signature })
}

fn infer_in(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, usize::MAX)?;
    let mut ty = call.args[0].clone();
    for item in &call.args[1..] {
        ty = meet(&ty, item).ok_or_else(|| call.mismatch_because("The values to compare have no common type."))?;
    }
    coerced(call, Some(ty), boolean(call))
}

/// The type in which two types are compared.
fn meet(a: &LogicalType, b: &LogicalType) -> Option<LogicalType> {
    match (&a.kind, &b.kind) {
        (x, y) if x.is_character() && becomes_text(y) => Some(b.clone()),
        (x, y) if y.is_character() && becomes_text(x) => Some(a.clone()),
        _ => common_type(&[a, b]),
    }
}

fn becomes_text(kind: &TypeKind) -> bool {
    kind.is_numeric() || kind.is_timestamp() || matches!(kind, TypeKind::Boolean | TypeKind::Date | TypeKind::Time(_))
}

fn is_text_and_time(a: &TypeKind, b: &TypeKind) -> bool {
    a.is_character() && (b.is_timestamp() || matches!(b, TypeKind::Date | TypeKind::Time(_)))
}

/// A text is unequal to every truth value and interval, whatever it says.
fn is_never_equal(a: &TypeKind, b: &TypeKind) -> bool {
    a.is_character() && (b.is_interval() || *b == TypeKind::Boolean)
}

fn boolean(call: &Inference<'_>) -> LogicalType {
    let nullable = call.args.iter().any(|a| a.nullable || a.kind == TypeKind::Null);
    LogicalType { kind: TypeKind::Boolean, nullable }
}

fn coerced(call: &Inference<'_>, to: Option<LogicalType>, ty: LogicalType) -> Result<Signature> {
    let to = to.ok_or_else(|| call.mismatch())?;
    let args = call.args.iter().map(|a| match (&a.kind, &to.kind) {
        // A longer VARCHAR needs no copy to be compared.
        (x, y) if x.is_character() && y.is_character() || x.is_binary() && y.is_binary() => a.clone(),
        _ => to.clone().with_nullable(a.nullable || a.kind == TypeKind::Null),
    });
    Ok(Signature { args: args.collect(), ty })
}

fn bind_order(binding: &Binding<'_>) -> Result<Kernel> {
    let comparison = Comparison::parse(binding.name);
    Ok(Box::new(move |args| Ok(Arc::new(compare(comparison, args.operand(0)?, args.operand(1)?)?))))
}

fn bind_equality(binding: &Binding<'_>) -> Result<Kernel> {
    let comparison = Comparison::parse(binding.name);
    let (a, b) = (&binding.args[0].kind, &binding.args[1].kind);
    if is_never_equal(a, b) || is_never_equal(b, a) {
        return Ok(Box::new(move |args| Ok(args.each_boolean(|_| Some(comparison == Comparison::NotEqual)))));
    }
    let text = match (is_text_and_time(a, b), is_text_and_time(b, a)) {
        (true, _) => 0,
        (_, true) => 1,
        _ => return bind_order(binding),
    };
    let time = &binding.args[1 - text].kind;
    // A text that is written in the statement must be a time.
    let lenient = binding.constants[text].is_none();
    let cast = crate::cast::kernel(&binding.args[text].kind, time, lenient, binding.zone)?;
    let nullable = binding.ty.nullable;
    Ok(Box::new(move |args| {
        let operand = args.operand(text)?;
        let rows = operand.array.len();
        let array = cast(&Args { operands: std::slice::from_ref(operand), rows, cx: args.cx })?;
        let read = Operand { array, constant: operand.constant };
        let result = compare(comparison, &read, args.operand(1 - text)?)?;
        // With a text that is no time neither = nor <> holds; where the result may be null, it is.
        Ok(Arc::new(if nullable { result } else { known(&result) }))
    }))
}

fn known(truths: &BooleanArray) -> BooleanArray {
    truths.iter().map(|t| Some(t.unwrap_or(false))).collect()
}

fn bind_distinct(binding: &Binding<'_>) -> Result<Kernel> {
    let distinct = binding.name == "is distinct from";
    Ok(Box::new(move |args| {
        let (a, b) = (args.operand(0)?, args.operand(1)?);
        let equal = compare(Comparison::Equal, a, b)?;
        let same = (0..equal.len()).map(|row| {
            let (x, y) = (a.array.is_null(row * a.stride()), b.array.is_null(row * b.stride()));
            if x || y { x && y } else { equal.value(row) }
        });
        if a.array.data_type() == &DataType::Null && b.array.data_type() == &DataType::Null {
            return Ok(Arc::new(BooleanArray::from(vec![!distinct; args.rows])));
        }
        Ok(Arc::new(BooleanArray::from_iter(same.map(|same| Some(same != distinct)))))
    }))
}

fn in_list(args: &Args<'_>) -> Result<ArrayRef> {
    if let Some(truths) = in_texts(args)? {
        return Ok(truths);
    }
    let value = args.operand(0)?;
    let mut found: Option<BooleanArray> = None;
    for item in &args.operands[1..] {
        let equal = broadcast(compare(Comparison::Equal, value, item)?, args.rows)?;
        found = Some(match found {
            Some(found) => arrow_arith::boolean::or_kleene(&found, &equal)?,
            None => equal,
        });
    }
    found.map(|f| Arc::new(f) as ArrayRef).ok_or_else(|| Error::internal("IN takes values"))
}

/// Texts among constants: a row is looked at once. Nothing if the list is another one.
fn in_texts(args: &Args<'_>) -> Result<Option<ArrayRef>> {
    if args.operand(0)?.array.as_string_opt::<i32>().is_none() {
        return Ok(None);
    }
    let (Some(texts), items) = (args.text(0)?.column(), 1..args.len()) else { return Ok(None) };
    let items: Option<Vec<&str>> = items.map(|i| args.text(i).ok()?.constant()).collect();
    Ok(items.map(|items| {
        let found = BooleanBuffer::collect_bool(texts.len(), |row| items.contains(&texts.value(row)));
        Arc::new(BooleanArray::new(found, texts.nulls().cloned())) as ArrayRef
    }))
}

fn broadcast(truths: BooleanArray, rows: usize) -> Result<BooleanArray> {
    if truths.len() == rows {
        return Ok(truths);
    }
    let one: ArrayRef = Arc::new(truths);
    Ok(Operand::constant(one).into_array(rows)?.as_boolean().clone())
}

/// Compares two operands of the same layout. Two constants give one row.
pub(crate) fn compare(comparison: Comparison, a: &Operand, b: &Operand) -> Result<BooleanArray> {
    match a.array.data_type() {
        DataType::Null => Ok(BooleanArray::new_null(if a.constant { b.array.len() } else { a.array.len() })),
        DataType::Float32 => floats::<Float32Type>(comparison, a, b),
        DataType::Float64 => floats::<Float64Type>(comparison, a, b),
        DataType::Struct(_) | DataType::List(_) => nested(comparison, a, b),
        _ => Ok(kernel(comparison, a, b)?),
    }
}

/// The same in the total order where `NaN` is the largest: `GREATEST` and `LEAST`.
pub(crate) fn compare_totally(comparison: Comparison, a: &Operand, b: &Operand) -> Result<BooleanArray> {
    match a.array.data_type() {
        DataType::Float32 | DataType::Float64 => Ok(kernel(comparison, a, b)?),
        _ => compare(comparison, a, b),
    }
}

fn kernel(comparison: Comparison, a: &Operand, b: &Operand) -> std::result::Result<BooleanArray, ArrowError> {
    use arrow_ord::cmp;
    match comparison {
        Comparison::Equal => cmp::eq(a, b),
        Comparison::NotEqual => cmp::neq(a, b),
        Comparison::Less => cmp::lt(a, b),
        Comparison::LessOrEqual => cmp::lt_eq(a, b),
        Comparison::Greater => cmp::gt(a, b),
        Comparison::GreaterOrEqual => cmp::gt_eq(a, b),
    }
}

/// Arrow orders floats totally; Flink compares them as Java does.
fn floats<T: ArrowPrimitiveType>(comparison: Comparison, a: &Operand, b: &Operand) -> Result<BooleanArray>
where
    T::Native: PartialOrd,
{
    let wrong = || Error::internal("the sides of a comparison have different types");
    let x = a.array.as_primitive_opt::<T>().ok_or_else(wrong)?;
    let y = b.array.as_primitive_opt::<T>().ok_or_else(wrong)?;
    let rows = if a.constant { y.len() } else { x.len() };
    let (p, q) = (a.stride(), b.stride());
    let (xs, ys) = (x.values(), y.values());
    let holds = BooleanBuffer::collect_bool(rows, |i| {
        let (x, y) = (xs[i * p], ys[i * q]);
        match comparison {
            Comparison::Equal => x == y,
            Comparison::NotEqual => x != y,
            Comparison::Less => x < y,
            Comparison::LessOrEqual => x <= y,
            Comparison::Greater => x > y,
            Comparison::GreaterOrEqual => x >= y,
        }
    });
    let operands = [a.clone(), b.clone()];
    let cx = crate::compile::EvalContext::default();
    Ok(BooleanArray::new(holds, Args { operands: &operands, rows, cx: &cx }.nulls()))
}

/// Rows, arrays, and timestamps of precision 7 to 9, which are rows of milliseconds and nanoseconds.
fn nested(comparison: Comparison, a: &Operand, b: &Operand) -> Result<BooleanArray> {
    let rows = if a.constant { b.array.len() } else { a.array.len() };
    let compare = arrow_ord::ord::make_comparator(&a.array, &b.array, arrow_schema::SortOptions::default())?;
    let (p, q) = (a.stride(), b.stride());
    let holds = BooleanBuffer::collect_bool(rows, |i| comparison.holds(compare(i * p, i * q)));
    let operands = [a.clone(), b.clone()];
    let cx = crate::compile::EvalContext::default();
    Ok(BooleanArray::new(holds, Args { operands: &operands, rows, cx: &cx }.nulls()))
}
