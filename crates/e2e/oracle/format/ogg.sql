-- Reading and writing ogg-json. The files are written by the script itself, a line each.
CREATE TABLE f1 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'raw');
INSERT INTO f1 VALUES
 ('{"after":{"id":1,"name":"a","x":1.5},"before":null,"op_type":"I","op_ts":"2020-05-13 15:40:06.000000","current_ts":"2020-05-13T15:40:07.000000","primary_keys":["id"],"pos":"1","table":"OGG.PRODUCT"}'),
 ('{"after":{"id":2,"name":null,"x":2.25},"op_type":"I"}'),
 ('{"before":{"id":1,"name":"a","x":1.5},"after":{"id":1,"name":"aa","x":1.5},"op_type":"U"}'),
 ('{"before":{"id":2,"x":2.25},"after":{"id":2,"name":"b"},"op_type":"U"}'),
 ('{"before":{"id":2,"name":"b","x":null},"after":null,"op_type":"D"}'),
 ('{"before":{"id":1,"name":"aa","x":1.5},"op_type":"D"}'),
 ('{"op_type":"I","after":{"x":"7","more":[1,{"y":2}],"id":"6"}}');
CREATE TABLE c1 (id INT, name STRING, x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'ogg-json');
SELECT * FROM c1;
SELECT name, COUNT(*) AS n FROM c1 GROUP BY name;
SELECT COUNT(*) AS n, SUM(x) AS s FROM c1;
SELECT id FROM c1 WHERE x > 2;
CREATE TABLE k1 (id INT, name STRING, x DOUBLE, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'ogg-json');
SELECT * FROM k1;
EXPLAIN CHANGELOG_MODE SELECT name, COUNT(*) AS n FROM c1 GROUP BY name;
-- What does not fit what.
CREATE TABLE f2 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'raw');
INSERT INTO f2 VALUES
 ('{"after":{"id":1,"name":"a"},"op_type":"I"}'),
 ('{"after":{"id":2,"name":"b"},"op_type":"T"}'),
 ('{"table":"OGG.PRODUCT","op_type":"T"}'),
 ('{"after":{"id":3,"name":"c"}}'),
 ('{"after":{"id":4,"name":"d"},"op_type":null}'),
 ('{"after":null,"op_type":"I"}'),
 ('{"before":{"id":5},"op_type":"I"}'),
 ('{"after":[{"id":6}],"op_type":"I"}'),
 ('{"after":7,"op_type":"I"}'),
 ('{"after":{"id":"x","name":"e"},"op_type":"I"}'),
 ('{"after":{"id":9.5,"name":[1, 2]},"op_type":"I"}'),
 ('{"after":{"name":"ff"},"op_type":"I"}'),
 ('{"after":{},"op_type":"I"}'),
 ('{"before":null,"after":{"id":12,"name":"f"},"op_type":"U"}'),
 ('{"before":{"id":13,"name":"f"},"op_type":"U"}'),
 ('{"before":{"id":"bad","name":"ff"},"after":{"id":14,"name":"f"},"op_type":"U"}'),
 ('{"after":{"id":15,"name":"f"},"op_type":"D"}'),
 ('{"before":{},"after":{},"op_type":"U"}'),
 ('{"after":{"id":17,"name":"f"},"op_type":"i"}'),
 ('{"after":{"id":18,"name":"f"'),
 ('not json'),
 ('17'),
 ('null'),
 ('[{"after":{"id":19,"name":"f"},"op_type":"I"}]'),
 ('[{"after":{"id":190,"name":"f"},"op_type":"I"},{"after":{"id":191,"name":"f"},"op_type":"I"}]'),
 ('[]'),
 (''),
 ('{"after":{"id":20,"name":"f"},"op_type":"I"} and more'),
 ('{"after":{"id":21,"name":"f","name":"g"},"op_type":"D","op_type":"I"}'),
 ('{"\u0061fter":{"id":22,"n\u0061me":"\u00e4\n"},"op_type":"\u0049"}'),
 ('{"after":{"id":1},"after":{"name":"z"},"op_type":"I"}');
