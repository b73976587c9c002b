//! Which topics a table is.

use std::sync::Arc;

use flott_api::options::OptionReader;
use flott_api::{Error, Result};
use regex::Regex;

/// The topics of a table.
#[derive(Clone, Debug)]
pub(crate) enum Topics {
    /// Those of these names.
    Named(Vec<Arc<str>>),
    /// All whose whole name matches.
    Matching(Regex),
}

impl Topics {
    pub(super) fn read(reader: &OptionReader<'_>) -> Result<Self> {
        match (reader.text("topic"), reader.text("topic-pattern")) {
            (Some(_), Some(_)) => Err(Error::invalid("options 'topic' and 'topic-pattern' exclude each other")),
            (None, None) => Err(Error::invalid("a table in Kafka needs option 'topic' or 'topic-pattern'")),
            (Some(topics), None) => {
                let mut names: Vec<Arc<str>> = Vec::new();
                for name in topics.split(';').map(str::trim).filter(|name| !name.is_empty()) {
                    if !names.iter().any(|known| **known == *name) {
                        names.push(name.into());
                    }
                }
                if names.is_empty() {
                    return Err(Error::invalid("option 'topic' names no topic"));
                }
                Ok(Topics::Named(names))
            }
            (None, Some(pattern)) => {
                let wrong =
                    |e| Error::invalid(format!("option 'topic-pattern' is no pattern: '{pattern}'")).with_source(e);
                Regex::new(&format!("^(?:{pattern})$")).map(Topics::Matching).map_err(wrong)
            }
        }
    }

    /// The topic, if it is one by name.
    pub(crate) fn single(&self) -> Option<&Arc<str>> {
        match self {
            Topics::Named(names) if names.len() == 1 => names.first(),
            _ => None,
        }
    }

    /// Whether a topic is one of them.
    pub(crate) fn has(&self, topic: &str) -> bool {
        match self {
            Topics::Named(names) => names.iter().any(|name| **name == *topic),
            Topics::Matching(pattern) => pattern.is_match(topic),
        }
    }
}
