//! The pattern of a specification as the matcher takes it, and as text.

use flott_api::{Error, Result};
use flott_cep::{Nfa, Pattern, Skip, Times, Variable};
use flott_graph::spec::{MatchRecognizeSpec, MatchSkip, PatternVariable, RowPattern};

/// The automaton of a specification.
pub(super) fn automaton(spec: &MatchRecognizeSpec) -> Result<Nfa> {
    let variables = spec.variables.len();
    let skip = match spec.skip {
        MatchSkip::ToNextRow => Skip::ToNext,
        MatchSkip::PastLastRow => Skip::PastLast,
        MatchSkip::ToFirst(v) => Skip::ToFirst(variable(v, variables)?),
        MatchSkip::ToLast(v) => Skip::ToLast(variable(v, variables)?),
    };
    Nfa::new(&pattern(&spec.pattern, variables)?, variables, skip, spec.within_ms)
}

fn variable(position: usize, variables: usize) -> Result<Variable> {
    let known = u8::try_from(position).ok().filter(|_| position < variables);
    known.map(Variable).ok_or_else(|| Error::internal("a pattern names a variable that it does not have"))
}

fn pattern(spec: &RowPattern, variables: usize) -> Result<Pattern> {
    Ok(match spec {
        RowPattern::Variable(v) => Pattern::Variable(variable(*v, variables)?),
        RowPattern::Sequence(parts) => {
            Pattern::Sequence(parts.iter().map(|p| pattern(p, variables)).collect::<Result<_>>()?)
        }
        RowPattern::Alternatives(parts) => {
            Pattern::Alternatives(parts.iter().map(|p| pattern(p, variables)).collect::<Result<_>>()?)
        }
        RowPattern::Permute(permuted) => {
            let parts = permuted.iter().map(|v| variable(*v, variables).map(Pattern::Variable));
            Pattern::permute(&parts.collect::<Result<Vec<_>>>()?)
        }
        RowPattern::Repeat { pattern: inner, min, max, greedy } => Pattern::Repeat {
            pattern: Box::new(pattern(inner, variables)?),
            times: Times { min: *min, max: *max },
            greedy: *greedy,
        },
    })
}

/// `A B+? C{2,3}`: what the places of partial matches mean.
pub(super) fn shown(pattern: &RowPattern, variables: &[PatternVariable]) -> String {
    let joined = |parts: &[RowPattern], between: &str| {
        let parts: Vec<String> = parts.iter().map(|p| shown(p, variables)).collect();
        format!("({})", parts.join(between))
    };
    match pattern {
        RowPattern::Variable(v) => variables.get(*v).map(|v| v.name.clone()).unwrap_or_default(),
        RowPattern::Sequence(parts) => joined(parts, " "),
        RowPattern::Alternatives(parts) => joined(parts, " | "),
        RowPattern::Permute(permuted) => {
            let parts: Vec<RowPattern> = permuted.iter().map(|v| RowPattern::Variable(*v)).collect();
            format!("PERMUTE{}", joined(&parts, ", "))
        }
        RowPattern::Repeat { pattern, min, max, greedy } => {
            let reluctant = if *greedy { "" } else { "?" };
            format!("{}{}{reluctant}", shown(pattern, variables), Times { min: *min, max: *max })
        }
    }
}
