//! The keys that Flott reads: what their values may be. The keys themselves are in `options/list.rs`.

mod list;

use flott_api::options::{FromOption, MemorySize, Millis};
use flott_api::{Error, Result};

pub use list::OPTIONS;

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number in a range.
    Integer(i64, i64),
    /// A number within bounds, both included.
    Number(f64, f64),
    /// A number above a bound.
    NumberAbove(f64),
    /// A duration.
    Duration,
    /// A duration of at least so many milliseconds.
    DurationFrom(u64),
    /// No time at all, or at least so many milliseconds.
    NoneOrDurationFrom(u64),
    /// A number of bytes.
    Memory,
    /// A number of bytes in a range.
    MemoryWithin(u64, u64),
    /// One of these, whatever the case.
    Choice(&'static [&'static str]),
    /// A time zone: `default`, an IANA name or `GMT+08:00`.
    TimeZone,
    /// A directory: an absolute path or a URI.
    Directory,
    /// A directory, or the word `latest`.
    DirectoryOrLatest,
}

/// A key that Flott reads.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The key.
    pub key: &'static str,
    /// Its default, if it has one.
    pub default: Option<&'static str>,
    /// What its value may be.
    pub kind: OptionKind,
    /// What it does, in a sentence.
    pub description: &'static str,
}

const fn option(
    key: &'static str,
    default: Option<&'static str>,
    kind: OptionKind,
    description: &'static str,
) -> OptionSpec {
    OptionSpec { key, default, kind, description }
}

/// Options whose key may have a name behind it, with a dot between them: for Azure, the host of an account.
const NAMED: [&str; 1] = ["fs.azure.account.key"];

/// The option of a key.
pub fn find(key: &str) -> Option<&'static OptionSpec> {
    let has_name = |option: &str| {
        key.strip_prefix(option).and_then(|name| name.strip_prefix('.')).is_some_and(|name| !name.is_empty())
    };
    let key = NAMED.into_iter().find(|option| has_name(option)).unwrap_or(key);
    OPTIONS.iter().find(|o| o.key == key)
}

impl OptionSpec {
    /// Checks a value.
    pub(super) fn check(&self, value: &str) -> Result<()> {
        if self.kind.accepts(value) {
            return Ok(());
        }
        let value = crate::secret::shown(self.key, value);
        Err(Error::invalid(format!("option '{}' cannot be '{value}'", self.key))
            .with_detail(format!("It must be {}.", self.kind.expected())))
    }
}

impl OptionKind {
    fn accepts(self, value: &str) -> bool {
        let number = |holds: &dyn Fn(f64) -> bool| f64::from_option(value).is_some_and(|n| n.is_finite() && holds(n));
        let millis = |holds: &dyn Fn(u64) -> bool| Millis::from_option(value).is_some_and(|ms| holds(ms.0));
        let bytes = |holds: &dyn Fn(u64) -> bool| MemorySize::from_option(value).is_some_and(|size| holds(size.0));
        match self {
            OptionKind::Text => true,
            OptionKind::Boolean => bool::from_option(value).is_some(),
            OptionKind::Integer(min, max) => i64::from_option(value).is_some_and(|n| (min..=max).contains(&n)),
            OptionKind::Number(min, max) => number(&|n| (min..=max).contains(&n)),
            OptionKind::NumberAbove(bound) => number(&|n| n > bound),
            OptionKind::Duration => millis(&|ms| i64::try_from(ms).is_ok()),
            OptionKind::DurationFrom(min) => millis(&|ms| ms >= min && i64::try_from(ms).is_ok()),
            OptionKind::NoneOrDurationFrom(min) => {
                millis(&|ms| ms == 0 || ms >= min) && OptionKind::Duration.accepts(value)
            }
            OptionKind::Memory => bytes(&|_| true),
            OptionKind::MemoryWithin(min, max) => bytes(&|size| (min..=max).contains(&size)),
            OptionKind::Choice(choices) => choices.iter().any(|c| c.eq_ignore_ascii_case(value)),
            OptionKind::TimeZone => value == "default" || is_zone(value),
            OptionKind::Directory => is_directory(value),
            OptionKind::DirectoryOrLatest => value == LATEST || is_directory(value),
        }
    }

