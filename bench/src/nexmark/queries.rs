//! The queries, as the Nexmark suite publishes them for Flink.
//!
//! Not among them: q6, which Flink refuses in a stream. q10 goes to the sink that counts, not into files; q14 counts letters by
//! built-in functions instead of one in Java; q13 looks up in memory on either side.

/// A query.
#[derive(Debug)]
pub(crate) struct Query {
    /// Its name in the suite.
    pub(crate) name: &'static str,
    /// The sink's columns.
    pub(crate) sink: &'static str,
    /// The rows.
    pub(crate) select: &'static str,
    /// How the result is looked at where it is hashed.
    pub(crate) result: Hashed,
    /// Events that keep Flink busy for some 25 seconds at parallelism 2.
    pub(crate) events: u64,
    /// The smallest heap with which Flink keeps 95 % of its speed, in MiB, as far as `flott-bench nexmark heaps` has searched it.
    pub(crate) flink_heap_mib: u32,
}

impl Query {
    /// Whether rows depend on which of two equal ones comes first, which is settled at parallelism 1 only.
    pub(crate) fn depends_on_order(&self) -> bool {
        matches!(self.result, Hashed::Key(_))
    }
}

/// What is hashed of a query's result.
#[derive(Debug)]
pub(crate) enum Hashed {
    /// Its rows, each until it is taken back.
    Rows,
    /// The last row of each key, whose columns these are: Flink does not take all rows back here
    /// (docs/compatibility.md: a Top-1 by two columns), or which are first is open.
    Key(&'static str),
    /// Another query over the same tables: columns of the sink, and rows.
    Over(&'static str, &'static str),
}

const TOP_BIDS: &str = "auction BIGINT, num BIGINT";
const BID: &str =
    "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING";

macro_rules! bid_counts {
    ($distinct:literal) => {
        concat!(
            "COUNT(*) AS total_bids, COUNT(*) FILTER (WHERE price < 10000) AS rank1_bids,
  COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
  COUNT(*) FILTER (WHERE price >= 1000000) AS rank3_bids",
            $distinct
        )
    };
}

macro_rules! distinct_counts {
    () => {
        bid_counts!(
            ", COUNT(DISTINCT bidder) AS total_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bidders,
  COUNT(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS rank3_bidders,
  COUNT(DISTINCT auction) AS total_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price < 10000) AS rank1_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_auctions,
  COUNT(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions"
        )
    };
}

/// All queries that are measured.
pub(crate) const QUERIES: &[Query] = &[
    Query {
        name: "q0",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra STRING",
        select: "SELECT auction, bidder, price, `dateTime`, extra FROM bid",
        result: Hashed::Rows,
        events: 20_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q1",
        sink: "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` TIMESTAMP(3), extra STRING",
        select: "SELECT auction, bidder, 0.908 * price AS price, `dateTime`, extra FROM bid",
        result: Hashed::Rows,
        events: 20_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q2",
        sink: "auction BIGINT, price BIGINT",
        select: "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
        result: Hashed::Rows,
        events: 20_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q3",
        sink: "name STRING, city STRING, state STRING, id BIGINT",
        select: "SELECT P.name, P.city, P.state, A.id FROM auction AS A INNER JOIN person AS P ON A.seller = P.id
WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')",
        result: Hashed::Rows,
        events: 20_000_000,
        flink_heap_mib: 1024,
    },
    Query {
        name: "q4",
        sink: "category BIGINT, price BIGINT",
        select: "SELECT Q.category, AVG(Q.final) FROM (
  SELECT MAX(B.price) AS final, A.category FROM auction A, bid B
  WHERE A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.expires GROUP BY A.id, A.category) Q
GROUP BY Q.category",
        result: Hashed::Rows,
        events: 6_000_000,
        flink_heap_mib: 3072,
    },
    Query {
        name: "q5",
        sink: TOP_BIDS,
        select: "SELECT AuctionBids.auction, AuctionBids.num FROM (
  SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
  FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
  GROUP BY auction, window_start, window_end) AS AuctionBids
JOIN (
  SELECT MAX(CountBids.num) AS maxn, CountBids.starttime, CountBids.endtime FROM (
    SELECT COUNT(*) AS num, window_start AS starttime, window_end AS endtime
    FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end) AS CountBids
  GROUP BY CountBids.starttime, CountBids.endtime) AS MaxBids
ON AuctionBids.starttime = MaxBids.starttime AND AuctionBids.endtime = MaxBids.endtime
  AND AuctionBids.num >= MaxBids.maxn",
        result: Hashed::Rows,
        events: 10_000_000,
        flink_heap_mib: 1024,
    },
    Query {
        name: "q7",
        sink: "auction BIGINT, price BIGINT, bidder BIGINT, `dateTime` TIMESTAMP(3), extra STRING",
        select: "SELECT B.auction, B.price, B.bidder, B.`dateTime`, B.extra FROM bid B JOIN (
  SELECT MAX(price) AS maxprice, window_end AS `dateTime`
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY window_start, window_end) B1
ON B.price = B1.maxprice WHERE B.`dateTime` BETWEEN B1.`dateTime` - INTERVAL '10' SECOND AND B1.`dateTime`",
        result: Hashed::Rows,
        events: 6_000_000,
        flink_heap_mib: 3072,
    },
    Query {
        name: "q8",
        sink: "id BIGINT, name STRING, stime TIMESTAMP(3)",
        select: "SELECT P.id, P.name, P.starttime FROM (
  SELECT id, name, window_start AS starttime, window_end AS endtime
  FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY id, name, window_start, window_end) P
