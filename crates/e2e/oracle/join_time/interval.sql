-- Interval joins: every kind, strict and open bounds, equality, both directions, conditions in ON and in WHERE.
CREATE TABLE orders (id INT, k STRING, ts TIMESTAMP(3), v INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/orders_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE shipments (id INT, k STRING, ts TIMESTAMP(3), w INT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${DATA}/shipments_time.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT o.id, s.id AS sid, o.k, o.v, s.w FROM orders o JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
SELECT o.id, s.id AS sid, o.k FROM orders o LEFT JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
SELECT o.id, s.id AS sid, s.k FROM orders o RIGHT JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
SELECT o.id, s.id AS sid, o.k, s.k AS sk FROM orders o FULL JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
SELECT o.id, s.id AS sid FROM orders o, shipments s WHERE o.k = s.k AND o.ts > s.ts - INTERVAL '5' SECOND AND o.ts < s.ts + INTERVAL '5' SECOND;
SELECT o.id, s.id AS sid FROM orders o, shipments s WHERE o.k = s.k AND s.ts - INTERVAL '5' SECOND < o.ts AND s.ts + INTERVAL '5' SECOND >= o.ts AND o.v > 20;
SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k = s.k AND o.ts = s.ts;
SELECT o.id, s.id AS sid FROM orders o LEFT JOIN shipments s ON o.k = s.k AND o.ts = s.ts;
SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k = s.k AND o.ts = s.ts - INTERVAL '1' SECOND;
SELECT o.id, s.id AS sid FROM orders o FULL JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts - INTERVAL '1' SECOND AND o.ts + INTERVAL '10' SECOND AND o.v > s.w * 5;
SELECT o.id, s.id AS sid FROM orders o LEFT JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND AND o.v > 10;
SELECT o.id, s.id AS sid FROM orders o LEFT JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND AND s.w > 1;
SELECT o.id, s.id AS sid FROM orders o LEFT JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND WHERE s.id IS NULL;
-- The key's nulls meet.
SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k IS NOT DISTINCT FROM s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
-- No key at all.
SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON s.ts BETWEEN o.ts AND o.ts + INTERVAL '1' SECOND;
-- An interval that lies in the past of both, and one that cannot be.
SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k = s.k AND o.ts BETWEEN s.ts - INTERVAL '20' SECOND AND s.ts - INTERVAL '2' SECOND;
SELECT o.id, s.id AS sid FROM orders o LEFT JOIN shipments s ON o.k = s.k AND o.ts BETWEEN s.ts + INTERVAL '2' SECOND AND s.ts - INTERVAL '2' SECOND;
SELECT o.id, s.id AS sid FROM orders o FULL JOIN shipments s ON o.k = s.k AND o.ts BETWEEN s.ts + INTERVAL '2' SECOND AND s.ts - INTERVAL '2' SECOND;
-- Empty inputs.
SELECT o.id, s.id AS sid FROM orders o JOIN (SELECT * FROM shipments WHERE w > 1000) s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
SELECT o.id, s.id AS sid FROM orders o LEFT JOIN (SELECT * FROM shipments WHERE w > 1000) s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
-- Time attributes go through: a window behind the join, of the left's time and of the right's; a join of three.
CREATE TEMPORARY VIEW shipped AS SELECT o.id, s.id AS sid, o.k, o.ts AS ots, s.ts AS sts, o.v FROM orders o JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
DESCRIBE shipped;
SELECT window_start, COUNT(*) AS n, SUM(v) AS s FROM TABLE(TUMBLE(TABLE shipped, DESCRIPTOR(ots), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) AS n, SUM(v) AS s FROM TABLE(TUMBLE(TABLE shipped, DESCRIPTOR(sts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT j.id, j.sid, o.id AS oid FROM shipped j JOIN orders o ON j.k = o.k AND o.ts BETWEEN j.sts - INTERVAL '10' SECOND AND j.sts;
-- What is no interval join: one bound, an equality and a bound, bounds of columns.
SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k = s.k AND s.ts >= o.ts;
SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k = s.k AND s.ts = o.ts AND s.ts <= o.ts + INTERVAL '1' SECOND;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid, o.k, o.v, s.w FROM orders o JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders o LEFT JOIN shipments s ON o.k = s.k AND o.ts = s.ts;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders o, shipments s WHERE o.k = s.k AND o.ts > s.ts - INTERVAL '5' SECOND AND o.ts < s.ts + INTERVAL '5' SECOND AND o.v > s.w;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON s.ts BETWEEN o.ts AND o.ts + INTERVAL '1' SECOND;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k = s.k AND o.ts = s.ts - INTERVAL '1' SECOND;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders o LEFT JOIN shipments s ON o.k = s.k AND o.ts BETWEEN s.ts + INTERVAL '2' SECOND AND s.ts - INTERVAL '2' SECOND;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '1' MONTH;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders o JOIN shipments s ON o.k = s.k AND s.ts >= o.ts AND s.ts <= o.ts + INTERVAL '5' SECOND AND s.ts <= o.ts + INTERVAL '3' SECOND;
EXPLAIN CHANGELOG_MODE SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE shipped, DESCRIPTOR(sts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
EXPLAIN CHANGELOG_MODE SELECT o.n, s.id FROM (SELECT k, ts, COUNT(*) AS n FROM orders GROUP BY k, ts) o JOIN shipments s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
EXPLAIN CHANGELOG_MODE SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM shipments s WHERE o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND);
-- Different types of time; processing time.
CREATE TABLE shipments_ltz (id INT, k STRING, t BIGINT, ts AS TO_TIMESTAMP_LTZ(t, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
SELECT o.id, s.id AS sid FROM orders o JOIN shipments_ltz s ON o.k = s.k AND s.ts BETWEEN o.ts AND o.ts + INTERVAL '5' SECOND;
CREATE TEMPORARY VIEW orders_now AS SELECT id, k, v, PROCTIME() AS pt FROM orders;
CREATE TEMPORARY VIEW shipments_now AS SELECT id, k, w, PROCTIME() AS pt FROM shipments;
SELECT o.id, s.id AS sid FROM orders_now o JOIN shipments_now s ON o.k = s.k AND s.pt BETWEEN o.pt - INTERVAL '1' HOUR AND o.pt + INTERVAL '1' HOUR;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders_now o JOIN shipments_now s ON o.k = s.k AND s.pt BETWEEN o.pt - INTERVAL '1' HOUR AND o.pt + INTERVAL '1' HOUR;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid, o.ts FROM (SELECT *, PROCTIME() AS pt FROM orders) o JOIN shipments_now s ON o.k = s.k AND s.pt BETWEEN o.pt - INTERVAL '1' HOUR AND o.pt + INTERVAL '1' HOUR;
EXPLAIN CHANGELOG_MODE SELECT o.id, s.id AS sid FROM orders o JOIN shipments_now s ON o.k = s.k AND s.pt BETWEEN o.ts AND o.ts + INTERVAL '1' HOUR;
