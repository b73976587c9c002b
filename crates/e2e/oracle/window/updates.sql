-- Windows over updates.
CREATE TABLE fares (id INT, ts TIMESTAMP(3), city STRING, fare INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/fares.json', 'format' = 'debezium-json');
SELECT window_start, window_end, city, COUNT(*) AS n, SUM(fare) AS s, MAX(fare) AS hi FROM TABLE(TUMBLE(TABLE fares, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, city, COUNT(*) AS n, SUM(fare) AS s, MIN(fare) AS lo, COUNT(DISTINCT fare) AS d FROM TABLE(HOP(TABLE fares, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(HOP(TABLE fares, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, city, COUNT(*) AS n, AVG(fare) AS a FROM TABLE(CUMULATE(TABLE fares, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, city, COUNT(*) AS n, SUM(fare) AS s FROM TABLE(SESSION(TABLE fares PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE fares, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end HAVING SUM(fare) > 5;
SELECT window_start, city, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE fares, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE fare > 5 GROUP BY window_start, window_end, city;
SELECT * FROM TABLE(TUMBLE(TABLE fares, DESCRIPTOR(ts), INTERVAL '10' SECOND));
SELECT * FROM TABLE(HOP(TABLE fares, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND));
SELECT * FROM TABLE(SESSION(TABLE fares PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND));
SELECT city, COUNT(*) AS n FROM fares GROUP BY city, TUMBLE(ts, INTERVAL '10' SECOND);
EXPLAIN CHANGELOG_MODE SELECT window_start, window_end, city, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE fares, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, city;
EXPLAIN CHANGELOG_MODE SELECT * FROM TABLE(TUMBLE(TABLE fares, DESCRIPTOR(ts), INTERVAL '10' SECOND));
EXPLAIN CHANGELOG_MODE SELECT * FROM TABLE(SESSION(TABLE fares PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND));
EXPLAIN CHANGELOG_MODE SELECT window_start, city, SUM(fare) AS s FROM TABLE(TUMBLE(TABLE fares, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE fare > 5 GROUP BY window_start, window_end, city;
EXPLAIN CHANGELOG_MODE SELECT city, COUNT(*) AS n FROM fares GROUP BY city, TUMBLE(ts, INTERVAL '10' SECOND);
