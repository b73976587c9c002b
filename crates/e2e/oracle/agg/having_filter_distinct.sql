-- HAVING, FILTER and DISTINCT inside aggregates: rows appear, vanish and come back.
CREATE TABLE t (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/repeats.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, SUM(x) AS s FROM t GROUP BY k HAVING SUM(x) > 3;
SELECT k, COUNT(*) AS n FROM t GROUP BY k HAVING COUNT(*) > 1;
SELECT k FROM t GROUP BY k HAVING MAX(x) > 1;
SELECT k, COUNT(DISTINCT x) AS d, COUNT(x) AS n, COUNT(*) AS c FROM t GROUP BY k;
SELECT k, SUM(DISTINCT x) AS sd, AVG(DISTINCT x) AS ad, MIN(DISTINCT x) AS m FROM t GROUP BY k;
SELECT COUNT(DISTINCT k) AS dk, COUNT(DISTINCT x) AS dx FROM t;
SELECT COUNT(DISTINCT k, x) AS dkx FROM t;
SELECT k, COUNT(*) FILTER (WHERE x > 1) AS big, SUM(x) FILTER (WHERE x < 0) AS neg, COUNT(DISTINCT x) FILTER (WHERE x > 1) AS db FROM t GROUP BY k;
SELECT COUNT(*) FILTER (WHERE x > 1000) AS no, SUM(x) FILTER (WHERE x > 1000) AS nothing FROM t;
