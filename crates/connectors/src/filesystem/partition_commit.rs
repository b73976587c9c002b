//! When a partition is complete, and the file that says so.
//!
//! Flink's two triggers. `process-time`: at the first checkpoint that begins later than `delay` after the one with the
//! partition's first file; without a delay at once. `partition-time`: at the first checkpoint whose watermark is beyond the
//! time in the partition's name and `delay`. The end of the input completes all. A file that comes later completes its
//! partition anew.
//!
//! **State**: a partition that has files and is not complete yet has an empty hidden file, whose name says since when it
//! waits ([`super::names`]). It is there before its checkpoint is committed and goes after the success file is there, so a
//! process that ends at any moment forgets nothing, and can at worst write a success file twice.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

use flott_api::env::Environment;
use flott_api::options::{Millis, OptionReader};
use flott_api::{Error, Result};
use flott_functions::{LocalTimeFormat, TimeZone};

use super::blocking::io_error;
use super::committable::Moment;
use super::names::FileStem;
use super::partition;

/// How partitions are committed.
#[derive(Clone, Debug)]
pub(super) struct PartitionCommit {
    /// The file that says that a partition is complete.
    success_file: String,
    trigger: Trigger,
    delay_ms: i64,
}

#[derive(Clone, Debug)]
enum Trigger {
    ProcessTime,
    PartitionTime(PartitionTime),
}

/// How the time of a partition is read.
#[derive(Clone, Debug)]
struct PartitionTime {
    /// A text with `$key` for the values; without it the first value is the time.
    pattern: Option<String>,
    format: LocalTimeFormat,
    zone: TimeZone,
}

impl PartitionCommit {
    /// Reads the options, all of them; nothing if there is no policy.
    ///
    /// # Errors
    /// If one is wrong or not supported.
    pub(super) fn read(reader: &OptionReader<'_>) -> Result<Option<Self>> {
        let pattern = reader.text("partition.time-extractor.timestamp-pattern");
        let formatter = reader.text("partition.time-extractor.timestamp-formatter");
        let zone = reader.text("sink.partition-commit.watermark-time-zone").unwrap_or("UTC");
        let success_file = reader.text("sink.partition-commit.success-file.name").unwrap_or("_SUCCESS").to_owned();
        let delay_ms = reader.value_or("sink.partition-commit.delay", Millis(0))?.0;
        let triggers = [("process-time", false), ("partition-time", true)];
        let by_partition = reader.choice("sink.partition-commit.trigger", &triggers, false)?;
        if !has_policy(reader)? {
            return Ok(None);
        }
        let trigger = if by_partition {
            let of = |key: &'static str| move |e: Error| e.context(format!("option '{key}'"));
            let format = LocalTimeFormat::parse(formatter);
            let format = format.map_err(of("partition.time-extractor.timestamp-formatter"))?;
            let zone = TimeZone::parse(zone).map_err(of("sink.partition-commit.watermark-time-zone"))?;
            Trigger::PartitionTime(PartitionTime { pattern: pattern.map(str::to_owned), format, zone })
        } else {
            Trigger::ProcessTime
        };
        let delay_ms = i64::try_from(delay_ms).unwrap_or(i64::MAX);
        Ok(Some(PartitionCommit { success_file, trigger, delay_ms }))
    }

    /// Whether a partition that waits since then is complete.
    ///
    /// # Errors
    /// If its name has no time.
    fn is_due(&self, folder: &str, keys: &[String], since_ms: i64, moment: Moment) -> Result<bool> {
        match &self.trigger {
            Trigger::ProcessTime => Ok(self.delay_ms == 0 || moment.now_ms > since_ms.saturating_add(self.delay_ms)),
            Trigger::PartitionTime(time) => {
                let at = time.of(folder, keys)?;
                Ok(moment.watermark_ms > at.saturating_add(self.delay_ms))
            }
        }
    }

    /// Looks at a partition before anything is written to it.
    ///
    /// # Errors
    /// If its name has no time, where one is needed.
    pub(super) fn check(&self, folder: &str, keys: &[String]) -> Result<()> {
        match &self.trigger {
            Trigger::ProcessTime => Ok(()),
            Trigger::PartitionTime(time) => time.of(folder, keys).map(drop),
        }
    }
}

