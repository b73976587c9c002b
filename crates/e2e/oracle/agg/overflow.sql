-- Sums wrap around; decimals become null when they do not fit.
SELECT SUM(x) AS s, AVG(x) AS a FROM (VALUES (CAST(100 AS TINYINT)), (CAST(100 AS TINYINT))) AS v(x);
SELECT SUM(x) AS s, AVG(x) AS a FROM (VALUES (2147483647), (1)) AS v(x);
SELECT SUM(x) AS s, AVG(x) AS a FROM (VALUES (9223372036854775807), (9223372036854775807)) AS v(x);
CREATE TABLE big (k INT, x DECIMAL(38, 0)) WITH ('connector' = 'filesystem', 'path' = '${DATA}/big.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, SUM(x) AS s, AVG(x) AS a, COUNT(x) AS n, MAX(x) AS hi FROM big GROUP BY k;
SELECT k, SUM(x) AS s FROM big WHERE x > 0 GROUP BY k;
SELECT x + 1 AS y, x * 10 AS z, -x AS m FROM big;
SELECT x / 3 AS y, x % 7 AS z FROM big;
SELECT SUM(x) AS s, AVG(x) AS a FROM (VALUES (CAST(999.99 AS DECIMAL(5, 2))), (CAST(999.99 AS DECIMAL(5, 2)))) AS v(x);
SELECT SUM(x) AS s FROM (VALUES (1e308), (1e308)) AS v(x);
CREATE TABLE nan (x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${DATA}/nan.csv', 'format' = 'csv');
SELECT MIN(x) AS lo, MAX(x) AS hi, SUM(x) AS s, COUNT(x) AS n, AVG(x) AS a FROM nan;
SELECT x, COUNT(*) AS n FROM nan GROUP BY x;
SELECT x, x = x AS eq, x > 1 AS gt, x IS NOT DISTINCT FROM x AS same FROM nan;
