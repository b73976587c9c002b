-- Reading and writing maxwell-json. The files are written by the script itself, a line each.
CREATE TABLE f1 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'raw');
INSERT INTO f1 VALUES
 ('{"database":"test","table":"product","type":"insert","ts":1596684904,"xid":7201,"commit":true,"primary_key_columns":["id"],"data":{"id":1,"name":"a","x":1.5}}'),
 ('{"database":"test","table":"product","type":"insert","ts":1596684904,"data":{"id":2,"name":null,"x":2.25}}'),
 ('{"database":"test","table":"product","type":"update","ts":1596684906,"data":{"id":1,"name":"aa","x":1.5},"old":{"name":"a"}}'),
 ('{"type":"update","data":{"id":2,"name":"b","x":null},"old":{"name":null,"x":2.25}}'),
 ('{"type":"update","old":{"id":1},"data":{"id":10,"name":"aa","x":1.5}}'),
 ('{"type":"delete","data":{"id":2,"name":"b","x":null}}'),
 ('{"type":"insert","data":{"x":"7","more":[1,{"y":2}],"id":"6"}}'),
 ('{"type":"update","data":{"id":6,"name":null,"x":8},"old":{"x":7}}');
CREATE TABLE c1 (id INT, name STRING, x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'maxwell-json');
SELECT * FROM c1;
SELECT name, COUNT(*) AS n FROM c1 GROUP BY name;
SELECT COUNT(*) AS n, SUM(x) AS s FROM c1;
SELECT id FROM c1 WHERE x > 2;
CREATE TABLE k1 (id INT, name STRING, x DOUBLE, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'maxwell-json');
SELECT * FROM k1;
EXPLAIN CHANGELOG_MODE SELECT name, COUNT(*) AS n FROM c1 GROUP BY name;
-- What does not fit what.
CREATE TABLE f2 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'raw');
INSERT INTO f2 VALUES
 ('{"data":{"id":1,"name":"a"},"type":"insert"}'),
 ('{"data":{"id":2,"name":"b"},"type":"bootstrap-start"}'),
 ('{"data":{"id":3,"name":"c"}}'),
 ('{"data":{"id":4,"name":"d"},"type":null}'),
 ('{"data":null,"type":"insert"}'),
 ('{"data":[{"id":5}],"type":"insert"}'),
 ('{"data":7,"type":"delete"}'),
 ('{"type":"delete"}'),
 ('{"data":{"id":"x","name":"e"},"type":"insert"}'),
 ('{"data":{"id":9.5,"name":[1, 2]},"type":"insert"}'),
 ('{"data":{"name":"ff"},"type":"insert"}'),
 ('{"data":{"id":15,"name":"f"},"type":"insert"}'),
 ('{"data":{"id":16,"name":"f"},"type":"insert"}'),
 ('{"data":{"id":23,"name":"h"},"type":"insert"}'),
 ('{"data":{"id":12,"name":"f"},"old":null,"type":"update"}'),
 ('{"data":{"id":13,"name":"f"},"type":"update"}'),
 ('{"data":{"id":14,"name":"f"},"old":{"id":"bad","name":"ff"},"type":"update"}'),
 ('{"data":{"id":15,"name":"f"},"old":{},"type":"update"}'),
 ('{"data":null,"old":{"id":1},"type":"update"}'),
 ('{"data":{"id":16,"name":"f"},"old":{"other":1},"type":"update"}'),
 ('{"data":{"id":17,"name":"f"},"type":"INSERT"}'),
 ('{"data":{"id":18,"name":"f"'),
 ('not json'),
 ('17'),
 ('null'),
 ('[{"data":{"id":19,"name":"f"},"type":"insert"}]'),
 (''),
 ('{"data":{"id":20,"name":"f"},"type":"insert"} and more'),
 ('{"data":{"id":21,"name":"f","name":"g"},"type":"delete","type":"insert"}'),
 ('{"d\u0061ta":{"id":22,"n\u0061me":"\u00e4\n"},"type":"ins\u0065rt"}'),
 ('{"type":"update","data":{"id":23,"name":"f"},"old":{"name":"g","name":"h"}}');
