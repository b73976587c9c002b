-- Windows that grow: every step gives a result, late rows count in the longer ones.
CREATE TABLE rides (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rides.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE nobody (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${DATA}/empty', 'format' = 'csv');
SELECT * FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND));
SELECT window_start, window_end, city, COUNT(*) AS n, SUM(fare) AS s, MIN(fare) AS lo, MAX(fare) AS hi, AVG(fare) AS a FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, COUNT(DISTINCT driver) AS d FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
SELECT window_start, window_end, window_time, COUNT(fare) AS n FROM TABLE(CUMULATE(DATA => TABLE rides, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '10' SECOND, SIZE => INTERVAL '30' SECOND)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND, INTERVAL '3' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FILTER (WHERE fare > 10) AS big FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end HAVING COUNT(*) > 2;
SELECT window_end, SUM(CAST(fare AS DOUBLE)) AS s, MAX(driver) AS m FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE nobody, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT window_end, city FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN CHANGELOG_MODE SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND, INTERVAL '1' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN SELECT * FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND));
-- Mistakes.
SELECT window_start, COUNT(*) FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT * FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '10' SECOND));
SELECT window_start, COUNT(*) FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, LAST_VALUE(fare) AS f FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
