-- ALL ROWS PER MATCH, CLASSIFIER, MATCH_NUMBER, RUNNING and FINAL. The prices are those of `patterns.sql`.
CREATE TABLE ticks (
  sym STRING,
  ts TIMESTAMP(3),
  price INT,
  tax DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/ticks.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES CLASSIFIER() AS v, MATCH_NUMBER() AS m, A.price AS a, B.price AS b, FINAL LAST(B.price) AS fb, COUNT(*) AS n, FINAL COUNT(*) AS f ALL ROWS PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+ C) DEFINE A AS A.price IS NOT NULL, B AS B.price < LAST(B.price, 1) OR (LAST(B.price, 1) IS NULL AND B.price < A.price), C AS C.price > LAST(B.price));
-- Without measures; the columns of PARTITION BY and ORDER BY come first.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY price ORDER BY ts, sym ALL ROWS PER MATCH PATTERN (A B) DEFINE A AS TRUE);
-- Matches share rows: each comes once a match.
SELECT sym, m, v, price, s, t FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES MATCH_NUMBER() AS m, CLASSIFIER() AS v, RUNNING SUM(price) AS s, FINAL SUM(price) AS t ALL ROWS PER MATCH PATTERN (A B) DEFINE A AS A.price < 10, B AS B.price < 16);
CREATE TEMPORARY VIEW found AS SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES MATCH_ROWTIME() AS t ALL ROWS PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+ C) DEFINE A AS A.price IS NOT NULL, B AS B.price < LAST(B.price, 1) OR (LAST(B.price, 1) IS NULL AND B.price < A.price), C AS C.price > LAST(B.price));
SELECT sym, COUNT(*) AS n, window_start FROM TABLE(TUMBLE(TABLE found, DESCRIPTOR(t), INTERVAL '10' SECOND)) GROUP BY sym, window_start, window_end;
SELECT sym, COUNT(*) AS n, window_start FROM TABLE(TUMBLE(TABLE found, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY sym, window_start, window_end;
-- A row a match: RUNNING and FINAL are the same.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES MATCH_NUMBER() AS m, CLASSIFIER() AS v, RUNNING LAST(A.price) AS r, FINAL LAST(A.price) AS f ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A (B | C)) DEFINE A AS A.price >= 10, B AS B.price < 10, C AS C.price > A.price);
-- Every aggregate and an expression of both extents, over all rows without partitions.
SELECT price, c, lo, hi, av, vp, l, part FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES COUNT(price) AS c, MIN(price) AS lo, MAX(price) AS hi, AVG(tax) AS av, VAR_POP(A.price) AS vp, LISTAGG(CAST(price AS STRING)) AS l, FINAL MAX(price) - price AS part ALL ROWS PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A A A B) DEFINE A AS A.price > 10 AND A.sym = 'bolt', B AS B.price < 20);
SELECT sym, v, price FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES CLASSIFIER() AS v ALL ROWS PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN ((A | B C)+? D) DEFINE A AS A.price > 18, B AS B.price <= 18, C AS C.price IS NULL, D AS D.price < 18);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS price ALL ROWS PER MATCH PATTERN (A B) DEFINE A AS TRUE);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p ALL ROWS PER MATCH WITH UNMATCHED ROWS PATTERN (A B) DEFINE A AS TRUE);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p ALL ROWS PER MATCH PATTERN (A B) DEFINE A AS CLASSIFIER() = 'A');
