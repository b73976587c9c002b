-- Reading and writing canal-json. The files are written by the script itself, a line each.
CREATE TABLE f1 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'raw');
INSERT INTO f1 VALUES
 ('{"data":[{"id":"1","name":"a","x":"1.5"},{"id":"2","name":null,"x":"2.25"}],"database":"shop","es":1589373515000,"id":3,"isDdl":false,"mysqlType":{"id":"INTEGER"},"old":null,"pkNames":["id"],"sql":"","sqlType":{"id":4},"table":"product","ts":1589373515477,"type":"INSERT"}'),
 ('{"data":[{"id":"1","name":"aa","x":"1.5"}],"database":"shop","old":[{"name":"a"}],"table":"product","ts":1589373516000,"type":"UPDATE"}'),
 ('{"data":[{"id":"2","name":"b","x":null}],"database":"shop","old":[{"name":null,"x":"2.25"}],"table":"product","type":"UPDATE"}'),
 ('{"data":[{"id":"3","name":"c","x":"1"},{"id":"4","name":"d","x":"2"},{"id":"5","name":"e","x":"3"}],"database":"shop2","old":null,"table":"product_2","type":"INSERT"}'),
 ('{"data":[{"id":"3","name":"c","x":"10"},{"id":"4","name":"d","x":"20"}],"database":"shop2","old":[{"x":"1"},{"x":"2"}],"table":"product_2","type":"UPDATE"}'),
 ('{"data":null,"database":"shop","isDdl":true,"old":null,"sql":"CREATE TABLE y (id INT)","table":"y","type":"CREATE"}'),
 ('{"data":[{"id":"1","name":"aa","x":"1.5"},{"id":"2","name":"b","x":null}],"database":"shop","old":null,"table":"product","type":"DELETE"}'),
 ('{"data":[],"database":"other","old":null,"table":"product","type":"INSERT"}'),
 ('{"data":[{"x":"7","more":[1,{"y":2}],"id":6}],"database":"other","table":"orders","type":"INSERT"}');
CREATE TABLE c1 (id INT, name STRING, x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'canal-json');
SELECT * FROM c1;
SELECT name, COUNT(*) AS n FROM c1 GROUP BY name;
SELECT COUNT(*) AS n, SUM(x) AS s FROM c1;
SELECT id FROM c1 WHERE x > 2;
CREATE TABLE k1 (id INT, name STRING, x DOUBLE, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'canal-json');
SELECT * FROM k1;
EXPLAIN CHANGELOG_MODE SELECT name, COUNT(*) AS n FROM c1 GROUP BY name;
-- Of one database, of some tables.
SELECT * FROM c1 /*+ OPTIONS('canal-json.database.include' = 'shop') */;
SELECT * FROM c1 /*+ OPTIONS('canal-json.database.include' = 'shop\d?', 'canal-json.table.include' = 'product(_[0-9]+)') */;
SELECT * FROM c1 /*+ OPTIONS('canal-json.table.include' = 'prod') */;
SELECT * FROM c1 /*+ OPTIONS('canal-json.table.include' = '.*', 'canal-json.ignore-parse-errors' = 'true') */;
SELECT * FROM c1 /*+ OPTIONS('canal-json.table.include' = '(', 'canal-json.ignore-parse-errors' = 'true') */;
-- What does not fit what.
CREATE TABLE f2 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'raw');
INSERT INTO f2 VALUES
 ('{"data":[{"id":1,"name":"a"}],"type":"INSERT"}'),
 ('{"data":[{"id":2,"name":"b"}],"type":"ALTER"}'),
 ('{"data":[{"id":3,"name":"c"}]}'),
 ('{"data":[{"id":4,"name":"d"}],"type":null}'),
 ('{"data":null,"type":"INSERT"}'),
 ('{"data":{"id":5},"type":"INSERT"}'),
 ('{"data":[{"id":6},null,{"id":7}],"type":"INSERT"}'),
 ('{"data":[{"id":8},3],"type":"INSERT"}'),
 ('{"data":[{"id":"x","name":"e"},{"id":9.5,"name":[1, 2]}],"type":"INSERT"}'),
 ('{"data":[{"id":10,"name":"ff"},{"name":"ff"},{"id":15,"name":"f"},{"id":16,"name":"g"}],"type":"INSERT"}'),
 ('{"data":[{"id":10,"name":"f"},{"id":11,"name":"g"}],"old":[{"name":"ff"}],"type":"UPDATE"}'),
 ('{"data":[{"id":12,"name":"f"}],"old":null,"type":"UPDATE"}'),
 ('{"data":[{"id":13,"name":"f"}],"old":[null],"type":"UPDATE"}'),
 ('{"data":[{"id":14,"name":"f"}],"old":[{"id":"bad","name":"ff"}],"type":"UPDATE"}'),
 ('{"data":[{"id":15,"name":"f"}],"old":[{}],"type":"UPDATE"}'),
 ('{"data":[{"id":16,"name":"f"}],"old":[{"name":"g"},{"name":"h"}],"type":"UPDATE"}'),
 ('{"data":[{"id":17,"name":"f"}],"type":"insert"}'),
 ('{"data":[{"id":18,"name":"f"'),
 ('not json'),
 ('17'),
 ('null'),
 ('[{"data":[{"id":19,"name":"f"}],"type":"INSERT"}]'),
 (''),
 ('{"data":[{"id":20,"name":"f"}],"type":"INSERT"} and more'),
 ('{"data":[{"id":21,"name":"f","name":"g"}],"type":"DELETE","type":"INSERT"}'),
 ('{"data":[{"id":22,"name":"\u00e4\n"}],"t\u0079pe":"INS\u0045RT"}');
