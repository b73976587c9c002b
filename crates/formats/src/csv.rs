//! `'format' = 'csv'`: a record a line, fields parted by a delimiter, read and written as Flink (Jackson) does.
//!
//! A field that does not fit fails the job, or is NULL with `csv.ignore-parse-errors`; a line that cannot be split
//! into the table's columns fails too, or is skipped. An empty field is an empty string, and no number:
//! `'csv.null-literal' = ''` makes it NULL.
//!
//! Differences to Flink: delimiter, quote and escape must be ASCII, digits of other scripts are no numbers, and with
//! `csv.ignore-parse-errors` a field that is no UTF-8 is NULL (Flink fails).

mod decode;
mod encode;
mod tokens;
mod value;

use flott_api::options::{ConfigOption, OptionReader, OptionTable};
use flott_api::table::ChangelogMode;
use flott_api::{Error, LogicalType, Result, Schema, TypeKind};

use crate::{Decoder, DecoderSpec, Encoder, EncoderSpec, Format, Layout, dead_letters, type_refused};

/// The options of `csv`.
#[derive(Clone, Debug)]
pub(crate) struct CsvOptions {
    field_delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    null_literal: Option<Vec<u8>>,
    array_delimiter: Vec<u8>,
    allow_comments: bool,
    ignore_parse_errors: bool,
    /// The table for records that do not fit.
    dead_letters: Option<String>,
    scientific_decimals: bool,
    trim_spaces: bool,
    ignore_trailing: bool,
    allow_trailing_comma: bool,
    fail_on_missing_columns: bool,
    empty_as_null: bool,
}

struct Csv(CsvOptions);

/// Its options.
pub(crate) const OPTIONS: OptionTable = &[
    ConfigOption::text("field-delimiter", "One character; `\\t` is a tabulator.").or(","),
    ConfigOption::text("quote-character", "What stands around a value that has a delimiter in it.").or("\""),
    ConfigOption::flag("disable-quote-character", "Whether nothing does.").or("false"),
    ConfigOption::text("escape-character", "What takes the meaning of the character behind it away."),
    ConfigOption::text("null-literal", "What stands for null."),
    ConfigOption::text("array-element-delimiter", "What stands between the elements of arrays and rows.").or(";"),
    ConfigOption::flag("allow-comments", "Whether lines that begin with `#` are left out.").or("false"),
    ConfigOption::flag(
        "write-bigdecimal-in-scientific-notation",
        "Whether decimals are written with an exponent: `1E+5`.",
    )
    .or("true"),
    ConfigOption::flag("trim-spaces", "Whether blanks around values are left out.").or("false"),
    ConfigOption::flag("ignore-trailing-unmappable", "Whether further values of a line are left out.").or("false"),
    ConfigOption::flag("allow-trailing-comma", "Whether a delimiter may end a line.").or("true"),
    ConfigOption::flag(
        "fail-on-missing-columns",
        "Whether a line with too few values does not fit; else they are null.",
    )
    .or("false"),
    ConfigOption::flag("empty-string-as-null", "Whether an empty value is null.").or("false"),
];

/// Reads the options under `prefix`.
pub(crate) fn make(options: &OptionReader<'_>, prefix: &str) -> Result<Box<dyn Format>> {
    let key = |name: &str| format!("{prefix}{name}");
    let flag = |name: &str, default: bool| options.value_or(&key(name), default);
    let quoting = !flag("disable-quote-character", false)?;
    let quote = character(options, &key("quote-character"))?;
    if !quoting && quote.is_some() {
        return Err(Error::invalid(format!(
            "option '{}' contradicts '{}'",
            key("quote-character"),
            key("disable-quote-character")
        ))
        .with_detail("There is a quote character, and it is disabled.".to_owned()));
    }
    let ignore_parse_errors = flag("ignore-parse-errors", false)?;
    Ok(Box::new(Csv(CsvOptions {
        field_delimiter: character(options, &key("field-delimiter"))?.unwrap_or(b','),
        quote: quoting.then(|| quote.unwrap_or(b'"')),
        escape: character(options, &key("escape-character"))?,
        null_literal: options.text(&key("null-literal")).map(|t| t.as_bytes().to_vec()),
        array_delimiter: options.text(&key("array-element-delimiter")).unwrap_or(";").as_bytes().to_vec(),
        allow_comments: flag("allow-comments", false)?,
        ignore_parse_errors,
        dead_letters: dead_letters::table(options, prefix, ignore_parse_errors)?,
        scientific_decimals: flag("write-bigdecimal-in-scientific-notation", true)?,
        trim_spaces: flag("trim-spaces", false)?,
        ignore_trailing: flag("ignore-trailing-unmappable", false)?,
        allow_trailing_comma: flag("allow-trailing-comma", true)?,
        fail_on_missing_columns: flag("fail-on-missing-columns", false)?,
        empty_as_null: flag("empty-string-as-null", false)?,
    })))
}

/// A single character; Java's escapes (`\t`) are resolved, as Flink does.
fn character(options: &OptionReader<'_>, key: &str) -> Result<Option<u8>> {
    let Some(text) = options.text(key) else { return Ok(None) };
    let resolved = match text {
        "\\t" => "\t",
        "\\n" => "\n",
        "\\r" => "\r",
        "\\\\" => "\\",
        _ => text,
    };
    if let Some(code) = resolved.strip_prefix("\\u").and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        return Ok(Some(code).filter(u8::is_ascii));
    }
    match resolved.as_bytes() {
        [byte] => Ok(Some(*byte)),
        _ if resolved.chars().count() == 1 => {
            Err(Error::unsupported(format!("the character '{text}' of option '{key}'"))
                .with_detail("It must be an ASCII character.".to_owned()))
        }
        _ => Err(Error::invalid(format!("option '{key}' must be a single character, but is '{text}'"))),
    }
}

impl Format for Csv {
    fn changelog(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        let bad = schema.fields.iter().find(|f| !holds(&f.ty, 0));
        bad.map_or(Ok(()), |f| Err(type_refused("csv", &f.name, &f.ty)))
    }

    fn dead_letter_table(&self) -> Option<&str> {
        self.0.dead_letters.as_deref()
    }
    fn layout(&self) -> Layout<'_> {
        // A quoted field may hold a line feed, so nobody knows from the middle where a record begins.
        Layout::Records { splittable: false }
    }

    fn decoder(&self, spec: &DecoderSpec) -> Result<Box<dyn Decoder>> {
        self.check(&spec.schema)?;
        Ok(Box::new(decode::CsvDecoder::new(self.0.clone(), spec)))
    }

    fn encoder(&self, spec: &EncoderSpec) -> Result<Box<dyn Encoder>> {
        self.check(&spec.schema)?;
        Ok(Box::new(encode::CsvEncoder::new(self.0.clone(), spec)))
    }
}

/// Arrays and rows lie inside a field, parted by one delimiter, so they cannot nest.
fn holds(ty: &LogicalType, depth: usize) -> bool {
    match &ty.kind {
        TypeKind::Array(element) => depth == 0 && holds(element, depth + 1),
        TypeKind::Row(fields) => depth == 0 && fields.iter().all(|f| holds(&f.ty, depth + 1)),
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
mod tests;
