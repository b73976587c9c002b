//! `'format' = 'json'`: an object a line (or message), read and written as Flink does.
//!
//! A value that does not fit its column fails the job, or is NULL with `json.ignore-parse-errors`; a line that is no
//! JSON fails too, or is skipped.
//!
//! Differences to Flink: of a key that comes twice the last value counts, and the rest of the object is still read (as
//! Flink does with `json.decode.json-parser.enabled` = `false`); an ignored array or object where a number should be
//! does not disturb the fields behind it; blank lines are skipped; a null in a nested field that is `NOT NULL` does not
//! fit.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod scan;
mod tree_number;
pub(crate) mod value;

use flott_api::options::{ConfigOption, OptionReader, OptionTable};
use flott_api::table::ChangelogMode;
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};

use crate::{Decoder, DecoderSpec, Encoder, EncoderSpec, Format, Layout, dead_letters, type_refused};

/// What becomes of a null key of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NullKey {
    /// The job fails.
    Fail,
    /// The entry is left out.
    Drop,
    /// The key is written as this text.
    Literal(String),
}

/// The options of `json` and its relatives.
#[derive(Clone, Debug)]
pub(crate) struct JsonOptions {
    pub(crate) fail_on_missing_field: bool,
    pub(crate) ignore_parse_errors: bool,
    /// The table for records that do not fit.
    pub(crate) dead_letters: Option<String>,
    /// Timestamps as ISO 8601 instead of SQL.
    pub(crate) iso_timestamps: bool,
    pub(crate) null_key: NullKey,
    pub(crate) plain_decimals: bool,
    pub(crate) ignore_null_fields: bool,
    /// Whether to do as the one of Flink's two implementations that builds a tree first: a `null` is no record at all, and
    /// what is no object is an empty map, numbers have gone through a type of Java's when they become texts, a container is
    /// FALSE, and what is no string has no bytes.
    pub(crate) builds_tree: bool,
    /// Whether that type is `BigDecimal`: where a column is a DECIMAL.
    pub(crate) exact_numbers: bool,
}

/// The options that all JSON formats have.
pub(crate) const COMMON: OptionTable = &[
    ConfigOption::choice(
        "timestamp-format.standard",
        &["SQL", "ISO-8601"],
        "How timestamps are written: `2024-01-01 12:00:00.5` or `2024-01-01T12:00:00.5`.",
    )
    .or("SQL"),
    ConfigOption::choice(
        "map-null-key.mode",
        &["FAIL", "DROP", "LITERAL"],
        "What happens to an entry of a map whose key is null when it is written.",
    )
    .or("FAIL"),
    ConfigOption::text("map-null-key.literal", "What is written for such a key with `LITERAL`.").or("null"),
    ConfigOption::flag("encode.decimal-as-plain-number", "Whether decimals are written without an exponent.")
        .or("false"),
    ConfigOption::flag("encode.ignore-null-fields", "Whether fields that are null are not written.").or("false"),
];
/// Those of `json` alone.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::flag("fail-on-missing-field", "Whether a record without a field does not fit; else it is null.").or("false"),
    ConfigOption::flag("decode.json-parser.enabled", "Which of Flink's two implementations it does as, where they differ: `false` is the one that builds a tree first.").or("true"),
];

/// Reads the options that all JSON formats have.
pub(crate) fn common_options(options: &OptionReader<'_>, prefix: &str) -> Result<JsonOptions> {
    let key = |name: &str| format!("{prefix}{name}");
    let literal = options.text(&key("map-null-key.literal")).unwrap_or("null").to_owned();
    let modes = [("FAIL", 0), ("DROP", 1), ("LITERAL", 2)];
    let ignore_parse_errors = options.value_or(&key("ignore-parse-errors"), false)?;
    Ok(JsonOptions {
        fail_on_missing_field: false,
        ignore_parse_errors,
        dead_letters: dead_letters::table(options, prefix, ignore_parse_errors)?,
        iso_timestamps: options.choice(
            &key("timestamp-format.standard"),
            &[("SQL", false), ("ISO-8601", true)],
            false,
        )?,
        null_key: match options.choice(&key("map-null-key.mode"), &modes, 0)? {
            0 => NullKey::Fail,
            1 => NullKey::Drop,
            _ => NullKey::Literal(literal),
        },
        plain_decimals: options.value_or(&key("encode.decimal-as-plain-number"), false)?,
        ignore_null_fields: options.value_or(&key("encode.ignore-null-fields"), false)?,
        builds_tree: false,
        exact_numbers: false,
    })
}

struct Json(JsonOptions);

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let mut json = common_options(options, prefix)?;
    json.fail_on_missing_field = options.value_or(&format!("{prefix}fail-on-missing-field"), false)?;
    json.builds_tree = !options.value_or(&format!("{prefix}decode.json-parser.enabled"), true)?;
    if json.fail_on_missing_field && json.ignore_parse_errors {
        let message = format!("options '{prefix}fail-on-missing-field' and '{prefix}ignore-parse-errors' contradict");
        return Err(Error::invalid(message).with_hint("Only one of them may be 'true'."));
    }
    Ok(Box::new(Json(json)))
}

impl Format for Json {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        check_types("json", schema)
    }

    fn dead_letter_table(&self) -> Option<&str> {
        self.0.dead_letters.as_deref()
    }
    fn layout(&self) -> Layout<'_> {
        Layout::Records { splittable: true }
    }

    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        self.check(&spec.schema)?;
        Ok(Box::new(decode::JsonDecoder::new(self.0.clone(), spec)))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        Ok(Box::new(encode::JsonEncoder::new(self.0.clone(), spec)))
    }
}

/// Checks that JSON can hold these columns.
pub(crate) fn check_types(format: &str, schema: &Schema) -> Result<()> {
    let bad = schema.fields.iter().find(|f| !holds(&f.ty));
    bad.map_or(Ok(()), |f| Err(type_refused(format, &f.name, &f.ty)))
}

/// Whether there is a DECIMAL in a type.
pub(crate) fn has_decimal(ty: &LogicalType) -> bool {
    match &ty.kind {
        TypeKind::Decimal { .. } => true,
        TypeKind::Array(element) | TypeKind::Multiset(element) => has_decimal(element),
        TypeKind::Map(key, value) => has_decimal(key) || has_decimal(value),
        TypeKind::Row(fields) => fields.iter().any(|f| has_decimal(&f.ty)),
        _ => false,
    }
}

/// The keys of a JSON object are strings.
fn holds(ty: &LogicalType) -> bool {
    match &ty.kind {
        TypeKind::Array(element) => holds(element),
        TypeKind::Map(key, value) => key.kind.is_character() && holds(value),
        TypeKind::Multiset(element) => element.kind.is_character(),
        TypeKind::Row(fields) => fields.iter().all(|f| holds(&f.ty)),
        TypeKind::Null => true,
        kind => {
            kind.is_numeric()
                || kind.is_character()
                || kind.is_binary()
                || kind.is_timestamp()
                || matches!(kind, TypeKind::Boolean | TypeKind::Date | TypeKind::Time(_))
        }
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
