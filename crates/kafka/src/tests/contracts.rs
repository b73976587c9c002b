//! The contracts of sources and sinks.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use flott_api::ChangeBatch;
use flott_api::testing::blocking::Runtime;
use flott_api::testing::{
    BlockOn, BlockingSink, BlockingSource, SinkWorld, batch, lines, sink_contract, source_contract,
};
use kafka_protocol::messages::ListTransactionsRequest;
use kafka_protocol::protocol::StrBytes;

use super::broker::{Broker, eventually, shared};
use super::table::{TestTable, columns};
use crate::client::external;
use crate::options::Kind;

struct Tokio(tokio::runtime::Runtime);

impl BlockOn for Tokio {
    fn block_on(&self, future: Pin<&mut (dyn Future<Output = ()> + Send)>) {
        self.0.block_on(future);
    }
}

/// A table with a topic of its own, and what its futures wait on.
fn table(broker: &Broker, kind: Kind, partitions: i32, more: &[(&str, &str)]) -> (TestTable, Arc<Tokio>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let runtime = Arc::new(Tokio(tokio::runtime::Runtime::new().unwrap()));
    let _entered = runtime.0.enter();
    let topic = format!("contract-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut all =
        vec![("sink.transactional-id-prefix", topic.as_str()), ("properties.isolation.level", "read_committed")];
    all.extend_from_slice(more);
    let mut table = TestTable::json(broker, &topic, &all);
    if kind == Kind::Upsert {
        (table.kind, table.primary_key) = (kind, vec![0]);
        table.options.0.remove("format");
        table.options.0.remove("scan.startup.mode");
        table = table.with("key.format", "json").with("value.format", "json");
    }
    runtime.0.block_on(broker.create(&table.environment, &topic, partitions));
    (table, runtime)
}

fn the_source_keeps_the_contract(kind: Kind, rows: &str) {
    let Some(broker) = shared("the_source_keeps_the_contract") else { return };
    let (table, runtime) = table(broker, kind, 3, &[]);
    let mut writer = runtime.0.block_on(async { table.writer() });
    for row in rows.lines() {
        runtime.0.block_on(writer.write(batch(&table.schema, row))).unwrap();
        runtime.0.block_on(writer.prepare_commit(false)).unwrap();
    }
    let source =
        || Box::new(BlockingSource(Box::new(table.source(&[]).unwrap()), Arc::clone(&runtime) as Runtime)) as _;
    source_contract(&source, &|| table.environment.clone());
}

#[test]
fn the_source_of_rows_keeps_the_contract() {
    let rows: Vec<String> = (0..12).map(|n| format!("+I | {n} | n{n}")).collect();
    the_source_keeps_the_contract(Kind::Kafka, &rows.join("\n"));
}

#[test]
fn the_source_of_last_rows_keeps_the_contract() {
    the_source_keeps_the_contract(
        Kind::Upsert,
        "+I | 1 | a\n+U | 1 | b\n+I | 2 | c\n-D | 1 | b\n+I | 3 | d\n+U | 2 | e\n+I | 4 | f\n+I | 5 | g",
    );
}

/// What readers of committed rows see, once Kafka has written the marks of all transactions that are decided.
async fn seen(broker: &Broker, table: &TestTable) -> Vec<String> {
    let prefix = &table.options.0["sink.transactional-id-prefix"];
    let decided = ["PrepareCommit", "PrepareAbort"].map(StrBytes::from_static_str);
    let request = ListTransactionsRequest::default().with_state_filters(decided.to_vec()).with_duration_filter(-1);
    eventually(&table.environment, async || {
        let mut cluster = broker.cluster(&table.environment);
        cluster.topics(Some(&[]), false).await?;
        let response = cluster.ask(cluster.brokers()[0], &request, 0, 1).await?;
        let ours = response.transaction_states.iter().filter(|s| s.transactional_id.starts_with(prefix.as_str()));
        match ours.count() {
            0 => Ok(()),
            n => Err(external(format!("the marks of {n} transactions are missing"))),
        }
    })
    .await;
    table.read().await
}

fn sink_world(broker: &'static Broker, kind: Kind, guarantee: &str) -> SinkWorld {
    let (table, runtime) = table(broker, kind, 2, &[("sink.delivery-guarantee", guarantee)]);
    let environment = table.environment.clone();
    let (written, read, open) = (table.clone(), table.clone(), table);
    let (on_sink, on_open) = (Arc::clone(&runtime), Arc::clone(&runtime));
    SinkWorld {
        sink: Box::new(move || {
            Box::new(BlockingSink(Arc::new(written.sink(&[]).unwrap()), Arc::clone(&on_sink) as Runtime))
        }),
        environment,
        visible: Box::new(move || runtime.0.block_on(seen(broker, &read))),
        hidden: Box::new(move || {
            let prefix = &open.options.0["sink.transactional-id-prefix"];
            let unfinished = async { broker.cluster(&open.environment).unfinished_transactions(prefix).await };
            on_open.0.block_on(unfinished).unwrap().len()
        }),
    }
}

fn the_sink_keeps_the_contract(kind: Kind, guarantee: &str) {
    let Some(broker) = shared("the_sink_keeps_the_contract") else { return };
    let batches = ["+I | 1 | a\n+I | 2 | b", "+I | 3 | c"].map(|rows| batch(&columns(), rows));
    // What is read of the last rows of keys replaces what was there, if anything was.
    let shown = |line: String| if kind == Kind::Upsert { line.replace("+I", "+U") } else { line };
    let rows = |batches: &[ChangeBatch]| batches.iter().flat_map(lines).map(shown).collect::<Vec<_>>();
    sink_contract(&|| sink_world(broker, kind, guarantee), &batches, &rows);
}

#[test]
fn the_sink_of_rows_keeps_the_contract() {
    the_sink_keeps_the_contract(Kind::Kafka, "at-least-once");
}

#[test]
fn the_sink_of_rows_keeps_the_contract_exactly_once() {
    the_sink_keeps_the_contract(Kind::Kafka, "exactly-once");
}

#[test]
fn the_sink_of_last_rows_keeps_the_contract() {
    the_sink_keeps_the_contract(Kind::Upsert, "at-least-once");
}

#[test]
fn the_sink_of_last_rows_keeps_the_contract_exactly_once() {
    the_sink_keeps_the_contract(Kind::Upsert, "exactly-once");
}
