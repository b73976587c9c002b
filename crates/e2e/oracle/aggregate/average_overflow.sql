-- A sum of decimals that does not fit, and what is left when what was too much is taken back: the average stays null.
CREATE VIEW lows AS SELECT k, s, MIN(d) AS x FROM (VALUES ('a', 'p', CAST('90000000000000000000000000000000000000' AS DECIMAL(38, 0))), ('a', 'q', CAST('90000000000000000000000000000000000000' AS DECIMAL(38, 0))), ('b', 'p', CAST(4 AS DECIMAL(38, 0))), ('a', 'q', CAST(2 AS DECIMAL(38, 0))), ('a', 'p', CAST(4 AS DECIMAL(38, 0))), ('a', 'r', CAST(6 AS DECIMAL(38, 0))), ('c', 'p', CAST(NULL AS DECIMAL(38, 0)))) AS v(k, s, d) GROUP BY k, s;
SELECT k, AVG(x) AS a, COUNT(x) AS n FROM lows GROUP BY k;
SELECT k, SUM(x) AS t, COUNT(x) AS n FROM lows GROUP BY k;
SELECT k, SUM(x) AS t, AVG(x) AS a FROM lows GROUP BY k;
SELECT k, AVG(x) AS a, AVG(DISTINCT x) AS d FROM lows GROUP BY k;
SELECT k, AVG(x) AS a FROM lows WHERE x < 10 GROUP BY k;
