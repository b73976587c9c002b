//! Where reading begins and where it ends.

use std::collections::BTreeMap;

use flott_api::options::OptionReader;
use flott_api::{Error, Result};

use super::Topics;

/// Where reading begins, in partitions that are there when the job is first started. Others are read from their begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Startup {
    /// Where the consumer group is.
    Group,
    Earliest,
    Latest,
    /// With the first record of this time, in milliseconds since the epoch, or behind the last one.
    Time(i64),
    /// By partition; others from their begin.
    Offsets(BTreeMap<i32, i64>),
}

/// Where reading ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bounded {
    Never,
    Group,
    /// Behind the records that are there when the job is first started.
    Latest,
    Time(i64),
    Offsets(BTreeMap<i32, i64>),
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Unbounded,
    Group,
    Earliest,
    Latest,
    Time,
    Offsets,
}

impl Startup {
    pub(super) fn read(reader: &OptionReader<'_>, topics: &Topics) -> Result<Self> {
        let modes = [
            ("earliest-offset", Mode::Earliest),
            ("latest-offset", Mode::Latest),
            ("group-offsets", Mode::Group),
            ("timestamp", Mode::Time),
            ("specific-offsets", Mode::Offsets),
        ];
        let mode = reader.choice("scan.startup.mode", &modes, Mode::Group)?;
        let (time, offsets) = places(reader, "scan.startup", mode, topics)?;
        Ok(match mode {
            Mode::Earliest => Startup::Earliest,
            Mode::Latest => Startup::Latest,
            Mode::Time => Startup::Time(time),
            Mode::Offsets => Startup::Offsets(offsets),
            Mode::Group | Mode::Unbounded => Startup::Group,
        })
    }
}

impl Bounded {
    pub(super) fn read(reader: &OptionReader<'_>, topics: &Topics) -> Result<Self> {
        let modes = [
            ("unbounded", Mode::Unbounded),
            ("latest-offset", Mode::Latest),
            ("group-offsets", Mode::Group),
            ("timestamp", Mode::Time),
            ("specific-offsets", Mode::Offsets),
        ];
        let mode = reader.choice("scan.bounded.mode", &modes, Mode::Unbounded)?;
        let (time, offsets) = places(reader, "scan.bounded", mode, topics)?;
        Ok(match mode {
            Mode::Group => Bounded::Group,
            Mode::Latest => Bounded::Latest,
            Mode::Time => Bounded::Time(time),
            Mode::Offsets => Bounded::Offsets(offsets),
            Mode::Unbounded | Mode::Earliest => Bounded::Never,
        })
    }
}

/// The time or the offsets that a mode needs; that nobody needs them is no error, as in Flink.
fn places(reader: &OptionReader<'_>, prefix: &str, mode: Mode, topics: &Topics) -> Result<(i64, BTreeMap<i32, i64>)> {
    let needed = |key: &str| Error::invalid(format!("option '{prefix}.mode' needs option '{key}'"));
    let key = format!("{prefix}.timestamp-millis");
    let time = reader.value::<i64>(&key)?;
    if mode == Mode::Time && time.is_none() {
        return Err(needed(&key));
    }
    let key = format!("{prefix}.specific-offsets");
    let offsets = reader.text(&key).map(|text| offsets(&key, text)).transpose()?;
    if mode == Mode::Offsets {
        if offsets.is_none() {
            return Err(needed(&key));
        }
        if topics.single().is_none() {
            return Err(Error::invalid(format!("option '{key}' can be used with one topic only")));
        }
    }
    Ok((time.unwrap_or_default(), offsets.unwrap_or_default()))
}

/// `partition:0,offset:42;partition:1,offset:300`
fn offsets(key: &str, text: &str) -> Result<BTreeMap<i32, i64>> {
    let wrong = || {
        Error::invalid(format!("option '{key}' has the value '{text}'"))
            .with_hint("It is a list such as 'partition:0,offset:42;partition:1,offset:300'.")
    };
    let mut offsets = BTreeMap::new();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (partition, offset) = pair.split_once(',').ok_or_else(wrong)?;
        let number = |text: &str, name: &str| text.trim().strip_prefix(name)?.trim().parse::<i64>().ok();
        let partition = number(partition, "partition:").and_then(|p| i32::try_from(p).ok()).ok_or_else(wrong)?;
        let offset = number(offset, "offset:").filter(|offset| *offset >= 0).ok_or_else(wrong)?;
        offsets.insert(partition, offset);
    }
    if offsets.is_empty() { Err(wrong()) } else { Ok(offsets) }
}

#[cfg(test)]
mod tests {
    use flott_api::options::Options;

    use super::*;

    fn startup(pairs: &[(&str, &str)], topic: &str) -> Result<Startup, String> {
        let mut all: BTreeMap<String, String> =
            pairs.iter().map(|(k, v)| (format!("scan.startup.{k}"), (*v).to_owned())).collect();
        all.insert("topic".to_owned(), topic.to_owned());
        let options = Options(all);
        let reader = OptionReader::new(&options, "a test");
        let topics = Topics::read(&reader).unwrap();
        Startup::read(&reader, &topics).map_err(|e| e.message().to_owned())
    }

    #[test]
    fn a_start_needs_what_belongs_to_it() {
        assert_eq!(startup(&[], "t"), Ok(Startup::Group));
        assert_eq!(startup(&[("mode", "timestamp"), ("timestamp-millis", "7")], "t"), Ok(Startup::Time(7)));
        let offsets = ("specific-offsets", " partition:0,offset:42;partition:1, offset:300; ");
        let expected = BTreeMap::from([(0, 42), (1, 300)]);
        assert_eq!(startup(&[("mode", "specific-offsets"), offsets], "t"), Ok(Startup::Offsets(expected)));
        let message = |pairs: &[(&str, &str)], topic| startup(pairs, topic).unwrap_err();
        assert!(message(&[("mode", "timestamp")], "t").contains("'scan.startup.timestamp-millis'"));
        assert!(message(&[("mode", "specific-offsets")], "t").contains("'scan.startup.specific-offsets'"));
        assert!(message(&[("mode", "specific-offsets"), offsets], "t;u").contains("one topic only"));
        for wrong in ["", "0:1", "partition:0", "partition:x,offset:1", "partition:0,offset:-1"] {
            assert!(startup(&[("mode", "specific-offsets"), ("specific-offsets", wrong)], "t").is_err(), "{wrong}");
        }
    }
}
