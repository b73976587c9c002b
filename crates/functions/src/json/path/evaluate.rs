//! What a path finds in a document: in one pass over its text where the path is simple, else in its tree.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::filter::{Filter, Operator, Value};
use super::functions;
use super::{JsonPath, Path, Step};
use crate::json::scan::{Kind, Malformed, Scan, Scanner};
use crate::json::tree::{Id, Tree, java_order};

/// What a document and a path give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::json) enum Outcome {
    /// Nothing, and that is no error.
    Empty,
    Failed(&'static str),
    /// A value that was read over, and where it begins.
    At(Kind, usize),
    /// A value of the tree.
    Node(Id),
}

/// The memory of lookups, kept from row to row.
#[derive(Default)]
pub(in crate::json) struct Answer<'a> {
    pub(in crate::json) tree: Tree<'a>,
}

const ROOT_IS_NULL: &str = "the document is null";
const NOT_FOUND: &str = "the path finds nothing";

/// Why an evaluation ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// Something is missing.
    NotFound(&'static str),
    /// A filter does not hold because of it.
    Invalid(&'static str),
    /// Anything else.
    Failed(&'static str),
}

pub(super) type Eval<T> = Result<T, Stop>;

impl<'a> Answer<'a> {
    /// Looks a path up in a document.
    pub(in crate::json) fn of(&mut self, text: &'a str, path: &JsonPath) -> Outcome {
        let mut scanner = Scanner::new(text);
        match &path.path {
            Ok(found) if found.is_simple() => simple(&mut scanner, &found.steps, path.strict),
            found => {
                self.tree.clear();
                let root = match self.tree.read(&mut scanner) {
                    Err(malformed) => return unreadable(malformed, path.strict),
                    Ok(root) if self.tree.is_null(root) => return Outcome::Failed(ROOT_IS_NULL),
                    Ok(root) => root,
                };
                match found {
                    Err(_) => Outcome::Failed("the path is wrong"),
                    Ok(found) => self.in_tree(root, found, path.strict),
                }
            }
        }
    }

    fn in_tree(&mut self, root: Id, path: &Path, strict: bool) -> Outcome {
        let mut run = Run { tree: &mut self.tree, root, suppress: !strict, require: false };
        match run.read(path, root) {
            Err(Stop::NotFound(why) | Stop::Invalid(why) | Stop::Failed(why)) => Outcome::Failed(why),
            Ok(found) => match found.filter(|id| !self.tree.is_null(*id)) {
                Some(id) => Outcome::Node(id),
                None if strict => Outcome::Failed(NOT_FOUND),
                None => Outcome::Empty,
            },
        }
    }

    /// Puts a value that was read over into the tree.
    pub(in crate::json) fn node(&mut self, text: &'a str, outcome: Outcome) -> Option<Id> {
        match outcome {
            Outcome::Node(id) => Some(id),
            Outcome::At(_, at) => {
                self.tree.clear();
                self.tree.read(&mut Scanner::within(text, at)).ok()
            }
            Outcome::Empty | Outcome::Failed(_) => None,
        }
    }
}

fn unreadable(malformed: Malformed, strict: bool) -> Outcome {
    if strict { Outcome::Failed(malformed.why) } else { Outcome::Empty }
}

fn simple(scanner: &mut Scanner<'_>, steps: &[Step], strict: bool) -> Outcome {
    let root = scanner.kind();
    match seek(scanner, steps) {
        Err(malformed) => unreadable(malformed, strict),
        Ok(_) if root == Ok(Kind::Null) => Outcome::Failed(ROOT_IS_NULL),
        Ok(Some((kind, at))) if kind != Kind::Null => Outcome::At(kind, at),
        Ok(_) if strict => Outcome::Failed(NOT_FOUND),
        Ok(_) => Outcome::Empty,
    }
}

/// Reads over the next value; gives what the steps lead to. Of equal names the last counts.
fn seek(scanner: &mut Scanner<'_>, steps: &[Step]) -> Scan<Option<(Kind, usize)>> {
    let kind = scanner.kind()?;
    let mut found = None;
    match (steps, kind) {
        ([], _) => {
            found = Some((kind, scanner.at()));
            scanner.skip_of(kind)?;
        }
        ([Step::Names(names), rest @ ..], Kind::Object) => {
            scanner.enter()?;
            let mut first = true;
            while let Some(name) = scanner.entry(first)? {
                match names.iter().any(|n| name.is(n)) {
                    true => found = seek(scanner, rest)?,
                    false => scanner.skip().map(|_| ())?,
                }
                first = false;
            }
        }
        ([Step::Indexes(indexes), rest @ ..], Kind::Array) => {
            scanner.enter()?;
            let mut place = 0;
            while scanner.element(place == 0)? {
                match indexes.contains(&place) {
                    true => found = seek(scanner, rest)?,
                    false => scanner.skip().map(|_| ())?,
                }
                place = place.saturating_add(1);
            }
        }
        _ => scanner.skip_of(kind)?,
    }
    Ok(found)
}

/// One evaluation.
pub(super) struct Run<'t, 'a> {
    pub(super) tree: &'t mut Tree<'a>,
    root: Id,
    /// What is missing gives nothing.
    suppress: bool,
    /// The last name of a path must be there, too.
    require: bool,
}

impl Run<'_, '_> {
    /// The value of a path; none is Java's null.
    pub(super) fn read(&mut self, path: &Path, document: Id) -> Eval<Option<Id>> {
        let mut found = Vec::new();
        self.walk(path, 0, document, &mut found)?;
        if path.is_definite() {
            return match found.last() {
                Some(last) => Ok(Some(*last)),
                None if self.suppress => Ok(None),
                None => Err(Stop::NotFound(NOT_FOUND)),
            };
        }
        if found.is_empty() && path.is_function() && self.suppress {
            return Ok(None);
        }
        Ok(Some(self.tree.add_array(&found)))
    }

    /// The value of a path from the root.
    pub(super) fn read_from_root(&mut self, path: &Path) -> Eval<Option<Id>> {
        self.read(path, self.root)
    }

    /// Everything that a path with `.*` behind it finds below a value.
    pub(super) fn read_below(&mut self, path: &Path, document: Id) -> Eval<Vec<Id>> {
        let mut parents = Vec::new();
        self.walk(path, 0, document, &mut parents)?;
        Ok(parents.iter().flat_map(|parent| self.children(*parent)).collect())
    }

    fn children(&self, id: Id) -> Vec<Id> {
        match self.tree.is_object(id) {
            true => self.tree.entries(id).iter().map(|(_, value)| *value).collect(),
            false if self.tree.is_array(id) => self.tree.items(id).to_vec(),
            false => Vec::new(),
        }
    }

    fn missing(&self, path: &Path, place: usize, why: &'static str) -> Eval<()> {
        match !path.is_definite_before(place) || self.suppress {
            true => Ok(()),
            false => Err(Stop::NotFound(why)),
        }
    }

    /// Takes the steps from a place on.
    fn walk(&mut self, path: &Path, place: usize, model: Id, found: &mut Vec<Id>) -> Eval<()> {
        let Some(step) = path.steps.get(place) else {
            found.push(model);
            return Ok(());
        };
        match step {
            Step::Names(names) => self.names(path, place, names, model, found),
            Step::Indexes(_) | Step::Slice(..) if !self.tree.is_array(model) => {
                self.missing(path, place, "an index is of something that is no array")
            }
            Step::Indexes(indexes) => {
                indexes.iter().try_for_each(|index| self.item(path, place, model, i64::from(*index), found))
            }
            Step::Slice(from, to) => {
                let range = slice(*from, *to, self.tree.items(model).len() as i64);
                range.into_iter().try_for_each(|index| self.item(path, place, model, index, found))
            }
            Step::Wildcard => {
                for child in self.children(model) {
                    match self.walk(path, place + 1, child, found) {
                        Err(Stop::NotFound(_)) if !self.require => {}
                        other => other?,
                    }
                }
                Ok(())
            }
            Step::Scan => self.scan(path, place + 1, model, found),
            Step::Filter(filter) => self.filter(path, place, filter, model, found),
            Step::Function(name, parameters) => {
                let result = functions::call(self, name, parameters, model)?;
                if place + 1 < path.steps.len() {
                    found.push(result);
                }
                self.walk(path, place + 1, result, found)
            }
        }
    }

    fn names(&mut self, path: &Path, place: usize, names: &[String], model: Id, found: &mut Vec<Id>) -> Eval<()> {
        if !self.tree.is_object(model) {
            return self.missing(path, place, "a name is of something that is no object");
        }
        let is_last = place + 1 == path.steps.len();
        if names.len() > 1 && is_last {
            return self.merged(names, model, found);
        }
        for name in names {
            match self.tree.get(model, name) {
                Some(value) => self.walk(path, place + 1, value, found)?,
                None if is_last && (self.suppress || !self.require) => {}
                None if is_last => return Err(Stop::NotFound(NOT_FOUND)),
                None => {
                    let definite = path.is_definite_before(place) && names.len() == 1;
                    if (definite || self.require) && !self.suppress {
                        return Err(Stop::NotFound(NOT_FOUND));
                    }
                }
            }
        }
        Ok(())
    }

    /// `['a', 'b']` at the end: one object with those of them that are there.
    fn merged(&mut self, names: &[String], model: Id, found: &mut Vec<Id>) -> Eval<()> {
        let mut entries: Vec<(Cow<'_, str>, Id)> = Vec::with_capacity(names.len());
        for name in names {
            let entry = self.tree.entries(model).iter().find(|(n, _)| n == name).cloned();
            match entry {
                Some((name, value)) if entries.iter().all(|(n, _)| *n != name) => entries.push((name, value)),
                Some(_) => {}
                None if self.require => return Err(Stop::NotFound(NOT_FOUND)),
                None => {}
            }
        }
        found.push(self.tree.add_object(entries));
        Ok(())
    }

    fn item(&mut self, path: &Path, place: usize, array: Id, index: i64, found: &mut Vec<Id>) -> Eval<()> {
        let items = self.tree.items(array);
        let index = if index < 0 { items.len() as i64 + index } else { index };
        let item = usize::try_from(index).ok().and_then(|i| items.get(i).copied());
        match item {
            Some(item) => self.walk(path, place + 1, item, found),
            None => Ok(()),
        }
    }

    /// `..`: the step at a place, tried on everything below.
    fn scan(&mut self, path: &Path, place: usize, model: Id, found: &mut Vec<Id>) -> Eval<()> {
        let is_array = self.tree.is_array(model);
        if !is_array && !self.tree.is_object(model) {
            return Ok(());
        }
        if self.scan_takes(path, place, model)? {
            match is_array && place + 1 < path.steps.len() {
                false => self.walk(path, place, model, found)?,
                // Whatever the step says, it goes on from each item.
                true => {
                    for item in self.children(model) {
                        self.walk(path, place + 1, item, found)?;
                    }
                }
            }
        }
        self.children(model).into_iter().try_for_each(|child| self.scan(path, place, child, found))
    }

    fn scan_takes(&mut self, path: &Path, place: usize, model: Id) -> Eval<bool> {
        Ok(match path.steps.get(place) {
            Some(Step::Names(names)) => {
                let all = || names.iter().all(|name| self.tree.get(model, name).is_some());
                self.tree.is_object(model) && (!path.is_definite_at(place) || all())
            }
            Some(Step::Indexes(_) | Step::Slice(..)) => self.tree.is_array(model),
            Some(Step::Wildcard) => true,
            Some(Step::Filter(filter)) => self.accepts(filter, model)?,
            _ => false,
        })
    }

    fn filter(&mut self, path: &Path, place: usize, filter: &Filter, model: Id, found: &mut Vec<Id>) -> Eval<()> {
        if self.tree.is_object(model) {
            return match self.accepts(filter, model)? {
                true => self.walk(path, place + 1, model, found),
                false => Ok(()),
            };
        }
        if self.tree.is_array(model) {
            for item in self.children(model) {
                if self.accepts(filter, item)? {
                    self.walk(path, place + 1, item, found)?;
                }
            }
            return Ok(());
        }
        match path.is_definite_before(place) {
            true => Err(Stop::Invalid("a filter is of something that is neither an array nor an object")),
            false => Ok(()),
        }
    }

    fn accepts(&mut self, filter: &Filter, item: Id) -> Eval<bool> {
        match self.holds(filter, item) {
            Err(Stop::NotFound(_) | Stop::Invalid(_)) => Ok(false),
            other => other,
        }
    }

    fn holds(&mut self, filter: &Filter, item: Id) -> Eval<bool> {
        match filter {
            Filter::Any(all) => {
                for one in all {
                    if self.holds(one, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::All(all) => {
                for one in all {
                    if !self.holds(one, item)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Not(inner) => Ok(!self.holds(inner, item)?),
            Filter::Exists(path, wanted) => {
                let mut run = Run { tree: &mut *self.tree, root: self.root, suppress: false, require: true };
                match run.read(path, item) {
                    Ok(_) => Ok(*wanted),
                    Err(Stop::NotFound(_)) => Ok(!*wanted),
                    Err(stop) => Err(stop),
                }
            }
            Filter::Compare(left, operator, right) => {
                let left = self.operand(left, item)?;
                let right = self.operand(right, item)?;
                self.compare(&left, *operator, &right)
            }
        }
    }

    fn operand<'v>(&mut self, value: &'v Value, item: Id) -> Eval<Side<'v>> {
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
        use crate::json::tree::Node;
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

    fn compare(&self, left: &Side<'_>, operator: Operator, right: &Side<'_>) -> Eval<bool> {
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
            let (x, y) = (tree.entries(a), tree.entries(b));
            return x.len() == y.len() && x.iter().all(|(n, v)| tree.get(b, n).is_some_and(|w| self.same(*v, w)));
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
                Ok(self.list(other)?.is_some_and(|items| items.iter().any(|i| pattern.is_match(&i.text()))))
            }
            other => Ok(pattern.is_match(&other.text())),
        }
    }
}

/// Flink's library for literals in filters is not in its jars.
const LITERAL: Stop = Stop::Failed("an array or object in a filter cannot be compared");

fn within(one: &Side<'_>, items: &[Side<'_>]) -> bool {
    items.iter().any(|item| one.equals(item))
}

/// The places of a slice; negative ones count from the end.
fn slice(from: Option<i32>, to: Option<i32>, length: i64) -> std::ops::Range<i64> {
    match (from.map(i64::from), to.map(i64::from)) {
        (Some(from), None) => (if from < 0 { length + from } else { from }).max(0)..length,
        (None, Some(to)) => 0..(if to < 0 { length + to } else { to }).min(length),
        (Some(from), Some(to)) if length > 0 => from.max(-length)..to.min(length),
        _ => 0..0,
    }
}

/// A side of a comparison, evaluated.
#[derive(Clone, Debug)]
enum Side<'v> {
    Undefined,
    Null,
    Bool(bool),
    Number(Cow<'v, str>),
    Text(Cow<'v, str>),
    Json(Id),
    Literal,
    Pattern(&'v regex::Regex),
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

    #[test]
    fn slices_are_java_s() {
        let of = |from, to| slice(from, to, 5).collect::<Vec<_>>();
        assert_eq!(of(Some(3), None), [3, 4]);
        assert_eq!(of(Some(-2), None), [3, 4]);
        assert_eq!(of(None, Some(-4)), [0]);
        assert_eq!(of(Some(-1), Some(2)), [-1, 0, 1]);
        assert_eq!(of(Some(1), Some(-1)), [] as [i64; 0]);
    }
}
