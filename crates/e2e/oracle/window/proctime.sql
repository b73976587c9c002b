-- Windows over processing time: what can be told without a clock.
CREATE TABLE rides (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, p AS PROCTIME()) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rides.csv', 'format' = 'csv', 'csv.null-literal' = '');
DESCRIBE rides;
CREATE VIEW wp AS SELECT window_start, window_end, window_time, city, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(p), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time, city;
DESCRIBE wp;
CREATE VIEW lp AS SELECT TUMBLE_START(p, INTERVAL '1' DAY) AS s, TUMBLE_PROCTIME(p, INTERVAL '1' DAY) AS r, city, COUNT(*) AS n FROM rides GROUP BY city, TUMBLE(p, INTERVAL '1' DAY);
DESCRIBE lp;
CREATE VIEW tp AS SELECT * FROM TABLE(HOP(TABLE rides, DESCRIPTOR(p), INTERVAL '1' HOUR, INTERVAL '1' DAY));
DESCRIBE tp;
-- A window that is open at the end of the input gives nothing.
SELECT window_start, city, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(p), INTERVAL '1000' DAY(4))) GROUP BY window_start, window_end, city;
SELECT window_start, city, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(p), INTERVAL '500' DAY(4), INTERVAL '1000' DAY(4))) GROUP BY window_start, window_end, city;
SELECT window_start, city, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(p), INTERVAL '500' DAY(4), INTERVAL '1000' DAY(4))) GROUP BY window_start, window_end, city;
SELECT window_start, city, COUNT(*) AS n FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(p), INTERVAL '1' DAY)) GROUP BY window_start, window_end, city;
SELECT city, COUNT(*) AS n FROM rides GROUP BY city, SESSION(p, INTERVAL '1' DAY);
SELECT city, driver, window_end > window_start AS ok FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(p), INTERVAL '1' DAY));
EXPLAIN CHANGELOG_MODE SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(p), INTERVAL '1' DAY)) GROUP BY window_start, window_end, city;
EXPLAIN SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(HOP(TABLE rides, DESCRIPTOR(p), INTERVAL '1' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end, city;
EXPLAIN SELECT TUMBLE_PROCTIME(p, INTERVAL '1' DAY) AS r, city, COUNT(*) AS n FROM rides GROUP BY city, TUMBLE(p, INTERVAL '1' DAY);
EXPLAIN SELECT * FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(p), INTERVAL '1' DAY));
EXPLAIN SELECT window_start, window_end, SUM(n) AS n FROM (SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(p), INTERVAL '1' DAY)) GROUP BY window_start, window_end, city) GROUP BY window_start, window_end;
EXPLAIN SELECT a.city FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(p), INTERVAL '1' DAY)) a JOIN TABLE(TUMBLE(TABLE rides, DESCRIPTOR(p), INTERVAL '1' DAY)) b ON a.city = b.city AND a.window_start = b.window_start AND a.window_end = b.window_end;
EXPLAIN SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY fare DESC) AS rn FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(p), INTERVAL '1' DAY))) WHERE rn <= 2;
