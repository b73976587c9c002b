-- The same queries in batch mode.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE t (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, COUNT(*) AS n, COUNT(x) AS nx, SUM(x) AS s, AVG(x) AS a, MIN(x) AS lo, MAX(x) AS hi FROM t GROUP BY k;
SELECT COUNT(*) AS n, SUM(x) AS s FROM t WHERE FALSE;
SELECT COUNT(*) AS n, SUM(x) AS s FROM t WHERE x > 100;
SELECT * FROM t ORDER BY x, k;
SELECT * FROM t ORDER BY x DESC NULLS LAST LIMIT 2;
SELECT DISTINCT k FROM t ORDER BY k;
