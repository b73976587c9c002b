-- Lookups in files, which are read whole.
CREATE TABLE payments (id INT, currency STRING, ts TIMESTAMP(3), amount INT, pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/payments_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE side_input (`key` BIGINT, `value` STRING) WITH ('connector' = '${LOOKUP_FILES}', 'path' = '${DATA}/side_input.csv', 'format' = 'csv');
CREATE TABLE labelled (`key` BIGINT, `value` STRING, label AS UPPER(`value`)) WITH ('connector' = '${LOOKUP_FILES}', 'path' = '${DATA}/side_input.csv', 'format' = 'csv');
SELECT p.id, s.`key`, s.`value` FROM payments p JOIN side_input FOR SYSTEM_TIME AS OF p.pt AS s ON p.id + 995 = s.`key`;
SELECT p.id, s.`key`, s.`value` FROM payments p LEFT JOIN side_input FOR SYSTEM_TIME AS OF p.pt AS s ON p.id + 995 = s.`key`;
SELECT p.id, s.`value` FROM payments p LEFT JOIN side_input FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount + 995 = s.`key` AND s.`value` LIKE 'another%';
SELECT p.id, s.`value` FROM payments p JOIN side_input FOR SYSTEM_TIME AS OF p.pt AS s ON s.`key` = 1000 AND p.amount < 3;
SELECT p.id, s.label FROM payments p JOIN labelled FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount + 998 = s.`key` WHERE s.label <> 'VALUE 21';
SELECT p.id, s.`value` FROM payments p JOIN side_input FOR SYSTEM_TIME AS OF p.pt AS s ON p.currency = s.`value`;
SELECT s.`value`, COUNT(*) AS n FROM payments p LEFT JOIN side_input FOR SYSTEM_TIME AS OF p.pt AS s ON MOD(p.id, 3) + 999 = s.`key` GROUP BY s.`value`;
EXPLAIN CHANGELOG_MODE SELECT p.id, s.label FROM payments p JOIN labelled FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount + 998 = s.`key` WHERE s.label <> 'VALUE 21';
EXPLAIN CHANGELOG_MODE SELECT p.id, s.`value` FROM payments p LEFT JOIN side_input FOR SYSTEM_TIME AS OF p.pt AS s ON p.id + 995 = s.`key`;
