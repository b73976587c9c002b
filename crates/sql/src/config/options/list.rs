//! All keys that Flott reads, with Flink's defaults.

use super::OptionKind::{
    Boolean, Choice, Directory, DirectoryOrLatest, Duration, DurationFrom, Integer, Memory, MemoryWithin,
    NoneOrDurationFrom, Number, NumberAbove, Text, TimeZone,
};
use super::{OptionSpec, option};

/// The largest parallelism.
const PARALLELISM_MAX: i64 = 1 << 15;
/// Flink's numbers are Java's `int`.
const INT_MAX: i64 = i32::MAX as i64;
/// The least interval and timeout of checkpoints that Flink takes. Milliseconds.
const CHECKPOINT_MS_MIN: u64 = 10;
/// The most that Flink lets lie in a manifest.
const INLINE_BYTES_MAX: u64 = 1 << 20;
/// With less, hot state would be read again for every batch.
const MANAGED_BYTES_MIN: u64 = 1 << 20;

/// Flink's names of them, the short ones too.
const RESTART_STRATEGIES: &[&str] = &[
    "none",
    "off",
    "disable",
    "fixeddelay",
    "fixed-delay",
    "failurerate",
    "failure-rate",
    "exponentialdelay",
    "exponential-delay",
];

/// All keys that Flott reads, by name.
pub const OPTIONS: &[OptionSpec] = &[
    option(
        "execution.checkpointing.aligned-checkpoint-timeout",
        Some("0 ms"),
        Duration,
        "With unaligned checkpoints: how long after its begin a checkpoint is aligned before its barriers overtake rows.",
    ),
    option(
        "execution.checkpointing.checkpoints-after-tasks-finish",
        Some("true"),
        Choice(&["true"]),
        "Checkpoints go on when some sources have ended.",
    ),
    option(
        "execution.checkpointing.data-inline-threshold",
        Some("20 kb"),
        MemoryWithin(0, INLINE_BYTES_MAX),
        "State smaller than this lies in the manifest and not in a file.",
    ),
    option("execution.checkpointing.dir", None, Directory, "Where checkpoints lie, a folder for each job."),
    option(
        "execution.checkpointing.externalized-checkpoint-retention",
        None,
        Choice(&["DELETE_ON_CANCELLATION", "RETAIN_ON_CANCELLATION", "NO_EXTERNALIZED_CHECKPOINTS"]),
        "What becomes of the checkpoints when the job ends.",
    ),
    option(
        "execution.checkpointing.interval",
        None,
        NoneOrDurationFrom(CHECKPOINT_MS_MIN),
        "How often a checkpoint is taken; without it, or with 0, there are none.",
    ),
    option(
        "execution.checkpointing.max-concurrent-checkpoints",
        Some("1"),
        Integer(1, INT_MAX),
        "How many checkpoints may be under way at a time.",
    ),
    option(
        "execution.checkpointing.min-pause",
        Some("0 ms"),
        Duration,
        "The least time between the end of a checkpoint and the next one.",
    ),
    option(
        "execution.checkpointing.mode",
        Some("EXACTLY_ONCE"),
        Choice(&["EXACTLY_ONCE", "AT_LEAST_ONCE"]),
        "Whether barriers wait for each other, so that each row counts once.",
    ),
    option(
        "execution.checkpointing.num-retained",
        Some("1"),
        Integer(1, INT_MAX),
        "How many complete checkpoints are kept.",
    ),
    option("execution.checkpointing.savepoint-dir", None, Directory, "Where savepoints are put."),
    option(
        "execution.checkpointing.timeout",
        Some("10 min"),
        DurationFrom(CHECKPOINT_MS_MIN),
        "A checkpoint that takes longer is given up.",
    ),
    option(
        "execution.checkpointing.tolerable-failed-checkpoints",
        Some("0"),
        Integer(0, INT_MAX),
        "How many checkpoints may fail in a row before the job does.",
    ),
    option(
        "execution.checkpointing.unaligned.enabled",
        Some("false"),
        Boolean,
        "Whether barriers overtake rows under way, which the checkpoint then holds; not those of a savepoint.",
    ),
    option(
        "execution.runtime-mode",
        Some("STREAMING"),
        Choice(&["STREAMING", "BATCH"]),
        "How jobs run: with all changes of a result, or over bounded input with its final rows alone.",
    ),
    option(
        "execution.state-recovery.claim-mode",
        Some("NO_CLAIM"),
        Choice(&["NO_CLAIM", "CLAIM"]),
        "Whether a job owns the files of the checkpoint that it resumes from.",
    ),
    option(
        "execution.state-recovery.ignore-unclaimed-state",
        Some("false"),
        Boolean,
        "Whether state that no operator of the job asks for may be left out.",
    ),
    option(
        "execution.state-recovery.path",
        None,
        DirectoryOrLatest,
        "The checkpoint or savepoint that a job resumes from; 'latest' is the newest of each job.",
    ),
    option("io.tmp.dirs", None, Text, "Folders for temporary files, of which the first is used; else the system's."),
    option("parallelism.default", Some("1"), Integer(1, PARALLELISM_MAX), "Instances of each operator."),
    option(
        "pipeline.auto-watermark-interval",
        Some("200 ms"),
        Duration,
        "A watermark is emitted where it exceeds the last one by more than this.",
    ),
    option(
        "pipeline.max-parallelism",
        None,
        Integer(1, PARALLELISM_MAX),
        "Key groups; by default made from the parallelism.",
    ),
    option("pipeline.name", None, Text, "The job's name; by default made from its tables."),
    option(
        "pipeline.operator-chaining.enabled",
        Some("true"),
        Boolean,
        "Whether operators that forward to each other share a task.",
    ),
    option(
        "restart-strategy.exponential-delay.attempts-before-reset-backoff",
        Some("2147483647"),
        Integer(1, INT_MAX),
        "How many restarts are tried, counted anew after reset-backoff-threshold.",
    ),
    option(
        "restart-strategy.exponential-delay.backoff-multiplier",
        Some("1.5"),
        NumberAbove(1.0),
        "By what the wait grows with each restart.",
    ),
    option(
        "restart-strategy.exponential-delay.initial-backoff",
        Some("1 s"),
        DurationFrom(1),
        "The wait before the first restart.",
    ),
    option(
        "restart-strategy.exponential-delay.jitter-factor",
        Some("0.1"),
        Number(0.0, 1.0),
        "By what part of it the wait varies.",
    ),
    option(
        "restart-strategy.exponential-delay.max-backoff",
        Some("1 min"),
        DurationFrom(1),
        "The longest wait before a restart.",
    ),
    option(
        "restart-strategy.exponential-delay.reset-backoff-threshold",
        Some("1 h"),
        DurationFrom(1),
        "After so long without failure the wait begins anew.",
    ),
    option("restart-strategy.failure-rate.delay", Some("1 s"), Duration, "The wait before a restart."),
    option(
        "restart-strategy.failure-rate.failure-rate-interval",
        Some("1 min"),
        DurationFrom(1),
        "The time in which failures are counted.",
    ),
    option(
        "restart-strategy.failure-rate.max-failures-per-interval",
        Some("1"),
        Integer(1, INT_MAX),
        "How many failures in that time are followed by a restart.",
    ),
    option("restart-strategy.fixed-delay.attempts", Some("1"), Integer(0, INT_MAX), "How many restarts are tried."),
    option("restart-strategy.fixed-delay.delay", Some("1 s"), Duration, "The wait before a restart."),
    option(
        "restart-strategy.type",
        None,
        Choice(RESTART_STRATEGIES),
        "How a failed job is restarted; by default with exponential delay if there are checkpoints, else not.",
    ),
    option("s3.access-key", None, Text, "The name of the key for S3; without it AWS's environment variables count."),
    option("s3.endpoint", None, Text, "The address of the S3 service, where it is not Amazon's."),
    option(
        "s3.path.style.access",
        None,
        Boolean,
        "Whether the bucket stands in an address's path, not in its host; by default if the host has no names below it.",
    ),
    option("s3.region", None, Text, "The region of the buckets; by default that of AWS's environment, or us-east-1."),
    option("s3.secret-key", None, Text, "The secret of the key for S3."),
    option("s3.session-token", None, Text, "The token that belongs to a temporary key for S3."),
    option(
        "sql-client.execution.result-mode",
        Some("TABLEAU"),
        Choice(&["TABLE", "CHANGELOG", "TABLEAU"]),
        "How the shell shows a query's result.",
    ),
    option("sql-client.verbose", Some("false"), Boolean, "Whether errors show what lies below them."),
    option("sql.parser.max-chain", Some("1000"), Integer(10, 100_000), "How many operators may follow each other."),
    option("sql.parser.max-depth", Some("128"), Integer(10, 2_000), "How deep expressions and queries may nest."),
    option("sql.parser.max-length", Some("64 mb"), Memory, "How long a script may be."),
    option(
        "state.backend.rocksdb.localdir",
        None,
        Text,
        "Folders for copies of remote state, of which the first is used; else as 'io.tmp.dirs'.",
    ),
    option(
        "state.backend.type",
        None,
        Choice(&["hashmap", "rocksdb", "forst"]),
        "hashmap: state must fit into memory; else what is cold lies in the files of the checkpoints, of which rocksdb copies remote ones to the local disk.",
    ),
    option(
        "table.builtin-catalog-name",
        Some("default_catalog"),
        Text,
        "The name of the catalog that a session begins with.",
    ),
    option(
        "table.builtin-database-name",
        Some("default_database"),
        Text,
        "The name of the database that a session begins with.",
    ),
    option("table.catalog-store.file.path", None, Text, "The folder of the catalog store of kind 'file'."),
    option(
        "table.catalog-store.kind",
        Some("generic_in_memory"),
        Choice(&["generic_in_memory", "file"]),
        "Where definitions of catalogs are kept.",
    ),
    option("table.display.max-column-width", Some("30"), Integer(1, 1_000_000), "The widest a column is shown."),
    option("table.dml-sync", Some("false"), Boolean, "Whether an INSERT waits for its job."),
    option(
        "table.exec.deduplicate.insert-update-after-sensitive-enabled",
        Some("true"),
        Boolean,
        "Whether the first row of a deduplication comes as +I; if not, and nobody needs -U, it comes as +U.",
    ),
    option(
        "table.exec.mini-batch.allow-latency",
        Some("0 ms"),
        Duration,
        "How long rows wait to change groups together; above zero where mini-batches are enabled.",
    ),
    option(
        "table.exec.mini-batch.enabled",
        Some("false"),
        Boolean,
        "Whether the rows of a while change groups together, so that a group gives one change for all of them.",
    ),
    option(
        "table.exec.mini-batch.size",
        Some("-1"),
        Integer(i64::MIN, i64::MAX),
        "The most rows that wait to change groups together; above zero where mini-batches are enabled.",
    ),
    option(
        "table.exec.sink.keyed-shuffle",
        Some("AUTO"),
        Choice(&["AUTO", "NONE", "FORCE"]),
        "Whether rows of one primary key go to one writer of a sink.",
    ),
    option(
        "table.exec.sink.not-null-enforcer",
        Some("ERROR"),
        Choice(&["ERROR", "DROP"]),
        "What becomes of a null in a NOT NULL column of a sink.",
    ),
    option(
        "table.exec.sink.require-on-conflict",
        Some("true"),
        Boolean,
        "Whether an INSERT whose query updates by another key than the table's must say ON CONFLICT.",
    ),
    option(
        "table.exec.sink.rowtime-inserter",
        Some("ENABLED"),
        Choice(&["ENABLED", "DISABLED"]),
        "Whether a query may give a sink one rowtime column at most: the time of its rows.",
    ),
    option(
        "table.exec.sink.type-length-enforcer",
        Some("IGNORE"),
        Choice(&["IGNORE", "TRIM_PAD", "ERROR"]),
        "What becomes of text or bytes that are too long for their column of a sink.",
    ),
    option(
        "table.exec.sink.upsert-materialize",
        Some("AUTO"),
        Choice(&["AUTO", "NONE", "FORCE"]),
        "When changes are turned into those of a sink's primary key: where the query has another, never, always.",
    ),
    option(
        "table.exec.source.idle-timeout",
        Some("0 ms"),
        Duration,
        "After this long without rows a source no longer holds back watermarks; 0 means never.",
    ),
    option(
        "table.exec.state.ttl",
        Some("0 ms"),
        Duration,
        "How long state is kept after its last change; 0 is for ever.",
    ),
    option("table.local-time-zone", Some("default"), TimeZone, "The session's time zone."),
    option(
        "table.optimizer.agg-phase-strategy",
        Some("AUTO"),
        Choice(&["AUTO", "ONE_PHASE", "TWO_PHASE"]),
        "With mini-batches: whether rows are aggregated before they are sent to where their group is, too.",
    ),
    option(
        "table.optimizer.distinct-agg.split.bucket-num",
        Some("1024"),
        Integer(-INT_MAX - 1, INT_MAX),
        "Into how many parts the values under a DISTINCT are split.",
    ),
    option(
        "table.optimizer.distinct-agg.split.enabled",
        Some("false"),
        Boolean,
        "Whether aggregates with DISTINCT are computed in parts by their values first, against keys with very many.",
    ),
    option(
        "table.optimizer.multi-join.enabled",
        Some("false"),
        Boolean,
        "Whether inner and left joins by a key that all share become one, which remembers nothing between them.",
    ),
    option("table.sql-dialect", Some("default"), Choice(&["default"]), "The dialect of SQL."),
    option(
        "taskmanager.memory.managed.size",
        None,
        MemoryWithin(MANAGED_BYTES_MIN, u64::MAX),
        "The memory for hot state; by default a part of what the machine has.",
    ),
];
