//! Literals with Flink's types: `1` is INT, `1.5` DECIMAL(2, 1), `'a'` CHAR(1), `INTERVAL '1' DAY` milliseconds.

use flott_api::expr::{Expr, Value};
use flott_api::types::DECIMAL_PRECISION_MAX;
use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::{DataType, DateTimeField, Expr as Ast, Interval, TypedString, UnaryOperator, Value as AstValue};

/// The most digits of an interval's leading field that need no precision.
const INTERVAL_PRECISION_DEFAULT: u64 = 2;
const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A literal that is not null.
fn constant(value: Value, kind: TypeKind) -> Expr {
    Expr::literal(value, LogicalType::not_null(kind))
}

/// The untyped `NULL`.
pub(super) fn null() -> Expr {
    Expr::literal(Value::Null, LogicalType::new(TypeKind::Null))
}

/// A `BOOLEAN` literal.
pub(super) fn boolean(value: bool) -> Expr {
    constant(Value::Boolean(value), TypeKind::Boolean)
}

/// A `CHAR` literal of the text's length.
pub(super) fn string(value: &str) -> Expr {
    let length = u32::try_from(value.chars().count()).unwrap_or(u32::MAX);
    constant(Value::String(value.to_owned()), TypeKind::Char(length))
}

/// A plain literal.
pub(super) fn value(value: &AstValue) -> Result<Expr> {
    match value {
        AstValue::Number(text, false) => number(text, false),
        AstValue::SingleQuotedString(text)
        | AstValue::UnicodeStringLiteral(text)
        | AstValue::EscapedStringLiteral(text) => Ok(string(text)),
        AstValue::HexStringLiteral(text) => hex(text),
        AstValue::Boolean(value) => Ok(boolean(*value)),
        AstValue::Null => Ok(null()),
        AstValue::Placeholder(text) => Err(Error::unsupported(format!("the parameter '{text}'"))),
        other => Err(Error::unsupported(format!("the literal {other}"))),
    }
}

/// A number, by its text: all written digits count.
pub(super) fn number(text: &str, negative: bool) -> Result<Expr> {
    if text.contains(['e', 'E']) {
        let parsed = text.parse().ok().filter(|value: &f64| value.is_finite());
        let value = parsed.ok_or_else(|| out_of_range(text))?;
        // Flink folds `-0e0` through decimals, which have no negative zero.
        let value = if negative && value != 0.0 { -value } else { value };
        return Ok(constant(Value::double(value), TypeKind::Double));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let signed = format!("{}{whole}{fraction}", if negative { "-" } else { "" });
    let unscaled: i64 = signed.parse().map_err(|_| out_of_range(text))?;
    if fraction.is_empty() {
        let kind = if i32::try_from(unscaled).is_ok() { TypeKind::Int } else { TypeKind::BigInt };
        return Ok(constant(Value::Int(unscaled), kind));
    }
    let digits = whole.len() + fraction.len();
    if digits > usize::from(DECIMAL_PRECISION_MAX) {
        return Err(out_of_range(text));
    }
    let (precision, scale) = (digits as u8, fraction.len() as u8);
    Ok(constant(Value::Decimal(unscaled.into()), TypeKind::Decimal { precision, scale }))
}

fn out_of_range(text: &str) -> Error {
    Error::invalid(format!("numeric literal '{text}' is out of range")).with_hint(
        "A literal without exponent has at most 19 digits; write a bigger one as CAST('..' AS DECIMAL(p, s)).",
    )
}

fn hex(text: &str) -> Result<Expr> {
    let wrong = || Error::invalid(format!("binary literal X'{text}' has an odd number of hexadecimal digits"));
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(wrong());
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong());
    let bytes = (0..text.len()).step_by(2).map(byte).collect::<Result<Vec<u8>>>()?;
    let length = bytes.len() as u32;
    Ok(constant(Value::Bytes(bytes), TypeKind::Binary(length)))
}

