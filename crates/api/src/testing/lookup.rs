//! `'connector' = 'lookup-test'`: rows that stand in an option (`1,a;2,b`; an empty cell is NULL) and are looked up by
//! key, in a table that may be slow, fail, or find nothing at first. `LookupTest.java` beside the recordings is the same
//! connector for Flink.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::Schema as ArrowSchema;
use arrow_select::take::take_record_batch;
use async_trait::async_trait;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::env::{Clock, Environment};
use crate::lookup::{Connectors, Found, LookupCache, LookupDescription, LookupFactory, LookupSpec, LookupTable};
use crate::options::{Millis, OptionReader, Options};
use crate::sink::Sink;
use crate::source::{Boundedness, Source};
use crate::table::{
    ChangelogMode, ConnectorDescription, PushDowns, SinkDescription, SinkSpec, SourceDescription, SourceSpec,
    TableContext, TableFactory,
};
use crate::{Error, ErrorKind, Result, Schema, TypeKind};

/// The connector; its copies count together.
#[derive(Clone, Debug, Default)]
pub struct LookupTest {
    counts: Arc<Counts>,
}

/// What was asked, of all tables of a connector.
#[derive(Debug, Default)]
struct Counts {
    batches: AtomicU64,
    keys: AtomicU64,
    under_way: AtomicU64,
    under_way_most: AtomicU64,
    failures: AtomicU64,
}

impl LookupTest {
    /// How many batches of keys, how many keys, and how many of them at once at most were asked for.
    pub fn asked(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (read(&self.counts.batches), read(&self.counts.keys), read(&self.counts.under_way_most))
    }
}

/// The options.
struct Settings {
    rows: String,
    sync: bool,
    asynchronous: bool,
    /// So often nothing is found for a key.
    misses: u64,
    /// So many batches fail.
    failures: u64,
    delay_ms: u64,
    cache: LookupCache,
}

impl Settings {
    fn read(options: &Options) -> Result<Self> {
        let reader = OptionReader::new(options, "connector 'lookup-test'");
        let ways = [("false", (true, false)), ("true", (false, true)), ("both", (true, true))];
        let (sync, asynchronous) = reader.choice("async", &ways, (true, false))?;
        let settings = Settings {
            rows: reader.required("rows")?.to_owned(),
            sync,
            asynchronous,
            misses: reader.value_or("misses", 0)?,
            failures: reader.value_or("failures", 0)?,
            delay_ms: reader.value_or("delay", Millis(0))?.0,
            cache: LookupCache::read(&reader, LookupCache::None)?,
        };
        reader.finish()?;
        Ok(settings)
    }
}

impl Connectors for LookupTest {
    fn connector(&self, identifier: &str) -> Result<&dyn TableFactory> {
        if identifier == self.description().identifier {
            return Ok(self);
        }
        Err(Error::invalid(format!("connector '{identifier}' is not part of this test")))
    }
}

impl TableFactory for LookupTest {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("lookup-test") }
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(Error::invalid("a table of connector 'lookup-test' can only be looked up in"))
    }

    fn describe_sink(&self, _: &TableContext) -> Result<SinkDescription> {
        Err(Error::invalid("a table of connector 'lookup-test' cannot be written"))
    }

    fn source(&self, _: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::internal("a table of connector 'lookup-test' is not read"))
    }

    fn sink(&self, _: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(Error::internal("a table of connector 'lookup-test' is not written"))
    }

    fn lookup(&self) -> Option<&dyn LookupFactory> {
        Some(self)
    }
}

impl LookupFactory for LookupTest {
    fn describe(&self, table: &TableContext) -> Result<LookupDescription> {
        let settings = Settings::read(&table.options)?;
        if let LookupCache::Full(_) = settings.cache {
            return Err(Error::unsupported("'lookup.cache' = 'FULL' of connector 'lookup-test'"));
        }
        rows_of(&settings.rows, &table.schema)?;
        Ok(LookupDescription {
            rows: SourceDescription {
                changelog: ChangelogMode::INSERT_ONLY,
                boundedness: Boundedness::Bounded,
                metadata: Vec::new(),
                push_downs: PushDowns { projection: true, ..PushDowns::default() },
                parallelism: None,
                dead_letters: None,
            },
            sync: settings.sync,
            asynchronous: settings.asynchronous,
            cache: settings.cache,
        })
    }

