-- Types of results over columns that are never null: grouped, of all rows, with FILTER.
CREATE TABLE n (k STRING NOT NULL, x INT NOT NULL, s STRING NOT NULL) WITH ('connector' = 'filesystem', 'path' = '${DATA}/agg.csv', 'format' = 'csv');
CREATE TABLE c (k STRING NOT NULL, x INT NOT NULL, s VARCHAR(5) NOT NULL) WITH ('connector' = 'filesystem', 'path' = '${DATA}/nonnull.csv', 'format' = 'csv');
SELECT k, FIRST_VALUE(x) AS a, LAST_VALUE(s) AS b, LISTAGG(s) AS d, COLLECT(x) AS e, ARRAY_AGG(x) AS f, JSON_ARRAYAGG(x) AS g, PERCENTILE(x, 0.5) AS h, STDDEV_POP(x) AS i, VAR_SAMP(x) AS j FROM c GROUP BY k;
SELECT FIRST_VALUE(x) AS a, LAST_VALUE(s) AS b, LISTAGG(s) AS d, COLLECT(x) AS e, ARRAY_AGG(x) AS f, JSON_ARRAYAGG(x) AS g, PERCENTILE(x, 0.5) AS h, STDDEV_POP(x) AS i, VAR_SAMP(x) AS j FROM c;
SELECT k, FIRST_VALUE(x) FILTER (WHERE x > 1) AS a, LISTAGG(s) FILTER (WHERE x > 1) AS d, COLLECT(x) FILTER (WHERE x > 1) AS e, PERCENTILE(x, 0.5) FILTER (WHERE x > 1) AS h, VAR_POP(x) FILTER (WHERE x > 1) AS i FROM c GROUP BY k;
SELECT k, ARRAY_AGG(x) FILTER (WHERE x > 0) AS f FROM c GROUP BY k;
SELECT k, PERCENTILE(x, ARRAY[0.5]) AS a, LISTAGG(s, '-') AS b, AVG(x) AS c, STDDEV(x) AS d, ARRAY_AGG(s IGNORE NULLS) AS e FROM c GROUP BY k;
