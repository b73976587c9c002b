//! Flink's configuration: which keys there are, what they are set to, and who set them.
//!
//! Three kinds of key: those that Flott reads ([`OPTIONS`]), Flink's others (`config/flink_keys.tsv`:
//! accepted with a warning that names the reason, or refused where leaving them out would change rows or
//! guarantees), and unknown ones, which are errors with a suggestion.

use std::collections::BTreeMap;
use std::fmt;

use flott_api::error::nearest;
use flott_api::options::{FromOption, Millis};
use flott_api::{Error, Result};

mod flink_keys;
mod options;

pub use options::{OPTIONS, OptionKind, OptionSpec};

/// Who set a key; later ones win.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody.
    Default,
    /// The configuration file.
    File,
    /// `-D key=value`.
    CommandLine,
    /// `SET`.
    Session,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Default => "default",
            Origin::File => "configuration file",
            Origin::CommandLine => "command line",
            Origin::Session => "SET",
        })
    }
}

/// A key with its value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveOption {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
}

/// What is set, and by whom.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    values: BTreeMap<String, BTreeMap<Origin, String>>,
}

impl Configuration {
    /// Sets a key. Answers with a warning where the key is Flink's but does nothing here.
    ///
    /// # Errors
    /// If the key is unknown, the value does not fit it, or leaving it out would change rows or
    /// guarantees.
    pub fn set(&mut self, key: &str, value: &str, origin: Origin) -> Result<Option<String>> {
        let warning = match options::find(key) {
            Some(option) => {
                option.check(value)?;
                None
            }
            None => check_foreign(key, value)?,
        };
        self.values.entry(key.to_owned()).or_default().insert(origin, value.to_owned());
        Ok(warning)
    }

    /// Checks that there is an option of that key.
    ///
    /// # Errors
    /// If there is none; suggests the one that was meant.
    pub fn check_key(&self, key: &str) -> Result<()> {
        let known = options::find(key).is_some() || flink_keys::find(key).is_some() || self.values.contains_key(key);
        if known { Ok(()) } else { Err(unknown(key)) }
    }

    /// Takes back what `SET` set: of one key or of all.
    pub fn reset(&mut self, key: Option<&str>) {
        for (_, layers) in self.values.iter_mut().filter(|(k, _)| key.is_none_or(|wanted| wanted == *k)) {
            layers.remove(&Origin::Session);
        }
        self.values.retain(|_, layers| !layers.is_empty());
    }

    /// The value in force of a key that Flott reads; `None` if it is not set and has no default.
    pub fn get(&self, key: &str) -> Option<&str> {
        let layers = self.values.get(key);
        let set = layers.and_then(|layers| layers.values().next_back()).map(String::as_str);
        // The one key whose value may be the word: what the process found, as in `settings` of the binary.
        let set = set.filter(|value| *value != "default").or_else(|| layers?.get(&Origin::Default).map(String::as_str));
        set.or_else(|| options::find(key).and_then(|o| o.default))
    }

    /// The typed value in force.
    ///
    /// # Errors
    /// If it is not set and has no default, or is of another type; `set` has checked that already.
    pub fn value<T: FromOption>(&self, key: &str) -> Result<T> {
        let text = self.get(key).ok_or_else(|| Error::invalid(format!("option '{key}' is not set")))?;
        T::from_option(text).ok_or_else(|| {
            Error::invalid(format!("option '{key}' has the value '{text}', which is no {}", T::EXPECTED))
        })
    }

    /// A duration in milliseconds.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn millis(&self, key: &str) -> Result<i64> {
        Ok(self.value::<Millis>(key)?.0 as i64)
    }

    /// Every key with a value, with its origin; by key.
    pub fn effective(&self) -> Vec<EffectiveOption> {
        let defaults = OPTIONS.iter().filter_map(|o| o.default.map(|value| (o.key.to_owned(), value)));
        let mut all: BTreeMap<String, (String, Origin)> =
            defaults.map(|(key, value)| (key, (value.to_owned(), Origin::Default))).collect();
        for (key, layers) in &self.values {
            if let Some((origin, value)) = layers.last_key_value() {
                let in_force = self.get(key).unwrap_or(value).to_owned();
                all.insert(key.clone(), (in_force, origin.clone()));
            }
        }
        let options = all.into_iter().map(|(key, (value, origin))| EffectiveOption { key, value, origin });
        options.collect()
    }

    /// What was set by anybody, by key: what Flink's `SET` lists.
    pub fn set_values(&self) -> Vec<EffectiveOption> {
        self.effective().into_iter().filter(|o| o.origin != Origin::Default).collect()
    }
}

/// A key of Flink's that Flott does not read.
fn check_foreign(key: &str, value: &str) -> Result<Option<String>> {
    let Some(foreign) = flink_keys::find(key) else { return Err(unknown(key)) };
    match foreign.verdict {
        flink_keys::Verdict::NoMeaning => Ok(Some(format!("option '{key}' has no effect: {}", foreign.reason))),
        flink_keys::Verdict::Later => Ok(Some(format!("option '{key}' has no effect yet: {}", foreign.reason))),
        flink_keys::Verdict::Refused if value.eq_ignore_ascii_case(foreign.default) => Ok(None),
        flink_keys::Verdict::Refused => {
            let value = crate::secret::shown(key, value);
            Err(Error::invalid(format!("option '{key}' = '{value}' is not supported yet: {}", foreign.reason))
                .with_detail("Leaving it out without a word could change rows or guarantees.")
                .with_hint("Remove the option if the job may run without it."))
        }
    }
}

fn unknown(key: &str) -> Error {
    let ours = OPTIONS.iter().map(|o| o.key);
    let error = Error::invalid(format!("there is no option '{key}'"));
    match nearest(key, ours.chain(flink_keys::keys())) {
        Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win_and_reset_uncovers_the_earlier_ones() {
        let mut c = Configuration::default();
        let key = "parallelism.default";
        c.set(key, "2", Origin::File).unwrap();
        c.set(key, "4", Origin::Session).unwrap();
        c.set(key, "3", Origin::CommandLine).unwrap();
        assert_eq!(c.get(key), Some("4"));
        c.reset(Some(key));
        assert_eq!(c.get(key), Some("3"));
        let effective = c.effective();
        let found = effective.iter().find(|o| o.key == key).unwrap();
        assert_eq!(found.origin, Origin::CommandLine);
    }

    #[test]
    fn keys_of_flink_are_accepted_with_a_reason_or_refused() {
        let mut c = Configuration::default();
        let warning = c.set("taskmanager.memory.process.size", "4g", Origin::File).unwrap().unwrap();
        assert!(warning.contains("no JVM"), "{warning}");
        let error = c.set("execution.checkpointing.interval", "10 s", Origin::Session).unwrap_err();
        assert!(error.message().contains("not supported yet"));
        assert!(c.set("table.exec.mini-batch.enabled", "false", Origin::Session).unwrap().is_none());
        let error = c.set("paralelism.default", "2", Origin::Session).unwrap_err();
        assert_eq!(error.hint(), Some("Did you mean 'parallelism.default'?"));
    }

    #[test]
    fn values_are_checked_when_they_are_set() {
        let mut c = Configuration::default();
        assert!(c.set("parallelism.default", "many", Origin::Session).is_err());
        assert!(c.set("execution.runtime-mode", "BATCH", Origin::Session).is_err());
        assert!(c.set("execution.runtime-mode", "streaming", Origin::Session).is_ok());
        assert!(c.set("table.local-time-zone", "Mars/Olympus", Origin::Session).is_err());
    }
}
