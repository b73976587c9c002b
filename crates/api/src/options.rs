//! Options as users write them, read strictly: each with its type, none unread.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::nearest;
use crate::{Error, Result};

mod table;

pub use table::{ConfigOption, OptionDefault, OptionKind, OptionTable, markdown};

/// Keys and values of a `WITH` clause or a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(pub BTreeMap<String, String>);

/// How many subtasks write a table.
pub const SINK_PARALLELISM: ConfigOption =
    ConfigOption::number("sink.parallelism", "How many subtasks write; else as many as the job says.");
/// How many subtasks read a table.
pub const SCAN_PARALLELISM: ConfigOption =
    ConfigOption::number("scan.parallelism", "How many subtasks read; else as many as the job says.");

/// A length of time in milliseconds, written as Flink reads it: `500`, `10 s`, `1min`, `2 h`, `1 d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

/// A number of bytes, written as Flink reads it: `1024`, `64 kb`, `128mb`, `1g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize(pub u64);

/// Reads options and remembers which, so that an unknown one is found.
#[derive(Debug)]
pub struct OptionReader<'a> {
    options: &'a Options,
    owner: String,
    known: RefCell<BTreeSet<String>>,
    /// Tables of what may be set, each with what stands before its keys.
    sections: RefCell<Vec<(String, OptionTable)>>,
    /// Whether the sections are all there is.
    described: bool,
}

impl<'a> OptionReader<'a> {
    /// Reads the options of `owner`, which messages name: `connector 'filesystem'`.
    pub fn new(options: &'a Options, owner: impl Into<String>) -> Self {
        let (known, sections) = (RefCell::default(), RefCell::default());
        OptionReader { options, owner: owner.into(), known, sections, described: false }
    }

    /// Reads the options that tables describe, and others only where [`section`](Self::section) adds their table. Debug builds
    /// panic if what is read is not what the tables say.
    pub fn of(options: &'a Options, owner: impl Into<String>, tables: &[OptionTable]) -> Self {
        let reader = OptionReader { described: true, ..OptionReader::new(options, owner) };
        tables.iter().for_each(|table| reader.section("", table));
        reader
    }

    /// Adds the table of options that are read beside: those of a format, or ones that several connectors share. Their keys
    /// begin with `prefix`.
    pub fn section(&self, prefix: &str, table: OptionTable) {
        let mut sections = self.sections.borrow_mut();
        if !sections.iter().any(|(other, known)| other == prefix && *known == table) {
            sections.push((prefix.to_owned(), table));
        }
    }

    /// Debug builds: what the tables say of a key that is read.
    fn described(&self, key: &str) -> Option<ConfigOption> {
        if !cfg!(debug_assertions) || !self.described {
            return None;
        }
        let sections = self.sections.borrow();
        let options = sections.iter().filter_map(|(prefix, table)| Some((key.strip_prefix(prefix.as_str())?, *table)));
        let found = options.flat_map(|(key, table)| table.iter().filter(move |option| option.has(key))).next();
        assert!(found.is_some(), "{} reads option '{key}', which no table of it has", self.owner);
        found.copied()
    }

