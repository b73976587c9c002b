-- TIMESTAMP_LTZ in sessions of several zones, with daylight saving.
CREATE TABLE e (t BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1', 'fields.t.kind' = 'sequence', 'fields.t.start' = '1582979696123', 'fields.t.end' = '1582979696123');
SET 'table.local-time-zone' = 'America/New_York';
SELECT TO_TIMESTAMP_LTZ(t, 3) AS l, CAST(TO_TIMESTAMP_LTZ(t, 3) AS TIMESTAMP(3)) AS ts, CAST(TO_TIMESTAMP_LTZ(t, 3) AS STRING) AS s, CAST(TO_TIMESTAMP_LTZ(t, 3) AS DATE) AS d, CAST(TO_TIMESTAMP_LTZ(t, 3) AS TIME) AS tm FROM e;
SELECT CAST(TIMESTAMP '2020-03-08 02:30:00' AS TIMESTAMP_LTZ(3)) AS gap, CAST(TIMESTAMP '2020-11-01 01:30:00' AS TIMESTAMP_LTZ(3)) AS overlap FROM e;
SELECT UNIX_TIMESTAMP('2020-03-08 02:30:00') AS gap, UNIX_TIMESTAMP('2020-11-01 01:30:00') AS overlap, FROM_UNIXTIME(0) AS epoch FROM e;
SELECT CAST('2020-07-01 12:00:00' AS TIMESTAMP_LTZ(3)) AS l, TIMESTAMP '2020-07-01 12:00:00' = CAST('2020-07-01 12:00:00' AS TIMESTAMP_LTZ(3)) AS eq FROM e;
SELECT EXTRACT(HOUR FROM TO_TIMESTAMP_LTZ(t, 3)) AS h, DATE_FORMAT(TO_TIMESTAMP_LTZ(t, 3), 'yyyy-MM-dd HH:mm') AS f, FLOOR(TO_TIMESTAMP_LTZ(t, 3) TO DAY) AS fl, TO_TIMESTAMP_LTZ(t, 3) + INTERVAL '1' DAY AS plus FROM e;
CREATE TABLE f (l TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f', 'format' = 'csv');
INSERT INTO f SELECT TO_TIMESTAMP_LTZ(t, 3) FROM e;
--! cat ${TMP}/f
SELECT * FROM f;
CREATE TABLE p (l TIMESTAMP_LTZ(3), ts TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO p SELECT TO_TIMESTAMP_LTZ(t, 3), CAST(TO_TIMESTAMP_LTZ(t, 3) AS TIMESTAMP(3)) FROM e;
CREATE TABLE w (t BIGINT, ts AS TO_TIMESTAMP_LTZ(t, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', 'number-of-rows' = '1', 'fields.t.kind' = 'sequence', 'fields.t.start' = '1582979696123', 'fields.t.end' = '1582979696123');
SELECT window_start, window_end, window_time, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
SET 'table.local-time-zone' = 'GMT+05:30';
SELECT TO_TIMESTAMP_LTZ(t, 3) AS l FROM e;
SELECT window_start, window_end, window_time, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
