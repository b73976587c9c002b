//! Flink's configuration: which keys there are, what they are set to, and who set them.
//!
//! Three kinds of key: those that Flott reads ([`OPTIONS`]), Flink's others (`config/flink_keys.tsv`:
//! accepted with a warning that names the reason, or refused where leaving them out would change rows or
//! guarantees), and unknown ones, which are errors with a suggestion. Older names that Flink still reads
//! (`config/old_names.rs`) mean the key of today, which wins where one place sets both.

use std::collections::BTreeMap;
use std::fmt;

use flott_api::error::nearest;
use flott_api::options::{FromOption, Millis};
use flott_api::{Error, Result};

mod flink_keys;
mod old_names;
mod options;

pub use options::{LATEST, OPTIONS, OptionKind, OptionSpec, find as option_of};

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
#[derive(Clone, Default)]
pub struct Configuration {
    values: BTreeMap<String, BTreeMap<Origin, Setting>>,
}

impl fmt::Debug for Configuration {
    /// The keys alone: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// What somebody set a key to.
#[derive(Clone)]
struct Setting {
    value: String,
    /// Whether an older name of the key was used.
    is_by_old_name: bool,
}

impl Configuration {
    /// Sets a key. Answers with a warning where the key is Flink's but does nothing here.
    ///
    /// # Errors
    /// If the key is unknown, the value does not fit it, or leaving it out would change rows or
    /// guarantees.
    pub fn set(&mut self, key: &str, value: &str, origin: Origin) -> Result<Option<String>> {
        let Some(name) = old_names::of_today(key) else {
            let warning = check(key, value)?;
            self.insert(key, value, origin, false);
            return Ok(warning);
        };
        let warning = check(name, value)?;
        let layers = self.values.get(name);
        if layers.and_then(|layers| layers.get(&origin)).is_some_and(|setting| !setting.is_by_old_name) {
            return Ok(Some(format!("option '{key}' has no effect: '{name}', its name of today, is set as well")));
        }
        self.insert(name, value, origin, true);
        Ok(warning.or_else(|| Some(format!("option '{key}' is now called '{name}'"))))
    }

    fn insert(&mut self, key: &str, value: &str, origin: Origin, is_by_old_name: bool) {
        let setting = Setting { value: value.to_owned(), is_by_old_name };
        self.values.entry(key.to_owned()).or_default().insert(origin, setting);
    }

    /// Checks that there is an option of that key.
    ///
    /// # Errors
    /// If there is none; suggests the one that was meant.
    pub fn check_key(&self, key: &str) -> Result<()> {
        let name = old_names::of_today(key).unwrap_or(key);
        let known = options::find(name).is_some() || flink_keys::find(name).is_some() || self.values.contains_key(name);
        if known { Ok(()) } else { Err(unknown(key)) }
    }

    /// Takes back what `SET` set: of one key or of all.
    pub fn reset(&mut self, key: Option<&str>) {
        let key = key.map(|key| old_names::of_today(key).unwrap_or(key));
        for (_, layers) in self.values.iter_mut().filter(|(k, _)| key.is_none_or(|wanted| wanted == *k)) {
            layers.remove(&Origin::Session);
        }
        self.values.retain(|_, layers| !layers.is_empty());
    }

    /// The value in force of a key that Flott reads; `None` if it is not set and has no default.
    pub fn get(&self, key: &str) -> Option<&str> {
        let layers = self.values.get(key);
        let set = layers.and_then(|layers| layers.values().next_back()).map(|setting| setting.value.as_str());
        // The one key whose value may be the word: what the process found, as in `settings` of the binary.
        let found = || Some(layers?.get(&Origin::Default)?.value.as_str());
        let set = set.filter(|value| *value != "default").or_else(found);
        set.or_else(|| options::find(key).and_then(|o| o.default))
    }

    /// Who set the value in force.
    pub fn origin(&self, key: &str) -> Origin {
        let layers = self.values.get(key);
        layers.and_then(|layers| layers.keys().next_back()).cloned().unwrap_or(Origin::Default)
    }

