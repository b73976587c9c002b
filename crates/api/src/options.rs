//! Options as users write them, read strictly: each with its type, none unread.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::nearest;
use crate::{Error, Result};

/// Keys and values of a `WITH` clause or a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(pub BTreeMap<String, String>);

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
}

impl<'a> OptionReader<'a> {
    /// Reads the options of `owner`, which messages name: `connector 'filesystem'`.
    pub fn new(options: &'a Options, owner: impl Into<String>) -> Self {
        OptionReader { options, owner: owner.into(), known: RefCell::default() }
    }

    /// The text of an option, if it is set.
    pub fn text(&self, key: &str) -> Option<&'a str> {
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
        Ok(self.value(key)?.unwrap_or(default))
    }

    /// One of the named choices (compared without case), or the default.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        let Some(text) = self.text(key) else { return Ok(default) };
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, value)| *value).ok_or_else(|| {
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
        let known = self.known.into_inner();
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
pub trait FromOption: Sized {
    /// What the text should have been, for messages: `whole number`.
    const EXPECTED: &'static str;

    /// Reads the text.
    fn from_option(text: &str) -> Option<Self>;
}

macro_rules! from_str_option {
    ($($t:ty: $expected:literal),*) => {$(
        impl FromOption for $t {
            const EXPECTED: &'static str = $expected;

            fn from_option(text: &str) -> Option<Self> {
                <$t>::from_str(text.trim()).ok()
            }
        }
    )*};
}

from_str_option!(u32: "whole number", i32: "whole number", u64: "whole number", i64: "whole number", f64: "number");

impl FromOption for bool {
    const EXPECTED: &'static str = "'true' or 'false'";

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
