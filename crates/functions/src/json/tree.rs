//! A JSON text as a tree, for what cannot be answered while reading over it, and its text again.
//!
//! The nodes of a tree lie in a few vectors that are kept from row to row, so that a tree costs no allocation of its
//! own. A node is named by its place; what a path computes (`length()`, `['a', 'b']`) is added as a node.
//!
//! Texts come out as Flink's Jackson writes them: the names of an object sorted as Java sorts strings, no blanks,
//! numbers as Java's `BigDecimal`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use flott_api::variant::java_order;

use super::scan::{Kind, Scan, Scanner};
use super::string::{write_json_text, write_scaled};
use crate::format::number::write_double;
use crate::format::{boolean, put};

/// A node's place.
pub(super) type Id = usize;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    /// An integer as it was written.
    Int(&'a str),
    /// Another number as it was written.
    Decimal(&'a str),
    /// What was counted.
    Count(usize),
    /// What was computed.
    Double(f64),
    Text(Cow<'a, str>),
    Array(Range<usize>),
    /// The names of an object: Java's set, which is no array.
    Names(Range<usize>),
    Object(Range<usize>),
}

/// Objects with more entries find a name that comes again by a hash.
pub(super) const SMALL_OBJECT: usize = 16;

/// The values of one document.
#[derive(Default)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    items: Vec<Id>,
    entries: Vec<(Cow<'a, str>, Id)>,
    open_items: Vec<Id>,
    open_entries: Vec<(Cow<'a, str>, Id)>,
}

impl<'a> Tree<'a> {
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.items.clear();
        self.entries.clear();
        self.open_items.clear();
        self.open_entries.clear();
    }

    /// Reads the next value.
    pub(super) fn read(&mut self, scanner: &mut Scanner<'a>) -> Scan<Id> {
        let kind = scanner.kind()?;
        let node = match kind {
            Kind::Object => self.read_object(scanner)?,
            Kind::Array => self.read_array(scanner)?,
            Kind::Text => Node::Text(scanner.string()?.text()),
            Kind::Number => match scanner.number()? {
                (text, true) => Node::Int(text),
                (text, false) => Node::Decimal(text),
            },
            word => {
                scanner.literal(word)?;
                if word == Kind::Null { Node::Null } else { Node::Bool(word == Kind::True) }
            }
        };
        Ok(self.add(node))
    }

    fn read_array(&mut self, scanner: &mut Scanner<'a>) -> Scan<Node<'a>> {
        let base = self.open_items.len();
        scanner.enter()?;
        while scanner.element(self.open_items.len() == base)? {
            let item = self.read(scanner)?;
            self.open_items.push(item);
        }
        let start = self.items.len();
        self.items.extend(self.open_items.drain(base..));
        Ok(Node::Array(start..self.items.len()))
    }

    fn read_object(&mut self, scanner: &mut Scanner<'a>) -> Scan<Node<'a>> {
        let base = self.open_entries.len();
        scanner.enter()?;
        while let Some(name) = scanner.entry(self.open_entries.len() == base)? {
            let value = self.read(scanner)?;
            self.open_entries.push((name.text(), value));
        }
        let start = self.entries.len();
        self.entries.extend(self.open_entries.drain(base..));
        self.unite(start);
        Ok(Node::Object(start..self.entries.len()))
    }

    /// Of a name that comes again the first place and the last value count.
    fn unite(&mut self, start: usize) {
        let count = self.entries.len() - start;
        if count > SMALL_OBJECT {
            return self.unite_many(start);
        }
        let mut kept = start;
        for i in start..self.entries.len() {
            match (start..kept).find(|&k| self.entries[k].0 == self.entries[i].0) {
                Some(same) => self.entries[same].1 = self.entries[i].1,
                None => {
                    self.entries.swap(kept, i);
                    kept += 1;
                }
            }
        }
        self.entries.truncate(kept);
    }

    fn unite_many(&mut self, start: usize) {
        let many = self.entries.split_off(start);
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::with_capacity(many.len());
        for (name, value) in many {
            match places.get(&name) {
                Some(&place) => self.entries[place].1 = value,
                None => {
                    places.insert(name.clone(), self.entries.len());
                    self.entries.push((name, value));
                }
            }
        }
    }

    pub(super) fn add(&mut self, node: Node<'a>) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn add_array(&mut self, items: &[Id]) -> Id {
        let start = self.items.len();
        self.items.extend_from_slice(items);
        self.add(Node::Array(start..self.items.len()))
    }

    pub(super) fn add_object(&mut self, entries: Vec<(Cow<'a, str>, Id)>) -> Id {
        let start = self.entries.len();
        self.entries.extend(entries);
        self.add(Node::Object(start..self.entries.len()))
    }

    /// The names of an object.
    pub(super) fn add_names(&mut self, object: Id) -> Id {
        let names: Vec<Id> =
            self.entries(object).to_vec().into_iter().map(|(name, _)| self.add(Node::Text(name))).collect();
        let start = self.items.len();
        self.items.extend(names);
        self.add(Node::Names(start..self.items.len()))
    }

    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        self.nodes.get(id).unwrap_or(&Node::Null)
    }

    /// The items of an array; of anything else none.
    pub(super) fn items(&self, id: Id) -> &[Id] {
        match self.node(id) {
            Node::Array(range) | Node::Names(range) => self.items.get(range.clone()).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The entries of an object; of anything else none.
    pub(super) fn entries(&self, id: Id) -> &[(Cow<'a, str>, Id)] {
        match self.node(id) {
            Node::Object(range) => self.entries.get(range.clone()).unwrap_or_default(),
            _ => &[],
        }
    }

    pub(super) fn get(&self, object: Id, name: &str) -> Option<Id> {
        self.entries(object).iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    pub(super) fn is_array(&self, id: Id) -> bool {
        matches!(self.node(id), Node::Array(_))
    }

    pub(super) fn is_object(&self, id: Id) -> bool {
        matches!(self.node(id), Node::Object(_))
    }

    pub(super) fn is_null(&self, id: Id) -> bool {
        matches!(self.node(id), Node::Null)
    }

    /// Neither an object nor an array.
    pub(super) fn is_scalar(&self, id: Id) -> bool {
        !matches!(self.node(id), Node::Array(_) | Node::Object(_) | Node::Names(_))
    }

    /// The number that it is.
    pub(super) fn number(&self, id: Id) -> Option<f64> {
        match self.node(id) {
            Node::Int(text) | Node::Decimal(text) => text.parse().ok(),
            Node::Count(count) => Some(*count as f64),
            Node::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// Writes a value as JSON.
    pub(super) fn write(&self, id: Id, out: &mut String) {
        match self.node(id) {
            Node::Text(text) => write_json_text(text, out),
            Node::Array(_) | Node::Names(_) => {
                put(out, "[");
                for (i, item) in self.items(id).iter().enumerate() {
                    put(out, if i > 0 { "," } else { "" });
                    self.write(*item, out);
                }
                put(out, "]");
            }
            Node::Object(_) => self.write_object(id, out),
            _ => self.write_plain(id, out),
        }
    }

    fn write_object(&self, id: Id, out: &mut String) {
        let entries = self.entries(id);
        put(out, "{");
        if entries.is_sorted_by(|a, b| java_order(&a.0, &b.0).is_le()) {
            self.write_entries(entries.iter(), out);
        } else {
            let mut sorted: Vec<&(Cow<'a, str>, Id)> = entries.iter().collect();
            sorted.sort_by(|a, b| java_order(&a.0, &b.0));
            self.write_entries(sorted.into_iter(), out);
        }
        put(out, "}");
    }

    fn write_entries<'t>(&self, entries: impl Iterator<Item = &'t (Cow<'a, str>, Id)>, out: &mut String)
    where
        'a: 't,
    {
        for (i, (name, value)) in entries.enumerate() {
            put(out, if i > 0 { "," } else { "" });
            write_json_text(name, out);
            put(out, ":");
            self.write(*value, out);
        }
    }

    /// Writes a value as Java's `String.valueOf`: a text without quotes. Objects and arrays stay JSON.
    pub(super) fn write_plain(&self, id: Id, out: &mut String) {
        match self.node(id) {
            Node::Null => put(out, "null"),
            Node::Bool(truth) => put(out, boolean(*truth, true)),
            Node::Int(text) => put(out, plain_integer(text)),
            Node::Decimal(text) => write_decimal(text, out),
            Node::Count(count) => put(out, itoa::Buffer::new().format(*count)),
            Node::Double(value) => write_double(*value, out),
            Node::Text(text) => put(out, text),
            Node::Array(_) | Node::Names(_) | Node::Object(_) => self.write(id, out),
        }
    }
}

/// Java knows no negative zero among integers.
pub(super) fn plain_integer(text: &str) -> &str {
    if text == "-0" { "0" } else { text }
}

/// Writes a number as `BigDecimal.toString` does.
pub(super) fn write_decimal(text: &str, out: &mut String) {
    let (unsigned, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap_or(0);
    let all = format!("{whole}{fraction}");
    let digits = match all.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    put(out, if negative && digits != "0" { "-" } else { "" });
    write_scaled(digits, fraction.len() as i64 - exponent, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        let (mut tree, mut out) = (Tree::default(), String::new());
        let id = tree.read(&mut Scanner::new(text)).unwrap();
        tree.write(id, &mut out);
        out
    }

    #[test]
    fn texts_come_out_as_jackson_writes_them() {
        assert_eq!(again(r#" { "b" : [ 1.50, 1e2, -0, -0.0 ] , "a" : { } } "#), r#"{"a":{},"b":[1.50,1E+2,0,0.0]}"#);
        assert_eq!(again(r#"{"～":1,"😀":2,"a":"\/\u0001"}"#), "{\"a\":\"/\\u0001\",\"😀\":2,\"～\":1}");
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        assert_eq!(again(r#"{"a":1,"b":2,"a":{"c":3}}"#), r#"{"a":{"c":3},"b":2}"#);
        let many: Vec<String> = (0..40).map(|i| format!("\"k{:02}\":{i}", i % 30)).collect();
        let text = again(&format!("{{{}}}", many.join(",")));
        assert!(text.starts_with("{\"k00\":30,\"k01\":31") && text.ends_with("\"k29\":29}"), "{text}");
    }
}
