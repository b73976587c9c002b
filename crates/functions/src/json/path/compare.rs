//! Comparisons in the filters of paths: which values are equal, less, within each other.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use flott_api::variant::java_order;

use super::evaluate::{Eval, Run, Stop};
use super::filter::{Operator, Value};
use crate::json::tree::{Id, Node, SMALL_OBJECT};
use crate::pattern::Pattern;

impl Run<'_, '_> {
    /// A side of a comparison.
    pub(super) fn operand<'v>(&mut self, value: &'v Value, item: Id) -> Eval<Side<'v>> {
        Ok(match value {
            Value::Text(text) => Side::Text(Cow::Borrowed(text)),
            Value::Number(text) => Side::Number(Cow::Borrowed(text)),
            Value::Bool(truth) => Side::Bool(*truth),
            Value::Null => Side::Null,
            Value::Json => Side::Literal,
            Value::Pattern(Ok(pattern)) => Side::Pattern(pattern),
            Value::Pattern(Err(_)) => return Err(Stop::Failed("a pattern does not run")),
            Value::Path(path) => {
                let document = if path.from_item { item } else { self.root };
                match self.read(path, document) {
                    Err(Stop::NotFound(_)) => Side::Undefined,
                    other => other?.map_or(Ok(Side::Null), |id| self.side(id))?,
                }
            }
        })
    }

    fn side<'v>(&self, id: Id) -> Eval<Side<'v>> {
        let mut text = String::new();
        Ok(match self.tree.node(id) {
            Node::Null => Side::Null,
            Node::Bool(truth) => Side::Bool(*truth),
            Node::Text(text) => Side::Text(Cow::Owned(text.to_string())),
            Node::Array(_) | Node::Object(_) => Side::Json(id),
            Node::Names(_) => return Err(Stop::Failed("a set of names cannot be compared")),
            Node::Int(_) | Node::Decimal(_) | Node::Count(_) | Node::Double(_) => {
                self.tree.write_plain(id, &mut text);
                Side::Number(Cow::Owned(text))
            }
        })
    }

    /// Whether a comparison holds.
    pub(super) fn compare(&self, left: &Side<'_>, operator: Operator, right: &Side<'_>) -> Eval<bool> {
        use Operator::*;
        Ok(match operator {
            Equal => self.equal(left, right)?,
            NotEqual => !self.equal(left, right)?,
            SameTypeAndEqual => left.has_type_of(right) && self.equal(left, right)?,
            NotSameTypeAndEqual => !(left.has_type_of(right) && self.equal(left, right)?),
            Less => left.order(right) == Some(Ordering::Less),
            LessOrEqual => left.order(right).is_some_and(Ordering::is_le),
            Greater => left.order(right) == Some(Ordering::Greater),
            GreaterOrEqual => left.order(right).is_some_and(Ordering::is_ge),
            Matches => self.matches(left, right)?,
            In => self.is_in(left, right)?,
            NotIn => !self.is_in(left, right)?,
            Contains => self.contains(left, right)?,
            Size => self.size(left, right)?,
            Empty => self.empty(left, right)?,
            SubsetOf => self.lists(left, right)?.is_some_and(|(l, r)| l.iter().all(|x| within(x, &r))),
            AnyOf => self.lists(left, right)?.is_some_and(|(l, r)| l.iter().any(|x| within(x, &r))),
            NoneOf => self.lists(left, right)?.is_some_and(|(l, r)| !l.iter().any(|x| within(x, &r))),
            Exists => match (left, right) {
                (Side::Bool(a), Side::Bool(b)) => a == b,
                (Side::Bool(_), _) | (_, Side::Bool(_)) => return Err(Stop::Invalid("EXISTS is of truth values")),
                _ => return Err(Stop::Failed("EXISTS is of truth values")),
            },
            Never => return Err(Stop::Invalid("the operator takes what a path cannot write")),
        })
    }

    fn equal(&self, left: &Side<'_>, right: &Side<'_>) -> Eval<bool> {
        match (left, right) {
            (Side::Json(a), Side::Json(b)) => Ok(self.same(*a, *b)),
            (Side::Json(_) | Side::Literal, Side::Literal) | (Side::Literal, Side::Json(_)) => Err(LITERAL),
            _ => Ok(left.equals(right)),
        }
    }

    /// Whether two values of the document are equal as Java's collections are.
    fn same(&self, a: Id, b: Id) -> bool {
        let tree = &self.tree;
        if tree.is_object(a) && tree.is_object(b) {
            return tree.entries(a).len() == tree.entries(b).len() && self.same_entries(a, b);
        }
        if tree.is_array(a) && tree.is_array(b) {
            let (x, y) = (tree.items(a), tree.items(b));
            return x.len() == y.len() && x.iter().zip(y).all(|(v, w)| self.same(*v, *w));
        }
        let text = |id: Id| {
            let mut out = String::new();
            tree.write(id, &mut out);
            out
        };
        tree.is_scalar(a) && tree.is_scalar(b) && text(a) == text(b)
    }

    /// Whether each entry of one object, which has as many, is in the other.
    fn same_entries(&self, a: Id, b: Id) -> bool {
        let (x, y) = (self.tree.entries(a), self.tree.entries(b));
        if x.len() <= SMALL_OBJECT {
            return x.iter().all(|(n, v)| self.tree.get(b, n).is_some_and(|w| self.same(*v, w)));
        }
        let y: HashMap<&str, Id> = y.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
        x.iter().all(|(n, v)| y.get(n.as_ref()).is_some_and(|w| self.same(*v, *w)))
    }

    /// The items of an array as sides; none if it is no array.
    fn list<'v>(&self, side: &Side<'_>) -> Eval<Option<Vec<Side<'v>>>> {
        match side {
            Side::Json(id) if self.tree.is_array(*id) => {
                self.tree.items(*id).iter().map(|item| self.side(*item)).collect::<Eval<_>>().map(Some)
            }
            Side::Json(_) => Ok(None),
            Side::Literal => Err(LITERAL),
            _ => Err(Stop::Invalid("a list was expected")),
        }
    }

    fn lists<'v>(&self, left: &Side<'_>, right: &Side<'_>) -> Eval<Option<(Vec<Side<'v>>, Vec<Side<'v>>)>> {
        let Some(right) = self.list(right)? else { return Ok(None) };
        Ok(self.list(left)?.map(|left| (left, right)))
    }

    fn is_in(&self, left: &Side<'_>, right: &Side<'_>) -> Eval<bool> {
        Ok(self.list(right)?.is_some_and(|items| self.is_among(left, &items)))
    }

    fn is_among(&self, one: &Side<'_>, items: &[Side<'_>]) -> bool {
        items.iter().any(|item| self.equal(one, item).unwrap_or(false))
    }

    fn contains(&self, left: &Side<'_>, right: &Side<'_>) -> Eval<bool> {
        match (left, right) {
            (Side::Text(text), Side::Text(part)) => Ok(text.contains(part.as_ref())),
            (Side::Json(_) | Side::Literal, _) => {
                Ok(self.list(left)?.is_some_and(|items| self.is_among(right, &items)))
            }
            _ => Ok(false),
        }
    }

    fn size(&self, left: &Side<'_>, right: &Side<'_>) -> Eval<bool> {
        let Side::Number(number) = right else { return Ok(false) };
        // As Java's `intValue`: what is behind the point is cut off.
        let expected = number.parse::<f64>().unwrap_or(-1.0) as i64;
        Ok(match left {
            Side::Text(text) => text.encode_utf16().count() as i64 == expected,
            Side::Json(id) if self.tree.is_array(*id) => self.tree.items(*id).len() as i64 == expected,
            Side::Json(_) => expected == -1,
            Side::Literal => return Err(LITERAL),
            _ => false,
        })
    }

    fn empty(&self, left: &Side<'_>, right: &Side<'_>) -> Eval<bool> {
        let is_empty = match left {
            Side::Text(text) => text.is_empty(),
            Side::Json(id) => self.children(*id).is_empty(),
            Side::Literal => return Err(LITERAL),
            _ => return Ok(false),
        };
        match right {
            Side::Bool(wanted) => Ok(is_empty == *wanted),
            _ => Err(Stop::Invalid("EMPTY takes a truth value")),
        }
    }

    fn matches(&self, left: &Side<'_>, right: &Side<'_>) -> Eval<bool> {
        let (pattern, other) = match (left, right) {
            (Side::Pattern(_), Side::Pattern(_)) => return Ok(false),
            (Side::Pattern(pattern), other) | (other, Side::Pattern(pattern)) => (pattern, other),
            _ => return Ok(false),
        };
        match other {
            Side::Literal => Err(LITERAL),
            Side::Json(_) => {
                let items = self.list(other)?.unwrap_or_default();
                items.iter().try_fold(false, |found, item| Ok(found || matched(pattern, &item.text())?))
            }
            other => matched(pattern, &other.text()),
        }
    }
}