CREATE TABLE lenient (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'ogg-json', 'ogg-json.ignore-parse-errors' = 'true');
SELECT * FROM lenient;
CREATE TABLE strict (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'ogg-json');
SELECT * FROM strict;
-- Bad messages one by one.
CREATE TABLE f3 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f3', 'format' = 'raw');
INSERT INTO f3 VALUES ('{"after":{"id":1}}');
CREATE TABLE no_type (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f3', 'format' = 'ogg-json');
SELECT * FROM no_type;
CREATE TABLE f4 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f4', 'format' = 'raw');
INSERT INTO f4 VALUES ('{"after":{"id":1},"before":null,"op_type":"U"}');
CREATE TABLE no_before (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f4', 'format' = 'ogg-json');
SELECT * FROM no_before;
CREATE TABLE f5 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f5', 'format' = 'raw');
INSERT INTO f5 VALUES ('{"after":{"id":1},"op_type":"D"}');
CREATE TABLE d_before (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f5', 'format' = 'ogg-json');
SELECT * FROM d_before;
CREATE TABLE f6 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f6', 'format' = 'raw');
INSERT INTO f6 VALUES ('{"after":{"id":1,"name":"a"},"op_type":"I"}'), ('{"table":"OGG.PRODUCT","op_type":"T"}');
CREATE TABLE truncated (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f6', 'format' = 'ogg-json');
SELECT * FROM truncated;
SELECT * FROM truncated /*+ OPTIONS('ogg-json.ignore-parse-errors' = 'true') */;
CREATE TABLE f7 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f7', 'format' = 'raw');
INSERT INTO f7 VALUES ('[{"after":{"id":19},"op_type":"I"}]');
CREATE TABLE listed (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f7', 'format' = 'ogg-json');
SELECT * FROM listed;
-- A part that the operation does not need.
CREATE TABLE f8 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f8', 'format' = 'raw');
INSERT INTO f8 VALUES ('{"after":{"id":1,"name":"a"},"before":{"id":"x"},"op_type":"I"}');
CREATE TABLE unneeded (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f8', 'format' = 'ogg-json');
SELECT * FROM unneeded;
-- Types, and the other form of timestamps.
CREATE TABLE f9 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f9', 'format' = 'raw');
INSERT INTO f9 VALUES ('{"after":{"b":"true","d":"2020-02-29","t":"12:34:56","ts":"2020-02-29 12:34:56.123","l":"2020-02-29 12:34:56.123Z","n":"12.345","y":"YWJj","a":[1,null],"m":{"k":"v"}},"op_type":"I"}');
CREATE TABLE typed (b BOOLEAN, d DATE, t TIME, ts TIMESTAMP(3), l TIMESTAMP_LTZ(3), n DECIMAL(5, 2), y BYTES, a ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f9', 'format' = 'ogg-json');
SELECT * FROM typed;
SELECT * FROM typed /*+ OPTIONS('ogg-json.timestamp-format.standard' = 'ISO-8601', 'ogg-json.ignore-parse-errors' = 'true') */;
SELECT * FROM typed /*+ OPTIONS('ogg-json.timestamp-format.standard' = 'RFC') */;
-- Writing.
CREATE TABLE changes (name STRING, n BIGINT, ts TIMESTAMP(3), d DECIMAL(10, 2)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/out', 'format' = 'ogg-json');
INSERT INTO changes SELECT name, COUNT(*), TIMESTAMP '2020-02-29 12:34:56.7', 100.00 FROM c1 GROUP BY name;
--! cat ${TMP}/out
SELECT * FROM changes;
CREATE TABLE short (n BIGINT, s STRING, d DECIMAL(10, 2), ts TIMESTAMP(3), r ROW<p STRING, q INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/short', 'format' = 'ogg-json', 'ogg-json.encode.ignore-null-fields' = 'true', 'ogg-json.encode.decimal-as-plain-number' = 'true', 'ogg-json.timestamp-format.standard' = 'ISO-8601');
INSERT INTO short SELECT COUNT(*), CAST(NULL AS STRING), 100.00, TIMESTAMP '2020-02-29 12:34:56.7', ROW(CAST(NULL AS STRING), 7) FROM c1;
--! cat ${TMP}/short
CREATE TABLE keys (m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/keys', 'format' = 'ogg-json');
INSERT INTO keys /*+ OPTIONS('path' = '${TMP}/failed') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
INSERT INTO keys /*+ OPTIONS('ogg-json.map-null-key.mode' = 'DROP') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
INSERT INTO keys /*+ OPTIONS('ogg-json.map-null-key.mode' = 'LITERAL', 'ogg-json.map-null-key.literal' = 'none') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
--! cat ${TMP}/keys
CREATE TABLE nulls (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/nulls', 'format' = 'ogg-json');
INSERT INTO nulls VALUES (1, 'a"b'), (CAST(NULL AS INT), CAST(NULL AS STRING));
--! cat ${TMP}/nulls
CREATE TABLE bad_map (m MAP<INT, STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/bad_map', 'format' = 'ogg-json');
INSERT INTO bad_map SELECT MAP[1, 'a'];
CREATE TABLE bad_option (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'ogg-json', 'ogg-json.schema-include' = 'true');
SELECT * FROM bad_option;
