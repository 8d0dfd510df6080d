-- Lethe's blocks as tables of Athena. Replace BUCKET/PREFIX.
--
-- Partitions are projected, so there is nothing to load or repair: ns and hr come from the path and are not columns of the
-- file. ns is injected, so a query has to say ns = '…' (or ns IN (…)); hr bounds what is read.
--
-- While a replaced block waits for its deletion (compactor.grace, minutes) a bare prefix shows its lines beside those of the
-- block that took its place: twice. For exact counts over fresh hours use the list of live objects:
--   lethe inspect --live TARGET
CREATE EXTERNAL TABLE lethe_pod (
  `time` timestamp,
  `time_ns` int,
  `namespace` string,
  `pod` string,
  `container` string,
  `stream` string,
  `node` string,
  `log` string
)
PARTITIONED BY (ns string, hr string)
STORED AS PARQUET
LOCATION 's3://BUCKET/PREFIXpod/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.ns.type' = 'injected',
  'projection.hr.type' = 'date',
  'projection.hr.format' = 'yyyy-MM-dd_HH',
  'projection.hr.range' = '2024-01-01_00,NOW+1HOURS',
  'projection.hr.interval' = '1',
  'projection.hr.interval.unit' = 'HOURS',
  'storage.location.template' = 's3://BUCKET/PREFIXpod/${ns}/${hr}/'
);

CREATE EXTERNAL TABLE lethe_node (
  `time` timestamp,
  `time_ns` int,
  `node` string,
  `process` string,
  `log` string
)
PARTITIONED BY (nd string, hr string)
STORED AS PARQUET
LOCATION 's3://BUCKET/PREFIXnode/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.nd.type' = 'injected',
  'projection.hr.type' = 'date',
  'projection.hr.format' = 'yyyy-MM-dd_HH',
  'projection.hr.range' = '2024-01-01_00,NOW+1HOURS',
  'projection.hr.interval' = '1',
  'projection.hr.interval.unit' = 'HOURS',
  'storage.location.template' = 's3://BUCKET/PREFIXnode/${nd}/${hr}/'
);
