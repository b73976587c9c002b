-- Hopping windows: rows in several windows, late rows that count in the windows that are not out, nulls, offsets, slices.
CREATE TABLE rides (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rides.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE nobody (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${DATA}/empty', 'format' = 'csv');
SELECT * FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND));
SELECT window_start, window_end, city, COUNT(*) AS n, SUM(fare) AS s, MIN(fare) AS lo, MAX(fare) AS hi, AVG(fare) AS a FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, COUNT(*) AS n, COUNT(DISTINCT driver) AS d, SUM(DISTINCT fare) AS sd FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, window_time, COUNT(fare) AS n FROM TABLE(HOP(DATA => TABLE rides, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '10' SECOND, SIZE => INTERVAL '20' SECOND)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND, INTERVAL '3' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND, INTERVAL '-3' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, city, COUNT(*) FILTER (WHERE fare > 10) AS big, MAX(driver) AS last_driver FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) WHERE city IS NOT NULL GROUP BY window_start, window_end, city HAVING COUNT(*) > 1;
SELECT window_end, SUM(CAST(fare AS DOUBLE)) AS s, AVG(CAST(fare AS DECIMAL(10, 2))) AS a, SUM(CAST(fare AS DECIMAL(10, 2))) AS sd FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT DISTINCT window_start, window_end, city FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND));
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(HOP(TABLE nobody, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT * FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '10' SECOND)) WHERE driver = 'd1';
SELECT * FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '5' SECOND));
EXPLAIN CHANGELOG_MODE SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND, INTERVAL '1' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN SELECT * FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND, INTERVAL '1' SECOND));
-- Mistakes.
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '4' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '0' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, FIRST_VALUE(fare) AS f FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FROM TABLE(HOP(DATA => TABLE rides, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
