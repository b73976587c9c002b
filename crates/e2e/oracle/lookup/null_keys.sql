-- IS NOT DISTINCT FROM as a key of a lookup.
CREATE TABLE payments (id INT, currency STRING, ts TIMESTAMP(3), amount INT, pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/payments_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE rates (currency STRING, rate INT, name STRING) WITH ('connector' = 'lookup-test', 'rows' = 'USD,100,dollar;EUR,116,euro;EUR,117,euro again;YEN,,;,7,nobody');
CREATE TABLE sizes (amount INT NOT NULL, big BIGINT, label STRING, PRIMARY KEY (amount) NOT ENFORCED) WITH ('connector' = 'lookup-test', 'async' = 'true', 'rows' = '1,10,one;2,20,two;5,50,five;7,70,seven;9,90,');
EXPLAIN SELECT p.id, s.label FROM payments p JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount IS NOT DISTINCT FROM s.amount;
EXPLAIN SELECT p.id, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency IS NOT DISTINCT FROM r.currency;
EXPLAIN SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency IS NOT DISTINCT FROM r.currency;
EXPLAIN SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r.rate IS NOT DISTINCT FROM p.amount;
EXPLAIN SELECT p.id, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency IS NOT DISTINCT FROM r.currency AND r.rate > 110;
SELECT p.id, p.currency, r.rate FROM payments p JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency IS NOT DISTINCT FROM r.currency;
SELECT p.id, p.currency, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency IS NOT DISTINCT FROM r.currency;
SELECT p.id, p.amount, s.label FROM payments p JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount IS NOT DISTINCT FROM s.amount;
SELECT p.id, p.amount, s.label FROM payments p LEFT JOIN sizes FOR SYSTEM_TIME AS OF p.pt AS s ON p.amount IS NOT DISTINCT FROM s.amount;
SELECT p.id, p.currency, r.rate FROM payments p LEFT JOIN rates FOR SYSTEM_TIME AS OF p.pt AS r ON p.currency = r.currency AND r.rate IS NOT DISTINCT FROM p.amount;
