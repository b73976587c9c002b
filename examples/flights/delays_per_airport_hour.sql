-- Delays per airport and hour, in event time: an hour is final once a departure 10 minutes after its end was seen.
-- Run it from the root of the repository: flott run examples/flights/delays_per_airport_hour.sql
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
  distance        INT,
  WATERMARK FOR departed AS departed - INTERVAL '10' MINUTE
) WITH (
  'connector' = 'filesystem',
  'path' = 'examples/flights/data/departures-2013-01.csv',
  'format' = 'csv',
  'csv.null-literal' = ''
);

SELECT
  window_start,
  window_end,
  origin,
  COUNT(*) AS flights,
  AVG(departure_delay) AS average_delay,
  MAX(departure_delay) AS worst_delay,
  SUM(CASE WHEN departure_delay > 15 THEN 1 ELSE 0 END) AS late
FROM TABLE(TUMBLE(TABLE departures, DESCRIPTOR(departed), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, origin;
