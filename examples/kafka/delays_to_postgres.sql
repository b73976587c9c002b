-- From Kafka to PostgreSQL: delays per airport and hour, in event time. Written again they are the same rows: the table has
-- a primary key.
--   CREATE TABLE delays (airport TEXT, hour TIMESTAMP(3), flights BIGINT, average_delay INT, late BIGINT,
--     PRIMARY KEY (airport, hour));
CREATE TABLE departures (
  departed        TIMESTAMP(3),
  origin          STRING,
  departure_delay INT,
  WATERMARK FOR departed AS departed - INTERVAL '10' MINUTE
) WITH (
  'connector' = 'kafka',
  'topic' = 'departures',
  'properties.bootstrap.servers' = 'localhost:9092',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset',
  'key.format' = 'raw',
  'key.fields' = 'origin',
  'value.format' = 'json'
);

CREATE TABLE delays (
  airport STRING,
  `hour` TIMESTAMP(3),
  flights BIGINT,
  average_delay INT,
  late BIGINT,
  PRIMARY KEY (airport, `hour`) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://localhost:5432/postgres',
  'table-name' = 'delays',
  'username' = 'postgres'
);

INSERT INTO delays
SELECT
  origin,
  window_start,
  COUNT(*),
  AVG(departure_delay),
  SUM(CASE WHEN departure_delay > 15 THEN 1 ELSE 0 END)
FROM TABLE(TUMBLE(TABLE departures, DESCRIPTOR(departed), INTERVAL '1' HOUR))
GROUP BY origin, window_start, window_end;
