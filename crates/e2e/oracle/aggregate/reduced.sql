-- What else becomes of aggregates beside a variance: AVG is a SUM and a COUNT then.
CREATE TABLE t (k STRING, x INT, s STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/agg.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE changes (id INT, k STRING, i INT, d DECIMAL(10, 2), f DOUBLE, s STRING, z BOOLEAN, dt DATE, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${DATA}/changes.json', 'format' = 'debezium-json');
SELECT k, SUM(x) AS s, AVG(x) AS a, VAR_POP(x) AS v FROM t GROUP BY k;
SELECT SUM(x) AS s, AVG(x) AS a, VAR_POP(x) AS v, MIN(x) AS mi, MAX(x) AS ma, COUNT(*) AS n, COUNT(x) AS nx FROM t;
SELECT AVG(CAST(x AS FLOAT) / 3) AS a, STDDEV(CAST(x AS FLOAT)) AS v FROM t;
SELECT AVG(CAST(x AS FLOAT) / 3) AS a FROM t;
SELECT AVG(x * 500000000) AS a, STDDEV(x) AS v FROM t WHERE k = 'a';
SELECT AVG(x * 500000000) AS a FROM t WHERE k = 'a';
SELECT AVG(d) AS a, VAR_POP(d) AS v, SUM(d) AS s FROM changes;
SELECT k, AVG(DISTINCT x) AS a, VAR_POP(DISTINCT x) AS v, AVG(x) FILTER (WHERE x > 1) AS f FROM t GROUP BY k HAVING VAR_POP(x) > 0;
SELECT k, LISTAGG(s) AS l, VAR_POP(x) AS v, FIRST_VALUE(x) AS f, `$SUM0`(x) AS z FROM t GROUP BY k;
SELECT STDDEV(x) + 1 AS p, STDDEV(x) AS q FROM t;
SELECT a, COUNT(*) AS n FROM (SELECT k, VAR_POP(x) AS a FROM t GROUP BY k) GROUP BY a;
EXPLAIN CHANGELOG_MODE SELECT k, SUM(x) AS s, AVG(x) AS a, VAR_POP(x) AS v FROM t GROUP BY k;
EXPLAIN CHANGELOG_MODE SELECT SUM(d) AS s, VAR_POP(d) AS v FROM changes;
EXPLAIN CHANGELOG_MODE SELECT k, AVG(DISTINCT x) AS a, VAR_POP(DISTINCT x) AS v, AVG(x) FILTER (WHERE x > 1) AS f FROM t GROUP BY k HAVING VAR_POP(x) > 0;
EXPLAIN CHANGELOG_MODE SELECT k, LISTAGG(s) AS l, VAR_POP(x) AS v, FIRST_VALUE(x) AS f, `$SUM0`(x) AS z FROM t GROUP BY k;
EXPLAIN CHANGELOG_MODE SELECT k, AVG(x) AS a FROM t GROUP BY k;