    /// The text of an option, if it is set.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.described(key);
        self.known.borrow_mut().insert(key.to_owned());
        self.options.0.get(key).map(String::as_str)
    }

    /// The text of an option that must be set.
    ///
    /// # Errors
    /// If it is not.
    pub fn required(&self, key: &str) -> Result<&'a str> {
        self.text(key).ok_or_else(|| {
            Error::invalid(format!("{} needs option '{key}'", self.owner)).with_hint(format!("Add '{key}' = '...'."))
        })
    }

    /// A typed option, if it is set.
    ///
    /// # Errors
    /// If its text is not of that type.
    pub fn value<T: FromOption>(&self, key: &str) -> Result<Option<T>> {
        if let Some(option) = self.described(key) {
            debug_assert!(
                option.kind == T::KIND || option.kind == OptionKind::Keys,
                "option '{key}' is read as {}",
                T::KIND
            );
        }
        let Some(text) = self.text(key) else { return Ok(None) };
        T::from_option(text).map(Some).ok_or_else(|| {
            Error::invalid(format!("option '{key}' has the value '{text}', which is no {}", T::EXPECTED))
        })
    }

    /// A typed option, or its default.
    ///
    /// # Errors
    /// If its text is not of that type.
    pub fn value_or<T: FromOption>(&self, key: &str, default: T) -> Result<T> {
        if let Some(option) = self.described(key) {
            let told = if let OptionDefault::Value(text) = option.default { T::from_option(text) } else { None };
            let same = told.as_ref() == Some(&default) || option.kind == OptionKind::Keys;
            debug_assert!(same, "option '{key}' has another default in its table");
        }
        Ok(self.value(key)?.unwrap_or(default))
    }

    /// One of the named choices (compared without case), or the default.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn choice<T: Copy + PartialEq>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        if let Some(option) = self.described(key).filter(|option| option.kind != OptionKind::Keys) {
            let of = |name: &str| choices.iter().find(|(choice, _)| *choice == name).map(|(_, value)| *value);
            let told = if let OptionDefault::Value(text) = option.default { of(text) } else { None };
            let has_default = choices.iter().any(|(_, value)| *value == default);
            debug_assert!(!has_default || told == Some(default), "option '{key}' has another default in its table");
        }
        Ok(self.chosen(key, choices)?.unwrap_or(default))
    }

    /// One of the named choices (compared without case), if it is set.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn chosen<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        if let Some(ConfigOption { kind: OptionKind::Choice(names), .. }) = self.described(key) {
            let is_choice = |name: &&str| choices.iter().any(|(choice, _)| choice == name);
            debug_assert!(names.iter().all(is_choice), "option '{key}' has other choices in its table");
        }
        let Some(text) = self.text(key) else { return Ok(None) };
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(n, _)| format!("'{n}'")).collect();
            Error::invalid(format!("option '{key}' has the value '{text}'"))
                .with_detail(format!("It may be {}.", names.join(", ")))
        })
    }

    /// Marks a key as known that somebody else reads.
    pub fn allow(&self, key: &str) {
        self.known.borrow_mut().insert(key.to_owned());
    }

    /// All keys that begin with `prefix`, without it; they count as read.
    pub fn with_prefix(&self, prefix: &str) -> Options {
        let of_section = self.sections.borrow().iter().any(|(other, _)| other == prefix);
        if !of_section {
            self.described(prefix);
            self.known.borrow_mut().insert(format!("{prefix}*"));
        }
        let mut found = BTreeMap::new();
        for (key, value) in &self.options.0 {
            if let Some(rest) = key.strip_prefix(prefix) {
                self.known.borrow_mut().insert(key.clone());
                found.insert(rest.to_owned(), value.clone());
            }
        }
        Options(found)
    }

    /// Checks that every option was read.
    ///
    /// # Errors
    /// Names the first unknown key and suggests the one that was meant.
    pub fn finish(self) -> Result<()> {
        let mut known = self.known.into_inner();
        for (prefix, table) in self.sections.into_inner() {
            for option in table {
                let key = format!("{prefix}{}", option.key);
                let is_read = |key: &String| key.strip_prefix(prefix.as_str()).is_some_and(|key| option.has(key));
                let is_one = option.kind != OptionKind::Keys;
                debug_assert!(
                    !(self.described && is_one) || known.iter().any(is_read),
                    "{} does not read option '{key}'",
                    self.owner
                );
                known.insert(key);
            }
        }
        let Some(unknown) = self.options.0.keys().find(|key| !known.contains(*key)) else { return Ok(()) };
        let error = Error::invalid(format!("{} has no option '{unknown}'", self.owner));
        let all: Vec<&str> = known.iter().map(String::as_str).collect();
        Err(match nearest(unknown, all.iter().copied()) {
            Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
            None => error.with_hint(format!("Its options are: {}.", all.join(", "))),
        })
    }
}

/// A type that an option's text can be read as.
pub trait FromOption: Sized + PartialEq {
    /// What the text should have been, for messages: `whole number`.
    const EXPECTED: &'static str;
    /// What a table of options calls it.
    const KIND: OptionKind;

    /// Reads the text.
    fn from_option(text: &str) -> Option<Self>;
}

macro_rules! from_str_option {
    ($($t:ty: $expected:literal),*) => {$(
        impl FromOption for $t {
            const EXPECTED: &'static str = $expected;
            const KIND: OptionKind = OptionKind::Number;

            fn from_option(text: &str) -> Option<Self> {
                <$t>::from_str(text.trim()).ok()
            }
        }
    )*};
}

from_str_option!(u32: "whole number", i32: "whole number", u64: "whole number", i64: "whole number", f64: "number");

impl FromOption for bool {
    const EXPECTED: &'static str = "'true' or 'false'";
    const KIND: OptionKind = OptionKind::Flag;

