-- What Flink reads in its own file, as JSON; `q` has keys that JSON has not.
CREATE TABLE read_types (id INT, bo BOOLEAN, ti TINYINT, si SMALLINT, i INT, bi BIGINT, f FLOAT, d DOUBLE, de DECIMAL(10, 2), big DECIMAL(38, 18), c CHAR(5), vc VARCHAR(7), s STRING, b BYTES, da DATE, t0 TIMESTAMP(0), t3 TIMESTAMP(3), t6 TIMESTAMP(6), t9 TIMESTAMP(9), a ARRAY<INT>, m MAP<STRING, INT>, r ROW<x INT, y STRING, z ROW<w TIMESTAMP(3)>>, n ARRAY<ROW<k BIGINT, v ARRAY<STRING>>>, q MAP<INT, DECIMAL(5, 1)>) WITH ('connector' = 'filesystem', 'path' = 'file://${DIR}/types_zlib.orc', 'format' = 'orc');
CREATE TABLE json_types (id INT, bo BOOLEAN, ti TINYINT, si SMALLINT, i INT, bi BIGINT, f FLOAT, d DOUBLE, de DECIMAL(10, 2), big DECIMAL(38, 18), c CHAR(5), vc VARCHAR(7), s STRING, b BYTES, da DATE, t0 TIMESTAMP(0), t3 TIMESTAMP(3), t6 TIMESTAMP(6), t9 TIMESTAMP(9), a ARRAY<INT>, m MAP<STRING, INT>, r ROW<x INT, y STRING, z ROW<w TIMESTAMP(3)>>, n ARRAY<ROW<k BIGINT, v ARRAY<STRING>>>) WITH ('connector' = 'filesystem', 'path' = 'file://${DIR}/json_types', 'format' = 'json');
INSERT INTO json_types SELECT id, bo, ti, si, i, bi, f, d, de, big, c, vc, s, b, da, t0, t3, t6, t9, a, m, r, n FROM read_types ORDER BY id;
--! keep ${DIR}/json_types ${DIR}/types.json
CREATE TABLE read_zone (id INT, t TIMESTAMP(9)) WITH ('connector' = 'filesystem', 'path' = 'file://${DIR}/zone.orc', 'format' = 'orc');
CREATE TABLE json_zone (id INT, t TIMESTAMP(9)) WITH ('connector' = 'filesystem', 'path' = 'file://${DIR}/json_zone', 'format' = 'json');
INSERT INTO json_zone SELECT * FROM read_zone ORDER BY id;
--! keep ${DIR}/json_zone ${DIR}/zone.json
