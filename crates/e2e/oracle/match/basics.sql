-- Conditions that look back, measures and their types, several keys one of which is null, null prices, late rows.
CREATE TABLE ticks (
  sym STRING,
  ts TIMESTAMP(3),
  price INT,
  tax DOUBLE,
  pt AS PROCTIME(),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/ticks.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM ticks MATCH_RECOGNIZE (
  PARTITION BY sym ORDER BY ts
  MEASURES STRT.ts AS start_ts, LAST(DOWN.ts) AS bottom_ts, UP.ts AS up_ts, STRT.price AS start_price, LAST(DOWN.price) AS bottom_price, UP.price AS up_price
  ONE ROW PER MATCH AFTER MATCH SKIP TO LAST UP
  PATTERN (STRT DOWN+ UP)
  DEFINE DOWN AS (LAST(DOWN.price, 1) IS NULL AND DOWN.price < STRT.price) OR DOWN.price < LAST(DOWN.price, 1), UP AS UP.price > LAST(DOWN.price)) AS m;
SELECT * FROM ticks MATCH_RECOGNIZE (
  PARTITION BY sym ORDER BY ts
  MEASURES FIRST(A.price) AS f0, FIRST(A.price, 1) AS f1, FIRST(A.price, 5) AS f5, LAST(A.price) AS l0, LAST(A.price, 1) AS l1, A.price AS plain, price AS last_price, FIRST(price) AS first_price, LAST(price, 2) AS back2, A.sym AS who, B.tax + A.tax AS tt, UPPER(A.sym) AS up, 'x' AS lit, 1 + 1 AS two, CAST(NULL AS INT) AS nul
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A{2,3} B)
  DEFINE A AS price < 15, B AS B.price >= A.price) AS m;
-- The default is to skip to the next row.
SELECT sym, p, q FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, B.price AS q PATTERN (A B) DEFINE B AS B.price > A.price);
-- Without partitions, and with two columns of it.
SELECT * FROM ticks MATCH_RECOGNIZE (ORDER BY ts MEASURES A.sym AS s, B.sym AS t, B.price - A.price AS d AFTER MATCH SKIP PAST LAST ROW PATTERN (A B) DEFINE B AS B.price > A.price);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym, tax ORDER BY ts MEASURES A.price AS p, B.price AS q PATTERN (A B) DEFINE A AS TRUE);
-- An alias, a filter behind it, an aggregate over it, a query below it.
SELECT m.q, m.sym FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, B.price AS q PATTERN (A B) DEFINE B AS B.price > A.price) AS m WHERE m.p > 9;
SELECT sym, COUNT(*) AS n, MAX(q) AS q FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, B.price AS q PATTERN (A B) DEFINE B AS B.price > A.price) GROUP BY sym;
SELECT * FROM (SELECT ts, sym AS s, price * 2 AS dbl FROM ticks WHERE price IS NOT NULL) MATCH_RECOGNIZE (PARTITION BY s ORDER BY ts MEASURES A.dbl AS p, B.dbl AS q PATTERN (A B) DEFINE B AS B.dbl > A.dbl);
SELECT * FROM ticks AS t MATCH_RECOGNIZE (PARTITION BY t.sym ORDER BY t.ts MEASURES A.price AS p, B.price AS q PATTERN (A B) DEFINE B AS B.price > A.price);
-- No row matches; no row comes.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN (A B) DEFINE A AS price > 1000);
SELECT * FROM (SELECT * FROM ticks WHERE price > 1000) MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN (A B) DEFINE A AS TRUE);
-- Variables without a condition, a condition of a variable that is not in the pattern, names in small letters, constants.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES a.price AS p, B.price AS q AFTER MATCH SKIP PAST LAST ROW PATTERN (a B) DEFINE Z AS FALSE);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(1 + 1) AS p, FINAL LAST(A.price) AS q, LAST(A.price) * FIRST(B.price) AS r AFTER MATCH SKIP PAST LAST ROW PATTERN ((A B) C) DEFINE A AS PREV(A.price, 0) > 5);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, FIRST(A.price + A.tax, 1) AS e PATTERN (A{2} B) DEFINE A AS TRUE);
-- A condition may be null, and may name rows that are not there.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, B.price AS q PATTERN (A B) DEFINE A AS price > 5, B AS B.price > A.price OR C.price > 1 OR LAST(A.price, 3) = 1);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p, B.price AS q, C.price AS r AFTER MATCH SKIP PAST LAST ROW PATTERN (A B C) DEFINE B AS B.price > FIRST(A.price), C AS C.price > FIRST(price) AND LAST(price, 1) = B.price);