/// Flink's library for literals in filters is not in its jars.
const LITERAL: Stop = Stop::Failed("an array or object in a filter cannot be compared");

fn matched(pattern: &Pattern, text: &str) -> Eval<bool> {
    pattern.is_match(text).map_err(|_| Stop::Failed("a pattern went back too often"))
}

fn within(one: &Side<'_>, items: &[Side<'_>]) -> bool {
    items.iter().any(|item| one.equals(item))
}

/// A side of a comparison, evaluated.
#[derive(Clone)]
pub(super) enum Side<'v> {
    Undefined,
    Null,
    Bool(bool),
    Number(Cow<'v, str>),
    Text(Cow<'v, str>),
    Json(Id),
    Literal,
    Pattern(&'v Pattern),
}

impl Side<'_> {
    fn equals(&self, other: &Side<'_>) -> bool {
        match (self, other) {
            (Side::Null, Side::Null) => true,
            (Side::Bool(a), Side::Bool(b)) => a == b,
            (Side::Number(a), Side::Number(b) | Side::Text(b)) => {
                let (a, b) = (Decimal::parse(a), Decimal::parse(b));
                a.zip(b).is_some_and(|(a, b)| a.compare(&b).is_eq())
            }
            (Side::Text(a), Side::Text(b) | Side::Number(b)) => a == b,
            (Side::Json(a), Side::Json(b)) => a == b,
            _ => false,
        }
    }

    fn has_type_of(&self, other: &Side<'_>) -> bool {
        let kind = |side: &Side<'_>| match side {
            Side::Undefined => 0,
            Side::Null => 1,
            Side::Bool(_) => 2,
            Side::Number(_) => 3,
            Side::Text(_) => 4,
            Side::Json(_) | Side::Literal => 5,
            Side::Pattern(_) => 6,
        };
        kind(self) == kind(other)
    }

    fn order(&self, other: &Side<'_>) -> Option<Ordering> {
        match (self, other) {
            (Side::Number(a), Side::Number(b)) => Some(Decimal::parse(a)?.compare(&Decimal::parse(b)?)),
            (Side::Text(a), Side::Text(b)) => Some(java_order(a, b)),
            _ => None,
        }
    }

    /// What a regular expression sees.
    fn text(&self) -> Cow<'_, str> {
        match self {
            Side::Text(text) | Side::Number(text) => Cow::Borrowed(text),
            Side::Bool(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
            _ => Cow::Borrowed(""),
        }
    }
}

