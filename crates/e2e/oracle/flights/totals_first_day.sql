-- The changes of examples/flights/totals_per_airline.sql over the first day.
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

SELECT
  carrier,
  COUNT(*) AS flights,
  COUNT(arrival_delay) AS arrived,
  SUM(distance) AS miles,
  AVG(departure_delay) AS average_delay,
  MIN(departure_delay) AS least_delay,
  MAX(departure_delay) AS most_delay
FROM departures
WHERE departed < TIMESTAMP '2013-01-02 00:00:00'
GROUP BY carrier;
