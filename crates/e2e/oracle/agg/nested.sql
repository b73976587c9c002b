-- Aggregates over changing inputs: retractions.
CREATE TEMPORARY VIEW t AS SELECT * FROM (VALUES
  ('a', 1), ('b', 1), ('a', 2), ('c', 5), ('b', 4), ('c', 1), ('a', 3)
) AS v(k, x);
CREATE TEMPORARY VIEW counts AS SELECT k, COUNT(*) AS n, SUM(x) AS s FROM t GROUP BY k;
SELECT n, COUNT(*) AS keys FROM counts GROUP BY n;
SELECT COUNT(*) AS keys, SUM(n) AS total, AVG(s) AS mean FROM counts;
SELECT MIN(s) AS lo, MAX(s) AS hi FROM counts;
SELECT n, MIN(s) AS lo, MAX(s) AS hi, COUNT(DISTINCT s) AS d FROM counts GROUP BY n;
SELECT * FROM counts WHERE n > 1;
SELECT k, s * 2 AS s2 FROM counts WHERE s > 2;
SELECT s, COUNT(*) AS c FROM (SELECT k, SUM(x) AS s FROM t GROUP BY k) GROUP BY s HAVING COUNT(*) > 1;
SELECT DISTINCT n FROM counts;
