-- STRUCTURED and VARIANT in batch mode.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE t (k STRING, x INT, s STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/agg.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TEMPORARY VIEW v AS SELECT k, x, s, OBJECT_OF('com.example.Pair', 'k', k, 'n', x) AS o FROM t;
SELECT k, o FROM v;
SELECT o, COUNT(*) AS n FROM v GROUP BY o;
SELECT k, x FROM v ORDER BY o;
SELECT OBJECT_UPDATE(o, 'n', 7) AS u FROM v WHERE x = 1;
CREATE TEMPORARY VIEW w AS SELECT k, x, s, PARSE_JSON(JSON_OBJECT('k' VALUE k, 'x' VALUE x, 'l' VALUE JSON_ARRAY(x, s NULL ON NULL))) AS j FROM t;
SELECT k, j FROM w;
SELECT j['k'] AS j, COUNT(*) AS n FROM w GROUP BY j['k'];
SELECT k, x FROM w ORDER BY j;
SELECT k, x, j FROM w ORDER BY x, k, s;
SELECT l.k, r.x FROM (SELECT DISTINCT k, j['k'] AS j FROM w WHERE x = 1) l JOIN (SELECT DISTINCT x, j['k'] AS j FROM w WHERE x = 1) r ON l.j = r.j;