/// Of the policies `success-file` is there.
fn has_policy(reader: &OptionReader<'_>) -> Result<bool> {
    let Some(policies) = reader.text("sink.partition-commit.policy.kind") else { return Ok(false) };
    for policy in policies.split(',').map(str::trim) {
        match policy {
            "success-file" => {}
            "metastore" | "custom" => {
                let what = format!("policy '{policy}' of option 'sink.partition-commit.policy.kind'");
                return Err(Error::unsupported(what));
            }
            other => {
                let message = format!("option 'sink.partition-commit.policy.kind' has the value '{other}'");
                return Err(Error::invalid(message).with_detail("It may be 'success-file'."));
            }
        }
    }
    Ok(true)
}

impl PartitionTime {
    /// When the partition begins; milliseconds since the epoch.
    fn of(&self, folder: &str, keys: &[String]) -> Result<i64> {
        let values = partition::texts_of(folder);
        let value = |key: &str| values.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str());
        let text = match &self.pattern {
            None => keys.first().map(|key| value(key).to_owned()).unwrap_or_default(),
            // In the order of the keys, as Flink does: `$d` would also be found in `$dt`.
            Some(pattern) => {
                keys.iter().fold(pattern.clone(), |text, key| text.replace(&format!("${key}"), value(key)))
            }
        };
        let local_ms = self.format.read(&text).ok_or_else(|| {
            Error::data(format!("partition '{}' has no time", folder.trim_end_matches('/')))
                .with_detail(format!("Trigger 'partition-time' reads '{text}' for it."))
                .with_hint(
                    "Set 'partition.time-extractor.timestamp-pattern' and 'partition.time-extractor.timestamp-formatter'.",
                )
        })?;
        Ok(self.zone.moment(local_ms))
    }
}

/// The partitions that are not complete yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Partition folders, with the time since when they wait.
    since: BTreeMap<String, i64>,
}

/// Where partitions lie and how their files are called.
pub(super) struct Place<'a> {
    pub(super) environment: &'a Environment,
    /// The table's path, without a slash at its end.
    pub(super) base: &'a str,
    pub(super) keys: &'a [String],
    pub(super) commit: &'a PartitionCommit,
    pub(super) stem: &'a FileStem,
}

impl Waiting {
    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    /// Takes up a partition that an earlier attempt of the job has marked.
    pub(super) fn restore(&mut self, folder: &str, since_ms: i64) {
        let since = self.since.entry(folder.to_owned()).or_insert(since_ms);
        *since = since_ms.min(*since);
    }

    /// The files of these folders are visible: completes what is due of them and of those that wait, and marks what is
    /// not.
    ///
    /// # Errors
    /// If a file cannot be written, or a partition has no time.
    pub(super) fn commit(&mut self, place: &Place<'_>, folders: &[&str], moment: Moment) -> Result<()> {
        for folder in folders {
            if !self.since.contains_key(*folder) {
                self.since.insert((*folder).to_owned(), moment.now_ms);
            }
        }
        let mut due = Vec::new();
        for (folder, since_ms) in &self.since {
            if place.commit.is_due(folder, place.keys, *since_ms, moment)? {
                due.push(folder.clone());
            } else if folders.contains(&folder.as_str()) {
                place.mark(folder, *since_ms)?;
            }
        }
        due.iter().try_for_each(|folder| self.complete(place, folder))
    }

    /// Completes all: the input has ended.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn complete_all(&mut self, place: &Place<'_>) -> Result<()> {
        let folders: Vec<String> = self.since.keys().cloned().collect();
        folders.iter().try_for_each(|folder| self.complete(place, folder))
    }

    fn complete(&mut self, place: &Place<'_>, folder: &str) -> Result<()> {
        place.write_success(folder)?;
        if let Some(since_ms) = self.since.get(folder) {
            place.unmark(folder, *since_ms)?;
        }
        self.since.remove(folder);
        Ok(())
    }
}

