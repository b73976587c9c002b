-- The hint MULTI_JOIN where it names a table of an upper join only: what becomes of the joins below.
CREATE TABLE l (id INT, s STRING, v INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/left.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE r (id INT, s STRING, v INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/right.csv', 'format' = 'csv', 'csv.null-literal' = '');
EXPLAIN CHANGELOG_MODE SELECT /*+ MULTI_JOIN(d) */ a.v, b.v, c.v, d.v FROM l AS a JOIN r AS b ON a.id = b.id JOIN l AS c ON b.id = c.id JOIN r AS d ON c.id = d.id;
EXPLAIN CHANGELOG_MODE SELECT /*+ MULTI_JOIN(c) */ a.v, b.v, c.v, d.v FROM l AS a JOIN r AS b ON a.id = b.id JOIN l AS c ON b.id = c.id JOIN r AS d ON c.id = d.id;
EXPLAIN CHANGELOG_MODE SELECT /*+ MULTI_JOIN(c) */ a.id, b.id, c.id FROM l AS a LEFT JOIN r AS b ON a.id = b.id JOIN l AS c ON a.id = c.id;
EXPLAIN CHANGELOG_MODE SELECT /*+ MULTI_JOIN(c) */ * FROM l AS a JOIN r AS b ON a.id = b.id JOIN l AS c ON a.id = c.id;
EXPLAIN CHANGELOG_MODE SELECT /*+ MULTI_JOIN(c) */ a.id, b.id, c.id FROM l AS a FULL JOIN r AS b ON a.id = b.id JOIN l AS c ON a.id = c.id;
EXPLAIN CHANGELOG_MODE SELECT /*+ MULTI_JOIN(a) */ a.id, b.id, c.id FROM l AS a JOIN (r AS b JOIN l AS c ON b.id = c.id) ON a.id = b.id;
EXPLAIN CHANGELOG_MODE SELECT /*+ MULTI_JOIN(c) */ x.id, x.v, c.id FROM (SELECT a.id, b.v FROM l AS a JOIN r AS b ON a.id = b.id) AS x LEFT JOIN l AS c ON x.id = c.id;
EXPLAIN CHANGELOG_MODE SELECT l.id FROM l JOIN r ON FALSE;
EXPLAIN CHANGELOG_MODE SELECT l.id, r.id, r.v FROM l LEFT JOIN r ON FALSE;
EXPLAIN CHANGELOG_MODE SELECT l.id, r.id FROM l LEFT JOIN (SELECT id FROM r WHERE FALSE) AS r ON l.id = r.id;
EXPLAIN CHANGELOG_MODE SELECT l.id, r.id FROM (SELECT id FROM l WHERE FALSE) AS l LEFT JOIN r ON l.id = r.id;
SELECT /*+ MULTI_JOIN(d) */ a.v, b.v, c.v, d.v FROM l AS a JOIN r AS b ON a.id = b.id JOIN l AS c ON b.id = c.id JOIN r AS d ON c.id = d.id;
SELECT l.id, r.id, r.v FROM l LEFT JOIN r ON FALSE LEFT JOIN l AS c ON c.id = l.id;
SELECT l.id, r.id FROM l LEFT JOIN (SELECT id FROM r WHERE FALSE) AS r ON l.id = r.id;
