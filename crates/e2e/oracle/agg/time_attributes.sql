-- Null timestamps, watermarks on other types and expressions, proctime, what may carry a watermark.
CREATE TABLE n (ts TIMESTAMP(3), x INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${DATA}/null_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM n;
SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
CREATE TABLE plain (ts TIMESTAMP(3), x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/null_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT * FROM plain;
SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE plain, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
-- A watermark over a computed column.
CREATE TABLE c (t STRING, x INT, ts AS COALESCE(TO_TIMESTAMP(t), TIMESTAMP '2024-01-01 00:00:30.000'), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/null_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
DESCRIBE c;
SELECT * FROM c;
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
CREATE TABLE ltz (t BIGINT, ts AS TO_TIMESTAMP_LTZ(t, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', 'number-of-rows' = '4', 'fields.t.kind' = 'sequence', 'fields.t.start' = '1', 'fields.t.end' = '4');
DESCRIBE ltz;
SELECT window_start, window_end, window_time, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE ltz, DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY window_start, window_end, window_time;
SELECT t, ts FROM ltz;
CREATE TABLE p (x INT, pt AS PROCTIME()) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
DESCRIBE p;
-- Refused.
CREATE TABLE bad1 (ts STRING, WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');
DESCRIBE bad1;
SELECT * FROM bad1;
CREATE TABLE bad2 (ts TIMESTAMP(9), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');
CREATE TABLE bad3 (ts TIMESTAMP(3), WATERMARK FOR nope AS nope) WITH ('connector' = 'datagen');
CREATE TABLE bad4 (ts TIMESTAMP(3), WATERMARK FOR ts AS ts - 5) WITH ('connector' = 'datagen');
CREATE TABLE bad5 (ts TIMESTAMP(3), u TIMESTAMP(3), WATERMARK FOR ts AS ts, WATERMARK FOR u AS u) WITH ('connector' = 'datagen');
