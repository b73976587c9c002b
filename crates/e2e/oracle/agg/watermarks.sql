-- When watermarks come: CURRENT_WATERMARK is the one before the row.
CREATE TABLE e (t BIGINT, ts AS TO_TIMESTAMP_LTZ(t, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${DATA}/epochs.csv', 'format' = 'csv');
SELECT t, CURRENT_WATERMARK(ts) AS wm FROM e;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '0.1' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY window_start, window_end;
CREATE TABLE w (t BIGINT, ts AS TO_TIMESTAMP_LTZ(t + 1700000000000, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${DATA}/epochs.csv', 'format' = 'csv');
SELECT t, CURRENT_WATERMARK(ts) AS wm FROM w;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '0.1' SECOND)) GROUP BY window_start, window_end;
SET 'pipeline.auto-watermark-interval' = '0 ms';
SELECT t, CURRENT_WATERMARK(ts) AS wm FROM w;
SET 'pipeline.auto-watermark-interval' = '10 s';
SELECT t, CURRENT_WATERMARK(ts) AS wm FROM w;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '0.1' SECOND)) GROUP BY window_start, window_end;
RESET 'pipeline.auto-watermark-interval';
-- A filter and a projection before the window; a window over a union.
SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE((SELECT * FROM w WHERE t > 0), DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
CREATE TEMPORARY VIEW positive AS SELECT ts, t * 2 AS t2 FROM w WHERE t > 0;
DESCRIBE positive;
SELECT window_start, COUNT(*) AS n, SUM(t2) AS s FROM TABLE(TUMBLE(TABLE positive, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
CREATE TEMPORARY VIEW cast_away AS SELECT CAST(ts AS TIMESTAMP_LTZ(3)) AS ts, t FROM w;
DESCRIBE cast_away;
SELECT MAX(ts) AS hi FROM w;
SELECT ts, COUNT(*) AS n FROM w GROUP BY ts;
SELECT * FROM w ORDER BY ts;