/// `DATE '..'`, `TIME '..'`, `TIMESTAMP '..'`.
pub(super) fn typed(literal: &TypedString) -> Result<Expr> {
    let TypedString { data_type, value, uses_odbc_syntax: _ } = literal;
    let Some(text) = value.value.clone().into_string() else {
        return Err(Error::invalid(format!("a {data_type} literal needs a string")));
    };
    let found = match data_type {
        DataType::Date => date(&text).map(|days| constant(Value::Int(days), TypeKind::Date)),
        DataType::Time(None, _) => {
            time(&text).map(|(ms, digits)| constant(Value::Int(ms), TypeKind::Time(digits.min(3))))
        }
        DataType::Timestamp(None, _) => timestamp(&text),
        other => return Err(Error::unsupported(format!("a literal of type {other}"))),
    };
    found.ok_or_else(|| {
        let form = match data_type {
            DataType::Date => "yyyy-MM-dd",
            DataType::Time(..) => "HH:mm:ss[.fff]",
            _ => "yyyy-MM-dd HH:mm:ss[.fffffffff]",
        };
        Error::invalid(format!("'{text}' is no {data_type}")).with_hint(format!("Its form is '{form}'."))
    })
}

/// Days since the epoch.
fn date(text: &str) -> Option<i64> {
    let mut parts = text.trim().splitn(3, '-');
    let year: i32 = digits(parts.next()?, 4)?;
    let (month, day) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let date = chrono::NaiveDate::from_ymd_opt(year, month, day)?;
    Some(date.signed_duration_since(chrono::NaiveDate::default()).num_days())
}

/// Milliseconds of the day, and the digits of the fraction. Finer digits are cut.
fn time(text: &str) -> Option<(i64, u8)> {
    let (nanos, digits) = nanos_of_day(text)?;
    Some((nanos / 1_000_000, digits))
}

