-- MultiJoin of updates and deletions, and aggregates of what it gives.
CREATE TABLE l (id INT, s STRING, v INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/left.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE r (id INT, s STRING, v INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/right.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE nobody (id INT, s STRING, v INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/empty', 'format' = 'csv');
CREATE TABLE changes (id INT, k STRING, i INT, s STRING) WITH ('connector' = 'filesystem', 'path' = '${DATA}/changes.json', 'format' = 'debezium-json');
CREATE TABLE kx (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE repeats (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/repeats.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE VIEW lc AS SELECT id, COUNT(*) AS n FROM l GROUP BY id;
CREATE VIEW rc AS SELECT id, COUNT(*) AS m, MAX(v) AS v FROM r GROUP BY id;
CREATE VIEW cs AS SELECT k, SUM(i) AS si, COUNT(*) AS n FROM changes GROUP BY k;
SET 'table.optimizer.multi-join.enabled' = 'true';
SELECT cs.k, si, x, c.i FROM cs JOIN kx ON cs.k = kx.k JOIN changes AS c ON c.k = cs.k;
SELECT kx.k, kx.x, c.i, cs.si FROM kx LEFT JOIN changes AS c ON c.k = kx.k LEFT JOIN cs ON cs.k = kx.k;
SELECT kx.k, kx.x, c.i, c.id, p.x FROM kx LEFT JOIN changes AS c ON c.k = kx.k AND c.i > kx.x LEFT JOIN repeats AS p ON p.k = c.k AND p.x < c.i;
SELECT p.k, p.x, c.i, kx.x FROM repeats AS p JOIN changes AS c ON c.k = p.k LEFT JOIN kx ON kx.k = p.k AND kx.x < c.i;
SELECT c.k, d.id, e.s FROM changes AS c LEFT JOIN changes AS d ON c.k = d.k AND c.id < d.id LEFT JOIN changes AS e ON e.k = c.k AND e.i = d.i;
SELECT a.id, COUNT(*), SUM(c.v), COUNT(b.v) FROM l AS a LEFT JOIN r AS b ON a.id = b.id JOIN l AS c ON a.id = c.id GROUP BY a.id;
SELECT kx.k, COUNT(c.id), SUM(c.i), MAX(p.x) FROM kx LEFT JOIN changes AS c ON c.k = kx.k LEFT JOIN repeats AS p ON p.k = kx.k GROUP BY kx.k;
