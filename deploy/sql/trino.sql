-- Lethe's blocks as tables of Trino's Hive connector. Replace BUCKET/PREFIX; lethe is a schema of a hive catalog.
-- The folders are not named key=value, so partitions are registered by hand or by a job:
--   CALL hive.system.register_partition('lethe', 'pod', ARRAY['ns', 'hr'], ARRAY['default', '2026-03-01_09'],
--        's3://BUCKET/PREFIXpod/default/2026-03-01_09');
-- A bare prefix shows the lines of a replaced block a second time until it is deleted (compactor.grace); for exact counts over
-- fresh hours use `lethe inspect --live TARGET`.
CREATE TABLE hive.lethe.pod (
  "time" timestamp(6),
  time_ns integer,
  namespace varchar,
  pod varchar,
  container varchar,
  stream varchar,
  node varchar,
  log varchar,
  ns varchar,
  hr varchar
)
WITH (
  format = 'PARQUET',
  external_location = 's3://BUCKET/PREFIXpod/',
  partitioned_by = ARRAY['ns', 'hr']
);

CREATE TABLE hive.lethe.node (
  "time" timestamp(6),
  time_ns integer,
  node varchar,
  process varchar,
  log varchar,
  nd varchar,
  hr varchar
)
WITH (
  format = 'PARQUET',
  external_location = 's3://BUCKET/PREFIXnode/',
  partitioned_by = ARRAY['nd', 'hr']
);
