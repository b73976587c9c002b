//! The one error type. Its kind says who must act.
//!
//! A message is lower-case, has no full stop, and names the kind of object and its quoted name
//! (`table 'orders' does not exist`). Detail and hint are sentences. An error is logged where it is
//! handled, not where it passes.

use std::fmt;

/// What every fallible function of Flott returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who must act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The user: the statement, an option or an argument is wrong or not supported.
    Invalid,
    /// A record does not fit; the policy of its format decides.
    Data,
    /// The world outside (a file, a network peer) failed; `retry` says whether trying again may help.
    External {
        /// Whether the same call may succeed later.
        retry: bool,
    },
    /// A file of ours is damaged.
    Corrupt,
    /// A newer attempt owns what this one tried to change.
    Fenced,
    /// The job was stopped on request; not a failure.
    Cancelled,
    /// A bug in Flott.
    Internal,
}

/// A place in a text that the user wrote. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Location {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What went wrong, where, and what to do.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    location: Option<Location>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, message: message.into(), detail: None, hint: None, location: None, source: None }))
    }

    /// The user's SQL or options are wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Invalid, message)
    }

    /// Valid Flink, but not built yet. `what` reads as a subject: `MATCH_RECOGNIZE`.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Error::new(ErrorKind::Invalid, format!("{what} is not supported yet"))
    }

    /// A record does not fit.
    pub fn data(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Data, message)
    }

    /// Something outside failed; trying again will not help by itself.
    pub fn external(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::External { retry: false }, message)
    }

    /// A file of ours is damaged.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Corrupt, message)
    }

    /// The work was stopped on request.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Cancelled, message)
    }

    /// A bug in Flott.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Internal, message)
    }

    /// Adds a sentence that explains the message.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a sentence that says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the place in the user's text, unless a more exact one is known already.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.0.location.get_or_insert(location);
        self
    }

    /// Replaces the place: for a text that lies inside another one.
    #[must_use]
    pub fn with_location(mut self, location: Option<Location>) -> Self {
        self.0.location = location;
        self
    }

    /// Adds the error below this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts words before the message: `operator 'Calc[2]' (subtask 1/2): <message>`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Who must act.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The sentence that explains, if there is one.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The sentence that says what to do, if there is one.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The place in the user's text, if it is known.
    pub fn location(&self) -> Option<Location> {
        self.0.location
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|s| s.as_ref() as _)
    }
}

impl From<arrow_schema::ArrowError> for Error {
    fn from(e: arrow_schema::ArrowError) -> Self {
        Error::internal("arrow refused an operation").with_source(e)
    }
}

/// The candidate nearest to what the user wrote, if one is near enough to be meant.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILARITY_MIN: f64 = 0.7;
    let lower = wanted.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&lower, &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_suggests_what_was_meant_and_nothing_else() {
        assert_eq!(nearest("ordres", ["orders", "customers"]), Some("orders"));
        assert_eq!(nearest("ORDERS", ["orders"]), Some("orders"));
        assert_eq!(nearest("zzz", ["orders", "customers"]), None);
    }

    #[test]
    fn the_first_location_stays() {
        let e = Error::invalid("x").at(Location { line: 2, column: 3 }).at(Location { line: 9, column: 9 });
        assert_eq!(e.location(), Some(Location { line: 2, column: 3 }));
    }
}
