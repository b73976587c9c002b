//! The queries, as the Nexmark suite writes them for Flink.

use flott_api::{Error, Result};

/// A query with what its output hashes to.
#[derive(Debug)]
pub(crate) struct Query {
    /// Its name in the suite.
    pub(crate) name: &'static str,
    /// The sink's columns.
    pub(crate) sink: &'static str,
    /// The rows.
    pub(crate) select: &'static str,
    /// The hash of its output over a million events, in any order.
    pub(crate) hash: &'static str,
}

/// All queries that are measured.
pub(crate) const QUERIES: &[Query] = &[
    Query {
        name: "q0",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra STRING",
        select: "SELECT auction, bidder, price, `dateTime`, extra FROM bid",
        hash: "9d99e39655924c91",
    },
    Query {
        name: "q1",
        sink: "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` TIMESTAMP(3), extra STRING",
        select: "SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid",
        hash: "39712c0777ccb163",
    },
    Query {
        name: "q2",
        sink: "auction BIGINT, price BIGINT",
        select: "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
        hash: "5f1b264465528238",
    },
    Query {
        name: "count",
        sink: "auction BIGINT, bids BIGINT",
        select: "SELECT auction, COUNT(*) AS bids FROM bid GROUP BY auction",
        hash: "13c794a8be92da9c",
    },
];

/// The query of that name.
pub(crate) fn query(name: &str) -> Result<&'static Query> {
    QUERIES.iter().find(|q| q.name == name).ok_or_else(|| Error::invalid(format!("there is no query '{name}'")))
}

impl Query {
    /// The script of the query: the suite's tables, its view, and the insert.
    pub(crate) fn script(&self, events: u64, hash: bool) -> String {
        format!(
            "CREATE TABLE nexmark (
  event_type INT,
  person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING,
    `dateTime` TIMESTAMP(3), extra STRING>,
  auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
    `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
    `dateTime` TIMESTAMP(3), extra STRING>,
  `dateTime` AS CASE
    WHEN event_type = 0 THEN person.`dateTime`
    WHEN event_type = 1 THEN auction.`dateTime`
    ELSE bid.`dateTime` END,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH (
  'connector' = 'nexmark',
  'events.num' = '{events}',
  'first-event.rate' = '1000000',
  'next-event.rate' = '1000000'
);
CREATE VIEW bid AS
SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`, bid.extra
FROM nexmark WHERE event_type = 2;
CREATE TABLE sink ({sink}) WITH ('connector' = 'measure', 'hash' = '{hash}');
INSERT INTO sink {select};
",
            sink = self.sink,
            select = self.select
        )
    }
}
