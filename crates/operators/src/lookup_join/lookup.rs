//! Asks a table: through what is kept of it, again for keys that have no rows, and not longer than is allowed.

use std::pin::pin;
use std::sync::Arc;

use arrow_array::RecordBatch;
use flott_api::env::Clock;
use flott_api::lookup::{Found, LookupCache, LookupTable};
use flott_api::operator::OpenContext;
use flott_api::source::ReaderContext;
use flott_api::{Error, Result};
use flott_graph::spec::{LookupJoinSpec, LookupRetry};
use futures::future::{Either, select};

use super::answers::{checked, missing, placed, taken, united};
use super::full::FullTable;
use super::partial::PartialTable;

/// See the module.
pub(super) struct Lookup {
    table: Table,
    path: String,
    retry: Option<LookupRetry>,
    timeout_ms: Option<u64>,
    clock: Arc<dyn Clock>,
}

enum Table {
    Asked(Box<dyn LookupTable>),
    Partial(Box<PartialTable>),
    Full(Box<FullTable>),
}

impl Lookup {
    pub(super) fn open(spec: &LookupJoinSpec, cx: &OpenContext) -> Result<Self> {
        let connector = cx.connectors.connector(&spec.table.table.connector)?;
        let open = || match connector.lookup() {
            Some(factory) => factory.open(&spec.table, &cx.environment),
            None => Err(Error::internal("a table that cannot be looked up in was planned so")),
        };
        let schema = spec.table.table.output_schema().arrow();
        let table = match &spec.table.cache {
            LookupCache::None => Table::Asked(open()?),
            LookupCache::Partial(options) => {
                Table::Partial(Box::new(PartialTable::new(open()?, schema, options.clone())))
            }
            LookupCache::Full(reload) => {
                let (subtask, metrics) = (cx.subtask, Arc::clone(&cx.metrics));
                let reader = ReaderContext { subtask, environment: cx.environment.clone(), metrics };
                let source = connector.source(&spec.table.table)?;
                Table::Full(Box::new(FullTable::new(source, reader, &spec.table, *reload)))
            }
        };
        let clock = Arc::clone(&cx.environment.clock);
        let path = spec.table.table.table.clone();
        Ok(Lookup { table, path, retry: spec.retry, timeout_ms: spec.timeout_ms, clock })
    }

    /// The rows of these keys at this time.
    pub(super) async fn find(&mut self, keys: &RecordBatch, now_ms: i64) -> Result<Found> {
        let Some(timeout_ms) = self.timeout_ms else { return self.with_retries(keys, now_ms).await };
        let (clock, path) = (Arc::clone(&self.clock), self.path.clone());
        let late = pin!(async move { clock.sleep_ms(timeout_ms).await });
        if let Either::Left((answer, _)) = select(pin!(self.with_retries(keys, now_ms)), late).await {
            return answer;
        }
        Err(Error::external(format!("a lookup in table '{path}' took longer than {timeout_ms} ms"))
            .with_hint("The hint LOOKUP has the option 'timeout'."))
    }

    async fn with_retries(&mut self, keys: &RecordBatch, now_ms: i64) -> Result<Found> {
        let mut found = self.table.find(keys, now_ms).await?;
        let Some(LookupRetry { delay_ms, attempts_max }) = self.retry else { return Ok(found) };
        for _ in 0..attempts_max {
            let which = missing(&found.keys, keys.num_rows());
            if which.is_empty() {
                break;
            }
            self.clock.sleep_ms(delay_ms).await;
            let again = self.table.find(&taken(keys, &which)?, now_ms).await?;
            found = united(found, placed(again, &which))?;
        }
        Ok(found)
    }
}

impl Table {
    async fn find(&mut self, keys: &RecordBatch, now_ms: i64) -> Result<Found> {
        match self {
            Table::Asked(table) => checked(table.lookup(keys).await?, keys.num_rows()),
            Table::Partial(table) => table.find(keys, now_ms).await,
            Table::Full(table) => table.find(keys, now_ms).await,
        }
    }
}
