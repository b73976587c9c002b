-- Aggregates without GROUP BY, and empty inputs.
CREATE TABLE t (x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/x.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT COUNT(*) AS n, COUNT(x) AS nx, SUM(x) AS s, AVG(x) AS a, MIN(x) AS lo, MAX(x) AS hi FROM t;
SELECT COUNT(*) AS n, SUM(x) AS s FROM t WHERE x > 100;
SELECT COUNT(*) AS n, SUM(x) AS s FROM t WHERE x IS NULL;
SELECT x, COUNT(*) AS n FROM t WHERE x > 100 GROUP BY x;
SELECT COUNT(*) AS n FROM t WHERE FALSE;
SELECT SUM(x) AS s FROM t HAVING SUM(x) > 3;
SELECT COUNT(*) AS n FROM t HAVING COUNT(*) > 1;
SELECT COUNT(*) AS n FROM t GROUP BY ();
SELECT 1 AS uno FROM t GROUP BY x;
