-- Sessions: by key and of all rows, rows that join two of them, late rows, as a table function and aggregated.
CREATE TABLE rides (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rides.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE nobody (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${DATA}/empty', 'format' = 'csv');
SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND));
SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY (city, driver), DESCRIPTOR(ts), INTERVAL '15' SECOND));
SELECT * FROM TABLE(SESSION(TABLE rides, DESCRIPTOR(ts), INTERVAL '6' SECOND));
SELECT * FROM TABLE(SESSION(DATA => TABLE rides PARTITION BY city, TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '8' SECOND));
SELECT window_start, window_end, city, COUNT(*) AS n, SUM(fare) AS s, MIN(fare) AS lo, MAX(fare) AS hi, COUNT(DISTINCT driver) AS d FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, city, driver, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY (city, driver), DESCRIPTOR(ts), INTERVAL '15' SECOND)) GROUP BY window_start, window_end, city, driver;
SELECT window_start, window_end, driver, city, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY (city, driver), DESCRIPTOR(ts), INTERVAL '15' SECOND)) GROUP BY driver, city, window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides, DESCRIPTOR(ts), INTERVAL '6' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, window_time, city, AVG(fare) AS a FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '3' SECOND)) GROUP BY window_start, window_end, window_time, city;
SELECT window_start, city, COUNT(*) FILTER (WHERE fare > 5) AS big FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) WHERE fare IS NOT NULL GROUP BY window_start, window_end, city HAVING COUNT(*) > 1;
-- Fewer and other keys than those of the sessions.
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, city, driver, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city, driver;
SELECT * FROM TABLE(SESSION(TABLE nobody PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND));
SELECT window_start, city, COUNT(*) AS n FROM TABLE(SESSION(TABLE nobody PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN CHANGELOG_MODE SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY (city, driver), DESCRIPTOR(ts), INTERVAL '8' SECOND));
EXPLAIN SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end;
EXPLAIN SELECT * FROM TABLE(SESSION(TABLE rides, DESCRIPTOR(ts), INTERVAL '8' SECOND));
-- Mistakes.
SELECT window_start, FIRST_VALUE(fare) AS f FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city;
SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY nope, DESCRIPTOR(ts), INTERVAL '8' SECOND));
SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(fare), INTERVAL '8' SECOND));
SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts)));
SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '0' SECOND));
SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND, INTERVAL '1' SECOND));
