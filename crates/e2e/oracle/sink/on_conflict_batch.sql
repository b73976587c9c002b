-- ON CONFLICT of INSERT in batch mode: all rows go in.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE w (ts TIMESTAMP(3), who STRING, x INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/clicks.csv', 'format' = 'csv', 'csv.ignore-parse-errors' = 'true');
CREATE TABLE pt (ts TIMESTAMP(3), who STRING, x INT, p AS PROCTIME()) WITH ('connector' = 'filesystem', 'path' = '${DATA}/clicks.csv', 'format' = 'csv', 'csv.ignore-parse-errors' = 'true');
CREATE TABLE byn (who STRING, n BIGINT, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'print');
CREATE TABLE bywho (who STRING, n BIGINT, PRIMARY KEY (who) NOT ENFORCED) WITH ('connector' = 'print');
INSERT INTO byn SELECT who, COUNT(*) FROM w GROUP BY who ON CONFLICT DO NOTHING;
INSERT INTO byn SELECT who, COUNT(*) FROM w GROUP BY who ON CONFLICT DO ERROR;
INSERT INTO byn SELECT who, COUNT(*) FROM w GROUP BY who ON CONFLICT DO DEDUPLICATE;
INSERT INTO byn SELECT who, COUNT(*) FROM pt GROUP BY who ON CONFLICT DO NOTHING;
INSERT INTO byn SELECT who, x FROM w ON CONFLICT DO NOTHING;
SET 'table.exec.sink.upsert-materialize' = 'FORCE';
INSERT INTO byn SELECT who, COUNT(*) FROM w GROUP BY who ON CONFLICT DO NOTHING;
INSERT INTO byn SELECT who, COUNT(*) FROM w GROUP BY who;
