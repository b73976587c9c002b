//! `PATTERN`: variables one after the other, with quantifiers.

use flott_api::{Error, Result};
use flott_graph::spec::RowPattern;
use sqlparser::ast::{Ident, MatchRecognizePattern as Pattern, MatchRecognizeSymbol as Symbol, RepetitionQuantifier};

use crate::parser::ast::ident_location;

/// How often a variable comes.
#[derive(Clone, Copy)]
struct Quantifier {
    min: u32,
    max: Option<u32>,
    greedy: bool,
}

impl Quantifier {
    const ONCE: Quantifier = Quantifier { min: 1, max: Some(1), greedy: true };

    /// Whether it takes as many rows as it can, where it can take another number: Flink then forbids some things behind it.
    fn is_greedy(self) -> bool {
        self.greedy && self.max != Some(self.min) && !self.is_optional()
    }

    /// `?`
    fn is_optional(self) -> bool {
        (self.min, self.max) == (0, Some(1))
    }

    /// `?` and `*`, which Flink does not have behind a greedy quantifier.
    fn may_be_left_out(self) -> bool {
        self.is_optional() || (self.min, self.max) == (0, None)
    }
}

/// The pattern, and its variables in their order.
pub(super) fn bind(pattern: &Pattern) -> Result<(RowPattern, Vec<Ident>)> {
    let mut parts = Vec::new();
    flatten(pattern, &mut parts)?;
    for pair in parts.windows(2) {
        if pair[0].1.is_greedy() && pair[1].1.may_be_left_out() {
            return Err(at(&pair[1].0, Error::unsupported("an optional variable behind a greedy quantifier"))
                .with_hint("Make the quantifier before it reluctant, with a '?' behind it."));
        }
    }
    if parts.iter().all(|(_, q)| q.min == 0) {
        return Err(Error::unsupported("a pattern that matches no rows at all")
            .with_hint("At least one variable must not be optional."));
    }
    match parts.last() {
        Some((name, quantifier)) if quantifier.is_greedy() => {
            return Err(at(name, Error::unsupported("a greedy quantifier at the end of a pattern"))
                .with_hint("End with a variable without a quantifier, or make it reluctant, with a '?' behind it."));
        }
        _ => {}
    }
    let names: Vec<Ident> = parts.iter().map(|(name, _)| name.clone()).collect();
    if let Some((_, name)) = names.iter().enumerate().find(|(i, n)| names[..*i].iter().any(|b| b.value == n.value)) {
        return Err(at(name, Error::unsupported(format!("variable '{}' twice in a pattern", name.value)))
            .with_hint("Define a second variable with the same condition."));
    }
    if names.len() > VARIABLES_MAX {
        return Err(Error::invalid(format!("the pattern has {} variables", names.len()))
            .with_detail(format!("It may have {VARIABLES_MAX}.")));
    }
    let mut bound: Vec<RowPattern> = parts.iter().enumerate().map(|(v, (_, q))| quantified(v, *q)).collect();
    let whole = if bound.len() == 1 { bound.remove(0) } else { RowPattern::Sequence(bound) };
    Ok((whole, names))
}

/// What the matcher can tell apart.
const VARIABLES_MAX: usize = 64;

fn at(name: &Ident, error: Error) -> Error {
    error.at(ident_location(name))
}

fn quantified(variable: usize, Quantifier { min, max, greedy }: Quantifier) -> RowPattern {
    let pattern = RowPattern::Variable(variable);
    if (min, max) == (1, Some(1)) && greedy {
        return pattern;
    }
    RowPattern::Repeat { pattern: Box::new(pattern), min, max, greedy }
}

/// The variables of a pattern with their quantifiers. Parentheses alone mean nothing.
fn flatten(pattern: &Pattern, parts: &mut Vec<(Ident, Quantifier)>) -> Result<()> {
    match pattern {
        Pattern::Symbol(symbol) => parts.push((named(symbol)?.clone(), Quantifier::ONCE)),
        Pattern::Concat(patterns) => patterns.iter().try_for_each(|p| flatten(p, parts))?,
        Pattern::Group(inner) => flatten(inner, parts)?,
        Pattern::Repetition(inner, quantifier) => parts.push(repeated(inner, quantifier)?),
        Pattern::Exclude(_) => return Err(unsupported("an exclusion '{- -}' in a pattern", pattern)),
        Pattern::Permute(_) => return Err(unsupported("PERMUTE in a pattern", pattern)),
        Pattern::Alternation(_) => return Err(unsupported("an alternative '|' in a pattern", pattern)),
    }
    Ok(())
}