    /// What a value must be, as the end of a sentence.
    fn expected(self) -> String {
        const DIRECTORY: &str = "an absolute path or a URI such as 's3://bucket/folder'";
        match self {
            OptionKind::Text => "text".to_owned(),
            OptionKind::Boolean => "true or false".to_owned(),
            OptionKind::Integer(min, max) => format!("a whole number from {min} to {max}"),
            OptionKind::Number(min, max) => format!("a number from {min} to {max}"),
            OptionKind::NumberAbove(bound) => format!("a number greater than {bound}"),
            OptionKind::Duration => "a duration such as '10 s'".to_owned(),
            OptionKind::DurationFrom(min) => format!("a duration of at least {min} ms, such as '10 s'"),
            OptionKind::NoneOrDurationFrom(min) => format!("0 or a duration of at least {min} ms, such as '10 s'"),
            OptionKind::Memory => "a number of bytes such as '64 mb'".to_owned(),
            OptionKind::MemoryWithin(min, max) if max == u64::MAX => format!("at least {min} bytes, such as '64 mb'"),
            OptionKind::MemoryWithin(min, max) => format!("{min} to {max} bytes, such as '64 kb'"),
            OptionKind::Choice(choices) => choices.join(" or "),
            OptionKind::TimeZone => {
                "'default', a zone such as 'Europe/Berlin', or an offset such as 'GMT+08:00'".to_owned()
            }
            OptionKind::Directory => DIRECTORY.to_owned(),
            OptionKind::DirectoryOrLatest => format!("'{LATEST}', {DIRECTORY}"),
        }
    }
}

/// The path of `execution.state-recovery.path` that means the newest checkpoint of each job; ours.
pub const LATEST: &str = "latest";

/// `/a/b`, `file:///a/b`, `s3://bucket/a`.
fn is_directory(value: &str) -> bool {
    let of_scheme = |(scheme, rest): (&str, &str)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && !rest.trim_matches('/').is_empty()
    };
    value.starts_with('/') || value.split_once(":/").is_some_and(of_scheme)
}

/// An IANA name, or an offset in Java's form.
fn is_zone(value: &str) -> bool {
    value.parse::<chrono_tz::Tz>().is_ok() || is_offset(value)
}

/// `GMT+08:00`, `UTC-3`, `+08:00`, `Z`.
fn is_offset(value: &str) -> bool {
    let offset = value.strip_prefix("GMT").or_else(|| value.strip_prefix("UTC")).unwrap_or(value);
    if offset == "Z" || (offset.is_empty() && !value.is_empty()) {
        return true;
    }
    let Some(digits) = offset.strip_prefix(['+', '-']) else { return false };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let number = |text: &str, max: u32| text.len() <= 2 && text.parse::<u32>().is_ok_and(|n| n <= max);
    number(hours, 18) && number(minutes, 59)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_its_defaults_are_valid() {
        assert!(OPTIONS.is_sorted_by_key(|o| o.key));
        for option in OPTIONS {
            assert!(option.default.is_none_or(|value| option.check(value).is_ok()), "{}", option.key);
        }
    }

    #[test]
    fn the_key_of_an_account_has_its_name_behind_it() {
        let found = |key: &str| find(key).map(|option| option.key);
        let option = "fs.azure.account.key";
        assert_eq!(found(option), Some(option));
        assert_eq!(found("fs.azure.account.key.acme.dfs.core.windows.net"), Some(option));
        for other in ["fs.azure.account.key.", "fs.azure.account.keyprovider.acme", "fs.oss.endpoint.acme"] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn bounds_are_kept() {
        let fits = |kind: OptionKind, value: &str| kind.accepts(value);
        assert!(fits(OptionKind::NoneOrDurationFrom(10), "0") && fits(OptionKind::NoneOrDurationFrom(10), "10 ms"));
        assert!(!fits(OptionKind::NoneOrDurationFrom(10), "9 ms"));
        assert!(!fits(OptionKind::DurationFrom(1), "0 s"));
        assert!(!fits(OptionKind::Duration, "9223372036854775808 ms"), "it must fit into a signed number");
        assert!(
            fits(OptionKind::MemoryWithin(0, 1 << 20), "1 mb") && !fits(OptionKind::MemoryWithin(0, 1 << 20), "2mb")
        );
        assert!(fits(OptionKind::NumberAbove(1.0), "1.5") && !fits(OptionKind::NumberAbove(1.0), "1"));
        assert!(fits(OptionKind::Number(0.0, 1.0), "0") && !fits(OptionKind::Number(0.0, 1.0), "NaN"));
    }

    #[test]
    fn directories() {
        for place in ["/a", "file:///a/b", "file:/a", "s3://bucket/a", "memory://x"] {
            assert!(is_directory(place), "{place}");
        }
        for place in ["", "a/b", "./a", "s3://", "://a", "c d:/x"] {
            assert!(!is_directory(place), "{place}");
        }
    }

    #[test]
    fn zones() {
        for zone in ["UTC", "Asia/Shanghai", "GMT+08:00", "+02:00", "GMT-3"] {
            assert!(is_zone(zone), "{zone}");
        }
        assert!(!is_zone("GMT+99:00"));
        assert!(!is_zone("Nowhere"));
    }
}
