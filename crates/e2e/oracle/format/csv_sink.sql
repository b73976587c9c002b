-- What csv writes, type by type.
CREATE TABLE numbers (i8 TINYINT, i16 SMALLINT, i32 INT, i64 BIGINT, f FLOAT, d DOUBLE, e DECIMAL(10, 3), z DECIMAL(10, 3)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/numbers', 'format' = 'csv');
INSERT INTO numbers VALUES (CAST(1 AS TINYINT), CAST(-2 AS SMALLINT), 3, CAST(4 AS BIGINT), CAST(1.5 AS FLOAT), 1e10, 100, 0.5);
--! cat ${TMP}/numbers
CREATE TABLE decimals (e DECIMAL(20, 0), z DECIMAL(38, 18), b DECIMAL(10, 2)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/decimals', 'format' = 'csv', 'csv.write-bigdecimal-in-scientific-notation' = 'false');
INSERT INTO decimals VALUES (CAST('100000' AS DECIMAL(20, 0)), CAST('0.000000000000000001' AS DECIMAL(38, 18)), 1000);
--! cat ${TMP}/decimals
CREATE TABLE decimals2 (e DECIMAL(20, 0), z DECIMAL(38, 18), b DECIMAL(10, 2)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/decimals2', 'format' = 'csv');
INSERT INTO decimals2 VALUES (CAST('100000' AS DECIMAL(20, 0)), CAST('0.000000000000000001' AS DECIMAL(38, 18)), 1000);
--! cat ${TMP}/decimals2
CREATE TABLE doubles (a DOUBLE, b DOUBLE, c DOUBLE, d FLOAT, e DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${TMP}/doubles', 'format' = 'csv');
INSERT INTO doubles VALUES (0.001, 1e7, CAST('NaN' AS DOUBLE), CAST(0.1 AS FLOAT), CAST('-Infinity' AS DOUBLE));
--! cat ${TMP}/doubles
CREATE TABLE times (d DATE, t TIME, ts0 TIMESTAMP(0), ts3 TIMESTAMP(3), ts6 TIMESTAMP(6), l3 TIMESTAMP_LTZ(3), b BOOLEAN) WITH ('connector' = 'filesystem', 'path' = '${TMP}/times', 'format' = 'csv');
INSERT INTO times VALUES (DATE '2020-02-29', TIME '12:34:56', TIMESTAMP '2020-02-29 12:34:56', TIMESTAMP '2020-02-29 12:34:56.7', TIMESTAMP '2020-02-29 12:34:56', CAST(TIMESTAMP '2020-02-29 12:34:56.78' AS TIMESTAMP_LTZ(3)), TRUE);
INSERT INTO times VALUES (DATE '0001-01-01', TIME '00:00:00', TIMESTAMP '2020-02-29 00:00:00', TIMESTAMP '2020-02-29 12:34:00.000', TIMESTAMP '2020-02-29 12:34:56.123456', CAST(TIMESTAMP '2020-02-29 12:34:56' AS TIMESTAMP_LTZ(3)), FALSE);
--! cat ${TMP}/times
SELECT * FROM times;
CREATE TABLE strings (s STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/strings', 'format' = 'csv');
INSERT INTO strings VALUES ('plain'), ('with space'), (' lead'), ('comma,'), ('quo"te'), (U&'line\000Abreak'), (''), ('semi;colon'), ('äöü'), ('#hash'), ('back\slash'), ('it''s'), ('tab	tab');
--! cat ${TMP}/strings
SELECT * FROM strings;
CREATE TABLE two (a STRING, b STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/two', 'format' = 'csv');
INSERT INTO two VALUES ('', CAST(NULL AS STRING));
--! cat ${TMP}/two
CREATE TABLE nulls (a INT, b STRING, c INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/nulls', 'format' = 'csv', 'csv.null-literal' = 'n/a');
INSERT INTO nulls VALUES (CAST(NULL AS INT), CAST(NULL AS STRING), 1);
--! cat ${TMP}/nulls
CREATE TABLE one_null (a INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/one_null', 'format' = 'csv');
INSERT INTO one_null VALUES (CAST(NULL AS INT));
--! cat ${TMP}/one_null
CREATE TABLE delimited (a INT, b STRING, c ARRAY<STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/delimited', 'format' = 'csv', 'csv.field-delimiter' = '|', 'csv.quote-character' = '''', 'csv.array-element-delimiter' = ':');
INSERT INTO delimited VALUES (1, 'a|b', ARRAY['x', 'y']), (2, 'it''s', ARRAY['p:q']);
--! cat ${TMP}/delimited
CREATE TABLE unquoted (a INT, b STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/unquoted', 'format' = 'csv', 'csv.disable-quote-character' = 'true');
INSERT INTO unquoted VALUES (1, 'a,b'), (2, 'q"q');
--! cat ${TMP}/unquoted
CREATE TABLE escaped (a INT, b STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/escaped', 'format' = 'csv', 'csv.escape-character' = '\');
INSERT INTO escaped VALUES (1, 'a,b'), (2, 'q"q'), (3, 'b\b');
--! cat ${TMP}/escaped
CREATE TABLE nested (a ARRAY<INT>, r ROW<x INT, y STRING>, b BYTES) WITH ('connector' = 'filesystem', 'path' = '${TMP}/nested', 'format' = 'csv');
INSERT INTO nested VALUES (ARRAY[1, 2], ROW(1, 'y'), X'6162');
--! cat ${TMP}/nested
SELECT * FROM nested;
CREATE TABLE mapped (m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/mapped', 'format' = 'csv');
INSERT INTO mapped VALUES (MAP['a', 1]);
CREATE TABLE parts (a INT, p STRING, q INT) PARTITIONED BY (p, q) WITH ('connector' = 'filesystem', 'path' = '${TMP}/parts', 'format' = 'csv');
INSERT INTO parts VALUES (1, 'x', 1), (2, 'y', 1), (3, 'x', 2), (4, 'a/b=c', 3);
--! cat ${TMP}/parts
SELECT * FROM parts;
SELECT a FROM parts WHERE p = 'x' AND q = 2;
INSERT INTO parts PARTITION (p = 's', q = 9) SELECT 7;
INSERT INTO parts PARTITION (p = 't') SELECT 8, 1;
SELECT * FROM parts WHERE q IN (9, 1);
CREATE TABLE parts2 (a INT, p STRING) PARTITIONED BY (p) WITH ('connector' = 'filesystem', 'path' = '${TMP}/parts2', 'format' = 'csv', 'partition.default-name' = 'nothing');
INSERT INTO parts2 VALUES (1, CAST(NULL AS STRING)), (2, ''), (3, 'z');
--! cat ${TMP}/parts2
SELECT * FROM parts2;
CREATE TABLE dates (a INT, d DATE, ts TIMESTAMP(3), b BOOLEAN) PARTITIONED BY (d, ts, b) WITH ('connector' = 'filesystem', 'path' = '${TMP}/dates', 'format' = 'csv');
INSERT INTO dates VALUES (1, DATE '2020-02-29', TIMESTAMP '2020-02-29 12:34:56.7', TRUE);
--! cat ${TMP}/dates
SELECT * FROM dates;
CREATE TABLE empty_result (a INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/none', 'format' = 'csv');
INSERT INTO empty_result SELECT a FROM parts WHERE a > 100;
SELECT * FROM empty_result;
INSERT OVERWRITE numbers SELECT * FROM numbers;
