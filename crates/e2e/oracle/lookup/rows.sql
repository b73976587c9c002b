-- Lookup joins, row by row. `lookup-test` is a connector of the tests, which stands in LookupTest.java for Flink.
CREATE TABLE payments (id INT, currency STRING, ts TIMESTAMP(3), amount INT, pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/payments_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE rates (currency STRING, rate INT, name STRING) WITH ('connector' = 'lookup-test', 'rows' = 'USD,100,dollar;EUR,116,euro;EUR,117,euro again;YEN,,;,7,nobody');
CREATE TABLE sizes (amount INT NOT NULL, big BIGINT, label STRING, PRIMARY KEY (amount) NOT ENFORCED) WITH ('connector' = 'lookup-test', 'async' = 'true', 'rows' = '1,10,one;2,20,two;5,50,five;7,70,seven;9,90,');
CREATE TABLE changing (currency STRING, amount INT, ts TIMESTAMP(3), pt AS PROCTIME()) WITH ('connector' = 'filesystem', 'path' = '${DATA}/left_changes_time.json', 'format' = 'debezium-json');
SELECT p.id, p.currency, r.rate, r.name FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency;
SELECT p.id, p.currency, r.* FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency;
SELECT p.id, s.big, s.label FROM payments p JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount = s.amount;
SELECT p.id, s.* FROM payments p LEFT JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS s ON s.amount = p.amount;
-- Further conditions: of the table, of both, of the left.
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r.rate > 110;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r.rate > 110;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r.rate - 108 > p.amount;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r.rate - 108 > p.amount;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND p.amount > 5;
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency WHERE r.rate > 100 AND p.id > 3 AND r.name LIKE '%again';
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency WHERE r.rate IS NULL;
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency WHERE r.rate > 100;
SELECT p.id, r.rate FROM payments p LEFT JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS r0 ON p.amount = r0.amount LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r0.big < r.rate;
-- Keys that are computed, constant, several, or cast.
SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON UPPER(p.currency) = r.currency;
SELECT p.id, s.label FROM payments p JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount + 1 = s.amount;
SELECT p.id, s.label FROM payments p JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS s ON MOD(p.id, 3) = s.amount;
SELECT p.id, r.name FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON r.currency = 'EUR';
SELECT p.id, r.name FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON r.currency = 'EUR' AND r.rate = p.amount + 100;
SELECT p.id, r.name FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r.rate = 116;
SELECT p.id, r.name FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r.rate = 116;
SELECT p.id, r.name FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND p.amount = r.rate;
SELECT p.id, s.label FROM payments p JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount = s.big;
-- The time of the query itself; USING; nothing selected of the table; a computed column in a view of the left.
SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF PROCTIME() AS r ON p.currency = r.currency;
SELECT id, currency, rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r USING (currency);
SELECT p.id FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency;
SELECT p.id, r.rate FROM (SELECT *, PROCTIME() AS now FROM payments WHERE id > 1000) p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.now AS r ON p.currency = r.currency;
SELECT p.id, r.rate + 1 AS more, CONCAT(r.name, '!') AS shown FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency;
-- A left that changes.
SELECT c.currency, c.amount, r.rate FROM changing c JOIN rates FOR SYSTEM_TIME AS OF c.pt AS r ON c.currency = r.currency;
SELECT c.currency, c.amount, r.rate FROM changing c LEFT JOIN rates FOR SYSTEM_TIME AS OF c.pt AS r ON c.currency = r.currency AND r.rate > 100;
SELECT r.name, COUNT(*) AS n, SUM(c.amount) AS s FROM changing c LEFT JOIN rates FOR SYSTEM_TIME AS OF c.pt AS r ON c.currency = r.currency GROUP BY r.name;
SELECT t.currency, t.n, r.rate FROM (SELECT currency, COUNT(*) AS n, PROCTIME() AS now FROM payments GROUP BY currency) t LEFT JOIN rates FOR SYSTEM_TIME AS OF t.now AS r ON t.currency = r.currency;
-- Event time goes through.
SELECT window_start, r.currency, COUNT(*) AS n FROM TABLE(TUMBLE((SELECT p.ts, r.currency FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency), DESCRIPTOR(ts), INTERVAL '10' SECOND)) r GROUP BY window_start, window_end, r.currency;
