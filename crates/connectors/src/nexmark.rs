//! `'connector' = 'nexmark'`: the auction events of the Nexmark benchmark, generated in columns.
//!
//! Counterpart of the suite's own Flink source: the same columns, proportions and options. Each event
//! is a pure function of its number, so a table has the same events at any parallelism and after any
//! restart. The rate sets how dense events lie in event time; rows come as fast as they can, unless
//! `'rate-limited' = 'true'` holds them to real time.
//!
//! Does not: `stop-at` of the suite's second version, nor event times out of order.

mod columns;
mod events;
mod options;
mod ranges;
mod rate;
mod source;

use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use flott_api::{Error, Field, LogicalType, Result, Schema, TypeKind};

use options::NexmarkOptions;

/// The connector.
#[derive(Debug)]
pub struct Nexmark;

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "nexmark",
    about: "persons, auctions and bids of the Nexmark benchmark",
    source: true,
    sink: false,
    format: false,
    options: &[options::OPTIONS],
};

impl TableFactory for Nexmark {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        let options = NexmarkOptions::read(&table.options)?;
        check_schema(&table.path, &table.schema)?;
        Ok(SourceDescription {
            changelog: ChangelogMode::INSERT_ONLY,
            boundedness: options.boundedness(),
            metadata: Vec::new(),
            push_downs: PushDowns { projection: true, nested_projection: true, ..PushDowns::default() },
            parallelism: options.parallelism,
            dead_letters: None,
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        Err(Error::invalid(format!("table '{}' of connector 'nexmark' cannot be written", table.path)))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::NexmarkSource::new(spec)?))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn flott_api::sink::Sink>> {
        Err(Error::invalid(format!("table '{}' of connector 'nexmark' cannot be written", spec.table)))
    }

    fn default_schema(&self) -> Option<Schema> {
        Some(schema())
    }
}

impl NexmarkOptions {
    fn boundedness(&self) -> Boundedness {
        if self.events_num.is_some() && !self.keep_alive { Boundedness::Bounded } else { Boundedness::Unbounded }
    }
}

/// The suite's four columns.
pub fn schema() -> Schema {
    let text = LogicalType::string;
    let bigint = || LogicalType::new(TypeKind::BigInt);
    let time = || LogicalType::new(TypeKind::Timestamp(3));
    let row = |fields: Vec<(&str, LogicalType)>| {
        LogicalType::new(TypeKind::Row(fields.into_iter().map(|(name, ty)| Field::new(name, ty)).collect()))
    };
    let person = row(vec![
        ("id", bigint()),
        ("name", text()),
        ("emailAddress", text()),
        ("creditCard", text()),
        ("city", text()),
        ("state", text()),
        ("dateTime", time()),
        ("extra", text()),
    ]);
    let auction = row(vec![
        ("id", bigint()),
        ("itemName", text()),
        ("description", text()),
        ("initialBid", bigint()),
        ("reserve", bigint()),
        ("dateTime", time()),
        ("expires", time()),
        ("seller", bigint()),
        ("category", bigint()),
        ("extra", text()),
    ]);
    let bid = row(vec![
        ("auction", bigint()),
        ("bidder", bigint()),
        ("price", bigint()),
        ("channel", text()),
        ("url", text()),
        ("dateTime", time()),
        ("extra", text()),
    ]);
    Schema::new(vec![
        Field::new("event_type", LogicalType::new(TypeKind::Int)),
        Field::new("person", person),
        Field::new("auction", auction),
        Field::new("bid", bid),
    ])
}

/// The declared columns must be some of the suite's, in any order; how null they may be is the user's.
fn check_schema(path: &str, declared: &Schema) -> Result<()> {
    let offered = schema();
    for field in &declared.fields {
        let Some(index) = offered.index_of(&field.name) else {
            let names: Vec<&str> = offered.fields.iter().map(|f| f.name.as_str()).collect();
            return Err(Error::invalid(format!("table '{path}': connector 'nexmark' has no column '{}'", field.name))
                .with_hint(format!("Its columns are {}.", names.join(", "))));
        };
        if field.ty.arrow() != offered.fields[index].ty.arrow() {
            return Err(Error::invalid(format!("table '{path}': column '{}' has the wrong type", field.name))
                .with_detail(format!("It is declared as {}, and is {}.", field.ty, offered.fields[index].ty)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
