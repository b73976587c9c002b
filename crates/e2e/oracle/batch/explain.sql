-- EXPLAIN over bounded input: the plans are Flott's own; the tree as it was bound is Flink's.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE t (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv', 'format' = 'csv', 'csv.null-literal' = '');
EXPLAIN SELECT k, COUNT(*) AS n FROM t GROUP BY k ORDER BY n DESC LIMIT 2;
EXPLAIN SELECT a.k, b.x FROM t AS a JOIN t AS b ON a.x = b.x WHERE a.k > 'a';
EXPLAIN SELECT k, SUM(x) OVER (PARTITION BY k ORDER BY x ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s FROM t;
EXPLAIN CHANGELOG_MODE SELECT k, COUNT(*) AS n FROM t GROUP BY k;
EXPLAIN ESTIMATED_COST SELECT k FROM t;
