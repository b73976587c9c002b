//! `PATTERN`: variables, groups and alternatives, with quantifiers.
//!
//! Flink has variables with quantifiers, one after the other; parentheses mean nothing there. What the SQL standard has beyond
//! that is bound in the same way. A greedy quantifier gives nothing back (`greedy`).

mod greedy;

use flott_api::{Error, Result};
use flott_graph::spec::RowPattern;
use sqlparser::ast::{Ident, MatchRecognizePattern as Pattern, MatchRecognizeSymbol as Symbol, RepetitionQuantifier};

use crate::parser::ast::ident_location;

/// What the matcher can tell apart.
const VARIABLES_MAX: usize = 64;
/// All their orders are written out.
const PERMUTED_MAX: usize = 7;

/// The pattern, and its variables in the order in which they come first.
pub(super) fn bind(pattern: &Pattern) -> Result<(RowPattern, Vec<Ident>)> {
    let mut bound = Bound { names: Vec::new() };
    let whole = bound.part(pattern)?;
    let names = bound.names;
    if names.len() > VARIABLES_MAX {
        return Err(Error::invalid(format!("the pattern has {} variables", names.len()))
            .with_detail(format!("It may have {VARIABLES_MAX}.")));
    }
    if whole.can_be_empty() {
        return Err(Error::unsupported("a pattern that matches no rows at all")
            .with_hint("At least one variable must not be optional."));
    }
    greedy::check(&whole, &names)?;
    Ok((whole, names))
}

fn at(name: &Ident, error: Error) -> Error {
    error.at(ident_location(name))
}

/// A pattern that is being bound.
struct Bound {
    names: Vec<Ident>,
}

impl Bound {
    fn variable(&mut self, symbol: &Symbol) -> Result<usize> {
        let name = named(symbol)?;
        Ok(self.names.iter().position(|n| n.value == name.value).unwrap_or_else(|| {
            self.names.push(name.clone());
            self.names.len() - 1
        }))
    }

    /// Parentheses alone mean nothing.
    fn part(&mut self, pattern: &Pattern) -> Result<RowPattern> {
        Ok(match pattern {
            Pattern::Symbol(symbol) => RowPattern::Variable(self.variable(symbol)?),
            Pattern::Group(inner) => self.part(inner)?,
            Pattern::Concat(patterns) => {
                let mut parts = Vec::with_capacity(patterns.len());
                for pattern in patterns {
                    match self.part(pattern)? {
                        RowPattern::Sequence(inner) => parts.extend(inner),
                        part => parts.push(part),
                    }
                }
                RowPattern::Sequence(parts)
            }
            Pattern::Alternation(patterns) => {
                RowPattern::Alternatives(patterns.iter().map(|p| self.part(p)).collect::<Result<_>>()?)
            }
            Pattern::Permute(symbols) => self.permuted(symbols)?,
            Pattern::Repetition(inner, quantifier) => self.repeated(inner, quantifier)?,
            Pattern::Exclude(_) => return Err(unsupported("an exclusion '{- -}' in a pattern", pattern)),
        })
    }

    fn permuted(&mut self, symbols: &[Symbol]) -> Result<RowPattern> {
        if let ([Symbol::Named(first), ..], true) = (symbols, symbols.len() > PERMUTED_MAX) {
            return Err(at(first, Error::unsupported(format!("PERMUTE of {} variables", symbols.len())))
                .with_hint(format!("It takes {PERMUTED_MAX} at most.")));
        }
        let variables = symbols.iter().map(|s| self.variable(s)).collect::<Result<Vec<_>>>()?;
        Ok(match variables.as_slice() {
            [one] => RowPattern::Variable(*one),
            _ => RowPattern::Permute(variables),
        })
    }

    /// `A+`, `(A B){2,3}?`: behind a quantifier, not behind a parenthesis, `?` makes it reluctant.
    fn repeated(&mut self, inner: &Pattern, outer: &RepetitionQuantifier) -> Result<RowPattern> {
        let (inner, quantifier, greedy) = match (inner, outer) {
            (Pattern::Repetition(inner, quantifier), RepetitionQuantifier::AtMostOne) => (&**inner, quantifier, false),
            (inner, quantifier) => (inner, quantifier, true),
        };
        if matches!(inner, Pattern::Repetition(..)) {
            return Err(
                unsupported("a quantifier of a quantifier", inner).with_hint("Put parentheses around the first.")
            );
        }
        let located = |e: Error| if let Some(name) = first_name(inner) { at(name, e) } else { e };
        let (min, max) = bounds(quantifier).map_err(located)?;
        if !greedy && (min, max) == (0, Some(1)) {
            return Err(located(Error::unsupported("a reluctant optional variable ('??')")).with_hint("Write '?'."));
        }
        let pattern = self.part(inner)?;
        if (min, max) == (1, Some(1)) && greedy {
            return Ok(pattern);
        }
        Ok(RowPattern::Repeat { pattern: Box::new(pattern), min, max, greedy })
    }
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