    fn open(&self, spec: &LookupSpec, environment: &Environment) -> Result<Box<dyn LookupTable>> {
        let settings = Settings::read(&spec.table.options)?;
        let rows = rows_of(&settings.rows, &spec.table.schema)?.project(&spec.table.projection)?;
        let mut places: HashMap<Key, Vec<u32>> = HashMap::new();
        for row in 0..rows.num_rows() {
            if let Some(key) = key_of(&rows, &spec.keys, row) {
                places.entry(key).or_default().push(row as u32);
            }
        }
        Ok(Box::new(Table {
            counts: Arc::clone(&self.counts),
            clock: Arc::clone(&environment.clock),
            at_once: spec.in_flight_max.unwrap_or(1).max(1) as usize,
            asked: HashMap::new(),
            settings,
            rows,
            places,
        }))
    }
}

/// The cells of a key as text.
type Key = Vec<String>;

struct Table {
    settings: Settings,
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
    at_once: usize,
    rows: RecordBatch,
    /// Where the rows of each key are.
    places: HashMap<Key, Vec<u32>>,
    asked: HashMap<Key, u64>,
}

#[async_trait]
impl LookupTable for Table {
    async fn lookup(&mut self, keys: &RecordBatch) -> Result<Found> {
        self.counts.batches.fetch_add(1, Ordering::SeqCst);
        self.counts.keys.fetch_add(keys.num_rows() as u64, Ordering::SeqCst);
        if self.counts.failures.fetch_add(1, Ordering::SeqCst) < self.settings.failures {
            let kind = ErrorKind::External { retry: true };
            return Err(Error::new(kind, "the table of connector 'lookup-test' cannot be reached"));
        }
        self.wait(keys.num_rows()).await?;
        let all: Vec<usize> = (0..keys.num_columns()).collect();
        let (mut found, mut of) = (Vec::new(), Vec::new());
        for row in 0..keys.num_rows() {
            let key = key_of(keys, &all, row).ok_or_else(|| Error::internal("a null was asked for"))?;
            let asked = self.asked.entry(key.clone()).or_default();
            *asked += 1;
            if *asked > self.settings.misses {
                let places = self.places.get(&key).map(Vec::as_slice).unwrap_or_default();
                found.extend_from_slice(places);
                of.extend(std::iter::repeat_n(row as u32, places.len()));
            }
        }
        Ok(Found { rows: take_record_batch(&self.rows, &UInt32Array::from(found))?, keys: of })
    }
}

impl Table {
    /// As long as so many keys take, some at once.
    async fn wait(&self, keys: usize) -> Result<()> {
        let one = |_| async {
            let under_way = self.counts.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.counts.under_way_most.fetch_max(under_way, Ordering::SeqCst);
            if self.settings.delay_ms > 0 {
                self.clock.sleep_ms(self.settings.delay_ms).await;
            }
            self.counts.under_way.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        stream::iter(0..keys).map(one).buffered(self.at_once).try_for_each(|()| std::future::ready(Ok(()))).await
    }
}

fn key_of(rows: &RecordBatch, columns: &[usize], row: usize) -> Option<Key> {
    columns.iter().map(|c| cell(rows.column(*c), row)).collect()
}

fn cell(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    let any = column.as_any();
    let int = any.downcast_ref::<Int32Array>().map(|a| a.value(row).to_string());
    let bigint = || any.downcast_ref::<Int64Array>().map(|a| a.value(row).to_string());
    int.or_else(bigint).or_else(|| any.downcast_ref::<StringArray>().map(|a| a.value(row).to_owned()))
}

/// All columns of the rows in an option.
fn rows_of(text: &str, schema: &Schema) -> Result<RecordBatch> {
    let lines: Vec<Vec<&str>> = text.split(';').map(|line| line.split(',').map(str::trim).collect()).collect();
    if lines.iter().any(|line| line.len() != schema.len()) {
        return Err(Error::invalid("option 'rows' has a row with more or fewer cells than columns"));
    }
    let columns = schema.fields.iter().enumerate().map(|(at, field)| {
        let cells = || lines.iter().map(|line| Some(line[at]).filter(|cell| !cell.is_empty()));
        let array: ArrayRef = match field.ty.kind {
            TypeKind::Int => Arc::new(Int32Array::from(numbers(cells(), &field.name)?)),
            TypeKind::BigInt => Arc::new(Int64Array::from(numbers(cells(), &field.name)?)),
            TypeKind::Varchar(_) => Arc::new(StringArray::from_iter(cells())),
            _ => return Err(Error::unsupported(format!("a column of type {} in 'lookup-test'", field.ty.kind))),
        };
        Ok(array)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let fields = schema.arrow().fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    Ok(RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns)?)
}

fn numbers<'c, T: FromStr>(cells: impl Iterator<Item = Option<&'c str>>, column: &str) -> Result<Vec<Option<T>>> {
    let number = |cell: &str| {
        cell.parse().map_err(|_| Error::invalid(format!("option 'rows' has no number '{cell}' for column '{column}'")))
    };
    cells.map(|cell| cell.map(number).transpose()).collect()
}
