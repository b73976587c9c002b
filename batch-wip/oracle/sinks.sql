-- INSERT, refusals, time and windows in batch mode.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE t (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE f (k STRING, n BIGINT, s INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f', 'format' = 'csv');
CREATE TABLE p (k STRING, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE g (a INT) WITH ('connector' = 'datagen');
CREATE TABLE b (a INT) WITH ('connector' = 'datagen', 'number-of-rows' = '5', 'fields.a.kind' = 'sequence', 'fields.a.start' = '1', 'fields.a.end' = '5');
INSERT INTO f SELECT k, COUNT(*), SUM(x) FROM t GROUP BY k;
--! cat ${TMP}/f
SELECT * FROM f;
INSERT INTO p SELECT k, COUNT(*) FROM t WHERE k IS NOT NULL GROUP BY k;
INSERT INTO p SELECT k, CAST(x AS BIGINT) FROM t WHERE x > 100;
INSERT INTO f SELECT k, 0, x FROM t WHERE x = 4;
SELECT * FROM f WHERE n = 0;
SELECT * FROM g;
SELECT SUM(a) AS s FROM b;
SELECT a FROM b ORDER BY a DESC LIMIT 2;
CREATE TABLE w (k STRING, ts TIMESTAMP(3), v INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'filesystem', 'path' = '${TMP}/w', 'format' = 'csv', 'csv.null-literal' = '');
INSERT INTO w VALUES ('a', TIMESTAMP '2020-01-01 00:00:01', 1), ('b', TIMESTAMP '2020-01-01 00:00:09', 2), ('a', TIMESTAMP '2020-01-01 00:00:12', 3), ('a', TIMESTAMP '2020-01-01 00:00:02', 4), ('b', TIMESTAMP '2020-01-01 00:01:00', CAST(NULL AS INT));
SELECT * FROM w ORDER BY v;
SELECT window_start, window_end, COUNT(*) AS n, SUM(v) AS s FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT k, window_start, COUNT(*) AS n, MAX(v) AS s FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;
SELECT k, ts, window_start, window_end, window_time FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
SELECT k, MAX(ts) AS m FROM w GROUP BY k;
CREATE TABLE c (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv', 'format' = 'debezium-json');
SELECT * FROM c;
EXPLAIN SELECT k, COUNT(*) FROM t GROUP BY k ORDER BY k;
