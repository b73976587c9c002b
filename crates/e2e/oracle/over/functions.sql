-- Functions of OVER by a column, ascending: distinct values, ends, earlier values; and QUALIFY over groups.
CREATE TABLE bids (ts TIMESTAMP(3), k STRING, x INT, id INT, p AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ('connector' = 'filesystem', 'path' = '${DATA}/bids.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TEMPORARY VIEW totals AS SELECT k, COUNT(*) AS n, SUM(x) AS s FROM bids GROUP BY k;
SELECT k, id, COUNT(DISTINCT x) OVER (PARTITION BY k ORDER BY id) AS d FROM bids;
SELECT k, id, x, COUNT(DISTINCT id) OVER (PARTITION BY k ORDER BY x) AS d FROM bids;
SELECT k, id, x, FIRST_VALUE(id) OVER (PARTITION BY k ORDER BY x) AS f FROM bids;
SELECT k, id, x, LAST_VALUE(id) OVER (PARTITION BY k ORDER BY x) AS l FROM bids;
SELECT k, id, LAG(x) OVER (PARTITION BY k ORDER BY id) AS l FROM bids;
SELECT k, id, x, LAG(id) OVER (PARTITION BY k ORDER BY x) AS l FROM bids;
SELECT k, n, LAG(n) OVER (ORDER BY n) AS l FROM totals;
SELECT k, n, MAX(s) OVER (ORDER BY n) AS hi, MIN(s) OVER (ORDER BY n) AS lo FROM totals;
SELECT k, n, AVG(s) OVER (ORDER BY k) AS a FROM totals;
SELECT k, s, DENSE_RANK() OVER (ORDER BY k) AS r FROM totals;
SELECT k, SUM(x) AS s FROM bids GROUP BY k QUALIFY ROW_NUMBER() OVER (ORDER BY SUM(x) DESC) <= 2;
WITH c AS (SELECT k, id, COUNT(*) OVER (PARTITION BY k ORDER BY ts) AS n FROM bids) SELECT k, MAX(n) AS m FROM c GROUP BY k;
SELECT DISTINCT k, COUNT(*) OVER (PARTITION BY k ORDER BY ts) AS n FROM bids;
SELECT id FROM bids WHERE id IN (SELECT id FROM bids QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) = 1);
SELECT id, s FROM (SELECT id, SUM(x) OVER (PARTITION BY k ORDER BY ts) AS s FROM bids) QUALIFY ROW_NUMBER() OVER (ORDER BY s DESC, id) <= 3;
SELECT id, SUM(x) OVER (PARTITION BY k ORDER BY ts) AS s FROM bids ORDER BY s DESC, id LIMIT 3;
SELECT id FROM bids ORDER BY ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts), id LIMIT 2;
