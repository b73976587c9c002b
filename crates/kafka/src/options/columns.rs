//! Which columns lie in the keys of records, and which in their values.

use flott_api::options::OptionReader;
use flott_api::{Error, Result, Schema};

use super::{Kind, Table};

/// The columns of keys and values, as places in the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnSplit {
    pub(crate) key: Vec<usize>,
    pub(crate) value: Vec<usize>,
    /// What the names of the key's columns begin with in the table, and not in the records.
    prefix: String,
}

impl ColumnSplit {
    pub(super) fn read(kind: Kind, reader: &OptionReader<'_>, table: &Table<'_>, has_key: bool) -> Result<Self> {
        let prefix = reader.text("key.fields-prefix").unwrap_or_default().to_owned();
        let include = [("ALL", true), ("EXCEPT_KEY", false)];
        let all = reader.choice("value.fields-include", &include, true)?;
        let key = match kind {
            Kind::Upsert if table.primary_key.is_empty() => {
                return Err(Error::invalid("a table of connector 'upsert-kafka' needs a PRIMARY KEY")
                    .with_detail("It says which columns are the key of a record, and a later record of a key replaces an earlier one.")
                    .with_hint("Add PRIMARY KEY (..) NOT ENFORCED."));
            }
            Kind::Upsert => table.primary_key.to_vec(),
            Kind::Kafka => key_fields(reader, table.schema, has_key)?,
        };
        if !prefix.is_empty() {
            if all {
                return Err(Error::invalid("option 'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY'"));
            }
            let without = key.iter().map(|i| &table.schema.fields[*i].name).find(|name| !name.starts_with(&prefix));
            if let Some(name) = without {
                return Err(Error::invalid(format!("key column '{name}' does not begin with '{prefix}'"))
                    .with_detail("Option 'key.fields-prefix' says that all do."));
            }
        }
        let value: Vec<usize> = (0..table.schema.len()).filter(|i| all || !key.contains(i)).collect();
        Ok(ColumnSplit { key, value, prefix })
    }

    /// The columns of keys, under the names that they have there.
    pub(crate) fn key_schema(&self, schema: &Schema) -> Schema {
        let mut key = schema.project(&self.key);
        for field in &mut key.fields {
            if let Some(bare) = field.name.strip_prefix(&self.prefix) {
                field.name = bare.to_owned();
            }
        }
        key
    }

    /// The columns of values.
    pub(crate) fn value_schema(&self, schema: &Schema) -> Schema {
        schema.project(&self.value)
    }
}

fn key_fields(reader: &OptionReader<'_>, schema: &Schema, has_key: bool) -> Result<Vec<usize>> {
    let named = reader.text("key.fields");
    let mut key = Vec::new();
    for name in named.unwrap_or_default().split(';').map(str::trim).filter(|name| !name.is_empty()) {
        let place = schema.index_of(name).ok_or_else(|| {
            Error::invalid(format!("option 'key.fields' names column '{name}', which does not exist"))
                .with_hint("It is a list such as 'a;b' of columns that lie in the records.")
        })?;
        key.push(place);
    }
    match (has_key, key.is_empty()) {
        (true, true) => Err(Error::invalid("option 'key.format' needs option 'key.fields'")),
        (false, false) => Err(Error::invalid("option 'key.fields' needs option 'key.format'")),
        _ => Ok(key),
    }
}