JOIN (
  SELECT seller, window_start AS starttime, window_end AS endtime
  FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY seller, window_start, window_end) A
ON P.id = A.seller AND P.starttime = A.starttime AND P.endtime = A.endtime",
        result: Hashed::Rows,
        events: 20_000_000,
        flink_heap_mib: 1024,
    },
    Query {
        name: "q9",
        sink:
            "id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, `dateTime` TIMESTAMP(3),
  expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING, auction BIGINT, bidder BIGINT, price BIGINT,
  bid_dateTime TIMESTAMP(3), bid_extra STRING",
        select: "SELECT id, itemName, description, initialBid, reserve, `dateTime`, expires, seller, category, extra,
  auction, bidder, price, bid_dateTime, bid_extra FROM (
  SELECT A.*, B.auction, B.bidder, B.price, B.`dateTime` AS bid_dateTime, B.extra AS bid_extra,
    ROW_NUMBER() OVER (PARTITION BY A.id ORDER BY B.price DESC, B.`dateTime` ASC) AS rownum
  FROM auction A, bid B WHERE A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.expires)
WHERE rownum <= 1",
        result: Hashed::Key("id"),
        events: 5_000_000,
        flink_heap_mib: 4096,
    },
    Query {
        name: "q10",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra STRING, dt STRING, hm STRING",
        select: "SELECT auction, bidder, price, `dateTime`, extra, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd'),
  DATE_FORMAT(`dateTime`, 'HH:mm') FROM bid",
        result: Hashed::Rows,
        events: 12_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q11",
        sink: "bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)",
        select: "SELECT B.bidder, COUNT(*) AS bid_count, window_start AS starttime, window_end AS endtime
FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) B
GROUP BY bidder, window_start, window_end",
        result: Hashed::Rows,
        events: 12_000_000,
        flink_heap_mib: 1024,
    },
    Query {
        name: "q12",
        sink: "bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)",
        select: "SELECT B.bidder, COUNT(*) AS bid_count, window_start AS starttime, window_end AS endtime
FROM TABLE(TUMBLE(TABLE bid_now, DESCRIPTOR(p_time), INTERVAL '10' SECOND)) B
GROUP BY bidder, window_start, window_end",
        // Which window a bid falls into is chance, so sums are compared; and the last must close for that.
        result: Hashed::Over(
            "bidder BIGINT, bids BIGINT",
            "SELECT bidder, SUM(bid_count) FROM (SELECT bidder, COUNT(*) AS bid_count
FROM TABLE(TUMBLE(TABLE bid_until_closed, DESCRIPTOR(p_time), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end) GROUP BY bidder",
        ),
        events: 20_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q13",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), `value` STRING",
        select: "SELECT B.auction, B.bidder, B.price, B.`dateTime`, S.`value` FROM bid_now B
JOIN side_input FOR SYSTEM_TIME AS OF B.p_time AS S ON MOD(B.auction, 10000) = S.`key`",
        result: Hashed::Rows,
        events: 20_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q14",
        sink: "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), bidTimeType STRING, `dateTime` TIMESTAMP(3),
  extra STRING, c_counts INT",
        select: "SELECT auction, bidder, 0.908 * price AS price,
  CASE WHEN HOUR(`dateTime`) >= 8 AND HOUR(`dateTime`) <= 18 THEN 'dayTime'
    WHEN HOUR(`dateTime`) <= 6 OR HOUR(`dateTime`) >= 20 THEN 'nightTime' ELSE 'otherTime' END AS bidTimeType,
  `dateTime`, extra, CHAR_LENGTH(extra) - CHAR_LENGTH(REPLACE(extra, 'c', '')) AS c_counts
FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000",
        result: Hashed::Rows,
        events: 20_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q15",
        sink: "`day` STRING, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT, rank3_bids BIGINT,
  total_bidders BIGINT, rank1_bidders BIGINT, rank2_bidders BIGINT, rank3_bidders BIGINT, total_auctions BIGINT,
  rank1_auctions BIGINT, rank2_auctions BIGINT, rank3_auctions BIGINT",
        select: concat!(
            "SELECT DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, ",
            distinct_counts!(),
            "\nFROM bid GROUP BY DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')"
        ),
        result: Hashed::Rows,
        events: 8_000_000,
        flink_heap_mib: 1536,
    },
    Query {
        name: "q16",
        sink: "channel STRING, `day` STRING, `minute` STRING, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT,
  rank3_bids BIGINT, total_bidders BIGINT, rank1_bidders BIGINT, rank2_bidders BIGINT, rank3_bidders BIGINT,
  total_auctions BIGINT, rank1_auctions BIGINT, rank2_auctions BIGINT, rank3_auctions BIGINT",
        select: concat!(
            "SELECT channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`,
  MAX(DATE_FORMAT(`dateTime`, 'HH:mm')) AS `minute`, ",
            distinct_counts!(),
            "\nFROM bid GROUP BY channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')"
        ),
        result: Hashed::Rows,
        events: 5_000_000,
        flink_heap_mib: 4096,
    },
    Query {
        name: "q17",
        sink:
            "auction BIGINT, `day` STRING, total_bids BIGINT, rank1_bids BIGINT, rank2_bids BIGINT, rank3_bids BIGINT,
  min_price BIGINT, max_price BIGINT, avg_price BIGINT, sum_price BIGINT",
        select: concat!(
            "SELECT auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, ",
            bid_counts!(
                ",
  MIN(price) AS min_price, MAX(price) AS max_price, AVG(price) AS avg_price, SUM(price) AS sum_price"
            ),
            "\nFROM bid GROUP BY auction, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd')"
        ),
        result: Hashed::Rows,
        events: 12_000_000,
        flink_heap_mib: 2048,
    },
    Query {
        name: "q18",
        sink: BID,
        select: "SELECT auction, bidder, price, channel, url, `dateTime`, extra FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY `dateTime` DESC) AS rank_number FROM bid)
WHERE rank_number <= 1",
        result: Hashed::Key("auction, bidder"),
        events: 6_000_000,
        flink_heap_mib: 3072,
    },
    Query {
        name: "q19",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3),
  extra STRING, rank_number BIGINT",
        select: "SELECT * FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rank_number FROM bid)
WHERE rank_number <= 10",
        result: Hashed::Key("auction, rank_number"),
        events: 6_000_000,
        flink_heap_mib: 3072,
    },
    Query {
        name: "q20",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, bid_dateTime TIMESTAMP(3),
  bid_extra STRING, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
  auction_dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, auction_extra STRING",
        select:
            "SELECT auction, bidder, price, channel, url, B.`dateTime` AS bid_dateTime, B.extra AS bid_extra, itemName,
  description, initialBid, reserve, A.`dateTime` AS auction_dateTime, expires, seller, category,
  A.extra AS auction_extra
FROM bid AS B INNER JOIN auction AS A ON B.auction = A.id WHERE A.category = 10",
        result: Hashed::Rows,
        events: 6_000_000,
        flink_heap_mib: 3072,
    },
    Query {
        name: "q21",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, channel_id STRING",
        select: "SELECT auction, bidder, price, channel, CASE
  WHEN LOWER(channel) = 'apple' THEN '0' WHEN LOWER(channel) = 'google' THEN '1'
  WHEN LOWER(channel) = 'facebook' THEN '2' WHEN LOWER(channel) = 'baidu' THEN '3'
  ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) END AS channel_id
FROM bid WHERE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL
  OR LOWER(channel) IN ('apple', 'google', 'facebook', 'baidu')",
        result: Hashed::Rows,
        events: 12_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q22",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, dir1 STRING, dir2 STRING, dir3 STRING",
        select: "SELECT auction, bidder, price, channel, SPLIT_INDEX(url, '/', 3) AS dir1,
  SPLIT_INDEX(url, '/', 4) AS dir2, SPLIT_INDEX(url, '/', 5) AS dir3 FROM bid",
        result: Hashed::Rows,
        events: 12_000_000,
        flink_heap_mib: 512,
    },
    Query {
        name: "q23",
        sink: "id BIGINT, name STRING, price BIGINT",
        select:
            "SELECT A.id, P.name, B.price FROM bid B JOIN auction A ON B.auction = A.id JOIN person P ON A.seller = P.id
WHERE B.price > 1000000",
        result: Hashed::Rows,
        events: 6_000_000,
        flink_heap_mib: 4096,
    },
];