    fn from_option(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

impl FromOption for String {
    const EXPECTED: &'static str = "text";
    const KIND: OptionKind = OptionKind::Text;

    fn from_option(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// Splits `10 s` into its number and its unit in lower case.
fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim().to_lowercase()))
}

impl FromOption for Millis {
    const EXPECTED: &'static str = "duration such as '10 s', '5 min' or '1 h'";
    const KIND: OptionKind = OptionKind::Duration;

    fn from_option(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let factor = match unit.as_str() {
            "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            "us" | "micro" | "micros" | "microsecond" | "microseconds" | "µs" => return Some(Millis(number / 1000)),
            "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => return Some(Millis(number / 1_000_000)),
            _ => return None,
        };
        number.checked_mul(factor).map(Millis)
    }
}

impl FromOption for MemorySize {
    const EXPECTED: &'static str = "memory size such as '64 kb', '128 mb' or '1 gb'";
    const KIND: OptionKind = OptionKind::Memory;

    fn from_option(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let shift = match unit.as_str() {
            "" | "b" | "bytes" => 0,
            "k" | "kb" | "kibibytes" => 10,
            "m" | "mb" | "mebibytes" => 20,
            "g" | "gb" | "gibibytes" => 30,
            "t" | "tb" | "tebibytes" => 40,
            _ => return None,
        };
        number.checked_mul(1 << shift).map(MemorySize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_right_one() {
        let given = options(&[("fromat", "csv")]);
        let reader = OptionReader::new(&given, "connector 'filesystem'");
        assert_eq!(reader.text("format"), None);
        let error = reader.finish().unwrap_err();
        assert_eq!(error.message(), "connector 'filesystem' has no option 'fromat'");
        assert_eq!(error.hint(), Some("Did you mean 'format'?"));
    }

    #[test]
    fn tables_say_what_may_be_set() {
        const TABLE: OptionTable = &[
            ConfigOption::text("format", "").needed(),
            ConfigOption::duration("wait", "").or("1 min"),
            ConfigOption::keys("properties.*", ""),
        ];
        const LINES: OptionTable = &[ConfigOption::flag("skip", "")];
        let read = |pairs: &[(&str, &str)]| {
            let given = options(pairs);
            let reader = OptionReader::of(&given, "connector 'x'", &[TABLE]);
            let format = reader.required("format")?.to_owned();
            reader.section("value.lines.", LINES);
            let skip = reader.value::<bool>("value.lines.skip")?;
            let wait = reader.value_or("wait", Millis(60_000))?;
            let rest = reader.with_prefix("properties.");
            reader.finish()?;
            Ok::<_, Error>((format, skip, wait, rest.0.len()))
        };
        let all = [("format", "a"), ("value.lines.skip", "true"), ("properties.k", "v")];
        assert_eq!(read(&all).unwrap(), ("a".to_owned(), Some(true), Millis(60_000), 1));
        let error = read(&[("format", "a"), ("value.lines.ship", "true")]).unwrap_err();
        assert_eq!(error.hint(), Some("Did you mean 'value.lines.skip'?"));
        let error = read(&[("format", "a"), ("zzzzzzzzzzzz", "1")]).unwrap_err();
        assert_eq!(error.hint(), Some("Its options are: format, properties.*, value.lines.skip, wait."));
    }

    #[test]
    #[should_panic(expected = "connector 'x' reads option 'mode', which no table of it has")]
    #[cfg(debug_assertions)]
    fn what_no_table_has_is_not_read() {
        let given = options(&[]);
        let reader = OptionReader::of(&given, "connector 'x'", &[]);
        reader.text("mode");
    }

    #[test]
    fn durations_and_sizes_read_as_flinks() {
        for (text, ms) in [("10 s", 10_000), ("1min", 60_000), ("2 H", 7_200_000), ("1 d", 86_400_000), ("7", 7)] {
            assert_eq!(Millis::from_option(text), Some(Millis(ms)), "{text}");
        }
        assert_eq!(Millis::from_option("ten"), None);
        assert_eq!(Millis::from_option("99999999999999999 d"), None);
        assert_eq!(MemorySize::from_option("128mb"), Some(MemorySize(128 << 20)));
    }

    #[test]
    fn a_choice_names_its_choices() {
        let given = options(&[("mode", "z")]);
        let reader = OptionReader::new(&given, "x");
        let error = reader.choice("mode", &[("a", 1), ("b", 2)], 1).unwrap_err();
        assert_eq!(error.detail(), Some("It may be 'a', 'b'."));
    }
}
