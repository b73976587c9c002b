//! A pattern in the syntax that both engines share, with all sets spelt out.

use std::fmt::Write as _;

use super::class::Set;
use super::parse::{Anchor, How, Node};

/// A pattern for both engines.
pub(super) struct Written {
    /// If it can be searched for in linear time, with `$` as the very end.
    pub(super) linear: Option<String>,
    pub(super) backtracking: String,
    /// Whether it asks for line breaks at the end of the text.
    pub(super) before_break: bool,
}

pub(super) fn written(node: &Node) -> Written {
    let mut linear = Writer { out: String::new(), linear: true, is_linear: true, before_break: false };
    linear.node(node);
    let mut backtracking = Writer { out: String::new(), linear: false, is_linear: true, before_break: false };
    backtracking.node(node);
    Written {
        linear: linear.is_linear.then_some(linear.out),
        backtracking: backtracking.out,
        before_break: linear.before_break,
    }
}

struct Writer {
    out: String,
    /// Whether it is written for the linear engine.
    linear: bool,
    /// Whether that can do it.
    is_linear: bool,
    before_break: bool,
}

const BREAKS: &str = r"[\n\r\x{85}\x{2028}\x{2029}]";

impl Writer {
    fn node(&mut self, node: &Node) {
        match node {
            Node::Empty => self.out.push_str("(?:)"),
            Node::One(set) => self.set(set),
            Node::Concat(parts) => parts.iter().for_each(|part| self.part(part)),
            Node::Alternate(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        self.out.push('|');
                    }
                    self.node(part);
                }
            }
            Node::Group(inner, captures) => self.wrapped(if *captures { "(" } else { "(?:" }, inner),
            Node::Repeat { node, min, max, how } => self.repeat(node, (*min, *max), *how),
            Node::Atomic(inner) => {
                self.is_linear = false;
                self.wrapped("(?>", inner);
            }
            Node::Look { node, ahead, negative } => {
                self.is_linear = false;
                self.wrapped(
                    match (ahead, negative) {
                        (true, false) => "(?=",
                        (true, true) => "(?!",
                        (false, false) => "(?<=",
                        (false, true) => "(?<!",
                    },
                    node,
                );
            }
            Node::Back { group, any_case } => {
                self.is_linear = false;
                _ = write!(self.out, r"(?{}:\{group})", if *any_case { "i" } else { "" });
            }
            Node::Anchor(anchor) => self.anchor(*anchor),
        }
    }

    fn wrapped(&mut self, open: &str, inner: &Node) {
        self.out.push_str(open);
        self.node(inner);
        self.out.push(')');
    }

    /// An alternative within a sequence needs a group.
    fn part(&mut self, node: &Node) {
        match node {
            Node::Alternate(_) => self.wrapped("(?:", node),
            _ => self.node(node),
        }
    }

    fn repeat(&mut self, node: &Node, (min, max): (u32, Option<u32>), how: How) {
        if how == How::Possessive {
            self.is_linear = false;
            self.out.push_str("(?>");
        }
        self.wrapped("(?:", node);
        _ = match (min, max) {
            (0, Some(1)) => self.out.write_char('?'),
            (0, None) => self.out.write_char('*'),
            (1, None) => self.out.write_char('+'),
            (min, Some(max)) if min == max => write!(self.out, "{{{min}}}"),
            (min, Some(max)) => write!(self.out, "{{{min},{max}}}"),
            (min, None) => write!(self.out, "{{{min},}}"),
        };
        match how {
            How::Greedy => {}
            How::Lazy => self.out.push('?'),
            How::Possessive => self.out.push(')'),
        }
    }

    fn set(&mut self, set: &Set) {
        if let [range] = set.ranges()
            && range.start() == range.end()
        {
            _ = write!(self.out, r"\x{{{:X}}}", range.start() as u32);
            return;
        }
        if set.ranges().is_empty() {
            // A set of nothing.
            self.out.push_str(r"[^\x{0}-\x{10FFFF}]");
            return;
        }
        self.out.push('[');
        for range in set.ranges() {
            _ = write!(self.out, r"\x{{{:X}}}-\x{{{:X}}}", range.start() as u32, range.end() as u32);
        }
        self.out.push(']');
    }

    fn anchor(&mut self, anchor: Anchor) {
        let written = match anchor {
            Anchor::Start => r"\A",
            Anchor::End => r"\z",
            Anchor::Word => r"\b",
            Anchor::NotWord => r"\B",
            Anchor::BeforeBreak { unix } => {
                self.before_break = true;
                match (self.linear, unix) {
                    (true, _) => r"\z",
                    (false, true) => r"(?=\n?\z)",
                    // Not between the two characters of one break.
                    (false, false) => {
                        _ = write!(self.out, r"(?:(?=(?:\r\n|{BREAKS})?\z)(?!(?<=\r)\n))");
                        return;
                    }
                }
            }
            Anchor::LineStart { unix: true } => r"(?:(?:\A|(?<=\n))(?!\z))",
            Anchor::LineStart { unix: false } => {
                _ = write!(self.out, r"(?:(?:\A|(?<={BREAKS}))(?!\z)(?!(?<=\r)\n))");
                self.is_linear = false;
                return;
            }
            Anchor::LineEnd { unix: true } => r"(?=\n|\z)",
            Anchor::LineEnd { unix: false } => {
                _ = write!(self.out, r"(?:(?={BREAKS}|\z)(?!(?<=\r)\n))");
                self.is_linear = false;
                return;
            }
            Anchor::Last => r"\G",
        };
        let lines = matches!(anchor, Anchor::LineStart { .. } | Anchor::LineEnd { .. } | Anchor::Last);
        self.is_linear &= !lines;
        self.out.push_str(written);
    }
}
