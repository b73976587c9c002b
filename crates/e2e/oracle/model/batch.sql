-- Calls of models in batch mode.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE payments (id INT, currency STRING, ts TIMESTAMP(3), amount INT, pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/payments_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE MODEL m INPUT (a STRING) OUTPUT (label STRING, size INT) WITH ('provider' = 'model-test', 'api-key' = 'sk-secret');
CREATE MODEL at_once INPUT (a STRING) OUTPUT (label STRING, size INT) WITH ('provider' = 'model-test', 'async' = 'true');
CREATE MODEL twice INPUT (a STRING) OUTPUT (label STRING) WITH ('provider' = 'model-test', 'answers' = '2');
EXPLAIN SELECT id, label FROM ML_PREDICT(TABLE payments, MODEL m, DESCRIPTOR(currency));
SELECT id, label FROM ML_PREDICT(TABLE payments, MODEL at_once, DESCRIPTOR(currency));
SELECT id, label, size FROM ML_PREDICT(TABLE payments, MODEL m, DESCRIPTOR(currency));
SELECT id, label FROM ML_PREDICT(TABLE payments, MODEL twice, DESCRIPTOR(currency)) WHERE id < 4;
SELECT label, COUNT(*) AS n, MAX(ts) AS t FROM ML_PREDICT(TABLE payments, MODEL at_once, DESCRIPTOR(currency), MAP['output-mode', 'ALLOW_UNORDERED']) GROUP BY label;
SELECT id, label FROM ML_PREDICT((SELECT id, currency FROM payments WHERE amount > 9), MODEL at_once, DESCRIPTOR(currency)) ORDER BY id DESC LIMIT 3;
