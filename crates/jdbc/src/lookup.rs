//! Looking up keys: those of a batch are one question.
//!
//! A batch with many keys is divided between a few connections, which are asked at the same time; each of them is asked
//! again by itself if it fails. The parts are put together in the order of the keys.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use async_trait::async_trait;
use flott_api::env::Environment;
use flott_api::lookup::{Found, LookupSpec, LookupTable};
use flott_api::table::SourceSpec;
use flott_api::{Error, Result, Schema};
use futures::future::try_join_all;

use crate::dialect::{Connection, DbTable, Dialect, LookupQuery};
use crate::filter::{FilterColumns, compared, condition};
use crate::options::JdbcOptions;
use crate::retry::{Attempt, Lasting};

/// So many connections at most are asked at once by one subtask: each is a process of the server.
const LANES_MAX: u32 = 4;
/// Fewer keys than this are not worth a connection of their own.
const LANE_KEYS_MIN: usize = 512;

/// A table that is looked up in.
pub(crate) struct JdbcLookup {
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
}

struct Shared {
    table: String,
    dialect: &'static dyn Dialect,
    spec: SourceSpec,
    output: Schema,
    /// Places of the key's columns among those that are wanted.
    keys: Vec<usize>,
}

/// A connection with what is asked over it.
struct Lane {
    connection: Lasting,
    /// Made when the table is first seen.
    query: Option<LookupQuery>,
}

impl JdbcLookup {
    /// The table of a specification; nothing is connected yet.
    pub(crate) fn new(
        options: &JdbcOptions,
        dialect: &'static dyn Dialect,
        spec: &LookupSpec,
        environment: &Environment,
    ) -> Self {
        let lanes = spec.in_flight_max.unwrap_or(1).clamp(1, LANES_MAX);
        let lane = |_| Lane {
            connection: Lasting::new(dialect, &options.access, environment, options.lookup_retries),
            query: None,
        };
        let (output, keys) = (spec.table.output_schema(), spec.keys.clone());
        let shared = Shared { table: options.table.clone(), dialect, spec: spec.table.clone(), output, keys };
        JdbcLookup { shared: Arc::new(shared), lanes: (0..lanes).map(lane).collect() }
    }
}

impl Shared {
    fn query(&self, table: &DbTable) -> Result<LookupQuery> {
        let wanted = table.of_schema(&self.output)?;
        let fields = &self.output.fields;
        let selected = wanted.iter().zip(fields).map(|(column, field)| self.dialect.readable(column, &field.ty));
        let selected = selected.collect::<Result<_>>()?;
        let key = |at: &usize| {
            let (column, field) = (wanted.get(*at)?, fields.get(*at)?);
            Some((column.clone(), field.ty.clone()))
        };
        let keys = self.keys.iter().map(key).collect::<Option<_>>();
        let keys = keys.ok_or_else(|| Error::internal("a key that is looked up is no wanted column"))?;
        let places = self.keys.clone();
        let filter = if self.spec.filters.is_empty() {
            None
        } else {
            let compared = compared(table, &self.spec.schema, "flott_t.", self.dialect)?;
            let columns =
                FilterColumns { compared: &compared, fields: &self.spec.schema.fields, dialect: self.dialect };
            condition(&self.spec.filters, &columns)
        };
        Ok(LookupQuery { table: table.name.clone(), selected, schema: self.output.clone(), keys, places, filter })
    }
}

#[async_trait]
impl LookupTable for JdbcLookup {
    async fn lookup(&mut self, keys: &RecordBatch) -> Result<Found> {
        let rows = keys.num_rows();
        let lanes = rows.div_ceil(LANE_KEYS_MIN).clamp(1, self.lanes.len());
        let part = rows.div_ceil(lanes).max(1);
        let shared = &self.shared;
        let asked = self.lanes.iter_mut().take(lanes).enumerate().map(|(at, lane)| async move {
            let begin = (at * part).min(rows);
            let keys = keys.slice(begin, part.min(rows - begin));
            let found = lane.ask(shared, &keys).await?;
            Ok::<Found, Error>(Found { rows: found.rows, keys: found.keys.iter().map(|k| k + begin as u32).collect() })
        });
        let mut parts = try_join_all(asked)
            .await
            .map_err(|e| e.context(format!("a lookup in table '{}'", self.shared.spec.table)))?;
        if parts.len() == 1 {
            return parts.pop().ok_or_else(|| Error::internal("a lookup has no answer"));
        }
        let batches: Vec<&RecordBatch> = parts.iter().map(|p| &p.rows).collect();
        let rows = concat_batches(&self.shared.output.arrow(), batches)?;
        Ok(Found { rows, keys: parts.into_iter().flat_map(|p| p.keys).collect() })
    }
}

impl Lane {
    async fn ask(&mut self, shared: &Shared, keys: &RecordBatch) -> Result<Found> {
        let mut question = Question { shared, query: &mut self.query, keys };
        self.connection.run(&mut question).await
    }
}

struct Question<'a> {
    shared: &'a Shared,
    query: &'a mut Option<LookupQuery>,
    keys: &'a RecordBatch,
}

#[async_trait]
impl Attempt for Question<'_> {
    type Output = Found;

    async fn attempt(&mut self, connection: &mut dyn Connection) -> Result<Found> {
        let query = match self.query.as_ref() {
            Some(query) => query,
            None => {
                let table = connection.table(&self.shared.table).await?;
                self.query.insert(self.shared.query(&table)?)
            }
        };
        connection.lookup(query, self.keys).await
    }
}
