//! What a job's configuration says about checkpoints, its state backend and restarts: Flink's keys,
//! defaults and older names.
//!
//! A combination that Flink corrects with a warning is refused here, and so is what it has and we have not.

use std::collections::BTreeMap;

use flott_api::options::{FromOption, MemorySize, Millis, OptionReader, Options};
use flott_api::{Error, Result};

use crate::job::JobStatus;

/// Flink's `MINIMAL_CHECKPOINT_TIME`, for interval and timeout.
const TIME_MIN_MS: u64 = 10;
/// Flink's limit of the state that may lie in a manifest.
const INLINE_BYTES_LIMIT: u64 = 1 << 20;

// Each key with its older names behind it; the first one that is set counts.
const INTERVAL: &[&str] = &["execution.checkpointing.interval"];
const BACKLOG_INTERVAL: &str = "execution.checkpointing.interval-during-backlog";
const MODE: &[&str] = &["execution.checkpointing.mode"];
const TIMEOUT: &[&str] = &["execution.checkpointing.timeout"];
const MIN_PAUSE: &[&str] = &["execution.checkpointing.min-pause"];
const CONCURRENT: &[&str] = &["execution.checkpointing.max-concurrent-checkpoints"];
const TOLERABLE: &[&str] = &["execution.checkpointing.tolerable-failed-checkpoints"];
const RETAINED: &[&str] = &["execution.checkpointing.num-retained", "state.checkpoints.num-retained"];
const RETENTION: &[&str] = &["execution.checkpointing.externalized-checkpoint-retention"];
const UNALIGNED: &[&str] = &["execution.checkpointing.unaligned.enabled", "execution.checkpointing.unaligned"];
const ALIGNED_TIMEOUT: &[&str] =
    &["execution.checkpointing.aligned-checkpoint-timeout", "execution.checkpointing.alignment-timeout"];
const STORAGE: &[&str] = &["execution.checkpointing.storage", "state.checkpoint-storage"];
const DIRECTORY: &[&str] = &["execution.checkpointing.dir", "state.checkpoints.dir", "state.backend.fs.checkpointdir"];
const SAVEPOINT_DIRECTORY: &[&str] =
    &["execution.checkpointing.savepoint-dir", "state.savepoints.dir", "savepoints.state.backend.fs.dir"];
const SUBDIRECTORY: &[&str] = &["execution.checkpointing.create-subdir", "state.checkpoints.create-subdir"];
const AFTER_FINISH: &[&str] = &[
    "execution.checkpointing.checkpoints-after-tasks-finish",
    "execution.checkpointing.checkpoints-after-tasks-finish.enabled",
];
const INLINE: &[&str] = &[
    "execution.checkpointing.data-inline-threshold",
    "state.storage.fs.memory-threshold",
    "state.backend.fs.memory-threshold",
];
const BACKEND: &[&str] = &["state.backend.type", "state.backend"];

const STRATEGY: &[&str] = &["restart-strategy.type", "restart-strategy"];
const FIXED_ATTEMPTS: &str = "restart-strategy.fixed-delay.attempts";
const FIXED_DELAY: &str = "restart-strategy.fixed-delay.delay";
const RATE_FAILURES: &str = "restart-strategy.failure-rate.max-failures-per-interval";
const RATE_INTERVAL: &str = "restart-strategy.failure-rate.failure-rate-interval";
const RATE_DELAY: &str = "restart-strategy.failure-rate.delay";
const BACKOFF_INITIAL: &str = "restart-strategy.exponential-delay.initial-backoff";
const BACKOFF_MAX: &str = "restart-strategy.exponential-delay.max-backoff";
const BACKOFF_MULTIPLIER: &str = "restart-strategy.exponential-delay.backoff-multiplier";
const BACKOFF_RESET: &str = "restart-strategy.exponential-delay.reset-backoff-threshold";
const BACKOFF_JITTER: &str = "restart-strategy.exponential-delay.jitter-factor";
const BACKOFF_ATTEMPTS: &str = "restart-strategy.exponential-delay.attempts-before-reset-backoff";

/// What a checkpoint promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckpointMode {
    /// Each row counts once.
    ExactlyOnce,
    /// Each row counts at least once. We align for it too, so it is as good as the other.
    AtLeastOnce,
}

