-- PERCENTILE: one and several, of every type of number, with a frequency, with rows taken back.
CREATE TABLE t (k STRING, x INT, s STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/agg.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE changes (id INT, k STRING, i INT, d DECIMAL(10, 2), f DOUBLE, s STRING, z BOOLEAN, dt DATE, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${DATA}/changes.json', 'format' = 'debezium-json');
SELECT k, PERCENTILE(x, 0.5) AS p FROM t GROUP BY k;
SELECT PERCENTILE(x, 0) AS a, PERCENTILE(x, 1) AS b, PERCENTILE(x, 0.25) AS c, PERCENTILE(x, 0.9e0) AS d FROM t;
SELECT PERCENTILE(x, ARRAY[0.9, 0.1, 0.5]) AS p FROM t;
SELECT k, PERCENTILE(i, 0.5) AS p, PERCENTILE(d, ARRAY[0.0, 1.0]) AS q FROM changes GROUP BY k;
SELECT k, PERCENTILE(f, 0.3) AS p, PERCENTILE(DISTINCT i, 0.5) AS d, PERCENTILE(i, 0.5) FILTER (WHERE z) AS g FROM changes GROUP BY k;
SELECT PERCENTILE(x, 0.5, 3) AS p FROM t;
SELECT PERCENTILE(x, 0.5, x) AS p FROM t;
SELECT PERCENTILE(i, 0.5, id) AS p FROM changes;
SELECT PERCENTILE(x, 0.5) AS p FROM t WHERE x > 100;
SELECT PERCENTILE(x, 1.5) AS p FROM t;
SELECT PERCENTILE(x, x) AS p FROM t;
SELECT PERCENTILE(s, 0.5) AS p FROM t;
SELECT PERCENTILE(x, CAST(NULL AS DOUBLE)) AS p FROM t;
SELECT PERCENTILE(CAST(x AS FLOAT), 0.5) AS a, PERCENTILE(CAST(x AS DECIMAL(10, 3)), 0.5) AS b, PERCENTILE(CAST(x AS TINYINT), 0.5) AS c FROM t;
EXPLAIN CHANGELOG_MODE SELECT k, PERCENTILE(i, 0.5) AS p FROM changes GROUP BY k;
