-- COLLECT: a multiset of what is not null.
CREATE TABLE t (k STRING, x INT, s STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/agg.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE changes (id INT, k STRING, i INT, d DECIMAL(10, 2), f DOUBLE, s STRING, z BOOLEAN, dt DATE, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${DATA}/changes.json', 'format' = 'debezium-json');
SELECT k, COLLECT(x) AS c FROM t GROUP BY k;
SELECT k, COLLECT(DISTINCT x) AS c, COLLECT(x) FILTER (WHERE x > 3) AS f FROM t GROUP BY k;
SELECT k, COLLECT(i) AS c FROM changes GROUP BY k;
SELECT k, COLLECT(s) FILTER (WHERE s = 'x') AS c FROM changes GROUP BY k;
SELECT k, COLLECT(DISTINCT i) AS c FROM changes GROUP BY k;
SELECT COLLECT(x) AS c FROM t WHERE x > 100;
SELECT COLLECT(CAST(NULL AS INT)) AS c FROM t;
SELECT COLLECT(ROW(x)) FILTER (WHERE x = 10) AS c FROM t;
SELECT COLLECT(ARRAY[x]) FILTER (WHERE x = 10) AS c FROM t;
SELECT COLLECT(CAST(x AS DECIMAL(5, 1))) FILTER (WHERE x = 10) AS c FROM t;
EXPLAIN CHANGELOG_MODE SELECT k, COLLECT(i) AS c FROM changes GROUP BY k;
