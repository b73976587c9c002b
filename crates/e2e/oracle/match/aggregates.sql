-- Aggregates in measures and conditions.
CREATE TABLE ticks (
  sym STRING,
  ts TIMESTAMP(3),
  price INT,
  tax DOUBLE,
  pt AS PROCTIME(),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/ticks.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE letters (
  k INT,
  ts TIMESTAMP(3),
  n INT NOT NULL,
  f STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/letters.csv', 'format' = 'csv');
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES SUM(A.price) AS s, COUNT(A.price) AS n, MIN(A.price) AS lo, MAX(A.price) AS hi, AVG(A.price) AS av, AVG(A.tax) AS av2, SUM(A.tax) AS st, COUNT(A.tax) AS nt, B.price AS q AFTER MATCH SKIP PAST LAST ROW PATTERN (A+ B) DEFINE A AS A.price < 16, B AS B.price >= 16);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES SUM(price) AS s, COUNT(*) AS n, COUNT(price) AS np, MAX(price) - MIN(price) AS d, SUM(B.price) AS sb, COUNT(B.price) AS cb, MAX(B.tax) AS mb AFTER MATCH SKIP PAST LAST ROW PATTERN (A{2} B? C) DEFINE B AS price > 1000);
-- Over expressions, over the key, twice the same, within an expression.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES SUM(A.price * 2 + 1) AS s, SUM(A.price) + SUM(A.price) AS t, MAX(A.sym) AS m, SUM(CASE WHEN A.price > 10 THEN 1 ELSE 0 END) AS c, MAX(A.price) * COUNT(*) AS p, MAX(A.ts) AS ts AFTER MATCH SKIP PAST LAST ROW PATTERN (A{3} B) DEFINE A AS TRUE);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, LAST(A.price) AS l, SUM(A.price) AS s, COUNT(A.price) AS n PATTERN (A+ B) DEFINE A AS SUM(A.price) < 30);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, LAST(A.price) AS l, AVG(A.price) AS v, B.price AS b AFTER MATCH SKIP PAST LAST ROW PATTERN (A+? B) DEFINE A AS AVG(A.price) < 15, B AS B.price > AVG(A.price) AND COUNT(A.price) > 1);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, B.price AS q PATTERN (A B) DEFINE B AS COUNT(*) = 2 AND SUM(price) > 25);
SELECT * FROM letters MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES COUNT(A.n) AS na, SUM(A.n) AS sa, COUNT(B.n) AS nb, SUM(B.n) AS sb, SUM(n) AS s, MAX(f) AS mf AFTER MATCH SKIP PAST LAST ROW PATTERN (A+? B*? C) DEFINE A AS SUM(A.n) < 20, B AS B.n > MAX(A.n) AND COUNT(B.n) < 4, C AS f LIKE '%c%' AND COUNT(*) > 3);
SELECT * FROM letters MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.n AS a, SUM(B.n) AS sb, C.n AS c PATTERN (A B{1,3}? C) DEFINE A AS f LIKE '%a%', B AS MIN(B.n) > A.n, C AS SUM(n) > 10);
-- The types of a NOT NULL column.
CREATE TEMPORARY VIEW v AS SELECT * FROM letters MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.n AS a, LAST(A.n, 1) AS b, SUM(A.n) AS s, COUNT(A.n) AS c, AVG(A.n) AS v, MAX(A.n) AS m, A.n + 1 AS p, A.k AS k2 PATTERN (A B) DEFINE A AS TRUE);
DESCRIBE v;
SELECT k, a, s, c, v, m, p, k2 FROM v WHERE k < 5;
