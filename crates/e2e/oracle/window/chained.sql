-- Windows over windows: by window_time, and with the same window again.
CREATE TABLE rides (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rides.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE VIEW w5 AS SELECT window_start AS ws, window_end AS we, window_time AS wt, city, SUM(fare) AS s, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, window_time, city;
DESCRIBE w5;
SELECT window_start, window_end, SUM(s) AS s, SUM(n) AS n FROM TABLE(TUMBLE(TABLE w5, DESCRIPTOR(wt), INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, city, MAX(s) AS s FROM TABLE(HOP(TABLE w5, DESCRIPTOR(wt), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, SUM(n) AS n FROM TABLE(CUMULATE(TABLE w5, DESCRIPTOR(wt), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, city, SUM(n) AS n FROM TABLE(SESSION(TABLE w5 PARTITION BY city, DESCRIPTOR(wt), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, city;
SELECT * FROM TABLE(TUMBLE(TABLE w5, DESCRIPTOR(wt), INTERVAL '20' SECOND));
-- The same window again.
SELECT window_start, window_end, SUM(n) AS n, COUNT(*) AS cities FROM (SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city) GROUP BY window_start, window_end;
SELECT window_start, window_end, MAX(n) AS n FROM (SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end, city) GROUP BY window_start, window_end;
SELECT window_start, window_end, MAX(n) AS n FROM (SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city) GROUP BY window_start, window_end;
SELECT window_end, COUNT(*) AS n FROM (SELECT window_start, window_end, city FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, city) WHERE city <> 'bonn' GROUP BY window_start, window_end;
SELECT window_start, window_end, driver, COUNT(*) AS n FROM (SELECT * FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) WHERE window_end > TIMESTAMP '2024-01-01 00:00:15') GROUP BY window_start, window_end, driver;
-- A filter by the window.
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE window_start >= TIMESTAMP '2024-01-01 00:00:10' GROUP BY window_start, window_end;
-- A group by the window's time alone, and by the end alone.
SELECT window_time, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_time;
SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_end;
EXPLAIN CHANGELOG_MODE SELECT window_start, window_end, SUM(n) AS n FROM (SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city) GROUP BY window_start, window_end;
EXPLAIN SELECT window_start, window_end, SUM(n) AS n FROM (SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city) GROUP BY window_start, window_end;
EXPLAIN SELECT window_start, window_end, MAX(n) AS n FROM (SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city) GROUP BY window_start, window_end;
EXPLAIN SELECT window_start, window_end, SUM(s) AS s, SUM(n) AS n FROM TABLE(TUMBLE(TABLE w5, DESCRIPTOR(wt), INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
EXPLAIN SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE window_start >= TIMESTAMP '2024-01-01 00:00:10' GROUP BY window_start, window_end;
-- A time that is none any more.
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE w5, DESCRIPTOR(we), INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
