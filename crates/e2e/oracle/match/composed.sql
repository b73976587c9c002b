-- Patterns within larger queries, and every aggregate in them.
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
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES STDDEV_POP(A.tax) AS sp, VAR_SAMP(A.tax) AS vs, VARIANCE(A.tax) AS v AFTER MATCH SKIP PAST LAST ROW PATTERN (A{3} B) DEFINE A AS TRUE);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES LISTAGG(A.sym) AS l AFTER MATCH SKIP PAST LAST ROW PATTERN (A{3} B) DEFINE A AS TRUE);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST_VALUE(A.price) AS fv, LAST_VALUE(A.price) AS lv AFTER MATCH SKIP PAST LAST ROW PATTERN (A{3} B) DEFINE A AS TRUE);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES COLLECT(A.price) AS c AFTER MATCH SKIP PAST LAST ROW PATTERN (A{2} B) DEFINE A AS TRUE);
SELECT sym, p FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN (A B) DEFINE B AS B.price > A.price) UNION ALL SELECT sym, price FROM ticks WHERE price > 20;
SELECT m.sym, m.p, t.ts FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN (A B) DEFINE B AS B.price > A.price) AS m JOIN ticks AS t ON t.sym = m.sym AND t.price = m.p;
SELECT DISTINCT sym FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN (A B) DEFINE A AS TRUE);
-- The time of a row of a match is late behind it, unless it is the last one.
CREATE TEMPORARY VIEW pairs AS SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.ts AS a, B.ts AS b, A.price AS p PATTERN (A B) DEFINE B AS B.price > A.price);
DESCRIBE pairs;
SELECT window_start, COUNT(*) AS n, SUM(p) AS s FROM TABLE(TUMBLE(TABLE pairs, DESCRIPTOR(b), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) AS n, SUM(p) AS s FROM TABLE(TUMBLE(TABLE pairs, DESCRIPTOR(a), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
-- A pattern of one row, of a window's rows, by no key.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, COUNT(*) AS n PATTERN (A) DEFINE A AS A.price > 16);
SELECT * FROM (SELECT sym, window_time AS t, SUM(price) AS s FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY sym, window_start, window_end, window_time) MATCH_RECOGNIZE (PARTITION BY sym ORDER BY t MEASURES A.s AS a, B.s AS b, B.t AS bt PATTERN (A B) DEFINE A AS TRUE);
SELECT * FROM letters MATCH_RECOGNIZE (ORDER BY ts, k, n MEASURES A.k AS ak, FIRST(B.n) AS bn, COUNT(B.n) AS c, C.k AS ck AFTER MATCH SKIP PAST LAST ROW PATTERN (A B* C) WITHIN INTERVAL '1' SECOND DEFINE A AS f LIKE '%a%', B AS B.k <> A.k AND f NOT LIKE '%d%', C AS C.k = A.k OR f LIKE '%d%');
-- WITHIN by processing time, and a variable of the names of columns.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY pt MEASURES A.price AS p, B.price AS q AFTER MATCH SKIP PAST LAST ROW PATTERN (A B) WITHIN INTERVAL '1' HOUR DEFINE B AS B.price > A.price);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES price.price AS p, sym.price AS q PATTERN (price sym) DEFINE sym AS sym.price > price.price);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES CAST(A.price AS BIGINT) AS p, CASE WHEN B.price IS NULL THEN 'none' ELSE CONCAT(A.sym, '-', CAST(B.price AS STRING)) END AS q, COALESCE(B.price, 0) AS r PATTERN (A B) DEFINE A AS A.price BETWEEN 5 AND 20 AND A.sym IN ('acme', 'bolt'), B AS B.price IS NULL OR ABS(B.price - A.price) < 4);
-- Of a NOT NULL column, a row that is not there.
SELECT * FROM letters MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.n AS a, LAST(B.n) AS b, C.n AS c AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+ C) DEFINE A AS f LIKE '%a%', B AS LAST(B.n, 1) IS NULL OR f LIKE '%b%', C AS f LIKE '%c%');
SELECT sym, LAG(p) OVER (PARTITION BY sym ORDER BY t) AS lp, p FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, MATCH_ROWTIME() AS t PATTERN (A B) DEFINE B AS B.price > A.price);
EXPLAIN CHANGELOG_MODE SELECT * FROM (SELECT sym, window_time AS t, SUM(price) AS s FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY sym, window_start, window_end, window_time) MATCH_RECOGNIZE (PARTITION BY sym ORDER BY t MEASURES A.s AS a, B.s AS b, B.t AS bt PATTERN (A B) DEFINE A AS TRUE);
