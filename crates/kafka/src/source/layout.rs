//! How the rows that are asked for follow from keys, values and what else a record tells.

use arrow_schema::SchemaRef;
use flott_api::table::{SourceSpec, dead_letter_columns};
use flott_api::{Error, Result};
use flott_formats::DecoderSpec;

use super::metadata::Metadata;
use crate::options::{Kind, TableOptions};

/// What metadata columns of the value's format begin with.
pub(crate) const VALUE_PREFIX: &str = "value.";

/// Where a column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// From the key, at this place among its decoded columns.
    Key(usize),
    /// From the value; where there is none, from the key if it has it, too.
    Value {
        at: usize,
        key: Option<usize>,
    },
    Metadata(Metadata),
}

/// The plan of a row.
pub(crate) struct RowLayout {
    pub(super) value: DecoderSpec,
    /// Nothing if nobody looks at keys.
    pub(super) key: Option<DecoderSpec>,
    pub(super) outputs: Vec<Output>,
    pub(super) schema: SchemaRef,
    /// A record without a value deletes.
    pub(super) upsert: bool,
    /// A record without a value, or without a key, is a row with a null: so says format `raw`.
    pub(super) null_value_is_row: bool,
    pub(super) null_key_is_row: bool,
}

impl RowLayout {
    /// That of a specification.
    ///
    /// # Errors
    /// If it asks for something that is not there.
    pub(super) fn of(kind: Kind, options: &TableOptions, spec: &SourceSpec) -> Result<Self> {
        let (split, schema) = (&options.columns, &spec.schema);
        let (mut key_columns, mut value_columns) = (Vec::new(), Vec::new());
        let mut outputs = Vec::new();
        let place = |wanted: &mut Vec<usize>, column: usize| {
            wanted.push(column);
            wanted.len() - 1
        };
        for index in &spec.projection {
            let in_key = split.key.iter().position(|i| i == index);
            let in_value = split.value.iter().position(|i| i == index);
            // A deletion has its key alone.
            let key = in_key.filter(|_| in_value.is_none() || kind == Kind::Upsert);
            let key = key.map(|column| place(&mut key_columns, column));
            outputs.push(match (in_value, key) {
                (Some(column), key) => Output::Value { at: place(&mut value_columns, column), key },
                (None, Some(key)) => Output::Key(key),
                (None, None) => return Err(Error::internal("a column lies neither in the key nor in the value")),
            });
        }
        let (mut metadata, mut of_record) = (Vec::new(), Vec::new());
        for (key, ty) in &spec.metadata {
            let dead = dead_letter_columns().iter().position(|c| c.key == *key);
            match (dead, Metadata::of(key), key.strip_prefix(VALUE_PREFIX)) {
                (Some(place), _, _) => of_record.push(Err(place)),
                (_, Some(known), _) => of_record.push(Ok(Output::Metadata(known))),
                (_, _, Some(name)) => {
                    metadata.push((name.to_owned(), ty.clone()));
                    of_record.push(Ok(Output::Value { at: value_columns.len() + metadata.len() - 1, key: None }));
                }
                _ => return Err(Error::internal(format!("records of Kafka have no metadata '{key}'"))),
            }
        }
        // What a record that cannot be read tells lies behind all else.
        let behind = value_columns.len() + metadata.len();
        outputs.extend(
            of_record
                .into_iter()
                .map(|output| output.unwrap_or_else(|dead| Output::Value { at: behind + dead, key: None })),
        );
        let value = DecoderSpec {
            schema: split.value_schema(schema),
            projection: value_columns,
            metadata,
            dead_letters: spec.has_dead_letters(),
        };
        let key = options.key.as_ref().map(|_| DecoderSpec {
            schema: split.key_schema(schema),
            projection: key_columns,
            metadata: Vec::new(),
            dead_letters: false,
        });
        Ok(RowLayout {
            value,
            key,
            outputs,
            schema: spec.output_schema().arrow(),
            upsert: kind == Kind::Upsert,
            null_value_is_row: options.value.name == "raw" && kind == Kind::Kafka,
            null_key_is_row: options.key.as_ref().is_some_and(|key| key.name == "raw"),
        })
    }
}
