-- Grouped aggregates with nulls in the key and the values: the changes in order.
CREATE TABLE t (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, COUNT(*) AS n FROM t GROUP BY k;
SELECT k, COUNT(x) AS n FROM t GROUP BY k;
SELECT k, SUM(x) AS s FROM t GROUP BY k;
SELECT k, AVG(x) AS a FROM t GROUP BY k;
SELECT k, MIN(x) AS lo, MAX(x) AS hi FROM t GROUP BY k;
SELECT k, COUNT(*) AS n, COUNT(x) AS nx, SUM(x) AS s, AVG(x) AS a, MIN(x) AS lo, MAX(x) AS hi FROM t GROUP BY k;
-- Only the key; DISTINCT.
SELECT k FROM t GROUP BY k;
SELECT DISTINCT k FROM t;
SELECT DISTINCT k, x > 2 AS big FROM t;
-- Constants, expressions over keys and aggregates.
SELECT UPPER(k) AS u, SUM(x) + 1 AS s1, SUM(x) * 1.5 AS s15, COUNT(*) * 2 AS n2 FROM t GROUP BY k;
SELECT x IS NULL AS missing, COUNT(*) AS n FROM t GROUP BY x IS NULL;
SELECT x + 1 AS y, COUNT(*) AS n FROM t WHERE x > 1 GROUP BY x + 1;
SELECT k, SUM(1) AS s, COUNT(1) AS c, MAX('z') AS m FROM t GROUP BY k;
SELECT k, SUM(x) / COUNT(*) AS q FROM t GROUP BY k;
-- Aggregates do not change when nothing changes: no row is emitted again.
SELECT k, MAX(x) AS hi FROM (VALUES ('a', 3), ('a', 1), ('a', 2), ('a', 5)) AS v(k, x) GROUP BY k;
-- In VALUES with casts Flink reads every row as an input of its own; literals keep their order.
SELECT k, SUM(x) AS s FROM (VALUES ('a', 3), ('b', 1), ('a', 2), ('b', 5)) AS v(k, x) GROUP BY k;
-- Two keys, a key that is an expression, several nullable keys.
SELECT k, x, COUNT(*) AS n FROM t GROUP BY k, x;
SELECT COALESCE(k, '?') AS key, COUNT(*) AS n FROM t GROUP BY COALESCE(k, '?');
SELECT COUNT(*) AS n FROM t GROUP BY k;
