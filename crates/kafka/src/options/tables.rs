//! What options there are, for users.

use flott_api::options::{ConfigOption, OptionTable, SCAN_PARALLELISM, SINK_PARALLELISM};
use flott_api::table::ConnectorDescription;

/// `kafka`
pub(super) static KAFKA: ConnectorDescription = ConnectorDescription {
    identifier: "kafka",
    about: "topics of Apache Kafka",
    source: true,
    sink: true,
    format: true,
    options: &[TOPICS, FORMATS, READING, BOUNDED, PARTITIONER, WRITING],
};

/// `upsert-kafka`
pub(super) static UPSERT_KAFKA: ConnectorDescription = ConnectorDescription {
    identifier: "upsert-kafka",
    about: "topics of Apache Kafka whose last record of a key is its row",
    source: true,
    sink: true,
    format: true,
    options: &[TOPICS, KEYED_FORMATS, BOUNDED, BUFFER, WRITING],
};

const TOPICS: OptionTable = &[
    ConfigOption::text(
        "topic",
        "Topics, with `;` between them. It or the next one is needed; to write, one topic is, or the metadata column `topic`.",
    ),
    ConfigOption::text("topic-pattern", "A regular expression for whole names of topics."),
    ConfigOption::text("properties.bootstrap.servers", "`host:port,..`").needed(),
    ConfigOption::keys("properties.*", "Settings of Kafka's client: see below."),
];

const FORMATS: OptionTable = &[
    ConfigOption::text("format", "The format of values. It or the next one is needed."),
    ConfigOption::text("value.format", "The same; its options begin with `value.` then."),
    ConfigOption::text(
        "key.format",
        "The format of keys; its options begin with `key.`. Without it records have none.",
    ),
    ConfigOption::text("key.fields", "The columns of keys, with `;` between them."),
    KEY_PREFIX,
    VALUE_FIELDS,
];

const KEYED_FORMATS: OptionTable = &[
    ConfigOption::text("key.format", "The format of keys; its options begin with `key.`.").needed(),
    ConfigOption::text("value.format", "The format of values; its options begin with `value.`.").needed(),
    KEY_PREFIX,
    VALUE_FIELDS,
];

const KEY_PREFIX: ConfigOption =
    ConfigOption::text("key.fields-prefix", "What the names of the key's columns begin with in the table only.");
const VALUE_FIELDS: ConfigOption = ConfigOption::choice(
    "value.fields-include",
    &["ALL", "EXCEPT_KEY"],
    "Whether the columns of the key lie in the value, too.",
)
.or("ALL");

const READING: OptionTable = &[
    ConfigOption::choice(
        "scan.startup.mode",
        &["group-offsets", "earliest-offset", "latest-offset", "timestamp", "specific-offsets"],
        "Where reading begins, unless a checkpoint says it.",
    )
    .or("group-offsets"),
    ConfigOption::number("scan.startup.timestamp-millis", "Milliseconds since the epoch, with `timestamp`."),
    ConfigOption::text(
        "scan.startup.specific-offsets",
        "`partition:0,offset:42;..`, with `specific-offsets`; other partitions are read from their begin.",
    ),
    ConfigOption::duration(
        "scan.topic-partition-discovery.interval",
        "How often new partitions are looked for; `0` or less turns it off.",
    )
    .or("5 min"),
];

const BOUNDED: OptionTable = &[
    ConfigOption::choice(
        "scan.bounded.mode",
        &["unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets"],
        "Where reading ends.",
    )
    .or("unbounded"),
    ConfigOption::number("scan.bounded.timestamp-millis", "The same for the end."),
    ConfigOption::text("scan.bounded.specific-offsets", "The same for the end."),
    SCAN_PARALLELISM,
];

const PARTITIONER: OptionTable = &[ConfigOption::choice(
    "sink.partitioner",
    &["default", "fixed", "round-robin"],
    "Which partition a record goes to: by its key, or to one after the other without one; one of each subtask; one after the other.",
)
.or("default")];

const BUFFER: OptionTable = &[
    ConfigOption::number(
        "sink.buffer-flush.max-rows",
        "So many keys are held back, each with its last row; it needs the next one, too.",
    )
    .or("0"),
    ConfigOption::duration("sink.buffer-flush.interval", "So long at most.").or("0 s"),
];

const WRITING: OptionTable = &[
    ConfigOption::choice("sink.delivery-guarantee", &["at-least-once", "exactly-once", "none"], "See below.")
        .or("at-least-once"),
    ConfigOption::text(
        "sink.transactional-id-prefix",
        "Needed for `exactly-once`; another one for each job and table.",
    ),
    ConfigOption::choice(
        "sink.transaction-naming-strategy",
        &["incrementing", "pooling"],
        "Flink's; both do the same here.",
    )
    .or("incrementing"),
    ConfigOption::choice(
        "sink.lost-transactions",
        &["fail", "log"],
        "Ours: what happens if Kafka has aborted a transaction of a complete checkpoint, see below.",
    )
    .or("fail"),
    SINK_PARALLELISM,
];
