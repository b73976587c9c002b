-- From Kafka to Kafka, exactly once: the bids that matter, with their prices in euros.
-- Nobody who reads only what is committed sees a bid before its checkpoint, nor twice.
SET 'execution.checkpointing.interval' = '1 s';

CREATE TABLE bids (
  auction BIGINT,
  bidder BIGINT,
  price BIGINT,
  channel STRING,
  url STRING,
  `dateTime` TIMESTAMP(3),
  extra STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'bids',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'format' = 'json'
);

CREATE TABLE bids_in_euros (
  auction BIGINT,
  bidder BIGINT,
  price DECIMAL(23, 3),
  `dateTime` TIMESTAMP(3),
  channel STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'bids-in-euros',
  'properties.bootstrap.servers' = 'localhost:9092',
  'format' = 'json',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'bids-in-euros'
);

INSERT INTO bids_in_euros
SELECT auction, bidder, 0.908 * price, `dateTime`, channel
FROM bids
WHERE price > 1000;
