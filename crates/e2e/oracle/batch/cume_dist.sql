-- CUME_DIST alone: rows that are equal in the order have the same.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE t (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, x, CUME_DIST() OVER (ORDER BY k) AS c FROM t;
SELECT k, x, CUME_DIST() OVER (PARTITION BY k ORDER BY x) AS c FROM t;
SELECT k, x, CUME_DIST() OVER (ORDER BY k DESC) AS c FROM t;