/// What becomes of the retained checkpoints when a job has ended without finishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retention {
    /// They are deleted, whether it has failed or was cancelled.
    Never,
    /// They are deleted if it was cancelled, and kept if it has failed.
    OnFailure,
    /// They are kept.
    Always,
}

impl Retention {
    /// Whether they are deleted behind such an end.
    pub(crate) fn drops(self, end: JobStatus) -> bool {
        match self {
            Retention::Never => matches!(end, JobStatus::Cancelled | JobStatus::Failed),
            Retention::OnFailure => end == JobStatus::Cancelled,
            Retention::Always => false,
        }
    }
}

/// Where state lies while a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateBackend {
    /// In memory.
    Hashmap,
    /// Remote, with all live files on the local disk.
    Rocksdb,
    /// Remote, with cached blocks on the local disk.
    Forst,
}

/// How a job's checkpoints are made and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointSettings {
    /// From one periodic checkpoint's begin to the next one's; nothing if there are none.
    pub(crate) interval_ms: Option<u64>,
    pub(crate) mode: CheckpointMode,
    /// How long a checkpoint may wait for its subtasks.
    pub(crate) timeout_ms: u64,
    /// From one checkpoint's completion to the next periodic one's begin.
    pub(crate) pause_min_ms: u64,
    /// How many checkpoints may be in the making, savepoints aside.
    pub(crate) concurrent_max: u32,
    /// How many may fail in a row before the job does.
    pub(crate) failures_tolerable: u32,
    /// How many complete checkpoints are kept.
    pub(crate) retained_max: u32,
    /// Nothing if it is not set: then they are kept too, where Flink deletes them.
    pub(crate) retention: Option<Retention>,
    /// How long a barrier is aligned before it overtakes; nothing if it never does.
    pub(crate) unaligned_after_ms: Option<u64>,
    /// Where checkpoints lie.
    pub(crate) directory: Option<String>,
    /// Where savepoints lie whose request names no place.
    pub(crate) savepoint_directory: Option<String>,
    /// Whether there are checkpoints after some subtasks have finished. The last one of a job that ends is made anyway.
    pub(crate) after_tasks_finish: bool,
    /// State up to this size lies in the manifest.
    pub(crate) inline_bytes_max: u64,
    /// Nothing if it is not set; Flink's default is `hashmap`.
    pub(crate) backend: Option<StateBackend>,
}

impl CheckpointSettings {
    /// Reads them from a job's configuration.
    ///
    /// # Errors
    /// If a value is not of its type, out of its range, or contradicts another one.
    pub(crate) fn read(configuration: &BTreeMap<String, String>) -> Result<Self> {
        let options = Options(configuration.clone());
        let reader = Reader(OptionReader::new(&options, "the configuration"));
        let concurrent_max = reader.positive(CONCURRENT, 1)?;
        let mode = reader.mode()?;
        let directory = reader.value(DIRECTORY)?;
        reader.check_supported(directory.is_some())?;
        Ok(CheckpointSettings {
            interval_ms: reader.interval()?,
            mode,
            timeout_ms: reader.timeout()?,
            pause_min_ms: reader.millis(MIN_PAUSE, 0)?,
            concurrent_max,
            failures_tolerable: reader.value_or(TOLERABLE, 0)?,
            retained_max: reader.positive(RETAINED, 1)?,
            retention: reader.retention()?,
            unaligned_after_ms: reader.unaligned(mode, concurrent_max)?,
            directory,
            savepoint_directory: reader.value(SAVEPOINT_DIRECTORY)?,
            after_tasks_finish: reader.value_or(AFTER_FINISH, true)?,
            inline_bytes_max: reader.inline_bytes_max()?,
            backend: reader.backend()?,
        })
    }

    /// Whether a job that ends makes a last checkpoint, from which its sinks are committed.
    pub(crate) fn has_final(&self) -> bool {
        self.interval_ms.is_some() || self.directory.is_some()
    }
}

/// When a failed job is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RestartSettings {
    /// Never.
    None,
    /// So many times over the job's whole life.
    FixedDelay { attempts: u32, delay_ms: u64 },
    /// As long as there are no more failures within an interval.
    FailureRate { failures_max: u32, interval_ms: u64, delay_ms: u64 },
    /// After pauses that grow.
    ExponentialDelay(Backoff),
}

