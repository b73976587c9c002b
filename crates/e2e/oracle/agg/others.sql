-- MIN, MAX and COUNT over types that are not numbers; other aggregates.
CREATE TABLE t (s STRING, b BOOLEAN, d DATE, t TIME, ts TIMESTAMP(3), n STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/others.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT MIN(s) AS lo, MAX(s) AS hi, COUNT(s) AS n FROM t;
SELECT MIN(b) AS lo, MAX(b) AS hi FROM t;
SELECT MIN(d) AS lo, MAX(d) AS hi FROM t;
SELECT MIN(t) AS lo, MAX(t) AS hi FROM t;
SELECT MIN(ts) AS lo, MAX(ts) AS hi FROM t;
SELECT MIN(n) AS lo, MAX(n) AS hi, COUNT(n) AS n FROM t;
SELECT SUM(s) AS x FROM t;
SELECT SUM(b) AS x FROM t;
SELECT AVG(d) AS x FROM t;
SELECT MIN(ARRAY[1]) AS x FROM t;
SELECT FIRST_VALUE(s) AS f, LAST_VALUE(s) AS l FROM t;
SELECT LISTAGG(s) AS a, LISTAGG(s, '-') AS b FROM t;
SELECT COUNT(s, n) AS c FROM t;
