-- Lethe's blocks as tables of Trino's Hive connector, in its schema "default" of the catalog "hive". Replace BUCKET, and PREFIX by the prefix
-- with a slash behind it, or by nothing. The catalog needs hive.partition-projection-enabled=true and hive.timestamp-precision=MICROSECONDS.
--
-- Partitions are projected: ns (the namespace), nd (the node) and hr (the hour, UTC) come from the path and are named unlike the columns of
-- the file. ns and nd are injected: a query has to say ns = '…' or ns IN ('…', '…').
--
-- While a replaced block waits for its deletion (compactor.grace, 5m) its lines show a second time. For exact answers over fresh hours
-- read the lists of `lethe inspect --live --symlinks`: define lethe_pod_live of athena.sql in the Glue or Hive metastore; Trino reads it.
CREATE TABLE lethe_pod (
  "time" timestamp(6),
  time_ns integer,
  namespace varchar,
  pod varchar,
  container varchar,
  stream varchar,
  node varchar,
  log varchar,
  ns varchar WITH (partition_projection_type = 'INJECTED'),
  hr varchar WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy-MM-dd_HH',
    partition_projection_range = ARRAY['2024-01-01_00', 'NOW+1HOURS'],
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'HOURS'
  )
)
WITH (
  format = 'PARQUET',
  external_location = 's3://BUCKET/PREFIXpod/',
  partitioned_by = ARRAY['ns', 'hr'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://BUCKET/PREFIXpod/${ns}/${hr}/'
);

CREATE TABLE lethe_node (
  "time" timestamp(6),
  time_ns integer,
  node varchar,
  process varchar,
  log varchar,
  nd varchar WITH (partition_projection_type = 'INJECTED'),
  hr varchar WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy-MM-dd_HH',
    partition_projection_range = ARRAY['2024-01-01_00', 'NOW+1HOURS'],
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'HOURS'
  )
)
WITH (
  format = 'PARQUET',
  external_location = 's3://BUCKET/PREFIXnode/',
  partitioned_by = ARRAY['nd', 'hr'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://BUCKET/PREFIXnode/${nd}/${hr}/'
);