CREATE TABLE lenient (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'maxwell-json', 'maxwell-json.ignore-parse-errors' = 'true');
SELECT * FROM lenient;
CREATE TABLE strict (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'maxwell-json');
SELECT * FROM strict;
-- Bad messages one by one.
CREATE TABLE f3 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f3', 'format' = 'raw');
INSERT INTO f3 VALUES ('{"data":{"id":1},"database":"x"}');
CREATE TABLE no_type (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f3', 'format' = 'maxwell-json');
SELECT * FROM no_type;
CREATE TABLE f4 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f4', 'format' = 'raw');
INSERT INTO f4 VALUES ('{"data":{"id":1},"old":null,"type":"update"}');
CREATE TABLE no_old (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f4', 'format' = 'maxwell-json');
SELECT * FROM no_old;
CREATE TABLE f5 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f5', 'format' = 'raw');
INSERT INTO f5 VALUES ('{"data":null,"type":"delete"}');
CREATE TABLE no_data (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f5', 'format' = 'maxwell-json');
SELECT * FROM no_data;
CREATE TABLE f6 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f6', 'format' = 'raw');
INSERT INTO f6 VALUES ('{"data":{"id":1,"name":"a"},"type":"insert"}'), ('{"data":{"id":2,"name":"b"},"type":"bootstrap-insert"}');
CREATE TABLE other_type (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f6', 'format' = 'maxwell-json');
SELECT * FROM other_type;
SELECT * FROM other_type /*+ OPTIONS('maxwell-json.ignore-parse-errors' = 'true') */;
-- A field that stands in old below another field only.
CREATE TABLE f8 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f8', 'format' = 'raw');
INSERT INTO f8 VALUES ('{"data":{"id":1,"name":"a","r":{"name":"x"}},"old":{"r":{"name":"y"}},"type":"update"}'), ('{"data":{"id":2,"name":"b","r":null},"old":{"r":{"name":null}},"type":"update"}');
CREATE TABLE below (id INT, name STRING, r ROW<name STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f8', 'format' = 'maxwell-json');
SELECT * FROM below;
-- Types, and the other form of timestamps.
CREATE TABLE f9 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f9', 'format' = 'raw');
INSERT INTO f9 VALUES ('{"data":{"b":"true","d":"2020-02-29","t":"12:34:56","ts":"2020-02-29 12:34:56.123","l":"2020-02-29 12:34:56.123Z","n":"12.345","y":"YWJj","a":[1,null],"m":{"k":"v"}},"type":"insert"}');
CREATE TABLE typed (b BOOLEAN, d DATE, t TIME, ts TIMESTAMP(3), l TIMESTAMP_LTZ(3), n DECIMAL(5, 2), y BYTES, a ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f9', 'format' = 'maxwell-json');
SELECT * FROM typed;
SELECT * FROM typed /*+ OPTIONS('maxwell-json.timestamp-format.standard' = 'ISO-8601', 'maxwell-json.ignore-parse-errors' = 'true') */;
SELECT * FROM typed /*+ OPTIONS('maxwell-json.timestamp-format.standard' = 'RFC') */;
-- What is no object where a map should be.
CREATE TABLE f10 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f10', 'format' = 'raw');
INSERT INTO f10 VALUES ('{"data":{"id":1,"m":5},"type":"insert"}'), ('{"data":{"id":2,"m":"x"},"type":"insert"}'), ('{"data":{"id":3,"m":[1]},"type":"insert"}');
CREATE TABLE no_map (id INT, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f10', 'format' = 'maxwell-json');
SELECT * FROM no_map;
-- Writing.
CREATE TABLE changes (name STRING, n BIGINT, ts TIMESTAMP(3), d DECIMAL(10, 2)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/out', 'format' = 'maxwell-json');
INSERT INTO changes SELECT name, COUNT(*), TIMESTAMP '2020-02-29 12:34:56.7', 100.00 FROM c1 GROUP BY name;
--! cat ${TMP}/out
SELECT * FROM changes;
CREATE TABLE short (n BIGINT, s STRING, d DECIMAL(10, 2), ts TIMESTAMP(3), r ROW<p STRING, q INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/short', 'format' = 'maxwell-json', 'maxwell-json.encode.ignore-null-fields' = 'true', 'maxwell-json.encode.decimal-as-plain-number' = 'true', 'maxwell-json.timestamp-format.standard' = 'ISO-8601');
INSERT INTO short SELECT COUNT(*), CAST(NULL AS STRING), 100.00, TIMESTAMP '2020-02-29 12:34:56.7', ROW(CAST(NULL AS STRING), 7) FROM c1;
--! cat ${TMP}/short
CREATE TABLE keys (m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/keys', 'format' = 'maxwell-json');
INSERT INTO keys /*+ OPTIONS('path' = '${TMP}/failed') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
INSERT INTO keys /*+ OPTIONS('maxwell-json.map-null-key.mode' = 'DROP') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
INSERT INTO keys /*+ OPTIONS('maxwell-json.map-null-key.mode' = 'LITERAL', 'maxwell-json.map-null-key.literal' = 'none') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
--! cat ${TMP}/keys
CREATE TABLE nulls (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/nulls', 'format' = 'maxwell-json');
INSERT INTO nulls VALUES (1, 'a"b'), (CAST(NULL AS INT), CAST(NULL AS STRING));
--! cat ${TMP}/nulls
CREATE TABLE bad_map (m MAP<INT, STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/bad_map', 'format' = 'maxwell-json');
INSERT INTO bad_map SELECT MAP[1, 'a'];
CREATE TABLE bad_option (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'maxwell-json', 'maxwell-json.database.include' = 'x');
SELECT * FROM bad_option;