/// How pauses grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) initial_ms: u64,
    pub(crate) max_ms: u64,
    /// Above 1.
    pub(crate) multiplier: f64,
    /// A job that has run for so long begins with the initial pause again.
    pub(crate) reset_ms: u64,
    /// The part of a pause by which chance makes it longer or shorter; from 0 to 1.
    pub(crate) jitter: f64,
    /// How often it is tried again before it has run for that long.
    pub(crate) attempts_max: u32,
}

impl RestartSettings {
    /// Reads them from a job's configuration. `checkpointing` says whether there are periodic checkpoints: without
    /// them, and if nothing else is said, a job is not restarted, for it would begin from nothing.
    ///
    /// # Errors
    /// If a value is not of its type or out of its range.
    pub(crate) fn read(configuration: &BTreeMap<String, String>, checkpointing: bool) -> Result<Self> {
        let options = Options(configuration.clone());
        let reader = Reader(OptionReader::new(&options, "the configuration"));
        match reader.strategy(checkpointing)? {
            Strategy::None => Ok(RestartSettings::None),
            Strategy::Fixed => reader.fixed_delay(),
            Strategy::Rate => reader.failure_rate(),
            Strategy::Exponential => reader.backoff().map(RestartSettings::ExponentialDelay),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Strategy {
    None,
    Fixed,
    Rate,
    Exponential,
}

/// Reads keys with older names.
struct Reader<'a>(OptionReader<'a>);

impl Reader<'_> {
    /// The name under which a key is set, or its own.
    fn name<'k>(&self, keys: &[&'k str]) -> &'k str {
        keys.iter().find(|key| self.0.text(key).is_some()).unwrap_or(&keys[0])
    }

    fn value<T: FromOption>(&self, keys: &[&str]) -> Result<Option<T>> {
        self.0.value(self.name(keys))
    }

    fn value_or<T: FromOption>(&self, keys: &[&str], default: T) -> Result<T> {
        self.0.value_or(self.name(keys), default)
    }

    fn choice<T: Copy + PartialEq>(&self, keys: &[&str], choices: &[(&str, T)], default: T) -> Result<T> {
        self.0.choice(self.name(keys), choices, default)
    }

    fn millis(&self, keys: &[&str], default: u64) -> Result<u64> {
        self.value_or(keys, Millis(default)).map(|Millis(ms)| ms)
    }

    fn positive(&self, keys: &[&str], default: u32) -> Result<u32> {
        let value = self.value_or(keys, default)?;
        require(value > 0, self.name(keys), "must be at least 1")?;
        Ok(value)
    }

    fn positive_millis(&self, key: &str, default: u64) -> Result<u64> {
        let value = self.millis(&[key], default)?;
        require(value > 0, key, "must be at least 1 ms")?;
        Ok(value)
    }

    fn mode(&self) -> Result<CheckpointMode> {
        use CheckpointMode::{AtLeastOnce, ExactlyOnce};
        self.choice(MODE, &[("EXACTLY_ONCE", ExactlyOnce), ("AT_LEAST_ONCE", AtLeastOnce)], ExactlyOnce)
    }

    /// As in Flink, 0 is the same as unset.
    fn interval(&self) -> Result<Option<u64>> {
        let interval = self.millis(INTERVAL, 0)?;
        require(interval == 0 || interval >= TIME_MIN_MS, INTERVAL[0], "must be at least 10 ms")?;
        Ok(Some(interval).filter(|ms| *ms > 0))
    }

    fn timeout(&self) -> Result<u64> {
        let timeout = self.millis(TIMEOUT, 600_000)?;
        require(timeout >= TIME_MIN_MS, TIMEOUT[0], "must be at least 10 ms")?;
        Ok(timeout)
    }

    fn retention(&self) -> Result<Option<Retention>> {
        let choices = [
            ("NO_EXTERNALIZED_CHECKPOINTS", Some(Retention::Never)),
            ("DELETE_ON_CANCELLATION", Some(Retention::OnFailure)),
            ("RETAIN_ON_CANCELLATION", Some(Retention::Always)),
        ];
        self.choice(RETENTION, &choices, None)
    }

    fn unaligned(&self, mode: CheckpointMode, concurrent_max: u32) -> Result<Option<u64>> {
        let after_ms = self.millis(ALIGNED_TIMEOUT, 0)?;
        if !self.value_or(UNALIGNED, false)? {
            return Ok(None);
        }
        let key = self.name(UNALIGNED);
        require(mode == CheckpointMode::ExactlyOnce, key, "needs 'execution.checkpointing.mode' = 'EXACTLY_ONCE'")?;
        require(concurrent_max == 1, key, "needs 'execution.checkpointing.max-concurrent-checkpoints' = '1'")?;
        Ok(Some(after_ms))
    }

    fn inline_bytes_max(&self) -> Result<u64> {
        let MemorySize(bytes) = self.value_or(INLINE, MemorySize(20 << 10))?;
        require(bytes <= INLINE_BYTES_LIMIT, self.name(INLINE), "must be at most 1 mb")?;
        Ok(bytes)
    }

    fn backend(&self) -> Result<Option<StateBackend>> {
        let choices = [
            ("hashmap", Some(StateBackend::Hashmap)),
            ("rocksdb", Some(StateBackend::Rocksdb)),
            ("forst", Some(StateBackend::Forst)),
        ];
        self.choice(BACKEND, &choices, None)
    }

    /// Refuses what would change where checkpoints lie or when they are made, and is not built.
    fn check_supported(&self, has_directory: bool) -> Result<()> {
        if self.0.text(BACKLOG_INTERVAL).is_some() {
            return Err(Error::unsupported(format!("option '{BACKLOG_INTERVAL}'")));
        }
        if !self.value_or(SUBDIRECTORY, true)? {
            return Err(Error::unsupported(format!("option '{}' = 'false'", self.name(SUBDIRECTORY))));
        }
        let key = self.name(STORAGE);
        match self.choice(STORAGE, &[("filesystem", Some(true)), ("jobmanager", Some(false))], None)? {
            Some(true) => require(has_directory, key, "is 'filesystem' and needs option 'execution.checkpointing.dir'"),
            Some(false) => Err(Error::unsupported(format!("option '{key}' = 'jobmanager'"))
                .with_hint("Checkpoints lie in 'execution.checkpointing.dir', which may be 'memory://name'.")),
            None => Ok(()),
        }
    }

    fn strategy(&self, checkpointing: bool) -> Result<Strategy> {
        use Strategy::{Exponential, Fixed, None, Rate};
        let choices = [
            ("none", None),
            ("off", None),
            ("disable", None),
            ("fixed-delay", Fixed),
            ("fixeddelay", Fixed),
            ("failure-rate", Rate),
            ("failurerate", Rate),
            ("exponential-delay", Exponential),
            ("exponentialdelay", Exponential),
        ];
        self.choice(STRATEGY, &choices, if checkpointing { Exponential } else { None })
    }

    fn fixed_delay(&self) -> Result<RestartSettings> {
        let attempts = self.value_or(&[FIXED_ATTEMPTS], 1)?;
        Ok(RestartSettings::FixedDelay { attempts, delay_ms: self.millis(&[FIXED_DELAY], 1000)? })
    }

    fn failure_rate(&self) -> Result<RestartSettings> {
        let failures_max = self.positive(&[RATE_FAILURES], 1)?;
        let interval_ms = self.positive_millis(RATE_INTERVAL, 60_000)?;
        Ok(RestartSettings::FailureRate { failures_max, interval_ms, delay_ms: self.millis(&[RATE_DELAY], 1000)? })
    }

    fn backoff(&self) -> Result<Backoff> {
        let backoff = Backoff {
            initial_ms: self.positive_millis(BACKOFF_INITIAL, 1000)?,
            max_ms: self.positive_millis(BACKOFF_MAX, 60_000)?,
            multiplier: self.value_or(&[BACKOFF_MULTIPLIER], 1.5)?,
            reset_ms: self.positive_millis(BACKOFF_RESET, 3_600_000)?,
            jitter: self.value_or(&[BACKOFF_JITTER], 0.1)?,
            attempts_max: self.positive(&[BACKOFF_ATTEMPTS], i32::MAX.unsigned_abs())?,
        };
        require(backoff.initial_ms <= backoff.max_ms, BACKOFF_INITIAL, "must not be above the maximum backoff")?;
        let grows = backoff.multiplier > 1.0 && backoff.multiplier.is_finite();
        require(grows, BACKOFF_MULTIPLIER, "must be greater than 1")?;
        require((0.0..=1.0).contains(&backoff.jitter), BACKOFF_JITTER, "must be from 0 to 1")?;
        Ok(backoff)
    }
}

