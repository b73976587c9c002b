-- Functions with an expression for a body, in the words of the SQL standard.
CREATE TABLE ticks (
  sym STRING,
  ts TIMESTAMP(3),
  price INT,
  tax DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${DATA}/ticks.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE FUNCTION gross(price INT, tax DOUBLE) RETURNS DECIMAL(10, 2) RETURN CAST(price * (1 + COALESCE(tax, 0) / 100) AS DECIMAL(10, 2));
CREATE FUNCTION is_dear(price BIGINT, `limit` BIGINT) RETURN price > `limit`;
CREATE FUNCTION band(price INT) RETURNS STRING LANGUAGE SQL RETURN CASE WHEN is_dear(price, 15) THEN 'high' WHEN price IS NULL THEN 'none' ELSE 'low' END;
CREATE TEMPORARY SYSTEM FUNCTION nothing() RETURN 42;
SELECT sym, gross(price, tax) AS g, Band(price) AS b, nothing() AS n FROM ticks WHERE is_dear(`limit` => 18, price => price);
-- As keys, in aggregates and above them, in HAVING.
SELECT band(price) AS b, COUNT(*) AS c, MAX(gross(price, tax)) AS m, band(CAST(MIN(price) AS INT)) AS l FROM ticks GROUP BY band(price) HAVING is_dear(COUNT(*), 1);
-- With the name of its database; in a view, a condition of a join, a window.
CREATE TEMPORARY VIEW bands AS SELECT default_database.band(price) AS b, ts FROM ticks;
SELECT b, window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE bands, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY b, window_start, window_end;
SELECT a.price, x.n FROM ticks AS a JOIN (VALUES (15, 'x'), (21, 'y')) AS x (p, n) ON is_dear(a.price, CAST(x.p AS BIGINT) - 1) AND NOT is_dear(a.price, x.p);
SELECT ROW_NUMBER() OVER (PARTITION BY band(price) ORDER BY ts) AS n, band(price) AS b FROM ticks QUALIFY n <= 1;
-- What does not fit.
SELECT gross('x', tax) FROM ticks;
SELECT gross(price) FROM ticks;
SELECT gross(price, wrong => 1) FROM ticks;
SELECT gross(DISTINCT price, tax) FROM ticks;
SELECT other.gross(price, tax) FROM ticks;
CREATE FUNCTION gross(price INT) RETURN price;
CREATE FUNCTION wrong(x INT) RETURNS INT RETURN x || 'a';
CREATE FUNCTION wrong(x INT) RETURN y;
CREATE FUNCTION wrong(x INT) RETURN SUM(x);
CREATE FUNCTION twice(x DOUBLE) RETURN x + x;
SELECT twice(RAND()) FROM ticks;
DROP FUNCTION is_dear;
SELECT sym FROM ticks WHERE band(price) = 'high';
