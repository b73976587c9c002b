//! What a path finds in a document: in one pass over its text where the path is simple, else in its tree.

use std::borrow::Cow;

use super::filter::Filter;
use super::functions;
use super::{JsonPath, Path, Step};
use crate::json::scan::{Kind, Malformed, Scan, Scanner};
use crate::json::tree::{Id, Tree};

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
        let mut run = Run { tree: &mut self.tree, root, suppress: !strict, require: false, depth: 0 };
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
    pub(super) root: Id,
    /// What is missing gives nothing.
    suppress: bool,
    /// The last name of a path must be there, too.
    require: bool,
    /// Steps that wait for this one.
    depth: usize,
}

/// A step waits for what is below: one for each level of the deepest document, and some for `..` and for the paths in
/// filters. A path that looks through a document of that depth in a filter of such a path finds an end here, before
/// the stack does.
const DEPTH_MAX: usize = 1200;
const TOO_DEEP: Stop = Stop::Failed("the path looks too deep");

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

    pub(super) fn children(&self, id: Id) -> Vec<Id> {
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
        if self.depth > DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        self.depth += 1;
        let taken = self.take(path, step, place, model, found);
        self.depth -= 1;
        taken
    }

    fn take(&mut self, path: &Path, step: &Step, place: usize, model: Id, found: &mut Vec<Id>) -> Eval<()> {
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
        if self.depth > DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        self.depth += 1;
        let scanned = self.children(model).into_iter().try_for_each(|child| self.scan(path, place, child, found));
        self.depth -= 1;
        scanned
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
                let (root, depth) = (self.root, self.depth);
                let mut run = Run { tree: &mut *self.tree, root, suppress: false, require: true, depth };
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

#[cfg(test)]
mod tests {
    use super::*;

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