fn require(holds: bool, key: &str, must: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::invalid(format!("option '{key}' {must}"))) }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    fn checkpoints(pairs: &[(&str, &str)]) -> Result<CheckpointSettings> {
        CheckpointSettings::read(&map(pairs))
    }

    fn restarts(pairs: &[(&str, &str)]) -> Result<RestartSettings> {
        RestartSettings::read(&map(pairs), true)
    }

    #[test]
    fn the_defaults_are_flinks() {
        expect![[r#"
            CheckpointSettings {
                interval_ms: None,
                mode: ExactlyOnce,
                timeout_ms: 600000,
                pause_min_ms: 0,
                concurrent_max: 1,
                failures_tolerable: 0,
                retained_max: 1,
                retention: None,
                unaligned_after_ms: None,
                directory: None,
                savepoint_directory: None,
                after_tasks_finish: true,
                inline_bytes_max: 20480,
                backend: None,
            }
        "#]]
        .assert_debug_eq(&checkpoints(&[]).unwrap());
        assert!(!checkpoints(&[]).unwrap().has_final());
        expect![[r#"
            ExponentialDelay(
                Backoff {
                    initial_ms: 1000,
                    max_ms: 60000,
                    multiplier: 1.5,
                    reset_ms: 3600000,
                    jitter: 0.1,
                    attempts_max: 2147483647,
                },
            )
        "#]]
        .assert_debug_eq(&restarts(&[]).unwrap());
        assert_eq!(RestartSettings::read(&map(&[]), false).unwrap(), RestartSettings::None);
    }

    #[test]
    fn every_key_is_read_with_its_type() {
        let set = checkpoints(&[
            (INTERVAL[0], "10 s"),
            (MODE[0], "at_least_once"),
            (TIMEOUT[0], "1 min"),
            (MIN_PAUSE[0], "500 ms"),
            (CONCURRENT[0], "3"),
            (TOLERABLE[0], "2"),
            (RETAINED[0], "5"),
            (RETENTION[0], "RETAIN_ON_CANCELLATION"),
            (STORAGE[0], "filesystem"),
            (DIRECTORY[0], "file:///checkpoints"),
            (SAVEPOINT_DIRECTORY[0], "file:///savepoints"),
            (AFTER_FINISH[0], "false"),
            (INLINE[0], "1 mb"),
            (BACKEND[0], "forst"),
        ]);
        expect![[r#"
            CheckpointSettings {
                interval_ms: Some(
                    10000,
                ),
                mode: AtLeastOnce,
                timeout_ms: 60000,
                pause_min_ms: 500,
                concurrent_max: 3,
                failures_tolerable: 2,
                retained_max: 5,
                retention: Some(
                    Always,
                ),
                unaligned_after_ms: None,
                directory: Some(
                    "file:///checkpoints",
                ),
                savepoint_directory: Some(
                    "file:///savepoints",
                ),
                after_tasks_finish: false,
                inline_bytes_max: 1048576,
                backend: Some(
                    Forst,
                ),
            }
        "#]]
        .assert_debug_eq(&set.unwrap());
    }

    #[test]
    fn an_older_name_counts_unless_the_newer_one_is_set() {
        assert_eq!(checkpoints(&[("state.checkpoints.dir", "a")]).unwrap().directory.as_deref(), Some("a"));
        let both = checkpoints(&[("state.checkpoints.dir", "a"), (DIRECTORY[0], "b")]).unwrap();
        assert_eq!(both.directory.as_deref(), Some("b"));
        assert!(both.has_final());
        let unaligned = checkpoints(&[("execution.checkpointing.unaligned", "true"), (ALIGNED_TIMEOUT[1], "3 s")]);
        assert_eq!(unaligned.unwrap().unaligned_after_ms, Some(3000));
        assert_eq!(checkpoints(&[("state.backend", "rocksdb")]).unwrap().backend, Some(StateBackend::Rocksdb));
        assert_eq!(restarts(&[("restart-strategy", "off")]).unwrap(), RestartSettings::None);
        assert_eq!(checkpoints(&[(INTERVAL[0], "0")]).unwrap().interval_ms, None);
    }

    #[test]
    fn what_contradicts_or_is_out_of_range_is_refused() {
        let refused: Vec<String> = [
            checkpoints(&[(INTERVAL[0], "9 ms")]),
            checkpoints(&[(TIMEOUT[0], "9 ms")]),
            checkpoints(&[(CONCURRENT[0], "0")]),
            checkpoints(&[(TOLERABLE[0], "-1")]),
            checkpoints(&[(RETAINED[1], "0")]),
            checkpoints(&[(INLINE[0], "2 mb")]),
            checkpoints(&[(UNALIGNED[0], "true"), (CONCURRENT[0], "2")]),
            checkpoints(&[(UNALIGNED[0], "true"), (MODE[0], "AT_LEAST_ONCE")]),
            checkpoints(&[(BACKLOG_INTERVAL, "1 min")]),
            checkpoints(&[(SUBDIRECTORY[0], "false")]),
            checkpoints(&[(STORAGE[0], "jobmanager")]),
            checkpoints(&[(STORAGE[0], "filesystem")]),
            checkpoints(&[(BACKEND[0], "heap")]),
        ]
        .into_iter()
        .map(|r| r.unwrap_err().message().to_owned())
        .collect();
        expect![[r#"
            option 'execution.checkpointing.interval' must be at least 10 ms
            option 'execution.checkpointing.timeout' must be at least 10 ms
            option 'execution.checkpointing.max-concurrent-checkpoints' must be at least 1
            option 'execution.checkpointing.tolerable-failed-checkpoints' has the value '-1', which is no whole number
            option 'state.checkpoints.num-retained' must be at least 1
            option 'execution.checkpointing.data-inline-threshold' must be at most 1 mb
            option 'execution.checkpointing.unaligned.enabled' needs 'execution.checkpointing.max-concurrent-checkpoints' = '1'
            option 'execution.checkpointing.unaligned.enabled' needs 'execution.checkpointing.mode' = 'EXACTLY_ONCE'
            option 'execution.checkpointing.interval-during-backlog' is not supported yet
            option 'execution.checkpointing.create-subdir' = 'false' is not supported yet
            option 'execution.checkpointing.storage' = 'jobmanager' is not supported yet
            option 'execution.checkpointing.storage' is 'filesystem' and needs option 'execution.checkpointing.dir'
            option 'state.backend.type' has the value 'heap'"#]].assert_eq(&refused.join("\n"));
    }

    #[test]
    fn every_restart_strategy_is_read() {
        let fixed = restarts(&[(STRATEGY[0], "fixed-delay"), (FIXED_ATTEMPTS, "3"), (FIXED_DELAY, "10 s")]).unwrap();
        assert_eq!(fixed, RestartSettings::FixedDelay { attempts: 3, delay_ms: 10_000 });
        let rate = [(STRATEGY[0], "FailureRate"), (RATE_FAILURES, "2"), (RATE_INTERVAL, "5 min"), (RATE_DELAY, "2 s")];
        let expected = RestartSettings::FailureRate { failures_max: 2, interval_ms: 300_000, delay_ms: 2000 };
        assert_eq!(restarts(&rate).unwrap(), expected);
        let refused: Vec<String> = [
            restarts(&[(STRATEGY[0], "sometimes")]),
            restarts(&[(STRATEGY[0], "failure-rate"), (RATE_FAILURES, "0")]),
            restarts(&[(BACKOFF_INITIAL, "2 min")]),
            restarts(&[(BACKOFF_MULTIPLIER, "1")]),
            restarts(&[(BACKOFF_MULTIPLIER, "NaN")]),
            restarts(&[(BACKOFF_JITTER, "1.5")]),
            restarts(&[(BACKOFF_ATTEMPTS, "0")]),
        ]
        .into_iter()
        .map(|r| r.unwrap_err().message().to_owned())
        .collect();
        expect![[r#"
            option 'restart-strategy.type' has the value 'sometimes'
            option 'restart-strategy.failure-rate.max-failures-per-interval' must be at least 1
            option 'restart-strategy.exponential-delay.initial-backoff' must not be above the maximum backoff
            option 'restart-strategy.exponential-delay.backoff-multiplier' must be greater than 1
            option 'restart-strategy.exponential-delay.backoff-multiplier' must be greater than 1
            option 'restart-strategy.exponential-delay.jitter-factor' must be from 0 to 1
            option 'restart-strategy.exponential-delay.attempts-before-reset-backoff' must be at least 1"#]]
        .assert_eq(&refused.join("\n"));
    }
}