/// A decimal number of any length, for comparisons.
#[derive(Debug)]
pub(super) struct Decimal<'t> {
    negative: bool,
    /// Without zeros at its ends.
    digits: Cow<'t, str>,
    /// Where the point is, counted from before the first digit.
    point: i64,
}

impl<'t> Decimal<'t> {
    /// Reads what Java's `BigDecimal` reads.
    pub(super) fn parse(text: &'t str) -> Option<Decimal<'t>> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let exponent: i32 = exponent.parse().ok()?;
        let all = if fraction.is_empty() { Cow::Borrowed(whole) } else { Cow::Owned(format!("{whole}{fraction}")) };
        let leading = all.len() - all.trim_start_matches('0').len();
        let digits = match all {
            Cow::Borrowed(all) => Cow::Borrowed(all.trim_matches('0')),
            Cow::Owned(all) => Cow::Owned(all.trim_matches('0').to_owned()),
        };
        let point = whole.len() as i64 - leading as i64 + i64::from(exponent);
        Some(Decimal { negative: text.starts_with('-') && !digits.is_empty(), digits, point })
    }

    fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let sign = |d: &Decimal<'_>| if d.digits.is_empty() { 0 } else { 1 - 2 * i32::from(d.negative) };
        let by_sign = sign(self).cmp(&sign(other));
        if by_sign.is_ne() || self.digits.is_empty() {
            return by_sign;
        }
        let magnitude = self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        if self.negative { magnitude.reverse() } else { magnitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_compare_by_value() {
        let order = |a: &str, b: &str| Decimal::parse(a).unwrap().compare(&Decimal::parse(b).unwrap());
        for (a, b) in [("1", "1.0"), ("100", "1e2"), ("-0", "0.00"), ("0.010", "1E-2"), (".5", "0.5")] {
            assert_eq!(order(a, b), Ordering::Equal, "{a} {b}");
        }
        for (a, b) in [("9", "10"), ("-10", "-9"), ("-1", "0"), ("0.09", "0.1"), ("1.25", "1.3"), ("0", "1e-9")] {
            assert_eq!((order(a, b), order(b, a)), (Ordering::Less, Ordering::Greater), "{a} {b}");
        }
        assert!(["", ".", "1e", "x", "1x", "--1"].iter().all(|text| Decimal::parse(text).is_none()));
    }
}
