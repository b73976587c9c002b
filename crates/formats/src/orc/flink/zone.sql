-- Timestamps in the zone of the process.
CREATE TABLE zone (id INT, t TIMESTAMP(9)) WITH ('connector' = 'filesystem', 'path' = 'file://${DIR}/zone', 'format' = 'orc');
INSERT INTO zone VALUES (0, TIMESTAMP '2021-01-01 00:00:00.123456789'), (1, TIMESTAMP '2021-07-01 00:00:00'), (2, TIMESTAMP '2021-03-14 02:30:00'), (3, TIMESTAMP '2021-03-14 03:30:00'), (4, TIMESTAMP '2021-11-07 01:30:00'), (5, TIMESTAMP '1969-12-31 20:00:00.5'), (6, TIMESTAMP '1950-06-01 12:00:00'), (7, TIMESTAMP '1800-01-01 00:00:00'), (8, TIMESTAMP '1500-01-01 00:00:00'), (9, TIMESTAMP '2100-07-01 00:00:00'), (10, TIMESTAMP '2014-12-31 23:00:00');
SELECT * FROM zone;
--! keep ${DIR}/zone ${DIR}/zone.orc
