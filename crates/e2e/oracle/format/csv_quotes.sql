-- When csv quotes a string.
CREATE TABLE a (s STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/a', 'format' = 'csv');
INSERT INTO a VALUES ('aaaaaaaaaaaaaaaaaaaaaaaa'), ('aaaaaaaaaaaaaaaaaaaaaaaaa'), ('a!'), ('a#'), ('a$'), ('a%'), ('a&'), ('a('), ('a*'), ('a+'), ('a,'), ('a-'), ('a.'), ('a/'), ('123'), ('a:b'), ('a<'), ('a='), ('a@'), ('A'), ('[a]'), ('a\'), ('a^'), ('a_'), ('a`'), ('{a}'), ('a|'), ('a~'), ('日本語'), ('true'), ('-1'), ('+1'), ('äöüäöüäöüäöüäöüäöüäöüäöüä');
--! cat ${TMP}/a
CREATE TABLE b (s STRING, ts TIMESTAMP(3), i INT, d DATE, a ARRAY<STRING>) WITH ('connector' = 'filesystem', 'path' = '${TMP}/b', 'format' = 'csv', 'csv.field-delimiter' = ';', 'csv.array-element-delimiter' = ',');
INSERT INTO b VALUES ('abc', TIMESTAMP '2020-01-01 00:00:00', 1, DATE '2020-01-01', ARRAY['x', 'y']), ('123', TIMESTAMP '2020-01-01 00:00:00', 1, DATE '2020-01-01', ARRAY['1']);
--! cat ${TMP}/b
CREATE TABLE c (s STRING, i INT, d DATE, b BOOLEAN, f DOUBLE, e DECIMAL(5, 2)) WITH ('connector' = 'filesystem', 'path' = '${TMP}/c', 'format' = 'csv', 'csv.field-delimiter' = '|');
INSERT INTO c VALUES ('abc', 1, DATE '2020-01-01', TRUE, 1.5, 1.5), ('~', 1, DATE '2020-01-01', TRUE, 1.5, 1.5);
--! cat ${TMP}/c
CREATE TABLE e (s STRING, t STRING) WITH ('connector' = 'filesystem', 'path' = '${TMP}/e', 'format' = 'csv', 'csv.null-literal' = 'null', 'csv.field-delimiter' = '\t');
INSERT INTO e VALUES ('null', CAST(NULL AS STRING)), ('', 'x y');
--! cat ${TMP}/e
SELECT s, s IS NULL AS n, t FROM e;
