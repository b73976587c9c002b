-- What json writes, type by type.
CREATE TABLE a (i8 TINYINT, i64 BIGINT, f FLOAT, d DOUBLE, e DECIMAL(10, 3), b BOOLEAN, s STRING, c CHAR(3), y BYTES) WITH ('connector' = 'filesystem', 'path' = '${TMP}/a', 'format' = 'json');
INSERT INTO a VALUES (CAST(1 AS TINYINT), CAST(9223372036854775807 AS BIGINT), CAST(0.1 AS FLOAT), 1e10, 100.5, TRUE, U&'q"u\00f6\000A/<', 'ab', X'6162ff');
--! cat ${TMP}/a
SELECT * FROM a;
CREATE TABLE b (d DATE, t TIME, t3 TIME(3), ts0 TIMESTAMP(0), ts3 TIMESTAMP(3), ts6 TIMESTAMP(6), l TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/b', 'format' = 'json');
INSERT INTO b VALUES (DATE '2020-02-29', TIME '12:34:56', TIME '12:34:56.7', TIMESTAMP '2020-02-29 12:34:56', TIMESTAMP '2020-02-29 12:34:56.7', TIMESTAMP '2020-02-29 12:00:00', CAST(TIMESTAMP '2020-02-29 12:34:56.7' AS TIMESTAMP_LTZ(3)));
--! cat ${TMP}/b
SELECT * FROM b;
CREATE TABLE b2 (ts0 TIMESTAMP(0), ts3 TIMESTAMP(3), l TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/b2', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
INSERT INTO b2 VALUES (TIMESTAMP '2020-02-29 12:34:56', TIMESTAMP '2020-02-29 12:34:56.7', CAST(TIMESTAMP '2020-02-29 12:34:56.7' AS TIMESTAMP_LTZ(3)));
--! cat ${TMP}/b2
SELECT * FROM b2;
CREATE TABLE c (a ARRAY<INT>, m MAP<STRING, INT>, r ROW<x INT, y ROW<z STRING>>, n INT, ms MULTISET<STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/c', 'format' = 'json');
INSERT INTO c (a, m, r, n) VALUES (ARRAY[1, CAST(NULL AS INT)], MAP['k', 1, 'l', CAST(NULL AS INT)], ROW(1, ROW('z')), CAST(NULL AS INT));
--! cat ${TMP}/c
CREATE TABLE c2 (a INT, n INT, r ROW<x INT, y INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/c2', 'format' = 'json', 'json.encode.ignore-null-fields' = 'true');
INSERT INTO c2 VALUES (1, CAST(NULL AS INT), ROW(CAST(NULL AS INT), 2));
--! cat ${TMP}/c2
CREATE TABLE d (e DECIMAL(20, 0), z DECIMAL(38, 18), x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${TMP}/d', 'format' = 'json');
INSERT INTO d VALUES (CAST('100000' AS DECIMAL(20, 0)), CAST('0.000000000000000001' AS DECIMAL(38, 18)), CAST('NaN' AS DOUBLE));
--! cat ${TMP}/d
CREATE TABLE d2 (e DECIMAL(20, 0), z DECIMAL(38, 18), x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${TMP}/d2', 'format' = 'json', 'json.encode.decimal-as-plain-number' = 'true');
INSERT INTO d2 VALUES (CAST('100000' AS DECIMAL(20, 0)), CAST('0.000000000000000001' AS DECIMAL(38, 18)), 1e-7);
--! cat ${TMP}/d2
CREATE TABLE e (m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/e', 'format' = 'json');
INSERT INTO e VALUES (MAP[CAST(NULL AS STRING), 1, 'b', 2]);
CREATE TABLE e2 (m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/e2', 'format' = 'json', 'json.map-null-key.mode' = 'DROP');
INSERT INTO e2 VALUES (MAP[CAST(NULL AS STRING), 1, 'b', 2]);
--! cat ${TMP}/e2
CREATE TABLE e3 (m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/e3', 'format' = 'json', 'json.map-null-key.mode' = 'LITERAL', 'json.map-null-key.literal' = 'nil');
INSERT INTO e3 VALUES (MAP[CAST(NULL AS STRING), 1, 'b', 2]);
--! cat ${TMP}/e3
CREATE TABLE e4 (m MAP<INT, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/e4', 'format' = 'json');
INSERT INTO e4 VALUES (MAP[1, 1]);
