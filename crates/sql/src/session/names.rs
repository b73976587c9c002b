//! Names and options as the parser gives them, and SQL `LIKE` over names.

use flott_api::Location;
use flott_api::options::Options;
use flott_api::{Error, Result};
use sqlparser::ast::{Ident, ObjectName};

use super::Session;
use crate::parser::ast::{ShowFilter, SqlOption, ident_location, name_location};

/// The parts of a name.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.clone()).collect()
}

/// Where an identifier stands.
pub(super) fn location_of(ident: &Ident) -> Location {
    ident_location(ident)
}

impl Session {
    /// Catalog and database of `[catalog.]database`.
    ///
    /// # Errors
    /// If the name has more parts.
    pub(super) fn database_path(&self, name: &ObjectName) -> Result<(String, String)> {
        match parts(name).as_slice() {
            [database] => Ok((self.catalogs.current_catalog().to_owned(), database.clone())),
            [catalog, database] => Ok((catalog.clone(), database.clone())),
            _ => Err(Error::invalid(format!("'{name}' is no name of a database")).at(name_location(name))),
        }
    }
}

/// The options of a `WITH`.
///
/// # Errors
/// If a key stands twice.
pub(super) fn options(given: &[SqlOption]) -> Result<Options> {
    let mut options = Options::default();
    for option in given {
        if options.0.insert(option.key.value.clone(), option.value.value.clone()).is_some() {
            return Err(Error::invalid(format!("option '{}' is set twice", option.key.value)).at(option.key.at));
        }
    }
    Ok(options)
}

/// Whether a name passes a filter.
pub(super) fn passes(filter: Option<&ShowFilter>, name: &str) -> bool {
    let Some(filter) = filter else { return true };
    let fold = |text: &str| if filter.ignore_case { text.to_lowercase() } else { text.to_owned() };
    let pattern: Vec<char> = fold(&filter.pattern.value).chars().collect();
    let name: Vec<char> = fold(name).chars().collect();
    is_like(&name, &pattern) != filter.negated
}

/// SQL `LIKE`, with a backslash to escape. Linear in memory, and in time but for the number of `%`.
fn is_like(text: &[char], pattern: &[char]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let matched = match pattern.get(p) {
            Some('%') => {
                retry = Some((t, p));
                p += 1;
                continue;
            }
            Some('\\') if p + 1 < pattern.len() => (text.get(t) == pattern.get(p + 1)).then_some(2),
            Some('_') => (t < text.len()).then_some(1),
            Some(c) => (text.get(t) == Some(c)).then_some(1),
            None if t == text.len() => return true,
            None => None,
        };
        match (matched, retry) {
            (Some(width), _) => (t, p) = (t + 1, p + width),
            (None, Some((from, at))) if from < text.len() => {
                retry = Some((from + 1, at));
                (t, p) = (from + 1, at + 1);
            }
            (None, _) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like() {
        let matches = |text: &str, pattern: &str| {
            is_like(&text.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>())
        };
        assert!(matches("orders", "o%s"));
        assert!(matches("orders", "%"));
        assert!(matches("orders", "_rder_"));
        assert!(matches("a_b", "a\\_b"));
        assert!(!matches("axb", "a\\_b"));
        assert!(!matches("orders", "order"));
        assert!(!matches("", "_"));
        assert!(matches("aaab", "%a%b"));
    }
}
