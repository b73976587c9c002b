-- Reading and writing debezium-json: changes, aggregates over them, bad records.
CREATE TABLE d (id INT, name STRING, x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium.json', 'format' = 'debezium-json');
SELECT * FROM d;
SELECT name, COUNT(*) AS n FROM d GROUP BY name;
SELECT COUNT(*) AS n, SUM(x) AS s, MAX(id) AS m FROM d;
SELECT id FROM d WHERE x > 2;
CREATE TABLE k (id INT, name STRING, x DOUBLE, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium.json', 'format' = 'debezium-json');
SELECT * FROM k;
CREATE TABLE s (id INT, name STRING, x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_schema.json', 'format' = 'debezium-json', 'debezium-json.schema-include' = 'true');
SELECT * FROM s;
CREATE TABLE bad (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_bad.json', 'format' = 'debezium-json');
SELECT * FROM bad;
CREATE TABLE lenient (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_bad.json', 'format' = 'debezium-json', 'debezium-json.ignore-parse-errors' = 'true');
SELECT * FROM lenient;
CREATE TABLE changes (name STRING, n BIGINT, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/out', 'format' = 'debezium-json');
INSERT INTO changes SELECT name, COUNT(*), TIMESTAMP '2020-02-29 12:34:56.7' FROM d GROUP BY name;
--! cat ${TMP}/out
SELECT * FROM changes;
CREATE TABLE meta (id INT, db STRING METADATA FROM 'value.source.database' VIRTUAL) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium.json', 'format' = 'debezium-json');
SELECT * FROM meta;
CREATE TABLE opt (id INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium.json', 'format' = 'debezium-json', 'debezium-json.map-null-key.mode' = 'X');
SELECT * FROM opt;
-- What updates and deletes become.
CREATE TABLE totals (n BIGINT, s STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/totals', 'format' = 'debezium-json', 'debezium-json.encode.ignore-null-fields' = 'true');
INSERT INTO totals SELECT COUNT(*), CAST(NULL AS STRING) FROM d;
--! cat ${TMP}/totals
CREATE TABLE copied (id INT, name STRING, x DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${TMP}/copied', 'format' = 'debezium-json', 'debezium-json.schema-include' = 'true');
INSERT INTO copied SELECT * FROM d;
-- Bad messages one by one: an update without before, no json, a delete without before, a create without after, no op, an empty line.
CREATE TABLE u_before (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_u_before.json', 'format' = 'debezium-json');
SELECT * FROM u_before;
CREATE TABLE text (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_text.json', 'format' = 'debezium-json');
SELECT * FROM text;
CREATE TABLE d_before (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_d_before.json', 'format' = 'debezium-json');
SELECT * FROM d_before;
CREATE TABLE c_after (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_c_after.json', 'format' = 'debezium-json');
SELECT * FROM c_after;
CREATE TABLE no_op (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_no_op.json', 'format' = 'debezium-json');
SELECT * FROM no_op;
CREATE TABLE tombstone (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/debezium_tombstone.json', 'format' = 'debezium-json');
SELECT * FROM tombstone;
