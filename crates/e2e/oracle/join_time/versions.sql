-- Temporal joins by event time over views of last rows. Where more is compared than the key of the versions, one that was
-- replaced is still found: rows are sent by all that is equal, and nobody tells that a version has ended. Flink does so, too.
CREATE TABLE payments (id INT, currency STRING, ts TIMESTAMP(3), amount INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/payments_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE rates (currency STRING, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rates_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE VIEW last_rates AS SELECT currency, rate, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY ts DESC) AS rn FROM rates) WHERE rn = 1;
CREATE VIEW last_amounts AS SELECT amount, currency, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY amount ORDER BY ts DESC) AS rn FROM payments) WHERE rn = 1;
SELECT p.id, r.rate, r.ts FROM payments p JOIN last_rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
SELECT p.id, r.rate, r.ts FROM payments p JOIN last_rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND r.rate = p.amount + 99;
SELECT p.id, r.rate, r.ts FROM payments p LEFT JOIN last_rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND r.rate = 100 + p.id - p.id;
SELECT p.id, r.rate, r.ts FROM payments p LEFT JOIN last_rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND r.rate = p.amount + 110;
SELECT p.id, a.amount, a.ts FROM payments p LEFT JOIN last_amounts FOR SYSTEM_TIME AS OF p.ts AS a ON p.amount = a.amount AND p.currency = a.currency;
EXPLAIN CHANGELOG_MODE SELECT p.id, r.rate, r.ts FROM payments p LEFT JOIN last_rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND r.rate = p.amount + 110;
