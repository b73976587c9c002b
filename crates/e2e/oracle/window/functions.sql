-- Aggregates of all kinds in windows of all kinds.
CREATE TABLE rides (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rides.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE nobody (ts TIMESTAMP(3), city STRING, driver STRING, fare INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${DATA}/empty', 'format' = 'csv');
SELECT window_start, window_end, city, LISTAGG(driver) AS l FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, city, LISTAGG(driver) AS l FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) WHERE city = 'cork' GROUP BY window_start, window_end, city;
SELECT window_start, window_end, ROUND(VAR_POP(fare), 6) AS v, ROUND(STDDEV_SAMP(fare), 6) AS s FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, ROUND(VAR_SAMP(CAST(fare AS DOUBLE)), 6) AS v FROM TABLE(CUMULATE(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, city, ROUND(STDDEV_POP(CAST(fare AS DOUBLE)), 6) AS v FROM TABLE(SESSION(TABLE rides PARTITION BY city, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, city, ARRAY_AGG(fare) AS a FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, CARDINALITY(ARRAY_AGG(fare)) AS a FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, city, FIRST_VALUE(driver) AS f, LAST_VALUE(fare) AS l FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end, city;
SELECT window_start, window_end, COUNT(DISTINCT city) FILTER (WHERE fare > 5) AS a, COUNT(DISTINCT city) AS b, COUNT(DISTINCT driver) AS c FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, MAX(ts) AS a, MIN(driver) AS b, MAX(fare IS NULL) AS c FROM TABLE(HOP(TABLE rides, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
SELECT HOP_START(ts, INTERVAL '10' SECOND, INTERVAL '20' SECOND) AS s, city, LISTAGG(driver) AS l FROM rides WHERE city = 'cork' GROUP BY city, HOP(ts, INTERVAL '10' SECOND, INTERVAL '20' SECOND);
SELECT SESSION_START(ts, INTERVAL '8' SECOND) AS s, city, ROUND(VAR_POP(CAST(fare AS DOUBLE)), 6) AS v FROM rides GROUP BY city, SESSION(ts, INTERVAL '8' SECOND);
SELECT window_start, window_end, LISTAGG(driver) AS l FROM TABLE(HOP(TABLE nobody, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, JSON_ARRAYAGG(driver) AS j FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(ts), INTERVAL '20' SECOND)) WHERE city = 'bonn' GROUP BY window_start, window_end;
