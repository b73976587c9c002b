-- The first two days of the ETL of examples/flights with csv in place of Parquet, read back: `${TMP}` is an empty folder.
CREATE TABLE departures (
  departed        TIMESTAMP(3),
  scheduled       TIMESTAMP(3),
  carrier         STRING,
  flight          INT,
  tail_number     STRING,
  origin          STRING,
  destination     STRING,
  departure_delay INT,
  arrival_delay   INT,
  air_time        INT,
  distance        INT
) WITH (
  'connector' = 'filesystem',
  'path' = 'examples/flights/data/departures-2013-01.csv',
  'format' = 'csv',
  'csv.null-literal' = ''
);

CREATE TABLE flights (
  flight          STRING,
  tail_number     STRING,
  departed        TIMESTAMP(3),
  destination     STRING,
  departure_delay INT,
  hours           DECIMAL(4, 2),
  kilometres      DOUBLE,
  verdict         STRING,
  origin          STRING
) PARTITIONED BY (origin) WITH (
  'connector' = 'filesystem',
  'path' = '${TMP}/flights',
  'format' = 'csv'
);

INSERT INTO flights
SELECT
  carrier || CAST(flight AS STRING),
  tail_number,
  departed,
  destination,
  departure_delay,
  CAST(air_time / 60.0 AS DECIMAL(4, 2)),
  distance * 1.609344e0,
  CASE WHEN arrival_delay > 15 THEN 'late' WHEN arrival_delay < -15 THEN 'early' ELSE 'on time' END,
  origin
FROM departures
WHERE arrival_delay IS NOT NULL AND departed < TIMESTAMP '2013-01-03 00:00:00';

SELECT * FROM flights;
