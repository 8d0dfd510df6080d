-- Lethe's live blocks as a view of DuckDB. Make the list first, of as many namespaces as you like:
--
--   lethe inspect --live --locations pod/default >  live.txt
--   lethe inspect --live --locations pod/shop    >> live.txt
--
-- then `duckdb -init duckdb.sql` in the same folder, and the queries of queries.sql. A list is good for compactor.grace (5m): then the blocks
-- that were replaced meanwhile begin to go. For s3:// locations DuckDB needs its httpfs extension and a secret with a reader's credentials.
SET TimeZone = 'UTC';
SET VARIABLE live = (
  SELECT list(location) FROM read_csv('live.txt', header = false, delim = '\n', quote = '', escape = '', columns = {'location': 'VARCHAR'})
);

-- ns and hr come from the path, as the partition columns of Athena and Trino do.
CREATE OR REPLACE TEMP VIEW lethe_pod AS
SELECT "time", time_ns, namespace, pod, container, stream, node, log,
  regexp_extract(filename, '/([^/]+)/([^/]+)/[^/]+$', 1) AS ns,
  regexp_extract(filename, '/([^/]+)/([^/]+)/[^/]+$', 2) AS hr
FROM read_parquet(getvariable('live'), filename = true);