    /// The typed value in force.
    ///
    /// # Errors
    /// If it is not set and has no default, or is of another type; `set` has checked that already.
    pub fn value<T: FromOption>(&self, key: &str) -> Result<T> {
        let text = self.get(key).ok_or_else(|| Error::invalid(format!("option '{key}' is not set")))?;
        T::from_option(text).ok_or_else(|| {
            let text = crate::secret::shown(key, text);
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
            if let Some((origin, setting)) = layers.last_key_value() {
                let in_force = self.get(key).unwrap_or(&setting.value).to_owned();
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

/// What keys of object stores begin with.
const STORE_PREFIXES: [&str; 5] = ["fs.azure.", "fs.cosn.", "fs.gs.", "fs.oss.", "s3."];

/// Whether a key says how object stores are reached. Where objects lie is the process's business: a job names stores
/// by URI alone.
pub fn is_of_stores(key: &str) -> bool {
    STORE_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Checks a key and its value. Answers with a warning where the key has no effect.
fn check(key: &str, value: &str) -> Result<Option<String>> {
    match options::find(key) {
        Some(option) => option.check(value).map(|()| None),
        None => check_foreign(key, value),
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
        let error = c.set("execution.checkpointing.storage", "jobmanager", Origin::Session).unwrap_err();
        assert!(error.message().contains("not supported yet"));
        assert!(c.set("execution.checkpointing.storage", "filesystem", Origin::Session).unwrap().is_none());
        assert!(c.set("table.exec.mini-batch.enabled", "false", Origin::Session).unwrap().is_none());
        // It would change which rows are taken back.
        let strategy = "table.optimizer.non-deterministic-update.strategy";
        assert!(c.set(strategy, "TRY_RESOLVE", Origin::Session).is_err());
        assert!(c.set(strategy, "ignore", Origin::Session).unwrap().is_none());
        let error = c.set("paralelism.default", "2", Origin::Session).unwrap_err();
        assert_eq!(error.hint(), Some("Did you mean 'parallelism.default'?"));
    }

    #[test]
    fn values_are_checked_when_they_are_set() {
        let mut c = Configuration::default();
        assert!(c.set("parallelism.default", "many", Origin::Session).is_err());
        assert!(c.set("execution.runtime-mode", "AUTOMATIC", Origin::Session).is_err());
        assert!(c.set("execution.runtime-mode", "BATCH", Origin::Session).is_ok());
        assert!(c.set("execution.runtime-mode", "streaming", Origin::Session).is_ok());
        assert!(c.set("table.local-time-zone", "Mars/Olympus", Origin::Session).is_err());
    }

    #[test]
    fn old_names_mean_the_key_of_today() {
        let mut c = Configuration::default();
        let dir = "execution.checkpointing.dir";
        let warning = c.set("state.checkpoints.dir", "/a", Origin::File).unwrap().unwrap();
        assert_eq!(warning, format!("option 'state.checkpoints.dir' is now called '{dir}'"));
        c.set("state.backend.fs.checkpointdir", "/b", Origin::File).unwrap();
        assert_eq!(c.get(dir), Some("/b"));
        c.set(dir, "/c", Origin::File).unwrap();
        let warning = c.set("state.checkpoints.dir", "/d", Origin::File).unwrap().unwrap();
        assert!(warning.contains("is set as well"), "{warning}");
        assert_eq!(c.get(dir), Some("/c"));
        c.set("state.checkpoints.dir", "/e", Origin::Session).unwrap();
        assert_eq!((c.get(dir), c.origin(dir)), (Some("/e"), Origin::Session));
        c.check_key("state.checkpoints.dir").unwrap();
        c.reset(Some("state.checkpoints.dir"));
        assert_eq!((c.get(dir), c.origin(dir)), (Some("/c"), Origin::File));
        let error = c.set("restart-strategy", "sometimes", Origin::Session).unwrap_err();
        assert!(error.message().contains("'restart-strategy.type'"), "{error}");
        let warning = c.set("state.backend.incremental", "true", Origin::Session).unwrap().unwrap();
        assert!(warning.contains("every checkpoint is incremental"), "{warning}");
    }

    #[test]
    fn values_beyond_flinks_bounds_name_their_key() {
        let mut c = Configuration::default();
        for (key, value) in [
            ("execution.checkpointing.interval", "5 ms"),
            ("execution.checkpointing.timeout", "0 s"),
            ("execution.checkpointing.num-retained", "0"),
            ("execution.checkpointing.max-concurrent-checkpoints", "0"),
            ("execution.checkpointing.tolerable-failed-checkpoints", "-1"),
            ("execution.checkpointing.data-inline-threshold", "2 mb"),
            ("execution.checkpointing.mode", "MOSTLY"),
            ("execution.checkpointing.checkpoints-after-tasks-finish", "false"),
            ("execution.checkpointing.dir", "somewhere"),
            ("execution.state-recovery.path", "newest"),
            ("execution.state-recovery.claim-mode", "LEGACY"),
            ("restart-strategy.exponential-delay.backoff-multiplier", "1"),
            ("restart-strategy.exponential-delay.jitter-factor", "1.1"),
            ("restart-strategy.exponential-delay.initial-backoff", "0"),
            ("restart-strategy.failure-rate.max-failures-per-interval", "0"),
            ("restart-strategy.fixed-delay.attempts", "-1"),
            ("state.backend.type", "org.example.Backend"),
            ("taskmanager.memory.managed.size", "0"),
            ("s3.path.style.access", "yes"),
        ] {
            let error = c.set(key, value, Origin::Session).unwrap_err();
            assert_eq!(error.message(), format!("option '{key}' cannot be '{value}'"));
            assert!(error.detail().is_some_and(|detail| detail.starts_with("It must be ")), "{key}");
        }
        for (key, value) in [
            ("execution.checkpointing.interval", "0"),
            ("execution.checkpointing.mode", "at_least_once"),
            ("execution.state-recovery.path", "latest"),
            ("execution.state-recovery.path", "s3://b/jobs/x/chk-7"),
            ("restart-strategy.type", "fixeddelay"),
            ("state.backend.type", "RocksDB"),
            ("taskmanager.memory.managed.size", "512m"),
        ] {
            assert_eq!(c.set(key, value, Origin::Session).unwrap(), None, "{key}");
        }
    }

    #[test]
    fn no_secret_is_in_what_is_printed_of_it() {
        let mut c = Configuration::default();
        c.set("s3.secret-key", "hush", Origin::File).unwrap();
        assert!(!format!("{c:?}").contains("hush"));
    }
}