CREATE TABLE lenient (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'canal-json', 'canal-json.ignore-parse-errors' = 'true');
SELECT * FROM lenient;
CREATE TABLE strict (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f2', 'format' = 'canal-json');
SELECT * FROM strict;
SELECT * FROM lenient /*+ OPTIONS('canal-json.database.include' = 'x') */;
-- Bad messages one by one.
CREATE TABLE f3 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f3', 'format' = 'raw');
INSERT INTO f3 VALUES ('{"data":[{"id":1}],"database":"x"}');
CREATE TABLE no_type (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f3', 'format' = 'canal-json');
SELECT * FROM no_type;
SELECT * FROM no_type /*+ OPTIONS('canal-json.database.include' = 'y') */;
SELECT * FROM no_type /*+ OPTIONS('canal-json.table.include' = 'y') */;
CREATE TABLE f4 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f4', 'format' = 'raw');
INSERT INTO f4 VALUES ('{"data":[{"id":1}],"old":null,"type":"UPDATE"}');
CREATE TABLE no_old (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f4', 'format' = 'canal-json');
SELECT * FROM no_old;
CREATE TABLE f5 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f5', 'format' = 'raw');
INSERT INTO f5 VALUES ('{"data":null,"type":"DELETE"}');
CREATE TABLE no_data (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f5', 'format' = 'canal-json');
SELECT * FROM no_data;
CREATE TABLE f6 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f6', 'format' = 'raw');
INSERT INTO f6 VALUES ('{"data":[{"id":1}],"database":null,"table":7,"type":"INSERT"}');
CREATE TABLE odd_names (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f6', 'format' = 'canal-json');
SELECT * FROM odd_names /*+ OPTIONS('canal-json.database.include' = 'null', 'canal-json.table.include' = '7') */;
-- A null in old that stands in another row's old only, and below another field.
CREATE TABLE f7 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f7', 'format' = 'raw');
INSERT INTO f7 VALUES ('{"data":[{"id":1,"name":"a"},{"id":2,"name":"b"}],"old":[{"name":null},{"id":3}],"type":"UPDATE"}');
CREATE TABLE other_old (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f7', 'format' = 'canal-json');
SELECT * FROM other_old;
CREATE TABLE f8 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f8', 'format' = 'raw');
INSERT INTO f8 VALUES ('{"data":[{"id":1,"name":"a","r":{"name":"x"}}],"old":[{"r":{"name":"y"}}],"type":"UPDATE"}'), ('{"data":[{"id":2,"name":null,"r":{"name":"x"}}],"old":[{"id":1}],"type":"UPDATE"}');
CREATE TABLE below (id INT, name STRING, r ROW<name STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f8', 'format' = 'canal-json');
SELECT * FROM below;
-- Types, and the other form of timestamps.
CREATE TABLE f9 (l STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f9', 'format' = 'raw');
INSERT INTO f9 VALUES ('{"data":[{"b":"true","d":"2020-02-29","t":"12:34:56","ts":"2020-02-29 12:34:56.123","l":"2020-02-29 12:34:56.123Z","n":"12.345","y":"YWJj","a":[1,null],"m":{"k":"v"}}],"type":"INSERT"}');
CREATE TABLE typed (b BOOLEAN, d DATE, t TIME, ts TIMESTAMP(3), l TIMESTAMP_LTZ(3), n DECIMAL(5, 2), y BYTES, a ARRAY<INT>, m MAP<STRING, STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f9', 'format' = 'canal-json');
SELECT * FROM typed;
SELECT ts FROM typed /*+ OPTIONS('canal-json.timestamp-format.standard' = 'ISO-8601') */;
SELECT * FROM typed /*+ OPTIONS('canal-json.timestamp-format.standard' = 'ISO-8601', 'canal-json.ignore-parse-errors' = 'true') */;
SELECT * FROM typed /*+ OPTIONS('canal-json.timestamp-format.standard' = 'RFC') */;
SELECT * FROM typed /*+ OPTIONS('canal-json.fail-on-missing-field' = 'true') */;
-- Writing.
CREATE TABLE changes (name STRING, n BIGINT, ts TIMESTAMP(3), d DECIMAL(10, 2)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/out', 'format' = 'canal-json');
INSERT INTO changes SELECT name, COUNT(*), TIMESTAMP '2020-02-29 12:34:56.7', 100.00 FROM c1 GROUP BY name;
--! cat ${TMP}/out
SELECT * FROM changes;
CREATE TABLE short (n BIGINT, s STRING, d DECIMAL(10, 2), ts TIMESTAMP(3), r ROW<p STRING, q INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/short', 'format' = 'canal-json', 'canal-json.encode.ignore-null-fields' = 'true', 'canal-json.encode.decimal-as-plain-number' = 'true', 'canal-json.timestamp-format.standard' = 'ISO-8601');
INSERT INTO short SELECT COUNT(*), CAST(NULL AS STRING), 100.00, TIMESTAMP '2020-02-29 12:34:56.7', ROW(CAST(NULL AS STRING), 7) FROM c1;
--! cat ${TMP}/short
CREATE TABLE keys (m MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/keys', 'format' = 'canal-json');
INSERT INTO keys /*+ OPTIONS('path' = '${TMP}/failed') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
INSERT INTO keys /*+ OPTIONS('canal-json.map-null-key.mode' = 'DROP') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
INSERT INTO keys /*+ OPTIONS('canal-json.map-null-key.mode' = 'LITERAL', 'canal-json.map-null-key.literal' = 'none') */ SELECT MAP[CAST(NULL AS STRING), 1, 'b', 2];
--! cat ${TMP}/keys
CREATE TABLE filtered (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/filtered', 'format' = 'canal-json', 'canal-json.database.include' = 'x', 'canal-json.table.include' = 'y', 'canal-json.ignore-parse-errors' = 'true');
INSERT INTO filtered VALUES (1), (CAST(NULL AS INT));
--! cat ${TMP}/filtered
CREATE TABLE bad_map (m MAP<INT, STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/bad_map', 'format' = 'canal-json');
INSERT INTO bad_map SELECT MAP[1, 'a'];
CREATE TABLE bad_option (id INT) WITH ('connector' = 'filesystem', 'path' = '${TMP}/f1', 'format' = 'canal-json', 'canal-json.schema-include' = 'true');
SELECT * FROM bad_option;
