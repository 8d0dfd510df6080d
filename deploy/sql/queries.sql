-- Five queries over the table or view lethe_pod of athena.sql, trino.sql or duckdb.sql. The text is the same for all three engines.
--
-- Each of them says which partitions it reads: ns, the namespaces, and hr, the hours in UTC. Athena and Trino refuse a query without
-- ns, and read every hour of the projection without hr. The line that starts with "lethe" asks Lethe the same; a test runs both.

-- name: the newest lines that contain a word
-- lethe query --start 2026-03-01T09:00:00Z --end 2026-03-01T10:59:59.999999999Z --limit 1000 'pod{namespace="default"} |= "error"'
SELECT "time", time_ns, pod, container, log
FROM lethe_pod
WHERE ns = 'default' AND hr BETWEEN '2026-03-01_09' AND '2026-03-01_10'
  AND strpos(log, 'error') > 0
ORDER BY "time" DESC, time_ns DESC
LIMIT 1000;

-- name: lines by namespace and pod
-- lethe query --time 2026-03-01T11:00:00Z 'sum by (namespace, pod) (count_over_time(pod{namespace=~"default|shop"}[2h]))'
SELECT namespace, pod, count(*) AS lines
FROM lethe_pod
WHERE ns IN ('default', 'shop') AND hr BETWEEN '2026-03-01_09' AND '2026-03-01_10'
GROUP BY namespace, pod
ORDER BY lines DESC, namespace, pod;

-- name: lines by minute
-- lethe query --start 2026-03-01T09:01:00Z --end 2026-03-01T11:00:00Z --step 1m 'sum(count_over_time(pod{namespace="default"}[1m]))'
SELECT date_trunc('minute', "time") AS minute, count(*) AS lines
FROM lethe_pod
WHERE ns = 'default' AND hr BETWEEN '2026-03-01_09' AND '2026-03-01_10'
GROUP BY 1
ORDER BY 1;

-- name: share of the lines that are errors, by pod
-- lethe query --time 2026-03-01T11:00:00Z 'sum by (pod) (count_over_time(pod{namespace="default"} |= "error" [2h])) / sum by (pod) (count_over_time(pod{namespace="default"}[2h]))'
SELECT pod, CAST(sum(CASE WHEN strpos(log, 'error') > 0 THEN 1 ELSE 0 END) AS double) / count(*) AS share
FROM lethe_pod
WHERE ns = 'default' AND hr BETWEEN '2026-03-01_09' AND '2026-03-01_10'
GROUP BY pod
HAVING sum(CASE WHEN strpos(log, 'error') > 0 THEN 1 ELSE 0 END) > 0
ORDER BY share DESC, pod;

-- name: the ten pods that logged the most exceptions
-- lethe query --time 2026-03-01T11:00:00Z 'topk(10, sum by (pod) (count_over_time(pod{namespace="default"} |~ "(?i)exception" [2h])))'
SELECT pod, count(*) AS lines
FROM lethe_pod
WHERE ns = 'default' AND hr BETWEEN '2026-03-01_09' AND '2026-03-01_10'
  AND lower(log) LIKE '%exception%'
GROUP BY pod
ORDER BY lines DESC, pod
LIMIT 10;
