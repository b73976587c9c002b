-- Temporal joins by event time: over a table with a primary key and a watermark, of insertions, upserts and changes.
CREATE TABLE payments (id INT, currency STRING, ts TIMESTAMP(3), amount INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/payments_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE rates (currency STRING, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (currency) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rates_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE changing (currency STRING, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (currency) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rates_time.json', 'format' = 'debezium-json');
CREATE TABLE keyless (currency STRING, rate INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rates_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE timeless (currency STRING, rate INT, ts TIMESTAMP(3), PRIMARY KEY (currency) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${DATA}/rates_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT p.id, p.amount, r.rate, p.amount * r.rate AS total FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
SELECT p.id, p.amount, r.rate, r.currency FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
SELECT p.id, p.amount, r.rate FROM payments p JOIN changing FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
SELECT p.id, p.amount, r.rate, r.ts FROM payments p LEFT JOIN changing FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
-- Further conditions: of both, of the left, of the right.
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND p.amount < r.rate - 100;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND p.amount < r.rate - 100;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND p.amount > 5 WHERE r.rate > 101;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND r.rate > 101;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND p.amount > 5;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency WHERE r.rate IS NULL;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND p.amount = r.rate - 88;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON UPPER(p.currency) = r.currency;
-- Empty inputs.
SELECT p.id, r.rate FROM (SELECT * FROM payments WHERE id > 1000) p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
-- A left that changes.
CREATE TABLE orders_changing (currency STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/left_changes_time.json', 'format' = 'debezium-json');
SELECT c.currency, c.amount AS mine, r.rate FROM orders_changing c JOIN rates FOR SYSTEM_TIME AS OF c.ts AS r ON c.currency = r.currency;
SELECT c.currency, c.amount AS mine, r.rate FROM orders_changing c LEFT JOIN rates FOR SYSTEM_TIME AS OF c.ts AS r ON c.currency = r.currency AND c.amount < 5;
SELECT r.rate, COUNT(*) AS n, SUM(c.amount) AS s FROM orders_changing c LEFT JOIN changing FOR SYSTEM_TIME AS OF c.ts AS r USING (currency) GROUP BY r.rate;
-- Time attributes of the left go through; a second table.
SELECT window_start, COUNT(*) AS n, SUM(total) AS s FROM TABLE(TUMBLE((SELECT p.ts, p.amount * r.rate AS total FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency), DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT p.id, r.rate, c.rate AS other FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency LEFT JOIN changing FOR SYSTEM_TIME AS OF p.ts AS c ON p.currency = c.currency;
SELECT r.currency, COUNT(*) AS n, SUM(p.amount) AS s FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency GROUP BY r.currency;
-- A versioned view: the last row of each key by time.
CREATE TEMPORARY VIEW last_rates AS SELECT currency, rate, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY ts DESC) AS rn FROM keyless) WHERE rn = 1;
SELECT p.id, r.rate FROM payments p JOIN last_rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
EXPLAIN CHANGELOG_MODE SELECT p.id, r.rate FROM payments p JOIN last_rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
-- Mistakes.
SELECT p.id, r.rate FROM payments p JOIN keyless FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM payments p JOIN timeless FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.amount = r.rate;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.amount < r.rate;
SELECT p.id, r.rate FROM payments p RIGHT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM payments p FULL JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00' AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts + INTERVAL '1' SECOND AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM (SELECT *, CAST(ts AS TIMESTAMP(3)) AS plain FROM payments) p JOIN rates FOR SYSTEM_TIME AS OF p.plain AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.amount AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM payments p, rates FOR SYSTEM_TIME AS OF p.ts AS r WHERE p.currency = r.currency;
SELECT * FROM rates FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00';
SELECT p.id, r.rate FROM (SELECT *, PROCTIME() AS pt FROM payments) p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF PROCTIME() AS r ON p.currency = r.currency;
EXPLAIN CHANGELOG_MODE SELECT p.id, p.amount, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency;
EXPLAIN CHANGELOG_MODE SELECT p.id, p.amount, r.rate FROM payments p LEFT JOIN changing FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND p.amount < r.rate;
EXPLAIN CHANGELOG_MODE SELECT c.currency, c.amount AS mine, r.rate FROM orders_changing c JOIN rates FOR SYSTEM_TIME AS OF c.ts AS r ON c.currency = r.currency;
EXPLAIN CHANGELOG_MODE SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND r.rate > 101 WHERE p.amount > 5;
EXPLAIN CHANGELOG_MODE SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.ts AS r ON p.currency = r.currency AND r.rate > 101;
