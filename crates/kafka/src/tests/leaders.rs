//! Three brokers, two of which die one after the other: their partitions, and transactions, are led by others then.

use std::collections::BTreeSet;

use flott_api::env::Environment;
use flott_api::testing::batch;

use super::broker::{Broker, eventually, own_with};
use super::server::Server;
use super::table::{Reading, TestTable};
use crate::client::external;

/// Each row lies on all, and two are enough.
const REPLICATED: [&str; 6] = [
    "default.replication.factor=3",
    "min.insync.replicas=2",
    "offsets.topic.replication.factor=3",
    "transaction.state.log.replication.factor=3",
    "transaction.state.log.min.isr=2",
    // As many as there are unless somebody says otherwise.
    "transaction.state.log.num.partitions=50",
];

/// A broker beside the first one, which is the controller, too.
fn another(node: u32, controller: u16) -> Server {
    let own = [
        format!("node.id={node}"),
        "process.roles=broker".to_owned(),
        "listeners=PLAINTEXT://127.0.0.1:{port}".to_owned(),
        format!("controller.quorum.voters=1@127.0.0.1:{controller}"),
    ];
    let settings: Vec<&str> = own.iter().map(String::as_str).chain(REPLICATED).collect();
    Server::start(&settings)
}

/// Who leads the partitions of a topic; all of them have somebody.
async fn leaders(broker: &Broker, environment: &Environment, topic: &str) -> BTreeSet<i32> {
    let mut cluster = broker.cluster(environment);
    eventually(environment, async || {
        let topics = cluster.topics(Some(&[topic.into()]), false).await?;
        let leaders: Vec<Option<i32>> = topics.iter().flat_map(|t| &t.partitions).map(|p| p.leader).collect();
        match leaders.iter().copied().collect::<Option<BTreeSet<i32>>>() {
            Some(all) if !all.is_empty() => Ok(all),
            _ => Err(external(format!("leaders are {leaders:?}"))),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_move_lose_and_double_nothing() {
    let Some(broker) = own_with("leaders_that_move", &REPLICATED) else { return };
    let mut others = [another(2, broker.port() + 1), another(3, broker.port() + 1)];
    let exactly = [
        ("sink.delivery-guarantee", "exactly-once"),
        ("sink.transactional-id-prefix", "moving"),
        ("properties.isolation.level", "read_committed"),
        ("scan.bounded.mode", "unbounded"),
    ];
    let table = TestTable::json(&broker, "moving", &exactly);
    broker.create(&table.environment, "moving", 3).await;
    let mut committer = table.restored(&[]).await.unwrap();
    let mut writer = table.writer();
    let mut reading = Reading::begin(&table, table.source(&[]).unwrap()).await.unwrap();
    let (mut rows, mut expected) = (Vec::new(), Vec::new());
    for round in 0..4 {
        let text: Vec<String> = (round * 1000..(round + 1) * 1000).map(|i| format!("+I | {i} | x")).collect();
        writer.write(batch(&table.schema, &text[..500].join("\n"))).await.unwrap();
        // The first and the third time a broker dies with rows under way, and the second time it is back.
        let dying = [(0, 2), (2, 3)].into_iter().find(|(at, _)| *at == round).map(|(_, node)| node);
        if let Some(node) = dying {
            let before = leaders(&broker, &table.environment, "moving").await;
            assert!(before.contains(&node), "{before:?}");
            others[node as usize - 2].kill();
        }
        writer.write(batch(&table.schema, &text[500..].join("\n"))).await.unwrap();
        let prepared = writer.prepare_commit(false).await.unwrap();
        if round == 3 {
            // And another process commits.
            committer = table.restored(&prepared).await.unwrap();
        } else {
            committer.commit(None, prepared).await.unwrap();
        }
        expected.extend(text);
        if let Some(node) = dying {
            let after = leaders(&broker, &table.environment, "moving").await;
            assert!(!after.contains(&node), "{after:?}");
            others[node as usize - 2].restart();
        }
        while rows.len() < expected.len() {
            rows.extend(reading.next().await.unwrap().unwrap().1);
        }
    }
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
    // Nothing more comes.
    let bounded = table.with("scan.bounded.mode", "latest-offset");
    assert_eq!(bounded.read().await.len(), expected.len());
}
