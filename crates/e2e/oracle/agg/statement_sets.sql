-- Statement sets and several inserts.
CREATE TABLE t (k STRING, x INT) WITH ('connector' = 'filesystem', 'path' = '${DATA}/kx.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE a (k STRING, n BIGINT) WITH ('connector' = 'print', 'print-identifier' = 'A');
CREATE TABLE b (x INT) WITH ('connector' = 'print', 'print-identifier' = 'B');
INSERT INTO a SELECT k, COUNT(*) FROM t GROUP BY k;
INSERT INTO b SELECT x FROM t WHERE x > 3;
EXECUTE STATEMENT SET BEGIN
INSERT INTO a SELECT k, COUNT(*) FROM t GROUP BY k;
INSERT INTO b SELECT x FROM t WHERE x > 3;
END;
EXECUTE INSERT INTO b SELECT x FROM t WHERE x > 4;
