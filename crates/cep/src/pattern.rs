//! What is looked for: variables, one after the other, in turn, again and again.

use std::fmt;

/// The most variables that a pattern may have.
pub const VARIABLES_MAX: usize = 64;

/// A variable of a pattern, by its number: below [`VARIABLES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variable(pub u8);

/// Some variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VariableSet(pub u64);

impl VariableSet {
    /// No variable.
    pub const EMPTY: VariableSet = VariableSet(0);

    /// One variable.
    #[inline]
    pub fn of(variable: Variable) -> Self {
        VariableSet(1 << variable.0)
    }

    /// Whether it is in it.
    #[inline]
    pub fn contains(self, variable: Variable) -> bool {
        self.0 >> variable.0 & 1 == 1
    }

    /// Those in either.
    #[inline]
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        VariableSet(self.0 | other.0)
    }

    /// Whether one is in both.
    #[inline]
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of it are in the other.
    #[inline]
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

/// How often something comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// At least.
    pub min: u32,
    /// At most; nothing for any number.
    pub max: Option<u32>,
}

impl Times {
    /// `+`
    pub const ONE_OR_MORE: Times = Times { min: 1, max: None };
    /// `*`
    pub const ANY: Times = Times { min: 0, max: None };
    /// `?`
    pub const OPTIONAL: Times = Times { min: 0, max: Some(1) };
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.min, self.max) {
            (Times::ONE_OR_MORE, ..) => f.write_str("+"),
            (Times::ANY, ..) => f.write_str("*"),
            (Times::OPTIONAL, ..) => f.write_str("?"),
            (_, min, None) => write!(f, "{{{min},}}"),
            (_, min, Some(max)) if min == max => write!(f, "{{{min}}}"),
            (_, min, Some(max)) => write!(f, "{{{min},{max}}}"),
        }
    }
}

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// An event that the variable takes.
    Variable(Variable),
    /// One after the other, without an event between.
    Sequence(Vec<Pattern>),
    /// One of these.
    Alternatives(Vec<Pattern>),
    /// The same several times.
    Repeat {
        /// What.
        pattern: Box<Pattern>,
        /// How often.
        times: Times,
        /// Whether what follows must not take an event that this could take. There is no way back: where Flink's greedy
        /// loop could have gone on, the match goes on with it or not at all.
        greedy: bool,
    },
}

impl Pattern {
    /// Each of these once, in any order.
    #[must_use]
    pub fn permute(patterns: &[Pattern]) -> Pattern {
        let [first] = patterns else {
            let orders = (0..patterns.len()).map(|i| {
                let rest: Vec<Pattern> = [&patterns[..i], &patterns[i + 1..]].concat();
                Pattern::Sequence(vec![patterns[i].clone(), Pattern::permute(&rest)])
            });
            return Pattern::Alternatives(orders.collect());
        };
        first.clone()
    }

    /// Whether it is variables with quantifiers, one after the other: what Flink has.
    pub fn is_flat(&self) -> bool {
        let is_variable = |p: &Pattern| match p {
            Pattern::Variable(_) => true,
            Pattern::Repeat { pattern, .. } => matches!(**pattern, Pattern::Variable(_)),
            _ => false,
        };
        match self {
            Pattern::Sequence(parts) => parts.iter().all(is_variable),
            other => is_variable(other),
        }
    }

    /// Whether no event at all matches it.
    pub fn can_be_empty(&self) -> bool {
        match self {
            Pattern::Variable(_) => false,
            Pattern::Sequence(parts) => parts.iter().all(Pattern::can_be_empty),
            Pattern::Alternatives(parts) => parts.iter().any(Pattern::can_be_empty),
            Pattern::Repeat { pattern, times, greedy: _ } => times.min == 0 || pattern.can_be_empty(),
        }
    }

    /// The variables that may take its first event.
    pub fn first(&self) -> VariableSet {
        let united = |parts: &mut dyn Iterator<Item = &Pattern>| {
            parts.fold(VariableSet::EMPTY, |all, part| all.union(part.first()))
        };
        match self {
            Pattern::Variable(variable) => VariableSet::of(*variable),
            Pattern::Sequence(parts) => {
                let begin = parts.iter().position(|p| !p.can_be_empty()).map_or(parts.len(), |p| p + 1);
                united(&mut parts[..begin].iter())
            }
            Pattern::Alternatives(parts) => united(&mut parts.iter()),
            Pattern::Repeat { pattern, .. } => pattern.first(),
        }
    }
}
