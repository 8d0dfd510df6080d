-- Lethe's blocks as tables of Athena. Replace BUCKET, and PREFIX by the prefix with a slash behind it, or by nothing.
--
-- Partitions are projected, so there is nothing to load or repair: ns (the namespace), nd (the node) and hr (the hour, UTC) come from
-- the path and are named unlike the columns of the file. ns and nd are injected: a query has to say ns = '…' or ns IN ('…', '…').
--
-- These two tables read what lies under the prefix. While a replaced block waits for its deletion (compactor.grace, 5m) its lines show a
-- second time beside those of the block that took its place. Hours that are closed and sealed, two hours after their end, have none of
-- these; for fresher ones use the tables over lists at the end.
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

-- Exact at any time: the same table over lists of the live objects, one for each namespace and hour. They lie outside of Lethe's prefix:
--
--   lethe inspect --live --symlinks lists pod/default
--   aws s3 sync --delete lists/pod/default s3://LISTS/pod/default
--
-- A list is good until the first block that it names goes: compactor.grace after that was replaced.
CREATE EXTERNAL TABLE lethe_pod_live (
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
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://LISTS/pod/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.ns.type' = 'injected',
  'projection.hr.type' = 'date',
  'projection.hr.format' = 'yyyy-MM-dd_HH',
  'projection.hr.range' = '2024-01-01_00,NOW+1HOURS',
  'projection.hr.interval' = '1',
  'projection.hr.interval.unit' = 'HOURS',
  'storage.location.template' = 's3://LISTS/pod/${ns}/${hr}/'
);