/// `A+`, `A{2,3}?`: behind a quantifier, not behind a parenthesis, `?` makes it reluctant.
fn repeated(inner: &Pattern, outer: &RepetitionQuantifier) -> Result<(Ident, Quantifier)> {
    let (symbol, quantifier, greedy) = match (inner, outer) {
        (Pattern::Symbol(symbol), quantifier) => (symbol, quantifier, true),
        (Pattern::Repetition(inner, quantifier), RepetitionQuantifier::AtMostOne) => match inner.as_ref() {
            Pattern::Symbol(symbol) => (symbol, quantifier, false),
            other => return Err(unsupported("a quantifier of a quantifier", other)),
        },
        (Pattern::Repetition(..), _) => return Err(unsupported("a quantifier of a quantifier", inner)),
        (other, _) => return Err(unsupported("a group with a quantifier in a pattern", other)),
    };
    let name = named(symbol)?;
    let (min, max) = bounds(quantifier).map_err(|e| at(name, e))?;
    let quantifier = Quantifier { min, max, greedy };
    if !greedy && quantifier.is_optional() {
        return Err(at(name, Error::unsupported("a reluctant optional variable ('??')")).with_hint("Write '?'."));
    }
    Ok((name.clone(), quantifier))
}

fn bounds(quantifier: &RepetitionQuantifier) -> Result<(u32, Option<u32>)> {
    let (min, max) = match quantifier {
        RepetitionQuantifier::ZeroOrMore => (0, None),
        RepetitionQuantifier::OneOrMore => (1, None),
        RepetitionQuantifier::AtMostOne => (0, Some(1)),
        RepetitionQuantifier::Exactly(times) => (*times, Some(*times)),
        RepetitionQuantifier::AtLeast(least) => (*least, None),
        RepetitionQuantifier::AtMost(_) => {
            return Err(Error::unsupported("a quantifier without a least number").with_hint("Write {0,n}."));
        }
        RepetitionQuantifier::Range(least, most) => (*least, Some(*most)),
    };
    match max {
        Some(most) if most < min.max(1) => Err(Error::invalid(format!("quantifier '{quantifier}' allows no number"))
            .with_hint("The least number must not be above the greatest, and that must not be 0.")),
        _ => Ok((min, max)),
    }
}

fn named(symbol: &Symbol) -> Result<&Ident> {
    match symbol {
        Symbol::Named(name) if name.quote_style.is_none() && name.value.ends_with('$') => Err(at(name, anchor("$"))),
        Symbol::Named(name) => Ok(name),
        Symbol::Start => Err(anchor("^")),
        Symbol::End => Err(anchor("$")),
    }
}

fn anchor(anchor: &str) -> Error {
    Error::unsupported(format!("the anchor '{anchor}' in a pattern"))
        .with_detail("A stream has no last row, and partitions begin once.")
}

/// An error at the first variable of a pattern.
fn unsupported(what: &str, pattern: &Pattern) -> Error {
    let error = Error::unsupported(what);
    match first_name(pattern) {
        Some(name) => at(name, error),
        None => error,
    }
}

fn first_name(pattern: &Pattern) -> Option<&Ident> {
    match pattern {
        Pattern::Symbol(Symbol::Named(name)) | Pattern::Exclude(Symbol::Named(name)) => Some(name),
        Pattern::Symbol(_) | Pattern::Exclude(_) => None,
        Pattern::Permute(symbols) => symbols.iter().find_map(|s| if let Symbol::Named(n) = s { Some(n) } else { None }),
        Pattern::Concat(patterns) | Pattern::Alternation(patterns) => patterns.iter().find_map(first_name),
        Pattern::Group(inner) | Pattern::Repetition(inner, _) => first_name(inner),
    }
}
