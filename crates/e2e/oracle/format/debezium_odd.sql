-- What debezium-json makes of events that do not fit. The files are written by the script itself, a line each.
CREATE TABLE f1 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'raw');
INSERT INTO f1 VALUES
 ('{"after":{"id":1,"name":"a"},"op":"c"}'),
 ('{"after":{"id":2,"name":"b"},"op":"t"}'),
 ('{"after":{"id":3,"name":"c"}}'),
 ('{"after":{"id":4,"name":"d"},"op":null}'),
 ('{"after":null,"op":"r"}'),
 ('{"before":{"id":5},"op":"c"}'),
 ('{"after":[{"id":6}],"op":"c"}'),
 ('{"after":7,"op":"c"}'),
 ('{"after":{"id":"x","name":"e"},"op":"c"}'),
 ('{"after":{"id":9.5,"name":[1, 2]},"op":"c"}'),
 ('{"after":{"name":"ff"},"op":"c"}'),
 ('{"after":{},"op":"r"}'),
 ('{"before":null,"after":{"id":12,"name":"f"},"op":"u"}'),
 ('{"before":{"id":13,"name":"f"},"op":"u"}'),
 ('{"before":{"id":"bad","name":"ff"},"after":{"id":14,"name":"f"},"op":"u"}'),
 ('{"after":{"id":15,"name":"f"},"op":"d"}'),
 ('{"before":{},"after":{},"op":"u"}'),
 ('{"after":{"id":17,"name":"f"},"op":"C"}'),
 ('{"after":{"id":18,"name":"f"'),
 ('not json'),
 ('17'),
 ('null'),
 ('[{"after":{"id":19,"name":"f"},"op":"c"}]'),
 ('[{"after":{"id":190,"name":"f"},"op":"c"},{"after":{"id":191,"name":"f"},"op":"c"}]'),
 ('[]'),
 (''),
 ('{"after":{"id":20,"name":"f"},"op":"c"} and more'),
 ('{"after":{"id":21,"name":"f","name":"g"},"op":"d","op":"c"}'),
 ('{"\u0061fter":{"id":22,"n\u0061me":"\u00e4\n"},"op":"\u0063"}'),
 ('{"payload":{"after":{"id":23},"op":"c"}}');
CREATE TABLE lenient (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'debezium-json', 'debezium-json.ignore-parse-errors' = 'true');
SELECT * FROM lenient;
SELECT COUNT(*) AS n FROM lenient;
CREATE TABLE strict (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'debezium-json');
SELECT * FROM strict;
-- Inside of payload.
CREATE TABLE f2 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'raw');
INSERT INTO f2 VALUES
 ('{"schema":{"type":"struct"},"payload":{"before":null,"after":{"id":1,"name":"a"},"op":"c"}}'),
 ('{"payload":{"before":{"id":1,"name":"a"},"after":{"id":1,"name":"b"},"op":"u"}}'),
 ('{"before":null,"after":{"id":2,"name":"a"},"op":"c"}'),
 ('{"payload":null}'),
 ('{"payload":{"op":"x"}}'),
 ('{"payload":[{"after":{"id":3},"op":"c"}]}'),
 ('[{"payload":{"after":{"id":4},"op":"c"}}]'),
 (''),
 ('{"schema":null,"payload":{"before":{"id":1,"name":"b"},"after":null,"op":"d"}}');
CREATE TABLE wrapped (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'debezium-json', 'debezium-json.schema-include' = 'true', 'debezium-json.ignore-parse-errors' = 'true');
SELECT * FROM wrapped;
SELECT * FROM wrapped /*+ OPTIONS('debezium-json.ignore-parse-errors' = 'false') */;
SELECT * FROM wrapped /*+ OPTIONS('debezium-json.schema-include' = 'false') */;
-- Types, and the other form of timestamps.
CREATE TABLE f3 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f3', 'format' = 'raw');
INSERT INTO f3 VALUES ('{"after":{"b":"true","d":"2020-02-29","t":"12:34:56","ts":"2020-02-29T12:34:56.123","l":"2020-02-29T12:34:56.123Z","n":"12.345","y":"YWJj","a":[1,null],"m":{"k":"v"}},"op":"r"}'),
 ('{"after":{"b":7,"d":"x","t":"12:34","ts":7,"l":null,"n":1e3,"y":"?","a":5,"m":5},"op":"r"}');
CREATE TABLE typed (b BOOLEAN, d DATE, t TIME, ts TIMESTAMP(3), l TIMESTAMP_LTZ(3), n DECIMAL(5, 2), y BYTES, a ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f3', 'format' = 'debezium-json', 'debezium-json.timestamp-format.standard' = 'ISO-8601', 'debezium-json.ignore-parse-errors' = 'true');
SELECT * FROM typed;
SELECT ts, l FROM typed /*+ OPTIONS('debezium-json.timestamp-format.standard' = 'SQL') */;
-- Writing.
CREATE TABLE short (n BIGINT, s STRING, d DECIMAL(10, 2), ts TIMESTAMP(3), l TIMESTAMP_LTZ(3), r ROW<p STRING, q INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/short', 'format' = 'debezium-json', 'debezium-json.encode.ignore-null-fields' = 'true', 'debezium-json.encode.decimal-as-plain-number' = 'true', 'debezium-json.timestamp-format.standard' = 'ISO-8601');
INSERT INTO short SELECT COUNT(*), CAST(NULL AS STRING), 100.00, TIMESTAMP '2020-02-29 12:34:56.7', CAST(TIMESTAMP '2020-02-29 12:34:56.7' AS TIMESTAMP_LTZ(3)), ROW(CAST(NULL AS STRING), 7) FROM strict WHERE id < 0;
INSERT INTO short SELECT COUNT(*), CAST(NULL AS STRING), 100.00, TIMESTAMP '2020-02-29 12:34:56.7', CAST(TIMESTAMP '2020-02-29 12:34:56.7' AS TIMESTAMP_LTZ(3)), ROW(CAST(NULL AS STRING), 7) FROM lenient;
--! cat ${TMP}/short
CREATE TABLE keys (m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/keys', 'format' = 'debezium-json');
INSERT INTO keys /*+ OPTIONS('path' = '${TMP}/failed') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
INSERT INTO keys /*+ OPTIONS('debezium-json.map-null-key.mode' = 'DROP') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
INSERT INTO keys /*+ OPTIONS('debezium-json.map-null-key.mode' = 'literal', 'debezium-json.map-null-key.literal' = 'none') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
--! cat ${TMP}/keys
INSERT INTO keys /*+ OPTIONS('debezium-json.map-null-key.mode' = 'X') */ SELECT MAP['b', 2];
