-- Types and values of aggregates over every numeric type.
CREATE TEMPORARY VIEW t AS SELECT
  CAST(x AS TINYINT) AS i8, CAST(x AS SMALLINT) AS i16, x AS i32, CAST(x AS BIGINT) AS i64,
  CAST(x AS FLOAT) / 2 AS f32, x / 2e0 AS f64, CAST(x / 2.0 AS DECIMAL(10, 2)) AS d, CAST(x / 2.0 AS DECIMAL(38, 18)) AS big
FROM (VALUES (1), (2), (4), (-8)) AS v(x);
SELECT COUNT(i8) AS c, SUM(i8) AS s, AVG(i8) AS a, MIN(i8) AS lo, MAX(i8) AS hi FROM t;
SELECT SUM(i16) AS s, AVG(i16) AS a, MIN(i16) AS lo, MAX(i16) AS hi FROM t;
SELECT SUM(i32) AS s, AVG(i32) AS a, MIN(i32) AS lo, MAX(i32) AS hi FROM t;
SELECT SUM(i64) AS s, AVG(i64) AS a, MIN(i64) AS lo, MAX(i64) AS hi FROM t;
SELECT SUM(f32) AS s, AVG(f32) AS a, MIN(f32) AS lo, MAX(f32) AS hi FROM t;
SELECT SUM(f64) AS s, AVG(f64) AS a, MIN(f64) AS lo, MAX(f64) AS hi FROM t;
SELECT SUM(d) AS s, AVG(d) AS a, MIN(d) AS lo, MAX(d) AS hi FROM t;
SELECT SUM(big) AS s, AVG(big) AS a, MIN(big) AS lo, MAX(big) AS hi FROM t;
-- The same in groups, so that the type keeps NOT NULL where it may.
SELECT i32 > 0 AS k, SUM(i8) AS s8, AVG(i8) AS a8, MIN(i8) AS m8, SUM(f32) AS sf, AVG(f32) AS af, SUM(d) AS sd, AVG(d) AS ad, SUM(big) AS sb, AVG(big) AS ab, COUNT(d) AS cd FROM t GROUP BY i32 > 0;
-- Averages truncate towards zero.
SELECT AVG(x) AS a FROM (VALUES (-1), (-2)) AS v(x);
SELECT AVG(x) AS a FROM (VALUES (1), (2), (2)) AS v(x);
SELECT AVG(x) AS a, SUM(x) AS s FROM (SELECT CAST(y AS DECIMAL(5, 0)) AS x FROM (VALUES (1), (2), (2)) AS v(y));
SELECT AVG(x) AS a, SUM(x) AS s FROM (VALUES (1.10), (2.25), (3.00)) AS v(x);
-- Others.
SELECT STDDEV_POP(x) AS sp, STDDEV_SAMP(x) AS ss, VAR_POP(x) AS vp, VAR_SAMP(x) AS vs FROM (VALUES (1e0), (2e0), (4e0)) AS v(x);
