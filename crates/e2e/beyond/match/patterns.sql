-- Alternatives, groups with quantifiers, PERMUTE: prices of acme are 12 9 7 15 11 10 10 8 13, of bolt 20 18 NULL 21 17 19 16 23,
-- of the NULL symbol 4 3 5 2; the others are late.
CREATE TABLE ticks (
  sym STRING,
  ts TIMESTAMP(3),
  price INT,
  tax DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/ticks.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS a, B.price AS b, C.price AS c AFTER MATCH SKIP PAST LAST ROW PATTERN (A (B | C)) DEFINE A AS A.price >= 10, B AS B.price < 10, C AS C.price > A.price);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, COUNT(A.price) AS n, LAST(B.price) AS l, C.price AS c AFTER MATCH SKIP PAST LAST ROW PATTERN ((A B)+? C) DEFINE B AS B.price < LAST(A.price), C AS C.price > LAST(A.price));
-- Greedy: C takes no row that A could take, and A takes any. In the standard these are the rows of the query before.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, COUNT(A.price) AS n, LAST(B.price) AS l, C.price AS c AFTER MATCH SKIP PAST LAST ROW PATTERN ((A B)+ C) DEFINE B AS B.price < LAST(A.price), C AS C.price > LAST(A.price));
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, COUNT(A.price) AS n, LAST(B.price) AS l, C.price AS c AFTER MATCH SKIP PAST LAST ROW PATTERN ((A B)+ C) DEFINE A AS A.price > 10, B AS B.price < LAST(A.price), C AS C.price <= 10);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS a, B.price AS b, C.price AS c, B.tax AS bt, C.tax AS ct AFTER MATCH SKIP PAST LAST ROW PATTERN (PERMUTE(A, B, C)) DEFINE A AS A.price < 10, B AS B.price BETWEEN 10 AND 14, C AS C.price >= 10);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, LAST(A.price) AS l, COUNT(*) AS n, C.price AS c AFTER MATCH SKIP PAST LAST ROW PATTERN ((A B?){2} C) DEFINE A AS A.price >= 15, B AS B.price IS NULL, C AS C.price IS NOT NULL);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, LAST(A.price) AS l, B.price AS b, COUNT(A.price) AS n PATTERN (A B A) DEFINE A AS A.price >= 10, B AS B.price < 10);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS a, B.price AS b, D.price AS d PATTERN (A (B C)? D) DEFINE A AS A.price >= 20, B AS B.price < 20, C AS C.price IS NULL, D AS D.price > 20);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, COUNT(A.price) AS n, B.price AS b, C.price AS c AFTER MATCH SKIP PAST LAST ROW PATTERN ((A+ | B) C) DEFINE A AS A.price < 10, B AS B.price > 14, C AS C.price BETWEEN 10 AND 15);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES FIRST(A.price) AS f, COUNT(*) AS n, C.price AS c AFTER MATCH SKIP PAST LAST ROW PATTERN (A+ B? C) DEFINE A AS A.price >= 15, B AS B.price IS NULL, C AS C.price IS NULL OR C.price < 15);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS a, B.price AS b, C.price AS c PATTERN (A (B | C)) WITHIN INTERVAL '2' SECOND DEFINE A AS A.price >= 10, B AS B.price < 10, C AS C.price > A.price);
-- The first alternative is preferred, among matches of one length.
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS a, B.price AS b, C.price AS c AFTER MATCH SKIP PAST LAST ROW PATTERN ((B | A) (A | B) C) DEFINE C AS C.price < 10);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN (A+ A B) DEFINE A AS A.price > 1);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN ((A{1,2})+ B) DEFINE A AS A.price > 1);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN (B (A | C+)) DEFINE A AS A.price > 1);
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY sym ORDER BY ts MEASURES A.price AS p PATTERN (PERMUTE(A, B, C, D, E, F, G, H)) DEFINE A AS A.price > 1);
