//! Greedy quantifiers give nothing back: what follows takes no row that could begin what they repeat.
//!
//! So one must not be at the end of a pattern, where nothing follows that would end it; and a variable that may begin what is
//! repeated must not follow directly, as it would never take a row.

use flott_api::{Error, Result};
use flott_graph::spec::RowPattern;
use sqlparser::ast::Ident;

use super::at;

/// Refuses greedy quantifiers that a match could not leave.
pub(super) fn check(pattern: &RowPattern, names: &[Ident]) -> Result<()> {
    if let Some(variable) = last(pattern, &may_be_left_out).first() {
        return Err(at(&names[*variable], Error::unsupported("a greedy quantifier at the end of a pattern"))
            .with_hint("End with a variable without a quantifier, or make it reluctant, with a '?' behind it."));
    }
    if let Some(variable) = starved(pattern) {
        let name = &names[variable];
        let error = Error::unsupported(format!("variable '{}' directly behind a greedy quantifier of it", name.value))
            .with_detail("The quantifier takes all its rows and gives none back.");
        return Err(at(name, error).with_hint("Make the quantifier reluctant, with a '?' behind it."));
    }
    Ok(())
}

/// `?` and `*`. A last `B{0,2}?` is not left out by Flink, which takes it behind a greedy quantifier.
fn may_be_left_out(pattern: &RowPattern) -> bool {
    match pattern {
        RowPattern::Repeat { pattern: inner, min: 0, max, .. } if matches!(**inner, RowPattern::Variable(_)) => {
            matches!(max, None | Some(1))
        }
        other => other.can_be_empty(),
    }
}

/// The variables that begin what a greedy quantifier at the end repeats.
fn last(pattern: &RowPattern, is_left_out: &dyn Fn(&RowPattern) -> bool) -> Vec<usize> {
    match pattern {
        RowPattern::Variable(_) | RowPattern::Permute(_) => Vec::new(),
        RowPattern::Alternatives(parts) => parts.iter().flat_map(|p| last(p, is_left_out)).collect(),
        RowPattern::Sequence(parts) => {
            let begin = parts.iter().rposition(|p| !is_left_out(p)).unwrap_or(0);
            parts[begin..].iter().flat_map(|p| last(p, is_left_out)).collect()
        }
        RowPattern::Repeat { pattern, min, max, greedy } => {
            let mut all = last(pattern, is_left_out);
            if *greedy && *max != Some((*min).max(1)) {
                all.extend(pattern.first());
            }
            all
        }
    }
}

/// A variable that a greedy quantifier before it leaves no row.
fn starved(pattern: &RowPattern) -> Option<usize> {
    let meet = |before: &RowPattern, next: &RowPattern| {
        let taken = last(before, &RowPattern::can_be_empty);
        next.first().into_iter().find(|v| taken.contains(v))
    };
    match pattern {
        RowPattern::Variable(_) | RowPattern::Permute(_) => None,
        RowPattern::Alternatives(parts) => parts.iter().find_map(starved),
        RowPattern::Sequence(parts) => parts
            .iter()
            .find_map(starved)
            .or_else(|| (1..parts.len()).find_map(|p| meet(&RowPattern::Sequence(parts[..p].to_vec()), &parts[p]))),
        RowPattern::Repeat { pattern, max, .. } => {
            starved(pattern).or_else(|| (*max != Some(1)).then(|| meet(pattern, pattern)).flatten())
        }
    }
}
