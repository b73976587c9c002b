-- Windows over TIMESTAMP_LTZ are cut in the session's zone, also where the clock is moved.
CREATE TABLE e (h INT, ts AS TO_TIMESTAMP_LTZ(1615708800000 + h * 1800000, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${TMP}/h', 'format' = 'csv');
CREATE TABLE autumn (h INT, ts AS TO_TIMESTAMP_LTZ(1636268400000 + h * 1800000, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${TMP}/h', 'format' = 'csv');
CREATE TABLE hours (h INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/h', 'format' = 'csv');
INSERT INTO hours VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (10), (12), (14), (20), (30), (47), (48), (60);
SET 'table.local-time-zone' = 'America/Los_Angeles';
SELECT window_start, window_end, CAST(window_time AS STRING) AS t, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, CAST(window_time AS STRING) AS t, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(HOP(TABLE e, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '3' HOUR)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE e, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '6' HOUR)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(SESSION(TABLE e, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
SELECT h, CAST(ts AS STRING) AS t, window_start, window_end, CAST(window_time AS STRING) AS w FROM TABLE(HOP(TABLE e, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '2' HOUR));
SELECT window_start, window_end, CAST(window_time AS STRING) AS t, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE autumn, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(HOP(TABLE autumn, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '3' HOUR)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(CUMULATE(TABLE autumn, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '6' HOUR)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS n FROM TABLE(SESSION(TABLE autumn, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
SELECT TUMBLE_START(ts, INTERVAL '1' DAY) AS s, CAST(TUMBLE_ROWTIME(ts, INTERVAL '1' DAY) AS STRING) AS r, COUNT(*) AS n FROM autumn GROUP BY TUMBLE(ts, INTERVAL '1' DAY);
SELECT window_start, window_end, SUM(n) AS n FROM (SELECT window_start, window_end, h, COUNT(*) AS n FROM TABLE(HOP(TABLE e, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '2' HOUR)) GROUP BY window_start, window_end, h) GROUP BY window_start, window_end;