fn nanos_of_day(text: &str) -> Option<(i64, u8)> {
    let (clock, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut parts = clock.splitn(3, ':');
    let hour: i64 = digits(parts.next()?, 2)?;
    let (minute, second): (i64, i64) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    Some((((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos, fraction.len() as u8))
}

fn timestamp(text: &str) -> Option<Expr> {
    let (day, clock) = text.trim().split_once(' ').unwrap_or((text.trim(), "00:00:00"));
    let (nanos, precision) = nanos_of_day(clock)?;
    let millis = date(day)?.checked_mul(DAY_MS)? + nanos / 1_000_000;
    let value = Value::Timestamp { millis, nanos: (nanos % 1_000_000) as u32 };
    Some(constant(value, TypeKind::Timestamp(precision)))
}

/// Up to `length` digits and nothing else.
fn digits<T: std::str::FromStr>(text: &str, length: usize) -> Option<T> {
    let fits = !text.is_empty() && text.len() <= length && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// The fields of an interval, coarsest first, and what one of each is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    fn of(field: &DateTimeField) -> Option<Unit> {
        Some(match field {
            DateTimeField::Year | DateTimeField::Years => Unit::Year,
            DateTimeField::Quarter => Unit::Quarter,
            DateTimeField::Month | DateTimeField::Months => Unit::Month,
            DateTimeField::Week(None) | DateTimeField::Weeks => Unit::Week,
            DateTimeField::Day | DateTimeField::Days => Unit::Day,
            DateTimeField::Hour | DateTimeField::Hours => Unit::Hour,
            DateTimeField::Minute | DateTimeField::Minutes => Unit::Minute,
            DateTimeField::Second | DateTimeField::Seconds => Unit::Second,
            DateTimeField::Custom(word) => return Unit::of_word(&word.value),
            _ => return None,
        })
    }

    /// Units that sqlparser has no word for in the plural.
    fn of_word(word: &str) -> Option<Unit> {
        Some(match word.to_ascii_uppercase().as_str() {
            "QUARTERS" | "QUARTER" => Unit::Quarter,
            "WEEK" | "WEEKS" => Unit::Week,
            _ => return None,
        })
    }

    /// Months, or milliseconds.
    fn factor(self) -> i64 {
        match self {
            Unit::Year => 12,
            Unit::Quarter => 3,
            Unit::Month => 1,
            Unit::Week => 7 * DAY_MS,
            Unit::Day => DAY_MS,
            Unit::Hour => HOUR_MS,
            Unit::Minute => MINUTE_MS,
            Unit::Second => SECOND_MS,
        }
    }

    fn kind(self) -> TypeKind {
        if self <= Unit::Month { TypeKind::IntervalYearMonth } else { TypeKind::IntervalDayTime }
    }

    /// The next finer field of a range such as `DAY TO SECOND`.
    fn next(self) -> Option<Unit> {
        Some(match self {
            Unit::Year => Unit::Month,
            Unit::Day => Unit::Hour,
            Unit::Hour => Unit::Minute,
            Unit::Minute => Unit::Second,
            _ => return None,
        })
    }
}

/// `INTERVAL '..' DAY`, `INTERVAL '1 02:03:04.5' DAY TO SECOND`.
pub(super) fn interval(interval: &Interval) -> Result<Expr> {
    let Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } = interval;
    let (text, negative) = interval_text(value)?;
    let unit = |field: &Option<DateTimeField>| match field {
        None => Ok(None),
        Some(field) => {
            Unit::of(field).map(Some).ok_or_else(|| Error::invalid(format!("'{field}' is no unit of an interval")))
        }
    };
    let Some(first) = unit(leading_field)? else {
        return Err(Error::invalid("the interval has no unit").with_hint("Write INTERVAL '1' DAY."));
    };
    let last = unit(last_field)?.unwrap_or(first);
    let wrong = || {
        Error::invalid(format!("'{text}' is no interval {}", unit_text(leading_field, last_field))).with_hint(
            "Examples: INTERVAL '10' MINUTE, INTERVAL '1 02:03:04' DAY TO SECOND, INTERVAL '1-2' YEAR TO MONTH.",
        )
    };
    // A fraction of a second counts to nine digits, whatever the declared precision.
    if fractional_seconds_precision.is_some_and(|p| p > 9) {
        return Err(Error::invalid("the fraction of an interval has at most 9 digits"));
    }
    let precision = leading_precision.unwrap_or(INTERVAL_PRECISION_DEFAULT);
    let amount = amount(&text, first, last, precision).map_err(|problem| match problem {
        Problem::Form => wrong(),
        Problem::TooLong => wrong().with_detail(format!(
            "Its first number has more than {precision} digits: write {}({}).",
            unit_text(leading_field, &None),
            precision + 1
        )),
    })?;
    Ok(constant(Value::Int(if negative { -amount } else { amount }), first.kind()))
}

fn unit_text(leading: &Option<DateTimeField>, last: &Option<DateTimeField>) -> String {
    let leading = leading.as_ref().map(ToString::to_string).unwrap_or_default();
    match last {
        Some(last) => format!("{leading} TO {last}"),
        None => leading,
    }
}

fn interval_text(value: &Ast) -> Result<(String, bool)> {
    match value {
        Ast::Value(value) => match (&value.value, value.value.clone().into_string()) {
            (AstValue::Number(text, false), _) => Ok((text.clone(), false)),
            (_, Some(text)) => Ok((text, false)),
            (_, None) => {
                Err(Error::invalid("the value of an interval must be a string").with_hint("Write INTERVAL '1' DAY."))
            }
        },
        Ast::UnaryOp { op: UnaryOperator::Minus, expr } => interval_text(expr).map(|(text, sign)| (text, !sign)),
        Ast::UnaryOp { op: UnaryOperator::Plus, expr } => interval_text(expr),
        _ => Err(Error::unsupported("an interval of an expression").with_hint("Multiply: x * INTERVAL '1' DAY.")),
    }
}

enum Problem {
    Form,
    TooLong,
}

/// Months or milliseconds of `text`, whose fields run from `first` to `last`.
fn amount(text: &str, first: Unit, last: Unit, precision: u64) -> Result<i64, Problem> {
    let text = text.trim();
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mut total, mut unit) = (0i64, first);
    loop {
        let end = if unit == last { rest.len() } else { rest.find([' ', ':', '-']).ok_or(Problem::Form)? };
        let field = &rest[..end];
        if unit == first && field.split('.').next().is_some_and(|whole| whole.len() as u64 > precision) {
            return Err(Problem::TooLong);
        }
        let worth = field_amount(field, unit, unit != first).ok_or(Problem::Form)?;
        total = total.checked_add(worth).ok_or(Problem::Form)?;
        if unit == last {
            return Ok(if negative { -total } else { total });
        }
        rest = &rest[end + 1..];
        unit = unit.next().ok_or(Problem::Form)?;
    }
}

/// One field; only seconds have a fraction, and only the first field is unbounded.
fn field_amount(field: &str, unit: Unit, bounded: bool) -> Option<i64> {
    let (whole, fraction) = field.split_once('.').unwrap_or((field, ""));
    let number: i64 = digits(whole, 18)?;
    let limit = match unit {
        Unit::Month => 12,
        Unit::Hour => 24,
        _ => 60,
    };
    if bounded && number >= limit {
        return None;
    }
    let mut worth = number.checked_mul(unit.factor())?;
    if field.contains('.') {
        if unit != Unit::Second || fraction.len() > 9 {
            return None;
        }
        let nanos: i64 = digits(&format!("{fraction:0<9}"), 9)?;
        worth += nanos / 1_000_000;
    }
    Some(worth)
}
