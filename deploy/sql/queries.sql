-- Five queries on a view or table named lethe_pod, in the dialect of DuckDB. In Athena and Trino write regexp_like for
-- regexp_matches and length(to_utf8(log)) for octet_length(CAST(log AS BLOB)); in Athena add
-- ns = '…' to each WHERE.

-- name: lines that contain a word, newest first
-- letheql: pod{namespace="default"} |= "error"
SELECT "time", time_ns, pod, container, log
FROM lethe_pod
WHERE namespace = 'default' AND strpos(log, 'error') > 0
ORDER BY "time" DESC, time_ns DESC
LIMIT 1000;

-- name: lines by pod
-- letheql: sum by (namespace, pod) (count_over_time(pod{}[1h]))
SELECT namespace, pod, count(*) AS lines
FROM lethe_pod
GROUP BY namespace, pod
ORDER BY lines DESC, namespace, pod;

-- name: lines by minute
-- letheql: sum(count_over_time(pod{namespace="default"}[1m]))
SELECT date_trunc('minute', "time") AS minute, count(*) AS lines
FROM lethe_pod
WHERE namespace = 'default'
GROUP BY 1
ORDER BY 1;

-- name: bytes by namespace
-- letheql: sum by (namespace) (bytes_over_time(pod{}[1h]))
SELECT namespace, sum(octet_length(CAST(log AS BLOB))) AS bytes
FROM lethe_pod
GROUP BY namespace
ORDER BY bytes DESC;

-- name: pods that logged an exception, and how often
-- letheql: topk(10, sum by (pod) (count_over_time(pod{} |~ "(?i)exception" [1h])))
SELECT pod, count(*) AS lines
FROM lethe_pod
WHERE regexp_matches(log, '(?i)exception')
GROUP BY pod
ORDER BY lines DESC, pod
LIMIT 10;