impl Place<'_> {
    fn write_success(&self, folder: &str) -> Result<()> {
        let path = format!("{}/{folder}{}", self.base, self.commit.success_file);
        let (files, inside) = self.environment.files.resolve(&path)?;
        files.delete(&inside).map_err(|e| io_error("delete", &path, e))?;
        self.create_empty(&path)
    }

    fn mark(&self, folder: &str, since_ms: i64) -> Result<()> {
        self.create_empty(&self.mark_path(folder, since_ms))
    }

    fn unmark(&self, folder: &str, since_ms: i64) -> Result<()> {
        let path = self.mark_path(folder, since_ms);
        let (files, inside) = self.environment.files.resolve(&path)?;
        files.delete(&inside).map_err(|e| io_error("delete", &path, e))
    }

    fn mark_path(&self, folder: &str, since_ms: i64) -> String {
        format!("{}/{folder}{}", self.base, self.stem.mark(since_ms))
    }

    /// Creates an empty file; one that is there already, of an earlier or a parallel attempt, is as good.
    fn create_empty(&self, path: &str) -> Result<()> {
        let (files, inside) = self.environment.files.resolve(path)?;
        match files.create(&inside).and_then(flott_api::env::WriteFile::finish) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(|e: io::Error| io_error("create", path, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::options;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<PartitionCommit>> {
        let mut all = vec![("sink.partition-commit.policy.kind", "success-file")];
        all.extend(pairs);
        let options = options(&all);
        PartitionCommit::read(&OptionReader::new(&options, "connector 'filesystem'"))
    }

    fn is_due(pairs: &[(&str, &str)], folder: &str, now_ms: i64, watermark_ms: i64) -> bool {
        let keys = ["dt".to_owned(), "hour".to_owned()];
        let moment = Moment { now_ms, watermark_ms };
        read(pairs).unwrap().unwrap().is_due(folder, &keys, 1000, moment).unwrap()
    }

    #[test]
    fn process_time_waits_for_longer_than_the_delay() {
        assert!(is_due(&[], "dt=x/hour=1/", 1000, i64::MIN));
        let delayed = [("sink.partition-commit.delay", "2 s")];
        assert!(!is_due(&delayed, "dt=x/hour=1/", 3000, i64::MAX));
        assert!(is_due(&delayed, "dt=x/hour=1/", 3001, i64::MIN));
    }

    #[test]
    fn partition_time_waits_for_the_watermark_to_pass_it() {
        let day_ms = 1_590_364_800_000; // 2020-05-25
        let trigger = ("sink.partition-commit.trigger", "partition-time");
        let delay = ("sink.partition-commit.delay", "1 h");
        assert!(!is_due(&[trigger], "dt=2020-05-25/hour=7/", i64::MAX, day_ms));
        assert!(is_due(&[trigger], "dt=2020-05-25/hour=7/", 0, day_ms + 1));
        assert!(!is_due(&[trigger, delay], "dt=2020-05-25/hour=7/", 0, day_ms + 3_600_000));
        assert!(is_due(&[trigger, delay], "dt=2020-05-25/hour=7/", 0, day_ms + 3_600_001));
        let pattern = ("partition.time-extractor.timestamp-pattern", "$dt $hour:00:00");
        assert!(!is_due(&[trigger, pattern], "dt=2020-05-25/hour=7/", 0, day_ms + 7 * 3_600_000));
        assert!(is_due(&[trigger, pattern], "dt=2020-05-25/hour=7/", 0, day_ms + 7 * 3_600_000 + 1));
        let format = ("partition.time-extractor.timestamp-formatter", "yyyyMMdd");
        assert!(is_due(&[trigger, format], "dt=20200525/hour=7/", 0, day_ms + 1));
        let zone = ("sink.partition-commit.watermark-time-zone", "Asia/Shanghai");
        assert!(!is_due(&[trigger, zone], "dt=2020-05-25/hour=7/", 0, day_ms - 8 * 3_600_000));
        assert!(is_due(&[trigger, zone], "dt=2020-05-25/hour=7/", 0, day_ms - 8 * 3_600_000 + 1));
    }

    #[test]
    fn a_partition_without_a_time_is_refused_by_name() {
        let commit = read(&[("sink.partition-commit.trigger", "partition-time")]).unwrap().unwrap();
        let error = commit.check("dt=__DEFAULT_PARTITION__/", &["dt".to_owned()]).unwrap_err();
        assert_eq!(error.message(), "partition 'dt=__DEFAULT_PARTITION__' has no time");
    }

    #[test]
    fn wrong_options_are_refused_and_no_policy_is_none() {
        let message = |key: &str, value: &str| {
            let trigger = ("sink.partition-commit.trigger", "partition-time");
            read(&[trigger, (key, value)]).unwrap_err().to_string()
        };
        assert!(message("sink.partition-commit.watermark-time-zone", "Mars").contains("watermark-time-zone"));
        assert!(message("partition.time-extractor.timestamp-formatter", "XX").contains("timestamp-formatter"));
        assert!(message("sink.partition-commit.policy.kind", "metastore").contains("metastore"));
        let none = options(&[("sink.partition-commit.delay", "1 h")]);
        let none = PartitionCommit::read(&OptionReader::new(&none, "connector 'filesystem'")).unwrap();
        assert!(none.is_none());
    }
}
