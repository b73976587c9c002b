-- Departures from New York into topic 'departures', as JSON with the airport as key.
CREATE TABLE departures_file (
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

CREATE TABLE departures WITH (
  'connector' = 'kafka',
  'topic' = 'departures',
  'properties.bootstrap.servers' = 'localhost:9092',
  'key.format' = 'raw',
  'key.fields' = 'origin',
  'value.format' = 'json'
) LIKE departures_file (EXCLUDING OPTIONS);

INSERT INTO departures SELECT * FROM departures_file;
